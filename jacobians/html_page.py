"""One tensor as HTML: a page that stands alone, and a short form for a notebook.

Nothing that is larger than a picture is made of a large tensor: its cells are then norms of blocks,
computed without the tensor, and its structure is read off the terms.
"""

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import title
from jacobians.display.heatmap import (
    facts,
    heat_map,
    layout_of,
    legend,
    spy_plot,
    ticked,
)  # fmt: skip
from jacobians.display.html import Markup, data_block, element, fragment, joined, page, table
from jacobians.display.mathml import mathml, mathml_terms
from jacobians.display.numbers import human_bytes, human_count, short
from jacobians.display.pictures import (
    Axis,
    Grid,
    Picture,
    arranged,
    coarsened,
    flattened,
    occupied,
    unfolded,
)  # fmt: skip
from jacobians.errors import JacobiansError

if TYPE_CHECKING:
    from jacobians.tensor import JacobianTensor

Array = NDArray[Any]
_CELLS, _LONGEST = 10_000, 320  # of a page's picture, and to a side of it
_SMALL_CELLS, _SMALL_LONGEST = 1_500, 120  # of a notebook's
_DENSE = 1 << 22  # entries that a picture may be made of
_EXAMPLE = 1 << 20  # entries of an upstream gradient for the example
_SPY = 200  # cells to a side
_SHOWN = 5  # rows and columns of an example's matrices
_LONG = 600  # characters of LaTeX in a notebook


def write_page(J: "JacobianTensor", path: str | os.PathLike[str], heading: str = "") -> Path:
    """Write the page of a tensor.

    Raises
    ------
    JacobiansError
        Where the file cannot be written; names it and the reason.
    """
    target = Path(path)
    text = tensor_page(J, heading)
    try:
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {target.parent}; make it first"
        raise JacobiansError(f"{target}: the page cannot be written: {reason}") from None
    return target


def tensor_page(J: "JacobianTensor", heading: str = "") -> str:
    """The page's text."""
    lead = f"{heading}: " if heading else ""
    return page(
        f"{lead}{J.title}",
        element(
            "header",
            element("h1", *_names(J), element("span", f" · {heading}") if heading else None),
            _formula(J),
            _facts(J),
        ),
        _map_section(J),
        _contraction_section(J),
        _cost_section(J),
        _spy_section(J),
        element("footer", "Made by jacobians. Nothing on this page is loaded from elsewhere."),
    )


def tensor_fragment(J: "JacobianTensor") -> str:
    """What a notebook shows: the formula, the facts, and a picture where that takes no time."""
    picture = None
    if 0 < J.size <= _DENSE >> 4:
        found = picture_of(J, _SMALL_CELLS, _SMALL_LONGEST)
        layout = layout_of(found.grid, widest=420, tallest=320)
        picture = ticked(heat_map(found, layout, _description(J, found.grid)), found.grid, layout)
    latex = J.latex()
    shown = _formula(J) if len(latex) <= _LONG else element("p", f"{J.title}: {_term_count(J)}")
    line = f"{_shape_text(J)}, {J.dtype}, {J.nnz:,} of {J.size:,} can be nonzero"
    return fragment(shown, element("p", line, class_="facts"), picture)


# Pictures


def picture_of(J: "JacobianTensor", most: int = _CELLS, longest: int = _LONGEST) -> Picture:
    """The tensor unfolded: its entries, or norms of neighbouring entries, or of whole blocks."""
    axes = _axes(J)
    arrange = unfolded(J.out_ndim)
    if J.size <= _DENSE:
        values = J.dense()
    else:
        side = "out" if prod(J.out_shape) >= prod(J.in_shape) else "in"
        whole = [(number < J.out_ndim) == (side == "out") for number in range(J.ndim)]
        axes = [a if kept else a._replace(step=a.size) for a, kept in zip(axes, whole, strict=True)]
        kept_sizes = [a.size if kept else 1 for a, kept in zip(axes, whole, strict=True)]
        values = J._norms(side).reshape(kept_sizes)
    grid = coarsened(axes, arrange, most, longest)
    return Picture(grid, arranged(values, J.axes, grid), occupied(J.terms, J.axes, grid))


