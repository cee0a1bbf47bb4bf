"""The steps of a derivation as a lecturer writes them: coordinate form, factors, deltas, sums, result."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jacobians.algebra.atoms import Expr, Leaf
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.recognising import recognised
from jacobians.algebra.remaking import without_centring
from jacobians.algebra.sizes import lettered
from jacobians.display.indices import Indexer
from jacobians.display.matrix_forms import written_name
from jacobians.graph.node import Node
from jacobians.notation.explicit import axis_names
from jacobians.notation.writing import Style, subscript
from jacobians.transforms.deriving.local_jacobians import Chain, Path, contracted, routes
from jacobians.transforms.deriving.product_rule import by_factors


class StepTaken(NamedTuple):
    """What was done, in words, and the expression after it, as text and as LaTeX."""

    what: str
    expression: str
    latex: str = ""

    def __str__(self) -> str:
        return f"{self.what}\n    {self.expression}"


class _Line(NamedTuple):
    text: str
    latex: str


class Story:
    """Writes the steps.

    Parameters
    ----------
    names : (str, str)
        What the result and the argument are called.
    axes : str
        The letters of the derivative's axes.
    out_ndim : int
        How many are the result's.
    letters : mapping of int to Leaf
        Sizes that are called by letters.
    """

    def __init__(
        self, names: tuple[str, str], axes: str, out_ndim: int, letters: Mapping[int, Leaf]
    ) -> None:
        self._names, self._axes, self._out_ndim, self._letters = names, axes, out_ndim, letters
        self.steps: list[StepTaken] = []

    @property
    def _out(self) -> str:
        return self._axes[: self._out_ndim]

    @property
    def _in(self) -> str:
        return self._axes[self._out_ndim :]

    def add(self, what: str, text: str, latex: str) -> None:
        """One more step."""
        self.steps.append(StepTaken(what, text, latex))

    def both(self, expr: Expr, axes: Sequence[str], most: int | None = None) -> _Line:
        """An expression in both styles, sums written out; raises NoForm where it has more terms."""
        shown = lettered(without_centring(recognised(expr)), self._letters)
        text, latex = (Indexer(s, most=most).write(shown, axes).text for s in ("text", "latex"))
        return _Line(text, latex)

    def title(self, style: Style) -> str:
        """``∂A_ij/∂B_kl``."""
        out, inner = self._names
        above = subscript(written_name(out, style), self._out, style)
        below = subscript(written_name(inner, style), self._in, style)
        if style == "latex":
            return f"\\frac{{\\partial {above}}}{{\\partial {below}}}"
        return f"∂{above}/∂{below}"

    def value(self, name: str, axes: str, expr: Expr, most: int | None = None) -> _Line:
        """``Y_ij = Σ_r B_ir C_rj``."""
        found = self.both(expr, axes, most)
        return _Line(
            f"{subscript(name, axes, 'text')} = {found.text}",
            f"{subscript(written_name(name, 'latex'), axes, 'latex')} = {found.latex}",
        )

    def derivative(self, expr: Expr, most: int | None = None) -> _Line:
        """``∂Y_ij/∂B_kl = δ_ik C_lj``."""
        found = self.both(expr, self._axes, most)
        text, latex = self.title("text"), self.title("latex")
        return _Line(f"{text} = {found.text}", f"{latex} = {found.latex}")

    def by_factors(self, expr: Expr, leaf: str) -> None:
        """Coordinate form, product rule, deltas, and the sums that they remove."""
        self.add("coordinate form", *self.value(self._names[0], self._out, expr))
        text, latex = (by_factors(expr, leaf, self._out, self._in, s) for s in _STYLES)
        titles = self.title("text"), self.title("latex")
        if not text.raw:
            self.add("derivative", f"{titles[0]} = 0", f"{titles[1]} = 0")
            return
        self.add(
            "derivative, factor by factor", f"{titles[0]} = {text.raw}", f"{titles[1]} = {latex.raw}"
        )  # fmt: skip
        why = "entries of one array are independent: a Kronecker delta for each index"
        self.add(why, f"= {text.deltas}", f"= {latex.deltas}")
        if text.removed:
            self.add("; ".join(text.removed), f"= {text.collapsed}", f"= {latex.collapsed}")

    def by_chain(
        self, output: Node, start: Node, names_of: Mapping[Node, str],
        reader_of: Callable[[Mapping[Node, str]], Reader],
    ) -> None:  # fmt: skip
        """Intermediate results and their local Jacobians, each once, contracted from the output."""
        chain = Chain(output, start, self._names, names_of, reader_of)
        self._add_lines(
            "coordinate form",
            [
                self.value(name, axis_names(node.ndim, 0), chain.value(node))
                for node, name in (*chain.beside, *chain.stations)
            ],
        )
        lines: list[_Line] = []
        paths: list[Path] = []
        for (node, name), (operand, inner), tensor in chain.links():
            axes = axis_names(node.ndim, operand.ndim)
            lines.append(Story((name, inner), axes, node.ndim, self._letters).derivative(tensor))
            paths.append((name, inner))
        direct = paths == [self._names]
        self._add_lines("derivative" if direct else "local Jacobians", lines)
        if not direct:
            self.add("chain rule, contracted from the output", *self._contracted(paths))

    def _add_lines(self, what: str, lines: Sequence[_Line]) -> None:
        text = "\n".join(line.text for line in lines)
        self.add(what, text, " \\\\\n".join(f"& {line.latex}" for line in lines))

    def _contracted(self, paths: Sequence[Path]) -> _Line:
        """The product of local Jacobians along each way from the result to the argument."""
        found = routes(paths, *self._names)
        if found is None:
            return _Line(
                f"{self.title('text')}: the local Jacobians multiplied along every path, and added",
                f"& {self.title('latex')}\\text{{: the local Jacobians along every path, added}}",
            )
        return _Line(contracted(found, "text"), contracted(found, "latex"))


_STYLES: tuple[Style, Style] = ("text", "latex")
