"""Operands written whole, without letters: names, products along a chain, sums and functions of these.

``W x − t``, ``Vᵀ V`` and ``X⁻¹`` are *matrix forms*; not everything has one. ``expressions`` gives them
their letters, and writes out the rest.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from jacobians.display.latex import escaped
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Factor, Term
from jacobians.notation.writing import ATOM, PRODUCT, SUM, Style, Written, subscript, write_product
from jacobians.operations.declare import Multilinear
from jacobians.operations.products import transpose

MARK = 0xE000  # placeholders for letters: a private area of Unicode
_MOST = 40  # names in one operand's expression
# A subscript's indices: in parentheses or braces separated by commas, or single letters side by side.
_SUBSCRIPT = {
    "text": re.compile("_(?:\\(([^()]*)\\)|([a-zA-Z0-9\ue000-\uf8ff]+))"),
    "latex": re.compile("_\\{([^{}]*)()\\}"),
}
_RAISED = re.compile(r"\^(\{[^{}]*\}|.)$")
_WORD = re.compile(r"(?<![\\{])[A-Za-z]{2,}")
_POWER = re.compile("[⁺⁻¹²³ᵀ]+")
_LOWERED = str.maketrans({"⁺": "+", "⁻": "-", "¹": "1", "²": "2", "³": "3", "ᵀ": "\\top"})
_LATEX_SIGNS = str.maketrans(
    {"−": "-", "‖": "\\|", "½": "\\tfrac{{1}}{{2}}", "σ": "\\sigma ", "≥": "\\ge", "≤": "\\le"}
)
_TRANSPOSED = {"text": "ᵀ", "latex": "^{\\top}"}


_NAMES: ContextVar[Mapping[Node, str]] = ContextVar("jacobians_names", default={})  # noqa: B039


@contextmanager
def distinct_names(operands: Mapping[Node, Any]) -> Iterator[None]:
    """While it lasts, different leaves of one name are written A, A′, A″, in order of appearance.

    ``operands`` are nodes with their arrays, as far as known: leaves with equal arrays are the same.
    """
    found: dict[str, list[Node]] = {}
    names: dict[Node, str] = {}
    for node in ordered(operands):
        if node.operation is not None or not node.name:
            continue
        known = found.setdefault(node.name, [])
        array = operands.get(node)
        for number, other in enumerate(known):
            twin = operands.get(other)
            if array is not None and twin is not None and np.array_equal(array, twin):
                names[node] = node.name + "′" * number
                break
        else:
            names[node] = node.name + "′" * len(known)
            known.append(node)
    token = _NAMES.set(names)
    try:
        yield
    finally:
        _NAMES.reset(token)


def matrix_form(node: Node, style: Style) -> Written | None:
    """The node as a whole, without letters; None where that would be ambiguous."""
    operation = node.operation
    if isinstance(node.value, Template):
        return node.value.whole if style == "text" else node.value.whole_latex
    if operation is None:
        return leaf(node, [], style)
    if is_large(node):
        return summary(node, [], style)
    if operation is transpose:
        inner = matrix_form(node.operands[0], style)
        return (
            None
            if inner is None
            else Written(_base(inner.inside(ATOM), style) + _TRANSPOSED[style])
        )
    if isinstance(operation, Multilinear) and not operation.notation:
        tensor = operation.structure(tuple(n.shape for n in node.operands), node.parameters)
        return (
            product_form(tensor.terms[0], node.operands, style) if len(tensor.terms) == 1 else None
        )
    if operation.elementwise and operation.binds == PRODUCT:
        return None  # X Y could mean the matrix product
    if operation.elementwise and "²" in operation.notation:
        return None
    children = [matrix_form(operand, style) for operand in node.operands]
    if any(child is None for child in children):
        return None
    if operation.elementwise and any(n.shape != node.shape for n in node.operands):
        return None  # broadcasting is clearer with letters
    return filled(node, [child for child in children if child is not None], style)


def product_form(term: Term, operands: Sequence[Node], style: Style) -> Written | None:
    """A product of matrices and vectors, ``Vᵀ V``, ``W x``, ``x yᵀ``, where the letters form a chain.

    Parameters
    ----------
    term : Term
        Factors whose operands are positions in ``operands``, with at most two axes in all.
    """
    ends = [slot.plain for slot in term.slots]
    if len(ends) > 2 or len(set(ends)) != len(ends) or None in ends:
        return None
    waiting = list(term.factors)
    if any(f.mask or len(f.slots) > 2 or len(f.letters) != len(f.slots) for f in waiting):
        return None
    if any(slot.plain is None for f in waiting for slot in f.slots):
        return None

    def name(factor: Factor, *, flipped: bool) -> str | None:
        node = operands[factor.operand]
        if node.operation is transpose:
            node, flipped = node.operands[0], not flipped
        whole = matrix_form(node, style)
        if whole is None:
            return None
        if flipped:
            return _base(whole.inside(ATOM), style) + _TRANSPOSED[style]
        return whole.inside(PRODUCT)

    def walk(letter: int | None, words: list[str | None]) -> int | None:
        """Follow the chain from a letter; the letter it ends at, None for a vector's end."""
        while letter is not None:
            here = letter
            found = next((f for f in waiting if here in f.letters), None)
            if found is None:
                return letter
            waiting.remove(found)
            places = [slot.plain for slot in found.slots]
            words.append(name(found, flipped=len(places) == 2 and places[0] != here))
            others = [a for a in places if a != here]
            letter = others[0] if others else None
            if letter in ends:
                return letter
        return None

    words: list[str | None] = []
    if ends:
        stop = walk(ends[0], words)
        if len(ends) == 2 and stop != ends[1]:
            tail: list[str | None] = []
            if stop is not None or walk(ends[1], tail) is not None or len(tail) != 1:
                return None
            words += [None if w is None else w + _TRANSPOSED[style] for w in tail]
        elif len(ends) == 1 and stop is not None:
            return None
    else:
        start = next((f for f in waiting if len(f.slots) == 1), None)
        if start is None:
            return None
        waiting.remove(start)
        words.append(name(start, flipped=True))
        if walk(start.slots[0].plain, words) is not None:
            return None
    if waiting or any(word is None for word in words):
        return None
    return write_product(
        term.coefficient, [Written(w) for w in words if w is not None], style
    )._replace(
        binds=SUM
        if term.coefficient < 0
        else ATOM
        if len(words) == 1 and term.coefficient == 1
        else PRODUCT
    )


