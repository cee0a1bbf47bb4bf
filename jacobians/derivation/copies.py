"""Copies of the nodes near a step, which note that they were looked at."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jacobians.derivation.likely import is_closed, is_seen_behind, may_cancel_as
from jacobians.graph.node import Node, alone, in_kind, opened, ordered, over

_AHEAD = 3  # operations behind one that was looked at, whose results are known as users
_DEPTH = 12  # operations behind what is given, up to which a step may look


class _Watching(threading.local):
    """Those who ask in this thread which of their copies are looked at; a rule may derive, too."""

    def __init__(self) -> None:
        self.copies: list[Copies] = []


_watching = _Watching()


def _watched(name: str) -> Any:
    read = getattr(Node, name).__get__

    def value(self: Node) -> Any:
        for copies in _watching.copies:
            copies.note(self)
        return read(self)

    return property(value)


class _Copy(Node):
    """A node that notes when it is first looked at: its shape, dtype and serial number are seen without."""

    __slots__ = ()

    operation = _watched("operation")
    operands = _watched("operands")
    parameters = _watched("parameters")


class Copies:
    """Copies of nodes near a step, made as they are looked at; those behind are opaque inputs.

    Attributes
    ----------
    of : dict
        For each node its copy, which is as old.
    reached : dict
        For each node the one whose operand it is; None for those that the step is given.
    looked : dict
        The nodes whose copies were looked at, in that order.
    """

    def __init__(self, given: Sequence[Node]) -> None:
        self.of: dict[Node, Node] = {}
        self.reached: dict[Node, Node | None] = {}
        self.looked: dict[Node, None] = {}
        self._behind: dict[Node, int] = {}
        self._originals: dict[Node, Node] = {}
        self._ahead: dict[Node, int] = {}
        self._first = given[0]
        for node in given:
            self._meet(node, None)
        for node in given:
            self._open(node, _AHEAD)

    def _meet(self, node: Node, before: Node | None) -> Node:
        copy = self.of.get(node)
        if copy is None:
            copy = self.of[node] = alone(node.look, node.serial)
            self.reached[node] = before
            self._behind[node] = 0 if before is None else self._behind[before] + 1
            self._originals[copy] = node
            may_cancel_as(copy, node)
        return copy

    def _open(self, node: Node, ahead: int) -> None:
        """Let the copy have copies of the operands, and those of theirs, some operations ahead."""
        before = self._ahead.get(node, 0)
        if ahead <= before:
            return
        operands = node.operands
        if not before:
            if node is not self._first and is_closed(node):
                return
            if not operands or self._behind[node] >= _DEPTH:
                return
            copy = self.of[node]
            opened(copy, node.look, tuple([self._meet(one, node) for one in operands]))
            in_kind(copy, _Copy)
        self._ahead[node] = ahead
        if ahead > 1 and (node is self._first or is_seen_behind(node)):
            for one in operands:
                self._open(one, ahead - 1)

    def note(self, copy: Node) -> None:
        """A copy, if it is one of these, is looked at."""
        node = self._originals.get(copy)
        if node is not None:
            self.looked[node] = None
            in_kind(copy, Node)
            self._open(node, _AHEAD + 1)

    def original(self, copy: Node) -> Node | None:
        """What a node is the copy of."""
        return self._originals.get(copy)

    def back(self, node: Node) -> Node:
        """The node of the originals that a node of the copies stands for."""
        for one in ordered([node], self._originals):
            operands = tuple([self._originals[operand] for operand in one.operands])
            self._originals[one] = over(one.look, operands) if operands else one
        return self._originals[node]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what is looked at during the block."""
        _watching.copies.append(self)
        try:
            yield
        finally:
            _watching.copies.remove(self)
