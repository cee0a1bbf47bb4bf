"""Expressions in index notation: ``Σ_r δ_ik B_ir C_rj``, sums written out, deltas as they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from jacobians.algebra.atoms import (
    ACTIVE,
    Atom,
    AtomAt,
    Det,
    Expr,
    Function,
    Group,
    Inverse,
    Leaf,
    Monomial,
    Power,
    Whole,
)  # fmt: skip
from jacobians.algebra.constants import Centring, Fixed, Selector, Splitting, Triangle, Unit
from jacobians.algebra.moments import Std
from jacobians.algebra.recognising import LogSumExp, Softmax
from jacobians.display.arranging import Arranger, facing
from jacobians.display.entrywise import power_form
from jacobians.display.form_products import DiagonalOf, Had, Raised
from jacobians.display.form_rewriting import subforms
from jacobians.display.form_statistics import centring_sizes
from jacobians.display.forms import CallForm, Eye, MatrixForm, Name, Ones
from jacobians.display.matrix_forms import notation_in_latex, written_name
from jacobians.display.networks import NoForm
from jacobians.notation.slots import Slot, letter_slot
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    SUM,
    Style,
    Written,
    fresh_letters,
    join_terms,
    subscript,
    write_number,
    write_slot,
)  # fmt: skip

_MOST_TERMS = 2000  # written, inside and out
_RAISED = {"2": "²", "3": "³", "4": "⁴", "-1": "⁻¹", "-2": "⁻²", "-3": "⁻³", "-4": "⁻⁴"}


def by_name(pair: tuple[AtomAt, Fraction]) -> tuple[bool, str, str]:
    """The order in which factors are written: numbers first, then by their names."""
    factor, _ = pair
    return len(factor.letters) > 0, factor.atom.key.replace(ACTIVE, ""), str(factor.letters)


class NamedLetters(NamedTuple):
    """A term's letters by name: those of positions as ``r+1``; the deltas, and the factors that are left."""

    letters: dict[int | None, str]
    deltas: list[str]
    factors: tuple[tuple[AtomAt, Fraction], ...]
    sums: list[str]


def named_letters(
    t: Monomial, axes: Sequence[str], fresh: Iterator[str], style: Style, summed: bool = True
) -> NamedLetters:
    """Names for the letters of a term: of its axes, of positions by what they are, of all that is summed.

    Those that are summed get names where ``summed``, or where a position needs them.
    """
    names: dict[int | None, str] = {None: "0"}
    deltas: list[str] = []
    for slot, axis in zip(t.slots, axes, strict=True):
        if slot in names and slot is not None:
            deltas.append(subscript("δ", (names[slot], axis), style))
        elif slot is not None:
            names[slot] = axis
    places = [f for f, e in t.factors if isinstance(f.atom, Unit | Selector | Splitting)]
    at = {place_of(f)[0] for f in places} - names.keys()
    sums = []
    for a in range(len(t.sizes)):
        if summed and a not in names and a not in at:
            names[a] = next(fresh)
            limited = any(a in place_of(f)[1] for f in places)
            sums.append(f"{names[a]}<{t.sizes[a]}" if limited else names[a])
    deltas += _at_positions(places, names, axes, fresh, style)
    return NamedLetters(names, deltas, tuple((f, e) for f, e in t.factors if f not in places), sums)


def _at_positions(
    places: Sequence[AtomAt], names: dict[int | None, str], axes: Sequence[str], fresh: Iterator[str], style: Style
) -> list[str]:  # fmt: skip
    """Name the letters of positions; a delta for those that have a name already."""
    deltas: list[str] = []
    waiting = sorted(places, key=lambda f: f.letters[-1] or 0)
    while waiting:
        f = next((f for f in waiting if all(a in names for a in place_of(f)[1])), waiting[0])
        waiting.remove(f)
        position, own = place_of(f)
        for letter in own:
            if letter not in names:
                names[letter] = next(fresh)
        text = position_text(f.atom, [names[a] for a in own])
        if position not in names:
            names[position] = text
        else:
            before = [axes.index(names[a]) for a in own if names[a] in axes]
            here = axes.index(names[position]) if names[position] in axes else len(axes)
            pair = (
                (text, names[position])
                if before and min(before) < here
                else (names[position], text)
            )
            deltas.append(subscript("δ", pair, style))
    return deltas


