"""Whole formulas: what is too long for its place is named there, and defined behind the formula."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jacobians.display.expressions import entry, label
from jacobians.display.matrix_forms import written_name
from jacobians.display.naming import Names, distinct_names, part_axes, structure_of
from jacobians.graph.node import Node
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum
from jacobians.notation.writing import Style, fresh_letters, subscript, write

_LISTED = 12  # entries of a table of positions that are written
_TRIES = 4  # times a formula is written, until no part of it is named in one place only


class Formula(NamedTuple):
    """A formula, and what its names stand for: pairs of left and right sides, in order of appearance."""

    main: str
    parts: tuple[tuple[str, str], ...] = ()
    style: Style = "text"

    def __str__(self) -> str:
        """``δ_ik M_jl, where M_ij = …; c = 0.123456789``."""
        if not self.parts:
            return self.main
        where, between = (
            (",\\quad\\text{where }", ";\\quad ") if self.style == "latex" else (", where ", "; ")
        )
        return self.main + where + between.join(f"{left} = {right}" for left, right in self.parts)


def formula_of(
    tensor: Sum,
    axes: str,
    operands: Mapping[Node, Any],
    style: Style = "text",
    taken: Iterable[str] = (),
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
    """
    return written_out(lambda: write(tensor, axes, label, style).text, operands, style, taken)


def written_out(
    main: Callable[[], str],
    operands: Mapping[Node, Any],
    style: Style = "text",
    taken: Iterable[str] = (),
) -> Formula:
    """What ``main`` writes, with the parts that it names.

    It is written again where a node was named after it had been written out: one way for one array.
    """
    with distinct_names(operands, taken) as names:
        for _ in range(_TRIES):
            wanted = names.wanted
            names.begin()
            text = main()
            parts = tuple(definitions(names, style))
            if names.wanted == wanted:
                break
    return Formula(text, parts, style)


def definitions(names: Names, style: Style) -> Iterator[tuple[str, str]]:
    """Left and right sides for all that was named, also by the definitions before."""
    done: set[Any] = set()
    while left := [key for key in (*names.parts, *names.tables) if key not in done]:
        key = left[0]
        done.add(key)
        if isinstance(key, Table):
            shown = [str(n) for n in key.values[:_LISTED]] + ["…"] * (key.values.size > _LISTED)
            yield names.tables[key], f"({', '.join(shown)})".replace("…", _dots(style))
        elif not isinstance(key, Node):
            yield written_name(names.parts[key], style), repr(float(key))
        elif key.operation is not None:
            axes = part_axes(key)
            side = subscript(written_name(names.parts[key], style), axes, style)
            yield side, defined(key, axes, style)


def _dots(style: Style) -> str:
    return "\\dots" if style == "latex" else "…"


def defined(node: Node, axes: str, style: Style) -> str:
    """A node written out at letters, by its last operation."""
    tensor = structure_of(node)
    if tensor is not None and node.operation is not None and not node.operation.notation:
        return write(tensor, axes, label, style).text
    return entry(node, list(axes), style, fresh_letters(axes)).text
