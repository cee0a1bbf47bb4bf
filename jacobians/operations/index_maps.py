"""Operations that only move entries: each output position reads one input position, or is 0.

Declared by their slots. Positions are affine where the map is (slices, flips, reshapes, padding),
and tables where it is not (fancy indices).
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from jacobians.graph.how import Broadcast, ByAdding, ByViews, Index, Reshape, Transpose, range_of
from jacobians.graph.node import Node
from jacobians.notation.join import restricted
from jacobians.notation.slots import ZERO, Slot, Table, combine, letter_slot, positions, table_slot
from jacobians.notation.terms import Factor, Sum, Term, normal, plain_slots, total
from jacobians.operations.arrangement import Arrangement, Stretch
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.declare import index_map
from jacobians.operations.kinds import Shape


def _reshape(X: Shape, *, shape: Shape) -> Sum:
    # Both sides number the same entries: Σ stride·letter over the input = the same over the output.
    sizes = X + shape
    if 0 in sizes:
        return Sum(shape, ())
    old = _flat(X, 0, sizes)
    new = _flat(shape, len(X), sizes)
    term = Term(1, sizes, (Factor(0, plain_slots(X)),), plain_slots(shape, len(X)))
    return total(shape, [restricted(term, [(old, new)], term.slots)])


def _flat(shape: Shape, start: int, sizes: Shape) -> Slot:
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return combine([(s, letter_slot(start + n)) for n, s in enumerate(strides)], sizes)


reshape = index_map(
    "reshape", ("X",), _reshape, value=lambda X, shape: np.reshape(X, shape),
    how=lambda node: ByViews((Reshape(node.shape),)),
)  # fmt: skip


def _permute(X: Shape, *, axes: tuple[int, ...]) -> Sum:
    slots = plain_slots(X)
    moved = [slots[a] for a in axes]
    return total([X[a] for a in axes], [normal(1, X, [Factor(0, slots)], moved)])


permute = index_map(
    "permute", ("X",), _permute, value=lambda X, axes: np.transpose(X, axes),
    how=lambda node: ByViews((Transpose(dict(node.parameters)["axes"]),)),
)  # fmt: skip


def _slice(
    _: Shape, *, starts: Shape, steps: Shape, shape: Shape, dropped: Shape = ()
) -> Sum:  # fmt: skip
    reads = tuple(
        letter_slot(n, step, start)
        for n, (start, step) in enumerate(zip(starts, steps, strict=True))
    )
    kept = [n for n in range(len(shape)) if n not in dropped]
    writes = [letter_slot(n) for n in kept]
    return total([shape[n] for n in kept], [normal(1, shape, [Factor(0, reads)], writes)])


def _slice_value(
    X: Any, *, starts: Shape, steps: Shape, shape: Shape, dropped: Shape = ()
) -> Any:  # fmt: skip
    triples = enumerate(zip(starts, steps, shape, strict=True))
    return X[(*(t[0] if n in dropped else _python_slice(*t) for n, t in triples), ...)]


def _python_slice(start: int, step: int, size: int) -> slice:
    if not size:
        return slice(0, 0)
    stop = start + step * size
    return slice(start, None if stop < 0 else stop, step)


def _ranges(node: Node) -> ByViews:
    given = dict(node.parameters)
    (operand,) = node.operands
    dropped = given.get("dropped", ())
    each = zip(given["starts"], given["steps"], given["shape"], operand.shape, strict=True)
    items = [one[0] if n in dropped else range_of(*one) for n, one in enumerate(each)]
    return ByViews((Index(tuple(items)),))


slices = index_map("slice", ("X",), _slice, value=_slice_value, how=_ranges)
"""``X[start::step]`` along every axis, with the number of entries taken; ``dropped`` axes have one, and go."""


def selection(
    starts: Shape, steps: Shape, shape: Shape, dropped: Shape
) -> tuple[tuple[str, Shape], ...]:  # fmt: skip
    """The parameters of ``slices``, the same for the same entries."""
    named = (("shape", shape), ("starts", starts), ("steps", steps))
    return (("dropped", dropped), *named) if dropped else named


def _gather(X: Shape, *, index: Table, along: int) -> Sum:
    sizes = (*X[:along], index.values.size, *X[along + 1 :])
    letters = plain_slots(sizes)
    reads = (*letters[:along], table_slot(along, index.values), *letters[along + 1 :])
    return total(sizes, [normal(1, sizes, [Factor(0, reads)], letters)])


def _gather_value(X: Any, *, index: Table, along: int) -> Any:
    return X[(*(slice(None),) * along, index.values)]


take = index_map("take", ("X",), _gather, value=_gather_value)
"""Entries of one axis by a list of integers."""


def _pick(_: Shape, *, moves: Arrangement, shape: Shape) -> Sum:
    sizes, reads, writes = moves
    return total(shape, [normal(1, sizes, [Factor(0, reads)], writes)])


def _pick_value(X: Any, *, moves: Arrangement, shape: Shape) -> Any:
    sizes, reads, writes = moves
    result = np.zeros(shape, X.dtype)
    if 0 not in sizes:
        letters = range(len(sizes))
        taken = X[tuple(positions(slot, sizes, letters) for slot in reads)]
        result[tuple(positions(slot, sizes, letters) for slot in writes)] = taken
    return result


pick = index_map("pick", ("X",), _pick, value=_pick_value)
"""Any entries of the whole array, read and written at any slots; the rest of the result is 0."""


def _spread_value(X: Any, *, moves: Arrangement, shape: Shape) -> Any:
    sizes, reads, writes = moves
    result = np.zeros(shape, X.dtype)
    letters = range(len(sizes))
    taken = X[tuple(positions(slot, sizes, letters) for slot in reads)]
    at = (np.broadcast_to(positions(slot, sizes, letters), sizes) for slot in writes)
    np.add.at(result, tuple(at), np.broadcast_to(taken, sizes))
    return result


spread = index_map("spread", ("X",), _pick, value=_spread_value)
"""As ``pick``, of entries that may be written to one place: they are added up."""


class _Assembly(Multilinear):
    """One array from entries of several: a term for each operand, made without the others'."""

    def infer(
        self, operands: Sequence[Node], parameters: Mapping[str, Any]
    ) -> tuple[Shape, np.dtype[Any]]:
        return parameters["shape"], np.result_type(*(node.dtype for node in operands))

    def local(self, node: Node, position: int) -> Sum:
        sizes, reads, writes = dict(node.parameters)["moves"][position]
        shape = node.shape + node.operands[position].shape
        return total(shape, [normal(1, sizes, [], writes + reads)])