def place_of(f: AtomAt) -> tuple[int | None, tuple[int | None, ...]]:
    """The letter of a position, and those that it is a function of."""
    if isinstance(f.atom, Selector):
        return f.letters[1], f.letters[:1]
    return f.letters[0], f.letters[1:]


def position_text(atom: Atom, names: Sequence[str]) -> str:
    """``2``, ``r+1``, ``t(k)``, ``3a+b``."""
    if isinstance(atom, Unit):
        return str(atom.place)
    if isinstance(atom, Selector):
        if atom.stride is None:
            return f"{atom.table}({names[0]})"
        return write_slot(letter_slot(0, atom.stride, atom.positions[0]), {0: names[0]})
    assert isinstance(atom, Splitting)
    return write_slot(Slot(0, ((0, atom.shape[2]), (1, 1))), {0: names[0], 1: names[1]})


def over(
    sign: str, pieces: Sequence[str], bottom: Sequence[str], below: Sequence[Written], style: Style
) -> Written:
    """A product, over a number and others where there are any."""
    top = " ".join(pieces) or "1"
    if not below:
        return Written(sign + top, SUM if sign else PRODUCT if len(pieces) > 1 else ATOM)
    binds = SUM if sign or style == "text" else PRODUCT
    alone = len(below) == 1 and not bottom
    if style == "latex":
        parts = [*bottom, *(w.text if alone else w.inside(PRODUCT) for w in below)]
        return Written(f"{sign}\\frac{{{top}}}{{{' '.join(parts)}}}", binds)
    if alone:
        return Written(f"{sign}{top} / {below[0].inside(ATOM)}", binds)
    under = " ".join([*bottom, *(w.inside(PRODUCT) for w in below)])
    return Written(f"{sign}{top} / ({under})", binds)


def unsaid(form: MatrixForm) -> bool:
    """Whether a form has what index notation has no sign for: entrywise products, ones, constant arrays."""
    return any(
        isinstance(f, Had | Ones | Eye | DiagonalOf)
        or (isinstance(f, Name) and f.constant)
        or (isinstance(f, Raised) and f.ndim > 0 and not isinstance(f.of, CallForm))
        or (isinstance(f, CallForm) and (f.name == "dg" or (f.ndim > 0 and f.name == "|{0}|")))
        for f in subforms(form)
    )


