"""NumPy's functions that shape, join, split and pad.

Composites of slices, reshapes, broadcasts and concatenations: what is affine stays affine.
"""

from math import prod
from numbers import Integral
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from jacobians.notation.slots import letter_slot, table_slot
from jacobians.operations import index_maps
from jacobians.operations.arrangement import Arrangement, runs
from jacobians.tracing.numpy.basics import (
    arranged,
    call_astype,
    memory_order,
    plain,
    reshape,
    take_along,
    transpose,
)
from jacobians.tracing.stand_ins import array, mirrors, stand_in, untyped
from jacobians.tracing.tables import Result
from jacobians.tracing.traced import Traced, record

_FEW = 8  # more arithmetic progressions than this are read through a table


def along(x: Any, axis: int, where: Any) -> Any:
    """``x[where]`` along one axis."""
    return x[(*(slice(None),) * axis, where)]


def entries(x: Any, axis: int, positions: Any) -> Any:
    """Entries of one axis; positions that make few progressions stay affine."""
    found = runs(positions)
    if not isinstance(x, Traced):
        return along(x, axis, np.asarray(positions, np.intp))
    if len(found) == 1:
        ((start, step, count),) = found
        if (start, step, count) == (0, 1, x.shape[axis]):
            return x
    if len(found) > _FEW or not found:
        return take_along(x, np.asarray(positions, np.intp), axis)
    return record(index_maps.pieces, [x], runs=found, axis=axis)


# Axes


def _permuting(function: Any) -> None:
    @mirrors(function, result=Result.NUMPYS)
    def run(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = array(a)
        # The axes of an array that takes no memory are told apart by their sizes.
        labelled = np.broadcast_to(False, range(1, a.ndim + 1))
        return transpose(a, tuple(size - 1 for size in function(labelled, *args, **kwargs).shape))


def _reshaping(function: Any) -> None:
    @mirrors(function, result=Result.NUMPYS)
    def run(a: Any, *args: Any, **kwargs: Any) -> Any:
        return reshape(array(a), function(stand_in(a), *args, **kwargs).shape)


_AXES: tuple[Any, ...] = (
    np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose, np.linalg.matrix_transpose,
)  # fmt: skip
for _function in _AXES:
    _permuting(_function)
for _function in (np.expand_dims, np.squeeze):
    _reshaping(_function)


@mirrors(np.ravel, result=Result.NUMPYS)
def ravel(a: Any, order: str = "C") -> Any:
    """numpy.ravel."""
    a = array(a)
    return reshape(a, (a.size,), memory_order(a, "ravel") if order in ("A", "K") else order)


def _at_least(function: Any) -> Any:
    @mirrors(function, result=Result.NUMPYS)
    def run(*arrays: Any) -> Any:
        found = tuple(reshape(array(a), function(stand_in(a)).shape) for a in arrays)
        return found[0] if len(found) == 1 else found

    return run


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (np.atleast_1d, np.atleast_2d, np.atleast_3d))


@mirrors(np.copy, result=Result.ARRAY)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:  # noqa: ARG001
    """numpy.copy: another array of the same node, which lies in memory as ``order`` says."""
    value = np.array(a.value, order=order, copy=True)  # type: ignore[call-overload]
    return Traced(a.node, value)


@mirrors(np.astype, result=Result.NUMPYS)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:  # noqa: ARG001
    """numpy.astype."""
    return call_astype(x, dtype)


# Broadcasting and repeating


@mirrors(np.broadcast_to, result=Result.NUMPYS)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:  # noqa: ARG001
    """numpy.broadcast_to."""
    final = np.broadcast_to(stand_in(array), shape).shape
    if final == array.shape:
        return array
    return record(index_maps.broadcast, [array], shape=final)


@mirrors(np.broadcast_arrays, result="read-only views, or the arrays themselves")
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:  # noqa: ARG001
    """numpy.broadcast_arrays: read-only views, as NumPy announces; the arrays where nothing is to do."""
    parts = [array(a) for a in args]
    shape = np.broadcast_shapes(*(p.shape for p in parts))
    if all(p.shape == shape for p in parts):
        return tuple(parts)
    return tuple(np.broadcast_to(p, shape) for p in parts)


@mirrors(np.meshgrid, result=Result.NUMPYS)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:  # noqa: ARG001
    """numpy.meshgrid."""
    parts = [array(x) for x in xi]
    shapes = [
        s.shape for s in untyped.meshgrid(*map(stand_in, parts), sparse=True, indexing=indexing)
    ]
    found = tuple(reshape(p, shape) for p, shape in zip(parts, shapes, strict=True))
    return found if sparse else broadcast_arrays(*found)


