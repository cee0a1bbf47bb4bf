"""Arrays that are made to be filled, and NumPy's functions that write into one.

A function that writes is done by NumPy itself, to the values and to the tables of the memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from jacobians.errors import UnsupportedError
from jacobians.graph.node import NUMPY
from jacobians.notation.slots import letter_slot, table_slot
from jacobians.operations import index_maps
from jacobians.operations.arrangement import Arrangement
from jacobians.tracing.dispatch import FILL
from jacobians.tracing.handle import concrete_index, plainly
from jacobians.tracing.numpy.basics import call_astype, plain
from jacobians.tracing.session import running, user_line
from jacobians.tracing.stand_ins import array as as_array
from jacobians.tracing.stand_ins import mirrors
from jacobians.tracing.tables import Result, implements, reduced
from jacobians.tracing.traced import Traced, gathered, record

# Making arrays


def zeros(shape: Any, dtype: DTypeLike = float) -> Any:
    """An array of zeros that traced values can be assigned into.

    Outside a function that is being differentiated it is ``numpy.zeros``.

    Parameters
    ----------
    shape : int or tuple of int
        As for NumPy.
    dtype : dtype, optional
        float64 unless given.

    Returns
    -------
    numpy.ndarray
        Or, in a function that is being differentiated, a traced array.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def squares(x):
    ...     y = jb.zeros(3)
    ...     for i in range(3):
    ...         y[i] = x[i] ** 2
    ...     return y
    >>> jb.jacobian(squares)(np.arange(3.0)).dense()
    array([[0., 0., 0.],
           [0., 2., 0.],
           [0., 0., 4.]])
    """
    return _fillable(np.zeros(shape, dtype))


def empty(shape: Any, dtype: DTypeLike = float) -> Any:
    """As ``zeros``; an entry that is read before it was written raises.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def doubled(x):
    ...     y = jb.empty(x.shape)
    ...     y[:] = 2 * x
    ...     return y
    >>> jb.jacobian(doubled)(np.ones(2)).formula()
    '2 δ_ik'
    """
    return _fillable(np.empty(shape, dtype), unset=True)


def full(shape: Any, fill_value: Any, dtype: DTypeLike | None = None) -> Any:
    """As ``zeros``, filled with a value, which may be traced.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.grad(lambda s: np.sum(jb.full((2, 3), s)))(1.0)
    array(6.)
    """
    value = gathered(fill_value)
    made = _fillable(np.full(shape, plainly(value), dtype))
    if isinstance(value, Traced):
        made[...] = value
    return made


def array(values: Any, dtype: DTypeLike | None = None) -> Any:
    """An array of numbers and arrays, traced or not, in nested lists; always a copy.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def polar(r, t):
    ...     return jb.array([r * np.cos(t), r * np.sin(t)])
    >>> jb.jacobian(polar)(2.0, 0.0).dense()
    array([1., 0.])
    """
    value = gathered(values)
    if not isinstance(value, Traced):
        return _fillable(np.array(value, dtype))
    return (value if dtype is None else call_astype(value, dtype)).owner()


def _fillable(made: Any, *, unset: bool = False) -> Any:
    return Traced.allocated(made, unset=unset) if running() else made


_FILLABLE = "a new array, to be filled"


def _like(function: Any, *, unset: bool = False) -> None:
    @mirrors(function, result=_FILLABLE)
    def run(*args: Any, **kwargs: Any) -> Any:
        fresh = function(*plainly(args), **plainly(kwargs))
        if fresh.dtype.kind not in "fiub":
            return fresh
        return Traced.allocated(fresh, unset=unset)


_like(np.zeros_like)
_like(np.ones_like)
_like(np.empty_like, unset=True)


@mirrors(np.full_like, result=_FILLABLE)
def full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    """numpy.full_like: the fill value may be traced."""
    value = gathered(fill_value)
    made = Traced.allocated(np.full_like(plainly(a), plainly(value), *args, **kwargs))
    if isinstance(value, Traced):
        made[...] = value
    return made


# Writing


def _target(x: Any, name: str) -> Traced:
    if not isinstance(x, Traced):
        raise UnsupportedError(f"numpy.{name} at {user_line()}: {FILL}")
    if x.number:
        raise TypeError(
            f"numpy.{name} at {user_line()}: a number cannot change; make an array with jb.array(...)"
        )
    return x


@mirrors(np.copyto, result=Result.PLAIN)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """numpy.copyto."""
    if not isinstance(dst, Traced):
        raise UnsupportedError(
            f"numpy.copyto at {user_line()}: {FILL}; for np.full and np.full_like, jb.full(shape, value)"
        )
    if dst is src and where is True and not dst.number:
        return  # allowed by NumPy also where it is read-only
    target, mask = _target(dst, "copyto"), plain(where)
    source = as_array(gathered(src))
    np.copyto(
        np.empty(0, target.dtype), np.empty(0, source.dtype), casting=casting
    )  # NumPy's errors
    target.assign(lambda a, v: np.copyto(a, v, where=mask, casting="unsafe"), source)


@mirrors(np.fill_diagonal, result=Result.PLAIN)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """numpy.fill_diagonal."""
    _target(a, "fill_diagonal").assign(lambda a, v: np.fill_diagonal(a, v, wrap), val)


@mirrors(np.put, result=Result.PLAIN)
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """numpy.put."""
    where = plain(ind)
    _target(a, "put").assign(lambda a, v: np.put(a, where, v, mode), v)


@mirrors(np.place, result=Result.PLAIN)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """numpy.place."""
    where = plain(mask)
    _target(arr, "place").assign(lambda a, v: np.place(a, where, v), vals)


@mirrors(np.putmask, result=Result.PLAIN)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """numpy.putmask."""
    where = plain(mask)
    _target(a, "putmask").assign(lambda a, v: np.putmask(a, where, v), values)


@mirrors(np.put_along_axis, result=Result.PLAIN)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """numpy.put_along_axis."""
    where = plain(indices)
    target = _target(arr, "put_along_axis")
    target.assign(lambda a, v: np.put_along_axis(a, where, v, axis), values)


# ufunc.at: what stands at a place several times is done several times


def _at(ufunc: np.ufunc) -> Callable[..., Any]:
    def run(a: Any, indices: Any, *operands: Any) -> None:
        target, where = _target(a, f"{ufunc.__name__}.at"), concrete_index(indices)
        scratch = target.value.copy()
        ufunc.at(scratch, where, *plainly(operands))  # NumPy's own errors
        numbers = np.arange(target.size).reshape(target.shape)[where]
        parts = [_ravelled(np.broadcast_to(as_array(gathered(b)), numbers.shape)) for b in operands]
        flat = np.ravel(numbers)
        if ufunc in (np.add, np.subtract):
            change = _added_up(call_astype(parts[0], target.dtype), flat, target.shape)
            target[...] = ufunc(target, change)
            return
        for round_ in _rounds(flat):
            entries = np.unravel_index(flat[round_], target.shape)
            target[entries] = ufunc(target[entries], *(part[round_] for part in parts))

    return run


def _ravelled(x: Any) -> Any:
    return np.reshape(x, -1)


def _added_up(values: Any, flat: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with values added at flat positions, which may repeat."""
    at = np.unravel_index(flat, shape)
    if not isinstance(values, Traced):
        result = np.zeros(shape, values.dtype)
        np.add.at(result, at, values)
        return result
    writes = tuple(table_slot(0, column) for column in at)
    moves = Arrangement((flat.size,), (letter_slot(0),), writes)
    return record(index_maps.spread, [values], moves=moves, shape=shape)


@mirrors(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """numpy.bincount: the weights are added up, in bins that hold for these values only."""
    bins = plain(x)
    counted = np.bincount(bins, plainly(weights), minlength)  # NumPy's own errors
    if not isinstance(weights, Traced):
        return counted
    return _added_up(call_astype(weights, np.float64), np.asarray(bins), counted.shape)


def _rounds(flat: Any) -> list[Any]:
    """Positions in rounds, none twice in a round, in the order in which they come."""
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    turn = np.empty(flat.size, np.intp)
    turn[order] = np.arange(flat.size) - np.repeat(starts, np.diff(starts, append=flat.size))
    return [np.flatnonzero(turn == n) for n in range(int(turn.max(initial=-1)) + 1)]


for _ufunc in [u for u in vars(np).values() if isinstance(u, np.ufunc)]:
    if _ufunc in NUMPY and _ufunc.nout == 1 and _ufunc.signature is None:
        implements(reduced(_ufunc, "at"), result=Result.PLAIN)(_at(_ufunc))
