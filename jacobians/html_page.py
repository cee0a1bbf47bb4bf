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
    Geometry,
    counting,
    facts,
    geometry_of,
    heat_map,
    legend,
    spy_plot,
    ticked,
)  # fmt: skip
from jacobians.display.html import Markup, data_block, element, fragment, joined, page, table
from jacobians.display.mathml import mathml, mathml_terms
from jacobians.display.numbers import human_bytes, human_count, short
from jacobians.display.unfolding import (
    Picture,
    matrix_layout,
    picture,
    possible,
    scale_of,
    structure_picture,
)  # fmt: skip
from jacobians.errors import JacobiansError, UnsupportedError

if TYPE_CHECKING:
    from jacobians.tensor import JacobianTensor

Array = NDArray[Any]
_WIDEST, _TALLEST = 640, 640  # pixels of the heat map
_FINE, _COARSE = 256, 100  # cells to a side of it
_CELLS = 12_000  # values in it; where there would be more, it is the coarser one
_SMALL = 60  # cells to a side of a notebook's picture
_QUICK = 1 << 18  # entries of a tensor that a notebook's picture is made of
_SPY = 200  # cells to a side of the structure
_EXAMPLE = 1 << 20  # entries of an upstream gradient for the example
_FULL = 1 << 22  # entries of a tensor that is summed in full beside it
_SHOWN = 5  # rows and columns of the example's matrices
_LONG = 600  # characters of LaTeX in a notebook


