"""One tensor as HTML: a page that stands alone, and a short form for a notebook.

Nothing that is larger than a picture is made of a large tensor: its cells are then norms of blocks,
computed without the tensor, and its structure is read off the terms.
"""

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import title
from jacobians.display.formulas import MORE, Formula
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
from jacobians.display.html import Markup, data_block, element, fragment, joined, page
from jacobians.display.mathml import mathml, mathml_terms
from jacobians.display.page_contraction import contraction_section, cost_section, where_list
from jacobians.display.shown import Shown, formula_shown
from jacobians.display.unfolding import (
    Picture,
    Scale,
    matrix_layout,
    picture,
    possible,
    scale_of,
    structure_picture,
)  # fmt: skip
from jacobians.errors import JacobiansError, UnsupportedError

Array = NDArray[Any]
_WIDEST, _TALLEST = 640, 640  # pixels of the heat map
_FINE, _COARSE = 256, 100  # cells to a side of it
_CELLS = 12_000  # values in it; where there would be more, it is the coarser one
_SMALL = 60  # cells to a side of a notebook's picture
_SPY = 200  # cells to a side of the structure
_LONG, _PARTS = 600, 12  # characters of LaTeX in a notebook, and parts


Steps = Sequence[tuple[str, str]]
"""What was done, and the expression after it."""


def write_page(
    J: Shown, path: str | os.PathLike[str], heading: str = "", steps: Steps = ()
) -> Path:
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
    text = tensor_page(J, heading, steps).encode("utf-8", "replace")
    try:
        target.write_bytes(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {target.parent}; make it first"
        raise JacobiansError(f"{target}: the page cannot be written: {reason}") from None
    return target


def tensor_page(J: Shown, heading: str = "", steps: Steps = ()) -> str:
    """The page's text."""
    lead = f"{heading}: " if heading else ""
    return page(
        f"{lead}{J.title}",
        element(
            "header",
            element("h1", J.title, element("span", f" · {heading}") if heading else None),
            _formula(J, formula_shown(J, "latex")),
            _facts(J),
        ),
        _steps_section(steps),
        _map_section(J),
        contraction_section(J),
        cost_section(J),
        _spy_section(J),
        element("footer", "Made by jacobians. Nothing on this page is loaded from elsewhere."),
    )


def _steps_section(steps: Steps) -> Markup | None:
    """The derivation, folded away until it is asked for: each step opens on its own."""
    if not steps:
        return None
    folded = [
        element("details", element("summary", what), element("pre", expression))
        for what, expression in steps
    ]
    return element(
        "section",
        element("h2", "Derivation"),
        element("details", element("summary", f"{len(steps)} steps"), joined(folded)),
    )


def tensor_fragment(J: Shown) -> str:
    """What a notebook shows: the formula, the facts, and a picture, of norms of blocks where it is large."""
    drawn = None
    if J.size:
        with np.errstate(all="ignore"):
            seen = picture(J, rows=_SMALL, columns=_SMALL)
        where = geometry_of(seen, widest=420, tallest=320)
        drawing = heat_map(
            seen, possible(J, seen), scale_of(seen.cells), where, _description(J, seen)
        )
        drawn = ticked(drawing, seen, where)
    formula = formula_shown(J, "latex", _PARTS)
    if len(formula.main) > _LONG:
        shown = element("p", f"{J.title}: {_terms(J)}")
    else:
        shown = _formula(
            J, formula, whole=len(str(formula)) <= _LONG and len(formula.parts) < _PARTS
        )
    shape = " by ".join("×".join(map(str, s)) or "scalar" for s in (J.out_shape, J.in_shape))
    line = f"{shape}, {J.dtype}, {J.nnz:,} of {J.size:,} can be nonzero"
    return fragment(shown, element("p", line, class_="facts"), drawn)


# Pictures


def _map_section(J: Shown) -> Markup:
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
    drawn = _drawn_map(J, seen, marks, scale, where)
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


def _drawn_map(J: Shown, seen: Picture, marks: Array, scale: Scale, where: Geometry) -> Markup:
    """The picture, as an element that the keys walk through."""
    return ticked(
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


def _seen(J: Shown) -> tuple[Picture, Array]:
    """The values, and where the structure allows nonzeros; finer where these are few."""
    for side in (_FINE, _COARSE):
        with np.errstate(all="ignore"):
            seen = picture(J, rows=side, columns=side)
        marks = possible(J, seen)
        if marks.sum() <= _CELLS:
            break
    return seen, marks


def _description(J: Shown, seen: Picture) -> str:
    """What a reader who does not see the picture is told."""
    rows, columns = seen.cells.shape
    return f"Heat map of {J.title}: {rows:,} rows by {columns:,} columns; {seen.note}"


def _how_to_read(J: Shown, seen: Picture, where: Geometry) -> str:
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


def _spy_section(J: Shown) -> Markup | None:
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


def _percent(J: Shown) -> str:
    return f"{100 * J.nnz / max(J.size, 1):.3g} %"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _through(letters: str) -> str:
    return ", ".join(letters) or "one number"


# The formula, the facts and what it costs


def _formula(J: Shown, formula: Formula, *, whole: bool = True) -> Markup:
    """``∂A_ij/∂B_kl = …``, a line breaking before each term where it must, then its parts.

    Of parts that would be too long it is said that they are.
    """
    left = mathml(f"{title(J.names, J.axes, J.out_ndim, 'latex')} =")
    parts = where_list(formula)
    if not whole:
        parts = [element("div", MORE, class_="where")]
    return element(
        "div",
        Markup(" ".join([left, *mathml_terms(formula.main)])),
        *parts,
        class_="formula",
        tabindex=0,
        role="region",
        aria_label="Formula",
    )


def _terms(J: Shown) -> str:
    return _counted(len(J.terms.terms), "term")


def _facts(J: Shown) -> Markup:
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
