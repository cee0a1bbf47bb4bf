"""Many masked terms become one array and one mask.

Masks stay apart from numbers, so that what they rule out is 0 whatever stands elsewhere; so masked terms are
not added up, and each further mask of a loop would double them. Where all terms together are as large as the
tensor itself, it is kept whole: its value, and where any of the terms reaches.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from jacobians.graph.node import NUMPY, Node, apply
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
    """The tensor as one masked term, if more than ``most`` of its terms are masked and fill it."""
    masked = [term for term in tensor.terms if any(f.mask for f in term.factors)]
    reached = sum(letter_count(term.sizes, term.kept) for term in tensor.terms)
    if len(masked) <= most or reached < prod(tensor.shape):
        return tensor
    counts = Sum(tensor.shape, tuple([_reached(term) for term in tensor.terms]))
    reaches = apply(NUMPY[np.greater], [single(counts), 0])
    slots = plain_slots(tensor.shape)
    factors = [Factor(reaches, slots, mask=True), Factor(single(tensor), slots)]
    return total(tensor.shape, [normal(1, tensor.shape, factors, slots)])


def one_mask(term: Term) -> Term:
    """The term with masks that are read alike as one: a loop adds one at each step."""
    known: dict[tuple[Slot, ...], Factor] = {}
    rest = []
    for factor in term.factors:
        before = known.get(factor.slots) if factor.mask else None
        if not factor.mask:
            rest.append(factor)
        elif before is None or before.operand.shape != factor.operand.shape:
            known[factor.slots] = factor
        elif before.operand is not factor.operand:
            both = apply(NUMPY[np.logical_and], [before.operand, factor.operand])
            known[factor.slots] = before._replace(operand=both)
    factors = (*known.values(), *rest)
    return term._replace(factors=factors) if len(factors) < len(term.factors) else term


def _reached(term: Term) -> Term:
    """1 where a term reaches: the product of its masks."""
    masks = [factor._replace(mask=False) for factor in term.factors if factor.mask]
    found = over_used(1, term.sizes, masks, term.slots)
    assert found is not None
    return found
