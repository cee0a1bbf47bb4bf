"""Explanations from the function's own graph: what each node's part of the derivative would be if mistaken.

A derivative is a sum over paths of products of local Jacobians. A :class:`Flow` holds, for some upstreams
and directions, the gradient that reaches each node (``up``) and the change that each node makes
(``down``); a mistake at one node changes ``up[a] · down[a]`` there and nothing else. So every hypothesis
is a local one: *this* gradient, at *this* node, is another; what it predicts for the whole derivative
follows. ``HYPOTHESES`` is their table: to add one is to write a function and to enter it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import combinations
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import between
from jacobians.display.expressions import label
from jacobians.display.formulas import written_out
from jacobians.graph.node import Node, evaluate, input_node, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.running import output_node, traced
from jacobians.verification.subject import Pair, Subject, copied
from jacobians.verification.variables import brief, variables_seen

Array = NDArray[Any]

_MOST_NODES = 90  # between the argument and the result
_MOST_VALUES = 40  # whose values may be a factor
_UPSTREAMS, _DIRECTIONS, _FEW_DIRECTIONS = 4, 24, 6
_MANY = 1 << 12  # entries of an argument, of which few directions are looked at
_MOST_OUTSIDE = 17  # factors of a sum that may stand outside of it
_LARGEST = 1 << 18  # entries of a local Jacobian that is made dense
_CLOSE = 1e-5  # the relative error of a factor that is named
_IDLE = 1e-12  # the share of the derivative that runs through a path that cancels
_EXACT = 1e-6  # the relative error of a prediction that holds
_MOST = 3


class Edge(NamedTuple):
    """A node, one of its operands, and the local Jacobian between them."""

    node: Node
    position: int
    operand: Node
    local: JacobianTensor


class Guess(NamedTuple):
    """A hypothesis: what it says, and what it adds to the right numbers.

    ``scaled`` is one that holds up to a factor, which ``words`` then names.
    """

    kind: str
    words: str | Callable[[float], str]
    adds: Array
    weight: float
    scaled: bool = False


class Explanation(NamedTuple):
    """A hypothesis that holds."""

    kind: str
    text: str
    weight: float


class Flow:
    """The graph between an argument and a result, with gradients and changes at each node.

    Attributes
    ----------
    nodes : list of Node
        From the argument to the result.
    values : dict of Node to array
        Of all nodes.
    edges : list of Edge
        Between them.
    up : dict of Node to ndarray
        (upstreams, size): the gradient by the node, flat.
    down : dict of Node to ndarray
        (size, directions): the change of the node, flat.
    """

    def __init__(
        self, output: Node, start: Node, values: dict[Node, Any], names: dict[Node, str],
        upstreams: Array, directions: Array,
    ) -> None:  # fmt: skip
        self.output, self.start, self.names = output, start, names
        self.nodes = between(output, [start])
        self.values = values
        self.edges: list[Edge] = []
        inside = set(self.nodes)
        needed: dict[Node, Any] = dict(values)
        for node in self.nodes:
            if node.operation is None or node is start:
                continue
            for position, operand in enumerate(node.operands):
                if operand in inside:
                    tensor = node.operation.local(node, position)
                    known = evaluate(tensor.operands, needed)
                    self.edges.append(Edge(node, position, operand, _tensor(tensor, node, known)))
        self._said: dict[Node, str] = {}
        self._matrices: dict[JacobianTensor, Array | None] = {}
        self._run(upstreams, directions)
        # A path whose share cancels, a maximum that is subtracted, is no part of what people write.
        size = np.abs(self.right).max(initial=0.0)
        idle = [e for e in self.edges if np.abs(self.through(e)).max(initial=0.0) <= _IDLE * size]
        if idle and size > 0:
            self.edges = [e for e in self.edges if all(e is not other for other in idle)]
            self._run(upstreams, directions)

    def _run(self, upstreams: Array, directions: Array) -> None:
        """Fill in ``up`` and ``down`` along the edges."""
        self.down = {}
        for node in self.nodes:
            parts = [self.pushed(e, self.down[e.operand]) for e in self.into(node)]
            still = np.zeros((prod(node.shape), directions.shape[1]))
            self.down[node] = directions if node is self.start else sum(parts, still)
        self.up = {n: np.zeros((len(upstreams), prod(n.shape))) for n in self.nodes}
        self.up[self.output] = upstreams
        for node in reversed(self.nodes):
            for edge in self.into(node):
                self.up[edge.operand] = self.up[edge.operand] + self.pulled(edge, self.up[node])

    def into(self, node: Node) -> list[Edge]:
        """The edges from a node to its operands."""
        return [edge for edge in self.edges if edge.node is node]

    def matrix(self, edge: Edge) -> Array | None:
        """The local Jacobian as a matrix, None where it is large."""
        if edge.local not in self._matrices:
            small = edge.local.size <= _LARGEST
            shape = prod(edge.node.shape), prod(edge.operand.shape)
            self._matrices[edge.local] = edge.local.dense().reshape(shape) if small else None
        return self._matrices[edge.local]

    def pulled(self, edge: Edge, upstreams: Array) -> Array:
        """Gradients by the node, as gradients by the operand."""
        matrix = self.matrix(edge)
        if matrix is not None:
            return upstreams @ matrix
        return np.stack(
            [np.ravel(edge.local.vjp(G.reshape(edge.node.shape))) for G in upstreams]
        )

    def pushed(self, edge: Edge, directions: Array) -> Array:
        """Changes of the operand, as changes of the node."""
        matrix = self.matrix(edge)
        if matrix is not None:
            return matrix @ directions
        shape = edge.operand.shape
        return np.stack(
            [np.ravel(edge.local.jvp(d.reshape(shape))) for d in directions.T], axis=1
        )

    @property
    def sizes(self) -> list[int]:
        """What a sum may run over: sizes of axes, and of whole nodes."""
        return sorted({n for a in self.nodes for n in (*a.shape, prod(a.shape)) if n > 2})

    @property
    def right(self) -> Array:
        """(upstreams, directions): the right derivative, contracted with both."""
        return self.up[self.output] @ self.down[self.output]

    def through(self, edge: Edge) -> Array:
        """The share of the derivative that runs through an edge."""
        return self.pulled(edge, self.up[edge.node]) @ self.down[edge.operand]

    def said(self, node: Node) -> str:
        """A node in words."""
        if node not in self._said:
            self._said[node] = brief(node, self.names, self.formula)
        return self._said[node]

    def formula(self, node: Node) -> str:
        """A node as the formulas write it; empty where it has no notation of its own."""
        try:
            axes = "ijklmnopq"[: node.ndim]
            return str(written_out(lambda: label(node, axes, "text").text, self.values))
        except Exception:  # what has no notation of its own
            return ""


def _tensor(tensor: Sum, node: Node, values: dict[Node, Any]) -> JacobianTensor:
    own = {n: np.asarray(values[n], np.float64) for n in tensor.operands}
    return JacobianTensor(tensor, node.ndim, own, dtype=np.float64)


def flow_of(
    subject: Subject, pair: Pair, upstreams: Array | None, directions: Array | None
) -> Flow | None:
    """The flow of a function that traces; None where its graph is too large, or there is none."""
    args, kwargs = copied(subject.args), copied(subject.kwargs)
    random = np.random.default_rng(11)
    if upstreams is None:
        upstreams = random.normal(size=(_UPSTREAMS, pair.out.size))
    if directions is None:
        size = pair.inner.size
        count = _DIRECTIONS if size <= _MANY else _FEW_DIRECTIONS
        directions = np.eye(size) if size <= count else random.normal(size=(size, count))
    names: dict[Node, str] = {}
    with ExitStack() as stack:
        with variables_seen(names):
            run = stack.enter_context(traced(subject.f, args, kwargs, subject.wrt))
        start, output = run.inputs[pair.which], output_node(run.outputs[pair.output])
        nodes = between(output, [start])
        if start not in nodes or output is start or len(nodes) > _MOST_NODES:
            return None
        values = evaluate([*nodes, output], run.here.values)
        arguments = set(subject.names)
        names = {n: name for n, name in names.items() if name not in arguments and n is not output}
        names.update(zip(run.inputs, subject.names, strict=True))
        return Flow(output, start, values, names, upstreams, directions)


# The hypotheses. Each says what a mistake at one place adds to the right numbers.


def _shares(flow: Flow) -> list[tuple[str, Array]]:
    """What runs through each path, with the name that tells most: a variable's, near the result."""
    groups: list[tuple[Array, list[tuple[bool, int, str]]]] = []
    places = [(flow.through(e), e.operand, e.node, len(flow.into(e.node)) > 1) for e in flow.edges]
    places += [(flow.up[n] @ flow.down[n], n, n, False) for n in flow.nodes[1:-1]]
    for share, operand, node, forks in sorted(places, key=lambda p: -p[2].serial):
        if not share.any() or _alike(share, flow.right):
            continue
        alone = operand is not flow.start and len(_users(flow, operand)) == 1
        plain = alone and operand in flow.names
        name = flow.said(operand)
        if not alone or (forks and not plain):
            name += f" in {flow.said(node)}"
        group = next((names for other, names in groups if _alike(share, other)), None)
        if group is None:
            groups.append((share, group := []))
        group.append((not plain, -node.serial, name))
    return [(min(names)[2], share) for share, names in groups]