class Indexer:
    """Expressions at letters, in a style."""

    def __init__(
        self,
        style: Style = "text",
        inner: Callable[[Expr, Sequence[str], Style], Written] | None = None,
        sizes: Mapping[int, str] = MappingProxyType({}),
        most: int | None = None,
    ) -> None:
        self._style: Style = style
        self._inner = inner
        self._sizes = sizes
        self._most = _MOST_TERMS if most is None else most
        self._arranger = Arranger()
        self._written = 0

    def write(self, expr: Expr, axes: Sequence[str], summed: bool = True) -> Written:
        """The expression at the names of its axes; ``summed`` says whether sum signs are written."""
        if not expr.terms:
            return Written("0")
        fresh = "".join(a for a in axes)
        terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
        return join_terms(
            [self.term(t, axes, fresh_letters(fresh), summed) for t in terms], self._style
        )

    def term(
        self, t: Monomial, axes: Sequence[str], fresh: Iterator[str], summed: bool = True
    ) -> Written:
        """One term: number, sum sign, deltas, factors, over what stands below."""
        self._written += 1
        if self._written > self._most:
            raise NoForm("it is too long to be read")
        t = facing(t, from_numbers=False)
        named = named_letters(t, axes, fresh, self._style)
        names, deltas = named.letters, named.deltas
        above: list[Written] = []
        below: list[Written] = []
        for f, e in sorted(named.factors, key=by_name):
            side, power = (above, e) if e > 0 else (below, -e)
            side.append(self.powered(f.atom, tuple(names[a] for a in f.letters), power, fresh))
        number: Any = t.coefficient
        bottom = ""
        if isinstance(number, Fraction) and below and number.denominator != 1:
            number, bottom = Fraction(number.numerator), str(number.denominator)
        whole = isinstance(number, Fraction) and number.denominator == 1
        sign, size = write_number(int(number) if whole else float(number), self._style)
        pieces = [size] if size else []
        if named.sums and summed:
            pieces.append(subscript("Σ", named.sums, self._style))
        pieces += deltas + [w.inside(PRODUCT) for w in above]
        return over(sign, pieces, [bottom] if bottom else [], below, self._style)

    def powered(
        self, atom: Atom, letters: Sequence[str], power: Fraction, fresh: Iterator[str]
    ) -> Written:
        """A power of an atom at letters."""
        if type(atom) is Std and power == 2:
            variance = power_form(self._arranger.atom(atom), power).write(self._style).text
            return Written(subscript(variance, letters, self._style))
        base = self.atom(atom, letters, fresh)
        if power == 1:
            return base
        if power == Fraction(1, 2):
            text = base.text
            return Written(f"√({text})" if self._style == "text" else f"\\sqrt{{{text}}}")
        inner = base.inside(ATOM)
        if self._style == "latex":
            return Written(f"{{{inner}}}^{{{power}}}")
        text = str(power)
        if text in _RAISED:
            return Written(inner + _RAISED[text])
        return Written(f"{inner}^{text if text.isdigit() else f'({text})'}")

    def atom(self, atom: Atom, letters: Sequence[str], fresh: Iterator[str]) -> Written:
        """An atom at letters."""
        style = self._style
        if isinstance(atom, Centring):
            return self._centring(atom, letters)
        if isinstance(atom, Triangle):
            sign = "≤" if style == "text" else "\\le"
            return Written(f"[{letters[1]} {sign} {letters[0]}]")
        if isinstance(atom, Leaf | Fixed):
            return Written(subscript(written_name(atom.name, style), letters, style))
        if isinstance(atom, Inverse | Det | LogSumExp | Softmax | Std | Whole):
            return self._whole(atom, letters)
        if isinstance(atom, Group):
            return self._at(atom.of, letters, fresh)
        if isinstance(atom, Power):
            base, exponent = (self._at(e, letters, fresh) for e in atom.inner)
            inner, text = base.inside(ATOM), exponent.text
            return Written(f"{inner}^{{{text}}}" if style == "latex" else f"{inner}^({text})")
        if isinstance(atom, Function):
            return self._function(atom, [self._at(e, letters, fresh).text for e in atom.arguments])
        raise NoForm("its axes are read as two")

    def _whole(self, atom: Atom, letters: Sequence[str]) -> Written:
        """What has no entries by itself: its form, with the letters at its end."""
        try:
            form = self._arranger.atom(atom)
            if self._inner is not None and (unsaid(form) or centring_sizes(form)):
                raise NoForm("index notation has no sign for it")
            text = form.write(self._style).text
            text = text if not letters or text.endswith(")") else f"({text})"
        except NoForm:
            if not isinstance(atom, Whole):
                raise
            text = self._called(atom)
        return Written(subscript(text, letters, self._style))

    def _function(self, atom: Function, texts: Sequence[str]) -> Written:
        operation = atom.operation
        template = operation.notation
        if self._style == "latex":
            template = operation.latex or notation_in_latex(template)
        if template:
            return Written(template.format(*texts))
        return Written(f"{written_name(operation.name, self._style)}({', '.join(texts)})")

    def _called(self, atom: Whole) -> str:
        """An operation on whole arrays: ``others(x)``."""
        operation = atom.operation
        notation = str(operation.notation)
        if self._inner is not None and not notation.endswith("({0})"):
            raise NoForm(f"{operation.name} has no notation")
        if not notation.endswith("({0})"):
            return written_name(operation.name, self._style)
        if self._style == "latex":
            notation = str(operation.latex or notation_in_latex(notation))
        return notation.format(self._arranger.form(atom.arguments[0]).write(self._style).text)

    def _centring(self, atom: Centring, letters: Sequence[str]) -> Written:
        """``δ_ik − 1/n``."""
        size = self._sizes.get(atom.shape[0], str(atom.shape[0]))
        delta = subscript("δ", letters, self._style)
        if self._style == "latex":
            return Written(f"{delta} - \\frac{{1}}{{{size}}}", SUM)
        return Written(f"{delta} − 1/{size}", SUM)

    def _at(self, expr: Expr, letters: Sequence[str], fresh: Iterator[str]) -> Written:
        if self._inner is not None:
            return self._inner(expr, letters, self._style)
        terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
        if not terms:
            return Written("0")
        return join_terms([self.term(t, letters, fresh) for t in terms], self._style)
