"""Equations between positional numbers: ``Σ s·a = Σ t·b``, solved digit by digit.

A digit is a letter with a stride. The finest digits of the two sides are compared first: a digit that the
other side cannot reach is fixed, a longer one is split, and digits that meet are one. Contract: the
values of the letters that are left are exactly those for which the equation holds, each once.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jacobians.notation.slots import Slot, letter_slot


class Vanishes(Exception):
    """No value of the letters satisfies an equation."""


class Unsolved(Exception):
    """The strides do not divide: the equation is none between digits."""


class Digit(NamedTuple):
    """A stride, how many values it takes, the letter that it is of, and its weight within that letter."""

    stride: int
    size: int
    letter: int
    weight: int


Pieces = dict[int, list[tuple[int, Slot]]]
"""For each letter what it is the sum of: weights, and slots."""


def solved(
    constant: int, digits: Iterable[tuple[int, int, int]], fresh: Callable[[int], int]
) -> Pieces:
    """The letters of ``constant + Σ stride · letter = 0`` by new ones.

    Parameters
    ----------
    constant : int
        The constant.
    digits : iterable of (int, int, int)
        A stride, a size and a letter for each.
    fresh : callable
        A new letter of a size.

    Raises
    ------
    Vanishes
        Where there is no solution.
    Unsolved
        Where the strides do not divide.
    """
    equation = _Equation(constant, digits)
    while equation.left and equation.right:
        equation.compare_finest()
    if equation.constant:
        raise Unsolved
    # Where one side is used up, what is left of the other must be 0: its digits stay out.
    for size, (a, weight), (b, other_weight) in equation.meetings:
        n = letter_slot(fresh(size))
        equation.pieces[a].append((weight, n))
        equation.pieces[b].append((other_weight, n))
    return equation.pieces


class _Equation:
    """What is left of an equation: its constant, and the digits of its sides, the finest last."""

    def __init__(self, constant: int, digits: Iterable[tuple[int, int, int]]) -> None:
        sides: tuple[list[Digit], list[Digit]] = ([], [])
        self.pieces: Pieces = {}
        for stride, size, letter in digits:
            sides[stride < 0].append(Digit(abs(stride), size, letter, 1))
            self.pieces[letter] = []
        self.constant = constant
        self.left, self.right = (sorted(side, reverse=True) for side in sides)
        if not (_is_positional(self.left) and _is_positional(self.right)):
            raise Unsolved
        # Digits that meet: their common size, and the weight within each of the two letters.
        self.meetings: list[tuple[int, tuple[int, int], tuple[int, int]]] = []

    def compare_finest(self) -> None:
        """Fix the finest digit, or let it meet that of the other side."""
        finer = self.left if self.left[-1].stride < self.right[-1].stride else self.right
        digit = finer.pop()
        coarser = min(other.stride for other in (*self.left, *self.right))
        if digit.stride < coarser:
            self._fix(digit, coarser, finer)
        else:
            finer.append(digit)
            self._meet(self.left.pop(), self.right.pop())

    def _fix(self, digit: Digit, coarser: int, side: list[Digit]) -> None:
        """All else is a multiple of the coarser stride: the digit's value modulo that is known."""
        stride, size, letter, weight = digit
        ratio, remainder = divmod(coarser, stride)
        if remainder or any(other.stride % coarser for other in (*self.left, *self.right)):
            raise Unsolved
        sign = 1 if side is self.left else -1
        known = -sign * self.constant // stride % ratio
        if known >= size or self.constant % stride:
            raise Vanishes
        self.constant += sign * stride * known
        self.pieces[letter].append((1, Slot(weight * known)))
        if (count := (size - 1 - known) // ratio + 1) > 1:
            side.append(Digit(coarser, count, letter, weight * ratio))

    def _meet(self, a: Digit, b: Digit) -> None:
        """Two digits of one stride, left and right, are one."""
        size = min(a.size, b.size)
        splits = (a.size < b.size and self.left) or (b.size < a.size and self.right)
        if self.constant and not self.left and not self.right:
            size = self._offset(a, b)
        elif self.constant and (
            self.constant % (a.stride * size) or not (splits or a.size == b.size)
        ):
            raise Unsolved
        elif splits:
            # The longer digit is split; its rest meets the next digit of the other side.
            longer, side = (b, self.right) if a.size < b.size else (a, self.left)
            if longer.size % size:
                raise Unsolved
            stride, count = longer.stride * size, longer.size // size
            side.append(Digit(stride, count, longer.letter, longer.weight * size))
        self.meetings.append((size, (a.letter, a.weight), (b.letter, b.weight)))

    def _offset(self, a: Digit, b: Digit) -> int:
        """The last digits differ by a known number, and both stay in range: how many values are left."""
        offset, remainder = divmod(-self.constant, a.stride)
        self.constant = 0
        first = max(0, -offset)
        size = min(b.size, a.size - offset) - first
        if size <= 0 or remainder:
            raise Vanishes
        self.pieces[a.letter].append((1, Slot(a.weight * (first + offset))))
        self.pieces[b.letter].append((1, Slot(b.weight * first)))
        return size


def _is_positional(digits: Sequence[Digit]) -> bool:
    """Whether the digits (largest stride first) name each number at most once."""
    reach = 0
    for stride, size, _, _ in reversed(digits):
        if stride <= reach:
            return False
        reach += stride * (size - 1)
    return True
