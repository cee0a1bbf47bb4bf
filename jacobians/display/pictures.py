"""A tensor unfolded into a grid of blocks: block (i, j) is ∂A_ij/∂B, and the axes that count through it.

Where the grid would have too many cells, neighbouring indices share one: it then shows the norm of
the entries behind it.
"""

from collections.abc import Sequence
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


def _cells(axes: Sequence[Axis]) -> int:
    return prod(axis.cells for axis in axes)


def unfolded(axes: Sequence[Axis], out_ndim: int) -> Grid:
    """Blocks over the output's axes, the input's inside them; the last axis of each goes across."""
    out, inner = tuple(axes[:out_ndim]), tuple(axes[out_ndim:])
    down = max(len(out) - 1, 1)
    across = max(len(inner) - 1, 0)
    return Grid(out[:down], inner[:across], out[down:], inner[across:])


def flattened(axes: Sequence[Axis], out_ndim: int) -> Grid:
    """The matrix ∂vec(A)/∂vec(B): a row for each entry of the output."""
    return Grid(tuple(axes[:out_ndim]), (), (), tuple(axes[out_ndim:]))


def coarsened(axes: Sequence[Axis], out_ndim: int, most: int, *, longest: int) -> list[Axis]:
    """The axes with steps that keep the unfolded grid within ``most`` cells, ``longest`` to a side.

    The axis with the most cells is halved first.
    """
    found = list(axes)
    while True:
        rows, columns = unfolded(found, out_ndim).shape
        if rows * columns <= most and max(rows, columns) <= longest:
            return found
        side = None
        if rows > longest or columns > longest:
            grid = unfolded(found, out_ndim)
            side = grid.rows if rows >= columns else grid.columns
        candidates = [n for n, axis in enumerate(found) if side is None or axis in side]
        widest = max(candidates, key=lambda n: found[n].cells)
        found[widest] = found[widest]._replace(step=2 * found[widest].step)


def shared(values: Array, axes: Sequence[Axis]) -> Array:
    """The norms of entries that share a cell, one axis for each of ``axes``; entries where none do."""
    if all(axis.step == 1 for axis in axes):
        return values
    with np.errstate(all="ignore"):
        found = np.square(values)
        for number, axis in enumerate(axes):
            if axis.step > 1:
                found = np.add.reduceat(found, np.arange(0, axis.size, axis.step), axis=number)
        return np.asarray(np.sqrt(found))


def arranged(cells: Array, letters: str, grid: Grid) -> Array:
    """An array with an axis for each letter as the grid's rows and columns."""
    order = [letters.index(axis.letter) for axis in grid.rows + grid.columns]
    return np.transpose(cells, order).reshape(grid.shape)


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
