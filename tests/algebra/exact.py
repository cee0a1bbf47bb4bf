"""Expressions evaluated in rational arithmetic, by nothing but what they are said to denote.

Every array has entries that are fractions. The exponential is the homomorphism ``k → g^k`` of whole numbers,
which has all of its identities; the logistic function, the softmax and the hyperbolic tangent are what
they are in terms of it. The logarithm is one of the homomorphisms back, a sum over prime factors. Roots
are taken of what is a power.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Atom, Det, Expr, Function, Group, Inverse, Leaf
from jacobians.algebra.constants import Centring, Fixed, Selector, Splitting, Triangle, Unit
from jacobians.algebra.moments import Standardised, Std
from jacobians.algebra.recognising import Softmax
from jacobians.algebra.reshaping import Reordered, Reshaped

BASE = Fraction(3, 2)


def fractions(array: Any) -> Any:
    """An array of fractions."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, dtype=object))


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """A power that is rational; a root of what is no square is an error."""
    whole, order = base ** abs(exponent.numerator), exponent.denominator
    while order > 1:
        assert order % 2 == 0
        assert whole > 0
        roots = [isqrt(m) for m in (whole.numerator, whole.denominator)]
        assert [r * r for r in roots] == [whole.numerator, whole.denominator]
        whole, order = Fraction(*roots), order // 2
    return whole if exponent > 0 else 1 / whole


def inverse(A: Any) -> Any:
    """By elimination."""
    n = len(A)
    rows = [[*A[i], *(Fraction(int(i == j)) for j in range(n))] for i in range(n)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return fractions([row[n:] for row in rows])


def determinant(A: Any) -> Fraction:
    """By the first row."""
    if len(A) == 1:
        return A[0, 0]
    minors = [np.delete(A[1:], j, axis=1) for j in range(len(A))]
    return sum((-1) ** j * A[0, j] * determinant(m) for j, m in enumerate(minors))


def exponential(x: Fraction) -> Fraction:
    """``g^k``."""
    return power(BASE, x) if x else Fraction(1)


WEIGHTS = {2: 2, 3: 3, 5: -4, 7: 5}  # of prime factors in the logarithm: that of 3/2 is 1


def logarithm(x: Fraction) -> Fraction:
    """A number for each prime factor."""
    assert x > 0
    total = 0
    for part, sign in ((x.numerator, 1), (x.denominator, -1)):
        for prime, weight in WEIGHTS.items():
            while part % prime == 0:
                part, total = part // prime, total + sign * weight
        assert part == 1
    return Fraction(total)


FUNCTIONS = {
    "exp": exponential,
    "log": logarithm,
    "relu": lambda x: max(x, Fraction(0)),
    "maximum": max,
    "greater": lambda x, y: Fraction(x > y),
    "maximum_takes": lambda x, y: Fraction(x >= y),
    "share": lambda x, y: Fraction(1, 2) if x == y else Fraction(1),
    "sigmoid": lambda x: 1 / (1 + exponential(-x)),
    "tanh": lambda x: (exponential(2 * x) - 1) / (exponential(2 * x) + 1),
    "absolute": abs,
    "sign": lambda x: Fraction((x > 0) - (x < 0)),
}


class Exact:
    """The leaves' values, and what is made of them."""

    def __init__(self, leaves: Mapping[str, Any]) -> None:
        self.leaves = leaves

    def expr(self, expr: Expr) -> Any:
        """An expression."""
        result = np.full(expr.shape, Fraction(0), dtype=object)
        for t in expr.terms:
            pieces = [(self.atom(f.atom), f.letters, e) for f, e in t.factors]
            found = summed(pieces, t.slots, dict(enumerate(t.sizes)), expr.shape)
            result = result + Fraction(t.coefficient) * found
        return np.asarray(result, dtype=object)

    def atom(self, atom: Atom) -> Any:
        """An atom with its axes."""
        return np.asarray(self._atom(atom), dtype=object)

    def _atom(self, atom: Atom) -> Any:
        if isinstance(atom, Leaf):
            return self.leaves[atom.name]
        if isinstance(atom, Fixed):
            return constant(atom)
        inner = [self.expr(e) for e in atom.inner]
        if isinstance(atom, Inverse):
            return inverse(inner[0])
        if isinstance(atom, Det):
            return fractions(determinant(inner[0]))
        if isinstance(atom, Group):
            return inner[0]
        if isinstance(atom, Softmax):
            powers = np.vectorize(exponential, otypes=[object])(inner[0])
            return powers / powers.sum(axis=atom.axes, keepdims=True)
        if isinstance(atom, Std):
            return moment(inner[0], isinstance(atom, Standardised))
        if isinstance(atom, Reordered):
            p, r, q, s = atom.parts
            return inner[0].reshape(p, q, r, s).transpose(0, 2, 1, 3).reshape(p * r, q * s)
        if isinstance(atom, Reshaped):
            return inner[0].reshape(atom.shape)
        assert isinstance(atom, Function)
        return np.vectorize(FUNCTIONS[atom.operation.name], otypes=[object])(*inner)


def constant(atom: Fixed) -> Any:
    """What a constant array is."""
    found = np.zeros(atom.shape, dtype=int)
    if isinstance(atom, Unit):
        found[atom.place] = 1
    elif isinstance(atom, Selector):
        found[np.arange(atom.shape[0]), list(atom.positions)] = 1
    elif isinstance(atom, Splitting):
        for n, (a, b) in enumerate(np.ndindex(atom.shape[1:])):
            found[n, a, b] = 1
    elif isinstance(atom, Triangle):
        found = np.tri(atom.shape[0], dtype=int)
    else:
        assert isinstance(atom, Centring)
        n = atom.shape[0]
        return fractions(np.eye(n, dtype=int)) - Fraction(1, n)
    return fractions(found)


def moment(x: Any, standardised: bool) -> Any:
    """The standard deviation along the last axis; or what is less its mean, over that."""
    n = x.shape[-1]
    apart = x - (x.sum(axis=-1, keepdims=True) * Fraction(1, n))
    root = np.vectorize(lambda v: power(v, Fraction(1, 2)), otypes=[object])
    std = root((apart * apart).sum(axis=-1, keepdims=True) * Fraction(1, n))
    return apart / std if standardised else std[..., 0]


def summed(pieces: Any, slots: Any, sizes: Mapping[int, int], shape: tuple[int, ...]) -> Any:
    """Arrays to powers at letters: letters in no slot are summed."""
    result = np.full(shape, Fraction(0), dtype=object)
    letters = list(sizes)
    for at in product(*(range(sizes[a]) for a in letters)):
        place = dict(zip(letters, at, strict=True)) | {None: 0}
        value = Fraction(1)
        for array, own, e in pieces:
            value *= power(array[tuple(place[a] for a in own)], Fraction(e)) if value else 1
        result[tuple(place[a] for a in slots)] += value
    return result
