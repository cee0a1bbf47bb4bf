"""Timing contenders in turn."""

import gc
import random
import statistics
import time
from collections.abc import Mapping
from typing import NamedTuple

from jacobians.ground.stopwatch import Stopwatch, Thunk, seconds_per_call

_BATCH = 200e-6  # seconds that one sample takes at least: far above the clock's own cost
_ROUNDS = (7, 201)
PAUSE = 0.02  # after a peer's call its threads spin this long and slow whoever is next


class Times(NamedTuple):
    """What one contender took, round by round.

    Attributes
    ----------
    samples : tuple of float
        Seconds per call, one sample a round.
    """

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds per call."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """The distance between the quartiles, as a share of the median."""
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / self.median

    def over(self, other: "Times") -> float:
        """How many times longer than another: the median of the rounds' ratios.

        Both were timed in every round, so that what slows the machine for a while slows both.
        """
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def to_dict(self) -> dict[str, float | int]:
        """Numbers for JSON."""
        return {"seconds": self.median, "spread": self.spread, "rounds": len(self.samples)}


def interleaved(
    contenders: Mapping[str, Thunk], seconds: float = 0.5, pause: float = 0.0
) -> dict[str, Times]:
    """Time contenders in turn, in an order that is shuffled anew for each round.

    Parameters
    ----------
    contenders : mapping of str to callable
        Each is called without arguments. A quick one is called several times a sample.
    seconds : float
        How long to go on, for each contender; at least 7 rounds are made.
    pause : float
        Seconds to sleep before each sample; needed beside peers that have threads of their own.
        For short calls one that is not counted follows, to bring caches and threads back.

    Returns
    -------
    dict of str to Times
        As many samples for each contender.
    """
    batches: dict[str, int] = {}
    took: dict[str, float] = {}
    for name, run in contenders.items():
        time.sleep(pause)
        batches[name], took[name] = _batch(run)
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    order = random.Random(0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        watch = Stopwatch()
        for done in range(_ROUNDS[1]):
            if done >= _ROUNDS[0] and watch.seconds > seconds * len(contenders):
                break
            order.shuffle(names)
            for name in names:
                if pause:
                    time.sleep(pause)
                    if took[name] < pause:
                        contenders[name]()
                samples[name].append(seconds_per_call(contenders[name], batches[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: Times(tuple(found)) for name, found in samples.items()}


def _batch(run: Thunk) -> tuple[int, float]:
    """How many calls make a sample, and what one takes; those made here warm the contender up."""
    run()
    calls = 1
    while (took := seconds_per_call(run, calls)) * calls < _BATCH:
        calls = max(2 * calls, min(10_000, int(1.2 * _BATCH / max(took, 1e-9))))
    return calls, took


def shortest(run: Thunk, calls: int = 3) -> float:
    """The shortest of a few calls: enough to choose between ways that differ much."""
    return min(seconds_per_call(run) for _ in range(calls))
