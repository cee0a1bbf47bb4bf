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
    unwritten,
    variance,
)  # fmt: skip
from jacobians.tracing.numpy.ufuncs import where
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import mirrors
from jacobians.tracing.tables import unsupported
from jacobians.tracing.traced import Traced


@mirrors(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False,  # noqa: ARG001
) -> Any:  # fmt: skip
    """numpy.median: the mean of the two middle entries; ties share equally."""
    unwritten(out)
    a = real(as_traced(a))
    count = counted(a, axis, False, GIVEN)
    middle = reduced_last(reductions.order_statistic, a, axis, keepdims, k=(count - 1) // 2)
    if count % 2:
        return middle
    return (middle + reduced_last(reductions.order_statistic, a, axis, keepdims, k=count // 2)) / 2


_POSITIONS = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


@mirrors(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear", keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
) -> Any:  # fmt: skip
    """numpy.quantile, by the methods that take one entry or lie between two."""
    unwritten(out)
    method = method if interpolation is None else interpolation
    if weights is not None or method not in ("linear", "midpoint", *_POSITIONS):
        what = "weights=..." if weights is not None else f"method={method!r}"
        raise UnsupportedError(
            f"numpy.quantile({what}) at {user_line()}: there are the methods linear, lower, higher, nearest and "
            "midpoint, without weights"
        )
    a = real(as_traced(a))
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
    a = real(as_traced(a))
    if weights is None:
        found = mean(a, axis=axis, keepdims=keepdims)
        total_weight: Any = np.full(found.shape, float(counted(a, axis, False, GIVEN)))
        return (found, total_weight) if returned else found
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
    scale = total(weights + np.zeros(a.shape, a.dtype), axis=axis, keepdims=keepdims)
    found = total(a * weights, axis=axis, keepdims=keepdims) / scale
    return (found, scale) if returned else found


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
    x = real(as_traced(x), dtype)
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
    return there if mask is GIVEN or mask is True else there & plain(mask)


@mirrors(np.nanmean)
def nanmean(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanmean."""
    return mean(a, *args, where=_numbers(a, where), **how)


@mirrors(np.nanvar)
def nanvar(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanvar."""
    return variance(a, *args, where=_numbers(a, where), **how)


@mirrors(np.nanstd)
def nanstd(a: Any, *args: Any, where: Any = GIVEN, **how: Any) -> Any:
    """numpy.nanstd: derivative 0 where it is 0."""
    return deviation(a, *args, where=_numbers(a, where), **how)


unsupported(
    "drop the NaNs first: np.median(x[~np.isnan(x)])",
    np.nanmedian,
    np.nanquantile,
    np.nanpercentile,
)
