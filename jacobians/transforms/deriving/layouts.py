"""Matrix notation of a derivative, in a layout."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from jacobians.algebra.atoms import Expr, Leaf
from jacobians.algebra.letter_order import plain, sizes_of
from jacobians.algebra.normal_form import built
from jacobians.algebra.reshaping import whole_axes
from jacobians.display.arranging import Arranger
from jacobians.display.form_products import COMMUTATION
from jacobians.display.form_rewriting import rebuilt, replaced, subforms
from jacobians.display.form_statistics import (
    SIGMA,
    CentringForm,
    StandardisedForm,
    deviation_of,
    hat_of,
    opened,
    standardised_form,
)
from jacobians.display.form_sums import Scaled
from jacobians.display.forms import CallForm, MatrixForm, Name, Turned, turned
from jacobians.display.kronecker import stacked, vec
from jacobians.display.networks import NoForm
from jacobians.display.summing import pulled
from jacobians.errors import UnsupportedError

LAYOUTS = ("numerator", "denominator", "vec", "operator")
_REPEATED = 12  # signs from which a part that stands twice gets a name
_LONG = 44  # of a whole that is written without names


class Arranged(NamedTuple):
    """A derivative in matrix notation: a left side, a form, and what it means."""

    left: str
    form: MatrixForm
    meaning: str
    parts: tuple[tuple[Name, MatrixForm], ...] = ()

    def text(self, style: str = "text") -> str:
        """The right side, with its parts."""
        whole = self.form.write(style).text
        if not self.parts:
            return whole
        where = ", where " if style == "text" else ",\\quad\\text{where } "
        between = ", " if style == "text" else ",\\; "
        return (
            whole
            + where
            + between.join(
                f"{name.write(style).text} = {form.write(style).text}" for name, form in self.parts
            )
        )


def check_layout(layout: str | None) -> None:
    """Raise UnsupportedError for a layout that there is none of."""
    if layout is not None and layout not in LAYOUTS:
        raise UnsupportedError(
            f"layout={layout!r} is unknown; there are {', '.join(map(repr, LAYOUTS))}, and None"
        )


def arranged(
    expr: Expr,
    out_ndim: int,
    names: tuple[str, str],
    layout: str | None,
    taken: set[str],
    arranger: Arranger,
    sizes: Mapping[int, str] = MappingProxyType({}),
) -> Arranged:
    """The derivative in matrix notation; raises NoForm where it has none."""
    out, inner = expr.shape[:out_ndim], expr.shape[out_ndim:]
    if len(out) > 2 or len(inner) > 2:
        raise NoForm("more than two axes on a side")
    if layout == "operator":
        found = _operator(arranger, expr, out_ndim, names)
    elif layout == "vec" or len(out) + len(inner) > 2:
        found = _by_vec(arranger, expr, out_ndim, names)
    else:
        found = _by_shape(arranger, expr, out_ndim, names, layout)
    return _named(found, taken, sizes)


def _by_vec(arranger: Arranger, expr: Expr, out_ndim: int, names: tuple[str, str]) -> Arranged:
    """``∂vec(Y)/∂vec(X)``."""
    y, x = names
    out, inner = out_ndim, len(expr.shape) - out_ndim
    if (out, inner) in ((0, 2), (2, 0)) or out + inner < 2:
        form = arranger.form(expr)
        form = vec(form) if form.ndim == 2 else form
        form = form if out else turned(form)
    else:
        form = stacked(arranger, expr, out_ndim)
    return Arranged(f"∂vec({y})/∂vec({x})", form, "row-major vec")


def _by_shape(
    arranger: Arranger, expr: Expr, out_ndim: int, names: tuple[str, str], layout: str | None
) -> Arranged:
    """At most two axes in all, with rows for the output or for the argument."""
    y, x = names
    form = _plain(arranger, expr, out_ndim)
    if layout is None:
        inner = len(expr.shape) - out_ndim
        both = f"rows for {y}, columns for {x}"
        meaning = both if out_ndim and inner else f"the shape of {y if out_ndim else x}"
    else:
        meaning = f"{layout} layout"
        if bool(out_ndim) is (layout == "denominator") and expr.shape:
            form = turned(form)
    return Arranged(f"∂{y}/∂{x}", form, meaning)


def _plain(arranger: Arranger, expr: Expr, out_ndim: int) -> MatrixForm:
    """A derivative of at most two axes; one axis that is split, or two that are joined, by vec and unvec."""
    whole, own = whole_axes(expr, out_ndim)
    if len(whole.shape) == len(expr.shape):
        return arranger.form(expr)
    if own and own != len(whole.shape):
        return stacked(arranger, expr, out_ndim)
    form = arranger.form(whole)
    if len(whole.shape) > len(expr.shape):
        return vec(form)
    return CallForm("unvec", (form,), 2, "\\operatorname{unvec}", "")


def _operator(arranger: Arranger, expr: Expr, out_ndim: int, names: tuple[str, str]) -> Arranged:
    """``dF = A dX B + …``: the derivative contracted with dX."""
    y, x = names
    out, inner = expr.shape[:out_ndim], expr.shape[out_ndim:]
    slots = plain(expr.shape)
    change = Leaf(f"d{x}", inner)
    contracted = built(
        [(expr, slots, 1), (change, slots[out_ndim:], 1)], slots[:out_ndim], sizes_of(slots, expr.shape), out,
        expand=True,
    )  # fmt: skip
    if not out and inner and expr.terms:
        product = pulled((turned(arranger.form(expr)), Name(f"d{x}", len(inner))))
        if len(inner) == 2:
            product = linear("tr", product, 0, "np.trace")
        return Arranged(f"d{y}", product, "operator form")
    return Arranged(f"d{y}", arranger.form(contracted), "operator form")


def linear(name: str, form: MatrixForm, ndim: int, code: str) -> MatrixForm:
    """A linear function of a matrix, its number and scalars before it."""
    if isinstance(form, Scaled) and form.body is not None:
        return replace(form, body=linear(name, form.body, ndim, code))
    return CallForm(name, (form,), ndim, f"\\operatorname{{{name}}}", code)


_LETTERS = {"softmax": "p", "σ": "s", "tanh": "h", "exp": "e", "std": "σ"}


_OTHERS = {"K": "TΠ", "C": "HZ", "L": "TN"}  # names of constant arrays where an argument has theirs


def _apart(form: MatrixForm, taken: set[str]) -> MatrixForm:
    """The form with other names for constant arrays that are called as arguments are."""
    other = {
        name: next(n for n in (*pool, name) if n not in taken)
        for name, pool in _OTHERS.items()
        if name in taken and not set(pool) <= taken
    }

    def change(f: MatrixForm) -> MatrixForm:
        if isinstance(f, CentringForm) and f.name in other:
            return replace(f, name=other[f.name])
        if f == COMMUTATION and f.name in other:
            name = other[f.name]
            return replace(f, name=name, subject=f"{name} vec(Z)", meaning="vec(Zᵀ)")
        if isinstance(f, Name) and f.meaning and f.name in other:
            return replace(f, name=other[f.name])
        return f

    return rebuilt(form, change) if other else form


_LATEX = {
    "vec": "\\operatorname{vec}", "tril": "\\operatorname{tril}", "ᵀ": "^{\\top}", "𝟏": "\\mathbf{1}",
    "…": "\\ldots", "Π": "\\Pi ",
}  # fmt: skip


def _spelled_out(text: str) -> Name:
    """What a constant array is, in both styles."""
    latex = text
    for sign, command in _LATEX.items():
        latex = latex.replace(sign, command)
    return Name(text, 2, latex=latex)


def with_meanings(found: Arranged, columns: Mapping[str, Sequence[str]]) -> Arranged:
    """With what columns are that have no name of the user's, where they stand in it."""
    forms = [found.form, *(form for _, form in found.parts)]
    names = {
        f.name for form in forms for f in subforms(form) if isinstance(f, Name) and not f.constant
    }
    meanings = [
        (
            Name(name, 1),
            Name(f"({', '.join(texts)})".replace("-", "−"), 1, latex=f"({', '.join(texts)})"),
        )
        for name, texts in columns.items()
        if name in names
    ]
    return found._replace(parts=(*found.parts, *meanings))