def _users(flow: Flow, node: Node) -> list[Edge]:
    return [edge for edge in flow.edges if edge.operand is node]


def paths(flow: Flow) -> Iterator[Guess]:
    """One path of several: its gradient dropped, doubled, of the wrong sign, or scaled."""
    for name, share in _shares(flow):
        words = partial(_of_path, f"through {name}", flow.sizes)
        yield Guess("path", words, share, 1.5, scaled=True)


_PLAIN = {
    0.0: "is missing (it is held constant, or forgotten)",
    2.0: "is there twice",
    0.5: "is half of what it should be",
    -1.0: "has the wrong sign",
}


def _of_path(where: str, sizes: Sequence[int], factor: float) -> str:
    """What is said of a path whose share stands ``factor`` times."""
    for value, text in _PLAIN.items():
        if abs(factor - value) <= _CLOSE:
            return f"the gradient {where} {text}"
    said = f"the gradient {where} is {_number(factor)} × what it should be"
    readings_of = (
        ("a mean over {n} where a sum is meant", lambda n: 1 / n),
        ("a sum over {n} where a mean is meant", lambda n: n),
        ("n − 1 where n is meant, n = {n}", lambda n: n / (n - 1)),
        ("n where n − 1 is meant, n = {n}", lambda n: (n - 1) / n),
    )
    told = [
        text.format(n=n)
        for text, value in readings_of
        for n in sizes
        if abs(abs(factor) - value(n)) <= _CLOSE * value(n)
    ]
    return said + (f" ({', or '.join(told[:3])})" if told else "")


