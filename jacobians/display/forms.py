"""Matrix notation as a tree, and as text, LaTeX and NumPy.

A vector is a column, and one-dimensional in NumPy.
"""

# ruff: noqa: D102 - MatrixForm documents write

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cached_property
from math import isfinite
from typing import Any

from jacobians.algebra.atoms import Number
from jacobians.display.matrix_forms import written_name
from jacobians.notation.writing import ATOM, PRODUCT, SUM, Style, Written, write_number

TEXT, LATEX, NUMPY = "text", "latex", "numpy"
HADAMARD = 0.5  # binds less than a product, and more than a sum
_RAISED = str.maketrans("0123456789-/", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟ")
_FREE = {"diag", "1", "𝟏", "I", "C"}
_SIGNS_OF_FRACTIONS = (2, 3, 4)
_WORDS = re.compile(r"\w+")


class MatrixForm:
    """A scalar (``ndim`` 0), a column (1) or a matrix (2)."""

    ndim: int

    def write(self, style: str) -> Written:
        """As it is written."""
        raise NotImplementedError

    @cached_property
    def text(self) -> str:
        """In a terminal."""
        return self.write(TEXT).text

    @cached_property
    def cost(self) -> tuple[int, int, str]:
        """How long it is: the names in it, then its signs."""
        return sum(w not in _FREE for w in _WORDS.findall(self.text)), len(self.text), self.text


def _plain(style: str) -> Style:
    return "latex" if style == LATEX else "text"


def _float(size: Any) -> str:
    """A number as Python reads it."""
    return repr(float(size)) if isfinite(size) else f"float('{float(size)}')"


def inside(form: MatrixForm, binds: float, style: str) -> str:
    """The form's text in parentheses where it binds less."""
    return form.write(style).inside(binds)


@dataclass(frozen=True)
class Name(MatrixForm):
    """An array by its name; ``code`` is what it is in NumPy, ``meaning`` what its ``subject`` stands for."""

    name: str
    ndim: int
    code: str = ""
    latex: str = ""
    symmetric: bool = False
    meaning: str = ""
    subject: str = ""

    def write(self, style: str) -> Written:
        if style == NUMPY:
            return Written(self.code or self.name)
        return Written(
            self.name if style == TEXT else self.latex or written_name(self.name, "latex")
        )


@dataclass(frozen=True)
class Ones(MatrixForm):
    """A column of ones; ``code`` is its length in NumPy."""

    code: str
    ndim: int = 1

    def write(self, style: str) -> Written:
        return Written({TEXT: "𝟏", LATEX: "\\mathbf{1}", NUMPY: f"np.ones({self.code})"}[style])


@dataclass(frozen=True)
class Eye(MatrixForm):
    """The identity."""

    code: str
    ndim: int = 2

    def write(self, style: str) -> Written:
        return Written({TEXT: "I", LATEX: "I", NUMPY: f"np.eye({self.code})"}[style])


@dataclass(frozen=True)
class CentringForm(MatrixForm):
    """The centring matrix ``I − 𝟏 𝟏ᵀ / n``; ``code`` is n in NumPy."""

    size: int
    code: str
    ndim: int = 2

    def write(self, style: str) -> Written:
        if style == NUMPY:
            return Written(f"(np.eye({self.code}) - 1 / {self.code})")
        return Written("C")


@dataclass(frozen=True)
class Centred(MatrixForm):
    """A column less its mean."""

    of: MatrixForm
    ndim: int = 1

    def write(self, style: str) -> Written:
        inner, whole = inside(self.of, PRODUCT, style), self.of.write(style).text
        if style == NUMPY:
            return Written(f"{inner} - np.mean({whole})", SUM)
        mean, minus = ("mean", "−") if style == TEXT else ("\\operatorname{mean}", "-")
        return Written(f"{inner} {minus} {mean}({whole})", SUM)


@dataclass(frozen=True)
class StandardisedForm(MatrixForm):
    """A column, or the rows of a matrix, less the mean and over the standard deviation."""

    of: MatrixForm
    ndim: int

    def write(self, style: str) -> Written:
        whole = self.of.write(style).text
        if style == NUMPY:
            rows = "" if self.ndim == 1 else ", axis=1, keepdims=True"
            inner = inside(self.of, PRODUCT, style)
            return Written(f"({inner} - np.mean({whole}{rows})) / np.std({whole}{rows})", PRODUCT)
        name = "standardised"
        return Written(
            f"{name}({whole})" if style == TEXT else f"\\operatorname{{{name}}}({whole})"
        )


@dataclass(frozen=True)
class Turned(MatrixForm):
    """A transpose; of a column a row."""

    of: MatrixForm

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """As of what it is of."""
        return self.of.ndim

    def write(self, style: str) -> Written:
        if style == NUMPY:
            inner = inside(self.of, ATOM, style)
            return Written(inner if self.ndim < 2 else f"{inner}.T")
        if isinstance(self.of, Inv) and style == TEXT:
            return Written(f"{inside(self.of.of, ATOM, style)}⁻ᵀ")
        if isinstance(self.of, Inv):
            return Written(f"{_base(inside(self.of.of, ATOM, style))}^{{-\\top}}")
        inner = inside(self.of, ATOM, style)
        return Written(f"{inner}ᵀ" if style == TEXT else f"{_base(inner)}^{{\\top}}")


def _base(text: str) -> str:
    return f"{{{text}}}" if "^" in text else text


def turned(form: MatrixForm) -> MatrixForm:
    """The transpose, of a product factor by factor."""
    if isinstance(form, Turned):
        return form.of
    if isinstance(form, Mul):
        return Mul(tuple(turned(p) for p in reversed(form.parts)))
    if isinstance(form, Eye | Diag | CentringForm) or getattr(form, "ndim", 0) == 0:
        return form
    if form.ndim == 2:
        if isinstance(form, Had):
            return Had(tuple(map(turned, form.above)), tuple(map(turned, form.below)), 2)
        if isinstance(form, Raised):
            return Raised(turned(form.of), form.exponent)
        if isinstance(form, Add):
            return Add(tuple(map(turned, form.parts)))
        if isinstance(form, CallForm) and form.entrywise:
            return CallForm(
                form.name, tuple(map(turned, form.arguments)), 2, form.latex, form.code, True
            )
    if isinstance(form, Scaled) and form.body is not None:
        return Scaled(form.coefficient, form.above, form.below, turned(form.body))
    if isinstance(form, Inv) and isinstance(form.of, Turned):
        return Inv(form.of.of)
    if isinstance(form, Inv) and turned(form.of) == form.of:
        return form
    if isinstance(form, Name) and form.symmetric:
        return form
    return Turned(form)


@dataclass(frozen=True)
class Inv(MatrixForm):
    """An inverse."""

    of: MatrixForm
    ndim: int = 2

    def write(self, style: str) -> Written:
        if style == NUMPY:
            return Written(f"np.linalg.inv({self.of.write(style).text})")
        if isinstance(self.of, Turned):
            return Turned(Inv(self.of.of)).write(style)
        inner = inside(self.of, ATOM, style)
        return Written(f"{inner}⁻¹" if style == TEXT else f"{_base(inner)}^{{-1}}")


@dataclass(frozen=True)
class CallForm(MatrixForm):
    """A function of forms, by what it is called in each style."""

    name: str
    arguments: tuple[MatrixForm, ...]
    ndim: int
    latex: str = ""
    code: str = ""
    entrywise: bool = False

    def write(self, style: str) -> Written:
        texts = [a.write(style).text for a in self.arguments]
        template = {TEXT: self.name, LATEX: self.latex or self.name, NUMPY: self.code or self.name}[
            style
        ]
        if "{0}" in template:
            tight = [
                a.write(style).inside(SUM if _closed(template, n) else ATOM)
                for n, a in enumerate(self.arguments)
            ]
            text = template.format(*tight)
            return Written(text, ATOM if style != NUMPY or not _open(template) else SUM)
        return Written(f"{template}({', '.join(texts)})")


def _open(template: str) -> bool:
    """Whether an operator stands outside of all brackets of a text of Python."""
    depth = 0
    for sign in template.replace("{0}", "x"):
        depth += (sign in "([") - (sign in ")]")
        if not depth and sign in "+-*/<>=&":
            return True
    return False


def _closed(template: str, number: int) -> bool:
    place = template.find(f"{{{number}}}")
    before = template[:place].rstrip()
    return before.endswith(("(", "|", "‖", "{", ",", "\\lVert", "["))


def _indent_code(form: MatrixForm) -> str:
    return form.write(NUMPY).text


@dataclass(frozen=True)
class Diag(MatrixForm):
    """The diagonal matrix of a column."""

    of: MatrixForm
    ndim: int = 2

    def write(self, style: str) -> Written:
        inner = self.of.write(style).text
        return Written(
            {
                TEXT: f"diag({inner})",
                LATEX: f"\\operatorname{{diag}}({inner})",
                NUMPY: f"np.diag({inner})",
            }[style]
        )


@dataclass(frozen=True)
class Had(MatrixForm):
    """An entrywise product, over another."""

    above: tuple[MatrixForm, ...]
    below: tuple[MatrixForm, ...]
    ndim: int

    def write(self, style: str) -> Written:
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


@dataclass(frozen=True)
class Raised(MatrixForm):
    """A power, entry by entry of what has entries."""

    of: MatrixForm
    exponent: Any

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """As of what it is of."""
        return self.of.ndim

    def write(self, style: str) -> Written:
        e = self.exponent
        inner = inside(self.of, ATOM, style)
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
            return Written(f"{_base(inner)}^{{{mark}{exponent}}}")
        if isinstance(e, MatrixForm):
            return Written(f"{inner}^{mark}{e.write(style).inside(ATOM)}")
        plain = str(e)
        if isinstance(self.of, CallForm) and self.of.entrywise:
            mark = ""
        if not mark and e.denominator == 1:
            return Written(inner + plain.translate(_RAISED))
        return Written(f"{inner}^{mark}{plain if plain.isdigit() else f'({plain})'}")


@dataclass(frozen=True)
class Mul(MatrixForm):
    """A matrix product; a column before a row is an outer product. ``apart`` writes ``X X``, not ``X²``."""

    parts: tuple[MatrixForm, ...]
    apart: bool = False

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Of the result."""
        rows = not is_row(self.parts[0])
        last = self.parts[-1]
        columns = last.ndim == 2 or is_row(last)
        return int(rows) + int(columns)

    def write(self, style: str) -> Written:
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
        return inside(form, ATOM if isinstance(form, Had | Add | Scaled) else PRODUCT, style)
    base = form.of if isinstance(form, Turned) else form
    if isinstance(base, Inv):
        text = f"({form.write(style).text})"
        return text + (str(count).translate(_RAISED) if style == TEXT else f"^{{{count}}}")
    text = base.write(style).text
    text = f"{text}{str(count).translate(_RAISED)}" if style == TEXT else f"{text}^{{{count}}}"
    if base is form:
        return text
    return f"({text})ᵀ" if style == TEXT else f"({text})^{{\\top}}"


def is_row(form: MatrixForm) -> bool:
    """Whether it is a row: the transpose of a column."""
    if form.ndim != 1:
        return False
    if isinstance(form, Mul):
        return is_row(form.parts[0])
    if isinstance(form, Scaled):
        return form.body is not None and is_row(form.body)
    return isinstance(form, Turned)


def mul(*parts: MatrixForm) -> MatrixForm:
    """A product, its products written in one row."""
    flat: list[MatrixForm] = []
    for p in parts:
        flat += p.parts if isinstance(p, Mul) else [p]
    return flat[0] if len(flat) == 1 else Mul(tuple(flat))


@dataclass(frozen=True)
class Scaled(MatrixForm):
    """A number times scalars, over scalars, times a body."""

    coefficient: Number
    above: tuple[MatrixForm, ...]
    below: tuple[MatrixForm, ...]
    body: MatrixForm | None

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Of the body."""
        return 0 if self.body is None else self.body.ndim

    def write(self, style: str) -> Written:
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

    parts: tuple[MatrixForm, ...]

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Of the first."""
        return max(p.ndim for p in self.parts)

    def write(self, style: str) -> Written:
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


@dataclass(frozen=True)
class Kron(MatrixForm):
    """A Kronecker product, perhaps times the commutation matrix."""

    parts: tuple[MatrixForm, ...]
    commuted: bool = False
    ndim: int = 2

    def write(self, style: str) -> Written:
        sign = {TEXT: " ⊗ ", LATEX: " \\otimes ", NUMPY: ", "}[style]
        text = sign.join(inside(p, ATOM, style) for p in self.parts)
        if self.commuted:
            return Written(f"({text}) K", PRODUCT)
        return Written(text, HADAMARD if len(self.parts) > 1 else self.parts[0].write(style).binds)


def opened(form: MatrixForm, sizes: Mapping[int, str]) -> MatrixForm:
    """The form with centring matrices as ``I − 𝟏 𝟏ᵀ / n`` where they are terms of a sum, or alone."""

    def terms(f: MatrixForm) -> tuple[MatrixForm, ...]:
        if isinstance(f, CentringForm):
            shown = sizes.get(f.size)
            below = (Name(shown, 0),) if shown else ()
            number = Fraction(-1) if shown else Fraction(-1, f.size)
            ones = Ones(f.code)
            return Eye(f.code), Scaled(number, (), below, mul(ones, turned(ones)))
        return (f,)

    def change(f: MatrixForm) -> MatrixForm:
        if isinstance(f, Scaled) and isinstance(f.body, CentringForm):
            return replace(f, body=Add(terms(f.body)))
        if isinstance(f, Add) and any(isinstance(p, CentringForm) for p in f.parts):
            return Add(tuple(one for p in f.parts for one in terms(p)))
        return f

    whole = rebuilt(form, change)
    return Add(terms(whole)) if isinstance(whole, CentringForm) else whole


def spelled(form: MatrixForm) -> MatrixForm:
    """The form with the powers of matrices as products, as beside letters, where ``X²`` is ambiguous."""
    return rebuilt(form, lambda f: replace(f, apart=True) if isinstance(f, Mul) else f)


@dataclass(frozen=True)
class DiagonalOf(MatrixForm):
    """The diagonal of a product of two matrices."""

    left: MatrixForm
    right: MatrixForm
    ndim: int = 1

    def write(self, style: str) -> Written:
        if style == NUMPY:
            parts = f"{self.left.write(style).text}, {self.right.write(style).text}"
            return Written(f'np.einsum("ij,ji->i", {parts})')
        ways = [mul(self.left, self.right), mul(turned(self.right), turned(self.left))]
        whole = min(ways, key=lambda f: (f.text.count("ᵀ"), f.text)).write(style).text
        return Written(f"dg({whole})" if style == TEXT else f"\\operatorname{{dg}}({whole})")


@dataclass(frozen=True)
class KhatriRao(MatrixForm):
    """Column by column the Kronecker product."""

    parts: tuple[MatrixForm, ...]
    ndim: int = 2

    def write(self, style: str) -> Written:
        sign = {TEXT: " ∗ ", LATEX: " \\ast ", NUMPY: ", "}[style]
        return Written(sign.join(inside(p, ATOM, style) for p in self.parts), HADAMARD)


def subforms(form: MatrixForm) -> Iterator[MatrixForm]:
    """The form and all inside it, the outermost first."""
    yield form
    for field in fields(form):  # type: ignore[arg-type]
        value = getattr(form, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, MatrixForm):
                yield from subforms(part)


def replaced(form: MatrixForm, table: Mapping[MatrixForm, MatrixForm]) -> MatrixForm:
    """The form with others in the place of some of its parts."""
    if form in table:
        return table[form]
    return _over_parts(form, lambda f: replaced(f, table))


def rebuilt(form: MatrixForm, change: Callable[[MatrixForm], MatrixForm]) -> MatrixForm:
    """The form with every part changed, the innermost first."""
    return change(_over_parts(form, lambda f: rebuilt(f, change)))


def _over_parts(form: MatrixForm, change: Callable[[MatrixForm], MatrixForm]) -> MatrixForm:
    """The form with what it is made of changed."""
    changes: dict[str, Any] = {}
    for field in fields(form):  # type: ignore[arg-type]
        value = getattr(form, field.name)
        if isinstance(value, tuple) and any(isinstance(v, MatrixForm) for v in value):
            changes[field.name] = tuple(
                change(v) if isinstance(v, MatrixForm) else v for v in value
            )
        elif isinstance(value, MatrixForm):
            changes[field.name] = change(value)
    return replace(form, **changes) if changes else form  # type: ignore[type-var]
