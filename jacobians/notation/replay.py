"""Rewrites replayed: what they do depends on slots, sizes and which operands are the same, not on operands.

A rewriting of a structure is done once, over numbers in place of operands, and recorded: the operands
that it has made, one after the other, and the result. For other operands the recipe is followed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jacobians.ground.caches import ByteCache
from jacobians.notation.rewrite import Make
from jacobians.notation.slots import slot_bytes
from jacobians.notation.terms import Factor, Sum, Term, coefficient_bits, relabelled

Rewriting = Callable[[Sum, Make], Sum]


class _Recipe(NamedTuple):
    """What to make of operands, those made before among them; and the result over all of these."""

    made: tuple[tuple[Sum, tuple[int, ...]], ...]
    result: Sum


def _weight(key: Any, recipe: _Recipe) -> int:
    terms = key[1].terms
    slots = slot_bytes(
        [s for t in terms for own in (t.slots, *[f.slots for f in t.factors]) for s in own]
    )
    return slots * (2 + len(recipe.made))


_RECIPES: ByteCache[_Recipe] = ByteCache(1 << 23, _weight)


def replayed(rewriting: Rewriting, tensor: Sum, make: Make) -> Sum:
    """``rewriting(tensor, make)``: by the recipe that was recorded for tensors of this structure.

    A tensor that the rewriting leaves alone is returned itself.
    """
    operands: dict[Any, int] = {}
    terms = []
    for term in tensor.terms:
        factors = [
            Factor(operands.setdefault(f.operand, len(operands)), f.slots, f.mask)
            for f in term.factors
        ]
        terms.append(Term(term.coefficient, term.sizes, tuple(factors), term.slots))
    plain = Sum(tensor.shape, tuple(terms))
    recipe = _RECIPES.get(
        (rewriting, plain, coefficient_bits(plain)),
        lambda: _recorded(rewriting, plain, len(operands)),
    )
    if not recipe.made:
        return (
            tensor if recipe.result == plain else relabelled(recipe.result, [*operands].__getitem__)
        )
    places = list(operands)
    for core, read in recipe.made:
        places.append(make(core, tuple([places[place] for place in read])))
    if len(set(places)) < len(places):
        return rewriting(tensor, make)  # what was made is there already: more terms may be equal
    return relabelled(recipe.result, places.__getitem__)


def _recorded(rewriting: Rewriting, tensor: Sum, count: int) -> _Recipe:
    numbers: dict[tuple[Sum, tuple[int, ...]], int] = {}

    def make(core: Sum, operands: tuple[int, ...]) -> int:
        return numbers.setdefault((core, operands), count + len(numbers))

    result = rewriting(tensor, make)
    return _Recipe(tuple(numbers), result)
