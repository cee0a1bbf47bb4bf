"""Products of matrices: entry by entry, one after the other, Kronecker and Khatri-Rao; and powers."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, ClassVar

from jacobians.display.forms import (
    HADAMARD,
    LATEX,
    NUMPY,
    TEXT,
    CallForm,
    Inv,
    MatrixForm,
    Name,
    Turned,
    based,
    frozen_form,
    inside,
    turned,
)
from jacobians.notation.writing import ATOM, PRODUCT, Written

RAISED = str.maketrans("0123456789-/", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟ")


@frozen_form
class Had(MatrixForm):
    """An entrywise product, over another."""

    is_loose: ClassVar[bool] = True

    above: tuple[MatrixForm, ...]
    below: tuple[MatrixForm, ...]
    ndim: int

    def _written(self, style: str) -> Written:
        """As it is written."""
        times = {TEXT: " ⊙ ", LATEX: " \\odot ", NUMPY: " * "}[style]
        over = {TEXT: " ⊘ ", LATEX: " \\oslash ", NUMPY: " / "}[style]
        if not self.below and len(self.above) == 1:
            return self.above[0].write(style)
        tight = ATOM
        text = times.join(inside(p, tight, style) for p in self.above)
        if not self.above:
            text = {TEXT: "1", LATEX: "1", NUMPY: "1"}[style]
        for part in self.below:
            text += over + inside(part, tight, style)
        return Written(text, PRODUCT if style == NUMPY else HADAMARD)

    def transposed(self) -> MatrixForm:
        """That of the transposes."""
        if self.ndim != 2:
            return super().transposed()
        above, below = (tuple(p.transposed() for p in side) for side in (self.above, self.below))
        return Had(above, below, 2)


@frozen_form
class Raised(MatrixForm):
    """A power, entry by entry of what has entries."""

    of: MatrixForm
    exponent: Any
    entrywise: bool = True

    @property
    def ndim(self) -> int:
        """As of what it is of."""
        return self.of.ndim

    def _written(self, style: str) -> Written:
        """As it is written."""
        e = self.exponent
        inner = inside(self.of, ATOM, style)
        if isinstance(self.of, Raised | Turned | Inv) and style == TEXT:
            inner = f"({inner})"
        if style == NUMPY:
            if e == Fraction(1, 2):
                return Written(f"np.sqrt({self.of.write(style).text})")
            exponent = e.write(style).text if isinstance(e, MatrixForm) else str(e)
            simple = exponent.lstrip("-").isalnum() and not isinstance(e, MatrixForm)
            return Written(
                f"{inner}**{exponent if simple and not exponent.startswith('-') else f'({exponent})'}",
                PRODUCT,
            )
        if e == Fraction(1, 2):
            whole = self.of.write(style).text
            return Written(f"√({whole})" if style == TEXT else f"\\sqrt{{{whole}}}")
        if e == -1 and self.ndim:
            return Written(f"1 {'⊘' if style == TEXT else chr(92) + 'oslash'} {inner}", HADAMARD)
        mark = "∘" if self.ndim else ""
        if style == LATEX:
            mark = (
                "\\circ "
                if self.ndim and not (isinstance(self.of, CallForm) and self.of.entrywise)
                else ""
            )
            exponent = e.write(style).text if isinstance(e, MatrixForm) else str(e)
            return Written(f"{based(inner)}^{{{mark}{exponent}}}")
        if isinstance(e, MatrixForm):
            return Written(f"{inner}^{mark}{e.write(style).inside(ATOM)}")
        plain = str(e)
        if isinstance(self.of, CallForm) and self.of.entrywise:
            mark = ""
        if not mark and e.denominator == 1:
            return Written(inner + plain.translate(RAISED))
        return Written(f"{inner}^{mark}{plain if plain.isdigit() else f'({plain})'}")

    def transposed(self) -> MatrixForm:
        """The power of the transpose."""
        if self.ndim != 2:
            return super().transposed()
        e = self.exponent
        return Raised(self.of.transposed(), e.transposed() if isinstance(e, MatrixForm) else e)


@frozen_form
class Mul(MatrixForm):
    """A matrix product; a column before a row is an outer product. ``apart`` writes ``X X``, not ``X²``."""

    parts: tuple[MatrixForm, ...]
    apart: bool = False

    @property
    def ndim(self) -> int:
        """Of the result."""
        rows = not self.parts[0].is_row
        last = self.parts[-1]
        columns = last.ndim == 2 or last.is_row
        return int(rows) + int(columns)

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style != NUMPY:
            runs = [(p, 1) for p in self.parts] if self.apart else _runs(self.parts)
            texts = [powered(p, count, style) for p, count in runs]
            return Written(" ".join(texts), PRODUCT if len(texts) > 1 else ATOM)
        for n in range(1, len(self.parts)):
            left, right = self.parts[n - 1], self.parts[n]
            if (
                left.ndim == 1
                and not isinstance(left, Turned)
                and isinstance(right, Turned)
                and right.ndim == 1
            ):
                first, second = Mul(self.parts[:n]), Mul(self.parts[n:])
                return Written(f"np.outer({first.write(style).text}, {second.write(style).text})")
        text = " @ ".join(inside(p, ATOM, style) for p in self.parts)
        return Written(text, PRODUCT if len(self.parts) > 1 else ATOM)

    @property
    def is_row(self) -> bool:
        """Whether it begins with one."""
        return self.ndim == 1 and self.parts[0].is_row

    def transposed(self) -> MatrixForm:
        """The transposes in the other order."""
        return Mul(tuple(p.transposed() for p in reversed(self.parts)))


def _runs(parts: Iterable[MatrixForm]) -> list[tuple[MatrixForm, int]]:
    """Equal matrices in a row, counted."""
    found: list[tuple[MatrixForm, int]] = []
    for p in parts:
        base = p.of if isinstance(p, Turned) else p
        several = isinstance(base, Name) or (
            isinstance(base, Inv) and not isinstance(base.of, Name)
        )
        if found and found[-1][0] == p and several:
            found[-1] = p, found[-1][1] + 1
        else:
            found.append((p, 1))
    return found


def powered(form: MatrixForm, count: int, style: str) -> str:
    """A matrix to a power: ``A²``, ``(A²)ᵀ``."""
    if count == 1:
        return inside(form, ATOM if form.is_loose else PRODUCT, style)
    base = form.of if isinstance(form, Turned) else form
    if isinstance(base, Inv):
        text = f"({form.write(style).text})"
        return text + (str(count).translate(RAISED) if style == TEXT else f"^{{{count}}}")
    text = base.write(style).text
    text = f"{text}{str(count).translate(RAISED)}" if style == TEXT else f"{text}^{{{count}}}"
    if base is form:
        return text
    return f"({text})ᵀ" if style == TEXT else f"({text})^{{\\top}}"


def mul(*parts: MatrixForm) -> MatrixForm:
    """A product, its products written in one row."""
    flat: list[MatrixForm] = []
    for p in parts:
        flat += p.parts if isinstance(p, Mul) else [p]
    return flat[0] if len(flat) == 1 else Mul(tuple(flat))


COMMUTATION = Name("K", 2)
"""``K vec(X) = vec(Xᵀ)``."""


@frozen_form
class Kron(MatrixForm):
    """A Kronecker product, perhaps times the commutation matrix."""

    parts: tuple[MatrixForm, ...]
    commutation: MatrixForm | None = None
    ndim: int = 2

    def _written(self, style: str) -> Written:
        """As it is written."""
        sign = {TEXT: " ⊗ ", LATEX: " \\otimes ", NUMPY: ", "}[style]
        text = sign.join(inside(p, ATOM, style) for p in self.parts)
        if self.commutation is not None:
            return Written(f"({text}) {self.commutation.write(style).text}", PRODUCT)
        return Written(text, HADAMARD if len(self.parts) > 1 else self.parts[0].write(style).binds)


@frozen_form
class KhatriRao(MatrixForm):
    """Column by column the Kronecker product."""

    parts: tuple[MatrixForm, ...]
    ndim: int = 2

    def _written(self, style: str) -> Written:
        """As it is written."""
        sign = {TEXT: " ∗ ", LATEX: " \\ast ", NUMPY: ", "}[style]
        return Written(sign.join(inside(p, ATOM, style) for p in self.parts), HADAMARD)


@frozen_form
class DiagonalOf(MatrixForm):
    """The diagonal of a product of two matrices."""

    left: MatrixForm
    right: MatrixForm
    ndim: int = 1

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            parts = f"{self.left.write(style).text}, {self.right.write(style).text}"
            return Written(f'np.einsum("ij,ji->i", {parts})')
        ways = [mul(self.left, self.right), mul(turned(self.right), turned(self.left))]
        whole = min(ways, key=lambda f: (f.text.count("ᵀ"), f.text)).write(style).text
        return Written(f"dg({whole})" if style == TEXT else f"\\operatorname{{dg}}({whole})")
