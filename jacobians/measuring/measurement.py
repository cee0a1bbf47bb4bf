"""Measuring one task: contenders are built, compared, then timed in turn."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError
from jacobians.ground.memory import SHARE, available_bytes, in_gib
from jacobians.ground.stopwatch import peak_bytes
from jacobians.measuring.rivals import NUMPYS, Contender, NotRun, contender, value_of
from jacobians.measuring.task import Task
from jacobians.measuring.timing import PAUSE, Times, interleaved, shortest

TOO_LONG = 2.0  # seconds a call may take and still be repeated
_COPIES = {"explicit": 3, "torch": 3, "autograd": 3}  # 2 for all others: one is kept to compare
Array = NDArray[Any]
_TOLERANCE = 1e-9  # of the largest entry, in float64


class Measured(NamedTuple):
    """What one contender took.

    Attributes
    ----------
    times : Times
        Seconds per call.
    first_seconds : float
        Until the first result, with nothing derived or compiled before.
    peak_bytes : int or None
        The most memory at once, the result included; None for peers, whose memory is not seen.
    note : str
        Which form won.
    """

    times: Times
    first_seconds: float
    peak_bytes: int | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rest = {k: v for k, v in self._asdict().items() if k != "times"}
        return {**self.times.to_dict(), **rest}


class Measurement(NamedTuple):
    """One task, all contenders.

    Attributes
    ----------
    title : str
        Of the task.
    shapes : list of tuple
        Of the arguments.
    contenders : dict of str to Measured
        Those that were timed.
    skipped : dict of str to str
        Those that were not, with the reason.
    differ : dict of str to float
        Those whose values are not the others': by how much of the largest entry. They are not timed.
    """

    title: str
    shapes: list[tuple[int, ...]]
    contenders: dict[str, Measured]
    skipped: dict[str, str]
    differ: dict[str, float]

    @property
    def ok(self) -> bool:
        """Whether all contenders that ran agree."""
        return not self.differ

    def seconds(self, name: str) -> float | None:
        """The median of one contender; None if it was not timed."""
        found = self.contenders.get(name)
        return None if found is None else found.times.median

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "title": self.title,
            "shapes": [list(shape) for shape in self.shapes],
            "rivals": {k: v.to_dict() for k, v in self.contenders.items()},
            "skipped": self.skipped,
            "differ": self.differ,
            "ok": self.ok,
        }


def measured(
    task: Task,
    names: Sequence[str],
    *,
    seconds: float = 0.2,
    pause: float = PAUSE,
    max_bytes: float | None = None,
    too_long: float = TOO_LONG,
) -> Measurement:
    """Build the contenders, compare their values, time those that agree.

    Parameters
    ----------
    task : Task
        The derivative.
    names : sequence of str
        Of contenders, as in ``rivals.NAMES``.
    seconds : float
        How long to time each.
    pause : float
        Seconds of sleep before each sample.
    max_bytes : float, optional
        The most that a way with a full tensor may need; by default a share of what is available.
    too_long : float
        A contender whose call takes more seconds is not repeated, so not timed.
    """
    ready: dict[str, Contender] = {}
    skipped: dict[str, str] = {}
    differ: dict[str, float] = {}
    for name in _ours_first(names):
        try:
            _check_memory(task, name, max_bytes)
            ready[name] = contender(task, name)
        except NotRun as reason:
            skipped[name] = str(reason)
    wanted: list[Array] | None = None
    peaks: dict[str, int] = {}
    for name in sorted(ready, key=lambda n: (n != "hand", n not in NUMPYS)):
        run = ready[name].run
        try:
            if (took := shortest(run, 2)) > too_long:
                raise NotRun(f"a call takes {took:.1f} s")
            got = value_of(run())
            if name in NUMPYS or name in task.own:
                peaks[name] = peak_bytes(run)
        except (JacobiansError, MemoryError) as reason:  # what is available changes meanwhile
            skipped[name] = str(reason)
            del ready[name]
            continue
        if wanted is None:
            wanted = [array.copy() for array in got]
        elif (difference := _difference(got, wanted)) > _TOLERANCE:
            differ[name] = difference
            del ready[name]
        del got
    del wanted  # may be large
    times = interleaved({name: c.run for name, c in ready.items()}, seconds, pause)
    contenders = {
        name: Measured(times[name], ready[name].first_seconds, peaks.get(name), ready[name].note)
        for name in names
        if name in ready
    }
    shapes = [np.shape(a) for a in task.args]
    return Measurement(task.title, shapes, contenders, skipped, differ)


def _ours_first(names: Sequence[str]) -> list[str]:
    """Ours, compiled, before what would leave structures in its caches: first results are cold."""
    return sorted(names, key=lambda name: name not in ("dense", "contracted"))


def _check_memory(task: Task, name: str, max_bytes: float | None) -> None:
    """Raise NotRun before anything as large as the full tensor is allocated."""
    builds = task.full or (name in ("explicit", "dense") and task.what == "vjp")
    if not builds:
        return
    needed = task.tensor_bytes() * _COPIES.get(name, 2)
    limit = SHARE * available_bytes() if max_bytes is None else max_bytes
    if needed > limit:
        raise NotRun(f"would need {in_gib(needed)}, more than the limit of {in_gib(limit)}")


def _difference(got: list[Array], wanted: list[Array]) -> float:
    """The largest difference as a share of the largest entry."""
    if [a.shape for a in got] != [a.shape for a in wanted]:
        return float("inf")
    worst = 0.0
    for mine, theirs in zip(got, wanted, strict=True):
        scale = float(np.max(np.abs(theirs), initial=0)) or 1.0
        apart = float(np.max(np.abs(mine - theirs), initial=0)) / scale
        worst = max(worst, apart if np.isfinite(apart) else float("inf"))
    return worst
