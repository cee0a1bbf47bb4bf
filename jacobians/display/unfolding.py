"""A Jacobian tensor as a bounded picture: unfolded into blocks, summarised where it is too large.

Block ``(i, j)`` of the unfolded tensor is ``∂A_ij/∂B``. The last output axis runs along the columns
of the grid of blocks and all others along its rows; inside a block the input axes do the same. A
vector's only axis runs down the grid as an output and along the block as an input, so that the
Jacobian of a vector by a vector is the usual matrix.

A picture never has more cells than it was asked for. Where the entries do not fit, consecutive
indices of an axis are grouped, those inside blocks first, and a cell is the (Frobenius) norm of the
entries that it stands for. A picture of the structure keeps some cells in each block instead, and
groups the blocks. No dense tensor is made: norms come from a Hadamard square of the terms,
or from slices of bounded size; a pattern comes from the slots alone.
"""

from collections.abc import Sequence
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.shown import Shown
from jacobians.display.summaries import Edges, norms, reached

Array = NDArray[Any]

CELLS, COARSE = (
    512,
    256,
)  # of the side of a picture of values, and of structure, unless told otherwise
_INSIDE = 16  # a block is resolved only where that many cells fit into it
# Where a value is so many times larger than this quantile, what is larger than twice it is clipped.
_USUAL, _FAR, _KEPT = 0.95, 10, 2


class Layout(NamedTuple):
    """Which axes run where: down and along the grid of blocks, down and along a block.

    Attributes
    ----------
    shape : tuple of int
        Of the tensor.
    axes : str
        A letter for each axis.
    down, along : tuple of int
        The output axes along the rows and along the columns of the grid of blocks.
    inner_down, inner_along : tuple of int
        The input axes along the rows and along the columns of a block.
    """

    shape: tuple[int, ...]
    axes: str
    down: tuple[int, ...]
    along: tuple[int, ...]
    inner_down: tuple[int, ...]
    inner_along: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return self._count(self.down), self._count(self.along)

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of entries in a block."""
        return self._count(self.inner_down), self._count(self.inner_along)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes in the order in which they run through the unfolded matrix."""
        return (*self.down, *self.inner_down, *self.along, *self.inner_along)

    def _count(self, axes: Sequence[int]) -> int:
        return prod(self.shape[a] for a in axes)

    def label(self, *, rows: bool) -> str:
        """The letters and sizes of the axes along a side: ``blocks i (2), rows k (3)``."""
        outer, inner = (self.down, self.inner_down) if rows else (self.along, self.inner_along)
        texts = [", ".join(f"{self.axes[a]} ({self.shape[a]})" for a in n) for n in (outer, inner)]
        if not (outer and inner):
            return "".join(texts)
        return f"blocks {texts[0]}, {'rows' if rows else 'columns'} {texts[1]}"

    def unfold(self, array: Array) -> Array:
        """An array with the tensor's axes (of any sizes) as the matrix of its blocks."""
        split = len(self.down) + len(self.inner_down)
        rows = prod(array.shape[a] for a in self.order[:split])
        columns = prod(array.shape[a] for a in self.order[split:])
        return np.asarray(array).transpose(self.order).reshape(rows, columns)


def layout_of(shape: Sequence[int], out_ndim: int, axes: str) -> Layout:
    """How a tensor of this shape is unfolded."""
    out, inner = tuple(range(out_ndim)), tuple(range(out_ndim, len(shape)))
    along = out[-1:] if len(out) > 1 else ()
    return Layout(tuple(shape), axes, out[: len(out) - len(along)], along, inner[:-1], inner[-1:])


def matrix_layout(shape: Sequence[int], out_ndim: int, axes: str) -> Layout:
    """The tensor as the matrix ∂vec(A)/∂vec(B): output axes down, input axes along."""
    every = range(len(shape))
    return Layout(tuple(shape), axes, (*every[:out_ndim],), (), (), (*every[out_ndim:],))


