"""Reading the factors of a term: what stands behind views, in products and at elementwise nodes."""

import numpy as np

from jacobians.graph.node import NUMPY, Node
from jacobians.notation.slots import ZERO, Slot, letter_slot, substitute
from jacobians.notation.terms import Coefficient, Factor, Sum, Term, factors_at, rebuilt, spans
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.products import contraction


def divides(node: Node) -> bool:
    """Whether the node is a quotient."""
    return node.operation is NUMPY[np.divide]


def seen_through(factor: Factor) -> Factor:
    """The factor read from the array behind reshapes, transposes and broadcasts, where axis is axis."""
    while isinstance(operation := factor.operand.operation, Multilinear):
        operands = factor.operand.operands
        if len(operands) != 1 or not operation.spelled:
            break
        tensor = operation.structure((operands[0].shape,), factor.operand.parameters)
        if len(tensor.terms) != 1 or operands[0].dtype != factor.operand.dtype:
            break
        (term,) = tensor.terms
        read = factors_at(term, tensor.shape, factor.slots)
        if read is None or len(read) != 1 or term.coefficient != 1:
            break
        factor = Factor(operands[0], read[0].slots, factor.mask)
    return factor


def operand_at(factor: Factor, operand: Node) -> Factor:
    """An operand of the factor's elementwise node at the factor's slots: it may broadcast."""
    own = factor.slots[len(factor.slots) - operand.ndim :]
    slots = tuple(ZERO if n == 1 else s for s, n in zip(own, operand.shape, strict=True))
    return seen_through(Factor(operand, slots))


def product_of(factor: Factor) -> tuple[Coefficient, list[Factor]] | None:
    """The coefficient and factors of a contraction that only multiplies; None for any other node."""
    node: Node = factor.operand
    if node.operation is not contraction:
        return None
    tensor: Sum = dict(node.parameters)["tensor"]
    if len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    read = factors_at(term, tensor.shape, factor.slots)
    if read is None or any(inner.mask for inner in read):
        return None
    return term.coefficient, [Factor(node.operands[f.operand], f.slots) for f in read]


def summands_of(factor: Factor, sizes: tuple[int, ...]) -> list[Term] | None:
    """The terms of a contraction, read at the factor's slots: over the letters of ``sizes`` and, for what
    each sums, letters of its own. None where its value is not read as a plain sum of products.
    """
    node: Node = factor.operand
    if node.operation is not contraction:
        return None
    tensor: Sum = dict(node.parameters)["tensor"]
    found = []
    for term in tensor.terms:
        if not spans(term, tensor.shape) or any(inner.mask for inner in term.factors):
            return None
        known = len(term.kept)
        summed = range(known, len(term.sizes))
        new: dict[int, Slot] = {a: letter_slot(len(sizes) + a - known) for a in summed}
        for own, at in zip(term.slots, factor.slots, strict=True):
            if own.plain is not None:
                new[own.plain] = at
        inner = [slot for f in term.factors for slot in f.slots]
        if any(len(new[a].parts) > 1 for slot in inner if not slot.affine for a in slot.letters):
            return None
        longer = (*sizes, *(term.sizes[a] for a in summed))
        flat = [substitute(slot, new, longer) for slot in inner]
        factors = [
            f._replace(operand=node.operands[f.operand]) for f in rebuilt(term.factors, flat)
        ]
        found.append(Term(term.coefficient, longer, tuple(factors), factor.slots))
    return found
