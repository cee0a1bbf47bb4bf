"""How nodes were made of others, to be made so of other ones again."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jacobians.graph.looks import Look, held_by
from jacobians.graph.node import Node, over, unused

_STEP = 256  # bytes of a node that is to be made


class Making(NamedTuple):
    """What to make of known nodes, of literals, and of what was made before.

    Attributes
    ----------
    literals : tuple of Node
        Nodes without operands, of which copies are used: what is made of a node is remembered by it.
    steps : tuple of (Look, places)
        What each node that is made looks like, and which nodes are its operands.
    """

    literals: tuple[Node, ...]
    steps: tuple[tuple[Look, tuple[int, ...]], ...]

    @classmethod
    def of(
        cls, new: Sequence[Node], known: Mapping[Node, int], count: int
    ) -> tuple["Making", dict[Node, int]]:
        """How nodes, operands first, are made of known ones that have these of ``count`` places; all places."""
        places = dict(known)
        literals = [node for node in new if not node.operands]
        places |= {node: count + n for n, node in enumerate(literals)}
        steps: list[tuple[Look, tuple[int, ...]]] = []
        for node in new:
            if node.operands:
                places[node] = count + len(literals) + len(steps)
                steps.append((node.look, tuple([places[operand] for operand in node.operands])))
        return cls(tuple(map(unused, literals)), tuple(steps)), places

    def again(self, nodes: Sequence[Node], literals: dict[Node, Node]) -> list[Node]:
        """The nodes, literals of their own (entered into the given ones), and what is made of them."""
        every = list(nodes)
        for literal in self.literals:
            own = literals.get(literal)
            if own is None:
                own = literals[literal] = unused(literal)
            every.append(own)
        for look, read in self.steps:
            every.append(over(look, tuple([every[place] for place in read])))
        return every

    @property
    def bytes(self) -> int:
        """What it keeps alive."""
        return (
            _STEP * (1 + len(self.steps))
            + held_by([look for look, _ in self.steps])
            + sum(getattr(node.value, "nbytes", 32) for node in self.literals)
        )
