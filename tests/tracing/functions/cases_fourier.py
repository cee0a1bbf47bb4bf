"""Fourier transforms of real arrays, and functions of SciPy that ``jb.ops`` has."""

import numpy as np

import jacobians as jb
from tests.tracing.functions.driver import Case, values

M = values(3, 3) + 3 * np.eye(3)
CASES = [
    Case("fft real", lambda x: np.fft.fft(x**2).real, (values(5),)),
    Case("fft imag", lambda x: np.fft.fft(x).imag ** 2, (values(6),)),
    Case("rfft magnitude", lambda x: abs(np.fft.rfft(x)), (values(7),)),
    Case("rfft of rows", lambda X: np.fft.rfft(X).imag, (values(2, 4),)),
    Case("rfft of columns", lambda X: np.abs(np.fft.rfft(X, axis=0)) ** 2, (values(5, 2),)),
    Case("rfft cut", lambda x: np.fft.rfft(x, 4).real, (values(7),)),
    Case("rfft padded", lambda x: np.fft.rfft(x, 9, norm="ortho").imag, (values(7),)),
    Case("ifft", lambda x: np.fft.ifft(x, norm="forward").imag, (values(5),)),
    Case("ihfft", lambda x: np.fft.ihfft(x**2).imag, (values(6),)),
    Case("irfft", lambda x: np.fft.irfft(x) ** 2, (values(4),)),
    Case("irfft odd", lambda x: np.fft.irfft(x, 5), (values(4),)),
    Case("hfft", lambda x: np.fft.hfft(x, norm="ortho"), (values(4),)),
    Case("there and back", lambda x: np.fft.irfft(np.fft.rfft(x**2), len(x)), (values(7),)),
    Case("low pass", lambda x: np.fft.irfft(np.fft.rfft(x)[:3], 8) ** 2, (values(8),)),
    Case("real of fft", lambda x: np.real(np.fft.fft(x)) * np.imag(np.fft.fft(x)), (values(4),)),
    Case("expm", lambda A: jb.ops.expm(A), (values(3, 3),)),
    Case("expm of several", lambda A: jb.ops.expm(A), (values(2, 2, 2),)),
    Case("solve_triangular", lambda A, b: jb.ops.solve_triangular(A, b), (M, values(3))),
    Case("solve_triangular lower", lambda A, b: jb.ops.solve_triangular(A, b, "T", lower=True), (M, values(3, 2))),
    Case("solve_triangular unit", lambda A, b: jb.ops.solve_triangular(A, b, unit_diagonal=True), (M, values(3))),
    Case("cho_solve", lambda A, b: jb.ops.cho_solve((A, True), b), (M, values(3))),
    Case("cho_solve upper", lambda A, b: jb.ops.cho_solve((A, False), b), (M, values(3, 2))),
    Case("block_diag", lambda A, b: jb.ops.block_diag(A, b**2, A[:1]), (values(2, 3), values(2))),
    Case("toeplitz", lambda c, r: jb.ops.toeplitz(c, r) ** 2, (values(4), values(3))),
    Case("toeplitz symmetric", lambda c: jb.ops.toeplitz(c), (values(4),)),
    Case("circulant", lambda c: jb.ops.circulant(c) ** 2, (values(4),)),
    Case("polygamma", lambda x: jb.ops.polygamma(1, x), (values(3, low=1, high=2),)),
]  # fmt: skip
