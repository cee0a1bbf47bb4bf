"""``compile()`` without example arguments: a plan for each signature, found again, and bounded."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.transforms import compiling

RNG = np.random.default_rng(21)
W, X = RNG.normal(size=(2, 3)), RNG.normal(size=3)


def loss(W: Any, x: Any, power: int = 2) -> Any:
    return np.sum(np.tanh(W @ x) ** power)


def gradient(W: Any, x: Any, power: int = 2) -> Any:
    y = np.tanh(W @ x)
    return np.outer(power * y ** (power - 1) * (1 - y**2), x)


def test_each_signature_is_compiled_once() -> None:
    c = jb.grad(loss).compile()
    assert repr(c) == "grad of loss, compiled on use, not used yet"
    np.testing.assert_allclose(c(W, X), gradient(W, X))
    np.testing.assert_allclose(c(2 * W, X), gradient(2 * W, X))
    assert len(c.plans) == 1
    (plan,) = c.plans.values()
    c(W, X, 3)  # another static value
    c(W[:1], X)  # another shape
    c(W.astype("f"), X.astype("f"))  # other dtypes
    assert len(c.plans) == 4
    np.testing.assert_allclose(c(W, X, 3), gradient(W, X, 3))
    assert next(iter(c.plans.values())) is not None
    assert plan in c.plans.values()
    assert plan.cost().flops > 0
    assert "def derivative(W, x" in plan.source
    lines = repr(c).splitlines()
    assert lines[0] == "grad of loss, compiled on use for"
    assert "    float64 (2, 3), float64 (3,), 3" in lines
    assert "    float32 (2, 3), float32 (3,)" in lines


def test_static_values_are_told_apart_by_type_and_bits() -> None:
    c = jb.grad(lambda x, places, scale: np.sum(x[places] * len(scale))).compile()
    for places, scale, wanted in (
        ([0, 1], {0.0}, [1, 1, 0]),
        ([0, 2], {0.0}, [1, 0, 1]),
        (np.array([0, 2]), {-0.0}, [1, 0, 1]),
        ([0, 2], {-0.0}, [1, 0, 1]),
    ):
        np.testing.assert_array_equal(c(X, places, scale), wanted)
    assert len(c.plans) == 4
    places = np.array([0, 1])
    np.testing.assert_array_equal(c(X, places, {}), [0, 0, 0])
    places[1] = 2  # what was compiled for the old content is not used for the new
    np.testing.assert_array_equal(c(X, places, {"b": 1}), [1, 0, 1])


def test_all_ways_to_use_it() -> None:
    c = jb.jacobian(lambda W, x: np.tanh(W @ x)).compile()
    y = np.tanh(W @ X)
    full = np.einsum("ik,i,l->ikl", np.eye(2), 1 - y**2, X)
    np.testing.assert_allclose(c(W, X).dense(), full)
    np.testing.assert_allclose(c.dense(W, X), full)
    out = np.full(full.shape, np.nan)
    assert c.dense(W, X, out=out) is out
    np.testing.assert_allclose(out, full)
    G, dW = RNG.normal(size=2), RNG.normal(size=W.shape)
    np.testing.assert_allclose(c.vjp(G, W, X), np.einsum("i,ikl->kl", G, full))
    np.testing.assert_allclose(c.jvp(dW, W, X), np.einsum("ikl,kl->i", full, dW))
    value, found = jb.value_and_grad(loss).compile()(W, X)
    assert value == pytest.approx(loss(W, X))
    np.testing.assert_allclose(found, gradient(W, X))


def test_a_guarded_function_is_derived_anew_and_warns_once() -> None:
    def f(x: Any) -> Any:
        if x[0] > 0:
            return np.sum(x**2)
        return np.sum(x**3)

    c = jb.grad(f).compile()
    with pytest.warns(jb.GuardWarning, match=r"f branches on a value \(.*test_on_use\.py:\d+"):
        np.testing.assert_allclose(c(np.array([1.0, 2.0])), [2, 4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(c(np.array([-1.0, 2.0])), [3, 12])
        np.testing.assert_allclose(c(np.array([1.0, -2.0])), [2, -4])
    assert not c.plans
    with pytest.raises(jb.UnsupportedError, match="vjp needs one plan for all values"):
        c.vjp(1.0, np.ones(2))


def test_what_belongs_to_a_plan() -> None:
    c = jb.grad(loss).compile()
    c(W, X)
    for name in ("source", "cost", "constants", "shape"):
        with pytest.raises(jb.UnsupportedError, match=rf"\.{name} belongs to a plan.*there is 1"):
            getattr(c, name)
    with pytest.raises(jb.UnsupportedError, match="without arguments"):
        c()
    with pytest.raises(jb.UnsupportedError, match="on='fortran' is no executor; there are numpy"):
        jb.grad(loss).compile(on="fortran")


def test_plans_are_bounded_by_the_bytes_that_they_keep_alive(monkeypatch: Any) -> None:
    monkeypatch.setattr(compiling, "_MOST", 4 << 20)
    big = RNG.normal(size=(1 << 17,))  # 1 MiB

    c = jb.grad(lambda x, scale: np.sum(x * scale * big)).compile()
    for scale in range(1, 9):
        np.testing.assert_allclose(c(big, scale), scale * big)
    assert 1 <= len(c.plans) <= 4
    np.testing.assert_allclose(c(big, 1), big)


def test_closed_over_arrays_are_read_at_the_first_use_of_a_signature() -> None:
    scale = np.array([1.0, 2.0])
    c = jb.grad(lambda x: np.sum(scale * x**2)).compile()
    np.testing.assert_allclose(c(np.ones(2)), [2, 4])
    scale[:] = 5
    np.testing.assert_allclose(c(np.ones(2)), [2, 4])
    np.testing.assert_allclose(jb.grad(lambda x: np.sum(scale * x**2))(np.ones(2)), [10, 10])


def test_index_tables_are_weighed_too() -> None:
    x, rng = RNG.normal(size=100), np.random.default_rng(0)
    c = jb.jacobian(lambda x, places: x[places] ** 2).compile()
    for _ in range(40):
        places = rng.integers(0, 100, size=100_000)
        found = c.vjp(np.ones(100_000), x, places)
        wanted = np.bincount(places, 2 * x[places], 100)
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert 1 <= len(c.plans) < 40  # each holds the table several times: 64 MiB are not 40 of them


def test_contents_of_sets_and_dataclasses_count() -> None:
    @dataclasses.dataclass
    class Options:
        power: int

    f = lambda x, chosen, options: np.sum(x[: len(chosen)] ** options.power)  # noqa: E731
    chosen, options = {1}, Options(2)
    c, on_use = jb.grad(f).compile(X, chosen, options), jb.grad(f).compile()
    np.testing.assert_allclose(on_use(X, chosen, options), [2 * X[0], 0, 0])
    chosen.add(2)
    np.testing.assert_allclose(on_use(X, chosen, options), [*(2 * X[:2]), 0])
    with pytest.raises(
        jb.UnsupportedError, match=r"argument 1 is static and was \{1\} when compiled"
    ):
        c(X, chosen, options)
    options.power = 3
    np.testing.assert_allclose(on_use(X, chosen, options), [*(3 * X[:2] ** 2), 0])
    with pytest.raises(
        jb.UnsupportedError, match="is a bytearray, which is static and cannot be compared"
    ):
        on_use(X, bytearray(b"1"), options)


def test_signed_zeros_of_every_kind_are_different_statics() -> None:
    f = lambda x, given: np.sum(x * np.copysign(1.0, np.real(given["a"])))  # noqa: E731
    c = jb.grad(f).compile()
    for zero in (np.float32(0.0), np.float64(0.0), 0.0, complex(0.0, 1.0)):
        np.testing.assert_array_equal(c(X, {"a": zero}), np.ones(3))
        np.testing.assert_array_equal(c(X, {"a": -zero}), -np.ones(3))


def test_the_warning_is_at_the_users_line() -> None:
    c = jb.grad(lambda x: np.sum(x) if x[0] > 0 else x[1]).compile()
    with pytest.warns(jb.GuardWarning) as caught:
        c(np.ones(2))
    assert caught[0].filename == __file__


def test_constants_are_read_only() -> None:
    places = np.array([2, 0, 0])
    c = jb.jacobian(lambda x: x[places] ** 2).compile(X)
    for array in c.constants.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_arguments_by_name_are_refused_in_a_call() -> None:
    for c in (jb.grad(loss).compile(W, X), jb.grad(loss).compile()):
        with pytest.raises(jb.UnsupportedError, match=r"by position, not by name \(x\)"):
            c(W, x=X)
