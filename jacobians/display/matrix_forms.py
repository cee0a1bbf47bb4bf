"""Operands written whole, without letters: names, products along a chain, sums and functions of these.

``W x − t``, ``Vᵀ V`` and ``X⁻¹`` are *matrix forms*; not everything has one. ``expressions`` gives them
their letters, and writes out the rest.
"""

import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from jacobians.display.latex import HAT, escaped, letters_in_latex
from jacobians.display.naming import names, structure_of
from jacobians.graph.node import Node
from jacobians.notation.terms import Factor, Term, full_letter
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    SUM,
    Style,
    Written,
    exact_number,
    subscript,
    write_product,
)

_RAISED = re.compile(r"\^(\{[^{}]*\}|.)$")
_WORD = re.compile(r"(?<![\\{])[A-Za-z]{2,}")
_POWER = re.compile("[⁺⁻¹²³ᵀ]+")
_LOWERED = str.maketrans({"⁺": "+", "⁻": "-", "¹": "1", "²": "2", "³": "3", "ᵀ": "\\top"})
_LATEX_SIGNS = str.maketrans(
    {"−": "-", "‖": "\\|", "½": "\\tfrac{{1}}{{2}}", "σ": "\\sigma ", "≥": "\\ge", "≤": "\\le"}
)
_TRANSPOSED = {"text": "ᵀ", "latex": "^{\\top}"}
_INVERSE = "{0}⁻¹"
_PERMUTED = 4  # axes up to which a part is looked for in another order of its axes
_COMMUTING = (_INVERSE, "{0}⁺")  # with transposition


def unturned(node: Node) -> tuple[Node, bool]:
    """The node behind transposes of the last two axes, and whether these are swapped in all."""
    flipped = False
    while (found := _behind(node)) is not None:
        node, turn = found
        flipped ^= turn
    return node, flipped


def _behind(node: Node) -> tuple[Node, bool] | None:
    """What the node is the same array as, or the transpose of."""
    tensor = structure_of(node) if len(node.operands) == 1 else None
    if tensor is None or len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    if term.coefficient != 1 or len(term.factors) != 1 or term.factors[0].mask:
        return None
    (factor,) = term.factors
    if any(slot.parts and slot.plain is None for slot in term.slots) or node.operation is None:
        return None
    if node.operation.notation or sum(n != 1 for n in node.shape) != len(term.sizes):
        return None
    for turn in (False, True) if node.ndim > 1 else (False,):
        order = [*range(node.ndim)]
        if turn:
            order[-2:] = order[-1], order[-2]
        shape = tuple(node.shape[axis] for axis in order)
        slots = tuple(term.slots[axis] for axis in order)
        if shape == factor.operand.shape and slots == factor.slots:
            return factor.operand, turn
    return None


def matrix_form(node: Node, style: Style) -> Written | None:
    """The node as a whole, without letters; None where that would be ambiguous."""
    if node.operation is not None and names().is_part(node):
        return part(node, [], style)
    return whole_form(node, style)


def whole_form(node: Node, style: Style) -> Written | None:
    """As ``matrix_form``, of the node itself: not by the name of a part."""
    operation = node.operation
    if operation is None:
        return leaf(node, [], style)
    inner, flipped = unturned(node)
    if inner is not node:
        return transposed_form(inner, style) if flipped else matrix_form(inner, style)
    tensor = structure_of(node)
    if tensor is not None and not operation.notation:
        return product_form(tensor.terms[0], style) if len(tensor.terms) == 1 else None
    if operation.elementwise and operation.binds == PRODUCT:
        return None  # X Y could mean the matrix product
    if operation.elementwise and "²" in operation.notation:
        return None
    if operation.notation == _INVERSE:
        (inside,) = node.operands
        if inside.operation is not None and inside.operation.notation == _INVERSE:
            return matrix_form(inside.operands[0], style)
    if operation.elementwise and any(n.shape != node.shape for n in node.operands):
        return None  # broadcasting is clearer with letters
    if operation.elementwise:
        forms = [matrix_form(operand, style) for operand in node.operands]
        whole = [form for form in forms if form is not None]
        return filled(node, whole, style) if len(whole) == len(forms) else None
    return filled(node, [argument(operand, style) for operand in node.operands], style)