def _assemble(*_: Shape, moves: tuple[Arrangement, ...], shape: Shape) -> Sum:
    terms = [
        normal(1, sizes, [Factor(number, reads)], writes)
        for number, (sizes, reads, writes) in enumerate(moves)
    ]
    return total(shape, terms)


def _assemble_value(*arrays: Any, moves: tuple[Arrangement, ...], shape: Shape) -> Any:
    result = np.zeros(shape, np.result_type(*(np.asarray(array).dtype for array in arrays)))
    for array, (sizes, reads, writes) in zip(arrays, moves, strict=True):
        letters = range(len(sizes))
        taken = np.asarray(array)[tuple(positions(slot, sizes, letters) for slot in reads)]
        result[tuple(positions(slot, sizes, letters) for slot in writes)] = taken
    return result


assemble = index_map("assemble", (), _assemble, value=_assemble_value, kind=_Assembly)
"""One array from entries of several, each written once; the rest of the result is 0."""


def _pieces(X: Shape, *, runs: tuple[Stretch, ...], axis: int) -> Sum:
    count = sum(run[2] for run in runs)
    terms = []
    offset = 0
    for start, step, length in runs:
        sizes = (*X[:axis], length, *X[axis + 1 :])
        slots = plain_slots(sizes)
        reads = (*slots[:axis], letter_slot(axis, step, start), *slots[axis + 1 :])
        writes = (*slots[:axis], letter_slot(axis, 1, offset), *slots[axis + 1 :])
        terms.append(normal(1, sizes, [Factor(0, reads)], writes))
        offset += length
    return total((*X[:axis], count, *X[axis + 1 :]), terms)