def skipped(flow: Flow) -> Iterator[Guess]:
    """From a node to one before it, the gradient passes as it is, or by another scalar derivative."""
    for after, before in _spans(flow):
        share = flow.up[after] @ flow.down[after]
        a, b = (np.asarray(flow.values[n], np.float64).reshape(-1) for n in (before, after))
        x, y = flow.said(before), flow.said(after)
        what = f"the derivative of {y} by {x}" if before is not flow.start or after is not flow.output else f"the derivative of {y}"
        pull = flow.up[after]

        def instead(values: Array, pull: Array = pull, before: Node = before, share: Array = share) -> Array:
            return (pull * values) @ flow.down[before] - share

        direct = [e for e in flow.into(after) if e.operand is before]
        text = f"{what} is forgotten: the gradient passes as it is"
        weight = 1.4 if len(direct) == len(flow.into(after)) == 1 else 1.5
        slope = _slope(direct[0]) if len(direct) == 1 else None
        affine = slope is not None and slope.size > 1 and np.ptp(slope) == 0
        if slope is not None and slope.size and np.ptp(slope) == 0 and 0 < abs(slope.flat[0]) < 1:
            text = _forgotten_division(flow, before, float(slope.flat[0]), y)
        yield Guess("skipped", text, instead(np.ones_like(a)), weight)
        if len(direct) == len(flow.into(after)) == 1 and flow.matrix(direct[0]) is not None:
            matrix = flow.matrix(direct[0])
            if matrix is not None and matrix.shape[0] == matrix.shape[1]:
                yield Guess("twice", f"{what} is applied twice", pull @ matrix @ matrix @ flow.down[before] - share, 1.5)
                yield Guess("transposed", f"{what} stands transposed", pull @ matrix.T @ flow.down[before] - share, 1.7)
                try:
                    inverse = np.linalg.inv(matrix)
                    yield Guess("inverse", f"{what} is divided by, where it is a factor", pull @ inverse @ flow.down[before] - share, 1.75)
                except np.linalg.LinAlgError:
                    pass
        with np.errstate(all="ignore"):
            for name, text, value in (("x", x, a), ("y", y, b)):
                at = "its argument" if name == "x" else "its result"
                for form, number in (
                    ("{}", value), ("1 − {}", 1 - value), ("{0} (1 − {0})", value * (1 - value)),
                    ("1 − {}²", 1 - value**2), ("{}²", value**2), ("1 + {}", 1 + value), ("1 + {}²", 1 + value**2),
                    ("1/{}", 1 / value), ("1/{}²", 1 / value**2), ("−1/{}²", -1 / value**2), ("1/(2 {})", 0.5 / value),
                    ("[{} > 0]", (value > 0) * 1.0), ("[{} < 0]", (value < 0) * 1.0),
                    ("exp({})", np.exp(np.minimum(value, 700))), ("sign({})", np.sign(value)),
                    ("cos({})", np.cos(value)), ("sin({})", np.sin(value)), ("2 {}", 2 * value),
                    ("1/√(1 − {}²)", 1 / np.sqrt(np.maximum(1 - value**2, 0))),
                    ("tanh({})", np.tanh(value)), ("1 − tanh({})²", 1 - np.tanh(value) ** 2),
                    ("σ({})", 1 / (1 + np.exp(-np.clip(value, -700, 700)))),
                ):  # fmt: skip
                    if np.isfinite(number).all():
                        written = form.format(name)
                        yield Guess("scalar", f"{what} is taken as {written}, where {name} is {at}, {text}", instead(number), 1.6 + 0.002 * len(form) + 0.4 * affine)


