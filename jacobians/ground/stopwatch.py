"""What a call takes: its time, and the most memory that it has at once."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

Thunk = Callable[[], Any]
_REPEATS = (3, 200)


class Stopwatch:
    """Measures the time of a block; it runs from when it is made.

    Examples
    --------
    >>> from jacobians.ground.stopwatch import Stopwatch
    >>> with Stopwatch() as watch:
    ...     total = sum(range(10))
    >>> watch.seconds > 0
    True
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._end: float | None = None

    @property
    def seconds(self) -> float:
        """How long the block took, or has taken so far."""
        return (time.perf_counter() if self._end is None else self._end) - self._start

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = time.perf_counter()


def seconds_per_call(run: Thunk, calls: int = 1) -> float:
    """The mean time of some calls in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def repeated(run: Thunk, seconds: float = 0.2) -> list[float]:
    """The times of 3 to 200 calls that fill ``seconds``; of one where it alone takes twice as long."""
    least, most = _REPEATS
    times: list[float] = []
    while len(times) < least or (sum(times) < seconds and len(times) < most):
        times.append(seconds_per_call(run))
        if times[0] > 2 * seconds:
            break
    return times


def peak_bytes(run: Thunk) -> int:
    """The most bytes that a call had allocated at once, NumPy's arrays and Python's objects.

    What is made once (imports, plans) counts unless the call was made before.
    """
    gc.collect()
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()
