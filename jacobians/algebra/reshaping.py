"""Axes that are read as two: ``vec``, ``unvec``, and the blocks of a matrix in rows.

Contract: every function keeps the tensor that its argument denotes; ``whole_axes`` reads the same entries at
fewer or more axes, row by row.
"""

from dataclasses import dataclass
from fractions import Fraction

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Monomial
from jacobians.algebra.averages import added
from jacobians.algebra.constants import Splitting, splitting
from jacobians.algebra.letter_order import canonical
from jacobians.algebra.normal_form import of_atom
from jacobians.algebra.remaking import remade


@dataclass(frozen=True, eq=False)
class Reshaped(Atom):
    """The same entries, row by row, in another shape; ``parts`` are the sizes that it is made of."""

    of: Expr
    shape: tuple[int, ...]
    parts: tuple[int, ...]

    def __post_init__(self) -> None:
        self._keyed(self.of.key, self.shape)

    @property
    def inner(self) -> tuple[Expr, ...]:
        """What it is of."""
        return (self.of,)

    def with_inner(self, inner: tuple[Expr, ...]) -> "Reshaped":
        """The same of something else."""
        return type(self)(inner[0], self.shape, self.parts)


@dataclass(frozen=True, eq=False)
class Reordered(Reshaped):
    """``R_(ij)(kl) = C_(ik)(jl)``: a row for each block of C."""


_Factors = dict[AtomAt, Fraction]


def reshaped(expr: Expr) -> Expr:
    """The expression with whole arrays that are read at split axes by their names in the other shape."""
    terms = []
    for t in expr.terms:
        factors = {AtomAt(remade(f.atom, reshaped), f.letters): e for f, e in t.factors}
        sizes = dict(enumerate(t.sizes))
        while _one_less(factors, sizes, t):
            pass
        used = {a for f in factors for a in f.letters} | set(t.slots)
        left = {a: n for a, n in sizes.items() if a in used}
        terms.append(canonical(t.coefficient, t.slots, left, factors))
    return added(expr.shape, terms)


def _one_less(factors: _Factors, sizes: dict[int, int], t: Monomial) -> bool:
    """Put one splitting into what it reads; whether there was one."""
    for v in [f for f in factors if isinstance(f.atom, Splitting)]:
        if _unvec(v, factors, sizes, t) or _vec(v, factors, t):
            return True
    return False


def _unvec(v: AtomAt, factors: _Factors, sizes: dict[int, int], t: Monomial) -> bool:
    """A column that is read as a matrix."""
    n, *pair = v.letters
    others = [f for f in factors if n in f.letters and f != v]
    if n in t.slots or len(others) != 1 or factors[others[0]] != 1:
        return False
    (f,) = others
    if f.letters != (n,):
        return _rearranged(f, v, factors, sizes, t)
    shape = _shape(v.atom)[1:]
    _replace(factors, [v, f], Reshaped(_whole(f.atom), shape, shape), tuple(pair))
    return True


def _vec(v: AtomAt, factors: _Factors, t: Monomial) -> bool:
    """A matrix that is read as a column."""
    n, a, b = v.letters
    inside = [f for f in factors if f != v and (a in f.letters or b in f.letters)]
    if a in t.slots or b in t.slots or len(inside) != 1 or factors[inside[0]] != 1:
        return False
    (f,) = inside
    if len(f.letters) != 2 or set(f.letters) != {a, b}:
        return False
    of = _whole(f.atom) if f.letters == (a, b) else _turned(f.atom)
    size = _shape(v.atom)[:1]
    _replace(factors, [v, f], Reshaped(of, size, size), (n,))
    return True


def _shape(atom: Atom) -> tuple[int, ...]:
    """The sizes of its axes."""
    found: tuple[int, ...] | None = getattr(atom, "shape", None)
    return atom.inner[0].shape if found is None else found