def _forgotten_division(flow: Flow, before: Node, slope: float, of: str) -> str:
    """The words for a constant that is forgotten: a size divided by is a mean."""
    number = 1 / slope
    sizes = {n for a in flow.nodes for n in (*a.shape, prod(a.shape))}
    mean = " (a sum where a mean is meant)" if abs(number - round(number)) < 1e-9 and round(number) in sizes else ""
    del before
    return f"the division by {number:.6g} in {of} is forgotten{mean}"


def factors(flow: Flow) -> Iterator[Guess]:
    """The value of a node that multiplies, or divides, the gradient at another; and so is lost or extra."""
    every = [n for n in ordered([flow.output]) if n in flow.values or n.value is not None]
    named: list[tuple[Node, Array]] = []
    for node in every:
        value = np.asarray(flow.values.get(node, node.value), np.float64)
        if not np.isfinite(value).all() or (np.abs(value) == 1).all() or len(named) >= _MOST_VALUES:
            continue
        named.append((node, value))
    for at in flow.nodes:
        pull, share = flow.up[at], flow.up[at] @ flow.down[at]
        if not share.any():
            continue
        for node, value in named:
            if value.ndim > at.ndim:
                continue
            try:
                full = np.broadcast_to(value, at.shape).reshape(-1)
            except ValueError:
                continue
            of, by = flow.said(node), flow.said(at)
            place = "" if at in (flow.start, flow.output) else f" in the gradient by {by}"
            number = node.operation is None and node.value is not None and node.ndim == 0 and not node.name
            worse = 0.3 if number else 0.0
            yield Guess("factor", f"a factor {of} too many{place}", (pull * full) @ flow.down[at] - share, 1.75 + worse)
            if (full != 0).all():
                yield Guess("factor", f"the factor {of} is lost{place}, or a division by it is one too many", (pull / full) @ flow.down[at] - share, 1.75 + worse)


