"""What arrays are called within one formula, and which parts of it get a name of their own.

A formula is written while a :class:`Names` is in force. It tells arrays of one name apart by primes,
gives unnamed constants a letter, and names what is too long to stand in its place: such *parts* are
defined behind the formula, ``δ_ik M_jl, where M_ij = …``.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain, count
from typing import Any

import numpy as np

from jacobians.graph.node import Node, ordered
from jacobians.notation.rewrite import merge
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum, relabelled, transposed
from jacobians.notation.writing import TABLE_NAME
from jacobians.operations.by_terms import Multilinear

_LONGEST = 24  # names in an expression that is still written where it stands
_LETTERS = "MNPQRSTUVWZABCDEFHL"  # of parts; I, G, K, X and Y mean something already


class Names:
    """The names in one formula, given as they are needed.

    Parameters
    ----------
    operands : mapping of Node to numpy.ndarray or None
        What the formula is made of, with arrays as far as known: leaves with equal arrays are the same.
    taken : iterable of str
        Names that mean something else beside the formula.
    """

    def __init__(self, operands: Mapping[Node, Any], taken: Iterable[str] = ()) -> None:
        self._arrays = operands
        self._leaves: dict[Node, str] = {}
        self._sizes: dict[Node, int] = {}
        self._wanted: set[Node] = set()
        found: dict[str, list[Node]] = {}
        for node in sorted(ordered(operands), key=lambda node: node.serial):  # as they were met
            if node.operation is None and node.name:
                known = found.setdefault(node.name, [])
                twin = next((other for other in known if self._equal(node, other)), None)
                if twin is None:
                    name, used = node.name, {*self._leaves.values()}
                    while name in used:
                        name += "′"
                    self._leaves[node] = name
                    known.append(node)
                else:
                    self._leaves[node] = self._leaves[twin]
        self._taken = {*self._leaves.values(), *taken}
        self.begin()

    def begin(self) -> None:
        """Forget the names that were given, but not what is to have one: the formula is written again."""
        self.parts: dict[Node | Sum | float, str] = {}
        self.tables: dict[Table, str] = {}

    @property
    def wanted(self) -> int:
        """How many nodes are known to need a name although they are short."""
        return len(self._wanted)

    def _equal(self, node: Node, other: Any) -> bool:
        array, twin = self._array(node), self._array(other)
        return array is not None and twin is not None and np.array_equal(array, twin)

    def _array(self, node: Node) -> Any:
        known = self._arrays.get(node)
        return node.value if known is None else known

    def leaf(self, node: Node) -> str:
        """The name of an input or a constant; an unnamed one is ``c``, ``c1`` and so on."""
        if node not in self._leaves and node.name:
            return node.name
        if node not in self._leaves and node not in self.parts:
            for other, name in self.parts.items():
                unnamed = isinstance(other, Node) and other.operation is None
                if unnamed and self._equal(node, other):
                    return name
            self.parts[node] = self._free(chain("c", (f"c{n}" for n in count(1))))
        return self._leaves.get(node) or self.parts[node]

    def number(self, number: float) -> str:
        """The name of a number that cannot be written short without rounding."""
        if number not in self.parts:
            self.parts[number] = self._free(chain("c", (f"c{n}" for n in count(1))))
        return self.parts[number]

    def terms(self, tensor: Sum) -> str:
        """The name of a sum of terms that is no node."""
        if tensor not in self.parts:
            self.parts[tensor] = self._free(chain(_LETTERS, (f"M{n}" for n in count(1))))
        return self.parts[tensor]

    def table(self, table: Table) -> str:
        """The name of a table of positions."""
        if table not in self.tables:
            self.tables[table] = self._free(chain("t", (f"t{n}" for n in count(1))))
        return self.tables[table]

    def is_part(self, node: Node) -> bool:
        """Whether the node is written by a name: because it is long, or because it has one."""
        return node in self._wanted or self._size(node) > _LONGEST

    def part(self, node: Node, orders: Iterable[tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
        """The name of a node, and the order in which the definition has its axes.

        ``orders`` are those in which another part, of the same terms, may stand for the node.
        """
        if not self.is_part(node):
            self._wanted.add(node)
        if node in self.parts:
            return self.parts[node], tuple(range(node.ndim))
        for other, order in self._same(node, orders):
            return self.parts[other], order
        self.parts[node] = self._free(chain(_LETTERS, (f"M{n}" for n in count(1))))
        return self.parts[node], tuple(range(node.ndim))

    def _same(
        self, node: Node, orders: Iterable[tuple[int, ...]]
    ) -> Iterator[tuple[Node, tuple[int, ...]]]:
        """Parts that are the node with its axes in another order."""
        own = structure_of(node)
        if own is None:
            return
        operands, found = {*node.operands}, list(orders)
        for other in [n for n in self.parts if isinstance(n, Node) and n.operation is not None]:
            there = structure_of(other) if {*other.operands} == operands else None
            for order in found if there is not None else ():
                if _equal_sums(transposed(own, order), there):
                    yield other, order

    def _free(self, names: Iterator[str]) -> str:
        used = {*self._taken, *self.parts.values(), *self.tables.values()}
        return next(name for name in names if name not in used)

    def _size(self, node: Node) -> int:
        """How many names it takes to write the node, parts counted as one."""
        if node not in self._sizes:
            for new in ordered([node], self._sizes):
                sizes = (self._sizes[n] for n in new.operands)
                self._sizes[new] = 1 + sum(1 if size > _LONGEST else size for size in sizes)
        return self._sizes[node]


def _equal_sums(tensor: Sum, other: Sum | None) -> bool:
    if other is None or tensor.shape != other.shape or len(tensor.terms) != len(other.terms):
        return False
    negative = Sum(other.shape, tuple(t._replace(coefficient=-t.coefficient) for t in other.terms))
    return not merge(Sum(tensor.shape, (*tensor.terms, *negative.terms))).terms


def structure_of(node: Node) -> Sum | None:
    """A multilinear node that is spelled out, as a sum of terms over its operands; None for any other."""
    if not isinstance(node.operation, Multilinear) or not node.operation.spelled:
        return None
    tensor = node.operation.structure(tuple(n.shape for n in node.operands), node.parameters)
    return relabelled(tensor, node.operands.__getitem__)


_NAMES: ContextVar[Names | None] = ContextVar("jacobians_names", default=None)


def names() -> Names:
    """The names in force; new ones where nothing is being written."""
    found = _NAMES.get()
    return Names({}) if found is None else found


@contextmanager
def distinct_names(operands: Mapping[Node, Any], taken: Iterable[str] = ()) -> Iterator[Names]:
    """While it lasts, names are given by one :class:`Names`."""
    found = Names(operands, taken)
    token, table = _NAMES.set(found), TABLE_NAME.set(found.table)
    try:
        yield found
    finally:
        _NAMES.reset(token)
        TABLE_NAME.reset(table)
