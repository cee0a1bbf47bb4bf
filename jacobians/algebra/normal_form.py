"""Products and sums of expressions in normal form.

Contract: every function returns the tensor that its arguments denote, where it is defined: what
cancels is taken to be finite and not 0, a matrix that is inverted to be regular, the argument of a
logarithm or of a root to be positive.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import count, permutations, product
from math import gcd, isfinite, lcm, prod

from jacobians.algebra.atoms import (
    ACTIVE,
    Atom,
    AtomAt,
    Det,
    Expr,
    Function,
    Group,
    Inverse,
    Leaf,
    Letters,
    Monomial,
    Number,
    Power,
)

Piece = tuple[Expr | Atom, Letters, Fraction | int]
ONE = Fraction(1)
_TRIES = 120  # orders of letters that nothing tells apart
_DENOMINATOR = 5000  # of a number that is read as a fraction
_ROUNDING = 4e-15
_EXPANDED = 12  # terms that a product of sums may have when it is written out


def exact(number: float) -> Number:
    """A number as a fraction, where it is one up to rounding."""
    if isinstance(number, Fraction):
        return number
    if isinstance(number, int):
        return Fraction(number)
    if not isfinite(number):
        return number
    found = Fraction(number).limit_denominator(_DENOMINATOR)
    if found and abs(float(found) - number) <= _ROUNDING * abs(number):
        return found
    return Fraction(0) if number == 0 else float(number)


def plain(shape: Sequence[int], start: int = 0) -> Letters:
    """A letter for each axis; none where its size is 1."""
    return tuple(None if n == 1 else start + axis for axis, n in enumerate(shape))


def number(value: float) -> Expr:
    """A number."""
    exact_value = exact(value)
    return Expr((), (Monomial(exact_value, (), (), ()),) if exact_value != 0 else ())


def of_atom(atom: Atom, shape: tuple[int, ...]) -> Expr:
    """An atom as it is."""
    letters = plain(shape)
    return built([(atom, letters, 1)], letters, sizes_of(letters, shape), shape)


def sizes_of(letters: Letters, shape: Sequence[int]) -> dict[int, int]:
    """The sizes of letters."""
    return {a: n for a, n in zip(letters, shape, strict=True) if a is not None}


def added(shape: tuple[int, ...], terms: Iterable[Monomial]) -> Expr:
    """The sum of monomials, equal ones merged, in order of appearance."""
    found: dict[str, Monomial] = {}
    for term in terms:
        known = found.get(key := term.key)
        if known is None:
            found[key] = term
        else:
            total = known.coefficient + term.coefficient
            if isinstance(total, float):
                total = exact(total)
            found[key] = known._replace(coefficient=total)
    return Expr(shape, tuple(t for t in found.values() if t.coefficient != 0))


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
    many = [n for n, (thing, _, e) in enumerate(pieces)
            if isinstance(thing, Expr) and len(thing.terms) > 1 and e.denominator == 1 and e > 0]  # fmt: skip
    if any(isinstance(t, Expr) and t.is_zero and e > 0 for t, _, e in pieces):
        return Expr(shape, ())
    alone = len(many) == 1 and all(
        n in many or (isinstance(t, Expr) and not t.shape and not t.terms[0].factors)
        for n, (t, _, _) in enumerate(pieces)
    ) and pieces[many[0]][2] == 1  # fmt: skip
    if many and (alone or expand):
        flat: list[Piece] = []
        for n, (thing, letters, e) in enumerate(pieces):
            flat += [(thing, letters, 1)] * int(e) if n in many else [(thing, letters, e)]
        choices = [
            [Expr(t.shape, (term,)) for term in t.terms] if isinstance(t, Expr) and len(t.terms) > 1 and e > 0 else [t]  # noqa: E501
            for t, _, e in flat
        ]  # fmt: skip
        if prod(map(len, choices)) <= _EXPANDED or alone:
            terms: list[Monomial] = []
            for chosen in product(*choices):
                some = [(t, ls, e) for t, (_, ls, e) in zip(chosen, flat, strict=True)]
                found = _monomial(some, slots, dict(sizes), coefficient)
                terms += [] if found is None else [found]
            return added(shape, terms)
    found = _monomial(pieces, slots, dict(sizes), coefficient)
    if found is not None and len(found.factors) == 1:
        ((factor, exponent),) = found.factors
        if type(factor.atom) is Group and exponent == 1:  # nothing beside the parentheses
            inner, known = factor.atom.of, dict(enumerate(found.sizes))
            if len(inner.terms) > 1 or inner.shape == ():
                found_terms = [
                    _monomial(
                        [(Expr(inner.shape, (t,)), factor.letters, 1)],
                        found.slots,
                        dict(known),
                        found.coefficient,
                    )
                    for t in inner.terms
                ]
                return added(shape, [t for t in found_terms if t is not None])
    return Expr(shape, () if found is None or found.coefficient == 0 else (found,))


class _Product:
    """A product while it is put together: letters are united, factors collected."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.sizes = sizes
        self.coefficient: Number = ONE
        self.factors: dict[AtomAt, Fraction] = {}
        self.fresh = count(max(sizes, default=-1) + 1)
        self.same: dict[int, int] = {}

    def root(self, letter: int | None) -> int | None:
        while letter in self.same:
            letter = self.same[letter]
        return letter

    def unite(self, a: int | None, b: int | None) -> None:
        a, b = self.root(a), self.root(b)
        if a is not None and b is not None and a != b:
            self.same[max(a, b)] = min(a, b)

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
                names[letter] = new = next(self.fresh)
                self.sizes[new] = size
        self.coefficient *= _powered(term.coefficient, exponent)
        for (atom, own), e in term.factors:
            at = tuple(None if a is None else names[a] for a in own)
            self.times(atom, at, e * exponent)

    def _group(self, expr: Expr, letters: Letters, exponent: Fraction) -> None:
        scale, common, group, axes = grouped(expr)
        if exponent.denominator != 1 and (
            scale < 0 or not all(positive(f.atom) for f, _ in common)
        ):
            scale, common = ONE, ()
            group, axes = _stripped(expr)
        self.coefficient *= _powered(scale, exponent)
        for (atom, own), e in common:
            at = tuple(None if a is None else letters[a] for a in own)
            self.times(atom, at, e * exponent)
        if isinstance(group, Expr):
            self.times(group, tuple(letters[a] for a in axes), exponent)
        else:
            self.times(group, tuple(letters[a] for a in axes), exponent)


