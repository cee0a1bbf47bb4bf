"""``jacobians bench``: ways to a derivative over sizes, of an operation or of the user's function."""

import argparse
import importlib.util
import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from jacobians.cli.layout import emit_json
from jacobians.cli.loading import read_function
from jacobians.cli.options import parse_bytes
from jacobians.cli.sizing import named_sizes
from jacobians.errors import JacobiansError
from jacobians.ground.progress import bar
from jacobians.measuring.sweeping import sweep
from jacobians.measuring.task import KINDS
from jacobians.transforms.library import ops

_MOST_SIZES = 100


def run(options: argparse.Namespace) -> int:
    """Print the table; 1 if the values of contenders differ."""
    sizes = parse_sizes(options.sizes)
    shapes = parse_shapes(options.shape or ())
    if options.what is not None and options.what not in KINDS:
        raise JacobiansError(f"--what {options.what!r}: it must be one of {', '.join(KINDS)}")
    if not (options.seconds > 0 and isfinite(options.seconds)):
        raise JacobiansError(f"--seconds must be a positive number, not {options.seconds}")
    if options.seed < 0:
        raise JacobiansError(f"--seed must not be negative, not {options.seed}")
    if options.plot is not None:
        _check_plot(options.plot)
    subject = read_subject(options.subject)
    wrt: int | str = options.wrt or 0
    if isinstance(wrt, str) and re.fullmatch(r"-?[0-9]+", wrt):
        wrt = int(wrt)
    found = sweep(
        subject,
        sizes,
        wrt=wrt,
        what=options.what,
        shapes=shapes,
        rivals=_rivals(options.rivals),
        seconds=options.seconds,
        max_bytes=parse_bytes(options.max_bytes),
        seed=options.seed,
        watch=bar,
    )
    if options.plot is not None:
        found.plot(options.plot)
    if options.json:
        emit_json({**found.to_dict(), "seed": options.seed, "plot": options.plot})
    else:
        print(found)
        if options.plot is not None:
            print(f"plot: {options.plot}"[:80])
    return 0 if found.ok else 1


def parse_sizes(text: str) -> list[int]:
    """``8:128`` doubles, ``8:32:8`` adds, ``8,12,100`` are just these; parts are joined by commas.

    Raises
    ------
    JacobiansError
        Saying how to write it.
    """
    sizes: list[int] = []
    for part in text.split(","):
        numbers = part.split(":")
        if not all(re.fullmatch(r"[0-9]{1,9}", n) for n in numbers) or len(numbers) > 3:
            raise JacobiansError(
                f"--sizes {text!r}: write 8:128 to double from 8 to 128, 8:32:8 to add 8, or 8,12,100"
            )
        first, *rest = map(int, numbers)
        last = rest[0] if rest else first
        step = rest[1] if len(rest) > 1 else None
        if first < 1 or last < first or step == 0:
            raise JacobiansError(
                f"--sizes {text!r}: sizes start at 1, end no lower than they start, and grow"
            )
        while first <= last and len(sizes) <= _MOST_SIZES:
            sizes.append(first)
            first = 2 * first if step is None else first + step
    if len(sizes) > _MOST_SIZES:
        raise JacobiansError(f"--sizes {text!r}: more than {_MOST_SIZES} sizes")
    return list(dict.fromkeys(sizes))


def parse_shapes(texts: Sequence[str]) -> dict[str, str]:
    """``W=nx5`` as a name and its sizes; ``c=scalar`` has none.

    Raises
    ------
    JacobiansError
        Saying how to write it, or that a name is given twice.
    """
    forms = "a matrix as W=nxn or W=nx5, a vector as x=n, a number as c=scalar"
    return named_sizes(texts, "(n|[0-9]+)", forms)


def _rivals(text: str | None) -> Any:
    """Names, and functions of the user's, as ``sweep`` takes them."""
    if text is None or text == "all":
        return text
    names = dict.fromkeys(name.strip() for name in text.split(","))
    return [read_function(name) if ":" in name else name for name in names]


def _check_plot(path: str) -> None:
    """Raise before minutes of measuring if the plot can be drawn or written by no means."""
    if Path(path).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise JacobiansError(f"--plot {path}: the file must end in .png, .svg or .pdf")
    if not Path(path).absolute().parent.is_dir():
        raise JacobiansError(f"--plot {path}: there is no such folder")
    if importlib.util.find_spec("matplotlib") is None:
        raise JacobiansError(
            "--plot needs matplotlib: pip install '.[plots]' in a copy of the repository"
        )


def read_subject(text: str) -> Any:
    """An operation by its name, or a function by ``file.py:function``; the file is run.

    Raises
    ------
    JacobiansError
        Naming the file and what is wrong.
    """
    return read_function(text) if ":" in text else ops[text]
