"""The executor on JAX: its interface, writing at slots, forms, and wrong numbers of every kind."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution.jax_forms import FORMS, MISSING, UFUNCS, family_of, form_of
from jacobians.execution.steps import Call, Ufunc
from jacobians.operations import recurrences
from jacobians.operations.kinds import DECLARED
from jacobians.operations.reductions import product
from tests.execution.test_jax_tables import CALLS
from tests.execution.test_thresholds import BOTH_SIDES, Judged
from tests.execution.test_wrong_numbers import ruled_out

jax = pytest.importorskip("jax", reason="the peers extra (jax) is not installed")
jnp = jax.numpy
pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True)
def double() -> Any:
    with jax.enable_x64(True):
        yield


RNG = np.random.default_rng(5)
W, b, x = RNG.normal(size=(2, 3)), RNG.normal(size=2), RNG.normal(size=3)


def loss(W, b, x):
    return np.sum(np.tanh(W @ x + b) ** 2)


def layer(W, b, x):
    return np.tanh(W @ x + b)


def gradients(W, b, x):
    """Of the loss by W and b, on paper."""
    y = np.tanh(W @ x + b)
    slope = 2 * y * (1 - y**2)
    return np.outer(slope, x), slope


def tensor(W, b, x):
    """Of the layer by W, on paper."""
    return np.einsum("ik,i,l->ikl", np.eye(len(b)), 1 - np.tanh(W @ x + b) ** 2, x)


# What is returned


def test_results_are_of_the_arguments_library() -> None:
    c = jb.grad(loss, wrt=("W", "b")).compile(W, b, x, on="jax")
    J = jb.jacobian(layer).compile(W, b, x, on="jax")
    for found, expected in zip(c(W, b, x), gradients(W, b, x), strict=True):
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        found[...] = 0  # nobody else's, and writable
    np.testing.assert_allclose(c(W, b, x)[0], gradients(W, b, x)[0], rtol=1e-13)
    for args in ((jnp.asarray(W), b, x), (W, b, jnp.asarray(x))):
        assert all(isinstance(found, jax.Array) for found in c(*args))
        assert isinstance(J.dense(*args), jax.Array)
        assert isinstance(J.vjp(b, *args), jax.Array)
        assert isinstance(J.jvp(W, *args), jax.Array)
        np.testing.assert_allclose(J.dense(*args), tensor(W, b, x), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(J(*args).dense(), tensor(W, b, x), rtol=1e-13, atol=1e-15)
    assert isinstance(J.vjp(jnp.asarray(b), W, b, x), jax.Array)
    assert J.dense(W, b, x).flags.writeable


def test_out_and_buffers_are_numpys() -> None:
    J = jb.jacobian(layer).compile(W, b, x, on="jax")
    buffer, dirty = J.buffer(), np.full(J.shape, np.nan)
    for out in (buffer, buffer, dirty):
        assert J.dense(W, b, x, out=out) is out
        np.testing.assert_allclose(out, tensor(W, b, x), rtol=1e-11)
    with pytest.raises(jb.UnsupportedError, match="out= is written by NumPy"):
        J.dense(jnp.asarray(W), b, x, out=buffer)
    with pytest.raises(jb.TensorTooLargeError, match=r"96 bytes.*3 bytes"):
        J.dense(jnp.asarray(W), b, x, max_bytes=3)
    several = jb.jacobian(layer, wrt=(0, 1)).compile(W, b, x, on="jax")
    places = several.buffer()
    several.dense(W, b, x, out=places)
    np.testing.assert_allclose(places[0], tensor(W, b, x), rtol=1e-11)
    np.testing.assert_allclose(places[1], np.diag(1 - np.tanh(W @ x + b) ** 2), rtol=1e-11)


# Inside JAX


def test_pure_under_jit_vmap_and_grad() -> None:
    c = jb.grad(loss, wrt=("W", "b")).compile(W, b, x, on="jax")
    both = jb.value_and_grad(loss).compile(W, b, x, on="jax")
    J = jb.jacobian(layer).compile(W, b, x, on="jax")
    close = {"rtol": 1e-12, "atol": 1e-14}
    for found, expected in zip(jax.jit(c)(W, b, x), gradients(W, b, x), strict=True):
        np.testing.assert_allclose(found, expected, **close)
    value, slope = jax.jit(both)(W, b, x)
    np.testing.assert_allclose(value, loss(W, b, x), **close)
    np.testing.assert_allclose(slope, gradients(W, b, x)[0], **close)
    np.testing.assert_allclose(jax.jit(J.dense)(W, b, x), tensor(W, b, x), **close)
    rows = RNG.normal(size=(5, 3))
    many = jax.vmap(J.dense, (None, None, 0))(W, b, rows)
    np.testing.assert_allclose(many, [tensor(W, b, row) for row in rows], **close)
    pulled = jax.jit(jax.vmap(lambda G: J.vjp(G, W, b, x)))(RNG.normal(size=(4, 2)))
    assert pulled.shape == (4, 2, 3)
    np.testing.assert_allclose(
        jax.jit(J.jvp)(W, W, b, x), np.tensordot(tensor(W, b, x), W, 2), **close
    )
    np.testing.assert_allclose(
        jax.grad(lambda W: both(W, b, x)[0])(W), gradients(W, b, x)[0], **close
    )
    H = jb.hessian(loss).compile(W, b, x, on="jax")
    np.testing.assert_allclose(
        jax.jacfwd(lambda W: c(W, b, x)[0])(W), jax.jit(H.dense)(W, b, x), **close
    )


def trees(x):
    return {"a": np.sin(x), "b": [np.sum(x**2), x[::-1]]}


def test_trees_of_results_under_jit() -> None:
    c = jb.jacobian(trees).compile(x, on="jax")
    expected = {"a": np.diag(np.cos(x)), "b": [2 * x, np.eye(3)[::-1]]}
    found = jax.jit(c.dense)(x)
    jax.tree.map(lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-14), found, expected)
    plain = c.dense(x)
    jax.tree.map(lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-14), plain, expected)
    assert all(type(leaf) is np.ndarray and leaf.flags.writeable for leaf in jax.tree.leaves(plain))
    G = {"a": b[0] * x, "b": [2.0, x**2]}
    pulled = G["a"] @ expected["a"] + 4 * x + G["b"][1] @ expected["b"][1]
    np.testing.assert_allclose(jax.jit(c.vjp)(G, x), pulled, rtol=1e-14)
    np.testing.assert_allclose(c.vjp(jax.tree.map(jnp.asarray, G), x), pulled, rtol=1e-14)
    pushed = jax.jit(c.jvp)(x**2, x)
    np.testing.assert_allclose(pushed["b"][0], np.sum(2 * x**3), rtol=1e-14)


def test_a_tensor_is_not_made_while_jax_traces() -> None:
    for kind, f in (("jacobian", layer), ("hessian", loss)):
        c = getattr(jb, kind)(f).compile(W, b, x, on="jax")
        for transformed in (
            jax.jit(lambda W, c=c: c(W, b, x)),
            jax.grad(lambda W, c=c: c(W, b, x)),
        ):
            with pytest.raises(jb.UnsupportedError, match=r"use dense\(\.\.\.\)"):
                transformed(W)


def test_compiled_on_use_under_jit() -> None:
    c = jb.grad(loss).compile(on="jax")
    np.testing.assert_allclose(jax.jit(c)(W, b, x), gradients(W, b, x)[0], rtol=1e-13)
    np.testing.assert_allclose(c(W, b, x), gradients(W, b, x)[0], rtol=1e-13)
    assert len(c.plans) == 1
    A = W.T @ W + np.eye(3)
    root = jb.jacobian(np.linalg.cholesky).compile(on="jax")
    expected = jb.jacobian(np.linalg.cholesky)(A).explicit()
    np.testing.assert_allclose(jax.jit(root.dense)(A), expected, rtol=1e-10, atol=1e-12)
    vectors = jb.jacobian(lambda A: np.linalg.eigh(A)[1] ** 2).compile(on="jax")
    assert jax.jit(vectors.dense)(A).shape == (3, 3, 3, 3)
    steps = jb.grad(lambda x: x[0] if x[1] > 0 else 2 * x[2]).compile(on="jax")
    with pytest.warns(jb.GuardWarning):
        assert isinstance(steps(jnp.asarray([1.0, 2.0, 3.0])), jax.Array)
    np.testing.assert_array_equal(steps(np.array([1.0, -2.0, 3.0])), [0, 0, 2])
    with pytest.raises(jb.UnsupportedError, match=r"branches on one; use np\.where"):
        jax.jit(steps)(x)


def test_static_arguments_of_jax() -> None:
    f = jb.jacobian(lambda x, index: x[index] ** 2)
    index = np.array([2, 0])
    expected = 2 * x[index, None] * np.eye(3)[index]
    for c in (f.compile(x, index, on="jax"), f.compile(x, jnp.asarray(index), on="jax")):
        np.testing.assert_allclose(c.dense(x, jnp.asarray(index)), expected)
        np.testing.assert_allclose(c.dense(jnp.asarray(x), index), expected)
        with pytest.raises(
            jb.UnsupportedError, match=r"shape \(2,\) and dtype int64 is static.*static_argnums"
        ):
            jax.jit(c.dense)(x, index)
    used = f.compile(on="jax")
    np.testing.assert_allclose(used.dense(x, jnp.asarray(index)), expected)
    np.testing.assert_allclose(used.dense(x, index), expected)
    assert len(used.plans) == 1


def test_numpy_plans_take_jax_arrays_and_refuse_traced_ones() -> None:
    c = jb.grad(loss).compile(W, b, x)
    found = c(jnp.asarray(W), b, x)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, gradients(W, b, x)[0], rtol=1e-13)
    for transform in (c, jb.grad(loss).compile(), jb.grad(loss)):
        with pytest.raises(jb.UnsupportedError, match=r"loss: argument .* compiled on='jax'"):
            jax.jit(transform)(W, b, x)


# Precision


def test_float64_needs_x64_and_float32_does_not() -> None:
    c = jb.grad(loss).compile(W, b, x, on="jax")
    with jax.enable_x64(False):
        for refused in (
            lambda: jb.grad(loss).compile(W, b, x, on="jax"),
            lambda: jb.jacobian(lambda x: x).compile(x, on="jax"),
            lambda: jb.value_and_grad(lambda x: x).compile(2.0, on="jax"),
            lambda: c(W, b, x),
        ):
            with pytest.raises(jb.UnsupportedError, match="jax_enable_x64"):
                refused()
        assert not jax.config.jax_enable_x64
        single = [a.astype(np.float32) for a in (W, b, x)]
        both = jb.value_and_grad(loss, wrt=(0, 1)).compile(*single, on="jax")
        value, found = both(*single)
        assert {value.dtype, *(a.dtype for a in found)} == {np.dtype(np.float32)}
        for one, expected in zip(found, gradients(W, b, x), strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)


def test_integers_beside_float32_are_promoted_as_numpy_does() -> None:
    counts = np.array([16_777_217, 3, 5])  # not a float32

    def f(x):
        return np.sum(x * counts.astype(np.float64)) + np.sum(np.where(x > 0, x, counts) * x)

    single = np.array([0.5, -1.5, 2.0], np.float32)
    plain, c = jb.value_and_grad(f).compile(single), jb.value_and_grad(f).compile(single, on="jax")
    for found, expected in zip(c(single), plain(single), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert c(single)[0] == f(single)


# Writing at slots


def _columns(f: Any, slopes: np.ndarray) -> np.ndarray:
    """The Jacobian of ``f(g(x))``, f linear and g entry by entry with these slopes: f of unit arrays."""
    units = np.eye(slopes.size).reshape(slopes.size, *slopes.shape)
    columns = np.stack([f(unit * slopes) for unit in units], axis=-1)
    return columns.reshape(*columns.shape[:-1], *slopes.shape)


SLOTS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "same": (lambda x: x, (7,)),
    "one": (lambda x: x, (1,)),
    "two": (lambda x: x, (2,)),
    "matrix": (lambda X: X, (2, 3)),
    "transpose": (lambda X: X.T, (2, 3)),
    "every other": (lambda x: x[1::2], (7,)),
    "backwards": (lambda x: x[::-1], (5,)),
    "backwards by 3": (lambda x: x[-2::-3], (11,)),
    "block": (lambda X: X[1:3, ::-2], (4, 7)),
    "rows": (lambda X: X[2], (3, 4)),
    "diagonal": (lambda X: np.diagonal(X, 1), (4, 5)),
    "to a diagonal": (lambda x: np.diag(x, -1), (4,)),
    "trace": (lambda X: np.trace(X), (4, 4)),
    "reshape": (lambda X: X.reshape(4, 3), (2, 6)),
    "reshape of a part": (lambda X: X[:, 1:5].reshape(2, 2, 3), (3, 6)),
    "ravel of a transpose": (lambda X: X.T.ravel(), (3, 4)),
    "windows": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 3), (8,)),
    "table": (lambda x: x[[3, 0, 3, 1]], (5,)),
    "table of rows": (lambda X: X[[2, 0], ::-1], (3, 4)),
    "joint table": (lambda X: X[[0, 2, 1], [3, 0, 0]], (3, 4)),
    "pad": (lambda X: np.pad(X, ((1, 2), (0, 3))), (2, 3)),
    "reflect": (lambda x: np.pad(x, 2, mode="reflect"), (5,)),
    "roll": (lambda x: np.roll(x, 3), (7,)),
    "concatenate": (lambda x: np.concatenate([x[3:], 2 * x, x[:2]]), (5,)),
    "stack": (lambda X: np.stack([X, X[::-1]], axis=1), (3, 2)),
    "tril": (lambda X: np.tril(X, 1), (4, 5)),
    "cumsum": (lambda x: np.cumsum(x), (6,)),
    "cumsum of rows": (lambda X: np.cumsum(X, axis=1), (3, 4)),
    "diff": (lambda x: np.diff(x, 2), (8,)),
    "broadcast": (lambda x: x[:, None] + np.zeros((3, 4)), (3,)),
    "repeat": (lambda x: np.repeat(x, 3), (4,)),
    "tile": (lambda x: np.tile(x, (2, 2)), (3,)),
    "mean": (lambda X: X - X.mean(axis=0), (3, 4)),
    "product": (lambda X: np.arange(6.0).reshape(2, 3) @ X, (3, 4)),
    "kron": (lambda X: np.kron(X, np.array([[1.0, 2.0], [3.0, 4.0]])), (2, 3)),
    "convolve": (lambda x: np.convolve(x, [1.0, -2.0, 0.5]), (6,)),
    "mask": (lambda X: np.where(np.arange(12).reshape(3, 4) % 3 == 0, X, 0), (3, 4)),
    "none": (lambda x: 0 * np.floor(x), (3,)),
}
TABLES = {"joint table", "cumsum", "cumsum of rows", "reshape of a part", "tril"}


@pytest.mark.parametrize("name", SLOTS)
def test_values_stand_where_the_slots_say(name: str) -> None:
    move, shape = SLOTS[name]
    at = np.random.default_rng(len(name)).normal(size=shape)

    def f(x):
        return move(np.tanh(x))

    expected = _columns(move, 1 - np.tanh(at) ** 2)
    c = jb.jacobian(f).compile(at, on="jax")
    close = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(c.dense(at), expected, **close)
    np.testing.assert_allclose(jax.jit(c.dense)(at), expected, **close)
    np.testing.assert_array_equal(np.asarray(c.dense(jnp.asarray(at)))[expected == 0], 0)
    text = jax.jit(c.dense).lower(at).as_text()
    if name not in TABLES:
        assert "scatter" not in text


def test_the_test_for_scatter_sees_it() -> None:
    c = jb.jacobian(lambda x: np.cumsum(np.tanh(x))).compile(x, on="jax")
    assert "scatter" in jax.jit(c.dense).lower(x).as_text()


@pytest.mark.parametrize("wide", [1, 2, 3, 4, 5, 40])
def test_both_sides_of_where_numpy_places(wide: int) -> None:
    """(wide + 1) of (2 wide): XLA writes it for wide = 1, 2, NumPy from there."""
    at = np.random.default_rng(wide).normal(size=wide)

    def f(x):
        return np.concatenate([np.sin(x), np.exp(x[:1])])

    c = jb.jacobian(f).compile(at, on="jax")
    expected = np.vstack([np.diag(np.cos(at)), np.exp(at[0]) * np.eye(wide)[:1]])
    for found in (c.dense(at), c.dense(jnp.asarray(at)), c.dense(at, out=c.buffer())):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


# Wrong numbers


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("n", [3, 4_097])
@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -1.0])
def test_what_a_mask_rules_out_is_zero(n: int, bad: float) -> None:
    g, args, value, gradient = ruled_out(n, bad)
    w = args[0]
    J = jb.jacobian(g).compile(*args, on="jax")
    both = jb.value_and_grad(g).compile(*args, on="jax")
    close = {"rtol": 1e-11, "atol": 1e-11 * n}
    for found in (
        J.dense(*args), J.vjp(1.0, *args), jax.jit(J.dense)(*args), J(*args).dense(), both(*args)[1],
        jax.vmap(J.dense, (0, None, None, None))(w[None], *args[1:])[0],
    ):  # fmt: skip
        np.testing.assert_allclose(found, gradient, **close)
    np.testing.assert_allclose(both(*args)[0], value, **close)
    np.testing.assert_allclose(J.jvp(w, *args), gradient @ w, **close)


def test_structural_zeros_beside_nan() -> None:
    at = np.array([1.0, np.nan, np.inf, 4.0])
    for move in (lambda x: x, lambda x: x[::-1], lambda x: np.outer(x, np.ones(3))):
        c = jb.jacobian(lambda x, move=move: move(x**2)).compile(at, on="jax")
        expected = _columns(move, np.ones(4)) != 0
        for found in (c.dense(at), jax.jit(c.dense)(at)):
            assert not np.any(np.asarray(found)[~expected])
            assert np.isnan(np.asarray(found)[expected & (np.arange(4) == 1)]).all()


SIGNED = {
    "copysign": (lambda x: np.copysign(x, 0.0) + 3 * np.copysign(x, -0.0), 1.0, -2.0),
    "arctan2": (lambda x: np.sum(np.arctan2([0.0], x) + 3 * np.arctan2([-0.0], x)), 1.0, 0.0),
    "divide": (
        lambda x: x * np.sign(np.divide(1, x * 0.0) + 3 * np.sign(np.divide(1, x * -0.0))),
        1.0,
        1.0,
    ),
    "remainder": (lambda x: np.copysign(x, np.remainder(x * 0, -2.0)), 1.0, -1.0),
    "floor_divide": (lambda x: np.copysign(x, np.floor_divide(x * -0.0, 2.0)), 1.0, -1.0),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", SIGNED)
def test_signed_zeros(name: str) -> None:
    f, at, slope = SIGNED[name]
    value, found = jb.value_and_grad(f).compile(at, on="jax")(at)
    assert value == f(at)
    assert found == slope


# Forms


def test_every_ufunc_has_a_form() -> None:
    for operation in DECLARED.values():
        function = operation.function
        if isinstance(function, np.ufunc) and getattr(np, function.__name__, None) is function:
            assert callable(form_of(Ufunc(function.__name__)))
    assert all(isinstance(getattr(np, name), np.ufunc) for name in UFUNCS)


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1,
        -1,
        0.5,
        -0.5,
        2,
        -2,
        2.5,
        -2.5,
        3,
        1e-8,
        30,
        -30,
        700,
        -800,
    ]
)
SIGNS = (
    "sign",
    "copysign",
    "remainder",
    "floor_divide",
    "fmod",
    "trunc",
    "fraction",
    "round",
    "rint",
)
LOOSE = {
    "root": "the square root",
    "betaln": "where an argument is infinite, or at a negative integer",
    "angle": "takes a parameter", "round": "takes a parameter", "unwrap": "takes a parameter",
    "cast": "a change of dtype", "alias": "the same array",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "key",
    sorted(k for k, o in DECLARED.items() if getattr(o, "elementwise", False) and k not in LOOSE),
)
def test_forms_have_numpys_values(key: str) -> None:
    """Kinks, poles, 0/0 and infinities included."""
    operation = DECLARED[key]
    count = len(operation.arguments)
    values = SPECIAL if count < 3 else SPECIAL[:12]
    args = [a.ravel() for a in np.meshgrid(*[values] * count, indexing="ij")]
    function = operation.function
    if function is None:
        pytest.skip("no function of its own")
    if family_of(key) in MISSING and key not in FORMS:
        pytest.skip(MISSING[family_of(key)])
    try:
        with np.errstate(all="ignore"):
            expected = function(*args)
    except TypeError:
        pytest.skip("of integers only")
    known = CALLS.get(key)
    kernel = Ufunc(operation.name) if known is None else Call(key, function, known.home, known.name)
    found = np.asarray(jax.jit(form_of(kernel))(*args))
    np.testing.assert_allclose(found * 1.0, expected * 1.0, rtol=1e-11, atol=1e-15)
    if key in SIGNS:
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize(
    "operation",
    [*map(product, range(4)), recurrences.transitions, recurrences.transitions_before,
     recurrences.recurrence, recurrences.recurrence_back, recurrences.running_others,
     recurrences.products_before, recurrences.running_product,
     recurrences.segment_sums, recurrences.segment_sums_back],
    ids=lambda operation: operation.name,
)  # fmt: skip
def test_products_and_recurrences(operation: Any) -> None:
    rng = np.random.default_rng(len(operation.arguments))
    for shape in ((4,), (2, 3), (1,), (2, 0), (0, 3)):
        args = [rng.normal(size=shape) for _ in operation.arguments]
        args[0][..., :1] = 0
        kernel = Call("", operation.function, "x", operation.key)
        np.testing.assert_allclose(form_of(kernel)(*args), operation.function(*args), rtol=1e-13)


def test_what_has_no_form_raises_when_it_is_compiled() -> None:
    mine = jb.operation("mine", value=lambda X: np.sinh(X), X=lambda X, Y: np.cosh(X))
    for make in (jb.jacobian, jb.grad, jb.value_and_grad):
        with pytest.raises(jb.UnsupportedError, match=r"mine is your own operation.*on='numpy'"):
            make(lambda x: np.sum(x * mine(x))).compile(x, on="jax")
    with pytest.raises(
        jb.UnsupportedError, match=r"i2: jax\.scipy\.special has no modified Bessel"
    ):
        jb.hessian(lambda x: np.sum(np.i0(x))).compile(x, on="jax")


def test_where_numpy_raises_on_values_jax_gives_nan() -> None:
    equal = np.eye(3)
    c = jb.jacobian(lambda X: np.linalg.eigh(X)[1]).compile(np.diag([1.0, 2, 3]), on="jax")
    assert np.isnan(c.dense(equal)).any()
    second = jb.hessian(np.linalg.det).compile(equal, on="jax")
    assert np.isnan(second.dense(np.zeros((3, 3)))).any()
    np.testing.assert_allclose(
        jb.grad(np.linalg.det).compile(equal, on="jax")(np.ones((3, 3))),
        np.zeros((3, 3)),
        atol=1e-14,
    )


def test_constants_that_the_function_closes_over() -> None:
    M, y = RNG.normal(size=(4, 3)), jnp.asarray(RNG.normal(size=4))
    c = jb.grad(lambda x: np.sum((M @ x - y) ** 2)).compile(x, on="jax")
    np.testing.assert_allclose(c(x), 2 * M.T @ (M @ x - np.asarray(y)), rtol=1e-12)
    linear = jb.jacobian(lambda x: M @ x).compile(x, on="jax")
    np.testing.assert_array_equal(linear.dense(x), M)
    linear.dense(x)[...] = 0
    np.testing.assert_array_equal(linear.dense(x), M)


@pytest.mark.parametrize("n", [3, 8, 24, 40])
def test_outer_products_of_every_size(n: int) -> None:
    X = np.eye(n) + np.random.default_rng(n).normal(size=(n, n)) / (2 * n)
    Y = np.linalg.inv(X)
    wanted = -np.einsum("ik,lj->ijkl", Y, Y)
    c = jb.jacobian(np.linalg.inv).compile(X, on="jax")
    for found in (c.dense(X), c.dense(jnp.asarray(X)), jax.jit(c.dense)(X)):
        np.testing.assert_allclose(found, wanted, atol=1e-11)
    out = np.full(wanted.shape, np.nan)
    assert c.dense(X, out=out) is out
    np.testing.assert_allclose(out, wanted, atol=1e-11)


AT_THRESHOLDS = [
    pytest.param(make, n, id=f"{make.__name__}-{n}")
    for make, n in dict.fromkeys(
        (make, n) for rows in BOTH_SIDES.values() for make, sizes in rows for n in sizes
    )
]


@pytest.mark.parametrize(("make", "n"), AT_THRESHOLDS)
def test_both_sides_of_every_threshold(make: Any, n: int) -> None:
    case = make(n)
    if not isinstance(case, Judged):
        pytest.skip("no function that is compiled")
    f, args, exact, kind = case
    try:
        c = getattr(jb, kind)(f).compile(*args, on="jax")
    except jb.UnsupportedError as refused:
        pytest.skip(str(refused))
    scale = max(1.0, float(np.max(np.abs(exact), initial=0)))
    close: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-9 * scale * np.sqrt(n)}
    np.testing.assert_allclose(c.dense(*args), exact, **close)
    first, *rest = args
    np.testing.assert_allclose(c.dense(jnp.asarray(first), *rest), exact, **close)
    if exact.size < 1 << 21 and kind != "grad":
        out = c.buffer()
        np.testing.assert_allclose(c.dense(*args, out=out), exact, **close)


def test_the_call_is_compiled_when_the_derivative_is() -> None:
    """By what XLA says of its compilations, not by the clock."""
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, _, **__: events.append(name))
    X = np.random.default_rng(5).normal(size=(7, 6))
    for make in (jb.grad, jb.value_and_grad, jb.hessian):
        c = make(lambda X: np.sum(np.tanh(X @ X.T))).compile(X, on="jax")
        assert any("compile" in name for name in events)
        events.clear()
        c(X)
        c(X + 1)
        assert not any("compile" in name for name in events)
