"""Operations that only move entries: each output position reads one input position, or is 0.

Declared by their slots. Positions are affine where the map is (slices, flips, reshapes, padding),
and tables where it is not (fancy indices).
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from jacobians.notation.join import restricted
from jacobians.notation.slots import ZERO, Slot, Table, combine, letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, Term, normal, plain_slots, total
from jacobians.operations.declare import Shape, index_map


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


reshape = index_map("reshape", ("X",), _reshape, value=lambda X, shape: np.reshape(X, shape))


def _permute(X: Shape, *, axes: tuple[int, ...]) -> Sum:
    slots = plain_slots(X)
    moved = [slots[a] for a in axes]
    return total([X[a] for a in axes], [normal(1, X, [Factor(0, slots)], moved)])


permute = index_map("permute", ("X",), _permute, value=lambda X, axes: np.transpose(X, axes))


def _slice(X: Shape, *, starts: Shape, steps: Shape, shape: Shape) -> Sum:
    reads = tuple(letter_slot(n, step, start) for n, (start, step) in enumerate(zip(starts, steps, strict=True)))
    return total(shape, [normal(1, shape, [Factor(0, reads)], plain_slots(shape))])


def _slice_value(X: Any, *, starts: Shape, steps: Shape, shape: Shape) -> Any:
    return X[tuple(_python_slice(*triple) for triple in zip(starts, steps, shape, strict=True))]


def _python_slice(start: int, step: int, size: int) -> slice:
    stop = start + step * size
    return slice(start, None if stop < 0 else stop, step)


slices = index_map("slice", ("X",), _slice, value=_slice_value)
"""``X[start::step]`` along every axis, with the number of entries taken."""


def _gather(X: Shape, *, index: Table, shape: Shape, along: int) -> Sum:
    # One axis is read through a table, the others are whole.
    sizes = X[:along] + shape + X[along + 1 :]
    letters = plain_slots(sizes)
    if len(shape) == 1:
        reads = [*letters[:along], table_slot(along, index.values), *letters[along + 1 :]]
        return total(sizes, [normal(1, sizes, [Factor(0, tuple(reads))], letters)])
    count = prod(shape)
    fused = (*X[:along], count, *X[along + 1 :])
    slots = plain_slots(fused)
    reads = [*slots[:along], table_slot(along, index.values), *slots[along + 1 :]]
    where = np.unravel_index(np.arange(count), shape)
    writes = [*slots[:along], *(table_slot(along, w) for w in where), *slots[along + 1 :]]
    return total(sizes, [normal(1, fused, [Factor(0, tuple(reads))], writes)])


def _gather_value(X: Any, *, index: Table, shape: Shape, along: int) -> Any:
    return np.take(X, index.values.reshape(shape), axis=along)


take = index_map("take", ("X",), _gather, value=_gather_value)
"""Entries of one axis by an integer array of any shape."""


def _pick(X: Shape, *, index: Table, shape: Shape) -> Sum:
    # Any entries at all, by flat position; -1 stands for 0.
    flat = index.values
    places = np.flatnonzero(flat >= 0)
    if places.size == 0:
        return Sum(shape, ())
    reads = tuple(table_slot(0, w) for w in np.unravel_index(flat[places], X)) if X else ()
    writes = [table_slot(0, w) for w in np.unravel_index(places, shape)] if shape else []
    return total(shape, [normal(1, (len(places),), [Factor(0, reads)], writes)])


def _pick_value(X: Any, *, index: Table, shape: Shape) -> Any:
    flat = index.values
    picked = np.append(np.ravel(X), np.zeros(1, X.dtype))[flat]
    return picked.reshape(shape)


pick = index_map("pick", ("X",), _pick, value=_pick_value)
"""Any entries of the whole array, by their flat positions in the output's shape."""


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


def _broadcast(X: Shape, *, shape: Shape) -> Sum:
    offset = len(shape) - len(X)
    reads = tuple(
        letter_slot(offset + n) if size == shape[offset + n] else ZERO for n, size in enumerate(X)
    )
    return total(shape, [normal(1, shape, [Factor(0, reads)], plain_slots(shape))])


broadcast = index_map("broadcast", ("X",), _broadcast, value=lambda X, shape: np.broadcast_to(X, shape))


def _add_up(X: Shape, *, axes: tuple[int, ...]) -> Sum:
    slots = plain_slots(X)
    kept = [n for n in range(len(X)) if n not in axes]
    return total([X[n] for n in kept], [normal(1, X, [Factor(0, slots)], [slots[n] for n in kept])])


add_up = index_map("sum_over", ("X",), _add_up, value=lambda X, axes: np.sum(X, axis=axes))
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


def flat_positions(shape: Sequence[int], index: Any) -> Any:
    """The flat positions that an index takes from an array of this shape, as NumPy takes them."""
    return np.arange(prod(shape)).reshape(tuple(shape))[index]
