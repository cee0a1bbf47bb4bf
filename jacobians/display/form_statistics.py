"""What is less its mean, and over its standard deviation."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from jacobians.display.form_products import mul
from jacobians.display.form_rewriting import rebuilt, subforms
from jacobians.display.form_sums import Add, Scaled
from jacobians.display.forms import (
    NUMPY,
    TEXT,
    CallForm,
    Eye,
    MatrixForm,
    Name,
    Ones,
    frozen_form,
    inside,
    turned,
)
from jacobians.display.latex import HAT
from jacobians.notation.writing import PRODUCT, SUM, Written


@frozen_form
class CentringForm(MatrixForm):
    """The centring matrix ``I − 𝟏 𝟏ᵀ / n``; ``code`` is n in NumPy."""

    size: int
    code: str
    ndim: int = 2
    name: str = "C"

    def _written(self, style: str) -> Written:
        """As it is written."""
        if style == NUMPY:
            return Written(f"(np.eye({self.code}) - 1 / {self.code})")
        return Written(self.name)

    def transposed(self) -> MatrixForm:
        """It is symmetric."""
        return self


@frozen_form
class Centred(MatrixForm):
    """A column less its mean."""

    of: MatrixForm
    ndim: int = 1

    def _written(self, style: str) -> Written:
        """As it is written."""
        inner, whole = inside(self.of, PRODUCT, style), self.of.write(style).text
        if style == NUMPY:
            return Written(f"{inner} - np.mean({whole})", SUM)
        mean, minus = ("mean", "−") if style == TEXT else ("\\operatorname{mean}", "-")
        return Written(f"{inner} {minus} {mean}({whole})", SUM)


@frozen_form
class StandardisedForm(MatrixForm):
    """A column, or the rows of a matrix, less the mean and over the standard deviation."""

    of: MatrixForm
    ndim: int

    def _written(self, style: str) -> Written:
        """As it is written."""
        whole = self.of.write(style).text
        if style == NUMPY:
            rows = "" if self.ndim == 1 else ", axis=1, keepdims=True"
            inner = inside(self.of, PRODUCT, style)
            return Written(f"({inner} - np.mean({whole}{rows})) / np.std({whole}{rows})", PRODUCT)
        name = "standardised"
        return Written(
            f"{name}({whole})" if style == TEXT else f"\\operatorname{{{name}}}({whole})"
        )


def centring_sizes(form: MatrixForm) -> set[int]:
    """Of the centring matrices in a form."""
    return {f.size for f in subforms(form) if isinstance(f, CentringForm)}


SIGMA = Name("σ", 0)


def hat_of(form: MatrixForm) -> Name:
    """What a standardised column is called: ``x̂``."""
    short = isinstance(form, Name) and len(form.name) == 1
    return Name((form.text if short else "z") + HAT, form.ndim)


def deviation_of(form: MatrixForm) -> MatrixForm:
    """The standard deviation of a column, of the rows of a matrix."""
    return CallForm("std", (form,), form.ndim - 1, "\\operatorname{std}", "")


def standardised_form(form: MatrixForm) -> MatrixForm:
    """A column less its mean, over σ."""
    return Scaled(Fraction(1), (), (SIGMA,), Centred(form))


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
