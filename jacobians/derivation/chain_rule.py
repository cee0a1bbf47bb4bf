"""Accumulate local Jacobians over a graph, node by node.

Both orders are the same step, "compose with a local Jacobian and add", along the graph: *reverse*
carries ``∂out/∂node`` from the output to the inputs, *forward* carries ``∂node/∂input``. A *cut* at a
node that every path crosses accumulates both sides on their own and composes them there: where that
node is small, neither side carries the other's size.

What is carried is a sum of terms over nodes; the rewrites of ``notation.rewrite`` keep it small by
making new nodes, so that the results can be differentiated again.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Literal

from jacobians.arrays.plan import Cost, plan_for
from jacobians.derivation.quotients import existing, local, reduced
from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, apply, ordered
from jacobians.notation import rewrite
from jacobians.notation.join import composed
from jacobians.notation.slots import letter_slot
from jacobians.notation.terms import Sum, added, identity, letter_count, numbered, total
from jacobians.operations.products import contraction

Strategy = Literal["auto", "forward", "reverse"]
_READABLE = 3  # terms that may stay apart, as a formula would have them
_DEEP = 24  # operations in a row, beyond which terms need not stay apart to be read
_FAR = 4  # how many times larger an end may be for its order still to win
_FEW = 6  # terms that may be carried before they are gathered into one


def combine(tensor: Sum, operands: tuple[Node, ...]) -> Node:
    """The ``make`` of the rewrites: a node that stands for a contraction of nodes.

    What the function has computed already (``W @ x``, a sum) is that node.
    """
    known = existing(tensor, operands)
    return apply(contraction, operands, tensor=tensor) if known is None else known


def as_single_node(tensor: Sum) -> Node:
    """One node whose value is the tensor; an existing one if the tensor is just that."""
    if len(tensor.terms) == 1:
        (term,) = tensor.terms
        if term.coefficient == 1 and len(term.factors) == 1 and not term.factors[0].mask:
            factor = term.factors[0]
            plain = tuple(letter_slot(axis) for axis in range(len(tensor.shape)))
            whole = term.sizes == tensor.shape == factor.operand.shape  # not the corner of one
            if whole and term.slots == factor.slots == plain:
                node: Node = factor.operand
                return node
    return combine(numbered(tensor), tensor.operands)


def between(output: Node, inputs: Iterable[Node]) -> list[Node]:
    """The nodes on paths from the inputs to the output, in the order they were made."""
    wanted = set(inputs)
    active: set[Node] = set()
    for node in ordered([output]):
        if node in wanted or any(operand in active for operand in node.operands):
            active.add(node)
    return sorted(active, key=lambda node: node.serial)


def tidied(tensor: Sum, newest: int, *, deep: bool = False) -> Sum:
    """The tensor with few terms; nodes up to the serial number ``newest`` are computed anyway.

    In a ``deep`` program, whose formula nobody will read, what is as large as all terms together may
    as well be one: ``δ_ik + M_ik`` of a residual network is carried as one matrix.
    """
    if not tensor.terms:
        return tensor
    tensor = total(tensor.shape, (reduced(term, newest) for term in tensor.terms))
    tensor = rewrite.tidy(tensor, combine)
    if len(tensor.terms) > _READABLE:
        tensor = rewrite.collapse(tensor, combine)
    if deep:
        tensor = rewrite.gather(tensor, combine, growth=1)
    if len(tensor.terms) > _FEW:
        tensor = rewrite.gather(tensor, combine)
    return tensor


def reverse(output: Node, inputs: Sequence[Node], seed: Sum | None = None) -> list[Sum]:
    """``seed · ∂output/∂input`` for each input, from the output backwards.

    The seed's last axes are the output's; by default it is the identity, and the result the
    Jacobian.
    """
    seed = identity(output.shape) if seed is None else seed
    lead = seed.shape[: len(seed.shape) - output.ndim]
    carried: dict[Node, list[Sum]] = {output: [seed]}
    found: dict[Node, Sum] = {}
    wanted = set(inputs)
    nodes = between(output, inputs)
    deep = len(nodes) > _DEEP
    active = set(nodes)
    for node in reversed(nodes):
        parts = carried.pop(node, None)
        if parts is None:
            continue
        tensor = tidied(added(parts), output.serial, deep=deep) if len(parts) > 1 else parts[0]
        if node in wanted:
            found[node] = tensor
        if node.operation is None or not tensor.terms:
            continue
        for position, operand in enumerate(node.operands):
            if operand in active:
                part = tidied(
                    composed(tensor, local(node, position), node.ndim), output.serial, deep=deep
                )
                carried.setdefault(operand, []).append(part)
    return [found.get(node, Sum((*lead, *node.shape), ())) for node in inputs]


def forward(output: Node, inputs: Sequence[Node], seeds: Sequence[Sum] | None = None) -> list[Sum]:
    """``∂output/∂input · seed`` for each input, from the inputs forwards.

    A seed's first axes are its input's; by default it is the identity, and the result the Jacobian.
    """
    if seeds is None:
        seeds = [identity(node.shape) for node in inputs]
    nodes = between(output, inputs)
    deep = len(nodes) > _DEEP
    results = []
    for start, seed in zip(inputs, seeds, strict=True):
        tail = seed.shape[start.ndim :]
        carried: dict[Node, Sum] = {start: seed}
        last_use = {operand: node for node in nodes for operand in node.operands}
        for node in nodes:
            if node is start or node.operation is None:
                continue
            parts = [
                composed(local(node, position), carried[operand], operand.ndim)
                for position, operand in enumerate(node.operands)
                if operand in carried
            ]
            if parts:
                tensor = tidied(added(parts), output.serial, deep=deep)
                if tensor.terms:
                    carried[node] = tensor
            for operand in node.operands:
                if last_use.get(operand) is node and operand is not output:
                    carried.pop(operand, None)
        results.append(carried.get(output, Sum((*output.shape, *tail), ())))
    return results


def cuts(output: Node, start: Node) -> list[Node]:
    """Nodes that every path from the start to the output crosses, both ends excluded."""
    nodes = between(output, [start])
    place = {node: number for number, node in enumerate(nodes)}
    reach = list(range(len(nodes)))
    for node in nodes:
        for operand in node.operands:
            if operand in place:
                reach[place[operand]] = max(reach[place[operand]], place[node])
    found: list[Node] = []
    furthest = 0
    for number, node in enumerate(nodes):
        if 0 < number < len(nodes) - 1 and furthest <= number:
            found.append(node)
        furthest = max(furthest, reach[number])
    return found


def jacobians(output: Node, inputs: Sequence[Node], strategy: Strategy = "auto") -> list[Sum]:
    """``∂output/∂input`` for each input, in the named order or the one predicted to cost least."""
    if strategy == "reverse":
        return reverse(output, inputs)
    if strategy == "forward":
        return forward(output, inputs)
    if strategy != "auto":
        raise UnsupportedError(
            f"strategy={strategy!r} is unknown; there are 'auto', 'forward' and 'reverse'"
        )
    if output.shape == () or not output.operands:
        return reverse(output, inputs)
    return [_cheapest(output, node) for node in inputs]


def _cheapest(output: Node, start: Node) -> Sum:
    """Derive in each order that could win, and keep the cheapest by predicted operations."""
    if prod(start.shape) == 1:
        return forward(output, [start])[0]
    nodes = between(output, [start])
    if len(nodes) <= 3:
        return reverse(output, [start])[0]  # one or two operations: all orders are the same
    ends = min(prod(output.shape), prod(start.shape))
    narrow = [node for node in cuts(output, start) if prod(node.shape) < ends]
    candidates = []
    if narrow:
        waist = min(narrow, key=lambda node: prod(node.shape))
        left, right = _cheapest(output, waist), _cheapest(waist, start)
        candidates.append(composed(left, right, waist.ndim))
        if _FAR * prod(waist.shape) <= ends:
            return candidates[0]
    # What an order carries has the size of its end times a node: far apart, only one can win.
    if prod(output.shape) <= _FAR * prod(start.shape):
        candidates.append(reverse(output, [start])[0])
    if prod(start.shape) <= _FAR * prod(output.shape):
        candidates.append(forward(output, [start])[0])
    known = set(nodes)
    return min(candidates, key=lambda tensor: (work(tensor, known), len(tensor.terms)))


def work(tensor: Sum, known: Iterable[Node] = ()) -> int:
    """Predicted operations to compute the operands of a tensor, and to build it densely."""
    total = 0
    for node in ordered(tensor.operands, dict.fromkeys(known)):
        if node.operation is contraction:
            total += node_cost(node).flops
        elif node.operation is not None:
            total += prod(node.shape)
    return total + sum(letter_count(t.sizes, range(len(t.sizes))) for t in tensor.terms)


def node_cost(node: Node) -> Cost:
    """Predicted cost of a contraction node."""
    tensor: Sum = dict(node.parameters)["tensor"]
    plan = plan_for(tensor, tuple(operand.shape for operand in node.operands))
    return plan.cost(node.dtype.itemsize)
