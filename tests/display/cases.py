"""Jacobians of every structure that pictures and explanations must get right, and how to unfold them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jacobians as jb

Array = NDArray[Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).uniform(0.5, 2.0, shape)


C, V = random(3, 4), random(2, 3)


def _two_layers(W: Array) -> Any:
    return 0.5 * np.sum((V @ np.tanh(W @ random(4))) ** 2)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "number by number": (lambda x: x * x, ()),
    "number by vector": (lambda x: np.sum(x**3), (5,)),
    "number by matrix": (lambda X: np.sum(np.tanh(X)), (2, 3)),
    "vector by number": (lambda x: x * random(4), ()),
    "vector by vector": (lambda x: np.tanh(random(4, 3) @ x), (3,)),
    "vector by matrix": (lambda X: X @ random(3), (2, 3)),
    "matrix by vector": (lambda x: np.outer(x, x[:2]), (3,)),
    "matrix product": (lambda X: X @ C, (2, 3)),
    "gram": (lambda X: X.T @ X, (2, 3)),
    "inverse": (lambda X: np.linalg.inv(X + 3 * np.eye(3)), (3, 3)),
    "transposed": (lambda X: np.tanh(X).T, (2, 3)),
    "three axes": (lambda X: np.einsum("ij,jk->ijk", X, C), (2, 3)),
    "three by three": (lambda X: np.tanh(X) * X.sum(axis=1, keepdims=True), (2, 3, 4)),
    "reshaped": (lambda x: x.reshape(2, 3) @ C, (6,)),
    "flattened": (lambda X: np.ravel(np.exp(X)), (2, 3)),
    "sliced": (lambda x: x[1::2] * x[-2::-2][:3], (7,)),
    "strided": (lambda x: x[::2][::-1][1:] + x[1::3][:2], (6,)),
    "joined": (lambda x: np.concatenate([x[3:], x[:2] * x[1:3], [1.0]]), (5,)),
    "gathered": (lambda x: x[[0, 0, 3, 4]] * x[[1, 2, 3, 3]], (5,)),
    "convolved": (lambda x: np.convolve(x, [1.0, 2.0, -1.0]), (5,)),
    "cumulative": (lambda x: np.cumsum(x) * np.cumsum(x[::-1]), (5,)),
    "hessian": (jb.grad(_two_layers), (3, 4)),
    "size one": (lambda X: X * X.sum(axis=0, keepdims=True), (1, 3)),
}


def jacobian(name: str) -> jb.JacobianTensor:
    function, shape = FUNCTIONS[name]
    found: jb.JacobianTensor = jb.jacobian(function)(random(*shape, seed=3))
    return found


def place(index: tuple[int, ...], shape: tuple[int, ...], out: int) -> tuple[int, int]:
    """Row and column of an entry in the unfolded matrix, counted by hand."""
    first, second = (index[:out], shape[:out]), (index[out:], shape[out:])
    along = 1 if out > 1 else 0
    row = column = 0
    for (at, sizes), columns in ((first, along), (second, min(1, len(second[0])))):
        for n, (i, size) in enumerate(zip(at, sizes, strict=True)):
            if n < len(at) - columns:
                row = row * size + i
            else:
                column = column * size + i
    return row, column


def unfolded(D: Array, out: int) -> Array:
    """The matrix of blocks, entry by entry."""
    along = 1 if out > 1 else 0
    rows = int(np.prod(D.shape[: out - along])) * int(
        np.prod(D.shape[out:-1] if D.ndim > out else ())
    )
    M = np.full((rows, D.size // rows), np.nan)
    for index in np.ndindex(D.shape):
        M[place(index, D.shape, out)] = D[index]
    return M
