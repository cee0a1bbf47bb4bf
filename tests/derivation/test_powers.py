"""Powers, kinks and parts of sums that cancel: the derivative exists where its factors do not.

Judged by complex steps in long double, where ``exp(800)`` is a number, and by closed forms at 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.graph.node import apply, input_node
from jacobians.operations import elementwise
from jacobians.optimising.gram import interval
from tests import numerical

norm = np.linalg.norm
long = pytest.mark.skipif(
    np.finfo(np.longdouble).maxexp < 2000, reason="long double is double here"
)
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# Functions of each entry of which some part overflows; where both they and their slopes exist.
SATURATED: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid in floats": lambda x: 1.0 / (np.exp(-x) + 1.0),
    "sigmoid by reciprocal": lambda x: np.reciprocal(1 + np.exp(-x)),
    "sigmoid by a power": lambda x: (1 + np.exp(-x)) ** -1,
    "sigmoid by a minus": lambda x: -1 / (-1 - np.exp(-x)),
    "sigmoid in base 2": lambda x: 1 / (1 + 2.0 ** (-x)),
    "sigmoid by exp2": lambda x: 1 / (1 + np.exp2(-x)),
    "square of a sigmoid": lambda x: (1 / (1 + np.exp(-x))) ** 2,
    "one over a square": lambda x: 1 / (1 + np.exp(-x)) ** 2,
    "one over a square, by np.square": lambda x: 1 / np.square(1 + np.exp(-x)),
    "power −2": lambda x: (1 + np.exp(-x)) ** -2,
    "power −5": lambda x: (1 + np.exp(-x)) ** -5,
    "power −1.3": lambda x: (1 + np.exp(-x)) ** -1.3,
    "one over a product": lambda x: 1 / ((1 + np.exp(-x)) * (1 + np.exp(-x))),
    "one over a root": lambda x: 1 / np.sqrt(1 + np.exp(-x)),
    "generalised logistic": lambda x: 5 / (2 + 3 * np.exp(-x)) ** 0.5,
    "tanh by exp": lambda x: 2 / (1 + np.exp(-2 * x)) - 1,
    "tanh by exp, the other way": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gate": lambda x: (3 * x + 1) * (1 / (1 + np.exp(-x))) / 2,
    "Hill": lambda x: 1 / (1 + np.exp(-x) ** 2),
    "three summands": lambda x: 1 / (2 + np.exp(x) + x * x),
    "Planck": lambda x: x / (np.exp(x) - 1),
    "Planck, by expm1": lambda x: x / np.expm1(x),
    "Bose": lambda x: 1 / (np.exp(x) - 1),
    "from 1": lambda x: 1 / (1 - 2 * np.exp(x)),
    "sech": lambda x: 1 / np.cosh(x),
    "sech²": lambda x: 1 / np.cosh(x) ** 2,
    "shared denominator": lambda x: (lambda s: 1 / s + np.sqrt(1 / s))(1 + np.exp(-x)),
}
POINTS = np.array([-800.0, -40.0, -1.5, 0.5, 40.0, 800.0])


def slopes(f: Callable[[Any], Any], x: Any) -> Any:
    """``f'`` entry by entry, in long double."""
    step = np.longdouble("1e-3000")
    return np.imag(f(x.astype(np.clongdouble) + 1j * step)) / step


def curvatures(f: Callable[[Any], Any], x: Any) -> Any:
    """``f''``: differences of the slopes, extrapolated."""
    row: list[Any] = []
    for halving in range(6):
        h = np.longdouble(0.125) / 2**halving
        new = [(slopes(f, x + h) - slopes(f, x - h)) / (2 * h)]
        for order, coarser in enumerate(row, start=1):
            new.append(new[-1] + (new[-1] - coarser) / (4**order - 1))
        row = new
    return row[-1]


