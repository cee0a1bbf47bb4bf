"""Numbers, copies and views as NumPy's: every supported function, and what was wrong once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.tracing.dispatch import call
from jacobians.tracing.tables import SUPPORTED, Result, implements
from tests import numerical
from tests.grouping import in_groups
from tests.tracing import calls, compared
from tests.tracing.test_tables import FUNCTIONS

CALLS = [
    *calls.CALLS.strip().splitlines(),
    *(
        f"np.{name}({arguments})"
        for name, ufunc in sorted(vars(np).items())
        if isinstance(ufunc, np.ufunc) and ufunc.signature is None
        for arguments in (calls.UNARY if ufunc.nin == 1 else calls.BINARY)
    ),
    *(f"{name}({a})" for name in calls.SPECIAL.split() for a in calls.UNARY),
    *(f"{name}({a})" for name in calls.SPECIAL_OF_TWO.split() for a in calls.BINARY),
]  # fmt: skip
DIFFERENT = {
    # NumPy announces that these will be read-only; here they are.
    "np.broadcast_arrays(x, X)": "writeable",
    "np.meshgrid(x, w, copy=False)": "writeable",
    # NumPy hands over only the value that it writes into a plain array.
    "np.full_like(np.ones(3), n)": "jb.full",
}


@in_groups("text", CALLS, str)
def test_memory_dtype_and_value_are_numpys(text: str) -> None:
    for dtype in (np.float64, np.float32, np.int64):
        expected = compared.by_numpy(text, dtype)
        if isinstance(expected, AttributeError):
            pytest.skip("this NumPy has no such function")
        said = compared.differences(text, dtype)
        if text in DIFFERENT:
            assert all(DIFFERENT[text] in line for line in said)
        else:
            assert said == [], dtype


def test_the_calls_reach_every_supported_function() -> None:
    text = "\n".join(CALLS) + "".join(calls.CHANGING)
    named = {name.removeprefix("numpy.") for name, f in FUNCTIONS.items() if f in SUPPORTED}
    plain = {name for name in named if SUPPORTED[FUNCTIONS[f"numpy.{name}"]].result is Result.PLAIN}
    aliases = {
        name for name in named
        for other in named
        if FUNCTIONS[f"numpy.{name}"] is FUNCTIONS[f"numpy.{other}"] and f"np.{other}(" in text
    }  # fmt: skip
    assert sorted(n for n in named - plain - aliases if f"np.{n}(" not in text) == []


def test_a_wrong_entry_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, function, wrong in (
        ("np.roll(x, 0)", np.roll, Result.NEW),
        ("np.diagonal(S)", np.diagonal, Result.NEW),
        ("np.where(m[0], z, z)", np.where, Result.NEW),
        ("np.sum(X, axis=())", np.sum, Result.AS_IS),
    ):
        assert compared.differences(text, np.float64) == []
        with monkeypatch.context() as patch:
            patch.setattr(SUPPORTED[function], "result", wrong)
            if function is np.roll:
                patch.setattr(SUPPORTED[function], "run", lambda a, shift: a)
                patch.setattr(SUPPORTED[function], "result", Result.AS_IS)
            assert compared.differences(text, np.float64) != []


# What gave wrong numbers once: each example stands for its kind


def number_changes(x: Any) -> Any:
    t = np.sum(x)
    first = t
    t += np.sum(x**2)
    return t * first


def python_number(x: Any) -> Any:
    u = x
    u += 1
    return x * u


def history(x: Any) -> Any:
    z, kept = np.dot(x, x), []
    for _ in range(3):
        kept.append(z)
        z += np.linalg.norm(x)
    return kept[0] * kept[1] + kept[2] * z


def first_entries(x: Any) -> Any:
    s = x[0]
    s += x[1]
    return s * x[0]


def copies(x: Any) -> Any:
    total = 0.0
    for made in (
        x.flatten(), np.roll(x, 0), np.meshgrid(x)[0], np.concatenate([x]), np.vstack([x]), np.block(x),
        np.delete(x, []), np.sum(x, axis=()), np.reshape(x, 3, copy=True),
    ):  # fmt: skip
        made *= 3
        total = total + np.sum(made * x)
    return total


def shared(x: Any) -> Any:
    y = np.outer(x, x)
    y.conj()[0] = 1.0
    y.astype(float, copy=False)[1] *= 2
    np.nan_to_num(y, copy=False)[2, 0] = 3 * x[0]
    d = np.diag(y)
    y += 1
    return np.sum(d * d)


def no_views(x: Any) -> Any:
    kept = [
        np.cumsum(x), np.roll(x, 1), np.tile(x, 1), np.repeat(x, 1), np.stack([x]), np.gradient(x),
        np.interp(x, [0.0, 9.0], [0.0, 3.0]), np.unique(x), np.sort(x, axis=None), np.outer(x, x),
    ]  # fmt: skip
    x += 1
    return sum(np.sum(k) for k in kept) * x[0]


def in_place_through_views(x: Any) -> Any:
    y = np.sin(x)
    v, w = y[1:], y[::-1]
    v *= 10
    w += v[0]
    return np.sum(y * v[1])


def rows_in_place(x: Any) -> Any:
    M = np.outer(x, x + 1)
    for row in M:
        row /= row.sum()
    return np.sum(M**2)


PINNED = [
    number_changes, python_number, history, first_entries, copies, shared, no_views,
    in_place_through_views, rows_in_place,
]  # fmt: skip
X = np.array([0.7, 1.9, 2.6])


@pytest.mark.parametrize("f", PINNED)
def test_in_place_as_numpy(f: Callable[[Any], Any]) -> None:
    x: Any = 3.0 if f is python_number else X
    expected = numerical.differences(lambda x: f(x.copy() if x.ndim else x[()]), np.asarray(x))
    value, gradient = jb.value_and_grad(f)(x)
    np.testing.assert_allclose(value, f(np.copy(x) if np.ndim(x) else x), rtol=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)
    if not jb.record(f, x).guards:
        compiled = jb.grad(f).compile(np.asarray(x) if np.ndim(x) else x)
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-8)


def test_the_examples_of_numbers() -> None:
    assert jb.value_and_grad(number_changes)(np.array([1.0, 2.0]))[0] == 24
    assert jb.grad(python_number)(3.0) == 7


def test_a_number_and_an_array_without_axes_are_two_things() -> None:
    def f(x: Any) -> Any:
        u = x
        u += 1
        return x * u

    assert jb.grad(f)(3.0) == jb.grad(f)(np.float64(3.0)) == 7
    assert jb.grad(f)(np.array(3.0)) == 8  # (x + 1)², as NumPy


def test_the_callers_layout_does_not_matter() -> None:
    def f(X: Any) -> Any:
        flat = X.ravel()
        flat *= 2
        return np.sum(X**2)

    x = np.arange(6.0).reshape(2, 3)
    for given in (x, np.asfortranarray(x), np.arange(12.0).reshape(2, 6)[:, ::2] * 0 + x):
        np.testing.assert_array_equal(jb.grad(f)(given), 8 * x)


def test_the_callers_arrays_never_change() -> None:
    x = X.copy()
    kept = jb.value_and_grad(no_views)(x)
    np.testing.assert_array_equal(x, X)
    assert np.isfinite(kept[0])


def test_read_only_views_are_read_only() -> None:
    for view in (
        lambda x: np.broadcast_to(x, (2, 3)), lambda x: np.diagonal(np.outer(x, x)),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2), lambda x: np.imag(x),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            jb.grad(lambda x, view=view: view(x).__setitem__(0, 1.0))(X)  # type: ignore[misc]
        with pytest.raises(ValueError, match="read-only"):
            jb.grad(lambda x, view=view: view(x).__imul__(2.0))(X)  # type: ignore[misc]


def test_a_number_cannot_be_assigned_to() -> None:
    with pytest.raises(TypeError, match=r"item assignment: at test_memory.py:\d+ .*jb.array"):
        jb.grad(lambda x: np.sum(x).__setitem__((), 1.0))(X)
    with pytest.raises(TypeError, match="must be of ArrayType"):
        jb.grad(lambda x: np.add(x, 1, out=np.sum(x)))(X)


def test_may_share_memory_answers_as_numpy() -> None:
    def f(x: Any) -> Any:
        assert np.may_share_memory(x, x[1:])
        assert not np.may_share_memory(x, x.copy())
        assert not np.shares_memory(np.sin(x), np.sin(x))
        y = jb.zeros(4)
        y[1:] = x
        assert np.shares_memory(y, y[::2])
        assert not np.may_share_memory(y, x)
        return np.sum(y)

    jb.grad(f)(X)


def test_one_node_made_twice_is_two_arrays() -> None:
    def f(x: Any) -> Any:
        a, b = np.sin(x), np.sin(x)
        a += 1
        return np.sum(a * b)

    np.testing.assert_allclose(jb.grad(f)(X), np.cos(X) * (2 * np.sin(X) + 1))


def test_an_entry_states_memory_once() -> None:
    def strange(x: Any) -> Any:
        return x

    try:
        implements(strange)(lambda x: x)
        made: list[Any] = []
        jb.grad(lambda x: np.sum(made.append(call(strange, (x,), {})) or x))(X)
        implements(strange, result=Result.NUMPYS)(lambda x: x)
        jb.grad(lambda x: made.append((x, call(strange, (x,), {}))) or np.sum(x))(X)
        assert np.shares_memory(made[1][0].value, made[1][1].value)
    finally:
        del SUPPORTED[strange]


def test_constants_lie_as_they_did() -> None:
    """Whether a result of one is a view is decided by how it lies: F-ordered ones are no C-ordered ones."""
    c, M = np.array([1.0, 2, 3, 4]), np.arange(4.0).reshape(2, 2) + 1
    ones = np.ones((2, 2))

    def f(x, order):
        y = np.array(ones, order=order) * x.reshape(2, 2).T
        z = y.reshape(4)
        z[0] = 5 * x[1]
        return np.sum(y * M) + z @ c

    x = np.array([0.3, -0.4, 0.5, 0.7])
    for order in ("F", "C", "F"):
        value, gradient = jb.value_and_grad(lambda x, order=order: f(x, order))(x)
        np.testing.assert_allclose(value, f(x, order))
        exact = numerical.complex_step(lambda x, order=order: f(x, order), x)
        np.testing.assert_allclose(gradient, exact, rtol=1e-12)

    def both(x):
        return f(x, "F") + 2 * f(x, "C")

    np.testing.assert_allclose(jb.grad(both)(x), numerical.complex_step(both, x), rtol=1e-12)


def test_views_of_nothing_can_be_written_into() -> None:
    """Arrays without entries have strides of 0, and yet no entry that stands in several places."""

    def f(x):
        y = (x[:0, None] * np.ones(3))[:, ::-1]
        y *= 2
        y[:, 1:][...] = 5
        return np.sum(y) + np.sum(x**2)

    x = np.arange(4.0)
    np.testing.assert_array_equal(jb.grad(f)(x), 2 * x)


W_READS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda w: w,
    "back": lambda w: w[::-1],
    "part": lambda w: np.concatenate([w[1:], w[:1]]),
    "transposed": lambda w: np.outer(w, w).T[0],
    "as rows": lambda w: w.reshape(3, 1)[:, 0],
    "negated": lambda w: -w,
}


@pytest.mark.parametrize("name", W_READS)
def test_constants_that_change_afterwards_are_as_they_were(name: str) -> None:
    """What the source says of an array holds when it is read: it may be written into later."""
    read = W_READS[name]

    def f(x: Any) -> Any:
        w, V = np.arange(3.0), np.zeros((2, 3))
        total = read(w) * x
        w += 1
        total = total + read(w) * np.sin(x) + w[::-1] * x
        w *= 2
        for k in range(2):
            V[:] = k + 1
            total = total + V[0] * x**2
        return total

    x = np.array([0.3, 0.5, 0.7])
    exact = numerical.complex_step(f, x)
    for strategy in ("auto", "forward"):
        np.testing.assert_allclose(jb.jacobian(f, strategy=strategy)(x).dense(), exact, rtol=1e-12)
    np.testing.assert_allclose(jb.jacobian(f).compile(x).dense(x), exact, rtol=1e-12)
    second = numerical.differences(lambda x: numerical.complex_step(lambda z: np.sum(f(z)), x), x)
    found = jb.hessian(lambda x: np.sum(f(x)))(x).dense()
    np.testing.assert_allclose(found, second, rtol=1e-6, atol=1e-7)
