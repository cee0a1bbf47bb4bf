"""Which entries of a sum of terms can be nonzero, known before any number is computed.

Everything here depends on sizes, slots and tables only, never on operands. Masks do not count: a
pattern is what the letters allow.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from jacobians.notation.join import restricted, shifted
from jacobians.notation.slots import (
    Integers,
    Slot,
    bounds,
    combine,
    determined,
    distinct,
    positions,
)
from jacobians.notation.terms import Sum, Term, letter_count, normal

_FEW_ADDRESSES = 1 << 8  # as many are listed in the time that a join of two patterns takes
_LONGER = 8  # times what tables list, or marks take: tables are lists already


def pattern(term: Term) -> Term:
    """The positions of a term alone: its slots, without factors and summed letters."""
    kept = len(term.kept)  # letters are numbered slots first
    return Term(1, term.sizes[:kept], (), term.slots)


def injective(term: Term) -> bool:
    """Whether no two values of the kept letters write to one position (sound, not complete)."""
    left = term.kept - determined(term.slots, term.sizes)
    if len(left) != 1:
        return not left
    # One letter with several tables is determined by them together.
    (letter,) = left
    own = [Slot(0, tuple(part for part in s.parts if part[0] == letter)) for s in term.slots]
    if any(len(slot.letters) > 1 for slot in term.slots if letter in slot.letters):
        return False
    reach = [bounds(slot, term.sizes) for slot in own]
    strides = [prod(high - low + 1 for low, high in reach[n + 1 :]) for n in range(len(own))]
    flat = address_slot(term._replace(slots=tuple(own)), strides)
    return distinct(positions(flat, term.sizes, [letter]).ravel())


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
    return _listed([addresses(pattern(term), shape).ravel()], prod(shape))


def nonzeros(tensor: Sum) -> int:
    """How many entries the terms allow to be nonzero: the size of the union of their patterns.

    A pattern whose letters are determined by its positions is counted by multiplication; several
    are united by inclusion and exclusion, where an intersection is a join of slots.
    """
    patterns = list(dict.fromkeys(map(pattern, tensor.terms)))
    near = neighbours(patterns, tensor.shape)
    return sum(_united(group, tensor.shape) for group in _connected(patterns, near))


def _united(patterns: Sequence[Term], shape: Sequence[int]) -> int:
    """How many positions some patterns have together."""
    if len(patterns) == 1:
        return count(patterns[0], shape)
    sizes = [letter_count(p.sizes, p.kept) for p in patterns]
    tabled = sum(
        size for p, size in zip(patterns, sizes, strict=True) if not all(s.affine for s in p.slots)
    )
    if sum(sizes) <= max(_FEW_ADDRESSES << len(patterns), _LONGER * tabled):
        return _listed([addresses(p, shape).ravel() for p in patterns], prod(shape))
    outer = _outermost(patterns, shape)
    near = neighbours(outer, shape)
    met = [
        [m for m in earlier if meet(outer[n], outer[m]) is not None]
        for n, earlier in enumerate(near)
    ]
    return sum(_union(group, shape) for group in _connected(outer, met))


def _listed(places: Sequence[Integers], size: int) -> int:
    """How many different positions there are, of as many as ``size``."""
    if size > _LONGER * sum(map(len, places)):
        together = np.sort(np.concatenate(places))
        return int(np.count_nonzero(np.diff(together))) + 1
    marks = np.zeros(size, bool)
    for found in places:
        marks[found] = True
    return int(np.count_nonzero(marks))


def neighbours(patterns: Sequence[Term], shape: Sequence[int]) -> list[list[int]]:
    """For each pattern, the earlier ones whose bounding box its own touches; others share nothing.

    Boxes are compared along the axis that tells most of them apart, in the order of their starts.
    """
    found: list[list[int]] = [[] for _ in patterns]
    if len(patterns) < 2 or not shape:
        return [list(range(n)) for n in range(len(patterns))]
    boxes = np.array([[bounds(s, p.sizes) for s in p.slots] for p in patterns])
    lows, highs = boxes[..., 0], boxes[..., 1]
    starts = np.sort(lows, axis=0)
    reach = [
        int(np.searchsorted(starts[:, a], highs[:, a], "right").sum()) for a in range(len(shape))
    ]
    axis = int(np.argmin(reach))
    order = np.argsort(lows[:, axis], kind="stable")
    ends = np.searchsorted(starts[:, axis], highs[:, axis], "right")
    for place, n in enumerate(order.tolist()):
        after = order[place + 1 : ends[n]]
        touching = ((lows[after] <= highs[n]) & (highs[after] >= lows[n])).all(axis=1)
        for m in after[touching].tolist():
            found[max(n, m)].append(min(n, m))
    return [sorted(earlier) for earlier in found]


def _connected(patterns: Sequence[Term], near: Sequence[Sequence[int]]) -> list[list[Term]]:
    """The patterns in groups: those that are near each other, directly or by others, are in one."""
    group = list(range(len(patterns)))

    def first(n: int) -> int:
        while group[n] != n:
            group[n] = group[group[n]]
            n = group[n]
        return n

    for n, earlier in enumerate(near):
        for m in earlier:
            group[first(n)] = first(m)
    members: dict[int, list[Term]] = {}
    for n, one in enumerate(patterns):
        members.setdefault(first(n), []).append(one)
    return list(members.values())


def _outermost(patterns: Sequence[Term], shape: Sequence[int]) -> list[Term]:
    """The patterns that do not lie inside another one."""
    sizes = [count(p, shape) for p in patterns]
    order = sorted(range(len(patterns)), key=lambda n: -sizes[n])
    patterns, sizes = [patterns[n] for n in order], [sizes[n] for n in order]
    kept: set[int] = set()
    for n, earlier in enumerate(neighbours(patterns, shape)):
        shared = (meet(patterns[n], patterns[m]) for m in earlier if m in kept)
        if not any(both is not None and count(both, shape) == sizes[n] for both in shared):
            kept.add(n)
    return [patterns[n] for n in sorted(kept)]


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
