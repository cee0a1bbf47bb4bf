"""``Xᵀ D X`` with D ≥ 0 as ``Zᵀ Z``, ``Z = √D X``: of one array with itself BLAS computes half.

That D is not negative follows from how it was made: squares, exponentials, ``p (1 − p)`` of a sigmoid.
"""

from math import inf
from typing import Any

import numpy as np

from jacobians.derivation.chain_rule import combine
from jacobians.graph.node import NUMPY, Node, apply
from jacobians.notation.rewrite import join_factors
from jacobians.notation.terms import Factor, Term, full_letter, normal
from jacobians.operations import elementwise
from jacobians.optimising.rewriting import contraction_of

_WIDE = 16  # columns from which half of the product is more than the roots
_DEEPEST = 8
Interval = tuple[float, float]
_RANGES: dict[Any, Interval] = {
    elementwise.exp: (0, inf),
    elementwise.sigmoid: (0, 1),
    elementwise.square: (0, inf),
    elementwise.absolute: (0, inf),
    elementwise.sqrt: (0, inf),
    elementwise.tanh: (-1, 1),
}


def interval(node: Node, depth: int = _DEEPEST) -> Interval:
    """Bounds that hold for every entry whatever the inputs are (NaN aside)."""
    if node.value is not None:
        values = np.asarray(node.value)
        return (float(values.min()), float(values.max())) if values.size else (0, 0)
    operation = node.operation
    if operation in _RANGES:
        return _RANGES[operation]
    if operation is None or depth == 0:
        return -inf, inf
    if (
        operation is elementwise.power
        and type(node.operands[1].value) is int
        and node.operands[1].value % 2 == 0
    ):
        return 0, inf
    if operation in (NUMPY[np.add], NUMPY[np.subtract], NUMPY[np.multiply]):
        a, b = node.operands
        (low, high), (low2, high2) = interval(a, depth - 1), interval(b, depth - 1)
        if operation is NUMPY[np.add]:
            return low + low2, high + high2
        if operation is NUMPY[np.subtract]:
            return low - high2, high - low2
        return (0, inf) if a is b else _times((low, high), (low2, high2))
    if operation in (elementwise.divide, elementwise.portion):
        parts = [interval(operand, depth - 1) for operand in node.operands]
        if min(low for low, _ in parts) >= 0:
            return 0, 1 if operation is elementwise.portion else inf
    tensor = contraction_of(node)
    if tensor is not None and len(tensor.terms) == 1:
        (term,) = tensor.terms
        if not_negative(list(term.factors), depth - 1) and term.coefficient > 0:
            return 0, inf
    return -inf, inf


def _times(first: Interval, second: Interval) -> Interval:
    ends = [0 if 0 in (x, y) else x * y for x in first for y in second]
    return min(ends), max(ends)


def not_negative(factors: list[Factor], depth: int = _DEEPEST) -> bool:
    """Whether the product of the factors cannot be negative."""
    odd = [f for n, f in enumerate(factors) if factors.count(f) % 2 and f not in factors[:n]]
    return all(interval(f.operand, depth)[0] >= 0 for f in odd)


def halved(term: Term) -> Term:
    """The term with ``X_nk d_n X_nl``, summed over n, as a product of one array with itself."""
    if len(term.factors) < 3 or term.coefficient <= 0 or any(f.mask for f in term.factors):
        return term
    for n, first in enumerate(term.factors):
        for m in range(n + 1, len(term.factors)):
            found = _halved(term, first, term.factors[m], (n, m))
            if found is not None:
                return found
    return term


def _halved(term: Term, first: Factor, second: Factor, places: tuple[int, int]) -> Term | None:
    node: Node = first.operand
    if second.operand is not node or node.ndim != 2:
        return None
    pairs = []
    for left, right, size in zip(first.slots, second.slots, node.shape, strict=True):
        pairs.append((full_letter(left, term.sizes, size), full_letter(right, term.sizes, size)))
    shared = [axis for axis, (a, b) in enumerate(pairs) if a == b and a is not None]
    if len(shared) != 1 or None in pairs[1 - shared[0]]:
        return None
    axis = shared[0]
    (row, _), (k, other) = pairs[axis], pairs[1 - axis]
    assert row is not None
    assert k is not None
    assert other is not None
    rest = [f for n, f in enumerate(term.factors) if n not in places]
    fits = row not in term.kept and {k, other} <= term.kept and k != other
    if not fits or term.sizes[k] < _WIDE or any(f.letters != {row} for f in rest):
        return None
    if not not_negative(rest):
        return None
    weights = join_factors(rest, [row], term.sizes, combine)
    root = weights._replace(operand=apply(elementwise.sqrt, [weights.operand]))
    letters = (row, k) if axis == 0 else (k, row)
    weighted = join_factors([first, root], letters, term.sizes, combine)
    factors = [weighted, second._replace(operand=weighted.operand)]
    return normal(term.coefficient, term.sizes, factors, term.slots)
