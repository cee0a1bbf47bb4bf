"""Passes over a graph before it is lowered: the terms of its contractions are changed, one by one."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from jacobians.graph.node import Node, apply, ordered
from jacobians.notation.terms import Sum, Term, numbered, relabelled
from jacobians.operations.declare import Multilinear
from jacobians.operations.products import contraction, inner, matmul, matvec, outer

Change = Callable[[Term], Term]


def contraction_of(node: Node) -> Sum | None:
    """The sum of terms over nodes that a product stands for; None for any other node."""
    operation = node.operation
    if operation not in (contraction, matmul, matvec, inner, outer):
        return None
    assert isinstance(operation, Multilinear)
    shapes = tuple(operand.shape for operand in node.operands)
    return relabelled(operation.structure(shapes, node.parameters), node.operands.__getitem__)


def all_terms(nodes: Iterable[Node], result: Sum | None) -> list[Term]:
    """The terms of the result and of all contractions among the nodes."""
    sums = [result] if result is not None else []
    sums += [tensor for tensor in map(contraction_of, nodes) if tensor is not None]
    return [term for tensor in sums for term in tensor.terms]


def uses_of(nodes: Iterable[Node], result: Sum | None, kept: Iterable[Node] = ()) -> Counter[Node]:
    """How often each node is read by other nodes, by the result's factors, or kept."""
    uses: Counter[Node] = Counter(kept)
    for node in nodes:
        if contraction_of(node) is None:
            uses.update(node.operands)
    uses.update(f.operand for term in all_terms(nodes, result) for f in term.factors)
    return uses


def changed(tensor: Sum, change: Change) -> Sum:
    """The tensor with its own terms and those of all contractions below changed."""
    new = renewed(ordered(tensor.operands), change)
    return _applied(tensor, change, new)


def renewed(nodes: Sequence[Node], change: Change) -> dict[Node, Node]:
    """For each node (operands first) the one that takes its place; itself where nothing changed."""
    new: dict[Node, Node] = {}
    for node in nodes:
        new[node] = _renewed(node, change, new)
    return new


def _renewed(node: Node, change: Change, new: dict[Node, Node]) -> Node:
    if node.operation is None:
        return node
    before = contraction_of(node)
    if before is not None:
        after = _applied(before, change, new)
        if after == before:
            return node
        return apply(contraction, after.operands, tensor=numbered(after))
    operands = [new[operand] for operand in node.operands]
    if all(a is b for a, b in zip(operands, node.operands, strict=True)):
        return node
    return apply(node.operation, operands, **dict(node.parameters))


def _applied(tensor: Sum, change: Change, new: dict[Node, Node]) -> Sum:
    """Changed terms, over new nodes; a change may bring in nodes that were not there before."""
    after = Sum(tensor.shape, tuple(map(change, tensor.terms)))
    for node in ordered(after.operands, new):
        new[node] = _renewed(node, change, new)
    return relabelled(after, new.__getitem__)
