"""Matrix notation as a tree, and as text, LaTeX and NumPy: names, transposes, inverses, functions.

A vector is a column, and one-dimensional in NumPy.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from jacobians.display.matrix_forms import written_name
from jacobians.notation.writing import ATOM, SUM, Written

TEXT, LATEX, NUMPY = "text", "latex", "numpy"


HADAMARD = 0.5  # binds less than a product, and more than a sum


_FREE = {"diag", "1", "𝟏", "I", "C"}


_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class MatrixForm:
    """A scalar (``ndim`` 0), a column (1) or a matrix (2).

    One that ``is_row`` is the transpose of a column, one that ``is_loose`` is put in parentheses beside other
    factors, and a power beside one that is ``entrywise`` would be taken for one of its entries.
    """

    is_loose: ClassVar[bool] = False

    if TYPE_CHECKING:

        @property
        def ndim(self) -> int:
            """How many axes it has."""

        @property
        def is_row(self) -> bool:
            """Whether it is the transpose of a column."""

        @property
        def entrywise(self) -> bool:
            """Whether it acts entry by entry."""

    else:
        is_row = entrywise = False

    def write(self, style: str) -> Written:
        """As it is written, worked out once."""
        known: dict[str, Written] = vars(self).setdefault("_known", {})
        if style not in known:
            known[style] = self._written(style)
        return known[style]

    def _written(self, style: str) -> Written:
        raise NotImplementedError

    def transposed(self) -> "MatrixForm":
        """The transpose, of a product factor by factor; a number is its own."""
        return Turned(self) if self.ndim else self

    @cached_property
    def text(self) -> str:
        """In a terminal."""
        return self.write(TEXT).text

    @cached_property
    def cost(self) -> tuple[int, int, str]:
        """How long it is: the names in it, then its signs."""
        return sum(w not in _FREE for w in _WORDS.findall(self.text)), len(self.text), self.text


FormClass = TypeVar("FormClass", bound=MatrixForm)


@dataclass_transform(frozen_default=True)
def frozen_form(cls: type[FormClass]) -> type[FormClass]:
    """A frozen dataclass whose instances remember their hash: forms are the keys of many tables."""
    made = dataclass(frozen=True)(cls)
    hashed: Callable[[Any], int] = made.__hash__

    def remembered(self: Any) -> int:
        known = vars(self)
        if "_hash" not in known:
            known["_hash"] = hashed(self)
        return int(known["_hash"])

    made.__hash__ = remembered  # type: ignore[method-assign]
    return made


def inside(form: MatrixForm, binds: float, style: str) -> str:
    """The form's text in parentheses where it binds less."""
    return form.write(style).inside(binds)


def _inverted(form: MatrixForm, style: str) -> str:
    """What stands before the sign of an inverse: ``(tanh(X))⁻¹``, since ``tanh(x)²`` is entry by entry."""
    written = form.write(style)
    function = form.entrywise or isinstance(form, CallForm)
    return f"({written.text})" if function else written.inside(ATOM)


@frozen_form
class Name(MatrixForm):
    """An array by its name; ``code`` is what it is in NumPy, ``meaning`` what its ``subject`` stands for.

    A ``constant`` one is of numbers, whatever the arguments are.
    """

    name: str
    ndim: int
    code: str = ""
    latex: str = ""
    symmetric: bool = False
    meaning: str = ""
    subject: str = ""
    constant: bool = False

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            return Written(self.code or self.name)
        return Written(
            self.name if style == TEXT else self.latex or written_name(self.name, "latex")
        )

    def transposed(self) -> MatrixForm:
        """Itself where it is symmetric."""
        return self if self.symmetric or not self.ndim else Turned(self)


@frozen_form
class Ones(MatrixForm):
    """A column of ones; ``code`` is its length in NumPy."""

    code: str
    ndim: int = 1

    def _written(self, style: str) -> Written:
        """As it is written."""
        return Written({TEXT: "𝟏", LATEX: "\\mathbf{1}", NUMPY: f"np.ones({self.code})"}[style])


@frozen_form
class Eye(MatrixForm):
    """The identity."""

    code: str
    ndim: int = 2

    def _written(self, style: str) -> Written:
        """As it is written."""
        return Written({TEXT: "I", LATEX: "I", NUMPY: f"np.eye({self.code})"}[style])

    def transposed(self) -> MatrixForm:
        """It is symmetric."""
        return self


