"""The steps of a derivation as a lecturer writes them: coordinate form, factors, deltas, sums, result."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Leaf, Monomial
from jacobians.algebra.constants import Centring, Selector, Splitting, Unit
from jacobians.algebra.normal_form import sum_of
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.recognising import recognised
from jacobians.algebra.remaking import without_centring
from jacobians.algebra.sizes import lettered
from jacobians.algebra.slot_letters import Unread
from jacobians.derivation.chain_rule import between
from jacobians.derivation.quotients import local
from jacobians.display.indices import Indexer, by_name
from jacobians.display.matrix_forms import written_name
from jacobians.graph.node import Node, ordered
from jacobians.notation.explicit import axis_names
from jacobians.notation.join import composed
from jacobians.notation.terms import identity
from jacobians.notation.writing import (
    PRODUCT,
    SUM,
    Style,
    Written,
    fresh_letters,
    join_terms,
    subscript,
    write_product,
)
from jacobians.operations.by_terms import Multilinear

_SILENT = {"alias", "positive", "conjugate"}
"""Operations that are no step."""


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


def _mentions(atom: Atom, leaf: str) -> bool:
    if isinstance(atom, Leaf):
        return atom.name == leaf
    return any(_mentions(f.atom, leaf) for e in atom.inner for t in e.terms for f, _ in t.factors)


def is_polynomial(expr: Expr, leaf: str) -> bool:
    """Whether the leaf stands in products only, in no function and no power but whole ones."""
    for t in expr.terms:
        for f, e in t.factors:
            if isinstance(f.atom, Centring | Unit | Selector | Splitting):
                return False
            if isinstance(f.atom, Leaf) and f.atom.name == leaf:
                if e.denominator != 1 or e < 1:
                    return False
            elif _mentions(f.atom, leaf):
                return False
    return len(expr.terms) <= 3


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

    def both(self, expr: Expr, axes: Sequence[str]) -> _Line:
        """An expression in both styles, sums written out."""
        shown = lettered(without_centring(recognised(expr)), self._letters)
        return _Line(
            Indexer("text").write(shown, axes).text, Indexer("latex").write(shown, axes).text
        )

    def title(self, style: Style) -> str:
        """``∂A_ij/∂B_kl``."""
        out, inner = self._names
        if style == "latex":
            above = subscript(written_name(out, style), self._out, style)
            below = subscript(written_name(inner, style), self._in, style)
            return f"\\frac{{\\partial {above}}}{{\\partial {below}}}"
        return f"∂{subscript(out, self._out, style)}/∂{subscript(inner, self._in, style)}"

    # the note's own way

    def by_factors(self, expr: Expr, leaf: str) -> None:
        """Coordinate form, product rule, deltas, and the sums that they remove."""
        value = self.both(expr, self._out)
        left = [subscript(written_name(self._names[0], s), self._out, s) for s in ("text", "latex")]
        self.add("coordinate form", f"{left[0]} = {value.text}", f"{left[1]} = {value.latex}")
        done = [self._differentiated(expr, leaf, style) for style in ("text", "latex")]
        titles = [self.title("text"), self.title("latex")]
        (raw, deltas, removed, collapsed), (raw2, deltas2, _, collapsed2) = done
        if raw:
            self.add(
                "derivative, factor by factor", f"{titles[0]} = {raw}", f"{titles[1]} = {raw2}"
            )
            why = "entries of one array are independent: a Kronecker delta for each index"
            self.add(why, f"= {deltas}", f"= {deltas2}")
        else:
            self.add("derivative", f"{titles[0]} = 0", f"{titles[1]} = 0")
        if removed:
            self.add("; ".join(removed), f"= {collapsed}", f"= {collapsed2}")

    def _differentiated(
        self, expr: Expr, leaf: str, style: Style
    ) -> tuple[str, str, list[str], str]:
        raw, with_deltas, collapsed, removed = [], [], [], []
        sign_d = "\\partial " if style == "latex" else "∂"
        for t in sorted(expr.terms, key=lambda t: t.coefficient < 0):
            names: dict[int | None, str] = {None: "0"}
            outer: list[str] = []
            for slot, axis in zip(t.slots, self._out, strict=True):
                if slot in names and slot is not None:
                    outer.append(subscript("δ", (names[slot], axis), style))
                else:
                    names[slot] = axis
            fresh = fresh_letters(self._axes)
            dummies = [a for a in range(len(t.sizes)) if a not in names]
            for a in dummies:
                names[a] = next(fresh)
            flat: list[AtomAt] = []
            for f, e in sorted(t.factors, key=by_name):
                flat += [f] * int(e) if e.denominator == 1 and e > 0 else []
            powers = [(f, e) for f, e in t.factors if not (e.denominator == 1 and e > 0)]
            indexer = Indexer(style)

            def written(
                f: AtomAt, names: Mapping[int | None, str], indexer: Indexer = indexer
            ) -> str:
                return indexer.atom(
                    f.atom, [names[a] for a in f.letters], fresh_letters(self._axes)
                ).inside(1)

            rest = [
                indexer.powered(f.atom, [names[a] for a in f.letters], e, fresh).inside(1) for f, e in powers
            ]  # fmt: skip
            for n, f in enumerate(flat):
                if not (isinstance(f.atom, Leaf) and f.atom.name == leaf):
                    continue
                sums = subscript("Σ", [names[a] for a in dummies], style) if dummies else ""
                below = f"{sign_d}{subscript(written_name(leaf, style), self._in, style)}"
                above = f"{sign_d}{written(f, names)}"
                quotient = (
                    f"\\frac{{{above}}}{{{below}}}" if style == "latex" else f"{above}/{below}"
                )
                own = [(names[a], b) for a, b in zip(f.letters, self._in, strict=True)]
                pairs = [subscript("δ", p, style) for p in own]
                others = [(m, g) for m, g in enumerate(flat) if m != n]
                body = [*([sums] if sums else []), *outer]
                mine = [written(g, names) for m, g in others if m < n]
                after = [written(g, names) for m, g in others if m > n]
                raw.append(_product(t, [*body, *mine, quotient, *after, *rest], style))
                with_deltas.append(_product(t, [*body, *mine, *pairs, *after, *rest], style))
                new: dict[int | None, str] = dict(names)
                kept, gone = [], set()
                for (letter, axis), slot in zip(own, f.letters, strict=True):
                    if slot is None:
                        continue
                    a = slot
                    if a in dummies and a not in gone:
                        new[a] = axis
                        gone.add(a)
                        text = f"{subscript('δ', (letter, axis), 'text')} removes the sum over {letter} ({letter} → {axis})"  # noqa: E501
                        if text not in removed:
                            removed.append(text)
                    else:
                        kept.append(subscript("δ", (new[a], axis), style))
                left = [a for a in dummies if a not in gone]
                sums = subscript("Σ", [new[a] for a in left], style) if left else ""
                own_text = [*([sums] if sums else []), *outer, *kept]
                collapsed.append(
                    _product(t, [*own_text, *(written(g, new) for _, g in others), *rest], style)
                )
        return _joined(raw, style), _joined(with_deltas, style), removed, _joined(collapsed, style)

    # a chain

    def by_chain(
        self,
        output: Node,
        start: Node,
        names_of: Mapping[Node, str],
        reader_of: Callable[..., Reader],
    ) -> None:
        """Intermediate results and their local Jacobians, each once, contracted from the output."""
        reached = between(output, [start])
        nodes = [n for n in reached if n.operation is not None]
        chain = self._stations(output, nodes, names_of)
        beside = [(n, names_of[n]) for n in ordered([output]) if n in names_of and n not in reached]
        known = {n: name for n, name in (*beside, *chain) if n is not output}
        lines: list[_Line] = []
        for node, name in (*beside, *chain):
            others = {n: k for n, k in known.items() if n is not node}
            expr = reader_of(others).expression(node)
            axes = axis_names(node.ndim, 0)
            value = self.both(expr, axes)
            lines.append(
                _Line(
                    f"{subscript(name, axes, 'text')} = {value.text}",
                    f"{subscript(written_name(name, 'latex'), axes, 'latex')} = {value.latex}",
                )
            )
        self.add(
            "coordinate form",
            "\n".join(a.text for a in lines),
            " \\\\\n".join(f"& {a.latex}" for a in lines),
        )
        links: list[_Line] = []
        paths: list[tuple[str, str]] = []
        for node, name in reversed(chain):
            for operand, inner in [(start, self._names[1]), *chain]:
                if operand is node or not self._depends(node, operand, known):
                    continue
                tensor = self._link(node, operand, known, reader_of)
                if tensor is None:
                    continue
                axes = axis_names(node.ndim, operand.ndim)
                value = self.both(tensor, axes)
                story = Story((name, inner), axes, node.ndim, self._letters)
                links.append(
                    _Line(
                        f"{story.title('text')} = {value.text}",
                        f"{story.title('latex')} = {value.latex}",
                    )
                )
                paths.append((name, inner))
        direct = paths == [self._names]
        self.add(
            "derivative" if direct else "local Jacobians",
            "\n".join(a.text for a in links),
            " \\\\\n".join(f"& {a.latex}" for a in links),
        )
        if direct:
            return
        self.add("chain rule, contracted from the output", *self._contracted(paths))

    def _stations(
        self, output: Node, nodes: Sequence[Node], names_of: Mapping[Node, str]
    ) -> list[tuple[Node, str]]:
        """The nodes that get a name: those the user named, what a function is of, and the result."""
        leaves = (n.name for n in ordered([output]) if n.operation is None and n.name)
        taken = {self._names[0], self._names[1], *names_of.values(), *leaves}
        pool = iter(
            [n for n in (*"zuvwsqmgh", *(f"z{k}" for k in range(1, 200))) if n not in taken]
        )
        found: list[tuple[Node, str]] = []
        for node in nodes:
            if node is not output and node.operation is not None and node.operation.name in _SILENT:
                continue
            if node is output:
                found.append((node, self._names[0]))
            elif node in names_of:
                found.append((node, names_of[node]))
            elif not isinstance(node.operation, Multilinear) or _feeds_function(node, nodes):
                found.append((node, next(pool)))
        return found

    @staticmethod
    def _depends(node: Node, operand: Node, known: Mapping[Node, str]) -> bool:
        """Whether the node depends on the operand by no other station."""
        stack, seen = [node], set()
        while stack:
            for n in stack.pop().operands:
                if n is operand:
                    return True
                if n not in seen and n not in known:
                    seen.add(n)
                    stack.append(n)
        return False

    @staticmethod
    def _link(
        node: Node,
        operand: Node,
        known: Mapping[Node, str],
        read: Callable[..., Reader],
    ) -> Expr | None:
        """The Jacobian between two stations, the others held."""
        carried = {node: [identity(node.shape)]}
        total = []
        reached = between(node, [operand])
        for n in reversed(reached):
            parts = carried.pop(n, [])
            if n is operand:
                total = parts
                break
            if n is not node and n in known:
                continue
            for position, inner in enumerate(n.operands):
                if inner in reached or inner is operand:
                    for part in parts:
                        carried.setdefault(inner, []).append(
                            composed(part, local(n, position), n.ndim)
                        )
        if not total:
            return None
        try:
            exprs = [
                read(
                    dict(known) | {node: known.get(node, "")} if node in known else dict(known)
                ).tensor(p)
                for p in total
            ]
        except Unread:
            return None
        found = sum_of(exprs)
        return found if found.terms else None

    def _contracted(self, paths: Sequence[tuple[str, str]]) -> tuple[str, str]:
        """``∂L/∂W = ∂L/∂r · ∂r/∂W``: by the stations on the way."""
        out, start = self._names
        routes: list[list[str]] = []

        def walk(here: str, route: list[str]) -> None:
            if len(routes) > 3:
                return
            if here == start:
                routes.append(route)
                return
            for a, b in paths:
                if a == here:
                    walk(b, [*route, b])

        walk(out, [out])
        if not routes or len(routes) > 3 or any(len(r) > 9 for r in routes):
            return (
                f"{self.title('text')}: the local Jacobians multiplied along every path, and added",
                f"& {self.title('latex')}\\text{{: the local Jacobians along every path, added}}",
            )
        text, latex = [], []
        for route in routes:
            pairs = list(pairwise(route))
            text.append(" · ".join(f"∂{a}/∂{b}" for a, b in pairs))
            latex.append(
                " \\cdot ".join(
                    f"\\frac{{\\partial {written_name(a, 'latex')}}}{{\\partial {written_name(b, 'latex')}}}"
                    for a, b in pairs
                )
            )
        return f"∂{out}/∂{start} = " + " + ".join(text), (
            f"\\frac{{\\partial {written_name(out, 'latex')}}}{{\\partial {written_name(start, 'latex')}}} = "
            + " + ".join(latex)
        )


def _feeds_function(node: Node, nodes: Sequence[Node]) -> bool:
    return (
        any(node in n.operands and not isinstance(n.operation, Multilinear) for n in nodes)
        and node.operation is not None
        and len(node.operands) > 1
    )


def _product(t: Monomial, texts: Sequence[str], style: Style) -> str:
    c = t.coefficient
    number = int(c) if isinstance(c, Fraction) and c.denominator == 1 else float(c)
    return write_product(number, [Written(x, PRODUCT) for x in texts], style).text


def _joined(texts: Sequence[str], style: Style) -> str:
    return join_terms([Written(x, SUM) for x in texts], style).text if texts else ""