def operands(flow: Flow) -> Iterator[Guess]:
    """A factor in a local Jacobian that is forgotten, transposed, turned round, or there twice."""
    for edge in flow.edges:
        share = flow.through(edge)
        if not share.any():
            continue
        by = f"in the derivative of {flow.said(edge.node)} by {flow.said(edge.operand)}"
        for number, term in enumerate(edge.local.terms.terms):
            for place, factor in enumerate(term.factors):
                value = edge.local.operands[factor.operand]
                if factor.mask:
                    continue
                text = flow.said(factor.operand)
                for kind, clause, other, weight in _mistaken(text, value):
                    if other.shape != value.shape or np.array_equal(other, value):
                        continue
                    leaf = input_node("", value.shape)
                    factors = list(term.factors)
                    factors[place] = factor._replace(operand=leaf)
                    terms = list(edge.local.terms.terms)
                    terms[number] = term._replace(factors=tuple(factors))
                    own = {**edge.local.operands, leaf: other}
                    whole = Sum(edge.local.shape, tuple(terms))
                    tensor = JacobianTensor(whole, edge.node.ndim, own, dtype=np.float64)
                    pulled = flow.pulled(edge._replace(local=tensor), flow.up[edge.node])
                    adds = pulled @ flow.down[edge.operand] - share
                    yield Guess(kind, f"{by}, {clause}", adds, weight)


def _mistaken(text: str, value: Array) -> Iterator[tuple[str, str, Array, float]]:
    """What stands in the place of a factor: its kind, the words, the array, and how plain it is."""
    yield "skipped", f"the factor {text} is forgotten", np.ones_like(value), 1.35
    yield "sign", f"{text} has the wrong sign", -value, 1.7
    yield "twice", f"{text} is multiplied in twice", value**2, 1.7
    if value.ndim == 2 and value.shape[0] == value.shape[1] > 1:
        yield "transposed", f"{text} stands transposed", value.T, 1.5
        yield "skipped", f"the factor {text} is forgotten", np.eye(len(value)), 1.4
    for axes in _axes(value.ndim) if value.size > 1 else ():
        which = "" if len(axes) == value.ndim else f" along {_axes_said(axes)}"
        clause = f"{text} is turned round{which} (a kernel: convolution for correlation)"
        yield "turned", clause, np.flip(value, axes), 1.6


def exchanged(flow: Flow) -> Iterator[Guess]:
    """The gradients of two nodes, or by two operands of one, that are exchanged."""
    users: dict[Node, list[Edge]] = {}
    for edge in flow.edges:
        users.setdefault(edge.operand, []).append(edge)
    for operand, edges in users.items():
        for first, second in combinations(edges[:8], 2):
            one, two = first.node, second.node
            if one is two or one.shape != two.shape:
                continue
            mine = flow.through(first) + flow.through(second)
            down = flow.down[operand]
            swapped = flow.pulled(first, flow.up[two]) + flow.pulled(second, flow.up[one])
            a, b = flow.said(one), flow.said(two)
            yield Guess("exchanged", f"the gradients by {a} and {b} are exchanged", swapped @ down - mine, 1.6)
            both = flow.pulled(first, flow.up[two]) @ down - flow.through(first)
            yield Guess("exchanged", f"the gradient by {b} stands for that by {a} too", both, 1.7)
            both = flow.pulled(second, flow.up[one]) @ down - flow.through(second)
            yield Guess("exchanged", f"the gradient by {a} stands for that by {b} too", both, 1.7)
    for node in flow.nodes:
        edges = flow.into(node)
        for first in edges:
            for second in edges:
                if first is second or first.operand.shape != second.operand.shape:
                    continue
                other = flow.pulled(second, flow.up[node]) @ flow.down[first.operand]
                a, b = flow.said(first.operand), flow.said(second.operand)
                yield Guess("exchanged", f"in {flow.said(node)}, the gradient by {a} is the one by {b}", other - flow.through(first), 1.7)


