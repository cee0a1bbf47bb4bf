"""Changes of a graph: of the terms of its contractions, one by one, or of its nodes.

A change returns what has the same value. Contractions with changed terms are new nodes, and so is all
that depends on them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from jacobians.graph.node import Node, apply, ordered, set_product
from jacobians.notation.terms import Sum, Term, relabelled
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.products import contraction, inner, matmul, matvec, outer

Change = Callable[[Term], Term]
Exchange = Callable[[Node, Sequence[Node]], Node | None]
"""What takes a node's place, given its new operands; None for one that stays."""


_PRODUCTS = frozenset({contraction, matmul, matvec, inner, outer})


def contraction_of(node: Node) -> Sum | None:
    """The sum of terms over nodes that a product stands for; None for any other node."""
    operation = node.operation
    if operation not in _PRODUCTS:
        return None
    if node.product is None:
        assert isinstance(operation, Multilinear)
        shapes = tuple(operand.shape for operand in node.operands)
        structure = operation.structure(shapes, node.parameters)
        set_product(node, relabelled(structure, node.operands.__getitem__))
    return node.product


def all_terms(nodes: Iterable[Node]) -> list[Term]:
    """The terms of all contractions among the nodes."""
    sums = (tensor for tensor in map(contraction_of, nodes) if tensor is not None)
    return [term for tensor in sums for term in tensor.terms]


def uses_of(nodes: Iterable[Node], results: Iterable[Node]) -> Counter[Node]:
    """How often each node is read by other nodes, or is a result."""
    uses: Counter[Node] = Counter(results)
    for node in nodes:
        tensor = contraction_of(node)
        if tensor is None:
            uses.update(node.operands)
        else:
            uses.update(f.operand for term in tensor.terms for f in term.factors)
    return uses


def changed(results: Sequence[Node], change: Change) -> list[Node]:
    """The results with the terms of all contractions changed."""
    new: dict[Node, Node] = {}
    for node in ordered(results):
        new[node] = _changed(node, change, new)
    return [new[node] for node in results]


def _changed(node: Node, change: Change, new: dict[Node, Node]) -> Node:
    before = contraction_of(node)
    if before is None:
        return _with_operands(node, [new[operand] for operand in node.operands])
    terms = tuple([change(term) for term in before.terms])
    same = all(old is one for old, one in zip(before.terms, terms, strict=True))
    if same and all(new[operand] is operand for operand in node.operands):
        return node
    after = Sum(before.shape, terms)
    operands = after.operands
    if not same:
        for other in ordered(operands, new):  # a change may bring in new nodes
            new[other] = _changed(other, change, new)
    places: dict[Node, int] = {}
    for operand in operands:
        places.setdefault(new[operand], len(places))
    tensor = relabelled(after, lambda operand: places[new[operand]])
    return apply(contraction, tuple(places), tensor=tensor)


def exchanged(results: Sequence[Node], exchange: Exchange) -> list[Node]:
    """The results with nodes exchanged."""
    new: dict[Node, Node] = {}
    for node in ordered(results):
        operands = [new[operand] for operand in node.operands]
        other = exchange(node, operands)
        new[node] = _with_operands(node, operands) if other is None else other
    return [new[node] for node in results]


def _with_operands(node: Node, operands: Sequence[Node]) -> Node:
    if all(a is b for a, b in zip(operands, node.operands, strict=True)):
        return node
    assert node.operation is not None
    return apply(node.operation, operands, **dict(node.parameters))
