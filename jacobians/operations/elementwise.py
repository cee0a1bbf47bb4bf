"""Functions of numbers, entry by entry, by their derivatives; arguments broadcast as in NumPy.

Where a derivative does not exist the documented choice is taken: ``absolute`` and ``norm`` give 0 at
0, ``relu`` gives 0 at 0, ``x⁰`` has derivative 0.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from jacobians.graph.how import ByUfunc
from jacobians.graph.node import Node, apply
from jacobians.notation.writing import PRODUCT, SUM
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import elementwise, multilinear


def boolean(_: Sequence[Node]) -> np.dtype[Any]:
    """The dtype of a comparison."""
    return np.dtype(np.bool_)


add = multilinear(
    "add", "Y_… = A_… + B_…", numpy=np.add, notation="{0} + {1}", binds=SUM, elementwise=True
)
subtract = multilinear(
    "subtract", "Y_… = A_… − B_…", numpy=np.subtract,
    notation="{0} − {1}", latex="{0} - {1}", binds=SUM, elementwise=True,
)  # fmt: skip
multiply = multilinear(
    "multiply", "Y_… = A_… B_…", numpy=np.multiply,
    notation="{0} {1}", binds=PRODUCT, elementwise=True,
)  # fmt: skip
negative = multilinear(
    "negative", "Y_… = −X_…", numpy=np.negative,
    notation="−{0}", latex="-{0}", binds=SUM, elementwise=True,
)  # fmt: skip
scale = multilinear("scale", "Y_… = c X_…", value=np.multiply, notation="{0} {1}", binds=PRODUCT)

greater: Rule = elementwise(
    "greater", np.greater, numpy=np.greater, notation="[{0} > {1}]", A=None, B=None
)
greater_equal: Rule = elementwise(
    "greater_equal", np.greater_equal, numpy=np.greater_equal,
    notation="[{0} ≥ {1}]", latex="[{0} \\ge {1}]", A=None, B=None,
)  # fmt: skip

divide: Rule = elementwise(
    "divide", np.divide, numpy=np.divide,
    notation="{0} / {1}", latex="\\frac{{{0}}}{{{1}}}", binds=SUM,
    A=lambda A, B, Y: 1 / B,
    B=lambda A, B, Y: -(Y / B),
)  # fmt: skip
exp: Rule = elementwise(
    "exp", np.exp, numpy=np.exp, notation="exp({0})", latex="\\exp({0})", X=lambda X, Y: Y
)
log: Rule = elementwise(
    "log", np.log, numpy=np.log, notation="log({0})", latex="\\log({0})", X=lambda X, Y: 1 / X
)
sqrt: Rule = elementwise(
    "sqrt", np.sqrt, numpy=np.sqrt, notation="√({0})", latex="\\sqrt{{{0}}}",
    X=lambda X, Y: 0.5 / Y,
)  # fmt: skip
square: Rule = elementwise(
    "square", np.square, numpy=np.square, notation="{0}²", latex="{0}^2",
    X=lambda X, Y: 2 * X,
)  # fmt: skip
tanh: Rule = elementwise(
    "tanh", np.tanh, numpy=np.tanh, notation="tanh({0})", latex="\\tanh({0})",
    X=lambda X, Y: 1 - np.square(Y),
)  # fmt: skip
sin: Rule = elementwise(
    "sin", np.sin, numpy=np.sin, notation="sin({0})", latex="\\sin({0})",
    X=lambda X, Y: np.cos(X),
)  # fmt: skip
cos: Rule = elementwise(
    "cos", np.cos, numpy=np.cos, notation="cos({0})", latex="\\cos({0})",
    X=lambda X, Y: -np.sin(X),
)  # fmt: skip


def _sigmoid(X: Any) -> Any:
    # Where exp overflows, the result is smaller than any normal number: 0.
    with np.errstate(over="ignore"):
        powers = np.exp(np.negative(X))
    return 1 / (1 + powers)


sigmoid: Rule = elementwise(
    "sigmoid", _sigmoid, notation="σ({0})", latex="\\sigma({0})", X=lambda X, Y: Y * (1 - Y)
)
relu: Rule = elementwise(
    "relu", lambda X: np.maximum(X, 0), notation="relu({0})", latex="\\operatorname{{relu}}({0})",
    X=lambda X, Y: X > 0,
)  # fmt: skip
sign: Rule = elementwise(
    "sign", np.sign, numpy=np.sign, notation="sign({0})", latex="\\operatorname{{sign}}({0})",
    X=None,
)  # fmt: skip
absolute: Rule = elementwise(
    "absolute", np.absolute, numpy=np.absolute, notation="|{0}|", X=lambda X, Y: np.sign(X)
)


def power_derivative(X: Node, p: Node) -> Any:
    """The derivative of ``X ** p`` by ``X``."""
    if not p.is_number:
        return apply(power_slope(1), [X, p])
    if p.value == 0:
        return 0
    return p if p.value == 1 else p * X if p.value == 2 else p * X ** (p.value - 1)


def _powered(node: Node) -> ByUfunc:
    exponent = node.operands[1]
    squared = exponent.shape == () and exponent.value is not None and exponent.value == 2
    return ByUfunc("square", (0,)) if squared else ByUfunc("power")


power: Rule = elementwise(
    "power", np.power, numpy=np.power, notation="{0}^{1}", latex="{0}^{{{1}}}", how=_powered,
    X=lambda X, p, Y: power_derivative(X, p),
    p=lambda X, p, Y: Y * apply(nonzero_log, [X]),
)  # fmt: skip


def _falling(p: Any, order: int, leave_out: int | None = None) -> Any:
    """``p (p − 1) … (p − order + 1)``, one of its factors left out."""
    result: Any = 1
    for n in range(order):
        result = result if n == leave_out else result * (p - n)
    return result


def _power_slope(X: Any, p: Any, order: int) -> Any:
    # x², x and x⁰ vanish when differentiated too often, also at 0, where 0 · x⁻¹ would be nan.
    scale = _falling(np.asarray(p, np.float64), order)
    power = np.power(X, np.where(scale == 0, 0, np.subtract(p, order, dtype=np.float64)))
    return np.asarray(np.where(scale == 0, 0, scale * power), np.result_type(X, p, 0.0))


@lru_cache
def power_slope(order: int) -> Rule:
    """The derivative of ``X ** p`` by ``X`` of an order."""
    minus = f"−{order}"
    scale = " ".join("{1}" if n == 0 else f"({{1}}−{n})" for n in range(order))
    return elementwise(
        f"power_slope{order}", partial(_power_slope, order=order),
        notation=f"{scale} {{0}}^({{1}}{minus})",
        latex=f"{scale} {{0}}^{{{{{{1}}{minus}}}}}".replace("−", "-"),
        binds=PRODUCT,
        X=lambda X, p, Y: apply(power_slope(order + 1), [X, p]),
        p=lambda X, p, Y: X ** (p - order) * sum(_falling(p, order, n) for n in range(order))
        + Y * apply(nonzero_log, [X]),
    )  # fmt: skip


nonzero_log: Rule = elementwise(
    # 0^p is 0 for every p > 0, so its slope in p is 0 · log 0 := 0.
    "nonzero_log", lambda X: np.where(np.equal(X, 0), 0, np.log(X)),
    notation="log({0})", latex="\\log({0})",
    X=lambda X, Y: apply(ratio, [1, X]),
)  # fmt: skip
ratio: Rule = elementwise(
    "ratio", lambda A, B: np.where(np.equal(B, 0), 0, np.divide(A, B)),
    notation="{0} / {1}", latex="\\frac{{{0}}}{{{1}}}", binds=SUM,
    A=lambda A, B, Y: apply(ratio, [1, B]),
    B=lambda A, B, Y: -apply(ratio, [Y, B]),
)  # fmt: skip


def _portion(A: Any, R: Any, S: Any) -> Any:
    found = np.divide(A, S)
    infinite = np.isinf(A)
    return np.where(infinite, 1 / (1 + np.divide(R, A)), found) if np.any(infinite) else found


def _portion_slope(R: Node, S: Node, A: Node) -> Any:
    return R / S / S if R.is_number else apply(portion, [R, A, S]) / S


portion: Rule = elementwise(
    # A / (A + R) of a sum S = A + R that is there already: 1 where A alone is infinite.
    "portion", _portion, notation="{0} / {2}", latex="\\frac{{{0}}}{{{2}}}", binds=SUM,
    A=lambda A, R, S, Y: _portion_slope(R, S, A),
    R=lambda A, R, S, Y: -(Y / S),
    S=None,
)  # fmt: skip

PUBLIC = (
    add, subtract, multiply, divide, scale, negative, exp, log, sqrt, square, tanh, sin, cos,
    sigmoid, relu, absolute, power,
)  # fmt: skip
