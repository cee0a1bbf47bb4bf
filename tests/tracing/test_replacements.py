"""Complex results and SciPy: what answers, what is refused, and what to write instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import linalg, special

import jacobians as jb

A = np.array([[2.0, 0.3], [0.1, 1.5]])


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda x: linalg.expm(x), r"SciPy's expm at .*jb\.ops\.expm"),
        (lambda x: linalg.solve_triangular(x, x), r"SciPy's solve_triangular at .*jb\.ops\.solve_triangular"),
        (lambda x: linalg.block_diag(x, x), r"SciPy's block_diag at .*jb\.ops\.block_diag"),
        (lambda x: special.polygamma(1, x), r"SciPy's polygamma at .*jb\.ops\.polygamma"),
        (lambda x: linalg.lu_factor(x), r"SciPy's lu_factor at .*np\.linalg\.solve"),
        (lambda x: linalg.cho_factor(x), r"SciPy's cho_factor at .*np\.linalg\.solve"),
        (lambda x: linalg.inv(x), r"SciPy's inv at .*jb\.ops\.inv"),
        (lambda x: np.fft.fft(x) * 2, r"'mul' of a complex traced array at .*\.real, \.imag"),
        (lambda x: np.exp(np.fft.rfft(x)), r"numpy\.exp of a complex traced array at .*\.imag"),
        (lambda x: np.fft.fft(np.fft.fft(x)), r"numpy\.fft\.fft of a complex traced array"),
        (lambda x: np.fft.rfft(x).sum(), r"\.sum of a complex traced array"),
        (lambda x: np.fft.fft2(x), r"fft2 at .*second axis"),
        (lambda x: jb.ops.polygamma(x.astype(int), x), r"polygamma at .*one plain integer"),
    ],
)  # fmt: skip
def test_what_is_refused_names_the_function_and_what_to_write(
    call: Callable[[Any], Any], instead: str
) -> None:
    with pytest.raises(jb.UnsupportedError, match=instead) as caught:
        jb.jacobian(call)(A)
    assert "test_replacements.py" in str(caught.value)


def test_functions_of_scipy_on_plain_arrays_are_scipys() -> None:
    b = np.array([1.0, 2.0])
    for name, arguments in {
        "expm": (A,), "solve_triangular": (A, b), "cho_solve": ((A, True), b), "block_diag": (A, b),
        "toeplitz": (b, b), "circulant": (b,),
    }.items():  # fmt: skip
        found = getattr(jb.ops, name)(*arguments)
        np.testing.assert_array_equal(found, getattr(linalg, name)(*arguments))
    np.testing.assert_array_equal(jb.ops.polygamma(2, b), special.polygamma(2, b))
    assert list(jb.ops.functions) == sorted(jb.ops.functions)
    assert "solve_triangular" in dir(jb.ops)


def test_the_magnitude_is_0_at_0() -> None:
    gradient = jb.grad(lambda x: np.sum(abs(np.fft.rfft(x))))(np.zeros(4))
    np.testing.assert_array_equal(gradient, np.zeros(4))


def test_matrices_of_cosines_are_made_on_demand() -> None:
    recorded = jb.record(lambda x: np.fft.rfft(x).real, np.ones(1 << 12))
    assert sum(node.value is not None for node in recorded.nodes) == 0
