"""Many masked terms become one array and one mask.

Masks stay apart from numbers, so that what they rule out is 0 whatever stands elsewhere; so masked terms are
not added up, and each further mask of a loop would double them. Where all terms together are as large as the
tensor itself, it is kept whole: its value, and where any of the terms reaches.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from jacobians.derivation.carried import moved
from jacobians.graph.node import NUMPY, Node, apply
from jacobians.notation.gathering import box_of, entry_by_entry
from jacobians.notation.rewrite import Make
from jacobians.notation.slots import Slot
from jacobians.notation.terms import (
    Factor,
    Sum,
    Term,
    letter_count,
    normal,
    over_used,
    plain_slots,
    total,
)


def joined_masks(tensor: Sum, single: Callable[[Sum], Node], most: int) -> Sum:
    """The tensor as one masked term, if more than ``most`` of its terms are masked and fill it.

    It fills the box that they reach: in a step that is taken wherever they lie, the rest may be elsewhere.
    """
    masked = [term for term in tensor.terms if any(f.mask for f in term.factors)]
    if len(masked) <= most:
        return tensor
    lows, shape = box_of(tensor)
    if sum(letter_count(term.sizes, term.kept) for term in tensor.terms) < prod(shape):
        return tensor
    terms = moved(tensor, range(len(shape)), [-low for low in lows]).terms
    reaches = apply(NUMPY[np.greater], [single(Sum(shape, tuple(map(_reached, terms)))), 0])
    slots = plain_slots(shape)
    factors = [Factor(reaches, slots, mask=True), Factor(single(Sum(shape, terms)), slots)]
    places = [slot._replace(constant=low) for slot, low in zip(slots, lows, strict=True)]
    return total(tensor.shape, [normal(1, shape, factors, places)])


def written_once(tensor: Sum, make: Make, most: int) -> Sum:
    """Terms that write their entries over ``most`` times on average list each of them once.

    A letter runs through all paths to an entry: a loop that reads entries by lists has ever more of them.
    """
    terms = list[Term]()
    for term in tensor.terms:
        own = Sum(tensor.shape, (term,))
        if letter_count(term.sizes, term.kept) <= most * prod(box_of(own)[1]):
            terms.append(term)
            continue
        (listed,) = entry_by_entry(own, make).terms
        if any(factor.mask for factor in term.factors):
            (reached,) = entry_by_entry(Sum(tensor.shape, (_reached(term),)), make).terms
            (count,) = reached.factors
            mask = count._replace(operand=apply(NUMPY[np.greater], [count.operand, 0]), mask=True)
            listed = listed._replace(factors=(mask, *listed.factors))
        terms.append(listed)
    return Sum(tensor.shape, tuple(terms))


def one_mask(term: Term) -> Term:
    """The term with masks that are read alike as one: a loop adds one at each step."""
    known: dict[tuple[tuple[Slot, ...], tuple[int, ...]], Factor] = {}
    rest = []
    for factor in term.factors:
        if not factor.mask:
            rest.append(factor)
            continue
        read = factor.slots, factor.operand.shape
        before = known.get(read)
        if before is None:
            known[read] = factor
        elif before.operand is not factor.operand:
            both = apply(NUMPY[np.logical_and], [before.operand, factor.operand])
            known[read] = before._replace(operand=both)
    factors = (*known.values(), *rest)
    return term._replace(factors=factors) if len(factors) < len(term.factors) else term


def _reached(term: Term) -> Term:
    """1 where a term reaches: the product of its masks."""
    masks = [factor._replace(mask=False) for factor in term.factors if factor.mask]
    found = over_used(1, term.sizes, masks, term.slots)
    assert found is not None
    return found
