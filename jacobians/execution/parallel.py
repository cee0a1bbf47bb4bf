"""Large elementwise work in several threads.

It pays above some million entries; below, handing work over costs more than it saves. (Clearing fresh
memory in threads, measured too, gained a fifth at best and lost as much where a thread had to wake.)
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LARGE = 1 << 22  # entries from which elementwise work is shared
_pools: dict[str, ThreadPoolExecutor] = {}


def _threads() -> int:
    """How many may work at once: the processors this process may use, or ``JACOBIANS_THREADS``."""
    wanted = os.environ.get("JACOBIANS_THREADS", "")
    if wanted.isdecimal():
        return max(1, int(wanted))
    affinity = getattr(os, "sched_getaffinity", None)
    return min(8, len(affinity(0)) if affinity else os.cpu_count() or 1)


def _shared(work: Callable[[slice], Any], count: int) -> None:
    """Do the work for all of ``range(count)``, a slice for each thread, one of them in this thread."""
    threads = min(_threads(), count)
    if threads < 2:
        work(slice(0, count))
        return
    pool = _pools.get("pool")
    if pool is None:
        pool = _pools.setdefault("pool", ThreadPoolExecutor(_threads(), "jacobians"))
    own, *others = (slice(count * n // threads, count * (n + 1) // threads) for n in range(threads))
    mine, rest = [own], []
    for part in others:
        try:
            rest.append(pool.submit(work, part))
        except RuntimeError:  # the interpreter is shutting down and starts nothing new
            mine.append(part)
    try:
        for part in mine:
            work(part)
    finally:  # what the others write into is the caller's again afterwards
        wait(rest)
    for future in rest:
        future.result()


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pools.clear)


def _dtype_of(ufunc: np.ufunc, operands: Sequence[Any]) -> np.dtype[Any]:
    """Of the result; Python numbers do not widen it."""
    given = [type(x) if type(x) in (int, float) else np.asarray(x).dtype for x in operands]
    found: np.dtype[Any] = ufunc.resolve_dtypes((*given, None))[-1]
    return found


def parallel(ufunc: np.ufunc, *operands: Any, out: Array | None = None) -> Array:
    """``ufunc(*operands, out=out)``, the first axis in parts where there is much to do."""
    if out is None:
        shape = np.broadcast_shapes(*(np.shape(x) for x in operands))
        out = np.empty(shape, _dtype_of(ufunc, operands))
    # One part would overwrite what another still reads: ``v + v.T`` into ``v``.
    tangled = any(x is not out and np.may_share_memory(x, out) for x in operands)
    if out.ndim == 0 or out.size < LARGE or tangled:
        ufunc(*operands, out=out)
        return out
    arrays = [np.asarray(x) for x in operands]
    whole = [x.ndim < out.ndim or x.shape[0] == 1 for x in arrays]

    def work(part: slice) -> None:
        pieces = [x if w else x[part] for x, w in zip(arrays, whole, strict=True)]
        with np.errstate(all="ignore"):  # a thread has settings of its own
            ufunc(*pieces, out=out[part])

    _shared(work, out.shape[0])
    return out
