"""Structure survives reshapes, slices and joins: counts known by hand, and no tables where affine."""

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import jacobians as jb
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum
from tests import numerical
from tests.derivation.test_chain_rule import calls
from tests.tracing.functions.driver import values


def has_table(tensor: Sum) -> bool:
    """Whether a slot of a sum of terms goes through a table."""
    return any(
        isinstance(stride, Table)
        for term in tensor.terms
        for slot in (*term.slots, *(s for f in term.factors for s in f.slots))
        for _, stride in slot.parts
    )


Kept = tuple[str, Callable[..., Any], tuple[int, ...], int]

# A function whose rows (or entries) depend on rows (or entries) only; its number of nonzeros.
KEPT: list[Kept] = [
    ("reshape, then a step", lambda X: np.tanh(X).reshape(-1)[::2], (3, 4), 6),
    (
        "reshape, flip, reshape",
        lambda X: np.tanh(X.reshape(2, 3, 4)[:, ::-1]).reshape(6, 4),
        (6, 4),
        24,
    ),
    ("flip every axis", lambda X: np.flip(X.reshape(2, 2, 3)) ** 2, (4, 3), 12),
    ("odd entries", lambda X: np.tanh(X).reshape(-1)[1::2], (3, 4), 6),
    ("every fourth entry from behind", lambda X: np.tanh(X).ravel()[-2::-4], (3, 4), 3),
    ("every entry after a row", lambda X: np.tanh(X).ravel()[4:], (3, 4), 8),
    ("stack of slices", lambda X: np.stack([X[:, 0], X[:, -1], X[:, 1]]) ** 2, (3, 4), 9),
    ("pad, then slice", lambda X: np.pad(np.sin(X), 2)[1:-1, 1:-1], (3, 4), 12),
    ("pad, then cut into it", lambda X: np.pad(np.sin(X), 1)[2:, 2:], (3, 4), 6),
    ("softmax of rows", lambda X: np.exp(X) / np.sum(np.exp(X), axis=1)[:, None], (3, 4), 48),
    (
        "rows through a reshape",
        lambda X: (np.exp(X) / np.sum(np.exp(X), axis=1).reshape(3, 1)).reshape(-1)[:8],
        (3, 4),
        32,
    ),
    (
        "transpose of a reshape",
        lambda X: np.tanh(X).reshape(2, 2, 3).transpose(2, 0, 1),
        (4, 3),
        12,
    ),
    ("roll", lambda X: np.roll(X, 1, axis=0) * X, (4, 3), 24),
    ("differences", lambda x: x[1:] - x[:-1], (6,), 10),
    ("second differences on a circle", lambda x: np.roll(x, 1) - 2 * x + np.roll(x, -1), (6,), 18),
    ("tile", lambda x: np.tile(np.sin(x), 3), (4,), 12),
    ("repeat", lambda x: np.repeat(np.sin(x), 3), (4,), 12),
    ("split and joined again", lambda x: np.concatenate(np.split(np.sin(x), 3)[::-1]), (6,), 6),
    ("columns swapped", lambda X: np.concatenate([X[:, 2:], X[:, :2]], axis=1) ** 2, (3, 4), 12),
    ("windows", lambda x: np.sin(sliding_window_view(x, 3)), (6,), 12),
    ("diagonal", lambda X: np.diagonal(X) ** 2, (3, 4), 3),
    ("diag", lambda x: np.diag(x**2, 1), (3,), 3),
    ("outer index", lambda X: X[np.ix_([0, 2], [1, 3])] ** 2, (3, 4), 4),
    ("progression of integers", lambda x: x[np.arange(4, -1, -2)] ** 2, (5,), 3),
    ("windows by integers", lambda x: x[np.arange(4)[:, None] + np.arange(2)] ** 2, (5,), 8),
    ("meshgrid", lambda x: np.meshgrid(x, np.ones(3))[0] ** 2, (4,), 12),
    ("reflected", lambda x: np.pad(x, 2, "reflect") ** 2, (4,), 8),
    ("block", lambda X: np.block([[X, np.zeros((2, 1))], [np.ones((1, 3))]]) ** 2, (2, 2), 4),
    ("delete", lambda x: np.delete(x, 2) ** 2, (5,), 4),
    ("insert", lambda x: np.insert(x, 2, 1.0) ** 2, (5,), 5),
    ("rot90", lambda X: np.rot90(X) ** 2, (3, 4), 12),
]


