"""Expressions rewritten inside and out."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Monomial
from jacobians.algebra.constants import Centring
from jacobians.algebra.letter_order import canonical, closed, merged


def remade(atom: Atom, change: Callable[[Expr], Expr]) -> Atom:
    """The atom with what it is of changed."""
    return atom.with_inner(tuple(map(change, atom.inner))) if atom.inner else atom


def within(expr: Expr) -> Iterator[Expr]:
    """The expression and all inside it, each once."""
    seen: set[str] = set()
    waiting = [expr]
    while waiting:
        one = waiting.pop()
        if one.key not in seen:
            seen.add(one.key)
            yield one
            inner = [e for t in one.terms for f, _ in t.factors for e in f.atom.inner]
            waiting += reversed(inner)


def atoms_within(expr: Expr) -> Iterator[tuple[Atom, Fraction]]:
    """What stands in the expression, inside and out, with its exponent."""
    for one in within(expr):
        for t in one.terms:
            for f, e in t.factors:
                yield f.atom, e


def exchanged(expr: Expr, table: Mapping[Atom, Atom]) -> Expr:
    """The expression with other atoms, of the same axes, in the place of some."""
    terms = []
    for t in expr.terms:
        factors: dict[AtomAt, Fraction] = {}
        for f, e in t.factors:
            atom = table.get(f.atom) or remade(f.atom, lambda inner: exchanged(inner, table))
            at = AtomAt(atom, f.letters)
            factors[at] = factors.get(at, Fraction(0)) + e
        terms.append(canonical(t.coefficient, t.slots, dict(enumerate(t.sizes)), factors))
    return merged(expr.shape, terms)


def without_centring(expr: Expr) -> Expr:
    """The expression with the centring matrix written out, ``δ_ik − 1 / n``, inside and out."""
    terms: list[Monomial] = []
    for t in expr.terms:
        factors = [(AtomAt(remade(f.atom, without_centring), f.letters), e) for f, e in t.factors]
        terms += _written_out(t._replace(factors=tuple(factors)))
    return merged(expr.shape, terms)


def _written_out(t: Monomial) -> Iterator[Monomial]:
    """A term without centring matrices that stand once."""
    found = next((f for f, e in t.factors if isinstance(f.atom, Centring) and e == 1), None)
    sizes = dict(enumerate(t.sizes))
    rest = {f: e for f, e in t.factors if f != found}
    if found is None:
        yield canonical(t.coefficient, t.slots, sizes, rest)
        return
    a, b = found.letters
    assert a is not None
    assert b is not None
    size = Fraction(sizes[a])
    apart, left = closed(rest, t.slots, sizes)
    yield from _written_out(canonical(t.coefficient * (-1 / size), t.slots, left, apart))
    names = {n: a if n == b else n for n in sizes}
    slots = tuple(None if n is None else names[n] for n in t.slots)
    united: dict[AtomAt, Fraction] = {}
    for f, e in rest.items():
        at = AtomAt(f.atom, tuple(None if n is None else names[n] for n in f.letters))
        united[at] = united.get(at, Fraction(0)) + e
    del sizes[b]
    yield from _written_out(canonical(t.coefficient, slots, sizes, united))
