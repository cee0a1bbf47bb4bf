"""Sums, and what has a number, scalars above and scalars below."""

from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import Any, ClassVar

from jacobians.algebra.atoms import Number
from jacobians.display.form_products import Had, Raised
from jacobians.display.forms import HADAMARD, LATEX, NUMPY, TEXT, MatrixForm, frozen_form, inside
from jacobians.notation.writing import ATOM, PRODUCT, SUM, Style, Written, write_number

_SIGNS_OF_FRACTIONS = (2, 3, 4)
_DECIMAL = 100  # above and below a fraction that is rather written as a decimal
_LONG_NUMBER = 10**6  # above a fraction that is still written as one


def _plain(style: str) -> Style:
    return "latex" if style == LATEX else "text"


def _number(size: Any, style: str) -> list[str]:
    """A number as it stands before a product; none where it is 1."""
    whole = isinstance(size, Fraction) and size.denominator == 1
    _, text = write_number(int(size) if whole else float(size), _plain(style))
    return [text] if text else []


def _float(size: Any) -> str:
    """A number as Python reads it."""
    return repr(float(size)) if isfinite(size) else f"float('{float(size)}')"


@frozen_form
class Scaled(MatrixForm):
    """A number times scalars, over scalars, times a body."""

    is_loose: ClassVar[bool] = True

    coefficient: Number
    above: tuple[MatrixForm, ...]
    below: tuple[MatrixForm, ...]
    body: MatrixForm | None

    @property
    def ndim(self) -> int:
        """Of the body."""
        return 0 if self.body is None else self.body.ndim

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            return self._code()
        sign = ("−" if style == TEXT else "-") if self.coefficient < 0 else ""
        if isinstance(self.body, Had) and not self.body.above and not self.below:  # c ⊘ x
            num = _number(abs(self.coefficient), style)
            top = " ".join([*num, *(inside(p, ATOM, style) for p in self.above)]) or "1"
            text = sign + top + self.body.write(style).text[1:]
            return Written(text, SUM if sign else HADAMARD)
        size, bottom = self._apart()
        num = _number(size, style)
        upper = self._top(num, bool(bottom or sign), style)
        if bottom or self.below:
            return self._fraction(sign, upper, bottom, style)
        return Written(
            sign + (" ".join(upper) or "1"), SUM if sign else self._binds(num, upper, style)
        )

    def _code(self) -> Written:
        """In NumPy."""
        c: Any = self.coefficient
        size: Any = abs(c)
        whole = isinstance(size, Fraction) and size.denominator == 1
        pieces = [] if size == 1 else [str(size) if whole else _float(size)]
        pieces += [inside(p, PRODUCT if isinstance(p, Raised) else ATOM, NUMPY) for p in self.above]
        if self.body is not None:
            pieces.append(inside(self.body, ATOM, NUMPY))
        text = " * ".join(pieces) or "1"
        for p in self.below:
            text += " / " + inside(p, ATOM, NUMPY)
        many = len(pieces) + len(self.below) > 1
        return Written(("-" if c < 0 else "") + text, SUM if c < 0 else PRODUCT if many else ATOM)

    def _apart(self) -> tuple[Any, str]:
        """The number that stands above, and what of it stands below."""
        size: Any = abs(self.coefficient)
        if (
            not isinstance(size, Fraction)
            or size.denominator == 1
            or size.numerator >= _LONG_NUMBER
        ):
            return size, ""
        if not self.below and size.denominator in _SIGNS_OF_FRACTIONS:
            return size, ""
        if min(size.numerator, size.denominator) >= _DECIMAL:  # 1.702
            return size, ""
        return Fraction(size.numerator), str(size.denominator)

    def _top(self, num: list[str], beside: bool, style: str) -> list[str]:
        """What stands above: number, scalars, body."""
        alone = self.body is None and len(self.above) == 1
        top = num + [inside(p, PRODUCT if alone else ATOM, style) for p in self.above]
        if self.body is None:
            return top
        need: float = PRODUCT
        if isinstance(self.body, Add):
            need = ATOM if top or self.below or beside else SUM
        elif isinstance(self.body, Had) and (top or self.below):
            need = HADAMARD if top and not self.below and not beside else ATOM
        return [*top, inside(self.body, need, style)]

    def _fraction(self, sign: str, top: list[str], bottom: str, style: str) -> Written:
        """Over what stands below."""
        alone = not bottom and len(self.below) == 1
        under = ([bottom] if bottom else []) + [
            inside(p, ATOM if alone else PRODUCT, style) for p in self.below
        ]
        above = " ".join(top) or "1"
        if style == LATEX:
            below = self.below[0].write(style).text if alone else " ".join(under)
            return Written(f"{sign}\\frac{{{above}}}{{{below}}}", SUM if sign else PRODUCT)
        below = under[0] if len(under) == 1 else f"({' '.join(under)})"
        return Written(f"{sign}{above} / {below}", SUM if sign else HADAMARD)

    def _binds(self, num: list[str], top: list[str], style: str) -> float:
        """How tight what has no fraction is."""
        if len(top) > 1:
            return HADAMARD if isinstance(self.body, Had) else PRODUCT
        if num or not top:
            return ATOM
        return (self.body or self.above[0]).write(style).binds

    @property
    def is_row(self) -> bool:
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


@frozen_form
class Add(MatrixForm):
    """A sum."""

    is_loose: ClassVar[bool] = True

    parts: tuple[MatrixForm, ...]

    @property
    def ndim(self) -> int:
        """Of the first."""
        return max(p.ndim for p in self.parts)

    def _written(self, style: str) -> Written:
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
