"""The tables as a page: what each function of NumPy gives, and which keywords are refused.

``python -m jacobians.tracing.documenting docs/functions.md`` writes the list into a page, between the two
comments that mark its place.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jacobians.operations.special import UFUNCS
from jacobians.tracing.numpy import families
from jacobians.tracing.numpy.scipys import FUNCTIONS
from jacobians.tracing.tables import (
    SUPPORTED,
    UNSUPPORTED,
    ReducedUfunc,
    Result,
    TableEntry,
    name_of,
)

START, END = (
    "<!-- generated from the tables: make functions -->",
    "<!-- end of what is generated -->",
)
_CHANGES = "copyto fill_diagonal place put put_along_axis putmask"


def page_with_list(text: str) -> str:
    """A page with the list in its place, made anew."""
    pattern = re.compile(f"{re.escape(START)}.*?{re.escape(END)}", re.DOTALL)
    found, count = pattern.subn(lambda _: f"{START}\n\n{listed()}\n{END}", text)
    if count != 1:
        raise ValueError(f"the page has {count} places for the list: {START} … {END}")
    return found


def listed() -> str:
    """The list as a table in Markdown."""
    assert families.FAMILIES  # importing them fills the tables
    lines = ["| function | result | refused |", "| --- | --- | --- |"]
    for name, result, refused in sorted(rows(), key=lambda row: row[0].lower()):
        lines.append(f"| `{name}` | {result} | {refused} |")
    return "\n".join(lines) + "\n"


def rows() -> Iterator[tuple[str, str, str]]:
    """Name, result and what is refused, for each function."""
    seen = set()
    for function, entry in SUPPORTED.items():
        if (isinstance(function, ReducedUfunc) or not name_of(function).startswith("numpy.")) or (
            name_of(function).startswith("numpy.ndarray")
        ):
            continue
        for name in _names(function):
            if name not in seen:
                seen.add(name)
                yield name, _result(name, entry), _refused(function, entry)
    for function, reason in UNSUPPORTED.items():
        if not isinstance(function, ReducedUfunc):
            for name in _names(function):
                yield name, f"not supported: {reason}", ""
    for name in UFUNCS:
        yield f"scipy.special.{name}", Result.NEW.value, _WHERE
    for name in FUNCTIONS:
        yield f"jb.ops.{name}", Result.NEW.value, ""


_WHERE = "`where` without `out`"


def _names(function: Any) -> list[str]:
    """The names under which NumPy has a function; one that this NumPy gave up has none."""
    module = name_of(function).rpartition(".")[0]
    places = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}
    home = places.get(module)
    if home is None:
        return [name_of(function).removeprefix("numpy.")]
    prefix = module.removeprefix("numpy").lstrip(".")
    found = [
        name for name, value in vars(home).items() if value is function and not name.startswith("_")
    ]
    return [f"{prefix}.{name}".lstrip(".") for name in found]


def _result(name: str, entry: TableEntry) -> str:
    if name in _CHANGES.split():
        return "changes its argument"
    return entry.words


def _refused(function: Any, entry: TableEntry) -> str:
    parts = [f"`{name}`: {reason}" for name, reason in sorted(entry.refused.items())]
    if isinstance(function, np.ufunc) and function.signature is None:
        parts.append(_WHERE)
    return "; ".join(parts)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(page_with_list(path.read_text(encoding="utf-8")), encoding="utf-8")
