"""``jb.numerical``: Jacobians by evaluation, held against closed forms, and honest about their errors."""

import warnings
from typing import Any

import numpy as np
import pytest

import jacobians as jb

METHODS = ["auto", "richardson"]
X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
V = np.array([0.5, 1.5, -2.0])

# A function, a point, and its Jacobian in closed form.
SMOOTH: list[tuple[str, Any, Any, Any]] = [
    ("sin", np.sin, V, lambda x: np.diag(np.cos(x))),
    ("exp", np.exp, np.array([-700.0, 0.0, 700.0]), lambda x: np.diag(np.exp(x))),
    ("product", lambda x: np.prod(x), V, lambda x: np.prod(x) / x),
    ("product of zeros", np.prod, np.zeros(3), lambda x: np.zeros(3)),
    ("square at 0", lambda x: x**2, np.zeros(2), lambda x: np.zeros((2, 2))),
    ("cube at 0", lambda x: x**3, np.zeros(2), lambda x: np.zeros((2, 2))),
    ("matmul", lambda x: x @ X.T, X, lambda x: np.einsum("ik,jl->ijkl", np.eye(2), X)),
    ("norm", np.linalg.norm, V, lambda x: x / np.sqrt(np.sum(x * x))),
    ("abs", np.abs, V, lambda x: np.diag(np.sign(x))),
    ("maximum", lambda x: np.maximum(x, 0.2), V, lambda x: np.diag((x > 0.2) * 1.0)),
    ("scalar", lambda x: np.tanh(x), np.array(0.3), lambda x: 1 - np.tanh(x) ** 2),
    ("constant", lambda x: np.full(2, 1e12) + 0 * x[0], V, lambda x: np.zeros((2, 3))),
    ("offset", lambda x: 1e6 + x, V, lambda x: np.eye(3)),
    ("tiny", lambda x: x * 1e-200, V, lambda x: 1e-200 * np.eye(3)),
    ("steep", lambda x: x / 1e-9, np.array([3e-10]), lambda x: np.array([[1e9]])),
    ("narrow", lambda x: np.exp(-((x / 1e-3) ** 2)), np.array([5e-4]),
     lambda x: np.diag(-2e6 * x * np.exp(-((x / 1e-3) ** 2)))),
    ("fast", lambda x: np.sin(1e4 * x), np.array([0.3]), lambda x: np.diag(1e4 * np.cos(1e4 * x))),
    ("large x", lambda x: np.sum(np.sin(x)), np.array([1e6, 1.0]), np.cos),
    ("near an edge", np.log, np.array([1e-5, 2.0]), lambda x: np.diag(1 / x)),
    ("near a pole", lambda x: 1 / x, np.array([1e-3, 1e-8]), lambda x: np.diag(-1 / x**2)),
    ("near a kink", np.abs, np.array([1e-4, -1e-6]), lambda x: np.diag(np.sign(x))),
    ("no entries", lambda x: x[:0], V, lambda x: np.zeros((0, 3))),
    ("no argument entries", lambda x: np.sum(x), np.zeros((0, 2)), lambda x: np.zeros((0, 2))),
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("f", "x", "closed"), [s[1:] for s in SMOOTH], ids=[s[0] for s in SMOOTH])
def test_closed_forms_within_the_estimated_error(f: Any, x: Any, closed: Any, method: Any) -> None:
    value, error = jb.numerical.jacobian_with_error(f, x, method=method)
    expected = closed(x)
    assert value.shape == error.shape == expected.shape == np.shape(f(x)) + x.shape
    np.testing.assert_array_equal(value, jb.numerical.jacobian(f, x, method=method))
    rounding = 1e-14 * np.abs(expected)
    assert np.all(np.abs(value - expected) <= 8 * error + rounding)
    largest = np.max(np.abs(expected), initial=0.0)
    size = np.max(np.abs(f(x)), initial=0.0)
    assert np.all(
        error <= 1e-4 * largest + 1e-13 * (size + 1e-2)
    )  # and the estimate says something


def test_complex_step_is_exact_and_richardson_nearly() -> None:
    f, closed = np.linalg.inv, -np.einsum("ik,lj->ijkl", *[np.linalg.inv(np.eye(2) + X[:, :2])] * 2)
    for method, digits in (("auto", 1e-14), ("complex-step", 1e-14), ("richardson", 1e-10)):
        found = jb.numerical.jacobian(f, np.eye(2) + X[:, :2], method=method)
        np.testing.assert_allclose(found, closed, rtol=0, atol=digits * np.max(np.abs(closed)))


def test_complex_step_alone_is_silently_wrong_and_says_so_in_its_error() -> None:
    for f in (np.linalg.norm, np.abs, lambda x: np.conj(x) * x):
        value, error = jb.numerical.jacobian_with_error(f, V, method="complex-step")
        right = jb.numerical.jacobian(f, V, method="richardson")
        # Nothing of it is trusted, so that it is differences that are returned.
        np.testing.assert_allclose(value, right, rtol=1e-8, atol=1e-12)
        assert np.max(error) < 1e-9


