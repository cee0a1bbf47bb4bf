"""How an operand is written: ``C_lj``, ``(W x − t)_k``, ``1 − tanh(X_ij)²``.

An operand that can be written without letters (a *matrix form*: names, products along a chain of
letters, sums, functions) is written so and takes its letters at the end; otherwise the letters are
pushed down to what it is made of.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jacobians.display.matrix_forms import (
    argument,
    filled,
    leaf,
    number,
    oriented,
    part,
    product_form,
    unturned,
    whole_form,
    written_name,
)
from jacobians.display.naming import names, structure_of
from jacobians.graph.node import Node, input_node
from jacobians.notation.terms import Sum, Term, contracted, spans
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    Style,
    Written,
    exact_number,
    fresh_letters,
    join_terms,
    room,
    subscript,
    write,
    write_product,
    write_slot,
    write_sums,
)

_ENDLESS = 1 << 62
_SHORT = 5  # names up to which a result is written out


def label(
    node: Any, letters: Sequence[str], style: Style, fresh: Iterator[str] | None = None
) -> Written:
    """A node's entry at letters, or a number; what is long by the name of a part.

    ``fresh`` names the letters that are summed inside; a formula's factors share it.
    """
    if not isinstance(node, Node):
        return number(node, style)
    if node.operation is not None and names().is_part(node):
        return part(node, letters, style)
    return entry(
        node, letters, style, fresh_letters("rpq" + "".join(letters)) if fresh is None else fresh
    )


def entry(node: Node, letters: Sequence[str], style: Style, fresh: Iterator[str]) -> Written:
    """A node's entry at letters, written out."""
    operation = node.operation
    if operation is None:
        return leaf(node, letters, style)
    inner, flipped = unturned(node)
    if inner is not node:
        return label(inner, _swapped(letters) if flipped else letters, style, fresh)
    if operation.elementwise:
        whole = whole_form(node, style) if letters and _is_linear(node) else None
        if whole is not None:
            return _indexed(whole, letters, style)
        children = [label(n, aligned(n, node, letters), style, fresh) for n in node.operands]
        return _scaled(node, children, style) or filled(node, children, style)
    if operation.indexed and len(letters) >= 2:
        texts = [argument(n, style).inside(ATOM) for n in node.operands]
        template = operation.indexed_latex if style == "latex" else operation.indexed
        batch, turned = (subscript("", at, style) for at in (letters[:-2], _swapped(letters)))
        return Written(template.format(*texts, batch=batch, turned=turned), PRODUCT)
    tensor = structure_of(node)
    if tensor is None or operation.notation:
        return _indexed(_whole(node, style), letters, style)
    alone = len(tensor.terms) == 1 and spans(tensor.terms[0], tensor.shape)
    product = oriented(tensor.terms[0], style) if alone else None
    if product is not None:
        return _indexed(product[0], _swapped(letters) if product[1] else letters, style)
    return _expanded(tensor, letters, style, fresh) or part(node, letters, style)


def _scaled(node: Node, children: Sequence[Written], style: Style) -> Written | None:
    """A product with a number, which goes first; None for any other node."""
    numbers = [n for n, o in enumerate(node.operands) if o.is_number]
    if node.operation is None or node.operation.notation != "{0} {1}" or len(numbers) != 1:
        return None
    (place,) = numbers
    scale = node.operands[place].value
    if exact_number(abs(scale)) is None:
        return None
    return write_product(scale, [children[1 - place]], style)


def _whole(node: Node, style: Style) -> Written:
    return whole_form(node, style) or filled(
        node, [argument(n, style) for n in node.operands], style
    )


def _swapped(letters: Sequence[str]) -> list[str]:
    return [*letters[:-2], letters[-1], letters[-2]] if len(letters) > 1 else list(letters)


def _is_linear(node: Node) -> bool:
    """Sums of names and products of one shape: better written whole, as in ``(W x − t)_k``."""
    if node.operation is None:
        return bool(node.shape)
    if node.operation.name in ("add", "subtract"):
        return all(n.shape == node.shape and _is_linear(n) for n in node.operands)
    return structure_of(node) is not None and not node.operation.notation


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
        written = product_form(found.terms[0], style)
        if written is not None:
            return written.text
    return write(found, axes[out_ndim:], label, style, shape_of).text


