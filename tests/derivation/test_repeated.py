"""Programs that were derived before: what looks the same is derived once, and nothing else is taken for it."""

import gc
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation import chain_rule, links, repeated
from tests import numerical
from tests.derivation.test_links import BODIES, analytic, loop, x, y
from tests.graph.test_looks import left

RNG = np.random.default_rng(20261130)


@pytest.fixture(autouse=True)
def fresh():
    for cache in (repeated._PROGRAMS, repeated._SEEN, links._STARTS):
        cache.clear()


def derived(run, monkeypatch):
    """How often something is derived while something runs."""
    count = itertools.count()
    real = chain_rule.derived_once

    def noted(name, outputs, inputs, derive):
        return real(name, outputs, inputs, lambda: (next(count), derive())[1])

    with monkeypatch.context() as patch:
        patch.setattr(chain_rule, "derived_once", noted)
        run()
    return next(count)


@pytest.mark.parametrize("order", [0, 1])
def test_what_differs_in_one_thing_is_not_taken_for_the_same(order):
    names = list(BODIES)
    if order:
        names.reverse()
    points = [RNG.uniform(0.4, 1.6, size=(2, 5)) for _ in range(3)]
    for a, b in points:  # the third time as it was made the second time
        for name in names:
            f = loop(BODIES[name], 3)
            got = jb.grad(f, wrt=(0, 1))(a, b)
            for wrt in (0, 1):
                exact = numerical.jacobian(f, [a, b], wrt, analytic=analytic(name))
                np.testing.assert_allclose(got[wrt], exact, rtol=1e-7, atol=1e-9, err_msg=name)


def test_a_program_is_derived_twice_at_most(monkeypatch):
    f = loop(BODIES["softmax"], 6)
    counts = [derived(lambda: jb.grad(f)(x, y), monkeypatch) for _ in range(4)]
    assert counts == [1, 1, 0, 0]
    assert derived(lambda: jb.grad(f)(y, x), monkeypatch) == 0
    assert derived(lambda: jb.grad(f, wrt=1)(x, y), monkeypatch) == 1
    assert derived(lambda: jb.jacobian(lambda a: f(a, y) * a)(x), monkeypatch) == 1
    assert derived(lambda: jb.grad(f)(x[:4], y[:4]), monkeypatch) == 1


def test_a_key_that_tells_too_little_is_a_wrong_gradient(monkeypatch):
    """The tests above can fail: programs that are told apart by their length take sine's for cosine's."""

    class ByLength(dict):
        def get(self, key, make):
            return self.setdefault(len(key), make()) if len(key) not in self else self[len(key)]

    monkeypatch.setattr(repeated, "_PROGRAMS", ByLength())
    gradients = {}
    for name in ("sin", "cos"):
        f = loop(BODIES[name], 4)
        for _ in range(3):
            got = jb.grad(f)(x, y)
        gradients[name] = got, numerical.jacobian(f, [x, y], 0, analytic=True)
    np.testing.assert_allclose(*gradients["sin"])
    assert not np.allclose(*gradients["cos"])


@pytest.mark.parametrize("transform", ["jacobian", "hessian", "jvp", "vjp"])
def test_every_transform_three_times(transform):
    def f(a):
        y = a
        for n in range(4):
            y = np.sin(y) * a[::-1] + n * np.cumsum(y) / 5
        return y if transform != "hessian" else np.sum(y * y)

    for seed in range(4):
        rng = np.random.default_rng(seed)
        a, d = rng.normal(size=(2, 5))
        exact = numerical.jacobian(f, [a], 0, analytic=True)
        if transform == "jacobian":
            got = jb.jacobian(f)(a).dense()
        elif transform == "hessian":
            got = jb.hessian(f)(a).dense()
            exact = numerical.jacobian(jb.grad(f), [a], 0, analytic=False)
        elif transform == "jvp":
            got, exact = jb.jvp(f, [a], [d])[1], exact @ d
        else:
            (got,), exact = jb.vjp(f, a)[1](d), d @ exact
        np.testing.assert_allclose(got, exact, rtol=1e-6, atol=1e-8)