def rearranged(flow: Flow) -> Iterator[Guess]:
    """The gradient at a node: transposed, turned, shifted, or averaged and summed over axes."""
    for node in flow.nodes:
        if node.ndim == 0 or prod(node.shape) < 2:
            continue
        G = flow.up[node].reshape(-1, *node.shape)
        share = flow.up[node] @ flow.down[node]
        if not share.any():
            continue
        of = flow.said(node)
        where = "the upstream gradient G" if node is flow.output else f"the gradient by {of}"
        found: list[tuple[str, str, Array, float]] = []
        if node.ndim >= 2 and node.shape[-1] == node.shape[-2]:
            found.append(("transposed", f"{where} is transposed", np.swapaxes(G, -1, -2), 1.65))
        for axes in _axes(node.ndim):
            own = tuple(a + 1 for a in axes)
            which = " and ".join(f"axis {a}" for a in axes)
            found.append(("turned", f"{where} is turned round along {which}", np.flip(G, own), 1.75))
            mean, count = np.mean(G, axis=own, keepdims=True), prod(node.shape[a] for a in axes)
            total = mean * count
            found.append(("reduced", f"{where} is replaced by its sum over {which}", np.broadcast_to(total, G.shape), 1.7))
            found.append(("reduced", f"{where} is replaced by its mean over {which}", np.broadcast_to(mean, G.shape), 1.7))
            found.append(("reduced", f"the mean of {where} over {which} is subtracted", G - mean, 1.8))
            for step in (1, -1):
                found.append(("shift", f"{where} is off by one along {which}, going round", np.roll(G, step, own) if len(own) == 1 else np.roll(G, (step,) * len(own), own), 1.7))
                found.append(("shift", f"{where} is off by one along {which}: padding is cut at the wrong end", _shifted(G, own, step), 1.7))
        for kind, text, value, weight in found:
            yield Guess(kind, text, value.reshape(flow.up[node].shape) @ flow.down[node] - share, weight)


def turned_edges(flow: Flow) -> Iterator[Guess]:
    """The gradient that goes one of several ways from a node, transposed."""
    for edge in flow.edges:
        shape = edge.node.shape
        if len(shape) < 2 or shape[-1] != shape[-2] or len(flow.into(edge.node)) < 2:
            continue
        G = np.swapaxes(flow.up[edge.node].reshape(-1, *shape), -1, -2).reshape(flow.up[edge.node].shape)
        text = f"the gradient by {flow.said(edge.node)} is transposed, on its way to {flow.said(edge.operand)}"
        yield Guess("transposed", text, flow.pulled(edge, G) @ flow.down[edge.operand] - flow.through(edge), 1.6)


def moved_entries(flow: Flow) -> Iterator[Guess]:
    """Entries that are picked out of an array, labels or a slice: one off."""
    for edge in flow.edges:
        matrix = flow.matrix(edge)
        operation = edge.node.operation
        if matrix is None or operation is None or operation.elementwise or not edge.operand.shape:
            continue
        if not np.isin(matrix, (0, 1)).all() or not (matrix.sum(1) == 1).all():
            continue
        table = matrix.reshape(-1, *edge.operand.shape)
        for axis, size in enumerate(edge.operand.shape):
            for step in (1, -1) if size > 1 else ():
                other = np.roll(table, step, axis + 1).reshape(matrix.shape)
                text = f"what is picked out of {flow.said(edge.operand)} is off by one along axis {axis}"
                adds = flow.up[edge.node] @ other @ flow.down[edge.operand] - flow.through(edge)
                yield Guess("shift", text, adds, 1.7)


def _shifted(G: Array, axes: Sequence[int], step: int) -> Array:
    result = G
    for axis in axes:
        result = np.roll(result, step, axis)
        edge = [slice(None)] * G.ndim
        edge[axis] = slice(0, step) if step > 0 else slice(step, None)
        result[tuple(edge)] = 0
    return result


