"""Programs that were derived before: what looks the same is derived once, and nothing else is taken for it."""

import gc
import itertools
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation import chain_rule, links, repeated
from jacobians.graph.node import Node
from tests import numerical
from tests.derivation.test_links import BODIES, check_gradients, loop, x, y
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
            check_gradients(name, 3, a, b)


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
            if len(key) not in self:
                self[len(key)] = make()
            return self[len(key)]

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


def alive(shape):
    """How many constants of a shape there are."""
    gc.collect()
    nodes = [one for one in gc.get_objects() if isinstance(one, Node)]
    return sum(node.value is not None and node.shape == shape for node in nodes)


def test_nothing_is_remembered_by_what_is_kept():
    """Ones that a derivation makes stand in its recipe: what is made of them must not stay."""

    def f(a, C):
        return np.sum(np.cumsum(C * a, axis=0)[-1])

    for _ in range(5):
        C = RNG.normal(size=(13, 7))
        np.testing.assert_allclose(jb.grad(f)(np.ones(7), C), C.sum(axis=0))
        assert alive((13, 7)) == 0


def test_a_step_that_merges_letters_is_read_again():
    """One operation may make two letters one, and add another: as many letters, but something cancels."""
    pairs = np.repeat(np.arange(3)[:, None], 2, 1)
    a = np.array([0.5, 2.0, 3.0])
    for strategy in ("auto", "forward", "reverse"):
        J = jb.jacobian(lambda a: (a[:, None] * (1 / a)[None, :])[pairs, pairs], strategy=strategy)(
            a
        )
        assert (J.nnz, J.formula()) == (0, "0")


def test_the_history_of_an_outer_function_is_not_looked_at(monkeypatch):
    def outer(a, steps):
        b = a
        for _ in range(steps):
            b = b - 0.1 * jb.grad(lambda z, b=b: np.sum(np.sin(z) * a) + np.sum(z * b))(b)
        return np.sum(b)

    def gradient(a, steps):  # b - 0.1 (cos(b) a + b)
        b, db = a, np.ones_like(a)
        for _ in range(steps):
            b, db = (
                0.9 * b - 0.1 * np.cos(b) * a,
                (0.9 + 0.1 * np.sin(b) * a) * db - 0.1 * np.cos(b),
            )
        return db

    looked = []
    real = repeated._behind
    monkeypatch.setattr(repeated, "_behind", lambda *args: looked.append(real(*args)) or looked[-1])
    for steps in (1, 12):
        looked.clear()
        np.testing.assert_allclose(jb.grad(lambda a, n=steps: outer(a, n))(x), gradient(x, steps))
        assert sum(one is not None for one in looked) <= 2  # the first inner one, and the outer one


def test_steps_of_users_rules_are_no_steps_of_others():
    op = jb.operation("triple", value=lambda X: 3 * X, X=lambda X, Y: 3.0 + 0 * X)
    for _ in range(4):
        np.testing.assert_allclose(jb.grad(lambda a: np.sum(op(a)))(x), np.full(5, 3.0))
    before = len(links._STARTS)
    for _ in range(20):
        jb.grad(lambda a: np.sum(op(a)))(x)
    assert len(links._STARTS) == before


def test_arrays_of_users_operations_are_weighed():
    def use(n):
        B = np.full(300_000, float(n))
        op = jb.operation(
            "shift", "Y_i = shift(X_i)", "∂Y_i/∂X_k = 2 δ_ik", value=lambda X: 2 * X + B[0]
        )
        for _ in range(3):
            np.testing.assert_allclose(jb.grad(lambda a: np.sum(op(a) ** 2))(x), 8 * x + 4 * n)
        return weakref.ref(B)

    kept = [use(n) for n in range(24)]
    gc.collect()
    assert sum(one() is not None for one in kept) * 2.4 < 24  # MB, of three caches
