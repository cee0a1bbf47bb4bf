"""What cancels in a product: inverses beside what they invert, and constant arrays.

Contract: every function keeps the tensor that its arguments denote, where it is defined.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from jacobians.algebra.atoms import AtomAt, Expr, Group, Inverse, Letters, Monomial, Number
from jacobians.algebra.common_factors import grouped
from jacobians.algebra.constants import (
    Centring,
    Fixed,
    Selector,
    Splitting,
    Triangle,
    Unit,
    matrix_of,
    triangle,
)
from jacobians.algebra.letter_order import ONE, closed, is_symmetric, settled


class Collected:
    """A product while it is put together: letters are united, factors collected.

    ``slots`` are the letters of its axes, ``sizes`` those of all letters.
    """

    def __init__(self, slots: Letters, sizes: dict[int, int]) -> None:
        self.slots, self.sizes = slots, sizes
        self.coefficient: Number = ONE
        self.factors: dict[AtomAt, Fraction] = {}
        self._same: dict[int, int] = {}

    def root(self, letter: int | None) -> int | None:
        """The letter that stands for this one."""
        while letter in self._same:
            letter = self._same[letter]
        return letter

    def unite(self, a: int | None, b: int | None) -> None:
        """Let two letters be one."""
        a, b = self.root(a), self.root(b)
        if a is not None and b is not None and a != b:
            self._same[max(a, b)] = min(a, b)

    def settle(self) -> None:
        """Write all in the letters that stand for the others."""
        united: dict[AtomAt, Fraction] = {}
        for (atom, letters), e in self.factors.items():
            factor = settled(atom, tuple(self.root(a) for a in letters))
            united[factor] = united.get(factor, Fraction(0)) + e
        self.factors = {f: e for f, e in united.items() if e}
        self.slots = tuple(self.root(a) for a in self.slots)

    def take(self, factor: AtomAt) -> None:
        """Divide by a factor."""
        self.factors[factor] -= 1
        if not self.factors[factor]:
            del self.factors[factor]

    def readers(self, letter: int | None) -> list[AtomAt]:
        """The factors that read a letter, as often as they do."""
        return [f for f in self.factors for a in f.letters if a == letter]

    def is_summed(self, letter: int | None) -> bool:
        """Whether the letter is in no axis."""
        return letter is not None and letter not in self.slots

    def close(self) -> None:
        """Parts that are numbers, summed over letters of their own, as groups: so they cancel."""
        self.factors, self.sizes = closed(self.factors, self.slots, self.sizes)

    def count_unread(self) -> None:
        """Letters that nothing reads and no axis has: their sizes are in the number."""
        used = {a for f in self.factors for a in f.letters} | set(self.slots)
        for letter, size in self.sizes.items():
            if letter not in used and self.root(letter) == letter:
                self.coefficient *= size
        self.sizes = {a: n for a, n in self.sizes.items() if a in used}


def cancel(made: Collected) -> None:
    """Take out what cancels, as long as there is any."""
    made.settle()
    while _without_inverse(made) or _without_constant(made):
        made.settle()


def _without_inverse(made: Collected) -> bool:
    """An inverse beside what it inverts becomes a delta; whether there was one."""
    for inverse in [f for f in made.factors if isinstance(f.atom, Inverse)]:
        found = _beside(inverse, made.factors, made.slots)
        if found is None:
            continue
        gone, coefficient, left, right = found
        for letter in {a for f in (inverse, *gone) for a in f.letters} - {left, right}:
            if letter is not None:
                made.sizes.pop(letter, None)
        for factor in (inverse, *gone):
            made.take(factor)
        made.coefficient = made.coefficient / coefficient
        made.unite(left, right)
        return True
    return False


def _without_constant(made: Collected) -> bool:
    """A constant array that is 1 where it is read, or stands twice, goes; whether there was one."""
    for f in [f for f in made.factors if isinstance(f.atom, Fixed)]:
        places = isinstance(f.atom, Selector | Splitting | Unit)
        if (places or isinstance(f.atom, Triangle)) and made.factors[f] > 1:  # a 0 or a 1
            made.factors[f] = Fraction(1)
            return True
        if made.factors[f] != 1:
            continue
        if isinstance(f.atom, Unit) and any(
            isinstance(g.atom, Unit) and g.atom != f.atom and g.letters == f.letters
            for g in made.factors
        ):  # two places are not one
            made.coefficient = Fraction(0)
            return False
        if isinstance(f.atom, Centring):
            if _centred_twice(f, made):
                return True
        elif places and (_sums_to_one(f, made) or _stands_twice(f, made) or _triangular(f, made)):
            return True
    return False


def _centred_twice(f: AtomAt, made: Collected) -> bool:
    """``C C = C`` and ``C 𝟏 = 0``."""
    for here, there in (f.letters, f.letters[::-1]):
        if here == there or not made.is_summed(here):
            continue
        others = [g for g in made.readers(here) if g != f]
        if not others:
            made.coefficient = Fraction(0)
            return False
        (other,) = others if len(others) == 1 else (f,)
        if other != f and other.atom == f.atom and made.factors[other] == 1:
            made.take(f)
            assert here is not None
            made.sizes.pop(here, None)
            made.take(other)
            far = other.letters[1] if other.letters[0] == here else other.letters[0]
            joined = settled(f.atom, (there, far))
            made.factors[joined] = made.factors.get(joined, Fraction(0)) + 1
            return True
    return False


def _triangular(f: AtomAt, made: Collected) -> bool:
    """Two selections by one summed letter, of the places on and below a diagonal: cumulative sums."""
    row = f.letters[0]
    if row is None:
        return False
    others = [g for g in made.readers(row) if g != f]
    if not isinstance(f.atom, Selector) or not made.is_summed(row) or len(others) != 1:
        return False
    (g,) = others
    if not isinstance(g.atom, Selector) or made.factors[g] != 1 or g.letters[0] != row:
        return False
    if f.atom.stride == g.atom.stride == 1:
        return False
    shape = (f.atom.shape[1], g.atom.shape[1])
    counts = matrix_of(f.atom.positions, g.atom.positions, shape)
    lower = shape[0] == shape[1] and np.array_equal(counts, np.tri(shape[0]))
    if not lower and not (shape[0] == shape[1] and np.array_equal(counts, np.tri(shape[0]).T)):
        return False
    made.take(f)
    made.take(g)
    made.sizes.pop(row, None)
    ends = (f.letters[1], g.letters[1])
    at = AtomAt(triangle(shape[0]), ends if lower else ends[::-1])
    made.factors[at] = made.factors.get(at, Fraction(0)) + 1
    return True


def _at(f: AtomAt) -> tuple[Letters, Letters]:
    """The letters of a constant's position, and those that it is a function of."""
    if isinstance(f.atom, Selector):
        return f.letters[1:], f.letters[:1]
    return f.letters[:1], f.letters[1:]


