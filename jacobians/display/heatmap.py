"""Pictures of tensors as SVG: one path for each shade, so that a style sheet gives the colours.

The page's script reads ``facts`` of the same picture to say what lies under the pointer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.html import LEVELS, Markup, element
from jacobians.display.numbers import short
from jacobians.display.unfolding import Picture, Scale

Array = NDArray[Any]
Marks = NDArray[np.bool_]
_LARGEST = 30  # pixels of a cell's side
_HAIR = 14  # from this side on, cells stand a pixel apart
_STRIP = 60  # pixels that a picture of few rows or columns has at least
_TICKS = 12
_NARROW = 300  # pixels that labels side by side may take: a phone's screen
_LETTER = 7  # pixels of a letter of a label


class Geometry(NamedTuple):
    """Where cells lie, in pixels.

    Attributes
    ----------
    shape, block : tuple of int
        Rows and columns, of all cells and of a block.
    cell : tuple of int
        A cell's height and width.
    gaps : tuple of int
        Between blocks, down and across; 0 where they are not set apart.
    """

    shape: tuple[int, int]
    block: tuple[int, int]
    cell: tuple[int, int]
    gaps: tuple[int, int]

    def start(self, index: int, direction: int) -> int:
        """Where a row (0) or a column (1) begins."""
        before = index // max(self.block[direction], 1)
        return index * self.cell[direction] + before * self.gaps[direction]

    def length(self, direction: int) -> int:
        """The height (0) or the width (1)."""
        count = self.shape[direction]
        return self.start(count - 1, direction) + self.cell[direction] if count else 0


def geometry_of(seen: Picture, *, widest: int, tallest: int) -> Geometry:
    """Squares as large as there is room for, from 2 pixels on; a strip that would be thin is widened."""
    rows, columns = seen.cells.shape
    side = max(2, min(_LARGEST, widest // max(columns, 1), tallest // max(rows, 1)))
    height, width = (max(side, min(_LARGEST, _STRIP // max(count, 1))) for count in (rows, columns))
    apart = max(2, min(10, side // 2))
    gaps = [
        apart if 1 < block < count else 0
        for count, block in zip((rows, columns), seen.step, strict=True)
    ]
    return Geometry((rows, columns), seen.step, (height, width), (gaps[0], gaps[1]))


# The drawing


def heat_map(
    seen: Picture, possible: Marks, scale: Scale, where: Geometry, description: str
) -> Markup:
    """A path for each shade; what the structure rules out shows the ground of its block.

    Parameters
    ----------
    seen : Picture
        The values.
    possible : numpy.ndarray
        Which cells the structure allows to be nonzero.
    scale : Scale
        What the last shade stands for; cells beyond it are marked.
    where : Geometry
        Where the cells lie.
    description : str
        For those who do not see it.
    """
    shade = shades(seen.cells, scale)
    paths = []
    for level in range(-LEVELS, LEVELS + 2):
        cells = possible & (shade == level)
        if cells.any():
            paths.append(element("path", class_=shade_class(level), d=_boxes(cells, where)))
    beyond = possible & clipped(seen.cells, scale)
    if beyond.any():
        paths.append(element("path", class_="beyond", d=_dots(beyond, where)))
    return _svg(where, description, paths)


def spy_plot(seen: Picture, where: Geometry, description: str) -> Markup:
    """One path: where the structure allows a nonzero."""
    return _svg(where, description, [element("path", class_="spy", d=_boxes(seen.cells, where))])


def shades(cells: Array, scale: Scale) -> NDArray[np.int_]:
    """The shade of each cell, −LEVELS to LEVELS; LEVELS + 1 where it is no finite number."""
    finite = np.isfinite(cells)
    parts = np.clip(np.where(finite, cells, 0.0) / scale.limit, -1, 1)
    found = np.sign(parts) * np.ceil(np.abs(parts) * LEVELS)
    return np.where(finite, found, LEVELS + 1).astype(int)


def clipped(cells: Array, scale: Scale) -> Marks:
    """Finite values beyond the scale."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(cells) & (np.abs(cells) > scale.limit)