@long
@quiet
@pytest.mark.parametrize("name", SATURATED)
def test_first_derivatives_where_a_part_overflows(name: str) -> None:
    f = SATURATED[name]
    expected = slopes(f, POINTS.astype(np.longdouble)).astype(np.float64)
    assert np.isfinite(expected).all()

    def loss(x: Any) -> Any:
        return np.sum(f(x))

    found = {
        "grad": jb.grad(loss)(POINTS),
        "compiled": jb.grad(loss).compile(POINTS)(POINTS),
        "vjp": jb.vjp(f, POINTS)[1](np.ones(6))[0],
        "jvp": jb.jvp(f, [POINTS], [np.ones(6)])[1],
        "diagonal, compiled": np.diag(jb.jacobian(f).compile(POINTS)(POINTS).dense()),
    }
    for strategy in ("forward", "reverse", "auto"):
        J = jb.jacobian(f, strategy=strategy)(POINTS)
        assert J.nnz == 6
        found[strategy] = np.diag(J.dense())
    for way, values in found.items():
        np.testing.assert_allclose(values, expected, rtol=1e-11, atol=1e-150, err_msg=way)
    for x, slope in zip(POINTS, expected, strict=True):
        np.testing.assert_allclose(jb.grad(f)(x), slope, rtol=1e-11, atol=1e-150)


@long
@quiet
@pytest.mark.parametrize("name", SATURATED)
def test_second_derivatives_where_a_part_overflows(name: str) -> None:
    f = SATURATED[name]
    expected = curvatures(f, POINTS.astype(np.longdouble)).astype(np.float64)
    hessian = jb.hessian(lambda x: np.sum(f(x)))
    for H in (hessian(POINTS), hessian.compile(POINTS)(POINTS)):
        assert H.nnz == 6
        np.testing.assert_allclose(np.diag(H.dense()), expected, rtol=1e-9, atol=1e-11)


@quiet
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: np.log(1 + np.exp(x)), [0, 0.5, 1]),
        (lambda x: np.log1p(np.exp(x)), [0, 0.5, 1]),
        (lambda x: np.log(1 / (1 + np.exp(-x))), [1, 0.5, 0]),
        (lambda x: np.log(np.cosh(x)), [-1, 0, 1]),
    ],
)
def test_slopes_that_exist_where_the_value_overflows(f: Any, slope: Any) -> None:
    x = np.array([-800.0, 0.0, 800.0])
    np.testing.assert_array_equal(np.diag(jb.jacobian(f)(x).dense()), slope)
    np.testing.assert_array_equal(jb.jvp(f, [x], [np.ones(3)])[1], slope)


@quiet
def test_two_infinite_parts_have_no_portion() -> None:
    def f(x: Any) -> Any:
        return np.log(np.exp(x[0]) + np.exp(x[1]))

    np.testing.assert_array_equal(jb.grad(f)(np.array([800.0, 3.0])), [1, 0])
    assert np.isnan(jb.grad(f)(np.array([800.0, 800.0]))).all()


@quiet
def test_the_hessian_of_a_logistic_loss_is_one_weighted_product() -> None:
    rng = np.random.default_rng(8)
    X, w, y = rng.normal(size=(30, 17)), rng.normal(size=17), np.sign(rng.normal(size=30))
    X[0] *= 1000  # exp overflows

    def loss(w: Any, X: Any, y: Any) -> Any:
        return np.sum(np.log1p(np.exp(-y * (X @ w))))

    margin = y * (X @ w)
    assert abs(margin[0]) > 750
    weights = 1 / (2 + np.exp(margin) + np.exp(-margin))
    expected = X.T @ (weights[:, None] * X)
    hessian = jb.hessian(loss)
    H, compiled = hessian(w, X, y), hessian.compile(w, X, y)(w, X, y)
    assert len(H.terms.terms) == 1
    for found in (H, compiled):
        np.testing.assert_allclose(found.dense(), expected, rtol=1e-11, atol=1e-12)


def test_how_large_a_portion_is() -> None:
    x = input_node("x", (3,))
    e = apply(elementwise.exp, [x])
    assert interval(apply(elementwise.portion, [e, 1, 1 + e])) == (0, 1)
    assert interval(1 / (1 + e)) == (0, np.inf)
    assert interval(apply(elementwise.portion, [x, 1, 1 + x]))[0] == -np.inf
    assert interval(1 / (x - 1))[0] == -np.inf