def _powered(value: Number, exponent: Fraction) -> Number:
    if exponent.denominator == 1:
        return value ** int(exponent)
    return exact(float(value) ** float(exponent))


def _splits(term: Monomial, exponent: Fraction) -> bool:
    """Whether the power of a product is the product of powers: nothing is summed, no delta."""
    kept = {a for a in term.slots if a is not None}
    if len(kept) < len(term.sizes) or len(kept) < sum(a is not None for a in term.slots):
        return False
    if not term.factors:
        return exponent.denominator == 1 or term.coefficient > 0
    if any(a not in {x for f, _ in term.factors for x in f.letters} for a in kept) and exponent < 0:
        pass
    if exponent.denominator == 1:
        return True
    return term.coefficient > 0 and all(positive(f.atom) for f, e in term.factors)


def positive(atom: Atom) -> bool:
    """Whether an atom is certainly positive where it is defined and not 0."""
    if isinstance(atom, Leaf):
        return atom.positive
    if isinstance(atom, Function):
        return atom.operation.name in ("exp", "sigmoid", "expit", "absolute", "cosh")
    if type(atom) is Group:
        return positive_expr(atom.of)
    return False


def positive_expr(expr: Expr) -> bool:
    """Whether every entry is certainly positive, or 0 only where all of it vanishes."""
    return bool(expr.terms) and all(
        t.coefficient > 0
        and all((e.denominator == 1 and e % 2 == 0) or positive(f.atom) for f, e in t.factors)
        for t in expr.terms
    )


