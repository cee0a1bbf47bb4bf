"""A tensor inside a function that is being differentiated is the tensor, traced."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests import numerical

RNG = np.random.default_rng(5)
x = RNG.normal(size=3)
A = RNG.normal(size=(4, 3))
G, D = RNG.normal(size=4), RNG.normal(size=3)


def layer(x: Any) -> Any:
    return np.tanh(A @ x)


def square(X: Any) -> Any:
    return X * X


def exact(x: Any) -> Any:
    """The layer's Jacobian in plain NumPy."""
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


CASES = {
    "dense": (lambda J: J.dense(), lambda J: J),
    "explicit": (lambda J: J.explicit(), lambda J: J),
    "vjp": (lambda J: J.vjp(G), lambda J: G @ J),
    "jvp": (lambda J: J.jvp(D), lambda J: J @ D),
    "matrix": (lambda J: J.matrix(), lambda J: J),
    "numpy": (lambda J: np.sum(J * J, axis=1), lambda J: np.sum(J * J, axis=1)),
    "metric": (lambda J: J.dense().T @ J.dense(), lambda J: J.T @ J),
    "operators": (lambda J: 2 * J + J[0], lambda J: 2 * J + J[0]),
    "transposed": (lambda J: J.T @ G, lambda J: J.T @ G),
    "slice": (lambda J: J[1, ::2], lambda J: J[1, ::2]),
    "shapes": (
        lambda J: J.dense() * len(J.out_shape) * J.in_shape[0], lambda J: J * 3
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_methods_are_traced(name: str) -> None:
    ours, plain = CASES[name]
    J = jb.jacobian(lambda x: ours(jb.jacobian(layer)(x)))(x)
    wanted = numerical.complex_step(lambda x: plain(exact(x)), x)
    np.testing.assert_allclose(J.dense(), wanted, rtol=1e-9, atol=1e-12)
    compiled = jb.jacobian(lambda x: ours(jb.jacobian(layer)(x))).compile(x)
    np.testing.assert_allclose(compiled.dense(x), wanted, rtol=1e-9, atol=1e-12)


def test_the_diagonal_is_the_tensors() -> None:
    X = RNG.normal(size=(2, 3))
    f = lambda X: jb.jacobian(square)(X).diagonal()  # noqa: E731
    assert jb.jacobian(square)(X).diagonal().shape == (2, 3)
    np.testing.assert_allclose(jb.jacobian(f)(X).dense(), 2 * np.eye(6).reshape(2, 3, 2, 3))


def test_blocks_of_a_batch() -> None:
    X = RNG.normal(size=(5, 3))
    f = lambda X: jb.jacobian(lambda X: np.tanh(X @ A.T))(X).blocks()  # noqa: E731
    J = jb.jacobian(f)(X)
    assert J.shape == (5, 4, 3, 5, 3)
    wanted = numerical.complex_step(lambda X: (1 - np.tanh(X @ A.T) ** 2)[:, :, None] * A[None], X)
    np.testing.assert_allclose(J.dense(), wanted, atol=1e-12)


def test_a_newton_step_is_differentiated() -> None:
    def f(z: Any, c: Any) -> Any:
        return np.sum(np.cosh(z)) - c @ z

    def step(c: Any) -> Any:
        z = 0.1 * np.ones(3)
        gradient = jb.grad(f)(z, c)
        return z - np.linalg.solve(jb.hessian(f)(z, c).dense(), gradient)

    # The Hessian is diag(cosh z), free of c: ∂step/∂c = diag(1 / cosh z).
    np.testing.assert_allclose(jb.jacobian(step)(D).dense(), np.eye(3) / np.cosh(0.1), rtol=1e-12)


def test_a_hessian_that_depends_on_the_outer_variable() -> None:
    def trace_of_hessian(c: Any) -> Any:
        H = jb.hessian(lambda z: np.sum(np.exp(c * z)))(0.5 * np.ones(3))
        assert H.shape == (3, 3)
        return np.sum(H.diagonal())

    wanted = 2 * D * np.exp(D / 2) + 0.5 * D**2 * np.exp(D / 2)
    np.testing.assert_allclose(jb.grad(trace_of_hessian)(D), wanted, rtol=1e-12)


def test_what_only_describes_is_there() -> None:
    seen: dict[str, Any] = {}

    def f(x: Any) -> Any:
        J = jb.jacobian(layer)(x)
        seen.update(
            formula=J.formula(), nnz=J.nnz, title=J.title, shape=J.shape, ndim=J.ndim, dtype=J.dtype,
            flops=J.cost().vjp.flops,
        )  # fmt: skip
        return J.vjp(G)

    jb.jacobian(f)(x)
    plain = jb.jacobian(layer)(x)
    assert seen == {
        "formula": plain.formula(), "nnz": 12, "title": plain.title, "shape": (4, 3), "ndim": 2,
        "dtype": np.float64, "flops": plain.cost().vjp.flops,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sparse", "operator", "kron"])
def test_what_would_cut_it_off_is_refused(name: str) -> None:
    with pytest.raises(jb.UnsupportedError, match=rf"\.{name}\(\) at test_traced_tensor\.py:\d+"):
        jb.jacobian(lambda x: getattr(jb.jacobian(layer)(x), name)())(x)


def test_shapes_are_checked() -> None:
    with pytest.raises(jb.ShapeError, match=r"G has shape \(3,\).*shape \(4,\)"):
        jb.jacobian(lambda x: jb.jacobian(layer)(x).vjp(D))(x)
    with pytest.raises(jb.ShapeError, match=r"one shape, not \(4,\) and \(3,\)"):
        jb.jacobian(lambda x: jb.jacobian(layer)(x).diagonal())(x)
    with pytest.raises(jb.UnsupportedError, match=r"dense\(out=\.\.\.\) at"):
        jb.jacobian(lambda x: jb.jacobian(layer)(x).dense(out=np.zeros((4, 3))))(x)


def test_what_would_be_too_large_is_refused() -> None:
    for way in (lambda J: J.dense(max_bytes=95), lambda J: J.matrix("F", max_bytes=95)):
        with pytest.raises(jb.TensorTooLargeError, match=r"needs .*96 bytes.*95 bytes"):
            jb.jacobian(lambda x, way=way: way(jb.jacobian(layer)(x)))(x)
    J = jb.jacobian(lambda x: jb.jacobian(layer)(x).dense(max_bytes=96))(x)
    assert J.shape == (4, 3, 3)
