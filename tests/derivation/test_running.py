"""Running sums in linear time: values by closed forms, at sizes whose Jacobians would not fit."""

import numpy as np
import pytest

import jacobians as jb


def suffix(g, axis):
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gradients_products_and_tensors_along_each_axis(axis):
    rng = np.random.default_rng(3)
    X, W, D = (rng.normal(size=(4, 5, 3)) for _ in range(3))
    np.testing.assert_allclose(
        jb.grad(lambda X: np.sum(W * np.cumsum(X**2, axis=axis)))(X), 2 * X * suffix(W, axis)
    )
    _, dy = jb.jvp(lambda X: np.cumsum(X**2, axis=axis), (X,), (D,))
    np.testing.assert_allclose(dy, np.cumsum(2 * X * D, axis=axis))
    J = jb.jacobian(lambda X: np.cumsum(X**2, axis=axis))(X)
    np.testing.assert_allclose(J.jvp(D), np.cumsum(2 * X * D, axis=axis))
    np.testing.assert_allclose(J.vjp(W), 2 * X * suffix(W, axis))
    (g,) = jb.vjp(lambda X: np.cumsum(X, axis=axis), X)[1](W)
    np.testing.assert_allclose(g, suffix(W, axis))
    H = jb.hessian(lambda X: np.sum(np.cumsum(X, axis=axis) ** 2))(X)
    n = X.shape[axis]
    one = 2 * np.tri(n).T @ np.tri(n)
    full = np.zeros((*X.shape, *X.shape))
    moved = np.moveaxis(np.moveaxis(full, axis % 3, 0), 3 + axis % 3, 1)
    others = [m for a, m in enumerate(X.shape) if a != axis % 3]
    for a in range(others[0]):
        for b in range(others[1]):
            moved[:, :, a, b, a, b] = one
    np.testing.assert_allclose(H.dense(), full)


@pytest.mark.parametrize("n", [1, 2, 4095, 4097, 70_001, 1 << 20])
def test_gradients_need_no_list_of_pairs(n):
    x = np.random.default_rng(n).normal(size=n)
    f = lambda x: np.sum(np.cumsum(np.sin(x)) ** 2)  # noqa: E731
    exact = 2 * suffix(np.cumsum(np.sin(x)), 0) * np.cos(x)
    np.testing.assert_allclose(jb.grad(f)(x), exact, rtol=1e-9, atol=1e-9 * n)
    compiled = jb.grad(f).compile(x)
    np.testing.assert_allclose(compiled(x), exact, rtol=1e-9, atol=1e-9 * n)


def test_a_jacobian_past_memory_says_what_needs_none_of_it():
    with pytest.raises(
        jb.TensorTooLargeError, match=r"cumsum: a list of the 500,000,500,000 ones .*jb\.vjp"
    ):
        jb.jacobian(np.cumsum)(np.ones(1_000_000))


def test_float32_stays():
    x = np.ones(5, np.float32)
    assert jb.grad(lambda x: np.sum(np.cumsum(x) * x))(x).dtype == np.float32
