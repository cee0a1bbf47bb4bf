"""Text that users named, in LaTeX."""

import unicodedata
from collections.abc import Iterable

_SMALL = "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi o pi rho sigma tau upsilon phi chi psi omega"  # noqa: E501
_CAPITAL = "Gamma Delta Theta Lamda Xi Pi Sigma Upsilon Phi Psi Omega"


def _greek() -> dict[str, str]:
    """The Greek letters, by what Unicode calls them, as commands."""
    found = {}
    for word in (*_SMALL.split(), *_CAPITAL.split()):
        size = "CAPITAL" if word[0].isupper() else "SMALL"
        letter = unicodedata.lookup(
            f"GREEK {size} LETTER {'OMICRON' if word == 'o' else word.upper()}"
        )
        found[letter] = word if word == "o" else f"\\{word.replace('amda', 'ambda')} "
    return found


HAT = "\u0302"
GREEK = _greek()
"""What each Greek letter is in LaTeX."""
_ESCAPES = str.maketrans(
    {sign: f"\\{sign}" for sign in "_#$%&{}"}
    | {"\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}"}
)


def latex_rows(rows: Iterable[tuple[str, str]]) -> str:
    """Pairs of texts as two columns, for a notebook or its print."""
    lines = [" & ".join(f"\\text{{{escaped(cell)}}}" for cell in row) for row in rows]
    return "$\\begin{array}{ll}" + " \\\\ ".join(lines) + "\\end{array}$"


def letters_in_latex(text: str) -> str:
    """Greek letters as commands, and hats over what they are over."""
    found = ""
    for sign in unicodedata.normalize("NFD", text):
        if sign == HAT and found:
            found = f"{found[:-1]}\\hat{{{found[-1]}}}"
        else:
            found += sign
    return "".join(GREEK.get(sign, sign) for sign in found).replace("½", "\\tfrac{1}{2}")


def escaped(text: str) -> str:
    """Text whose special signs stand for themselves."""
    return text.translate(_ESCAPES)
