"""Equations between positional numbers: every solution, each once, against trying all values."""

from itertools import product

import numpy as np
import pytest

from jacobians.notation.join import unify
from jacobians.notation.slots import Slot, letter_slot, positions

Digits = list[tuple[int, int]]


def _digits(rng: np.random.Generator) -> Digits:
    """Strides and sizes, mostly such that each stride is the product of the smaller sizes."""
    found: Digits = []
    stride = int(rng.choice([1, 1, 1, 2, 3]))
    for _ in range(rng.integers(1, 4)):
        size = int(rng.integers(1, 5))
        found.append((stride, size))
        stride *= size + (0 if rng.random() < 0.8 else int(rng.integers(0, 3)))
    return found


def _value(slot: Slot, letters: tuple[int, ...]) -> int:
    return slot.constant + sum(s * letters[a] for a, s in slot.parts if isinstance(s, int))


@pytest.mark.parametrize("seed", range(8))
def test_every_solution_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(150):
        left_digits, right_digits = _digits(rng), _digits(rng)
        sizes = [size for _, size in left_digits + right_digits]
        known = int(rng.integers(-6, 7)) if rng.random() < 0.6 else 0
        left = Slot(max(known, 0), tuple((n, s) for n, (s, _) in enumerate(left_digits)))
        start = len(left_digits)
        right = Slot(max(-known, 0), tuple((start + n, s) for n, (s, _) in enumerate(right_digits)))
        everything = product(*map(range, sizes))
        wanted = [v for v in everything if _value(left, v) == _value(right, v)]
        solved = unify(sizes, [(left, right)], [letter_slot(n) for n in range(len(sizes))])
        found: list[tuple[int, ...]] = []
        if solved is not None:
            new, slots = solved
            columns = [np.broadcast_to(positions(s, new, range(len(new))), new) for s in slots]
            found = list(zip(*(c.ravel().tolist() for c in columns), strict=True))
        assert sorted(found) == wanted


@pytest.mark.parametrize(
    ("left", "right", "sizes"),
    [
        # 4·i + j = 2·a: every second entry of a reshaped matrix.
        (Slot(0, ((0, 4), (1, 1))), Slot(0, ((2, 2),)), (3, 4, 6)),
        # 4·i + j = 2·a + 1: the odd ones.
        (Slot(0, ((0, 4), (1, 1))), Slot(1, ((2, 2),)), (3, 4, 6)),
        # 4·i + j = a + 4: all but the first row.
        (Slot(0, ((0, 4), (1, 1))), Slot(4, ((2, 1),)), (3, 4, 8)),
        # 6·i + j = 2·a + b: rows of 6 as pairs.
        (Slot(0, ((0, 6), (1, 1))), Slot(0, ((2, 2), (3, 1))), (2, 6, 6, 2)),
    ],
)
def test_slices_of_reshapes_need_no_table(left: Slot, right: Slot, sizes: tuple[int, ...]) -> None:
    solved = unify(sizes, [(left, right)], [letter_slot(n) for n in range(len(sizes))])
    assert solved is not None
    assert all(slot.affine for slot in solved[1])
