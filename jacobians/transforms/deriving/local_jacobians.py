"""A chain told by its stations: intermediate results, the Jacobians between them, and how they are contracted."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from jacobians.algebra.atoms import Expr
from jacobians.algebra.normal_form import sum_of
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.slot_letters import Unread
from jacobians.derivation.chain_rule import between
from jacobians.derivation.quotients import local
from jacobians.display.matrix_forms import written_name
from jacobians.graph.node import Node, ordered
from jacobians.notation.join import composed
from jacobians.notation.terms import identity
from jacobians.operations.by_terms import Multilinear

_SILENT = {"alias", "positive", "conjugate"}
"""Operations that are no step."""
_MOST_ROUTES, _LONGEST_ROUTE = 3, 9  # that are written out
Station = tuple[Node, str]
Path = tuple[str, str]
"""From what a Jacobian is of to what it is by."""


class Chain:
    """The stations between a result and what it is differentiated by.

    Parameters
    ----------
    output, start : Node
        The result, and the argument.
    names : (str, str)
        What these are called.
    names_of : mapping of Node to str
        The user's own names of intermediate results.
    reader_of : callable
        What reads nodes, some of them by a name.
    """

    def __init__(
        self, output: Node, start: Node, names: tuple[str, str], names_of: Mapping[Node, str],
        reader_of: Callable[[Mapping[Node, str]], Reader],
    ) -> None:  # fmt: skip
        self._output, self._start, self._names = output, start, names
        self._names_of, self._reader_of = names_of, reader_of
        self._reached = between(output, [start])
        self.stations = self._stations()
        beside = [n for n in ordered([output]) if n in names_of and n not in self._reached]
        self.beside: list[Station] = [(n, names_of[n]) for n in beside]
        self._known = {n: name for n, name in (*self.beside, *self.stations) if n is not output}

    def value(self, node: Node) -> Expr:
        """A station in terms of the others."""
        others = {n: name for n, name in self._known.items() if n is not node}
        return self._reader_of(others).expression(node)

    def links(self) -> list[tuple[Station, Station, Expr]]:
        """The Jacobians between stations, from the output: of which, by which, and what it is."""
        found: list[tuple[Station, Station, Expr]] = []
        for station in reversed(self.stations):
            for other in ((self._start, self._names[1]), *self.stations):
                if other[0] is station[0] or not self._depends(station[0], other[0]):
                    continue
                tensor = self._link(station[0], other[0])
                if tensor is not None:
                    found.append((station, other, tensor))
        return found

    def _stations(self) -> list[Station]:
        """The nodes that get a name: those the user named, what a function is of, and the result."""
        nodes = [n for n in self._reached if n.operation is not None]
        leaves = (n.name for n in ordered([self._output]) if n.operation is None and n.name)
        taken = {*self._names, *self._names_of.values(), *leaves}
        pool = iter(
            [n for n in (*"zuvwsqmgh", *(f"z{k}" for k in range(1, 200))) if n not in taken]
        )
        found: list[Station] = []
        for node in nodes:
            assert node.operation is not None
            if node is self._output:
                found.append((node, self._names[0]))
            elif node.operation.name in _SILENT:
                continue
            elif node in self._names_of:
                found.append((node, self._names_of[node]))
            elif not isinstance(node.operation, Multilinear) or _feeds_function(node, nodes):
                found.append((node, next(pool)))
        return found

    def _depends(self, node: Node, operand: Node) -> bool:
        """Whether the node depends on the operand by no other station."""
        stack, seen = [node], set()
        while stack:
            for n in stack.pop().operands:
                if n is operand:
                    return True
                if n not in seen and n not in self._known:
                    seen.add(n)
                    stack.append(n)
        return False

    def _link(self, node: Node, operand: Node) -> Expr | None:
        """The Jacobian between two stations, the others held; None where it is not read, or 0."""
        carried = {node: [identity(node.shape)]}
        reached = between(node, [operand])
        for n in reversed(reached):
            if n is operand:
                break
            parts = carried.pop(n, [])
            if n is not node and n in self._known:
                continue
            for position, inner in enumerate(n.operands):
                if inner in reached or inner is operand:
                    step = local(n, position)
                    carried.setdefault(inner, []).extend(composed(p, step, n.ndim) for p in parts)
        total = carried.get(operand)
        if not total:
            return None
        reader = self._reader_of(self._known)
        try:
            found = sum_of([reader.tensor(part) for part in total])
        except Unread:
            return None
        return found if found.terms else None


def _feeds_function(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether a product of several is what a function is of."""
    functions = [n for n in nodes if not isinstance(n.operation, Multilinear)]
    return len(node.operands) > 1 and any(node in n.operands for n in functions)


def routes(paths: Sequence[Path], out: str, start: str) -> list[list[str]] | None:
    """The ways along paths from the result to the argument; None where they are many, or long."""
    found: list[list[str]] = []

    def walk(here: str, route: list[str]) -> None:
        if len(found) > _MOST_ROUTES:
            return
        if here == start:
            found.append(route)
            return
        for a, b in paths:
            if a == here:
                walk(b, [*route, b])

    walk(out, [out])
    few = 0 < len(found) <= _MOST_ROUTES
    return found if few and all(len(r) <= _LONGEST_ROUTE for r in found) else None


def contracted(found: Sequence[Sequence[str]], style: str) -> str:
    """``∂L/∂W = ∂L/∂r · ∂r/∂W``, a product for each route."""

    def quotient(a: str, b: str) -> str:
        if style == "text":
            return f"∂{a}/∂{b}"
        return f"\\frac{{\\partial {written_name(a, 'latex')}}}{{\\partial {written_name(b, 'latex')}}}"

    dot = " · " if style == "text" else " \\cdot "
    products = [dot.join(quotient(a, b) for a, b in pairwise(route)) for route in found]
    return f"{quotient(found[0][0], found[0][-1])} = {' + '.join(products)}"
