"""Products of arrays: dot and its relatives, einsum, kron, cross, trace.

All are matrix products, one ``einsum``, or composites of slices and products.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from numbers import Integral
from operator import index
from string import ascii_letters
from typing import Any

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.notation.coordinates import ELLIPSIS
from jacobians.operations import index_maps, products
from jacobians.tracing.handle import plainly
from jacobians.tracing.numpy.basics import call_astype, expand
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array, mirrors
from jacobians.tracing.tables import Result, quickly
from jacobians.tracing.traced import Traced, record, recorded

Function = Callable[..., Any]


def contract(subscripts: str, *operands: Any) -> Any:
    """``einsum`` of traced arrays and constants."""
    return record(products.einsum, operands, subscripts=subscripts)


# Ufuncs with core axes


def _with_axes(cores: Sequence[int | None]) -> Callable[[Function], Function]:
    """Give a function of last axes the ``axes``, ``axis`` and ``keepdims`` of NumPy's gufuncs.

    ``cores`` are the numbers of core axes of operands and result; None: two, or the one of a vector.
    """

    def decorate(function: Function) -> Function:
        def run(*operands: Any, **kwargs: Any) -> Any:
            axes, axis = kwargs.pop("axes", None), kwargs.pop("axis", None)
            keep, dtype = kwargs.pop("keepdims", False), kwargs.pop("dtype", None)
            for name in kwargs.keys() - {"casting", "order", "subok"}:
                raise UnsupportedError(
                    f"a matrix product with {name}=... at {user_line()} is not supported"
                )
            arrays = [array(x) if dtype is None else call_astype(array(x), dtype) for x in operands]
            if axis is not None:
                axes = [axis] * len(arrays)
            if axes is None:
                result = function(*arrays)
                return expand(result, (result.ndim,)) if keep else result
            places = [(a,) if isinstance(a, Integral) else tuple(a) for a in axes]
            last = [_to_end(x, p) for x, p in zip(arrays, places, strict=False)]
            result = function(*last)
            if keep:
                return np.moveaxis(expand(result, (result.ndim,)), -1, places[0][0])
            count = result.ndim if cores[-1] is None else cores[-1]
            if count and len(places) > len(arrays):
                return np.moveaxis(result, range(-len(places[-1]), 0), places[-1])
            return result

        return run

    return decorate


def _to_end(x: Any, places: tuple[int, ...]) -> Any:
    return np.moveaxis(x, places, range(-len(places), 0))


@mirrors(np.matmul)
@_with_axes((None, None, None))
def matmul(a: Any, b: Any) -> Any:
    """numpy.matmul."""
    return record(products.matmul, [a, b])


@quickly(np.matmul)
def _matmul(args: Sequence[Any]) -> Any:
    a, b = args
    for one in args:
        plain = isinstance(one, Traced) or type(one) is np.ndarray
        if not plain or not 0 < one.ndim < 3:
            return NotImplemented
    if a.shape[-1] != b.shape[0]:
        return NotImplemented
    return recorded(products.matmul, args)


@mirrors(np.linalg.matmul)
def _linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return matmul(x1, x2)


@mirrors(np.vecdot)
@_with_axes((1, 1, 0))
def vecdot(a: Any, b: Any) -> Any:
    """numpy.vecdot."""
    return contract("...i,...i->...", a, b)


@mirrors(np.linalg.vecdot)
def _linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return vecdot(x1, x2, axis=axis)


@_with_axes((2, 1, 1))
def matvec(a: Any, b: Any) -> Any:
    """numpy.matvec (new in NumPy 2.2)."""
    return contract("...ij,...j->...i", a, b)


@_with_axes((1, 2, 1))
def vecmat(a: Any, b: Any) -> Any:
    """numpy.vecmat (new in NumPy 2.2)."""
    return contract("...i,...ij->...j", a, b)


for _name, _function in {"matvec": matvec, "vecmat": vecmat}.items():
    if hasattr(np, _name):
        mirrors(getattr(np, _name))(_function)


# dot, inner, outer, tensordot


@mirrors(np.dot)
def dot(a: Any, b: Any) -> Any:
    """numpy.dot."""
    a, b = array(a), array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if b.ndim == 1 or max(a.ndim, b.ndim) == 2:
        return np.matmul(a, b)
    return tensordot(a, b, axes=(-1, -2))


@mirrors(np.vdot)
def _vdot(a: Any, b: Any, /) -> Any:
    return np.matmul(np.ravel(a), np.ravel(b))


@mirrors(np.inner)
def _inner(a: Any, b: Any, /) -> Any:
    a, b = array(a), array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    return np.matmul(a, b) if a.ndim == b.ndim == 1 else tensordot(a, b, axes=(-1, -1))


@mirrors(np.outer)
def _outer(a: Any, b: Any) -> Any:
    return record(products.outer, [np.ravel(a), np.ravel(b)])


@mirrors(np.linalg.outer)
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(
            f"numpy.linalg.outer takes vectors, not arrays of shapes {np.shape(x1)} and {np.shape(x2)}"
        )
    return _outer(x1, x2)


@mirrors(np.tensordot, result=Result.ARRAY)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """numpy.tensordot."""
    a, b = array(a), array(b)
    if isinstance(axes, Integral):
        count = int(axes)
        left, right = list(range(a.ndim - count, a.ndim)), list(range(count))
    else:
        left, right = ([int(n) for n in np.atleast_1d(side)] for side in axes)
    if len(left) != len(right):
        raise ShapeError(f"tensordot: axes={axes!r} names {len(left)} and {len(right)} axes")
    try:
        left, right = [range(a.ndim)[n] for n in left], [range(b.ndim)[n] for n in right]
    except IndexError:
        raise ShapeError(
            f"tensordot: axes={axes!r} do not fit arrays of shapes {a.shape} and {b.shape}"
        ) from None
    if any(a.shape[m] != b.shape[n] for m, n in zip(left, right, strict=True)):
        raise ShapeError(
            f"tensordot: axes {left} of shape {a.shape} and axes {right} of shape {b.shape} differ in size"
        )
    first = list(ascii_letters[: a.ndim])
    second = list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for m, n in zip(left, right, strict=True):
        second[n] = first[m]
    kept = [c for n, c in enumerate(first) if n not in left]
    kept += [c for n, c in enumerate(second) if n not in right]
    return contract(f"{''.join(first)},{''.join(second)}->{''.join(kept)}", a, b)


@mirrors(np.linalg.tensordot, result=Result.ARRAY)
def _linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return tensordot(x1, x2, axes)


# einsum


def _einsum_kind(*operands: Any, **kwargs: Any) -> Result:
    """View where one array's axes are renamed, else copy."""
    if len(operands) == 2 if isinstance(operands[0], str) else len(operands) < 4:
        return Result.NUMPYS
    return Result.ARRAY if kwargs.get("optimize", False) else Result.NEW


