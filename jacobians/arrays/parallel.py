"""Large arrays in several threads: fresh memory, and elementwise work.

Most of the time of a large tensor of zeros is the system's, clearing pages at the first touch; that, and
elementwise work above some million entries, goes as fast as there are processors. Below, handing
work over costs more than it saves.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
LARGE = 1 << 20  # entries from which elementwise work is shared
_MANY_BYTES = 1 << 26  # bytes from which fresh memory is touched in threads
_PAGE = 4096
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


def zeros(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """As ``numpy.zeros``, a large one with its memory already there.

    For a tensor that is written all over; one that is written here and there keeps NumPy's lazy memory.
    """
    made: Array = np.zeros(shape, dtype)
    if made.nbytes >= _MANY_BYTES:
        touched = made.reshape(-1)[:: _PAGE // made.itemsize]
        _shared(lambda part: touched[part].fill(0), len(touched))
    return made


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


def written_all_over(shape: Sequence[int], itemsize: int, covered: Sequence[bool]) -> bool:
    """Whether writes reach every large page: they cover each of the axes that step beyond one."""
    for axis, all_of_it in enumerate(covered):
        if prod(shape[axis:]) * itemsize <= 1 << 21:
            return True
        if not all_of_it:
            return False
    return True
