"""The note's identities with a matrix function inside: each by the chain rule, by its closed form,
and by numbers.

The closed forms are written with ``numpy.einsum`` on ``∂F/∂X``, which is written by hand.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb
from tests import numerical

Array = NDArray[Any]
RNG = np.random.default_rng(20250131)
N = 3
A = RNG.normal(size=(N, N)) + 2 * np.eye(N)
B = RNG.normal(size=(N, N)) + 2 * np.eye(N)
C = RNG.normal(size=(N, N))
TALL = RNG.normal(size=(4, N))
WIDE = RNG.normal(size=(2, N))
NARROW = RNG.normal(size=(4, 5))
matmul, transpose, add = jb.ops.matmul, jb.ops.transpose, jb.ops.add


class Inner(NamedTuple):
    """A matrix function F(X): at which X, its value, its Jacobian by hand and by the package."""

    name: str
    X: Array
    function: Callable[[Array], Array]
    by_hand: Callable[[Array], Array]
    jacobian: Callable[[Array], jb.JacobianTensor]


def _gram(X: Array) -> jb.JacobianTensor:
    return matmul.jacobian(X.T, X, wrt="B") @ transpose.jacobian(X) + matmul.jacobian(
        X.T, X, wrt="C"
    )


def _gram_by_hand(X: Array) -> Array:
    n = X.shape[1]
    # ∂(XᵀX)_ij/∂X_kl = δ_il X_kj + δ_jl X_ki
    return np.einsum("il,kj->ijkl", np.eye(n), X) + np.einsum("jl,ki->ijkl", np.eye(n), X)


def _affine(P: Array, Q: Array, R: Array) -> Callable[[Array], jb.JacobianTensor]:
    return lambda X: (
        add.jacobian(P @ X @ Q, R, wrt="A")
        @ matmul.jacobian(P @ X, Q, wrt="B")
        @ matmul.jacobian(P, X, wrt="C")
    )


def _sandwich(P: Array, Q: Array) -> Callable[[Array], Array]:
    return lambda _: np.einsum("ik,lj->ijkl", P, Q)


SQUARE = [
    Inner(
        "AX", RNG.normal(size=(N, N)) + np.eye(N), lambda X: A @ X,
        lambda X: np.einsum("ik,jl->ijkl", A, np.eye(N)), lambda X: matmul.jacobian(A, X, wrt="C"),
    ),
    Inner("XᵀX", TALL, lambda X: X.T @ X, _gram_by_hand, _gram),
    Inner(
        "AXB + C", RNG.normal(size=(N, N)), lambda X: A @ X @ B + C, _sandwich(A, B), _affine(A, B, C)
    ),
    Inner(
        "PXQ + C", RNG.normal(size=(4, 5)),
        lambda X: TALL.T @ X @ NARROW.T @ TALL + C,
        _sandwich(TALL.T, NARROW.T @ TALL), _affine(TALL.T, NARROW.T @ TALL, C),
    ),
    Inner(
        "exp(X)", RNG.normal(size=(N, N)), np.exp,
        lambda X: np.einsum("ik,jl,ij->ijkl", np.eye(N), np.eye(N), np.exp(X)),
        lambda X: jb.ops.exp.jacobian(X),
    ),
]  # fmt: skip
OBLONG = [
    Inner(
        "WX", RNG.normal(size=(N, 5)), lambda X: WIDE @ X,
        lambda X: np.einsum("ik,jl->ijkl", WIDE, np.eye(5)),
        lambda X: matmul.jacobian(WIDE, X, wrt="C"),
    ),
    Inner(
        "WXQ + R", RNG.normal(size=(N, 4)), lambda X: WIDE @ X @ NARROW + 1.0,
        _sandwich(WIDE, NARROW), _affine(WIDE, NARROW, np.ones((2, 5))),
    ),
    Inner(
        "exp of an oblong X", RNG.normal(size=(2, 4)), np.exp,
        lambda X: np.einsum("ik,jl,ij->ijkl", np.eye(2), np.eye(4), np.exp(X)),
        lambda X: jb.ops.exp.jacobian(X),
    ),
]  # fmt: skip


class Outer(NamedTuple):
    """An identity: the outer function, its closed form in F and ∂F/∂X, and the package's Jacobian."""

    name: str
    function: Callable[[Array], Any]
    closed_form: Callable[[Array, Array], Array]
    jacobian: Callable[[Array], jb.JacobianTensor]


