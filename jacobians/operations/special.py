"""Special functions of SciPy, which is imported when one of them is first evaluated.

Sources: NIST Digital Library of Mathematical Functions, §5.2 and §5.15 (gamma, digamma, polygamma),
§7.2 (error functions).
"""

from collections.abc import Callable
from functools import lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np

from jacobians.graph.node import apply
from jacobians.operations.declare import Rule, elementwise
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

UFUNCS: dict[str, Rule] = {
    operation.name: operation
    for operation in (
        expit, log_expit, logit, erf, erfc, gammaln, gamma, ndtr, log_ndtr, xlogy, xlog1py, betaln,
    )
} | {"psi": polygamma(0), "i0": bessel(0), "i1": bessel(1)}  # fmt: skip
"""By the names of SciPy's ufuncs."""
