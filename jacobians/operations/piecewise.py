"""Functions of numbers with pieces: choices, bounds, remainders, and what is locally constant.

A piece is chosen by a mask, so that what stands in the others never matters. Where two pieces meet,
the documented choice is taken: ``maximum`` and its kin share equally, ``clip`` is 1 at its bounds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jacobians.graph.node import Node, apply
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import elementwise, rule
from jacobians.operations.elementwise import boolean
from jacobians.operations.kinds import float_type


def floats(*arrays: Any) -> np.dtype[Any]:
    """The dtype of a real result on arrays and numbers."""
    found = np.result_type(*arrays)
    return found if found.kind == "f" else np.dtype(np.float64)


# What is locally constant: its derivative is a structural zero.

_NAMES = {1: ("X",), 2: ("A", "B")}


def _constant(ufunc: np.ufunc, notation: str = "", latex: str = "") -> Rule:
    nothing: dict[str, Any] = dict.fromkeys(_NAMES[ufunc.nin])
    return elementwise(
        ufunc.__name__, ufunc, numpy=ufunc, notation=notation, latex=latex, **nothing
    )


less = _constant(np.less, "[{0} < {1}]")
less_equal = _constant(np.less_equal, "[{0} ≤ {1}]", "[{0} \\le {1}]")
equal = _constant(np.equal, "[{0} = {1}]")
not_equal = _constant(np.not_equal, "[{0} ≠ {1}]", "[{0} \\ne {1}]")
logical_not = _constant(np.logical_not, "[not {0}]", "[\\lnot {0}]")
floor = _constant(np.floor, "⌊{0}⌋", "\\lfloor {0} \\rfloor")
ceil = _constant(np.ceil, "⌈{0}⌉", "\\lceil {0} \\rceil")
trunc = _constant(np.trunc)
floor_divide = _constant(np.floor_divide, "⌊{0} / {1}⌋", "\\lfloor {0} / {1} \\rfloor")
for _ufunc in (
    np.logical_and, np.logical_or, np.logical_xor, np.isnan, np.isfinite, np.isinf, np.signbit,
    np.rint, np.spacing, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift,
    np.right_shift, np.bitwise_count, np.gcd, np.lcm,
):  # fmt: skip
    _constant(_ufunc)

rounded: Rule = elementwise("round", lambda X, decimals: np.round(X, decimals), X=None)
imaginary: Rule = elementwise("imag", np.imag, X=None)
angle: Rule = elementwise("angle", lambda X, deg: np.angle(X, deg), X=None)
heaviside: Rule = elementwise(
    "heaviside", np.heaviside, numpy=np.heaviside, X=None, h=lambda X, h, Y: apply(equal, [X, 0])
)

# What is locally the identity.

fraction: Rule = elementwise("fraction", lambda X: np.modf(X)[0], X="1")
unwrap: Rule = elementwise("unwrap", lambda X, **how: np.unwrap(X, **how), X="1")
nextafter: Rule = elementwise("nextafter", np.nextafter, numpy=np.nextafter, A="1", B=None)
remainder: Rule = elementwise(
    "remainder", np.remainder, numpy=np.remainder, notation="{0} mod {1}", latex="{0} \\bmod {1}",
    A="1", B=lambda A, B, Y: -apply(floor_divide, [A, B]),
)  # fmt: skip
fmod: Rule = elementwise(
    "fmod", np.fmod, numpy=np.fmod, A="1", B=lambda A, B, Y: -apply(trunc, [A / B])
)

# Choices.

where: Rule = elementwise(
    "where", np.where, numpy=np.where, dtype=lambda operands: float_type(operands[1:]),
    C=None,
    A=lambda C, A, B, Y: _truth(C),
    B=lambda C, A, B, Y: apply(logical_not, [C]),
)  # fmt: skip


def _truth(C: Node) -> Node:
    return C if C.dtype == np.bool_ else apply(not_equal, [C, 0])


fabs: Rule = elementwise(
    "fabs", np.fabs, numpy=np.fabs, notation="|{0}|", X=lambda X, Y: np.sign(X)
)
copysign: Rule = elementwise(
    "copysign", np.copysign, numpy=np.copysign,
    A=lambda A, B, Y: np.sign(A) * apply(copysign, [1, B]), B=None,
)  # fmt: skip
inside: Rule = elementwise(
    "inside", lambda X, lo, hi: ~(np.less(X, lo) | np.greater(X, hi)), dtype=boolean,
    notation="[{1} ≤ {0} ≤ {2}]", latex="[{1} \\le {0} \\le {2}]", X=None, lo=None, hi=None,
)  # fmt: skip
below: Rule = elementwise(
    "below", lambda X, lo, hi: np.less(X, lo) & np.less_equal(lo, hi), dtype=boolean,
    notation="[{0} < {1} ≤ {2}]", latex="[{0} < {1} \\le {2}]", X=None, lo=None, hi=None,
)  # fmt: skip
above: Rule = elementwise(
    # Where the bounds are the wrong way round, NumPy takes the upper one.
    "above", lambda X, lo, hi: np.greater(X, hi) | np.greater(lo, hi), dtype=boolean,
    notation="[max({0}, {1}) > {2}]", latex="[\\max({0}, {1}) > {2}]", X=None, lo=None, hi=None,
)  # fmt: skip
clip: Rule = elementwise(
    "clip", np.clip, numpy=np.clip,
    X=lambda X, lo, hi, Y: apply(inside, [X, lo, hi]),
    lo=lambda X, lo, hi, Y: apply(below, [X, lo, hi]),
    hi=lambda X, lo, hi, Y: apply(above, [X, lo, hi]),
)  # fmt: skip


def _wins(better: Any, A: Any, B: Any, *, skip_nan: bool) -> Any:
    return better(A, B) | np.isnan(B if skip_nan else A)


def _share(A: Any, B: Any) -> Any:
    tie = np.equal(A, B) | (np.isnan(A) & np.isnan(B))
    return np.where(tie, 0.5, 1.0).astype(floats(A, B))


share: Rule = elementwise(
    "share", _share, A=None, B=None,
    notation="(1 − ½ [{0} = {1}])", latex="(1 - \\tfrac{{1}}{{2}} [{0} = {1}])",
)  # fmt: skip


def _larger(ufunc: np.ufunc, better: np.ufunc, sign: str, latex: str, *, skip_nan: bool) -> Rule:
    """One of two numbers: its derivative is shared equally where they tie."""
    name = ufunc.__name__
    wins = elementwise(
        f"{name}_takes", partial(_wins, better, skip_nan=skip_nan), dtype=boolean,
        notation=f"[{{0}} {sign} {{1}}]", latex=f"[{{0}} {latex} {{1}}]", A=None, B=None,
    )  # fmt: skip
    parts: dict[str, Callable[..., Any]] = {
        "M": lambda A, B, Y: apply(wins, [A, B]),
        "N": lambda A, B, Y: apply(wins, [B, A]),
        "S": lambda A, B, Y: apply(share, [A, B]),
    }
    return rule(
        name, ufunc, f"Y_… = {name}(A_…, B_…)", "∂Y_…/∂A_… = M_… S_…", "∂Y_…/∂B_… = N_… S_…",
        numpy=ufunc, where=parts, elementwise=True,
    )  # fmt: skip


maximum = _larger(np.maximum, np.greater_equal, "≥", "\\ge", skip_nan=False)
minimum = _larger(np.minimum, np.less_equal, "≤", "\\le", skip_nan=False)
fmax = _larger(np.fmax, np.greater_equal, "≥", "\\ge", skip_nan=True)
fmin = _larger(np.fmin, np.less_equal, "≤", "\\le", skip_nan=True)
