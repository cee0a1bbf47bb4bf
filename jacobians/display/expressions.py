"""How an operand is written: ``C_lj``, ``(W x − t)_k``, ``1 − tanh(X_ij)²``.

An operand that can be written without letters (a *matrix form*: names, products along a chain of
letters, sums, functions) is written so and takes its letters at the end; otherwise the letters are
pushed down to what it is made of.
"""

import re
from collections.abc import Iterator, Sequence

from jacobians.display.matrix_forms import (
    MARK,
    Template,
    filled,
    is_large,
    leaf,
    matrix_form,
    product_form,
    summary,
    written_name,
)
from jacobians.graph.node import Node, input_node
from jacobians.notation.terms import Sum, contracted, numbered
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
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

_SHORT = 5  # names up to which a result is written out


def label(
    node: Node, letters: Sequence[str], style: Style, fresh: Iterator[str] | None = None
) -> Written:
    """A node's entry at letters; a node that is made of very many others by its operation's name.

    ``fresh`` names the letters that are summed inside; a formula's factors share it.
    """
    fresh = fresh_letters("rpq" + "".join(letters)) if fresh is None else fresh
    if node.operation is None:
        return leaf(node, letters, style)
    if is_large(node):
        return summary(node, letters, style)
    operation = node.operation
    if operation is reshape and _squeezed(node.shape) == _squeezed(node.operands[0].shape):
        return label(node.operands[0], _realigned(node, letters), style, fresh)
    if operation.elementwise:
        whole = matrix_form(node, style) if letters and _is_linear(node) else None
        if whole is not None:
            return _indexed(whole, letters, style)
        children = [label(n, aligned(n, node, letters), style, fresh) for n in node.operands]
        return filled(node, children, style)
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
        filled(node, [_argument(n, style, fresh) for n in node.operands], style), letters, style
    )


def _squeezed(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]


def _realigned(node: Node, letters: Sequence[str]) -> list[str]:
    """The letters of what was reshaped by axes of size 1 alone, as ``keepdims`` makes them."""
    kept = iter([a for a, n in zip(letters, node.shape, strict=True) if n != 1])
    return ["0" if n == 1 else next(kept) for n in node.operands[0].shape]


def _is_linear(node: Node) -> bool:
    """Sums of names and products of one shape: better written whole, as in ``(W x − t)_k``."""
    if node.operation is None:
        return bool(node.shape)
    if node.operation.name in ("add", "subtract"):
        return all(n.shape == node.shape and _is_linear(n) for n in node.operands)
    return isinstance(node.operation, Multilinear) and not node.operation.notation


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
    if output not in tensor.operands or not is_large(output, _SHORT):
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
    marks = [chr(MARK + axis) for axis in range(node.ndim)]
    written = label(node, marks, "text")
    latex = label(node, marks, "latex").text
    whole, whole_latex = matrix_form(node, "text"), matrix_form(node, "latex")
    return Template(written.text, latex, written.binds, whole, whole_latex)


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
    function = whole.binds == ATOM and whole.text.endswith(")")
    name = whole.text if bare or function else f"({whole.text})"
    return Written(subscript(name, letters, style))


def _argument(node: Node, style: Style, fresh: Iterator[str]) -> Written:
    whole = matrix_form(node, style)
    return whole or label(node, [next(fresh) for _ in range(node.ndim)], style, fresh)


def aligned(operand: Node, node: Node, letters: Sequence[str]) -> list[str]:
    """The letters of an operand that broadcasts: aligned on the right; an axis of size 1 has index 0."""
    offset = node.ndim - operand.ndim
    return [
        letters[offset + axis] if operand.shape[axis] == node.shape[offset + axis] else "0"
        for axis in range(operand.ndim)
    ]


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