def argument(node: Node, style: Style) -> Written:
    """What an operation takes as a whole: its matrix form, or a part of that name."""
    return matrix_form(node, style) or part(node, [], style)


def part(node: Node, letters: Sequence[str], style: Style) -> Written:
    """A node by the name that the formula gives it: ``M_ij``, and as a whole ``M`` or ``Mᵀ``."""
    axes = tuple(range(node.ndim))
    orders = permutations(axes) if letters else (axes, (*axes[:-2], *axes[:-3:-1]))
    name, order = names().part(node, orders if node.ndim <= _PERMUTED else (axes,))
    written = written_name(name, style)
    if letters or not node.ndim:
        return Written(subscript(written, [letters[axis] for axis in order], style), entry=True)
    return Written(written if order == axes else _base(written, style) + _TRANSPOSED[style])


def transposed_form(node: Node, style: Style) -> Written | None:
    """The transpose of a node as a whole: of a transpose it is what is turned."""
    notation = "" if node.operation is None or names().is_part(node) else node.operation.notation
    if notation in _COMMUTING:
        inner, turned = unturned(node.operands[0])
        if turned:  # (Aᵀ)⁻¹
            return filled(node, [argument(inner, style)], style)
    whole = matrix_form(node, style)
    if whole is None:
        return None
    mark = _TRANSPOSED[style]
    if notation.endswith(_TRANSPOSED["text"]) and whole.text.endswith(mark):
        return Written(whole.text.removesuffix(mark))
    return Written(_base(whole.inside(ATOM), style) + mark)


def oriented(term: Term, style: Style) -> tuple[Written, bool] | None:
    """A product, or its transpose where that has fewer transposes in it, and whether it is that one.

    Of two that have as many it is the first in alphabetical order: one tensor is written in one way.
    """
    found = product_form(term, style)
    if found is None or len(term.slots) != 2:
        return None if found is None else (found, False)
    other = product_form(term._replace(slots=term.slots[::-1]), style)
    ways = [
        (form.text.count(_TRANSPOSED[style]), form.text, form)
        for form in (found, other)
        if form is not None
    ]
    best = min(ways, key=lambda way: way[:2])[2]
    return best, best is not found


def product_form(term: Term, style: Style) -> Written | None:
    """A product of matrices and vectors, ``Vᵀ V``, ``W x``, ``x yᵀ``, where the letters form a chain.

    Parameters
    ----------
    term : Term
        Over nodes, with at most two axes in all.
    """
    words = _Chain(term, style).words() if _is_of_matrices(term) else None
    if words is None or None in words:
        return None
    alone = len(words) == 1 and term.coefficient == 1
    written = write_product(term.coefficient, [Written(w) for w in words if w is not None], style)
    return written._replace(binds=SUM if term.coefficient < 0 else ATOM if alone else PRODUCT)


def _is_of_matrices(term: Term) -> bool:
    """Whether it is a number that can be written times whole matrices and vectors, placed by plain letters."""
    ends = [slot.plain for slot in term.slots]
    if len(ends) > 2 or len(set(ends)) != len(ends) or None in ends:
        return False
    if any(f.mask or len(f.slots) > 2 or len(f.letters) != len(f.slots) for f in term.factors):
        return False
    return exact_number(abs(term.coefficient)) is not None and all(
        full_letter(slot, term.sizes, size) is not None
        for f in term.factors
        for slot, size in zip(f.slots, f.operand.shape, strict=True)
    )


