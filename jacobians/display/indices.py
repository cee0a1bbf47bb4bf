"""Expressions in index notation: ``Σ_r δ_ik B_ir C_rj``, sums written out, deltas as they are."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

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
from jacobians.algebra.recognising import LogSumExp, Softmax
from jacobians.display.arranging import Arranger, NoForm
from jacobians.display.matrix_forms import written_name
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
)  # fmt: skip

_POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def by_name(pair: tuple[AtomAt, Fraction]) -> tuple[bool, str, str]:
    """The order in which factors are written: numbers first, then by their names."""
    factor, _ = pair
    return len(factor.letters) > 0, factor.atom.key.replace(ACTIVE, ""), str(factor.letters)


class Indexer:
    """Expressions at letters, in a style."""

    def __init__(
        self,
        style: Style = "text",
        inner: Callable[[Expr, Sequence[str], Style], Written] | None = None,
    ) -> None:
        self._style: Style = style
        self._inner = inner
        self._arranger = Arranger()

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
        names: dict[int | None, str] = {None: "0"}
        deltas = []
        for slot, axis in zip(t.slots, axes, strict=True):
            if slot is None:
                continue
            if slot in names:
                deltas.append(subscript("δ", (names[slot], axis), self._style))
            else:
                names[slot] = axis
        dummies = [a for a in range(len(t.sizes)) if a not in names]
        for a in dummies:
            names[a] = next(fresh)
        above: list[Written] = []
        below: list[Written] = []
        for f, e in sorted(t.factors, key=by_name):
            side, power = (above, e) if e > 0 else (below, -e)
            side.append(self.powered(f.atom, tuple(names[a] for a in f.letters), power, fresh))
        number: Any = t.coefficient
        bottom = ""
        if isinstance(number, Fraction) and below and number.denominator != 1:
            number, bottom = Fraction(number.numerator), str(number.denominator)
        whole = isinstance(number, Fraction) and number.denominator == 1
        sign, size = write_number(int(number) if whole else float(number), self._style)
        pieces = [size] if size else []
        if dummies and summed:
            pieces.append(subscript("Σ", [names[a] for a in dummies], self._style))
        pieces += deltas + [w.inside(PRODUCT) for w in above]
        top = " ".join(pieces) or "1"
        if not below:
            return Written(sign + top, SUM if sign else PRODUCT if len(pieces) > 1 else ATOM)
        under = " ".join([*([bottom] if bottom else []), *(w.inside(PRODUCT) for w in below)])
        if self._style == "latex":
            return Written(f"{sign}\\frac{{{top}}}{{{under}}}", SUM if sign else PRODUCT)
        if bottom or len(below) > 1 or below[0].binds < ATOM:
            under = f"({under})"
        return Written(f"{sign}{top} / {under}", SUM if sign else PRODUCT)

    def powered(  # noqa: D102
        self, atom: Atom, letters: Sequence[str], power: Fraction, fresh: Iterator[str]
    ) -> Written:
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
        return Written(
            inner + (text.translate(_POWERS) if power.denominator == 1 else f"^({text})")
        )

    def atom(self, atom: Atom, letters: Sequence[str], fresh: Iterator[str]) -> Written:
        """An atom at letters."""
        style = self._style
        if isinstance(atom, Leaf):
            return Written(subscript(written_name(atom.name, style), letters, style))
        if isinstance(atom, Inverse | Det | LogSumExp | Softmax | Whole):
            try:
                whole = self._arranger.atom(atom).write(style)
                text = whole.text if not letters or whole.text.endswith(")") else f"({whole.text})"
                return Written(subscript(text, letters, style))
            except NoForm:
                name = getattr(getattr(atom, "operation", None), "name", "f")
                return Written(subscript(written_name(name, style), letters, style))
        if isinstance(atom, Group):
            inner = self._at(atom.of, letters, fresh)
            return inner  # noqa: RET504
        if isinstance(atom, Power):
            base, exponent = (self._at(e, letters, fresh) for e in atom.inner)
            text = exponent.text
            return Written(
                f"{base.inside(ATOM)}^{{{text}}}"
                if style == "latex"
                else f"{base.inside(ATOM)}^({text})"
            )
        assert isinstance(atom, Function)
        operation = atom.operation
        texts = [self._at(e, letters, fresh) for e in atom.arguments]
        template = (operation.latex if style == "latex" else "") or operation.notation
        if not template:
            return Written(
                f"{written_name(operation.name, style)}({', '.join(t.text for t in texts)})"
            )
        return Written(template.format(*(t.text for t in texts)))

    def _at(self, expr: Expr, letters: Sequence[str], fresh: Iterator[str]) -> Written:
        if self._inner is not None:
            return self._inner(expr, letters, self._style)
        terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
        if not terms:
            return Written("0")
        return join_terms([self.term(t, letters, fresh) for t in terms], self._style)
