"""The steps of a derivation in LaTeX: an aligned environment whose lines fit a page."""

import re
from collections.abc import Iterator, Sequence

from jacobians.display.latex import GREEK
from jacobians.transforms.deriving.story import StepTaken

_LINE = 78  # signs of a formula that fit a line
_SIGNS = str.maketrans(
    {"→": "$\\to$", "_": "\\_", "Σ": "$\\Sigma$", "∂": "$\\partial$", "^": "\\^{}", "½": "$\\tfrac{1}{2}$",
     "ᵀ": "$^{\\top}$", "≠": "$\\ne$", **{sign: f"${command}$" for sign, command in GREEK.items()}}
)  # fmt: skip
_DELTA = re.compile(r"δ_(\w+)")
_MOVE = re.compile(r"over (\w) \((\w) → (\w)\)")
_COMMAND = re.compile(r"\\(?:frac|tfrac|top|mathrm|operatorname|left|right|quad|text)\b|[{}_^]|\\ ")
_NAME = re.compile(r"\\[A-Za-z]+")


def environment(steps: Sequence[StepTaken]) -> str:
    """All steps as an ``align*`` environment."""
    lines = []
    for step in steps:
        for said in step.what.split("; "):
            lines.append(f"&\\text{{{_escaped(said)}}}")
        body = step.latex or f"\\text{{{_escaped(step.expression)}}}"
        for line in body.split(" \\\\\n"):
            first, *rest = _broken(line.removeprefix("& "))
            lines.append(f"&\\quad {first}")
            lines += [f"&\\qquad {{}} {part}" for part in rest]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def _escaped(text: str) -> str:
    """Words with the letters of formulas in them."""
    parts: list[str] = []
    end = 0
    pattern = re.compile(f"{_DELTA.pattern}|{_MOVE.pattern}")
    for found in pattern.finditer(text):
        parts.append(text[end : found.start()].translate(_SIGNS))
        if found[1] is not None:
            parts.append(f"$\\delta_{{{found[1]}}}$")
        else:
            parts.append(f"over ${found[2]}$ (${found[3]} \\to {found[4]}$)")
        end = found.end()
    parts.append(text[end:].translate(_SIGNS))
    return "".join(parts)


def _width(latex: str) -> int:
    """About how many signs are seen: of a fraction the wider part."""
    text = latex
    while "\\frac{" in text:
        start = text.rindex("\\frac{")
        above, after = _braced(text, start + 5)
        below, end = _braced(text, after)
        text = text[:start] + max(above, below, key=_width) + text[end:]
    spaced = text.replace("\\sum", "xxx").replace(" + ", "xxx").replace(" - ", "xxx")
    return len(_NAME.sub("x", _COMMAND.sub("", spaced)).replace(" ", "")) + text.count("\\top") // 2


def _braced(text: str, start: int) -> tuple[str, int]:
    """What is in the braces that open there, and where they end."""
    depth = 0
    for n in range(start, len(text)):
        depth += (text[n] == "{") - (text[n] == "}")
        if not depth:
            return text[start + 1 : n], n + 1
    return text[start + 1 :], len(text)


def _broken(latex: str) -> list[str]:
    """A formula in lines, at signs of sums outside all brackets; in a term that is too long, inside them."""
    if _width(latex) <= _LINE:
        return [latex]
    lines = [""]
    for piece in _pieces(latex):
        if lines[-1] and _width(lines[-1] + piece) > _LINE:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _pieces(latex: str) -> Iterator[str]:
    """What stays on one line: terms; of one that is too long the terms in its brackets, or its factors."""
    for term in _terms(latex):
        for part in [term] if _width(term) <= _LINE else _terms(term, "{}"):
            yield from [part] if _width(part) <= _LINE else _terms(part, "{}", (" ",))


def _terms(
    latex: str, brackets: str = "([{)]}", signs: Sequence[str] = (" + ", " - ")
) -> Iterator[str]:
    """A formula in the terms of its sum, outside brackets, each with its sign; what follows ``where`` is one."""
    opening, closing = brackets[: len(brackets) // 2], brackets[len(brackets) // 2 :]
    depth, start = 0, 0
    for n, sign in enumerate(latex):
        depth += (sign in opening) - (sign in closing)
        before = max(n - 1, 0)
        between = any(latex.startswith(s, before) for s in signs) or latex.startswith(
            "\\quad\\text{where", n
        )
        if not depth and between and n:
            yield latex[start:n]
            start = n
    yield latex[start:]
