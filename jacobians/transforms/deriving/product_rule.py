"""Derivatives of polynomials as the note writes them: factor by factor, a delta for each index, sums that go."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Leaf, Monomial
from jacobians.algebra.constants import Centring, Selector, Splitting, Unit
from jacobians.display.indices import Indexer, by_name
from jacobians.display.matrix_forms import written_name
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

_MOST_TERMS = 3  # of a sum whose every factor is differentiated
_Names = Mapping[int | None, str]


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
    return len(expr.terms) <= _MOST_TERMS


def _mentions(atom: Atom, leaf: str) -> bool:
    if isinstance(atom, Leaf):
        return atom.name == leaf
    return any(_mentions(f.atom, leaf) for e in atom.inner for t in e.terms for f, _ in t.factors)


class Differentiated(NamedTuple):
    """A derivative in three stages, and the sums that deltas have removed, in words."""

    raw: str
    deltas: str
    collapsed: str
    removed: tuple[str, ...]


def by_factors(
    expr: Expr, leaf: str, out: Sequence[str], inner: Sequence[str], style: Style
) -> Differentiated:
    """The derivative of an expression at ``out`` by a leaf at ``inner``, by the product rule."""
    stages = [
        stage
        for t in sorted(expr.terms, key=lambda t: t.coefficient < 0)
        for stage in _Term(t, out, inner, style).by(leaf)
    ]
    removed = tuple(dict.fromkeys(text for stage in stages for text in stage.removed))
    raw, deltas, collapsed = (
        join_terms([Written(text, SUM) for text in texts], style).text if texts else ""
        for texts in zip(*(stage[:3] for stage in stages), strict=True)
    ) if stages else ("", "", "")  # fmt: skip
    return Differentiated(raw, deltas, collapsed, removed)


class _Term:
    """One product: its letters by name, its factors one by one."""

    def __init__(self, t: Monomial, out: Sequence[str], inner: Sequence[str], style: Style) -> None:
        self._t, self._inner, self._style = t, inner, style
        self._axes = "".join((*out, *inner))
        self._indexer = Indexer(style)
        self._names: dict[int | None, str] = {None: "0"}
        self._outer: list[str] = []  # deltas of the output's own axes
        for slot, axis in zip(t.slots, out, strict=True):
            if slot in self._names and slot is not None:
                self._outer.append(subscript("δ", (self._names[slot], axis), style))
            else:
                self._names[slot] = axis
        fresh = fresh_letters(self._axes)
        self._summed = [a for a in range(len(t.sizes)) if a not in self._names]
        for a in self._summed:
            self._names[a] = next(fresh)
        whole = [(f, e) for f, e in t.factors if e.denominator == 1 and e > 0]
        self._factors = [f for f, e in sorted(whole, key=by_name) for _ in range(int(e))]
        self._rest = [
            self._indexer.powered(f.atom, self._letters(f), e, fresh).inside(1)
            for f, e in t.factors
            if not (e.denominator == 1 and e > 0)
        ]

    def by(self, leaf: str) -> Iterator[Differentiated]:
        """The derivative by a leaf: a term for each place where it stands."""
        for n, f in enumerate(self._factors):
            if isinstance(f.atom, Leaf) and f.atom.name == leaf:
                yield self._of_factor(n, f)

    def _of_factor(self, n: int, f: AtomAt) -> Differentiated:
        before, after = self._factors[:n], self._factors[n + 1 :]
        head = [*self._sum_sign(self._summed, self._names), *self._outer]
        mine = [self._atom(g, self._names) for g in before]
        tail = [*(self._atom(g, self._names) for g in after), *self._rest]
        pairs = [
            subscript("δ", (self._names[a], b), self._style)
            for a, b in zip(f.letters, self._inner, strict=True)
        ]
        kept, names, removed = self._collapsed(f)
        left = [a for a in self._summed if names[a] == self._names[a]]
        others = [self._atom(g, names) for g in (*before, *after)]
        return Differentiated(
            self._product([*head, *mine, self._quotient(f), *tail]),
            self._product([*head, *mine, *pairs, *tail]),
            self._product([*self._sum_sign(left, names), *self._outer, *kept, *others, *self._rest]),
            tuple(removed),
        )  # fmt: skip

    def _collapsed(self, f: AtomAt) -> tuple[list[str], dict[int | None, str], list[str]]:
        """The deltas that stay, the letters' names when sums are gone, and which are, in words."""
        names = dict(self._names)
        kept: list[str] = []
        removed: list[str] = []
        gone: set[int] = set()
        for slot, axis in zip(f.letters, self._inner, strict=True):
            if slot is None:
                continue
            letter = self._names[slot]
            if slot in self._summed and slot not in gone:
                names[slot] = axis
                gone.add(slot)
                delta = subscript("δ", (letter, axis), "text")
                removed.append(f"{delta} removes the sum over {letter} ({letter} → {axis})")
            else:
                kept.append(subscript("δ", (names[slot], axis), self._style))
        return kept, names, removed

    def _letters(self, f: AtomAt) -> list[str]:
        return [self._names[a] for a in f.letters]

    def _atom(self, f: AtomAt, names: _Names) -> str:
        fresh = fresh_letters(self._axes)
        return self._indexer.atom(f.atom, [names[a] for a in f.letters], fresh).inside(1)

    def _sum_sign(self, summed: Sequence[int], names: _Names) -> list[str]:
        return [subscript("Σ", [names[a] for a in summed], self._style)] if summed else []

    def _quotient(self, f: AtomAt) -> str:
        """``∂B_ir/∂B_kl``."""
        assert isinstance(f.atom, Leaf)
        sign = "\\partial " if self._style == "latex" else "∂"
        below = subscript(written_name(f.atom.name, self._style), self._inner, self._style)
        above = self._atom(f, self._names)
        if self._style == "latex":
            return f"\\frac{{{sign}{above}}}{{{sign}{below}}}"
        return f"{sign}{above}/{sign}{below}"

    def _product(self, texts: Sequence[str]) -> str:
        c = self._t.coefficient
        number = int(c) if isinstance(c, Fraction) and c.denominator == 1 else float(c)
        return write_product(number, [Written(x, PRODUCT) for x in texts], self._style).text
