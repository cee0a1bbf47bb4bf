"""Whole derivations that were made before, of a program that looked the same.

A program that is traced again and again, a step of an optimisation, is derived once: what looks the same
node for node is derived alike, by the contract of ``links``. The first time a program is only noted, the
second time what was made of its nodes is kept, and from then on it is made of others' again.
"""

import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from jacobians.graph.looks import Look, parts_of
from jacobians.graph.node import Node, ordered, over
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import Sum, bytes_of, relabelled, table_bytes

_KEPT = 1 << 23  # bytes of all programs that are kept


class _Made(NamedTuple):
    """What to make of the nodes of a program; the tensors are over all of them and what was made."""

    literals: tuple[Node, ...]
    made: tuple[tuple[Look, tuple[int, ...]], ...]
    results: tuple[Sum, ...]

    def of(self, nodes: Sequence[Node]) -> list[Sum]:
        """The same of other nodes."""
        every = [*nodes, *self.literals]
        for look, read in self.made:
            every.append(over(look, tuple([every[place] for place in read])))
        return [relabelled(tensor, every.__getitem__) for tensor in self.results]


def _weight(key: tuple[Any, ...], program: _Made) -> int:
    looks = [*[one for one in key if type(one) is Look], *[look for look, _ in program.made]]
    heads = {id(look.head): look.head for look in looks}
    return (
        8 * len(key)
        + 160 * len(program.made)
        + sum(64 + bytes_of(parts_of(head)[1]) for head in heads.values())
        + sum(256 + table_bytes(tensor) for tensor in program.results)
        + sum(getattr(node.value, "nbytes", 32) for node in program.literals)
    )


_PROGRAMS: ByteCache[_Made] = ByteCache(_KEPT, _weight)
_SEEN: ByteCache[list[Any]] = ByteCache(1 << 18, lambda _, looks: 64 * len(looks))
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
    nodes = sorted(ordered([*outputs, *inputs]), key=lambda node: node.serial)
    if any(node.operation is not None and node.operation.asks for node in nodes):
        return derive()
    places = {node: place for place, node in enumerate(nodes)}
    key: list[Any] = [name, *[places[node] for node in (*outputs, *inputs)]]
    for node in nodes:
        key.append(node.look)
        if node.operands:
            key.extend([places[operand] for operand in node.operands])
    program = tuple(key)
    seen = _SEEN.get(hash(program), list)
    if not seen or any(look() is None for look in seen):
        seen[:] = [weakref.ref(look) for look in {node.look for node in nodes}]
        return derive()
    return _PROGRAMS.get(program, lambda: _learned(derive(), places)).of(nodes)


def _learned(found: Sequence[Sum], places: dict[Node, int]) -> _Made:
    """How the tensors are made of the known nodes."""
    new = ordered([operand for tensor in found for operand in tensor.operands], places)
    every = dict(places)
    literals = tuple([node for node in new if not node.operands])
    for node in (*literals, *[node for node in new if node.operands]):
        every[node] = len(every)
    made = [
        (node.look, tuple([every[operand] for operand in node.operands]))
        for node in new
        if node.operands
    ]
    return _Made(
        literals, tuple(made), tuple([relabelled(tensor, every.__getitem__) for tensor in found])
    )
