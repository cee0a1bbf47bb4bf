"""From integer positions back to slots: what is affine in a list of positions is found again.

NumPy itself says which entry goes where, by moving the entries' coordinates; here these become
letters and slots. The work is proportional to the number of positions.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.notation.slots import Integers, Slot, combine, letter_slot, table_slot

Shape = tuple[int, ...]
Stretch = tuple[int, int, int]
"""``start, step, count``: an arithmetic progression."""


class Arrangement(NamedTuple):
    """Letters, where each reads the input, and where it writes into the output."""

    sizes: Shape
    reads: tuple[Slot, ...]
    writes: tuple[Slot, ...]


def coordinates(shape: Sequence[int]) -> list[Integers]:
    """The position along each axis, for every entry; the arrays take no memory of their own."""
    found = []
    for axis, size in enumerate(shape):
        column = np.arange(size).reshape((size, *(1,) * (len(shape) - axis - 1)))
        found.append(np.broadcast_to(column, tuple(shape)))
    return found


def arrangement(taken: Sequence[Any], shape: Shape) -> Arrangement:
    """The slots that read coordinates ``taken`` (one array of ``shape`` for each input axis).

    An output axis keeps a letter of its own where every coordinate is a function of it plus a
    function of the other axes; the axes that are left share one letter, through tables.
    """
    axes = range(len(shape))
    if 0 in shape:
        letters = tuple(letter_slot(a) for a in axes)
        return Arrangement(shape, tuple(Slot() for _ in taken), letters)
    tied = [a for a in axes if shape[a] > 1 and not all(_separable(c, a) for c in taken)]
    count = prod(shape[a] for a in tied)
    free = [a for a in axes if a not in tied]
    names = {a: n for n, a in enumerate(free)}
    fused = len(free)
    sizes = (*(shape[a] for a in free), *([count] if tied else []))
    reads = []
    for c in taken:
        at_corner = tuple(slice(None) if a in tied else 0 for a in axes)
        corner = np.asarray(c)[at_corner]
        parts = [(1, table_slot(fused, corner.ravel()) if tied else Slot(int(corner)))]
        base = corner.ravel()[0]
        for a in free:
            column = np.asarray(c)[tuple(slice(None) if b == a else 0 for b in axes)]
            parts.append((1, table_slot(names[a], column - base)))
        reads.append(combine(parts, sizes))
    writes: list[Slot] = [letter_slot(names[a]) if a in names else Slot() for a in axes]
    if tied:
        where = np.unravel_index(np.arange(count), [shape[a] for a in tied])
        for a, column in zip(tied, where, strict=True):
            writes[a] = table_slot(fused, column)
    return Arrangement(sizes, tuple(reads), tuple(writes))


def _separable(c: Integers, axis: int) -> bool:
    """Whether the coordinate is a function of one axis plus a function of all others."""
    steps = np.diff(c, axis=axis)
    corner = tuple(slice(None) if a == axis else slice(0, 1) for a in range(c.ndim))
    return bool(np.all(steps == steps[corner]))


def runs(index: Any) -> tuple[Stretch, ...]:
    """A list of positions as arithmetic progressions, few of them, in order."""
    values = np.asarray(index, dtype=np.intp)
    found: list[Stretch] = []
    start = 0
    while start < values.size:
        if start + 1 == values.size:
            found.append((int(values[start]), 1, 1))
            break
        step = int(values[start + 1] - values[start])
        breaks = np.flatnonzero(np.diff(values[start:]) != step)
        count = int(breaks[0]) + 1 if breaks.size else values.size - start
        if count == 2 and _belongs_further(np.diff(values[start : start + 4])):
            step, count = 1, 1
        found.append((int(values[start]), step, count))
        start += count
    return tuple(found)


def _belongs_further(steps: Integers) -> bool:
    """Whether the second of four entries (their steps are given) makes a run with what follows."""
    if steps.size < 3:
        return steps.size == 2 and bool(abs(steps[1]) < abs(steps[0]))
    return bool(steps[1] == steps[2])
