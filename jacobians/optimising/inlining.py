"""Products that only one term reads are read as their factors, so that the plan chooses the order.

A rewrite of the chain rule multiplies a small factor into a large one as soon as it can; what
comes later may be as small, and is better multiplied first: ``Xᵀ (y d y) X`` and not ``((Xᵀ y) d) y X``.
"""

from collections import Counter

from jacobians.graph.node import Node
from jacobians.notation.terms import Factor, Term, factors_at, normal
from jacobians.optimising.rewriting import Change, contraction_of

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
    factors = factors_at(term, tensor.shape, factor.slots)
    if factors is None or any(f.mask for f in factors):
        return None
    return term._replace(factors=factors)
