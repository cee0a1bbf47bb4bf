"""Derivatives of ``maximum`` and its kin away from ties: ``[x > y]`` for ``[x ≥ y] (1 − ½ [x = y])``.

Contract: the tensor is kept where no two of what they compare are equal.
"""

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Function, Monomial
from jacobians.algebra.averages import added
from jacobians.algebra.normal_form import Piece, built
from jacobians.algebra.remaking import remade
from jacobians.graph.node import NUMPY

_STRICT = {
    "maximum_takes": np.greater, "fmax_takes": np.greater, "minimum_takes": np.less, "fmin_takes": np.less,
}  # fmt: skip


def is_tie(atom: Atom) -> bool:
    """Whether it says what a derivative is where two numbers are equal."""
    return isinstance(atom, Function) and atom.operation.name == "share"


def untied(expr: Expr) -> Expr:
    """The expression away from ties, inside and out."""
    terms: list[Monomial] = []
    for t in expr.terms:
        pieces: list[Piece] = [
            (_strict(remade(f.atom, untied)), f.letters, e)
            for f, e in t.factors
            if not is_tie(f.atom)
        ]
        terms += built(pieces, t.slots, dict(enumerate(t.sizes)), expr.shape, t.coefficient).terms
    return added(expr.shape, terms)


def _strict(atom: Atom) -> Atom:
    ufunc = _STRICT.get(atom.operation.name) if isinstance(atom, Function) else None
    if ufunc is None or not isinstance(atom, Function):
        return atom
    return Function(NUMPY[ufunc], atom.arguments, atom.parameters)
