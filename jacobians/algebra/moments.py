"""What is known from statistics by name: ``std(x)``, and ``x̂``, which is x less its mean over that.

Contract: every function keeps the tensor that its argument denotes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from jacobians.algebra.atoms import AtomAt, Expr, Monomial, Unary
from jacobians.algebra.averages import added
from jacobians.algebra.constants import Centring
from jacobians.algebra.letter_order import canonical, components
from jacobians.algebra.normal_form import Piece, built, powered, put_together
from jacobians.algebra.remaking import atoms_within, remade

_SEVERAL = 2  # standardised factors from which they have a name


@dataclass(frozen=True, eq=False)
class Std(Unary):
    """The standard deviation along the last axis of what it is of, at its other letters."""

    @property
    def is_positive(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True, eq=False)
class Standardised(Std):
    """``(x − mean(x)) / std(x)`` along the last axis."""

    @property
    def is_positive(self) -> bool:
        """It has either sign."""
        return False


def with_moments(expr: Expr) -> Expr:
    """The expression with ``xᵀ C x`` as ``n std(x)²``, and with what is standardised by its name.

    All of it, where a number is plainer for it; else what is inside of it, each by itself.
    """
    if not any(isinstance(atom, Centring) for atom, _ in atoms_within(expr)):
        return expr
    return _Moments().plainer(expr)


class _Moments:
    """Expressions with moments, each worked out once."""

    def __init__(self) -> None:
        self._converted: dict[str, Expr] = {}
        self._plainer: dict[str, Expr] = {}

    def plainer(self, expr: Expr) -> Expr:
        """With moments where a number is plainer for it."""
        if expr.key not in self._plainer:
            found = self.converted(expr)
            pairs = zip(found.terms, expr.terms, strict=False)
            if not any(_is_plainer(new, old) for new, old in pairs):
                inside = [new for t in expr.terms for new in _remade(t, expr.shape, self.plainer)]
                found = added(expr.shape, inside)
            self._plainer[expr.key] = found
        return self._plainer[expr.key]

    def converted(self, expr: Expr) -> Expr:
        """With moments whatever becomes of the numbers."""
        if expr.key not in self._converted:
            terms = [
                new
                for t in expr.terms
                for one in _remade(t, expr.shape, self.converted)
                for new in _named(one, expr.shape).terms
            ]
            self._converted[expr.key] = added(expr.shape, terms)
        return self._converted[expr.key]


def _remade(
    t: Monomial, shape: tuple[int, ...], change: Callable[[Expr], Expr]
) -> tuple[Monomial, ...]:
    """A term with what its atoms are of changed."""
    return put_together(t, dict(t.factors), lambda atom: remade(atom, change), shape).terms


def _is_plainer(new: Monomial, old: Monomial) -> bool:
    """Whether the number is plainer for it: ``‖x − mean(x)‖`` stays, where no n stands beside it."""
    after, before = new.coefficient, old.coefficient
    if new == old or not isinstance(after, Fraction):
        return False
    if not isinstance(before, Fraction) or before.denominator > 1:
        return True
    return after.denominator == 1 and abs(after) < abs(before)


def _named(t: Monomial, shape: tuple[int, ...]) -> Expr:
    """One term, outside its functions."""
    factors = dict(t.factors)
    pieces: list[Piece] = []
    coefficient = t.coefficient
    gone: set[int] = set()
    for f in [f for f in factors if isinstance(f.atom, Centring)]:
        assert isinstance(f.atom, Centring)
        halves = _halves(f, factors, t)
        if halves is None:
            continue
        of, letters, used = halves
        size = f.atom.shape[0]
        for g in used:
            factors.pop(g, None)
        gone |= {a for g in used for a in g.letters if a is not None and a not in t.slots}
        coefficient = coefficient * powered(Fraction(size), Fraction(1))
        pieces.append((Std(of), letters, 2))
    gone |= _standardise(t, factors, pieces)
    pieces += [(f.atom, f.letters, e) for f, e in factors.items()]
    sizes = {a: n for a, n in enumerate(t.sizes) if a not in gone}
    return built(pieces, t.slots, sizes, shape, coefficient)


def _reached(letter: int, factors: dict[AtomAt, Fraction], inner: set[int]) -> list[AtomAt]:
    """The factors that are connected with a letter by letters that are summed."""
    for part in components(factors, inner):
        if any(letter in f.letters for f in part):
            return part
    return []


def _half(
    letter: int, part: list[AtomAt], factors: dict[AtomAt, Fraction], t: Monomial
) -> tuple[Expr, tuple[int, ...]] | None:
    """A part as an expression whose last axis is the letter, and the letters of its other axes."""
    free = tuple(sorted({a for f in part for a in f.letters if a is not None and a in t.slots}))
    slots = (*free, letter)
    read = {a for f in part for a in f.letters if a is not None}
    if letter not in read or not read >= set(free):
        return None
    sizes = {a: t.sizes[a] for a in read}
    own = {f: factors[f] for f in part}
    shape = tuple(t.sizes[a] for a in slots)
    return Expr(shape, (canonical(Fraction(1), slots, sizes, own),)), free


def _halves(
    f: AtomAt, factors: dict[AtomAt, Fraction], t: Monomial
) -> tuple[Expr, tuple[int, ...], list[AtomAt]] | None:
    """What a centring matrix has on either side, where that is the same, and its letters."""
    a, b = f.letters
    if a is None or b is None or a == b or a in t.slots or b in t.slots or factors[f] != 1:
        return None
    rest = {g: e for g, e in factors.items() if g != f}
    inner = {n for n in range(len(t.sizes)) if n not in t.slots}
    left, right = _reached(a, rest, inner), _reached(b, rest, inner)
    if not left or not right or set(left) & set(right):
        return None
    one, other = _half(a, left, rest, t), _half(b, right, rest, t)
    if one is None or other is None or one[0] != other[0] or one[1] != other[1]:
        return None
    return one[0], one[1], [f, *left, *right]


def _standardise(t: Monomial, factors: dict[AtomAt, Fraction], pieces: list[Piece]) -> set[int]:
    """``(C x)_i (C x)_k / std(x)²`` as ``x̂_i x̂_k``; the letters that are gone."""
    gone: set[int] = set()
    for f in [f for f, e in factors.items() if type(f.atom) is Std and e <= -_SEVERAL]:
        assert isinstance(f.atom, Std)
        found: list[tuple[list[AtomAt], tuple[int, ...]]] = []
        for c in [c for c, e in factors.items() if isinstance(c.atom, Centring) and e == 1]:
            for here, there in (c.letters, c.letters[::-1]):
                inner = {n for n in range(len(t.sizes)) if n not in t.slots and n != there}
                rest = {g: e for g, e in factors.items() if g != c}
                if here is None or there is None or here in t.slots:
                    continue
                part = _reached(here, rest, inner)
                half = _half(here, part, rest, t) if part else None
                if half and half[0] == f.atom.of and half[1] == f.letters:
                    found.append(([c, *part], (*half[1], there)))
                    break
        if len(found) < _SEVERAL:
            continue
        for used, letters in found:
            for g in used:
                del factors[g]
            gone |= {a for g in used for a in g.letters if a is not None} - set(letters)
            factors[f] += 1
            pieces.append((Standardised(f.atom.of), letters, 1))
        if not factors[f]:
            del factors[f]
    return gone