def _pieces_value(X: Any, *, runs: tuple[Stretch, ...], axis: int) -> Any:
    parts = [start + step * np.arange(length) for start, step, length in runs]
    index = np.concatenate(parts) if parts else np.arange(0)
    return X[(*(slice(None),) * axis, index)]


pieces = index_map("pieces", ("X",), _pieces, value=_pieces_value)
"""One axis read in arithmetic progressions, one after the other: roll, pad by reflection, delete."""


def _place(X: Shape, *, starts: Shape, shape: Shape) -> Sum:
    slots = plain_slots(X)
    writes = [letter_slot(n, 1, start) for n, start in enumerate(starts)]
    return total(shape, [normal(1, X, [Factor(0, slots)], writes)])


def _place_value(X: Any, *, starts: Shape, shape: Shape) -> Any:
    result = np.zeros(shape, X.dtype)
    result[tuple(slice(s, s + n) for s, n in zip(starts, X.shape, strict=True))] = X
    return result


place = index_map("place", ("X",), _place, value=_place_value)
"""The array inside a larger one of zeros."""


def _concatenate(*shapes: Shape, axis: int) -> Sum:
    first = shapes[0]
    whole = sum(s[axis] for s in shapes)
    shape = (*first[:axis], whole, *first[axis + 1 :])
    terms = []
    offset = 0
    for number, part in enumerate(shapes):
        slots = plain_slots(part)
        writes = [*slots[:axis], letter_slot(axis, 1, offset), *slots[axis + 1 :]]
        terms.append(normal(1, part, [Factor(number, slots)], writes))
        offset += part[axis]
    return total(shape, terms)


concatenate = index_map(
    "concatenate", (), _concatenate, value=lambda *arrays, axis: np.concatenate(arrays, axis)
)


def _stack(*shapes: Shape, axis: int) -> Sum:
    part = shapes[0]
    shape = (*part[:axis], len(shapes), *part[axis:])
    slots = plain_slots(part)
    return total(
        shape,
        [
            normal(1, part, [Factor(n, slots)], (*slots[:axis], Slot(n), *slots[axis:]))
            for n in range(len(shapes))
        ],
    )


stack = index_map("stack", (), _stack, value=lambda *arrays, axis: np.stack(arrays, axis))
"""Arrays of one shape along a new axis."""


def _broadcast(X: Shape, *, shape: Shape) -> Sum:
    offset = len(shape) - len(X)
    reads = tuple(
        letter_slot(offset + n) if size == shape[offset + n] else ZERO for n, size in enumerate(X)
    )
    return total(shape, [normal(1, shape, [Factor(0, reads)], plain_slots(shape))])


broadcast = index_map(
    "broadcast", ("X",), _broadcast, value=lambda X, shape: np.broadcast_to(X, shape),
    how=lambda node: ByViews((Broadcast(node.shape),)),
)  # fmt: skip


def _add_up(X: Shape, *, axes: tuple[int, ...]) -> Sum:
    slots = plain_slots(X)
    kept = [n for n in range(len(X)) if n not in axes]
    return total([X[n] for n in kept], [normal(1, X, [Factor(0, slots)], [slots[n] for n in kept])])


add_up = index_map(
    "sum_over", ("X",), _add_up, value=lambda X, axes: np.sum(X, axis=axes),
    how=lambda node: ByAdding(dict(node.parameters)["axes"]),
)  # fmt: skip
"""The sum over some axes."""


def _windows(X: Shape, *, window: int, axis: int) -> Sum:
    count = X[axis] - window + 1
    sizes = (*X[:axis], count, *X[axis + 1 :], window)
    slots = plain_slots(sizes)
    over = combine([(1, letter_slot(axis)), (1, letter_slot(len(X)))], sizes)
    reads = (*slots[:axis], over, *slots[axis + 1 : len(X)])
    return total(sizes, [normal(1, sizes, [Factor(0, reads)], slots)])


windows = index_map(
    "sliding_windows", ("X",), _windows,
    value=lambda X, window, axis: np.lib.stride_tricks.sliding_window_view(X, window, axis),
)  # fmt: skip
"""All windows of a length along one axis, as a last axis."""
