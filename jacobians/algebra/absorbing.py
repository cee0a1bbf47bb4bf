"""What factors of one argument make of each other, entry by entry: signs, absolute values, indicators.

Contract: ``absorbed`` keeps the product that it is given, where no sign or absolute value is of 0.
"""

from fractions import Fraction

import numpy as np

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Function, Letters
from jacobians.algebra.normal_form import Piece, function_of, of_atom
from jacobians.graph.node import NUMPY
from jacobians.operations import elementwise

_Powers = dict[AtomAt, Fraction]

_ABSOLUTE = ("absolute", "fabs")
_ZERO_OR_ONE = (
    "greater", "less", "greater_equal", "less_equal", "equal", "not_equal", "attains", "inside",
    "maximum_takes", "minimum_takes", "fmax_takes", "fmin_takes", "logical_not",
)  # fmt: skip
# What is 0 wherever one of these is, and that is 0: relu(x) [x > 0] = relu(x).
_CLIPPED = {
    "relu": ("greater", "greater_equal", "heaviside"),
    "maximum": ("maximum_takes", "greater", "greater_equal", "share"),
    "fmax": ("fmax_takes", "greater", "greater_equal", "share"),
    "minimum": ("minimum_takes", "less", "less_equal", "share"),
    "fmin": ("fmin_takes", "less", "less_equal", "share"),
}


def absorbed(factors: _Powers) -> list[Piece]:
    """_Powers that take others in stand for both, in place; what is new comes back."""
    pieces: list[Piece] = []
    for f in list(factors):
        if f not in factors or not isinstance(f.atom, Function):
            continue
        name = f.atom.operation.name
        if name == "sign" or name in _ABSOLUTE:
            pieces += _signed(f.atom.arguments[0], f.letters, factors)
        elif name in _ZERO_OR_ONE and factors[f] > 1:
            factors[f] = Fraction(1)
        elif name in _CLIPPED and factors[f] > 0:
            _clipped(f, f.atom, factors)
    return pieces


def _signed(x: Expr, letters: Letters, factors: _Powers) -> list[Piece]:
    """The product of the powers of x, |x| and sign(x), as short as it is."""
    plain = absolute = sign = Fraction(0)
    size = function_of(NUMPY[np.absolute], [x], x.shape)
    for g, e in list(factors.items()):
        if g.letters != letters:
            continue
        if isinstance(g.atom, Function) and g.atom.arguments == (x,):
            if g.atom.operation.name == "sign" and e.denominator == 1:
                sign += e
            elif g.atom.operation.name in _ABSOLUTE:
                absolute += e
            else:
                continue
        elif of_atom(g.atom, x.shape) == x and e.denominator == 1:
            plain += e
        else:
            continue
        del factors[g]
    if sign % 2:  # sign(x) is 0 where |x| is
        for g in [g for g in factors if g.letters == letters and _is_positive_part(g.atom, size)]:
            del factors[g]
    plain, absolute, sign = _shortest(plain, absolute, sign % 2)
    found: list[tuple[Expr, Fraction]] = [(x, plain)]
    found.append((size, absolute))
    found.append((function_of(elementwise.sign, [x], x.shape), sign))
    return [(thing, letters, e) for thing, e in found if e]


def _is_positive_part(atom: Atom, size: Expr) -> bool:
    """Whether it is ``[|x| > 0]``."""
    if not isinstance(atom, Function) or atom.operation.name != "greater":
        return False
    left, right = atom.arguments
    return left == size and right.is_zero


def _shortest(
    plain: Fraction, absolute: Fraction, sign: Fraction
) -> tuple[Fraction, Fraction, Fraction]:
    """Exponents of x, |x| and sign(x) whose product is the same: x² / |x| = |x|, sign(x) |x| = x."""
    if sign and plain % 2:  # sign(x) x = |x|
        step = 1 if plain > 0 else -1
        plain, absolute, sign = plain - step, absolute + step, Fraction(0)
    if absolute and plain % 2 == 0:
        plain, absolute = Fraction(0), plain + absolute
    elif absolute.denominator == 1 and absolute * plain < 0:  # x / |x| = sign(x)
        plain, absolute, sign = Fraction(0), plain + absolute, Fraction(1)
    if sign and absolute:  # sign(x) |x| = x
        step = 1 if absolute > 0 else -1
        plain, absolute, sign = plain + step, absolute - step, Fraction(0)
    if absolute and absolute % 2 == 0:
        plain, absolute = plain + absolute, Fraction(0)
    return plain, absolute, sign


def _clipped(f: AtomAt, atom: Function, factors: _Powers) -> None:
    """What says where this is not 0 goes."""
    if len(atom.arguments) > 1 and not any(e.is_zero for e in atom.arguments):
        return
    kept = {e.key for e in atom.arguments if not e.is_zero}
    for g in list(factors):
        other = g.atom
        if (
            isinstance(other, Function)
            and other.operation.name in _CLIPPED[atom.operation.name]
            and g.letters == f.letters
            and {e.key for e in other.arguments if not e.is_zero} == kept
            and (other.operation.name == "share" or not other.arguments[0].is_zero)
        ):
            del factors[g]
