"""Reading an operand at slots, and writing into a tensor at slots, as views where slots are affine."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from jacobians.notation.slots import Slot, positions
from jacobians.notation.structure import address_slot, injective
from jacobians.notation.terms import Term, full_letter

Array = NDArray[Any]
Read = Callable[[Array], Array]


def strided(
    array: Array, slots: Sequence[Slot], sizes: Sequence[int], letters: Sequence[int]
) -> Array:
    """A view with one axis for each of ``letters``: several slots with one letter give a diagonal."""
    steps = dict.fromkeys(letters, 0)
    corner: list[Any] = []
    for slot, step in zip(slots, array.strides, strict=True):
        corner.append(slice(slot.constant, slot.constant + 1))
        for letter, stride in slot.parts:
            assert isinstance(stride, int)
            steps[letter] += stride * step
    corner.append(...)  # a view also where there is no axis
    return as_strided(
        array[tuple(corner)], [sizes[a] for a in letters], [steps[a] for a in letters]
    )


def reader(
    slots: Sequence[Slot], sizes: Sequence[int], shape: Sequence[int]
) -> tuple[Read, tuple[int, ...]]:
    """How to read an operand of this shape at slots, and the letters of the result's axes."""
    full = [full_letter(slot, sizes, n) for slot, n in zip(slots, shape, strict=True)]
    if None not in full and len(set(full)) == len(full):
        return _as_is, tuple(a for a in full if a is not None)
    if all(slot.affine for slot in slots):
        letters = tuple(dict.fromkeys(a for slot in slots for a in slot.letters))
        return lambda array: strided(array, slots, sizes, letters), letters
    return _gatherer(slots, sizes)


def _as_is(array: Array) -> Array:
    return array


def _gatherer(slots: Sequence[Slot], sizes: Sequence[int]) -> tuple[Read, tuple[int, ...]]:
    """Gather jointly the axes that a table's letter touches; the other axes stay views."""
    touched: set[int] = set()
    grown = True
    axes: set[int] = {n for n, slot in enumerate(slots) if not slot.affine}
    while grown:
        touched = {a for n in axes for a in slots[n].letters}
        more = {n for n, slot in enumerate(slots) if touched & set(slot.letters)}
        grown = more > axes
        axes |= more
    gathered = sorted(axes)
    viewed = [n for n in range(len(slots)) if n not in axes]
    letters = sorted(touched)
    index = tuple(positions(slots[n], sizes, letters) for n in gathered)
    view_slots = [slots[n] for n in viewed]
    view_letters = tuple(dict.fromkeys(a for slot in view_slots for a in slot.letters))

    def read(array: Array) -> Array:
        values = array.transpose([*gathered, *viewed])[index]
        if not viewed:
            return values
        axis_letters = [*range(len(sizes), len(sizes) + len(letters)), *view_letters]
        grown_sizes = [*sizes, *(sizes[a] for a in letters)]
        whole = [Slot(0, ((len(sizes) + n, 1),)) for n in range(len(letters))]
        return strided(values, [*whole, *view_slots], grown_sizes, axis_letters)

    return read, (*letters, *view_letters)


class Writer:
    """How a term's value, one axis per kept letter, is added into the tensor.

    A strided view where that is injective; else by addresses, and where an address may occur
    twice by ``numpy.add.at``.
    """

    def __init__(self, term: Term, shape: Sequence[int]) -> None:
        self.slots = term.slots
        self.sizes = term.sizes
        self.letters = sorted(term.kept)
        self.affine = all(slot.affine for slot in term.slots)
        self.once = injective(term)
        self.index: tuple[Any, ...] | None = None
        if not (self.affine and self.once):
            self.index = tuple(positions(slot, self.sizes, self.letters) for slot in self.slots)
            return
        # Where the view lies in a contiguous tensor: start and steps, in entries.
        flat = address_slot(term, [prod(shape[axis + 1 :]) for axis in range(len(shape))])
        steps = dict(flat.parts)
        self.start = flat.constant
        self.steps = [s for s in (steps[a] for a in self.letters) if isinstance(s, int)]
        self.shape = [self.sizes[a] for a in self.letters]

    def add(self, tensor: Array, value: Array | float, *, first: bool) -> None:
        """Add the value; ``first`` says that all its positions still hold 0."""
        if self.index is not None:
            if self.once and first:
                tensor[self.index] = value
            elif self.once:
                tensor[self.index] += value
            else:
                np.add.at(tensor, self.index, np.asarray(value, tensor.dtype))
            return
        view = self.view(tensor)
        if first:
            view[...] = value
        else:
            view += value

    def view(self, tensor: Array) -> Array:
        """The positions of an injective affine term as a writable view."""
        if tensor.flags.c_contiguous:  # ten times quicker to make than by as_strided
            item = tensor.itemsize
            steps = [step * item for step in self.steps]
            return np.ndarray(self.shape, tensor.dtype, tensor, self.start * item, steps)
        return strided(tensor, self.slots, self.sizes, self.letters)
