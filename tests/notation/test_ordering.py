"""The order of few factors: never dearer than the best that opt_einsum finds."""

import random
from collections.abc import Sequence
from math import prod

import opt_einsum as oe

from jacobians.execution.ordering import MOST, best_order


def cost(
    path: Sequence[Sequence[int]],
    letters: Sequence[Sequence[int]],
    kept: set[int],
    sizes: list[int],
) -> int:
    """Multiplications, and additions where letters are summed, of the products in this order."""
    pending = [set(own) for own in letters]
    total = 0
    for first, second in map(sorted, path):
        right, left = pending.pop(second), pending.pop(first)
        stays = (left | right) & kept.union(*pending)
        total += prod(sizes[a] for a in left | right) * (2 if stays < left | right else 1)
        pending.append(stays)
    assert len(pending) == 1
    return total


def test_no_order_of_opt_einsum_is_cheaper() -> None:
    rng = random.Random(3)
    for _ in range(400):
        count = rng.randint(2, MOST)
        sizes = [rng.choice([2, 3, 5, 7, 12]) for _ in range(rng.randint(2, 6))]
        letters = [
            tuple(rng.sample(range(len(sizes)), rng.randint(1, min(3, len(sizes)))))
            for _ in range(count)
        ]
        kept = {a for own in letters for a in own if rng.random() < 0.5}
        names = ["".join(map(oe.get_symbol, own)) for own in letters]
        result = "".join(map(oe.get_symbol, sorted(kept)))
        shapes = [tuple(sizes[a] for a in own) for own in letters]
        equation = f"{','.join(names)}->{result}"
        theirs, _ = oe.contract_path(equation, *shapes, shapes=True, optimize="optimal")
        ours = best_order(letters, frozenset(kept), sizes)
        assert cost(ours, letters, kept, sizes) <= cost(theirs, letters, kept, sizes)
