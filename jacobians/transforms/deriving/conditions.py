"""Where a derivative holds: what is inverted is regular, what is under a root or a logarithm positive."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from jacobians.algebra.atoms import Atom, Expr, Function, Group, Inverse, Leaf, Whole
from jacobians.algebra.common_factors import positive_expr
from jacobians.algebra.generic_points import is_product_of_others, is_tie
from jacobians.algebra.normal_form import sum_of
from jacobians.algebra.recognising import Softmax
from jacobians.algebra.remaking import atoms_within
from jacobians.display.arranging import Arranger
from jacobians.display.entrywise import power_form
from jacobians.display.forms import turned
from jacobians.display.networks import NoForm

_KINKED = ("absolute", "sign", "relu")
_NEVER_ZERO = ("exp", "sigmoid", "cosh")


def conditions_of(exprs: Iterable[Expr], arranger: Arranger) -> tuple[str, ...]:
    """Where all of the expressions are defined, and have a derivative."""
    found: dict[str, None] = {}
    for expr in exprs:
        for atom, exponent in atoms_within(expr):
            for condition in _Conditions(arranger).of(atom, exponent):
                found.setdefault(condition)
    return tuple(c for c in found if "≠" not in c or c.replace("≠", ">") not in found)


class _Conditions:
    """Conditions in matrix notation; what has none is not said."""

    def __init__(self, arranger: Arranger) -> None:
        self._arranger = arranger

    def of(self, atom: Atom, exponent: Fraction) -> Iterator[str]:
        """Those of one factor."""
        if isinstance(atom, Inverse):
            text = self._said(atom.of)
            if text is not None:
                yield f"det({_within_brackets(text)}) ≠ 0"
        elif isinstance(atom, Whole) and is_product_of_others(atom):
            yield from self._compared(self._said(atom.arguments[0]), "≠")
        elif isinstance(atom, Function) and (found := self._of_function(atom)) is not None:
            yield from found
        elif exponent.denominator != 1:
            yield from self._of_root(atom)
        elif exponent < 0 and not _is_never_zero(atom):
            yield from self._compared(self._called(atom), "≠")

    def _of_function(self, atom: Function) -> Iterator[str] | None:
        """What a function asks of its arguments, whatever power it is to; None where that is nothing."""
        inner = atom.arguments[0]
        if atom.operation.name == "log":
            known = positive_expr(inner) or _is_between_0_and_1(inner)
            return iter(()) if known else self._compared(self._said(inner), ">")
        if is_tie(atom):
            apart = sum_of(atom.arguments, [Fraction(-1), Fraction(1)])
            return self._compared(self._said(apart), "≠")
        if atom.operation.name in _KINKED:
            return self._compared(self._said(inner), "≠")
        return None

    def _of_root(self, atom: Atom) -> Iterator[str]:
        """What is under a root is positive; of a norm, not 0."""
        if isinstance(atom, Function):
            return
        if type(atom) is not Group:
            yield from self._compared(self._called(atom), ">")
        elif _is_square(atom.of):
            yield from self._compared(self._norm_of(atom.of), "≠")
        elif not positive_expr(atom.of):
            yield from self._compared(self._said(atom.of), ">")

    @staticmethod
    def _compared(text: str | None, sign: str) -> Iterator[str]:
        if text is not None:
            yield f"{text} {sign} 0"

    def _called(self, atom: Atom) -> str | None:
        try:
            return self._arranger.atom(atom).write("text").text
        except NoForm:
            return None

    def _said(self, expr: Expr) -> str | None:
        """An expression, or its transpose where that has fewer signs of one."""
        try:
            form = self._arranger.form(expr)
        except NoForm:
            return None
        ways = [form, turned(form)] if form.ndim == 2 else [form]
        return min((f.write("text").text for f in ways), key=lambda text: text.count("ᵀ"))

    def _norm_of(self, expr: Expr) -> str | None:
        try:
            text = power_form(self._arranger.form(expr), Fraction(1, 2)).write("text").text
        except NoForm:
            return None
        return text if "‖" in text else self._said(expr)


def _is_never_zero(atom: Atom) -> bool:
    if isinstance(atom, Leaf):
        return atom.positive
    if isinstance(atom, Function):
        return atom.operation.name in _NEVER_ZERO
    return type(atom) is Group and positive_expr(atom.of) and not _is_square(atom.of)


def _is_square(expr: Expr) -> bool:
    return positive_expr(expr) and all(
        all(e % 2 == 0 for _, e in t.factors) and t.factors for t in expr.terms
    )


def _is_between_0_and_1(expr: Expr) -> bool:
    """Whether it is 1 − σ(x)."""
    ones = [t for t in expr.terms if not t.factors]
    others = [t for t in expr.terms if t.factors]
    if (
        len(ones) != 1
        or len(others) != 1
        or (ones[0].coefficient, others[0].coefficient) != (1, -1)
    ):
        return False
    return all(
        isinstance(f.atom, Softmax)
        or (isinstance(f.atom, Function) and f.atom.operation.name in ("sigmoid", "expit"))
        for f, _ in others[0].factors
    )


def _within_brackets(text: str) -> str:
    """A text without a pair of brackets around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for n, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth and n < len(text) - 1:
            return text
    return text[1:-1]
