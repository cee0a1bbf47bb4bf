"""Kinds of wrong numbers: sizes beyond a threshold, signed zeros, masks beside infinite numbers."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb

SIZES = [1, 2, 511, 1_023, 1_025, 4_095, 4_096, 4_097, 70_001, (1 << 19) + 1]


@pytest.mark.parametrize("n", SIZES)
def test_products_over_one_letter_are_entry_by_entry(n: int) -> None:
    rng = np.random.default_rng(n)
    X, w = rng.normal(size=(n, 3)), rng.normal(size=3)
    f = lambda w: np.sum((X @ w) ** 3 * np.tanh(X @ w))  # noqa: E731
    z = X @ w
    slope = 3 * z**2 * np.tanh(z) + z**3 * (1 - np.tanh(z) ** 2)
    for found in (jb.grad(f).compile(w)(w), jb.grad(f)(w)):
        assert found.shape == (3,)
        np.testing.assert_allclose(found, X.T @ slope, rtol=1e-9, atol=1e-9 * n)


@pytest.mark.parametrize("n", [63, 64, 65, 723, 725])
def test_outer_products_on_both_sides_of_the_choice_of_blas(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n), rng.normal(size=n + 1)
    X = rng.normal(size=(n, n + 1))
    found = jb.grad(lambda X: a @ X @ b).compile(X)(X)
    np.testing.assert_array_equal(found, np.outer(a, b))


SIGNED = {
    "copysign": (lambda x: np.copysign(x, 0.0) + 3 * np.copysign(x, -0.0), 1.0, -2.0),
    "arctan2": (lambda x: np.sum(np.arctan2([0.0], x) + 3 * np.arctan2([-0.0], x)), 1.0, 0.0),
    "divide": (lambda x: x * (np.sign(1 / np.float64(0.0)) + 3 * np.sign(1 / np.float64(-0.0))), 1.0, -2.0),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", SIGNED)
def test_signed_zeros_are_two_constants(name: str) -> None:
    f, at, slope = SIGNED[name]
    value, found = jb.value_and_grad(f)(at)
    assert value == f(at)
    assert found == slope
    assert jb.grad(f).compile(at)(at) == slope


def test_a_constant_array_that_changes_its_sign_of_zero_is_another() -> None:
    c = np.array([0.0, 0.0])

    def f(x):
        first = np.copysign(x, c)
        c[1] = -0.0
        second = np.copysign(x, c)
        c[1] = 0.0
        return np.sum(first * [1.0, 1.0] + 3 * second)

    np.testing.assert_array_equal(jb.grad(f)(np.array([2.0, 2.0])), [4.0, -2.0])


def ruled_out(n: int, bad: float) -> tuple[Any, tuple[Any, ...], Any, Any]:
    """A function that never takes the row with a bad number; arguments, value and gradient by the first."""
    rng = np.random.default_rng(n)
    X, w, c = 1 + rng.random((n, 3)), rng.normal(size=3), rng.normal(size=n)
    t = rng.normal(size=n)
    X[1, 1], t[1] = bad, -1.0

    def g(w, X, c, t):
        return np.sum(np.where(t > 0, c * (np.log(X) @ w), 0))

    chosen = t > 0  # no row with a zero or a negative number
    gradient = np.log(X[chosen]).T @ c[chosen]
    value = (c[chosen] * (np.log(X[chosen]) @ w)).sum()
    return g, (w, X, c, t), value, gradient


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("n", [3, 4_097])
@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -1.0])
def test_what_a_mask_rules_out_is_zero_on_every_path(n: int, bad: float) -> None:
    g, (w, X, c, t), value, gradient = ruled_out(n, bad)
    J, compiled = jb.jacobian(g)(w, X, c, t), jb.jacobian(g).compile(w, X, c, t)
    both = jb.value_and_grad(g).compile(w, X, c, t)(w, X, c, t)
    close = {"rtol": 1e-11, "atol": 1e-11 * n}
    for found in (
        J.dense(), J.vjp(1.0), J.explicit(), compiled.dense(w, X, c, t), compiled.vjp(1.0, w, X, c, t),
        compiled(w, X, c, t).dense(), compiled(w, X, c, t).vjp(1.0), both[1], jb.grad(g)(w, X, c, t),
    ):  # fmt: skip
        np.testing.assert_allclose(found, gradient, **close)
    np.testing.assert_allclose(both[0], value, **close)
    for found in (J.jvp(w), compiled.jvp(w, w, X, c, t)):
        np.testing.assert_allclose(found, gradient @ w, **close)
