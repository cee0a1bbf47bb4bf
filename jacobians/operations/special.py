"""Special functions of SciPy, which is imported when one of them is first evaluated.

Sources: NIST Digital Library of Mathematical Functions, §5.2 and §5.15 (gamma, digamma, polygamma),
§7.2 (error functions).
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import factorial, pi, sqrt
from typing import Any

import numpy as np

from jacobians.graph.node import apply
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import elementwise
from jacobians.operations.elementwise import ratio
from jacobians.operations.functions import bessel


def _scipy(name: str) -> Callable[..., Any]:
    def value(*arrays: Any) -> Any:
        from scipy import special  # loads slowly

        return getattr(special, name)(*arrays)

    return value


@lru_cache
def polygamma(order: int) -> Rule:
    """The derivative of digamma of an order; order 0 is digamma itself."""

    def value(X: Any) -> Any:
        from scipy import special  # loads slowly

        return np.asarray(special.polygamma(order, X), np.result_type(X, 0.0))

    return elementwise(
        f"polygamma{order}" if order else "digamma", value if order else _scipy("psi"),
        notation=f"ψ{chr(39) * order}({{0}})", latex=f"\\psi{chr(39) * order}({{0}})",
        X=lambda X, Y: apply(polygamma(order + 1), [X]),
    )  # fmt: skip


def _quotient(A: Any, B: Any) -> Any:
    return np.where(np.equal(A, 0), 0, np.divide(A, B))


expit: Rule = elementwise(
    "expit", _scipy("expit"), notation="σ({0})", latex="\\sigma({0})",
    X=lambda X, Y: Y * apply(expit, [-X]),
)  # fmt: skip
log_expit: Rule = elementwise("log_expit", _scipy("log_expit"), X=lambda X, Y: apply(expit, [-X]))
logit: Rule = elementwise("logit", _scipy("logit"), X=lambda X, Y: 1 / (X * (1 - X)))
erf: Rule = elementwise("erf", _scipy("erf"), X=lambda X, Y: 2 / sqrt(pi) * np.exp(-np.square(X)))
erfc: Rule = elementwise(
    "erfc", _scipy("erfc"), X=lambda X, Y: -2 / sqrt(pi) * np.exp(-np.square(X))
)
gammaln: Rule = elementwise("gammaln", _scipy("gammaln"), X=lambda X, Y: apply(polygamma(0), [X]))
gamma: Rule = elementwise("gamma", _scipy("gamma"), X=lambda X, Y: Y * apply(polygamma(0), [X]))
ndtr: Rule = elementwise(
    "ndtr", _scipy("ndtr"), X=lambda X, Y: 1 / sqrt(2 * pi) * np.exp(-0.5 * np.square(X))
)
log_ndtr: Rule = elementwise(
    # The density over the distribution function, by their logarithms: the tails do not underflow.
    "log_ndtr", _scipy("log_ndtr"),
    X=lambda X, Y: 1 / sqrt(2 * pi) * np.exp(-0.5 * np.square(X) - Y),
)  # fmt: skip
quotient: Rule = elementwise(
    # 0 / y is 0 for every y.
    "quotient", _quotient, notation="{0} / {1}", latex="\\frac{{{0}}}{{{1}}}", binds=1,
    A=lambda A, B, Y: apply(ratio, [1, B]),
    B=lambda A, B, Y: -apply(ratio, [Y, B]),
)  # fmt: skip
xlogy: Rule = elementwise(
    "xlogy", _scipy("xlogy"), notation="{0} log({1})", latex="{0} \\log({1})", binds=1,
    A=lambda A, B, Y: np.log(B),
    B=lambda A, B, Y: apply(quotient, [A, B]),
)  # fmt: skip
xlog1py: Rule = elementwise(
    "xlog1py", _scipy("xlog1py"),
    A=lambda A, B, Y: np.log1p(B),
    B=lambda A, B, Y: apply(quotient, [A, 1 + B]),
)  # fmt: skip
betaln: Rule = elementwise(
    "betaln", _scipy("betaln"),
    A=lambda A, B, Y: apply(polygamma(0), [A]) - apply(polygamma(0), [A + B]),
    B=lambda A, B, Y: apply(polygamma(0), [B]) - apply(polygamma(0), [A + B]),
)  # fmt: skip
erfinv: Rule = elementwise(
    "erfinv", _scipy("erfinv"), X=lambda X, Y: sqrt(pi) / 2 * np.exp(np.square(Y))
)
erfcinv: Rule = elementwise(
    "erfcinv", _scipy("erfcinv"), X=lambda X, Y: -sqrt(pi) / 2 * np.exp(np.square(Y))
)
ndtri: Rule = elementwise(
    "ndtri", _scipy("ndtri"), X=lambda X, Y: sqrt(2 * pi) * np.exp(0.5 * np.square(Y))
)
entr: Rule = elementwise("entr", _scipy("entr"), X=lambda X, Y: -np.log(X) - 1)
rel_entr: Rule = elementwise(
    "rel_entr", _scipy("rel_entr"),
    A=lambda A, B, Y: np.log(A) - np.log(B) + 1,
    B=lambda A, B, Y: -apply(quotient, [A, B]),
)  # fmt: skip
kl_div: Rule = elementwise(
    "kl_div", _scipy("kl_div"),
    A=lambda A, B, Y: np.log(A) - np.log(B),
    B=lambda A, B, Y: 1 - apply(quotient, [A, B]),
)  # fmt: skip
huber: Rule = elementwise(
    "huber", _scipy("huber"),
    D=lambda D, R, Y: np.maximum(np.absolute(R) - D, 0),
    R=lambda D, R, Y: np.clip(R, -D, D),
)  # fmt: skip
pseudo_huber: Rule = elementwise(
    # δ² (s − 1) with s = √(1 + (r/δ)²).
    "pseudo_huber", _scipy("pseudo_huber"),
    D=lambda D, R, Y: 2 * Y / D - D * np.square(R / D) / np.hypot(R / D, 1),
    R=lambda D, R, Y: R / np.hypot(R / D, 1),
)  # fmt: skip


@lru_cache
def scaled_bessel(order: int) -> Rule:
    """``exp(−|x|) Iₙ(x)`` (DLMF 10.29.1); its kink at 0 is given the slope without ``|x|``."""

    def value(X: Any) -> Any:
        from scipy import special  # loads slowly

        return (
            special.i0e(X)
            if order == 0
            else special.i1e(X)
            if order == 1
            else special.ive(order, X)
        )

    def derivative(X: Any, Y: Any) -> Any:
        if order == 0:
            return apply(scaled_bessel(1), [X]) - np.sign(X) * Y
        near = apply(scaled_bessel(order - 1), [X]) + apply(scaled_bessel(order + 1), [X])
        return 0.5 * near - np.sign(X) * Y

    return elementwise(f"i{order}e", value, X=derivative)


def _exponential_moment(X: Any, order: int) -> Any:
    """``∫₀¹ tᵏ exp(x t) dt``: from exprel by k E_{k−1} + x E_k = exp(x), or its power series."""
    from scipy import special  # loads slowly

    X = np.asarray(X)
    x = X.astype(np.float64)
    small = np.abs(x) <= order + 2  # there the recurrence loses digits, and the series does not
    far = np.where(small, order + 3.0, x)
    result = special.exprel(far)
    for k in range(1, order + 1):
        result = (np.exp(far) - k * result) / far
    near = np.where(small, x, 0.0)
    series = np.zeros_like(near)
    for m in range(30 + 4 * order, -1, -1):
        series = series * near + 1 / (factorial(m) * (m + order + 1))
    return np.asarray(np.where(small, series, result), np.result_type(X, 0.0))


@lru_cache
def exprel(order: int = 0) -> Rule:
    """A derivative of ``(exp(x) − 1)/x``, exact at 0 in every order."""
    return elementwise(
        f"exprel{order or ''}", partial(_exponential_moment, order=order) if order else _scipy("exprel"),
        notation=f"exprel{chr(39) * order}({{0}})",
        latex=f"\\operatorname{{{{exprel}}}}{chr(39) * order}({{0}})",
        X=lambda X, Y: apply(exprel(order + 1), [X]),
    )  # fmt: skip


UFUNCS: dict[str, Rule] = {
    operation.name: operation
    for operation in (
        expit, log_expit, logit, erf, erfc, gammaln, gamma, ndtr, log_ndtr, xlogy, xlog1py, betaln,
        erfinv, erfcinv, ndtri, entr, rel_entr, kl_div, huber, pseudo_huber,
    )
} | {"psi": polygamma(0), "i0": bessel(0), "i1": bessel(1), "i0e": scaled_bessel(0), "i1e": scaled_bessel(1),
     "exprel": exprel()}  # fmt: skip
"""By the names of SciPy's ufuncs."""