def shade_class(level: int) -> str:
    """The name that the style sheet knows a shade by."""
    if level > LEVELS:
        return "bad"
    return "zero" if level == 0 else f"{'p' if level > 0 else 'n'}{abs(level)}"


def _svg(where: Geometry, description: str, paths: Sequence[Markup]) -> Markup:
    height, width = where.length(0), where.length(1)
    return element(
        "svg",
        element("path", class_="empty", d=_ground(where)),
        *paths,
        viewBox=f"0 0 {max(width, 1)} {max(height, 1)}",
        role="img",
        aria_label=description,
        style=f"width:{width}px",
        shape_rendering="crispEdges",
    )


def _ground(where: Geometry) -> str:
    """A box behind each block that is set apart."""
    high, wide = (
        block if gap else count
        for count, block, gap in zip(where.shape, where.block, where.gaps, strict=True)
    )
    return "".join(
        _box(
            where.start(column, 1), where.start(row, 0), wide * where.cell[1], high * where.cell[0]
        )
        for row in range(0, where.shape[0], max(high, 1))
        for column in range(0, where.shape[1], max(wide, 1))
    )


def _boxes(cells: Marks, where: Geometry) -> str:
    """A box over each cell; where cells touch, neighbours in a row share one."""
    height, width = where.cell
    hair = 1 if min(where.cell) >= _HAIR else 0
    longest = 1 if hair else where.block[1] if where.gaps[1] else max(where.shape[1], 1)
    return "".join(
        _box(where.start(column, 1), where.start(row, 0), length * width - hair, height - hair)
        for row, column, length in runs(cells, longest)
    )


