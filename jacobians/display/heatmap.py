"""Heat maps as SVG: one path for each shade, the shades being the style's, so that they follow it.

The page's script reads the same facts (``facts``) to say what lies under the pointer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.html import LEVELS, Markup, element
from jacobians.display.numbers import short
from jacobians.display.pictures import Axis, Grid, Picture, counting

Array = NDArray[Any]
_WIDEST = 640  # pixels, labels left out
_TALLEST = 640
_TICKS = 12
_NARROW = 300  # pixels


class Layout(NamedTuple):
    """Where cells lie, in pixels: the side of a cell, and the gaps between blocks down and across."""

    side: int
    block: tuple[int, int]
    gaps: tuple[int, int]
    height: int
    width: int

    def start(self, index: int, direction: int) -> int:
        """Where a row (0) or a column (1) begins."""
        return index * self.side + index // max(self.block[direction], 1) * self.gaps[direction]


def layout_of(grid: Grid, *, widest: int = _WIDEST, tallest: int = _TALLEST) -> Layout:
    """Cells as large as there is room for, 2 to 30 pixels."""
    shape, block = grid.shape, grid.block
    side = max(2, min(30, widest // max(shape[1], 1), tallest // max(shape[0], 1)))
    apart = max(2, min(10, side // 2))
    gaps = [apart if 1 < b < n else 0 for n, b in zip(shape, block, strict=True)]
    height, width = (
        n * side + max(0, -(-n // max(b, 1)) - 1) * gap
        for n, b, gap in zip(shape, block, gaps, strict=True)
    )
    return Layout(side, block, (gaps[0], gaps[1]), height, width)


def limit_of(values: Array) -> float:
    """The largest finite magnitude: the end of the colour scale."""
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))


def shades(values: Array) -> NDArray[np.int_]:
    """The shade of each cell, −LEVELS to LEVELS; LEVELS + 1 where a value is no finite number."""
    limit = limit_of(values)
    finite = np.isfinite(values)
    scaled = np.where(finite, values, 0.0) / (limit or 1.0)
    found = np.sign(scaled) * np.ceil(np.abs(scaled) * LEVELS)
    return np.where(finite, found, LEVELS + 1).astype(int)


def heat_map(picture: Picture, layout: Layout, description: str) -> Markup:
    """A path for each shade; what the structure rules out is left as the block's ground."""
    shade = shades(picture.values)
    paths = [
        element("path", class_=_class(level), d=_path(picture.possible & (shade == level), layout))
        for level in range(-LEVELS, LEVELS + 2)
        if np.any(picture.possible & (shade == level))
    ]
    return _svg(picture.grid, layout, description, paths)


def spy_plot(grid: Grid, possible: NDArray[np.bool_], layout: Layout, description: str) -> Markup:
    """One path: where the structure allows a nonzero."""
    return _svg(
        grid, layout, description, [element("path", class_="spy", d=_path(possible, layout))]
    )


def _svg(grid: Grid, layout: Layout, description: str, paths: Sequence[Markup]) -> Markup:
    return element(
        "svg",
        element("path", class_="empty", d=_ground(grid, layout)),
        *paths,
        viewBox=f"0 0 {max(layout.width, 1)} {max(layout.height, 1)}",
        role="img",
        aria_label=description,
        style=f"width:{layout.width}px",
        shape_rendering="crispEdges",
    )


def _class(level: int) -> str:
    if level == LEVELS + 1:
        return "bad"
    return "zero" if level == 0 else f"{'p' if level > 0 else 'n'}{abs(level)}"


def _ground(grid: Grid, layout: Layout) -> str:
    """A rectangle behind each block."""
    (high, wide), (rows, columns) = grid.block, grid.shape
    if layout.gaps == (0, 0):
        return _box(0, 0, layout.width, layout.height)
    high, wide = (high if layout.gaps[0] else rows), (wide if layout.gaps[1] else columns)
    return "".join(
        _box(layout.start(column, 1), layout.start(row, 0), wide * layout.side, high * layout.side)
        for row in range(0, rows, max(high, 1))
        for column in range(0, columns, max(wide, 1))
    )


def _path(cells: NDArray[np.bool_], layout: Layout) -> str:
    """Boxes over the cells; where cells are small, neighbours in a row share one."""
    side = layout.side
    line = 1 if side >= 7 else 0  # a hair between cells
    longest = 1 if line else layout.block[1] if layout.gaps[1] else cells.shape[1]
    return "".join(
        _box(layout.start(column, 1), layout.start(row, 0), length * side - line, side - line)
        for row, column, length in runs(cells, longest)
    )


def _box(x: int, y: int, width: int, height: int) -> str:
    return f"M{x} {y}h{width}v{height}h-{width}z"


