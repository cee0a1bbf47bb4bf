"""Indexing in all its combinations, and functions that select entries."""

from typing import Any

import numpy as np

from tests.tracing.functions.cases_shapes import apart, case, joined
from tests.tracing.functions.driver import Case, values

MASK = np.array([True, False, True])
MASK_2D = np.array([[True, False, True], [False, True, True]])
ROWS, COLUMNS = np.array([0, 1, 1]), np.array([2, 0, 2])

BASIC = [
    case("index a number", lambda x: x[1], (3,)),
    case("index from the end", lambda x: x[-1], (3, 2)),
    case("index with NumPy's integer", lambda x: x[np.int64(1)], (3, 2)),
    case("index with a 0-d array", lambda x: x[np.array(1)], (3, 2)),
    case("index all axes", lambda x: x[1, -2], (2, 3)),
    case("index with a slice and a number", lambda x: x[:, 1], (2, 3)),
    case("index with a step", lambda x: x[::2], (5,)),
    case("index backwards", lambda x: x[::-1], (4,)),
    case("index backwards with a step", lambda x: x[-2::-2], (5,)),
    case("index with ellipsis", lambda x: x[..., 0], (2, 3, 2)),
    case("index with ellipsis in the middle", lambda x: x[1, ..., :2], (2, 3, 3)),
    case("index with ellipsis for nothing", lambda x: x[0, ..., 1], (2, 2)),
    case("index with ellipsis alone", lambda x: x[...], (2, 3)),
    case("index with an empty tuple", lambda x: x[()], (2, 3)),
    case("index a number with an empty tuple", lambda x: x[()], ()),
    case("index with newaxis", lambda x: x[:, None], (3,)),
    case("index with newaxis at both ends", lambda x: x[None, ..., np.newaxis], (2, 3)),
    case("index a number with newaxis", lambda x: x[None], ()),
    case("index to nothing", lambda x: x[2:1], (3, 2)),
    case("index past the end", lambda x: x[1:9], (3,)),
    case("index of an index", lambda x: x[1:][::2][:, 1], (5, 2)),
    case("index by a traced shape", lambda x: x[: len(x) // 2], (4,)),
]

INTEGERS = [
    case("index with a list", lambda x: x[[2, 0]], (3, 2)),
    case("index with a list twice", lambda x: x[[1, 1, 0]], (3,)),
    case("index with negative integers", lambda x: x[[-1, 0, -2]], (3,)),
    case("index with a progression", lambda x: x[np.arange(1, 5, 2)], (5, 2)),
    case("index with an empty list", lambda x: x[[]], (3, 2)),
    case("index with a matrix", lambda x: x[np.array([[0, 2], [1, 1]])], (3,)),
    case("index rows with a matrix", lambda x: x[np.array([[0, 2], [1, 1]])], (3, 2)),
    case("index columns", lambda x: x[:, [2, 0]], (2, 3)),
    case("index columns with a matrix", lambda x: x[:, np.array([[2, 0], [0, 1]])], (2, 3)),
    case("index in the middle", lambda x: x[:, [1, 0, 1]], (2, 2, 2)),
    case("index with ellipsis and a list", lambda x: x[..., [2, 0]], (2, 3)),
    case("index entries", lambda x: x[ROWS, COLUMNS], (2, 3)),
    case("index entries of a batch", lambda x: x[:, ROWS, COLUMNS], (2, 2, 3)),
    case("index separated", lambda x: x[ROWS, :, COLUMNS], (2, 2, 3)),
    case("index a number and a list", lambda x: x[1, :, [0, 2]], (2, 2, 3)),
    case("index a list and a slice", lambda x: x[[1, 0], 1:], (2, 3)),
    case("index a list and a backward slice", lambda x: x[[1, 0, 0], ::-2], (2, 3)),
    case("index outer", lambda x: x[np.ix_([1, 0], [0, 2])], (2, 3)),
    case("index broadcast", lambda x: x[np.array([[0], [1]]), [2, 0, 1]], (2, 3)),
    case(
        "index broadcast, not a product",
        lambda x: x[np.array([[0], [1]]), [[2, 0], [1, 1]]],
        (2, 3),
    ),
    case("index list and newaxis", lambda x: x[[1, 0], None], (3, 2)),
    case("index newaxis and list", lambda x: x[None, [1, 0]], (3, 2)),
    case("index newaxis between lists", lambda x: x[ROWS, None, COLUMNS], (2, 3)),
    case("index three lists", lambda x: x[[0, 1], [1, 0], [1, 1]], (2, 2, 2)),
    case("index with unsigned integers", lambda x: x[np.array([1, 0], np.uint8)], (3,)),
    case("index with a list that holds lists", lambda x: x[[[0, 1], [1, 0]]], (3,)),
    case("index with a tuple in a tuple", lambda x: x[(0, 1), (1, 2)], (2, 3)),
    case("index the diagonal", lambda x: x[np.arange(3), np.arange(3)], (3, 4)),
    case("index with an array of none", lambda x: x[np.zeros((0, 2), int)], (3,)),
    case("index by a traced order", lambda x: x[np.argsort(x)], (4,), analytic=False),
]

BOOLEANS = [
    case("index with a mask", lambda x: x[MASK], (3, 2)),
    case("index with a list of booleans", lambda x: x[[True, False, True]], (3,)),
    case("index columns with a mask", lambda x: x[:, MASK], (2, 3)),
    case("index with a full mask", lambda x: x[MASK_2D], (2, 3)),
    case("index with a partial mask", lambda x: x[MASK_2D], (2, 3, 2)),
    case("index behind with a mask", lambda x: x[..., MASK_2D], (2, 2, 3)),
    case("index with a mask and a number", lambda x: x[MASK, 1], (3, 2)),
    case("index with a mask and a list", lambda x: x[MASK, [1, 0]], (3, 2)),
    case("index with a mask and a slice", lambda x: x[MASK, ::-1], (3, 2)),
    case("index with two masks", lambda x: x[MASK, MASK], (3, 3)),
    case("index with an empty mask", lambda x: x[np.zeros(3, bool)], (3, 2)),
    case("index with True", lambda x: x[True], (3,)),
    case("index with False", lambda x: x[False], (3,)),
    case("index a number with True", lambda x: x[True], ()),
    case("index with a traced mask", lambda x: x[x > 0], (3, 2), analytic=False),
    case("index with a traced mask of rows", lambda x: x[x[:, 0] < 0.5], (3, 2), analytic=False),
    case("index with a traced mask, negated", lambda x: x[~(x > 0)], (5,), analytic=False),
]

TAKING = [
    case("take", lambda x: np.take(x, [3, 0]), (2, 3)),
    case("take one", lambda x: np.take(x, 4), (2, 3)),
    case("take along an axis", lambda x: np.take(x, [1, 0, 1], axis=0), (2, 3)),
    case("take one along an axis", lambda x: np.take(x, 1, axis=-1), (2, 3)),
    case("take a matrix along an axis", lambda x: x.take([[1, 0], [2, 2]], axis=1), (2, 3)),
    case("take wrapping", lambda x: np.take(x, [5, -4], mode="wrap"), (3,)),
    case("take clipping", lambda x: np.take(x, [5, -4], axis=1, mode="clip"), (2, 3)),
    case("take_along_axis", lambda x: np.take_along_axis(x, np.array([[1, 0], [2, 2]]), 1), (2, 3)),
    case(
        "take_along_axis broadcast",
        lambda x: np.take_along_axis(x, np.array([[1, 0, 1]]), 0),
        (2, 3),
    ),
    case("take_along_axis flat", lambda x: np.take_along_axis(x, np.array([4, 0]), None), (2, 3)),
    case(
        "take_along_axis of a batch",
        lambda x: np.take_along_axis(x, np.array([[[0], [1]], [[1], [0]]]), -1),
        (2, 2, 2),
    ),
    case("compress", lambda x: np.compress([True, False, True], x, axis=1), (2, 3)),
    case("compress flat", lambda x: np.compress([0, 1, 1, 0, 1], x), (2, 3)),
    case("compress method", lambda x: x.compress([False, True], axis=0), (2, 3)),
    case("extract", lambda x: np.extract(MASK_2D, x), (2, 3)),
    case("extract by a traced mask", lambda x: np.extract(x > 0, x), (2, 3), analytic=False),
    case("choose", lambda x, y: np.choose([0, 1, 0], [x, y]), (3,), (3,)),
    case("choose broadcast", lambda x, y: np.choose([[0], [1]], [x, y]), (3,), ()),
    case("choose wrapping", lambda x, y: np.choose([0, 3, -1], [x, y], mode="wrap"), (3,), (3,)),
    case("choose clipping", lambda x, y: np.choose([0, 3, -1], (x, y), mode="clip"), (3,), (3,)),
    case("choose from rows", lambda x: np.choose([1, 0, 1], x), (2, 3)),
    case("select", lambda x, y: np.select([MASK, ~MASK], [x, y]), (3,), (3,)),
    case("select with a default", lambda x: np.select([MASK, [False] * 3], [x, 2 * x], x[0]), (3,)),
    case(
        "select by traced conditions",
        lambda x: np.select([x > 0.5, x > 0], [x**2, np.sin(x)], -1.0),
        (5,),
        analytic=False,
    ),
    case(
        "piecewise",
        lambda x: np.piecewise(x, [x < 0, x >= 0.3], [lambda t: t**2, np.sin, 4.0]),
        (6,),
        analytic=False,
    ),
    case(
        "piecewise of a matrix",
        lambda x: np.piecewise(x, [MASK_2D], [np.exp]),
        (2, 3),
        analytic=False,
    ),
    case("trim_zeros", lambda x: np.trim_zeros(np.pad(x, 2)), (3,), analytic=False),
    case("trim_zeros in front", lambda x: np.trim_zeros(np.pad(x, 1), "f"), (3,), analytic=False),
]


SORTING = [
    apart("sort", np.sort, (5,)),
    apart("sort rows", np.sort, (2, 4)),
    apart("sort columns", lambda x: np.sort(x, axis=0), (4, 2)),
    apart("sort flat", lambda x: np.sort(x, axis=None), (2, 3)),
    apart("sort of three axes", lambda x: np.sort(x, axis=1), (2, 3, 2)),
    apart("sort stably", lambda x: np.sort(x, kind="stable"), (4,)),
    apart("sort downwards", lambda x: -np.sort(-x), (4,)),
    apart("sort, the largest two", lambda x: np.sort(x)[..., -2:], (2, 4)),
    apart("partition", lambda x: np.partition(x, 2), (5,)),
    apart("partition along an axis", lambda x: np.partition(x, 1, axis=0), (3, 2)),
    apart("partition flat", lambda x: np.partition(x, 3, axis=None), (2, 3)),
    apart("partition at several", lambda x: np.partition(x, [1, 3]), (5,)),
    apart("entries by argpartition", lambda x: x[np.argpartition(x, 1)[:1]], (4,)),
    apart("entries by lexsort", lambda x: x[np.lexsort((x,))], (4,)),
    apart("entries by nonzero", lambda x: x[np.nonzero(x > 0)], (2, 3)),
    apart("entries by flatnonzero", lambda x: x[np.flatnonzero(x < 0)], (5,)),
    apart("entries by argwhere", lambda x: x[np.argwhere(x > 0)[:, 0]], (5,)),
    apart("entries by searchsorted", lambda x: x[np.searchsorted(np.sort(x), 0.0)], (5,)),
    apart("entries by digitize", lambda x: x[np.digitize(x, [0.0])], (4,)),
    apart("entry by argmax", lambda x: x[np.argmax(x)], (5,)),
    apart("sort by the keys of another", lambda x, y: x[np.argsort(y)] * y, (4,), (4,)),
]

SETS = [
    apart("unique", np.unique, (4,)),
    apart("unique, of entries twice", lambda x: np.unique(np.repeat(x, 2)), (3,)),
    apart("unique with its counts", lambda x: joined(*np.unique(x, return_counts=True)), (3,)),
    apart("unique rows", lambda x: np.unique(x, axis=0), (3, 2)),
    apart("unique_values", lambda x: np.sort(np.unique_values(x)), (3,)),
    apart("unique_all", lambda x: np.unique_all(x).values, (3,)),
    apart("unique_counts", lambda x: np.unique_counts(x).values, (3,)),
    apart("unique_inverse", lambda x: np.unique_inverse(x).values, (3,)),
    apart("union1d", lambda x, y: np.union1d(x, y), (2,), (3,)),
    apart("intersect1d", lambda x: np.intersect1d(x, x[1:]), (4,)),
    apart("setdiff1d", lambda x: np.setdiff1d(x, x[1:]), (4,)),
    apart("setxor1d", lambda x, y: np.setxor1d(x, y), (2,), (3,)),
]


def _centred(row: Any) -> Any:
    return row - row[0] * row


OVER_AXES = [
    case("apply_along_axis", lambda x: np.apply_along_axis(_centred, 0, x), (3, 2)),
    case("apply_along_axis to numbers", lambda x: np.apply_along_axis(np.sum, 1, x), (2, 3)),
    case(
        "apply_along_axis to matrices",
        lambda x: np.apply_along_axis(lambda r: np.outer(r, r), -1, x),
        (2, 2),
    ),
    case(
        "apply_along_axis in the middle", lambda x: np.apply_along_axis(_centred, 1, x), (2, 3, 2)
    ),
    case("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, -1]), (2, 3, 2)),
    case("full_like", lambda x: np.full_like(x, x[0, 1]), (2, 2)),
    case("zeros_like", lambda x: x + np.zeros_like(x) + np.ones_like(x), (3,)),
    case("shape queries", lambda x: x * np.size(x) + np.ndim(x) + np.shape(x)[0], (2, 3)),
]

GRID = np.array([-1.0, -0.2, 0.4, 1.0])
INTERPOLATION = [
    case("interp", lambda x: np.interp(x, GRID, [1.0, 3.0, 2.0, 5.0]), (5,), analytic=False),
    case("interp by its values", lambda x, f: np.interp(x, GRID, f), (3,), (4,), analytic=False),
    case(
        "interp by its points",
        lambda p: np.interp([0.1, 0.9], GRID + p / 9, GRID**2),
        (4,),
        analytic=False,
    ),
    case(
        "interp outside",
        lambda x: np.interp(x, GRID / 3, GRID, left=-2.0, right=9.0),
        (5,),
        analytic=False,
    ),
    case("interp outside, constant", lambda x: np.interp(x, GRID / 3, GRID), (5,), analytic=False),
    case("interp of a number", lambda x: np.interp(x, GRID, GRID**2), (), analytic=False),
    case(
        "interp with a period",
        lambda x: np.interp(x, GRID[:3], GRID[:3], period=2.0),
        (5,),
        analytic=False,
    ),
]

NONLINEAR = [
    Case("sort of a product", lambda x, y: np.sort(x * y) ** 3, (values(4), values(4, seed=1))),
    Case("median by sorting", lambda x: np.exp(np.sort(x)[2]), (values(5),)),
    Case(
        "laplacian",
        lambda u: np.sum((u[:-2] - 2 * u[1:-1] + u[2:]) ** 4),
        (values(5),),
        analytic=True,
    ),
    Case(
        "pairwise differences",
        lambda x: (x[:, None] - x[None, :]) ** 2 * np.tri(4),
        (values(4),),
        analytic=True,
    ),
]

CASES = [
    *BASIC, *INTEGERS, *BOOLEANS, *TAKING, *SORTING, *SETS, *OVER_AXES, *INTERPOLATION, *NONLINEAR,
]  # fmt: skip
