"""Medians, quantiles, weighted means, covariances, and what skips NaN: composites of reductions."""

from numbers import Integral
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import reductions
from jacobians.tracing.numpy.basics import plain, reshape, transpose
from jacobians.tracing.numpy.reductions import (
    GIVEN,
    as_traced,
    counted,
    deviation,
    mean,
    product,
    real,
    reduced_last,
    total,
    variance,
)  # fmt: skip
from jacobians.tracing.numpy.ufuncs import where
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import mirrors
from jacobians.tracing.tables import Result, unsupported
from jacobians.tracing.traced import Traced

_WEIGHTS = "weights are not supported; write the sums out with them"


@mirrors(np.median)
def median(
    a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: Any = False,  # noqa: ARG001
) -> Any:  # fmt: skip
    """numpy.median: the mean of the two middle entries; ties share equally."""
    a = real(as_traced(a))
    if a.ndim == 0 and axis is not None:
        np.median(np.zeros(()), axis)  # NumPy's own error
    count = counted(a, axis, False, GIVEN)
    if count == 0:
        return mean(a, axis, keepdims=keepdims)
    middle = reduced_last(reductions.order_statistic, a, axis, keepdims, k=(count - 1) // 2)
    if count % 2:
        return middle
    return (middle + reduced_last(reductions.order_statistic, a, axis, keepdims, k=count // 2)) / 2


_POSITIONS = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


@mirrors(np.quantile, weights=_WEIGHTS)
def quantile(
    a: Any, q: Any, axis: Any = None, overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear", keepdims: Any = False, *, weights: None = None,  # noqa: ARG001
    interpolation: Any = None,
) -> Any:  # fmt: skip
    """numpy.quantile, by the methods that take one entry or lie between two."""
    method = method if interpolation is None else interpolation
    if method not in ("linear", "midpoint", *_POSITIONS):
        raise UnsupportedError(
            f"numpy.quantile(method={method!r}) at {user_line()}: there are the methods linear, lower, "
            "higher, nearest and midpoint"
        )
    a = as_traced(a)
    a = a if method in _POSITIONS else real(a)
    if a.ndim == 0 and axis is not None:
        np.quantile(np.zeros(()), 0.5, axis)  # NumPy's own error
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


@mirrors(np.percentile, weights=_WEIGHTS)
def percentile(a: Any, q: Any, *args: Any, **how: Any) -> Any:
    """numpy.percentile."""
    a = as_traced(a)
    hundred = a.dtype.type(100) if a.dtype.kind == "f" else 100
    return quantile(a, np.divide(q, hundred), *args, **how)


@mirrors(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """numpy.average, by the weights too."""
    a = real(as_traced(a))
    if weights is None:
        if a.size == 0:
            np.average(a.value, axis, keepdims=keepdims)  # NumPy's own error
        found = mean(a, axis=axis, keepdims=keepdims)
        if not returned:
            return found
        return found, np.average(a.value, axis, returned=True, keepdims=keepdims)[1]
    weights = as_traced(weights)
    if weights.shape != a.shape:
        axes = (axis,) if isinstance(axis, Integral) else tuple(axis or ())
        places = [n % a.ndim for n in axes]
        if axis is None or weights.shape != tuple(a.shape[n] for n in places):
            np.average(
                np.empty(a.shape), axis=axis, weights=np.ones(weights.shape)
            )  # its own error
        weights = transpose(weights, tuple(int(n) for n in np.argsort(places)))
        weights = reshape(weights, tuple(a.shape[n] if n in places else 1 for n in range(a.ndim)))
    if a.size == 0:
        np.average(a.value, axis, keepdims=keepdims)  # NumPy's own error
    scale = total(weights + np.zeros(a.shape, a.dtype), axis=axis, keepdims=keepdims)
    if np.any(scale.value == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")  # as NumPy
    found = total(a * weights, axis=axis, keepdims=keepdims) / scale
    return (found, scale) if returned else found


@mirrors(np.cov, result=Result.ARRAY, fweights=_WEIGHTS, aweights=_WEIGHTS)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: None = None, aweights: None = None, *, dtype: Any = None,  # noqa: ARG001
) -> Any:  # fmt: skip
    """numpy.cov without weights."""
    parts = [as_traced(part) for part in (m, y) if part is not None]
    # NumPy computes with float64 at least, and says where an argument has too many axes.
    dtype = np.result_type(*parts_types(parts), np.float64) if dtype is None else dtype
    shapes = [np.zeros((2,) * part.ndim) for part in parts]
    np.cov(shapes[0], shapes[1] if len(shapes) > 1 else None)
    rows = [
        _rows(part, turned, dtype)
        for part, turned in zip(parts, _turned(parts, rowvar), strict=False)
    ]
    data = rows[0] if len(rows) == 1 else np.concatenate(rows)
    free = data.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    centered = data - mean(data, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.matmul(centered, transpose(centered)) / max(free, 0)
    return reshape(found, ()) if found.size == 1 else found


def parts_types(parts: Any) -> list[Any]:
    """The dtypes of arrays."""
    return [part.dtype for part in parts]


def _turned(parts: Any, rowvar: Any) -> tuple[bool, bool]:
    """Which of the arguments of ``cov`` NumPy transposes."""
    first, *rest = parts
    return not rowvar and first.ndim != 1, bool(rest) and not rowvar and rest[0].ndim == 2 and len(
        rest[0]
    ) != 1


def _rows(x: Any, turned: bool, dtype: Any) -> Any:
    x = real(x, dtype)
    x = reshape(x, (1, -1)) if x.ndim < 2 else x
    return transpose(x) if turned else x


@mirrors(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """numpy.corrcoef; NumPy's clipping of rounding errors to [−1, 1] is left out of the derivative."""
    found = cov(x, y, rowvar, dtype=dtype)
    if found.ndim == 0:
        return found / found
    n = np.arange(found.shape[0])
    scale = np.sqrt(found[n, n])
    return found / reshape(scale, (-1, 1)) / reshape(scale, (1, -1))


def filled(a: Any, value: float) -> Any:
    """The array with a value in place of NaN."""
    a = as_traced(a)
    return where(a != a, value, a) if a.dtype.kind == "f" else a


@mirrors(np.nansum)
def nansum(a: Any, *args: Any, **how: Any) -> Any:
    """numpy.nansum."""
    return total(filled(a, 0.0), *args, **how)


@mirrors(np.nanprod)
def nanprod(a: Any, *args: Any, **how: Any) -> Any:
    """numpy.nanprod."""
    return product(filled(a, 1.0), *args, **how)


def _numbers(a: Any, mask: Any) -> Any:
    """Where an array has numbers that ``where=`` does not exclude."""
    there = ~np.isnan(plain(a))
    return there if mask is GIVEN else there & plain(mask)


@mirrors(np.nanmean)
def nanmean(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanmean."""
    if not np.ndim(a):
        args = (None, *args[1:])
        how.pop("axis", None)
    return mean(a, *args, where=_numbers(a, where), **how)


@mirrors(np.nanvar)
def nanvar(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanvar: NaN where there are too few numbers."""
    return _enough(variance, a, args, _numbers(a, where), how)


def _enough(function: Any, a: Any, args: Any, there: Any, how: Any) -> Any:
    if not np.ndim(a):
        args = (None, *args[1:])
        how.pop("axis", None)
    found = function(a, *args, where=there, **how)
    given = dict(zip(("axis", "dtype"), args, strict=False)) | how
    ddof = how.get("correction", given.get("ddof", 0))
    count = np.sum(there, axis=given.get("axis"), keepdims=bool(given.get("keepdims", False)))
    few = count - ddof <= 0
    return where(few, np.nan, found) if np.any(few) else found


@mirrors(np.nanstd)
def nanstd(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanstd: derivative 0 where it is 0."""
    return _enough(deviation, a, args, _numbers(a, where), how)


unsupported(
    "drop the NaNs first: np.median(x[~np.isnan(x)])",
    np.nanmedian,
    np.nanquantile,
    np.nanpercentile,
)
