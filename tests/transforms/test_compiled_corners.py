"""Compiled plans where dtypes mix, names clash, memory is shared, and arrays are large."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution.parallel import LARGE, parallel
from tests import numerical

X = np.array([[1.1, 0.7, 0.4], [0.5, 1.3, 0.8]])
x = np.array([0.5, 1.3, 0.8])


# Threads


def test_parallel_work_in_place_reads_no_part_that_another_has_written() -> None:
    n = 2060
    assert n * n > LARGE
    v = np.arange(float(n * n)).reshape(n, n)
    expected = v + v.T
    parallel(np.add, v, v.T, out=v)
    np.testing.assert_array_equal(v, expected)


def test_a_large_gradient_through_an_array_and_its_transpose() -> None:
    A = np.random.default_rng(0).normal(size=(2060, 2060))

    def f(A: Any) -> Any:
        B = 2 * A
        return np.sum((B + B.T) ** 3)

    c = jb.grad(f).compile(A)
    for _ in range(3):
        np.testing.assert_allclose(c(A), 12 * (2 * A + 2 * A.T) ** 2, rtol=1e-12)


def test_parallel_results_have_the_ufuncs_dtype() -> None:
    v = np.linspace(0, 1, LARGE + 1)
    assert parallel(np.greater, v, 0.5).dtype == bool
    assert parallel(np.divide, v > 0.5, 2).dtype == float
    assert parallel(np.multiply, v.astype(np.float32), 0.1).dtype == np.float32
    with np.errstate(all="raise"):
        both = parallel(np.logical_and, parallel(np.greater, v, 0.2), parallel(np.less, v, 0.4))
    np.testing.assert_array_equal(both, (v > 0.2) & (v < 0.4))


# What is read through other nodes


@pytest.mark.parametrize(
    "f",
    [
        lambda z: np.sum(np.tanh(np.pad(X[:1, 0], (0, 2)) / np.exp(z)[:, None])),
        lambda z: np.sum(np.tanh(np.pad(z[:2], (0, 1))[None, :] / np.exp(z)[:, None])),
        lambda z: np.tanh(np.pad(z[:1], (0, 2)) * z[1] / np.exp(z)[:, None]),
        lambda z: np.tanh(np.pad(np.outer(z[:1], z), ((0, 2), (0, 0))) @ z / np.exp(z)[:, None]),
        lambda z: np.tanh(np.tril(z[None]) / np.exp(z)[:, None]),
    ],
)
def test_quotients_of_arrays_that_are_partly_zeros(f: Callable[[Any], Any]) -> None:
    expected = numerical.differences(f, x)
    for strategy in ("forward", "reverse", "auto"):
        J = jb.jacobian(f, strategy=strategy)
        np.testing.assert_allclose(J(x).dense(), expected, atol=1e-9)
        np.testing.assert_allclose(J.compile(x).dense(x), expected, atol=1e-9)


def test_a_mask_also_selects_beside_an_infinite_factor_of_its_letters() -> None:
    w = np.array([3.0, 1.0, 2.0])

    def f(z: Any) -> Any:
        return np.sum(np.where(z > 0, np.log(z), 0) * w)

    at = np.array([0.0, 2.0, 4.0])
    c = jb.grad(f).compile(x)
    np.testing.assert_allclose(c.jvp(w, at), 0.5 + 1.0)
    assert np.all(jb.jacobian(lambda z: np.where(z > 9, np.inf * z, z))(x).dense() == np.eye(3))


# Dtypes


@pytest.mark.parametrize("kind", [bool, np.int8])
def test_booleans_and_small_integers_multiply_as_numbers(kind: Any) -> None:
    M = np.full((3, 3), 100).astype(kind)
    size = int(M[0, 0])

    def f(z: Any) -> Any:
        N = (z > 0)[:, None] * M
        return N @ (N @ z)

    c = jb.jacobian(f).compile(x)
    expected = np.full((3, 3), 3.0 * size**2)
    np.testing.assert_array_equal(c.dense(x), expected)
    np.testing.assert_array_equal(c.dense(x, out=c.buffer()), expected)
    np.testing.assert_array_equal(c.vjp([1, 0, 0], x), expected[0])


def test_a_float32_gradient_through_float64_is_float32() -> None:
    W = np.array([[1.0, 0.25], [0.5, 2.0], [0.125, 1.0]], np.float32)

    def f(X: Any) -> Any:
        return np.sum((X @ W).astype(np.float64) ** 2)

    A = X.astype(np.float32)
    c = jb.grad(f).compile(A)
    expected = 2 * A @ W @ W.T
    for found in (c(A), c.dense(A, out=c.buffer()), c.vjp(1.0, A)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_results_without_axes_are_arrays() -> None:
    s = np.array(2.0)
    for c in (jb.jacobian(lambda s: s**3).compile(s), jb.grad(lambda s: s**3).compile(s)):
        found = c.dense(s)
        assert isinstance(found, np.ndarray)
        assert found == 12


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_infinite_coefficients(number: float) -> None:
    c = jb.grad(lambda z: np.sum(number * z)).compile(x)
    np.testing.assert_array_equal(c(x), np.full(3, number))


def test_cost_counts_the_bytes_of_the_results_dtype() -> None:
    A = np.ones((8, 8), np.float32)
    c = jb.jacobian(lambda A: A @ np.ones((8, 8), np.float32)).compile(A)
    assert c.cost().bytes == 8**4 * 4


def test_no_step_is_computed_twice() -> None:
    c = jb.grad(lambda A: np.sum((2 * A + 2 * A.T) ** 3)).compile(np.eye(3))
    made = [line.partition(" = ")[2] for line in c.source.splitlines() if " = " in line]
    assert len(made) >= 5
    assert len(set(made)) == len(made)


# Names and text


@pytest.mark.parametrize("name", ["out", "np", "clean", "view", "zeros", "parallel", "lu_solve"])
def test_arguments_with_the_names_of_the_source(name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def f({name}, other): return {name} @ (3 * other)", space)  # the name is the case
    c = jb.jacobian(space["f"]).compile(X, x)
    expected = np.einsum("ik,l->ikl", np.eye(2), 3 * x)
    np.testing.assert_allclose(c.dense(X, x), expected)
    np.testing.assert_allclose(c.dense(X, x, out=c.buffer()), expected)


def test_printed_plans_fit_a_terminal() -> None:
    def f(A: Any, B: Any) -> Any:
        y = np.exp(A) / np.sum(np.exp(A), axis=1, keepdims=True)
        return np.sum(np.tanh(y @ B) ** 2), np.einsum("ij,jk,ik->ijk", A, B, A @ B)

    text = str(jb.jacobian(f, wrt=(0, 1)).compile(X, np.ones((3, 4))))
    assert max(map(len, text.splitlines())) <= 80


# Several results


def test_several_results_by_one_argument() -> None:
    c = jb.jacobian(lambda z: (z**2, [np.sum(z), z[0] * z])).compile(x)
    square, (total, scaled) = c.dense(x)
    np.testing.assert_allclose(square, np.diag(2 * x))
    np.testing.assert_allclose(total, np.ones(3))
    np.testing.assert_allclose(scaled, x[0] * np.eye(3) + np.outer(x, [1, 0, 0]))


def test_arguments_as_out_of_each_other() -> None:
    a, b = x.copy(), 10 * x
    c = jb.grad(lambda a, b: np.sum(a * b), wrt=(0, 1)).compile(a, b)
    c.dense(a, b, out=(a, b))
    np.testing.assert_array_equal(a, 10 * x)
    np.testing.assert_array_equal(b, x)


# What is refused


def test_what_cannot_be_written_into() -> None:
    c = jb.jacobian(lambda z: z**2).compile(x)
    fixed = np.zeros((3, 3))
    fixed.flags.writeable = False
    with pytest.raises(jb.ShapeError, match="out= is read-only"):
        c.dense(x, out=fixed)
    c = jb.jacobian(lambda z: (z**2, z**3)).compile(x)
    same = np.zeros((3, 3))
    with pytest.raises(jb.ShapeError, match="share memory"):
        c.dense(x, out=(same, same))
    with pytest.raises(jb.ShapeError, match=r"out= must be an array of shape .* not NoneType"):
        c.dense(x, out=(same, None))


def test_several_dense_results_are_measured_together() -> None:
    c = jb.jacobian(lambda z: (z**2, z**3)).compile(x)
    assert c.dense(x, max_bytes=144)[0].shape == (3, 3)
    with pytest.raises(jb.TensorTooLargeError, match=r"together this needs .*144 bytes.*143 bytes"):
        c.dense(x, max_bytes=143)


def test_static_arrays_that_change_in_place() -> None:
    places = np.array([0, 1])
    c = jb.jacobian(lambda z, places: z[places] ** 2).compile(x, places)
    np.testing.assert_allclose(c.dense(x, np.array([0, 1]))[1], [0, 2 * x[1], 0])
    places[1] = 2
    with pytest.raises(jb.UnsupportedError, match=r"was array\(\[0, 1\]\).*now array\(\[0, 2\]\)"):
        c.dense(x, places)


def test_arguments_by_name_are_refused() -> None:
    with pytest.raises(jb.UnsupportedError, match=r"by position, not by name \(b\)"):
        jb.jacobian(lambda a, b: a * b).compile(x, b=x)
