"""Wrong answers that were found from outside, each one of its kind."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests import numerical

RNG = np.random.default_rng(17)


def both(transform: str, f: Any, *args: Any) -> list[Any]:
    """Eager and compiled."""
    made = getattr(jb, transform)(f)
    return [np.asarray(made(*args)), np.asarray(made.compile(*args).dense(*args))]


def rows_from_one(z: Any) -> Any:
    X = z.reshape(3, 4) * 1.0
    X[:] = np.sum(X, axis=0)
    X[2, 2] = 1.0
    return np.sum(X**2)


def repeated(x: Any) -> Any:
    y = np.zeros_like(x)
    y[[0, 2, 3]] = x[:3]
    return np.tile(y, 3)


def test_added_at_places_of_more_axes_than_the_value() -> None:
    z = np.arange(12.0)
    wanted = np.array([72, 90, 72, 126] * 3)
    for found in both("grad", rows_from_one, z):
        np.testing.assert_allclose(found, wanted)
    x = RNG.normal(size=4)
    J = jb.jacobian(repeated)(x)
    exact = np.zeros((12, 4))
    exact[np.arange(12), np.tile([0, 0, 1, 2], 3)] = np.tile([1, 0, 1, 1], 3)
    np.testing.assert_array_equal(J.dense(), exact)
    np.testing.assert_allclose(J.jvp(x), exact @ x)
    G = RNG.normal(size=12)
    np.testing.assert_allclose(J.vjp(G), G @ exact)


def tripled_where_positive(x: Any) -> Any:
    v = x * 1.0
    np.multiply(v, 3.0, out=v, where=v > 0)
    return v


def test_a_traced_mask_beside_out_is_not_frozen() -> None:
    c = jb.jacobian(tripled_where_positive).compile(np.ones(2))
    at = np.array([-1.0, 2.0])
    np.testing.assert_array_equal(c.dense(at), np.diag([1.0, 3.0]))
    np.testing.assert_array_equal(
        jb.jacobian(tripled_where_positive)(at).dense(), np.diag([1.0, 3.0])
    )


def test_what_a_plain_mask_excludes_keeps_its_derivative() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        np.add(np.ones(2), np.ones(2), out=y, where=np.array([True, False]))
        return y

    for found in both("jacobian", f, np.ones(2)):
        np.testing.assert_array_equal(found, [[0, 0], [0, 2]])


INNER = {
    "grad": lambda x: jb.grad(lambda y: np.sum(np.where(y == 2.0, x * y, 3 * y)))(
        np.array([2.0, 1.0])
    ),
    "jvp": lambda x: jb.jvp(lambda y: y**3, [x], [np.array([2.0, 1.0])])[1],
    "vjp": lambda x: jb.vjp(lambda y: y**3, np.array([2.0, 1.0]))[1](x)[0],
    "number": lambda x: jb.grad(lambda a: a**3 * x[0])(2.0) * x,
    "tensor": lambda x: jb.jacobian(lambda y: x * y**2)(np.array([2.0, 1.0])).diagonal(),
}


@pytest.mark.parametrize("name", INNER)
def test_inner_transforms_at_plain_points(name: str) -> None:
    f = INNER[name]
    x = RNG.normal(size=2)
    wanted = numerical.differences(lambda x: np.asarray(f(x)), x)
    c = jb.jacobian(f).compile(np.ones(2))
    np.testing.assert_allclose(jb.jacobian(f)(x).dense(), wanted, atol=1e-7)
    np.testing.assert_allclose(c.dense(x), wanted, atol=1e-7)


def test_a_traced_array_that_was_kept_is_refused() -> None:
    kept: list[Any] = []
    jb.grad(lambda x: kept.append(x * 2) or np.sum(x))(np.ones(2))
    with pytest.raises(
        jb.UnsupportedError,
        match=r"of <lambda> is used at test_found_by_others\.py:\d+ after its trace is over",
    ):
        jb.grad(lambda x: np.sum(x * kept[0])).compile(np.ones(2))(np.ones(2))


NUMBERS = {
    "array": lambda a, b: np.sum(jb.array([a, b]) ** 2),
    "stack": lambda a, b: np.sum(np.stack([a, b]) ** 3),
    "reshape": lambda a, b: np.sum(np.reshape(a, (1,)) * b),
    "atleast_1d": lambda a, b: np.sum(np.atleast_1d(a) ** 2) * b,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_python_floats_are_seen_through_views(name: str) -> None:
    f = NUMBERS[name]
    slope = numerical.differences(lambda a: np.asarray(f(a[()], 2.5)), np.array(1.5))
    for found in both("grad", f, 1.5, 2.5):
        np.testing.assert_allclose(found, slope, atol=1e-8)
    g = lambda v, t: np.full_like(v, t) * v  # noqa: E731
    c = jb.jacobian(g).compile(np.ones(2, "f"), 2.0)
    assert c.dense(np.ones(2, "f"), 3.0).dtype == np.float32
    np.testing.assert_array_equal(c.dense(np.ones(2, "f"), 3.0), 3 * np.eye(2))


def test_formatting_with_digits_reads_a_value() -> None:
    f = lambda x: x * 2 if f"{x[0]:.1f}" == "1.0" else x**2  # noqa: E731
    with pytest.raises(jb.UnsupportedError, match="branches on a value"):
        jb.jacobian(f).compile(np.ones(1))


@pytest.mark.parametrize("times", [4, 5, 7, 8, 10])
def test_high_powers_that_cancel_stay_few_factors(times: int) -> None:
    def f(x: Any) -> Any:
        for _ in range(times):
            x = np.square(x)
        return np.square(x) / x

    x, n = np.array([1.001, 0.999]), 2**times
    for found in both("jacobian", f, x):
        np.testing.assert_allclose(found, np.diag(n * x ** (n - 1)), rtol=1e-9)
    wide = jb.jacobian(lambda x: np.square(np.square(x) ** 64) / np.square(x) ** 2)(x)
    np.testing.assert_allclose(wide.explicit(), np.diag(252 * x**251), rtol=1e-9)


def test_an_index_that_is_differentiated_is_refused_with_the_remedy() -> None:
    x, i = np.arange(5.0), np.array([0, 2])
    said = r"(i|indices) \(2,\).*array of floats.*index with \.astype\(int\)"
    for call in (
        lambda: jb.vjp(lambda x, i: x[i], x, i),
        lambda: jb.jvp(lambda x, i: x[i], (x, i), (x, i)),
        lambda: jb.jacobian(lambda x, i: x[i], wrt=("x", "i"))(x, i),
        lambda: jb.vjp(np.take, x, i),
        lambda: jb.vjp(lambda x, i: np.take_along_axis(x, i, 0), x, i),
    ):
        with pytest.raises(jb.UnsupportedError, match=said):
            call()
    _, pullback = jb.vjp(lambda x, i: x[i.astype(int)] * 3, x, i)
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [3, 0, 3, 0, 0])


def scaled_sines(a: Any, x: Any) -> Any:
    for _ in range(3):
        x = a * np.sin(x)
    return np.sum(x)


def test_numbers_of_python_and_of_numpy_where_the_other_was_compiled() -> None:
    """The kind of number that a plan was made with decides the result's dtype, as it does eagerly."""
    x = np.array([0.5, -1.0, 2.0])
    exact = numerical.complex_step(lambda x: scaled_sines(0.5, x), x)
    for example in (np.float32(0.9), np.float64(0.9), 0.9):
        c = jb.grad(scaled_sines, wrt=1).compile(example, x)
        for a in (np.float32(0.5), np.float64(0.5), 0.5):
            np.testing.assert_allclose(c(a, x), exact, rtol=1e-12)
    small = x.astype(np.float32)
    c = jb.grad(scaled_sines, wrt=1).compile(0.9, small)
    assert c(0.5, small).dtype == jb.grad(scaled_sines, wrt=1)(0.5, small).dtype == np.float32
    np.testing.assert_allclose(c(0.5, small), exact, rtol=1e-5)
    quotient = jb.grad(lambda a: a**3 / a).compile(2.0)
    assert type(quotient(3.0)) is type(jb.grad(lambda a: a**3 / a)(3.0))
