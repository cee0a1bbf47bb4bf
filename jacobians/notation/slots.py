"""Slots: the position on one axis as a function of letters.

A term of a tensor runs over *letters*; a letter is a number ``0, 1, 2 …``, and ``sizes[letter]``
says how many values it takes. A :class:`Slot` is ``constant + Σ stride · letter``, where a stride
may be replaced by a :class:`Table` of integers that the letter indexes. One algebra serves reading
and writing: a factor reads its operand at slots, a term writes into the tensor at slots.

    plain letter      a            an ordinary index
    slice, flip       c + s·a      every s-th entry from c
    reshape           L·a + b      two letters share an axis
    sliding window    o + w        an address may occur more than once
    fancy index       t[a]         any integers

Slots are kept in one canonical form (no zero strides, no table that is a progression, tables start
at 0, letters ascending), so that equal slots compare equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[np.intp]
_WIDER = 16  # times as many marks as integers take longer than sorting them


class Table:
    """An immutable column of integers that a letter indexes; compares and hashes by value."""

    __slots__ = ("_hash", "values")

    values: Integers

    def __init__(self, values: ArrayLike) -> None:
        array = np.array(values, dtype=np.intp)
        array.setflags(write=False)
        self.values = array
        self._hash = hash(array.tobytes())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self is other or np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Table({self.values.tolist()})"

    def __reduce__(self) -> tuple[type["Table"], tuple[list[int]]]:
        return Table, (self.values.tolist(),)


class Slot(NamedTuple):
    """``constant + Σ stride · letter``; a stride may be a :class:`Table` indexed by the letter."""

    constant: int = 0
    parts: tuple[tuple[int, int | Table], ...] = ()

    @property
    def letters(self) -> tuple[int, ...]:
        """The letters that the slot depends on, ascending."""
        return tuple([part[0] for part in self.parts])

    @property
    def plain(self) -> int | None:
        """The letter, if the slot is one letter and nothing else."""
        if self.constant == 0 and len(self.parts) == 1 and self.parts[0][1] == 1:
            return self.parts[0][0]
        return None

    @property
    def affine(self) -> bool:
        """Whether no part is a table."""
        return all(isinstance(stride, int) for _, stride in self.parts)


ZERO = Slot()


def letter_slot(letter: int, stride: int = 1, constant: int = 0) -> Slot:
    """The slot ``constant + stride · letter``."""
    return Slot(constant, ((letter, stride),)) if stride else Slot(constant)


def table_slot(letter: int, values: ArrayLike) -> Slot:
    """The slot ``values[letter]``: affine when the values are an arithmetic progression."""
    array = np.asarray(values, dtype=np.intp)
    if array.size == 0:
        return letter_slot(letter)
    first = int(array[0])
    if array.size == 1:
        return Slot(first)
    step = int(array[1]) - first
    if array.size == 2 or bool(np.all(np.diff(array) == step)):
        return letter_slot(letter, step, first)
    return Slot(first, ((letter, Table(array - first)),))


def column(stride: int | Table, size: int) -> Integers:
    """What a part contributes for each of the ``size`` values of its letter."""
    if isinstance(stride, Table):
        return stride.values
    return np.arange(size, dtype=np.intp) * stride


def combine(slots: Iterable[tuple[int, Slot]], sizes: Sequence[int]) -> Slot:
    """``Σ scale · slot`` in canonical form."""
    constant = 0
    parts: dict[int, int | Table] = {}
    for scale, slot in slots:
        constant += scale * slot.constant
        for letter, stride in slot.parts:
            known = parts.get(letter, 0)
            if isinstance(stride, int) and isinstance(known, int):
                parts[letter] = known + scale * stride
            elif known == 0 and scale == 1:
                parts[letter] = stride
            else:
                size = sizes[letter]
                values = column(known, size) + scale * column(stride, size)
                folded = table_slot(letter, values)
                constant += folded.constant
                parts[letter] = folded.parts[0][1] if folded.parts else 0
    return Slot(constant, tuple((a, s) for a, s in sorted(parts.items()) if s != 0))


def substitute(slot: Slot, mapping: Mapping[int, Slot], sizes: Sequence[int]) -> Slot:
    """The slot with each letter of ``mapping`` replaced by a slot over other letters.

    A letter that indexes a table may only be replaced by a slot over at most one letter: a table
    has one index. ``sizes`` are those of the letters after the replacement.
    """
    if not any(letter in mapping for letter, _ in slot.parts):
        return slot
    pieces: list[tuple[int, Slot]] = [(1, Slot(slot.constant))]
    for letter, stride in slot.parts:
        new = mapping.get(letter)
        if new is None:
            pieces.append((1, Slot(0, ((letter, stride),))))
        elif isinstance(stride, int):
            pieces.append((stride, new))
        elif not new.parts:
            pieces.append((1, Slot(int(stride.values[new.constant]))))
        else:
            ((inner, inner_stride),) = new.parts
            positions = new.constant + column(inner_stride, sizes[inner])
            pieces.append((1, table_slot(inner, stride.values[positions])))
    return combine(pieces, sizes)


def renumber(slot: Slot, names: Mapping[int, int]) -> Slot:
    """The slot with its letters renamed; the names must be distinct."""
    if not slot.parts:
        return slot
    parts = [(names[a], stride) for a, stride in slot.parts]
    return Slot(slot.constant, tuple(sorted(parts, key=lambda part: part[0])))


def bounds(slot: Slot, sizes: Sequence[int]) -> tuple[int, int]:
    """The smallest and the largest position that the slot takes (letters of size 0 excluded)."""
    low = high = slot.constant
    for letter, stride in slot.parts:
        if isinstance(stride, Table):
            low += int(stride.values.min())
            high += int(stride.values.max())
        elif stride > 0:
            high += stride * (sizes[letter] - 1)
        else:
            low += stride * (sizes[letter] - 1)
    return low, high


def positions(slot: Slot, sizes: Sequence[int], letters: Sequence[int]) -> Integers:
    """The positions as an array that broadcasts over ``letters``, one axis each, in that order."""
    total = np.full((1,) * len(letters), slot.constant, dtype=np.intp)
    for letter, stride in slot.parts:
        shape = [1] * len(letters)
        shape[letters.index(letter)] = sizes[letter]
        total = total + column(stride, sizes[letter]).reshape(shape)
    return total


def slot_bytes(slots: Iterable[Slot]) -> int:
    """About the bytes that slots keep alive: their tables, and some for each."""
    total = 0
    for _, parts in slots:
        total += 128
        for _, stride in parts:
            if type(stride) is Table:
                total += stride.values.nbytes
    return total


def determined(slots: Iterable[Slot], sizes: Sequence[int]) -> frozenset[int]:
    """Letters whose value follows from the positions of ``slots`` (sound, not complete).

    A slot determines its letters if, sorted by stride, each stride exceeds the reach of all smaller
    ones (a positional number system); letters that are known already are left out of that.
    """
    known: set[int] = {a for slot in slots for a in slot.letters if sizes[a] <= 1}
    waiting = [slot for slot in slots if slot.parts]
    progress = True
    while progress:
        progress = False
        for slot in waiting:
            open_parts = [(a, s) for a, s in slot.parts if a not in known]
            if open_parts and _positional(open_parts, sizes):
                known.update(a for a, _ in open_parts)
                progress = True
    return frozenset(known)


def distinct(values: Integers) -> bool:
    """Whether no integer stands there twice."""
    if values.size < 2:
        return True
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span < values.size:
        return False
    if span > _WIDER * values.size:
        return len(np.unique(values)) == values.size
    marks = np.zeros(span, bool)
    marks[values - low] = True
    return int(np.count_nonzero(marks)) == values.size


def _positional(parts: Sequence[tuple[int, int | Table]], sizes: Sequence[int]) -> bool:
    if len(parts) == 1 and isinstance(parts[0][1], Table):
        return distinct(parts[0][1].values)
    strides: list[tuple[int, int]] = []
    for letter, stride in parts:
        if isinstance(stride, Table):
            return False
        strides.append((abs(stride), sizes[letter]))
    reach = 0
    for stride, size in sorted(strides):
        if stride <= reach:
            return False
        reach += stride * (size - 1)
    return True
