"""Mistakes within a local derivative: a factor, a constant, a mask or a value of the function that is another.

Every node of the graph that a local Jacobian is computed by is put to other values, one at a time; what
follows is computed, so that no operation needs an explanation of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from jacobians.graph.node import Array, Node, evaluate, input_node, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.verification.flow import FLAWS, Flow
from jacobians.verification.judging import Guess, added
from jacobians.verification.variables import UNNAMED
from jacobians.verification.variations import axes_of, axes_said
from jacobians.verification.workings import Edge, tensor_of

Standin = tuple[str, str, Array, float]
"""What stands in the place of a value: its kind, the words, the array, and how plain it is."""

_SAME_ENTRIES = ("permute", "transpose", "reshape", "alias", "expand_dims", "squeeze")
_MOST_VALUES = 40  # whose values may be a factor
_MOST_INSIDE = 24  # nodes of one local derivative
_MOST_PARTS = 6  # of which a value is made


def valued(flow: Flow) -> list[tuple[Node, Array]]:
    """Nodes of the function with their values, the first of many, without ones."""
    named: list[tuple[Node, Array]] = []
    for node in ordered([flow.output]):
        if node not in flow.values and node.value is None:
            continue
        value = np.asarray(flow.values.get(node, node.value), np.float64)
        if not np.isfinite(value).all() or (np.abs(value) == 1).all() or len(named) >= _MOST_VALUES:
            continue
        named.append((node, value))
    return named


def operands(flow: Flow) -> Iterator[Guess]:
    """A factor in a local Jacobian: forgotten, transposed, turned round, there twice, or another value."""
    others = _arrays(flow)
    for edge in flow.edges:
        if not flow.through(edge).any():
            continue
        for number, term in enumerate(edge.local.terms.terms):
            for place, factor in enumerate(term.factors):
                value, node = edge.local.operands[factor.operand], factor.operand
                if factor.mask:
                    continue
                for kind, clause, other, weight in (
                    *_mistaken(flow.said(node), value), *_exchanged_for(flow, node, value, others),
                ):  # fmt: skip
                    if other.shape == value.shape and not np.array_equal(other, value):
                        adds = flow.adds_of(edge, _with_factor(edge, number, place, other))
                        yield added(kind, f"{_derivative(flow, edge)}, {clause}", adds, weight)


def _arrays(flow: Flow) -> list[tuple[Node, Array]]:
    """The nodes with values of which another may be made."""
    return [(n, v) for n, v in valued(flow) if v.ndim and v.size > 1]


def _derivative(flow: Flow, edge: Edge) -> str:
    return f"in the derivative of {flow.said(edge.node)} by {flow.said(edge.operand)}"


def _with_factor(edge: Edge, number: int, place: int, value: Array) -> JacobianTensor:
    """A local Jacobian with another factor at a place of one of its terms."""
    terms, leaf = list(edge.local.terms.terms), input_node("", value.shape)
    factors = list(terms[number].factors)
    factors[place] = factors[place]._replace(operand=leaf)
    terms[number] = terms[number]._replace(factors=tuple(factors))
    whole = Sum(edge.local.shape, tuple(terms))
    return tensor_of(whole, edge.node, {**edge.local.operands, leaf: value})


def _mistaken(text: str, value: Array) -> Iterator[tuple[str, str, Array, float]]:
    """What stands in the place of a factor: its kind, the words, the array, and how plain it is."""
    yield "skipped", f"the factor {text} is forgotten", np.ones_like(value), 1.35
    yield "sign", f"{text} has the wrong sign", -value, 1.7
    yield "twice", f"{text} is multiplied in twice", value**2, 1.7
    if value.ndim == 2 and value.shape[0] == value.shape[1] > 1:
        yield "transposed", f"{text} stands transposed", value.T, 1.5
        yield "skipped", f"the factor {text} is forgotten", np.eye(len(value)), 1.4
    for axes in axes_of(value.ndim) if value.size > 1 else ():
        which = "" if len(axes) == value.ndim else f" along {axes_said(axes)}"
        clause = f"{text} is turned round{which} (a kernel: convolution for correlation)"
        yield "turned", clause, np.flip(value, axes), 1.6


def _exchanged_for(
    flow: Flow, operand: Any, value: Array, others: Sequence[tuple[Node, Array]]
) -> Iterator[tuple[str, str, Array, float]]:
    """Another value of the function in the place of a factor: of its shape, or transposed."""
    text = flow.said(operand)
    if value.ndim and value.size > 1 and 0 <= value.min() and value.max() <= 1:
        minus = f"({text})" if " " in text else text
        yield "instead", f"1 − {minus} stands where {text} is meant", 1 - value, 1.66
    for node, other in others:
        if node is operand or value.size < 2 or flow.said(node) == UNNAMED:
            continue
        moved = node.operation is not None and node.operation.name in _SAME_ENTRIES
        if moved and any(o in node.operands for o, _ in others):
            continue  # its operand says the same
        said = flow.said(node)
        plain = 1.58 if node.operation is None else 1.65 if node in flow.names else 1.8
        if other.shape == value.shape:
            yield "instead", f"{said} stands where {text} is meant", other, plain
            if value.ndim == 2 and value.shape[0] == value.shape[1]:
                yield "instead", f"{said}ᵀ stands where {text} is meant", other.T, plain + 0.05
        elif value.ndim == 2 and other.shape == value.shape[::-1]:
            yield "instead", f"{said}ᵀ stands where {text} is meant", other.T, plain + 0.05
        elif other.size == value.size:
            clause, shaped = f"{said} stands where {text} is meant", other.reshape(value.shape)
            yield "instead", clause, shaped, 1.65


def branches(flow: Flow) -> Iterator[Guess]:
    """The masks of a node that selects: its branches are exchanged, or one is taken everywhere."""
    for node in flow.nodes:
        masks = {e.position: _masks(e) for e in flow.into(node) if _masks(e)}
        if not masks:
            continue
        of = flow.said(node)
        text = f"the branches of {of} are exchanged: its condition is turned round"
        yield added("branches", text, _masked(flow, node, masks, lambda _, mask: ~mask), 1.55)
        for taken in masks if len(masks) > 1 else ():
            text = f"the condition of {of} is ignored: {flow.said(node.operands[taken])} is taken everywhere"
            adds = _masked(flow, node, masks, lambda n, mask, t=taken: np.full_like(mask, n == t))
            yield added("branches", text, adds, 1.59)


def _masks(edge: Edge) -> set[Node]:
    """What selects the entries of a local derivative."""
    terms = edge.local.terms.terms
    return {f.operand for t in terms for f in t.factors if f.mask and isinstance(f.operand, Node)}


def _masked(
    flow: Flow, node: Node, masks: dict[int, set[Node]], other: Callable[..., Array]
) -> Array:
    """What it adds that the entries of a node are selected by other masks."""
    adds = np.zeros_like(flow.right)
    for edge in flow.into(node):
        own = {
            mask: other(edge.position, np.asarray(edge.local.operands[mask]).astype(bool))
            for mask in masks.get(edge.position, ())
        }
        adds += flow.adds_of(edge, edge.by(own))
    return adds


def other_nodes(flow: Flow) -> Iterator[Guess]:
    """Any value that a local derivative is computed by, wherever it stands there: another one."""
    others = _arrays(flow)
    for edge in flow.edges:
        tops = list(edge.local.terms.operands)
        if not flow.through(edge).any():
            continue
        known = evaluate(tops, flow.values)
        own_nodes = ordered(tops, flow.values)
        boundary = [o for n in own_nodes for o in n.operands] + tops
        for node in list(dict.fromkeys([*boundary, *own_nodes]))[:_MOST_INSIDE]:
            value = np.asarray(known[node], np.float64)
            seen = [value]
            for kind, clause, other, weight in _other_values(flow, node, value, known, others):
                fits = other.shape == value.shape and np.isfinite(other).all()
                if not fits or any(np.array_equal(other, one) for one in seen):
                    continue
                seen.append(other)
                try:
                    values = evaluate(tops, {**flow.values, node: other})
                except FLAWS:
                    continue
                adds = flow.adds_of(edge, edge.by({n: values[n] for n in tops}))
                yield added(kind, f"{_derivative(flow, edge)}, {clause}", adds, weight + 0.45)


def _other_values(
    flow: Flow, node: Node, value: Array, known: dict[Node, Any], others: Sequence[Any]
) -> Iterator[Standin]:
    """What stands in the place of a node of a derivative's own graph."""
    text = flow.said(node)
    if value.ndim == 2 and value.shape[0] == value.shape[1] and np.isin(value, (0, 0.5, 1)).all():
        yield from _other_halves(value)
        return
    if value.ndim == 0:
        near = (value - 1, value + 1) if float(value).is_integer() else ()
        for number in (0.0, 1.0, 2 * value, value / 2, -value, *near):
            clause = f"{float(number):g} stands where {text} is meant".replace("-", "−")
            yield "scalar", clause, np.asarray(float(number)), 1.7
    else:
        yield from _mistaken(text, value)
    if value.ndim == 2 and value.shape[0] == value.shape[1] > 1:
        with suppress(np.linalg.LinAlgError):
            inverse = np.linalg.inv(value)
            yield "inverse", f"the inverse of {text} stands where {text} is meant", inverse, 1.55
            clause = f"the inverse of {text}, transposed, stands where {text} is meant"
            yield "inverse", clause, inverse.T, 1.6
    if node.operation is not None and len(node.operands) <= 2 and value.ndim:
        for part in dict.fromkeys(node.operands):
            array = np.asarray(known.get(part, part.value), np.float64)
            with suppress(ValueError):
                other = np.broadcast_to(array, value.shape)
                clause = f"{flow.said(part)} stands where {text} is meant"
                yield "instead", clause, np.array(other), 1.5
    yield from _exchanged_for(flow, node, value, others)
    yield from _without_a_part(flow, node, value)


