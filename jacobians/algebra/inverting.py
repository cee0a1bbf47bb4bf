"""Inverses and determinants of products of square matrices."""

from fractions import Fraction

from jacobians.algebra.atoms import Atom, Det, Expr, Group, Inverse, Leaf, Letters, Number
from jacobians.algebra.averages import added
from jacobians.algebra.letter_order import ONE, canonical
from jacobians.algebra.normal_form import Piece, built, of_atom, powered, transposed


def inverse_of(expr: Expr) -> Expr:
    """The inverse of a square matrix: of a product of square ones their inverses, of an inverse itself."""
    return _spectral(expr, inverse=True)


def det_of(expr: Expr) -> Expr:
    """The determinant: of a product of square matrices theirs."""
    return _spectral(expr, inverse=False)


def _spectral(expr: Expr, *, inverse: bool) -> Expr:
    shape = expr.shape
    n = shape[0]
    result = shape if inverse else ()
    if n == 1:
        return built(
            [(expr, (None, None), -1 if inverse else 1)],
            (None, None) if inverse else (),
            {},
            result,
        )
    if len(expr.terms) == 1:
        (term,) = expr.terms
        scalars = [(f, e) for f, e in term.factors if not any(a is not None for a in f.letters)]
        if scalars:
            rest = term._replace(
                coefficient=ONE, factors=tuple(p for p in term.factors if p not in scalars)
            )
            inner = _spectral(Expr(shape, (rest,)), inverse=inverse)
            power = -1 if inverse else n
            letters = (0, 1) if inverse else ()
            return built(
                [*((f.atom, f.letters, e * power) for f, e in scalars), (inner, letters, 1)], letters,
                dict.fromkeys(letters, n), result, powered(term.coefficient, Fraction(power)),
            )  # fmt: skip
    chain = square_chain(expr)
    if chain is not None:
        scale, links = chain
        pieces: list[Piece] = []
        sizes = dict.fromkeys(range(len(links) + 1), n)
        for k, (atom, turned) in enumerate(links):
            if inverse:
                # (A B)⁻¹ = B⁻¹ A⁻¹: link k stands between letters k + 1 and k, read from the right end
                left, right = k + 1, k
                ends = (right, left) if turned else (left, right)
                ends = (left, right) if not turned else (right, left)
                pieces.append((*_one_inverse(atom, ends, turned), 1))
            else:
                pieces.append((_one_det(atom), (), 1))
        if inverse:
            slots = (len(links), 0)
            return built(pieces, slots, sizes, shape, ONE / scale)
        return built(pieces, (), {}, (), scale**n)
    diagonal = _diagonal(expr)
    if diagonal is not None:  # noqa: SIM102
        if inverse:
            return built([(diagonal, (0,), -1)], (0, 0), {0: n}, shape)
    least = min(expr, transposed(expr), key=lambda e: e.key)
    whole: Atom = Inverse(least) if inverse else Det(least)
    if not inverse:
        return built([(whole, (), 1)], (), {}, ())
    letters = (0, 1) if least == expr else (1, 0)
    return built([(whole, letters, 1)], (0, 1), {0: n, 1: n}, shape)


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


def _one_inverse(atom: Atom, ends: tuple[int, int], turned: bool) -> tuple[Expr | Atom, Letters]:  # noqa: ARG001
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
        if e.denominator != 1 or e < 1 or len(f.letters) != 2 or None in f.letters:
            return None
        if not isinstance(f.atom, Leaf | Inverse) and type(f.atom) is not Group:
            return None
        waiting += [f] * int(e)
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
