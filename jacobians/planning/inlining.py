"""Products that only one term reads are read as their factors, so that the plan chooses the order.

A rewrite of the chain rule multiplies a small factor into a large one as soon as it can; what
comes later may be as small, and is better multiplied first: ``Xᵀ (y d y) X`` and not ``((Xᵀ y) d) y X``.
"""

from collections import Counter

from jacobians.graph.node import Node
from jacobians.notation.slots import ZERO
from jacobians.notation.terms import Factor, Term, normal, spans
from jacobians.planning.rewriting import Change, contraction_of

_MOST = 6  # factors of a term: beyond, the order takes longer to find than it saves


def inliner(uses: Counter[Node]) -> Change:
    """A change of terms: factors that are products, and are used once, become their factors."""

    def change(term: Term) -> Term:
        for place, factor in enumerate(term.factors):
            parts = _parts(factor) if uses[factor.operand] == 1 else None
            if parts is not None and len(term.factors) + len(parts.factors) <= _MOST + 1:
                factors = (*term.factors[:place], *parts.factors, *term.factors[place + 1 :])
                found = normal(
                    term.coefficient * parts.coefficient, term.sizes, factors, term.slots
                )
                assert found is not None
                return change(found)
        return term

    return change


def _parts(factor: Factor) -> Term | None:
    """The only term of a node that multiplies and sums nothing, read at the factor's slots."""
    tensor = contraction_of(factor.operand)
    if tensor is None or factor.mask or len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    if not spans(term, tensor.shape):
        return None
    places = {s.plain: at for s, at in zip(term.slots, factor.slots, strict=True) if s != ZERO}
    inner = [slot for f in term.factors for slot in f.slots if slot != ZERO]
    if len(places) != len(term.sizes) or any(s.plain not in places for s in inner):
        return None
    if any(f.mask for f in term.factors):
        return None
    factors = [
        Factor(f.operand, tuple(ZERO if s == ZERO else places[s.plain] for s in f.slots))
        for f in term.factors
    ]
    return term._replace(factors=tuple(factors))
