"""An array as people get it wrong: transposed, turned round, or with indices that are off."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array

_MOST_STEPS = 16  # along an axis


class Variation(NamedTuple):
    """Another array: its kind, the words that follow "is", the array, and how plain the mistake is."""

    kind: str
    words: str
    array: Array
    weight: float


def axes_of(ndim: int) -> list[tuple[int, ...]]:
    """Each axis, the last two, and all."""
    found: list[tuple[int, ...]] = [(a,) for a in range(ndim)]
    if ndim > 1:
        found += [(ndim - 2, ndim - 1), tuple(range(ndim))]
    return list(dict.fromkeys(found))


def axes_said(axes: Sequence[int]) -> str:
    """Axes in words."""
    return " and ".join(f"axis {a}" for a in axes)


def far(step: int) -> str:
    """How far off, in words."""
    return "one" if abs(step) == 1 else str(abs(step))


def steps_of(size: int) -> list[int]:
    """How far entries may be off along an axis, going round: the nearest first."""
    steps = [s for n in range(1, size // 2 + 1) for s in (n, -n)]
    return steps[:_MOST_STEPS]


def variations(array: Array, before: int = 0, nearest: int = _MOST_STEPS) -> Iterator[Variation]:
    """The array with mistakes along its axes, of which the first ``before`` only count arrays."""
    shape = array.shape[before:]
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        yield Variation("transposed", "transposed", np.swapaxes(array, -1, -2), 1.65)
    for axes in axes_of(len(shape)):
        own, along = tuple(a + before for a in axes), f"along {axes_said(axes)}"
        yield Variation("turned", f"turned round {along}", np.flip(array, own), 1.75)
        for step in steps_of(min(shape[a] for a in axes))[:nearest]:
            moved = np.roll(array, (step,) * len(own), own)
            text = f"off by {far(step)} {along}"
            yield Variation("shift", f"{text}, going round", moved, 1.7)
            cut = moved.copy()
            for axis in own:
                edge = [slice(None)] * array.ndim
                edge[axis] = slice(0, step) if step > 0 else slice(step, None)
                cut[tuple(edge)] = 0
            yield Variation("shift", f"{text}, with zeros at the end", cut, 1.7)
