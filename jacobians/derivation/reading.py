"""Reading the factors of a term: what stands behind views, in products and at elementwise nodes."""

from collections.abc import Iterator

import numpy as np

from jacobians.graph.node import NUMPY, Node
from jacobians.notation.slots import ZERO
from jacobians.notation.terms import Coefficient, Factor, Sum, factors_at
from jacobians.operations.declare import Multilinear
from jacobians.operations.products import contraction


def divides(node: Node) -> bool:
    """Whether the node is a quotient."""
    return node.operation is NUMPY[np.divide]


def seen_through(factor: Factor) -> Factor:
    """The factor read from the array behind reshapes, transposes and broadcasts, where axis is axis."""
    while isinstance(operation := factor.operand.operation, Multilinear):
        operands = factor.operand.operands
        if len(operands) != 1:
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


def summands_of(factor: Factor) -> Iterator[tuple[Coefficient, list[Factor]] | None]:
    """Each term of a contraction at the factor's slots; None for one that sums or selects."""
    node: Node = factor.operand
    tensor: Sum = dict(node.parameters)["tensor"]
    for term in tensor.terms:
        read = factors_at(term, tensor.shape, factor.slots)
        if read is None or any(inner.mask for inner in read):
            yield None
        else:
            yield (
                term.coefficient,
                [Factor(node.operands[inner.operand], inner.slots) for inner in read],
            )


def product_of(factor: Factor) -> tuple[Coefficient, list[Factor]] | None:
    """The coefficient and factors of a contraction that only multiplies; None for any other node."""
    if factor.operand.operation is not contraction:
        return None
    found = list(summands_of(factor))
    return found[0] if len(found) == 1 else None
