"""Reshaping, joining, splitting, padding: every form of the arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.tracing.functions.driver import Case, values

Shapes = tuple[tuple[int, ...], ...]


def _squared(function: Callable[..., Any]) -> Callable[..., Any]:
    # A square, so that second derivatives depend on where entries went.
    return lambda *arrays: function(*arrays) ** 2


def case(name: str, function: Callable[..., Any], *shapes: tuple[int, ...], **options: Any) -> Case:
    """The squares of what a linear function returns for arrays of these shapes."""
    arrays = tuple(values(*shape, seed=n) for n, shape in enumerate(shapes))
    return Case(name, _squared(function), arrays, **{"analytic": True, **options})


def apart(name: str, function: Callable[..., Any], *shapes: tuple[int, ...]) -> Case:
    """A case with entries so far apart that no step of a difference changes their order."""
    made = case(name, function, *shapes, analytic=False)
    rng = np.random.default_rng(5)
    return made._replace(
        arguments=tuple(
            (0.15 * rng.permutation(a.size) - 0.4 + 0.07 * n).reshape(a.shape)
            for n, a in enumerate(made.arguments)
        )
    )


def joined(*parts: Any) -> Any:
    """Several results as one: their entries, times numbers that tell them apart."""
    return np.concatenate([(n + 1) * np.ravel(part) for n, part in enumerate(parts)])


RESHAPING = [
    case("reshape to a number", lambda x: np.reshape(x, 6), (2, 3)),
    case("reshape with -1", lambda x: x.reshape(-1, 2), (3, 4)),
    case("reshape by columns", lambda x: np.reshape(x, (3, 4), order="F"), (2, 6)),
    case("reshape by columns, three axes", lambda x: x.reshape((3, 2, 2), order="F"), (4, 3)),
    case("reshape order A", lambda x: np.reshape(x, (4, 3), order="A"), (3, 4)),
    case("reshape with incommensurate sizes", lambda x: x.reshape(4, 3), (2, 6)),
    case("reshape to another factorisation", lambda x: x.reshape(3, 2, 5)[:, 1], (5, 6)),
    case("reshape a number", lambda x: np.reshape(x, (1, 1)), ()),
    case("reshape to a number of axes 0", lambda x: np.reshape(x, ()), (1, 1)),
    case("reshape twice", lambda x: x.reshape(2, 2, 3).reshape(4, 3), (3, 4)),
    case("reshape the transpose", lambda x: x.T.reshape(2, 6), (3, 4)),
    case("reshape with an array for the shape", lambda x: np.reshape(x, np.array([3, 2])), (2, 3)),
    case("ravel", np.ravel, (2, 3)),
    case("ravel by columns", lambda x: np.ravel(x, order="F"), (2, 3)),
    case("ravel in memory order", lambda x: np.ravel(x, order="K"), (2, 3)),
    case("flatten", lambda x: x.flatten("F"), (3, 2)),
    case("flat", lambda x: np.stack(list(x.flat)[1:3]), (2, 2)),
    case("transpose", np.transpose, (2, 3, 4)),
    case("transpose with axes", lambda x: np.transpose(x, (1, 2, 0)), (2, 3, 4)),
    case("transpose with negative axes", lambda x: x.transpose(-1, 0, 1), (2, 3, 4)),
    case("transpose with a tuple", lambda x: x.transpose((0, 2, 1)), (2, 3, 2)),
    case("transpose attribute", lambda x: x.T, (3, 2)),
    case("transpose of one axis", lambda x: np.transpose(x), (3,)),
    case("permute_dims", lambda x: np.permute_dims(x, (2, 0, 1)), (2, 3, 2)),
    case("matrix transpose attribute", lambda x: x.mT, (2, 3, 2)),
    case("matrix_transpose", np.matrix_transpose, (2, 2, 3)),
    case("linalg.matrix_transpose", np.linalg.matrix_transpose, (2, 2, 3)),
    case("swapaxes", lambda x: np.swapaxes(x, 0, -1), (2, 3, 4)),
    case("swapaxes method", lambda x: x.swapaxes(1, 2), (2, 3, 2)),
    case("moveaxis", lambda x: np.moveaxis(x, 0, -1), (2, 3, 4)),
    case("moveaxis of several", lambda x: np.moveaxis(x, [0, 1], [-1, 0]), (2, 3, 4)),
    case("rollaxis", lambda x: np.rollaxis(x, 2), (2, 3, 4)),
    case("rollaxis to a place", lambda x: np.rollaxis(x, 0, 2), (2, 3, 4)),
    case("expand_dims", lambda x: np.expand_dims(x, 1), (2, 3)),
    case("expand_dims of several", lambda x: np.expand_dims(x, (0, -1)), (2, 3)),
    case("squeeze", np.squeeze, (1, 3, 1)),
    case("squeeze one axis", lambda x: np.squeeze(x, axis=-1), (1, 3, 1)),
    case("squeeze method", lambda x: x.squeeze(0), (1, 3)),
    case("atleast_1d of a number", np.atleast_1d, ()),
    case("atleast_2d", np.atleast_2d, (3,)),
    case("atleast_3d of one axis", np.atleast_3d, (3,)),
    case("atleast_3d of two axes", np.atleast_3d, (2, 3)),
    case("atleast_2d of several", lambda x, y: joined(*np.atleast_2d(x, y)), (3,), ()),
    case("copy", np.copy, (2, 3)),
    case("copy method", lambda x: x.copy(), (2, 3)),
    case("astype", lambda x: x.astype(x.dtype), (2, 3)),
    case("astype function", lambda x: np.astype(x, x.dtype), (2, 3)),
    case("matrix row by row", lambda x: np.stack([row * n for n, row in enumerate(x)]), (3, 2)),
]

BROADCASTING = [
    case("broadcast_to", lambda x: np.broadcast_to(x, (4, 2, 3)), (2, 3)),
    case("broadcast_to from size 1", lambda x: np.broadcast_to(x, (2, 3)), (2, 1)),
    case("broadcast_to of a number", lambda x: np.broadcast_to(x, (2, 3)), ()),
    case("broadcast_to the same shape", lambda x: np.broadcast_to(x, (2, 3)), (2, 3)),
    case("broadcast_to nothing", lambda x: np.broadcast_to(x, (0, 3)), (1, 3)),
    case("broadcast_arrays", lambda x, y: joined(*np.broadcast_arrays(x, y)), (2, 1), (3,)),
    case("meshgrid", lambda x, y: joined(*np.meshgrid(x, y)), (2,), (3,)),
    case("meshgrid ij", lambda x, y: joined(*np.meshgrid(x, y, indexing="ij")), (2,), (3,)),
    case("meshgrid sparse", lambda x, y: joined(*np.meshgrid(x, y, sparse=True)), (2,), (3,)),
    case("meshgrid of three", lambda x, y, z: joined(*np.meshgrid(x, y, z)), (2,), (3,), (2,)),
    case("tile", lambda x: np.tile(x, 2), (3,)),
    case("tile more axes", lambda x: np.tile(x, (2, 1, 2)), (2, 3)),
    case("tile fewer axes", lambda x: np.tile(x, (2,)), (2, 3)),
    case("tile a number", lambda x: np.tile(x, (2, 2)), ()),
    case("tile none", lambda x: np.tile(x, 0), (3,)),
    case("repeat all", lambda x: np.repeat(x, 2), (2, 3)),
    case("repeat along an axis", lambda x: np.repeat(x, 3, axis=0), (2, 3)),
    case("repeat along the last axis", lambda x: x.repeat(2, axis=-1), (2, 3)),
    case("repeat unequally", lambda x: np.repeat(x, [1, 0, 3], axis=1), (2, 3)),
    case("repeat with a list of one", lambda x: np.repeat(x, [2], axis=1), (2, 3)),
    case("resize to more", lambda x: np.resize(x, (3, 3)), (2, 2)),
    case("resize to less", lambda x: np.resize(x, 3), (2, 2)),
]

JOINING = [
    case("concatenate", lambda x, y: np.concatenate([x, y]), (2, 3), (1, 3)),
    case("concatenate along 1", lambda x, y: np.concatenate((x, y), axis=1), (2, 3), (2, 2)),
    case("concatenate along -1", lambda x, y: np.concatenate([x, y], -1), (2, 3), (2, 2)),
    case("concatenate flat", lambda x, y: np.concatenate([x, y], axis=None), (2, 2), (3,)),
    case("concatenate with a constant", lambda x: np.concatenate([np.ones(2), x, [3.0]]), (3,)),
    case("concatenate with itself", lambda x: np.concatenate([x, x[::-1], x]), (3,)),
    case("concatenate with nothing", lambda x: np.concatenate([x, x[:0]]), (3,)),
    case("concatenate one", lambda x: np.concatenate([x]), (3,)),
    case("concat", lambda x, y: np.concat([x, y], axis=1), (2, 1), (2, 2)),
    case("stack", lambda x, y: np.stack([x, y]), (3,), (3,)),
    case("stack in the middle", lambda x, y: np.stack([x, y], axis=1), (2, 3), (2, 3)),
    case("stack at the end", lambda x, y: np.stack([x, y], axis=-1), (2, 3), (2, 3)),
    case("stack numbers", lambda x: np.stack([x[0] * x[1], x[1], 2.0]), (2,)),
    case("vstack", lambda x, y: np.vstack([x, y]), (3,), (2, 3)),
    case("hstack of one axis", lambda x, y: np.hstack([x, y]), (2,), (3,)),
    case("hstack of two axes", lambda x, y: np.hstack([x, y]), (2, 2), (2, 3)),
    case("hstack of numbers", lambda x, y: np.hstack([x, y]), (), ()),
    case("dstack", lambda x, y: np.dstack([x, y]), (2, 3), (2, 3)),
    case("column_stack", lambda x, y: np.column_stack([x, y]), (3,), (3, 2)),
    case("append", lambda x, y: np.append(x, y), (2, 2), (3,)),
    case("append along an axis", lambda x, y: np.append(x, y, axis=0), (2, 3), (1, 3)),
    case("block of rows", lambda x, y: np.block([[x, y], [y, x]]), (2, 2), (2, 2)),
    case("block of one list", lambda x, y: np.block([x, y, 1.0]), (2,), (3,)),
    case("block of one array", lambda x: np.block(x), (2, 3)),
    case("block with vectors", lambda x, y: np.block([[x], [y]]), (3,), (2, 3)),
    case(
        "block with zeros", lambda x: np.block([[x, np.zeros((2, 1))], [np.ones((1, 3))]]), (2, 2)
    ),
    case("block three deep", lambda x, y: np.block([[[x, y]], [[y, x]]]), (1, 2), (1, 2)),
    case("insert a value", lambda x, y: np.insert(x, 1, y), (3,), (), analytic=False),
    case("insert at the end", lambda x, y: np.insert(x, 3, y), (3,), (2,), analytic=False),
    case("insert a row", lambda x, y: np.insert(x, 1, y, axis=0), (2, 3), (3,), analytic=False),
    case(
        "insert columns", lambda x, y: np.insert(x, [1], y, axis=1), (2, 3), (2, 2), analytic=False
    ),
    case("insert a column", lambda x, y: np.insert(x, -1, y, axis=1), (2, 3), (2,), analytic=False),
    case("insert at several", lambda x, y: np.insert(x, [0, 2, 2], y), (3,), (3,), analytic=False),
    case(
        "insert one value at several",
        lambda x, y: np.insert(x, [0, 2], y),
        (3,),
        (),
        analytic=False,
    ),
    case(
        "insert by a slice",
        lambda x, y: np.insert(x, slice(0, 3, 2), y),
        (3,),
        (2,),
        analytic=False,
    ),
    case("insert into two axes, flat", lambda x, y: np.insert(x, 2, y), (2, 2), (), analytic=False),
    case("delete one", lambda x: np.delete(x, 1), (4,)),
    case("delete a column", lambda x: np.delete(x, -1, axis=1), (2, 3)),
    case("delete several", lambda x: np.delete(x, [0, 2, 2], axis=0), (4, 2)),
    case("delete by a slice", lambda x: np.delete(x, slice(None, None, 2)), (5,)),
    case("delete by a mask", lambda x: np.delete(x, np.array([True, False, True])), (3,)),
    case("delete flat", lambda x: np.delete(x, 2), (2, 3)),
]

SPLITTING = [
    case("split", lambda x: joined(*np.split(x, 3)), (6,)),
    case("split at places", lambda x: joined(*np.split(x, [1, 3], axis=1)), (2, 5)),
    case("split at places past the end", lambda x: joined(*np.split(x, [2, 7])), (4,)),
    case("array_split", lambda x: joined(*np.array_split(x, 3, axis=-1)), (2, 5)),
    case("hsplit", lambda x: joined(*np.hsplit(x, 2)), (2, 4)),
    case("hsplit of one axis", lambda x: joined(*np.hsplit(x, [1])), (3,)),
    case("vsplit", lambda x: joined(*np.vsplit(x, 2)), (4, 2)),
    case("dsplit", lambda x: joined(*np.dsplit(x, 2)), (2, 1, 4)),
    case("unstack", lambda x: joined(*np.unstack(x, axis=1)), (2, 3)),
    case("unpack", lambda x: joined(*x), (3, 2)),
]

TURNING = [
    case("flip", np.flip, (2, 3)),
    case("flip an axis", lambda x: np.flip(x, 1), (2, 3)),
    case("flip axes", lambda x: np.flip(x, (0, -1)), (2, 3, 2)),
    case("flipud", np.flipud, (3, 2)),
    case("fliplr", np.fliplr, (2, 3)),
    *(case(f"rot90 {k} times", lambda x, k=k: np.rot90(x, k), (2, 3)) for k in (-1, 0, 1, 2, 3, 5)),
    case("rot90 in other axes", lambda x: np.rot90(x, 1, axes=(2, 0)), (2, 3, 2)),
    case("roll", lambda x: np.roll(x, 1), (4,)),
    case("roll back", lambda x: np.roll(x, -2), (5,)),
    case("roll more than round", lambda x: np.roll(x, 7), (3,)),
    case("roll flat", lambda x: np.roll(x, 2), (2, 3)),
    case("roll an axis", lambda x: np.roll(x, 1, axis=-1), (2, 3)),
    case("roll two axes", lambda x: np.roll(x, (1, -1), axis=(0, 1)), (2, 3)),
    case("roll one axis twice", lambda x: np.roll(x, (1, 1), axis=(1, 1)), (2, 4)),
    case("roll by one along two axes", lambda x: np.roll(x, 1, axis=(0, 1)), (2, 3)),
]

PADDING = [
    case("pad", lambda x: np.pad(x, 1), (2, 3)),
    case("pad one side", lambda x: np.pad(x, (0, 2)), (3,)),
    case("pad each axis", lambda x: np.pad(x, ((1, 0), (0, 2))), (2, 3)),
    case("pad by a dict", lambda x: np.pad(x, {-1: (1, 2)}), (2, 3)),
    case("pad with a value", lambda x: np.pad(x, 1, constant_values=2.5), (2, 3)),
    case("pad with values", lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4))), (2, 3)),
    case("pad with a traced value", lambda x: np.pad(x, (1, 2), constant_values=x[1]), (3,)),
    case(
        "pad with traced values",
        lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=np.stack([x[0, 0], x[1, 1]])),
        (2, 2),
    ),
    case(
        "pad with a pair of traced values",
        lambda x: np.pad(x, (1, 2), constant_values=(x[0], x[1])),
        (3,),
    ),
    case("pad none", lambda x: np.pad(x, 0), (2, 3)),
    *(
        case(f"pad {mode}", lambda x, mode=mode: np.pad(x, ((1, 2), (2, 1)), mode), (3, 4))
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    *(
        case(f"pad {mode} far", lambda x, mode=mode: np.pad(x, (5, 7), mode), (3,))
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    case("pad reflect odd", lambda x: np.pad(x, (2, 3), "reflect", reflect_type="odd"), (4,)),
    case("pad symmetric odd", lambda x: np.pad(x, (2, 1), "symmetric", reflect_type="odd"), (3, 2)),
    case("pad linear_ramp", lambda x: np.pad(x, (2, 3), "linear_ramp", end_values=(1, 2)), (3,)),
    case("pad mean", lambda x: np.pad(x, 2, "mean"), (3, 2)),
    case("pad mean of some", lambda x: np.pad(x, (1, 2), "mean", stat_length=2), (4,)),
    apart("pad maximum", lambda x: np.pad(x, 1, "maximum"), (3, 2)),
    case(
        "pad minimum", lambda x: np.pad(x, 1, "minimum", stat_length=(1, 2)), (3,), analytic=False
    ),
    apart("pad median", lambda x: np.pad(x, (1, 0), "median"), (3,)),
]

DIAGONALS = [
    case("diag of a vector", np.diag, (3,)),
    case("diag above", lambda x: np.diag(x, 1), (3,)),
    case("diag below", lambda x: np.diag(x, -2), (2,)),
    case("diag of a matrix", np.diag, (2, 3)),
    case("diag of a matrix above", lambda x: np.diag(x, k=1), (3, 3)),
    case("diag of a matrix, empty", lambda x: np.diag(x, k=4), (2, 3)),
    case("diagonal", np.diagonal, (3, 4)),
    case("diagonal below", lambda x: np.diagonal(x, -1), (3, 2)),
    case("diagonal of axes", lambda x: np.diagonal(x, 1, axis1=2, axis2=0), (2, 3, 3)),
    case("diagonal method", lambda x: x.diagonal(), (2, 3, 2)),
    case("linalg.diagonal", lambda x: np.linalg.diagonal(x, offset=1), (2, 3, 3)),
    case("diagflat", np.diagflat, (2, 2)),
    case("diagflat above", lambda x: np.diagflat(x, 1), (2,)),
    case("tril", np.tril, (3, 4)),
    case("tril above", lambda x: np.tril(x, 1), (3, 3)),
    case("tril of a batch", np.tril, (2, 3, 3)),
    case("tril of a vector", np.tril, (3,)),
    case("triu", np.triu, (3, 2)),
    case("triu below", lambda x: np.triu(x, -1), (3, 3)),
    case("triu of nothing kept", lambda x: np.triu(x, 5), (3, 3)),
]

WINDOWS = [
    case("sliding_window_view", lambda x: sliding_window_view(x, 3), (5,)),
    case("sliding_window_view along an axis", lambda x: sliding_window_view(x, 2, axis=0), (4, 2)),
    case("sliding_window_view of two axes", lambda x: sliding_window_view(x, (2, 2)), (3, 4)),
    case(
        "sliding_window_view, axes in another order",
        lambda x: sliding_window_view(x, (3, 2), axis=(1, 0)),
        (3, 4),
    ),
    case(
        "sliding_window_view twice on an axis",
        lambda x: sliding_window_view(x, (2, 2), axis=(0, 0)),
        (4,),
    ),
    case("windows by hand", lambda x: x[np.arange(3)[:, None] + np.arange(3)], (5,)),
]

GRIDS = [
    case("gradient", np.gradient, (4,)),
    case("gradient with a spacing", lambda x: np.gradient(x, 0.5), (4,)),
    case("gradient with points", lambda x: np.gradient(x, [0.0, 1.0, 1.5, 3.0]), (4,)),
    case("gradient with even points", lambda x: np.gradient(x, [0.0, 0.5, 1.0]), (3,)),
    case("gradient of order 2", lambda x: np.gradient(x, edge_order=2), (4,)),
    case(
        "gradient of order 2 with points",
        lambda x: np.gradient(x, [0.0, 1.0, 1.5, 3.0], edge_order=2),
        (4,),
    ),
    case("gradient of two axes", lambda x: joined(*np.gradient(x)), (3, 4)),
    case("gradient of two axes with spacings", lambda x: joined(*np.gradient(x, 0.5, 2.0)), (3, 3)),
    case("gradient along an axis", lambda x: np.gradient(x, 2.0, axis=-1), (2, 4)),
    case(
        "gradient along axes with points",
        lambda x: joined(*np.gradient(x, [0.0, 1.0, 3.0], 2.0, axis=(1, 0), edge_order=2)),
        (3, 3),
    ),
    case("gradient by the spacing", lambda x, h: np.gradient(x, 2 + h), (4,), (), analytic=False),
    case(
        "gradient by the points",
        lambda x, t: np.gradient(x, np.arange(4) + t / 9),
        (4,),
        (4,),
        analytic=False,
    ),
    case("gradient of two points", np.gradient, (2,)),
    case("linspace", lambda x, y: np.linspace(x, y, 4), (), ()),
    case("linspace without its end", lambda x, y: np.linspace(x, y, 4, endpoint=False), (), ()),
    case("linspace of arrays", lambda x, y: np.linspace(x, y, 3), (2,), (2,)),
    case("linspace along another axis", lambda x: np.linspace(x, 1.0, 3, axis=-1), (2,)),
    case("linspace of one", lambda x, y: np.linspace(x, y, 1), (), ()),
    case("linspace of none", lambda x, y: np.linspace(x, y, 0), (), ()),
    case("linspace with its step", lambda x: joined(*np.linspace(x, 2.0, 3, retstep=True)), ()),
    case("logspace", lambda x: np.logspace(x, 1.0, 3, base=2.0), ()),
    case("geomspace", lambda x, y: np.geomspace(x + 2, y + 5, 4), (), (), analytic=False),
    case("geomspace of negative ends", lambda x: np.geomspace(x - 2, -5.0, 3), (), analytic=False),
]

CASES = [
    *RESHAPING, *BROADCASTING, *JOINING, *SPLITTING, *TURNING, *PADDING, *DIAGONALS, *WINDOWS, *GRIDS,
]  # fmt: skip
