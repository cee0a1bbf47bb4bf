"""Arrays of numbers that stand for structure: where entries go, what sums up, what takes a mean away.

A selection has one 1 in each row: ``Σ_l S_kl x_l`` is ``x_t(k)``. A splitting reads a long axis as two. The
centring matrix is ``C = I − 𝟏 𝟏ᵀ / n``. Contract: ``settle`` keeps the product that it is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jacobians.algebra.atoms import Atom

Array = NDArray[np.float64]

_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, eq=False)
class Fixed(Atom):
    """Numbers, whatever the arguments are; ``code`` is what NumPy makes them by."""

    name: str
    shape: tuple[int, ...]
    code: str
    latex: str = ""

    def __post_init__(self) -> None:
        self._keyed(self.name, self.shape, self.code)

    @property
    def is_positive(self) -> bool:
        """Its entries are 0 or 1."""
        return True


@dataclass(frozen=True, eq=False)
class Unit(Fixed):
    """A unit vector: 1 at ``place``."""

    place: int = 0


@dataclass(frozen=True, eq=False)
class Selector(Fixed):
    """A 1 in each row k, at ``positions[k]``; ``offset`` where these are ``offset + stride · k``."""

    positions: tuple[int, ...] = ()
    stride: int | None = None
    table: str = ""

    @property
    def injective(self) -> bool:
        """Whether no entry is selected twice."""
        return len(set(self.positions)) == len(self.positions)


@dataclass(frozen=True, eq=False)
class Splitting(Fixed):
    """``V_nab = 1`` where ``n = b + size_b · a``."""


@dataclass(frozen=True, eq=False)
class Centring(Fixed):
    """``C x = x − mean(x)``."""

    @property
    def is_positive(self) -> bool:
        """Its entries have either sign."""
        return False


@dataclass(frozen=True, eq=False)
class Triangle(Fixed):
    """``L_kl = 1`` where l ≤ k: ``L x`` are the cumulative sums of x."""


def unit(place: int, size: int) -> Unit:
    """The column of an identity."""
    name = f"e{place}".translate(_LOWERED)
    return Unit(name, (size,), f"np.eye({size})[{place}]", f"e_{{{place}}}", place)


def selection(positions: Iterable[int], size: int, table_name: str) -> Selector:
    """What reads an axis of this size at these positions."""
    at = tuple(int(p) for p in positions)
    count = len(at)
    steps = {b - a for a, b in pairwise(at)}
    shape = (count, size)
    if len(steps) > 1 or steps == {0}:
        code = f"np.eye({size})[{list(at)}]"
        latex = f"\\operatorname{{onehot}}({table_name})"
        return Selector(f"onehot({table_name})", shape, code, latex, at, None, table_name)
    stride = steps.pop() if steps else 1
    start, last = at[0], at[-1]
    end = last + (1 if stride > 0 else -1)
    code = f"np.eye({size})[{start}:{'' if end < 0 else end}:{stride}]"
    if stride == 1:
        return Selector(*_block(start, count, size), at, 1)
    if stride == -1 and count == size:
        return Selector("J", shape, code, "J", at, -1)
    until = "" if (stride > 0 and last + stride >= size) or end < 0 else end
    name = f"I[{start or ''}:{until}:{stride}]"
    return Selector(name, shape, code, f"\\mathrm{{{name}}}", at, stride)


def _block(start: int, count: int, size: int) -> tuple[str, tuple[int, int], str, str]:
    """``[0 I]``: columns of zeros, the identity, columns of zeros; more than one by their number."""
    after = size - start - count
    widths = [start, 0, after]
    shown = [str(w).translate(_LOWERED) if w > 1 else "" for w in widths]
    parts = [f"0{shown[0]}"] * (start > 0) + ["I"] + [f"0{shown[2]}"] * (after > 0)
    signs = [f"0_{{{w}}}" if w > 1 else "0" for w in widths]
    latex = [signs[0]] * (start > 0) + ["I"] + [signs[2]] * (after > 0)
    code = f"np.eye({size})[{start}:{start + count}]"
    between = "\\; ".join(latex)
    return f"[{' '.join(parts)}]", (count, size), code, f"[\\,{between}\\,]"


def splitting(size: int, shape: tuple[int, int]) -> Splitting:
    """An axis of that size as two."""
    return Splitting(
        "split", (size, *shape), f"np.reshape(np.eye({size}), ({size}, {shape[0]}, {shape[1]}))"
    )


def centring(size: int) -> Centring:
    """The centring matrix."""
    return Centring("C", (size, size), f"(np.eye({size}) - np.ones(({size}, {size})) / {size})")


def triangle(size: int) -> Triangle:
    """Ones on and below the diagonal."""
    return Triangle("L", (size, size), f"np.tri({size})")


def matrix_of(rows: Sequence[int], columns: Sequence[int], shape: tuple[int, int]) -> Array:
    """How often each pair of positions occurs."""
    found = np.zeros(shape)
    np.add.at(found, (list(rows), list(columns)), 1)
    return found
