"""Reading nodes and terms as expressions: what they are made of, to the named arrays.

What moves entries in a way that no constant array here says, and what is no real number, is not read:
``Unread``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Expr, Leaf, Monomial, Whole
from jacobians.algebra.averages import added
from jacobians.algebra.functions_of import broadcast
from jacobians.algebra.letter_order import exact, plain
from jacobians.algebra.normal_form import at, built, function_of, number, of_atom
from jacobians.algebra.reading_rules import RULES
from jacobians.algebra.slot_letters import Places, Unread
from jacobians.graph.node import Node, ordered
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum, Term, relabelled
from jacobians.operations.by_terms import Multilinear

_MOST = 400  # nodes that are read
_TERMS = 40  # of one expression


class Reader:
    """Nodes as expressions, remembered.

    Parameters
    ----------
    leaf : callable
        The name of a leaf.
    symmetric, positive, active : set of str
        Names of what is its own transpose, of what is positive, of what is differentiated by.
    known : mapping of Node to str
        Nodes that are read as a leaf of that name.
    table : callable
        The name of a table of positions.
    """

    def __init__(
        self, leaf: Callable[[Node], str], symmetric: frozenset[str] = frozenset(),
        positive: frozenset[str] = frozenset(), active: frozenset[str] = frozenset(),
        known: Mapping[Node, str] | None = None, table: Callable[[Table], str] | None = None,
    ) -> None:  # fmt: skip
        self._table = table or (lambda _: "t")
        self._leaf, self._symmetric, self._positive, self._active = (
            leaf,
            symmetric,
            positive,
            active,
        )
        self._known = {} if known is None else dict(known)
        self._read: dict[Node, Expr] = {}
        self.leaves: dict[str, Node] = {}

    def expression(self, node: Node) -> Expr:
        """The node as an expression of its shape."""
        if node in self._known and node not in self._read:
            self._read[node] = self._named(self._known[node], node)
        if node not in self._read:
            for new in ordered([node], {**self._read, **self._known}):
                if len(self._read) > _MOST:
                    raise Unread("it has too many operations")
                if new not in self._read:
                    found = self._of(new)
                    if len(found.terms) > _TERMS:
                        raise Unread("it has too many terms")
                    self._read[new] = found
        return self._read[node]

    def known_as(self, node: Node, expr: Expr) -> None:
        """Read the node as this expression."""
        self._read[node] = expr

    def tensor(self, tensor: Sum) -> Expr:
        """A sum of terms over nodes."""
        for node in tensor.operands:
            self.expression(node)
        return self._terms(tensor, lambda node: self._read[node])

    def _of(self, node: Node) -> Expr:
        if node in self._known:
            return self._named(self._known[node], node)
        if node.operation is None:
            return self._constant(node)
        operands = []
        for n in node.operands:
            if n not in self._read:
                self._read[n] = self._of(n)
            operands.append(self._read[n])
        found = RULES.get(node.operation.name)
        if found is not None and (result := found(node, operands)) is not None:
            return result
        if isinstance(node.operation, Multilinear):
            tensor = node.operation.structure(
                tuple(n.shape for n in node.operands), node.parameters
            )
            return self._terms(
                relabelled(tensor, lambda k: node.operands[k]), self._read.__getitem__
            )
        if node.operation.elementwise:
            return function_of(
                node.operation,
                [broadcast(e, node.shape) for e in operands],
                node.shape,
                node.parameters,
            )
        atom = Whole(node.operation, tuple(operands), node.parameters, node.shape)
        return of_atom(atom, node.shape)

    def _named(self, name: str, node: Node) -> Expr:
        square = node.ndim == 2 and node.shape[0] == node.shape[1]
        self.leaves.setdefault(name, node)
        return of_atom(
            Leaf(
                name,
                node.shape,
                square and name in self._symmetric,
                name in self._positive,
                name in self._active,
            ),
            node.shape,
        )

    def _constant(self, node: Node) -> Expr:
        if node.dtype.kind not in "fiub":
            raise Unread("an array of numbers is not real")
        if not node.name and node.value is not None:
            array = np.asarray(node.value)
            if array.ndim == 0:
                return number(array.item())
            if array.size and (array == array.flat[0]).all():
                return at(number(array.flat[0].item()), plain(node.shape), node.shape, ())
        square = node.ndim == 2 and node.shape[0] == node.shape[1] > 1
        if node.value is not None and square:
            scale = 1 if node.name else np.asarray(node.value)[0, 0]
            if np.array_equal(node.value, scale * np.eye(node.shape[0])):
                return built([], (0, 0), {0: node.shape[0]}, node.shape, exact(float(scale)))
        return self._named(self._leaf(node), node)

    def _terms(self, tensor: Sum, read: Callable[[Node], Expr]) -> Expr:
        parts: list[Monomial] = []
        for term in tensor.terms:
            parts += self._term(term, tensor.shape, read)
        return added(tensor.shape, parts)

    def _term(
        self, term: Term, shape: tuple[int, ...], read: Callable[[Node], Expr]
    ) -> tuple[Monomial, ...]:
        places = Places(term, self._table)
        pieces: list[Any] = []
        for factor in term.factors:
            node = factor.operand
            pieces.append((read(node), places.letters(factor.slots, node.shape), 1))
        slots = places.letters(term.slots, shape)
        pieces += places.pieces
        return built(pieces, slots, places.sizes, shape, exact(term.coefficient)).terms
