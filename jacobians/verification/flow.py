"""A function's graph with what runs along it: gradients by each node, and changes of each.

A derivative is a sum over paths of products of local Jacobians. For some upstreams and directions a
:class:`Flow` holds the gradient that reaches each node (``up``) and the change that each node makes
(``down``); the derivative contracted with both is ``up[a] @ down[a]`` at any node that all paths cross.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import between
from jacobians.display.expressions import label
from jacobians.display.formulas import written_out
from jacobians.graph.node import Node, apply, evaluate, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.running import Run, output_node, traced
from jacobians.verification.subject import Pair, Subject, copied
from jacobians.verification.variables import brief, variables_seen

Array = NDArray[Any]

_MOST_NODES = 160  # between the argument and the result
_UPSTREAMS, _DIRECTIONS, _FEW_DIRECTIONS = 4, 24, 6
_MANY = 1 << 12  # entries of an argument, of which few directions are looked at
_LARGEST = 1 << 18  # entries of a local Jacobian that is made dense
_EXACT = 1e-6  # the relative error of a prediction that holds
_CLEAR = 1e-3  # the share of a small error that may be left of it
_FEW_RESULTS = 4  # that are looked at one by one
_LIKE = 3  # operations that two values have in common, of which one has the other's name
_IDLE = 1e-12  # the share of the derivative that runs through a path that cancels


class Edge(NamedTuple):
    """A node, one of its operands, and the local Jacobian between them."""

    node: Node
    position: int
    operand: Node
    local: JacobianTensor


class Told(NamedTuple):
    """A claim as a linear map that was probed on one side, or on none: then it is known whole.

    Attributes
    ----------
    matrix : ndarray
        (upstreams, inputs), (outputs, directions) or, known whole, (outputs, inputs).
    upstreams, directions : ndarray or None
        (upstreams, outputs) or (inputs, directions), that it was probed with.
    eps : float
        The unit of rounding.
    symmetric : bool
        Whether it is judged along symmetric changes of the argument alone.
    beside : sequence of (str, ndarray)
        Arrays that what is claimed reaches by names.
    """

    matrix: Array
    upstreams: Array | None
    directions: Array | None
    eps: float
    symmetric: bool = False
    beside: Sequence[tuple[str, Array]] = ()

    def along(self, upstreams: Array, directions: Array) -> Array:
        """What it says to both; on the probed side to those that it was probed with."""
        rows = self.matrix if self.upstreams is not None else upstreams @ self.matrix
        return np.asarray(rows if self.directions is not None else rows @ directions)


class Flow:
    """The graph between an argument and a result, with gradients and changes at each node.

    Attributes
    ----------
    nodes : list of Node
        From the argument to the result.
    values : dict of Node to array
        Of all nodes.
    edges : list of Edge
        Between them.
    up : dict of Node to ndarray
        (upstreams, size): the gradient by the node, flat.
    down : dict of Node to ndarray
        (size, directions): the change of the node, flat.
    error, allowed : ndarray, float
        What the claim differs by, of the shape of ``right``, and what an explanation may leave of it.
    beside : sequence of (str, ndarray)
        Arrays that what is claimed reaches by names.
    tried : list
        Of what has been tried, the mistakes that hold with no free number; two may hold together.
    """

    def __init__(
        self, output: Node, start: Node, values: dict[Node, Any], names: dict[Node, str],
        upstreams: Array, directions: Array, told: Told,
    ) -> None:  # fmt: skip
        self.output, self.start, self.names = output, start, names
        self.nodes = between(output, [start])
        self.values = values
        inside = set(self.nodes)
        needed: dict[Node, Any] = dict(values)
        edges: list[Edge] = []
        for node in self.nodes:
            if node.operation is None or node is start:
                continue
            for position, operand in enumerate(node.operands):
                if operand in inside:
                    tensor = node.operation.local(node, position)
                    known = evaluate(tensor.operands, needed)
                    edges.append(Edge(node, position, operand, _tensor(tensor, node, known)))
        self._said: dict[Node, str] = {}
        self._kinds: dict[Any, tuple[int, str]] = {}
        self._reads: dict[int, frozenset[Node]] = {}
        self._thin: dict[bytes, dict[Node, Array]] = {}
        self._run(edges, upstreams, directions)
        # A path whose share cancels, a maximum that is subtracted, is no part of what people write.
        size = np.abs(self.right).max(initial=0.0)
        silent = set[Node]()  # behind a state that starts at zero, which may stand for another
        for node in reversed(self.nodes[:-1]):
            if all(e.node in silent or self._is_zero(e) for e in self.users(node)):
                silent.add(node)
        kept = [
            e
            for e in edges
            if np.abs(self.through(e)).max(initial=0.0) > _IDLE * size
            or self._is_zero(e)
            or e.node in silent
        ]
        if len(kept) < len(edges) and size > 0:
            self._run(kept, upstreams, directions)
        self._told, self.beside = told, told.beside
        claimed = told.along(upstreams, directions)
        size = sum(float(np.max(np.abs(a), initial=0.0)) for a in (claimed, self.right))
        self.error = claimed - self.right
        largest = float(np.max(np.abs(self.error), initial=0.0))
        self.allowed = max(64 * told.eps * size, min(_EXACT * size, _CLEAR * largest))
        self.tried: list[Any] = []

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
        """The same of a function of which some nodes are made anew, and what each node has become.

        ``remade`` takes a node's new operands; ``given`` has the values of inputs that it makes.
        """
        new: dict[Node, Node] = {}
        for node in ordered([self.output]):
            operands = [new[o] for o in node.operands]
            if node in remade:
                new[node] = remade[node](operands)
            elif all(o is p for o, p in zip(operands, node.operands, strict=True)):
                new[node] = node
            else:
                assert node.operation is not None
                new[node] = apply(node.operation, operands, **dict(node.parameters))
        known = {**self.values, **(given or {})}
        leaves = [n for n in ordered([new[self.output]]) if n.operation is None]
        values = evaluate([new[self.output]], {n: known.get(n, n.value) for n in leaves})
        names = {new[n]: name for n, name in self.names.items() if n in new}
        ends = self.up[self.output], self.down[self.start]
        return Flow(new[self.output], new[self.start], values, names, *ends, self._told), new

    def adds_with(
        self, given: dict[Node, Any], picks: Mapping[int, Array] | None = None
    ) -> Array | None:
        """What other values of some nodes add to the right numbers, with all that follows from them.

        ``picks`` has other matrices besides, by the ids of their edges. None where they are no numbers.
        """
        moved, order = set(given), ordered([self.output])
        for node in order:
            if not moved.isdisjoint(node.operands):
                moved.add(node)
        known = {n: self.values.get(n, n.value) for n in order if n not in moved}
        try:
            values = evaluate([n for n in order if n in moved], {**known, **given})
        except np.linalg.LinAlgError:
            return None
        own = {**self.values, **values}
        return self.adds_where(
            {id(e): own for e in self.edges if not moved.isdisjoint(self.read_by(e))}, picks
        )

    def adds_where(
        self, values: dict[int, dict[Node, Any]], picks: Mapping[int, Array] | None = None
    ) -> Array | None:
        """What it adds that some local derivatives, by the ids of their edges, are computed from other values."""
        others: dict[int, Array | JacobianTensor] = {}
        try:
            for edge in self.edges:
                if id(edge) in values:
                    own = evaluate(edge.local.terms.operands, values[id(edge)])
                    others[id(edge)] = _tensor(edge.local.terms, edge.node, own)
        except np.linalg.LinAlgError:
            return None
        return self.adds_by({**others, **(picks or {})})

    def adds_by(
        self, others: Mapping[int, Array | JacobianTensor], weights: Array | None = None
    ) -> Array | None:
        """What it adds that some local Jacobians, by the ids of their edges, are others.

        Along all directions, or along the one that is their sum with ``weights``.
        """
        down = self.down if weights is None else self._along(weights)
        now: dict[Node, Array] = {}
        for node in self.nodes[1:]:
            into = self.into(node)
            if any(id(e) in others or e.operand in now for e in into):
                now[node] = np.zeros_like(down[node])
                for e in into:
                    below = now.get(e.operand, down[e.operand])
                    other = others.get(id(e))
                    if isinstance(other, np.ndarray):
                        now[node] += other @ below
                    else:
                        now[node] += self.pushed(
                            e if other is None else e._replace(local=other), below
                        )
        if self.output not in now:
            return np.zeros_like(self.right)
        adds: Array = self.up[self.output] @ (now[self.output] - down[self.output])
        return adds if np.isfinite(adds).all() else None

    def _along(self, weights: Array) -> dict[Node, Array]:
        """The changes of all nodes along a sum of the directions."""
        key = weights.tobytes()
        if key not in self._thin:
            self._thin[key] = {node: down @ weights for node, down in self.down.items()}
        return self._thin[key]

    def read_by(self, edge: Edge) -> frozenset[Node]:
        """The values of the function that a local derivative is computed from."""
        if id(edge) not in self._reads:
            found, stack = set[Node](), list(edge.local.terms.operands)
            while stack:
                node = stack.pop()
                if node in self.values:
                    found.add(node)
                else:
                    stack += node.operands
            self._reads[id(edge)] = frozenset(found)
        return self._reads[id(edge)]

    def _run(self, edges: list[Edge], upstreams: Array, directions: Array) -> None:
        """Take these edges, and fill in ``up`` and ``down`` along them."""
        self.edges, self._into, self._users = (
            edges,
            dict[Node, list[Edge]](),
            dict[Node, list[Edge]](),
        )
        for edge in edges:
            self._into.setdefault(edge.node, []).append(edge)
            self._users.setdefault(edge.operand, []).append(edge)
        self._matrices: dict[int, Array | None] = {}
        self._slopes: dict[int, Array | None] = {}
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

    def matrix(self, edge: Edge) -> Array | None:
        """The local Jacobian as a matrix, None where it is large."""
        if id(edge) in self._matrices:
            return self._matrices[id(edge)]
        shape = prod(edge.node.shape), prod(edge.operand.shape)
        small = edge.local.size <= _LARGEST
        found = edge.local.dense().reshape(shape) if small else None
        if any(edge is own for own in self.into(edge.node)):  # of a mistake, it is used once
            self._matrices[id(edge)] = found
        return found

    def slope(self, edge: Edge) -> Array | None:
        """The scalar derivative of an elementwise node by an operand, in the node's shape."""
        if id(edge) not in self._slopes:
            self._slopes[id(edge)] = _slope(edge)
        return self._slopes[id(edge)]

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

    def said(self, node: Node) -> str:
        """A node in words; in a loop, by the name that its like has in the last step."""
        if node not in self._said:
            text = brief(node, self.names, self.formula)
            if "…" in text and self._like(node):
                text = f"an earlier {self._like(node)}"
            self._said[node] = text
        return self._said[node]

    def _like(self, node: Node) -> str:
        """The name of a later value that is computed in the same way."""
        if not self._kinds:
            for one, name in self.names.items():
                if one.operation is not None:
                    self._kinds.setdefault(_shape_of(one, _LIKE), (one.serial, name))
        serial, name = self._kinds.get(_shape_of(node, _LIKE), (0, ""))
        return name if serial > node.serial else ""

    def formula(self, node: Node) -> str:
        """A node as the formulas write it; empty where it has no notation of its own."""
        try:
            axes = "ijklmnopq"[: node.ndim]
            return str(written_out(lambda: label(node, axes, "text").text, self.values))
        except Exception:  # what has no notation of its own
            return ""


