"""Masks of several shapes and places: piecewise linear programs, whose derivatives have closed forms."""

import numpy as np
import pytest

import jacobians as jb

C = np.array(2.0)


def two_leaks(x):
    y = np.where(x > 0, x, -x * C)
    y = np.concatenate([y[:1], y[1:] + C * y[:1]])
    r = np.stack([y[0], y[0] - y[1]])
    s = np.where(r > 0, r, -r * C)
    return np.concatenate([x, s[:1] - s[1:]])


def added_up(x):
    y = np.where(x > 0, x, -x * C)
    y = np.where(x < 0, y - x, C * x)
    return np.concatenate([y[:1], y[1:] + C * y[:1]])


def clipped(x):
    y = np.maximum(x, 2 * x)
    y = np.where(y > 0, y, -y * 0.5)
    return np.stack([x, np.maximum(y, 0.5 * y)])


def some_entries(x):
    y = np.where([False, True, True], x, np.abs(x) * 2.0)
    y = np.where([True, False, False], y, np.abs(y) * C)
    y = np.where(y > x, y - x, C * x)
    y = np.where(y > 0, y, -y * C)
    y = np.where(y > 0, y, -y * C)
    return np.concatenate([y, y[1:] * C])


def slopes(f, x):
    """Exact but for rounding: no kink lies within a step."""
    step = 1e-4
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(x.size)]
    return np.stack(columns, axis=-1)


def judge(f, x):
    J, y = slopes(f, x), f(x)
    rows = J.reshape(-1, x.size)
    second = 6 * np.einsum("n,nk,nl->kl", y.ravel(), rows, rows)
    np.testing.assert_allclose(jb.jacobian(f)(x).dense(), J, atol=1e-9 * np.abs(J).max())
    for strategy in ("forward", "reverse"):
        found = jb.jacobian(f, strategy=strategy).compile(x)
        np.testing.assert_allclose(found.dense(x), J, atol=1e-9 * np.abs(J).max())
    cubes = jb.hessian(lambda x: np.sum(f(x) ** 3))
    scale = 1 + np.abs(second).max()
    np.testing.assert_allclose(cubes(x).dense(), second, atol=1e-9 * scale)
    np.testing.assert_allclose(cubes.compile(x).dense(x), second, atol=1e-9 * scale)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (two_leaks, [-0.8, 0.6]), (two_leaks, [0.8, -0.6]), (added_up, [0.5, -0.3]),
        (clipped, [-0.63, -1.68]), (clipped, [0.63, -1.68]), (some_entries, [-0.067, 0.506, 0.771]),
    ],
)  # fmt: skip
def test_masks_of_other_shapes_stay_masks(f, x):
    judge(f, np.array(x))


def leaky(y, c, i):  # noqa: ARG001
    return np.where(y > 0, y, -y * c)


def shifted(y, c, i):
    return np.concatenate([y[:i], y[i:] + c * y[:-i]])


def subtracted(y, c, i):  # noqa: ARG001
    return np.concatenate([y[:1], y[:1] - y[1:]])


def larger(y, c, i):  # noqa: ARG001
    return np.maximum(y, c * y)


def turned(y, c, i):
    n = len(y)
    return np.stack([y[j] - c * y[(j + i) % n] if j % 2 else y[j] for j in range(n)])


def some(y, c, i):
    return np.where(np.arange(len(y)) < i, y, np.abs(y) * c)


STEPS = [leaky, leaky, shifted, subtracted, larger, turned, some]


@pytest.mark.parametrize("seed", range(3, 9))
def test_random_programs_of_pieces(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    steps = [
        (STEPS[int(rng.integers(len(STEPS)))], rng.choice([C, np.float64(0.3), -1.5]),
         int(rng.integers(1, n)))
        for _ in range(int(rng.integers(3, 6)))
    ]  # fmt: skip

    def f(x):
        y = x
        for step, c, i in steps:
            y = step(y, c, i)
        return np.concatenate([x, y[:1] - y[1:]]) if seed % 2 else np.stack([x, y])

    judge(f, rng.normal(size=n))
