"""What runs along a function's graph: gradients by each node, and changes of each.

A derivative is a sum over paths of products of local Jacobians. For some upstreams and directions a
:class:`Flow` holds the gradient that reaches each node (``up``) and the change that each node makes
(``down``); the derivative contracted with both is ``up[a] @ down[a]`` at any node that all paths cross.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.derivation.chain_rule import between
from jacobians.graph.node import Array, Node, evaluate, ordered
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.verification.subject import Pair
from jacobians.verification.workings import Edge, Workings, tensor_of

_MOST_NODES = 160  # between the argument and the result
_UPSTREAMS, _DIRECTIONS, _FEW_DIRECTIONS = 4, 24, 6
_MANY = 1 << 12  # entries of an argument, of which few directions are looked at
_EXACT = 1e-6  # the relative error of a prediction that holds
_CLEAR = 1e-3  # the share of a small error that may be left of it
_FEW_RESULTS = 4  # that are looked at one by one
# What an operation may raise, given what a mistake makes of its arguments.
FLAWS = (ArithmeticError, ValueError, np.linalg.LinAlgError)
_IDLE = 1e-12  # the share of the derivative that runs through a path that cancels


class Told(NamedTuple):
    """A claim as a linear map that was probed on one side, or on none: then it is known whole."""

    matrix: Array  # (upstreams, inputs), (outputs, directions) or, known whole, (outputs, inputs)
    upstreams: Array | None  # (upstreams, outputs) or (inputs, directions), that it was probed with
    directions: Array | None
    eps: float  # the unit of rounding
    symmetric: bool = False  # whether it is judged along symmetric changes of the argument alone
    beside: Sequence[tuple[str, Array]] = ()  # arrays that what is claimed reaches by names

    def along(self, upstreams: Array, directions: Array) -> Array:
        """What it says to both; on the probed side to those that it was probed with."""
        rows = self.matrix if self.upstreams is not None else upstreams @ self.matrix
        return np.asarray(rows if self.directions is not None else rows @ directions)


class Flow:
    """The graph between an argument and a result, with gradients and changes at each node.

    ``nodes`` are ordered from the argument to the result. ``up`` has the gradients by each, (upstreams, size),
    ``down`` its changes, (size, directions). ``error`` is what the claim differs by, of the shape of ``right``;
    ``allowed`` what an explanation may leave of it. ``beside`` are arrays that what is claimed reaches by
    names; ``tried`` are mistakes that hold with no free number, of which two may hold together.
    """

    def __init__(
        self,
        workings: Workings,
        output: Node,
        start: Node,
        upstreams: Array,
        directions: Array,
        told: Told,
    ) -> None:
        self.workings, self.output, self.start = workings, output, start
        self.names, self.values = workings.names, workings.values
        self.matrix, self.slope, self.said = workings.matrix, workings.slope, workings.said
        self.read_by = workings.read_by
        self.nodes = between(output, [start])
        inside = set(self.nodes)
        edges = [
            workings.edge(node, position)
            for node in self.nodes
            for position, operand in enumerate(node.operands)
            if operand in inside and node is not start
        ]
        self._thin: dict[bytes, dict[Node, Array]] = {}
        self._run(edges, upstreams, directions)
        kept = [e for e in edges if not self._is_idle(e)]
        if len(kept) < len(edges) and self.right.any():
            self._run(kept, upstreams, directions)
        self._told, self.beside = told, told.beside
        claimed = told.along(upstreams, directions)
        size = sum(float(np.max(np.abs(a), initial=0.0)) for a in (claimed, self.right))
        self.error = claimed - self.right
        largest = float(np.max(np.abs(self.error), initial=0.0))
        self.allowed = max(64 * told.eps * size, min(_EXACT * size, _CLEAR * largest))
        self.tried: list[Any] = []

    def _is_idle(self, edge: Edge) -> bool:
        """Whether a path's share cancels, as of a maximum that is subtracted: no part of what people write."""
        size = np.abs(self.right).max(initial=0.0)
        small = np.abs(self.through(edge)).max(initial=0.0) <= _IDLE * size
        return bool(small and not self._is_zero(edge) and edge.node not in self._silent)

    @cached_property
    def _silent(self) -> set[Node]:
        """Nodes behind a state that starts at zero, which may stand for another."""
        silent = set[Node]()
        for node in reversed(self.nodes[:-1]):
            if all(e.node in silent or self._is_zero(e) for e in self.users(node)):
                silent.add(node)
        return silent

    @property
    def is_telling(self) -> bool:
        """Whether there is an error that can be explained."""
        size = float(np.abs(self.error).max(initial=0.0))
        return bool(np.isfinite(self.allowed) and size > 20 * self.allowed)

    def explained_by(self, adds: Array) -> int:
        """How many numbers of the error that differ from each other such an explanation speaks of."""
        telling = np.abs(adds) > self.allowed
        if not telling.any():
            return 0
        unit = max(self.allowed, 1e-9 * float(np.abs(self.error).max()))
        return len(np.unique(np.round(self.error[telling] / unit)))

    def rebuilt(
        self, remade: dict[Node, Callable[[list[Node]], Node]], given: dict[Node, Any] | None = None
    ) -> tuple["Flow", dict[Node, Node]]:
        """The same of a function of which some nodes are made anew, and what each node has become."""
        workings, new = self.workings.remade(remade, given or {})
        ends = self.up[self.output], self.down[self.start]
        return Flow(workings, new[self.output], new[self.start], *ends, self._told), new

    def adds_with(self, given: dict[Node, Any], picks: Mapping[int, Array] | None = None) -> Array:
        """What other values of some nodes add to the right numbers, with all that follows from them.

        ``picks`` has other matrices besides, by the ids of their edges. Not finite where they are no numbers.
        """
        moved, order = set(given), ordered([self.output])
        for node in order:
            if not moved.isdisjoint(node.operands):
                moved.add(node)
        known = {n: self.values.get(n, n.value) for n in order if n not in moved}
        try:
            values = evaluate([n for n in order if n in moved], {**known, **given})
        except FLAWS:
            return np.full_like(self.right, np.nan)
        own = {**self.values, **values}
        return self.adds_where(
            {id(e): own for e in self.edges if not moved.isdisjoint(self.read_by(e))}, picks
        )

    def adds_where(
        self, values: dict[int, dict[Node, Any]], picks: Mapping[int, Array] | None = None
    ) -> Array:
        """What it adds that some local derivatives, by the ids of their edges, are computed from other values."""
        others: dict[int, Array | JacobianTensor] = {}
        try:
            for edge in self.edges:
                if id(edge) in values:
                    own = evaluate(edge.local.terms.operands, values[id(edge)])
                    others[id(edge)] = tensor_of(edge.local.terms, edge.node, own)
        except FLAWS:
            return np.full_like(self.right, np.nan)
        return self.adds_by({**others, **(picks or {})})

    def adds_by(
        self, others: Mapping[int, Array | JacobianTensor], weights: Array | None = None
    ) -> Array:
        """What it adds that some local Jacobians, by the ids of their edges, are others.

        Along all directions, or along the one that is their sum with ``weights``.
        """
        down = self.down if weights is None else self._along(weights)
        now: dict[Node, Array] = {}
        for node in self.nodes[1:]:
            into = self.into(node)
            change = None
            for e in into:
                other, moved = others.get(id(e)), now.get(e.operand)
                if other is None and moved is not None:
                    part = self.pushed(e, moved - down[e.operand])
                elif other is not None:
                    below = down[e.operand] if moved is None else moved
                    if isinstance(other, np.ndarray):
                        part = other @ below
                    else:
                        part = self.pushed(e._replace(local=other), below)
                    part = part - self.pushed(e, down[e.operand])
                else:
                    continue
                change = part if change is None else change + part
            if change is not None:
                now[node] = down[node] + change
        if self.output not in now:
            return np.zeros_like(self.right)
        return np.asarray(self.up[self.output] @ (now[self.output] - down[self.output]))

    def adds_of(
        self, edge: Edge, other: Array | JacobianTensor | None = None, up: Array | None = None
    ) -> Array:
        """What it adds that one local Jacobian, or the gradient by its node, is another one."""
        up = self.up[edge.node] if up is None else up
        if isinstance(other, np.ndarray):
            pulled = up @ other
        else:
            pulled = self.pulled(edge if other is None else edge._replace(local=other), up)
        return pulled @ self.down[edge.operand] - self.through(edge)

    def _along(self, weights: Array) -> dict[Node, Array]:
        """The changes of all nodes along a sum of the directions."""
        key = weights.tobytes()
        if key not in self._thin:
            self._thin[key] = {node: down @ weights for node, down in self.down.items()}
        return self._thin[key]

    def _run(self, edges: list[Edge], upstreams: Array, directions: Array) -> None:
        """Take these edges, and fill in ``up`` and ``down`` along them."""
        self.edges = edges
        self._into: dict[Node, list[Edge]] = {}
        self._users: dict[Node, list[Edge]] = {}
        for edge in edges:
            self._into.setdefault(edge.node, []).append(edge)
            self._users.setdefault(edge.operand, []).append(edge)
        self.down: dict[Node, Array] = {}
        for node in self.nodes:
            parts = [self.pushed(e, self.down[e.operand]) for e in self.into(node)]
            still = np.zeros((prod(node.shape), directions.shape[1]))
            self.down[node] = directions if node is self.start else sum(parts, still)
        self.up: dict[Node, Array] = {
            n: np.zeros((len(upstreams), prod(n.shape))) for n in self.nodes
        }
        self.up[self.output] = upstreams
        for node in reversed(self.nodes):
            for edge in self.into(node):
                self.up[edge.operand] = self.up[edge.operand] + self.pulled(edge, self.up[node])

    def into(self, node: Node) -> list[Edge]:
        """The edges from a node to its operands."""
        return self._into.get(node, [])

    def users(self, node: Node) -> list[Edge]:
        """The edges to a node from what is computed with it."""
        return self._users.get(node, [])

    def _is_zero(self, edge: Edge) -> bool:
        """Whether nothing runs through an edge here."""
        matrix = self.matrix(edge)
        return not self.down[edge.operand].any() or (matrix is not None and not matrix.any())

    def pulled(self, edge: Edge, upstreams: Array) -> Array:
        """Gradients by the node, as gradients by the operand."""
        matrix = self.matrix(edge)
        if matrix is not None:
            return upstreams @ matrix
        return np.stack([np.ravel(edge.local.vjp(G.reshape(edge.node.shape))) for G in upstreams])

    def pushed(self, edge: Edge, directions: Array) -> Array:
        """Changes of the operand, as changes of the node."""
        matrix = self.matrix(edge)
        if matrix is not None:
            return matrix @ directions
        shape = edge.operand.shape
        return np.stack([np.ravel(edge.local.jvp(d.reshape(shape))) for d in directions.T], axis=1)

    @property
    def sizes(self) -> list[int]:
        """What a sum may run over: sizes of axes, and of whole nodes."""
        return sorted({n for a in self.nodes for n in (*a.shape, prod(a.shape)) if n > 2})

    @property
    def right(self) -> Array:
        """(upstreams, directions): the right derivative, contracted with both."""
        return self.up[self.output] @ self.down[self.output]

    def through(self, edge: Edge) -> Array:
        """The share of the derivative that runs through an edge."""
        return self.pulled(edge, self.up[edge.node]) @ self.down[edge.operand]


def flow_of(workings: Workings, pair: Pair, told: Told) -> Flow | None:
    """The flow between an argument and a result; None where its graph is too large, or there is none."""
    start, output = workings.inputs[pair.which], workings.outputs[pair.output]
    nodes = between(output, [start])
    if start not in nodes or output is start or len(nodes) > _MOST_NODES:
        return None
    upstreams, directions = told.upstreams, told.directions
    random = np.random.default_rng(11)
    if upstreams is None:
        few = pair.out.size <= _FEW_RESULTS
        upstreams = (
            np.eye(pair.out.size) if few else random.normal(size=(_UPSTREAMS, pair.out.size))
        )
    if directions is None:
        size = pair.inner.size
        count = _DIRECTIONS if size <= _MANY else _FEW_DIRECTIONS
        directions = np.eye(size) if size <= count else random.normal(size=(size, count))
        if told.symmetric:
            both = directions.reshape(*pair.inner.shape, -1)
            directions = (both + np.swapaxes(both, 0, 1)).reshape(directions.shape)
    return Flow(workings, output, start, upstreams, directions, told)