def _tensor(tensor: Sum, node: Node, values: dict[Node, Any]) -> JacobianTensor:
    own = {n: np.asarray(values[n], np.float64) for n in tensor.operands}
    return JacobianTensor(tensor, node.ndim, own, dtype=np.float64)


def flow_of(subject: Subject, pair: Pair, told: Told) -> Flow | None:
    """The flow of a function that traces; None where its graph is too large, or there is none."""
    upstreams, directions = told.upstreams, told.directions
    args, kwargs = copied(subject.args), copied(subject.kwargs)
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
    names: dict[Node, str] = {}
    with ExitStack() as stack:
        with variables_seen(names):
            run = stack.enter_context(_run_by_all(subject, args, kwargs))
        start, output = run.inputs[pair.which], output_node(run.outputs[pair.output])
        nodes = between(output, [start])
        if start not in nodes or output is start or len(nodes) > _MOST_NODES:
            return None
        values = evaluate([*nodes, output], run.here.values)
        if told.directions is None and told.symmetric:
            shape = pair.inner.shape
            both = directions.reshape(*shape, -1)
            directions = (both + np.swapaxes(both, 0, 1)).reshape(directions.shape)
        labels = [*subject.names, *run.names[len(subject.names) :]]
        names = {n: name for n, name in names.items() if name not in labels and n is not output}
        names.update(zip(run.inputs, labels, strict=True))
        return Flow(output, start, values, names, upstreams, directions, told)


