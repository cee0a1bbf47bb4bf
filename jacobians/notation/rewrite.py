"""Rewrites that keep the terms of a sum few.

Each takes a sum of terms in normal form and returns another one. The contract, the same for all:
**the tensor is the same up to rounding, its shape too, and no structure is lost**: every position
that the result can write, the argument could write. Where operands must be combined, the
caller's ``make(tensor, operands)`` does it: ``tensor`` is a sum over operand *positions*, and the
result is an operand that stands for its value.

A mask that is summed over, or that only some of several terms have, is joined like any factor: what
it rules out becomes the number 0 inside the new operand. All other masks stay masks.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from jacobians.notation.slots import letter_slot, renumber
from jacobians.notation.terms import (
    Coefficient,
    Factor,
    Sum,
    Term,
    letter_count,
    normal,
    numbered,
    rebuilt,
    total,
)

Make = Callable[[Sum, tuple[Any, ...]], Any]


def tidy(tensor: Sum, make: Make) -> Sum:
    """All rewrites, in the order that keeps terms fewest: contract, absorb, merge, add up."""
    terms = [absorb(contract(term, make), make) for term in tensor.terms]
    if len(terms) == 1:
        return Sum(tensor.shape, tuple(t for t in terms if t.coefficient != 0))
    return factor_out(merge(Sum(tensor.shape, tuple(terms))), make)


def merge(tensor: Sum) -> Sum:
    """Terms that differ in nothing but the coefficient become one (a symmetric pair a factor 2).

    Factors may stand in any order, and summed letters may have any names. Terms whose coefficients
    cancel vanish.
    """
    groups: dict[Hashable, Term] = {}
    for term in tensor.terms:
        key = _key(term)
        known = groups.get(key)
        if known is None:
            groups[key] = term
        else:
            groups[key] = known._replace(coefficient=known.coefficient + term.coefficient)
    return Sum(tensor.shape, tuple(t for t in groups.values() if t.coefficient != 0))


def _key(term: Term) -> Hashable:
    """What a term is apart from coefficient, order of factors and names of summed letters."""
    known = len(term.kept)
    summed = range(known, len(term.sizes))
    best: tuple[list[_Look], list[Factor], list[int]] | None = None
    for order in _orders(term, known):
        names = {old: new for new, old in enumerate((*range(known), *order))}
        looks = sorted(
            ((_look(f, names), n) for n, f in enumerate(term.factors)), key=lambda pair: pair[0]
        )
        if best is None or [look for look, _ in looks] < best[0]:
            flat = (renumber(s, names) for _, n in looks for s in term.factors[n].slots)
            factors = rebuilt([term.factors[n] for _, n in looks], flat)
            best = [look for look, _ in looks], factors, [term.sizes[a] for a in order]
    assert best is not None
    if not summed:
        return term.sizes, tuple(best[1]), term.slots
    return normal(1, (*term.sizes[:known], *best[2]), best[1], term.slots)


_Look = tuple[int, bool, tuple[tuple[int, tuple[tuple[int, int], ...]], ...]]
_TRIED = 24  # at most so many orders of letters that look alike; beyond, equal terms may stay apart


def _look(factor: Factor, names: Mapping[int, int]) -> _Look:
    """A factor in numbers that can be sorted: hashes, and the letters' names."""
    slots = tuple(
        (
            slot.constant,
            tuple(sorted((names[a], s if isinstance(s, int) else hash(s)) for a, s in slot.parts)),
        )
        for slot in factor.slots
    )
    return hash(factor.operand), factor.mask, slots


