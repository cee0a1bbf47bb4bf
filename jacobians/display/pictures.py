"""A tensor unfolded into a grid of blocks: block (i, j) is ∂A_ij/∂B, and the axes that count through it.

Where the grid would have too many cells, neighbouring indices share one: it then shows the norm of
the entries behind it.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.notation.slots import positions, substitute, table_slot
from jacobians.notation.structure import pattern
from jacobians.notation.terms import Sum, Term, letter_count

Array = NDArray[Any]
_LISTED = 1 << 20  # positions of a term that are listed; of more, evenly spread ones


class Axis(NamedTuple):
    """An axis of the tensor by its letter and size; ``step`` neighbouring indices share a cell."""

    letter: str
    size: int
    step: int = 1

    @property
    def cells(self) -> int:
        """How many cells it takes."""
        return -(-self.size // self.step)


class Grid(NamedTuple):
    """How rows and columns count through the axes, the slowest first: outer ones, then those of a block."""

    outer_rows: tuple[Axis, ...]
    inner_rows: tuple[Axis, ...]
    outer_columns: tuple[Axis, ...]
    inner_columns: tuple[Axis, ...]

    @property
    def rows(self) -> tuple[Axis, ...]:
        """All axes that rows count through."""
        return self.outer_rows + self.inner_rows

    @property
    def columns(self) -> tuple[Axis, ...]:
        """All axes that columns count through."""
        return self.outer_columns + self.inner_columns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return _cells(self.rows), _cells(self.columns)

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return _cells(self.inner_rows), _cells(self.inner_columns)

    @property
    def exact(self) -> bool:
        """Whether each cell is one entry."""
        return all(axis.step == 1 for axis in self.rows + self.columns)


class Picture(NamedTuple):
    """A grid with its cells' values.

    Attributes
    ----------
    grid : Grid
        What the cells are.
    values : numpy.ndarray
        Of the grid's shape: entries, or norms of the entries that share a cell.
    possible : numpy.ndarray
        Booleans of that shape: where the structure allows a nonzero.
    """

    grid: Grid
    values: Array
    possible: NDArray[np.bool_]


def counting(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes without those whose indices all share one cell."""
    return tuple(axis for axis in axes if axis.step == 1 or axis.cells > 1)


def _cells(axes: Sequence[Axis]) -> int:
    return prod(axis.cells for axis in axes)


def unfolded(out_ndim: int) -> Callable[[Sequence[Axis]], Grid]:
    """Blocks over the output's axes, the input's inside them; the last axis of each goes across."""

    def arrange(axes: Sequence[Axis]) -> Grid:
        out, inner = tuple(axes[:out_ndim]), tuple(axes[out_ndim:])
        down, across = max(len(out) - 1, 1), max(len(inner) - 1, 0)
        return Grid(out[:down], inner[:across], out[down:], inner[across:])

    return arrange


def flattened(out_ndim: int) -> Callable[[Sequence[Axis]], Grid]:
    """The matrix ∂vec(A)/∂vec(B): a row for each entry of the output."""
    return lambda axes: Grid(tuple(axes[:out_ndim]), (), (), tuple(axes[out_ndim:]))


def coarsened(
    axes: Sequence[Axis], arrange: Callable[[Sequence[Axis]], Grid], most: int, longest: int
) -> Grid:
    """The grid with steps that keep it within ``most`` cells, and ``longest`` to a side.

    The axis with the most cells is halved first.
    """
    found = list(axes)
    while True:
        grid = arrange(found)
        rows, columns = grid.shape
        if rows * columns <= most and max(rows, columns) <= longest:
            return grid
        pressed = found
        if max(rows, columns) > longest:
            pressed = [*(grid.rows if rows >= columns else grid.columns)]
        widest = max(pressed, key=lambda axis: axis.cells)
        found[found.index(widest)] = widest._replace(step=2 * widest.step)


def arranged(values: Array, letters: str, grid: Grid) -> Array:
    """An array with an axis for each letter as rows and columns: entries, or norms of those that share a cell.

    An axis of length 1 stands for a whole axis whose norm was taken already.
    """
    steps = {axis.letter: axis.step for axis in grid.rows + grid.columns}
    found = values
    if not grid.exact:
        with np.errstate(all="ignore"):
            found = np.square(values)
            for number, letter in enumerate(letters):
                if steps[letter] > 1:
                    starts = np.arange(0, found.shape[number], steps[letter])
                    found = np.add.reduceat(found, starts, axis=number)
            found = np.sqrt(found)
    order = [letters.index(axis.letter) for axis in grid.rows + grid.columns]
    return np.transpose(found, order).reshape(grid.shape)


def occupied(tensor: Sum, letters: str, grid: Grid) -> NDArray[np.bool_]:
    """Which cells have an entry that the structure allows to be nonzero; nothing dense is made.

    Of a term with very many positions evenly spread ones are listed.
    """
    found = np.zeros(grid.shape, bool)
    for term in tensor.terms:
        listed = _thinned(pattern(term))
        kept = sorted(listed.kept)
        row, column = (
            _flat(listed, [(letters.index(axis.letter), axis) for axis in side], kept)
            for side in (grid.rows, grid.columns)
        )
        found[row, column] = True
    return found


def _flat(term: Term, axes: Sequence[tuple[int, Axis]], kept: Sequence[int]) -> Array:
    """The number of the row, or the column, at each value of the letters."""
    flat = np.zeros((1,) * len(kept), dtype=np.intp)
    for number, axis in axes:
        place = positions(term.slots[number], term.sizes, kept)
        flat = flat * axis.cells + place // axis.step
    return flat


def _thinned(term: Term) -> Term:
    """The pattern with fewer values of its letters, the first and the last among them."""
    sizes = list(term.sizes)
    while letter_count(sizes, term.kept) > _LISTED:
        largest = max(term.kept, key=lambda a: sizes[a])
        sizes[largest] = -(-sizes[largest] // 2)
    fewer = {
        a: table_slot(a, np.linspace(0, term.sizes[a] - 1, sizes[a]).astype(np.intp))
        for a in term.kept
        if sizes[a] < term.sizes[a]
    }
    if not fewer:
        return term
    slots = tuple(substitute(slot, fewer, sizes) for slot in term.slots)
    return Term(1, tuple(sizes), (), slots)
