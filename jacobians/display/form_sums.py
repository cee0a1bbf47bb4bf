"""Sums, and what has a number, scalars above and scalars below."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import Any, ClassVar

from jacobians.algebra.atoms import Number
from jacobians.display.form_products import Had, Raised
from jacobians.display.forms import HADAMARD, LATEX, NUMPY, TEXT, MatrixForm, inside
from jacobians.notation.writing import ATOM, PRODUCT, SUM, Style, Written, write_number

_SIGNS_OF_FRACTIONS = (2, 3, 4)


def _plain(style: str) -> Style:
    return "latex" if style == LATEX else "text"


def _float(size: Any) -> str:
    """A number as Python reads it."""
    return repr(float(size)) if isfinite(size) else f"float('{float(size)}')"


@dataclass(frozen=True)
class Scaled(MatrixForm):
    """A number times scalars, over scalars, times a body."""

    is_loose: ClassVar[bool] = True

    coefficient: Number
    above: tuple[MatrixForm, ...]
    below: tuple[MatrixForm, ...]
    body: MatrixForm | None

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Of the body."""
        return 0 if self.body is None else self.body.ndim

    def write(self, style: str) -> Written:
        """As it is written."""
        c: Any = self.coefficient
        minus = "−" if style == TEXT else "-"
        sign = minus if c < 0 else ""
        size: Any = abs(c)
        above = list(self.above)
        below = list(self.below)
        if style == NUMPY:
            pieces = (
                []
                if size == 1
                else [
                    _float(size)
                    if not (isinstance(size, Fraction) and size.denominator == 1)
                    else str(size)
                ]
            )
            pieces += [inside(p, PRODUCT if isinstance(p, Raised) else ATOM, style) for p in above]
            if self.body is not None:
                pieces.append(inside(self.body, ATOM, style))
            text = " * ".join(pieces) or "1"
            for p in below:
                text += " / " + inside(p, ATOM, style)
            return Written(
                sign + text, SUM if sign else PRODUCT if len(pieces) + len(below) > 1 else ATOM
            )
        body = self.body
        bottom = ""
        if isinstance(body, Had) and not body.above and not below:  # c ⊘ x
            _, num = write_number(
                int(size) if isinstance(size, Fraction) and size.denominator == 1 else float(size),
                _plain(style),
            )
            top_text = (
                " ".join([*([num] if num else []), *(inside(p, ATOM, style) for p in above)]) or "1"
            )
            return Written(sign + top_text + body.write(style).text[1:], SUM if sign else HADAMARD)
        if (
            isinstance(size, Fraction)
            and size.denominator != 1
            and (below or size.denominator not in _SIGNS_OF_FRACTIONS)
            and size.numerator < 10**6
        ):
            bottom = str(size.denominator)
            size = Fraction(size.numerator)
        _, num = write_number(
            int(size) if isinstance(size, Fraction) and size.denominator == 1 else float(size),
            _plain(style),
        )
        top = ([num] if num else []) + [
            inside(p, PRODUCT if body is None and len(above) == 1 else ATOM, style) for p in above
        ]
        if body is not None:
            need = PRODUCT if not isinstance(body, Had) or not (top or below) else ATOM
            if isinstance(body, Had) and not below and not bottom and top:
                need = HADAMARD  # type: ignore[assignment]
            top.append(
                inside(
                    body,
                    need
                    if not isinstance(body, Add)
                    else ATOM
                    if (top or below or bottom or sign)
                    else SUM,
                    style,
                )
            )
        alone = not bottom and len(below) == 1
        under = ([bottom] if bottom else []) + [
            inside(p, ATOM if alone else PRODUCT, style) for p in below
        ]
        if style == LATEX and under:
            if len(under) == 1:
                under = [below[0].write(style).text if below else bottom]
            return Written(
                f"{sign}\\frac{{{' '.join(top) or '1'}}}{{{' '.join(under)}}}",
                SUM if sign else PRODUCT,
            )
        text = " ".join(top) or "1"
        if under:
            bottom_text = " ".join(under)
            text += f" / {bottom_text if len(under) == 1 else f'({bottom_text})'}"
        if under:
            return Written(sign + text, SUM if sign else HADAMARD)
        many = len(top) > 1
        own = (
            PRODUCT
            if many
            else (
                ATOM
                if num or (body is None and not above)
                else (body or above[0]).write(style).binds
            )
        )
        if many and isinstance(body, Had):
            own = HADAMARD
        return Written(sign + text, SUM if sign else own)

    @property
    def is_row(self) -> bool:  # type: ignore[override]
        """Whether its body is one."""
        return self.ndim == 1 and self.body is not None and self.body.is_row

    def transposed(self) -> MatrixForm:
        """That of the body."""
        if not self.ndim or self.body is None:
            return self
        return replace(self, body=self.body.transposed())


def scaled(
    coefficient: Number,
    above: tuple[MatrixForm, ...],
    below: tuple[MatrixForm, ...],
    body: MatrixForm | None,
) -> MatrixForm:
    """As little as needed of these."""
    if coefficient == 1 and not below:
        if not above and body is not None:
            return body
        if len(above) == 1 and body is None:
            return above[0]
    return Scaled(coefficient, above, below, body)


@dataclass(frozen=True)
class Add(MatrixForm):
    """A sum."""

    is_loose: ClassVar[bool] = True

    parts: tuple[MatrixForm, ...]

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Of the first."""
        return max(p.ndim for p in self.parts)

    def write(self, style: str) -> Written:
        """As it is written."""
        minus = "−" if style == TEXT else "-"
        written = [p.write(style) for p in self.parts]
        ordered = (
            sorted(written, key=lambda w: w.text.startswith(minus))
            if written[0].text.startswith(minus)
            else written
        )
        text = ordered[0].text
        for w in ordered[1:]:
            text += f" {minus} {w.text[1:]}" if w.text.startswith(minus) else f" + {w.text}"
        return Written(text, SUM)

    def transposed(self) -> MatrixForm:
        """That of the terms."""
        return (
            Add(tuple(p.transposed() for p in self.parts))
            if self.ndim == 2
            else super().transposed()
        )
