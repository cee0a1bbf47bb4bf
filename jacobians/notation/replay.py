"""Rewrites replayed: what they do depends on slots, sizes and which operands are the same, not on operands.

A rewriting of a structure is done once, over numbers in place of operands, and recorded: the operands
that it has made, one after the other, and the result. For other operands the recipe is followed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jacobians.notation.memo import Memo
from jacobians.notation.rewrite import Make
from jacobians.notation.terms import Factor, Sum, Term, relabelled

Rewriting = Callable[[Sum, Make], Sum]
_RECIPES = Memo()


class _Recipe(NamedTuple):
    """What to make of operands, those made before among them; and the result over all of these."""

    made: tuple[tuple[Sum, tuple[int, ...]], ...]
    result: Sum


def replayed(rewriting: Rewriting, tensor: Sum, make: Make) -> Sum:
    """``rewriting(tensor, make)``: by the recipe that was recorded for tensors of this structure."""
    operands: dict[Any, int] = {}
    terms = tuple(
        [
            Term(
                term.coefficient,
                term.sizes,
                tuple(
                    [
                        Factor(operands.setdefault(f.operand, len(operands)), f.slots, f.mask)
                        for f in term.factors
                    ]
                ),
                term.slots,
            )
            for term in tensor.terms
        ]
    )
    types = tuple([type(term.coefficient) for term in terms])  # 1 and 1.0 are equal
    key = rewriting, tensor.shape, terms, types
    recipe = _RECIPES.get(key)
    if recipe is None:
        recipe = _recorded(rewriting, Sum(tensor.shape, terms), len(operands))
        _RECIPES.put(key, recipe)
    places = list(operands)
    for core, read in recipe.made:
        places.append(make(core, tuple([places[place] for place in read])))
    if recipe.made and len(set(places)) < len(places):
        return rewriting(tensor, make)  # what was made is there already: more terms may be equal
    return relabelled(recipe.result, places.__getitem__)


def _recorded(rewriting: Rewriting, tensor: Sum, count: int) -> _Recipe:
    numbers: dict[tuple[Sum, tuple[int, ...]], int] = {}

    def make(core: Sum, operands: tuple[int, ...]) -> int:
        return numbers.setdefault((core, operands), count + len(numbers))

    result = rewriting(tensor, make)
    return _Recipe(tuple(numbers), result)