def _stripped(expr: Expr) -> tuple[Atom, tuple[int, ...]]:
    """A group without the axes that it does not depend on, its others in the order of the least key."""
    axes = dependent_axes(expr)
    orders = permutations(axes) if len(axes) <= 3 else [axes]
    found = []
    for order in orders:
        reduced = onto(expr, order)
        found.append((reduced.key, order, reduced))
    _, order, reduced = min(found, key=lambda way: way[0])
    return Group(reduced), tuple(order)


def dependent_axes(expr: Expr) -> tuple[int, ...]:
    """The axes whose letters matter: some factor reads them, or a delta."""
    used: set[int] = set()
    for term in expr.terms:
        read = {a for f, _ in term.factors for a in f.letters}
        for axis, slot in enumerate(term.slots):
            if slot is not None and (slot in read or term.slots.count(slot) > 1):
                used.add(axis)
    return tuple(sorted(used))


def onto(expr: Expr, axes: Sequence[int]) -> Expr:
    """The expression with these axes, in this order; it does not depend on the others."""
    shape = tuple(expr.shape[a] for a in axes)
    if tuple(axes) == tuple(range(len(expr.shape))):
        return expr
    terms = []
    for t in expr.terms:
        slots = tuple(t.slots[a] for a in axes)
        kept = {a for f, _ in t.factors for a in f.letters} | set(slots)
        sizes = {a: n for a, n in enumerate(t.sizes) if a in kept}
        terms.append(canonical(t.coefficient, slots, sizes, dict(t.factors)))
    return added(shape, terms)


def grouped(
    expr: Expr,
) -> tuple[Number, tuple[tuple[AtomAt, Fraction], ...], Atom | Expr, tuple[int, ...]]:
    """A sum as ``number · common factors · group``; and the axes of the expression that the group has.

    The factors' letters are axes of the expression.
    """
    scale = content(expr)
    terms = []
    common: dict[AtomAt, Fraction] | None = None
    for t in expr.terms:
        names = {slot: axis for axis, slot in reversed([*enumerate(t.slots)]) if slot is not None}
        own = {}
        for f, e in t.factors:
            if all(a is None or a in names for a in f.letters):
                own[AtomAt(f.atom, tuple(None if a is None else names[a] for a in f.letters))] = e
        common = own if common is None else {
            f: min(e, own[f]) for f, e in common.items() if f in own
        }  # fmt: skip
    common = {f: e for f, e in (common or {}).items() if e}
    if len(expr.terms) == 1:
        common = {}
    for t in expr.terms:
        factors = dict(t.factors)
        for f, e in common.items():
            at = AtomAt(f.atom, tuple(None if a is None else t.slots[a] for a in f.letters))
            factors[at] -= e
            if not factors[at]:
                del factors[at]
        slots = t.slots
        sizes = dict(enumerate(t.sizes))
        terms.append(canonical(t.coefficient / scale, slots, sizes, factors))
    inner = added(expr.shape, terms)
    group, axes = _stripped(inner)
    return scale, tuple(common.items()), group, axes


def leading(expr: Expr) -> Monomial:
    """The term whose sign is that of the whole: one of what is differentiated by, if there is any."""
    numbers = [t for t in expr.terms if not t.factors]
    squares = all(e % 2 == 0 for t in expr.terms for _, e in t.factors)
    if len(numbers) == 1 and squares:  # 1 − y²
        return numbers[0]
    return min(expr.terms, key=lambda t: (ACTIVE not in t.key, t.key))


