"""Values written at slots, on JAX: by padding, and by comparing positions, which XLA fuses into one loop.

An axis of the result that shows letters of its own is *home* to them: there the value is padded to the
axis. Along each further axis the value is kept where the position is the one that the slot gives, as
``where(iota == position, value, 0)``. Nothing is scattered by tables where the slots are affine.
"""

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from jacobians.execution.steps import Place
from jacobians.notation.slots import Table, positions


def spread(place: Place, value: Any, dtype: Any) -> Any:
    """An array of the place's shape with the value where the slots say, and 0 elsewhere."""
    import jax.numpy as jnp

    value = jnp.broadcast_to(jnp.asarray(value, dtype), place.written)
    if place.whole:
        return value
    homes = _homes(place)
    if homes is None:  # a letter that no axis shows, or several places at once: added by tables
        index = [positions(slot, place.sizes, place.letters) for slot in place.slots]
        return jnp.zeros(place.shape, dtype).at[tuple(index)].add(value)
    order = [place.letters.index(a) for axis in sorted(homes) for a in homes[axis]]
    value = jnp.transpose(value, order)
    lengths = [prod(place.sizes[a] for a in homes[axis]) for axis in sorted(homes)]
    value = jnp.reshape(value, lengths)
    at: dict[int, Any] = {}  # for each letter its value along its home axis; −1 where nothing is
    for number, axis in enumerate(sorted(homes)):
        value = _padded(value, number, place, axis, homes[axis], at)
    value = jnp.expand_dims(value, [n for n in range(len(place.shape)) if n not in homes])
    for axis, slot in enumerate(place.slots):
        if axis not in homes and place.shape[axis] != 1:
            position: Any = slot.constant
            for a, stride in slot.parts:
                own = at[a]
                position = position + (
                    stride.values[own] if isinstance(stride, Table) else stride * own
                )
            along = np.arange(place.shape[axis])
            along = along.reshape([-1 if n == axis else 1 for n in range(len(place.shape))])
            value = jnp.where(along == position, value, 0)
    return jnp.broadcast_to(value, place.shape)


def _homes(place: Place) -> dict[int, list[int]] | None:
    """For each axis that shows letters of its own: these letters, the largest stride first."""
    homes: dict[int, list[int]] = {}
    housed: set[int] = set()
    for axis, slot in enumerate(place.slots):
        if slot.parts and slot.affine and not housed & set(slot.letters):
            parts = sorted(slot.parts, key=lambda part: -abs(part[1]))  # type: ignore[arg-type]
            nested = all(
                stride == other * place.sizes[b]  # type: ignore[operator]
                for (_, stride), (b, other) in pairwise(parts)
            )
            if nested and (len(parts) == 1 or parts[-1][1] > 0):  # type: ignore[operator]
                homes[axis] = [a for a, _ in parts]
                housed |= set(slot.letters)
    return homes if housed == set(place.letters) else None


def _padded(
    value: Any, number: int, place: Place, axis: int, letters: list[int], at: dict[int, Any]
) -> Any:
    """The value along one of its axes as long as the home axis, and where its letters are there."""
    import jax.numpy as jnp
    from jax import lax

    slot, size = place.slots[axis], place.shape[axis]
    length = value.shape[number]
    stride = min((s for _, s in slot.parts if isinstance(s, int)), key=abs)
    start = slot.constant
    there = start + stride * np.arange(length)
    count = np.full(size, -1)
    count[there] = np.arange(length)
    shape = [-1 if n == axis else 1 for n in range(len(place.shape))]
    rest = count
    for a in reversed(letters):
        at[a] = np.where(count < 0, -1, rest % place.sizes[a]).reshape(shape)
        rest = rest // place.sizes[a]
    if stride < 0:
        value, start, stride = jnp.flip(value, number), int(there[-1]), -stride
    end = size - start - (stride * (length - 1) + 1)
    padding = [(start, end, stride - 1) if n == number else (0, 0, 0) for n in range(value.ndim)]
    return lax.pad(value, jnp.zeros((), value.dtype), padding)
