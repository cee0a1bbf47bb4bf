"""Sums in which a mean is taken away: ``x − mean(x)`` is the centring matrix times x.

Contract: ``added`` returns the sum of the monomials that it is given.
"""

from collections.abc import Iterable
from fractions import Fraction

from jacobians.algebra.atoms import AtomAt, Expr, Monomial
from jacobians.algebra.constants import centring
from jacobians.algebra.letter_order import canonical, closed, merged

_CLOSE = 1e-14  # between numbers that are no fractions


def added(shape: tuple[int, ...], terms: Iterable[Monomial]) -> Expr:
    """The sum of monomials, equal ones merged, in order of appearance; what is less its mean is centred."""
    found = merged(shape, terms)
    while len(found.terms) > 1 and (paired := _centred(found)) is not None:
        found = paired
    return found


def _centred(expr: Expr) -> Expr | None:
    """The sum with one of its terms and minus that one's mean along an axis as one term."""
    for mean in expr.terms:
        for axis, slot in enumerate(mean.slots):
            if slot is None or not _is_free(mean, slot):
                continue
            size = mean.sizes[slot]
            for term in expr.terms:
                if (
                    term is not mean
                    and _is_less(mean, term, size)
                    and _averaged(term, axis).key == mean.key
                ):
                    rest = [t for t in expr.terms if t is not mean and t is not term]
                    return merged(expr.shape, [_with_centring(term, axis), *rest])
    return None


def _is_free(t: Monomial, letter: int) -> bool:
    """Whether nothing depends on the letter, and no other axis has it."""
    return t.slots.count(letter) == 1 and not any(letter in f.letters for f, _ in t.factors)


def _is_less(mean: Monomial, term: Monomial, size: int) -> bool:
    """Whether the coefficient is that of minus the mean."""
    ratio = mean.coefficient * size + term.coefficient
    return ratio == 0 or (
        isinstance(ratio, float) and abs(ratio) <= _CLOSE * abs(float(term.coefficient))
    )


def _averaged(t: Monomial, axis: int) -> Monomial:
    """The term summed along an axis, and as long as before along it."""
    slot = t.slots[axis]
    assert slot is not None
    new = len(t.sizes)
    slots = (*t.slots[:axis], new, *t.slots[axis + 1 :])
    sizes = {**dict(enumerate(t.sizes)), new: t.sizes[slot]}
    factors, left = closed(dict(t.factors), slots, sizes)
    return canonical(t.coefficient, slots, left, factors)


def _with_centring(t: Monomial, axis: int) -> Monomial:
    """The centring matrix times the term, along an axis."""
    slot = t.slots[axis]
    assert slot is not None
    size, new = t.sizes[slot], len(t.sizes)
    slots = (*t.slots[:axis], new, *t.slots[axis + 1 :])
    factors = {**dict(t.factors), AtomAt(centring(size), (new, slot)): Fraction(1)}
    return canonical(t.coefficient, slots, {**dict(enumerate(t.sizes)), new: size}, factors)