def content(expr: Expr) -> Number:
    """What all coefficients have in common, with the sign of the first in the order of keys."""
    first = leading(expr)
    sign = -1 if first.coefficient < 0 else 1
    numbers = [t.coefficient for t in expr.terms]
    exact_ones = [n for n in numbers if isinstance(n, Fraction)]
    if len(exact_ones) < len(numbers):
        return Fraction(sign)
    top = gcd(*(abs(n.numerator) for n in exact_ones))
    return Fraction(sign * top, lcm(*(n.denominator for n in exact_ones)))


def _monomial(
    pieces: Sequence[Piece], slots: Letters, sizes: dict[int, int], coefficient: Number
) -> Monomial | None:
    """One monomial; None where it is 0."""
    made = _Product(sizes)
    for thing, letters, exponent in pieces:
        made.times(thing, letters, Fraction(exponent))
    total = made.coefficient * coefficient
    if total == 0:
        return None
    slots = tuple(made.root(a) for a in slots)
    factors: dict[AtomAt, Fraction] = {}
    for (atom, letters), e in made.factors.items():
        factor = settled(atom, tuple(made.root(a) for a in letters))
        factors[factor] = factors.get(factor, Fraction(0)) + e
    factors = {f: e for f, e in factors.items() if e}
    total, factors = _cancelled(total, factors, slots, sizes, made)
    slots = tuple(made.root(a) for a in slots)
    used = {a for a in slots if a is not None} | {
        a for f in factors for a in f.letters if a is not None
    }
    for letter, size in sizes.items():
        if letter not in used and made.root(letter) == letter:
            total *= size
    known = {a: n for a, n in sizes.items() if a in used}
    total, factors = _closed(total, factors, slots, known)
    return canonical(total, slots, known, factors)


def settled(atom: Atom, letters: Letters) -> AtomAt:
    """A factor in its one form: the letters of a symmetric matrix in order."""
    if (  # noqa: SIM102
        len(letters) == 2
        and letters[0] is not None
        and letters[1] is not None
        and letters[0] > letters[1]
    ):
        if is_symmetric(atom):
            return AtomAt(atom, letters[::-1])
    return AtomAt(atom, letters)


def is_symmetric(atom: Atom) -> bool:
    """Whether a matrix is its own transpose by what is known of it."""
    if isinstance(atom, Leaf):
        return atom.symmetric
    if isinstance(atom, Group) and len(atom.of.shape) == 2 and atom.of.shape[0] == atom.of.shape[1]:
        return transposed(atom.of).key == atom.of.key
    return False


def _cancelled(
    total: Number, factors: dict[AtomAt, Fraction], slots: Letters, sizes: dict[int, int], made: _Product
) -> tuple[Number, dict[AtomAt, Fraction]]:  # fmt: skip
    """Inverses beside what they invert become deltas, as long as there are any."""
    changed = True
    while changed:
        changed = False
        for inverse in [f for f in factors if isinstance(f.atom, Inverse)]:
            found = _beside(inverse, factors, slots)
            if found is None:
                continue
            gone, coefficient, left, right = found
            for letter in {a for f in (inverse, *gone) for a in f.letters} - {left, right}:
                if letter is not None:
                    sizes.pop(letter, None)
            for factor in (inverse, *gone):
                factors[factor] -= 1
                if not factors[factor]:
                    del factors[factor]
            total = total / coefficient
            made.unite(left, right)
            united: dict[AtomAt, Fraction] = {}
            for (atom, letters), e in factors.items():
                factor = settled(atom, tuple(made.root(a) for a in letters))
                united[factor] = united.get(factor, Fraction(0)) + e
            factors = {f: e for f, e in united.items() if e}
            slots = tuple(made.root(a) for a in slots)
            changed = True
            break
    return total, factors