def reduced(flow: Flow) -> Iterator[Guess]:
    """What is summed over the axes of a broadcast: over others, over all, averaged, or one of them."""
    for edge in flow.edges:
        operation = edge.node.operation
        shape, small = edge.node.shape, edge.operand.shape
        if operation is None or not operation.elementwise or shape == small or not shape:
            continue
        padded = (1,) * (len(shape) - len(small)) + small
        summed = [a for a in range(len(shape)) if padded[a] == 1 and shape[a] > 1]
        slope = _slope(edge)
        if slope is None or not summed:
            continue
        U = flow.up[edge.node].reshape(-1, *shape) * slope
        right, down = flow.through(edge), flow.down[edge.operand]
        sums = U.sum(axis=tuple(a + 1 for a in summed), keepdims=True)
        flat = sums.reshape(len(U), -1)
        count = prod(shape[a] for a in summed)
        by = flow.said(edge.operand)
        axes = " and ".join(f"axis {a}" for a in summed)
        yield Guess("mean", f"the gradient by {by} is a mean over {axes}, where a sum is meant", flat @ down / count - right, 1.5)
        if len(summed) < len(shape):
            everything = np.broadcast_to(U.sum(axis=tuple(range(1, U.ndim)), keepdims=True), sums.shape)
            yield Guess("reduced", f"the gradient by {by} is summed over all axes, where {axes} is meant", everything.reshape(len(U), -1) @ down - right, 1.5)
        first = U[(slice(None), *(slice(0, 1) if a in summed else slice(None) for a in range(len(shape))))]
        yield Guess("reduced", f"the gradient by {by} is that of one index of {axes} alone, where a sum is meant", first.reshape(len(U), -1) @ down - right, 1.7)
        yield from _over_other_axes(flow, edge, U, summed)


def _over_other_axes(flow: Flow, edge: Edge, U: Array, summed: list[int]) -> Iterator[Guess]:
    """A sum that is broadcast back, a softmax's or a mean's: over another axis, or over more."""
    shape, between_, node = edge.node.shape, np.ones((1, prod(edge.operand.shape))), edge.operand
    while True:
        below = flow.into(node)
        if len(below) != 1:
            return
        (last,) = below
        if prod(last.operand.shape) != prod(node.shape):
            break
        between_, node = flow.pulled(last, between_), last.operand
    if last.operand.shape != shape or not _is_sum(flow, last):
        return
    padded = tuple(1 if a in summed else n for a, n in enumerate(shape))
    scale = between_.reshape(padded)
    right = np.broadcast_to(U.sum(axis=tuple(a + 1 for a in summed), keepdims=True), U.shape) * scale
    down, axes = flow.down[last.operand], _axes_said(summed)
    share = right.reshape(len(U), -1) @ down
    outside = [np.ones(padded)]  # what stands inside of the sum here, and outside of it in the claim
    for value in flow.values.values():
        array = np.asarray(value, np.float64)
        if array.size == prod(padded) and (array != 0).all() and len(outside) < _MOST_OUTSIDE:
            outside += [array.reshape(padded), 1 / array.reshape(padded)]
    for count in range(1, len(shape) + 1):
        for other in combinations(range(len(shape)), count):
            if list(other) == summed:
                continue
            sizes = prod(shape[a] for a in summed) / prod(shape[a] for a in other)
            text = f"the sum in the gradient through {flow.said(edge.operand)} runs over "
            text += "all axes" if count == len(shape) > 1 else _axes_said(other)
            for v in outside:
                again = (U * v).sum(axis=tuple(a + 1 for a in other), keepdims=True) / v * scale
                again = np.broadcast_to(again, U.shape).reshape(len(U), -1) @ down
                for factor in {1.0, sizes}:
                    yield Guess("reduced", f"{text}, where {axes} is meant", factor * again - share, 1.45)


def _axes_said(axes: Sequence[int]) -> str:
    return " and ".join(f"axis {a}" for a in axes)


def _is_sum(flow: Flow, edge: Edge) -> bool:
    """Whether a node is a plain sum of the operand over some axes."""
    matrix = flow.matrix(edge)
    return matrix is not None and bool(np.isin(matrix, (0, 1)).all())


def _slope(edge: Edge) -> Array | None:
    """The scalar derivative of an elementwise node by an operand, in the node's shape."""
    if edge.node.operation is None or not edge.node.operation.elementwise:
        return None
    try:
        terms = tuple(t._replace(slots=t.slots[: edge.node.ndim]) for t in edge.local.terms.terms)
        own = Sum(edge.node.shape, terms)
        return JacobianTensor(own, edge.node.ndim, edge.local.operands, dtype=np.float64).dense()
    except Exception:  # slots that letters of the operand alone would fill
        return None


