"""In which order few factors are multiplied, pair by pair: the best of all orders.

The cost of a product is that of opt_einsum: the number of values of all its letters, twice that where
letters are summed. For up to five factors, looking at all orders takes less than loading that package.
"""

from collections.abc import Sequence
from itertools import combinations
from math import inf, prod

MOST = 5


def best_order(
    letters: Sequence[Sequence[int]], kept: frozenset[int], sizes: Sequence[int]
) -> list[tuple[int, int]]:
    """Which two factors are multiplied at each step; both leave the list, the product joins its end.

    Parameters
    ----------
    letters : sequence of sequences of int
        The letters of each factor.
    kept : frozenset of int
        Letters of the result.
    sizes : sequence of int
        How many values each letter takes.
    """
    best: list[tuple[int, int]] = []
    least = inf
    masks = [sum([1 << a for a in own]) for own in letters]
    result = sum([1 << a for a in kept])
    values: dict[int, int] = {}

    def search(pending: list[int], path: list[tuple[int, int]], spent: float) -> None:
        nonlocal best, least
        if len(pending) == 1:
            best, least = path, spent
            return
        for n, m in combinations(range(len(pending)), 2):
            rest = pending[:n] + pending[n + 1 : m] + pending[m + 1 :]
            both = pending[n] | pending[m]
            if both not in values:
                values[both] = prod([size for a, size in enumerate(sizes) if both >> a & 1])
            outside = result
            for own in rest:
                outside |= own
            joined = both & outside
            cost = spent + (values[both] if joined == both else 2 * values[both])
            if cost < least:
                search([*rest, joined], [*path, (n, m)], cost)

    search(masks, [], 0)
    return best
