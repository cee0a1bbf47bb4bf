"""Mistakes that are made at every step of a loop: a matrix that stands transposed, a state of another step."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jacobians.graph.node import Array, Node
from jacobians.verification.flow import Flow
from jacobians.verification.hypotheses import mistakes
from jacobians.verification.judging import Guess, added
from jacobians.verification.within import valued
from jacobians.verification.workings import Edge

_MOST_KINDS = 48  # kinds of derivatives that are taken again and again
_CHAIN = 7  # operations below a derivative by which it is told from others of its operation
_DIFFERS = 1e-6  # a relative difference along one direction, from which a mistake is another one


def kinds(flow: Flow) -> list[list[Edge]]:
    """Derivatives that are taken at every step of a loop, each set of them once.

    Two are of one kind if their operations are, and those below, as far as these have one operand: how far
    is not known, so that a set is found with every depth at which it is another one.
    """
    found: dict[tuple[int, ...], list[Edge]] = {}
    for depth in range(_CHAIN):
        sets: dict[Any, list[Edge]] = {}
        for edge in flow.edges:
            key = edge.position, edge.node.shape, _chain(flow, edge, depth)
            sets.setdefault(key, []).append(edge)
        for edges in sets.values():
            for some in (edges, edges[::2], edges[1::2]):  # all, or one of the two halves of a step
                if len(some) > 1:
                    found.setdefault(tuple(map(id, some)), some)
    return list(found.values())[:_MOST_KINDS]


def _chain(flow: Flow, edge: Edge, depth: int) -> tuple[Any, ...]:
    """The operations from a derivative's node down to where several values come together."""
    found: list[Any] = [edge.node.operation and edge.node.operation.name]
    node = edge.operand
    for _ in range(depth):
        found.append((node.operation and node.operation.name, str(node.parameters)))
        below = flow.into(node)
        if len(below) != 1:
            break
        node = below[0].operand
    return tuple(found)


def at_each_step(flow: Flow) -> Iterator[Guess]:
    """A derivative that is mistaken in the same way at every step: dropped, forgotten, another function.

    It is tried along one direction first.
    """
    weights: Array = np.asarray(np.random.default_rng(5).normal(size=flow.error.shape[1]))
    error = flow.error @ weights
    slack = flow.allowed * np.abs(weights).sum() + _DIFFERS * np.abs(error).max(initial=0.0)
    for edges in kinds(flow):
        tables = [{words: (kind, other) for kind, words, other in mistakes(flow, e)} for e in edges]
        for words, (kind, _) in tables[-1].items():
            if not all(words in table for table in tables):
                continue
            others = {id(e): table[words][1] for e, table in zip(edges, tables, strict=True)}
            near = flow.adds_by(others, weights)
            if not np.abs(near - error).max() <= slack:
                continue
            adds = flow.adds_by(others)
            last = edges[-1]
            said = words.format(flow.said(last.node), flow.said(last.operand))
            text = f"{said}, as in all {len(edges)} derivatives of that kind"
            yield added(kind, text, adds, (1.85 if len(edges) < 3 else 1.7) + 0.002 * len(words))


def everywhere(flow: Flow) -> Iterator[Guess]:
    """A value that several local derivatives are computed from: transposed, forgotten, of the wrong sign."""
    for node, value in valued(flow):
        used = [edge for edge in flow.edges if node in edge.local.terms.operands]
        if len(used) < 2 or not value.ndim:
            continue
        others = [
            (f"the factor {flow.said(node)} is forgotten", "skipped", np.ones_like(value)),
            (f"{flow.said(node)} has the wrong sign", "sign", -value),
        ]
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            others += [
                (f"{flow.said(node)} stands transposed", "transposed", value.T),
                (f"the factor {flow.said(node)} is forgotten", "skipped", np.eye(len(value))),
            ]
        for text, kind, other in others:
            values = {**flow.values, node: other}
            adds = flow.adds_where({id(edge): values for edge in used})
            yield added(kind, f"{text}, in all {len(used)} derivatives that it is in", adds, 1.6)


def other_steps(flow: Flow) -> Iterator[Guess]:
    """In a loop, the state of the step before or after stands in each derivative of one kind."""
    states = dict.fromkeys(tuple(dict.fromkeys(e.node for e in edges)) for edges in kinds(flow))
    steps = [nodes for nodes in states if len(nodes) > 1]
    for edges in kinds(flow):
        read = frozenset[Node]().union(*map(flow.read_by, edges))
        for nodes in steps:
            if read.isdisjoint(nodes):
                continue
            for later in (True, False):
                yield from _of_steps(flow, edges, nodes, later=later)


def _of_steps(
    flow: Flow, edges: list[Edge], nodes: tuple[Node, ...], *, later: bool
) -> Iterator[Guess]:
    """The values of one state, each put in the place of the one before or after, in derivatives of a kind."""
    values = [np.asarray(flow.values[n]) for n in nodes]
    beside = [*values[1:], values[-1]] if later else [_initial(flow, nodes[0]), *values[:-1]]
    table = dict(zip(nodes, beside, strict=True))
    chosen: dict[int, dict[Node, Any]] = {}
    for edge in edges:
        own: dict[Node, Any] = {}
        read = flow.read_by(edge)
        own.update({operand: table[operand] for operand in read if operand in table})
        first = [o for o in read if o not in flow.down and o.shape == nodes[0].shape]
        if later and not own and len(first) == 1:
            own[first[0]] = values[0]
        if own:
            chosen[id(edge)] = {**flow.values, **own}
    if len(chosen) < 2:
        return
    adds = flow.adds_where(chosen)
    of, state = flow.said(edges[-1].node), flow.said(nodes[-1])
    when = "after" if later else "before"
    text = f"in each derivative like that of {of}, the {state} of the step {when} stands where that of "
    yield added("instead", f"{text}the step itself is meant", adds, 1.7)


def _initial(flow: Flow, state: Node) -> Array:
    """What a state is before the first step: a constant of its shape, else zeros."""
    constants = [o for n in flow.nodes for o in n.operands if o.operation is None]
    known = [o.value for o in constants if o.value is not None and o.shape == state.shape]
    return np.asarray(known[0] if known else np.zeros(state.shape))
