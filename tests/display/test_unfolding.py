"""Pictures against dense tensors that are unfolded and summed entry by entry."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb
from jacobians.display import summaries
from jacobians.display.unfolding import (
    Picture,
    corner,
    matrix_layout,
    picture,
    possible,
    scale_of,
    structure_picture,
)
from tests.display.cases import FUNCTIONS, jacobian, random, unfolded

Array = NDArray[Any]


def by_cell(seen: Picture, D: Array, value: Callable[[Array], Any]) -> Array:
    """What each cell stands for, from the dense tensor, and that each entry is in one cell only."""
    found = np.zeros(seen.cells.shape)
    times = np.zeros(D.shape, int)
    for row, column in np.ndindex(found.shape):
        part = tuple(slice(a, b + 1) for a, b in seen.ranges(row, column))
        times[part] += 1
        found[row, column] = value(D[part])
    assert np.all(times == 1)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_entry_is_where_counting_puts_it(name: str) -> None:
    J = jacobian(name)
    seen = picture(J)
    expected = unfolded(J.explicit(), J.out_ndim)
    assert not seen.summary
    assert seen.note.startswith("every entry")
    np.testing.assert_allclose(seen.cells, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(by_cell(seen, J.dense(), lambda part: part.item()), seen.cells)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_structure_is_where_generic_numbers_are_not_zero(name: str) -> None:
    J = jacobian(name)
    D = J.explicit()
    seen = structure_picture(J)
    np.testing.assert_array_equal(seen.cells, unfolded(D, J.out_ndim) != 0)
    for rows, columns in ((1, 1), (2, 3), (3, 2), (5, 4)):
        seen = structure_picture(J, rows=rows, columns=columns)
        assert seen.cells.shape <= (rows, columns)
        np.testing.assert_array_equal(seen.cells, by_cell(seen, D, np.any))


@pytest.mark.parametrize("way", ["slices", "squares"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_norms_of_what_does_not_fit(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    J = jacobian(name)
    D = J.explicit()
    taken = []
    square = summaries._squared_norms
    if way == "squares":
        monkeypatch.setattr(summaries, "_DIRECT", 0)
        monkeypatch.setattr(summaries, "_CHUNK", 16)
        monkeypatch.setattr(summaries, "_few_meetings", lambda *_: True)

        def noted(*args: Any, **kwargs: Any) -> Any:
            taken.append(square(*args, **kwargs))
            return taken[-1]

        monkeypatch.setattr(summaries, "_squared_norms", noted)
    else:
        monkeypatch.setattr(summaries, "_CHUNK", 7)
        monkeypatch.setattr(summaries, "_squared_norms", lambda *_, **__: None)
    for rows, columns in ((1, 1), (2, 3), (3, 2), (5, 4)):
        seen = picture(J, rows=rows, columns=columns)
        assert seen.cells.shape[0] <= rows
        assert seen.cells.shape[1] <= columns
        if seen.summary:
            np.testing.assert_allclose(seen.cells, by_cell(seen, D, np.linalg.norm), rtol=1e-12)
    if way == "squares" and D.size > 40:
        assert any(found is not None for found in taken), "the square was never taken"


def test_blocks_are_summarised_by_their_norms() -> None:
    J = jb.ops.matmul.jacobian(random(20, 30), random(30, 25), wrt="B")
    seen = picture(J, rows=64, columns=64)
    expected = np.sqrt((J.dense() ** 2).sum(axis=(2, 3)))
    assert seen.note == "block norms, 20×25 of 20×25 blocks of 20×30"
    np.testing.assert_allclose(seen.cells, expected, rtol=1e-13)
    seen = picture(J, rows=10, columns=5)
    assert seen.note == "block norms, 10×5 groups of up to 2×5 of 20×25 blocks of 20×30"
    grouped = (expected**2).reshape(10, 2, 5, 5).sum(axis=(1, 3))
    np.testing.assert_allclose(seen.cells, np.sqrt(grouped), rtol=1e-13)
    assert seen.where(9, 4) == "i = 18…19, j = 20…24, k = 0…19, l = 0…29"


def test_one_large_block_is_resolved_into_cells() -> None:
    X = random(100, 90)
    J = jb.jacobian(lambda X: np.sum(np.exp(X)))(X)
    seen = picture(J, rows=50, columns=45)
    assert seen.note == "50×45 cells, each the norm of up to 2×2 entries; 1 block of 100×90"
    expected = np.sqrt((np.exp(X) ** 2).reshape(50, 2, 45, 2).sum(axis=(1, 3)))
    np.testing.assert_allclose(seen.cells, expected, rtol=1e-13)


def peak(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the most MiB it held."""
    function()  # caches and imports
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()


def test_a_product_of_large_matrices_is_never_dense() -> None:
    B, C = random(300, 300, seed=1), random(300, 300, seed=2)
    J = jb.ops.matmul.jacobian(B, C, wrt="B")  # 60 GiB
    seen, most = peak(lambda: picture(J))
    np.testing.assert_allclose(seen.cells, np.ones((300, 1)) * np.linalg.norm(C, axis=0))
    assert most < 16
    structure, most = peak(lambda: structure_picture(J))
    assert most < 16
    ranges = [structure.ranges(row, 0) for row in range(256)]
    same = [i[0] <= k[1] and k[0] <= i[1] for i, _, k, _ in ranges]
    np.testing.assert_array_equal(
        structure.cells, np.array(same)[:, None] & np.ones((1, 256), bool)
    )
    assert not structure.cells.all()