@contextmanager
def _run_by_all(subject: Subject, args: list[Any], kwargs: dict[str, Any]) -> Iterator[Run]:
    """The function with all float arrays among its arguments traced, so that all values have names.

    By the asked for alone where it takes no more.
    """
    others = [
        n
        for n, value in enumerate(args)
        if n not in subject.places and isinstance(value, np.ndarray) and value.dtype.kind == "f"
    ]
    with ExitStack() as stack:
        try:
            run = stack.enter_context(
                traced(
                    subject.f, args, kwargs, (*subject.places, *others) if others else subject.wrt
                )
            )
        except Exception:  # an argument that decides a branch, or is a table
            run = stack.enter_context(traced(subject.f, args, kwargs, subject.wrt))
        yield run


def _shape_of(node: Node, depth: int) -> Any:
    """The operations that a value is computed by."""
    below = [_shape_of(n, depth - 1) for n in node.operands] if depth else []
    return node.operation and node.operation.name, str(node.parameters), node.shape, *below


def _slope(edge: Edge) -> Array | None:
    if edge.node.operation is None or not edge.node.operation.elementwise:
        return None
    try:
        terms = tuple(t._replace(slots=t.slots[: edge.node.ndim]) for t in edge.local.terms.terms)
        own = Sum(edge.node.shape, terms)
        return JacobianTensor(own, edge.node.ndim, edge.local.operands, dtype=np.float64).dense()
    except Exception:  # slots that letters of the operand alone would fill
        return None