def _named(found: Arranged, taken: set[str], sizes: Mapping[int, str]) -> Arranged:
    """At most two parts that stand more than once, by names; and what constant arrays stand for."""
    found = found._replace(form=_apart(found.form, taken))
    found = _shortened(found._replace(form=opened(found.form, sizes)), taken)
    constants: dict[str, tuple[Name, MatrixForm]] = {}
    for whole in (found.form, *(form for _, form in found.parts)):
        for sub in subforms(whole):
            if isinstance(sub, CentringForm):
                eye = opened(sub, sizes)
                constants.setdefault(sub.name, (Name(sub.name, 2), eye))
            elif isinstance(sub, Name) and sub.meaning:
                constants.setdefault(
                    sub.name, (_spelled_out(sub.subject or sub.name), _spelled_out(sub.meaning))
                )
    return found._replace(parts=(*found.parts, *constants.values()))


def _standardised(found: Arranged) -> Arranged:
    """Standardised columns by a hat over their name, their standard deviation by σ."""
    form, parts = found.form, list(found.parts)
    for sub in list(
        dict.fromkeys(f for f in subforms(form) if isinstance(f, StandardisedForm) and f.ndim == 1)
    ):
        hat = hat_of(sub.of)
        table: dict[MatrixForm, MatrixForm] = {
            f: SIGMA
            for f in subforms(form)
            if isinstance(f, CallForm) and f.name == "std" and f.arguments == (sub.of,)
        }
        form = replaced(form, {**table, sub: hat})
        parts += [(SIGMA, deviation_of(sub.of)), (hat, standardised_form(sub.of))]
        break
    return found._replace(form=form, parts=tuple(parts))


