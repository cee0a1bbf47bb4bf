"""Whether anything in a product may cancel: quick answers, by which nodes there are.

Both functions may say yes where nothing cancels; no is certain as far as they look.
"""

from collections.abc import Iterable, Iterator

from jacobians.graph.node import Node, set_nearness
from jacobians.operations import elementwise, functions, index_maps, piecewise
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.products import contraction

DEEPEST = 8  # products within products, and sums within sums, that are looked into
ABSOLUTE = {elementwise.absolute, piecewise.fabs}
POWERS = {elementwise.power, functions.float_power}
SUMS = {elementwise.add, elementwise.subtract}
WIDEST = 8
"""Operands of a node that is looked behind."""
_NEAR = 3  # products within products, up to which a quotient is looked for
_DIVIDING = {elementwise.divide, elementwise.ratio, elementwise.sign, functions.reciprocal}
_MULTIPLYING = {contraction, elementwise.multiply, elementwise.square, *POWERS}
_COMPOUND = {
    *_MULTIPLYING,
    elementwise.divide,
    elementwise.sqrt,
    elementwise.negative,
    functions.reciprocal,
}
_QUOTIENTS = {functions.cosh: functions.sinh, functions.expm1: elementwise.exp}
"""What is below, and what above it has a quotient that is known."""


_NOWHERE = _NEAR + 1


def may_cancel(node: Node) -> bool:
    """Whether a quotient, a kink's slope or a negative power stands in a factor of this node."""
    return _quotient(node) < _NOWHERE


def may_cancel_as(copy: Node, node: Node) -> None:
    """Let a copy answer ``may_cancel`` as the node does, whose operands it may not have."""
    set_nearness(copy, _quotient(node))


def _quotient(node: Node) -> int:
    """Within how many products a quotient stands in the node; ``_NOWHERE`` if not near."""
    known = node.nearness
    if known is None:
        known = _found_quotient(node, _NEAR)
        set_nearness(node, known)
    return known


def _found_quotient(node: Node, depth: int) -> int:
    operation = node.operation
    if operation in _DIVIDING or (operation in POWERS and _inverts(node)):
        return 0
    found = _NOWHERE
    if depth and operation in _MULTIPLYING:
        for operand in node.operands:
            inner = operand.nearness
            if inner is None:
                inner = _found_quotient(operand, depth - 1)
            found = min(found, inner + 1)
    return found


def could_cancel(inner: Iterable[Node], outer: Iterable[Node], below: Iterable[Node]) -> bool:
    """Whether something in a product may cancel that stands in one of the inner factors.

    Looks at which nodes there are, not at the slots where they are read: quick, and often enough no.
    """
    near = _within(inner)
    under = _within(below)
    if not near.isdisjoint(under) or any(_inverts(node) for node in under):
        return True
    for node in under:
        operation = node.operation
        if operation in SUMS and not near.isdisjoint(_within(_addends(node, DEEPEST))):
            return True
        if operation in _QUOTIENTS and any(n.operation is _QUOTIENTS[operation] for n in near):
            return True
    every = near | _within(outer)
    for node in every:
        kinked: Iterable[Node] = ()
        if node.operation is elementwise.ratio:
            kinked = (n for n in (_unwrapped(node.operands[1]),) if n in every)
        elif node.operation is elementwise.sign:
            kinked = (n for n in every if n.operation in ABSOLUTE)
        elif node in near and _inverts(node):
            return True
        if any(node in near or n in near for n in kinked):
            return True
    return False


def _within(nodes: Iterable[Node]) -> set[Node]:
    """The nodes, and those of which they are products and powers."""
    found: set[Node] = set()
    waiting = [(node, _NEAR) for node in nodes]
    while waiting:
        node, depth = waiting.pop()
        node = _unwrapped(node)
        if node in found or node.is_number:
            continue
        found.add(node)
        if depth and node.operation in _COMPOUND and _multiplies(node):
            waiting.extend((operand, depth - 1) for operand in node.operands)
    return found


_TRANSPARENT = {*_COMPOUND, *SUMS, *ABSOLUTE, *_DIVIDING}
_SELECTING = {
    index_maps.slices, index_maps.take, index_maps.pick, index_maps.spread,
    index_maps.pieces, index_maps.place, index_maps.windows,
}  # fmt: skip


def is_seen_behind(node: Node) -> bool:
    """Whether algebra looks at what the operands of this node are made of."""
    operation = node.operation
    return operation in _TRANSPARENT or (
        len(node.operands) == 1
        and isinstance(operation, Multilinear)
        and operation not in _SELECTING
    )


def is_closed(node: Node) -> bool:
    """Whether algebra takes the node as it is: it has no operands, very many, or is some entries of one."""
    return not 0 < len(node.operands) <= WIDEST or node.operation in _SELECTING


def _unwrapped(node: Node) -> Node:
    while isinstance(node.operation, Multilinear) and len(node.operands) == 1:
        if node.operation is contraction:
            break
        (node,) = node.operands
    return node


def _multiplies(node: Node) -> bool:
    """Whether a contraction is a product of its operands, nothing summed; any other node is."""
    if node.operation is not contraction:
        return True
    terms = node.parameters[0][1].terms
    return len(terms) == 1 and len(terms[0].kept) == len(terms[0].sizes)


def _inverts(node: Node) -> bool:
    """Whether what the node is made of stands below in it."""
    if node.operation in POWERS:
        exponent = node.operands[1]
        return exponent.is_number and exponent.value < 0
    return node.operation in (functions.reciprocal, elementwise.divide)


def _addends(node: Node, depth: int) -> Iterator[Node]:
    for operand in node.operands:
        yield operand
        if depth and operand.operation in SUMS:
            yield from _addends(operand, depth - 1)
