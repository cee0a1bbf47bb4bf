"""Nodes as plain data, so that a stored tensor is written as it was: what they are made of, without arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jacobians.display.naming import names, structure_of
from jacobians.graph.node import Node, Operation, ordered
from jacobians.notation.terms import Sum, numbered
from jacobians.operations.by_terms import Multilinear

_SHOWN = (
    "name",
    "key",
    "arguments",
    "notation",
    "latex",
    "indexed",
    "indexed_latex",
    "binds",
    "elementwise",
)


class StoredNode(NamedTuple):
    """A node: how its operation is written (nothing for a leaf), and its operands' places."""

    shown: tuple[Any, ...]
    terms: Sum | None
    operands: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str
    value: Any


class _Shown(Operation):
    """An operation of which only its writing is left."""


class _ShownSum(Multilinear):
    """A multilinear operation of which its terms are left."""

    _terms: Sum

    def __init__(self, terms: Sum, shown: Mapping[str, Any]) -> None:
        # Not by the constructor of declared operations: it is no operation that can be found.
        Operation.__init__(
            self, **shown, forms=(), real=False, checked=False, _build=None, _value=None, _how=None,
            _called=False, _terms=terms,
        )  # fmt: skip

    def structure(self, shapes: Any, parameters: Any) -> Sum:
        """The stored terms."""
        del shapes, parameters  # the terms are of these already
        return self._terms


def stored(nodes: Sequence[Node]) -> tuple[list[StoredNode], list[int]]:
    """The nodes and all that they depend on, operands first, and where the nodes are among them.

    Leaves have the names that are in force.
    """
    places: dict[Node, int] = {}
    found: list[StoredNode] = []
    for node in ordered(nodes):
        places[node] = len(found)
        own = structure_of(node)
        number = node.value if node.operation is None and not node.name and not node.shape else None
        named = node.operation is None and number is None
        found.append(
            StoredNode(
                tuple(getattr(node.operation, key) for key in _SHOWN) if node.operation else (),
                None if own is None else numbered(own, node.operands),
                tuple(places[operand] for operand in node.operands),
                node.shape,
                node.dtype,
                names().leaf(node) if named else "",
                number,
            )
        )
    return found, [places[node] for node in nodes]


def restored(everything: Sequence[StoredNode], places: Sequence[int]) -> list[Node]:
    """Nodes that are written like those which were stored."""
    found: list[Node] = []
    leaves: dict[str, Node] = {}
    for kept in everything:
        operation: Operation | None = None
        if kept.shown:
            shown = dict(zip(_SHOWN, kept.shown, strict=True))
            operation = _Shown(**shown) if kept.terms is None else _ShownSum(kept.terms, shown)
        node = Node(
            operation, tuple(found[n] for n in kept.operands), (), kept.shape, kept.dtype,
            name=kept.name, value=kept.value,
        )  # fmt: skip
        found.append(leaves.setdefault(kept.name, node) if kept.name else node)
    return [found[place] for place in places]
