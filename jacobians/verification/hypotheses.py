"""Mistakes at one place of a function's graph, and what each adds to the right numbers.

Every hypothesis is a local one: *this* gradient, at *this* node, is another; what it predicts for the
whole derivative follows from the :class:`~jacobians.verification.flow.Flow`. Here are those on paths,
local Jacobians and factors; ``rearrangements`` has those that move and sum entries.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import combinations, permutations
from math import pi, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node
from jacobians.verification.flow import Flow
from jacobians.verification.judging import CLOSE, PLAIN, Guess, added
from jacobians.verification.within import valued
from jacobians.verification.workings import Edge

Array = NDArray[Any]

_PLAIN_FRACTIONS = 3  # the largest denominator of a factor that is written as a fraction
_MOST_SHARES = 24  # paths that are looked at two by two
_MOST_STEPS = 12  # of a loop, in which a value is used again
_MOST_USES = 4  # of one value, that are looked at together


def _shares(flow: Flow) -> list[tuple[str, Array]]:
    """What runs through each path, with the name that tells most: a variable's, near the result."""
    groups: list[tuple[Array, list[tuple[bool, int, str]]]] = []
    places = [(flow.through(e), e.operand, e.node, len(flow.into(e.node)) > 1) for e in flow.edges]
    places += [(flow.up[n] @ flow.down[n], n, n, False) for n in flow.nodes[1:-1]]
    for share, operand, node, forks in sorted(places, key=lambda p: -p[2].serial):
        if not share.any() or _alike(share, flow.right):
            continue
        whole = operand is node  # all that runs through it, however often it is used
        alone = operand is not flow.start and (whole or len(flow.users(operand)) == 1)
        plain = alone and operand in flow.names
        name = flow.said(operand)
        if not alone or (forks and not plain):
            name += f" in {flow.said(node)}"
        group = next((names for other, names in groups if _alike(share, other)), None)
        if group is None:
            groups.append((share, group := []))
        group.append((not plain, -node.serial, name))
    return [(min(names)[2], share) for share, names in groups]


def paths(flow: Flow) -> Iterator[Guess]:
    """One path of several: its gradient dropped, doubled, of the wrong sign, or scaled."""
    for name, share in _shares(flow):
        words = partial(_of_path, f"through {name}", flow.sizes)
        yield added("path", words, share, 1.5)


def _of_path(where: str, sizes: Sequence[int], factor: float) -> str:
    """What is said of a path whose share stands ``factor`` times."""
    for value, text in PLAIN.items():
        if abs(factor - value) <= CLOSE:
            return f"the gradient {where} {text}"
    said = f"the gradient {where} is {_number(factor)} × what it should be"
    told = [
        text
        for n in sizes
        for value, text in (
            (1 / n, f"a mean over {n} where a sum is meant"),
            (n, f"a sum over {n} where a mean is meant"),
            (n / (n - 1), f"n − 1 where n is meant, n = {n}"),
            ((n - 1) / n, f"n where n − 1 is meant, n = {n}"),
        )
        if abs(abs(factor) - value) <= CLOSE * value
    ]
    return said + (f" ({', or '.join(told[:3])})" if told else "")


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
        local = flow.matrix(direct[0]) if alone else None
        if local is None:
            slopes = _elementwise(flow, after, before)
            local = None if slopes is None else np.diag(slopes)
        if local is None or local.shape[0] != local.shape[1]:
            continue
        weight = (1.5 if alone else 1.52) if np.count_nonzero(local) <= len(local) else 1.72
        weight += 0.22 * (_is_order(local))
        yield added("twice", f"{what} is applied twice", G @ local @ local @ down - share, weight)
        yield added("transposed", f"{what} stands transposed", G @ local.T @ down - share, 1.7)
        with suppress(np.linalg.LinAlgError):
            text = f"{what} is divided by, where it is a factor"
            plain = np.count_nonzero(local) <= len(local)
            adds = G @ np.linalg.inv(local) @ down - share
            yield added("inverse", text, adds, 1.75 if plain else 2.1)


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
        value = np.asarray(flow.values[node], np.float64).reshape(-1)
        with np.errstate(all="ignore"):
            forms = [(form, function(value)) for form, function in _SCALARS.items()]
        forms = [(f, number) for f, number in forms if np.isfinite(number).all() and number.any()]
        if not forms:
            continue
        predicted = (G * np.stack([number for _, number in forms])[:, None]) @ down - share
        for (form, _), adds in zip(forms, predicted, strict=True):
            text = (
                f"{what} is taken as {form.format(name)}, where {name} is {at}, {flow.said(node)}"
            )
            weight = 1.6 + 0.002 * len(form) + 0.4 * affine - 0.005 * known
            yield added("scalar", text, adds, weight)