class Template(NamedTuple):
    """How a node was written, with placeholders for letters: all that a stored tensor keeps of it."""

    text: str
    latex: str
    binds: int
    whole: Written | None
    whole_latex: Written | None


def is_large(node: Node, most: int = _MOST) -> bool:
    """Whether writing the node out would take more names than that."""
    found = 0
    stack = [node]
    while stack:
        found += 1
        if found > most:
            return True
        stack.extend(stack.pop().operands)
    return False


def summary(node: Node, letters: Sequence[str], style: Style) -> Written:
    """A stand-in for an expression that is too long to read: its last operation."""
    assert node.operation is not None
    name = node.operation.name.replace("_", " ")
    text = f"\\langle\\mathrm{{{name}}}\\rangle" if style == "latex" else f"⟨{name}⟩"
    return Written(subscript(text, letters, style))


def leaf(node: Node, letters: Sequence[str], style: Style) -> Written:
    """An input or a constant at letters: by its name, or by its number."""
    if isinstance(node.value, Template):
        text = node.value.text if style == "text" else node.value.latex
        marks = {chr(MARK + axis): letter for axis, letter in enumerate(letters)}

        def named(found: re.Match[str]) -> str:
            inside = found[1] or found[2]
            if not any(mark in inside for mark in marks):
                return found[0]
            indices = inside.split(",") if "," in inside or found[2] == "" else list(inside)
            if style == "latex" and "," not in inside:
                indices = list(inside)
            return subscript("", [marks.get(mark, mark) for mark in indices], style)

        return Written(_SUBSCRIPT[style].sub(named, text), node.value.binds)
    if node.name:
        name = _NAMES.get().get(node, node.name)
        return Written(subscript(written_name(name, style), letters, style))
    if node.shape == ():
        number = node.value
        text = f"{float(number):g}" if not isinstance(number, int) else str(number)
        return Written(
            text.replace("-", "−") if style == "text" else text, SUM if "-" in text else ATOM
        )
    text = subscript(written_name("const", style), letters, style)
    return Written(text)


def written_name(name: str, style: Style) -> str:
    """A name; upright in LaTeX where it has several letters."""
    if style == "text" or len(name) == 1:
        return name
    if name.endswith("′"):
        return written_name(name.rstrip("′"), style) + "'" * name.count("′")
    return "\\mathrm{" + escaped(name) + "}"


def filled(node: Node, children: Sequence[Written], style: Style) -> Written:
    """The operation's notation with its operands, in parentheses where that is needed."""
    operation = node.operation
    assert operation is not None
    if not operation.notation:
        name = written_name(operation.name, style)
        return Written(f"{name}({', '.join(child.text for child in children)})")
    template = operation.notation
    if style == "latex":
        template = operation.latex or _in_latex(template)
    texts = []
    for number, child in enumerate(children):
        place = template.find(f"{{{number}}}")
        enclosed = place > 0 and template[place - 1] in "([|‖{"
        tighter = number > 0 or template.startswith(("−", "-"))
        needed = SUM if enclosed else min(ATOM, operation.binds + tighter)
        if not enclosed:  # a − b over c d: (a − b) / (c d)
            above = template[place + 3 :].lstrip().startswith("/")
            below = template[:place].rstrip().endswith("/")
            needed = max(needed, PRODUCT if above else ATOM if below else SUM)
        raised = template.startswith("^", place + len(f"{{{number}}}"))
        text = child.inside(needed)
        texts.append(_base(text, style) if raised else text)
    return Written(template.format(*texts), operation.binds)


def _in_latex(notation: str) -> str:
    """A notation in LaTeX, where the operation declares none: names upright, powers raised."""
    text = _WORD.sub(r"\\mathrm{{\g<0>}}", notation)
    text = _POWER.sub(lambda found: f"^{{{{{found[0].translate(_LOWERED)}}}}}", text)
    return text.translate(_LATEX_SIGNS)


def _base(text: str, style: Style) -> str:
    """What gets a superscript; LaTeX allows one only, so a base that has its own is grouped."""
    return f"{{{text}}}" if style == "latex" and _RAISED.search(text) else text