def _sums_to_one(f: AtomAt, made: Collected) -> bool:
    """Nothing else reads the position: summed over it, it is 1."""
    (position,), _ = _at(f)
    if not made.is_summed(position) or len(made.readers(position)) > 1:
        return False
    made.take(f)
    assert position is not None
    made.sizes.pop(position, None)
    return True


def _stands_twice(f: AtomAt, made: Collected) -> bool:
    """Two of one kind at the same place read the same position, and the other way round."""
    for g in made.factors:
        if g == f or g.atom != f.atom or made.factors[g] != 1:
            continue
        (mine, own), (other, its) = _at(f), _at(g)
        summed = [made.is_summed(a) for a in (*mine, *other)]
        if own == its and (all(summed) or (own and any(summed))):
            pairs = zip(mine, other, strict=True)
        elif own and mine == other and getattr(f.atom, "injective", True):
            pairs = zip(own, its, strict=True)
        else:
            continue
        made.take(g)
        for a, b in pairs:
            made.unite(a, b)
        return True
    return False


def _beside(
    inverse: AtomAt, factors: Mapping[AtomAt, Fraction], slots: Letters
) -> tuple[list[AtomAt], Number, int | None, int | None] | None:
    """The chain that an inverse stands beside and inverts, its coefficient, and the letters that are left."""
    assert isinstance(inverse.atom, Inverse)
    inner = inverse.atom.of
    if inverse.letters[0] == inverse.letters[1] or factors[inverse] != 1:
        return None
    holders: dict[int, list[AtomAt]] = {}
    for f, e in factors.items():
        for a in f.letters:
            if a is not None:
                holders.setdefault(a, []).extend([f] * (1 if e == 1 else 3))
    for end in (0, 1):
        at_letter, far = inverse.letters[end], inverse.letters[1 - end]
        if at_letter is None or at_letter in slots or len(holders[at_letter]) != 2:
            continue
        if len(inner.terms) != 1:
            other = next(f for f in holders[at_letter] if f is not inverse)
            found = _group_beside(inner, other, at_letter, end) if factors[other] == 1 else None
            if found is not None:
                return [other], found[0], far, found[1]
            continue
        (term,) = inner.terms
        walked = _walk(term, end, at_letter, inverse, holders, factors, slots)
        if walked is not None:
            gone, last = walked
            return gone, term.coefficient, far, last
    return None