def several_paths(flow: Flow) -> Iterator[Guess]:
    """Two paths that are missing at once."""
    shares = _shares(flow)[:24]
    for (one, first), (two, second) in combinations(shares, 2):
        text = f"the gradients through {one} and through {two} are missing"
        yield Guess("path", text, -first - second, 1.8)
        for a, b, sign in ((one, two, 1), (two, one, -1)):
            text = f"the gradient through {a} stands for that through {b} too (as if a matrix were symmetric)"
            yield Guess("exchanged", text, sign * (first - second), 1.75)


def degrees(flow: Flow) -> Iterator[Guess]:
    """A number in the function that stands one off, n for n − 1, where it divides a path."""
    for edge in flow.edges:
        share = flow.through(edge)
        if edge.node.operation is None or not share.any():
            continue
        for n in {*edge.operand.shape, *flow.start.shape}:
            if n > 2:
                of = flow.said(edge.node)
                for factor, text in (((n - 1) / n, f"n − 1 for n = {n}"), (n / (n - 1), f"n for n − 1, n = {n}")):
                    yield Guess("factor", f"in the derivative of {of}, {text}", (factor - 1) * share, 1.9)


HYPOTHESES: tuple[Callable[[Flow], Iterator[Guess]], ...] = (
    paths, skipped, operands, reduced, exchanged, turned_edges, moved_entries, rearranged, factors,
    degrees, several_paths,
)  # fmt: skip


_ENOUGH = (reduced, exchanged, rearranged)  # after which nothing more is tried where one holds
_SURE = 1.6


def explanations(flow: Flow, claimed: Array, eps: float) -> list[Explanation]:
    """What explains the claimed numbers, the plainest first; (upstreams, directions) as ``flow.right``."""
    error = claimed - flow.right
    scale = float(np.max(np.abs(claimed), initial=0.0)) + float(np.max(np.abs(flow.right), initial=0.0))
    allowed = max(_EXACT, 64 * eps) * scale
    found: list[Explanation] = []
    if not np.isfinite(scale) or error.size < 2 or not np.abs(error).max() > 20 * allowed:
        return []
    with np.errstate(all="ignore"):
        for hypothesis in HYPOTHESES:
            for guess in hypothesis(flow):
                adds, factor, weight = guess.adds, 0.0, guess.weight
                if guess.scaled:
                    below = float(np.vdot(adds, adds))
                    c = float(np.vdot(adds, error)) / below if below > 0 else 0.0
                    adds, factor = c * adds, c + 1
                    plain = any(abs(factor - n) <= _CLOSE for n in _PLAIN)
                    named = "(" in guess.words(factor) if not isinstance(guess.words, str) else False
                    weight += -0.2 if plain else 0.15 if named else 0.6
                if np.abs(adds - error).max() <= allowed:
                    words = guess.words if isinstance(guess.words, str) else guess.words(factor)
                    found.append(Explanation(guess.kind, words[:1].upper() + words[1:] + ".", weight))
            if hypothesis in _ENOUGH and any(one.weight <= _SURE for one in found):
                break
    found.sort(key=lambda one: (one.weight, len(one.text)))
    best = [one for one in found if one.weight <= found[0].weight + 0.3] if found else []
    return list(dict.fromkeys(best))[:_MOST]


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
        furthest, count = place[after], 0
        for node in behind[:16]:
            crossing = any(
                place[b] < place[node] for a in reached if place[a] > place[node] for b in operands_of.get(a, ())
            )
            if not crossing and node.shape == after.shape and (flow.up[after]).any():
                count += 1
                yield after, node
        del furthest, count


def _axes(ndim: int) -> list[tuple[int, ...]]:
    """Each axis, the last two, and all."""
    found = [(a,) for a in range(ndim)]
    if ndim > 1:
        found += [(ndim - 2, ndim - 1), tuple(range(ndim))]
    return list(dict.fromkeys(found))


def _alike(first: Array, second: Array) -> bool:
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    return bool(np.abs(first - second).max() <= 1e-9 * scale)


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
