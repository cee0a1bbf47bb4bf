"""The right derivative of another function: with another array, number, sum or condition in its place.

Unlike a mistake within one local derivative, this one stands in the values as in all that follows from them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from jacobians.graph.node import Array, Node, apply, evaluate, input_node, ordered
from jacobians.verification.flow import Flow
from jacobians.verification.judging import Guess, added
from jacobians.verification.variables import UNNAMED
from jacobians.verification.variations import axes_said, variations
from jacobians.verification.within import valued
from jacobians.verification.workings import tensor_of

_SUM, _WHERE = "sum_over", "where"  # operations with axes, and with a condition
_MOST_ARRAYS = 8  # that may be others
_MOST_CONSTANTS, _STEPS = 6, 8  # that may be others, and evaluations to find which
_NEAR = 0.2  # the share of an error that the slopes by two numbers may leave, to go on with them


def arrays(flow: Flow) -> Iterator[Guess]:
    """An array that the function is given or closes over: another one, none, or its entries elsewhere."""
    leaves = {
        n: np.asarray(flow.values.get(n, n.value), np.float64)
        for n in ordered([flow.output])
        if n.operation is None and n is not flow.start and n.ndim and n.dtype.kind == "f"
        if n.value is not None or n in flow.values
    }
    known = [(n, v) for n, v in valued(flow) if v.size > 1 and flow.said(n) != UNNAMED]
    for leaf, value in list(leaves.items())[:_MOST_ARRAYS]:
        if value.size < 2 or not np.isfinite(value).all():
            continue
        bound = [n for n, v in leaves.items() if n is not leaf and np.array_equal(v, 1 - value)]
        if bound and flow.said(leaf) == UNNAMED:
            continue  # of a named array, which says it
        read = any(leaf in flow.read_by(edge) for edge in flow.edges)
        seen = [value]
        for kind, words, other, weight in _instead(flow, leaf, value, known):
            if other.shape != value.shape or any(np.array_equal(other, one) for one in seen):
                continue
            seen.append(other)
            adds = flow.adds_with({leaf: other, **dict.fromkeys(bound, 1 - other)})
            yield added(kind, f"the array {words}", adds, weight + 0.01 * read)


def passed_over(flow: Flow) -> Iterator[Guess]:
    """A value without its last operation, in all that follows from it: a temperature that is forgotten."""
    for node in flow.nodes:
        for operand in dict.fromkeys(node.operands):
            value = np.asarray(flow.values.get(operand, operand.value))
            same = operand.shape == node.shape and value.dtype.kind == "f"
            if not same or not node.ndim or node is flow.output:
                continue
            adds = flow.adds_with({node: value})
            text = (
                f"{flow.said(operand)} stands where {flow.said(node)} is meant, in all that follows"
            )
            yield added("instead", text, adds, 1.67)


def _instead(
    flow: Flow, leaf: Node, value: Array, known: Sequence[tuple[Node, Array]]
) -> Iterator[tuple[str, str, Array, float]]:
    """What stands in the place of an array."""
    text = flow.said(leaf)
    for node, other in known:
        if node is not leaf:
            plain = 1.6 if node.operation is None else 1.66
            yield "instead", f"{flow.said(node)} stands where {text} is meant", other, plain
    for name, other in flow.beside:
        yield "instead", f"{name} stands where {text} is meant", other, 1.6
    if 0 <= value.min() and value.max() <= 1:
        yield "instead", f"1 − {text} stands where {text} is meant", 1 - value, 1.67
    yield "skipped", f"{text} is forgotten: zero stands in its place", np.zeros_like(value), 1.55
    for _, words, other, weight in variations(value, nearest=2):
        yield "argument", f"{text} is {words}", other, weight


def conditions(flow: Flow) -> Iterator[Guess]:
    """The condition of a choice turned round, or ignored: in the value as in its derivative."""
    for node in ordered([flow.output]):
        if node.operation is None or node.operation.name != _WHERE:
            continue
        condition = node.operands[0]
        value = np.asarray(flow.values.get(condition, condition.value))
        if condition in flow.nodes or value.dtype != bool:
            continue
        of = flow.said(node)
        exchanged = f"the branches of {of} are exchanged, in the value as in its derivative"
        ignored = "is ignored, in the value as in its derivative: one branch is taken everywhere"
        moved = [
            (f"the condition of {of} is {words}", np.asarray(other, bool), weight)
            for _, words, other, weight in variations(value, nearest=1)
        ]
        for text, other, weight in (
            (exchanged, ~value, 1.5),
            (f"the condition of {of} {ignored}", np.ones_like(value), 1.52),
            (f"the condition of {of} {ignored}, the other one", np.zeros_like(value), 1.54),
            *moved,
        ):
            adds = flow.adds_with({condition: other})
            yield added("branches", text, adds, weight)


def constants(flow: Flow) -> Iterator[Guess]:
    """A number in the function that is another one, an epsilon, a rate, or two; which, the error says."""
    found = [
        n for n in ordered([flow.output])
        if n.operation is None and n.ndim == 0 and n.value is not None and not n.name
    ]  # fmt: skip
    found = [n for n in found if n.dtype.kind == "f"][:_MOST_CONSTANTS]
    if not found:
        return
    inputs = {n: input_node(f"{float(np.asarray(n.value)):g}", n.shape, n.dtype) for n in found}
    values = {inputs[n]: n.value for n in found}
    opened, new = flow.rebuilt({n: partial(_in_place, inputs[n]) for n in found}, values)
    where = flow.said(flow.output)
    known = False
    slopes: dict[Node, Array] = {}
    for node in found:
        value = float(np.asarray(node.value))
        number, adds = _fitted(opened, new[node], value)
        if adds is not None:
            known = True
            guess = added("scalar", f"{_said(number, value)}, in {where}", adds, 1.7)
            yield guess._replace(free=0 if _is_round(number) else 1)
        step = 1e-6 * (value or 1.0)
        slope = opened.adds_with({new[node]: np.asarray(value + step)})
        if np.isfinite(slope).all() and slope.any():
            slopes[node] = slope / step
    if known:
        return
    for pair in combinations(slopes, 2):
        start = np.array([float(np.asarray(n.value)) for n in pair])
        numbers, adds = _fitted_pair(
            opened, [new[n] for n in pair], start, [slopes[n] for n in pair]
        )
        if adds is not None:
            said = " and ".join(_said(a, b) for a, b in zip(numbers, start, strict=True))
            guess = added("scalar", f"{said}, in {where}", adds, 1.75)
            yield guess._replace(free=sum(not _is_round(n) for n in numbers))


def _said(number: float, value: float) -> str:
    return f"{number:.5g} stands where {value:g} is meant".replace("-", "−")


def _is_round(number: float) -> bool:
    """Whether a person would write it: with three digits."""
    return abs(float(f"{number:.2e}") - number) <= 1e-6 * abs(number)


def _in_place(node: Node, operands: list[Node]) -> Node:
    """An input in the place of a constant, which has no operands."""
    return operands[0] if operands else node


def _fitted(flow: Flow, node: Node, value: float) -> tuple[float, Array | None]:
    """The number in the place of a constant that the error asks for, by secants, and what it adds."""
    size = float(np.vdot(flow.error, flow.error))
    at, before = value, 0.0
    now = value * (1 + 1e-3) if value else 1e-3
    best: tuple[float, Array | None] = value, None
    if not 0 < size < np.inf:
        return best
    for _ in range(_STEPS):
        adds = flow.adds_with({node: np.asarray(now)})
        if not np.isfinite(adds).all() or not adds.any():
            break
        share = float(np.vdot(adds, flow.error)) / size
        if np.abs(adds - flow.error).max() <= flow.allowed:
            best = now, adds
        if share == before or abs(1 - share) < 1e-13:
            break
        at, now, before = now, now + (1 - share) * (now - at) / (share - before), share
    number, fitting = best
    return (0.0 if abs(number) < 1e-9 * abs(value) else number), fitting


def _fitted_pair(
    flow: Flow, nodes: list[Node], start: Array, slopes: list[Array]
) -> tuple[Array, Array | None]:
    """The numbers in the place of two constants that the error asks for, by steps of Gauss and Newton."""
    error, now = flow.error.ravel(), start.copy()
    columns = np.stack([s.ravel() for s in slopes], axis=1)
    adds = np.zeros_like(flow.error)
    for _ in range(_STEPS):
        left = error - adds.ravel()
        step = np.linalg.lstsq(columns, left, rcond=1e-12)[0]
        if np.linalg.norm(left - columns @ step) > _NEAR * np.linalg.norm(error):
            break
        now = now + step
        adds = flow.adds_with({n: np.asarray(v) for n, v in zip(nodes, now, strict=True)})
        if not np.isfinite(adds).all():
            break
        if np.abs(adds - flow.error).max() <= flow.allowed:
            apart = np.abs(now - start) > 1e-6 * np.abs(start)
            return now, adds if apart.all() else None
    return now, None


def other_axes(flow: Flow) -> Iterator[Guess]:
    """The derivative of a function that sums over another axis, in the value too: a softmax of columns."""
    for node in flow.nodes:
        parameters = dict(node.parameters)
        axes = parameters.get("axes")
        if node.operation is None or node.operation.name != _SUM or not isinstance(axes, tuple):
            continue
        shape = node.operands[0].shape
        for other in [(a,) for a in range(len(shape)) if (a,) != axes]:
            adds = _summed_over(flow, node, axes, other)
            text = f"the sum in {flow.said(node)} runs over {axes_said(other)}, where {axes_said(axes)} is "
            yield added("reduced", f"{text}meant, in the value as in its derivative", adds, 1.65)


def _summed_over(flow: Flow, node: Node, axes: tuple[int, ...], other: tuple[int, ...]) -> Array:
    """What it adds that a node sums over other axes; no numbers where the rest does not take it."""
    operation, shape = node.operation, node.operands[0].shape
    assert operation is not None
    kept, kept_now = (
        tuple(1 if a in over else n for a, n in enumerate(shape)) for over in (axes, other)
    )
    remade: dict[Node, Callable[[list[Node]], Node]] = {node: partial(apply, operation, axes=other)}
    for use in ordered([flow.output]):
        if node in use.operands and use.operation is not None and use.shape == kept:
            remade[use] = partial(apply, use.operation, shape=kept_now)
    try:
        found, _ = flow.rebuilt(remade)
    except (ValueError, TypeError, ArithmeticError):  # shapes that do not fit
        return np.full_like(flow.right, np.nan)
    return found.right - flow.right


def along_other_axes(flow: Flow) -> Iterator[Guess]:
    """The derivative of an operation along another axis than its own: a running sum, a sort."""
    for edge in flow.edges:
        operation, parameters = edge.node.operation, dict(edge.node.parameters)
        axis = parameters.get("axis")
        if operation is None or not isinstance(axis, int):
            continue
        for other in set(range(edge.operand.ndim)) - {axis % edge.operand.ndim}:
            node = apply(operation, edge.node.operands, **{**parameters, "axis": other})
            if node.shape != edge.node.shape:
                continue
            tensor = operation.local(node, edge.position)
            local = tensor_of(tensor, node, evaluate(tensor.operands, flow.values))
            adds = flow.adds_by({id(edge): local})
            text = f"the derivative of {flow.said(edge.node)} runs along axis {other}, where axis "
            yield added("reduced", f"{text}{axis % edge.operand.ndim} is meant", adds, 1.6)
