"""Per-sample Jacobians against the diagonal blocks of dense tensors."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb

Array = NDArray[Any]


def random(*shape: int) -> Array:
    return np.random.default_rng([7, *shape]).normal(size=shape)


W = random(3, 5)
SEPARATE: dict[str, tuple[Callable[[Array], Any], int | tuple[int, int]]] = {
    "layer": (lambda X: np.tanh(X @ W), 0),
    "number for each": (lambda X: np.tanh(X @ W).sum(axis=1), 0),
    "normalised": (lambda X: X / np.linalg.norm(X, axis=1, keepdims=True), 0),
    "softmax": (lambda X: np.exp(X @ W) / np.exp(X @ W).sum(axis=1, keepdims=True), 0),
    "cumulative": (lambda X: np.cumsum(X, axis=1), 0),
    "outer": (lambda X: np.einsum("bi,bj->bij", X, X), 0),
    "stacked": (lambda X: np.stack([np.outer(x, x) for x in X]), 0),
    "joined": (lambda X: np.concatenate([X[:2] * 2, X[2:] ** 2]), 0),
    "flattened and back": (lambda X: np.sin(X.reshape(-1)).reshape(4, 3), 0),
    "columns": (lambda X: np.tanh(random(6, 4) @ X), 1),
    "last axis": (lambda X: np.tanh(random(6, 4) @ X), -1),
    "moved": (lambda X: np.tanh(X @ W).T, (1, 0)),
    "batch of one": (lambda X: X[:1] * X[:1].sum(), (0, 0)),
}


@pytest.mark.parametrize("name", SEPARATE)
def test_blocks_are_the_diagonal_of_the_dense_tensor(name: str) -> None:
    function, axis = SEPARATE[name]
    X = random(1, 3) if name == "batch of one" else random(4, 3)
    J = jb.jacobian(function)(X)
    out, inner = axis if isinstance(axis, tuple) else (axis, axis)
    D = np.moveaxis(J.explicit(), J.out_ndim + inner % 2, 0)  # the batch of the input
    D = np.moveaxis(D, 1 + out % J.out_ndim, 1)  # and of the output
    expected = np.einsum("bb...->b...", D)
    found = J.blocks(axis)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    # All that is left out is zero.
    np.testing.assert_allclose((J.explicit() ** 2).sum(), (found**2).sum(), rtol=1e-12)


def test_each_block_is_the_jacobian_of_one_sample() -> None:
    X = random(4, 3)
    blocks = jb.jacobian(lambda X: np.tanh(X @ W))(X).blocks(batch_axis=0)
    for n in range(4):
        alone = jb.jacobian(lambda x: np.tanh(x @ W))(X[n])
        np.testing.assert_allclose(blocks[n], alone.explicit(), rtol=1e-12)


def test_terms_that_couple_the_batch_are_named() -> None:
    X = random(4, 3)
    J = jb.jacobian(lambda X: X - X.mean(axis=0))(X)
    message = (
        r"not block-diagonal in i and k: samples are coupled by 1 of 2 terms: −¼ δ_jl; use J\.dense"
    )
    with pytest.raises(jb.UnsupportedError, match=message):
        J.blocks()
    J = jb.jacobian(lambda X: X[::-1] * X)(X)
    with pytest.raises(jb.UnsupportedError, match=r"1 of 2 terms: δ_\(3−i,k\) δ_jl X_ij"):
        J.blocks()
    with pytest.raises(jb.UnsupportedError, match="coupled by 1 of 1 term: "):
        jb.jacobian(lambda X: np.cumsum(X, axis=0))(X).blocks()


BAD: list[tuple[Callable[[Array], Any], Any, str]] = [
    (lambda X: X @ W, 2, r"the output has no batch axis 2; its shape is \(4, 5\)"),
    (lambda X: X @ W, (0, -3), r"the input has no batch axis -3; its shape is \(4, 3\)"),
    (lambda X: X.sum(), 0, r"the output has no batch axis 0; its shape is \(\)"),
    (lambda X: X.T, 0, "batch axis i of the output has size 3, batch axis k of the input 4"),
    (lambda X: X, "first", "batch_axis='first' must be an integer, or one for the output"),
    (lambda X: X, (0, 0, 0), r"batch_axis=\(0, 0, 0\) must be an integer"),
]


@pytest.mark.parametrize(("function", "axis", "message"), BAD)
def test_axes_that_are_no_batch(function: Callable[[Array], Any], axis: Any, message: str) -> None:
    with pytest.raises(jb.ShapeError, match=message):
        jb.jacobian(function)(random(4, 3)).blocks(axis)


def test_blocks_of_a_large_batch_are_never_dense() -> None:
    X = random(5000, 3)
    J = jb.jacobian(lambda X: np.tanh(X @ W))(X)  # 3 GB
    J.blocks()
    tracemalloc.start()
    try:
        found = J.blocks()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (5000, 5, 3)
    assert most < 8 * found.nbytes
    with pytest.raises(jb.TensorTooLargeError, match=r"shape \(5000, 5, 3\)"):
        J.blocks(max_bytes=1000)
