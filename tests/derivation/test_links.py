"""Recipes of the chain rule: what looks alike is derived once, and nothing else is taken for alike."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation import links
from jacobians.derivation.chain_rule import forward, reverse
from jacobians.graph.node import evaluate, input_node
from jacobians.notation.explicit import explicit
from jacobians.tracing.running import traced
from jacobians.tracing.session import session
from tests import numerical

RNG = np.random.default_rng(20261129)
x = RNG.uniform(0.4, 1.6, size=5)
y = RNG.uniform(0.4, 1.6, size=5)
W = RNG.normal(size=(5, 5)) / 3


@pytest.fixture(autouse=True)
def fresh():
    links._STARTS.clear()
    yield
    links._STARTS.clear()


def learned(run, monkeypatch):
    """How many steps are worked out while something runs."""
    count = itertools.count()
    real = links._learned
    with monkeypatch.context() as patch:
        patch.setattr(links, "_learned", lambda *args: (next(count), real(*args))[1])
        run()
    return next(count)


def loop(body, steps):
    def f(a, b):
        for n in range(steps):
            a = body(a, b, n)
        return np.sum(a * a)

    return f


# In pairs that differ in one thing each: an operation, which operands are the same, a number, its type, an
# axis, an index, an order, a depth, a kink, what a quotient is of.
BODIES = {
    "sin": lambda a, b, n: np.sin(a) + b,
    "cos": lambda a, b, n: np.cos(a) + b,
    "a a": lambda a, b, n: a * a / 2,
    "a b": lambda a, b, n: a * b / 2,
    "over": lambda a, b, n: a / (a + b),
    "under": lambda a, b, n: b / (a + b),
    "over itself": lambda a, b, n: a / (a + a * b),
    "sigmoid": lambda a, b, n: 1 / (1 + np.exp(-a)),
    "sigmoid 2": lambda a, b, n: 1 / (2 + np.exp(-a)),
    "sigmoid of b": lambda a, b, n: a / (1 + np.exp(-b)),
    "softmax": lambda a, b, n: np.exp(a) / np.sum(np.exp(a)),
    "softmax of two": lambda a, b, n: np.exp(a) / np.sum(np.exp(b)),
    "norm": lambda a, b, n: a / np.sqrt(np.sum(a * a)),
    "norm of b": lambda a, b, n: a / np.sqrt(np.sum(b * b)),
    "norm of ab": lambda a, b, n: a / np.sqrt(np.sum(a * b)),
    "square": lambda a, b, n: a**2 * 0.3,
    "cube": lambda a, b, n: a**3 * 0.3,
    "log": lambda a, b, n: np.log(1 + a * a) + b,
    "log of exp": lambda a, b, n: np.log(1 + np.exp(a)) + b,
    "log of power": lambda a, b, n: np.log(a**2 + 1) + b * n,
    "roll": lambda a, b, n: np.roll(a, 1) * b,
    "roll back": lambda a, b, n: np.roll(a, -1) * b,
    "entry": lambda a, b, n: a * a[n % 5] + b,
    "other entry": lambda a, b, n: a * a[(n + 1) % 5] + b,
    "rows": lambda a, b, n: np.tanh(W @ a) + b,
    "columns": lambda a, b, n: np.tanh(a @ W) + b,
    "centred": lambda a, b, n: a - np.mean(a) + b,
    "centred by b": lambda a, b, n: a - np.mean(b) + b,
    "difference": lambda a, b, n: (a - b) / (a + b),
    "difference back": lambda a, b, n: (b - a) / (a + b),
    "deep": lambda a, b, n: a / (1 + (b + (a + (b + np.exp(a))))),
    "deeper": lambda a, b, n: a / (1 + (b + (a + (a + np.exp(a))))),
    "spread": lambda a, b, n: (a - np.mean(a)) / np.sqrt(np.mean((a - np.mean(a)) ** 2) + 1e-5),
    "by the largest": lambda a, b, n: a / np.max(a) + b,
    "step by step": lambda a, b, n: a * (n + 1) + b,
    "step by float": lambda a, b, n: a * (n + 1.0) + b / (n + 1.0),
}  # fmt: skip


def analytic(body):
    return "largest" not in body


def check_gradients(name, steps, a, b):
    """Gradients of a loop by both arguments are what differences say."""
    f = loop(BODIES[name], steps)
    got = jb.grad(f, wrt=(0, 1))(a, b)
    for wrt in (0, 1):
        exact = numerical.jacobian(f, [a, b], wrt, analytic=analytic(name))
        np.testing.assert_allclose(got[wrt], exact, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_what_differs_in_one_thing_is_not_taken_for_alike(order):
    names = list(BODIES)
    if order:
        np.random.default_rng(order).shuffle(names)
    for name in names:
        check_gradients(name, 4, x, y)


@pytest.mark.parametrize("strategy", ["reverse", "forward"])
@pytest.mark.parametrize("name", BODIES)
def test_jacobians_of_loops(name, strategy):
    def f(a, b):
        for n in range(3):
            a = BODIES[name](a, b, n)
        return a

    J = jb.jacobian(f, strategy=strategy)(x, y)
    exact = numerical.jacobian(f, [x, y], 0, analytic=analytic(name))
    np.testing.assert_allclose(J.dense(), exact, rtol=1e-7, atol=1e-9)


def test_an_answer_that_is_not_heard_is_a_wrong_gradient(monkeypatch):
    """The test above can fail: steps that are told of no operation take the sine's for the cosine's."""

    silent = input_node("", ()).look

    def deaf(self, place):
        self.looked.append(place)
        return self.meet(self.nodes[place].operands, [silent])

    monkeypatch.setattr(links._Known, "look", deaf)
    gradients = {}
    for name in ("sin", "cos"):
        f = loop(BODIES[name], 4)
        gradients[name] = jb.grad(f)(x, y), numerical.jacobian(f, [x, y], 0, analytic=True)
    np.testing.assert_allclose(*gradients["sin"])
    assert not np.allclose(*gradients["cos"])


OWN = {"entry", "other entry", "step by step", "step by float"}
"""Loops of which each step has a number of its own."""


@pytest.mark.parametrize("name", [*list(BODIES)[::3], "entry", "step by float"])
def test_a_longer_loop_asks_for_few_more_steps(name, monkeypatch):
    counts = {}
    for n in (26, 30, 40):
        loops = loop(BODIES[name], n)
        counts[n] = learned(lambda f=loops: jb.grad(f)(x / 9, y / 9), monkeypatch)
    again = learned(lambda: jb.grad(loop(BODIES[name], 30))(y / 9, x / 9), monkeypatch)
    assert counts[30] + counts[40] <= (60 if name in OWN else counts[26])
    assert again == 0


@pytest.mark.parametrize("strategy", ["reverse", "forward"])
def test_rows_of_a_loop_are_alike_wherever_they_lie(strategy):
    def rows(n):
        def f(a):
            return np.concatenate([np.sin(a[k : k + 1]) * a[k] for k in range(n)])

        return f

    for n in (6, 12, 24):
        a = RNG.normal(size=n)
        J = jb.jacobian(rows(n), strategy=strategy)(a)
        np.testing.assert_allclose(J.dense(), np.diag(np.cos(a) * a + np.sin(a)), atol=1e-14)
        assert J.nnz == n


READS = {
    "entry": lambda X, t: X[t, 1],
    "row": lambda X, t: X[t],
    "column": lambda X, t: X[:, t % 5],
    "part": lambda X, t: X[t : t + 3, 1:],
    "back": lambda X, t: X[t + 3 : t : -1, ::-2],
    "first back": lambda X, t: X[t::-1, t % 5],
    "every other": lambda X, t: X[t % 2 :: 2, 2],
    "last": lambda X, t: X[-1 - t],
    "whole": lambda X, t: X[:],
    "none": lambda X, t: X[t:t],
    "new axis": lambda X, t: X[t, None, 1:4],
}


@pytest.mark.parametrize("name", READS)
def test_slices_are_alike_wherever_they_begin(name, monkeypatch):
    read = READS[name]

    def f(X):
        total = 0.0
        for t in range(20):
            total = total * 0.9 + np.sum(np.sin(read(X, t)) * (np.sum(read(X, t)) + 1))
        return total

    def rows(X):
        return np.stack([np.sum(np.tanh(read(X, t)) ** 2) for t in range(20)])

    X = RNG.normal(size=(24, 5))
    for function in (f, rows):
        exact = numerical.jacobian(function, [X], 0, analytic=True)
        for strategy in ("reverse", "forward"):
            J = jb.jacobian(function, strategy=strategy)(X)
            np.testing.assert_allclose(J.dense(), exact, rtol=1e-8, atol=1e-10)
            entries = sum(np.size(read(X, t)) for t in range(20))
            assert function is f or J.nnz == entries
    links._STARTS.clear()
    count = learned(lambda: jb.grad(f)(X), monkeypatch)
    assert count < 40 or name == "first back"  # each of another size


def test_types_are_part_of_what_is_seen():
    body = BODIES["over"]
    for dtype, weak in itertools.product((np.float64, np.float32), (2, 2.0, np.float64(2))):
        f = loop(lambda a, b, n, w=weak: body(a * w, b, n), 4)
        got = jb.grad(f)(x.astype(dtype), y.astype(dtype))
        assert got.dtype == dtype
        exact = numerical.jacobian(f, [x, y], 0, analytic=True)
        np.testing.assert_allclose(got, exact, rtol=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("name", BODIES)
def test_the_recorded_derivation_gives_the_same_terms(name):
    def f(a, b):
        return BODIES[name](BODIES[name](a, b, 0), b, 1)

    with session(), traced(f, (x, y), {}, (0, 1)) as run:
        (output,) = [one.node for one in run.outputs]
        for order in (reverse, forward):
            plain = order(output, run.inputs)
            recorded = order(output, run.inputs, record=[])
            values = evaluate([n for t in (*plain, *recorded) for n in t.operands], run.here.values)
            for one, other in zip(plain, recorded, strict=True):
                assert [t.slots for t in one.terms] == [t.slots for t in other.terms]
                axes = "abcd"[: len(one.shape)]
                tables = [explicit(t, axes, values.__getitem__, float) for t in (one, other)]
                np.testing.assert_allclose(*tables, rtol=1e-12, atol=1e-14)


def nested(count):
    def f(a, b):
        for n in range(count):
            a = a * (b + n)
        return np.square(a * b) / a

    return f


def test_formulas_do_not_depend_on_what_was_derived_before():
    functions = {name: loop(body, 2) for name, body in BODIES.items()}
    functions |= {f"nested {n}": nested(n) for n in (0, 1, 7, 8, 9)}
    cold = {}
    for name, f in functions.items():
        links._STARTS.clear()
        cold[name] = jb.jacobian(f, wrt=(0, 1))(x, y)[0].formula()
    for name, f in reversed(functions.items()):
        assert jb.jacobian(f, wrt=(0, 1))(x, y)[0].formula() == cold[name]


def test_a_rule_that_derives_something_itself():
    """What the step around it looks at is noted all the same."""

    def number():
        return float(jb.grad(lambda t: np.tanh(t).sum())(np.array([0.5]))[0])

    k = 1 / np.cosh(0.5) ** 2
    op = jb.operation(
        "weighted_logarithm",
        value=lambda X, A: k * A * np.log(X),
        X=lambda X, A, Y: number() * A / X,
        A=lambda X, A, Y: k * np.log(X),
    )
    for inner in (np.square, np.exp, np.sqrt, np.cosh):
        got = jb.grad(lambda x, inner=inner: np.sum(op(inner(x), x)))(x)
        plain = lambda x, inner=inner: np.sum(k * x * np.log(inner(x)))  # noqa: E731
        exact = numerical.jacobian(plain, [x], 0, analytic=True)
        np.testing.assert_allclose(got, exact, rtol=1e-7, atol=1e-9)


def test_a_step_that_raises_leaves_nothing_behind():
    class Interrupted(BaseException):
        pass

    def raises(*_):
        raise Interrupted

    op = jb.operation("interrupted", value=np.sin, X=raises)
    with pytest.raises(Interrupted):
        jb.grad(lambda x: np.sum(op(x)))(x)
    got = jb.grad(lambda x: np.sum(np.sin(x) / x))(x)
    np.testing.assert_allclose(got, np.cos(x) / x - np.sin(x) / x**2, rtol=1e-12)


def test_threads_share_recipes():
    names = list(BODIES) * 2
    exact = {
        name: numerical.jacobian(loop(body, 4), [x, y], 0, analytic=analytic(name))
        for name, body in BODIES.items()
    }
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda name: jb.grad(loop(BODIES[name], 4))(x, y), names)
        for name, gradient in zip(names, found, strict=True):
            np.testing.assert_allclose(gradient, exact[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_a_coefficient_beyond_floats():
    def doubled(a):
        for _ in range(1030):
            a = a + a
        return np.sum(a)

    with np.errstate(over="ignore"):
        assert isinstance(jb.jacobian(doubled)(x).formula(), str)


def by_entries(n):
    """A recurrence as people write it: entries are read, put in a list, and stacked; or written in place."""

    def listed(a, b):
        ys = [b[0]]
        for i in range(1, n):
            ys.append(a[i] * ys[-1] + b[i])
        return np.stack(ys)

    def in_place(a, b):
        y = jb.zeros(n)
        y[0] = b[0]
        for i in range(1, n):
            y[i] = a[i] * y[i - 1] + b[i]
        return y

    return listed, in_place


@pytest.mark.parametrize("which", [0, 1])
def test_loops_over_entries_ask_for_few_steps_and_are_right(which, monkeypatch):
    counts = []
    for n in (150, 450):
        f = by_entries(n)[which]
        a, b, u, v = np.random.default_rng(n).uniform(0.4, 1.0, size=(4, n))
        value, along, back = np.zeros((3, n))
        value[0], along[0] = b[0], v[0]
        for i in range(1, n):
            value[i] = a[i] * value[i - 1] + b[i]
            along[i] = a[i] * along[i - 1] + u[i] * value[i - 1] + v[i]
        above = np.cos(value)
        back[-1] = above[-1]
        for i in range(n - 2, -1, -1):
            back[i] = above[i] + a[i + 1] * back[i + 1]
        by_a = np.append(0, back[1:] * value[:-1])

        def run(f=f, a=a, b=b, u=u, v=v, along=along, by_a=by_a, back=back):
            np.testing.assert_allclose(jb.jvp(f, (a, b), (u, v))[1], along)
            g = lambda a, b: np.sum(np.sin(f(a, b)))  # noqa: E731
            np.testing.assert_allclose(jb.grad(g, wrt=(0, 1))(a, b), (by_a, back))
            np.testing.assert_allclose(jb.grad(g).compile(a, b)(a, b), by_a)

        counts.append(learned(run, monkeypatch))
    assert counts[1] < counts[0] + 20
