"""Along an axis, entry after entry: running sums and products, differences, the trapezoidal rule."""

from typing import Any

import numpy as np

from jacobians.operations import reductions
from jacobians.operations.recurrences import (
    running_maximum,
    running_minimum,
    running_product,
)
from jacobians.tracing.numpy.basics import axes_tuple, call_astype, reshape, transpose
from jacobians.tracing.numpy.reductions import GIVEN, as_traced, given, total
from jacobians.tracing.numpy.statistics import filled
from jacobians.tracing.stand_ins import array, mirrors, stand_in
from jacobians.tracing.tables import Result, implements, reduced
from jacobians.tracing.traced import record


@mirrors(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.cumsum."""
    a, axis = _along(as_traced(a), axis, dtype)
    return record(reductions.cumsum, [a], axis=axis)


@mirrors(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.cumprod: right where entries are 0."""
    return _running(running_product, *_along(as_traced(a), axis, dtype))


def _running(operation: Any, a: Any, axis: int) -> Any:
    """An operation along the last axis, along any."""
    order = [n for n in range(a.ndim) if n != axis] + [axis]
    found = record(operation, [transpose(a, tuple(order))])
    return transpose(found, tuple(int(n) for n in np.argsort(order)))


def _along(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    a = a if dtype is None else call_astype(a, dtype)
    if axis is None or a.ndim == 0:
        np.cumsum(np.empty((1,) * a.ndim), axis)  # NumPy's own error
        return reshape(a, -1), 0
    return a, axes_tuple(axis, a.ndim)[0]


def _cumulative(run: Any, first: float) -> Any:
    def cumulative(
        x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        if axis is None and np.ndim(stand_in(x)) > 1:
            raise ValueError(
                "For arrays which have more than one dimension ``axis`` argument is required."
            )
        x, axis = _along(as_traced(x), axis, dtype)
        found = run(x, axis)
        if not include_initial:
            return found
        start = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), first, found.dtype)
        return np.concatenate([start, found], axis=axis)

    return cumulative


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements(np.cumulative_sum)(_cumulative(cumsum, 0.0))
    implements(np.cumulative_prod)(_cumulative(cumprod, 1.0))


def _diff_kind(a: Any, n: int = 1, *_: Any, **__: Any) -> Result:  # noqa: ARG001
    """The array itself for n = 0, else copy."""
    return Result.NEW if n else Result.NUMPYS


@mirrors(np.diff, result=_diff_kind)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = GIVEN, append: Any = GIVEN) -> Any:
    """numpy.diff."""
    a = as_traced(a)
    if n == 0:
        return a
    along = axes_tuple(axis, a.ndim)[0]
    edges = [(prepend, 0), (append, 1)]
    for edge, after in edges:
        if given(edge):
            shape = (*a.shape[:along], 1, *a.shape[along + 1 :])
            edge = array(edge)
            if edge.ndim == 0:
                edge = np.broadcast_to(edge, shape)
            parts = [a, edge] if after else [edge, a]
            a = np.concatenate(parts, axis=along)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    for _ in range(n):
        front = (slice(None),) * along
        late, early = a[(*front, slice(1, None))], a[(*front, slice(None, -1))]
        a = late != early if a.dtype == np.bool_ else late - early
    return a


@mirrors(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """numpy.ediff1d."""
    ary = as_traced(ary)
    ends = [None if end is None else reshape(as_traced(end), -1) for end in (to_begin, to_end)]
    for end in ends:
        if end is not None and not np.can_cast(end.dtype, ary.dtype, "same_kind"):
            raise TypeError(
                f"ediff1d: {end.dtype} does not go into {ary.dtype}"
            )  # NumPy says which
    begin, end = (None if end is None else call_astype(end, ary.dtype) for end in ends)
    parts = (begin, diff(reshape(ary, -1)), end)
    return np.concatenate([part for part in parts if part is not None])


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """numpy.trapezoid, by the positions too."""
    y = as_traced(y)
    along = axes_tuple(axis, y.ndim)[0]
    steps = dx
    if x is not None:
        x = as_traced(x)
        steps = diff(x, axis=along if x.ndim > 1 else -1)
        if x.ndim == 1:
            steps = reshape(steps, tuple(-1 if n == along else 1 for n in range(y.ndim)))
    front = (slice(None),) * along
    pairs = y[(*front, slice(1, None))] + y[(*front, slice(None, -1))]
    return total(steps * pairs / 2.0, axis=along)


for _name in ("trapezoid", "trapz"):  # the second until NumPy 2.4
    if _name in vars(np):
        implements(vars(np)[_name])(trapezoid)


@mirrors(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.nancumsum."""
    return cumsum(filled(a, 0.0), axis=axis, dtype=dtype)


@mirrors(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.nancumprod."""
    return cumprod(filled(a, 1.0), axis=axis, dtype=dtype)


@implements(reduced(np.add, "accumulate"))
def _add_up(array: Any, axis: int = 0, dtype: Any = None) -> Any:
    return cumsum(_accumulable(array), axis, dtype)


def _accumulable(array: Any) -> Any:
    a = as_traced(array)
    if not a.ndim:
        np.add.accumulate(a.value)  # NumPy's own error
    return a


@implements(reduced(np.multiply, "accumulate"))
def _multiply_up(array: Any, axis: int = 0, dtype: Any = None) -> Any:
    return cumprod(_accumulable(array), axis, dtype)


def _extreme_so_far(operation: Any) -> Any:
    def run(array: Any, axis: int = 0, dtype: Any = None) -> Any:
        return _running(operation, *_along(_accumulable(array), axis, dtype))

    return run


implements(reduced(np.maximum, "accumulate"))(_extreme_so_far(running_maximum))
implements(reduced(np.minimum, "accumulate"))(_extreme_so_far(running_minimum))
