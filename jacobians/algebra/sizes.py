"""Coefficients that come from sizes: with each size a prime of its own, they are read off the factors."""

from collections.abc import Mapping
from fractions import Fraction

from jacobians.algebra.atoms import AtomAt, Expr, Leaf
from jacobians.algebra.remaking import remade


def lettered(expr: Expr, letters: Mapping[int, Leaf]) -> Expr:
    """The expression with the primes of its coefficients that are sizes as letters, inside and out."""
    if not letters:
        return expr
    terms = []
    for t in expr.terms:
        coefficient = t.coefficient
        factors = [
            (AtomAt(remade(f.atom, lambda e: lettered(e, letters)), f.letters), e)
            for f, e in t.factors
        ]
        if isinstance(coefficient, Fraction):
            for prime, leaf in letters.items():
                power = 0
                while coefficient.numerator % prime == 0 and coefficient:
                    coefficient, power = coefficient / prime, power + 1
                while coefficient.denominator % prime == 0:
                    coefficient, power = coefficient * prime, power - 1
                if power:
                    factors.append((AtomAt(leaf, ()), Fraction(power)))
        terms.append(t._replace(coefficient=coefficient, factors=tuple(factors)))
    return Expr(expr.shape, tuple(terms))
