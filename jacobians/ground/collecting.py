"""The cyclic garbage collector, called seldom while many objects are made that stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_NEW = 100_000
"""New objects between two looks for cycles (``benchmarks.growth``, kalman and rk4)."""
_LOCK = Lock()
_HELD: list[tuple[int, int, int]] = []  # for each holder, the thresholds before it


@contextmanager
def collected_seldom() -> Iterator[None]:
    """While it lasts, cycles are looked for seldom; afterwards as before, whichever thread ends last.

    Nodes and steps are no cycles and live on: the collector would visit them all, again and again, for
    a quarter of the time that a long program takes.
    """
    with _LOCK:
        own = gc.get_threshold()
        _HELD.append(own)
        if own[0]:  # 0: its user has none
            gc.set_threshold(max(own[0], _NEW), *own[1:])
    try:
        yield
    finally:
        with _LOCK:
            own = _HELD.pop()
            if not _HELD:
                gc.set_threshold(*own)
