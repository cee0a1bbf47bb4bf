"""More smooth functions of numbers, entry by entry, by their derivatives.

Inverse functions use the factored forms, ``(1 − x)(1 + x)`` for ``1 − x²``, which lose nothing where
they vanish. Sources: NIST Digital Library of Mathematical Functions, §4 (elementary functions),
§10.29 (modified Bessel functions).
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import factorial, log, pi
from typing import Any

import numpy as np

from jacobians.graph.node import Node, apply
from jacobians.notation.writing import PRODUCT
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import elementwise
from jacobians.operations.elementwise import nonzero_log, power_derivative, ratio, sigmoid


def _unary(ufunc: np.ufunc, derivative: Callable[[Any, Any], Any], latex: str = "") -> Rule:
    name = ufunc.__name__
    written = latex or f"\\operatorname{{{{{name}}}}}"
    return elementwise(
        name, ufunc, numpy=ufunc, notation=f"{name}({{0}})", latex=f"{written}({{0}})", X=derivative
    )


expm1 = _unary(np.expm1, lambda X, Y: np.exp(X))
exp2 = _unary(np.exp2, lambda X, Y: log(2) * Y)
log2 = _unary(np.log2, lambda X, Y: 1 / log(2) / X, "\\log_2")
log10 = _unary(np.log10, lambda X, Y: 1 / log(10) / X, "\\log_{{10}}")
log1p = _unary(np.log1p, lambda X, Y: 1 / (1 + X))
cbrt = _unary(np.cbrt, lambda X, Y: 1 / (3 * np.square(Y)))
reciprocal = _unary(np.reciprocal, lambda X, Y: -np.square(Y))
tan = _unary(np.tan, lambda X, Y: 1 + np.square(Y), "\\tan")
arcsin = _unary(np.arcsin, lambda X, Y: 1 / np.sqrt((1 - X) * (1 + X)), "\\arcsin")
arccos = _unary(np.arccos, lambda X, Y: -1 / np.sqrt((1 - X) * (1 + X)), "\\arccos")
arctan = _unary(np.arctan, lambda X, Y: 1 / (1 + np.square(X)), "\\arctan")
sinh = _unary(np.sinh, lambda X, Y: np.cosh(X), "\\sinh")
cosh = _unary(np.cosh, lambda X, Y: np.sinh(X), "\\cosh")
arcsinh = _unary(np.arcsinh, lambda X, Y: 1 / np.hypot(X, 1))
arccosh = _unary(np.arccosh, lambda X, Y: 1 / (np.sqrt(X - 1) * np.sqrt(X + 1)))
arctanh = _unary(np.arctanh, lambda X, Y: 1 / ((1 - X) * (1 + X)))
deg2rad = _unary(np.deg2rad, lambda X, Y: pi / 180)
radians = _unary(np.radians, lambda X, Y: pi / 180)
rad2deg = _unary(np.rad2deg, lambda X, Y: 180 / pi)
degrees = _unary(np.degrees, lambda X, Y: 180 / pi)

positive: Rule = elementwise("positive", np.positive, numpy=np.positive, notation="{0}", X="1")
conjugate: Rule = elementwise("conjugate", np.conjugate, numpy=np.conjugate, notation="{0}", X="1")
root: Rule = elementwise(
    # The square root of a sum of squares: 0 has derivative 0, as for the norm.
    "root", np.sqrt, notation="√({0})", latex="\\sqrt{{{0}}}",
    X=lambda X, Y: 0.5 * apply(ratio, [1, Y]),
)  # fmt: skip
float_power: Rule = elementwise(
    "float_power", np.float_power, numpy=np.float_power, notation="{0}^{1}", latex="{0}^{{{1}}}",
    X=lambda X, p, Y: power_derivative(X, p),
    p=lambda X, p, Y: Y * apply(nonzero_log, [X]),
)  # fmt: skip
hypot: Rule = elementwise(
    "hypot", np.hypot, numpy=np.hypot,
    A=lambda A, B, Y: apply(ratio, [A, Y]),
    B=lambda A, B, Y: apply(ratio, [B, Y]),
)  # fmt: skip
arctan2: Rule = elementwise(
    # Divided twice by the radius, whose square could overflow.
    "arctan2", np.arctan2, numpy=np.arctan2,
    A=lambda A, B, Y: B / np.hypot(A, B) / np.hypot(A, B),
    B=lambda A, B, Y: -(A / np.hypot(A, B) / np.hypot(A, B)),
)  # fmt: skip


def _above(A: Node, B: Node) -> Node:
    """By how much A is above B: A itself where B is the number 0."""
    return A if B.is_number and B.value == 0 else A - B


logaddexp: Rule = elementwise(
    "logaddexp", np.logaddexp, numpy=np.logaddexp,
    A=lambda A, B, Y: apply(sigmoid, [_above(A, B)]),
    B=lambda A, B, Y: apply(sigmoid, [_above(B, A)]),
)  # fmt: skip
logaddexp2: Rule = elementwise(
    "logaddexp2", np.logaddexp2, numpy=np.logaddexp2,
    A=lambda A, B, Y: np.exp2(A - Y),
    B=lambda A, B, Y: np.exp2(B - Y),
)  # fmt: skip
ldexp: Rule = elementwise(
    "ldexp", np.ldexp, numpy=np.ldexp, notation="{0} 2^{1}", latex="{0} \\, 2^{{{1}}}", binds=PRODUCT,
    X=lambda X, e, Y: 2.0**e,
    e=None,
)  # fmt: skip


def _sinc(X: Any, order: int) -> Any:
    """The derivative of sinc of an order: with s(z) = sin(z)/z, z s⁽ᵏ⁾ + k s⁽ᵏ⁻¹⁾ = sin⁽ᵏ⁾(z)."""
    X = np.asarray(X)
    z = pi * X.astype(np.float64)
    small = (
        np.abs(z) <= order + 2
    )  # there the recurrence loses digits, and the power series does not
    far = np.where(small, 1.0, z)
    slope = np.sin(far) / far
    for k in range(1, order + 1):
        slope = (np.sin(far + k * pi / 2) - k * slope) / far
    near = np.where(small, z, 0.0)
    series = np.zeros_like(near)
    for m in range(15 + 3 * order, (order - 1) // 2, -1):
        # Horner's scheme over the terms (−1)ᵐ z²ᵐ⁻ᵏ (2m)!/((2m−k)! (2m+1)!).
        series = series * near**2 + (-1) ** m / (factorial(2 * m - order) * (2 * m + 1))
    series = series * near if order % 2 else series
    return np.asarray(pi**order * np.where(small, series, slope), np.result_type(X, 0.0))


@lru_cache
def sinc(order: int) -> Rule:
    """A derivative of ``sin(πx)/(πx)``, exact at 0 in every order."""
    return elementwise(
        f"sinc{order or ''}", partial(_sinc, order=order) if order else np.sinc,
        notation=f"sinc{chr(39) * order}({{0}})",
        latex=f"\\operatorname{{{{sinc}}}}{chr(39) * order}({{0}})",
        X=lambda X, Y: apply(sinc(order + 1), [X]),
    )  # fmt: skip


@lru_cache
def bessel(order: int) -> Rule:
    """The modified Bessel function I of an integer order: 2 I'ₙ = Iₙ₋₁ + Iₙ₊₁ (DLMF 10.29.1)."""

    def value(X: Any) -> Any:
        if order == 0:
            return np.i0(X)
        from scipy.special import iv  # loads slowly

        return iv(order, X)

    def derivative(X: Node, Y: Node) -> Any:  # noqa: ARG001
        if order == 0:
            return apply(bessel(1), [X])
        return 0.5 * (apply(bessel(order - 1), [X]) + apply(bessel(order + 1), [X]))

    return elementwise(
        f"i{order}", value, notation=f"I{order}({{0}})", latex=f"I_{order}({{0}})", X=derivative
    )
