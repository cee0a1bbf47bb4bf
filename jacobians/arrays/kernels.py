"""Contracting two arrays over named letters with BLAS.

Every pair is brought to the form ``(batch, left, summed) @ (batch, summed, right)``; where nothing is
summed it is a broadcast product.
"""

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Letters = tuple[int, ...]


class Kernel(NamedTuple):
    """A function of two arrays, the letters of its result, and what it costs."""

    run: Callable[[Array, Array], Array]
    letters: Letters
    flops: int
    size: int


def aligner(letters: Sequence[int], wanted: Sequence[int]) -> Callable[[Array], Array]:
    """Transpose an array from its letters to the wanted ones; letters it lacks become axes of 1."""
    present = [a for a in wanted if a in letters]
    order = [letters.index(a) for a in present]
    index = tuple(slice(None) if a in letters else None for a in wanted)
    moved = order != sorted(order)
    if len(present) == len(wanted):
        return (lambda array: array.transpose(order)) if moved else (lambda array: array)
    if moved:
        return lambda array: array.transpose(order)[index]
    return lambda array: array[index]


def pair(
    left: Letters, right: Letters, keep: Collection[int], sizes: Sequence[int], wanted: Letters = ()
) -> Kernel:
    """The product of two arrays, summed over the letters that are not in ``keep``.

    Letters that only one of the two has must be in ``keep``: sum them away first. ``wanted`` is the
    order that the consumer would like; it is met where it costs nothing.
    """
    both = [a for a in left if a in right]
    summed = [a for a in both if a not in keep]
    batch = [a for a in both if a in keep]
    only_left = [a for a in left if a not in right]
    only_right = [a for a in right if a not in left]
    work = prod(sizes[a] for a in {*left, *right})
    if not summed:
        result = tuple(a for a in wanted if a in {*left, *right})
        if len(result) != len({*left, *right}):
            result = (*batch, *only_left, *only_right)
        align_left, align_right = aligner(left, result), aligner(right, result)
        return Kernel(lambda x, y: align_left(x) * align_right(y), result, work, work)
    if wanted and only_left and only_right:
        place = {a: n for n, a in enumerate(wanted)}
        if min(place.get(a, 0) for a in only_left) > min(place.get(a, 0) for a in only_right):
            swapped = pair(right, left, keep, sizes)
            return swapped._replace(run=lambda x, y: swapped.run(y, x))
    result = (*batch, *only_left, *only_right)
    group_left = _grouper(left, [batch, only_left, summed], sizes)
    group_right = _grouper(right, [batch, summed, only_right], sizes)
    size = prod(sizes[a] for a in result)
    flat = len(only_left) == len(only_right) == 1 and len(batch) <= 1
    if flat:
        run: Callable[[Array, Array], Array] = lambda x, y: group_left(x) @ group_right(y)  # noqa: E731
    else:
        shape = [sizes[a] for a in result]
        run = lambda x, y: (group_left(x) @ group_right(y)).reshape(shape)  # noqa: E731
    return Kernel(run, result, 2 * work, size)


def _grouper(
    letters: Letters, groups: Sequence[Sequence[int]], sizes: Sequence[int]
) -> Callable[[Array], Array]:
    """Bring an array to one axis per group; an empty batch group has no axis."""
    batch, *rest = groups
    order = [letters.index(a) for group in groups for a in group]
    shape = [prod(sizes[a] for a in group) for group in ([batch, *rest] if batch else rest)]
    simple = all(len(group) == 1 for group in rest) and len(batch) <= 1
    moved = order != sorted(order)
    if simple:
        return (lambda array: array.transpose(order)) if moved else (lambda array: array)
    if moved:
        return lambda array: array.transpose(order).reshape(shape)
    return lambda array: array.reshape(shape)


def summer(letters: Letters, away: Collection[int]) -> Callable[[Array], Array]:
    """Sum an array over some of its letters."""
    axes = tuple(n for n, a in enumerate(letters) if a in away)
    return lambda array: np.add.reduce(array, axis=axes)
