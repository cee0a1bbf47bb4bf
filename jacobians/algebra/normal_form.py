"""Products and sums of expressions in normal form.

Contract: every function returns the tensor that its arguments denote, where it is defined: what
cancels is taken to be finite and not 0, a matrix that is inverted to be regular, the argument of a
logarithm or of a root to be positive.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import count, permutations, product
from math import prod

from jacobians.algebra.atoms import (
    Atom,
    AtomAt,
    Expr,
    Function,
    Group,
    Letters,
    Monomial,
    Number,
    Power,
)
from jacobians.algebra.averages import added
from jacobians.algebra.cancelling import Collected, cancel
from jacobians.algebra.common_factors import dependent_axes, grouped, onto, positive, stripped
from jacobians.algebra.constants import Centring, Selector, Unit
from jacobians.algebra.letter_order import ONE, canonical, exact, plain, sizes_of

Piece = tuple[Expr | Atom, Letters, Fraction | int]
_EXPANDED = 12  # terms that a product of sums may have when it is written out


def number(value: float) -> Expr:
    """A number."""
    exact_value = exact(value)
    return Expr((), (Monomial(exact_value, (), (), ()),) if exact_value != 0 else ())


def of_atom(atom: Atom, shape: tuple[int, ...]) -> Expr:
    """An atom as it is."""
    letters = plain(shape)
    return built([(atom, letters, 1)], letters, sizes_of(letters, shape), shape)


def sum_of(exprs: Sequence[Expr], scales: Sequence[Number] | None = None) -> Expr:
    """The sum of expressions of one shape, each times a number."""
    scales = [ONE] * len(exprs) if scales is None else scales
    return added(
        exprs[0].shape,
        [
            t._replace(coefficient=t.coefficient * s)
            for e, s in zip(exprs, scales, strict=True)
            for t in e.terms
        ],
    )


def at(expr: Expr, slots: Letters, shape: tuple[int, ...], letters: Letters) -> Expr:
    """The expression read at letters, with axes at slots: broadcast, transposed, or a diagonal."""
    return built([(expr, letters, 1)], slots, sizes_of(slots, shape), shape)


def transposed(expr: Expr) -> Expr:
    """The transpose of a matrix."""
    return at(expr, (1, 0), expr.shape[::-1], (0, 1)) if 1 not in expr.shape else expr


def built(
    pieces: Iterable[Piece], slots: Letters, sizes: Mapping[int, int], shape: tuple[int, ...],
    coefficient: Number = ONE, *, expand: bool = False,
) -> Expr:  # fmt: skip
    """The product of pieces at letters as an expression; letters in no slot are summed.

    A sum stays in parentheses, unless it is alone, or ``expand`` says to write it out.
    """
    pieces = list(pieces)
    if any(_vanishes(t) and e > 0 for t, _, e in pieces):
        return Expr(shape, ())
    many = [n for n, piece in enumerate(pieces) if _is_sum(piece)]
    alone = len(many) == 1 and pieces[many[0]][2] == 1 and all(
        n in many or (isinstance(t, Expr) and not t.shape and not t.terms[0].factors)
        for n, (t, _, _) in enumerate(pieces)
    )  # fmt: skip
    placed = not alone and _meet_in_places([pieces[n] for n in many], slots)
    if many and (alone or expand or placed):
        ways = _written_out(pieces)
        if alone or placed or prod(map(len, ways)) <= _EXPANDED:
            found = [
                _monomial(chosen, slots, dict(sizes), coefficient) for chosen in product(*ways)
            ]
            return added(shape, [t for t in found if t is not None])
    one = _monomial(pieces, slots, dict(sizes), coefficient)
    if one is None or one.coefficient == 0:
        return Expr(shape, ())
    return _opened(one, shape)


def _meet_in_places(sums: Sequence[Piece], slots: Letters) -> bool:
    """Whether two sums, each term of which is at one place of a summed letter, share that letter."""
    found: Counter[int] = Counter()
    for thing, letters, _ in sums:
        assert isinstance(thing, Expr)
        for axis, a in enumerate(letters):
            if a is not None and a not in slots and all(_has_place(t, axis) for t in thing.terms):
                found[a] += 1
    return any(count > 1 for count in found.values())


def _has_place(t: Monomial, axis: int) -> bool:
    """Whether an axis of a term is one entry."""
    return any(isinstance(f.atom, Unit) and f.letters[0] == t.slots[axis] for f, _ in t.factors)


def _vanishes(thing: Expr | Atom) -> bool:
    """Whether it is 0; a group is where what it is of turned out to be."""
    return thing.is_zero if isinstance(thing, Expr) else type(thing) is Group and thing.of.is_zero


def _is_sum(piece: Piece) -> bool:
    """Whether a piece is a sum of several terms, to a whole power."""
    thing, _, e = piece
    return isinstance(thing, Expr) and len(thing.terms) > 1 and e.denominator == 1 and e > 0


def _written_out(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """For each factor, powers of sums factor by factor, the terms among which one is chosen."""
    ways: list[list[Piece]] = []
    for piece in pieces:
        thing, letters, e = piece
        if _is_sum(piece) and isinstance(thing, Expr):
            ways += [[(Expr(thing.shape, (t,)), letters, 1) for t in thing.terms]] * int(e)
        else:
            ways.append([piece])
    return ways


def _opened(t: Monomial, shape: tuple[int, ...]) -> Expr:
    """A term as an expression: parentheses with nothing beside them are opened."""
    if len(t.factors) == 1:
        ((factor, exponent),) = t.factors
        inner = factor.atom.inner[0] if type(factor.atom) is Group else None
        if inner is not None and exponent == 1 and (len(inner.terms) > 1 or inner.shape == ()):
            sizes = dict(enumerate(t.sizes))
            parts: list[Piece] = [
                (Expr(inner.shape, (one,)), factor.letters, 1) for one in inner.terms
            ]
            found = [_monomial([part], t.slots, dict(sizes), t.coefficient) for part in parts]
            return added(shape, [one for one in found if one is not None])
    return Expr(shape, (t,))


class _Product(Collected):
    """A product to which expressions are multiplied."""

    def __init__(self, slots: Letters, sizes: dict[int, int]) -> None:
        super().__init__(slots, sizes)
        self._fresh = count(max(sizes, default=-1) + 1)

    def times(self, thing: Expr | Atom, letters: Letters, exponent: Fraction) -> None:
        """Multiply by a power of what is read at letters."""
        if exponent == 0:
            return
        if isinstance(thing, Atom):
            factor = AtomAt(thing, letters)
            total = self.factors.get(factor, Fraction(0)) + exponent
            if total:
                self.factors[factor] = total
            else:
                del self.factors[factor]
        elif len(thing.terms) == 1 and (exponent == 1 or _splits(thing.terms[0], exponent)):
            self._inline(thing.terms[0], letters, exponent)
        elif len(thing.terms) == 1 and exponent == 2 and _is_centred(thing.terms[0]):
            self._inline(thing.terms[0], letters, ONE)
            self._inline(thing.terms[0], letters, ONE)
        else:
            if thing.is_zero:
                self.coefficient = float("inf")
                return
            self._group(thing, letters, exponent)

    def _inline(self, term: Monomial, letters: Letters, exponent: Fraction) -> None:
        names: dict[int, int | None] = {}
        for slot, letter in zip(term.slots, letters, strict=True):
            if slot is None:
                continue
            if slot in names:
                self.unite(names[slot], letter)
            else:
                names[slot] = letter
        for letter, size in enumerate(term.sizes):
            if letter not in names:
                names[letter] = new = next(self._fresh)
                self.sizes[new] = size
        self.coefficient *= powered(term.coefficient, exponent)
        for (atom, own), e in term.factors:
            at = tuple(None if a is None else names[a] for a in own)
            self.times(atom, at, e if isinstance(atom, Selector | Unit) else e * exponent)

    def _group(self, expr: Expr, letters: Letters, exponent: Fraction) -> None:
        scale, common, group, axes = grouped(expr)
        if exponent.denominator != 1 and (
            scale < 0 or not all(positive(f.atom) for f, _ in common)
        ):
            scale, common = ONE, ()
            group, axes = stripped(expr)
        self.coefficient *= powered(scale, exponent)
        for (atom, own), e in common:
            at = tuple(None if a is None else letters[a] for a in own)
            self.times(atom, at, e * exponent)
        self.times(group, tuple(letters[a] for a in axes), exponent)


def powered(value: Number, exponent: Fraction) -> Number:
    """A power of a number."""
    if exponent.denominator == 1:
        return value ** int(exponent)
    return exact(float(value) ** float(exponent))


def _is_centred(t: Monomial) -> bool:
    """Whether a mean is taken away: its square is written out, so that ``C C`` is ``C``."""
    return any(isinstance(f.atom, Centring) for f, _ in t.factors)


def _splits(term: Monomial, exponent: Fraction) -> bool:
    """Whether the power of a product is the product of powers: nothing is summed, no delta.

    What is summed over the position of a selection is one entry.
    """
    kept = {a for a in term.slots if a is not None}
    if len(kept) < sum(a is not None for a in term.slots):
        return False
    free: set[int | None] = set(kept)
    for f, _ in term.factors:
        if isinstance(f.atom, Unit) or (isinstance(f.atom, Selector) and f.letters[0] in kept):
            free |= {f.letters[-1]} - {None}
    if len(free) < len(term.sizes):
        return False
    if exponent.denominator == 1:
        return True
    doubtful = [
        e for f, e in term.factors if not positive(f.atom)
    ]  # an odd power of one is positive, too
    return term.coefficient > 0 and (
        not doubtful
        or (len(doubtful) == 1 and doubtful[0].denominator == 1 and doubtful[0] % 2 == 1)
    )


def _monomial(
    pieces: Sequence[Piece], slots: Letters, sizes: dict[int, int], coefficient: Number
) -> Monomial | None:
    """One monomial; None where it is 0."""
    made = _Product(slots, sizes)
    for thing, letters, exponent in pieces:
        made.times(thing, letters, Fraction(exponent))
    total = made.coefficient * coefficient
    made.coefficient = exact(total) if isinstance(total, float) else total
    cancel(made)
    if made.coefficient == 0:
        return None
    made.count_unread()
    made.close()
    return canonical(made.coefficient, made.slots, made.sizes, made.factors)


def function_of(
    operation: object, arguments: Sequence[Expr], shape: tuple[int, ...],
    parameters: tuple[tuple[str, object], ...] = (),
) -> Expr:  # fmt: skip
    """A function of numbers at arguments of one shape, which have no axes that none of them needs."""
    axes = tuple(sorted({a for e in arguments for a in dependent_axes(e)}))
    orders = list(permutations(axes)) if len(axes) <= 2 else [axes]
    made = [
        (Function(operation, tuple(onto(e, order) for e in arguments), parameters), order) for order in orders
    ]  # fmt: skip
    atom, order = min(made, key=lambda pair: pair[0].key)
    slots = plain(shape)
    return built([(atom, tuple(slots[a] for a in order), 1)], slots, sizes_of(slots, shape), shape)


def power_of(base: Expr, exponent: Expr, shape: tuple[int, ...]) -> Expr:
    """A power whose exponent is no number."""
    axes = tuple(sorted({*dependent_axes(base), *dependent_axes(exponent)}))
    slots = plain(shape)
    atom = Power(onto(base, axes), onto(exponent, axes))
    return built([(atom, tuple(slots[a] for a in axes), 1)], slots, sizes_of(slots, shape), shape)


def multiplied(factors: Sequence[tuple[Expr, Fraction | int]], coefficient: Number = ONE) -> Expr:
    """Entry by entry, the product of powers of expressions of one shape."""
    shape = factors[0][0].shape
    slots = plain(shape)
    return built(
        [(e, slots, p) for e, p in factors], slots, sizes_of(slots, shape), shape, coefficient
    )


def value_of(expr: Expr) -> Number | None:
    """The number that an expression is, None where it is none."""
    if expr.is_zero:
        return Fraction(0)
    if len(expr.terms) == 1 and not expr.terms[0].factors and len({*expr.terms[0].slots} - {None}) == sum(
        s is not None for s in expr.terms[0].slots
    ):  # fmt: skip
        return expr.terms[0].coefficient
    return None


def put_together(
    t: Monomial, factors: Mapping[AtomAt, Fraction], change: Callable[[Atom], Atom], shape: tuple[int, ...],
    beside: Sequence[Piece] = (), sizes: Mapping[int, int] | None = None,
) -> Expr:  # fmt: skip
    """A term of these factors, each changed, and of pieces beside them; what is one term is no group."""
    pieces = [*beside]
    for f, e in factors.items():
        atom = change(f.atom)
        alone = type(atom) is Group and len(atom.of.terms) == 1
        pieces.append((atom.of if alone and type(atom) is Group else atom, f.letters, e))
    known = dict(enumerate(t.sizes)) if sizes is None else sizes
    return built(pieces, t.slots, known, shape, t.coefficient)


def expanded(expr: Expr, known: dict[str, Expr] | None = None) -> Expr:
    """All sums in parentheses to a positive power written out, as far as they stay few.

    What is ``known`` by its key is taken from there, and what is worked out put in.
    """
    known = {} if known is None else known
    if expr.key not in known:
        known[expr.key] = _expanded(expr, known)
    return known[expr.key]


def _expanded(expr: Expr, known: dict[str, Expr]) -> Expr:
    terms: list[Monomial] = []
    for t in expr.terms:
        slots, sizes = t.slots, dict(enumerate(t.sizes))
        pieces: list[Piece] = []
        for (atom, letters), e in t.factors:
            open_ = type(atom) is Group and e.denominator == 1 and e > 0
            pieces.append((expanded(atom.inner[0], known) if open_ else atom, letters, e))
        terms += built(pieces, slots, sizes, expr.shape, t.coefficient, expand=True).terms
    return added(expr.shape, terms)
