"""Random programs of some ten operations: forward = reverse = auto = compiled = differences.

A program keeps a list of arrays and applies operations to random ones of them; shapes are whatever
comes out. Joins of slots, index maps and repeated letters all occur.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import jacobians as jb
from tests import numerical

Step = tuple[str, int, int, int]


def _bounded(x: Any) -> Any:
    return np.tanh(x)


UNARY: dict[str, Callable[[Any, int], Any]] = {
    "sin": lambda x, k: np.sin(x),
    "tanh": lambda x, k: np.tanh(x),
    "exp": lambda x, k: np.exp(np.sin(x)),
    "square": lambda x, k: x**2,
    "scale": lambda x, k: (0.5 + k) * x - k,
    "transpose": lambda x, k: x.T,
    "flatten": lambda x, k: x.reshape(-1),
    "fold": lambda x, k: x.reshape(_divisor(x.size, k), -1),
    "flip": lambda x, k: np.flip(x, axis=k % x.ndim) if x.ndim else x,
    "stride": lambda x, k: x[:: 1 + k % 2][k % 2 :] if x.ndim and x.shape[0] > 2 else x,
    "last": lambda x, k: x[..., -1] if x.ndim else x,
    "repeat": lambda x, k: x[np.array([0, 0, x.shape[0] - 1])] if x.ndim else x,
    "roll": lambda x, k: np.roll(x, k, axis=0) if x.ndim else x,
    "pad": lambda x, k: np.pad(x, [(k % 2, 1)] + [(0, 0)] * (x.ndim - 1)) if x.ndim else x,
    "diagonal": lambda x, k: np.einsum("ii->i", x) if _square(x) else x,
    "diag": lambda x, k: np.diag(x) if x.ndim == 1 else x,
    "trace": lambda x, k: np.trace(x) if _square(x) else x,
    "mean": lambda x, k: np.mean(x, axis=k % x.ndim, keepdims=bool(k % 2)) if x.ndim else x,
    "cumsum": lambda x, k: np.cumsum(x, axis=0) if x.ndim else x,
    "gram": lambda x, k: x.T @ x / x.shape[0] if x.ndim == 2 else x,
    "softmax": lambda x, k: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True) if x.ndim else x,
    "place": lambda x, k: np.pad(np.ravel(x)[:1], (0, 2)),
    "tril": lambda x, k: np.tril(x, k - 1) if x.ndim == 2 else x,
    "windows": lambda x, k: (
        np.lib.stride_tricks.sliding_window_view(x, 2, axis=0) if x.ndim and x.shape[0] > 1 else x
    ),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y if _broadcasts(x, y) else x,
    "multiply": lambda x, y: x * y if _broadcasts(x, y) else y,
    "divide": lambda x, y: x / np.exp(np.tanh(y)) if _broadcasts(x, y) else x,
    "outer": lambda x, y: np.outer(np.ravel(x)[:3], np.ravel(y)[:4]),
    "matmul": lambda x, y: x @ y if x.ndim == y.ndim == 2 and x.shape[1] == y.shape[0] else x,
    "einsum": lambda x, y: np.einsum("ij,ij->j", x, y) if x.ndim == 2 and x.shape == y.shape else y,
    "concatenate": lambda x, y: np.concatenate([np.ravel(x), np.ravel(y)[::-1]]),
    "stack": lambda x, y: np.stack([x, y], axis=-1) if x.shape == y.shape else x,
    "where": lambda x, y: np.where(x > 0.1, x, 2 * x) if x.ndim else y,
}


def _divisor(size: int, k: int) -> int:
    found = [n for n in range(1, size + 1) if size % n == 0]
    return found[k % len(found)]


def _square(x: Any) -> bool:
    return x.ndim == 2 and x.shape[0] == x.shape[1]


def _broadcasts(x: Any, y: Any) -> bool:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


def run(steps: list[Step], start: Any) -> Any:
    arrays = [start]
    for name, first, second, k in steps:
        x = arrays[-1 - first % len(arrays)]
        y = arrays[-1 - second % len(arrays)]
        made = UNARY[name](x, k) if name in UNARY else BINARY[name](x, y)
        if made.size > 60 or made.ndim > 3:
            made = np.ravel(made)[:7]
        arrays.append(_bounded(made) if k == 3 else made)
    return arrays[-1]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([*UNARY, *BINARY]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    min_size=4,
    max_size=11,
)


@settings(max_examples=120)
@given(STEPS, st.sampled_from([(3, 2), (4,), (2, 3, 2), (3, 3)]), st.integers(0, 3))
def test_random_programs(steps: list[Step], shape: tuple[int, ...], seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, shape)

    def f(x: Any) -> Any:
        return run(steps, x)

    with np.errstate(all="ignore"):
        value = np.asarray(f(x))
        assume(value.size and np.all(np.isfinite(value)) and np.max(np.abs(value)) < 1e4)
        assume(np.min(np.abs(x - 0.1)) > 0.05)
        expected = numerical.differences(f, x)
    assume(np.all(np.isfinite(expected)))
    scale = max(1.0, float(np.max(np.abs(expected))))
    # Where a branch of `where` flips within a step, differences judge nothing.
    assume(np.allclose(expected, _one_step(f, x), rtol=1e-5, atol=1e-6 * scale))
    close = {"rtol": 1e-5, "atol": 1e-6 * scale}
    for strategy in ("forward", "reverse", "auto"):
        J = jb.jacobian(f, strategy=strategy)(x)
        np.testing.assert_allclose(J.dense(), expected, **close)
    np.testing.assert_allclose(J.explicit(), expected, **close)
    assert J.nnz >= np.count_nonzero(np.abs(expected) > 1e-4 * scale)
    G = np.random.default_rng(9).normal(size=value.shape)
    pulled = np.tensordot(G, expected, value.ndim)
    c = jb.jacobian(f).compile(x)
    np.testing.assert_allclose(c.dense(x), expected, **close)
    buffer = c.buffer()
    c.dense(0.5 * x, out=buffer)
    np.testing.assert_allclose(c.dense(x, out=buffer), expected, **close)
    np.testing.assert_allclose(c.vjp(G, x), pulled, rtol=1e-5, atol=1e-5 * scale * value.size)
    np.testing.assert_allclose(
        jb.vjp(f, x)[1](G)[0], pulled, rtol=1e-5, atol=1e-5 * scale * value.size
    )


def _one_step(f: Callable[[Any], Any], x: Any) -> Any:
    columns = []
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += 1e-5
        down[index] -= 1e-5
        columns.append((f(up) - f(down)) / 2e-5)
    return np.stack(columns, axis=-1).reshape((*np.shape(f(x)), *x.shape))