def _axes(J: "JacobianTensor") -> list[Axis]:
    return [Axis(letter, size) for letter, size in zip(J.axes, J.shape, strict=True)]


def _description(J: "JacobianTensor", grid: Grid) -> str:
    """What a reader who does not see the picture is told."""
    rows, columns = (_letters(axes) or "one row" for axes in (grid.rows, grid.columns))
    what = "entries" if grid.exact else "norms of groups of entries"
    return f"Heat map of {J.title}, {what}: {grid.shape[0]} rows ({rows}) by {grid.shape[1]} columns ({columns})"


def _letters(axes: Sequence[Axis]) -> str:
    return ", ".join(axis.letter for axis in axes)


def _map_section(J: "JacobianTensor") -> Markup:
    if not J.size:
        return element(
            "section",
            element("h2", "Entries"),
            element("p", "There are none: an axis has size 0."),
        )
    with np.errstate(all="ignore"):
        picture = picture_of(J)
    grid = picture.grid
    layout = layout_of(grid)
    data = {
        **facts(picture, layout),
        "letters": J.axes,
        "out": J.axes[: J.out_ndim],
        "names": J.names,
    }
    drawn = ticked(
        heat_map(picture, layout, _description(J, grid)),
        grid,
        layout,
        tabindex=0,
        role="group",
        aria_label="Heat map; arrow keys move from cell to cell, with Shift from block to block",
        aria_describedby="reading",
        data_facts="map-facts",
        data_output="reading",
    )
    return element(
        "section",
        element("h2", "Entries" if grid.exact else "Entries, as norms", id="entries"),
        element("p", _how_to_read(J, grid, layout)),
        element(
            "div",
            element("div", drawn, class_="scroll"),
            legend(picture),
            element(
                "output",
                element(
                    "small",
                    "Point at a cell, or use the arrow keys, to read its indices and value.",
                ),
                id="reading",
                aria_live="polite",
            ),
            class_="card",
        ),
        data_block("map-facts", data),
        aria_labelledby="entries",
    )


def _how_to_read(J: "JacobianTensor", grid: Grid, layout: Layout) -> str:
    """The picture in words."""
    if layout.gaps == (0, 0):
        parts = [f"{_ways(grid.rows, grid.columns, '; ')}."]
    else:
        outer = _letters(counting(grid.outer_rows + grid.outer_columns))
        parts = [
            f"A block for each {outer} ({_ways(grid.outer_rows, grid.outer_columns, ', ')}): the derivative of "
            f"that entry of {J.names[0]} by all of {J.names[1]}, "
            f"{_ways(grid.inner_rows, grid.inner_columns, ' and ')}."
        ]
    if not grid.exact:
        steps = [
            f"all {a.size} of {a.letter}" if a.cells == 1 else f"{a.step} of {a.letter}"
            for a in (*grid.rows, *grid.columns)
            if a.step > 1
        ]
        parts.append(
            f"{J.size:,} entries are too many to show one by one: each cell is the norm, the root of the "
            f"sum of squares, of the entries that share it ({', '.join(steps)})."
        )
    return " ".join(part for part in parts if part != ".") or "One number."


def _ways(down: Sequence[Axis], across: Sequence[Axis], between: str) -> str:
    """``i down, j across``."""
    ways = ((counting(down), "down"), (counting(across), "across"))
    return between.join(f"{_letters(axes)} {way}" for axes, way in ways if axes)


