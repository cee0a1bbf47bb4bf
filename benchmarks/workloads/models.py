"""Models: logistic regression, matrix factorisation, and networks of 2, 10 and 100 layers."""

# A derivative by hand takes the function's arguments, used or not.
# ruff: noqa: ARG001, N802

import numpy as np

from benchmarks.workloads.base import Array, Make, Workload

RANK = 5


def logistic(w, X, y):
    return np.sum(np.logaddexp(0.0, -y * (X @ w)))


def samples(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    X = rng.standard_normal((n, max(3, n // 40)))
    w = rng.standard_normal(X.shape[1]) / 4
    return w, X, np.sign(rng.standard_normal(n))


def logistic_grad(w: Array, X: Array, y: Array) -> Array:
    return (-y / (1 + np.exp(y * (X @ w)))) @ X


def logistic_hessian(w: Array, X: Array, y: Array) -> Array:
    p = 1 / (1 + np.exp(X @ w))
    Z = X * np.sqrt(p * (1 - p))[:, None]
    return Z.T @ Z  # one array with itself: BLAS does half the work


def factorisation(U, V, T):
    return 0.5 * np.sum((T - U @ V.T) ** 2)


def factors(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    U, V = rng.standard_normal((2, n, min(RANK, n)))
    return U, V, rng.standard_normal((n, n))


def factorisation_into(U: Array, V: Array, T: Array, out: Array) -> None:
    np.einsum("ijil->ijl", out)[...] = V.T @ V


def factorisation_hessian(U: Array, V: Array, T: Array) -> Array:
    H = np.zeros((*U.shape, *U.shape))
    factorisation_into(U, V, T, H)
    return H


def factorisation_grad(U: Array, V: Array, T: Array) -> Array:
    return (U @ V.T - T) @ V


def masked(U, V, T, M):
    return 0.5 * np.sum((M * (T - U @ V.T)) ** 2)


def masked_factors(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    return (*factors(n, rng), (rng.random((n, n)) < 0.3).astype(float))


def masked_into(U: Array, V: Array, T: Array, M: Array, out: Array) -> None:
    n, r = V.shape
    pairs = (V[:, :, None] * V[:, None, :]).reshape(n, r * r)
    np.einsum("ijil->ijl", out)[...] = ((M * M) @ pairs).reshape(len(U), r, r)


def masked_hessian(U: Array, V: Array, T: Array, M: Array) -> Array:
    H = np.zeros((*U.shape, *U.shape))
    masked_into(U, V, T, M, H)
    return H


def network_loss(W, V, X, T):
    return 0.5 * np.sum((np.tanh(X @ W) @ V - T) ** 2)


def network(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    inner, out = 2 * n, max(1, n // 4)
    W, V = rng.standard_normal((n, inner)) / np.sqrt(n), rng.standard_normal((inner, out))
    return W, V / np.sqrt(inner), rng.standard_normal((2 * n, n)), rng.standard_normal((2 * n, out))


def network_by_W(W: Array, V: Array, X: Array, T: Array) -> Array:
    A = np.tanh(X @ W)
    E = (A @ V - T) @ V.T
    A *= A
    np.subtract(1, A, out=A)
    E *= A
    return X.T @ E


def network_by_V(W: Array, V: Array, X: Array, T: Array) -> Array:
    A = np.tanh(X @ W)
    return A.T @ (A @ V - T)


def small_network(W, V, X):
    return np.tanh(X @ W) @ V


def few_samples(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    W, V, X, _ = network(n, rng)
    return W, V, X


def small_network_into(W: Array, V: Array, X: Array, out: Array) -> None:
    A = np.tanh(X @ W)
    D = (1 - A * A)[:, None, :] * V.T  # (samples, out, inner)
    np.multiply(X[:, None, :, None], D[:, :, None, :], out=out)


def small_network_full(W: Array, V: Array, X: Array) -> Array:
    J = np.empty((len(X), V.shape[1], *W.shape))
    small_network_into(W, V, X, J)
    return J


def residual(W, rest, x):
    h = x + np.tanh(x @ W)
    for k in range(rest.shape[0]):
        h = h + np.tanh(h @ rest[k])
    return h


def residual_loss(W, rest, x):
    h = x + np.tanh(x @ W)
    for k in range(rest.shape[0]):
        h = h + np.tanh(h @ rest[k])
    return 0.5 * np.sum(h**2)


def layers(depth: int) -> Make:
    def make(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
        weights = rng.standard_normal((depth, n, n)) / np.sqrt(n * depth)
        return weights[0].copy(), weights[1:].copy(), rng.standard_normal(n)

    return make


def residual_full(W: Array, rest: Array, x: Array) -> Array:
    A = np.tanh(x @ W)
    slope = 1 - A * A
    h = x + A
    M = np.eye(len(x))  # ∂h/∂(first h), its transpose
    for layer in rest:
        A = np.tanh(h @ layer)
        M = M + (M @ layer) * (1 - A * A)
        h = h + A
    return (M.T * slope)[:, None, :] * x[None, :, None]


def residual_grad(W: Array, rest: Array, x: Array) -> Array:
    first = np.tanh(x @ W)
    h = x + first
    kept = []
    for layer in rest:
        A = np.tanh(h @ layer)
        kept.append(A)
        h = h + A
    G = h
    for layer, A in zip(rest[::-1], reversed(kept), strict=True):
        G = G + layer @ (G * (1 - A * A))
    return np.outer(x, G * (1 - first * first))


WORKLOADS = (
    Workload("logistic regression", "grad", logistic, samples, 2000, 8, 0, logistic_grad),
    Workload("logistic regression", "hessian", logistic, samples, 2000, 8, 0, logistic_hessian),
    Workload("factorisation", "grad", factorisation, factors, 150, 3, 0, factorisation_grad),
    Workload(
        "factorisation", "hessian", factorisation, factors, 150, 3, 0,
        factorisation_hessian, factorisation_into,
    ),
    Workload(
        "masked factorisation", "hessian", masked, masked_factors, 150, 3, 0,
        masked_hessian, masked_into,
    ),
    Workload("2 layers by W", "grad", network_loss, network, 256, 4, 0, network_by_W),
    Workload("2 layers by V", "grad", network_loss, network, 256, 4, 1, network_by_V),
    Workload(
        "2 layers by W", "jacobian", small_network, few_samples, 16, 4, 0,
        small_network_full, small_network_into,
    ),
    Workload("10 layers by W", "jacobian", residual, layers(10), 32, 3, 0, residual_full),
    Workload("10 layers by W", "grad", residual_loss, layers(10), 32, 3, 0, residual_grad),
    Workload("10 layers by W", "hessian", residual_loss, layers(10), 8, 2, 0),
    Workload("100 layers by W", "jacobian", residual, layers(100), 32, 3, 0, residual_full),
    Workload("100 layers by W", "grad", residual_loss, layers(100), 32, 3, 0, residual_grad),
)  # fmt: skip
