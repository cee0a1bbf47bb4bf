"""``numpy.fft`` of real input: real and imaginary part, magnitude, and back."""

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from jacobians.operations import fourier
from jacobians.tracing.numpy.basics import call_astype
from jacobians.tracing.numpy.products import padded
from jacobians.tracing.spectrum import ANSWERS, Spectrum
from jacobians.tracing.stand_ins import array, mirrors, untyped
from jacobians.tracing.traced import record

_OUT = "the result is complex; use the returned value"


def _at_end(a: Any, n: Any, axis: int) -> tuple[Any, int]:
    """The array of floats with the axis as the last, cut or padded to ``n`` entries."""
    a = array(a)
    a = a if a.dtype.kind == "f" else call_astype(a, np.float64)
    axis = normalize_axis_index(index(axis), a.ndim)
    a = np.moveaxis(a, axis, -1)
    size = a.shape[-1] if n is None else index(n)
    if size < 1:
        raise ValueError(f"Invalid number of FFT data points ({size}) specified.")
    return padded(a[..., :size], 0, max(size - a.shape[-1], 0)), axis


def _scale(norm: Any, n: int, *, inverse: bool) -> float:
    """What the transform without any factor is multiplied by."""
    forward: dict[Any, float] = {None: 1.0, "backward": 1.0, "ortho": n**-0.5, "forward": 1.0 / n}
    if norm not in forward:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return 1.0 / n / forward[norm] if inverse else forward[norm]


def _forward(function: Any, *, half: bool, inverse: bool) -> None:
    @mirrors(function, result="complex: .real, .imag, abs() and irfft of it", out=_OUT)
    def run(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Spectrum:
        a, axis = _at_end(a, n, axis)
        length = a.shape[-1]
        scale = _scale(norm, length, inverse=inverse)
        size = length // 2 + 1 if half else length
        parts = []
        for part, sign in ((fourier.real_part, 1), (fourier.imaginary_part, -1 if inverse else 1)):
            found = untyped.moveaxis(record(part, [a], size=size), -1, axis)
            factor = sign * scale
            parts.append(found if factor == 1 else found * factor)
        return Spectrum(*parts)


_forward(np.fft.fft, half=False, inverse=False)
_forward(np.fft.ifft, half=False, inverse=True)
_forward(np.fft.rfft, half=True, inverse=False)
_forward(np.fft.ihfft, half=True, inverse=True)


def inverse(
    a: Any,
    n: Any = None,
    axis: int = -1,
    norm: Any = None,
    *,
    hermitian: bool = False,
) -> Any:
    """numpy.fft.irfft of a real array or a ``Spectrum``; ``hermitian``: numpy.fft.hfft."""
    parts = (a.real, a.imag) if isinstance(a, Spectrum) else (a,)
    size = 2 * (array(parts[0]).shape[axis] - 1) if n is None else index(n)
    scale = (
        _scale(norm, size, inverse=not hermitian) * size
    )  # the transform back divides by the size
    total: Any = None
    for part, operation in zip(parts, (fourier.from_real, fourier.from_imaginary), strict=False):
        moved, place = _at_end(part, size // 2 + 1, axis)
        found = untyped.moveaxis(record(operation, [moved], size=size), -1, place)
        total = found if total is None else total + found
    return total if scale == 1 else total * scale


def _backward(function: Any, *, hermitian: bool) -> Callable[..., Any]:
    @mirrors(function, out=_OUT)
    def run(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
        return inverse(a, n, axis, norm, hermitian=hermitian)

    return run


_backward(np.fft.irfft, hermitian=False)
_backward(np.fft.hfft, hermitian=True)
ANSWERS[np.fft.irfft] = inverse