def _beside(
    inverse: AtomAt, factors: Mapping[AtomAt, Fraction], slots: Letters
) -> tuple[list[AtomAt], Number, int | None, int | None] | None:
    """The chain that an inverse stands beside and inverts, its coefficient, and the letters that are left."""
    assert isinstance(inverse.atom, Inverse)
    inner = inverse.atom.of
    if inverse.letters[0] == inverse.letters[1] or factors[inverse] != 1:
        return None
    if len(inner.terms) != 1:
        scale, common, group, _ = grouped(inner)
        chain = [(group, scale)] if isinstance(group, Group) and not common else []
    else:
        chain = []
    holders: dict[int, list[AtomAt]] = {}
    for f, e in factors.items():
        for a in f.letters:
            if a is not None:
                holders.setdefault(a, []).extend([f] * (1 if e == 1 else 3))
    for end in (0, 1):
        at_letter, far = inverse.letters[end], inverse.letters[1 - end]
        if at_letter is None or at_letter in slots or len(holders[at_letter]) != 2:
            continue
        if chain:
            group, scale = chain[0]
            other = next(f for f in holders[at_letter] if f is not inverse)
            if other.atom != group or len(other.letters) != 2 or factors[other] != 1:
                continue
            # group axes may be in either order: read the group as the expression is
            expr_letters = _as_read(inner, other)
            if expr_letters is None:
                continue
            near = expr_letters[1 - end]
            if near == at_letter:
                return [other], scale, far, expr_letters[end]
            continue
        (term,) = inner.terms
        walked = _walk(term, end, at_letter, inverse, holders, factors, slots)
        if walked is not None:
            gone, last = walked
            return gone, term.coefficient, far, last
    return None


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


def _closed(
    total: Number, factors: dict[AtomAt, Fraction], slots: Letters, sizes: dict[int, int]
) -> tuple[Number, dict[AtomAt, Fraction]]:
    """Parts that are numbers, summed over letters of their own, as groups: so they cancel."""
    kept = {a for a in slots if a is not None}
    result: dict[AtomAt, Fraction] = {}
    for part in components(factors, sizes):
        letters = {a for f in part for a in f.letters if a is not None}
        if not letters or letters & kept or (len(part) == len(factors) and not kept):
            for f in part:
                result[f] = result.get(f, Fraction(0)) + factors[f]
            continue
        term = canonical(ONE, (), {a: sizes[a] for a in letters}, {f: factors[f] for f in part})
        for a in letters:
            del sizes[a]
        group = AtomAt(Group(Expr((), (term,))), ())
        result[group] = result.get(group, Fraction(0)) + 1
    if sum(isinstance(f.atom, Group) for f in result):
        result = {f: e for f, e in result.items() if e}
    return total, result


def components(factors: Iterable[AtomAt], letters: Iterable[int]) -> list[list[AtomAt]]:
    """The factors in parts that are connected by any of the letters."""
    shared = set(letters)
    parts: list[tuple[set[int], list[AtomAt]]] = []
    for f in factors:
        own = {a for a in f.letters if a in shared}
        touching = [p for p in parts if p[0] & own]
        for p in touching:
            parts.remove(p)
        parts.append(
            (own.union(*(p[0] for p in touching)), [*(g for p in touching for g in p[1]), f])
        )
    return [p[1] for p in parts]


