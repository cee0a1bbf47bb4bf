"""Mistakes in a formula, and what they would give: a factor forgotten or transposed, a summand lost.

They are read off the terms of the derived Jacobian, whatever the operation: each is a clause and the
whole tensor that the mistake makes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import aligned, label
from jacobians.display.formulas import formula_of, written_out
from jacobians.graph.node import Node, evaluate, input_node, ordered
from jacobians.notation.explicit import letter_names
from jacobians.notation.terms import Factor, Sum, Term
from jacobians.notation.writing import write_slot
from jacobians.operations.declare import Multilinear
from jacobians.tensor.jacobian_tensor import JacobianTensor

Array = NDArray[Any]
Variants = Callable[[], Iterator[tuple[str, Array]]]

_MOST = 48  # mistakes that are tried


class _Swap(NamedTuple):
    """What stands in the place of an operand, and the words for it, with a place for the operand's."""

    clause: str
    value: Array


def terms_of(J: JacobianTensor) -> list[tuple[str, Array]]:
    """The terms with their texts, as dense tensors."""
    texts = [str(formula_of(Sum(J.shape, (t,)), J.axes, J.operands)) for t in J.terms.terms]
    return [(text, _dense(J, term, {})) for text, term in zip(texts, J.terms.terms, strict=True)]


def variants(J: JacobianTensor, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Clauses, and the tensors that they would give.

    Parameters
    ----------
    J : JacobianTensor
        The right one.
    inputs : mapping of str to array_like
        The values of the function's arguments, by their names.
    """
    known = terms_of(J)
    whole = sum(array for _, array in known)
    left = _MOST
    for (text, array), term in zip(known, J.terms.terms, strict=True):
        rest = whole - array if len(known) > 1 else 0
        for place, factor in enumerate(term.factors):
            if factor.mask:
                continue
            for clause, value in _swaps(J, term, factor, inputs):
                if not left:
                    return
                left -= 1
                changed, leaf = _with_leaf(term, place, value.shape)
                where = f"in the term {text}, " if len(known) > 1 else ""
                yield where + clause, rest + _dense(J, changed, {leaf: value})


def _with_leaf(term: Term, place: int, shape: tuple[int, ...]) -> tuple[Term, Node]:
    """The term with a leaf in the place of a factor's operand, and the leaf."""
    leaf = input_node("", shape)
    factors = list(term.factors)
    factors[place] = factors[place]._replace(operand=leaf)
    return term._replace(factors=tuple(factors)), leaf


def _dense(J: JacobianTensor, term: Term, more: Mapping[Node, Any]) -> Array:
    values = {**J.operands, **more}
    return JacobianTensor(Sum(J.shape, (term,)), J.out_ndim, values, dtype=J.dtype).dense()


def _swaps(
    J: JacobianTensor, term: Term, factor: Factor, inputs: Mapping[str, Any]
) -> Iterator[_Swap]:
    """What a mistake puts in the place of a factor."""
    node, value = factor.operand, J.operands[factor.operand]
    names, _ = letter_names(term, J.shape, J.axes)
    letters = [write_slot(slot, names) for slot in factor.slots]

    def said(part: Node) -> str:
        return _said(part, aligned(part, node, letters), J.operands)

    yield from _mistaken(said(node), value)
    parts = _operands(node, inputs)
    operation = node.operation
    if parts is not None and operation is not None and operation.elementwise and len(parts) == 2:
        first, second = (said(part) for part in node.operands)
        if operation.name in ("add", "subtract"):
            minus = operation.name == "subtract"
            yield _Swap(f"the summand {first} is missing", _filled((-1) ** minus * parts[1], value))
            second = f"−{second}" if minus else second
            yield _Swap(f"the summand {second} is missing", _filled(parts[0], value))
        elif operation.name in ("multiply", "divide", "ratio"):
            divided = operation.name != "multiply"
            how = "the division by" if divided else "the factor"
            yield _Swap(f"{how} {second} is missing", _filled(parts[0], value))
            other = 1 / parts[1] if divided else parts[1]
            yield _Swap(f"the factor {first} is missing", _filled(other, value))
    elif parts is not None and isinstance(operation, Multilinear):
        yield from _of_contraction(node, parts, value, letters)


def _of_contraction(
    node: Node, parts: Sequence[Any], value: Array, letters: Sequence[str]
) -> Iterator[_Swap]:
    """A summand of a multilinear node that is lost, or a factor where there is one product."""
    assert isinstance(node.operation, Multilinear)
    axes = "".join(letters)
    if len(axes) != node.ndim:
        return
    tensor = node.operation.structure(tuple(n.shape for n in node.operands), node.parameters)
    values = dict(zip(node.operands, parts, strict=True))
    terms = [
        term._replace(
            factors=tuple(f._replace(operand=node.operands[f.operand]) for f in term.factors)
        )
        for term in tensor.terms
    ]

    def made(term: Term, more: Mapping[Node, Any]) -> Array:
        alone = Sum(node.shape, (term,))
        return JacobianTensor(alone, node.ndim, {**values, **more}, dtype=node.dtype).dense()

    if len(terms) > 1:
        for term in terms:
            text = str(formula_of(Sum(node.shape, (term,)), axes, values))
            yield _Swap(f"the summand {text} is missing", value - made(term, {}))
        return
    for term in terms:
        names, _ = letter_names(term, node.shape, axes)
        for place, factor in enumerate(term.factors if len(term.factors) > 1 else ()):
            slots = [write_slot(slot, names) for slot in factor.slots]
            text = _said(factor.operand, slots, values)
            for clause, other in _mistaken(text, np.asarray(values[factor.operand])):
                changed, leaf = _with_leaf(term, place, other.shape)
                yield _Swap(clause, made(changed, {leaf: other}))


def _mistaken(text: str, value: Array) -> Iterator[_Swap]:
    """A factor of a product that is forgotten, or transposed."""
    yield _Swap(f"the factor {text} is missing", np.ones(value.shape))
    if value.ndim == 2 and value.shape[0] == value.shape[1] > 1:
        yield _Swap(f"{text} stands transposed", value.T)


def _filled(part: Any, value: Array) -> Array:
    return np.broadcast_to(np.asarray(part, value.dtype), value.shape)


def _said(node: Node, letters: Sequence[str], values: Mapping[Node, Any]) -> str:
    """A node at letters, in words."""
    return str(written_out(lambda: label(node, letters, "text").text, values))


def _operands(node: Node, inputs: Mapping[str, Any]) -> list[Any] | None:
    """The values of a node's operands; None where they are not known."""
    leaves = [n for n in ordered([node]) if n.operation is None]
    if any(n.value is None and n.name not in inputs for n in leaves):
        return None
    given = {n: np.asarray(inputs[n.name]) for n in leaves if n.value is None}
    if any(array.shape != n.shape for n, array in given.items()):
        return None
    known = evaluate(node.operands, given)
    return [known[operand] for operand in node.operands]
