"""A function's own graph at its arguments: values, names and local derivatives, each made once for all checks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.display.expressions import label
from jacobians.display.formulas import written_out
from jacobians.graph.node import Array, Node, apply, evaluate, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.running import Run, output_node, traced
from jacobians.verification.subject import Subject, copied
from jacobians.verification.variables import Arrays, brief, variable_of, variables_seen

_LARGEST = 1 << 18  # entries of a local Jacobian that is made dense
_LIKE = 3  # operations that two values have in common, of which one has the other's name


class Edge(NamedTuple):
    """A node, one of its operands, and the local Jacobian between them."""

    node: Node
    position: int
    operand: Node
    local: JacobianTensor

    def by(self, operands: Mapping[Node, Any]) -> JacobianTensor:
        """The local Jacobian with other values of some of what it is computed from."""
        return tensor_of(self.local.terms, self.node, {**self.local.operands, **operands})


class Workings:
    """What a function computes at some arguments.

    ``inputs`` are the arguments that are traced, those to differentiate by first; ``names`` the user's variables.
    """

    def __init__(
        self,
        inputs: list[Node],
        outputs: list[Node],
        values: dict[Node, Any],
        names: dict[Node, str],
    ) -> None:
        self.inputs, self.outputs, self.values, self.names = inputs, outputs, values, names
        self._edges: dict[tuple[Node, int], Edge] = {}
        self._matrices: dict[int, Array | None] = {}
        self._slopes: dict[int, Array | None] = {}
        self._reads: dict[int, frozenset[Node]] = {}
        self._said: dict[Node, str] = {}
        self._formulas: dict[Node, str] = {}
        self._likes: dict[Any, tuple[int, str]] = {}
        for one, name in names.items():
            if one.operation is not None:
                self._likes.setdefault(_made_by(one, _LIKE), (one.serial, name))

    def edge(self, node: Node, position: int) -> Edge:
        """A node and one of its operands."""
        key = node, position
        if key not in self._edges:
            assert node.operation is not None
            tensor = node.operation.local(node, position)
            known = evaluate(tensor.operands, self.values)
            self._edges[key] = Edge(
                node, position, node.operands[position], tensor_of(tensor, node, known)
            )
        return self._edges[key]

    def matrix(self, edge: Edge) -> Array | None:
        """The local Jacobian as a matrix, None where it is large."""
        own = self._edges.get((edge.node, edge.position)) is edge  # that of a mistake is used once
        if own and id(edge) in self._matrices:
            return self._matrices[id(edge)]
        shape = prod(edge.node.shape), prod(edge.operand.shape)
        found = edge.local.dense().reshape(shape) if edge.local.size <= _LARGEST else None
        if own:
            self._matrices[id(edge)] = found
        return found

    def slope(self, edge: Edge) -> Array | None:
        """The scalar derivative of an elementwise node by an operand, in the node's shape."""
        if id(edge) not in self._slopes:
            self._slopes[id(edge)] = _slope(edge)
        return self._slopes[id(edge)]

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
        serial, name = self._likes.get(_made_by(node, _LIKE), (0, ""))
        return name if serial > node.serial else ""

    def formula(self, node: Node) -> str:
        """A node as the formulas write it; empty where it has no notation of its own."""
        if node not in self._formulas:
            try:
                axes = "ijklmnopq"[: node.ndim]
                text = str(written_out(lambda: label(node, axes, "text").text, self.values))
            except Exception:  # what has no notation of its own
                text = ""
            self._formulas[node] = text
        return self._formulas[node]

    def remade(
        self, remade: dict[Node, Callable[[list[Node]], Node]], given: dict[Node, Any]
    ) -> tuple["Workings", dict[Node, Node]]:
        """The same of a function of which some nodes are made anew, and what each node has become.

        ``remade`` takes a node's new operands; ``given`` has the values of inputs that it makes.
        """
        new: dict[Node, Node] = {}
        for node in ordered(self.outputs):
            operands = [new[o] for o in node.operands]
            if node in remade:
                new[node] = remade[node](operands)
            elif all(o is p for o, p in zip(operands, node.operands, strict=True)):
                new[node] = node
            else:
                assert node.operation is not None
                new[node] = apply(node.operation, operands, **dict(node.parameters))
        known = {**self.values, **given}
        outputs = [new[o] for o in self.outputs]
        leaves = [n for n in ordered(outputs) if n.operation is None]
        values = evaluate(outputs, {n: known.get(n, n.value) for n in leaves})
        names = {new[n]: name for n, name in self.names.items() if n in new}
        return Workings([new.get(n, n) for n in self.inputs], outputs, values, names), new


def tensor_of(tensor: Sum, node: Node, values: dict[Node, Any]) -> JacobianTensor:
    """A local Jacobian of a node with the values of what it is computed from."""
    own = {n: np.asarray(values[n], np.float64) for n in tensor.operands}
    return JacobianTensor(tensor, node.ndim, own, dtype=np.float64)


def workings_of(subject: Subject) -> Workings:
    """The graph of a function that traces."""
    args, kwargs = copied(subject.args), copied(subject.kwargs)
    names: dict[Node, str] = {}
    arrays: Arrays = {}
    with ExitStack() as stack:
        with variables_seen(names, arrays):
            run = stack.enter_context(_run_by_all(subject, args, kwargs))
        outputs = [output_node(y) for y in run.outputs]
        order = ordered(outputs)
        values = evaluate(order, run.here.values)
        labels = [*subject.names, *run.names[len(subject.names) :]]
        ends = set(outputs).difference(*(n.operands for n in order))
        names = {n: name for n, name in names.items() if name not in labels and n not in ends}
        for value, node in run.here.constants():
            name = variable_of(value, arrays, run.here.names) if not node.name else ""
            if name and name not in labels:
                names[node] = name
        names.update(zip(run.inputs, labels, strict=True))
        return Workings(list(run.inputs), outputs, values, names)


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


def _made_by(node: Node, depth: int) -> Any:
    """The operations that a value is computed by."""
    below = [_made_by(n, depth - 1) for n in node.operands] if depth else []
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
