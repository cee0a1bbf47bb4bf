"""Copies of the nodes near a step, which note that they were looked at."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jacobians.derivation.likely import is_seen_behind, is_selection, may_cancel_as
from jacobians.graph.node import Node, alone, over

_DEPTH = 6  # operations behind what is given, up to which a step may look
WIDEST = 8
"""Operands of a node that is looked behind."""


class _Watching(threading.local):
    """The copies that were looked at in this thread since it was asked."""

    looked: set[Node] | None = None


_watching = _Watching()


@contextmanager
def looked_at() -> Iterator[set[Node]]:
    """The copies that are looked at during the block."""
    looked: set[Node] = set()
    _watching.looked = looked
    try:
        yield looked
    finally:
        _watching.looked = None


def _watched(name: str) -> Any:
    read = getattr(Node, name).__get__

    def value(self: Node) -> Any:
        if _watching.looked is not None:
            _watching.looked.add(self)
        return read(self)

    return property(value)


class _Copy(Node):
    """A node that notes when it is looked at: its shape, dtype and serial number are seen without."""

    __slots__ = ()

    operation = _watched("operation")
    operands = _watched("operands")
    parameters = _watched("parameters")


class Copies:
    """Copies of nodes near a step, watched where there are copies of their operands, too.

    Attributes
    ----------
    reached : dict
        For each node the one whose operand it is; None for those that the step is given.
    of : dict
        For each node its copy.
    newest : int
        The serial number up to which copies are of nodes that are computed anyway.
    """

    def __init__(self, given: Sequence[Node], traced: range) -> None:
        self.reached: dict[Node, Node | None] = dict.fromkeys(given)
        inside: set[Node] = set()
        level: Sequence[Node] = given
        for _ in range(_DEPTH):
            onward: list[Node] = []
            for one in level:
                own = one.operands
                if one in inside or not 0 < len(own) <= WIDEST:
                    continue
                if one is not given[0] and is_selection(one):
                    continue
                inside.add(one)
                for operand in own:
                    self.reached.setdefault(operand, one)
                if one is given[0] or is_seen_behind(one):
                    onward += own
            level = onward
        self.of: dict[Node, Node] = {}
        self.newest = -1
        for one in sorted(self.reached, key=lambda node: node.serial):
            if one in inside:
                copy = over(one.look, tuple([self.of[operand] for operand in one.operands]))
                object.__setattr__(copy, "__class__", _Copy)
            else:
                copy = alone(one.look)
            may_cancel_as(copy, one)
            self.of[one] = copy
            if one.serial in traced:
                self.newest = copy.serial
