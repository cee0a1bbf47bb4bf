"""Factors, terms and sums of terms: a tensor kept as what it is.

A :class:`Term` over letters denotes the tensor that is built by

    for every value of all letters:
        tensor[slots] += coefficient · Π factor.operand[factor.slots]

Letters that stand in no slot of the term are summed; two axes that share a letter are a Kronecker
delta. A :class:`Sum` adds terms of one shape. Operands are opaque: nothing here looks into them.

Every function here returns a new value, and keeps the tensor that its argument denotes.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

from jacobians.ground.interning import by_bits
from jacobians.notation.slots import ZERO, Slot, Table, bounds, letter_slot, renumber, substitute

Coefficient = int | float


class Factor(NamedTuple):
    """An operand read at slots, one per axis. A mask selects: where it is false, the term is 0."""

    operand: Any
    slots: tuple[Slot, ...]
    mask: bool = False

    @property
    def letters(self) -> frozenset[int]:
        """The letters that the factor depends on."""
        return frozenset([part[0] for slot in self.slots for part in slot.parts])


class Term(NamedTuple):
    """``coefficient · Π factors``, placed into the tensor by one slot per axis."""

    coefficient: Coefficient
    sizes: tuple[int, ...]
    factors: tuple[Factor, ...]
    slots: tuple[Slot, ...]

    @property
    def kept(self) -> frozenset[int]:
        """The letters that stand in the slots; all others are summed."""
        return frozenset([part[0] for slot in self.slots for part in slot.parts])


class Sum(NamedTuple):
    """A tensor of a shape as a sum of terms; no terms is the zero tensor."""

    shape: tuple[int, ...]
    terms: tuple[Term, ...]

    @property
    def operands(self) -> tuple[Any, ...]:
        """The distinct operands of the factors, in order of appearance."""
        return tuple(dict.fromkeys(f.operand for term in self.terms for f in term.factors))


def normal(
    coefficient: Coefficient,
    sizes: Sequence[int],
    factors: Sequence[Factor],
    slots: Sequence[Slot],
) -> Term | None:
    """The term in normal form; None where it vanishes because a letter takes no value.

    Letters are numbered by appearance (slots first, within a slot the largest stride first) and run
    in the direction in which they first appear; a letter of size 1 becomes the constant 0; a letter
    in no slot and no factor multiplies the coefficient by its size.
    """
    everything = [*slots, *(slot for factor in factors for slot in factor.slots)]
    names: dict[int, int] = {}
    simpler: dict[int, Slot] = {}
    for slot in everything:
        for a, stride in slot.parts if len(slot.parts) < 2 else sorted(slot.parts, key=_weight):
            if a in names or a in simpler:
                continue
            if sizes[a] == 1:
                simpler[a] = ZERO
                continue
            names[a] = len(names)
            if isinstance(stride, int) and stride < 0:
                simpler[a] = letter_slot(a, -1, sizes[a] - 1)
    for letter, size in enumerate(sizes):
        if size == 0:
            return None
        if letter not in names and letter not in simpler:
            coefficient *= size
    if simpler:
        everything = [substitute(slot, simpler, sizes) for slot in everything]
    if simpler or any(old != new for old, new in names.items()):
        everything = [renumber(slot, names) for slot in everything]
        factors = rebuilt(factors, everything[len(slots) :])
    return Term(
        coefficient,
        tuple(sizes[a] for a in names),
        tuple(factors),
        tuple(everything[: len(slots)]),
    )


def over_used(
    coefficient: Coefficient,
    sizes: Sequence[int],
    factors: Sequence[Factor],
    slots: Sequence[Slot],
) -> Term | None:
    """As ``normal``, over the letters that stand in a slot or a factor; no other one counts."""
    used = {a for s in slots for a in s.letters}.union(*(f.letters for f in factors))
    return normal(coefficient, [n if a in used else 1 for a, n in enumerate(sizes)], factors, slots)


def _weight(part: tuple[int, int | Table]) -> int:
    return 0 if isinstance(part[1], Table) else -abs(part[1])


def rebuilt(factors: Iterable[Factor], slots: Iterable[Slot]) -> list[Factor]:
    """The factors with their slots taken anew from one flat run of slots."""
    run = iter(slots)
    return [Factor(f.operand, tuple(next(run) for _ in f.slots), f.mask) for f in factors]


def total(shape: Sequence[int], terms: Iterable[Term | None]) -> Sum:
    """The sum of the terms that did not vanish."""
    return Sum(tuple(shape), tuple(t for t in terms if t is not None))


def plain_slots(sizes: Sequence[int], start: int = 0) -> tuple[Slot, ...]:
    """One letter per axis, from letter ``start`` on."""
    return tuple(letter_slot(start + axis) for axis in range(len(sizes)))


def whole(operand: Hashable, shape: Sequence[int], *, mask: bool = False) -> Sum:
    """The tensor that is one operand and nothing else."""
    slots = plain_slots(shape)
    return total(shape, [normal(1, shape, [Factor(operand, slots, mask)], slots)])


def identity(shape: Sequence[int]) -> Sum:
    """``∂B/∂B``: a delta for each axis, of shape ``(*shape, *shape)``."""
    slots = plain_slots(shape)
    return total((*shape, *shape), [normal(1, shape, [], slots + slots)])


def scaled(tensor: Sum, number: Coefficient) -> Sum:
    """``number · tensor``; an exact 0 leaves no terms, whatever the operands hold."""
    if number == 0:
        return Sum(tensor.shape, ())
    return Sum(
        tensor.shape, tuple(t._replace(coefficient=t.coefficient * number) for t in tensor.terms)
    )


def added(tensors: Sequence[Sum]) -> Sum:
    """The sum of tensors of one shape."""
    return Sum(tensors[0].shape, tuple(t for tensor in tensors for t in tensor.terms))


def transposed(tensor: Sum, axes: Sequence[int]) -> Sum:
    """The tensor with its axes in another order."""
    return total(
        [tensor.shape[a] for a in axes],
        [
            normal(t.coefficient, t.sizes, t.factors, [t.slots[a] for a in axes])
            for t in tensor.terms
        ],
    )


def contracted(tensor: Sum, operand: Hashable, axes: Sequence[int], *, mask: bool = False) -> Sum:
    """``Σ operand[axes] · tensor[…]`` over the named axes of the tensor; the other axes remain.

    No join is needed: the operand is simply read at the slots of those axes.
    """
    kept = [a for a in range(len(tensor.shape)) if a not in set(axes)]
    return total(
        [tensor.shape[a] for a in kept],
        [
            normal(
                t.coefficient,
                t.sizes,
                (Factor(operand, tuple(t.slots[a] for a in axes), mask), *t.factors),
                [t.slots[a] for a in kept],
            )
            for t in tensor.terms
        ],
    )


def relabelled(tensor: Sum, rename: Callable[[Any], Hashable]) -> Sum:
    """The same tensor over other operands: ``rename(operand)`` for each."""
    return Sum(
        tensor.shape,
        tuple(
            [
                Term(
                    t.coefficient,
                    t.sizes,
                    tuple([Factor(rename(f.operand), f.slots, f.mask) for f in t.factors]),
                    t.slots,
                )
                for t in tensor.terms
            ]
        ),
    )


def numbered(tensor: Sum, operands: Iterable[Hashable] | None = None) -> Sum:
    """The same tensor over the positions of its operands among the given ones (its own, if none)."""
    order = tensor.operands if operands is None else operands
    places = {operand: place for place, operand in enumerate(order)}
    return relabelled(tensor, places.__getitem__)


def full_letter(slot: Slot, sizes: Sequence[int], size: int) -> int | None:
    """The letter of a slot that is plain and runs over the whole axis of this size."""
    letter = slot.plain
    return letter if letter is not None and sizes[letter] == size else None


def spans(term: Term, shape: Sequence[int]) -> bool:
    """Whether the term reaches all entries of its tensor, and each axis is a letter of its own.

    Then, and only then, reading the tensor at slots is reading the factors at them.
    """
    letters = [
        full_letter(s, term.sizes, n) for s, n in zip(term.slots, shape, strict=True) if n != 1
    ]
    return (
        None not in letters
        and len(set(letters)) == len(letters)
        and all(s == ZERO for s, n in zip(term.slots, shape, strict=True) if n == 1)
    )


def factors_at(
    term: Term, shape: Sequence[int], slots: Sequence[Slot]
) -> tuple[Factor, ...] | None:
    """The factors that are read where the term's tensor, of this shape, is read at slots.

    None where that is no plain reading: something is summed, or the term does not span its tensor.
    """
    if not spans(term, shape):
        return None
    places = {own.plain: at for own, at in zip(term.slots, slots, strict=True) if own != ZERO}
    inner = [slot for f in term.factors for slot in f.slots if slot != ZERO]
    if len(places) != len(term.sizes) or any(slot.plain not in places for slot in inner):
        return None
    return tuple(
        f._replace(slots=tuple(s if s == ZERO else places[s.plain] for s in f.slots))
        for f in term.factors
    )


def fits(term: Term, shape: Sequence[int]) -> bool:
    """Whether every position that the term writes lies inside the shape."""
    return all(
        low >= 0 and high < size
        for (low, high), size in zip(
            (bounds(s, term.sizes) for s in term.slots), shape, strict=True
        )
    )


def letter_count(sizes: Sequence[int], letters: Iterable[int]) -> int:
    """How many values the letters take together."""
    return prod(sizes[a] for a in letters)


def table_bytes(tensor: Sum) -> int:
    """The bytes of the tables in the slots of a sum of terms, and some for each slot."""
    slots = [
        slot
        for term in tensor.terms
        for slot in (*term.slots, *(s for f in term.factors for s in f.slots))
    ]
    tables = {id(s): s for slot in slots for _, s in slot.parts if isinstance(s, Table)}
    return sum(table.values.nbytes for table in tables.values()) + 128 * len(slots)


def coefficient_bits(tensor: Sum) -> tuple[Hashable, ...]:
    """The coefficients by type and bits: equal terms may differ in 1 and 1.0, or 0.0 and −0.0."""
    return tuple([by_bits(term.coefficient) for term in tensor.terms])


def bytes_of(value: Any) -> int:
    """The bytes of the tables in the parameters of an operation."""
    if isinstance(value, Table):
        return value.values.nbytes
    if isinstance(value, Sum):
        return table_bytes(value)
    return sum(map(bytes_of, value)) if isinstance(value, tuple) else 0
