"""Paths along a function's graph: a gradient that is dropped, doubled, scaled, or put in the place of another."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations, permutations
from math import pi

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.flow import Flow
from jacobians.verification.judging import CLOSE, PLAIN, Guess, added

_PLAIN_FRACTIONS = 3  # the largest denominator of a factor that is written as a fraction
_MOST_SHARES = 24  # paths that are looked at two by two
_MOST_STEPS = 12  # of a loop, in which a value is used again
_MOST_USES = 4  # of one value, that are looked at together


def paths(flow: Flow) -> Iterator[Guess]:
    """One path of several: its gradient dropped, doubled, of the wrong sign, or scaled."""
    for name, share in _shares(flow):
        yield added("path", partial(_of_path, f"through {name}", flow.sizes), share, 1.5)


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


def exchanged(flow: Flow) -> Iterator[Guess]:
    """The gradients of two nodes, or by two operands of one, that are exchanged."""
    for operand in flow.nodes:
        for first, second in combinations(flow.users(operand)[:8], 2):
            one, two = first.node, second.node
            if one is two or one.shape != two.shape:
                continue
            a, b = flow.said(one), flow.said(two)
            of_one = flow.adds_of(first, up=flow.up[two])
            of_two = flow.adds_of(second, up=flow.up[one])
            text = f"the gradients by {a} and {b} are exchanged"
            yield added("exchanged", text, of_one + of_two, 1.6)
            yield added("exchanged", f"the gradient by {b} stands for that by {a} too", of_one, 1.7)
            yield added("exchanged", f"the gradient by {a} stands for that by {b} too", of_two, 1.7)
    for node in flow.nodes:
        for first, second in permutations(flow.into(node), 2):
            if first.operand.shape == second.operand.shape:
                other = flow.pulled(second, flow.up[node]) @ flow.down[first.operand]
                a, b = flow.said(first.operand), flow.said(second.operand)
                text = f"in {flow.said(node)}, the gradient by {a} is the one by {b}"
                yield added("exchanged", text, other - flow.through(first), 1.7)


def one_for_all(flow: Flow) -> Iterator[Guess]:
    """The gradient by one of several uses of a value stands for that by each: ``3 X²`` of a matrix."""
    for operand in flow.nodes:
        edges = flow.users(operand)
        count, of = len(edges), flow.said(operand)
        shares = [flow.through(edge) for edge in edges] if 1 < count <= _MOST_STEPS else []
        total = np.sum(shares, axis=0)
        for edge, share in zip(edges, shares, strict=False):
            via = flow.said(edge.node)
            text = f"of the {count} uses of {of}, that in {via} alone is counted: the others are not added"
            yield added("path", text, share - total, 1.7)
            text = f"the gradient by {of} through {via} is taken {count} times, for each use of {of} (as if a "
            weight = 1.62 if count > 2 else 1.8
            yield added("exchanged", f"{text}product commuted)", count * share - total, weight)


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
