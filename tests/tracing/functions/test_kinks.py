"""Where a derivative does not exist: the documented choices, by every way of asking."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import jacobians as jb

INF, NAN = np.inf, np.nan

# What, the function of a vector, the vector, its Jacobian's rows.
KINKS: list[tuple[str, Callable[..., Any], list[float], Any]] = [
    ("abs at 0", np.abs, [0.0, -2.0], [[0, 0], [0, -1]]),
    ("fabs at 0", np.fabs, [0.0, 2.0], [[0, 0], [0, 1]]),
    ("copysign at 0", lambda x: np.copysign(x, -1.0), [0.0, 2.0], [[0, 0], [0, -1]]),
    ("sign at 0", np.sign, [0.0, 2.0], [[0, 0], [0, 0]]),
    ("heaviside at 0", lambda x: np.heaviside(x, 0.5), [0.0, 2.0], [[0, 0], [0, 0]]),
    ("std of equal numbers", np.std, [3.0, 3.0, 3.0], [0, 0, 0]),
    ("std of one number", np.std, [3.0], [0]),
    ("nanstd of equal numbers", np.nanstd, [3.0, 3.0], [0, 0]),
    ("norm at 0", np.linalg.norm, [0.0, 0.0], [0, 0]),
    ("hypot at 0", lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0, 0]),
    ("hypot on an axis", lambda x: np.hypot(x[0], x[1]), [0.0, -3.0], [0, -1]),
    ("maximum of a tie", lambda x: np.maximum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    ("minimum of a tie", lambda x: np.minimum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    ("fmax of a tie", lambda x: np.fmax(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    ("fmin of a tie", lambda x: np.fmin(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    ("maximum with 0 at 0", lambda x: np.maximum(x, 0), [0.0, 1.0, -1.0], np.diag([0.5, 1, 0])),
    ("maximum of a number and itself", lambda x: np.maximum(x, x), [2.0], [[1]]),
    ("maximum with NaN takes it", lambda x: np.maximum(x, 1.0), [NAN, 3.0], np.eye(2)),
    ("fmax skips NaN", lambda x: np.fmax(x, [1.0, NAN]), [NAN, 3.0], np.diag([0, 1])),
    ("max of ties", np.max, [1.0, 4.0, 4.0, 4.0], [0, 1 / 3, 1 / 3, 1 / 3]),
    ("min of ties", np.min, [1.0, 4.0, 1.0], [0.5, 0, 0.5]),
    ("max of ties in rows", lambda x: np.max(np.stack([x, -x]), axis=1), [2.0, 2.0], [[0.5, 0.5], [-0.5, -0.5]]),
    ("nanmax of ties", np.nanmax, [4.0, NAN, 4.0], [0.5, 0, 0.5]),
    ("ptp of ties", np.ptp, [1.0, 4.0, 4.0], [-1, 0.5, 0.5]),
    ("ptp of equal numbers", np.ptp, [4.0, 4.0], [0, 0]),
    ("median of a tie", np.median, [5.0, 2.0, 2.0, 2.0, 1.0], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    ("median of an even number", np.median, [1.0, 3.0, 2.0, 2.0], [0, 0, 0.5, 0.5]),
    ("median between", np.median, [1.0, 4.0, 2.0, 9.0], [0, 0.5, 0.5, 0]),
    ("quantile on ties", lambda x: np.quantile(x, 0.5), [1.0, 3.0, 3.0, 3.0, 7.0], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    ("clip at its bounds", lambda x: np.clip(x, -1, 1), [-1.0, 0.0, 1.0, 2.0], np.diag([1, 1, 1, 0])),
    ("clip, one bound", lambda x: np.clip(x, 0, None), [0.0, -1.0, 1.0], np.diag([1, 0, 1])),
    ("clip by a bound it equals", lambda x: np.clip(2.0, x, 5.0), [2.0, 3.0], np.diag([0, 1])),
    ("clip to one point", lambda x: np.clip(x, 1, 1), [0.0, 1.0, 2.0], np.diag([0, 1, 0])),
    ("x⁰ at 0", lambda x: x**0, [0.0, 2.0], np.zeros((2, 2))),
    ("x⁰ at 0 by an array", lambda x: x ** np.array([0.0, 1.0, 2.0]), [0.0, 0.0, 0.0], np.diag([0, 1, 0])),
    ("x¹ at 0", lambda x: x**1.0, [0.0], [[1]]),
    ("0ᵖ by p", lambda p: 0.0**p, [2.0, 0.5, 0.0], np.zeros((3, 3))),
    ("where selects", lambda x: np.where(x > 0, np.log(x), 0), [0.0, -1.0, 2.0], np.diag([0, 0, 0.5])),
    ("where keeps √ away", lambda x: np.where(x > 0, np.sqrt(x), 0), [0.0, 4.0], np.diag([0, 0.25])),
    ("nan_to_num", np.nan_to_num, [NAN, INF, -INF, 2.0], np.diag([0, 0, 0, 1])),
    ("nansum", np.nansum, [NAN, 2.0], [0, 1]),
    ("prod with one zero", np.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
    ("prod with two zeros", np.prod, [0.0, 2.0, 0.0], [0, 0, 0]),
    ("cumprod with a zero", np.cumprod, [2.0, 0.0, 3.0], [[1, 0, 0], [0, 2, 0], [0, 6, 0]]),
    ("remainder at a jump", lambda x: np.remainder(x, 1.0), [2.0], [[1]]),
    ("floor at a jump", np.floor, [2.0], [[0]]),
    ("sinc at 0", np.sinc, [0.0], [[0]]),
    ("√ at 0", np.sqrt, [0.0], [[INF]]),
    ("cbrt at 0", np.cbrt, [0.0], [[INF]]),
    ("log at 0", lambda x: np.log(x), [0.0], [[INF]]),
    ("logaddexp with −∞", lambda x: np.logaddexp(x, 1.0), [-INF, 1.0], np.diag([0, 0.5])),
    ("arctan2 at 0", lambda x: np.arctan2(x, 0.0), [0.0], [[NAN]]),
    ("xlogy at 0", lambda x: special.xlogy(0.0, x), [0.0, 2.0], np.zeros((2, 2))),
    ("interp at a sample", lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]), [1.0], [[4]]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "x", "expected"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS]
)
@pytest.mark.filterwarnings(
    "ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning"
)
def test_kink(function: Callable[..., Any], x: list[float], expected: Any) -> None:
    point = np.array(x)
    expected = np.asarray(expected, float)
    if np.ndim(function(point)) == 0:
        np.testing.assert_allclose(jb.grad(function)(point), expected, rtol=1e-12)
    for strategy in ("auto", "forward", "reverse"):
        J = jb.jacobian(function, strategy=strategy)(point)
        np.testing.assert_allclose(J.dense(), expected, rtol=1e-12)
    value, pullback = jb.vjp(function, point)
    np.testing.assert_array_equal(value, function(point))
    for row in np.ndindex(np.shape(value)):
        G = np.zeros(np.shape(value))
        G[row] = 1
        np.testing.assert_allclose(pullback(G)[0], expected[row], rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.prod, [0.0, 0.0, 3.0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        (np.prod, [0.0, 2.0, 3.0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        (lambda x: np.sum(np.cumprod(x)), [0.0, 0.0, 3.0], [[0, 4, 0], [4, 0, 0], [0, 0, 0]]),
        (lambda x: np.sum(np.sinc(x)), [0.0], [[-(np.pi**2) / 3]]),
        (lambda x: np.sum(np.abs(x)), [0.0, 1.0], np.zeros((2, 2))),
        (np.std, [3.0, 3.0], np.zeros((2, 2))),
        (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], np.zeros((2, 2))),
        (lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0, 3.0])), [0.0] * 4, np.diag([0, 0, 2, 0])),
        (lambda x: np.max(x**2), [2.0, 2.0], np.diag([1, 1])),
        (lambda x: np.sum(np.where(x > 0, np.log(x), 0)), [0.0, 2.0], np.diag([0, -0.25])),
        (lambda x: np.sum(np.clip(x, 0, 1) ** 2), [0.0, 1.0, 2.0], np.diag([2, 2, 0])),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_second_derivatives_at_kinks(function: Any, x: list[float], expected: Any) -> None:
    H = jb.hessian(function)(np.array(x))
    np.testing.assert_allclose(H.dense(), np.asarray(expected, float), atol=1e-12)


def test_third_derivatives_of_a_product_with_zeros() -> None:
    def third(x: Any) -> Any:
        return jb.grad(lambda y: jb.grad(lambda z: jb.grad(np.prod)(z)[0])(y)[1])(x)

    np.testing.assert_allclose(third(np.array([0.0, 0.0, 0.0])), [0, 0, 1])
    np.testing.assert_allclose(third(np.array([2.0, 0.0, 5.0, 7.0])), [0, 0, 7, 5])


CONSTANT: list[Callable[..., Any]] = [
    np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix, np.sign, np.imag, np.angle, np.spacing,
    np.isnan, np.isfinite, np.isinf, np.signbit, np.isposinf, np.isneginf, np.logical_not,
    lambda x: x > 0, lambda x: x >= x.T, lambda x: x == 1, lambda x: x != 1, lambda x: x < 0,
    lambda x: x <= 0, lambda x: np.logical_and(x, x), lambda x: (x > 0) | (x < -1),
    lambda x: x // 2, lambda x: np.heaviside(x, 1.0), lambda x: x.astype(int) & 3,
    lambda x: np.gcd(x.astype(int), 4), lambda x: np.argmax(x, axis=0) + 0.0, lambda x: np.isclose(x, 0) + 0.0,
    lambda x: np.modf(x)[1], lambda x: np.sum(x > 0, axis=0), lambda x: np.where(x > 0, 1.0, 2.0),
    lambda x: x**0, lambda x: np.unwrap(np.floor(x)), lambda x: np.mean(np.sign(x)),
    lambda x: np.max(np.floor(x)), lambda x: np.cumsum(np.rint(x)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CONSTANT)))
def test_what_is_locally_constant_is_a_structural_zero(number: int) -> None:
    function = CONSTANT[number]
    X = np.random.default_rng(0).normal(size=(3, 3)) * 2
    J = jb.jacobian(function)(X)
    assert J.nnz == 0
    np.testing.assert_array_equal(jb.vjp(function, X)[0], function(X))
    assert jb.vjp(function, X)[0].dtype == np.asarray(function(X)).dtype


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda X: np.sum(X, axis=1), 12), (lambda X: np.mean(X, axis=0), 12), (lambda X: np.max(X, axis=1), 12),
        (lambda X: np.median(X, axis=0), 12), (lambda X: np.var(X, axis=1), 12), (lambda X: np.std(X, axis=0), 12),
        (lambda X: np.prod(X, axis=1), 12), (lambda X: np.ptp(X, axis=0, keepdims=True), 12),
        (lambda X: np.cumsum(X, axis=1), 3 * 10), (lambda X: np.diff(X, axis=1), 2 * 9),
        (lambda X: np.cumprod(X, axis=0), 4 * 6), (lambda X: np.cumsum(X), 12 * 13 // 2),
        (lambda X: np.quantile(X, 0.3, axis=1), 12), (lambda X: np.average(X, axis=0, weights=[1, 2, 3]), 12),
        (lambda X: np.clip(X, 0, 1), 12), (lambda X: np.maximum(X, X[:1]), 12 + 8),
        (lambda X: np.where(X > 0, X, X[0]), 12 + 8), (lambda X: np.exp(X), 12), (lambda X: np.sum(X), 12),
        (lambda X: X - np.mean(X, axis=1, keepdims=True), 3 * 16),
    ],
)  # fmt: skip
def test_reductions_keep_the_structure_of_their_batches(function: Any, count: int) -> None:
    X = np.random.default_rng(1).normal(size=(3, 4))
    assert jb.jacobian(function)(X).nnz == count


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, INF, -INF, NAN, 1e300, -1e300, 5e-324])


@pytest.mark.parametrize("name", sorted(n for n in dir(np) if isinstance(getattr(np, n), np.ufunc)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_numpys_at_the_edges(name: str) -> None:
    ufunc = getattr(np, name)
    if (
        ufunc.signature is not None
        or "dd->" not in "".join(ufunc.types) + "dd->"
        or name == "isnat"
    ):
        pytest.skip("not a function of real numbers, entry by entry")
    x, y = (
        (EDGES, EDGES[::-1]) if "d" in "".join(ufunc.types) else (np.arange(5), np.arange(5)[::-1])
    )

    def f(a: Any, b: Any) -> Any:
        a, b = (a, b) if "d" in "".join(ufunc.types) else (a.astype(int), b.astype(int))
        if name == "ldexp":
            b = np.arange(len(EDGES))
        return ufunc(*(a, b)[: ufunc.nin])

    found, _ = jb.vjp(f, x, y)
    for mine, numpys in zip(np.atleast_2d(found), np.atleast_2d(f(x, y)), strict=True):
        np.testing.assert_array_equal(mine, numpys)
        assert np.asarray(mine).dtype == np.asarray(numpys).dtype or ufunc.nout == 2


def test_one_argument_where_leaves_a_guard() -> None:
    recorded = jb.record(lambda x: x[np.where(x > 0)], np.array([1.0, -1.0]))
    assert any("test_kinks.py" in guard for guard in recorded.guards)


def test_relu_is_0_at_0() -> None:
    assert jb.ops.relu.jacobian(np.zeros(1)).dense() == 0


@pytest.mark.parametrize("name", ["logsumexp", "softmax"])
def test_scipy_functions_that_cannot_dispatch_name_the_operation(name: str) -> None:
    with pytest.raises(
        jb.UnsupportedError, match=rf"SciPy's {name} at test_kinks.py:\d+ .*jb\.ops\.{name}"
    ):
        jb.jacobian(getattr(special, name))(np.ones(3))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda x: np.nanmedian(x), r"numpy.nanmedian at test_kinks.py:\d+ .*drop the NaNs"),
        (lambda x: np.add.at(np.ones(2), 0, x[0]), r"add.at at test_kinks.py:\d+: .*jb.zeros"),
        (lambda x: np.add.reduceat(x, [0, 1]), r"add.reduceat at test_kinks.py:\d+ .*np.stack"),
        (lambda x: np.hypot.reduce(x, where=[True, False]), r"reduce with where= at test_kinks.py:\d+: .*loop"),
        (lambda x: np.cov(x, aweights=[1, 2]), r"numpy.cov at test_kinks.py:\d+ .*weights are not supported"),
        (lambda x: np.quantile(x, 0.5, method="weibull"), r"method='weibull'.*test_kinks.py:\d+.*linear"),
        (lambda x: np.sum(x, None, None, np.zeros(())), r"sum\(out=...\) at test_kinks.py:\d+: .*returned value"),
        (lambda x: special.betainc(x, 1.0, 0.5), r"betainc at test_kinks.py:\d+ has no Jacobian here"),
    ],
)  # fmt: skip
def test_what_is_not_supported_names_the_call_and_the_line(call: Any, reason: str) -> None:
    with pytest.raises(jb.UnsupportedError, match=reason):
        jb.jacobian(call)(np.ones(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.max(x, axis=2), lambda x: np.max(x[:0]), lambda x: np.quantile(x, 1.5),
        lambda x: np.max(x, where=np.array([True, False])), lambda x: np.average(x, weights=np.ones(5)),
        lambda x: np.where(True, x), lambda x: np.diff(x, n=-1), lambda x: np.clip(x),
    ],
)  # fmt: skip
def test_errors_are_numpys(call: Any) -> None:
    x = np.ones(3)
    wrong: Exception | None = None
    try:
        plain = call(x)
    except Exception as error:
        wrong = error
    if wrong is None:
        np.testing.assert_array_equal(jb.vjp(call, x)[0], plain)
        return
    with pytest.raises(type(wrong)) as caught:
        jb.jacobian(call)(x)
    assert str(caught.value) == str(wrong)