def canonical(
    coefficient: Number,
    slots: Letters,
    sizes: Mapping[int, int],
    factors: Mapping[AtomAt, Fraction],
) -> Monomial:
    """The monomial with its letters numbered in the one order: slots first, then by what reads them."""
    colour: dict[int, int] = {}
    for a in slots:
        if a is not None and a not in colour:
            colour[a] = len(colour)
    first = len(colour)
    dummies = [a for a in sizes if a not in colour]
    for a in dummies:
        colour[a] = first
    facts = [(f, e, f"{f.atom.key}^{e}") for f, e in factors.items()]
    touching = {
        a: [(f, k, n) for f, _, k in facts for n, b in enumerate(f.letters) if b == a]
        for a in dummies
    }
    if len(dummies) > 1:
        for _ in range(3):
            views = {
                a: (
                    colour[a],
                    sorted(
                        (
                            k,
                            0 if is_symmetric(f.atom) else n,
                            tuple(-1 if b is None else colour[b] for b in f.letters),
                        )
                        for f, k, n in touching[a]
                    ),
                )
                for a in dummies
            }
            ranks = {repr(v): n for n, v in enumerate(sorted(views.values()))}
            new = {a: first + ranks[repr(v)] for a, v in views.items()}
            if len(set(new.values())) == len({colour[a] for a in dummies}):
                colour.update(new)
                break
            colour.update(new)
    blocks: dict[int, list[int]] = {}
    for a in dummies:
        blocks.setdefault(colour[a], []).append(a)
    ordered = [blocks[c] for c in sorted(blocks)]
    ways = prod(prod(range(1, len(b) + 1)) for b in ordered)
    orders = (
        product(*(permutations(b) for b in ordered))
        if ways <= _TRIES
        else [tuple(map(tuple, ordered))]
    )
    base = {a: c for a, c in colour.items() if a not in set(dummies)}
    best: Monomial | None = None
    for order in orders:
        names = dict(base)
        for block in order:
            for a in block:
                names[a] = len(names)
        found = _named(coefficient, slots, sizes, facts, names)
        if ways == 1:
            return found
        if best is None or found.key < best.key:
            best = found
    assert best is not None
    return best


def _named(
    coefficient: Number, slots: Letters, sizes: Mapping[int, int],
    facts: Sequence[tuple[AtomAt, Fraction, str]], names: Mapping[int, int],
) -> Monomial:  # fmt: skip
    listed = []
    for (atom, letters), e, _ in facts:
        factor = settled(atom, tuple(None if a is None else names[a] for a in letters))
        listed.append((factor, e))
    listed.sort(key=lambda pair: (pair[0].atom.key, str(pair[0].letters), pair[1]))
    order = sorted(names, key=names.__getitem__)
    return Monomial(
        coefficient,
        tuple(None if a is None else names[a] for a in slots),
        tuple(sizes[a] for a in order),
        tuple(listed),
    )


def inverse_of(expr: Expr) -> Expr:
    """The inverse of a square matrix: of a product of square ones their inverses, of an inverse itself."""
    return _spectral(expr, inverse=True)


def det_of(expr: Expr) -> Expr:
    """The determinant: of a product of square matrices theirs."""
    return _spectral(expr, inverse=False)


def _spectral(expr: Expr, *, inverse: bool) -> Expr:
    shape = expr.shape
    n = shape[0]
    result = shape if inverse else ()
    if n == 1:
        return built(
            [(expr, (None, None), -1 if inverse else 1)],
            (None, None) if inverse else (),
            {},
            result,
        )
    if len(expr.terms) == 1:
        (term,) = expr.terms
        scalars = [(f, e) for f, e in term.factors if not any(a is not None for a in f.letters)]
        if scalars:
            rest = term._replace(
                coefficient=ONE, factors=tuple(p for p in term.factors if p not in scalars)
            )
            inner = _spectral(Expr(shape, (rest,)), inverse=inverse)
            power = -1 if inverse else n
            letters = (0, 1) if inverse else ()
            return built(
                [*((f.atom, f.letters, e * power) for f, e in scalars), (inner, letters, 1)], letters,
                dict.fromkeys(letters, n), result, _powered(term.coefficient, Fraction(power)),
            )  # fmt: skip
    chain = square_chain(expr)
    if chain is not None:
        scale, links = chain
        pieces: list[Piece] = []
        sizes = dict.fromkeys(range(len(links) + 1), n)
        for k, (atom, turned) in enumerate(links):
            if inverse:
                # (A B)⁻¹ = B⁻¹ A⁻¹: link k stands between letters k + 1 and k, read from the right end
                left, right = k + 1, k
                ends = (right, left) if turned else (left, right)
                ends = (left, right) if not turned else (right, left)
                pieces.append((*_one_inverse(atom, ends, turned), 1))
            else:
                pieces.append((_one_det(atom), (), 1))
        if inverse:
            slots = (len(links), 0)
            return built(pieces, slots, sizes, shape, ONE / scale)
        return built(pieces, (), {}, (), scale**n)
    diagonal = _diagonal(expr)
    if diagonal is not None:  # noqa: SIM102
        if inverse:
            return built([(diagonal, (0,), -1)], (0, 0), {0: n}, shape)
    least = min(expr, transposed(expr), key=lambda e: e.key)
    whole: Atom = Inverse(least) if inverse else Det(least)
    if not inverse:
        return built([(whole, (), 1)], (), {}, ())
    letters = (0, 1) if least == expr else (1, 0)
    return built([(whole, letters, 1)], (0, 1), {0: n, 1: n}, shape)