def _without_a_part(flow: Flow, node: Node, value: Array) -> Iterator[Standin]:
    """A value of the function computed without one of the arrays that it is made of."""
    if node.operation is None or node not in flow.values:
        return
    leaves = [n for n in ordered([node]) if n.operation is None]
    given = {n: flow.values.get(n, n.value) for n in leaves}
    for leaf in [n for n in leaves if n.ndim and n in flow.names][:_MOST_PARTS]:
        ones = np.ones(leaf.shape)
        try:
            other = np.asarray(evaluate([node], {**given, leaf: ones})[node], np.float64)
        except FLAWS:
            continue
        text = f"{flow.names[leaf]} is forgotten in {flow.said(node)}"
        if other.shape == value.shape:
            yield "skipped", text, other, 1.45


def _other_halves(value: Array) -> Iterator[Standin]:
    """What stands in the place of a triangle, whose diagonal may be halved."""
    lower = not np.triu(value, 1).any()
    half, other = ("lower", "upper") if lower else ("upper", "lower")
    ones = np.ones_like(value)
    full = np.tril(ones) if lower else np.triu(ones)
    diagonal = np.diag(np.diag(value))
    for clause, array, weight in (
        (f"the {half} triangle is not taken: it is all of the matrix", ones, 1.4),
        (f"the diagonal of the {half} triangle is not halved", full, 1.4),
        (f"the diagonal of the {half} triangle is left out", full - np.eye(len(value)), 1.5),
        (f"the {half} triangle is not taken, and all is halved", ones / 2, 1.5),
        (f"only the diagonal of the {half} triangle is taken", diagonal, 1.5),
    ):
        yield "skipped", clause, array, weight
    yield "transposed", f"the {other} triangle is taken where the {half} is meant", value.T, 1.5


