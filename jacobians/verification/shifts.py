"""Mistakes along an axis: indices that are off, reversed, or in another order."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from math import gcd, prod
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.case import Case
from jacobians.verification.judging import Guess
from jacobians.verification.places import listed

_LARGEST = 1 << 16  # entries of a tensor in which windows are looked for
_MOST_STRIDE = 3


def shifts(case: Case) -> Iterator[Guess]:
    """Indices of one axis that are off by one or two, reversed, or in another order."""
    if not case.same_shape:
        return
    for axis in case.free_axes:
        size, name = case.expected.shape[axis], case.names[axis]
        if size < 2:
            continue
        if size > 2:
            clause = f"axis {name} is reversed"
            yield Guess("shift", clause, 1.8, partial(np.flip, axis=axis))
        for step in (1, -1, 2, -2):
            if abs(step) < size - 1 or (size == 2 and abs(step) == 1):
                yield _shifted(case, axis, step)
        found = _matched(case, axis)
        if found is not None:
            yield _reordered(case, axis, found)
    yield from _kernels(case)
    yield from _cut(case)


class _Windows(NamedTuple):
    """An output and an input axis between which a window moves: entries depend on ``stride o + spacing k`` alone.

    ``stride`` is negative where the input is what the window moves over, not the kernel.
    """

    out: int
    inner: int
    stride: int
    spacing: int


def strides(case: Case) -> Iterator[Guess]:
    """A window that moves by another stride, or whose entries stand at another distance (a dilation)."""
    if not case.same_shape or case.expected.size > _LARGEST:
        return
    ends = list(zip(case.out_axes[::-1], case.in_axes[::-1], strict=False))
    ends += [(a, b) for a in case.out_axes for b in case.in_axes if (a, b) not in ends]
    found: list[_Windows] = []
    for a, b in ends:
        if all(a != w.out and b != w.inner for w in found):
            found += list(_windows(case, a, b))[:1]
    groups = [found[:2]] * (len(found) > 1) + [[w] for w in found]
    for group in groups:
        tables = [list(_moved_otherwise(case, w)) for w in group]
        for words in [w for w, *_ in tables[0] if all(w in [o for o, *_ in t] for t in tables)]:
            chosen = [next(t for t in table if t[0] == words) for table in tables]
            yield _of_windows(case, group, words, [(o, k, known) for _, o, k, known in chosen])


def starts(case: Case) -> Iterator[Guess]:
    """What stands where a window begins: at the beginning, its start forgotten; or overwritten, not added."""
    if not case.same_shape or case.expected.size > _LARGEST or not case.out_ndim > case.fixed:
        return
    ends = list(zip(case.out_axes[::-1], case.in_axes[::-1], strict=False))[:2]
    for group in [ends] * (len(ends) > 1) + [[pair] for pair in ends]:
        for stride in range(1, _MOST_STRIDE + 1):
            maps = []
            for a, b in group:
                n, m = case.expected.shape[a], case.expected.shape[b]
                o, k = np.indices((n, m))
                maps.append((o, np.minimum(k + stride * o, m - 1), k + stride * o < m))
            words = f"where a window starts, at {stride} times its index, is forgotten"
            yield _of_windows(case, [_Windows(a, b, -stride, 1) for a, b in group], words, maps)
    count = prod(case.expected.shape[a] for a in case.out_axes)
    used = (case.size > case.tol).reshape(*case.expected.shape[: case.fixed], count, -1)
    later = np.flip(np.cumsum(np.flip(used, -2), -2), -2)
    last = (used & (later == 1)).reshape(case.expected.shape)
    if used.sum(-2).max(initial=0) > 1:
        clause = "an entry that goes into several outputs gets the gradient of the last alone: it is overwritten, "
        clause += "where a sum is meant"
        yield Guess("picked", clause, 1.7, lambda a: np.where(last, a, 0), scaled=False)


def _windows(case: Case, a: int, b: int) -> Iterator[_Windows]:
    """How a window moves along two axes, if it does."""
    E = np.moveaxis(np.nan_to_num(case.expected), (a, b), (0, 1))
    n, m = E.shape[:2]
    if min(n, m) < 2:
        return
    flat, slack = E.reshape(n * m, -1), 1e-9 * np.abs(E).max(initial=0.0)
    o, k = (index.ravel() for index in np.indices((n, m)))
    for stride, spacing in product((-1, -2, -3, 1, 2, 3), (1, 2, 3)):
        if gcd(stride, spacing) > 1:
            continue
        _, first, back = np.unique(stride * o + spacing * k, return_index=True, return_inverse=True)
        alike = np.abs(flat - flat[first[back]]).max(initial=0.0) <= slack
        told = np.abs(flat).max(axis=1, initial=0.0) > slack
        if alike and np.count_nonzero(told) > len(np.unique(back[told])) > 1:
            yield _Windows(a, b, stride, spacing)


def _moved_otherwise(case: Case, w: _Windows) -> Iterator[tuple[str, Array, Array, Array]]:
    """Words, and where each entry would be from: by its indices of both axes, and whether it is known."""
    n, m = case.expected.shape[w.out], case.expected.shape[w.inner]
    o, k = np.indices((n, m))
    keys = w.stride * o + w.spacing * k
    places = {int(key): divmod(place, m) for place, key in enumerate(keys.ravel())}
    other = tuple(a for a in range(case.expected.ndim) if a not in (w.out, w.inner))
    there = np.unique(keys[np.any(case.size > case.tol, axis=other).reshape(n, m)])
    dilation = w.spacing if w.stride > 0 else int(np.gcd.reduce(np.diff(there))) or 1
    turned = 1 if w.stride > 0 else -1
    for number in range(1, _MOST_STRIDE + 1):
        if number != abs(w.stride):
            words = f"stride {number} stands where {abs(w.stride)} is meant"
            yield words, *_from(turned * number * o + w.spacing * k, places)
        if number != dilation:
            words = f"dilation {number} stands where {dilation} is meant"
            if w.stride > 0:
                yield words, *_from(w.stride * o + number * k, places)
            else:
                wanted = keys * dilation / number
                yield words, *_from(np.where(wanted % 1 == 0, wanted, np.inf), places)


def _from(keys: Array, places: dict[int, tuple[int, int]]) -> tuple[Array, Array, Array]:
    found = [places.get(int(key)) if np.isfinite(key) else None for key in keys.ravel()]
    known = np.array([f is not None for f in found]).reshape(keys.shape)
    o, k = (
        np.array([f[n] if f is not None else 0 for f in found]).reshape(keys.shape) for n in (0, 1)
    )
    return o, k, known


def _of_windows(
    case: Case, group: list[_Windows], words: str, maps: list[tuple[Array, Array, Array]]
) -> Guess:
    """The right tensor with windows that move otherwise; beside its kernel it is zero."""

    def apply(array: Array) -> Array:
        for w, (o, k, known) in zip(group, maps, strict=True):
            front = np.moveaxis(array, (w.out, w.inner), (0, 1))
            shown = known.reshape(known.shape + (1,) * (front.ndim - 2))
            array = np.moveaxis(np.where(shown, front[o, k], 0), (0, 1), (w.out, w.inner))
        return array

    unknown = np.zeros(case.expected.shape, bool)
    for w, (_, _, known) in zip(group, maps, strict=True):
        if w.stride > 0:  # what the kernel would meet there is not seen
            shown = known.reshape(known.shape + (1,) * (unknown.ndim - 2))
            unknown |= np.moveaxis(
                np.broadcast_to(~shown, np.moveaxis(unknown, (w.out, w.inner), (0, 1)).shape),
                (0, 1),
                (w.out, w.inner),
            )
    which = listed(sorted(case.names[w.out] for w in group))
    clause = f"{words}, along axis {which}" if len(group) == 1 else f"{words}, along axes {which}"
    free = int(np.count_nonzero(np.abs(case.claimed[unknown]) > case.tol[unknown]))
    return Guess(
        "stride", clause, 1.7, lambda a: apply(a)[~unknown], lambda c: c[~unknown], scaled=False,
        free=1 + free, tolerance=lambda t: t[~unknown],
    )  # fmt: skip


def _cut(case: Case) -> Iterator[Guess]:
    """Indices that are off by one along the last one or two axes of the input, with other entries coming in.

    As many numbers are free as come in where the right ones end.
    """
    axes = [a for a in case.in_axes[-2:] if case.expected.shape[a] > 2]
    for group in [(a,) for a in axes] + [tuple(axes)] * (len(axes) > 1):
        for step in (1, -1):
            ahead, behind = [slice(None)] * case.expected.ndim, [slice(None)] * case.expected.ndim
            for axis in group:
                ahead[axis] = slice(step, None) if step > 0 else slice(None, step)
                behind[axis] = slice(None, -step) if step > 0 else slice(-step, None)
            at, of = itemgetter(tuple(behind)), itemgetter(tuple(ahead))
            outside = np.ones(case.expected.shape, bool)
            outside[tuple(ahead)] = False
            free = int(np.count_nonzero(np.abs(case.claimed[outside]) > case.tol[outside]))
            names = listed([case.names[a] for a in group])
            many = "indices of axis" if len(group) == 1 else "indices of axes"
            clause = (
                f"the {many} {names} are off by one, with other entries at the end: padding is "
            )
            clause += "cut at the wrong end"
            yield Guess("shift", clause, 1.9, at, of, free=free)


def _kernels(case: Case) -> Iterator[Guess]:
    """A convolution for a correlation: by the other operand a kernel runs along a diagonal, so that
    two axes are reversed; by the kernel, all of its own.
    """
    shape = case.expected.shape
    ends = zip(case.out_axes[::-1], case.in_axes[::-1], strict=False)
    pairs = [(a, b) for a, b in ends if shape[a] > 1 and shape[b] > 1]
    groups = [*pairs, sum(pairs[:2], ()), sum(pairs[:3], ()), case.in_axes[-2:], case.in_axes[-3:]]
    for group in dict.fromkeys(tuple(sorted(g)) for g in groups if len(g) > 1):
        which = listed([case.names[a] for a in group])
        clause = (
            f"axes {which} are {'both' if len(group) == 2 else 'all'} reversed (a kernel that is "
        )
        clause += "turned round: convolution for correlation)"
        yield Guess("shift", clause, 1.85, partial(np.flip, axis=group))


def _shifted(case: Case, axis: int, step: int) -> Guess:
    """Entry ``i`` holds what entry ``i − step`` should, and nothing where there is none."""
    size = case.expected.shape[axis]
    head = (slice(None),) * axis

    def apply(array: Array) -> Array:
        result = np.zeros_like(array)
        start, stop = max(step, 0), size + min(step, 0)
        result[(*head, slice(start, stop))] = array[(*head, slice(start - step, stop - step))]
        return result

    clause = f"the indices of axis {case.names[axis]} are off by {abs(step)}"
    clause += f": what stands at {case.names[axis]} belongs to {case.names[axis]} "
    clause += f"{'−' if step > 0 else '+'} {abs(step)}"
    return Guess("shift", clause, 1.75, apply, tolerance=lambda t: t)


def _matched(case: Case, axis: int) -> Array | None:
    """Which slice of the expected tensor each slice of the claimed one is; None for no order."""
    size = case.expected.shape[axis]
    rest = case.expected.size // size
    weights = np.random.default_rng(0).uniform(1, 2, rest)
    found = []
    for array in (case.claimed, case.expected):
        rows = np.moveaxis(array, axis, 0).reshape(size, rest)
        found.append(np.nan_to_num(rows) @ weights)
    claimed, expected = found
    order = np.empty(size, np.intp)
    order[np.argsort(claimed, kind="stable")] = np.argsort(expected, kind="stable")
    close = (
        np.abs(claimed - expected[order]) <= 1e-3 * np.abs(claimed).max() + case.tol.max() * rest
    )
    return order if close.all() and (order != np.arange(size)).any() else None


def _reordered(case: Case, axis: int, order: Array) -> Guess:
    """The slices of an axis in another order."""
    size, name = case.expected.shape[axis], case.names[axis]
    step = int(-order[0]) % size
    off = np.flatnonzero(order != np.arange(size))
    if np.array_equal(order, np.roll(np.arange(size), step)) and size > 2:
        back = step if step <= size // 2 else step - size
        clause = f"the indices of axis {name} are off by {abs(back)}, going round: what stands at "
        clause += f"{name} belongs to {name} {'−' if back > 0 else '+'} {abs(back)}"
        weight = 1.75
    elif len(off) == 2:
        clause = f"the slices {name} = {off[0]} and {name} = {off[1]} are exchanged"
        weight = 1.85
    else:
        shown = ", ".join(map(str, order[:8])) + (", …" if size > 8 else "")
        clause = f"the indices of axis {name} come in another order: {shown}"
        weight = 2.3
    return Guess("shift", clause, weight, lambda a: np.take(a, order, axis))
