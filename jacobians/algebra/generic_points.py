"""Derivatives at generic points: ``[x > y]`` for ``[x ≥ y] (1 − ½ [x = y])``, and quotients of products.

Contract: the tensor is kept where no two of what they compare are equal, and no entry of what is multiplied is 0.
"""

import re
from collections.abc import Iterator
from itertools import product as combinations

import numpy as np

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Function, Letters, Monomial, Whole
from jacobians.algebra.averages import added
from jacobians.algebra.normal_form import Piece, built
from jacobians.algebra.remaking import remade
from jacobians.graph.node import NUMPY
from jacobians.operations.recurrences import running_product
from jacobians.operations.reductions import product

_STRICT = {
    "maximum_takes": np.greater, "fmax_takes": np.greater, "minimum_takes": np.less, "fmin_takes": np.less,
}  # fmt: skip
_PRODUCT = re.compile(r"prod([12])")  # of all entries but one, or two


def is_tie(atom: Atom) -> bool:
    """Whether it says what a derivative is where two numbers are equal."""
    return isinstance(atom, Function) and atom.operation.name == "share"


def is_product_of_others(atom: Atom) -> bool:
    """Whether it is a product of all entries but some, a quotient where none is 0."""
    return isinstance(atom, Whole) and (
        atom.operation.name == "running_others" or bool(_PRODUCT.fullmatch(atom.operation.name))
    )


def at_generic_points(expr: Expr) -> Expr:
    """The expression away from ties and zeros, inside and out."""
    terms: list[Monomial] = []
    for t in expr.terms:
        pieces: list[Piece] = []
        quotients: list[list[tuple[int, list[Piece]]]] = []
        slots, sizes = t.slots, dict(enumerate(t.sizes))
        for f, e in t.factors:
            atom = _strict(remade(f.atom, at_generic_points))
            if is_product_of_others(atom) and e == 1:
                quotients.append(list(_quotients(AtomAt(atom, f.letters))))
            elif not is_tie(atom):
                pieces.append((atom, f.letters, e))
        for chosen in combinations(*quotients):
            number = t.coefficient
            found = list(pieces)
            for sign, more in chosen:
                number, found = number * sign, found + more
            terms += built(found, slots, sizes, expr.shape, number).terms
    return added(expr.shape, terms)


def _strict(atom: Atom) -> Atom:
    ufunc = _STRICT.get(atom.operation.name) if isinstance(atom, Function) else None
    if ufunc is None or not isinstance(atom, Function):
        return atom
    return Function(NUMPY[ufunc], atom.arguments, atom.parameters)


def _quotients(f: AtomAt) -> Iterator[tuple[int, list[Piece]]]:
    """``Π x / x_k``; of all but two ``Π x / (x_i x_k) (1 − δ_ik)``, signs and factors of its terms."""
    atom = f.atom
    assert isinstance(atom, Whole)
    (x,) = atom.arguments
    batch, places = f.letters[: len(x.shape) - 1], f.letters[len(x.shape) - 1 :]
    if atom.operation.name == "running_others":
        before, k = places
        running = Whole(running_product, (x,), (), x.shape)
        yield 1, [(running, (*batch, before), 1), (x, (*batch, k), -1)]
        return
    whole = Whole(product(0), (x,), (), x.shape[:-1])
    parts: list[Piece] = [(whole, batch, 1), *((x, (*batch, k), -1) for k in places)]
    yield 1, parts
    if len(places) == 2:
        yield -1, [*parts, (_identity(x.shape[-1]), places, 1)]


def _identity(n: int) -> Expr:
    letters: Letters = (0, 0) if n > 1 else (None, None)
    return built([], letters, {0: n} if n > 1 else {}, (n, n))