def test_coefficients_that_are_no_floats() -> None:
    f = jb.grad(lambda x: (0.1 * x) ** 1000 / x)
    np.testing.assert_allclose(f(np.array(10.0)), 999 / 100, rtol=1e-11)


def rows(x: Any) -> Any:
    return np.stack([x, 2 * x])


I = np.eye(3)
CENTRED = I - 1 / 3
MIXED = np.arange(12.0).reshape(4, 3) / 4 - 1

# Kinks that cancel: what, and its second derivative at 0.
SQUARES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "‖x‖²": (lambda x: norm(x) ** 2, 2 * I),
    "‖x‖² as a float's power": (lambda x: norm(x) ** 2.0, 2 * I),
    "‖x‖ ‖x‖": (lambda x: norm(x) * norm(x), 2 * I),
    "square(‖x‖)": (lambda x: np.square(norm(x)), 2 * I),
    "einsum of ‖x‖ twice": (lambda x: np.einsum(",->", norm(x), norm(x)), 2 * I),
    "‖x‖³": (lambda x: norm(x) ** 3, 0 * I),
    "‖x‖⁴": (lambda x: norm(x) ** 4, 0 * I),
    "‖x‖² + ‖x‖⁴": (lambda x: norm(x) ** 2 + norm(x) ** 4, 2 * I),
    "a Gaussian": (lambda x: np.exp(-(norm(x) ** 2)), -2 * I),
    "a Gaussian of half": (lambda x: np.exp(-(norm(x) ** 2) / 2), -I),
    "a Gaussian of twice": (lambda x: 3 * np.exp(-((2 * norm(x)) ** 2)), -24 * I),
    "Gaussians of rows": (lambda x: np.sum(np.exp(-(norm(rows(x), axis=1) ** 2))), -10 * I),
    "of rows that stay": (
        lambda x: np.sum(norm(rows(x), axis=1, keepdims=True) ** 2 * np.ones((2, 4))), 40 * I
    ),
    "Cauchy": (lambda x: 1 / (1 + norm(x) ** 2), -2 * I),
    "√(1 + ‖x‖²)": (lambda x: np.sqrt(1 + norm(x) ** 2), I),
    "norm of a matrix": (lambda x: norm(np.outer(x, [1.0, 2.0])) ** 2, 10 * I),
    "norm of a product": (lambda x: norm(MIXED @ x) ** 2, 2 * MIXED.T @ MIXED),
    "a Gaussian of products": (lambda x: np.exp(-(norm(MIXED @ x) ** 2)), -2 * MIXED.T @ MIXED),
    "norm by root": (lambda x: np.sqrt(np.sum(x**2)) ** 2, 2 * I),
    "norm by root, fourth power": (lambda x: np.sqrt(np.sum(x**2)) ** 4, 0 * I),
    "|x|²": (lambda x: np.sum(np.abs(x) ** 2), 2 * I),
    "|x| |x|": (lambda x: np.abs(x) @ np.abs(x), 2 * I),
    "fabs²": (lambda x: np.sum(np.fabs(x) ** 2), 2 * I),
    "|x|³": (lambda x: np.sum(np.abs(x) ** 3), 0 * I),
    "|x| x": (lambda x: np.sum(np.abs(x) * x), 0 * I),
    "|x|² + |x|³": (lambda x: np.sum(np.abs(x) ** 2 + np.abs(x) ** 3), 2 * I),
    "hypot²": (lambda x: np.sum(np.hypot(x, 2 * x) ** 2), 10 * I),
    "hypot of two": (lambda x: np.hypot(x[0], x[1]) ** 2, np.diag([2, 2, 0])),
    "hypot⁴": (lambda x: np.sum(np.hypot(x, 2 * x) ** 4), 0 * I),
    "std²": (lambda x: np.std(x) ** 2, 2 / 3 * CENTRED),
    "std² of rows": (lambda x: np.sum(np.std(rows(x), axis=1) ** 2), 10 / 3 * CENTRED),
    "((x²)^½)²": (lambda x: np.sum(((x**2) ** 0.5) ** 2), 2 * I),
    "√(x²)²": (lambda x: np.sum(np.sqrt(x**2) ** 2), 2 * I),
    "(x²)^1.5": (lambda x: np.sum((x**2) ** 1.5), 0 * I),
    "x √x √x": (lambda x: np.sum(x * np.sqrt(x) * np.sqrt(x)), 2 * I),
    "many steps": (
        lambda x: norm(x) ** 2 + sum(np.sum(np.tanh(k * x) * np.sin(x)) for k in range(12)),
        (2 + 2 * sum(range(12))) * I,
    ),
}  # fmt: skip


