"""Accumulate local Jacobians over a graph, node by node.

Both orders are the same step, "compose with a local Jacobian and add", along the graph: *reverse*
carries ``∂out/∂node`` from the output to the inputs, *forward* carries ``∂node/∂input``. A *cut* at a
node that every path crosses accumulates both sides on their own and composes them there: where that
node is small, neither side carries the other's size.

What is carried is a sum of terms over nodes; the rewrites of ``notation.rewrite`` keep it small by
making new nodes, so that the results can be differentiated again.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import prod
from typing import Any, Literal

from jacobians.derivation.carried import Carried
from jacobians.derivation.history import Action, Record, Taken, changed
from jacobians.derivation.links import Links
from jacobians.derivation.masks import joined_masks, one_mask, written_once
from jacobians.derivation.quotients import existing, local, reduced
from jacobians.derivation.repeated import derived_once
from jacobians.derivation.running_sums import run_through
from jacobians.derivation.single_reads import by_entries
from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, apply
from jacobians.notation import rewrite
from jacobians.notation.gathering import gather, listed
from jacobians.notation.join import composed
from jacobians.notation.replay import replayed
from jacobians.notation.slots import letter_slot
from jacobians.notation.stacking import batched
from jacobians.notation.terms import (
    Sum,
    Term,
    added,
    coefficient_bits,
    identity,
    numbered,
)
from jacobians.operations.products import contraction

Strategy = Literal["auto", "forward", "reverse"]
_READABLE = 3  # terms that may stay apart, as a formula would have them
_DEEP = 24  # operations in a row, beyond which terms need not stay apart to be read
_LONG = 400  # operations, beyond which a sum costs more to read than cancelling in it can save
_FEW = 6  # terms that may be carried before they are stacked, or gathered into one
_OFTEN = 4  # times that a term may write each of its entries, before they are listed
_MANY = 16  # terms beyond which their entries are listed


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
    active = set(inputs)
    first = min([node.serial for node in active], default=0)
    seen = {output}
    stack = [output]
    while stack:
        for operand in stack.pop().operands:
            if operand.serial >= first and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    reached = []
    for node in sorted(seen, key=lambda node: node.serial):  # operands are made first
        if node in active or not active.isdisjoint(node.operands):
            active.add(node)
            reached.append(node)
    return reached


def _traced(nodes: Sequence[Node], output: Node) -> range:
    """The serial numbers of what was made from the first of the nodes to the output."""
    return range(min([node.serial for node in nodes], default=output.serial), output.serial + 1)


def _read_as(steps: int) -> tuple[bool, bool]:
    """Whether a program of so many operations is deep, and whether it is long."""
    return steps > _DEEP, steps > _LONG


def _product(term: Term) -> tuple[Any, ...]:
    """What is multiplied in a term, over which letters that it has in common, and which of them are summed.

    Where these are the same again, after a step that only moves entries, nothing cancels that did not.
    """
    names: dict[int, int] = {}
    kept = term.kept
    return tuple(
        [
            (
                f.operand,
                *[(names.setdefault(a, len(names)), a in kept) for s in f.slots for a in s.letters],
            )
            for f in term.factors
        ]
    )


def _most_apart(tensor: Sum) -> int:
    """How many terms a deep program carries apart, where something may cancel later.

    Two, as of a softmax; a third where a mask tells them apart, as of the maximum that it subtracts. In a
    delta beside arrays that the derivation has made, nothing may cancel.
    """
    factors = [factor for term in tensor.terms for factor in term.factors]
    if any(factor.mask for factor in factors):
        return _READABLE
    made = all(factor.operand.operation is contraction for factor in factors)
    return 1 if made and any(not term.factors for term in tensor.terms) else _READABLE - 1


def tidied(
    tensor: Sum, newest: int, *, steps: int = 0, at: Node | None = None,
    record: Record | None = None, read: Iterable[Sum] = (),
) -> Sum:  # fmt: skip
    """The tensor with few terms; nodes up to the serial number ``newest`` are computed anyway.

    In a program of many ``steps``, whose formula nobody will read, what is as large as all terms
    together may as well be one: ``δ_ik + M_ik`` of a residual network is carried as one matrix; and in a
    very long one sums are not read as their summands to see whether one cancels. What is done at the
    node ``at`` goes into the ``record``. What of the terms stands in those that were ``read`` is not read
    again for what cancels.
    """
    deep, long = _read_as(steps)
    if not tensor.terms:
        return tensor

    def taken(rule: Action, after: Sum) -> Sum:
        if record is not None and at is not None and changed(tensor, after):
            record.append(Taken(at, rule, (tensor,), after))
        return after

    known = {_product(term) for before in read for term in before.terms}
    terms = tuple(
        [
            t
            for one in tensor.terms
            for t in ([one] if _product(one) in known else reduced(one, newest, not long))
        ]
    )
    tensor = taken(Action.CANCEL, Sum(tensor.shape, terms))
    if long:
        tensor = by_entries(tensor)
    tensor = taken(Action.TIDY, replayed(rewrite.tidy, tensor, combine))
    tensor = taken(Action.LIST, written_once(tensor, combine, _OFTEN))
    if deep:
        tensor = taken(Action.MASK, Sum(tensor.shape, tuple(map(one_mask, tensor.terms))))
    if len(tensor.terms) > _FEW:
        tensor = taken(Action.STACK, replayed(batched, tensor, combine))
    if len(tensor.terms) > _READABLE:
        tensor = taken(Action.COLLAPSE, replayed(rewrite.collapse, tensor, combine))
    if len(tensor.terms) > (_most_apart(tensor) if deep else _FEW):
        tensor = taken(Action.GATHER, replayed(gather, tensor, combine))
    if len(tensor.terms) > _FEW:
        tensor = taken(Action.MASK, joined_masks(tensor, as_single_node, _FEW))
    if len(tensor.terms) > _MANY:
        tensor = taken(Action.LIST, replayed(listed, tensor, combine))
    return tensor


def _through(
    tensor: Sum, node: Node, position: int, record: Record | None, *, backwards: bool
) -> Sum:
    """A step of the chain rule at a node, by one of its operands: what is carried, and its Jacobian."""
    operand = node.operands[position]
    start = len(tensor.shape) - node.ndim if backwards else 0
    after = run_through(tensor, node, position, start, combine, backwards=backwards)
    if after is not None and record is None:
        return after
    own = local(node, position)
    both = (tensor, own) if backwards else (own, tensor)
    if after is None:
        after = composed(*both, node.ndim if backwards else operand.ndim)
    if record is not None:
        record.append(Taken(node, Action.CHAIN, both, after, operand))
    return after


def _added(parts: Sequence[Sum], node: Node, record: Record | None) -> Sum:
    """The sum over the paths through a node."""
    after = added(parts)
    if record is not None and len(parts) > 1:
        record.append(Taken(node, Action.ADD, tuple(parts), after))
    return after


def _backwards(
    parts: Sequence[Sum], node: Node, newest: int, record: Record | None, *,
    by: Sequence[int], steps: int,
) -> list[Sum]:  # fmt: skip
    """What is carried at a node, of what came along its paths; then at its operands ``by``."""
    tensor = _added(parts, node, record) if len(parts) > 1 else parts[0]
    if len(parts) > 1:
        tensor = tidied(tensor, newest, steps=steps, at=node, record=record, read=parts)
    carried = [tensor]
    for position in by if tensor.terms else ():
        part = _through(tensor, node, position, record, backwards=True)
        operand = node.operands[position]
        carried.append(tidied(part, newest, steps=steps, at=operand, record=record, read=[tensor]))
    return carried


def _derived(
    name: str, output: Node, inputs: Sequence[Node], seeds: Sequence[Sum],
    derive: Callable[[], list[Sum]],
) -> list[Sum]:  # fmt: skip
    """What is derived, as it was before of a program that looked the same."""
    given = [operand for seed in seeds for operand in seed.operands]
    forms = tuple([numbered(seed) for seed in seeds])
    bits = tuple([coefficient_bits(seed) for seed in seeds])
    return derived_once((name, forms, bits), [output, *given], inputs, derive)


def reverse(
    output: Node, inputs: Sequence[Node], seed: Sum | None = None, record: Record | None = None
) -> list[Sum]:
    """``seed · ∂output/∂input`` for each input, from the output backwards.

    The seed's last axes are the output's; by default it is the identity, and the result the
    Jacobian. Steps are appended to the ``record``, as in all functions here.
    """
    if record is not None:
        return _reverse(output, inputs, seed, record)
    seeds = [] if seed is None else [seed]
    return _derived("reverse", output, inputs, seeds, lambda: _reverse(output, inputs, seed, None))


def _reverse(
    output: Node, inputs: Sequence[Node], seed: Sum | None, record: Record | None
) -> list[Sum]:
    seed = identity(output.shape) if seed is None else seed
    lead = seed.shape[: len(seed.shape) - output.ndim]
    found: dict[Node, Sum] = {}
    wanted = set(inputs)
    nodes = between(output, inputs)
    steps, active = len(nodes), set(nodes)
    links = Links(_traced(nodes, output), backwards=True, record=record)
    carried: dict[Node, list[Carried]] = {output: [Carried.of(seed, len(lead))]}
    for node in reversed(nodes):
        parts = carried.pop(node, None)
        if parts is None:
            continue
        by = [p for p, operand in enumerate(node.operands) if operand in active]
        step = partial(_backwards, by=by, steps=steps)
        name = "backwards", tuple(by), _read_as(steps)
        here, *onward = links.take(step, name, parts, node)
        if node in wanted:
            found[node] = here.tensor
        for position, part in zip(by, onward, strict=False):
            if part.form.tensor.terms:
                carried.setdefault(node.operands[position], []).append(part)
    return [found.get(node, Sum((*lead, *node.shape), ())) for node in inputs]


def _forwards(
    parts: Sequence[Sum], node: Node, newest: int, record: Record | None, *,
    by: Sequence[int], steps: int,
) -> list[Sum]:  # fmt: skip
    """What is carried at a node, of what is carried at its operands ``by``."""
    through = [
        _through(part, node, position, record, backwards=False)
        for part, position in zip(parts, by, strict=True)
    ]
    tensor = _added(through, node, record)
    return [tidied(tensor, newest, steps=steps, at=node, record=record, read=parts)]


def forward(
    output: Node, inputs: Sequence[Node], seeds: Sequence[Sum] | None = None,
    record: Record | None = None,
) -> list[Sum]:  # fmt: skip
    """``∂output/∂input · seed`` for each input, from the inputs forwards.

    A seed's first axes are its input's; by default it is the identity, and the result the Jacobian.
    """
    if record is not None:
        return _forward(output, inputs, seeds, record)
    return _derived(
        "forward", output, inputs, seeds or [], lambda: _forward(output, inputs, seeds, None)
    )


def _forward(
    output: Node, inputs: Sequence[Node], seeds: Sequence[Sum] | None, record: Record | None
) -> list[Sum]:
    if seeds is None:
        seeds = [identity(node.shape) for node in inputs]
    nodes = between(output, inputs)
    steps = len(nodes)
    links = Links(_traced(nodes, output), backwards=False, record=record)
    results = []
    for start, seed in zip(inputs, seeds, strict=True):
        tail = seed.shape[start.ndim :]
        carried: dict[Node, Carried] = {start: Carried.of(seed, -len(tail))}
        last_use = {operand: node for node in nodes for operand in node.operands}
        for node in nodes:
            if node is start or node.operation is None:
                continue
            by = [p for p, operand in enumerate(node.operands) if operand in carried]
            if by:
                step = partial(_forwards, by=by, steps=steps)
                name = "forwards", tuple(by), _read_as(steps)
                parts = [carried[node.operands[p]] for p in by]
                (here,) = links.take(step, name, parts, node)
                if here.form.tensor.terms:
                    carried[node] = here
            for operand in node.operands:
                if last_use.get(operand) is node and operand is not output:
                    carried.pop(operand, None)
        end = carried.get(output)
        results.append(Sum((*output.shape, *tail), ()) if end is None else end.tensor)
    return results


def cuts(output: Node, start: Node) -> list[Node]:
    """Nodes that every path from the start to the output crosses, both ends excluded."""
    nodes = between(output, [start])
    return [nodes[place] for place in _crossed(nodes)]


def _crossed(nodes: Sequence[Node]) -> list[int]:
    """The places of the cuts among all nodes from a start to an output, in order."""
    place = {node: number for number, node in enumerate(nodes)}
    reach = list(range(len(nodes)))
    for node in nodes:
        for operand in node.operands:
            if operand in place:
                reach[place[operand]] = max(reach[place[operand]], place[node])
    found: list[int] = []
    furthest = 0
    for number in range(len(nodes)):
        if 0 < number < len(nodes) - 1 and furthest <= number:
            found.append(number)
        furthest = max(furthest, reach[number])
    return found


def jacobians(
    output: Node, inputs: Sequence[Node], strategy: Strategy = "auto", record: Record | None = None
) -> list[Sum]:
    """``∂output/∂input`` for each input, in the named order or the one predicted to cost least.

    The ``record`` gets the steps of the orders that were chosen, and of no other.
    """
    if strategy == "reverse":
        return reverse(output, inputs, record=record)
    if strategy == "forward":
        return forward(output, inputs, record=record)
    if strategy != "auto":
        raise UnsupportedError(
            f"strategy={strategy!r} is unknown; there are 'auto', 'forward' and 'reverse'"
        )
    if output.shape == () or not output.operands:
        return reverse(output, inputs, record=record)

    def derive() -> list[Sum]:
        return [_cheapest(output, node, record) for node in inputs]

    return derive() if record is not None else _derived("auto", output, inputs, [], derive)


def _cheapest(output: Node, start: Node, record: Record | None) -> Sum:
    """Derive in the order that is predicted to cost least.

    What an order carries has the size of its end times a node's: reverse the output's, forward the
    start's. A cut carries its own size on both sides, and joins them.
    """
    nodes = between(output, [start])
    ends = prod(output.shape), prod(start.shape)
    sizes = [prod(node.shape) for node in nodes]
    narrow = [place for place in _crossed(nodes) if sizes[place] < min(ends)]
    if narrow:
        place = min(narrow, key=sizes.__getitem__)
        apart = sizes[place] * (sum(sizes[1:-1]) - sizes[place] + prod(ends))
        if apart < min(ends) * sum(sizes[1:-1]):
            cut = nodes[place]
            left, right = _cheapest(output, cut, record), _cheapest(cut, start, record)
            both = composed(left, right, cut.ndim)
            if record is not None:
                record.append(Taken(cut, Action.JOIN, (left, right), both))
            return both
    order = _reverse if ends[0] <= ends[1] or len(nodes) <= 3 else _forward
    return order(output, [start], None, record)[0]