@mirrors(np.einsum, result=_einsum_kind)
def _einsum(*operands: Any, optimize: Any = False, dtype: Any = None, **_: Any) -> Any:
    del optimize  # an order of contraction is the planner's own choice
    subscripts, arrays = _as_text(operands)
    if dtype is not None:
        arrays = [call_astype(x, dtype) for x in arrays]
    inputs, result = products.split_subscripts(subscripts, len(arrays))
    return contract(*_without_ones(inputs, result, arrays))


def _as_text(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts and arrays; ``einsum(A, [0, 1], B, [1, 2], [0, 2])`` becomes letters."""
    if isinstance(operands[0], str):
        return operands[0], [array(x) for x in operands[1:]]
    pairs = len(operands) // 2
    lists = [list(operands[2 * n + 1]) for n in range(pairs)]
    result = [list(operands[-1])] if len(operands) % 2 else []
    numbers = sorted({int(i) for part in lists + result for i in part if i is not ...})
    letters = dict(zip(numbers, sorted(ascii_letters), strict=False))
    texts = ["".join("..." if i is ... else letters[int(i)] for i in p) for p in lists + result]
    text = ",".join(texts[:pairs])
    return "->".join([text, *texts[pairs:]]), [array(x) for x in operands[0 : 2 * pairs : 2]]


def _without_ones(inputs: list[str], result: str, arrays: list[Any]) -> tuple[Any, ...]:
    """The call without axes of size 1 that NumPy's einsum broadcasts against a letter's size."""
    sizes: dict[str, int] = {}
    places = []
    for letters, x in zip(inputs, arrays, strict=True):
        before, dots, after = letters.partition(ELLIPSIS)
        place = {c: n for n, c in enumerate(before)}
        place.update({c: n - len(after) for n, c in enumerate(after)})
        places.append(place if dots or len(letters) == x.ndim else {})
        for c, n in places[-1].items():
            if -x.ndim <= n < x.ndim:
                sizes[c] = max(sizes.get(c, 1), x.shape[n])
    texts, kept = [], []
    for letters, x, place in zip(inputs, arrays, places, strict=True):
        drop = {
            c: n % x.ndim for c, n in place.items()
            if -x.ndim <= n < x.ndim and x.shape[n] == 1 < sizes[c] and letters.count(c) == 1
        }  # fmt: skip
        texts.append("".join(c for c in letters if c not in drop))
        shape = tuple(size for n, size in enumerate(x.shape) if n not in drop.values())
        kept.append(np.reshape(x, shape) if drop else x)
    return (f"{','.join(texts)}->{result}".replace(ELLIPSIS, "..."), *kept)


@mirrors(np.einsum_path, result=Result.PLAIN)
def _einsum_path(*operands: Any, optimize: Any = "greedy") -> Any:
    # A path depends on shapes only, so that nothing is cut off here.
    return np.einsum_path(*plainly(operands), optimize=optimize)


@mirrors(np.kron)
def _kron(a: Any, b: Any) -> Any:
    a, b = array(a), array(b)
    return np.multiply(a, b) if a.ndim == 0 or b.ndim == 0 else record(products.kron, [a, b])


@mirrors(np.linalg.multi_dot)
def _multi_dot(arrays: Sequence[Any]) -> Any:
    factors = [array(x) for x in arrays]
    if len(factors) < 2:
        raise ShapeError(f"multi_dot expects at least two arrays, not {len(factors)}")
    letters = ascii_letters[: len(factors) + 1]
    inputs = [letters[n : n + 2] for n in range(len(factors))]
    if factors[0].ndim == 1:
        inputs[0] = letters[1]
    if factors[-1].ndim == 1:
        inputs[-1] = letters[-2]
    ends = [text for text in (letters[0], letters[-1]) if text in inputs[0] + inputs[-1]]
    return contract(f"{','.join(inputs)}->{''.join(ends)}", *factors)


def _power_kind(a: Any, n: Any) -> Result:  # noqa: ARG001
    """The array itself for n = 1, else copy."""
    return Result.NUMPYS if n == 1 else Result.NEW


@mirrors(np.linalg.matrix_power, result=_power_kind)
def _matrix_power(a: Any, n: int) -> Any:
    power = index(n)
    if power == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    square = np.linalg.inv(a) if power < 0 else a
    factors = []
    for bit in reversed(f"{abs(power):b}"):
        if bit == "1":
            factors.append(square)
        if len(factors) < f"{abs(power):b}".count("1"):
            square = np.matmul(square, square)
    return reduce(np.matmul, factors)


# Cross product, traces and diagonals


def padded(x: Any, before: int, after: int) -> Any:
    """Zeros around the last axis."""
    shape = (*x.shape[:-1], x.shape[-1] + before + after)
    if shape == x.shape or not isinstance(x, Traced):
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])
    return record(index_maps.place, [x], starts=(0,) * (x.ndim - 1) + (before,), shape=shape)


@mirrors(np.cross)
def _cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _to_end(array(a), (axisa,)), _to_end(array(b), (axisb,))
    if {a.shape[-1], b.shape[-1]} - {2, 3}:
        raise ShapeError(
            f"cross takes vectors of 2 or 3 entries; the shapes here are {a.shape} and {b.shape}"
        )
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (padded(x, 0, 3 - x.shape[-1]) for x in (a, b))
    after, before = [1, 2, 0], [2, 0, 1]
    result = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return np.moveaxis(result, -1, axisc)


@mirrors(np.linalg.cross)
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ShapeError(
            f"numpy.linalg.cross takes vectors of 3 entries; the shapes here are {np.shape(x1)} and {np.shape(x2)}"
        )
    return _cross(x1, x2, axis=axis)


def _square_part(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    """The square whose diagonal is the asked one, in the last two axes."""
    x = _to_end(array(x), (axis1, axis2))
    x = x[..., max(0, -offset) :, max(0, offset) :]
    n = min(x.shape[-2:])
    return x[..., :n, :n]


@mirrors(np.trace)
def _trace(
    a: Any,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
) -> Any:
    square = _square_part(a, offset, axis1, axis2)
    if dtype is not None:
        square = call_astype(square, dtype)
    return record(products.trace, [square]) if square.ndim == 2 else contract("...ii->...", square)


@mirrors(np.linalg.trace)
def _linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return _trace(x, offset, -2, -1, dtype)
