"""Mistakes that move or sum entries of a gradient, at one place of a function's graph."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array, Node
from jacobians.verification.flow import Flow
from jacobians.verification.judging import Guess, added
from jacobians.verification.variations import axes_of, axes_said, far, steps_of, variations
from jacobians.verification.within import valued
from jacobians.verification.workings import Edge

Rearranged = tuple[str, str, Array, float]
"""A gradient that stands in another's place: the kind of mistake, the words, the array, how plain it is."""

_TABLES = ("pick",)  # operations with a table of indices
_MOST_STRIDE = 3
_MOST_VALUES = 16  # whose product with a gradient is looked at
_MOST_OUTSIDE = 17  # factors of a sum that may stand outside of it


def rearranged(flow: Flow) -> Iterator[Guess]:
    """The gradient at a node: transposed, turned, shifted, or averaged and summed over axes."""
    for node in flow.nodes:
        share = flow.up[node] @ flow.down[node]
        if prod(node.shape) < 2 or not share.any():
            continue
        G = flow.up[node].reshape(-1, *node.shape)
        at_end = node is flow.output
        where = "the upstream gradient G" if at_end else f"the gradient by {flow.said(node)}"
        found = [*_moved(G, node.shape, where), *_without_products(flow, node, G, where)]
        for kind, text, value, weight in found:
            adds = value.reshape(flow.up[node].shape) @ flow.down[node] - share
            yield added(kind, text, adds, weight)


def _moved(G: Array, shape: tuple[int, ...], where: str) -> Iterator[Rearranged]:
    for kind, words, value, weight in variations(G, 1):
        cut = ": padding is cut at the wrong end" * ("zeros" in words)
        yield (
            kind,
            f"{where} is {words.removesuffix(', with zeros at the end')}{cut}",
            value,
            weight,
        )
    for axes in axes_of(len(shape)):
        own, which = tuple(a + 1 for a in axes), axes_said(axes)
        mean = np.mean(G, axis=own, keepdims=True)
        total = np.broadcast_to(np.sum(G, axis=own, keepdims=True), G.shape)
        yield "reduced", f"{where} is replaced by its sum over {which}", total, 1.7
        text = f"{where} is replaced by its mean over {which}"
        yield "reduced", text, np.broadcast_to(mean, G.shape), 1.7
        yield "reduced", f"the mean of {where} over {which} is subtracted", G - mean, 1.8


def _without_products(flow: Flow, node: Node, G: Array, where: str) -> list[Rearranged]:
    """Gradients less a value times the mean of its product with them, as through a variance of it."""
    found: list[Rearranged] = []
    for other, value in valued(flow):
        if other.shape != node.shape or len(found) > _MOST_VALUES:
            continue
        for axis in range(node.ndim):
            mean = np.mean(G * value, axis=axis + 1, keepdims=True)
            text = f"{flow.said(other)} times the mean over axis {axis} of its product with {where} is subtracted"
            found.append(("reduced", text, G - value * mean, 1.85))
    return found


def turned_edges(flow: Flow) -> Iterator[Guess]:
    """The gradient that goes one of several ways from a node, transposed."""
    for edge in flow.edges:
        shape, up = edge.node.shape, flow.up[edge.node]
        if len(shape) < 2 or shape[-1] != shape[-2] or len(flow.into(edge.node)) < 2:
            continue
        turned = np.swapaxes(up.reshape(-1, *shape), -1, -2).reshape(up.shape)
        text = f"the gradient by {flow.said(edge.node)} is transposed, on its way to {flow.said(edge.operand)}"
        yield added("transposed", text, flow.adds_of(edge, up=turned), 1.6)


def moved_entries(flow: Flow) -> Iterator[Guess]:
    """Entries that are picked out of an array, labels, slices or windows: not added up, or one off."""
    for operand in flow.nodes:
        family = [e for e in flow.users(operand) if operand.shape and _picks(flow, e) is not None]
        if family:
            yield from _not_added(flow, family)
            yield from _other_starts(flow, family)
        for edge in family:
            yield from _off(flow, edge)


def _picks(flow: Flow, edge: Edge) -> Array | None:
    """The local Jacobian where each entry is one of the operand's."""
    matrix, operation = flow.matrix(edge), edge.node.operation
    if matrix is None or operation is None or operation.elementwise:
        return None
    return matrix if np.isin(matrix, (0, 1)).all() and (matrix.sum(1) == 1).all() else None


def _not_added(flow: Flow, family: list[Edge]) -> Iterator[Guess]:
    """An entry that is picked several times, and gets one of its gradients."""
    stacked = np.concatenate([flow.matrix(e) for e in family])
    if stacked.sum(0).max(initial=0) <= 1:
        return
    of, ends = flow.said(family[0].operand), np.cumsum([prod(e.node.shape) for e in family])[:-1]
    tables = [flow.matrix(e) for e in family]
    alone = [_last(table) for table in tables if table is not None]  # d[places] += G, of each use
    for kept, which in (
        (_last(stacked), "last"), (np.concatenate(alone), "last"), (np.cumsum(stacked, 0) <= 1, "first"),
    ):  # fmt: skip
        parts = np.split(stacked * kept, ends)
        text = f"an entry of {of} that is picked several times gets the {which} gradient alone"
        yield added("picked", f"{text}, where their sum is meant", _put(flow, family, parts), 1.5)


