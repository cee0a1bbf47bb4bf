"""Mistakes that are made at every step of a loop: a matrix that stands transposed, a state of another step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node
from jacobians.verification.flow import Edge, Flow
from jacobians.verification.judging import Guess, added
from jacobians.verification.within import valued

Array = NDArray[Any]

_MOST_KINDS = 12  # kinds of derivatives that are taken again and again


def everywhere(flow: Flow) -> Iterator[Guess]:
    """A value that several local derivatives are computed from: transposed, forgotten, of the wrong sign."""
    for node, value in valued(flow):
        used = [edge for edge in flow.edges if node in edge.local.terms.operands]
        if len(used) < 2 or not value.ndim:
            continue
        others = [(f"the factor {flow.said(node)} is forgotten", "skipped", np.ones_like(value))]
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            others += [
                (f"{flow.said(node)} stands transposed", "transposed", value.T),
                (f"the factor {flow.said(node)} is forgotten", "skipped", np.eye(len(value))),
            ]
        for text, kind, other in others:
            values = {**flow.values, node: other}
            adds = flow.adds_where({id(edge): values for edge in used})
            if adds is not None:
                yield added(
                    kind, f"{text}, in all {len(used)} derivatives that it is in", adds, 1.6
                )


def other_steps(flow: Flow) -> Iterator[Guess]:
    """In a loop, the state of the step before or after stands in each derivative of one kind."""
    kinds: dict[Any, list[Edge]] = {}
    for edge in flow.edges:
        operation = edge.node.operation
        kinds.setdefault((operation and operation.name, edge.position, edge.node.shape), []).append(
            edge
        )
    states: dict[Any, list[Node]] = {}
    for node in flow.nodes:
        if node.operation is not None and node.ndim:
            states.setdefault((node.operation.name, node.shape), []).append(node)
    steps = [nodes for nodes in states.values() if len(nodes) > 1]
    for edges in [e for e in kinds.values() if len(e) > 1][:_MOST_KINDS]:
        for nodes in steps:
            for later in (True, False):
                yield from _of_steps(flow, edges, nodes, later=later)


def _of_steps(flow: Flow, edges: list[Edge], nodes: list[Node], *, later: bool) -> Iterator[Guess]:
    """The values of one state, each put in the place of the one before or after, in derivatives of a kind."""
    values = [np.asarray(flow.values[n]) for n in nodes]
    beside = [*values[1:], values[-1]] if later else [_initial(flow, nodes[0]), *values[:-1]]
    table = dict(zip(nodes, beside, strict=True))
    chosen: dict[int, dict[Node, Any]] = {}
    for edge in edges:
        own: dict[Node, Any] = {}
        for operand in _read_by(edge):
            first = later and operand.operation is None and operand.value is not None
            if operand in table:
                own[operand] = table[operand]
            elif first and operand.shape == nodes[0].shape:
                own[operand] = values[0]
        if own:
            chosen[id(edge)] = {**flow.values, **own}
    if len(chosen) < 2:
        return
    adds = flow.adds_where(chosen)
    if adds is not None:
        of, state = flow.said(edges[-1].node), flow.said(nodes[-1])
        when = "after" if later else "before"
        text = f"in each derivative like that of {of}, the {state} of the step {when} stands where that of "
        yield added("instead", f"{text}the step itself is meant", adds, 1.7)


def _initial(flow: Flow, state: Node) -> Array:
    """What a state is before the first step: a constant of its shape, else zeros."""
    constants = [o for n in flow.nodes for o in n.operands if o.operation is None]
    known = [o.value for o in constants if o.value is not None and o.shape == state.shape]
    return np.asarray(known[0] if known else np.zeros(state.shape))


def _read_by(edge: Edge) -> list[Node]:
    """The values of the function that a local derivative is computed from."""
    found: list[Node] = []
    stack = list(edge.local.terms.operands)
    inside = {edge.node, *edge.node.operands}
    while stack:
        node = stack.pop()
        if node in inside:
            found.append(node)
        else:
            stack += node.operands
    return list(dict.fromkeys(found))