class Picture(NamedTuple):
    """Cells of an unfolded tensor, and what each of them stands for.

    Attributes
    ----------
    cells : numpy.ndarray
        A matrix: entries, norms, or booleans (whether an entry can be nonzero).
    summary : bool
        Whether a cell stands for several entries.
    note : str
        What was done, in words.
    layout : Layout
        How the axes run.
    edges : tuple of numpy.ndarray
        For each axis of the tensor where its groups of indices begin, and the axis's size.
    """

    cells: Array
    summary: bool
    note: str
    layout: Layout
    edges: Edges

    @property
    def groups(self) -> tuple[int, ...]:
        """How many groups of indices each axis has; its size where none are grouped."""
        return tuple(len(edge) - 1 for edge in self.edges)

    @property
    def step(self) -> tuple[int, int]:
        """Rows and columns of cells in a block; blocks that are grouped are one cell."""
        groups, layout = self.groups, self.layout
        return (
            prod(groups[a] for a in layout.inner_down),
            prod(groups[a] for a in layout.inner_along),
        )

    def ranges(self, row: int, column: int) -> tuple[tuple[int, int], ...]:
        """For each axis, the first and the last index that a cell stands for."""
        layout, groups = self.layout, self.groups
        split = len(layout.down) + len(layout.inner_down)
        found: dict[int, tuple[int, int]] = {}
        for flat, axes in ((row, layout.order[:split]), (column, layout.order[split:])):
            places = np.unravel_index(flat, [groups[a] for a in axes]) if axes else ()
            for a, place in zip(axes, places, strict=True):
                edge = self.edges[a]
                found[a] = int(edge[place]), int(edge[place + 1]) - 1
        return tuple(found[a] for a in range(len(layout.shape)))

    def where(self, row: int, column: int) -> str:
        """The indices that a cell stands for: ``i = 1, j = 0…7, k = 2, l = 0``."""
        texts = [
            f"{name} = {first}" if first == last else f"{name} = {first}…{last}"
            for name, (first, last) in zip(self.layout.axes, self.ranges(row, column), strict=True)
        ]
        return ", ".join(texts)


class Scale(NamedTuple):
    """A scale of values that is centred at 0, and what of a picture does not fit on it.

    Attributes
    ----------
    limit : float
        The scale runs from ``-limit`` to ``limit``; 1 where all values are 0.
    largest : float
        The largest finite size of a value.
    clipped, nan, infinite : int
        How many cells lie beyond the limit, are nan, are infinite.
    """

    limit: float
    largest: float
    clipped: int
    nan: int
    infinite: int

    @property
    def note(self) -> str:
        """What is not on the scale, in words; empty where all is."""
        parts = []
        if self.clipped:
            parts.append(f"{self.clipped:,} clipped (up to {self.largest:.3g})")
        parts += [f"{self.nan:,} nan"] * (self.nan > 0)
        parts += [f"{self.infinite:,} infinite"] * (self.infinite > 0)
        return ", ".join(parts)


def scale_of(cells: Array) -> Scale:
    """A scale for these values; a few values that are far larger than the others are clipped."""
    sizes = np.abs(np.asarray(cells, float))
    finite = sizes[np.isfinite(sizes) & (sizes > 0)]
    nan, infinite = int(np.isnan(sizes).sum()), int(np.isinf(sizes).sum())
    if not finite.size:
        return Scale(1.0, 0.0, 0, nan, infinite)
    largest = limit = float(finite.max())
    usual = float(np.quantile(finite, _USUAL, method="lower"))
    if largest > _FAR * usual:
        limit = float(finite[finite <= _KEPT * usual].max())
    return Scale(limit, largest, int((finite > limit).sum()), nan, infinite)


def picture(tensor: Shown, *, rows: int = CELLS, columns: int = CELLS) -> Picture:
    """The values of a tensor in at most so many rows and columns of cells."""
    layout = layout_of(tensor.shape, tensor.out_ndim, tensor.axes)
    edges = _edges(layout, rows, columns, inside=1)
    groups = tuple(len(edge) - 1 for edge in edges)
    summary = groups != layout.shape
    values = norms(tensor, edges) if summary else np.asarray(tensor[...])
    note = _note(layout, groups, "each the norm of {}")
    return Picture(layout.unfold(values), summary, note, layout, edges)


def structure_picture(
    tensor: Shown, *, rows: int = COARSE, columns: int = COARSE, layout: Layout | None = None
) -> Picture:
    """Which cells can hold a nonzero, from the terms alone; masks do not count."""
    layout = layout or layout_of(tensor.shape, tensor.out_ndim, tensor.axes)
    edges = _edges(layout, rows, columns, inside=_INSIDE)
    groups = tuple(len(edge) - 1 for edge in edges)
    marks = reached(tensor.terms, edges)
    note = _note(layout, groups, "marked where any of {} can be nonzero")
    return Picture(layout.unfold(marks), groups != layout.shape, note, layout, edges)


