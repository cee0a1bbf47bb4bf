"""Shape functions and selection: values and dtypes as NumPy's, its errors, guards, refusals."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.errors import UnsupportedError
from tests.grouping import in_groups
from tests.tracing.functions import cases_selection, cases_shapes
from tests.tracing.functions.driver import Case, values

CASES = [*cases_shapes.CASES, *cases_selection.CASES]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@in_groups("case", CASES, lambda case: case.name)
def test_values_and_dtypes_are_numpys(case: Case, dtype: Any) -> None:
    arrays = [a.astype(dtype) for a in case.arguments]
    expected = case.function(*arrays)
    for wrt in case.wrt if case.wrt is not None else range(len(arrays)):
        found: list[Any] = []

        def kept(*args: Any, found: list[Any] = found) -> Any:
            found.append(case.function(*args))
            return found[-1]

        jb.jacobian(kept, wrt=wrt)(*arrays)
        assert found[0].dtype == expected.dtype
        assert found[0].shape == expected.shape
        tolerance = 1e-14 if dtype == np.float64 else 1e-5
        value = getattr(found[0], "value", found[0])
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)


X = values(2, 3)
WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    ("reshape", lambda x: np.reshape(x, (4, 2))),
    ("reshape with two unknowns", lambda x: x.reshape(-1, -1)),
    ("reshape with a float", lambda x: np.reshape(x, 6.0)),
    ("reshape order", lambda x: np.reshape(x, 6, order="Q")),
    ("transpose axes", lambda x: np.transpose(x, (0, 0))),
    ("transpose too few", lambda x: np.transpose(x, (0,))),
    ("transpose out of range", lambda x: np.transpose(x, (0, 2))),
    ("swapaxes", lambda x: np.swapaxes(x, 0, 2)),
    ("moveaxis", lambda x: np.moveaxis(x, [0, 1], [0])),
    ("squeeze", lambda x: np.squeeze(x, 1)),
    ("expand_dims", lambda x: np.expand_dims(x, 5)),
    ("broadcast_to", lambda x: np.broadcast_to(x, (3, 2))),
    ("broadcast_arrays", lambda x: np.broadcast_arrays(x, np.ones(2))),
    ("concatenate", lambda x: np.concatenate([x, np.ones((2, 2))])),
    ("concatenate numbers", lambda x: np.concatenate([x[0, 0], x[0, 1]])),
    ("concatenate axis", lambda x: np.concatenate([x, x], axis=2)),
    ("concatenate dims", lambda x: np.concatenate([x, np.ones(3)])),
    ("concatenate cast", lambda x: np.concatenate([x, x], dtype=np.int64)),
    ("stack", lambda x: np.stack([x, np.ones(3)])),
    ("stack axis", lambda x: np.stack([x, x], axis=4)),
    ("vstack", lambda x: np.vstack([x, np.ones(2)])),
    ("split unequal", lambda x: np.split(x, 2, axis=1)),
    ("dsplit", lambda x: np.dsplit(x, 1)),
    ("hsplit a number", lambda x: np.hsplit(x[0, 0], 1)),
    ("tile", lambda x: np.tile(x, -1)),
    ("repeat", lambda x: np.repeat(x, [1, 2, 3], axis=0)),
    ("repeat negative", lambda x: np.repeat(x, -1)),
    ("resize", lambda x: np.resize(x, (-1, 2))),
    ("flip", lambda x: np.flip(x, 2)),
    ("fliplr", lambda x: np.fliplr(x[0])),
    ("rot90", lambda x: np.rot90(x, axes=(0, 0))),
    ("roll", lambda x: np.roll(x, 1, axis=3)),
    ("roll pairs", lambda x: np.roll(x, (1, 2, 3), axis=(0, 1))),
    ("pad mode", lambda x: np.pad(x, 1, "nonsense")),
    ("pad width", lambda x: np.pad(x, -1)),
    ("pad widths", lambda x: np.pad(x, (1, 2, 3))),
    ("pad option", lambda x: np.pad(x, 1, "edge", end_values=3)),
    ("pad nothing by reflection", lambda x: np.pad(x[:0], 1, "reflect")),
    ("diag", lambda x: np.diag(x[None])),
    ("diagonal", lambda x: np.diagonal(x[0])),
    ("block", lambda x: np.block([[x], x])),
    ("block sizes", lambda x: np.block([[x, x], [x]])),
    ("insert", lambda x: np.insert(x, 9, 1.0)),
    ("insert shape", lambda x: np.insert(x, 0, np.ones(2), axis=0)),
    ("delete", lambda x: np.delete(x, 9)),
    ("windows", lambda x: np.lib.stride_tricks.sliding_window_view(x, 5, axis=0)),
    ("gradient", lambda x: np.gradient(x[:1], axis=0)),
    ("gradient spacings", lambda x: np.gradient(x, 1.0, 2.0, 3.0)),
    ("gradient points", lambda x: np.gradient(x, [1.0, 2.0], axis=1)),
    ("gradient order", lambda x: np.gradient(x, edge_order=3)),
    ("linspace", lambda x: np.linspace(x, 1.0, -1)),
    ("index", lambda x: x[2]),
    ("index the second axis", lambda x: x[0, 7]),
    ("index too many", lambda x: x[0, 0, 0]),
    ("index a list", lambda x: x[[0, 5]]),
    ("index columns", lambda x: x[:, [0, 5]]),
    ("index two ellipses", lambda x: x[..., ...]),
    ("index a float", lambda x: x[1.0]),
    ("index a list of floats", lambda x: x[[0.0, 1.0]]),
    ("index a name", lambda x: x["a"]),
    ("index a mask", lambda x: x[[True, False, True]]),
    ("index lists that do not fit", lambda x: x[[0, 1], [0, 1, 2]]),
    ("take", lambda x: np.take(x, 6)),
    ("take mode", lambda x: np.take(x, 1, mode="loop")),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.array([0]), 0)),
    ("compress", lambda x: np.compress([[True]], x)),
    ("choose", lambda x: np.choose([0, 2, 0], [x, x])),
    ("select", lambda x: np.select([x > 0], [x, x])),
    ("sort", lambda x: np.sort(x, axis=2)),
    ("sort kind", lambda x: np.sort(x, kind="bogo")),
    ("partition", lambda x: np.partition(x, 8)),
    ("trim_zeros", lambda x: np.trim_zeros(x[0], "z")),
    ("apply_along_axis", lambda x: np.apply_along_axis(np.sum, 3, x)),
    ("unstack", lambda x: np.unstack(x, axis=2)),
    ("interp", lambda x: np.interp(x, [0.0, 1.0], [1.0])),
]


@pytest.mark.parametrize("function", [w[1] for w in WRONG], ids=[w[0] for w in WRONG])
def test_errors_are_numpys(function: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as expected:
        function(X)
    with pytest.raises(type(expected.value)) as found:
        jb.jacobian(function)(X)
    assert str(found.value) == str(expected.value)


GUARDED: list[Callable[[Any], Any]] = [
    lambda x: x[x > 0],
    lambda x: x[:, np.argmax(x, axis=1)],
    np.sort,
    lambda x: np.partition(x, 1),
    lambda x: np.unique(x),
    lambda x: np.trim_zeros(x[0]),
    lambda x: np.extract(x > 0, x),
    lambda x: x * np.searchsorted([0.0], x[0, 0]),
    lambda x: x if np.array_equal(x, x) else -x,
]


@pytest.mark.parametrize("function", GUARDED)
def test_choices_by_value_leave_a_guard(function: Callable[[Any], Any]) -> None:
    assert "for these values only" in str(jb.record(function, X))


FREE: list[Callable[[Any], Any]] = [
    lambda x: x[:, [0, 2]],
    lambda x: np.roll(x, 1) + np.pad(x, 1)[1:-1, 1:-1],
    lambda x: x * np.ones_like(x) if np.shape(x) == (2, 3) else x,
    lambda x: np.tril(x),
    lambda x: np.where(x > 0, x, -x),
]


@pytest.mark.parametrize("function", FREE)
def test_what_depends_on_shapes_leaves_none(function: Callable[[Any], Any]) -> None:
    assert "for these values only" not in str(jb.record(function, X))


PLAIN: list[Callable[[Any], Any]] = [
    lambda x: np.copyto(np.zeros((2, 3)), x),
    lambda x: np.fill_diagonal(np.zeros((3, 3)), x[0]),
    lambda x: np.put(np.zeros(3), [0], x[0, 0]),
    lambda x: np.putmask(np.zeros((2, 3)), x > 0, x),
    lambda x: np.put_along_axis(np.zeros((2, 3)), np.array([[0]]), x[0, 0], 0),
    lambda x: np.full((2, 3), x),
    lambda x: np.full_like(np.ones((2, 3)), x),
    lambda x: np.add(x, 1, out=np.zeros((2, 3))),
    lambda x: np.sum(x, 0, None, np.zeros(3)),
    lambda x: np.zeros((2, 3)).__iadd__(x),
]


@pytest.mark.parametrize("function", PLAIN)
def test_a_plain_array_is_not_written_into(function: Callable[[Any], Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"test_shapes.py:\d+.*jb\.(zeros|full)"):
        jb.jacobian(function)(X)


def test_results_of_shape_functions_are_new_arrays() -> None:
    x = values(3)
    for function in (lambda x: x, np.ravel, np.copy, lambda x: np.concatenate([x]), lambda x: x[:]):
        y, _ = jb.vjp(function, x)
        assert not np.shares_memory(y, x)


def test_structural_zeros_hold_beside_infinities() -> None:
    x = np.array([np.inf, 1.0, np.nan, 2.0])
    J = jb.jacobian(lambda x: np.concatenate([x[1:2], np.pad(x[3:], 1), np.roll(x, 1)[:1]]) ** 2)(x)
    expected = np.zeros((5, 4))
    expected[0, 1], expected[2, 3], expected[4, 3] = 2.0, 4.0, 4.0
    np.testing.assert_array_equal(J.dense(), expected)


@pytest.mark.parametrize("bound", [1, np.int64(1), np.array(1), True])
def test_bounds_of_slices_are_what_numpy_takes(bound):
    x = np.arange(5.0)
    np.testing.assert_array_equal(jb.grad(lambda x: np.sum(x[bound:]))(x), [0, 1, 1, 1, 1])
    with pytest.raises(TypeError, match="slice indices must be integers"):
        jb.grad(lambda x: np.sum(x[1.0:]))(x)


WAYS: list[Callable[[slice], Any]] = [
    lambda s: s, lambda s: (..., s), lambda s: (s, ...), lambda s: (None, s), lambda s: (s, None),
    lambda s: (..., s, None),
]  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_every_slice_of_a_short_axis(n: int, way: Callable[[slice], Any]) -> None:
    x = np.arange(1.0, n + 1)
    bounds = [None, *range(-n - 3, n + 3)]
    for start, stop, step in itertools.product(bounds, bounds, (None, 1, 2, -1, -2)):
        index = way(slice(start, stop, step))
        y, pullback = jb.vjp(lambda x, index=index: x[index], x)
        expected = x[index]
        assert y.shape == expected.shape
        np.testing.assert_array_equal(y, expected)
        (gradient,) = pullback(2 * expected)
        whole = np.zeros(n)
        np.add.at(whole, np.arange(n)[index], 2 * expected)
        np.testing.assert_array_equal(gradient, whole)


def test_shapes_are_what_numpy_takes() -> None:
    class Six:
        def __index__(self) -> int:
            return 6

    for shape in (Six(), None, (Six(),), (3, -1)):
        expected = X.reshape(shape)
        found = jb.vjp(lambda x, shape=shape: x.reshape(shape), X)[0]
        np.testing.assert_array_equal(found, expected)
        assert found.shape == expected.shape
    with pytest.raises(TypeError, match="exactly 1 argument"):
        jb.grad(lambda x: np.sum(x.reshape()))(X)


@pytest.mark.parametrize("p", [0, 1, 2, 0.5, 0.0, -0.0, np.nan, True, False, np.True_, np.int64(1)])
def test_where_with_a_number_as_condition(p: Any) -> None:
    x = np.array([0.3, 0.7, 1.2])
    exact = 2 * x if p else np.cos(x)
    f = lambda x: np.where(p, x**2, np.sin(x))  # noqa: E731
    for _ in range(3):
        np.testing.assert_allclose(jb.jacobian(f)(x).dense(), np.diag(exact))
    g = lambda x: np.sum(f(x))  # noqa: E731
    np.testing.assert_allclose(jb.grad(g).compile(x)(x), exact)
    second = np.full(3, 2.0) if p else -np.sin(x)
    np.testing.assert_allclose(jb.hessian(g)(x).dense(), np.diag(second))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_arrays_of_different_numbers_of_axes_are_not_joined(axis: int) -> None:
    for parts in (lambda x: [x, x[:, 0]], lambda x: [x[:, 0], x[0, 0]], lambda x: [x[0], x]):
        with pytest.raises(ValueError) as ours:
            jb.grad(lambda x, p=parts: np.sum(np.concatenate(p(x), axis)))(X)
        with pytest.raises(ValueError) as numpys:
            np.concatenate(parts(X), axis)
        assert str(ours.value) == str(numpys.value)
