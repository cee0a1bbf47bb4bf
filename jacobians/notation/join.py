"""Joining slots: the chain rule's middle axes, slices and diagonals as equations between slots.

``unify`` solves ``left = right`` for each middle axis by replacing letters, in four steps that are
tried in this order over all open equations:

1. **letter**: a letter with stride ±1 whose other side stays in its range is replaced by that side;
2. **progression**: two letters left, both affine: two arithmetic progressions are intersected;
3. **digits**: both sides are positional numbers whose digits divide: a common refinement, and a
   digit that the other side cannot reach is fixed (every second entry of a reshaped array);
4. **equi-join**: a new letter runs over the matching pairs; the old letters become tables.

The last is always right; the first three keep structure, and with it speed. Invariant: the letters'
values after solving are exactly those before for which every equation holds, each once.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from math import gcd, prod
from typing import Any

import numpy as np

from jacobians.ground.caches import ByteCache
from jacobians.notation.digits import Unsolved, Vanishes, solved
from jacobians.notation.slots import (
    Slot,
    Table,
    bounds,
    combine,
    letter_slot,
    positions,
    slot_bytes,
    substitute,
    table_slot,
)
from jacobians.notation.terms import Factor, Sum, Term, normal, rebuilt, total

SlotPair = tuple[Slot, Slot]


class _System:
    """Equations and slots over one set of letters, rewritten together."""

    def __init__(self, sizes: Sequence[int], equations: Sequence[SlotPair], slots: Sequence[Slot]):
        self.sizes = list(sizes)
        self.open = [combine([(1, left), (-1, right)], self.sizes) for left, right in equations]
        self.slots = list(slots)

    def fresh(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes) - 1

    def replace(self, mapping: Mapping[int, Slot]) -> None:
        self.open = [substitute(slot, mapping, self.sizes) for slot in self.open]
        self.slots = [substitute(slot, mapping, self.sizes) for slot in self.slots]

    def in_table(self, letter: int) -> bool:
        """Whether a table is indexed by the letter: then one letter alone may replace it."""
        return any(
            a == letter and isinstance(stride, Table)
            for slot in (*self.open, *self.slots)
            for a, stride in slot.parts
        )


def unify(
    sizes: Sequence[int], equations: Sequence[SlotPair], slots: Sequence[Slot]
) -> tuple[list[int], list[Slot]] | None:
    """The slots with letters replaced so that every equation holds; None if none can.

    Parameters
    ----------
    sizes : sequence of int
        The sizes of the letters.
    equations : sequence of (Slot, Slot)
        Pairs of slots that must be equal.
    slots : sequence of Slot
        What is rewritten.

    Returns
    -------
    (sizes, slots) or None
        The sizes with new letters at the end (replaced ones are in no slot any more, and have size
        1 so that they count once), and the rewritten slots.
    """
    system = _System(sizes, equations, slots)
    try:
        while system.open:
            for rule in _RULES:
                solved = _first_solved(system, rule)
                if solved is not None:
                    break
            else:
                _equi_join(system, 0)
                solved = 0
            del system.open[solved]
    except Vanishes:
        return None
    return system.sizes, system.slots


def _first_solved(system: _System, rule: Callable[[_System, int], bool]) -> int | None:
    for number in range(len(system.open)):
        if rule(system, number):
            return number
    return None


def _finish(system: _System, mapping: Mapping[int, Slot]) -> bool:
    system.replace(mapping)
    for letter in mapping:
        system.sizes[letter] = 1
    return True


def _constant(system: _System, number: int) -> bool:
    """Step 0: nothing left to choose."""
    equation = system.open[number]
    if any(system.sizes[a] == 0 for a in equation.letters):
        raise Vanishes
    if equation.parts:
        return False
    if equation.constant != 0:
        raise Vanishes
    return True


def _letter(system: _System, number: int) -> bool:
    """Step 1: ``±a + rest = 0`` where the rest never leaves the range of ``a``."""
    equation = system.open[number]
    for letter, stride in equation.parts:
        if stride not in (1, -1) or isinstance(stride, Table):
            continue
        rest = Slot(equation.constant, tuple(p for p in equation.parts if p[0] != letter))
        if len(rest.parts) > 1 and system.in_table(letter):
            continue
        rest = combine([(-stride, rest)], system.sizes)
        low, high = bounds(rest, system.sizes)
        if low >= 0 and high < system.sizes[letter]:
            return _finish(system, {letter: rest})
    return False


def _progression(system: _System, number: int) -> bool:
    """Step 2: ``s·a + t·b + c = 0`` or ``s·a + c = 0``."""
    constant, parts = system.open[number]
    if len(parts) > 2 or not system.open[number].affine:
        return False
    (a, s), (b, t) = parts if len(parts) == 2 else (parts[0], (None, 0))
    assert isinstance(s, int)
    assert isinstance(t, int)
    if b is None:
        value, remainder = divmod(-constant, s)
        if remainder or not 0 <= value < system.sizes[a]:
            raise Vanishes
        return _finish(system, {a: Slot(value)})
    divisor = gcd(s, t)
    if constant % divisor:
        raise Vanishes
    s, t, constant = s // divisor, t // divisor, constant // divisor
    # a = first + |t|·n solves the equation modulo t; b follows; both must stay in range.
    step = abs(t)
    first = (-constant * pow(s, -1, step)) % step if step > 1 else 0
    b_first, b_step = (-constant - s * first) // t, -s * step // t
    low, high = 0, (system.sizes[a] - 1 - first) // step
    limit = system.sizes[b] - 1
    if b_step > 0:
        low, high = max(low, -(b_first // b_step)), min(high, (limit - b_first) // b_step)
    else:
        low, high = max(low, -((limit - b_first) // -b_step)), min(high, b_first // -b_step)
    if high < low:
        raise Vanishes
    n = system.fresh(high - low + 1)
    return _finish(
        system,
        {
            a: letter_slot(n, step, first + step * low),
            b: letter_slot(n, b_step, b_first + b_step * low),
        },
    )


def _digits(system: _System, number: int) -> bool:
    """Step 3: ``Σ s·a = Σ t·b`` with positional digits on both sides, refined digit by digit."""
    constant, parts = system.open[number]
    if not system.open[number].affine or any(system.in_table(a) for a, _ in parts):
        return False
    live = [(s, system.sizes[a], a) for a, s in parts if isinstance(s, int) and system.sizes[a] > 1]
    unit = gcd(*(stride for stride, _, _ in live)) or 1
    constant, remainder = divmod(constant, unit)
    if remainder:
        raise Vanishes
    try:
        pieces = solved(constant, [(s // unit, n, a) for s, n, a in live], system.fresh)
    except Unsolved:
        return False
    found = {a: pieces.get(a, []) for a, _ in parts}
    return _finish(system, {a: combine(own, system.sizes) for a, own in found.items()})


_RULES = (_constant, _letter, _progression, _digits)


def _equi_join(system: _System, number: int) -> None:
    """Step 4: one new letter over all solutions of the equation."""
    equation = system.open[number]
    sizes = system.sizes
    sides: list[list[tuple[int, int | Table]]] = [[], []]
    for letter, stride in equation.parts:
        # Balance the two sides: the work is the sum of their sizes, not the product.
        smaller = prod(sizes[a] for a, _ in sides[0]) > prod(sizes[a] for a, _ in sides[1])
        sides[smaller].append((letter, stride))
    letters = [[a for a, _ in side] for side in sides]
    left, right = (
        positions(Slot(0, tuple(side)), sizes, names).ravel()
        for side, names in zip(sides, letters, strict=True)
    )
    wanted = -equation.constant - left
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    first = np.searchsorted(ordered, wanted, "left")
    counts = np.searchsorted(ordered, wanted, "right") - first
    found = int(counts.sum())
    if found == 0:
        raise Vanishes
    from_left = np.repeat(np.arange(left.size), counts)
    offsets = np.arange(found) - np.repeat(np.cumsum(counts) - counts, counts)
    from_right = order[np.repeat(first, counts) + offsets]
    n = system.fresh(found)
    mapping: dict[int, Slot] = {}
    for names, matched in zip(letters, (from_left, from_right), strict=True):
        if names:
            values = np.unravel_index(matched, [sizes[a] for a in names])
            mapping.update(
                {a: table_slot(n, column) for a, column in zip(names, values, strict=True)}
            )
    _finish(system, mapping)


def restricted(term: Term, equations: Sequence[SlotPair], slots: Sequence[Slot]) -> Term | None:
    """The term where every equation holds, with other slots; None where it vanishes.

    This is how a tensor is sliced, its diagonal taken, and two patterns intersected.
    """
    return _solved(term.coefficient, term.sizes, term.factors, equations, slots)


def _solved(
    coefficient: int | float,
    sizes: Sequence[int],
    factors: Sequence[Factor],
    equations: Sequence[SlotPair],
    slots: Sequence[Slot],
) -> Term | None:
    if 0 in sizes:
        return None
    flat = [*slots, *(slot for factor in factors for slot in factor.slots)]
    solution = unify(sizes, equations, flat)
    if solution is None:
        return None
    new_sizes, new = solution
    return normal(coefficient, new_sizes, rebuilt(factors, new[len(slots) :]), new[: len(slots)])


def shifted(slot: Slot, by: int) -> Slot:
    """The slot with every letter's number raised."""
    return Slot(slot.constant, tuple((a + by, s) for a, s in slot.parts))


