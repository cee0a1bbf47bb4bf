"""Elementwise functions, softmax, layer norm, attention, convolution, log-sum-exp."""

# A derivative by hand takes the function's arguments, used or not.
# ruff: noqa: ARG001

import numpy as np
from numpy.lib.stride_tricks import as_strided

from benchmarks.workloads.base import Array, Workload, normal


def tanh(X):
    return np.tanh(X)


def tanh_into(X: Array, out: Array) -> None:
    Y = np.tanh(X)
    out.reshape(-1)[:: X.size + 1] = (1 - Y * Y).reshape(-1)


def tanh_full(X: Array) -> Array:
    J = np.zeros((*X.shape, *X.shape))
    tanh_into(X, J)
    return J


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def softmax_into(x: Array, out: Array) -> None:
    y = np.exp(x - x.max())
    y /= y.sum()
    np.multiply.outer(-y, y, out=out)
    out.reshape(-1)[:: len(x) + 1] += y


def softmax_full(x: Array) -> Array:
    J = np.empty((len(x), len(x)))
    softmax_into(x, J)
    return J


def softmax_rows(X):
    E = np.exp(X - np.max(X, axis=1, keepdims=True))
    return E / np.sum(E, axis=1, keepdims=True)


def softmax_rows_into(X: Array, out: Array) -> None:
    Y = np.exp(X - X.max(axis=1, keepdims=True))
    Y /= Y.sum(axis=1, keepdims=True)
    blocks = np.einsum("bibj->bij", out)
    np.multiply(-Y[:, :, None], Y[:, None, :], out=blocks)
    np.einsum("bii->bi", blocks)[...] += Y


def softmax_rows_full(X: Array) -> Array:
    J = np.zeros((*X.shape, *X.shape))
    softmax_rows_into(X, J)
    return J


def layer_norm(X):
    centred = X - np.mean(X, axis=1, keepdims=True)
    variance = np.mean(centred**2, axis=1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5)


def layer_norm_into(X: Array, out: Array) -> None:
    d = X.shape[1]
    centred = X - X.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + 1e-5)
    Y = centred * scale
    blocks = np.einsum("bibj->bij", out)
    np.multiply((Y * (-scale / d))[:, :, None], Y[:, None, :], out=blocks)
    blocks -= (scale / d)[:, :, None]
    np.einsum("bii->bi", blocks)[...] += scale


def layer_norm_full(X: Array) -> Array:
    J = np.zeros((*X.shape, *X.shape))
    layer_norm_into(X, J)
    return J


def attention(Q, K, V):
    S = Q @ K.T / Q.shape[1] ** 0.5
    E = np.exp(S - np.max(S, axis=1, keepdims=True))
    return (E / np.sum(E, axis=1, keepdims=True)) @ V


def attention_into(Q: Array, K: Array, V: Array, out: Array) -> None:
    scale = 1 / np.sqrt(Q.shape[1])
    P = np.exp(Q @ K.T * scale)
    P /= P.sum(axis=1, keepdims=True)
    centred = K[None] - (P @ K)[:, None]
    weighted = V.T[None] * (P * scale)[:, None, :]
    np.matmul(weighted, centred, out=np.einsum("iaib->iab", out))


def attention_full(Q: Array, K: Array, V: Array) -> Array:
    J = np.zeros((len(Q), V.shape[1], *Q.shape))
    attention_into(Q, K, V, J)
    return J


def convolution(x, w):
    return np.convolve(x, w, mode="valid")


def signal_and_kernel(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    return rng.standard_normal(n), rng.standard_normal(min(16, n // 2))


def convolution_into(x: Array, w: Array, out: Array) -> None:
    rows, columns = out.shape
    step = out.itemsize
    as_strided(out, (rows, len(w)), ((columns + 1) * step, step))[...] = w[::-1]


def convolution_full(x: Array, w: Array) -> Array:
    J = np.zeros((len(x) - len(w) + 1, len(x)))
    convolution_into(x, w, J)
    return J


def logsumexp(x):
    return np.log(np.sum(np.exp(x)))


def logsumexp_into(x: Array, out: Array) -> None:
    y = np.exp(x)
    y /= y.sum()
    np.multiply.outer(-y, y, out=out)
    out.reshape(-1)[:: len(x) + 1] += y


def logsumexp_hessian(x: Array) -> Array:
    H = np.empty((len(x), len(x)))
    logsumexp_into(x, H)
    return H


def rows(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
    return (rng.standard_normal((n // 2 or 1, n)),)


WORKLOADS = (
    Workload("tanh of a vector", "jacobian", tanh, normal("n"), 1024, 4, 0, tanh_full, tanh_into),
    Workload("tanh of a matrix", "jacobian", tanh, normal("nn"), 48, 3, 0, tanh_full, tanh_into),
    Workload("softmax", "jacobian", softmax, normal("n"), 1024, 4, 0, softmax_full, softmax_into),
    Workload(
        "softmax of rows", "jacobian", softmax_rows, rows, 64, 4, 0,
        softmax_rows_full, softmax_rows_into,
    ),
    Workload(
        "layer norm", "jacobian", layer_norm, rows, 64, 4, 0, layer_norm_full, layer_norm_into
    ),
    Workload(
        "attention by Q", "jacobian", attention, normal("nn", "nn", "nn"), 32, 3, 0,
        attention_full, attention_into,
    ),
    Workload(
        "convolution by x", "jacobian", convolution, signal_and_kernel, 1024, 6, 0,
        convolution_full, convolution_into,
    ),
    Workload(
        "log-sum-exp", "hessian", logsumexp, normal("n"), 1024, 4, 0,
        logsumexp_hessian, logsumexp_into,
    ),
)  # fmt: skip