def _spy_section(J: "JacobianTensor") -> Markup | None:
    if not J.size:
        return None
    grid = coarsened(_axes(J), flattened(J.out_ndim), _SPY * _SPY, _SPY)
    layout = layout_of(grid, widest=480, tallest=480)
    rows, columns = prod(J.out_shape), prod(J.in_shape)
    share = 100 * J.nnz / J.size
    description = f"Structure of {J.title} as a matrix of {rows:,} rows and {columns:,} columns"
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    text = (
        f"As a matrix of {_counted(rows, 'row')} ({_through(out)}) and {_counted(columns, 'column')} "
        f"({_through(inner)}): marked where the formula allows a nonzero, {J.nnz:,} of {J.size:,} entries "
        f"({share:.3g} %)."
    )
    if not grid.exact:
        text += " A cell is marked where any of the entries that share it can be nonzero."
    plot = spy_plot(grid, occupied(J.terms, J.axes, grid), layout, description)
    return element(
        "section",
        element("h2", "Structure", id="structure"),
        element("p", text),
        element("div", ticked(plot, grid, layout), class_="card scroll", tabindex=0, role="region",
                aria_label="Structure"),
        aria_labelledby="structure",
    )  # fmt: skip


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _through(letters: str) -> str:
    return ", ".join(letters) or "one number"


# The formula, the facts and what it costs


def _names(J: "JacobianTensor") -> tuple[str, ...]:
    return (J.title,)


def _formula(J: "JacobianTensor") -> Markup:
    """``∂A_ij/∂B_kl = …``, a line breaking before each term where it must."""
    left = mathml(f"{title(J.names, J.axes, J.out_ndim, 'latex')} =")
    parts = [left, *mathml_terms(J.latex())]
    return element(
        "div",
        Markup(" ".join(parts)),
        class_="formula",
        tabindex=0,
        role="region",
        aria_label="Formula",
    )


def _term_count(J: "JacobianTensor") -> str:
    return _counted(len(J.terms.terms), "term")


def _shape_text(J: "JacobianTensor") -> str:
    out, inner = (" × ".join(map(str, shape)) or "scalar" for shape in (J.out_shape, J.in_shape))
    return f"{out} by {inner}"


def _facts(J: "JacobianTensor") -> Markup:
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    rows = [
        ("Output", _sized(J.names[0], out, J.out_shape)),
        ("Input", _sized(J.names[1], inner, J.in_shape)),
        ("Entries", f"{J.size:,} of type {J.dtype}"),
        ("Can be nonzero", f"{J.nnz:,}" + (f" ({100 * J.nnz / J.size:.3g} %)" if J.size else "")),
        ("Terms", str(len(J.terms.terms))),
        ("As einsum", element("code", J.einsum() or "0")),
        ("In LaTeX", element("code", J.latex())),
    ]
    return element(
        "dl", *(joined([element("dt", name), element("dd", value)]) for name, value in rows)
    )


def _sized(name: str, letters: str, shape: Sequence[int]) -> str:
    """``A: i = 0…1, j = 0…4``."""
    if not letters:
        return f"{name}, one number"
    ranges = (
        f"{letter} = 0…{size - 1}"
        if size > 1
        else f"{letter} = 0"
        if size
        else f"{letter} of size 0"
        for letter, size in zip(letters, shape, strict=True)
    )
    return f"{name}, {' × '.join(map(str, shape))}: {', '.join(ranges)}"


def _contraction_section(J: "JacobianTensor") -> Markup:
    """The gradient from an upstream gradient: as a formula, and in numbers."""
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    above, below = (
        title(("L", J.names[n]), letters, 0, "latex") for n, letters in ((0, out), (1, inner))
    )
    tensor = title(J.names, J.axes, J.out_ndim, "latex")
    summed = f"\\sum_{{{out}}} " if out else ""
    upstream = f"G_{{{out}}}" if out else "G"
    short_form = J._shortcut("latex")
    matrix = "_" not in short_form
    result = f"\\frac{{\\partial L}}{{\\partial {_plain_name(J.names[1])}}} =" if matrix else "="
    lines = [
        element(
            "div",
            Markup(mathml(f"{below} = {summed}{upstream} {tensor}")),
            class_="formula",
        ),
        element(
            "div",
            Markup(" ".join([mathml(result), *mathml_terms(short_form)])),
            class_="formula",
        ),
    ]
    return element(
        "section",
        element("h2", "Contracted with an upstream gradient", id="contracted"),
        element(
            "p",
            "For a loss L behind ", J.names[0], ", with ", Markup(mathml(f"{upstream} = {above}")),
            " given, the gradient needs no tensor:",
        ),
        *lines,
        _example(J),
        aria_labelledby="contracted",
    )  # fmt: skip


