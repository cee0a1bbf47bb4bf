"""Copies of the nodes near a step, which note that they were looked at."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jacobians.derivation.likely import is_closed, is_seen_behind, may_cancel_as
from jacobians.graph.node import Node, alone, opened, over

_AHEAD = 3  # operations behind one that was looked at, whose results are known as users
_DEPTH = 12  # operations behind what is given, up to which a step may look


class _Watching(threading.local):
    """The copies that are looked at in this thread, while somebody asks."""

    copies: "Copies | None" = None


_watching = _Watching()


def _watched(name: str) -> Any:
    read = getattr(Node, name).__get__

    def value(self: Node) -> Any:
        if _watching.copies is not None:
            _watching.copies.note(self)
        return read(self)

    return property(value)


class _Copy(Node):
    """A node that notes when it is looked at: its shape, dtype and serial number are seen without."""

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
        copy, operands = self.of[node], node.operands
        if type(copy) is not _Copy:
            if node is not self._first and is_closed(node):
                return
            if not operands or self._behind[node] >= _DEPTH:
                return
            opened(copy, node.look, tuple([self._meet(one, node) for one in operands]))
            object.__setattr__(copy, "__class__", _Copy)
        if ahead > 1 and (node is self._first or is_seen_behind(node)):
            for one in operands:
                self._open(one, ahead - 1)

    def note(self, copy: Node) -> None:
        """A copy is looked at."""
        node = self._originals[copy]
        if node not in self.looked:
            self.looked[node] = None
            self._open(node, _AHEAD + 1)

    def original(self, copy: Node) -> Node | None:
        """What a node is the copy of."""
        return self._originals.get(copy)

    def back(self, node: Node) -> Node:
        """The node of the originals that a node of the copies stands for."""
        original = self._originals.get(node)
        if original is None:
            operands = tuple([self.back(one) for one in node.operands])
            original = over(node.look, operands) if operands else node
            self._originals[node] = original
        return original

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what is looked at during the block."""
        _watching.copies = self
        try:
            yield
        finally:
            _watching.copies = None
