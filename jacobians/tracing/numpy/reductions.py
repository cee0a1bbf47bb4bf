"""Reductions: what NumPy's mean on traced arrays.

``axis`` may be None, an integer of either sign, or a tuple of them, as in NumPy.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import functions, products, reductions
from jacobians.operations.by_rules import Rule
from jacobians.tracing.numpy.basics import (
    axes_tuple,
    call_astype,
    expand,
    plain,
    reshape,
    sum_over,
    transpose,
)
from jacobians.tracing.numpy.ufuncs import where
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import concrete, mirrors
from jacobians.tracing.tables import implements, quickly, reduced
from jacobians.tracing.traced import Traced, record, recorded

GIVEN = np._NoValue


def given(value: Any) -> bool:
    """Whether an optional argument was passed."""
    return value is not GIVEN and value is not None


def as_traced(x: Any) -> Any:
    """A plain array as a traced constant; a list of traced arrays as one array."""
    if isinstance(x, Traced):
        return x
    if isinstance(x, list | tuple) and any(isinstance(part, Traced) for part in x):
        return np.stack(list(x))
    return record(functions.positive, [np.asarray(x)])


def chosen(a: Any, mask: Any, neutral: Any) -> Any:
    """The array with a neutral element where ``where=`` excludes entries."""
    return a if mask is GIVEN else where(mask, a, neutral)


def last(a: Any, axes: tuple[int, ...]) -> Any:
    """The array with these axes gathered into one, at the end."""
    kept = [n for n in range(a.ndim) if n not in axes]
    moved = transpose(a, (*kept, *axes))
    return reshape(moved, (*moved.shape[: len(kept)], prod(a.shape[n] for n in axes)))


def reduced_last(
    operations: tuple[Rule, Rule], a: Any, axis: Any, keepdims: Any, **parameters: Any
) -> Any:
    """A reduction by one of two operations: of the whole array, or of the last axis."""
    axes = axes_tuple(axis, a.ndim)
    whole, along = operations
    if len(axes) == a.ndim:
        result = record(whole, [a], **parameters)
    else:
        result = record(along, [last(a, axes)], **parameters) if axes else a
    return expand(result, axes) if keepdims else result


@mirrors(np.sum)
def total(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:  # fmt: skip
    """numpy.sum."""
    a = chosen(as_traced(a), where, 0)
    a = a if dtype is None else call_astype(a, dtype)
    result = sum_over(a, axis=axis, keepdims=keepdims)
    return result + call_astype(initial, result.dtype) if given(initial) else result


@quickly(np.sum)
def _sum(args: Sequence[Any]) -> Any:
    x = args[0]
    if len(args) > 1 or not isinstance(x, Traced) or x.dtype.kind != "f":
        return NotImplemented
    return recorded(products.total_sum, args)


@mirrors(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    *,
    where: Any = GIVEN,
) -> Any:
    """numpy.mean."""
    a = real(as_traced(a), dtype)
    if a.ndim == 0 and axis is not None:
        np.mean(np.zeros(()), axis)  # NumPy's own error, which sums do not raise
    return total(a, axis=axis, keepdims=keepdims, where=where) / counted(a, axis, keepdims, where)


def real(a: Any, dtype: Any = None) -> Any:
    """The array as one of real numbers, of a dtype if that is given."""
    if dtype is not None:
        return call_astype(a, dtype)
    return a if a.dtype.kind == "f" else call_astype(a, np.float64)


def counted(a: Any, axis: Any, keepdims: Any, mask: Any) -> Any:
    """How many entries are reduced: a number, or an array of them where a mask excludes some."""
    if mask is GIVEN:
        return prod(a.shape[n] for n in axes_tuple(axis, a.ndim))
    shaped = np.broadcast_to(plain(mask), a.shape)
    return np.sum(shaped, axis=axis, keepdims=keepdims).astype(a.dtype)


@mirrors(np.var)
def variance(
    a: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, keepdims: Any = False, *,
    where: Any = GIVEN, mean: Any = GIVEN, correction: Any = GIVEN,
) -> Any:  # fmt: skip
    """numpy.var: the mean square distance from the mean, which may be given."""
    ddof = correction if given(correction) else ddof
    a = chosen(real(as_traced(a), dtype), where, 0.0)  # what is excluded may be NaN
    if a.ndim == 0 and axis is not None:
        np.var(np.zeros(()), axis)
    count = counted(a, axis, keepdims, where)
    degrees = max(count - ddof, 0) if isinstance(count, int) else np.maximum(count - ddof, 0)
    if isinstance(count, int) and axes_tuple(axis, a.ndim) and not given(mean):
        return reduced_last(reductions.spread, a, axis, keepdims) / degrees
    center = mean if given(mean) else np.mean(a, axis=axis, keepdims=True, where=where)
    squares = np.square(a - center)
    return total(squares, axis=axis, keepdims=keepdims, where=where) / degrees


@mirrors(np.std)
def deviation(*args: Any, **how: Any) -> Any:
    """numpy.std: derivative 0 where it is 0."""
    return record(functions.root, [variance(*args, **how)])


@mirrors(np.prod)
def product(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:  # fmt: skip
    """numpy.prod: right where entries are 0."""
    a = chosen(as_traced(a), where, 1)
    a = a if dtype is None else call_astype(a, dtype)
    axes = axes_tuple(axis, a.ndim)
    result = record(reductions.product(0), [last(a, axes)])
    result = expand(result, axes) if keepdims else result
    return result * call_astype(initial, result.dtype) if given(initial) else result


def _extreme(
    operations: tuple[Rule, Rule], pair: np.ufunc, neutral: float, a: Any, axis: Any, keepdims: Any,
    initial: Any, mask: Any,
) -> Any:  # fmt: skip
    a = as_traced(a)
    if mask is not GIVEN:
        if not given(initial):
            raise ValueError("a reduction with where= needs initial=")  # as NumPy
        if a.dtype.kind in "iu":
            limits = np.iinfo(a.dtype)
            neutral = limits.max if neutral > 0 else limits.min
        a = where(mask, a, neutral)
    if given(initial) and a.size == 0:
        shape = np.sum(np.empty(a.shape), axis=axis, keepdims=keepdims).shape
        return np.full(shape, plain(initial), a.dtype)
    result = reduced_last(operations, a, axis, keepdims)
    return pair(result, call_astype(initial, result.dtype)) if given(initial) else result


@mirrors(np.max, np.amax)
def maximum(
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:
    """numpy.max: ties share equally."""
    return _extreme(reductions.maximum, np.maximum, -np.inf, a, axis, keepdims, initial, where)


@mirrors(np.min, np.amin)
def minimum(
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:
    """numpy.min: ties share equally."""
    return _extreme(reductions.minimum, np.minimum, np.inf, a, axis, keepdims, initial, where)


@mirrors(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:
    """numpy.nanmax."""
    return _extreme(reductions.nanmaximum, np.fmax, -np.inf, a, axis, keepdims, initial, where)


@mirrors(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    keepdims: Any = False,
    initial: Any = GIVEN,
    where: Any = GIVEN,
) -> Any:
    """numpy.nanmin."""
    return _extreme(reductions.nanminimum, np.fmin, np.inf, a, axis, keepdims, initial, where)


@mirrors(np.ptp)
def peak_to_peak(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """numpy.ptp."""
    return maximum(a, axis, keepdims=keepdims) - minimum(a, axis, keepdims=keepdims)


concrete(np.all, np.any)

# The methods of ufuncs reduce the first axis unless told otherwise.

REDUCERS = {np.add: total, np.multiply: product, np.maximum: maximum, np.minimum: minimum}
NAN_REDUCERS = {np.fmax: nanmax, np.fmin: nanmin}


def _reduce(function: Any) -> Any:
    def run(array: Any, axis: Any = 0, dtype: Any = None, *args: Any, **how: Any) -> Any:
        how |= dict(zip(("keepdims", "initial", "where"), args, strict=False))
        array = as_traced(array)
        if dtype is not None:
            array = call_astype(array, dtype)
        return function(array, axis=axis, **how)

    return run


for _ufunc, _function in (REDUCERS | NAN_REDUCERS).items():
    implements(reduced(_ufunc))(_reduce(_function))
concrete(reduced(np.logical_and), reduced(np.logical_or))


def _fold(ufunc: np.ufunc, *, running: bool) -> Any:
    """What a ufunc without a reduction of its own does with one entry after the other."""

    def run(
        array: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False,
        initial: Any = GIVEN, where: Any = GIVEN,
    ) -> Any:  # fmt: skip
        a = as_traced(array)
        if dtype is not None:
            a = call_astype(a, dtype)
        axes = axes_tuple(axis, a.ndim)
        if where is not GIVEN:
            raise UnsupportedError(
                f"{ufunc.__name__}.reduce with where= at {user_line()}: write it as a loop"
            )
        if not axes:
            return ufunc.accumulate(a.value) if running else a  # NumPy's own error
        moved = np.moveaxis(last(a, axes), -1, 0)
        parts = ([initial] if given(initial) else []) + [moved[n] for n in range(len(moved))]
        found = list(accumulate(parts, ufunc))
        if not found:  # of what is empty, or NumPy's own error
            return (
                ufunc.accumulate(a.value, axis)
                if running
                else ufunc.reduce(a.value, axis, keepdims=keepdims)
            )
        if running:
            return np.moveaxis(np.stack(found), 0, axes[0])
        return expand(as_traced(found[-1]), axes) if keepdims else found[-1]

    return run


_WITH_REDUCE: set[Any] = {*REDUCERS, *NAN_REDUCERS, np.logical_and, np.logical_or}
for _one in [u for u in vars(np).values() if isinstance(u, np.ufunc)]:
    if _one.nin == 2 and _one.nout == 1 and _one.signature is None:
        if _one not in _WITH_REDUCE:
            implements(reduced(_one))(_fold(_one, running=False))
        implements(reduced(_one, "accumulate"))(_fold(_one, running=True))
