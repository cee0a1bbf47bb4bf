"""Which entries of a sum of terms can be nonzero, known before any number is computed.

Everything here depends on sizes, slots and tables only, never on operands. Masks do not count: a
pattern is what the letters allow.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from jacobians.notation.join import restricted, shifted
from jacobians.notation.slots import Integers, Slot, bounds, combine, determined, positions
from jacobians.notation.terms import Sum, Term, letter_count, normal

_FEW_ADDRESSES = 1 << 8  # as many are listed in the time that a join of two patterns takes


def pattern(term: Term) -> Term:
    """The positions of a term alone: its slots, without factors and summed letters."""
    kept = len(term.kept)  # letters are numbered slots first
    return Term(1, term.sizes[:kept], (), term.slots)


def injective(term: Term) -> bool:
    """Whether no two values of the kept letters write to one position (sound, not complete)."""
    kept = term.kept
    return kept <= determined(term.slots, term.sizes)


def addresses(term: Term, shape: Sequence[int]) -> Integers:
    """The flat positions that a term writes, one axis for each kept letter, in letter order."""
    letters = sorted(term.kept)
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    flat = positions(address_slot(term, strides), term.sizes, letters)
    return np.broadcast_to(flat, [term.sizes[a] for a in letters])


def address_slot(term: Term, strides: Sequence[int]) -> Slot:
    """The flat position as one slot, for an axis layout given by its strides."""
    return combine(list(zip(strides, term.slots, strict=True)), term.sizes)


def count(term: Term, shape: Sequence[int]) -> int:
    """How many positions the pattern of a term has."""
    if injective(term):
        return letter_count(term.sizes, term.kept)
    return len(np.unique(addresses(pattern(term), shape)))


def nonzeros(tensor: Sum) -> int:
    """How many entries the terms allow to be nonzero: the size of the union of their patterns.

    A pattern whose letters are determined by its positions is counted by multiplication; several
    are united by inclusion and exclusion, where an intersection is a join of slots.
    """
    patterns = _outermost(list(dict.fromkeys(map(pattern, tensor.terms))), tensor.shape)
    listed = sum(letter_count(p.sizes, p.kept) for p in patterns)
    if 1 < len(patterns) and listed <= _FEW_ADDRESSES << len(patterns):
        found = [addresses(p, tensor.shape).ravel() for p in patterns]
        return len(np.unique(np.concatenate(found)))
    return _union(patterns, tensor.shape)


def _outermost(patterns: list[Term], shape: Sequence[int]) -> list[Term]:
    """The patterns that do not lie inside another one."""
    sizes = [count(p, shape) for p in patterns]
    order = sorted(range(len(patterns)), key=lambda n: -sizes[n])
    kept: list[int] = []
    for n in order:
        shared = (meet(patterns[n], patterns[m]) for m in kept)
        if not any(both is not None and count(both, shape) == sizes[n] for both in shared):
            kept.append(n)
    return [patterns[n] for n in kept]


def _union(patterns: Sequence[Term], shape: Sequence[int]) -> int:
    if not patterns:
        return 0
    first, *rest = patterns
    met = dict.fromkeys(both for other in rest if (both := meet(first, other)) is not None)
    return count(first, shape) + _union(rest, shape) - _union(list(met), shape)


def meet(first: Term, second: Term) -> Term | None:
    """The pattern of the positions that two patterns share."""
    moved = [shifted(slot, len(first.sizes)) for slot in second.slots]
    both = normal(1, (*first.sizes, *second.sizes), [], (*first.slots, *moved))
    if both is None:
        return None
    half = len(first.slots)
    left, right = both.slots[:half], both.slots[half:]
    found = restricted(both, equations(left, right, both.sizes), left)
    return None if found is None else pattern(found)


def equations(
    left: Sequence[Slot], right: Sequence[Slot], sizes: Sequence[int]
) -> list[tuple[Slot, Slot]]:
    """``left = right`` axis by axis, but axes with tables as one equation of flat positions.

    Solved one after the other, two tables of one letter would first list all that meets on one axis.
    """
    plain: list[tuple[Slot, Slot]] = []
    tabled: list[tuple[Slot, Slot]] = []
    for pair in zip(left, right, strict=True):
        (plain if all(slot.affine for slot in pair) else tabled).append(pair)
    if len(tabled) < 2:
        return plain + tabled
    reach = [1 + max(bounds(slot, sizes)[1] for slot in pair) for pair in tabled]
    strides = [prod(reach[n + 1 :]) for n in range(len(reach))]
    first, second = (
        combine([(step, pair[side]) for step, pair in zip(strides, tabled, strict=True)], sizes)
        for side in (0, 1)
    )
    return [*plain, (first, second)]


def flat_address(
    slots: Sequence[Slot], sizes: Sequence[int], letters: Sequence[int], shape: Sequence[int]
) -> tuple[int, tuple[int, ...]]:
    """Where affine slots lie in a contiguous array: the first entry, and each letter's step."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    flat = combine(list(zip(strides, slots, strict=True)), sizes)
    steps = dict(flat.parts)
    return flat.constant, tuple(step for a in letters if isinstance(step := steps.get(a, 0), int))
