"""Many terms of different slots become one: a block where they fill it, else a list of their entries.

Axes whose slots are the same in all terms keep them (a batch stays a batch). The others become axes of a
new operand that holds the sum of all terms, over the box that they reach. No entry is added to the pattern.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from jacobians.notation.rewrite import Make
from jacobians.notation.slots import Slot, bounds, letter_slot, renumber, table_slot
from jacobians.notation.structure import addresses, nonzeros
from jacobians.notation.terms import (
    Factor,
    Sum,
    Term,
    letter_count,
    normal,
    numbered,
    rebuilt,
    total,
)


class _Shared(NamedTuple):
    """What the terms have in common: letters first, in all alike, and the axes that read only them."""

    terms: list[Term]
    letters: int
    axes: tuple[int, ...]


def gather(tensor: Sum, make: Make) -> Sum:
    """The terms as one block, where they fill it: it is no larger than what they write together."""
    return _unmasked(tensor, lambda plain: _gathered(plain, make))


def listed(tensor: Sum, make: Make) -> Sum:
    """The terms as one, which lists the entries that they reach: a letter, and a table for each axis."""
    return _unmasked(tensor, lambda plain: _listed(plain, make))


def _unmasked(tensor: Sum, rule: Callable[[Sum], Sum]) -> Sum:
    """The terms without masks by a rule; inside an operand, what a mask rules out were a number."""
    masked = [term for term in tensor.terms if any(f.mask for f in term.factors)]
    plain = [term for term in tensor.terms if not any(f.mask for f in term.factors)]
    if len(plain) < 2:
        return tensor
    after = rule(Sum(tensor.shape, tuple(plain)))
    return total(tensor.shape, [*after.terms, *masked]) if masked else after


def _gathered(tensor: Sum, make: Make) -> Sum:
    shared = _shared(tensor)
    lows, shape = _box(shared, tensor.shape)
    held = sum(letter_count(t.sizes, t.kept) for t in tensor.terms)
    if held < prod(shape):
        return tensor
    core = _core(shared, lows, shape)
    if nonzeros(core) < prod(shape):
        return tensor
    made = make(numbered(core), core.operands)
    factor = Factor(made, tuple(letter_slot(a) for a in range(len(shape))))
    free = iter(range(shared.letters, len(shape)))
    slots = [
        shared.terms[0].slots[axis]
        if axis in shared.axes
        else letter_slot(next(free), 1, lows[axis])
        for axis in range(len(tensor.shape))
    ]
    return total(tensor.shape, [normal(1, shape, [factor], slots)])


def _listed(tensor: Sum, make: Make) -> Sum:
    shared = _shared(tensor)
    if any(  # where they stand apart depends on the letters that they share
        a < shared.letters
        for term in shared.terms
        for axis, slot in enumerate(term.slots)
        if axis not in shared.axes
        for a in slot.letters
    ):
        shared = _Shared(list(tensor.terms), 0, ())
    return _distinct(tensor, shared, make)


def entry_by_entry(tensor: Sum, make: Make) -> Sum:
    """As ``listed``, of terms that may have masks, each of which is a number then, and all axes together."""
    return _distinct(tensor, _Shared(list(tensor.terms), 0, ()), make)


def _distinct(tensor: Sum, shared: _Shared, make: Make) -> Sum:
    sizes = shared.terms[0].sizes[: shared.letters]
    free = [axis for axis in range(len(tensor.shape)) if axis not in shared.axes]
    shape = [tensor.shape[axis] for axis in free]
    apart = [normal(1, t.sizes, (), [t.slots[axis] for axis in free]) for t in shared.terms]
    reached = [addresses(t, shape).ravel() for t in apart if t is not None]
    places, entry = np.unique(np.concatenate(reached), return_inverse=True)
    starts = np.cumsum([0, *(len(found) for found in reached)])
    terms = []
    plain = [letter_slot(a) for a in range(shared.letters)]
    for n, term in enumerate(shared.terms):
        own = sorted({a for axis in free for a in term.slots[axis].letters})
        names = [*range(shared.letters), *own]
        value = total(
            [term.sizes[a] for a in names],
            [normal(term.coefficient, term.sizes, term.factors, [letter_slot(a) for a in names])],
        )
        made = make(numbered(value), value.operands)
        # One letter runs through the term's own letters together, the last one fastest.
        where = np.unravel_index(np.arange(len(reached[n])), [term.sizes[a] for a in own] or [1])
        flat = [table_slot(shared.letters, index) for index in where[: len(own)]]
        terms.append(
            normal(
                1, (*sizes, len(reached[n])), [Factor(made, (*plain, *flat))],
                [*plain, table_slot(shared.letters, entry[starts[n] : starts[n + 1]])],
            )
        )  # fmt: skip
    core = total((*sizes, len(places)), terms)
    made = make(numbered(core), core.operands)
    tables = iter(np.unravel_index(places, shape) if shape else ())
    slots = [
        shared.terms[0].slots[axis]
        if axis in shared.axes
        else table_slot(shared.letters, next(tables))
        for axis in range(len(tensor.shape))
    ]
    factor = Factor(made, (*plain, letter_slot(shared.letters)))
    return total(tensor.shape, [normal(1, (*sizes, len(places)), [factor], slots)])


def _shared(tensor: Sum) -> _Shared:
    """The terms with the letters of equal slots numbered first, in all terms the same."""
    names: list[dict[int, int]] = [{} for _ in tensor.terms]
    sizes: list[int] = []
    axes = []
    for axis in range(len(tensor.shape)):
        found = _matched([t.slots[axis] for t in tensor.terms], tensor.terms, names, sizes)
        if found is not None:
            names, sizes = found
            axes.append(axis)
    terms = []
    for term, known in zip(tensor.terms, names, strict=True):
        order = sorted(known, key=known.__getitem__)
        order += [a for a in range(len(term.sizes)) if a not in known]
        new = {a: n for n, a in enumerate(order)}
        flat = [renumber(slot, new) for f in term.factors for slot in f.slots]
        slots = tuple(renumber(slot, new) for slot in term.slots)
        factors = tuple(rebuilt(term.factors, flat))
        terms.append(Term(term.coefficient, tuple(term.sizes[a] for a in order), factors, slots))
    return _Shared(terms, len(sizes), tuple(axes))


def _matched(
    slots: Sequence[Slot], terms: Sequence[Term], names: list[dict[int, int]], sizes: list[int]
) -> tuple[list[dict[int, int]], list[int]] | None:
    """The names of letters with those of one more axis, where its slots are the same in all terms."""
    first = slots[0]
    if not first.parts or any(len(s.parts) != len(first.parts) for s in slots):
        return None  # a constant ties no letters: it may as well be an axis of the block
    after = [dict(known) for known in names]
    longer = list(sizes)
    for parts in zip(*(slot.parts for slot in slots), strict=True):
        if any(stride != parts[0][1] for _, stride in parts):
            return None
        known = {own.get(a) for own, (a, _) in zip(after, parts, strict=True)}
        extent = {term.sizes[a] for term, (a, _) in zip(terms, parts, strict=True)}
        if len(known) > 1 or len(extent) > 1:
            return None
        if known == {None}:
            for own, (a, _) in zip(after, parts, strict=True):
                own[a] = len(longer)
            longer += extent
    if any(slot.constant != first.constant for slot in slots):
        return None
    return after, longer


def _box(shared: _Shared, shape: Sequence[int]) -> tuple[dict[int, int], list[int]]:
    """Where the axes that differ begin, and the shape of the block: the shared letters, then those axes."""
    starts, extents = box_of(Sum(tuple(shape), tuple(shared.terms)))
    free = [axis for axis in range(len(shape)) if axis not in shared.axes]
    sizes = [*shared.terms[0].sizes[: shared.letters], *(extents[axis] for axis in free)]
    return {axis: starts[axis] for axis in free}, sizes


def box_of(tensor: Sum) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the box begins that the terms reach, and its shape."""
    starts, extents = [], []
    for axis in range(len(tensor.shape)):
        reach = [bounds(t.slots[axis], t.sizes) for t in tensor.terms]
        starts.append(min([low for low, _ in reach]))
        extents.append(max([high for _, high in reach]) + 1 - starts[-1])
    return tuple(starts), tuple(extents)


def _core(shared: _Shared, lows: dict[int, int], shape: Sequence[int]) -> Sum:
    """The sum of the terms over the block."""
    plain = [letter_slot(a) for a in range(shared.letters)]
    terms = []
    for term in shared.terms:
        own = [
            term.slots[a]._replace(constant=term.slots[a].constant - low) for a, low in lows.items()
        ]
        terms.append(normal(term.coefficient, term.sizes, term.factors, [*plain, *own]))
    return total(shape, terms)
