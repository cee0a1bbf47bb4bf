"""Whole derivations that were made before, of a program that looked the same.

A program that is traced again and again, a step of an optimisation, is derived once: what looks the same
node for node is derived alike, by the contract of ``links``. The first time a program is only noted, the
second time what was made of its nodes is kept, and from then on it is made of others' again.
"""

import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from jacobians.derivation.making import Making
from jacobians.graph.looks import Look, held_by
from jacobians.graph.node import Node, ordered
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import Sum, relabelled, table_bytes

_KEPT = 1 << 23  # bytes of all programs that are kept
_NOTED = 1 << 18  # and of what is noted of programs that were seen once


class _Program(NamedTuple):
    """What to make of the nodes of a program, and the tensors over all of these."""

    making: Making
    results: tuple[Sum, ...]

    def of(self, nodes: Sequence[Node]) -> list[Sum]:
        """The same of other nodes."""
        every = self.making.again(nodes, {})
        return [relabelled(tensor, every.__getitem__) for tensor in self.results]


def _weight(key: tuple[Any, ...], program: _Program) -> int:
    tensors = sum(256 + table_bytes(tensor) for tensor in program.results)
    looks = [one for one in key if type(one) is Look]
    return 8 * len(key) + held_by(looks) + program.making.bytes + tensors


_PROGRAMS: ByteCache[_Program] = ByteCache(_KEPT, _weight)
_SEEN: ByteCache[list[Any]] = ByteCache(_NOTED, lambda _, looks: 64 * len(looks))
"""The looks in programs that were seen, by the programs' hashes, which say nothing once a look is gone.

Of most programs that are seen once nothing need be kept.
"""


def derived_once(
    name: Hashable, outputs: Sequence[Node], inputs: Sequence[Node], derive: Callable[[], list[Sum]]
) -> list[Sum]:
    """What ``derive`` makes of the nodes behind the outputs; as it was made before of such.

    Parameters
    ----------
    name : hashable
        Which derivation it is, with all that it depends on beside the nodes.
    outputs, inputs : sequence of Node
        The nodes that it is given: behind the outputs lie all that it looks at.
    derive : callable
        Derives.
    """
    nodes = _behind(outputs, inputs)
    if nodes is None:
        return derive()
    places = {node: place for place, node in enumerate(nodes)}
    key: list[Any] = [name, *[places[node] for node in (*outputs, *inputs)]]
    for node in nodes:
        key.append(node.look)
        if node.operands:
            key.extend([places[operand] for operand in node.operands])
    program = tuple(key)
    mark = hash(program)
    seen = _SEEN.get(mark, list)
    if not seen or any(look() is None for look in seen):
        seen[:] = [weakref.ref(look) for look in {node.look for node in nodes}]
        _SEEN.reweigh(mark)
        return derive()
    return _PROGRAMS.get(program, lambda: _learned(derive(), places)).of(nodes)


def _behind(outputs: Sequence[Node], inputs: Sequence[Node]) -> list[Node] | None:
    """The nodes behind the outputs, oldest first; None where it does not pay to know whether they look the same.

    That is inside of another function, whose history lies behind them, and grows; and where a user's
    rule is to be asked.
    """
    first = min([node.serial for node in inputs], default=0)
    found = {*outputs, *inputs}
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        operation = node.operation
        if operation is not None and (operation.asks or node.serial < first):
            return None
        for operand in node.operands:
            if operand not in found:
                found.add(operand)
                waiting.append(operand)
    return sorted(found, key=lambda node: node.serial)


def _learned(found: Sequence[Sum], places: dict[Node, int]) -> _Program:
    """How the tensors are made of the known nodes."""
    new = ordered([operand for tensor in found for operand in tensor.operands], places)
    making, every = Making.of(new, places, len(places))
    return _Program(making, tuple([relabelled(tensor, every.__getitem__) for tensor in found]))
