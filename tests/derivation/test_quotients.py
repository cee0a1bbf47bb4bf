"""What cancels in quotients cancels in the formula, in every order of elimination."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.numerical import differences

RNG = np.random.default_rng(11)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def test_softmax_is_the_textbooks() -> None:
    X = RNG.normal(size=(3, 4))
    J = jb.jacobian(softmax)(X)
    assert len(J.terms.terms) == 2  # nothing is left of the derivative through max
    Y = softmax(X)
    wanted = np.einsum("bi,bk,bc->bick", -Y, Y, np.eye(3))
    wanted += np.einsum("bi,ik,bc->bick", Y, np.eye(4), np.eye(3))
    np.testing.assert_allclose(J.dense(), wanted, atol=1e-15)
    source = jb.jacobian(softmax).compile(X).source
    assert source.count(" / ") == 1
    assert source.count("np.add.reduce") == 1


def test_centred_columns_sum_to_nothing() -> None:
    def normed(X: Any) -> Any:
        c = X - np.mean(X, axis=1, keepdims=True)
        return c / np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 1e-5)

    X = RNG.normal(size=(3, 7))  # 7 · (1/7) is not 1 in floats
    J = jb.jacobian(normed)(X)
    assert len(J.terms.terms) <= 3
    np.testing.assert_allclose(J.dense(), differences(normed, X), atol=1e-7)


def test_what_looks_like_a_softmax_and_is_none() -> None:
    def shifted(x: Any) -> Any:
        e = np.exp(x - np.max(x))
        return e / (np.sum(e) + 1)

    x = RNG.normal(size=4)
    np.testing.assert_allclose(jb.jacobian(shifted)(x).dense(), differences(shifted, x), atol=1e-7)


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_quotients_cancel_rightly_in_all_orders(strategy: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        s = np.sum(x * y)
        return (x / s) * (y / s) / np.sum(x / s) * np.sum(y)

    x, y = RNG.random(4) + 1, RNG.random(4) + 1
    J = jb.jacobian(f, strategy=strategy)(x, y)
    np.testing.assert_allclose(J.dense(), differences(lambda x: f(x, y), x), atol=1e-6)


@pytest.mark.parametrize("strategy", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 8, 20])
def test_what_cancels_in_a_row_cancels_in_a_loop_over_rows(rows: int, strategy: Any) -> None:
    """Where the softmax underflows to 0, the slope of its root is infinite, and their product is 0."""

    def root(x: Any) -> Any:
        e = np.exp(x - np.max(x))
        return np.sqrt(e / np.sum(e))

    X = np.array([[800.0, 0.0, -800.0, 799.5]] * rows) + np.arange(rows)[:, None]
    J = jb.jacobian(lambda X: np.stack([root(x) for x in X]), strategy=strategy)(X).dense()
    for i, x in enumerate(X):
        s = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
        exact = np.sqrt(s)[:, None] * (np.eye(4) - s) / 2
        np.testing.assert_allclose(J[i, :, i], exact, rtol=1e-12, atol=1e-300)