def _is_longer(node: Node, most: int) -> bool:
    """Whether writing the node out would take more names than that."""
    found = 0
    stack = [node]
    while stack and found <= most:
        found += 1
        stack.extend(stack.pop().operands)
    return found > most


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
    if output not in tensor.operands or not _is_longer(output, _SHORT):
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
        "\\partial " * part.startswith("∂") + written_name(part.removeprefix("∂"), "latex")
        for part in name.strip("()").split("/")
    ]
    whole = "/".join(parts)
    return subscript(f"({whole})" if len(parts) > 1 and letters else whole, letters, "latex")


def _indexed(whole: Written, letters: Sequence[str], style: Style) -> Written:
    if not letters:
        return whole
    bare = whole.binds == ATOM and re.fullmatch(r"[^\W\d_]", whole.text) is not None
    function = whole.binds == ATOM and whole.text.endswith((")", "]"))
    name = whole.text if bare or function else f"({whole.text})"
    return Written(subscript(name, letters, style), entry=True)


def shape_of(node: Node) -> tuple[int, ...]:
    """How many entries of a node there are along each axis as it is written.

    Its own shape, unless the letters are handed on to larger arrays: ``x[2:]`` is written
    ``x_(i+2)``, which says where it begins and ends, and ``x[:2]`` is written ``x_i``, which does not.
    """
    operation = node.operation
    if operation is None or names().is_part(node):
        return node.shape
    if operation.elementwise:
        reach = list(node.shape)
        for operand in node.operands:
            inner = shape_of(operand)
            for axis, size in enumerate(inner, node.ndim - operand.ndim):
                if operand.shape[axis - node.ndim + operand.ndim] == node.shape[axis]:
                    reach[axis] = max(reach[axis], size)
        return tuple(reach)
    tensor = structure_of(node)
    if tensor is None or operation.notation or len(tensor.terms) != 1:
        return node.shape
    (term,) = tensor.terms
    reach = list(node.shape)
    for axis, slot in enumerate(term.slots):
        if slot.plain is not None:
            found = room(term, slot.plain, (), shape_of)
            reach[axis] = _ENDLESS if found is None else found  # a broadcast loses its letter
    return tuple(reach)


def aligned(operand: Node, node: Node, letters: Sequence[str]) -> list[str]:
    """The letters of an operand that broadcasts: aligned on the right; an axis of size 1 has index 0."""
    offset = node.ndim - operand.ndim
    return [
        letters[offset + axis] if operand.shape[axis] == node.shape[offset + axis] else "0"
        for axis in range(operand.ndim)
    ]


def _expanded(
    tensor: Sum, letters: Sequence[str], style: Style, fresh: Iterator[str]
) -> Written | None:
    """A sum of products written out, with letters of its own for what it sums; None where one of them
    does not reach all entries.
    """
    if not tensor.terms or not all(spans(term, tensor.shape) for term in tensor.terms):
        return None
    pieces = [_product(term, tensor.shape, letters, style, fresh) for term in tensor.terms]
    return pieces[0] if len(pieces) == 1 else join_terms(pieces, style)


def _product(
    term: Term, shape: Sequence[int], letters: Sequence[str], style: Style, fresh: Iterator[str]
) -> Written:
    own = {s.plain: a for s, a in zip(term.slots, letters, strict=True) if s.plain is not None}
    known: dict[int, str] = {}
    for letter in range(len(term.sizes)):
        known[letter] = own[letter] if letter in own else next(fresh)
    pieces = [
        label(f.operand, [write_slot(slot, known) for slot in f.slots], style, fresh)
        for f in term.factors
    ]
    sums = write_sums(term, pieces, known, own, shape, style, shape_of)
    pieces = [*sums, *pieces]
    coefficient = term.coefficient
    if exact_number(abs(coefficient)) is None:
        pieces.insert(0, number(abs(coefficient), style))
        coefficient = -1 if coefficient < 0 else 1
    return write_product(coefficient, pieces, style)