@quiet
@pytest.mark.parametrize("name", SQUARES)
def test_kinks_that_cancel_under_a_square(name: str) -> None:
    f, expected = SQUARES[name]
    zero = np.zeros(3)
    np.testing.assert_array_equal(jb.grad(f)(zero), 0)
    for strategy in ("auto", "forward", "reverse"):
        hessian = jb.hessian(f, strategy=strategy)
        for H in (hessian(zero), hessian.compile(zero)(zero)):
            np.testing.assert_allclose(H.dense(), expected, rtol=1e-12, atol=1e-14)
        direction = np.array([1.0, -2.0, 0.5])
        np.testing.assert_allclose(H.vjp(direction), expected @ direction, rtol=1e-12)
    point = np.array([0.3, 0.7, 1.1])  # away from kinks, on the way to the right numbers too
    slope = numerical.differences(f, point)
    np.testing.assert_allclose(jb.grad(f)(point), slope, rtol=1e-9, atol=1e-10)
    curvature = numerical.differences(lambda x: numerical.differences(f, x), point)
    np.testing.assert_allclose(jb.hessian(f)(point).dense(), curvature, rtol=1e-5, atol=1e-6)


@quiet
@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (norm, 0 * I),
        (np.std, 0 * I),
        (lambda x: np.sum(np.abs(x)), 0 * I),
        (lambda x: np.sum(np.hypot(x, x)), 0 * I),
        (lambda x: norm(x) + np.sum(x**2), 2 * I),
        (lambda x: np.sum(np.abs(x)) ** 2, 0 * I),
        (lambda x: np.sum(np.sign(x) * x), 0 * I),
        (lambda x: norm(x) * np.sum(np.abs(x)), 0 * I),
    ],
)
def test_kinks_that_stay(f: Any, expected: Any) -> None:
    zero = np.zeros(3)
    np.testing.assert_array_equal(jb.grad(f)(zero), 0)
    for H in (jb.hessian(f)(zero), jb.hessian(f).compile(zero)(zero)):
        np.testing.assert_array_equal(H.dense(), expected)


def test_kinks_that_belong_to_others_stay() -> None:
    x, a = np.array([0.0, 2.0]), np.array([3.0, 0.0])
    J = jb.jacobian(lambda x: np.abs(x) * np.abs(a))(x)
    np.testing.assert_array_equal(np.diag(J.dense()), [0, 0])
    J = jb.jacobian(lambda x: np.abs(a) * np.sign(x) * x)(x)
    np.testing.assert_array_equal(np.diag(J.dense()), [0, 0])


def test_formulas_of_what_cancels() -> None:
    x = np.array([0.5, 1.5])
    formulas = {
        "2 x_k": jb.jacobian(lambda x: norm(x) ** 2),
        "2 δ_ik x_i": jb.jacobian(lambda x: np.abs(x) ** 2),
        "δ_ik σ(−x)_i σ(x)_i": jb.jacobian(lambda x: 1 / (1 + np.exp(-x))),
        "δ_ik tanh(x_i)": jb.jacobian(lambda x: np.log(np.cosh(x))),
        "1.5 δ_ik √(x_i)": jb.jacobian(lambda x: x * np.sqrt(x)),
    }
    assert {J(x).formula() for J in formulas.values()} == set(formulas)