def possible(tensor: Shown, seen: Picture) -> Array:
    """Which cells of a picture of values can hold a nonzero."""
    return seen.layout.unfold(reached(tensor.terms, seen.edges))


def corner(tensor: Shown, *, rows: int, columns: int) -> Picture | None:
    """Every entry of the first blocks only, those that fit with a line between them.

    None where fewer than two blocks (or all, where there are fewer) fit on a side.
    """
    layout = layout_of(tensor.shape, tensor.out_ndim, tensor.axes)
    counts = [*layout.shape]
    for limit, outer, blocks, size in (
        (rows, layout.down, layout.grid[0], layout.block[0]),
        (columns, layout.along, layout.grid[1], layout.block[1]),
    ):
        fit = limit if size == 1 else (limit + 1) // (size + 1)
        if fit < min(2, blocks):
            return None
        _group(counts, outer, fit)
    values = np.asarray(tensor[tuple(slice(0, n) for n in counts)])
    part = layout_of(counts, tensor.out_ndim, tensor.axes)
    (height, width), shown, of = layout.block, part.grid, layout.grid
    note = f"every entry, {shown[0]:,}×{shown[1]:,} of {of[0]:,}×{of[1]:,} blocks of {height:,}×{width:,}"
    edges = tuple(np.arange(n + 1) for n in counts)
    return Picture(part.unfold(values), False, note, layout, edges)


# Grouping


def _edges(layout: Layout, rows: int, columns: int, *, inside: int) -> Edges:
    """Groups for each axis, such that the picture fits.

    Blocks are grouped where fewer than ``inside`` cells would be left for each side of a block;
    what is left for it is used where it is worth the while.
    """
    counts = [*layout.shape]
    for limit, outer, inner in (
        (rows, layout.down, layout.inner_down),
        (columns, layout.along, layout.inner_along),
    ):
        blocks, within = (prod(layout.shape[a] for a in axes) for axes in (outer, inner))
        if blocks * within <= limit:
            continue
        least = min(within, inside, limit)
        _group(counts, outer, limit // least)
        room = limit // max(1, prod(counts[a] for a in outer))
        _group(counts, inner, room if room >= _INSIDE or blocks == 1 else least)
    return tuple(
        np.linspace(0, size, count + 1).astype(np.intp)
        for size, count in zip(layout.shape, counts, strict=True)
    )


def _group(counts: list[int], axes: Sequence[int], limit: int) -> None:
    """Fewer groups on the axes until their product is within the limit, the last axes first."""
    for n in reversed(range(len(axes))):
        before = prod(counts[a] for a in axes[:n])
        counts[axes[n]] = min(counts[axes[n]], max(1, limit // max(1, before)))


def _note(layout: Layout, groups: tuple[int, ...], cell: str) -> str:
    """What the cells are, in words."""
    if 0 in layout.shape:
        return "no entries: an axis has size 0"
    (rows, columns), (height, width) = layout.grid, layout.block
    count = f"{rows:,}×{columns:,} blocks" if rows * columns > 1 else "1 block"
    blocks = f"{count} of {height:,}×{width:,}"
    if groups == layout.shape:
        return f"every entry, {blocks}"
    down, along, inner_down, inner_along = (prod(groups[a] for a in part) for part in layout[2:])
    if inner_down == inner_along == 1:
        if (down, along) == (rows, columns):
            return f"block norms, {rows:,}×{columns:,} of {blocks}"
        size = f"{_most(layout, groups, layout.down)}×{_most(layout, groups, layout.along)}"
        return f"block norms, {down:,}×{along:,} groups of up to {size} of {blocks}"
    each = "×".join(
        _most(layout, groups, axes)
        for axes in (layout.down + layout.inner_down, layout.along + layout.inner_along)
    )
    what = cell.format(f"up to {each} entries")
    return f"{down * inner_down:,}×{along * inner_along:,} cells, {what}; {blocks}"


def _most(layout: Layout, groups: tuple[int, ...], axes: Sequence[int]) -> str:
    """The largest group on these axes."""
    return f"{prod(ceil(layout.shape[a] / groups[a]) for a in axes):,}"
