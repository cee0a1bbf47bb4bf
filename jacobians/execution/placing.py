"""Writing terms into a dense tensor: each at its slots, where nothing was written yet, or added."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from jacobians.execution.building import Builder, Operand, Value, aligned, seen
from jacobians.execution.contracting import Contraction
from jacobians.execution.steps import Kernel, Place, Ref, literal
from jacobians.graph.how import Broadcast
from jacobians.notation.slots import Slot, positions
from jacobians.notation.structure import addresses, count, injective, meet, neighbours, pattern
from jacobians.notation.terms import Sum, Term, letter_count, plain_slots


def fills(term: Term, shape: Sequence[int]) -> bool:
    """Whether a term writes every entry once, its letters being the axes in order."""
    axes = len(shape)
    return term.slots == tuple(Slot(0, ((a, 1),)) for a in range(axes)) and (
        term.sizes[:axes] == tuple(shape)
    )


def is_whole(term: Term, shape: Sequence[int]) -> bool:
    """Whether a term's value, letters in order, is the tensor."""
    held = {a for factor in term.factors for a in factor.letters}
    return bool(term.factors) and fills(term, shape) and held >= set(range(len(shape)))


def placed(
    tensor: Sum, terms: Contraction, *, given: bool
) -> Ref:  # fmt: skip
    """A new array with the terms written into it; the caller's, if it is ``given`` and there is one."""
    builder, shape, dtype = terms.builder, tensor.shape, terms.dtype
    rows = None if given else _rows(tensor)
    if rows is not None:
        values = [terms.term(term) for term in rows]
        own = tuple(range(len(shape) - 1))
        if all(value is not None and sorted(value.letters) == list(own) for value in values):
            stacked = [aligned(value, own) for value in values if value is not None]
            return builder.emit(Kernel.STACK, stacked, shape, dtype)
    # One that fills the tensor goes first, then the widest. A term is stored where no earlier one has
    # written, else added; what is added to must hold 0, also in an array with an earlier call's numbers.
    ordered = sorted(
        tensor.terms, key=lambda t: (not fills(t, shape), -letter_count(t.sizes, t.kept))
    )
    stored = _written_alone(ordered, shape)
    written = sum(letter_count(t.sizes, t.kept) for t in ordered)
    apart = all(stored) and written == prod(shape)  # each entry is one term's
    whole = apart or any(fills(t, shape) for t in ordered)
    kernel = Kernel.EMPTY if whole else Kernel.ZEROS  # a term that fills it is stored first
    out = builder.emit(kernel, [], shape, dtype, given=given)
    common = _common_number(ordered, shape) if apart else None
    if common is not None:
        axes = tuple(range(len(shape)))
        place = Place(out.root, shape, plain_slots(shape), axes, shape, True)
        builder.write(Kernel.STORE, [literal(common.coefficient)], place, dtype, shape)
        ordered = [t for t in ordered if t.factors or t.coefficient != common.coefficient]
        stored = [True] * len(ordered)
    places = [
        _place(builder, term, shape, out.root, once=alone or injective(term))
        for term, alone in zip(ordered, stored, strict=True)
    ]
    if given:
        for n, place in enumerate(places):
            if not stored[n] and not _covered(n, ordered, shape):
                builder.write(Kernel.CLEAR, [], place, dtype, place.written)
    for term, alone, place in zip(ordered, stored, places, strict=True):
        value = terms.term(term)
        operand: Operand = literal(term.coefficient)
        if value is not None:
            operand = _spread(value, place)
            if not place.once:  # numpy.add.at of fewer axes than the index reads out of bounds
                operand = seen(operand, Broadcast(place.written))
        kernel = Kernel.STORE if alone else Kernel.ADD_TO
        builder.write(
            kernel, [operand], place, dtype, place.written, 0 if alone else prod(place.written)
        )
    return out


def _common_number(terms: Sequence[Term], shape: Sequence[int]) -> Term | None:
    """One of several terms that are the same number, and at least half of the tensor.

    To write it everywhere first is one pass over the memory in order; its own places would be several.
    """
    numbers = [t for t in terms if not t.factors]
    if len(numbers) < 2 or not numbers[0].coefficient:
        return None
    alike = [t for t in numbers if t.coefficient == numbers[0].coefficient]
    entries = sum(letter_count(t.sizes, t.kept) for t in alike)
    return alike[0] if len(alike) > 1 and 2 * entries >= prod(shape) else None


def _rows(tensor: Sum) -> list[Term] | None:
    """The terms in order where each is one row of the tensor, and all of it."""
    if not tensor.shape or tensor.shape[0] != len(tensor.terms) or len(tensor.terms) < 2:
        return None
    plain = plain_slots(tensor.shape[1:])
    rows = {t.slots[0].constant: t for t in tensor.terms if not t.slots[0].parts}
    if len(rows) != len(tensor.terms):
        return None
    if any(
        t.slots[1:] != plain or t.sizes[: len(plain)] != tensor.shape[1:] for t in rows.values()
    ):
        return None  # an axis of size 1 has no letter: such rows are placed one by one
    return [rows[n] for n in range(len(rows))]


def _spread(value: Value, place: Place) -> Operand:
    return aligned(value, place.letters) if value.letters else value.ref


def _place(builder: Builder, term: Term, shape: tuple[int, ...], root: str, *, once: bool) -> Place:
    letters = tuple(sorted(term.kept))
    index: tuple[Any, ...] = ()
    if not (once and all(slot.affine for slot in term.slots)):
        index = tuple(builder.constant(positions(slot, term.sizes, letters)) for slot in term.slots)
    return Place(root, shape, term.slots, letters, term.sizes, once, index)


def _written_alone(terms: Sequence[Term], shape: Sequence[int]) -> list[bool]:
    """Which terms write each of their positions once, and none that an earlier term writes."""
    patterns = [pattern(term) for term in terms]
    if any(not slot.affine for p in patterns for slot in p.slots):  # what tables list is looked up
        marks = np.zeros(prod(shape), bool)
        found = []
        for p in patterns:
            places = addresses(p, shape).ravel()
            free = not marks[places].any()
            before = np.count_nonzero(marks) if free else 0
            marks[places] = True
            found.append(free and int(np.count_nonzero(marks) - before) == len(places))
        return found
    near = neighbours(patterns, shape)
    return [
        injective(own) and all(meet(own, patterns[m]) is None for m in earlier)
        for own, earlier in zip(patterns, near, strict=True)
    ]


def _covered(n: int, terms: Sequence[Term], shape: Sequence[int]) -> bool:
    """Whether the first term, which is stored, writes all positions of this one."""
    if n == 0 or not injective(terms[0]):
        return False
    both = meet(pattern(terms[n]), pattern(terms[0]))
    return both is not None and count(both, shape) == count(pattern(terms[n]), shape)
