"""Convolution, polynomials and the shifts of ``numpy.fft``: composites of slices and products."""

from collections.abc import Callable
from numbers import Integral
from operator import index
from typing import Any

import numpy as np

from jacobians.errors import ShapeError
from jacobians.operations import index_maps
from jacobians.tracing.numpy.basics import call_astype
from jacobians.tracing.numpy.products import padded
from jacobians.tracing.stand_ins import array, mirrors
from jacobians.tracing.tables import Result
from jacobians.tracing.traced import Traced, record


def _slid(a: Any, v: Any, mode: str) -> Any:
    """``Σ_w a[n + w] v[w]`` for a ``v`` that is no longer than ``a``."""
    n = v.shape[0]
    around = {"valid": (0, 0), "same": (n // 2, n - 1 - n // 2), "full": (n - 1, n - 1)}[mode]
    a = padded(a, *around)
    if isinstance(a, Traced):
        return np.matmul(record(index_maps.windows, [a], window=n, axis=0), v)
    return np.matmul(np.lib.stride_tricks.sliding_window_view(a, n), v)


def _slide_arguments(a: Any, v: Any, mode: str, name: str) -> tuple[Any, Any]:
    a, v = array(a), array(v)
    if name == "convolve":
        a, v = (np.reshape(x, (1,)) if x.ndim == 0 else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1 or not a.shape[0] or not v.shape[0]:
        raise ShapeError(
            f"{name} takes two vectors that are not empty; the shapes are {a.shape} and {v.shape}"
        )
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', not {mode!r}")
    return a, v


@mirrors(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = _slide_arguments(a, v, mode, "convolve")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _slid(a, v[::-1], mode)


@mirrors(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = _slide_arguments(a, v, mode, "correlate")
    if v.shape[0] > a.shape[0]:
        return _slid(v, a, mode)[::-1]
    return _slid(a, v, mode)


# Polynomials


@mirrors(np.vander)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    if x.ndim != 1:
        raise ShapeError(f"vander takes a vector; the shape here is {x.shape}")
    count = len(x) if N is None else int(N)
    x = call_astype(x, np.promote_types(x.dtype, int))
    if count == 0:
        return np.empty((len(x), 0), x.dtype)
    powers = range(count) if increasing else reversed(range(count))
    # x⁰ is a constant column, whose derivative is 0 also where x is.
    columns = [np.ones(x.shape, x.dtype) if p == 0 else x if p == 1 else x**p for p in powers]
    return np.concatenate([np.reshape(c, (-1, 1)) for c in columns], axis=1)


@mirrors(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    result: Any = np.zeros(np.shape(x), np.result_type(p.dtype, x.dtype) if _typed(p, x) else float)
    for n in range(len(p)):
        result = result * x + p[n]
    return result


def _typed(*arguments: Any) -> bool:
    return all(hasattr(x, "dtype") for x in arguments)


def _polyder_kind(p: Any, m: int = 1) -> Result:  # noqa: ARG001
    """The array itself for m = 0, else copy."""
    return Result.NEW if m else Result.NUMPYS


@mirrors(np.polyder, result=_polyder_kind)
def _polyder(p: Any, m: int = 1) -> Any:
    for _ in range(index(m)):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@mirrors(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, lambda size: size // 2)


@mirrors(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, lambda size: -(size // 2))


def _shifted(x: Any, axes: Any, shift: Callable[[int], int]) -> Any:
    places = range(x.ndim) if axes is None else [axes] if isinstance(axes, Integral) else axes
    return np.roll(x, [shift(x.shape[int(n)]) for n in places], tuple(int(n) for n in places))