def _orders(term: Term, known: int) -> Iterable[Sequence[int]]:
    """Orders of the summed letters that do not depend on their names: ties in every order."""
    summed = range(known, len(term.sizes))
    if len(summed) < 2:
        return [summed]
    # A letter looks like its size and the places where it stands, then also like its neighbours.
    colours = {a: a if a < known else -1 - term.sizes[a] for a in range(len(term.sizes))}
    for _ in summed:
        seen: dict[int, list[int]] = {a: [] for a in summed}
        for factor in term.factors:
            look = hash(_look(factor, colours))
            own: dict[int, list[Hashable]] = defaultdict(list)
            for axis, slot in enumerate(factor.slots):
                for a, stride in slot.parts:
                    own[a].append((axis, stride))
            for a in own:
                if a >= known:
                    seen[a].append(hash((look, tuple(own[a]))))
        colours.update({a: hash((colours[a], *sorted(seen[a]))) for a in summed})
    alike: dict[int, list[int]] = defaultdict(list)
    for a in summed:
        alike[colours[a]].append(a)
    groups = [alike[colour] for colour in sorted(alike)]
    if prod(factorial(len(group)) for group in groups) > _TRIED:
        return [[a for group in groups for a in group]]
    arrangements = product(*(permutations(group) for group in groups))
    return ([a for group in arranged for a in group] for arranged in arrangements)


def join_factors(
    factors: Sequence[Factor],
    keep: Sequence[int],
    sizes: Sequence[int],
    make: Make,
    coefficient: Coefficient = 1,
) -> Factor:
    """One factor for several: their product, summed over all letters but ``keep``."""
    return _core([(coefficient, factors)], keep, sizes, make)


def _core(
    products: Sequence[tuple[Coefficient, Sequence[Factor]]],
    keep: Sequence[int],
    sizes: Sequence[int],
    make: Make,
) -> Factor:
    slots = [letter_slot(a) for a in keep]
    terms = []
    for coefficient, factors in products:
        used = {a for f in factors for a in f.letters} | set(keep)
        counted = [size if a in used else 1 for a, size in enumerate(sizes)]
        terms.append(normal(coefficient, counted, factors, slots))
    tensor = total([sizes[a] for a in keep], terms)
    made = make(numbered(tensor), tensor.operands)
    return Factor(made, tuple(slots))


def _normal_again(term: Term, factors: Sequence[Factor]) -> Term:
    """The term with other factors; letters that ran out of factors are already accounted for."""
    used = term.kept | {a for f in factors for a in f.letters}
    counted = [size if a in used else 1 for a, size in enumerate(term.sizes)]
    result = normal(term.coefficient, counted, factors, term.slots)
    assert result is not None
    return result


def contract(term: Term, make: Make) -> Term:
    """Sum a letter away where the result is no larger than the largest factor that it joins."""
    while True:
        kept = term.kept
        for letter in range(len(kept), len(term.sizes)):
            group = [f for f in term.factors if letter in f.letters]
            if all(f.mask for f in group):
                continue
            rest = [f for f in term.factors if letter not in f.letters]
            outside = kept | {a for f in rest for a in f.letters}
            inside = {a for f in group for a in f.letters}
            keep = sorted(inside & outside)
            largest = max(letter_count(term.sizes, f.letters) for f in group)
            if letter_count(term.sizes, keep) <= largest:
                joined = join_factors(group, keep, term.sizes, make)
                where = term.factors.index(group[0])
                before = [f for f in term.factors[:where] if f in rest]
                after = [f for f in term.factors[where:] if f in rest]
                term = _normal_again(term, [*before, joined, *after])
                break
        else:
            return term


def absorb(term: Term, make: Make) -> Term:
    """Multiply a factor into another one whose letters contain its own, small ones first."""
    factors = list(term.factors)
    while True:
        plain = [n for n, factor in enumerate(factors) if not factor.mask]
        pair = min(
            (
                (n, m)
                for n in plain
                for m in plain
                if n != m and factors[n].letters <= factors[m].letters
            ),
            key=lambda pair: letter_count(term.sizes, factors[pair[1]].letters),
            default=None,
        )
        if pair is None:
            return term if len(factors) == len(term.factors) else _normal_again(term, factors)
        first, second = sorted(pair)
        both = [factors[first], factors[second]]
        keep = sorted(factors[pair[1]].letters)
        factors[first] = join_factors(both, keep, term.sizes, make)
        del factors[second]


