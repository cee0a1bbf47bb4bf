"""Monomials in their one form: letters numbered in one order, symmetric matrices read in one way.

Contract: every function keeps the tensor that its arguments denote.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import permutations, product
from math import isfinite, prod

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Group, Leaf, Letters, Monomial, Number
from jacobians.algebra.constants import Centring

ONE = Fraction(1)
_TRIES = 120  # orders of letters that nothing tells apart
_ROUNDS = 3  # of telling letters apart by what reads them
_DENOMINATOR = 5000  # of a number that is read as a fraction
_ROUNDING = 4e-15


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


def sizes_of(letters: Letters, shape: Sequence[int]) -> dict[int, int]:
    """The sizes of letters."""
    return {a: n for a, n in zip(letters, shape, strict=True) if a is not None}


def merged(shape: tuple[int, ...], terms: Iterable[Monomial]) -> Expr:
    """The sum of monomials, equal ones as one, in order of appearance."""
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


def closed(
    factors: Mapping[AtomAt, Fraction], slots: Letters, sizes: Mapping[int, int]
) -> tuple[dict[AtomAt, Fraction], dict[int, int]]:
    """The factors, those as groups that are a number, summed over letters of their own; and the sizes left."""
    kept = {a for a in slots if a is not None}
    result: dict[AtomAt, Fraction] = {}
    left = dict(sizes)
    for part in components(factors, sizes):
        letters = {a for f in part for a in f.letters if a is not None}
        if not letters or letters & kept or (len(part) == len(factors) and not kept):
            for f in part:
                result[f] = result.get(f, Fraction(0)) + factors[f]
            continue
        own = {f: factors[f] for f in part}
        term = canonical(ONE, (), {a: left.pop(a) for a in letters}, own)
        group = AtomAt(Group(Expr((), (term,))), ())
        result[group] = result.get(group, Fraction(0)) + 1
    return {f: e for f, e in result.items() if e}, left


def settled(atom: Atom, letters: Letters) -> AtomAt:
    """A factor in its one form: the letters of a symmetric matrix in order."""
    if len(letters) == 2:
        first, second = letters
        if first is not None and second is not None and first > second and is_symmetric(atom):
            return AtomAt(atom, (second, first))
    return AtomAt(atom, letters)


def is_symmetric(atom: Atom) -> bool:
    """Whether a matrix is its own transpose by what is known of it."""
    if isinstance(atom, Leaf):
        return atom.symmetric
    if isinstance(atom, Centring):
        return True
    if (
        not isinstance(atom, Group)
        or len(atom.of.shape) != 2
        or atom.of.shape[0] != atom.of.shape[1]
    ):
        return False
    turned = [
        canonical(t.coefficient, t.slots[::-1], dict(enumerate(t.sizes)), dict(t.factors)) for t in atom.of.terms
    ]  # fmt: skip
    return merged(atom.of.shape, turned).key == atom.of.key


def canonical(
    coefficient: Number,
    slots: Letters,
    sizes: Mapping[int, int],
    factors: Mapping[AtomAt, Fraction],
) -> Monomial:
    """The monomial with its letters numbered in the one order: slots first, then by what reads them."""
    first = dict.fromkeys(a for a in slots if a is not None)
    base = {a: n for n, a in enumerate(first)}
    dummies = [a for a in sizes if a not in base]
    facts = [(f, e, f"{f.atom.key}^{e}") for f, e in factors.items()]
    blocks = _told_apart(base, dummies, facts)
    ways = prod(prod(range(1, len(b) + 1)) for b in blocks)
    orders: Iterable[tuple[tuple[int, ...], ...]] = (
        product(*(permutations(b) for b in blocks))
        if ways <= _TRIES
        else [tuple(map(tuple, blocks))]
    )
    found = []
    for order in orders:
        names = dict(base)
        for a in (a for block in order for a in block):
            names[a] = len(names)
        found.append(_named(coefficient, slots, sizes, facts, names))
    return found[0] if len(found) == 1 else min(found, key=lambda one: one.key)


def _told_apart(
    base: Mapping[int, int], dummies: Sequence[int], facts: Sequence[tuple[AtomAt, Fraction, str]]
) -> list[list[int]]:
    """Summed letters in order, those together that nothing tells apart: by what reads them, in rounds."""
    first = len(base)
    colour = {**base, **dict.fromkeys(dummies, first)}
    touching = {
        a: [(f, k, n) for f, _, k in facts for n, b in enumerate(f.letters) if b == a]
        for a in dummies
    }
    for _ in range(_ROUNDS if len(dummies) > 1 else 0):
        views = {
            a: (colour[a], sorted(_seen(f, k, n, colour) for f, k, n in touching[a]))
            for a in dummies
        }
        ranks = {repr(v): n for n, v in enumerate(sorted(views.values()))}
        new = {a: first + ranks[repr(v)] for a, v in views.items()}
        settled_now = len(set(new.values())) == len({colour[a] for a in dummies})
        colour.update(new)
        if settled_now:
            break
    blocks: dict[int, list[int]] = {}
    for a in dummies:
        blocks.setdefault(colour[a], []).append(a)
    return [blocks[c] for c in sorted(blocks)]


def _seen(
    f: AtomAt, key: str, place: int, colour: Mapping[int, int]
) -> tuple[str, int, tuple[int, ...]]:
    """A factor as one of its letters sees it."""
    others = tuple(-1 if b is None else colour[b] for b in f.letters)
    return key, 0 if is_symmetric(f.atom) else place, others


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
