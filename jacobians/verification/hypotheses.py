"""Derivatives of one or several operations that are forgotten, taken twice, or as other functions; factors lost.

Every hypothesis is a local one: *this* gradient, at *this* node, is another; what it predicts for the
whole derivative follows from the :class:`~jacobians.verification.flow.Flow`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import combinations
from math import prod

import numpy as np

from jacobians.graph.node import Array, Node
from jacobians.verification.flow import Flow
from jacobians.verification.judging import PLAIN, Guess, added
from jacobians.verification.within import valued
from jacobians.verification.workings import Edge


def skipped(flow: Flow) -> Iterator[Guess]:
    """From a node to one before it the gradient passes as it is, or through another matrix or function."""
    for after, before in _spans(flow):
        G, down = flow.up[after], flow.down[before]
        share = G @ flow.down[after]
        what = _derivative_of(flow, after, before)
        direct = [e for e in flow.into(after) if e.operand is before]
        alone = len(direct) == len(flow.into(after)) == 1
        text = f"{what} is forgotten: the gradient passes as it is"
        slope = flow.slope(direct[0]) if len(direct) == 1 else None
        if slope is not None and _is_number(flow, direct[0]):
            text = _forgotten_number(flow, direct[0], flow.said(after))
        yield added("skipped", text, G @ down - share, 1.4 if alone else 1.5)
        yield from _scalars(flow, after, before, what)
        slopes = _elementwise(flow, after, before)
        if slopes is not None:
            weight, text = 1.5 if alone else 1.52, f"{what} is applied twice"
            yield added("twice", text, (G * slopes**2) @ down - share, weight)
            if slopes.all():
                text = f"{what} is divided by, where it is a factor"
                yield added("inverse", text, (G / slopes) @ down - share, 1.75)
        elif alone:
            yield from _by_matrix(flow, direct[0], what)


def _by_matrix(flow: Flow, edge: Edge, what: str) -> Iterator[Guess]:
    """A local Jacobian that is no scalar derivative of each entry: applied twice, transposed, divided by."""
    local, G = flow.matrix(edge), flow.up[edge.node]
    if local is None or local.shape[0] != local.shape[1]:
        return
    plain = np.count_nonzero(local) <= len(local)
    twice = flow.adds_of(edge, up=flow.pulled(edge, G))
    yield added(
        "twice",
        f"{what} is applied twice",
        twice,
        (1.5 if plain else 1.72) + 0.22 * _is_order(local),
    )
    yield added("transposed", f"{what} stands transposed", flow.adds_of(edge, local.T), 1.7)
    with suppress(np.linalg.LinAlgError):
        text = f"{what} is divided by, where it is a factor"
        yield added(
            "inverse", text, flow.adds_of(edge, np.linalg.inv(local)), 1.75 if plain else 2.1
        )


def _elementwise(flow: Flow, after: Node, before: Node) -> Array | None:
    """The derivative of each entry by its own, where all operations in between are elementwise."""
    slopes = {after: np.ones(after.shape)}
    for node in reversed(flow.nodes):
        if node is before or node not in slopes:
            continue
        for edge in flow.into(node):
            slope = flow.slope(edge)
            if slope is None or edge.operand.shape != after.shape:
                return None
            slopes[edge.operand] = slopes.get(edge.operand, 0) + slopes[node] * slope
    return slopes[before].ravel() if prod(after.shape) > 1 else None


def _is_order(local: Array) -> bool:
    """Whether a local Jacobian puts entries in another order: nobody does that twice."""
    return bool(
        np.isin(local, (0, 1)).all() and (local.sum(0) == 1).all() and (local.sum(1) == 1).all()
    )


def _derivative_of(flow: Flow, after: Node, before: Node) -> str:
    whole = before is flow.start and after is flow.output
    return f"the derivative of {flow.said(after)}" + ("" if whole else f" by {flow.said(before)}")


_SCALARS: dict[str, Callable[[Array], Array]] = {
    "{}": lambda v: v,
    "1 − {}": lambda v: 1 - v,
    "{0} (1 − {0})": lambda v: v * (1 - v),
    "1 − {}²": lambda v: 1 - v**2,
    "1 + {}": lambda v: 1 + v,
    "1 + {}²": lambda v: 1 + v**2,
    "2 {}": lambda v: 2 * v,
    "{}²": lambda v: v**2,
    "1/{}": lambda v: 1 / v,
    "1/(2 {})": lambda v: 1 / (2 * v),
    "1/{}²": lambda v: 1 / v**2,
    "−1/{}²": lambda v: -1 / v**2,
    "3 {}²": lambda v: 3 * v**2,
    "{}³": lambda v: v**3,
    "√{}": np.sqrt,
    "1/√{}": lambda v: 1 / np.sqrt(v),
    "1/√(1 − {}²)": lambda v: 1 / np.sqrt(1 - v**2),
    "[{} > 0]": lambda v: np.where(v > 0, 1.0, 0.0),
    "[{} < 0]": lambda v: np.where(v < 0, 1.0, 0.0),
    "sign({})": np.sign,
    "exp({})": np.exp,
    "cos({})": np.cos,
    "sin({})": np.sin,
    "tanh({})": np.tanh,
    "1 − tanh({})²": lambda v: 1 - np.tanh(v) ** 2,
    "σ({})": lambda v: 1 / (1 + np.exp(-v)),
    "σ({0}) (1 − σ({0}))": lambda v: np.exp(-v) / (1 + np.exp(-v)) ** 2,
}
"""Scalar derivatives that people write, as functions of the argument or the result."""


def _scalars(flow: Flow, after: Node, before: Node, what: str) -> Iterator[Guess]:
    """A scalar derivative taken as another: at the result instead of the argument, or the reverse."""
    G, down = flow.up[after], flow.down[before]
    share = G @ flow.down[after]
    direct = [e for e in flow.into(after) if e.operand is before]
    slope = flow.slope(direct[0]) if len(direct) == 1 else None
    affine = slope is not None and slope.size > 1 and np.ptp(slope) == 0
    known = (after in flow.names or after is flow.output) + (before in flow.names)
    for name, node, at in (("x", before, "its argument"), ("y", after, "its result")):
        forms = _forms(flow, node)
        if not forms:
            continue
        predicted = (G * np.stack(list(forms.values()))[:, None]) @ down - share
        for form, adds in zip(forms, predicted, strict=True):
            text = (
                f"{what} is taken as {form.format(name)}, where {name} is {at}, {flow.said(node)}"
            )
            weight = 1.6 + 0.002 * len(form) + 0.4 * affine - 0.005 * known
            yield added("scalar", text, adds, weight)


def _forms(flow: Flow, node: Node) -> dict[str, Array]:
    """Scalar functions of a node's value that are numbers, and not all zero."""
    value = np.asarray(flow.values[node], np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        forms = {form: function(value) for form, function in _SCALARS.items()}
    return {f: number for f, number in forms.items() if np.isfinite(number).all() and number.any()}


def mistakes(flow: Flow, edge: Edge) -> Iterator[tuple[str, str, Array]]:
    """What may stand in the place of a local Jacobian: the kind, words for node and operand, the matrix."""
    matrix = flow.matrix(edge)
    if matrix is None:
        return
    for factor, text in PLAIN.items():
        yield "path", f"the gradient through {{1}} in {{0}} {text}", factor * matrix
    if matrix.shape[0] != matrix.shape[1]:
        return
    what, slope = "the derivative of {0} by {1}", flow.slope(edge)
    text = what + " is forgotten: the gradient passes as it is"
    if slope is not None and _is_number(flow, edge):
        text = _forgotten_number(flow, edge, "{0}")
    yield "skipped", text, np.eye(len(matrix))
    yield "transposed", what + " stands transposed", matrix.T
    yield "twice", what + " is applied twice", matrix @ matrix
    if slope is None or len(edge.node.operands) > 1:
        return
    for name, node, at in (("x", edge.operand, "its argument"), ("y", edge.node, "its result")):
        for form, number in _forms(flow, node).items():
            if (number != 1).any():
                text = f"{what} is taken as {form.format(name)}, where {name} is {at}"
                yield "scalar", text, np.diag(number)


def _is_number(flow: Flow, edge: Edge) -> bool:
    """Whether a derivative is one number, which a person multiplies or divides by."""
    slope = flow.slope(edge)
    if slope is None or not slope.size or np.ptp(slope) or float(slope.flat[0]) in (0, 1, -1):
        return False
    return all(n.operation is None and not n.ndim for n in flow.read_by(edge))


def _forgotten_number(flow: Flow, edge: Edge, of: str) -> str:
    """The words for a constant that is forgotten: a size divided by is a mean."""
    slope = float(flow.slope(edge).flat[0])  # type: ignore[union-attr]
    if edge.node.operation is None or edge.node.operation.name != "divide":
        return f"the factor {slope:.6g} in {of} is forgotten".replace("-", "−")
    number = 1 / slope
    some = [
        prod(c) for a in flow.nodes for n in range(1, a.ndim + 1) for c in combinations(a.shape, n)
    ]
    sizes = set(some)
    mean = (
        " (a sum where a mean is meant)"
        if abs(number - round(number)) < 1e-9 and round(number) in sizes
        else ""
    )
    return f"the division by {number:.6g} in {of} is forgotten{mean}"


def factors(flow: Flow) -> Iterator[Guess]:
    """The value of a node that multiplies, or divides, the gradient at another; and so is lost or extra."""
    named = valued(flow)
    for at in flow.nodes:
        pull, down = flow.up[at], flow.down[at]
        share = pull @ down
        if not share.any():
            continue
        where = "" if at in (flow.start, flow.output) else f" in the gradient by {flow.said(at)}"
        for node, value in named:
            try:
                full = np.broadcast_to(value, at.shape).reshape(-1)
            except ValueError:
                continue
            of, number = flow.said(node), not node.operation and not node.ndim and not node.name
            weight = 1.75 + 0.3 * (number and node.value is not None)
            yield added(
                "factor", f"a factor {of} too many{where}", pull * full @ down - share, weight
            )
            if (full != 0).all():
                text = f"the factor {of} is lost{where}, or a division by it is one too many"
                yield added("factor", text, pull / full @ down - share, weight)


def _spans(flow: Flow) -> Iterator[tuple[Node, Node]]:
    """Pairs of nodes of one shape, the later of which depends on the argument by the earlier alone."""
    place = {node: n for n, node in enumerate(flow.nodes)}
    operands_of: dict[Node, set[Node]] = {}
    for edge in flow.edges:
        operands_of.setdefault(edge.node, set()).add(edge.operand)
    for after in reversed(flow.nodes):
        reached, stack = {after}, [after]
        while stack:
            for node in operands_of.get(stack.pop(), ()):
                if node not in reached:
                    reached.add(node)
                    stack.append(node)
        behind = sorted((n for n in reached if n is not after), key=lambda n: -place[n])
        for node in behind[:16]:
            crossing = any(
                place[b] < place[node]
                for a in reached
                if place[a] > place[node]
                for b in operands_of.get(a, ())
            )
            if not crossing and node.shape == after.shape and (flow.up[after]).any():
                yield after, node
