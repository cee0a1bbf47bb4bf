"""How an operand is written: ``C_lj``, ``(W x − t)_k``, ``1 − tanh(X_ij)²``.

An operand that can be written without letters (a *matrix form*: names, products along a chain of
letters, sums, functions) is written so and takes its letters at the end; otherwise the letters are
pushed down to what it is made of.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.node import Node, input_node, ordered
from jacobians.notation.terms import Factor, Sum, Term, contracted, numbered
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    SUM,
    Style,
    Written,
    fresh_letters,
    join_terms,
    subscript,
    write,
    write_product,
    write_slot,
)
from jacobians.operations.declare import Multilinear
from jacobians.operations.index_maps import reshape
from jacobians.operations.products import transpose

_MARK = 0xE000  # placeholders for letters: a private area of Unicode
_MOST = 40  # names in one operand's expression
_SHORT = 5  # names up to which a result is written out
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


def label(
    node: Node, letters: Sequence[str], style: Style, fresh: Iterator[str] | None = None
) -> Written:
    """A node's entry at letters; a node that is made of very many others by its operation's name.

    ``fresh`` names the letters that are summed inside; a formula's factors share it.
    """
    fresh = fresh_letters("rpq" + "".join(letters)) if fresh is None else fresh
    if node.operation is None:
        return _leaf(node, letters, style)
    if _is_large(node):
        return _summary(node, letters, style)
    operation = node.operation
    if operation is reshape and _squeezed(node.shape) == _squeezed(node.operands[0].shape):
        return label(node.operands[0], _realigned(node, letters), style, fresh)
    if operation.elementwise:
        whole = matrix_form(node, style) if letters and _is_linear(node) else None
        if whole is not None:
            return _indexed(whole, letters, style)
        children = [label(n, _aligned(n, node, letters), style, fresh) for n in node.operands]
        return _filled(node, children, style)
    if operation.indexed and len(letters) >= 2:
        texts = [_argument(n, style, fresh).text for n in node.operands]
        template = operation.indexed_latex if style == "latex" else operation.indexed
        return Written(template.format(*texts, row=letters[-2], column=letters[-1]), PRODUCT)
    whole = matrix_form(node, style)
    if whole is not None:
        return _indexed(whole, letters, style) if letters else whole
    if isinstance(operation, Multilinear):
        expanded = _expanded(node, letters, style, fresh)
        if expanded is not None:
            return expanded
    return _indexed(
        _filled(node, [_argument(n, style, fresh) for n in node.operands], style), letters, style
    )


def _squeezed(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]


def _realigned(node: Node, letters: Sequence[str]) -> list[str]:
    """The letters of what was reshaped by axes of size 1 alone, as ``keepdims`` makes them."""
    kept = iter([a for a, n in zip(letters, node.shape, strict=True) if n != 1])
    return ["0" if n == 1 else next(kept) for n in node.operands[0].shape]


def _is_large(node: Node, most: int = _MOST) -> bool:
    """Whether writing the node out would take more names than that."""
    found = 0
    stack = [node]
    while stack:
        found += 1
        if found > most:
            return True
        stack.extend(stack.pop().operands)
    return False


def _summary(node: Node, letters: Sequence[str], style: Style) -> Written:
    """A stand-in for an expression that is too long to read: its last operation."""
    assert node.operation is not None
    name = node.operation.name.replace("_", " ")
    text = f"\\langle\\mathrm{{{name}}}\\rangle" if style == "latex" else f"⟨{name}⟩"
    return Written(subscript(text, letters, style))


def _is_linear(node: Node) -> bool:
    """Sums of names and products of one shape: better written whole, as in ``(W x − t)_k``."""
    if node.operation is None:
        return bool(node.shape)
    if node.operation.name in ("add", "subtract"):
        return all(n.shape == node.shape and _is_linear(n) for n in node.operands)
    return isinstance(node.operation, Multilinear) and not node.operation.notation


def matrix_form(node: Node, style: Style) -> Written | None:
    """The node as a whole, without letters; None where that would be ambiguous."""
    operation = node.operation
    if isinstance(node.value, Template):
        return node.value.whole if style == "text" else node.value.whole_latex
    if operation is None:
        return _leaf(node, [], style)
    if _is_large(node):
        return _summary(node, [], style)
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
    return _filled(node, [child for child in children if child is not None], style)


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


def shortcut(tensor: Sum, out_ndim: int, upstream: Node, axes: str, style: Style = "text") -> str:
    """The gradient without the tensor: ``G Cᵀ``, or in letters where it is no matrix product.

    Parameters
    ----------
    tensor : Sum
        The Jacobian.
    out_ndim : int
        How many of its axes are the output's; ``upstream`` is summed over these.
    upstream : Node
        The upstream gradient, a leaf with a name.
    axes : str
        The names of the tensor's axes.
    """
    found = contracted(tensor, upstream, range(out_ndim))
    if len(found.terms) == 1:
        written = product_form(numbered(found).terms[0], found.operands, style)
        if written is not None:
            return written.text
    return write(found, axes[out_ndim:], label, style).text


class Template(NamedTuple):
    """How a node was written, with placeholders for letters: all that a stored tensor keeps of it."""

    text: str
    latex: str
    binds: int
    whole: Written | None
    whole_latex: Written | None


def with_output(tensor: Sum, output: Node, name: str) -> Sum:
    """A Jacobian in which the function's own result stands under its name.

    So softmax's is ``δ_ik S_i − S_i S_k``, whatever it is computed by. A short one is left written out.

    Parameters
    ----------
    tensor : Sum
        The Jacobian.
    output : Node
        The result.
    name : str
        What it is called.
    """
    if output not in tensor.operands or not _is_large(output, _SHORT):
        return tensor
    leaf = input_node(name, output.shape, output.dtype)
    named = [
        term._replace(
            factors=tuple(
                f._replace(operand=leaf) if f.operand is output else f for f in term.factors
            )
        )
        for term in tensor.terms
    ]
    return Sum(tensor.shape, tuple(named))


def template_of(node: Node) -> Template:
    """The node in both styles with placeholders for its letters, and whole where it can be."""
    if isinstance(node.value, Template):
        return node.value
    marks = [chr(_MARK + axis) for axis in range(node.ndim)]
    written = label(node, marks, "text")
    latex = label(node, marks, "latex").text
    whole, whole_latex = matrix_form(node, "text"), matrix_form(node, "latex")
    return Template(written.text, latex, written.binds, whole, whole_latex)


def _leaf(node: Node, letters: Sequence[str], style: Style) -> Written:
    if isinstance(node.value, Template):
        text = node.value.text if style == "text" else node.value.latex
        marks = {chr(_MARK + axis): letter for axis, letter in enumerate(letters)}

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
        return Written(subscript(_name(name, style), letters, style))
    if node.shape == ():
        number = node.value
        text = f"{float(number):g}" if not isinstance(number, int) else str(number)
        return Written(
            text.replace("-", "−") if style == "text" else text, SUM if "-" in text else ATOM
        )
    text = subscript(_name("const", style), letters, style)
    return Written(text)


def _name(name: str, style: Style) -> str:
    if style == "text" or len(name) == 1:
        return name
    if name.endswith("′"):
        return _name(name.rstrip("′"), style) + "'" * name.count("′")
    return "\\mathrm{" + re.sub(r"([_#$%&{}])", r"\\\1", name) + "}"


def title(names: tuple[str, str], axes: str, out_ndim: int, style: Style = "text") -> str:
    """What a tensor is: ``∂A_ij/∂B_kl``, in LaTeX as a fraction."""
    out, inner = axes[:out_ndim], axes[out_ndim:]
    if style == "latex":
        above, below = latex_name(names[0], out), latex_name(names[1], inner)
        return f"\\frac{{\\partial {above}}}{{\\partial {below}}}"
    return f"∂{subscript(names[0], out, style)}/∂{subscript(names[1], inner, style)}"


def latex_name(name: str, letters: Sequence[str]) -> str:
    r"""What is differentiated, or by what: ``X_{kl}``, ``(\partial Y/\partial X)_{ij}``."""
    parts = [
        "\\partial " * part.startswith("∂") + _name(part.removeprefix("∂"), "latex")
        for part in name.strip("()").split("/")
    ]
    whole = "/".join(parts)
    return subscript(f"({whole})" if len(parts) > 1 and letters else whole, letters, "latex")


def _indexed(whole: Written, letters: Sequence[str], style: Style) -> Written:
    if not letters:
        return whole
    bare = whole.binds == ATOM and re.fullmatch(r"[^\W\d_]", whole.text) is not None
    function = whole.binds == ATOM and whole.text.endswith(")")
    name = whole.text if bare or function else f"({whole.text})"
    return Written(subscript(name, letters, style))


def _argument(node: Node, style: Style, fresh: Iterator[str]) -> Written:
    whole = matrix_form(node, style)
    return whole or label(node, [next(fresh) for _ in range(node.ndim)], style, fresh)


def _aligned(operand: Node, node: Node, letters: Sequence[str]) -> list[str]:
    """The letters of an operand that broadcasts: aligned on the right; an axis of size 1 has index 0."""
    offset = node.ndim - operand.ndim
    return [
        letters[offset + axis] if operand.shape[axis] == node.shape[offset + axis] else "0"
        for axis in range(operand.ndim)
    ]


def _filled(node: Node, children: Sequence[Written], style: Style) -> Written:
    """The operation's notation with its operands, in parentheses where that is needed."""
    operation = node.operation
    assert operation is not None
    if not operation.notation:
        name = _name(operation.name, style)
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


def _expanded(
    node: Node, letters: Sequence[str], style: Style, fresh: Iterator[str]
) -> Written | None:
    """A multilinear node written out: its factors, with letters of its own for what it sums."""
    operation = node.operation
    assert isinstance(operation, Multilinear)
    tensor = operation.structure(tuple(n.shape for n in node.operands), node.parameters)
    if not tensor.terms or any(s.plain is None for term in tensor.terms for s in term.slots):
        return None
    pieces = []
    for term in tensor.terms:
        names: dict[int, str] = {}
        for slot, letter in zip(term.slots, letters, strict=True):
            assert slot.plain is not None
            names[slot.plain] = letter
        for a in range(len(term.sizes)):
            if a not in names:
                names[a] = next(fresh)
        written = [
            label(
                node.operands[f.operand],
                [write_slot(slot, names) for slot in f.slots],
                style,
                fresh,
            )
            for f in term.factors
        ]
        pieces.append(write_product(term.coefficient, written, style))
    return pieces[0] if len(pieces) == 1 else join_terms(pieces, style)
