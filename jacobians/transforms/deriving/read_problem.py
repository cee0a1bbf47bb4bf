"""What a derivation shows of a problem, in normal form: its value, its derivative, and their names."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Expr, Leaf
from jacobians.algebra.moments import with_moments
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.recognising import recognised
from jacobians.algebra.reshaping import reshaped
from jacobians.algebra.sizes import lettered
from jacobians.algebra.slot_letters import Unread
from jacobians.display.arranging import Arranger
from jacobians.display.naming import Names
from jacobians.display.networks import NoForm
from jacobians.graph.node import Node, ordered
from jacobians.transforms.deriving.problem import Problem
from jacobians.transforms.deriving.programs import leaf_code, length_in

_LISTED = 12  # entries of a column that has no name, as it is shown


class ReadProblem:
    """A problem's value and derivative as expressions.

    Parameters
    ----------
    subject : Problem
        The function at its arguments.
    symmetric : set of str
        The arguments that are their own transposes.
    letters : mapping of int to Leaf
        Sizes, each a prime of its own, that are called by letters.
    """

    def __init__(
        self, subject: Problem, symmetric: frozenset[str], letters: Mapping[int, Leaf]
    ) -> None:
        self._subject, self._symmetric, self._letters = subject, symmetric, letters

    @cached_property
    def _nodes(self) -> list[Node]:
        s = self._subject
        return ordered([s.output, *s.terms.operands, *s.plain_terms.operands])

    @cached_property
    def _names(self) -> Names:
        values = self._subject.values
        known = {n: values.get(n) if n.operation is None else None for n in self._nodes}
        return Names(known, self._subject.jacobian.names)

    def leaf(self, node: Node) -> str:
        """What a leaf of the graph is called."""
        output = self._subject.title
        return output if node.name == output and node.operation is None else self._names.leaf(node)

    def reader(self, known: Mapping[Node, str] | None = None) -> Reader:
        """What reads nodes as expressions, some of them by a name."""
        active = frozenset({self._subject.jacobian.names[1]})
        return Reader(
            self.leaf, symmetric=self._symmetric, active=active, known=known, table=self._names.table
        )  # fmt: skip

    @cached_property
    def value(self) -> Expr | None:
        """The function's value, None where it is not read."""
        try:
            return lettered(self.reader().expression(self._subject.output), self._letters)
        except (Unread, NoForm):
            return None

    @cached_property
    def numbered(self) -> Expr | None:
        """The derivative with its axes as they are, and numbers for sizes; None where it is not read."""
        try:
            tensor = self._subject.terms
            values = {n.name: n for n in tensor.operands if n.operation is None}
            stand_in = values.get(self._subject.title)
            reader = self.reader()
            if stand_in is not None and self._subject.values.get(stand_in) is None:
                reader.known_as(stand_in, self.reader().expression(self._subject.output))
            return with_moments(recognised(reader.tensor(tensor)))
        except (Unread, NoForm):
            return None

    @cached_property
    def derivative(self) -> Expr | None:
        """The derivative, None where it is not read."""
        read = self.numbered
        return None if read is None else lettered(reshaped(read), self._letters)

    @cached_property
    def others(self) -> dict[str, Any]:
        """The leaves that are no arguments, by their names, with their values."""
        s = self._subject
        found: dict[str, Any] = {}
        for node in self._nodes:
            number = node.is_number or (not node.name and node.shape == ())
            if node.operation is None and not number:
                name = self.leaf(node)
                if name not in s.parameters and name != s.title:
                    found[name] = s.values.get(node, node.value)
        return found

    @cached_property
    def unnamed(self) -> dict[str, tuple[str, ...]]:
        """Columns of few short numbers that have no name of the user's, by the letters that they got."""
        found: dict[str, tuple[str, ...]] = {}
        for node in self._nodes:
            value = self._subject.values.get(node, node.value) if node.operation is None else None
            if value is None or node.name or node.ndim != 1 or node.shape[0] > _LISTED:
                continue
            texts = tuple(f"{x:g}" for x in np.asarray(value, float))
            if all(float(t) == x for t, x in zip(texts, np.asarray(value, float), strict=True)):
                found[self.leaf(node)] = texts
        return found

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of arguments and of other leaves, by name."""
        found: dict[str, tuple[int, ...]] = {}
        for node in self._nodes:
            if node.operation is None and not node.is_number:
                found.setdefault(self.leaf(node), node.shape)
        names = (*self._subject.parameters, *self.others)
        return {n: found[n] for n in names if n in found}

    @cached_property
    def arranger(self) -> Arranger:
        """What gives forms, for text and programs alike."""
        return Arranger(length_in(self.shapes), leaf_code)