def _rearranged(
    f: AtomAt, v: AtomAt, factors: _Factors, sizes: dict[int, int], t: Monomial
) -> bool:
    """A matrix that is split on both axes, as the matrix of its blocks."""
    if len(f.letters) != 2 or f.letters[0] != v.letters[0] or isinstance(f.atom, Reordered):
        return False
    other = f.letters[1]
    others = [g for g in factors if other in g.letters and g != f]
    if other in t.slots or len(others) != 1 or not isinstance(others[0].atom, Splitting):
        return False
    w = others[0]
    if w.letters[0] != other or w == v:
        return False
    (_, i, k), (_, j, m) = v.letters, w.letters
    (_, p, q), (_, r, s) = _shape(v.atom), _shape(w.atom)
    first = max(sizes) + 1
    sizes |= {first: p * r, first + 1: q * s}
    _replace(
        factors,
        [f, v, w],
        Reordered(_whole(f.atom), (p * r, q * s), (p, r, q, s)),
        (first, first + 1),
    )
    factors[AtomAt(splitting(p * r, (p, r)), (first, i, j))] = Fraction(1)
    factors[AtomAt(splitting(q * s, (q, s)), (first + 1, k, m))] = Fraction(1)
    return True


def _whole(atom: Atom) -> Expr:
    """An atom with its axes as an expression."""
    return of_atom(atom, _shape(atom))


def _turned(atom: Atom) -> Expr:
    own = _whole(atom)
    terms = [
        canonical(t.coefficient, t.slots[::-1], dict(enumerate(t.sizes)), dict(t.factors))
        for t in own.terms
    ]
    return added(own.shape[::-1], terms)


def _replace(
    factors: _Factors, gone: list[AtomAt], atom: Atom, letters: tuple[int | None, ...]
) -> None:
    for f in gone:
        del factors[f]
    factors[AtomAt(atom, letters)] = Fraction(1)


def whole_axes(expr: Expr, out_ndim: int) -> tuple[Expr, int]:
    """Pairs of axes that are one split axis as one; then an axis that is split, as two."""
    for axis in range(len(expr.shape) - 2, -1, -1):
        if axis + 1 == out_ndim:
            continue
        found = _joined(expr, axis)
        if found is not None:
            return whole_axes(found, out_ndim - (axis < out_ndim))
    for axis in range(len(expr.shape)):
        found = _apart(expr, axis)
        if found is not None:
            return whole_axes(found, out_ndim + (axis < out_ndim))
    return expr, out_ndim


def _joined(expr: Expr, axis: int) -> Expr | None:
    """Two axes that every term reads by one splitting only, as the axis that is split."""
    terms, sizes = [], set()
    for t in expr.terms:
        a, b = t.slots[axis : axis + 2]
        v = next(
            (f for f, _ in t.factors if isinstance(f.atom, Splitting) and f.letters[1:] == (a, b)),
            None,
        )
        read = [f for f, _ in t.factors if a in f.letters or b in f.letters]
        if v is None or len(read) > 1 or t.slots.count(a) > 1 or t.slots.count(b) > 1:
            return None
        slots = (*t.slots[:axis], v.letters[0], *t.slots[axis + 2 :])
        terms.append(_without(t, v, slots))
        sizes.add(_shape(v.atom)[0])
    if len(sizes) != 1:
        return None
    return added((*expr.shape[:axis], sizes.pop(), *expr.shape[axis + 2 :]), terms)


def _apart(expr: Expr, axis: int) -> Expr | None:
    """An axis that every term splits, as two."""
    terms, shapes = [], set()
    for t in expr.terms:
        n = t.slots[axis]
        v = next(
            (f for f, _ in t.factors if isinstance(f.atom, Splitting) and f.letters[0] == n), None
        )
        if v is None or t.slots.count(n) > 1 or sum(n in f.letters for f, _ in t.factors) > 1:
            return None
        slots = (*t.slots[:axis], *v.letters[1:], *t.slots[axis + 1 :])
        terms.append(_without(t, v, slots))
        shapes.add(_shape(v.atom)[1:])
    if len(shapes) != 1:
        return None
    return added((*expr.shape[:axis], *shapes.pop(), *expr.shape[axis + 1 :]), terms)


def _without(t: Monomial, gone: AtomAt, slots: tuple[int | None, ...]) -> Monomial:
    factors = {f: e for f, e in t.factors if f != gone}
    used = {a for f in factors for a in f.letters} | set(slots)
    sizes = {a: n for a, n in enumerate(t.sizes) if a in used}
    return canonical(t.coefficient, slots, sizes, factors)
