"""A Jacobian tensor drawn by matplotlib: its values, and its structure.

Both functions draw a bounded picture (:mod:`jacobians.display.unfolding`), return what they drew,
and never show or save it.
"""

import itertools
import textwrap
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.shown import Shown
from jacobians.display.unfolding import Layout, Picture, picture, scale_of, structure_picture
from jacobians.errors import JacobiansError, UnsupportedError

Array = NDArray[Any]
_VALUES, _STRUCTURE = "RdBu_r", ("white", "#2b5c8a")
_ABOVE, _BELOW, _MISSING = "#ffb000", "#00a08a", "0.6"  # colours off the scale
_TICKS = 9  # along a side, at most
_TITLE = 56  # characters of a line
_BLOCKS = 80  # beside each other, of which the borders are still drawn
_MARKS = 256  # single cells that get a mark; where there are more, their colour must do
_FLAT = 4  # cells stay square up to this ratio of the sides


class Artists(NamedTuple):
    """What a plot consists of.

    Attributes
    ----------
    axes : matplotlib.axes.Axes
        What was drawn on; ``axes.figure`` is the figure.
    image : matplotlib.image.AxesImage
        The cells.
    borders : matplotlib.collections.LineCollection
        The lines between blocks.
    marks : dict of str to matplotlib.collections.PathCollection
        The marked cells: ``"clipped"``, ``"nan"``, ``"infinite"``, as far as there are any.
    colorbar : matplotlib.colorbar.Colorbar or None
        The scale of the values; a pattern has none.
    picture : Picture
        The numbers drawn, and what was done to make them.
    """

    axes: Any
    image: Any
    borders: Any
    marks: dict[str, Any]
    colorbar: Any
    picture: Picture


def heat_map(tensor: Shown, title: str, ax: Any = None) -> Artists:
    """The tensor unfolded into blocks, its values as colours on one scale centred at 0.

    Parameters
    ----------
    tensor : JacobianTensor
        Its entries, or the norms of its blocks where the entries are too many.
    title : str
        What the tensor is called.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    JacobiansError
        Without matplotlib; names the extra that brings it.
    """
    ax = _axes(ax)
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    seen = picture(tensor)
    scale = scale_of(seen.cells)
    cells = np.asarray(seen.cells, float)
    colours = colormaps[_VALUES].with_extremes(bad=_MISSING, over=_ABOVE, under=_BELOW)
    norm = Normalize(-scale.limit, scale.limit)
    image = _image(ax, np.ma.masked_invalid(cells), cmap=colours, norm=norm)
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(cells) & (np.abs(cells) > scale.limit)
    found = {"clipped": (beyond, "D"), "nan": (np.isnan(cells), "x")}
    found["infinite"] = (np.isinf(cells), r"$\infty$")
    marks = {
        name: ax.scatter(
            *np.nonzero(where.T),
            marker=marker,
            s=24 if where.sum() <= _MARKS // 4 else 6,
            c="black",
            lw=0.8,
        )
        for name, (where, marker) in found.items()
        if 0 < where.sum() <= _MARKS
    }
    high, low = bool((beyond & (cells > 0)).any()), bool((beyond & (cells < 0)).any())
    extend = {(True, True): "both", (True, False): "max", (False, True): "min"}
    bar = ax.figure.colorbar(image, cax=_beside(ax), extend=extend.get((high, low), "neither"))
    bar.set_label("norm" if seen.summary else "value")
    borders = _frame(ax, seen, title, scale.note)
    return Artists(ax, image, borders, marks, bar, seen)


def _beside(ax: Any) -> Any:
    """Axes for a colour bar, as tall as the picture, which its aspect may shrink, and next to it."""
    from matplotlib.colorbar import make_axes
    from matplotlib.transforms import Bbox

    room, _ = make_axes(ax)

    def locate(bar: Any, _: Any) -> Any:
        ax.apply_aspect()
        given, seen = ax.get_position(original=True), ax.get_position()
        own = bar.get_position(original=True)
        left = own.x0 - (given.x1 - seen.x1)
        return Bbox.from_extents(left, seen.y0, left + (own.x1 - own.x0) / 2, seen.y1)

    room.set_aspect("auto")
    room.set_box_aspect(None)
    room.set_axes_locator(locate)
    return room


