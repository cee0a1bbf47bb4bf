"""Places that are listed: of a mask that is known; and of a triangle as two letters again, ``[k ≤ i]``."""

from typing import Any, NamedTuple

import numpy as np

from jacobians.notation.slots import Integers, column, letter_slot, substitute, table_slot
from jacobians.notation.terms import Factor, Term, over_used, rebuilt


class TriangularTerm(NamedTuple):
    """A term over all pairs of two letters; it is 0 but where ``lower < upper``, or equal unless strict."""

    term: Term
    lower: int
    upper: int
    strict: bool


def triangle_of(term: Term) -> TriangularTerm | None:
    """The term with a listed triangle as two letters, if one of its letters lists one and nothing else."""
    slots = [*term.slots, *(slot for factor in term.factors for slot in factor.slots)]
    for letter, count in enumerate(term.sizes):
        having = [*dict.fromkeys(slot for slot in slots if letter in slot.letters)]
        if len(having) != 2 or any(len(s.parts) > 1 or s.affine for s in having):
            continue
        places = [slot.constant + column(slot.parts[0][1], count) for slot in having]
        found = _triangle(places, count)
        if found is None:
            continue
        low, size, strict = found
        other = len(term.sizes)
        plain = {having[low]: letter_slot(letter), having[1 - low]: letter_slot(other)}
        new = [plain.get(slot, slot) for slot in slots]
        sizes = tuple([size if a == letter else n for a, n in enumerate(term.sizes)])
        factors = rebuilt(term.factors, new[len(term.slots) :])
        written = Term(
            term.coefficient, (*sizes, size), tuple(factors), tuple(new[: len(term.slots)])
        )
        return TriangularTerm(written, letter, other, strict)
    return None


def _triangle(places: list[Integers], count: int) -> tuple[int, int, bool] | None:
    """Which of two columns is the lower one, how far both run, and whether they are never equal."""
    for low in (0, 1):
        lower, upper = places[low], places[1 - low]
        size = int(upper.max(initial=0)) + 1
        strict = count == size * (size - 1) // 2
        if not strict and count != size * (size + 1) // 2:
            continue
        if (lower + strict <= upper).all() and len(np.unique(upper * size + lower)) == count:
            return low, size, strict
    return None


def places_listed(term: Term, mask: Factor, places: Any) -> Term | None:
    """The term without a mask that is known, a letter running over its true places instead.

    The mask is read at letters of their own.
    """
    letters = [slot.plain for slot in mask.slots]
    if not letters:  # true everywhere, or nowhere
        others = tuple([factor for factor in term.factors if factor is not mask])
        return term._replace(factors=others) if places else None
    rows = np.nonzero(places)
    sizes = (*term.sizes, len(rows[0]))
    over = {
        a: table_slot(len(term.sizes), row)
        for a, row in zip(letters, rows, strict=True)
        if a is not None
    }
    rest = [factor for factor in term.factors if factor is not mask]
    every = [*term.slots, *(slot for factor in rest for slot in factor.slots)]
    new = [substitute(slot, over, sizes) for slot in every]
    slots = new[: len(term.slots)]
    return over_used(term.coefficient, sizes, rebuilt(rest, new[len(slots) :]), slots)