def factor_out(tensor: Sum, make: Make) -> Sum:
    """Terms that differ in one factor become one: these factors, of the same letters, are added."""
    groups: dict[Hashable, list[tuple[Coefficient, Factor]]] = defaultdict(list)
    samples: dict[Hashable, tuple[Term, int]] = {}
    taken: set[int] = set()
    terms = list(tensor.terms)
    keys: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for number, term in enumerate(terms):
        for place, factor in enumerate(term.factors):
            if factor.mask or not all(slot.plain is not None for slot in factor.slots):
                continue
            rest = term.factors[:place] + term.factors[place + 1 :]
            others = frozenset(Counter(rest).items())
            keys[term.sizes, term.slots, factor.letters, others].append((number, place))
    result: list[Term | None] = []
    for key, members in keys.items():
        free = [(n, p) for n, p in members if n not in taken]
        if len({n for n, _ in free}) < 2:
            continue
        seen: set[int] = set()
        for number, place in free:
            if number not in seen:
                seen.add(number)
                groups[key].append((terms[number].coefficient, terms[number].factors[place]))
                samples.setdefault(key, (terms[number], place))
        taken |= seen
    for group, members_found in groups.items():
        term, place = samples[group]
        keep = sorted(term.factors[place].letters)
        joined = _core([(c, [f]) for c, f in members_found], keep, term.sizes, make)
        factors = [*term.factors[:place], joined, *term.factors[place + 1 :]]
        result.append(_normal_again(term._replace(coefficient=1), factors))
    kept_terms = [t for n, t in enumerate(terms) if n not in taken]
    return total(tensor.shape, [*kept_terms, *result])


def collapse(tensor: Sum, make: Make) -> Sum:
    """Terms with equal slots become one where that core is not much larger than what it replaces.

    Common factors stay outside. The core may be as large as what it replaces for two terms, four
    times that for three or four, and anything for more: then the terms' number is what must shrink.
    """
    groups: dict[Hashable, list[Term]] = defaultdict(list)
    for term in tensor.terms:
        groups[(term.slots, term.sizes[: len(term.kept)])].append(term)
    return total(tensor.shape, [t for group in groups.values() for t in _collapsed(group, make)])


def _collapsed(group: list[Term], make: Make) -> list[Term]:
    if len(group) < 2:
        return group
    known = len(group[0].kept)
    shared = set.intersection(
        *({f for f in t.factors if all(a < known for a in f.letters)} for t in group)
    )
    common = [f for f in dict.fromkeys(group[0].factors) if f in shared]
    remainders = []
    for term in group:
        rest = list(term.factors)
        for factor in common:
            rest.remove(factor)
        remainders.append(rest)
    if all(any(f.mask for f in rest) for rest in remainders):
        return group  # joined, what all of them rule out would be a number
    keep = sorted({a for rest in remainders for f in rest for a in f.letters if a < known})
    replaced = sum(
        letter_count(term.sizes, f.letters)
        for term, rest in zip(group, remainders, strict=True)
        for f in rest
    )
    allowed = 1.0 if len(group) == 2 else 4.0 if len(group) <= 4 else float("inf")
    if letter_count(group[0].sizes, keep) > allowed * max(replaced, 1):
        return group
    # The core's letters: the kept ones first, then each term's own summed letters.
    sizes = list(group[0].sizes[:known])
    products: list[tuple[Coefficient, Sequence[Factor]]] = []
    for term, rest in zip(group, remainders, strict=True):
        names = {a: a for a in range(known)}
        for a in range(known, len(term.sizes)):
            names[a] = len(sizes)
            sizes.append(term.sizes[a])
        flat = [renumber(slot, names) for f in rest for slot in f.slots]
        products.append((term.coefficient, rebuilt(rest, flat)))
    core = _core(products, keep, sizes, make)
    result = normal(1, group[0].sizes[:known], [*common, core], group[0].slots)
    return [] if result is None else [result]