@mirrors(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """numpy.tile: a new axis of copies in front of each axis."""
    A = array(A)
    counts = (index(reps),) if isinstance(reps, Integral) else tuple(index(r) for r in reps)
    depth = max(A.ndim, len(counts))
    counts = (1,) * (depth - len(counts)) + counts
    shape = (1,) * (depth - A.ndim) + A.shape
    split = reshape(A, tuple(n for size in shape for n in (1, size)))
    wide = broadcast_to(split, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return reshape(wide, tuple(c * n for c, n in zip(counts, shape, strict=True)))


@mirrors(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """numpy.repeat: a new axis of copies behind the axis; unequal numbers through a table."""
    a = array(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = normalize_axis_index(index(axis), a.ndim)
    size = a.shape[axis]
    counts = np.asarray(plain(repeats))
    if counts.size != 1 or counts.ndim > 1 or counts.dtype.kind not in "iu" or counts.min() < 0:
        return entries(a, axis, np.repeat(np.arange(size), counts))
    count = int(counts.ravel()[0])
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    split = reshape(a, (*before, size, 1, *after))
    wide = broadcast_to(split, (*before, size, count, *after))
    return reshape(wide, (*before, size * count, *after))


@mirrors(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """numpy.resize: the entries over and over, cut to the new size."""
    a = array(a)
    shape = (new_shape,) if isinstance(new_shape, Integral) else tuple(new_shape)
    if any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    size = prod(shape)
    if a.size == 0 or size == 0:
        return np.zeros(shape, a.dtype)
    copies = tile(ravel(a), -(-size // a.size))
    return reshape(copies[:size], shape)


# Turning


@mirrors(np.flip, result=Result.NUMPYS)
def flip(m: Any, axis: Any = None) -> Any:
    """numpy.flip."""
    m = array(m)
    axes = range(m.ndim) if axis is None else normalize_axis_tuple(axis, m.ndim)
    return m[tuple(slice(None, None, -1 if a in axes else 1) for a in range(m.ndim))]


@mirrors(np.flipud, result=Result.NUMPYS)
def flipud(m: Any) -> Any:
    """numpy.flipud."""
    return flip(m, 0)


@mirrors(np.fliplr, result=Result.NUMPYS)
def fliplr(m: Any) -> Any:
    """numpy.fliplr."""
    np.fliplr(stand_in(m))
    return flip(m, 1)


@mirrors(np.rot90, result=Result.NUMPYS)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """numpy.rot90: flips and a transpose."""
    m = array(m)
    np.rot90(stand_in(m), k, axes)  # NumPy's own errors
    first, second = (a % m.ndim for a in axes)
    turns = k % 4
    if turns == 0:
        return m
    if turns == 2:
        return flip(m, (first, second))
    turned = flip(m, second if turns == 1 else first)
    return np.swapaxes(turned, first, second)


@mirrors(np.roll, result=Result.ARRAY)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """numpy.roll."""
    a, shift = array(a), plain(shift)
    if axis is None:
        return reshape(roll(ravel(a), np.sum(shift), 0), a.shape)
    axes = normalize_axis_tuple(axis, a.ndim, allow_duplicate=True)
    both = np.broadcast(shift, axes)
    if both.ndim > 1:
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    shifts = dict.fromkeys(axes, 0)
    for by, which in both:
        shifts[int(which)] += index(by)
    for which, by in shifts.items():
        a = entries(a, which, np.roll(np.arange(a.shape[which]), by)) if a.size else a
    return a


# Diagonals and triangles


@mirrors(np.diagonal, result=Result.NUMPYS)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """numpy.diagonal."""
    return arranged(array(a), lambda c: np.diagonal(c, offset, axis1, axis2))


@mirrors(np.linalg.diagonal, result=Result.NUMPYS)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """numpy.linalg.diagonal."""
    return diagonal(x, offset, -2, -1)


@mirrors(np.diag, result=Result.NUMPYS)
def diag(v: Any, k: int = 0) -> Any:
    """numpy.diag."""
    v = array(v)
    if v.ndim != 1:
        if v.ndim != 2:
            raise ValueError("Input must be 1- or 2-d.")
        return diagonal(v, k)
    k = index(k)
    size = v.size + abs(k)
    writes = (letter_slot(0, 1, max(-k, 0)), letter_slot(0, 1, max(k, 0)))
    moves = Arrangement((v.size,), (letter_slot(0),), writes)
    return record(index_maps.pick, [v], moves=moves, shape=(size, size))


@mirrors(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """numpy.diagflat."""
    return diag(ravel(v), k)


def _triangle(function: Any) -> None:
    @mirrors(function)
    def run(m: Any, k: int = 0) -> Any:
        m = array(m)
        if m.ndim == 1:
            m = broadcast_to(m, (m.size, m.size))
        # The kept positions are what the structure knows, so the zeros are structural.
        rows, columns = np.nonzero(function(np.ones(m.shape[-2:], np.bool_), k))
        batch = tuple(letter_slot(a) for a in range(m.ndim - 2))
        kept = (*batch, table_slot(m.ndim - 2, rows), table_slot(m.ndim - 2, columns))
        moves = Arrangement((*m.shape[:-2], rows.size), kept, kept)
        return record(index_maps.pick, [m], moves=moves, shape=m.shape)


_triangle(np.tril)
_triangle(np.triu)


# Windows


@mirrors(np.lib.stride_tricks.sliding_window_view, result=Result.NUMPYS)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, **_: Any) -> Any:
    """numpy.lib.stride_tricks.sliding_window_view."""
    x = array(x)
    np.lib.stride_tricks.sliding_window_view(stand_in(x), window_shape, axis)  # NumPy's own errors
    lengths = (window_shape,) if isinstance(window_shape, Integral) else tuple(window_shape)
    axes = (
        range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    )
    for length, which in zip(lengths, axes, strict=True):
        x = record(index_maps.windows, [x], window=int(length), axis=which)
    return x
