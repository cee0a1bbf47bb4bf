"""Exponentials, logarithms, roots and means of expressions, simplified as they are made."""

from fractions import Fraction

import numpy as np

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Function, Monomial
from jacobians.algebra.averages import added
from jacobians.algebra.common_factors import leading, positive
from jacobians.algebra.letter_order import ONE, plain, sizes_of
from jacobians.algebra.normal_form import (
    Piece,
    at,
    built,
    function_of,
    multiplied,
    number,
    of_atom,
    powered,
    sum_of,
    value_of,
)
from jacobians.graph.node import NUMPY
from jacobians.operations import elementwise

EXP, LOG, SIGMOID = elementwise.exp, elementwise.log, elementwise.sigmoid
HALF = Fraction(1, 2)


def broadcast(expr: Expr, shape: tuple[int, ...]) -> Expr:
    """An operand of what is done entry by entry, in the shape of the result."""
    if expr.shape == shape:
        return expr
    slots = plain(shape)
    own = slots[len(slots) - len(expr.shape) :]
    letters = tuple(None if n == 1 else a for a, n in zip(own, expr.shape, strict=True))
    return at(expr, slots, shape, letters)


def exponential(expr: Expr) -> Expr:
    """Exp of a sum: a product, a factor for each term, its coefficient an exponent."""
    slots = plain(expr.shape)
    sizes = sizes_of(slots, expr.shape)
    pieces: list[Piece] = []
    for t in expr.terms:
        if len(t.factors) == 1 and not [a for a in range(len(t.sizes)) if a not in t.slots]:
            ((factor, e),) = t.factors
            if isinstance(factor.atom, Function) and factor.atom.operation is LOG and e == 1:
                inner = factor.atom.arguments[0]
                names = {s: a for s, a in zip(t.slots, slots, strict=True) if s is not None}
                at_ = tuple(None if a is None else names[a] for a in factor.letters)
                pieces.append((inner, at_, Fraction(t.coefficient)))
                continue
        power, unit = (
            (t.coefficient, ONE) if isinstance(t.coefficient, Fraction) else (1, t.coefficient)
        )
        one = Expr(expr.shape, (t._replace(coefficient=unit),))
        pieces.append((function_of(EXP, [one], expr.shape), slots, Fraction(power)))
    return built(pieces, slots, sizes, expr.shape)


def logarithm(expr: Expr) -> Expr:
    """Log of a product of what is positive: a sum; of an exponential what it is of."""
    if value_of(expr) == 1:
        return Expr(expr.shape, ())
    parts = _log_parts(expr.terms[0], expr.shape) if len(expr.terms) == 1 else []
    if not parts:
        return function_of(LOG, [expr], expr.shape)
    return sum_of([part for part, _ in parts], [scale for _, scale in parts])


def _log_parts(t: Monomial, shape: tuple[int, ...]) -> list[tuple[Expr, Fraction]]:
    """The logarithms of a product's factors and how often each; none where signs are doubtful."""
    slots, sizes = t.slots, dict(enumerate(t.sizes))
    own = [s for s in slots if s is not None]
    if any(a not in slots for a in sizes) or t.coefficient <= 0 or len(set(own)) < len(own):
        return []
    if _doubtful(t) > 1:
        return []
    parts: list[tuple[Expr, Fraction]] = []
    for f, e in t.factors:
        if isinstance(f.atom, Function) and f.atom.operation is EXP:
            parts.append((built([(f.atom.arguments[0], f.letters, 1)], slots, sizes, shape), e))
        else:
            one = built([(_without_sign(f, e, t), f.letters, 1)], slots, sizes, shape)
            parts.append((function_of(LOG, [one], shape), e))
    if t.coefficient != 1:
        one = at(number(float(t.coefficient)), plain(shape), shape, ())
        parts.append((function_of(LOG, [one], shape), ONE))
    return parts


def raised(expr: Expr, exponent: Fraction) -> Expr:
    """A power, entry by entry: √(x²) = |x|."""
    if exponent == 0:
        return at(number(1), plain(expr.shape), expr.shape, ())
    if expr.is_zero:
        return expr
    if exponent.denominator != 1 and len(expr.terms) == 1:
        found = _split_power(expr.terms[0], exponent, expr.shape)
        if found is not None:
            return found
    return multiplied([(expr, exponent)])


def _split_power(t: Monomial, exponent: Fraction, shape: tuple[int, ...]) -> Expr | None:
    """The power of a product as a product, None where a sign is doubtful."""
    if any(a not in t.slots for a in range(len(t.sizes))) or t.coefficient <= 0:
        return None
    if _doubtful(t) > 1:
        return None
    pieces: list[Piece] = [(_without_sign(f, e, t), f.letters, e * exponent) for f, e in t.factors]
    number_before = powered(t.coefficient, exponent)
    return built(pieces, t.slots, dict(enumerate(t.sizes)), shape, number_before)


def _doubtful(t: Monomial) -> int:
    """How many factors may be negative: where it is one, and the product is positive, that one is, too."""
    return sum(e % 2 != 0 and not positive(f.atom) for f, e in t.factors)


def _without_sign(f: AtomAt, exponent: Fraction, t: Monomial) -> Expr | Atom:
    """The absolute value of what is to an even power and may be negative: log x² = 2 log |x|."""
    if exponent % 2 != 0 or positive(f.atom):
        return f.atom
    inner = of_atom(f.atom, tuple(1 if a is None else t.sizes[a] for a in f.letters))
    return function_of(NUMPY[np.absolute], [inner], inner.shape)


def sigmoid(expr: Expr) -> Expr:
    """σ, of the argument whose first term is positive: σ(−x) = 1 − σ(x)."""
    first = leading(expr) if expr.terms else None
    if first is not None and first.coefficient < 0:
        other = function_of(SIGMOID, [sum_of([expr], [-ONE])], expr.shape)
        return sum_of([at(number(1), plain(expr.shape), expr.shape, ()), other], [ONE, -ONE])
    return function_of(SIGMOID, [expr], expr.shape)


def summed(expr: Expr, axes: tuple[int, ...]) -> Expr:
    """The sum over axes."""
    slots = plain(expr.shape)
    kept = [a for a in range(len(expr.shape)) if a not in axes]
    terms: list[Monomial] = []
    for t in expr.terms:
        terms += built(
            [(Expr(expr.shape, (t,)), slots, 1)], tuple(slots[a] for a in kept), sizes_of(slots, expr.shape),
            tuple(expr.shape[a] for a in kept),
        ).terms  # fmt: skip
    return added(tuple(expr.shape[a] for a in kept), terms)


def at_mean(X: Expr, axes: tuple[int, ...], count: int) -> Expr:
    """The mean over axes, in the shape of what it is of."""
    slots = plain(X.shape)
    kept = tuple(a for n, a in enumerate(slots) if n not in axes)
    return sum_of([at(summed(X, axes), slots, X.shape, kept)], [Fraction(1, count)])


def softmax_over(X: Expr, axes: tuple[int, ...]) -> Expr:
    """Exponentials over their sum."""
    powers = exponential(X)
    slots = plain(X.shape)
    kept = tuple(a for n, a in enumerate(slots) if n not in axes)
    return multiplied([(powers, 1), (at(summed(powers, axes), slots, X.shape, kept), -1)])
