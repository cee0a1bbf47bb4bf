"""Traced arrays can be filled: every way to write, loops as written, what is refused; and random programs."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests import numerical
from tests.tracing import inplace

X = np.array([0.7, -1.9, 2.6, 0.3])


def recurrence(x: Any) -> Any:
    y = jb.zeros(len(x))
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] * x[i] + x[i]
    return y


def heat(x: Any) -> Any:
    u = np.sin(x)
    for _ in range(3):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[0], u[-1] = u[1], u[-2]
    return u


def relu(x: Any) -> Any:
    h = np.outer(x, x) @ x
    h[h < 0] = 0
    return h


def masked(x: Any) -> Any:
    y = np.zeros_like(x)
    y[x > 0.5] += x[x > 0.5] ** 2
    y[[0, -1]] = x[[1, 2]] * x[0]
    return y


def columns(x: Any) -> Any:
    y = np.empty_like(np.outer(x, x))
    y[:, 0] = x
    y[:, 1:] = np.outer(x, x[1:])
    y[:, 0] *= x[0]
    y[::2, 1] -= y[1::2, 0]
    return y


def diagonal(x: Any) -> Any:
    y = np.outer(x, x)
    np.fill_diagonal(y, x**3)
    return y


def histogram(x: Any) -> Any:
    y = jb.zeros(3)
    np.add.at(y, [0, 1, 1, 0], x)
    np.subtract.at(y, [2, 2], x[0])
    np.multiply.at(y, [0, 0, 1], x[:3])
    return y


def outputs(x: Any) -> Any:
    y = np.empty_like(x)
    np.multiply(x, 2, out=y)
    np.exp(y, out=y, where=np.array([True, False, True, False]))
    np.cumsum(y, 0, None, y)
    np.sum(np.outer(x, x), axis=0, out=y[::-1])
    np.add(y, x, y)
    return y


def writers(x: Any) -> Any:
    y = x.copy()
    np.put(y, [0, -1], x[1])
    np.place(y, y > 2, [x[0], 0.5])
    np.putmask(y, y < 0, x**2)
    np.copyto(y, x * 3, where=np.array([False, True, False, True]))
    np.put_along_axis(y, np.array([2]), x[0] * x[1], 0)
    y.flat[1] = x[3]
    z = jb.full((2, 2), x[0])
    z.T[0] = x[:2]
    z.fill(x[2])
    z.flat = x
    z.T.sort(axis=0)
    return y * z.ravel()


def arrays(x: Any) -> Any:
    y = jb.array([[x[0], 1.0], [x[1] * x[2], x[3]]])
    z = jb.array(y)
    z[0] = y[1]
    w = jb.full(2, x[:2])
    w[0] = 3
    return y @ z + w


def forward_substitution(x: Any) -> Any:
    L = np.tril(np.outer(x, x)) + 3 * np.eye(4)
    y = jb.empty(4)
    for i in range(4):
        y[i] = (x[i] - L[i, :i] @ y[:i]) / L[i, i]
    return y


def rows(x: Any) -> Any:
    y = jb.zeros((3, 4))
    y[0] = x
    for i in range(1, 3):
        y[i] = np.tanh(y[i - 1] + y[i - 1, ::-1])
    return y


def bubbles(x: Any) -> Any:
    y = x * 1.0
    for n in range(len(y) - 1):
        for i in range(len(y) - 1 - n):
            if y[i] > y[i + 1]:
                y[i], y[i + 1] = y[i + 1], y[i]
    return y**2


FILLING = [
    recurrence, heat, relu, masked, columns, diagonal, histogram, outputs, writers, arrays,
    forward_substitution, rows, bubbles,
]  # fmt: skip


@pytest.mark.parametrize("f", FILLING)
def test_filled_arrays(f: Callable[[Any], Any]) -> None:
    expected = numerical.differences(lambda x: np.array(f(x.copy())), X)
    J = jb.jacobian(f)(X)
    np.testing.assert_allclose(J.dense(), expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(jb.vjp(f, X)[0], f(X.copy()), rtol=1e-13)
    assert J.nnz >= np.count_nonzero(np.abs(expected) > 1e-9)
    if not jb.record(f, X).guards:
        c = jb.jacobian(f).compile(X)
        moved = X + 0.05
        expected = numerical.differences(lambda x: np.array(f(x.copy())), moved)
        np.testing.assert_allclose(c.dense(moved), expected, rtol=1e-7, atol=1e-8)


def test_structural_zeros_of_what_is_filled_are_exact() -> None:
    def f(x: Any) -> Any:
        y = jb.zeros((2, 3))
        y[0, 1:] = x[:2] ** 2
        y[1, 0] = x[2]
        return y

    J = jb.jacobian(f)(np.array([np.inf, np.nan, 2.0]))
    assert J.nnz == 3
    expected = np.zeros((2, 3, 3))
    expected[0, 1, 0], expected[0, 2, 1], expected[1, 0, 2] = np.inf, np.nan, 1
    np.testing.assert_array_equal(J.dense(), expected)


def test_affine_writes_stay_affine() -> None:
    def f(x: Any) -> Any:
        y = jb.zeros(9)
        y[1::2] = x
        return y

    J = jb.jacobian(f)(X)
    assert all(slot.affine for term in J.terms.terms for slot in term.slots)
    assert "table" not in J.formula()
    np.testing.assert_array_equal(J.dense(), np.eye(9)[:, 1::2])


def test_formulas_read_what_was_written() -> None:
    def f(x: Any) -> Any:
        y = np.empty_like(x)
        y[:] = x**2
        return y

    assert jb.jacobian(f)(X).formula() == jb.jacobian(lambda x: x**2)(X).formula()


def test_nodes_are_few() -> None:
    """Those of the values that are written, and one for the reading: not one for each write."""

    def counted(n: int, f: Callable[[Any], Any]) -> int:
        return len(jb.record(f, np.ones(n)).nodes)

    def fill(x: Any) -> Any:
        y = jb.zeros(len(x))
        for i in range(len(x)):
            y[i] = x[i]
        return y

    def sums(x: Any) -> Any:
        y = jb.zeros(len(x))
        y[0] = x[0]
        for i in range(1, len(x)):
            y[i] = y[i - 1] + x[i]
        return y

    assert counted(200, fill) <= 2 * 200 + 2
    assert counted(200, sums) <= 3 * 200 + 2
    assert counted(200, sums) - counted(100, sums) <= 310


def test_an_entry_of_empty_is_written_before_it_is_read() -> None:
    for read in (lambda y: y[1], lambda y: np.sum(y), lambda y: y * 2, lambda y: y[::-1][0]):

        def f(x: Any, read: Any = read) -> Any:
            y = jb.empty(2)
            y[0] = x[0]
            return read(y)

        with pytest.raises(
            jb.UnsupportedError, match=r"empty array is read at test_filling.py:\d+"
        ):
            jb.grad(lambda x: np.sum(f(x)))(X)
    assert jb.grad(lambda x: _first_of_empty(x))(X)[0] == 1


def _first_of_empty(x: Any) -> Any:
    y = np.empty_like(x)
    y[0] = x[0]
    return y[0]


def test_outside_a_trace_they_are_plain() -> None:
    for made, expected in (
        (jb.zeros((2, 3)), np.zeros((2, 3))), (jb.full(2, 7), np.full(2, 7)),
        (jb.array([[1, 2]]), np.array([[1, 2]])), (jb.zeros(2, np.float32), np.zeros(2, np.float32)),
    ):  # fmt: skip
        assert type(made) is np.ndarray
        assert made.dtype == expected.dtype
        np.testing.assert_array_equal(made, expected)
    assert jb.empty((2, 3), int).dtype == int


def test_what_depends_on_no_input_is_plain_where_that_is_needed() -> None:
    def f(x: Any) -> Any:
        index = np.zeros_like(x, dtype=int)
        index[1:] = [2, 0, 1]
        steps = jb.array([0.5, 2.0])
        return x[index] * float(steps[1]) * np.asarray(steps)[0] * range(3)[index[1]]

    assert jb.record(f, X).guards == ()
    np.testing.assert_allclose(jb.jacobian(f)(X).dense(), 2 * np.eye(4)[[0, 2, 0, 1]])


def test_wrong_writes_are_numpys_errors() -> None:
    for write in (
        lambda x: x.__setitem__(9, 1.0), lambda x: x.__setitem__(slice(2), np.ones(3)),
        lambda x: np.put(x, [9], 1.0), lambda x: np.copyto(x, np.ones(3)),
        lambda x: np.fill_diagonal(x, 1.0), lambda x: np.add(x, np.ones((2, 4)), out=x),
        lambda x: x.__iadd__(np.ones((2, 4))), lambda x: np.add.at(x, [0, 1], np.ones(3)),
        lambda x: x.astype(int).__iadd__(0.5), lambda x: np.copyto(x.astype(int), 0.5),
        lambda x: x.fill([1.0, 2.0]), lambda x: x.sort(axis=3), lambda x: np.sum(x, out=x),
    ):  # fmt: skip
        with pytest.raises(Exception) as expected:
            write(X.copy())
        with pytest.raises(type(expected.value)):
            jb.grad(lambda x, write=write: (write(x), np.sum(x))[1])(X)  # type: ignore[misc]


def test_a_write_into_integers_cuts_off_as_numpy_does() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x, dtype=int)
        y[:] = x * 2
        return y + x

    np.testing.assert_array_equal(jb.jacobian(f)(X).dense(), np.eye(4))
    np.testing.assert_array_equal(jb.vjp(f, X)[0], f(X))


def test_nested_derivatives_fill_too() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        for i in range(2):
            y[i] = jb.grad(lambda z, i=i: np.sum(recurrence(z) * z) * z[i])(x)[0]
        return np.sum(y * x)

    expected = numerical.differences(lambda x: f(x.copy()), X)
    np.testing.assert_allclose(jb.grad(f)(X), expected, rtol=1e-6, atol=1e-7)
    H = jb.hessian(lambda x: np.sum(recurrence(x) ** 2))(X).dense()
    expected = numerical.differences(jb.grad(lambda x: np.sum(recurrence(x) ** 2)), X)
    np.testing.assert_allclose(H, expected, rtol=1e-7, atol=1e-8)


def test_a_broken_table_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from jacobians.tracing.entries import Memory

    real = Memory._put

    def wrong(self: Any, put: Any, view: Any, values: Any, sources: Any, places: Any) -> None:
        real(self, put, view, values, sources, np.roll(places, 1))

    monkeypatch.setattr(Memory, "_put", wrong)
    expected = numerical.differences(lambda x: np.array(columns(x.copy())), X)
    assert not np.allclose(jb.jacobian(columns)(X).dense(), expected)


# Random programs


def judged(seed: int) -> str:
    """What is wrong with a random program on traced arrays; empty if nothing, or nothing can be said."""
    lines = [line for line in inplace.program(seed) if "empty_like" not in line]
    rng = np.random.default_rng(seed)
    x = list(inplace.STARTS.values())[seed % len(inplace.STARTS)](rng)
    direction = rng.normal(size=np.shape(x))
    refused: list[int] = []
    plain = inplace.function(lines)

    def slope(step: float) -> float:
        ends = [np.asarray(x + sign * step * direction) for sign in (1, -1)]
        up, down = (e if isinstance(x, np.ndarray) else e[()] for e in ends)
        return float((plain(up) - plain(down)) / (2 * step))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = inplace.function(lines, refused)(x)
        expected_refusals = list(refused)
        if not np.isfinite(value) or abs(value) > 1e4:
            return ""
        coarse, fine = slope(1e-4), slope(5e-5)
        expected = fine + (fine - coarse) / 3
        if abs(expected - slope(1e-6)) > 1e-4 * max(1, abs(expected)):
            return ""  # a mask or an order changes nearby
        refused.clear()
        found, gradient = jb.value_and_grad(lambda x: inplace.run(lines, x, refused))(x)
    text = f"program {seed}:\n" + "\n".join(lines)
    if refused != expected_refusals:
        return f"{text}\nNumPy refuses {expected_refusals}, here {refused}"
    if abs(found - value) > 1e-9 * max(1, abs(value)):
        return f"{text}\nvalue {value}, here {found}"
    got = float(np.sum(gradient * direction))
    if abs(got - expected) > 1e-5 * max(1, abs(expected)):
        return f"{text}\nslope {expected}, here {got}"
    return ""


@pytest.mark.parametrize("start", range(10_000, 10_400, 40))
def test_random_programs_in_place(start: int) -> None:
    wrong = [said for said in map(judged, range(start, start + 40)) if said]
    assert wrong == [], "\n\n".join(wrong)


def test_most_programs_are_judged() -> None:
    """A wrong derivative of numbers would be seen in many of them."""
    from jacobians.tracing.handle import Handle

    class Changing:
        """Numbers that change in place, as they once did."""

        def __get__(self, *_: Any) -> bool:
            return False

        def __set__(self, *_: Any) -> None:
            pass

    kept = Handle.__dict__["number"]
    try:
        Handle.number = Changing()  # type: ignore[assignment]
        assert sum(bool(_said(seed)) for seed in range(40)) > 5
    finally:
        Handle.number = kept


def _said(seed: int) -> str:
    try:
        return judged(seed)
    except Exception as error:
        return str(error)
