"""Products and powers, entry by entry; the root of ``xᵀ x`` is ``‖x‖``."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from jacobians.display.form_products import Had, Mul, Raised, mul
from jacobians.display.form_sums import Add
from jacobians.display.forms import CallForm, MatrixForm, turned

HALF = Fraction(1, 2)


def had(forms: Sequence[MatrixForm], ndim: int) -> MatrixForm:
    """An entrywise product; powers below 0 stand below."""
    if len(forms) == 1 and not (
        isinstance(forms[0], Raised)
        and isinstance(forms[0].exponent, Fraction)
        and forms[0].exponent < 0
    ):
        return forms[0]
    above: list[MatrixForm] = []
    below: list[MatrixForm] = []
    for f in forms:
        if isinstance(f, Had):
            above += f.above
            below += f.below
        elif isinstance(f, Raised) and isinstance(f.exponent, Fraction) and f.exponent < 0:
            below.append(power_form(f.of, -f.exponent))
        else:
            above.append(f)
    powers: dict[MatrixForm, Fraction] = {}
    for f in above:
        whole = isinstance(f, Raised) and isinstance(f.exponent, Fraction) and f.exponent > 1
        base, e = (f.of, f.exponent) if whole and isinstance(f, Raised) else (f, Fraction(1))
        powers[base] = powers.get(base, Fraction(0)) + e
    above = [power_form(f, e) for f, e in powers.items()]
    if not below and len(above) == 1:
        return above[0]
    return Had(tuple(sorted(above, key=_order)), tuple(sorted(below, key=_order)), ndim)


def _order(form: MatrixForm) -> tuple[bool, str]:
    """Names first."""
    return isinstance(form, Mul | Add), form.text


def power_form(form: MatrixForm, exponent: Fraction) -> MatrixForm:
    """A power; the root of xᵀx is ‖x‖, whose powers are those of a norm."""
    if exponent == 1:
        return form
    if (
        isinstance(form, CallForm)
        and form.name == "std"
        and exponent.denominator == 1
        and exponent % 2 == 0
    ):
        variance = replace(
            form, name="var", latex="\\operatorname{var}", code=form.code.replace("std", "var")
        )
        return power_form(variance, exponent / 2)
    if getattr(form, "ndim", 1) == 0:
        of = _square_of(form)
        if of is not None and (exponent * 2).denominator == 1 and exponent.denominator != 1:
            code = "np.linalg.norm"
            norm = CallForm("‖{0}‖", (of,), 0, "\\lVert {0} \\rVert", code)
            return norm if exponent == HALF else Raised(norm, exponent * 2)
    return Raised(form, exponent)


def _square_of(form: MatrixForm) -> MatrixForm | None:
    """What xᵀx is of, or tr(XᵀX)."""
    if isinstance(form, Mul):
        n = len(form.parts)
        half = n // 2
        if n % 2 == 0 and turned(mul(*form.parts[half:])) == mul(*form.parts[:half]):
            return mul(*form.parts[half:])
    if isinstance(form, CallForm) and form.name == "tr" and isinstance(form.arguments[0], Mul):
        parts = form.arguments[0].parts
        half = len(parts) // 2
        if len(parts) % 2 == 0:
            first, second = mul(*parts[:half]), mul(*parts[half:])
            if turned(second) == first:
                return min(first, second, key=lambda f: f.text.count("ᵀ"))
    return None