def runs(cells: NDArray[np.bool_], longest: int) -> list[tuple[int, int, int]]:
    """Row, column, length of the runs of true cells in each row, cut at multiples of ``longest``."""
    found: list[tuple[int, int, int]] = []
    for row, column in np.argwhere(cells).tolist():
        if found:
            last_row, start, length = found[-1]
            if row == last_row and column == start + length and column % longest:
                found[-1] = (row, start, length + 1)
                continue
        found.append((row, column, 1))
    return found


def ticked(drawing: Markup, grid: Grid, layout: Layout, **attributes: str | int) -> Markup:
    """The drawing with indices above it and at its left."""
    across, down = (ticks(grid, layout, direction) for direction in (1, 0))
    longest = max((text for _, text in down), key=len, default="")
    return element(
        "div",
        element(
            "div",
            *(element("span", text, style=f"left:{place:.4g}%") for place, text in across),
            class_="ticks across",
            aria_hidden="true",
        )
        if across
        else None,
        element(
            "div",
            element("i", longest),
            *(element("span", text, style=f"top:{place:.4g}%") for place, text in down),
            class_="ticks down",
            aria_hidden="true",
        ),
        drawing,
        class_="map",
        **attributes,
    )


def legend(picture: Picture) -> Markup:
    """The scale of shades with its ends, and what the other colours mean."""
    shown = picture.values[picture.possible]
    limit = limit_of(shown)
    low = limit > 0 and bool(np.any(shown < 0))
    high = limit > 0 and bool(np.any(shown > 0))
    items = []
    if limit:
        levels = [*range(-LEVELS if low else 1, 0 if low and not high else LEVELS + 1)]
        left = short(-limit) if low else "0"
        right = short(limit) if high else "0"
        items.append(element("li", left, _swatches([_class(n) for n in levels if n]), right))
    if bool(np.any(shown == 0)):
        items.append(element("li", _swatches(["zero"]), "may be nonzero, is 0"))
    if not picture.possible.all():
        items.append(element("li", _swatches(["empty"]), "0 by structure"))
    if not np.isfinite(shown).all():
        items.append(element("li", _swatches(["bad"]), "nan or infinite"))
    return element("ul", *items, class_="legend")


def _swatches(classes: Sequence[str]) -> Markup:
    return element(
        "svg",
        *(
            element("path", class_=name, d=_box(8 * number, 0, 8, 14))
            for number, name in enumerate(classes)
        ),
        viewBox=f"0 0 {8 * len(classes)} 14",
        aria_hidden="true",
    )


def ticks(grid: Grid, layout: Layout, direction: int) -> list[tuple[float, str]]:
    """Labels beside the map with their places in percent: of blocks where they stand apart, else cells."""
    outer, all_axes = (
        (grid.outer_rows, grid.rows),
        (grid.outer_columns, grid.columns),
    )[direction]
    all_axes = counting(all_axes)
    count, block = grid.shape[direction], grid.block[direction]
    length = (layout.height, layout.width)[direction]
    if not count or not all_axes:
        return []
    blocks = 1 < block < count
    axes, per = (counting(outer), block) if blocks else (all_axes, 1)
    last = index_text(axes, count // per - 1)
    lead = f"{','.join(axis.letter for axis in axes)} = "
    # Labels above the map share the width of a phone's screen, those beside it have a line each.
    most = min(_TICKS, _NARROW // (7 * max(len(last), len(lead)) + 10)) if direction else _TICKS
    stride = -(-count // (per * max(1, most)))
    return [
        (
            100 * (layout.start(number * per, direction) + per * layout.side / 2) / length,
            f"{'' if number else lead}{index_text(axes, number)}",
        )
        for number in range(0, count // per, stride)
    ]


def index_text(axes: Sequence[Axis], cell: int) -> str:
    """The indices of a cell along its axes, ``1,2``; the first one where several share it."""
    places = []
    for axis in reversed(axes):
        cell, place = divmod(cell, axis.cells)
        places.append(str(place * axis.step))
    return ",".join(reversed(places))


def facts(picture: Picture, layout: Layout) -> dict[str, Any]:
    """What the page's script needs: geometry, axes, and the values that can be nonzero, in order."""
    grid = picture.grid
    return {
        "side": layout.side,
        "gaps": layout.gaps,
        "shape": grid.shape,
        "block": grid.block,
        "rows": [list(axis) for axis in grid.rows],
        "columns": [list(axis) for axis in grid.columns],
        "exact": grid.exact,
        "runs": [number for run in runs(picture.possible, grid.shape[1] or 1) for number in run],
        "values": [_plain(x) for x in picture.values[picture.possible]],
    }


def _plain(number: Any) -> float | str:
    """A number as JSON has it, as short as its type allows; nan and infinities by name."""
    return float(str(number)) if np.isfinite(number) else str(float(number))
