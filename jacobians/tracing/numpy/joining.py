"""NumPy's functions that join and split arrays: concatenations and slices."""

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from jacobians.operations import index_maps
from jacobians.tracing.handle import plainly
from jacobians.tracing.numpy.basics import call_astype, plain, reshape
from jacobians.tracing.numpy.shapes import along, atleast_1d, atleast_2d, atleast_3d, entries, ravel
from jacobians.tracing.stand_ins import array, mirrors, stand_in, untyped
from jacobians.tracing.tables import Result, quickly
from jacobians.tracing.traced import Traced, headed, recorded

# Joining


@mirrors(np.concatenate)
def concatenate(
    arrays: Any,
    /,
    axis: Any = 0,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """numpy.concatenate."""
    parts = [array(a) for a in arrays]
    if dtype is not None:
        # NumPy's own error where the cast is not allowed.
        untyped.concatenate([np.empty(0, p.dtype) for p in parts], dtype=dtype, casting=casting)
        parts = [call_astype(p, dtype) for p in parts]
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    axis = normalize_axis_index(index(axis), parts[0].ndim)
    if not _fit(parts, axis):
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must match exactly"
        )
    return parts[0] if len(parts) == 1 else _joined(parts, axis)


def _fit(parts: Sequence[Any], axis: int) -> bool:
    """Whether arrays differ along one axis at most."""
    return len({(p.ndim, *p.shape[:axis], -1, *p.shape[axis + 1 :]) for p in parts}) == 1


def _joined(parts: Sequence[Any], axis: int) -> Any:
    return recorded(headed(index_maps.concatenate, "axis", axis), parts)


def _plain_parts(args: Sequence[Any], more: int) -> tuple[Sequence[Any], int] | None:
    """Several arrays to be joined along an axis of what they have and ``more``; None where more must be known."""
    parts, axis = args[0], args[1] if len(args) == 2 else 0
    if len(args) > 2 or type(parts) not in (list, tuple) or type(axis) is not int or len(parts) < 2:
        return None
    if not all(isinstance(part, Traced) or type(part) is np.ndarray for part in parts):
        return None
    ndim = len(parts[0].shape) + more
    return (parts, axis % ndim) if -ndim <= axis < ndim else None


@quickly(np.concatenate)
def _concatenate(args: Sequence[Any]) -> Any:
    found = _plain_parts(args, 0)
    if found is None:
        return NotImplemented
    return _joined(*found) if _fit(*found) else NotImplemented


@mirrors(np.stack)
def stack(
    arrays: Any,
    axis: int = 0,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """numpy.stack."""
    parts = [array(a) for a in arrays]
    if len({p.shape for p in parts}) != 1:
        raise ValueError("all input arrays must have the same shape")
    axis = normalize_axis_index(index(axis), parts[0].ndim + 1)
    if dtype is None and len(parts) > 1:
        return _stacked(parts, axis)
    shape = (*parts[0].shape[:axis], 1, *parts[0].shape[axis:])
    return concatenate([reshape(p, shape) for p in parts], axis, dtype=dtype, casting=casting)


def _stacked(parts: Sequence[Any], axis: int) -> Any:
    return recorded(headed(index_maps.stack, "axis", axis), parts)


@quickly(np.stack)
def _stack(args: Sequence[Any]) -> Any:
    found = _plain_parts(args, 1)
    if found is None or len({part.shape for part in found[0]}) != 1:
        return NotImplemented
    return _stacked(*found)


@mirrors(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """numpy.vstack."""
    return concatenate([atleast_2d(a) for a in tup], 0, dtype=dtype, casting=casting)


@mirrors(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """numpy.hstack."""
    parts = [atleast_1d(a) for a in tup]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@mirrors(np.dstack)
def dstack(tup: Any) -> Any:
    """numpy.dstack."""
    return concatenate([atleast_3d(a) for a in tup], 2)


@mirrors(np.column_stack)
def column_stack(tup: Any) -> Any:
    """numpy.column_stack."""
    parts = [array(a) for a in tup]
    return concatenate([p if p.ndim > 1 else reshape(p, (p.size, 1)) for p in parts], 1)


@mirrors(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """numpy.append."""
    return concatenate([arr, values], axis)


@mirrors(np.block, result=Result.ARRAY)
def block(arrays: Any) -> Any:
    """numpy.block: lists are joined along the last axis, lists of lists along the one before."""
    expected = np.block(plainly(arrays))  # NumPy's own errors about the nesting
    depth = 0
    inner = arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]

    def join(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return concatenate([join(p, level - 1) for p in part], expected.ndim - level)
        part = array(part)
        return reshape(part, (1,) * (expected.ndim - part.ndim) + part.shape)

    return join(arrays, depth)


@mirrors(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """numpy.insert: the values behind the array, then the order that NumPy gives them."""
    arr, values, obj = array(arr), array(values), plain(obj)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalize_axis_index(index(axis), arr.ndim)
    size = arr.shape[axis]
    values = call_astype(values, arr.dtype)
    values = reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    places = np.arange(size)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if places.dtype.kind == "b":
        places = np.flatnonzero(places)
    if places.ndim == 0:
        values = np.moveaxis(values, 0, axis)
    # One place takes all the values that there are, several places one each.
    count = values.shape[axis] if places.size == 1 else places.size
    wide = np.broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    order = np.insert(np.arange(size), obj, np.arange(size, size + count))
    return entries(concatenate([arr, wide], axis), axis, order)


@mirrors(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """numpy.delete."""
    arr = array(arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalize_axis_index(index(axis), arr.ndim)
    return entries(arr, axis, np.delete(np.arange(arr.shape[axis]), plain(obj)))


# Splitting


def _pieces_of(a: Any, axis: int, parts: Sequence[Any]) -> list[Any]:
    """The parts of an axis that ``parts`` (lists of ascending positions) name."""
    return [
        along(a, axis, slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0)) for p in parts
    ]


def _splitting(function: Any, axis_of: Callable[[int], int] | None = None) -> None:
    @mirrors(function, result=Result.NUMPYS)
    def run(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
        ary = array(ary)
        if axis_of is not None:
            axis = axis_of(ary.ndim)
            function(stand_in(ary), 1)  # NumPy's own error for too few axes
        axis = normalize_axis_index(index(axis), ary.ndim)
        split = np.array_split if function is np.array_split else np.split
        return _pieces_of(ary, axis, split(np.arange(ary.shape[axis]), plain(indices_or_sections)))


_splitting(np.split)
_splitting(np.array_split)
_splitting(np.vsplit, lambda _: 0)
_splitting(np.hsplit, lambda ndim: 0 if ndim == 1 else 1)
_splitting(np.dsplit, lambda _: 2)


@mirrors(np.unstack, result=Result.NUMPYS)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """numpy.unstack."""
    return tuple(np.moveaxis(x, axis, 0))
