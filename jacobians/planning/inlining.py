"""Products that only one term reads are read as their factors, so that the plan chooses the order.

A rewrite of the chain rule multiplies a small factor into a large one as soon as it can; what
comes later may be as small, and is better multiplied first: ``Xᵀ (y d y) X`` and not ``((Xᵀ y) d) y X``.
"""

from collections import Counter
from collections.abc import Mapping

from jacobians.graph.node import Node, apply, ordered
from jacobians.notation.slots import ZERO
from jacobians.notation.terms import Factor, Sum, Term, normal, numbered, relabelled
from jacobians.operations.products import contraction

_MOST = 6  # factors of a term: beyond, the order takes longer to find than it saves


def inlined(tensor: Sum) -> Sum:
    """The same tensor over nodes without products that one factor alone reads."""
    nodes = ordered(tensor.operands)
    uses = Counter(f.operand for term in tensor.terms for f in term.factors)
    for node in nodes:
        uses.update(node.operands)
    new: dict[Node, Node] = {}
    for node in nodes:
        new[node] = _renewed(node, new, uses)
    return _flat(tensor, new, uses)


def _renewed(node: Node, new: Mapping[Node, Node], uses: Counter[Node]) -> Node:
    """The node over renewed operands; itself where nothing changed."""
    if node.operation is None:
        return node
    if node.operation is contraction:
        tensor: Sum = dict(node.parameters)["tensor"]
        before = relabelled(tensor, node.operands.__getitem__)
        after = _flat(before, new, uses)
        if after == before:
            return node
        return apply(contraction, after.operands, tensor=numbered(after))
    operands = [new[operand] for operand in node.operands]
    if all(a is b for a, b in zip(operands, node.operands, strict=True)):
        return node
    return apply(node.operation, operands, **dict(node.parameters))


def _flat(tensor: Sum, new: Mapping[Node, Node], uses: Counter[Node]) -> Sum:
    return Sum(tensor.shape, tuple(_flat_term(term, new, uses) for term in tensor.terms))


def _flat_term(term: Term, new: Mapping[Node, Node], uses: Counter[Node]) -> Term:
    coefficient = term.coefficient
    factors: list[Factor] = []
    for factor in term.factors:
        renewed = factor._replace(operand=new[factor.operand])
        parts = _parts(renewed) if uses[factor.operand] == 1 else None
        if parts is None or len(term.factors) + len(parts[1]) > _MOST:
            factors.append(renewed)
        else:
            coefficient *= parts[0]
            factors += parts[1]
    found = normal(coefficient, term.sizes, factors, term.slots)
    assert found is not None
    return found


def _parts(factor: Factor) -> tuple[int | float, list[Factor]] | None:
    """The coefficient and factors of a node that multiplies and sums nothing; None for any other."""
    node: Node = factor.operand
    if node.operation is not contraction or factor.mask:
        return None
    tensor: Sum = dict(node.parameters)["tensor"]
    if len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    places = {s.plain: at for s, at in zip(term.slots, factor.slots, strict=True) if s != ZERO}
    inner = [slot for f in term.factors for slot in f.slots if slot != ZERO]
    if len(places) != len(term.sizes) or any(s.plain not in places for s in inner):
        return None
    if any(f.mask for f in term.factors):
        return None
    return term.coefficient, [
        Factor(
            node.operands[f.operand], tuple(ZERO if s == ZERO else places[s.plain] for s in f.slots)
        )
        for f in term.factors
    ]