@pytest.mark.parametrize(
    ("function", "shape", "count"), [k[1:] for k in KEPT], ids=[k[0] for k in KEPT]
)
def test_affine_maps_stay_affine(
    function: Callable[..., Any], shape: tuple[int, ...], count: int
) -> None:
    X = values(*shape)
    for strategy in ("auto", "forward", "reverse"):
        J = jb.jacobian(function, strategy=strategy)(X)
        assert J.nnz == count
        assert not has_table(J.terms)
    expected = numerical.jacobian(function, [X], 0, analytic=True)
    np.testing.assert_allclose(J.dense(), expected, rtol=1e-10, atol=1e-12)
    assert np.count_nonzero(expected) <= count


# The same where a table is what the map is.
TABLES: list[Kept] = [
    ("list of integers", lambda X: X[[2, 0, 0, 1]] ** 2, (3, 4), 16),
    ("mask", lambda X: X[np.array([[True, False, True], [True, True, False]])] ** 2, (2, 3), 4),
    ("entries", lambda X: X[[0, 1, 1], [2, 0, 2]] ** 2, (2, 3), 3),
    ("tril", lambda X: np.tril(X) ** 2, (4, 4), 10),
    ("triu of a batch", lambda X: np.triu(X) ** 2, (2, 3, 3), 12),
    ("sort of rows", lambda X: np.sort(X, axis=1) ** 2, (3, 4), 12),
    ("repeat unequally", lambda x: np.repeat(x, [2, 0, 3, 1]) ** 2, (4,), 6),
]


@pytest.mark.parametrize(
    ("function", "shape", "count"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES]
)
def test_tables_count_what_they_take(
    function: Callable[..., Any], shape: tuple[int, ...], count: int
) -> None:
    J = jb.jacobian(function)(values(*shape))
    assert J.nnz == count
    assert np.count_nonzero(J.dense()) == count


def test_a_fancy_index_into_much_does_little() -> None:
    # 10¹² possible entries of the Jacobian, and an input of 10⁶: three entries are taken.
    X = np.ones((1000, 1000))
    start = process_time()
    J = jb.jacobian(lambda X: X[[1, 500, 999], [2, 700, 3]] ** 2)(X)
    assert J.nnz == 3
    assert J.jvp(X).tolist() == [2.0, 2.0, 2.0]
    assert process_time() - start < 0.5


def _heat(u: Any) -> Any:
    for _ in range(30):
        u = u + 0.1 * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    return u


def _heat_with_ends(u: Any) -> Any:
    for _ in range(30):
        inner = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u = np.concatenate([u[:1], inner, u[-1:]])
    return u


def _reaction(u: Any) -> Any:
    for _ in range(30):
        u = np.concatenate([u[:1], u[1:-1] * np.cos(u[:-2]), u[-1:]])
    return u


@pytest.mark.parametrize("function", [_heat, _heat_with_ends, _reaction])
def test_thirty_steps_derive_quickly_and_right(function: Callable[..., Any]) -> None:
    u = values(12)
    expected = numerical.jacobian(function, [u], 0, analytic=True)
    for strategy in ("auto", "forward", "reverse"):
        found: list[Any] = []
        derive = jb.jacobian(function, strategy=strategy)
        assert calls(lambda d=derive, to=found: to.append(d(u))) < 1_000_000
        np.testing.assert_allclose(found[0].dense(), expected, rtol=1e-9, atol=1e-11)
    given: list[Any] = []
    slope = jb.grad(lambda u: np.sum(function(u) ** 2))
    assert calls(lambda: given.append(slope(u))) < 150_000
    (gradient,) = given
    np.testing.assert_allclose(gradient, 2 * function(u) @ expected, rtol=1e-9, atol=1e-11)