def _dots(cells: Marks, where: Geometry) -> str:
    """A small box in the middle of each cell."""
    size = max(1, min(where.cell) // 4)
    down, across = ((length - size) // 2 for length in where.cell)
    return "".join(
        _box(where.start(column, 1) + across, where.start(row, 0) + down, size, size)
        for row, column in np.argwhere(cells).tolist()
    )


def _box(x: int, y: int, width: int, height: int) -> str:
    return f"M{x} {y}h{width}v{height}h-{width}z"


def runs(cells: Marks, longest: int) -> list[tuple[int, int, int]]:
    """Row, column, length of the runs of true cells in each row, cut at multiples of ``longest``."""
    found: list[tuple[int, int, int]] = []
    for row, column in np.argwhere(cells).tolist():
        if found:
            last, start, length = found[-1]
            if row == last and column == start + length and column % longest:
                found[-1] = (row, start, length + 1)
                continue
        found.append((row, column, 1))
    return found


# What stands around it


def ticked(drawing: Markup, seen: Picture, where: Geometry, **attributes: str | int) -> Markup:
    """The drawing with indices above it and at its left."""
    across, down = (ticks(seen, where, direction) for direction in (1, 0))
    longest = max((text for _, text in down), key=len, default="")
    above = (element("span", text, style=f"left:{place:.4g}%") for place, text in across)
    beside = (element("span", text, style=f"top:{place:.4g}%") for place, text in down)
    return element(
        "div",
        element("div", *above, class_="ticks across", aria_hidden="true") if across else None,
        element("div", element("i", longest), *beside, class_="ticks down", aria_hidden="true"),
        drawing,
        class_="map",
        **attributes,
    )


def ticks(seen: Picture, where: Geometry, direction: int) -> list[tuple[float, str]]:
    """Labels with their places in percent: of blocks that are set apart, else of cells."""
    layout = seen.layout
    outer, inner = (
        (layout.down, layout.inner_down) if direction == 0 else (layout.along, layout.inner_along)
    )
    step = where.block[direction] if where.gaps[direction] else 1
    axes = counting(seen, outer if step > 1 else (*outer, *inner))
    count = where.shape[direction] // step
    if not axes or not count:
        return []
    lead = f"{','.join(layout.axes[a] for a in axes)} = "

    def text(number: int) -> str:
        cell = (number * step, 0) if direction == 0 else (0, number * step)
        ranges = seen.ranges(*cell)
        return ("" if number else lead) + ",".join(str(ranges[a][0]) for a in axes)

    # Labels side by side share a phone's screen; those below each other have the height drawn on it.
    height = where.length(0) * min(1, _NARROW / where.length(1))
    first, last = len(text(0)), len(text(count - 1))
    apart = max((first + last) / 2, last) * _LETTER + 6  # of the centres of two labels
    width = min(_NARROW, where.length(1))
    room = int(height) // 14 if direction == 0 else int(width / apart)
    most = min(_TICKS, max(1, room))
    middle = step * where.cell[direction] / 2
    return [
        (
            100 * (where.start(number * step, direction) + middle) / where.length(direction),
            text(number),
        )
        for number in range(0, count, -(-count // most))
    ]


def counting(seen: Picture, axes: Sequence[int]) -> tuple[int, ...]:
    """Those axes whose indices do not all share one cell."""
    return tuple(a for a in axes if seen.groups[a] == seen.layout.shape[a] or seen.groups[a] > 1)


def legend(seen: Picture, possible: Marks, scale: Scale) -> Markup:
    """The scale of shades with its ends, and what else is to be seen."""
    shown = seen.cells[possible]
    with np.errstate(invalid="ignore"):
        low, high = bool(np.any(shown < 0)), bool(np.any(shown > 0))
    items = []
    if low or high:
        levels = range(-LEVELS if low else 1, LEVELS + 1 if high else 0)
        left, right = short(-scale.limit) if low else "0", short(scale.limit) if high else "0"
        items.append(element("li", left, _swatches([shade_class(n) for n in levels if n]), right))
    if scale.clipped:
        far = f"{scale.clipped:,} beyond the scale, up to {short(scale.largest, 3)}"
        items.append(
            element("li", _swatches([shade_class(LEVELS if high else -LEVELS)], dot=True), far)
        )
    if np.any(shown == 0):
        items.append(element("li", _swatches(["zero"]), "can be nonzero, is 0"))
    if not possible.all():
        items.append(element("li", _swatches(["empty"]), "0 by structure"))
    if scale.nan or scale.infinite:
        counts = [f"{scale.nan:,} nan"] * (scale.nan > 0) + [f"{scale.infinite:,} infinite"] * (
            scale.infinite > 0
        )
        items.append(element("li", _swatches(["bad"]), ", ".join(counts)))
    return element("ul", *items, class_="legend")


def _swatches(classes: Sequence[str], *, dot: bool = False) -> Markup:
    boxes = [
        element("path", class_=name, d=_box(8 * number, 0, 8, 14))
        for number, name in enumerate(classes)
    ]
    if dot:
        boxes.append(element("path", class_="beyond", d=_box(2, 5, 4, 4)))
    return element("svg", *boxes, viewBox=f"0 0 {8 * len(classes)} 14", aria_hidden="true")


def facts(seen: Picture, possible: Marks, where: Geometry) -> dict[str, Any]:
    """What the page's script needs: geometry, axes, and the values that can be nonzero, in order.

    An axis is its letter and its size, or where its groups of indices begin and end.
    """
    layout = seen.layout

    def axes(numbers: Sequence[int]) -> list[list[Any]]:
        return [
            [
                layout.axes[a],
                layout.shape[a] if seen.groups[a] == layout.shape[a] else seen.edges[a].tolist(),
            ]
            for a in numbers
        ]

    split = len(layout.down) + len(layout.inner_down)
    return {
        "size": where.cell,
        "gaps": where.gaps,
        "shape": where.shape,
        "block": where.block,
        "rows": axes(layout.order[:split]),
        "columns": axes(layout.order[split:]),
        "exact": not seen.summary,
        "runs": [n for run in runs(possible, max(where.shape[1], 1)) for n in run],
        "values": [_plain(x, seen.summary) for x in seen.cells[possible]],
    }


def _plain(number: Any, rounded: bool) -> float | str:
    """A number as JSON has it, as short as its type allows; nan and infinities by name."""
    if not np.isfinite(number):
        return str(float(number))
    return float(f"{number:.6g}" if rounded else str(number))
