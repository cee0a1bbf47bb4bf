"""Reductions and running sums: what NumPy's mean on traced arrays.

``axis`` may be None, an integer of either sign, or a tuple of them, as in NumPy.
"""

from math import prod
from numbers import Integral
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import functions, reductions
from jacobians.operations.declare import Rule
from jacobians.tracing.core import axes_tuple, call_astype, expand, plain, reshape, sum_over, transpose
from jacobians.tracing.elementwise import where
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import concrete, mirrors, plainly, stand_in
from jacobians.tracing.tables import implements, unsupported
from jacobians.tracing.traced import Traced, record, reduced

GIVEN = np._NoValue  # type: ignore[attr-defined]


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
    return a if mask is GIVEN or mask is True or mask is None else where(mask, a, neutral)


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
    return expand(result, axes) if keepdims is True else result


@mirrors(np.sum)
def total(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.sum."""
    a = chosen(as_traced(a), where, 0)
    result = sum_over(a, axis=axis, dtype=dtype, keepdims=keepdims)
    return result + initial if given(initial) else result


@mirrors(np.mean)
def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, where: Any = GIVEN) -> Any:
    """numpy.mean."""
    a = _real(as_traced(a), dtype)
    return total(a, axis=axis, keepdims=keepdims, where=where) / counted(a, axis, keepdims, where)


def _real(a: Any, dtype: Any = None) -> Any:
    if dtype is not None:
        return call_astype(a, dtype)
    return a if a.dtype.kind == "f" else call_astype(a, np.float64)


def counted(a: Any, axis: Any, keepdims: Any, mask: Any) -> Any:
    """How many entries are reduced: a number, or an array of them where a mask excludes some."""
    if mask is GIVEN or mask is True or mask is None:
        return prod(a.shape[n] for n in axes_tuple(axis, a.ndim))
    shaped = np.broadcast_to(plain(mask), a.shape)
    return np.sum(shaped, axis=axis, keepdims=keepdims is True)


@mirrors(np.var)
def variance(
    a: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, *,
    keepdims: Any = False, where: Any = GIVEN, mean: Any = GIVEN, correction: Any = GIVEN,
) -> Any:  # fmt: skip
    """numpy.var: the mean square distance from the mean, which may be given."""
    ddof = correction if given(correction) else ddof
    a = _real(as_traced(a), dtype)
    count = counted(a, axis, keepdims, where)
    degrees = np.maximum(count - ddof, 0)
    if isinstance(count, int) and not given(mean):
        return reduced_last(reductions.spread, a, axis, keepdims) / degrees
    center = mean if given(mean) else np.mean(a, axis=axis, keepdims=True, where=where)
    squares = np.square(a - center)
    return total(squares, axis=axis, keepdims=keepdims, where=where) / degrees


@mirrors(np.std)
def deviation(a: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, **how: Any) -> Any:
    """numpy.std: derivative 0 where it is 0."""
    return record(functions.root, [variance(a, axis, dtype, ddof, **how)])


@mirrors(np.prod)
def product(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.prod: right where entries are 0."""
    a = chosen(as_traced(a), where, 1)
    a = a if dtype is None else call_astype(a, dtype)
    axes = axes_tuple(axis, a.ndim)
    result = record(reductions.product(), [last(a, axes)])
    result = expand(result, axes) if keepdims is True else result
    return result * initial if given(initial) else result


def _reduced_last(
    operations: tuple[Rule, Rule], pair: np.ufunc, neutral: float, a: Any, axis: Any, keepdims: Any,
    initial: Any, mask: Any,
) -> Any:  # fmt: skip
    a = as_traced(a)
    if mask is not GIVEN and mask is not True and mask is not None:
        if not given(initial):
            raise ValueError("a reduction with where= needs initial=")  # as NumPy
        a = where(mask, a, neutral)
    if given(initial) and a.size == 0:
        shape = np.sum(np.empty(a.shape), axis=axis, keepdims=keepdims is True).shape
        return np.full(shape, plain(initial), a.dtype)
    result = reduced_last(operations, a, axis, keepdims)
    return pair(result, initial) if given(initial) else result


@mirrors(np.max, np.amax)
def maximum(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.max: ties share equally."""
    return _extreme(reductions.maximum, np.maximum, -np.inf, a, axis, keepdims, initial, where)


@mirrors(np.min, np.amin)
def minimum(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.min: ties share equally."""
    return _extreme(reductions.minimum, np.minimum, np.inf, a, axis, keepdims, initial, where)


@mirrors(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.nanmax."""
    return _extreme(reductions.nanmaximum, np.fmax, -np.inf, a, axis, keepdims, initial, where)


@mirrors(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = GIVEN, where: Any = GIVEN
) -> Any:
    """numpy.nanmin."""
    return _extreme(reductions.nanminimum, np.fmin, np.inf, a, axis, keepdims, initial, where)


@mirrors(np.ptp)
def peak_to_peak(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """numpy.ptp."""
    return maximum(a, axis, keepdims=keepdims) - minimum(a, axis, keepdims=keepdims)


@mirrors(np.median)
def median(a: Any, axis: Any = None, *, overwrite_input: bool = False, keepdims: Any = False) -> Any:  # noqa: ARG001
    """numpy.median: the mean of the two middle entries; ties share equally."""
    a = _real(as_traced(a))
    count = counted(a, axis, False, GIVEN)
    middle = reduced_last(reductions.order_statistic, a, axis, keepdims, k=(count - 1) // 2)
    if count % 2:
        return middle
    return (middle + reduced_last(reductions.order_statistic, a, axis, keepdims, k=count // 2)) / 2


_POSITIONS = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


@mirrors(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, *, overwrite_input: bool = False, method: str = "linear",  # noqa: ARG001
    keepdims: Any = False, weights: Any = None, interpolation: Any = None,
) -> Any:  # fmt: skip
    """numpy.quantile, by the methods that take one entry or lie between two."""
    method = method if interpolation is None else interpolation
    if weights is not None or method not in ("linear", "midpoint", *_POSITIONS):
        what = "weights=..." if weights is not None else f"method={method!r}"
        raise UnsupportedError(
            f"numpy.quantile({what}) at {user_line()}: there are the methods linear, lower, higher, nearest and "
            "midpoint, without weights"
        )
    a = _real(as_traced(a))
    wanted = np.asarray(plain(q), np.float64)
    if wanted.size and not (wanted.min() >= 0 and wanted.max() <= 1):
        raise ValueError("Quantiles must be in the range [0, 1]")
    if wanted.ndim:
        places = [q[n] if isinstance(q, Traced) else wanted[n] for n in range(len(wanted))]
        how = {"axis": axis, "method": method, "keepdims": keepdims}
        return np.stack([quantile(a, place, **how) for place in places])
    return _quantile(a, q, float(wanted), axis, method, keepdims)


def _quantile(a: Any, q: Any, wanted: float, axis: Any, method: str, keepdims: Any) -> Any:
    count = counted(a, axis, False, GIVEN)
    place = wanted * (count - 1)
    if method in _POSITIONS:
        k = int(_POSITIONS[method](place))
        return reduced_last(reductions.order_statistic, a, axis, keepdims, k=k)
    k = min(int(place), max(count - 2, 0))
    low = reduced_last(reductions.order_statistic, a, axis, keepdims, k=k)
    high = reduced_last(reductions.order_statistic, a, axis, keepdims, k=min(k + 1, count - 1))
    if method == "midpoint":
        return low if place == k else high if place == k + 1 else (low + high) / 2
    if place == k and not isinstance(q, Traced):
        return low
    return low + (high - low) * (q * (count - 1) - k)


@mirrors(np.percentile)
def percentile(a: Any, q: Any, *args: Any, **how: Any) -> Any:
    """numpy.percentile."""
    return quantile(a, np.divide(q, 100), *args, **how)


@mirrors(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """numpy.average, by the weights too."""
    a = _real(as_traced(a))
    if weights is None:
        found = mean(a, axis=axis, keepdims=keepdims)
        total_weight: Any = np.full(found.shape, float(counted(a, axis, False, GIVEN)))
        return (found, total_weight) if returned else found
    weights = as_traced(weights)
    if weights.shape != a.shape:
        axes = (axis,) if isinstance(axis, Integral) else tuple(axis or ())
        places = [n % a.ndim for n in axes]
        if axis is None or weights.shape != tuple(a.shape[n] for n in places):
            np.average(np.empty(a.shape), axis=axis, weights=np.ones(weights.shape))  # its own error
        weights = transpose(weights, tuple(int(n) for n in np.argsort(places)))
        weights = reshape(weights, tuple(a.shape[n] if n in places else 1 for n in range(a.ndim)))
    scale = total(weights + np.zeros(a.shape, a.dtype), axis=axis, keepdims=keepdims)
    found = total(a * weights, axis=axis, keepdims=keepdims) / scale
    return (found, scale) if returned else found


@mirrors(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.cumsum."""
    a, axis = _along(as_traced(a), axis, dtype)
    return record(reductions.cumsum, [a], axis=axis)


@mirrors(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.cumprod: right where entries are 0."""
    a, axis = _along(as_traced(a), axis, dtype)
    order = [n for n in range(a.ndim) if n != axis] + [axis]
    found = record(reductions.product(running=True), [transpose(a, tuple(order))])
    return transpose(found, tuple(int(n) for n in np.argsort(order)))


def _along(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    a = a if dtype is None else call_astype(a, dtype)
    if axis is None:
        return reshape(a, -1), 0
    return a, axes_tuple(axis, a.ndim)[0]


def _cumulative(run: Any, first: float) -> Any:
    def cumulative(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if axis is None and np.ndim(stand_in(x)) > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
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


@mirrors(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = GIVEN, append: Any = GIVEN) -> Any:
    """numpy.diff."""
    a = as_traced(a)
    along = axes_tuple(axis, a.ndim)[0]
    edges = [(prepend, 0), (append, 1)]
    for edge, after in edges:
        if given(edge):
            shape = (*a.shape[:along], 1, *a.shape[along + 1 :])
            if np.ndim(stand_in(edge)) == 0:
                edge = edge + np.zeros(shape)
            parts = [a, edge] if after else [edge, a]
            a = np.concatenate(parts, axis=along)
    for _ in range(n):
        front = (slice(None),) * along
        late, early = a[(*front, slice(1, None))], a[(*front, slice(None, -1))]
        a = late != early if a.dtype == np.bool_ else late - early
    return a


@mirrors(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """numpy.ediff1d."""
    middle = diff(reshape(as_traced(ary), -1))
    parts = [reshape(as_traced(part), -1) for part in (to_begin, middle, to_end) if part is not None]
    return np.concatenate(parts)


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


def _filled(a: Any, value: float) -> Any:
    a = as_traced(a)
    return where(a != a, value, a) if a.dtype.kind == "f" else a


@mirrors(np.nansum)
def nansum(a: Any, axis: Any = None, dtype: Any = None, **how: Any) -> Any:
    """numpy.nansum."""
    return total(_filled(a, 0.0), axis=axis, dtype=dtype, **how)


@mirrors(np.nanprod)
def nanprod(a: Any, axis: Any = None, dtype: Any = None, **how: Any) -> Any:
    """numpy.nanprod."""
    return product(_filled(a, 1.0), axis=axis, dtype=dtype, **how)


@mirrors(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.nancumsum."""
    return cumsum(_filled(a, 0.0), axis=axis, dtype=dtype)


@mirrors(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """numpy.nancumprod."""
    return cumprod(_filled(a, 1.0), axis=axis, dtype=dtype)


def _numbers(a: Any, mask: Any) -> Any:
    """Where an array has numbers that ``where=`` does not exclude."""
    there = ~np.isnan(plain(a))
    return there if mask is GIVEN or mask is True else there & plain(mask)


@mirrors(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, where: Any = GIVEN) -> Any:
    """numpy.nanmean."""
    return mean(a, axis, dtype, keepdims=keepdims, where=_numbers(a, where))


@mirrors(np.nanvar)
def nanvar(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanvar."""
    return variance(a, *args, where=_numbers(a, where), **how)


@mirrors(np.nanstd)
def nanstd(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanstd: derivative 0 where it is 0."""
    return deviation(a, *args, where=_numbers(a, where), **how)


@mirrors(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """numpy.cov without weights."""
    if fweights is not None or aweights is not None:
        raise UnsupportedError(f"numpy.cov at {user_line()}: weights are not supported")
    rows = [_rows(part, rowvar, dtype) for part in (m, y) if part is not None]
    data = rows[0] if len(rows) == 1 else np.concatenate(rows)
    free = data.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    centered = data - mean(data, axis=1, keepdims=True)
    found = np.matmul(centered, transpose(centered)) / max(free, 0)
    return reshape(found, ()) if found.size == 1 else found


def _rows(x: Any, rowvar: bool, dtype: Any) -> Any:
    x = _real(as_traced(x), dtype)
    x = reshape(x, (1, -1)) if x.ndim < 2 else x
    return x if rowvar or x.shape[0] == 1 else transpose(x)


@mirrors(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """numpy.corrcoef; NumPy's clipping of rounding errors to [−1, 1] is left out of the derivative."""
    found = cov(x, y, rowvar, dtype=dtype)
    if found.ndim == 0:
        return found / found
    n = np.arange(found.shape[0])
    scale = np.sqrt(found[n, n])
    return found / reshape(scale, (-1, 1)) / reshape(scale, (1, -1))


concrete(np.all, np.any)
unsupported(
    "drop the NaNs first: np.median(x[~np.isnan(x)])", np.nanmedian, np.nanquantile, np.nanpercentile
)


# The methods of ufuncs reduce the first axis unless told otherwise.

REDUCERS = {np.add: total, np.multiply: product, np.maximum: maximum, np.minimum: minimum}
NAN_REDUCERS = {np.fmax: nanmax, np.fmin: nanmin}


def _reduce(function: Any) -> Any:
    def run(array: Any, axis: Any = 0, dtype: Any = None, **how: Any) -> Any:
        if dtype is not None:
            array = call_astype(as_traced(array), dtype)
        return function(array, axis=axis, **how)

    return run


for _ufunc, _function in (REDUCERS | NAN_REDUCERS).items():
    implements(reduced(_ufunc))(_reduce(_function))
for _ufunc, _function in {np.logical_and: np.all, np.logical_or: np.any}.items():
    implements(reduced(_ufunc))(
        lambda array, axis=0, _run=_function, **how: _run(plainly(array), axis=axis, **how)
    )
implements(reduced(np.add, "accumulate"))(lambda array, axis=0, dtype=None: cumsum(array, axis, dtype))
implements(reduced(np.multiply, "accumulate"))(
    lambda array, axis=0, dtype=None: cumprod(array, axis, dtype)
)