def test_the_hessian_of_a_factorisation_is_never_dense() -> None:
    U, V, T = random(2000, 5), random(30, 5), random(2000, 30)
    H = jb.hessian(lambda U: 0.5 * np.sum((T - U @ V.T) ** 2))(U)
    seen, most = peak(lambda: picture(H))
    assert most < 16
    gram = (V.T @ V).ravel()  # along the columns: j, then l
    counts = np.diff(seen.edges[0])
    np.testing.assert_allclose(seen.cells, np.sqrt(counts)[:, None] * np.abs(gram))
    assert peak(lambda: structure_picture(H))[1] < 16


def test_patterns_with_tables_on_both_axes_are_joined_at_once() -> None:
    x = random(600)
    J = jb.jacobian(lambda x: np.cumsum(x) * np.cumsum(x[::-1]))(x)
    nnz, most = peak(lambda: J.nnz)
    rows, columns = np.indices((600, 600))
    assert nnz == np.count_nonzero((columns <= rows) | (columns >= 599 - rows))
    assert most < 100  # one table after the other would list 36 million pairs


def test_overlapping_terms_that_cancel_leave_rounding_only() -> None:
    B, C = random(150, 90), random(90, 150)
    J = jb.ops.matmul.jacobian(B, C, wrt="B")
    K = jb.ops.matmul.jacobian(B, C.copy(), wrt="B")
    seen = picture(J - K, rows=64, columns=64)
    assert np.max(seen.cells) <= 1e-6 * np.max(picture(J, rows=64, columns=64).cells)


def test_norms_neither_overflow_nor_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1e200, 1e-200):
        C = size * random(30, 25)
        J = jb.ops.matmul.jacobian(random(20, 30), C, wrt="B")
        expected = np.ones((20, 1)) * (np.linalg.norm(C / size, axis=0) * size)
        for direct in (1 << 24, 0):
            monkeypatch.setattr(summaries, "_DIRECT", direct)
            monkeypatch.setattr(summaries, "_CHUNK", 1 << 10 if direct == 0 else 1 << 20)
            np.testing.assert_allclose(picture(J, rows=25, columns=25).cells, expected, rtol=1e-12)


@pytest.mark.parametrize("direct", [1 << 24, 0])
def test_nan_and_infinities_stay_in_their_blocks(
    direct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "_DIRECT", direct)
    monkeypatch.setattr(summaries, "_CHUNK", 1 << 10 if direct == 0 else 1 << 20)
    C = random(30, 25)
    C[3, 4], C[5, 6], C[7, 8] = np.nan, np.inf, -np.inf
    cells = picture(jb.ops.matmul.jacobian(random(20, 30), C, wrt="B"), rows=25, columns=25).cells
    assert np.isnan(cells[:, 4]).all()
    assert np.isinf(cells[:, [6, 8]]).all()
    others = [j for j in range(25) if j not in (4, 6, 8)]
    np.testing.assert_allclose(cells[0, others], np.linalg.norm(C[:, others], axis=0))


def test_the_corner_has_the_first_blocks() -> None:
    J = jb.ops.matmul.jacobian(random(6, 7), random(7, 9), wrt="B")
    seen = corner(J, rows=20, columns=24)
    assert seen is not None
    assert seen.note == "every entry, 3×3 of 6×9 blocks of 6×7"
    np.testing.assert_array_equal(seen.cells, unfolded(J.dense()[:3, :3], 2))
    assert corner(J, rows=12, columns=24) is None
    assert corner(J, rows=20, columns=14) is None


def test_pictures_of_nothing() -> None:
    J = jb.ops.matmul.jacobian(np.ones((0, 4)), random(4, 3), wrt="B")
    for seen in (picture(J), structure_picture(J), picture(J, rows=1, columns=1)):
        assert seen.cells.size == 0
        assert seen.note == "no entries: an axis has size 0"
    zero = jb.ops.matmul.jacobian(random(2, 4), random(4, 3), wrt="B") * 0
    assert not picture(zero).cells.any()
    assert not structure_picture(zero).cells.any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_structure_as_a_matrix_and_of_a_picture_of_values(name: str) -> None:
    J = jacobian(name)
    D = J.explicit()
    layout = matrix_layout(J.shape, J.out_ndim, J.axes)
    rows = int(np.prod(J.out_shape))
    seen = structure_picture(J, layout=layout)
    np.testing.assert_array_equal(seen.cells, D.reshape(rows, -1) != 0)
    coarse = picture(J, rows=3, columns=4)
    np.testing.assert_array_equal(possible(J, coarse), by_cell(coarse, D, np.any))


def test_labels_name_axes_and_sizes() -> None:
    layout = picture(jacobian("matrix product")).layout
    assert layout.label(rows=True) == "blocks i (2), rows k (2)"
    assert layout.label(rows=False) == "blocks j (4), columns l (3)"
    layout = picture(jacobian("vector by vector")).layout
    assert (layout.label(rows=True), layout.label(rows=False)) == ("i (4)", "k (3)")
    assert picture(jacobian("number by number")).layout.label(rows=True) == ""


def test_a_scale_clips_what_is_far_from_the_rest() -> None:
    values = np.array([*np.linspace(-1, 1, 50), -300.0, np.nan, np.inf, -np.inf])
    scale = scale_of(values)
    assert scale == (1, 300, 1, 1, 2)
    assert scale.note == "1 clipped (up to 300), 1 nan, 2 infinite"
    assert scale_of(np.linspace(-3, 2, 50)) == (3, 3, 0, 0, 0)
    assert scale_of(np.zeros(3)) == (1, 0, 0, 0, 0)
    assert scale_of(np.array([np.nan])).limit == 1
