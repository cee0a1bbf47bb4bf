"""The letters of a term's slots; what is no whole axis is read through a constant array."""

from collections.abc import Callable, Sequence
from typing import Any

from jacobians.algebra.atoms import Letters
from jacobians.algebra.constants import selection, splitting, unit
from jacobians.notation.slots import ZERO, Slot, Table, column
from jacobians.notation.terms import Term, full_letter


class Unread(Exception):
    """There is no expression for it here; the text says why."""


class Places:
    """The letters of a term's slots; what is no whole axis is read through a constant array."""

    def __init__(self, term: Term, table: Callable[[Table], str]) -> None:
        self.sizes = dict(enumerate(term.sizes))
        self.pieces: list[Any] = []
        self._term, self._table = term, table

    def _new(self, size: int) -> int:
        letter = len(self.sizes)
        self.sizes[letter] = size
        return letter

    def letters(self, slots: Sequence[Slot], shape: Sequence[int]) -> Letters:
        """A letter for each axis that is read or written at slots."""
        return tuple(self._letter(s, n) for s, n in zip(slots, shape, strict=True))

    def _letter(self, slot: Slot, size: int) -> int | None:
        if size == 1 and slot == ZERO:
            return None
        if not slot.parts:  # one entry of an axis: a unit vector stands there
            new = self._new(size)
            self.pieces.append((unit(slot.constant, size), (new,), 1))
            return new
        letter = full_letter(slot, self._term.sizes, size)
        if letter is not None:
            return letter
        if len(slot.parts) == 1:
            return self._selected(slot, size)
        return self._split(slot, size)

    def _selected(self, slot: Slot, size: int) -> int:
        ((letter, stride),) = slot.parts
        new = self._new(size)
        positions = slot.constant + column(stride, self._term.sizes[letter])
        called = ""
        if isinstance(stride, Table):
            called = self._table(stride if not slot.constant else Table(positions))
        self.pieces.append((selection(positions, size, called), (letter, new), 1))
        return new

    def _split(self, slot: Slot, size: int) -> int:
        """An axis that two letters count through, the second one the faster."""
        parts = sorted(
            slot.parts, key=lambda part: -abs(part[1]) if isinstance(part[1], int) else 0
        )
        (a, slow), (b, fast) = parts[0], parts[-1]
        n, m = self._term.sizes[a], self._term.sizes[b]
        if len(parts) != 2 or slot.constant or (slow, fast) != (m, 1) or n * m != size:
            raise Unread("entries move by other than whole axes")
        new = self._new(size)
        self.pieces.append((splitting(size, (n, m)), (new, a, b), 1))
        return new
