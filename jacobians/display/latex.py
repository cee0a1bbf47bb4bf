"""Text that users named, in LaTeX."""

from collections.abc import Iterable

_ESCAPES = str.maketrans(
    {sign: f"\\{sign}" for sign in "_#$%&{}"}
    | {"\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}"}
)


def latex_rows(rows: Iterable[tuple[str, str]]) -> str:
    """Pairs of texts as two columns, for a notebook or its print."""
    lines = [" & ".join(f"\\text{{{escaped(cell)}}}" for cell in row) for row in rows]
    return "$\\begin{array}{ll}" + " \\\\ ".join(lines) + "\\end{array}$"


def escaped(text: str) -> str:
    """Text whose special signs stand for themselves."""
    return text.translate(_ESCAPES)