def _plain_name(name: str) -> str:
    return title(("", name), "", 0, "latex").rpartition("{\\partial ")[2].rstrip("}")


def _example(J: "JacobianTensor") -> Markup | None:
    """The same in numbers, with a seeded G; beside the full tensor's sum where that is small."""
    cost = J.cost()
    if (
        not J.size
        or max(prod(J.out_shape), prod(J.in_shape)) > _EXAMPLE
        or cost.vjp.flops > 1 << 30
    ):
        return None
    G = np.round(np.random.default_rng(0).standard_normal(J.out_shape), 2)
    with np.errstate(all="ignore"):
        gradient = J.vjp(G)
        check = None
        if J.size <= _DENSE:
            full = np.tensordot(G, J.dense(), J.out_ndim)
            difference = np.abs(full - gradient)
            finite = np.isfinite(difference)
            largest = float(np.max(difference, where=finite, initial=0.0))
            check = element(
                "p",
                f"The sum over the full tensor, {J.size:,} entries, gives the same numbers: "
                f"the largest difference is {short(largest, 2)}.",
                class_="note",
            )
    return joined(
        [
            element(
                "div",
                element("div", _matrix("G, random with seed 0", G), class_="scroll"),
                element("div", _matrix(f"∂L/∂{J.names[1]}", gradient), class_="scroll"),
                class_="side",
            ),
            check,
        ]
    )


def _matrix(name: str, array: Array) -> Markup:
    """An array of any number of axes as a small table: its first rows and columns."""
    shape = array.shape
    lead = (0,) * max(0, array.ndim - 2)
    part = np.asarray(array)[lead] if lead else np.asarray(array)
    wide = part.reshape(1, -1) if part.ndim < 2 else part
    shown = wide[:_SHOWN, :_SHOWN]
    caption = name
    if array.ndim > 2:
        caption += f"[{', '.join('0' for _ in lead)}]"
    if shown.shape != wide.shape:
        caption += f", {shown.shape[0]} × {shown.shape[1]} of {' × '.join(map(str, shape))}"
    more = ["…"] if shown.shape[1] < wide.shape[1] else []
    rows = [
        [str(n) if part.ndim > 1 else "", *(short(x) for x in row), *more]
        for n, row in enumerate(shown)
    ]
    if shown.shape[0] < wide.shape[0]:
        rows.append(["⋮"])
    head = ["", *map(str, range(shown.shape[1])), *[""] * len(more)] if part.ndim else []
    return table(caption, head, rows)


def _cost_section(J: "JacobianTensor") -> Markup:
    cost = J.cost()
    ways = [
        ("explicit", cost.explicit, "the full tensor, from identity tensors"),
        ("dense", cost.dense, "the full tensor, only nonzeros written"),
        ("contracted", cost.vjp, "the gradient from G, no tensor"),
        ("along a direction", cost.jvp, "the change of the output, no tensor"),
    ]
    most = [max(1, *(found[n] for _, found, _ in ways)) for n in (0, 1)]
    rows = [
        [
            joined([name, element("div", what, class_="note")]),
            _barred(human_count(found.flops), found.flops / most[0]),
            _barred(human_bytes(found.bytes), found.bytes / most[1]),
        ]
        for name, found, what in ways
    ]
    return element(
        "section",
        element("h2", "What each way costs", id="cost"),
        element("p", "Predicted from shapes alone; a multiply-add is two operations."),
        element("div", table("", ["way", "operations", "memory"], rows), class_="scroll"),
        aria_labelledby="cost",
    )


def _barred(text: str, share: float) -> Markup:
    bar = element("span", class_="bar", style=f"width:{100 * share:.3g}%") if share else None
    return joined([text, bar])
