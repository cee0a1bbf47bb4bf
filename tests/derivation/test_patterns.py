"""Sparsity survives loops: nnz and .sparse() are those of Boolean propagation, entry by entry."""

import numpy as np
import pytest

import jacobians as jb
from tests.derivation.patterns import propagated

A = np.eye(4) + 0.1 * np.random.default_rng(1).random((4, 4))


def stencil(x):
    y = jb.zeros(len(x))
    for i in range(1, len(x) - 1):
        y[i] = x[i - 1] - 2 * x[i] + x[i + 1]
    return y


def burgers(u):
    v = u.copy()
    for i in range(1, len(u) - 1):
        v[i] = u[i] - 0.1 * u[i] * (u[i] - u[i - 1]) + 0.2 * (u[i + 1] - 2 * u[i] + u[i - 1])
    return v


def collected(x):
    return np.stack([x[i - 1] * x[i] - np.sin(x[i + 1]) for i in range(1, len(x) - 1)])


def shifts(x):
    return sum(np.roll(x, s) * np.sin(x) * (s + 1) for s in range(10))


def heat(x):
    for _ in range(6):
        x = x * x + 0.1 * (np.roll(x, 1) - 2 * x + np.roll(x, -1))
    return x


def plane(X):
    for _ in range(3):
        X = X * X + np.roll(X, 1, 0) - 2 * X + np.roll(X, -1, 1)
    return X


def scattered(x):
    return np.stack([np.sin(x[i] * x[(i * 7) % len(x)]) for i in range(len(x))])


def near_pairs(x):
    y = jb.zeros((len(x), len(x)))
    for i in range(len(x)):
        for j in range(i, min(i + 3, len(x))):
            y[i, j] = x[i] * x[j]
    return y


def rotation(w):
    zero = w[0] * 0
    rows = [[zero, -w[2], w[1]], [w[2], zero, -w[0]], [-w[1], w[0], zero]]
    K = np.stack([np.stack(row) for row in rows])
    t2 = w @ w + 1e-12
    t = np.sqrt(t2)
    return np.eye(3) + np.sin(t) / t * K + (1 - np.cos(t)) / t2 * (K @ K)


def cameras(cams, points):
    rows = []
    for c in range(len(cams)):
        R = rotation(cams[c, :3])
        for p in range(len(points)):
            q = R @ points[p] + cams[c, 3:]
            rows.append(q[:2] / q[2])
    return np.concatenate(rows)


def kalman_gain(A, Q):
    H, P, R, found = np.eye(2, 4), np.eye(4), np.eye(2), []
    for _ in range(3):
        P = A @ P @ A.T + Q
        K = np.linalg.solve(H @ P @ H.T + R, H @ P).T
        P = P - K @ H @ P
        found.append(K)
    return np.stack(found)


def numbers(*shape):
    return np.random.default_rng(7).random(shape)


CASES = {
    "stencil 9": (stencil, (numbers(9),), 0),
    "stencil 40": (stencil, (numbers(40),), 0),
    "collected 12": (collected, (numbers(12),), 0),
    "collected 41": (collected, (numbers(41),), 0),
    "burgers": (burgers, (numbers(15),), 0),
    "shifts": (shifts, (numbers(25),), 0),
    "heat": (heat, (numbers(40),), 0),
    "plane": (plane, (numbers(9, 11),), 0),
    "scattered": (scattered, (numbers(23),), 0),
    "near pairs": (near_pairs, (numbers(8),), 0),
    "running sum": (lambda x: np.cumsum(np.sin(x)), (numbers(9),), 0),
    "differences": (lambda x: np.diff(x * x, n=3), (numbers(12),), 0),
    "gain by A": (kalman_gain, (A, np.eye(4)), 0),
    "gain by Q": (kalman_gain, (A, np.eye(4)), 1),
    **{
        f"{points} points by {'cameras' if wrt == 0 else 'points'}": (
            cameras, (numbers(4, 6), numbers(points, 3)), wrt,
        )
        for points in (2, 5, 10)
        for wrt in (0, 1)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_pattern_is_that_of_boolean_propagation(name):
    f, args, wrt = CASES[name]
    J = jb.jacobian(f, wrt=wrt)(*args)
    exact = propagated(f, args, wrt)
    sparse = J.sparse()
    assert J.nnz == sparse.nnz == np.count_nonzero(exact)
    stored = np.zeros(exact.shape, bool)
    stored[sparse.tocoo().coords] = True
    np.testing.assert_array_equal(stored, exact)
    x = args[wrt]
    numerical = jb.numerical.jacobian(f, *args, wrt=wrt).reshape(exact.shape)
    np.testing.assert_allclose(J.matrix(), numerical, rtol=1e-7, atol=1e-8 * (1 + np.abs(x).max()))
    np.testing.assert_allclose(sparse.toarray(), J.matrix(), rtol=1e-13)
    compiled = jb.jacobian(f, wrt=wrt).compile(*args)
    np.testing.assert_allclose(compiled.dense(*args), J.dense(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(compiled.sparse(*args).toarray(), J.matrix(), rtol=1e-12, atol=1e-14)
