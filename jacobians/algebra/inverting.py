"""Inverses and determinants of products of square matrices."""

from fractions import Fraction

from jacobians.algebra.atoms import Atom, AtomAt, Det, Expr, Group, Inverse, Leaf, Letters, Number
from jacobians.algebra.averages import added
from jacobians.algebra.letter_order import ONE, canonical
from jacobians.algebra.normal_form import Piece, built, of_atom, powered, transposed


def inverse_of(expr: Expr) -> Expr:
    """The inverse of a square matrix: of a product of square ones their inverses, of an inverse itself."""
    n = expr.shape[0]
    if n == 1:
        return built([(expr, (None, None), -1)], (None, None), {}, expr.shape)
    sizes = {0: n, 1: n}
    number, scalars, rest = _scalars_out(expr)
    if scalars:
        pieces: list[Piece] = [(f.atom, f.letters, -e) for f, e in scalars]
        return built(
            [*pieces, (inverse_of(rest), (0, 1), 1)], (0, 1), sizes, expr.shape, ONE / number
        )
    chain = square_chain(expr)
    if chain is not None:  # (A B)⁻¹ = B⁻¹ A⁻¹: link k stands between letters k + 1 and k
        scale, links = chain
        pieces = []
        for k, (atom, turned) in enumerate(links):
            ends = (k, k + 1) if turned else (k + 1, k)
            pieces.append((*_one_inverse(atom, ends), 1))
        letters = dict.fromkeys(range(len(links) + 1), n)
        return built(pieces, (len(links), 0), letters, expr.shape, ONE / scale)
    diagonal = _diagonal(expr)
    if diagonal is not None:
        return built([(diagonal, (0,), -1)], (0, 0), {0: n}, expr.shape)
    least = min(expr, transposed(expr), key=lambda e: e.key)
    own = (0, 1) if least == expr else (1, 0)
    return built([(Inverse(least), own, 1)], (0, 1), sizes, expr.shape)


def det_of(expr: Expr) -> Expr:
    """The determinant: of a product of square matrices theirs."""
    n = expr.shape[0]
    if n == 1:
        return built([(expr, (None, None), 1)], (), {}, ())
    number, scalars, rest = _scalars_out(expr)
    if scalars:
        pieces: list[Piece] = [(f.atom, f.letters, e * n) for f, e in scalars]
        return built([*pieces, (det_of(rest), (), 1)], (), {}, (), powered(number, Fraction(n)))
    chain = square_chain(expr)
    if chain is not None:
        scale, links = chain
        return built([(_one_det(atom), (), 1) for atom, _ in links], (), {}, (), scale**n)
    least = min(expr, transposed(expr), key=lambda e: e.key)
    return built([(Det(least), (), 1)], (), {}, ())


def _scalars_out(expr: Expr) -> tuple[Number, list[tuple[AtomAt, Fraction]], Expr]:
    """A product's number, its factors that are numbers, and the rest; none of these where it is a sum."""
    if len(expr.terms) != 1:
        return ONE, [], expr
    (term,) = expr.terms
    scalars = [(f, e) for f, e in term.factors if not any(a is not None for a in f.letters)]
    rest = tuple(pair for pair in term.factors if pair not in scalars)
    left = Expr(expr.shape, (term._replace(coefficient=ONE, factors=rest),))
    return term.coefficient, scalars, left


def _diagonal(expr: Expr) -> Expr | None:
    if expr.terms and all(t.slots[0] == t.slots[1] for t in expr.terms):
        return added(
            expr.shape[:1],
            [
                canonical(t.coefficient, t.slots[:1], dict(enumerate(t.sizes)), dict(t.factors))
                for t in expr.terms
            ],
        )
    return None


def _one_inverse(atom: Atom, ends: tuple[int, int]) -> tuple[Expr | Atom, Letters]:
    """The inverse of a link of a chain, at the letters where it goes."""
    if isinstance(atom, Inverse):
        return atom.of, ends
    if isinstance(atom, Leaf):
        found: Atom = Inverse(of_atom(atom, atom.shape))
        return found, ends
    assert type(atom) is Group
    return inverse_of(atom.of), ends


def _one_det(atom: Atom) -> Expr:
    if isinstance(atom, Inverse):
        return built([(det_of(atom.of), (), -1)], (), {}, ())
    if isinstance(atom, Leaf):
        return built([(Det(of_atom(atom, atom.shape)), (), 1)], (), {}, ())
    assert type(atom) is Group
    return det_of(atom.of)


def square_chain(expr: Expr) -> tuple[Number, list[tuple[Atom, bool]]] | None:
    """A product of square matrices from its first axis to its last, with its number; None for all else.

    Each comes with whether it is turned. A single matrix is a chain too, unless it is a sum.
    """
    if len(expr.terms) != 1:
        return None
    (term,) = expr.terms
    n = expr.shape[0]
    if any(size != n for size in term.sizes) or len(term.sizes) != len(term.factors) + 1:
        return None
    if term.slots[0] == term.slots[1]:
        return None
    links: list[tuple[Atom, bool]] = []
    here = term.slots[0]
    waiting = []
    for f, e in term.factors:
        if e != 1 or len(f.letters) != 2 or None in f.letters:  # a power is one entry by entry
            return None
        if not isinstance(f.atom, Leaf | Inverse) and type(f.atom) is not Group:
            return None
        waiting.append(f)
    if len(waiting) == 1 and type(waiting[0].atom) is Group:
        return None
    while waiting:
        found = next((f for f in waiting if here in f.letters), None)
        if found is None:
            return None
        waiting.remove(found)
        turned = found.letters[0] != here
        links.append((found.atom, turned))
        here = found.letters[0] if turned else found.letters[1]
    return (term.coefficient, links) if here == term.slots[1] else None
