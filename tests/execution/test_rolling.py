"""Loops of printed programs: the same numbers as steps that run one by one, and text that stays short."""

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution import rolling
from tests import numerical

RNG = np.random.default_rng(20261130)
x = RNG.normal(size=5) / 2
W = RNG.normal(size=(5, 5)) / 3
S = RNG.normal(size=(80, 5)) / 2


def rnn(x, n):
    for t in range(n):
        x = np.tanh(W @ x + S[t])
    return x


def backwards(x, n):
    for t in range(n):
        x = np.sin(x + S[n - 1 - t])
    return x


def two_back(x, n):
    old, new = x, np.sin(x)
    for t in range(n):
        old, new = new, np.sin(new) * 0.5 + old * S[2 * t % 80]
    return new


def crossed(x, n):
    a, b = x, 2 * x
    for _ in range(n):
        a, b = np.sin(b) + 0.1 * a, np.cos(a) * 0.5
    return a + b


def used_late(x, n):
    found = []
    for _ in range(n):
        x = np.sin(x) + 0.1
        found.append(x * 0.5)
    return np.concatenate([found[0] * found[-1], sum(found[1:-1], found[n // 2])])


def every_third(x, n):
    total = 0 * x
    for t in range(n):
        x = np.sin(x + 0.2)
        if t % 3 == 1:
            total = total + x * x
    return total


def numbers(x, n):
    for t in range(n):
        x = x * (0.9 + 0.01 * t) - 0.1 * np.sin(t * 1.0 + x)
    return x


def nested(x, n):
    total = 0 * x
    for _ in range(n // 4):
        y = x
        for _ in range(4):
            y = np.sin(y) * 0.9
        x = x + 0.1 * y
        total = total + y
    return total


def in_place(x, n):
    u = x.copy()
    for t in range(n):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[t % 5] *= 0.5
    return u


def written(x, n):
    rows = jb.zeros((n, 5)) if x.dtype.kind == "f" else np.zeros((n, 5), complex)
    for t in range(n):
        x = np.sin(x) * S[t]
        rows[t] = x
    return rows


def pairs(x, n):
    return np.stack([x[t % 5] * np.sin(x[(t + 1) % 5]) for t in range(n)])


def changing(x, n):
    for t in range(n):
        x = np.sin(x) if t < n // 2 else np.cos(x) * 0.5
    return x


def solved(x, n):
    P = np.outer(x, x) + 3 * np.eye(5)
    for _ in range(n):
        P = 0.5 * W @ np.linalg.inv(P) @ W.T + 3 * np.eye(5)
    return P


def large(x, n):
    """Arrays from which dead ones are reused."""
    y = np.outer(np.repeat(x, 20), np.repeat(x, 20))
    for _ in range(n):
        y = np.sin(y) * 0.9 + 0.1 * np.cos(y)
    return y.sum(axis=0)[:7]


LOOPS = [
    rnn, backwards, two_back, crossed, used_late, every_third, numbers, nested, in_place, written,
    pairs, changing, solved, large,
]  # fmt: skip


@pytest.mark.parametrize("steps", [2, 7, 8, 9, 10, 17, 40])
@pytest.mark.parametrize("function", LOOPS)
def test_loops_give_the_numbers_of_differences(function, steps):
    def scalar(x):
        return np.sum(function(x, steps) ** 2)

    exact = numerical.jacobian(scalar, [x], 0, analytic=True)
    c = jb.grad(scalar).compile(x)
    np.testing.assert_allclose(c.dense(x), exact, rtol=1e-8, atol=1e-10)
    space = {}
    exec(c.source, space)  # the text that is shown
    arrays = {name: c.constants[name] for name in c.constants}
    np.testing.assert_array_equal(space["derivative"](x, **arrays), c.dense(x))


@pytest.mark.parametrize("function", LOOPS)
def test_jacobians_of_loops_at_other_points(function):
    c = jb.jacobian(lambda x: function(x, 20)).compile(x)
    out = c.buffer()
    for point in (x, x[::-1] / 2, x + 0.1):
        exact = numerical.jacobian(lambda x: function(x, 20), [point], 0, analytic=True)
        found = c.dense(point)
        np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(c.dense(point, out=out), found)
        G = RNG.normal(size=c.dense(point).shape[:-1])
        by_G = np.tensordot(G, exact, G.ndim)
        np.testing.assert_allclose(c.vjp(G, point), by_G, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("function", [rnn, backwards, two_back, crossed, nested, large])
def test_text_does_not_grow_with_the_steps(function):
    lines = [
        len(jb.grad(lambda x, n=n: np.sum(function(x, n) ** 2)).compile(x).source.splitlines())
        for n in (40, 80)
    ]
    assert lines[1] <= lines[0] + 20  # a table of what is closed over
    assert lines[1] < 120


def test_a_loop_is_one():
    source = jb.grad(lambda x: np.sum(rnn(x, 40))).compile(x).source
    assert source.count("np.tanh") == 2  # the first step, and the loop's
    assert "for n in range(1, 40):" in source


def test_names_of_the_users_are_not_taken():
    def f(n, all_v16, row30):
        for _ in range(20):
            n = np.sin(n) + all_v16
        return np.sum(n * row30)

    args = x, x + 1, x + 2
    c = jb.grad(f, wrt=(0, 1, 2)).compile(*args)
    assert "for n_ in range" in c.source
    for found, wrt in zip(c.dense(*args), range(3), strict=True):
        exact = numerical.jacobian(f, args, wrt, analytic=True)
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


def test_builtins_that_are_used_are_not_taken():
    def f(range, len):
        for _ in [0] * 20:
            range = np.sin(range) + len
        return np.sum(range)

    exact = numerical.jacobian(f, [x, x / 2], 0, analytic=True)
    found = jb.grad(f).compile(x, x / 2)(x, x / 2)
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


def test_names_that_loops_are_written_with_are_not_the_users():
    """Of arguments: a loop counts with ``range``, and an infinite number is ``float("inf")``."""

    def f(range, float):
        for bound in [0.3, np.inf] * 8:
            range = np.minimum(np.sin(range) + float, bound)
        return np.sum(range)

    args = x, x / 3
    c = jb.grad(f, wrt=(0, 1)).compile(*args)
    assert " in range(" in c.source
    for found, wrt in zip(c.dense(*args), (0, 1), strict=True):
        np.testing.assert_allclose(
            found, numerical.jacobian(f, args, wrt, analytic=False), rtol=1e-6, atol=1e-8
        )


def test_a_shifted_list_is_noticed(monkeypatch):
    """The tests above can fail: a list that is read one place off is a wrong gradient."""
    real = rolling._Rolling.number

    def off(self, loop, values):
        step = values[1] - values[0]
        return real(self, loop, [value + 1 if step == -1 else value for value in values])

    monkeypatch.setattr(rolling._Rolling, "number", off)
    c = jb.grad(lambda x: np.sum(rnn(x, 20))).compile(x)
    exact = numerical.jacobian(lambda x: np.sum(rnn(x, 20)), [x], 0, analytic=True)
    assert not np.allclose(c.dense(x), exact)


def test_entries_of_arrays_and_lists_are_written_as_entries():
    """A recurrence over entries: its source has neither slices of one entry nor a row of names."""

    def f(a, b):
        found = [b[0]]
        for t in range(1, len(b)):
            found.append(a[t] * found[-1] + b[t])
        return np.sum(np.sin(np.stack(found)))

    a, b = np.random.default_rng(3).uniform(0.3, 0.9, size=(2, 300))
    c = jb.grad(f).compile(a, b)
    assert max(map(len, c.source.splitlines())) < 200
    assert len(c.source.splitlines()) < 60
    assert "a[n + 2] * " in c.source
    y, above = np.zeros(300), np.zeros(300)
    for t in range(300):
        y[t] = a[t] * y[t - 1] * (t > 0) + b[t]
    for t in range(299, -1, -1):
        above[t] = np.cos(y[t]) + (a[t + 1] * above[t + 1] if t < 299 else 0)
    np.testing.assert_allclose(c(a, b), np.append(0, above[1:] * y[:-1]))


def garch(p, x):
    """A likelihood: its gradient ends in three sums, of which two stand one after the other."""
    h, found = 1.0, 0.0
    for t in range(len(x)):
        h = p[0] ** 2 + p[1] ** 2 * x[t] ** 2 + p[2] ** 2 * h
        found = found + np.log(h) + x[t] ** 2 / h
    return found


def test_loops_one_after_the_other_are_loops():
    lines = []
    for n in (5, 6, 7, 10, 11, 12, 30, 60, 121):
        p, z = np.array([0.5, 0.3, 0.8]), np.random.default_rng(n).normal(size=n)
        c = jb.grad(garch).compile(p, z)
        exact = numerical.complex_step(lambda p, z=z: garch(p, z), p)
        np.testing.assert_allclose(c(p, z), exact, rtol=1e-11)
        lines.append(c.source.count("\n"))
    assert len(set(lines[-3:])) == 1


def halfway(x, n):
    found = [x[0], x[1]]
    for t in range(2, n):
        found.append(found[-1] * found[t // 2])
    return found[-1]


@pytest.mark.parametrize("n", [9, 10, 11, 40])
def test_products_that_read_ever_further_back_are_no_loop(n):
    z = 1 + RNG.normal(size=2) / 1000
    c = jb.grad(lambda x: halfway(x, n)).compile(z)
    exact = numerical.complex_step(lambda x: halfway(x, n), z)
    np.testing.assert_allclose(c(z), exact, rtol=1e-11)


def test_rows_of_an_array_are_written_as_slices():
    """The gradient by a weight stacks what it was multiplied with, the last first."""

    def f(V, xs):
        h = np.zeros(3)
        for z in xs:
            h = np.tanh(V @ z) * h + V[:, 0]
        return np.sum(h)

    V, xs = RNG.normal(size=(3, 2)), RNG.normal(size=(20, 2))
    for inputs in (xs, xs[::-1], xs[:2], np.stack([xs, xs], axis=1)[:, 1]):
        c = jb.grad(f).compile(V, inputs)
        exact = numerical.complex_step(lambda V, inputs=inputs: f(V, inputs), V)
        np.testing.assert_allclose(c(V, inputs), exact, rtol=1e-11, atol=1e-14)
    assert "*xs[19::-1]" in jb.grad(f).compile(V, xs).source
    assert "*xs[0:20]" in jb.grad(lambda V, xs: f(V, xs[::-1])).compile(V, xs).source


@pytest.mark.parametrize("several", [1, 2, 5, 6, 7])
def test_what_reads_several_lists_in_turn(several):
    """A chain of sums over what each step of another loop has made several of."""

    def f(x, n):
        found = []
        for _ in range(n):
            for k in range(several):
                x = np.sin(x) * (0.9 - k / 20) if k % 2 else np.cos(x) * 0.8 + 0.1
                found.append(x)
        total = found[0]
        for one in found[1:]:
            total = total + one
        return total

    lines = []
    for n in (60, 90):
        c = jb.jacobian(lambda x, n=n: f(x, n)).compile(x)
        exact = jb.numerical.jacobian(lambda x, n=n: f(x, n), x)
        np.testing.assert_allclose(c.dense(x), exact, rtol=1e-9, atol=1e-12)
        lines.append(len(c.source.splitlines()))
    assert several > 6 or max(lines) < 160


@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize("step", [-1, -2, -5])
def test_slices_backwards_are_printed_with_their_starts(start, step):
    A = RNG.normal(size=(5, 3))
    for part in (np.s_[start::step], np.s_[start::step, 1], np.s_[start::step, 2::-1]):
        exact = np.zeros_like(A)
        exact[part] = 2 * np.exp(A)[part]
        found = jb.grad(lambda A, part=part: 2 * np.sum(np.exp(A[part]))).compile(A)
        np.testing.assert_allclose(found(A), exact)


@pytest.mark.parametrize(
    "view", [np.diagonal, lambda h: np.broadcast_to(h[0], (2, 3)), np.transpose]
)
def test_stacks_of_what_a_loop_made_seen_in_any_way(view):
    def f(X):
        found = []
        for _ in range(12):
            X = np.tanh(X)
            found.append(view(X))
        return np.stack(found)

    X = RNG.normal(size=(3, 3))
    c = jb.jacobian(f).compile(X)
    np.testing.assert_allclose(c.dense(X), numerical.complex_step(f, X), atol=1e-14)