def write_page(J: "JacobianTensor", path: str | os.PathLike[str], heading: str = "") -> Path:
    """Write the page of a tensor.

    Raises
    ------
    JacobiansError
        Where the file cannot be written; names it and the reason.
    """
    try:
        target = Path(path)
    except TypeError:
        raise UnsupportedError(
            f"{J.title}: to_html() takes the path of a file, not {type(path).__name__}"
        ) from None
    text = tensor_page(J, heading).encode("utf-8", "replace")
    try:
        target.write_bytes(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
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
            element("h1", J.title, element("span", f" · {heading}") if heading else None),
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
    drawn = None
    if 0 < J.size <= _QUICK:
        with np.errstate(all="ignore"):
            seen = picture(J, rows=_SMALL, columns=_SMALL)
        where = geometry_of(seen, widest=420, tallest=320)
        drawing = heat_map(
            seen, possible(J, seen), scale_of(seen.cells), where, _description(J, seen)
        )
        drawn = ticked(drawing, seen, where)
    latex = J.latex()
    short_enough = len(latex) <= _LONG
    shown = _formula(J) if short_enough else element("p", f"{J.title}: {_terms(J)}")
    shape = " by ".join("×".join(map(str, s)) or "scalar" for s in (J.out_shape, J.in_shape))
    line = f"{shape}, {J.dtype}, {J.nnz:,} of {J.size:,} can be nonzero"
    return fragment(shown, element("p", line, class_="facts"), drawn)


# Pictures


def _map_section(J: "JacobianTensor") -> Markup:
    if not J.size:
        return element(
            "section",
            element("h2", "Entries"),
            element("p", "There are none: an axis has size 0."),
        )
    seen, marks = _seen(J)
    scale = scale_of(seen.cells)
    where = geometry_of(seen, widest=_WIDEST, tallest=_TALLEST)
    data = {
        **facts(seen, marks, where),
        "letters": J.axes,
        "out": J.axes[: J.out_ndim],
        "names": J.names,
    }
    drawn = ticked(
        heat_map(seen, marks, scale, where, _description(J, seen)),
        seen,
        where,
        tabindex=0,
        role="group",
        aria_label="Heat map; arrow keys move from cell to cell, with Shift from block to block",
        aria_describedby="reading",
        data_facts="map-facts",
        data_output="reading",
    )
    hint = "Point at a cell, or use the arrow keys, to read its indices and value."
    return element(
        "section",
        element("h2", "Entries, as norms" if seen.summary else "Entries", id="entries"),
        element("p", _how_to_read(J, seen, where)),
        element(
            "div",
            element("div", drawn, class_="scroll"),
            legend(seen, marks, scale),
            element("output", element("small", hint), id="reading", aria_live="polite"),
            class_="card",
        ),
        data_block("map-facts", data),
        aria_labelledby="entries",
    )


def _seen(J: "JacobianTensor") -> tuple[Picture, Array]:
    """The values, and where the structure allows nonzeros; finer where these are few."""
    for side in (_FINE, _COARSE):
        with np.errstate(all="ignore"):
            seen = picture(J, rows=side, columns=side)
        marks = possible(J, seen)
        if marks.sum() <= _CELLS:
            break
    return seen, marks


def _description(J: "JacobianTensor", seen: Picture) -> str:
    """What a reader who does not see the picture is told."""
    rows, columns = seen.cells.shape
    return f"Heat map of {J.title}: {rows:,} rows by {columns:,} columns; {seen.note}"


def _how_to_read(J: "JacobianTensor", seen: Picture, where: Geometry) -> str:
    """The picture in words."""
    layout = seen.layout
    if where.gaps == (0, 0):
        rows, columns = (*layout.down, *layout.inner_down), (*layout.along, *layout.inner_along)
        ways = _ways(seen, rows, columns, "; ")
        parts = [f"{ways}." if ways else "One number."]
    else:
        outer = ", ".join(layout.axes[a] for a in counting(seen, (*layout.down, *layout.along)))
        parts = [
            f"A block for each {outer} ({_ways(seen, layout.down, layout.along, ', ')}): the derivative of "
            f"that entry of {J.names[0]} by all of {J.names[1]}, "
            f"{_ways(seen, layout.inner_down, layout.inner_along, ' and ')}."
        ]
    if seen.summary:
        parts.append(
            f"{J.size:,} entries are too many to show one by one: each cell is the norm of the entries that it "
            f"stands for, the root of the sum of their squares ({seen.note})."
        )
    return " ".join(parts)


def _ways(seen: Picture, down: Sequence[int], across: Sequence[int], between: str) -> str:
    """``i down, j across``."""
    ways = ((counting(seen, down), "down"), (counting(seen, across), "across"))
    return between.join(
        f"{', '.join(seen.layout.axes[a] for a in axes)} {way}" for axes, way in ways if axes
    )


def _spy_section(J: "JacobianTensor") -> Markup | None:
    if not J.size:
        return None
    layout = matrix_layout(J.shape, J.out_ndim, J.axes)
    seen = structure_picture(J, rows=_SPY, columns=_SPY, layout=layout)
    where = geometry_of(seen, widest=480, tallest=480)
    rows, columns = prod(J.out_shape), prod(J.in_shape)
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    text = (
        f"As a matrix of {_counted(rows, 'row')} ({_through(out)}) and {_counted(columns, 'column')} "
        f"({_through(inner)}): marked where the formula allows a nonzero, {J.nnz:,} of {J.size:,} entries "
        f"({_percent(J)})."
    )
    if seen.summary:
        text += " A cell is marked where any of the entries that it stands for can be nonzero."
    plot = spy_plot(seen, where, f"Structure of {J.title}: {rows:,} rows by {columns:,} columns")
    return element(
        "section",
        element("h2", "Structure", id="structure"),
        element("p", text),
        element("div", ticked(plot, seen, where), class_="card scroll", tabindex=0, role="region",
                aria_label="Structure"),
        aria_labelledby="structure",
    )  # fmt: skip


def _percent(J: "JacobianTensor") -> str:
    return f"{100 * J.nnz / max(J.size, 1):.3g} %"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _through(letters: str) -> str:
    return ", ".join(letters) or "one number"


# The formula, the facts and what it costs


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


def _terms(J: "JacobianTensor") -> str:
    return _counted(len(J.terms.terms), "term")


def _facts(J: "JacobianTensor") -> Markup:
    out, inner = J.axes[: J.out_ndim], J.axes[J.out_ndim :]
    rows = [
        ("Output", _sized(J.names[0], out, J.out_shape)),
        ("Input", _sized(J.names[1], inner, J.in_shape)),
        ("Entries", f"{J.size:,} of type {J.dtype}"),
        ("Can be nonzero", f"{J.nnz:,} ({_percent(J)})"),
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
        f"{letter} = 0…{size - 1}" if size > 1 else f"{letter} = 0" if size else f"no {letter}"
        for letter, size in zip(letters, shape, strict=True)
    )
    whole = ", ".join(text.replace(" ", "\xa0").replace("…", "\u2060…\u2060") for text in ranges)
    return f"{name}, {' × '.join(map(str, shape))}: {whole}"


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
        if J.size <= _FULL:
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
                element("div", _matrix("G", G, ", random with seed 0"), class_="scroll"),
                element("div", _matrix(f"∂L/∂{J.names[1]}", gradient), class_="scroll"),
                class_="side",
            ),
            check,
        ]
    )


def _matrix(name: str, array: Array, note: str = "") -> Markup:
    """An array of any number of axes as a small table: its first rows and columns."""
    shape = array.shape
    lead = (0,) * max(0, array.ndim - 2)
    part = np.asarray(array)[lead] if lead else np.asarray(array)
    wide = part.reshape(1, -1) if part.ndim < 2 else part
    shown = wide[:_SHOWN, :_SHOWN]
    caption = name
    if array.ndim > 2:
        caption += f"[{', '.join('0' for _ in lead)}]"
    caption += note
    if shown.shape != wide.shape:
        caption += f", {shown.shape[0]} × {shown.shape[1]} of {' × '.join(map(str, shape))}"
    more = ["…"] if shown.shape[1] < wide.shape[1] else []
    rows = [
        [str(n) if part.ndim > 1 else "", *(short(x, 3) for x in row), *more]
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