def composed(left: Sum, right: Sum, count: int) -> Sum:
    """The chain rule: the last ``count`` axes of ``left`` summed against the first of ``right``."""
    terms = [
        _composed_terms(first, second, count) for first in left.terms for second in right.terms
    ]
    cut = len(left.shape) - count
    return total((*left.shape[:cut], *right.shape[count:]), terms)


Recipe = tuple[int | float, tuple[int, ...], tuple[tuple[Slot, ...], ...], tuple[Slot, ...]]


def _weight(key: Any, recipe: Recipe | tuple[()]) -> int:
    _, left, _, right, reads, _ = key
    own = chain(recipe[3], *recipe[2]) if recipe else ()
    return slot_bytes(chain(left, right, *reads, own))


_COMPOSED: ByteCache[Recipe | tuple[()]] = ByteCache(1 << 22, _weight)
"""How the slots of two terms join, which does not depend on the operands."""


def _composed_terms(left: Term, right: Term, count: int) -> Term | None:
    factors = left.factors + right.factors
    reads = tuple([f.slots for f in factors])
    key = left.sizes, left.slots, (right.sizes, len(left.factors)), right.slots, reads, count
    recipe = _COMPOSED.get(key, lambda: _recipe(left, right, count))
    if not recipe:
        return None
    scale, sizes, reads, slots = recipe
    return Term(
        left.coefficient * right.coefficient * scale,
        sizes,
        tuple([Factor(f.operand, read, f.mask) for f, read in zip(factors, reads, strict=True)]),
        slots,
    )


def _recipe(left: Term, right: Term, count: int) -> Recipe | tuple[()]:
    joined = _joined(left, right, count)
    if joined is None:
        return ()
    return joined.coefficient, joined.sizes, tuple([f.slots for f in joined.factors]), joined.slots


def _joined(left: Term, right: Term, count: int) -> Term | None:
    by = len(left.sizes)
    cut = len(left.slots) - count
    moved = [shifted(slot, by) for slot in right.slots]
    factors = [
        *left.factors,
        *(Factor(f.operand, tuple(shifted(s, by) for s in f.slots), f.mask) for f in right.factors),
    ]
    return _solved(
        1,
        left.sizes + right.sizes,
        factors,
        list(zip(left.slots[cut:], moved[:count], strict=True)),
        [*left.slots[:cut], *moved[count:]],
    )