def mistakes(flow: Flow, edge: Edge) -> Iterator[tuple[str, str, Array]]:
    """What may stand in the place of a local Jacobian: the kind, words for node and operand, the matrix."""
    matrix = flow.matrix(edge)
    if matrix is None:
        return
    yield "path", "the gradient through {1} in {0} is missing", np.zeros_like(matrix)
    yield "path", "the gradient through {1} in {0} has the wrong sign", -matrix
    yield "path", "the gradient through {1} in {0} is there twice", 2 * matrix
    yield "path", "the gradient through {1} in {0} is half of what it should be", matrix / 2
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
        value = np.asarray(flow.values[node], np.float64).reshape(-1)
        with np.errstate(all="ignore"):
            for form, function in _SCALARS.items():
                number = function(value)
                if np.isfinite(number).all() and (number != 1).any():
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
            number = (
                node.operation is None
                and node.value is not None
                and node.ndim == 0
                and not node.name
            )
            worse = 0.3 if number else 0.0
            yield added(
                "factor",
                f"a factor {of} too many{place}",
                (pull * full) @ flow.down[at] - share,
                1.75 + worse,
            )
            if (full != 0).all():
                yield added(
                    "factor",
                    f"the factor {of} is lost{place}, or a division by it is one too many",
                    (pull / full) @ flow.down[at] - share,
                    1.75 + worse,
                )


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
            yield added(
                "exchanged",
                f"the gradients by {a} and {b} are exchanged",
                swapped @ down - mine,
                1.6,
            )
            both = flow.pulled(first, flow.up[two]) @ down - flow.through(first)
            yield added("exchanged", f"the gradient by {b} stands for that by {a} too", both, 1.7)
            both = flow.pulled(second, flow.up[one]) @ down - flow.through(second)
            yield added("exchanged", f"the gradient by {a} stands for that by {b} too", both, 1.7)
    for node in flow.nodes:
        edges = flow.into(node)
        for first in edges:
            for second in edges:
                if first is second or first.operand.shape != second.operand.shape:
                    continue
                other = flow.pulled(second, flow.up[node]) @ flow.down[first.operand]
                a, b = flow.said(first.operand), flow.said(second.operand)
                yield added(
                    "exchanged",
                    f"in {flow.said(node)}, the gradient by {a} is the one by {b}",
                    other - flow.through(first),
                    1.7,
                )


def one_for_all(flow: Flow) -> Iterator[Guess]:
    """The gradient by one of several uses of a value stands for that by each: ``3 X²`` of a matrix."""
    for operand in flow.nodes:
        edges = flow.users(operand)
        shares = [flow.through(edge) for edge in edges] if 1 < len(edges) <= _MOST_STEPS else []
        total = np.sum(shares, axis=0)
        for edge, share in zip(edges, shares, strict=False):
            of, via = flow.said(operand), flow.said(edge.node)
            text = f"of the {len(edges)} uses of {of}, that in {via} alone is counted: the others are not added"
            yield added("path", text, share - total, 1.7)
            text = f"the gradient by {of} through {via} is taken {len(edges)} times, for each use of {of}"
            yield added(
                "exchanged",
                f"{text} (as if a product commuted)",
                len(edges) * share - total,
                1.62 if len(edges) > 2 else 1.8,
            )


def reordered(flow: Flow) -> Iterator[Guess]:
    """Three or four gradients of one shape that are put back in another order: gates."""
    for operand in flow.nodes:
        edges = [edge for edge in flow.users(operand) if edge.node.ndim][:_MOST_USES]
        if len(edges) < 3 or len({edge.node.shape for edge in edges}) > 1:
            continue
        down = flow.down[operand]
        one_by_one = [
            [flow.pulled(into, flow.up[of.node]) @ down for of in edges] for into in edges
        ]
        right = np.sum([row[n] for n, row in enumerate(one_by_one)], axis=0)
        names = [flow.said(edge.node) for edge in edges]
        for order in permutations(range(len(edges))):
            if sum(n != m for n, m in enumerate(order)) < 3:
                continue  # two are exchanged
            put = np.sum([one_by_one[n][m] for n, m in enumerate(order)], axis=0)
            said = ", ".join(names[m] for m in order)
            text = f"the gradients by {', '.join(names)} come in another order: {said}"
            yield added("exchanged", text, put - right, 1.65)


def two_paths(flow: Flow) -> Iterator[Guess]:
    """Two paths, each there some number of times: missing, one for the other, scaled."""
    for (one, first), (two, second) in combinations(_shares(flow)[:_MOST_SHARES], 2):
        columns = np.stack([first.ravel(), second.ravel()], axis=1)
        found = np.linalg.lstsq(columns, flow.error.ravel(), rcond=None)[0]
        adds = (columns @ found).reshape(first.shape)
        near = np.abs(adds - flow.error).max() <= flow.allowed
        if not near or np.abs(found).min() <= CLOSE or _alike(adds, found[0] * flow.right):
            continue
        times = found + 1
        if np.abs(times).max() <= CLOSE:
            text = f"the gradients through {one} and through {two} are missing"
            yield added("path", text, adds, 1.8)
        elif np.abs(np.sort(times) - (0, 2)).max() <= CLOSE:
            a, b = (one, two) if times[0] > 1 else (two, one)
            text = f"the gradient through {a} stands for that through {b} too"
            yield added("exchanged", f"{text} (as if a matrix were symmetric)", adds, 1.75)
        else:
            texts = [
                _of_path(f"through {n}", flow.sizes, c)
                for n, c in zip((one, two), times, strict=True)
            ]
            named = sum(" meant" in t or "×" not in t for t in texts)
            guess = added("path", " and ".join(texts), adds, 2.1 - 0.1 * named)
            yield guess._replace(free=2 * (2 - named))


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


def _alike(first: Array, second: Array) -> bool:
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    return bool(np.abs(first - second).max() <= 1e-9 * scale)


_ROOTS = {"√2": 2**0.5, "√π": pi**0.5, "√(2π)": (2 * pi) ** 0.5, "π": pi, "2π": 2 * pi}


def _number(value: float) -> str:
    for name, number in _ROOTS.items():
        for text, size in ((name, number), (f"1/{name}", 1 / number)):
            if abs(abs(value) - size) <= CLOSE * size:
                return text if value > 0 else f"−{text}"
    plain = Fraction(value).limit_denominator(_PLAIN_FRACTIONS)
    if plain and abs(float(plain) - value) <= CLOSE * abs(value):
        return str(plain).replace("-", "−")
    return f"{value:.4g}".replace("-", "−")
