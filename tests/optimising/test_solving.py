"""Solutions instead of inverses, and one factorisation for all that need it."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.numerical import differences

RNG = np.random.default_rng(11)
A = np.eye(5) + RNG.normal(size=(5, 5)) / 5
b, B = RNG.normal(size=5), RNG.normal(size=(5, 2))


def quadratic_of_solution(A: Any, b: Any) -> Any:
    return 0.5 * np.sum(np.linalg.solve(A, b) ** 2)


def product_with_inverse(A: Any, b: Any) -> Any:
    return np.sum((np.linalg.inv(A) @ b) ** 3)


@pytest.mark.parametrize("f", [quadratic_of_solution, product_with_inverse])
@pytest.mark.parametrize("right", [b, B], ids=["vector", "columns"])
def test_one_factorisation_and_no_inverse(f: Any, right: Any) -> None:
    for wrt, start in ((0, A), (1, right)):
        c = jb.grad(f, wrt=wrt).compile(A, right)
        assert c.source.count("factorise(A)") == 1
        assert "inv(" not in c.source
        assert "lu_inverse" not in c.source
        wanted = differences(lambda X, wrt=wrt: f(*((X, right) if wrt == 0 else (A, X))), start)
        np.testing.assert_allclose(c(A, right), wanted, rtol=1e-6, atol=1e-7)


def test_an_inverse_that_is_needed_itself_is_made() -> None:
    c = jb.jacobian(np.linalg.solve).compile(A, b)
    assert "lu_inverse" in c.source
    M = np.linalg.inv(A)
    np.testing.assert_allclose(c.dense(A, b), -np.einsum("ik,l->ikl", M, M @ b), atol=1e-12)
    G = RNG.normal(size=5)
    np.testing.assert_allclose(c.vjp(G, A, b), -np.outer(M.T @ G, M @ b), atol=1e-12)
    np.testing.assert_allclose(c.jvp(A, A, b), -M @ b, atol=1e-12)


def test_a_singular_matrix_raises_as_numpy_does() -> None:
    c = jb.grad(quadratic_of_solution).compile(A, b)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        c(np.ones((5, 5)), b)


def test_float32_stays_float32() -> None:
    c = jb.grad(quadratic_of_solution).compile(A.astype("f"), b.astype("f"))
    found = c(A.astype("f"), b.astype("f"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, jb.grad(quadratic_of_solution)(A, b), rtol=1e-3, atol=1e-4)
