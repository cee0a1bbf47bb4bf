"""Many terms that look alike become one: a new letter says which of them is meant.

What a loop writes row by row are terms that differ in their place and their operands, not in their
structure. Stacked, the operands are one, and the place is a slot over the new letter: ``c + s·e`` where
the places are evenly spaced, a table elsewhere. No entry is added to the pattern. Terms of one place are
summed over the new letter: the gradients of a loop's weights are one product of what the loop stacked.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from jacobians.notation.rewrite import Make
from jacobians.notation.slots import Slot, combine, letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, Term, normal, numbered, total

_ALIKE = 3  # as many terms at least become one


def batched(tensor: Sum, make: Make) -> Sum:
    """The tensor with terms of the same structure as one term over a letter more."""
    groups: dict[Hashable, list[tuple[Term, Term]]] = defaultdict(list)
    for term in tensor.terms:
        ordered = term._replace(factors=tuple(sorted(term.factors, key=_look)))
        groups[_structure(ordered)].append((term, ordered))
    found: list[Term | None] = []
    for group in groups.values():
        if len(group) < _ALIKE:
            found += [term for term, _ in group]
        else:
            found.append(_one([ordered for _, ordered in group], make))
    return total(tensor.shape, found)


def _look(factor: Factor) -> tuple[object, ...]:
    """What factors are sorted by: their letters and steps, so that alike terms have them in one order."""
    return (
        not factor.mask,
        tuple(tuple((a, hash(stride)) for a, stride in slot.parts) for slot in factor.slots),
    )


def _structure(term: Term) -> Hashable:
    """What alike terms share: all but coefficient, constants and operands."""
    return (
        term.sizes,
        tuple(slot.parts for slot in term.slots),
        tuple((f.mask, tuple(slot.parts for slot in f.slots)) for f in term.factors),
    )


def _one(group: list[Term], make: Make) -> Term | None:
    """The terms of a group as one, in the order of their places."""
    group = sorted(group, key=lambda term: [slot.constant for slot in term.slots])
    first = group[0]
    letter = len(first.sizes)
    sizes = (*first.sizes, len(group))
    coefficients: list[int | float] = [term.coefficient for term in group]
    number = coefficients[0] if len(set(coefficients)) == 1 else None
    weights = None if number is not None else coefficients
    factors = []
    for members in zip(*(term.factors for term in group), strict=True):
        if len(set(members)) == 1:
            factors.append(members[0])
        elif len({f.operand for f in members}) == 1:
            slots = tuple(
                _moved(own, letter, sizes) for own in zip(*(f.slots for f in members), strict=True)
            )
            factors.append(members[0]._replace(slots=slots))
        elif members[0].mask:  # masks stay masks
            plain = [f._replace(mask=False) for f in members]
            factors.append(_stacked(plain, sizes, letter, None, make)._replace(mask=True))
        else:
            factors.append(_stacked(members, sizes, letter, weights, make))
            weights = None
    if weights is not None:
        factors.append(_stacked([None] * len(group), sizes, letter, weights, make))
    places = [_moved(own, letter, sizes) for own in zip(*(t.slots for t in group), strict=True)]
    return normal(1 if number is None else number, sizes, factors, places)


def _moved(slots: Sequence[Slot], letter: int, sizes: Sequence[int]) -> Slot:
    """One slot for those that differ in their constants: which of them, the letter says."""
    constants = table_slot(letter, [slot.constant for slot in slots])
    return combine([(1, constants), (1, slots[0]._replace(constant=0))], sizes)


def _stacked(
    members: Sequence[Factor | None], sizes: Sequence[int], letter: int,
    weights: Sequence[int | float] | None, make: Make,
) -> Factor:  # fmt: skip
    """Factors of different operands as one, its first axis the letter; times the weights."""
    letters = sorted(members[0].letters) if members[0] is not None else []
    own = [letter_slot(a) for a in letters]
    counted = [size if a in letters else 1 for a, size in enumerate(sizes)]
    terms = [
        normal(
            1 if weights is None else weights[n], counted,
            [] if factor is None else [factor], [Slot(n), *own],
        )
        for n, factor in enumerate(members)
    ]  # fmt: skip
    core = total([len(members), *(sizes[a] for a in letters)], terms)
    made = make(numbered(core), core.operands)
    return Factor(made, (letter_slot(letter), *own))