def _last(table: Array) -> Array:
    """Where no later row has an entry."""
    return np.flip(np.cumsum(np.flip(table, 0), 0), 0) <= 1


def _put(flow: Flow, family: list[Edge], matrices: Sequence[Array]) -> Array:
    """What it adds that entries are picked by other matrices."""
    parts = [flow.adds_of(e, matrix) for e, matrix in zip(family, matrices, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _other_starts(flow: Flow, family: list[Edge]) -> Iterator[Guess]:
    """Slices of one size that start elsewhere: all at the beginning, or by another stride."""
    shape = family[0].operand.shape
    sizes = {edge.node.shape for edge in family}
    if len(family) < 2 or len(sizes) > 1:
        return
    places = [np.stack(np.unravel_index(flow.matrix(e).argmax(1), shape)) for e in family]  # type: ignore[union-attr]
    starts = np.stack([p.min(axis=1) for p in places])
    stride = int(np.gcd.reduce(starts.ravel()))
    of = flow.said(family[0].operand)
    for number in range(_MOST_STRIDE + 1) if stride else ():
        if number == stride:
            continue
        text = f"slices of {of} are taken by a stride of {number}, where {stride} is meant"
        if number == 0:
            text = f"each slice of {of} is taken at the beginning: where it starts is forgotten"
        yield added("shift", text, _put(flow, family, [
            _picking(p + ((number - stride) * start // stride)[:, None], shape)
            for p, start in zip(places, starts, strict=True)
        ]), 1.6)  # fmt: skip


def _picking(places: Array, shape: Sequence[int]) -> Array:
    """The matrix that picks entries at these indices, none beyond the end."""
    inside = (places < np.array(shape)[:, None]).all(axis=0)
    matrix = np.zeros((places.shape[1], prod(shape)))
    flat = np.ravel_multi_index(tuple(places[:, inside]), shape)
    matrix[np.flatnonzero(inside), flat] = 1
    return matrix


def _off(flow: Flow, edge: Edge) -> Iterator[Guess]:
    """What is picked is the entry beside."""
    matrix, operation = flow.matrix(edge), edge.node.operation
    assert matrix is not None
    assert operation is not None
    table = matrix.reshape(-1, *edge.operand.shape)
    for axis, size in enumerate(edge.operand.shape):
        for step in steps_of(size):
            other = np.roll(table, step, axis + 1).reshape(matrix.shape)
            text = f"what is picked out of {flow.said(edge.operand)} is off by {far(step)} along axis {axis}"
            yield added("shift", text, _put(flow, [edge], [other]), 1.7)
            if operation.name in _TABLES:
                yield from _of_others(flow, edge, other, text)


def _of_others(flow: Flow, edge: Edge, matrix: Array, text: str) -> Iterator[Guess]:
    """The derivative of what is picked by another table: labels that are off in the value too."""
    value = np.ravel(np.asarray(flow.values[edge.operand], np.float64))
    picked = (matrix @ value).reshape(edge.node.shape)
    adds = flow.adds_with({edge.node: picked}, {id(edge): matrix})
    yield added("shift", f"{text} (labels)", adds, 1.6)


def reduced(flow: Flow) -> Iterator[Guess]:
    """What is summed over the axes of a broadcast: over others, over all, averaged, or one of them."""
    for edge in flow.edges:
        found = _broadcast(flow, edge)
        if found is None:
            continue
        users = flow.users(edge.node)
        each = [flow.pulled(e, flow.up[e.node]) for e in users] if 1 < len(users) < 4 else []
        for up in (flow.up[edge.node], *each):  # all that reaches it, or what one use of it gives
            U = up.reshape(-1, *edge.node.shape) * found.slope
            yield from _reduced_by(flow, edge, U, found.axes)
            yield from _over_other_axes(flow, edge, U, found.axes)


class _Repeated(NamedTuple):
    """The axes along which an elementwise node repeats an operand, and its derivative by it."""

    axes: tuple[int, ...]
    slope: Array


def _broadcast(flow: Flow, edge: Edge) -> _Repeated | None:
    slope, shape = flow.slope(edge), edge.node.shape
    padded = (1,) * (len(shape) - edge.operand.ndim) + edge.operand.shape
    axes = tuple(a for a, n in enumerate(shape) if n > padded[a])
    return _Repeated(axes, slope) if axes and slope is not None else None


def _total(U: Array, axes: Sequence[int]) -> Array:
    """Sums of gradients, one after the other, over axes that are kept."""
    return np.asarray(U.sum(axis=tuple(a + 1 for a in axes), keepdims=True))


def _reduced_by(flow: Flow, edge: Edge, U: Array, axes: tuple[int, ...]) -> Iterator[Guess]:
    """Sums of a gradient over other axes than those of its broadcast."""
    down, sums = flow.down[edge.operand], _total(U, axes).reshape(len(U), -1)
    right = sums @ down
    by, meant = f"the gradient by {flow.said(edge.operand)}", axes_said(axes)
    count = U.size // sums.size
    text = f"{by} is a mean over {meant}, where a sum is meant"
    yield added("mean", text, right / count - right, 1.5)
    for which, total in _sums(U, axes):
        if total[0].size in (1, prod(edge.operand.shape)):
            other = np.broadcast_to(total.reshape(len(U), -1), sums.shape)
            text = f"{by} is summed over {which}, where {meant} is meant"
            yield added("reduced", text, other @ down - right, 1.5)
    first = U[tuple(slice(0, 1) if a - 1 in axes else slice(None) for a in range(U.ndim))]
    text = f"{by} is that of one index of {meant} alone, where a sum is meant"
    yield added("reduced", text, first.reshape(len(U), -1) @ down - right, 1.7)


def _sums(U: Array, axes: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Sums over others than these axes, in words."""
    for other in _other_axes(U.ndim - 1, axes):
        if other:
            yield _said_of(other, U.ndim - 1), _total(U, other)


def _other_axes(ndim: int, axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All sets of axes but this one."""
    sets = [c for count in range(ndim + 1) for c in combinations(range(ndim), count)]
    return [other for other in sets if other != axes]


def _said_of(axes: tuple[int, ...], ndim: int) -> str:
    return "all axes" if len(axes) == ndim > 1 else axes_said(axes)


def misshapen(flow: Flow, got: Array) -> Iterator[tuple[str, str]]:
    """Why a gradient has another shape: the kind and the words. ``got`` has one for each upstream."""
    node = flow.start
    while len(users := flow.users(node)) == 1 and prod(users[0].node.shape) == prod(node.shape):
        node = users[0].node
    found = _broadcast(flow, users[0]) if len(users) == 1 else None
    if found is None:
        return
    U = flow.up[users[0].node].reshape(-1, *users[0].node.shape) * found.slope
    wanted = np.squeeze(got)
    for which, total in _sums(U, found.axes):
        for mean in (1, U[0].size // max(total[0].size, 1)):
            told = np.squeeze(total / mean)
            slack = 1e-6 * np.abs(wanted) + 1e-9 * np.abs(told).max(initial=0.0)
            if told.shape == wanted.shape and (np.abs(told - wanted) <= slack).all():
                how = "summed" if mean == 1 else "averaged"
                text = f"the gradient by {flow.said(flow.start)} is {how} over {which}, where a sum over "
                text += f"{axes_said(found.axes)} is meant: its shape is {got.shape[1:]}, where "
                yield "reduced", f"{text}{flow.start.shape} is meant"
                return


def _over_other_axes(flow: Flow, edge: Edge, U: Array, axes: tuple[int, ...]) -> Iterator[Guess]:
    """A sum that is broadcast back, a softmax's or a mean's: over another axis, or over more."""
    shape, found = edge.node.shape, _sum_below(flow, edge.operand)
    if found is None or found[0].shape != shape:
        return
    summed, each, between_ = found
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
    each = each * between_.reshape(kept)
    down = flow.down[summed]
    share = (_total(U, axes) * each).reshape(len(U), -1) @ down
    outside = [np.ones(kept)]  # what stands inside of the sum here, outside of it in the claim
    for value in flow.values.values():
        array = np.asarray(value, np.float64)
        if array.size == prod(kept) and (array != 0).all() and len(outside) < _MOST_OUTSIDE:
            outside += [array.reshape(kept), 1 / array.reshape(kept)]
    for other in _other_axes(len(shape), axes):
        sizes = prod(shape[a] for a in axes) / prod(shape[a] for a in other)
        how = f"runs over {_said_of(other, len(shape))}" if other else "is forgotten"
        text = f"the sum in the gradient through {flow.said(edge.operand)} {how}, where {axes_said(axes)} is meant"
        for v in outside:
            again = (_total(U * v, other) / v * each).reshape(len(U), -1) @ down
            for factor in {1.0, sizes}:
                yield added("reduced", text, factor * again - share, 1.45)


def _sum_below(flow: Flow, node: Node) -> tuple[Node, Array, Array] | None:
    """What a node is a sum of, a variance or a function of one; the slopes below and above the sum."""
    above = np.ones((1, prod(node.shape)))
    while len(below := flow.into(node)) == 1:
        (last,) = below
        if prod(last.operand.shape) != prod(node.shape):
            matrix = flow.matrix(last)
            if matrix is None or (np.count_nonzero(matrix, axis=0) > 1).any():
                return None  # an entry that goes into several
            return last.operand, matrix.sum(axis=0).reshape(last.operand.shape), above
        above, node = flow.pulled(last, above), last.operand
    return None