def test_values_decide_a_branch():
    def f(a):
        y = a
        for _ in range(3):
            y = np.tanh(y) if y[0] > 0 else y * a
        return np.sum(y)

    for sign in (1, -1, 1, 1, -1, -1, -1, 1):
        a = np.abs(RNG.normal(size=4)) * np.where(np.arange(4) == 0, sign, 1)
        exact = numerical.jacobian(f, [a], 0, analytic=False)
        np.testing.assert_allclose(jb.grad(f)(a), exact, rtol=1e-6, atol=1e-8)


def test_results_of_kept_programs_are_the_callers():
    f = loop(BODIES["rows"], 3)
    first = [jb.grad(f)(x, y) for _ in range(3)]
    first[-1][...] = 7
    np.testing.assert_array_equal(jb.grad(f)(x, y), first[0])
    J = jb.jacobian(lambda a: a * 2.0)
    for _ in range(3):
        J(x).dense()[...] = 7
    np.testing.assert_array_equal(J(x).dense(), 2 * np.eye(5))


def test_inside_of_another_function():
    def inner(a, k):
        return np.sum(np.exp(k * a) * np.roll(a, 1))

    def outer(a):
        return np.sum(jb.grad(inner)(a, 2.0) * jb.grad(inner)(np.sin(a), 2.0))

    plain = lambda a: np.sum(gradient(a) * gradient(np.sin(a)))  # noqa: E731

    def gradient(a):
        return 2 * np.exp(2 * a) * np.roll(a, 1) + np.roll(np.exp(2 * a), -1)

    for seed in range(4):
        a = np.random.default_rng(seed).normal(size=4) / 3
        exact = numerical.jacobian(plain, [a], 0, analytic=True)
        np.testing.assert_allclose(jb.grad(outer)(a), exact, rtol=1e-8, atol=1e-10)


def test_in_several_threads():
    functions = {name: loop(BODIES[name], 4) for name in ("over", "rows", "softmax", "centred")}
    exact = {n: numerical.jacobian(f, [x, y], 0, analytic=True) for n, f in functions.items()}

    def run(name):
        for _ in range(6):
            got = jb.grad(functions[name])(x, y)
            np.testing.assert_allclose(got, exact[name], rtol=1e-7, atol=1e-9)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run, name) for name in [*functions] * 3]:
            done.result()


def test_what_is_kept_is_bounded_by_its_bytes():
    tables = [RNG.integers(0, 1000, size=70_001) for _ in range(24)]
    z = RNG.normal(size=1000)

    def run():
        for table, _ in itertools.product(tables, range(3)):
            got = jb.grad(lambda z, t=table: np.sum(z[t] ** 2))(z)
            np.testing.assert_allclose(got, 2 * z * np.bincount(table, minlength=1000))

    assert left(run, 1) < 3 * repeated._KEPT >> 20
    assert repeated._PROGRAMS.weight <= repeated._PROGRAMS.limit
    gc.collect()


def test_a_program_that_was_seen_once_is_not_kept():
    for n in range(1, 9):
        jb.grad(loop(BODIES["sin"], n))(x, y)
    assert len(repeated._PROGRAMS) == 0
    jb.grad(loop(BODIES["sin"], 3))(x, y)
    assert len(repeated._PROGRAMS) == 1


def test_a_users_rule_is_asked_at_every_derivation():
    number = {"a": 1.0}
    op = jb.operation(
        "scaled_tanh",
        value=lambda X: np.tanh(number["a"] * X),
        X=lambda X, Y: number["a"] * (1 - Y**2),
    )

    def f(x):
        for _ in range(4):
            x = op(x)
        return np.sum(x)

    for a in (1.0, 3.0, 3.0, 2.0, 2.0, 2.0, 5.0):
        number["a"] = a
        z, exact = x, np.ones(5)
        for _ in range(4):
            z = np.tanh(a * z)
            exact = exact * a * (1 - z**2)
        np.testing.assert_allclose(jb.grad(f)(x), exact, rtol=1e-12)