class _Chain:
    """The factors of a term, taken one after the other along the letters that they share."""

    def __init__(self, term: Term, style: Style) -> None:
        self._ends = [slot.plain for slot in term.slots]
        self._waiting, self._style = list(term.factors), style

    def words(self) -> list[str | None] | None:
        """The factors in order, None for one that has no form; None where they form no chain."""
        found = self._between_ends() if self._ends else self._closed()
        return None if self._waiting else found

    def _between_ends(self) -> list[str | None] | None:
        """From the first axis to the second, where a column may meet a row."""
        words: list[str | None] = []
        stop = self._walk(self._ends[0], words)
        if len(self._ends) == 1:
            return words if stop is None else None
        if stop == self._ends[1]:
            return words
        tail: list[str | None] = []
        if stop is not None or self._walk(self._ends[1], tail) is not None or len(tail) != 1:
            return None
        return words + [None if w is None else w + _TRANSPOSED[self._style] for w in tail]

    def _closed(self) -> list[str | None] | None:
        """From one vector to another."""
        start = next((f for f in self._waiting if len(f.slots) == 1), None)
        if start is None:
            return None
        self._waiting.remove(start)
        words = [self._name(start, flipped=True)]
        return words if self._walk(start.slots[0].plain, words) is None else None

    def _name(self, factor: Factor, *, flipped: bool) -> str | None:
        node, turned = unturned(factor.operand)
        form = transposed_form if flipped != turned else matrix_form
        whole = form(node, self._style)
        return None if whole is None else whole.inside(PRODUCT)

    def _walk(self, letter: int | None, words: list[str | None]) -> int | None:
        """Follow the chain from a letter; the letter it ends at, None for a vector's end."""
        while letter is not None:
            here = letter
            found = next((f for f in self._waiting if here in f.letters), None)
            if found is None:
                return letter
            self._waiting.remove(found)
            places = [slot.plain for slot in found.slots]
            words.append(self._name(found, flipped=len(places) == 2 and places[0] != here))
            letter = next((a for a in places if a != here), None)
            if letter in self._ends:
                return letter
        return None


def leaf(node: Node, letters: Sequence[str], style: Style) -> Written:
    """An input or a constant at letters: by its name, or by its number where that is short."""
    if not node.name and node.shape == ():
        return number(np.asarray(node.value).item(), style)
    name = names().leaf(node)
    return Written(subscript(written_name(name, style), letters, style), entry=True)


def number(value: float, style: Style) -> Written:
    """A number as it is; one with many digits by a name."""
    size = abs(value)
    short = None if isinstance(value, int) or size == float("inf") else f"{size:.6g}"
    exact = exact_number(size, style)
    if short is not None and float(short) == size and not size.is_integer():
        exact = Written(short)
    if exact is None:
        exact = Written(written_name(names().number(size), style), entry=True)
    if value >= 0 or value != value:
        return exact
    return Written(("-" if style == "latex" else "−") + exact.inside(PRODUCT), SUM)


def written_name(name: str, style: Style) -> str:
    """A name; upright in LaTeX where it has several letters."""
    if style == "text":
        return name
    if name.endswith("′"):
        return written_name(name.rstrip("′"), style) + "'" * name.count("′")
    if len(name) == 1 or (len(name) == 2 and name[1] == HAT):
        return letters_in_latex(name).strip()
    return "\\mathrm{" + letters_in_latex(escaped(name)) + "}"


def filled(node: Node, children: Sequence[Written], style: Style) -> Written:
    """The operation's notation with its operands, in parentheses where that is needed."""
    operation = node.operation
    assert operation is not None
    if not operation.notation:
        name = written_name(operation.name, style)
        return Written(f"{name}({', '.join(child.text for child in children)})")
    template = operation.notation
    if style == "latex":
        template = operation.latex or notation_in_latex(template)
    turned = f"{{0}}{_TRANSPOSED['text']}"
    if turned in operation.notation:  # of a transpose: the array itself
        inner, flipped = unturned(node.operands[0])
        if flipped:
            return _of_transpose(node, inner, style)
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


def _of_transpose(node: Node, inner: Node, style: Style) -> Written:
    """``(Aᵀ A)⁻¹`` where A is the transpose of an array: ``(B Bᵀ)⁻¹``."""
    assert node.operation is not None
    text = node.operation.notation.replace("{0}ᵀ", "{1}").replace("{0}", "{0}ᵀ")
    text = text if style == "text" else notation_in_latex(text)
    form = argument(inner, style)
    return Written(
        text.format(_base(form.inside(ATOM), style), form.inside(ATOM)), node.operation.binds
    )


def notation_in_latex(notation: str) -> str:
    """A notation in LaTeX, where the operation declares none: names upright, powers raised."""
    text = _WORD.sub(r"\\mathrm{{\g<0>}}", notation)
    text = _POWER.sub(lambda found: f"^{{{{{found[0].translate(_LOWERED)}}}}}", text)
    return text.translate(_LATEX_SIGNS)


def _base(text: str, style: Style) -> str:
    """What gets a superscript; LaTeX allows one only, so a base that has its own is grouped."""
    return f"{{{text}}}" if style == "latex" and _RAISED.search(text) else text