def _shortened(found: Arranged, taken: set[str]) -> Arranged:
    """At most two parts that stand more than once, by names."""
    found = _standardised(found)
    if found.parts:
        return found
    form = found.form
    parts: list[tuple[Name, MatrixForm]] = []
    for _ in range(2):
        best = _repeated_part(form)
        if best is None:
            break
        letters = _LETTERS.get(best.name, "") if isinstance(best, CallForm) else ""
        pool = [*letters, *{0: "cαβ", 1: "rzuv", 2: "MNQR"}[best.ndim]]
        used = taken | {p.name for p, _ in parts}
        name = next((n for n in pool if n not in used), None)
        if name is None:
            break
        made = Name(name, best.ndim)
        table: dict[MatrixForm, MatrixForm] = {best: made}
        if turned(best) != best:
            table[turned(best)] = Turned(made)
        form = replaced(form, table)
        parts = [(n, replaced(f, {best: made})) for n, f in parts]
        parts.append((made, best))
    return found._replace(form=form, parts=tuple(parts))


def _repeated_part(form: MatrixForm) -> MatrixForm | None:
    """The part that a name shortens most; None where there is none, or the whole is short."""
    counts = Counter(subforms(form))
    for sub in list(counts):
        other = turned(sub)
        alike = other != sub and other in counts and sub.ndim == 2
        if alike and not isinstance(other, Turned) and not isinstance(sub, Turned | Name):
            counts[sub] += sum(f == other for f in subforms(form))
    several = [
        f for f, n in counts.items()
        if n > 1 and len(f.text) >= _REPEATED and not isinstance(f, Turned | Name)
    ]  # fmt: skip
    if not several or (len(form.text) < _LONG and not any("softmax" in f.text for f in several)):
        return None
    return max(several, key=lambda f: (counts[f] - 1) * len(f.text))
