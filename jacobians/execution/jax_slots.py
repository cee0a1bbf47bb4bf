"""Values written at slots, on JAX: by padding, and by comparing positions, which XLA fuses into one loop.

Each letter has a *home*, an axis that shows it: there the value is padded to the axis. Where the slot of
a home has letters of other homes too (``a + b``, a band), the value is read at ``position − b``. Along
each further axis it is kept where the position is the one that the slot gives, as
``where(iota == position, value, 0)``. Nothing is scattered by tables where the slots are affine.
"""

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.execution.steps import Place
from jacobians.notation.slots import Slot, Table, positions

Homes = dict[int, list[int]]
At = dict[int, NDArray[np.int64]]
"""For each letter its value, along the axes of the result that show it; −1 where there is none."""


def spread(place: Place, value: Any, dtype: Any) -> Any:
    """An array of the place's shape with the value where the slots say, and 0 elsewhere."""
    import jax.numpy as jnp

    value = jnp.broadcast_to(jnp.asarray(value, dtype), place.written)
    if place.whole:
        return value
    homes = _homes(place)
    if homes is None:
        index = tuple(positions(slot, place.sizes, place.letters) for slot in place.slots)
        zeros = jnp.zeros(place.shape, dtype).at[index]
        return zeros.set(value, unique_indices=True) if place.once else zeros.add(value)
    at: At = {}
    for axis, letters in homes.items():
        at.update(_along(place, axis, letters, at))
    if all(set(place.slots[axis].letters) == set(letters) for axis, letters in homes.items()):
        value = _padded(place, value, homes)
    else:
        there = [at[a] >= 0 for a in place.letters]
        value = value[tuple(np.maximum(at[a], 0) for a in place.letters)]
        for own in there:
            value = jnp.where(own, value, 0)
    for axis, slot in enumerate(place.slots):
        if axis not in homes and place.shape[axis] != 1:
            value = jnp.where(_numbers(place, axis) == _position(slot, at), value, 0)
    return jnp.broadcast_to(value, place.shape)


def _homes(place: Place) -> Homes | None:
    """For each home its letters, the largest stride first; None where a letter finds none.

    Then no axis shows the letter affinely, or an entry is written several times.
    """
    homes: Homes = {}
    housed: set[int] = set()
    while True:
        found = None
        for axis, slot in enumerate(place.slots):
            letters = None if axis in homes else _nested(slot, housed, place.sizes)
            alone = len(letters or ()) == len(slot.parts)
            if letters and (found is None or alone):
                found = axis, letters
                if alone:
                    break
        if found is None:
            return homes if housed == set(place.letters) else None
        homes[found[0]] = found[1]
        housed.update(found[1])


def _nested(slot: Slot, housed: set[int], sizes: tuple[int, ...]) -> list[int] | None:
    """The letters of a slot without a home, if the position tells them apart: digits of one number."""
    parts = [(a, stride) for a, stride in slot.parts if a not in housed]
    strides = [(a, stride) for a, stride in parts if not isinstance(stride, Table)]
    strides.sort(key=lambda part: -abs(part[1]))
    digits = all(one == other * sizes[b] for (_, one), (b, other) in pairwise(strides))
    if not parts or len(strides) < len(parts) or not digits:
        return None
    return [a for a, _ in strides] if len(parts) == 1 or strides[-1][1] > 0 else None


def _numbers(place: Place, axis: int) -> NDArray[np.int64]:
    """The positions along an axis, in that axis of an array."""
    shape = [-1 if n == axis else 1 for n in range(len(place.shape))]
    return np.arange(place.shape[axis]).reshape(shape)


def _position(slot: Slot, at: At) -> Any:
    """What a slot gives, of the letters that are known."""
    position: Any = slot.constant
    for a, stride in slot.parts:
        if a in at:
            own = at[a]
            position = position + (
                stride.values[own] if isinstance(stride, Table) else stride * own
            )
    return position


def _stride(slot: Slot, letters: list[int]) -> int:
    """The smallest stride of letters in a slot."""
    return min((s for a, s in slot.parts if a in letters and isinstance(s, int)), key=abs)


def _along(place: Place, axis: int, letters: list[int], at: At) -> At:
    """The values of the letters that are at home on an axis."""
    slot = place.slots[axis]
    stride, length = _stride(slot, letters), prod(place.sizes[a] for a in letters)
    offset = _numbers(place, axis) - _position(slot, at)
    count = offset // stride
    there = (offset % stride == 0) & (count >= 0) & (count < length)
    for a in slot.letters:
        there = there & (at[a] >= 0) if a in at else there
    found: At = {}
    for a in reversed(letters):
        found[a] = np.where(there, count % place.sizes[a], -1)
        count = count // place.sizes[a]
    return found


def _padded(place: Place, value: Any, homes: Homes) -> Any:
    """The value as long as the homes of its letters, each at its axis."""
    import jax.numpy as jnp
    from jax import lax

    axes = sorted(homes)
    value = jnp.transpose(value, [place.letters.index(a) for axis in axes for a in homes[axis]])
    value = jnp.reshape(value, [prod(place.sizes[a] for a in homes[axis]) for axis in axes])
    padding = []
    for number, axis in enumerate(axes):
        slot, length = place.slots[axis], value.shape[number]
        stride, start = _stride(slot, homes[axis]), slot.constant
        if stride < 0:
            value, start, stride = jnp.flip(value, number), start + stride * (length - 1), -stride
        end = place.shape[axis] - start - (stride * (length - 1) + 1)
        padding.append((start, end, stride - 1))
    value = lax.pad(value, jnp.zeros((), value.dtype), padding)
    return jnp.expand_dims(value, [n for n in range(len(place.shape)) if n not in homes])
