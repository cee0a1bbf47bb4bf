"""Arguments that hold several arrays: every transform gives what it gives for the arrays one by one."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import jacobians as jb
from jacobians.ground.trees import is_tree, leaf_names, parameters

rng = np.random.default_rng(3)
W, b, V, x = (
    rng.normal(size=(3, 4)),
    rng.normal(size=3),
    rng.normal(size=(2, 3)),
    rng.normal(size=4),
)


@dataclass
class Layer:
    W: Any
    b: Any
    act: str = "tanh"
    mask: Any = None


class Pair(NamedTuple):
    W: Any
    b: Any


class Kind(NamedTuple):
    """A structure: how it is made of W, b and V, and read."""

    make: Any
    read: Any


KINDS = {
    "dict": Kind(lambda *p: dict(zip("WbV", p, strict=True)), lambda p: (p["W"], p["b"], p["V"])),
    "list of pairs": Kind(lambda W, b, V: [(W, b), (V,)], lambda p: (*p[0], p[1][0])),
    "named": Kind(lambda W, b, V: (Pair(W, b), V), lambda p: (p[0].W, p[0].b, p[1])),
    "dataclass": Kind(
        lambda W, b, V: {"hidden": Layer(W, b, mask=np.array([True, False])), "out": [V]},
        lambda p: (p["hidden"].W, p["hidden"].b, p["out"][0]),
    ),
}


def plain(W: Any, b: Any, V: Any, x: Any) -> Any:
    return V @ np.tanh(W @ x + b)


def plain_loss(W: Any, b: Any, V: Any, x: Any) -> Any:
    return np.sum(plain(W, b, V, x) ** 2)


def of_tree(f: Any, kind: Kind) -> Any:
    def function(p: Any, x: Any) -> Any:
        return f(*kind.read(p), x)

    return function


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-11, atol=1e-12)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def test_derivatives_have_the_argument_s_structure(kind: Kind) -> None:
    """The judge is the function of the arrays one by one, which is held against numbers elsewhere."""
    p, f, loss = kind.make(W, b, V), of_tree(plain, kind), of_tree(plain_loss, kind)
    before = [array.copy() for array in kind.read(p)]
    wanted = jb.jacobian(plain, (0, 1, 2))(W, b, V, x)
    slopes = jb.grad(plain_loss, (0, 1, 2))(W, b, V, x)
    curves = jb.hessian(plain_loss, (0, 1, 2))(W, b, V, x)
    for form in (jb.jacobian(f), jb.jacobian(f).compile(p, x), jb.jacobian(f).compile()):
        found = form(p, x)
        assert type(found) is type(p)
        for J, K in zip(kind.read(found), wanted, strict=True):
            close(J, K)
    for form in (jb.grad(loss), jb.grad(loss).compile(p, x), jb.grad(loss).compile()):
        for g, h in zip(kind.read(form(p, x)), slopes, strict=True):
            close(g, h)
    value, gradient = jb.value_and_grad(loss)(p, x)
    close(value, plain_loss(W, b, V, x))
    close(kind.read(gradient)[2], slopes[2])
    for form in (jb.hessian(loss), jb.hessian(loss).compile(p, x)):
        rows = kind.read(form(p, x))
        for row, want in zip(rows, curves, strict=True):
            for H, K in zip(kind.read(row), want, strict=True):
                close(H, K)
    for array, was in zip(kind.read(p), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_contractions_take_and_give_the_structure(kind: Kind) -> None:
    p, f = kind.make(W, b, V), of_tree(plain, kind)
    G, d = rng.normal(size=2), [rng.normal(size=a.shape) for a in (W, b, V)]
    tensors = jb.jacobian(plain, (0, 1, 2))(W, b, V, x)
    back = [np.tensordot(G, J.dense(), 1) for J in tensors]
    change = sum(np.tensordot(J.dense(), e, e.ndim) for J, e in zip(tensors, d, strict=True))
    c = jb.jacobian(f).compile(p, x)
    for found in (jb.vjp(f, p, x)[1](G)[0], c.vjp(G, p, x)):
        for g, want in zip(kind.read(found), back, strict=True):
            close(g, want)
    close(jb.jvp(f, (p, x), (kind.make(*d), None))[1], change)
    close(c.jvp(kind.make(*d), p, x), change)
    out = jb.jacobian(f).compile(p, x).buffer()
    for made, J in zip(kind.read(c.dense(p, x, out=out)), tensors, strict=True):
        close(made, J)


def test_several_arguments_and_several_results(kind: Kind) -> None:
    def f(p: Any, x: Any) -> Any:
        W, b, V = kind.read(p)
        return {"h": W @ x + b, "s": np.sum(V)}

    p = kind.make(W, b, V)
    for found in (jb.jacobian(f, ("x", "p"))(p, x), jb.jacobian(f, (1, 0)).compile(p, x)(p, x)):
        by_x, by_p = found["h"]
        close(by_x, W)
        close(kind.read(by_p)[1], np.eye(3))
        close(kind.read(found["s"][1])[2], np.ones((2, 3)))
        assert kind.read(found["s"][1])[0].nnz == 0
    c = jb.jacobian(f, (1, 0)).compile(p, x)
    by_x, by_p = c.vjp({"h": np.ones(3), "s": 2.0}, p, x)
    close(by_x, np.ones(3) @ W)
    close(kind.read(by_p)[2], 2 * np.ones((2, 3)))


def test_checks_are_array_by_array(kind: Kind) -> None:
    p, f = kind.make(W, b, V), of_tree(plain, kind)

    def backward(wrong: float, G: Any, p: Any, x: Any) -> Any:
        W, b, V = kind.read(p)
        h = np.tanh(W @ x + b)
        d = (V.T @ G) * (1 - h**2)
        return kind.make(np.outer(d, x), wrong * d, np.outer(G, h))

    right, wrong = partial(backward, 1.0), partial(backward, -1.0)
    assert jb.check(f, p, x, vjp=right).ok
    report = jb.check(f, p, x, vjp=wrong)
    assert [part.ok for part in report.parts] == [True, False, True]
    assert "sign is wrong" in str(report)
    assert jb.check(f, p, x, vjp=lambda G, p, x: (right(G, p, x), None)).ok  # one for each argument
    assert jb.check(f, p, x, jvp=lambda d, p, x: jb.jvp(f, (p, x), (d, None))[1]).ok
    assert jb.check(f, p, x, jacobian=lambda p, x: jb.jacobian(f)(p, x)).ok
    assert jb.check(f, p, x, jacobian=jb.jacobian(f)(p, x), against=jb.jacobian(f)).ok
    assert jb.check(f, p, x).ok
    names = [name for name in leaf_names(parameters(p)[1], "p") if name not in ("act", "mask")]
    assert [part.wrt for part in report.parts] == names


def test_a_sweep_over_trees() -> None:
    loss = of_tree(plain_loss, KINDS["dict"])
    shapes = {"p": {"W": "nxn", "b": "n", "V": ("n", "n")}, "x": "n"}
    found = jb.sweep(loss, [3, 5], shapes=shapes, seconds=0.001)
    assert found.ok
    assert found.names == ["explicit", "contracted"]
    with pytest.raises(jb.ShapeError, match="p holds 3 arrays, and only the gradient of a number"):
        jb.sweep(of_tree(plain, KINDS["dict"]), [3], shapes=shapes)


def test_ravel() -> None:
    tree = {"a": Layer(W, [1.0, 2.0]), "n": 3, "f": (np.float32(2), np.ones(2, np.float32))}
    vector, back = jb.ravel(tree)
    assert vector.shape == (12 + 2 + 1 + 1 + 2,)
    np.testing.assert_array_equal(vector, np.concatenate([W.ravel(), [1, 2], [3, 2, 1, 1]]))
    again = back(vector + 1)
    close(again["a"].W, W + 1)
    assert (again["a"].act, again["a"].mask) == ("tanh", None)
    assert (again["n"], again["f"][1].dtype) == (4, np.float32)
    vector[:] = 0
    assert W.any()
    assert np.array_equal(jb.ravel(np.eye(2))[0], [1, 0, 0, 1])
    loss = of_tree(plain_loss, KINDS["dict"])
    p = {"W": W, "b": b, "V": V}
    flat, back = jb.ravel(p)
    g = jb.grad(lambda v: loss(back(v), x))(flat)
    close(g, jb.ravel(jb.grad(loss)(p, x))[0])
    inside = jb.grad(lambda p: np.sum(jb.ravel(p)[0] ** 2))(p)  # of a traced tree
    close(inside["W"], 2 * W)
    with pytest.raises(
        jb.ShapeError, match=r"back takes a vector of shape \(21,\), not of \(20,\)"
    ):
        back(np.ones(20))
    with pytest.raises(jb.UnsupportedError, match="a dict without numbers"):
        jb.ravel({"a": None})


def test_what_is_a_tree() -> None:
    for one in ([1.0, 2.0], (1, 2), [[1.0], [2.0]], 3.0, W, None, "ab", np.float64(1), []):
        assert not is_tree(one)
    for several in ({"a": 1}, Pair(1, 2), Layer(1, 2), [W], (1.0, [W]), [{"a": 1}]):
        assert is_tree(several)
    assert jb.jacobian(lambda q: q[0] * q[1])([2.0, 3.0]).dense().tolist() == [3.0, 2.0]


def test_names_in_formulas() -> None:
    layers = [(W, b), (V, np.ones(2))]
    J = jb.jacobian(lambda layers: layers[0][0] @ x)(layers)
    assert J[0][0].title == "∂Y_i/∂layers00_kl"
    assert jb.jacobian(lambda p: p["W"] @ x)({"W": W}).pop("W").formula() == "δ_ik x_l"
    assert leaf_names(parameters({"u": {"W": 1.0}, "v": {"W": 2.0}})[1], "p") == ["puW", "pvW"]
    assert leaf_names(parameters({"x": 1.0})[1], "p", ["x"]) == ["px"]
    assert leaf_names(parameters({"a b": 1.0, 3: 2.0})[1], "p") == ["p0", "p1"]


def test_refusals_say_where() -> None:
    f = lambda p: np.sum(p["W"])  # noqa: E731
    with pytest.raises(jb.UnsupportedError, match=r"argument p\['W'\] has dtype complex128"):
        jb.grad(f)({"W": W * 1j})
    with pytest.raises(
        jb.UnsupportedError, match="argument p holds no numbers to differentiate by"
    ):
        jb.grad(f)({"W": "text"})
    with pytest.raises(jb.UnsupportedError, match=r"is static \(int in argument 0\['n'\]\)"):
        jb.grad(f).compile({"W": W, "n": 3})
    c = jb.grad(f).compile({"W": W, "name": "a"})
    assert c({"name": "a", "W": W})["name"] is None
    with pytest.raises(jb.UnsupportedError, match=r"argument 0\['name'\] is static and was 'a'"):
        c({"W": W, "name": "b"})
    with pytest.raises(jb.ShapeError, match=r"argument 0\['W'\] has shape \(3,\)"):
        c({"W": b, "name": "a"})
    with pytest.raises(jb.ShapeError, match="with 'W', 'name', not 'V', 'name'"):
        c({"V": W, "name": "a"})
    with pytest.raises(jb.ShapeError, match=r"directions has|direction.* is of type dict of 1"):
        jb.jvp(f, ({"W": W},), ({"V": W},))


def test_compiled_on_use_by_structure() -> None:
    c = jb.grad(lambda p: sum(np.sum(leaf**2) for leaf in jb.ravel(p)[:1])).compile()
    for p in ({"W": W}, {"V": W}, [W, b], {"W": V}):
        np.testing.assert_allclose(jb.ravel(c(p))[0], 2 * jb.ravel(p)[0])
    assert len(c.plans) == 4
    c({"W": 2 * W})
    assert len(c.plans) == 4
    assert "in ['W']" in repr(c)


def test_inside_another_trace() -> None:
    def f(s: Any) -> Any:
        g = jb.grad(lambda p: np.sum((p["W"] @ x * s) ** 2))({"W": s * W})
        return g["W"]

    wanted = jb.numerical.jacobian(f, np.array(1.5))
    np.testing.assert_allclose(jb.jacobian(f)(np.array(1.5)).dense(), wanted, rtol=1e-7)


class Model:
    """Holds arrays, and is no dataclass."""

    def __init__(self, W: Any, scale: float = 1.0) -> None:
        self.W, self.scale = W, scale


class Slotted:
    __slots__ = ("V", "W")

    def __init__(self, W: Any) -> None:
        self.V, self.W = W, W


ASKS: dict[str, Any] = {
    "grad": lambda f, m: jb.grad(f)(m),
    "compile": lambda f, m: jb.jacobian(f).compile(m),
    "vjp": lambda f, m: jb.vjp(f, m),
    "jvp": lambda f, m: jb.jvp(f, (m,), (m,)),
    "record": lambda f, m: jb.record(f, m),
    "check": lambda f, m: jb.check(f, m),
    "derive": lambda f, m: jb.derive(f, m),
    "ravel": lambda _, m: jb.ravel(m),
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_class_that_is_no_container(ask: str) -> None:
    """Each says that the object holds arrays, which, and what to write."""
    said = (
        r"a Model, which holds arrays \(W\) .*@dataclass and declare W in it, or pass a dict, {'W'"
    )
    with pytest.raises(jb.UnsupportedError, match=said):
        ASKS[ask](lambda m: np.sum(m.W**2), Model(W))


@pytest.mark.parametrize("wrap", [lambda m: {"m": m}, lambda m: [m, m], lambda m: m])
def test_such_classes_inside(wrap: Any) -> None:
    with pytest.raises(jb.UnsupportedError, match=r"a Slotted, which holds arrays \(V, W\)"):
        jb.grad(lambda m: np.sum(m))(wrap(Slotted(W)))


def test_what_holds_nothing() -> None:
    with pytest.raises(jb.UnsupportedError, match="argument f is a function, which is no array"):
        jb.grad(lambda f: np.sum(f))(plain)
    with pytest.raises(jb.UnsupportedError, match="argument f is an object, which is no array"):
        jb.grad(lambda f: np.sum(f))(object())
    with pytest.raises(jb.ShapeError, match="make each row an array of its own"):
        jb.grad(lambda f: np.sum(f))([[1.0, 2.0], [3.0]])
    back = jb.grad(lambda f: np.sum(f[0]) + f[1][0])([np.array([1.0, 2.0]), np.array([3.0])])
    assert [part.tolist() for part in back] == [[1, 1], [1]]


def test_an_object_that_changes_is_no_longer_what_was_compiled() -> None:
    """The judge is NumPy: of x ↦ Σ s W x the gradient is s Σ_i W_ij, for the attributes as they are now."""

    def f(x: Any, m: Any) -> Any:
        return np.sum(m.scale * (m.W @ x))

    m = Model(W.copy())
    fixed, on_use = jb.grad(f).compile(x, m), jb.grad(f).compile()
    np.testing.assert_allclose(fixed(x, m), W.sum(0))
    np.testing.assert_allclose(fixed(x, Model(W.copy())), W.sum(0))  # another one, which is equal
    np.testing.assert_allclose(on_use(x, m), W.sum(0))
    m.W[0] = 7  # in place
    with pytest.raises(jb.UnsupportedError, match="argument 1 is static and has changed since"):
        fixed(x, m)
    np.testing.assert_allclose(on_use(x, m), m.W.sum(0))
    m.scale = 3.0
    m.me = m  # type: ignore[attr-defined]
    np.testing.assert_allclose(on_use(x, m), 3 * m.W.sum(0))