def test_complex_step_is_used_row_by_row() -> None:
    def f(x: Any) -> Any:
        return np.stack([np.sum(x**3), np.sqrt(np.sum(np.abs(x) ** 2))])

    value, error = jb.numerical.jacobian_with_error(f, V)
    np.testing.assert_allclose(value, [3 * V**2, V / np.sqrt(np.sum(V * V))], rtol=1e-10)
    assert np.max(error[0]) < 1e-13 < np.max(error[1])


@pytest.mark.parametrize("method", METHODS)
def test_kinks_have_both_slopes_within_the_error(method: Any) -> None:
    value, error = jb.numerical.jacobian_with_error(
        lambda x: np.maximum(x, 3 * x), np.zeros(1), method=method
    )
    assert value == pytest.approx(2, abs=1e-9)
    assert error == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("f", "x"),
    [(np.floor, 2.0), (np.sign, 0.0), (np.cbrt, 0.0), (np.sqrt, 0.0), (lambda x: 1 / x, 0.0)],
)
def test_no_derivative_is_nan_and_an_infinite_error(f: Any, x: float) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        value, error = jb.numerical.jacobian_with_error(f, np.array([x, 0.7]))
    assert np.isnan(value[0, 0])
    assert error[0, 0] == np.inf
    assert np.isfinite(value[1, 1])


def test_several_results_and_arguments_come_in_the_structure_of_jb_jacobian() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"a": x * y, "b": [np.sum(x), np.outer(x, x)]}

    found = jb.numerical.jacobian(f, V, np.array(2.0), wrt=("y", 0))
    ours = jb.jacobian(f, wrt=("y", 0))(V, np.array(2.0))
    assert list(found) == ["a", "b"]
    pairs = [(found["a"], ours["a"]), *zip(found["b"], ours["b"], strict=True)]
    for mine, theirs in pairs:
        assert isinstance(mine, tuple)
        for one, J in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one, J.dense(), rtol=1e-9, atol=1e-12)


def test_arguments_stay_as_they_are_even_for_functions_that_write_to_them() -> None:
    x, given = V.copy(), []

    def f(x: Any) -> Any:
        given.append(x)
        x *= 2
        return x**2

    np.testing.assert_allclose(jb.numerical.jacobian(f, x), np.diag(8 * V), rtol=1e-9)
    np.testing.assert_array_equal(x, V)
    assert not any(np.may_share_memory(x, other) for other in given)


def test_float32_is_widened_where_the_function_allows_it() -> None:
    x = V.astype(np.float32)
    assert np.max(np.abs(jb.numerical.jacobian(np.square, x) - np.diag(2 * x))) < 1e-12
    value, error = jb.numerical.jacobian_with_error(lambda x: x.astype(np.float32) ** 2, x)
    assert np.all(np.abs(value - np.diag(2 * x)) <= 8 * error)
    assert 1e-9 < np.max(error) < 1e-2


def test_noise_of_the_function_is_in_the_error() -> None:
    random = np.random.default_rng(0)
    value, error = jb.numerical.jacobian_with_error(
        lambda x: np.sin(x) + 1e-8 * random.normal(size=3), V
    )
    assert np.all(np.abs(value - np.diag(np.cos(V))) <= 8 * error)
    assert np.min(error) > 1e-9


def test_points_at_which_the_function_fails_count_as_undefined() -> None:
    def f(x: Any) -> Any:
        if x[0] < 0.5:
            raise ValueError("not here")
        return x[x > -2.5]  # and another shape elsewhere

    x = np.array([0.51, 1.0, -2.49])
    value, error = jb.numerical.jacobian_with_error(f, x)
    assert np.all(np.abs(value - np.eye(3)) <= 8 * error)
    assert np.max(error) < 1e-9


def test_it_evaluates_as_often_as_it_says() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x.dtype.kind)
        return np.tanh(x)

    x = np.linspace(-1, 1, 40)
    jb.numerical.jacobian(f, x)
    assert calls.count("c") == 40  # one complex call for each entry
    assert calls.count("f") < 40  # and one line of real ones that confirms them
    calls.clear()
    jb.numerical.jacobian(f, x, method="richardson")
    assert 40 * 8 < len(calls) < 40 * 16


def test_unknown_methods_and_unfit_functions_are_named() -> None:
    with pytest.raises(jb.JacobiansError, match=r"method='exact'.*auto, complex-step, richardson"):
        jb.numerical.jacobian(np.sin, V, method="exact")  # type: ignore[arg-type]
    with pytest.raises(jb.UnsupportedError, match="takes no complex arrays: TypeError"):
        jb.numerical.jacobian(np.cbrt, V, method="complex-step")
    with pytest.raises(jb.ShapeError, match="no argument wrt='z'; its arguments here are x"):
        jb.numerical.jacobian(lambda x: x, V, wrt="z")
    with pytest.raises(jb.UnsupportedError, match="function to check, not ndarray"):
        jb.numerical.jacobian(V)  # type: ignore[arg-type]
    huge = np.zeros(10**6)
    with pytest.raises(jb.TensorTooLargeError, match="GiB"):
        jb.numerical.jacobian(lambda x: x, huge)
