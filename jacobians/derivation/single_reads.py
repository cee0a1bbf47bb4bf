"""Entries that are read of arrays, as nodes of their own."""

from jacobians.graph.node import apply
from jacobians.notation.terms import Factor, Sum
from jacobians.operations.index_maps import selection, slices


def by_entries(tensor: Sum) -> Sum:
    """The terms with a node for what they read of an array at constants: places so differ, steps do not."""
    return Sum(
        tensor.shape,
        tuple([t._replace(factors=tuple([_entry(f) for f in t.factors])) for t in tensor.terms]),
    )


def _entry(factor: Factor) -> Factor:
    shape = factor.operand.shape
    fixed = [not slot.parts and n > 1 for slot, n in zip(factor.slots, shape, strict=True)]
    if not any(fixed):
        return factor
    starts = tuple([s.constant if own else 0 for s, own in zip(factor.slots, fixed, strict=True)])
    kept = tuple([1 if own else n for n, own in zip(shape, fixed, strict=True)])
    dropped = tuple([axis for axis, own in enumerate(fixed) if own])
    named = dict(selection(starts, (1,) * len(shape), kept, dropped))
    slots = tuple([s for s, own in zip(factor.slots, fixed, strict=True) if not own])
    return Factor(apply(slices, [factor.operand], **named), slots, factor.mask)