def _group_beside(
    inner: Expr, other: AtomAt, letter: int, end: int
) -> tuple[Number, int | None] | None:
    """The number of a sum that another factor is, and the letter at the other side; None where it is not it."""
    scale, common, group, _ = grouped(inner)
    if not isinstance(group, Group) or common or other.atom != group or len(other.letters) != 2:
        return None
    read = _as_read(inner, other)  # the group's axes may be in either order
    return (scale, read[end]) if read is not None and read[1 - end] == letter else None


def _as_read(inner: Expr, other: AtomAt) -> Letters | None:
    """The letters of a group's factor in the order of the axes of the expression it came from."""
    _, _, group, axes = grouped(inner)
    if group != other.atom or len(axes) != 2:
        return None
    return other.letters if axes == (0, 1) else other.letters[::-1]


def _walk(
    term: Monomial, end: int, letter: int, inverse: AtomAt, holders: Mapping[int, list[AtomAt]],
    factors: Mapping[AtomAt, Fraction], slots: Letters,
) -> tuple[list[AtomAt], int | None] | None:  # fmt: skip
    """Follow a chain of matrices from a letter, as the term inside the inverse has it."""
    if any(e != 1 or len(f.letters) != 2 for f, e in term.factors):
        return None
    # inverse[i, r] · M[r, …]: M's axis that meets the inverse is the other one
    own = term.slots[1 - end]
    waiting = [f for f, _ in term.factors]
    gone: list[AtomAt] = []
    here: int | None = letter
    before = inverse
    while waiting:
        inner = next((f for f in waiting if own in f.letters), None)
        if inner is None or here is None:
            return None
        waiting.remove(inner)
        if here in slots and gone:
            return None
        others = [f for f in holders.get(here, []) if f is not before]
        if len(others) != 1 or others[0].atom != inner.atom or factors.get(others[0]) != 1:
            return None
        outer = others[0]
        place = inner.letters.index(own)
        if outer.letters[place] != here:
            if not is_symmetric(inner.atom) or outer.letters[1 - place] != here:
                return None
            place_outer = 1 - place
        else:
            place_outer = place
        gone.append(outer)
        own = inner.letters[1 - place]
        here = outer.letters[1 - place_outer]
        before = outer
        if waiting and (here is None or len(holders.get(here, [])) != 2):
            return None
    if len(set(gone)) < len(gone):
        return None
    return gone, here