def taken_elsewhere(flow: Flow) -> Iterator[Guess]:
    """The derivative of an elementwise function at another value than its argument."""
    others = _arrays(flow)
    for edge in flow.edges:
        operation, operand = edge.node.operation, edge.operand
        if operation is None or not operation.elementwise or len(edge.node.operands) > 1:
            continue
        for node, value in others:
            if node in (operand, edge.node) or value.shape != operand.shape:
                continue
            try:
                result = operation.evaluate([value], dict(edge.node.parameters))
            except FLAWS:
                continue
            own = {**flow.values, operand: value, edge.node: result}
            adds = flow.adds_where({id(edge): own})
            text = f"the derivative of {flow.said(edge.node)} is taken at {flow.said(node)}, where "
            yield added("instead", f"{text}{flow.said(operand)} is meant", adds, 1.68)


def triangles(flow: Flow) -> Iterator[Guess]:
    """One triangle of a matrix is taken; in the derivative the other, all, or it without the diagonal."""
    for edge in flow.edges:
        shape, matrix = edge.node.shape, flow.matrix(edge)
        if len(shape) != 2 or shape[0] != shape[1] or shape != edge.operand.shape or matrix is None:
            continue
        mask = np.diag(matrix).reshape(shape)
        ones = np.ones(shape)
        whole = any(np.array_equal(mask, half) for half in (np.tril(ones), np.triu(ones)))
        if whole and np.count_nonzero(matrix) == np.count_nonzero(mask):
            for kind, clause, other, weight in _other_halves(mask):
                text = f"in the derivative of {flow.said(edge.node)}, {clause}"
                adds = flow.adds_of(edge, np.diag(other.ravel()))
                yield added(kind, text, adds, weight - 0.05)


def picked(flow: Flow) -> Iterator[Guess]:
    """Who gets the gradient of a maximum: the first of its entries, the last, all of them, all a share."""
    for edge in flow.edges:
        masks, share = _masks(edge), flow.through(edge)
        if not masks or edge.node.ndim >= edge.operand.ndim or not share.any():
            continue
        by = f"in the derivative of {flow.said(edge.node)}"
        count = max(edge.local.operands[m].shape[-1] for m in masks)
        for said, chosen, weight in (
            ("the first entry gets the gradient", slice(0, 1), 1.0),
            ("the last entry gets the gradient", slice(-1, None), 1.0),
            (f"each of the {count} entries gets the whole gradient", slice(None), 1.0),
            (f"the {count} entries share the gradient equally", slice(None), 1 / count),
            ("the smallest entry gets the gradient", None, 1.0),
        ):
            own = {}
            for mask in masks:
                own[mask] = np.zeros_like(edge.local.operands[mask])
                if chosen is not None:
                    own[mask][..., chosen] = 1
                values = np.asarray(flow.values[edge.operand])
                if chosen is None and values.shape == own[mask].shape:
                    own[mask] = own[mask] + (values == values.min(-1, keepdims=True))
            adds = flow.adds_of(edge, edge.by(own), weight * flow.up[edge.node])
            text = f"{by}, {said}, where the one that is taken is meant"
            yield added("picked", text, adds, 1.45)
