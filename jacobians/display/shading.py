"""A Jacobian tensor as shaded cells of text, for a terminal.

A cell is two characters wide, and so about square: ``██`` is the largest positive number, ``−█`` as
large a negative one, blank is 0. Lines stand between the blocks, as in a plot.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.shown import Shown
from jacobians.display.unfolding import Picture, Scale, corner, picture, scale_of

Array = NDArray[Any]


class Shades(NamedTuple):
    """The characters: shades, what is off the scale, a minus sign, and the lines between blocks."""

    levels: str
    clipped: str
    minus: str
    nan: str
    infinite: str
    across: str
    down: str
    crossing: str


UNICODE = Shades("░▒▓█", "◆", "−", "??", "+∞", "─", "│", "┼")
ASCII = Shades(".:o#", "@", "-", "??", "+!", "-", "|", "+")


def shaded(
    tensor: Shown, *, width: int = 80, height: int = 24, shades: Shades = UNICODE
) -> list[str]:
    """The tensor unfolded into blocks of shaded cells, in at most so many characters and rows.

    Parameters
    ----------
    tensor : JacobianTensor
        Its entries; those of the first blocks, where all are too many, and norms of blocks, or of
        groups of them, where not even two blocks fit.
    width, height : int
        Of the picture, without the lines that say what it shows.
    shades : Shades
        ``UNICODE``, or ``ASCII`` for a terminal that has no other characters.

    Returns
    -------
    list of str
        Lines without trailing blanks.
    """
    seen = _fitting(tensor, width, height)
    layout = seen.layout
    sides = [f"{side}: {layout.label(rows=side == 'down')}" for side in ("down", "across")]
    caption = "; ".join(text for text in sides if not text.endswith(": "))
    if not seen.cells.size:
        return [seen.note]
    scale = scale_of(seen.cells)
    found = [_legend(seen.cells, scale, shades), seen.note, *([caption] if caption else []), ""]
    return found + _body(seen, scale, shades)


def _fitting(tensor: Shown, width: int, height: int) -> Picture:
    """The picture whose cells, of two characters, fit with the lines between blocks."""
    rows, columns = height, width // 2
    seen = picture(tensor, rows=rows, columns=columns)
    tall = seen.cells.shape[0] + _lines(seen, 0) > height
    broad = 2 * seen.cells.shape[1] + _lines(seen, 1) > width
    if not (seen.summary or tall or broad):
        return seen
    # With lines, three characters are enough for each column, and two rows for each row.
    rows, columns = height // 2 if tall else rows, width // 3 if broad else columns
    return corner(tensor, rows=height, columns=width // 3) or (
        picture(tensor, rows=rows, columns=columns) if tall or broad else seen
    )


def _lines(seen: Picture, side: int) -> int:
    """How many lines stand between blocks."""
    count, step = seen.cells.shape[side], seen.step[side]
    return count // step - 1 if step > 1 else 0


def _legend(cells: Array, scale: Scale, shades: Shades) -> str:
    """What the shades mean, as far as they occur."""
    most = f"{scale.limit:.3g}"
    parts = [f"{2 * shades.levels[-1]} is {most}"]
    if (cells[np.isfinite(cells)] < 0).any():
        parts.append(f"{shades.minus}{shades.levels[-1]} is {shades.minus}{most}")
    parts.append("blank is 0")
    if scale.clipped:
        parts.append(f"{2 * shades.clipped} is beyond that, up to {scale.largest:.3g}")
    parts += [f"{shades.nan} is nan"] * (scale.nan > 0)
    parts += [f"{shades.infinite} is infinite"] * (scale.infinite > 0)
    return ", ".join(parts)


def _body(seen: Picture, scale: Scale, shades: Shades) -> list[str]:
    (rows, columns), (tall, wide) = seen.cells.shape, seen.step
    tall, wide = (rows if tall == 1 else tall), (columns if wide == 1 else wide)
    rule = shades.crossing.join(2 * shades.across * wide for _ in range(0, columns, wide))
    lines = []
    for row in range(rows):
        if row and row % tall == 0:
            lines.append(rule)
        texts = [_cell(x, scale.limit, shades) for x in seen.cells[row]]
        blocks = ["".join(texts[at : at + wide]) for at in range(0, columns, wide)]
        lines.append(shades.down.join(blocks).rstrip())
    return lines


def _cell(value: Any, limit: float, shades: Shades) -> str:
    number = float(value)
    if number == 0:
        return "  "
    if np.isnan(number):
        return shades.nan
    if np.isinf(number):
        return shades.infinite if number > 0 else shades.minus + shades.infinite[1]
    last = len(shades.levels) - 1
    level = min(last, int(abs(number) / limit * len(shades.levels)))
    shade = shades.levels[level] if abs(number) <= limit else shades.clipped
    return shade + shade if number > 0 else shades.minus + shade
