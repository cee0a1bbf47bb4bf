"""Half of a symmetric product suffices where its weights cannot be negative."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb

RNG = np.random.default_rng(11)


@pytest.mark.parametrize(
    ("d", "second", "sign"),
    [(np.exp, np.exp, "none"), (np.sin, lambda z: -np.sin(z), "any")],
    ids=["exp", "sin"],
)
def test_half_the_work_where_the_weights_cannot_be_negative(d: Any, second: Any, sign: str) -> None:
    X, y = RNG.normal(size=(40, 18)) / 4, RNG.normal(size=40)
    w = RNG.normal(size=18)

    def f(w: Any, X: Any, y: Any) -> Any:
        return np.sum(d(X @ w) * y**2)

    c = jb.hessian(f).compile(w, X, y)
    half = "np.sqrt(" in c.source
    assert half == (sign == "none")
    wanted = (X.T * (second(X @ w) * y**2)) @ X
    np.testing.assert_allclose(c.dense(w, X, y), wanted, atol=1e-12)
    np.testing.assert_allclose(c.vjp(w, w, X, y), wanted @ w, atol=1e-12)


def test_negative_weights_are_not_taken_the_root_of() -> None:
    X, w, y = RNG.normal(size=(40, 18)), RNG.normal(size=18), RNG.normal(size=40)
    f = lambda w, X, y: np.sum(np.exp(X @ w / 9) * y)  # noqa: E731 - y has both signs
    c = jb.hessian(f).compile(w, X, y)
    assert "np.sqrt(" not in c.source
    wanted = (X.T * (np.exp(X @ w / 9) * y)) @ X / 81
    np.testing.assert_allclose(c.dense(w, X, y), wanted, atol=1e-12)
