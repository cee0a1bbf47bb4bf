"""What the terms of a sum have in common, and what they depend on."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from math import gcd, lcm

from jacobians.algebra.atoms import (
    ACTIVE,
    Atom,
    AtomAt,
    Expr,
    Function,
    Group,
    Leaf,
    Monomial,
    Number,
)
from jacobians.algebra.averages import added
from jacobians.algebra.letter_order import canonical

_POSITIVE = ("exp", "sigmoid", "expit", "absolute", "fabs", "cosh", "equal")


def positive(atom: Atom) -> bool:
    """Whether an atom is certainly positive where it is defined and not 0."""
    if isinstance(atom, Leaf):
        return atom.positive
    if isinstance(atom, Function):
        return atom.operation.name in _POSITIVE
    if type(atom) is Group:
        return positive_expr(atom.of)
    return atom.is_positive


def positive_expr(expr: Expr) -> bool:
    """Whether every entry is certainly positive, or 0 only where all of it vanishes."""
    return bool(expr.terms) and all(
        t.coefficient > 0
        and all((e.denominator == 1 and e % 2 == 0) or positive(f.atom) for f, e in t.factors)
        for t in expr.terms
    )


def stripped(expr: Expr) -> tuple[Atom, tuple[int, ...]]:
    """A group without the axes that it does not depend on, its others in the order of the least key."""
    axes = dependent_axes(expr)
    orders = permutations(axes) if len(axes) <= 3 else [axes]
    found = []
    for order in orders:
        reduced = onto(expr, order)
        found.append((reduced.key, order, reduced))
    _, order, reduced = min(found, key=lambda way: way[0])
    return Group(reduced), tuple(order)


def dependent_axes(expr: Expr) -> tuple[int, ...]:
    """The axes whose letters matter: some factor reads them, or a delta."""
    used: set[int] = set()
    for term in expr.terms:
        read = {a for f, _ in term.factors for a in f.letters}
        for axis, slot in enumerate(term.slots):
            if slot is not None and (slot in read or term.slots.count(slot) > 1):
                used.add(axis)
    return tuple(sorted(used))


def onto(expr: Expr, axes: Sequence[int]) -> Expr:
    """The expression with these axes, in this order; it does not depend on the others."""
    shape = tuple(expr.shape[a] for a in axes)
    if tuple(axes) == tuple(range(len(expr.shape))):
        return expr
    terms = []
    for t in expr.terms:
        slots = tuple(t.slots[a] for a in axes)
        kept = {a for f, _ in t.factors for a in f.letters} | set(slots)
        sizes = {a: n for a, n in enumerate(t.sizes) if a in kept}
        terms.append(canonical(t.coefficient, slots, sizes, dict(t.factors)))
    return added(shape, terms)


def grouped(
    expr: Expr,
) -> tuple[Number, tuple[tuple[AtomAt, Fraction], ...], Atom | Expr, tuple[int, ...]]:
    """A sum as ``number · common factors · group``; and the axes of the expression that the group has.

    The factors' letters are axes of the expression.
    """
    scale = content(expr)
    terms = []
    common: dict[AtomAt, Fraction] | None = None
    for t in expr.terms:
        names = {slot: axis for axis, slot in reversed([*enumerate(t.slots)]) if slot is not None}
        own = {}
        for f, e in t.factors:
            if all(a is None or a in names for a in f.letters):
                own[AtomAt(f.atom, tuple(None if a is None else names[a] for a in f.letters))] = e
        common = own if common is None else {
            f: min(e, own[f]) for f, e in common.items() if f in own
        }  # fmt: skip
    common = {f: e for f, e in (common or {}).items() if e}
    if len(expr.terms) == 1:
        common = {}
    for t in expr.terms:
        factors = dict(t.factors)
        for f, e in common.items():
            at = AtomAt(f.atom, tuple(None if a is None else t.slots[a] for a in f.letters))
            factors[at] -= e
            if not factors[at]:
                del factors[at]
        slots = t.slots
        sizes = dict(enumerate(t.sizes))
        terms.append(canonical(t.coefficient / scale, slots, sizes, factors))
    inner = added(expr.shape, terms)
    group, axes = stripped(inner)
    return scale, tuple(common.items()), group, axes


def leading(expr: Expr) -> Monomial:
    """The term whose sign is that of the whole: one of what is differentiated by, if there is any."""
    numbers = [t for t in expr.terms if not t.factors]
    squares = all(e % 2 == 0 for t in expr.terms for _, e in t.factors)
    if len(numbers) == 1 and squares:  # 1 − y²
        return numbers[0]
    return min(expr.terms, key=lambda t: (ACTIVE not in t.key, t.key))


def content(expr: Expr) -> Number:
    """What all coefficients have in common, with the sign of the first in the order of keys."""
    first = leading(expr)
    sign = -1 if first.coefficient < 0 else 1
    numbers = [t.coefficient for t in expr.terms]
    exact_ones = [n for n in numbers if isinstance(n, Fraction)]
    if len(exact_ones) < len(numbers):
        return Fraction(sign)
    top = gcd(*(abs(n.numerator) for n in exact_ones))
    return Fraction(sign * top, lcm(*(n.denominator for n in exact_ones)))
