"""Whole formulas: what is too long for its place is named there, and defined behind the formula."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from jacobians.display.expressions import entry, label, shape_of
from jacobians.display.matrix_forms import written_name
from jacobians.display.naming import Names, distinct_names, names, structure_of
from jacobians.graph.node import Node
from jacobians.notation.explicit import axis_names
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum
from jacobians.notation.writing import Style, fresh_letters, subscript, write

Pairs = tuple[tuple[str, str], ...]
Text = TypeVar("Text")
_LISTED = 12  # entries of a table of positions that are written
MORE = "more parts have a name: see formula()"
_TRIES = 4  # times a formula is written, until no part of it is named in one place only


class Formula(NamedTuple):
    """A formula, and what its names stand for: pairs of left and right sides, in order of appearance."""

    main: str
    parts: Pairs = ()
    style: Style = "text"

    def __str__(self) -> str:
        """``δ_ik M_jl, where M_ij = …; c = 0.123456789``."""
        if not self.parts:
            return self.main
        where, between = (
            (",\\quad\\text{where }", ";\\quad ") if self.style == "latex" else (", where ", "; ")
        )
        return self.main + where + between.join(f"{left} = {right}" for left, right in self.parts)


def where_lines(formula: Formula, longest: int, most: int) -> list[str]:
    """``where M_ij = …``, a line for each part while they are fewer, and no longer together, than that."""
    lines: list[str] = []
    for number, (left, right) in enumerate(formula.parts):
        line = f"  {'     ' if lines else 'where'} {left} = {right}"
        if number == most - 1 or sum(map(len, lines)) + len(line) > longest:
            return [*lines, f"  {MORE}"]
        lines.append(line)
    return lines


def formula_of(
    tensor: Sum,
    axes: str,
    operands: Mapping[Node, Any],
    style: Style = "text",
    taken: Iterable[str] = (),
    most: int | None = None,
) -> Formula:
    """A sum of terms over nodes as a formula.

    Parameters
    ----------
    tensor : Sum
        The terms.
    axes : str
        A letter for each axis.
    operands : mapping of Node to numpy.ndarray or None
        Whose names are told apart; arrays as far as they are known.
    style : {"text", "latex"}
        How it is written.
    taken : iterable of str
        Names that mean something else beside the formula.
    most : int, optional
        Parts that are defined; more take their time, and are not there.
    """

    def main() -> str:
        shown = tensor
        while (core := _alone(shown)) is not None:
            shown = core
        return write(shown, axes, label, style, shape_of).text

    return written_out(main, operands, style, taken, most)


def _alone(tensor: Sum) -> Sum | None:
    """The terms of the part that the tensor is, and nothing else; None where it is more, or no sum."""
    if len(tensor.terms) != 1 or len(tensor.terms[0].factors) != 1:
        return None
    (term,) = tensor.terms
    (factor,) = term.factors
    core = structure_of(factor.operand) if names().is_part(factor.operand) else None
    if term.coefficient != 1 or factor.mask or core is None or factor.operand.operation.notation:
        return None
    return core if term.slots == factor.slots and tensor.shape == core.shape else None


def written_out(
    main: Callable[[], str],
    operands: Mapping[Node, Any],
    style: Style = "text",
    taken: Iterable[str] = (),
    most: int | None = None,
) -> Formula:
    """What ``main`` writes, with the parts that it names."""
    return Formula(*settled(main, operands, style, taken, most), style)


def settled(
    main: Callable[[], Text],
    operands: Mapping[Node, Any],
    style: Style = "text",
    taken: Iterable[str] = (),
    most: int | None = None,
) -> tuple[Text, Pairs]:
    """What ``main`` makes while names are given, and the definitions of these.

    It is made again where a node was named after it had been written out: one way for one array.
    """
    with distinct_names(operands, taken) as given:
        for _ in range(_TRIES):
            wanted = given.wanted
            given.begin()
            made = main()
            parts = tuple(islice(definitions(given, style), most))
            if given.wanted == wanted:
                break
    return made, parts


def definitions(given: Names, style: Style) -> Iterator[tuple[str, str]]:
    """Left and right sides for all that was named, also by the definitions before."""
    done: set[Any] = set()
    while left := [key for key in (*given.parts, *given.tables) if key not in done]:
        key = left[0]
        done.add(key)
        if isinstance(key, Table):
            yield given.tables[key], listed(key.values.tolist(), style)
        elif isinstance(key, Sum):
            axes = axis_names(len(key.shape), 0)
            side = subscript(written_name(given.parts[key], style), axes, style)
            yield side, write(key, axes, label, style, shape_of).text
        elif not isinstance(key, Node):
            yield written_name(given.parts[key], style), repr(float(key))
        elif key.operation is not None:
            axes = axis_names(key.ndim, 0)
            side = subscript(written_name(given.parts[key], style), axes, style)
            yield side, defined(key, axes, style)


def listed(positions: Sequence[int], style: Style) -> str:
    """A table of positions: ``(0, 2, 1, …)``."""
    dots = "\\dots" if style == "latex" else "…"
    shown = [str(n) for n in positions[:_LISTED]] + [dots] * (len(positions) > _LISTED)
    return f"({', '.join(shown)})"


def defined(node: Node, axes: str, style: Style) -> str:
    """A node written out at letters, by its last operation."""
    tensor = structure_of(node)
    if tensor is not None and node.operation is not None and not node.operation.notation:
        return write(tensor, axes, label, style, shape_of).text
    return entry(node, list(axes), style, fresh_letters(axes)).text