@frozen_form
class Turned(MatrixForm):
    """A transpose; of a column a row."""

    of: MatrixForm

    @property
    def ndim(self) -> int:
        """As of what it is of."""
        return self.of.ndim

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            inner = inside(self.of, ATOM, style)
            return Written(inner if self.ndim < 2 else f"{inner}.T")
        if isinstance(self.of, Inv) and style == TEXT:
            return Written(f"{_inverted(self.of.of, style)}⁻ᵀ")
        if isinstance(self.of, Inv):
            return Written(f"{based(_inverted(self.of.of, style))}^{{-\\top}}")
        inner = inside(self.of, ATOM, style)
        if self.of.entrywise and inner[-1] not in ")|]}":  # (x^∘2)ᵀ
            inner = f"({inner})"
        return Written(f"{inner}ᵀ" if style == TEXT else f"{based(inner)}^{{\\top}}")

    @property
    def is_row(self) -> bool:
        """Of a column it is one."""
        return self.ndim == 1

    def transposed(self) -> MatrixForm:
        """What it is the transpose of."""
        return self.of


def based(text: str) -> str:
    """A text that gets a power; one that has its own is grouped."""
    return f"{{{text}}}" if "^" in text else text


def turned(form: MatrixForm) -> MatrixForm:
    """The transpose, of a product factor by factor."""
    return form.transposed()


def upright(form: MatrixForm) -> MatrixForm:
    """The form or its transpose, whichever has fewer signs of one: for what is the same of both."""
    if form.ndim != 2:
        return form
    return min(form, turned(form), key=lambda f: (f.text.count("ᵀ"), len(f.text), f.text))


def is_row(form: MatrixForm) -> bool:
    """Whether it is a row: the transpose of a column."""
    return form.is_row


@frozen_form
class Inv(MatrixForm):
    """An inverse."""

    of: MatrixForm
    ndim: int = 2

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            return Written(f"np.linalg.inv({self.of.write(style).text})")
        if isinstance(self.of, Turned):
            return Turned(Inv(self.of.of)).write(style)
        inner = _inverted(self.of, style)
        return Written(f"{inner}⁻¹" if style == TEXT else f"{based(inner)}^{{-1}}")

    def transposed(self) -> MatrixForm:
        """The inverse of the transpose, where that is shorter."""
        if isinstance(self.of, Turned):
            return Inv(self.of.of)
        return self if self.of.transposed() == self.of else Turned(self)


@frozen_form
class CallForm(MatrixForm):
    """A function of forms, by what it is called in each style."""

    name: str
    arguments: tuple[MatrixForm, ...]
    ndim: int
    latex: str = ""
    code: str = ""
    entrywise: bool = False

    def _written(self, style: str) -> Written:
        """As it is written."""
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

    def transposed(self) -> MatrixForm:
        """Entry by entry the function of the transpose, unless the other has fewer signs of one."""
        if self.ndim != 2 or not self.entrywise:
            return super().transposed()
        other = replace(self, arguments=tuple(a.transposed() for a in self.arguments))
        plain = all(isinstance(a, Name) or not a.ndim for a in self.arguments)
        return other if plain or other.text.count("ᵀ") <= self.text.count("ᵀ") else Turned(self)


def _open(template: str) -> bool:
    """Whether an operator stands outside of all brackets of a text of Python."""
    depth = 0
    for sign in template.replace("{0}", "x"):
        depth += (sign in "([") - (sign in ")]")
        if not depth and sign in "+-*/<>=&":
            return True
    return False


def _closed(template: str, number: int) -> bool:
    if template.startswith("[") and template.endswith("]"):  # a comparison
        return True
    place = template.find(f"{{{number}}}")
    before = template[:place].rstrip()
    return before.endswith(("(", "|", "‖", "{", ",", "\\lVert", "["))


@frozen_form
class Diag(MatrixForm):
    """The diagonal matrix of a column."""

    of: MatrixForm
    ndim: int = 2

    def _written(self, style: str) -> Written:
        """As it is written."""
        inner = self.of.write(style).text
        return Written(
            {
                TEXT: f"diag({inner})",
                LATEX: f"\\operatorname{{diag}}({inner})",
                NUMPY: f"np.diag({inner})",
            }[style]
        )

    def transposed(self) -> MatrixForm:
        """It is symmetric."""
        return self