def spy(tensor: Shown, title: str, ax: Any = None) -> Artists:
    """Which entries can be nonzero, from the structure alone, as dark cells.

    Parameters
    ----------
    tensor : JacobianTensor
        Only its slots are looked at.
    title : str
        What the tensor is called.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    JacobiansError
        Without matplotlib; names the extra that brings it.
    """
    ax = _axes(ax)
    from matplotlib.colors import ListedColormap

    seen = structure_picture(tensor)
    image = _image(ax, seen.cells, cmap=ListedColormap(_STRUCTURE), vmin=0, vmax=1)
    counts = f"{tensor.nnz:,} of {prod(tensor.shape):,} can be nonzero"
    return Artists(ax, image, _frame(ax, seen, title, counts), {}, None, seen)


def _axes(ax: Any) -> Any:
    if ax is not None:
        if not hasattr(ax, "imshow"):
            raise UnsupportedError(
                f"ax is of type {type(ax).__name__}; pass matplotlib's axes, or none"
            )
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise JacobiansError(
            "plots need matplotlib: pip install '.[plots]' in a copy of the repository"
        ) from None
    return pyplot.subplots(layout="constrained")[1]


def _image(ax: Any, cells: Array, **options: Any) -> Any:
    rows, columns = cells.shape
    square = rows and columns and 1 / _FLAT <= rows / columns <= _FLAT
    if not cells.size:
        cells = np.ma.masked_invalid([[np.nan]])  # no entries: an empty frame
    aspect = "equal" if square else "auto"
    return ax.imshow(cells, interpolation="nearest", aspect=aspect, **options)


def _frame(ax: Any, seen: Picture, title: str, more: str) -> Any:
    """Title, labels, ticks, and the borders of the blocks."""
    lines = [title, *textwrap.wrap(seen.note, _TITLE), *textwrap.wrap(more, _TITLE)]
    ax.set_title("\n".join(lines), fontsize="small", loc="left")
    ax.set_xlabel(seen.layout.label(rows=False))
    ax.set_ylabel(seen.layout.label(rows=True))
    ax.set_xticks(*_ticks(seen, rows=False))
    ax.set_yticks(*_ticks(seen, rows=True))
    return _borders(ax, seen)


def _ticks(seen: Picture, *, rows: bool) -> tuple[list[float], list[str]]:
    """Where blocks (or entries, where there is one block only) stand, and their indices."""
    layout: Layout = seen.layout
    outer, inner = (layout.down, layout.inner_down) if rows else (layout.along, layout.inner_along)
    count, step = seen.cells.shape[not rows], seen.step[not rows]
    if not seen.cells.size:
        return [], []
    named = outer if count > step else inner
    width = step if count > step else 1
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    apart = next(n for n in steps if n * _TICKS >= count // width)
    places = range(0, count // width, apart)
    labels = []
    for place in places:
        at = place * width
        ranges = seen.ranges(at, 0) if rows else seen.ranges(0, at)
        labels.append(", ".join(str(ranges[a][0]) for a in named))
    return [place * width + (width - 1) / 2 for place in places], labels


def _borders(ax: Any, seen: Picture) -> Any:
    from matplotlib.collections import LineCollection

    (rows, columns), (height, width) = seen.cells.shape, seen.step
    lines = []
    if 1 < height < rows <= _BLOCKS * height:
        ends = [n * height - 0.5 for n in range(1, rows // height)]
        lines += [[(-0.5, end), (columns - 0.5, end)] for end in ends]
    if 1 < width < columns <= _BLOCKS * width:
        ends = [n * width - 0.5 for n in range(1, columns // width)]
        lines += [[(end, -0.5), (end, rows - 0.5)] for end in ends]
    many = len(lines) > _BLOCKS // 8
    collection = LineCollection(
        lines, colors="0.7" if many else "0.25", linewidths=0.4 if many else 0.8
    )
    ax.add_collection(collection, autolim=False)
    return collection