TRANSPOSE = Outer(
    "transpose", lambda F: F.T, lambda F, dF: np.einsum("jikl->ijkl", dF), jb.ops.transpose.jacobian
)
OUTER = [
    TRANSPOSE,
    Outer("trace", np.trace, lambda F, dF: np.einsum("iikl->kl", dF), jb.ops.trace.jacobian),
    Outer(
        "determinant", np.linalg.det,
        lambda F, dF: np.linalg.det(F) * np.einsum("ji,ijkl->kl", np.linalg.inv(F), dF),
        jb.ops.det.jacobian,
    ),
    Outer(
        "inverse", np.linalg.inv,
        lambda F, dF: -np.einsum("ip,pqkl,qj->ijkl", np.linalg.inv(F), dF, np.linalg.inv(F)),
        jb.ops.inv.jacobian,
    ),
]  # fmt: skip

PAIRS = [(outer, inner) for outer in OUTER for inner in SQUARE]
PAIRS += [(TRANSPOSE, inner) for inner in OBLONG]


def close(found: Any, expected: Array, rounding: float) -> None:
    assert np.shape(found) == expected.shape
    atol = rounding * max(1.0, float(np.max(np.abs(expected))))
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("inner", SQUARE + OBLONG, ids=lambda inner: inner.name)
def test_the_inner_jacobians(inner: Inner) -> None:
    by_hand = inner.by_hand(inner.X)
    close(numerical.complex_step(inner.function, inner.X), by_hand, 1e-12)
    close(inner.jacobian(inner.X).dense(), by_hand, 1e-12)


@pytest.mark.parametrize(
    ("outer", "inner"), PAIRS, ids=[f"{outer.name} of {inner.name}" for outer, inner in PAIRS]
)
def test_identity(outer: Outer, inner: Inner) -> None:
    X = inner.X
    F = inner.function(X)
    closed_form = outer.closed_form(F, inner.by_hand(X))
    # The closed form itself, judged twice by numbers.
    close(
        numerical.complex_step(lambda x: outer.function(inner.function(x)), X), closed_form, 1e-10
    )
    close(numerical.differences(lambda x: outer.function(inner.function(x)), X), closed_form, 1e-6)
    J = jb.chain(outer.jacobian(F), inner.jacobian(X))
    assert J.in_shape == X.shape
    close(J.dense(), closed_form, 1e-10)
    close(J.explicit(), closed_form, 1e-10)
    G = np.random.default_rng(4).normal(size=J.out_shape)
    close(J.vjp(G), np.tensordot(G, closed_form, len(J.out_shape)), 1e-10)
    dX = np.random.default_rng(5).normal(size=X.shape)
    close(J.jvp(dX), np.tensordot(closed_form, dX, 2), 1e-10)
    assert J.formula()


def test_vector_identities() -> None:
    a, x, b = RNG.normal(size=(3, N))
    M = RNG.normal(size=(N, N))
    close(jb.ops.inner.jacobian(a, x, wrt="x").dense(), a, 1e-14)  # ∂(aᵀx)/∂x
    close(jb.ops.inner.jacobian(x, a, wrt="a").dense(), a, 1e-14)  # ∂(xᵀa)/∂x
    close(jb.ops.bilinear.jacobian(a, M, b, wrt="X").dense(), np.outer(a, b), 1e-14)
    close(jb.ops.quadratic.jacobian(x, M, wrt="x").dense(), x @ (M + M.T), 1e-14)


def test_the_full_tensor_contracted_is_an_outer_product() -> None:
    W, x, t = RNG.normal(size=(4, 6)), RNG.normal(size=6), RNG.normal(size=4)
    y = W @ x
    upstream = y - t
    full = jb.ops.matvec.explicit(W, x, wrt="A")
    close(np.einsum("i,ikl->kl", upstream, full), np.outer(upstream, x), 1e-14)
    close(jb.ops.matvec.vjp(upstream, W, x, wrt="A"), np.outer(upstream, x), 1e-14)


def test_a_loss_behind_two_layers() -> None:
    V, W, x, t = (RNG.normal(size=s) for s in ((2, 4), (4, 3), (3,), (2,)))
    h = np.tanh(W @ x)
    J = jb.chain(
        jb.ops.squared_error.jacobian(V @ h, t),
        jb.ops.matvec.jacobian(V, h, wrt="x"),
        jb.ops.tanh.jacobian(W @ x),
        jb.ops.matvec.jacobian(W, x, wrt="A"),
    )
    by_hand = np.outer((V.T @ (V @ h - t)) * (1 - h**2), x)
    close(J.dense(), by_hand, 1e-13)
    numbers = numerical.complex_step(lambda w: 0.5 * np.sum((V @ np.tanh(w @ x) - t) ** 2), W)
    close(numbers, by_hand, 1e-13)
