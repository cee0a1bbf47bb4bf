"""``--shape``: names and the sizes of their axes, as they are typed."""

import re
from collections.abc import Sequence

from jacobians.errors import JacobiansError


def name_and_sizes(text: str, size: str, forms: str) -> tuple[str, str]:
    """``W=2x3`` as ``("W", "2x3")``, a number as ``("c", "")``.

    ``size`` is a pattern of one size, ``forms`` how to write them.

    Raises
    ------
    JacobiansError
        Saying how to write it.
    """
    name, equals, sizes = text.partition("=")
    if not equals or not re.fullmatch(f"scalar|{size}(x{size})*", sizes):
        raise JacobiansError(f"--shape {text!r} is no shape: write {forms}")
    return name, "" if sizes == "scalar" else sizes


def named_sizes(texts: Sequence[str], size: str, forms: str) -> dict[str, str]:
    """Several of them, by name.

    Raises
    ------
    JacobiansError
        As ``name_and_sizes``; and where a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sizes = name_and_sizes(text, size, forms)
        if name in found:
            raise JacobiansError(f"--shape: {name} is given twice")
        found[name] = sizes
    return found


def as_shape(sizes: str) -> tuple[int, ...]:
    """``2x3`` as ``(2, 3)``, of a number ``()``."""
    return tuple(map(int, sizes.split("x"))) if sizes else ()
