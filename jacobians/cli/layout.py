"""Text for a terminal of 80 columns: arrays as labelled blocks, wrapped lines, JSON."""

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.ground.trees import plain

Array = NDArray[Any]

WIDTH = 80
_GAP = "   "
_ROWS, _BLOCKS, _LINES = 8, 24, 24  # what is shown of a tensor at most


def emit_json(found: Mapping[str, Any]) -> None:
    """Print as JSON; numbers that JSON does not have (nan, inf) become null."""
    print(json.dumps(plain(found), ensure_ascii=False, indent=2, allow_nan=False))


def field(name: str, text: str, indent: int = 14) -> str:
    """``name`` in a column of its own, then the text, wrapped beside it."""
    room = WIDTH - indent
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return "\n".join(
        f"{name if n == 0 else '':<{indent}}{line}" for n, line in enumerate(lines or [""])
    )


def cut(line: str) -> str:
    """The line, shortened to the width of the terminal if need be."""
    return line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"


def numbers(array: Array) -> list[str]:
    """All entries in one format: ``·`` for an exact 0, few digits for the rest."""
    flat = np.asarray(array, dtype=float).ravel()
    sizes = np.abs(flat[np.isfinite(flat) & (flat != 0)])
    if not sizes.size or (sizes.max() < 1e6 and np.all(sizes % 1 == 0)):
        form = "{:.0f}"
    elif 0.01 <= sizes.max() < 1e4:
        form = "{:.2f}"
    else:
        form = "{:.1e}"
    return ["·" if x == 0 else form.format(x).replace("-", "−") for x in flat]


def block(title: str, part: Array, width: int, shape: Sequence[int] | None = None) -> list[str]:
    """A matrix below its title; a vector is one row.

    Parameters
    ----------
    title : str
        The line above.
    part : numpy.ndarray
        The entries, or the first rows and columns of them.
    width : int
        How many characters each number takes.
    shape : sequence of int, optional
        Of the whole block, where ``part`` is a part.
    """
    rows, columns = _matrix_shape(part.shape if shape is None else shape)
    shown = np.reshape(part, _matrix_shape(part.shape))
    shown = shown[:_ROWS, : max(1, (WIDTH - 2) // (width + 1))]
    texts = iter(numbers(shown))
    more = " …" if columns > shown.shape[1] else ""
    lines = [
        " ".join(next(texts).rjust(width) for _ in range(shown.shape[1])) + more
        for _ in range(shown.shape[0])
    ]
    if not rows * columns:
        lines = ["(no entries)"]
    elif (rows, columns) != shown.shape:
        of_rows = f"{shown.shape[0]} of {rows:,} rows, " if rows > 1 else ""
        lines.append(f"… {of_rows}{shown.shape[1]} of {columns:,} columns")
    span = max(len(title), *map(len, lines))
    return [line.ljust(span) for line in [title, *lines]]


def _matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    return (shape[-2], shape[-1]) if len(shape) > 1 else (1, prod(shape))


def beside(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Blocks next to each other, as many as fit, in rows with an empty line between."""
    lines: list[str] = []
    row: list[Sequence[str]] = []
    for found in [*blocks, None]:
        span = sum(len(b[0]) + len(_GAP) for b in row)
        if row and (found is None or span + len(found[0]) > WIDTH):
            height = max(map(len, row))
            padded = [[*b, *[" " * len(b[0])] * (height - len(b))] for b in row]
            lines += [""] if lines else []
            lines += [_GAP.join(parts).rstrip() for parts in zip(*padded, strict=True)]
            row = []
        if found is not None:
            row.append(found)
    return lines


def width_of(*arrays: Array) -> int:
    """What the widest number of all arrays takes."""
    return max((len(text) for array in arrays for text in numbers(array)), default=1)


def entries(tensor: Any, label: Callable[[tuple[int, ...]], str]) -> list[str]:
    """A tensor as blocks over its last two axes.

    Parameters
    ----------
    tensor : array_like or JacobianTensor
        Only the slices that are shown are taken of it.
    label : callable
        The title of a block, given the indices of the leading axes.

    Returns
    -------
    list of str
        Lines; the last says how many blocks are left out, if any are.
    """
    shape = tuple(tensor.shape)
    depth = max(0, len(shape) - 2)
    if not prod(shape):
        return ["(none: an axis has size 0)"]
    blocks = prod(shape[:depth])
    places = list(islice(product(*map(range, shape[:depth])), _BLOCKS))
    corner = (slice(0, _ROWS), slice(0, WIDTH))[2 - len(shape[depth:]) :]
    parts = [np.asarray(tensor[(*place, *corner)]) for place in places]
    width = width_of(*parts)
    made = [
        block(label(place), part, width, shape[depth:])
        for place, part in zip(places, parts, strict=True)
    ]
    lines = beside(made)
    while len(lines) > _LINES and len(made) > 2:
        made.pop()
        lines = beside(made)
    if blocks > len(made):
        lines += ["", f"… {len(made)} of {blocks:,} blocks"]
    return lines