def _diagonal(expr: Expr) -> Expr | None:
    if expr.terms and all(t.slots[0] == t.slots[1] for t in expr.terms):
        return added(
            expr.shape[:1],
            [
                canonical(t.coefficient, t.slots[:1], dict(enumerate(t.sizes)), dict(t.factors))
                for t in expr.terms
            ],
        )
    return None


def _one_inverse(atom: Atom, ends: tuple[int, int], turned: bool) -> tuple[Expr | Atom, Letters]:  # noqa: ARG001
    """The inverse of a link of a chain, at the letters where it goes."""
    if isinstance(atom, Inverse):
        return atom.of, ends
    if isinstance(atom, Leaf):
        found: Atom = Inverse(of_atom(atom, atom.shape))
        return found, ends
    assert type(atom) is Group
    return inverse_of(atom.of), ends


def _one_det(atom: Atom) -> Expr:
    if isinstance(atom, Inverse):
        return built([(det_of(atom.of), (), -1)], (), {}, ())
    if isinstance(atom, Leaf):
        return built([(Det(of_atom(atom, atom.shape)), (), 1)], (), {}, ())
    assert type(atom) is Group
    return det_of(atom.of)


def square_chain(expr: Expr) -> tuple[Number, list[tuple[Atom, bool]]] | None:
    """A product of square matrices from its first axis to its last, with its number; None for all else.

    Each comes with whether it is turned. A single matrix is a chain too, unless it is a sum.
    """
    if len(expr.terms) != 1:
        return None
    (term,) = expr.terms
    n = expr.shape[0]
    if any(size != n for size in term.sizes) or len(term.sizes) != len(term.factors) + 1:
        return None
    if term.slots[0] == term.slots[1]:
        return None
    links: list[tuple[Atom, bool]] = []
    here = term.slots[0]
    waiting = []
    for f, e in term.factors:
        if e.denominator != 1 or e < 1 or len(f.letters) != 2 or None in f.letters:
            return None
        if not isinstance(f.atom, Leaf | Inverse) and type(f.atom) is not Group:
            return None
        waiting += [f] * int(e)
    if len(waiting) == 1 and type(waiting[0].atom) is Group:
        return None
    while waiting:
        found = next((f for f in waiting if here in f.letters), None)
        if found is None:
            return None
        waiting.remove(found)
        turned = found.letters[0] != here
        links.append((found.atom, turned))
        here = found.letters[0] if turned else found.letters[1]
    return (term.coefficient, links) if here == term.slots[1] else None


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


def expanded(expr: Expr) -> Expr:
    """All sums in parentheses to a positive power written out, as far as they stay few."""
    terms: list[Monomial] = []
    for t in expr.terms:
        slots, sizes = t.slots, dict(enumerate(t.sizes))
        pieces: list[Piece] = []
        for (atom, letters), e in t.factors:
            open_ = type(atom) is Group and e.denominator == 1 and e > 0
            pieces.append((expanded(atom.inner[0]) if open_ else atom, letters, e))
        terms += built(pieces, slots, sizes, expr.shape, t.coefficient, expand=True).terms
    return added(expr.shape, terms)
