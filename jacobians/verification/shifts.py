"""Mistakes along an axis: indices that are off, reversed, or in another order."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from jacobians.verification.case import Array, Case
from jacobians.verification.judging import Guess
from jacobians.verification.places import listed


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

            def of(claimed: Array, at: tuple[slice, ...] = tuple(ahead)) -> Array:
                return claimed[at]

            def apply(right: Array, at: tuple[slice, ...] = tuple(behind)) -> Array:
                return right[at]

            outside = np.ones(case.expected.shape, bool)
            outside[tuple(ahead)] = False
            free = int(np.count_nonzero(np.abs(case.claimed[outside]) > case.tol[outside]))
            names = listed([case.names[a] for a in group])
            many = "indices of axis" if len(group) == 1 else "indices of axes"
            clause = (
                f"the {many} {names} are off by one, with other entries at the end: padding is "
            )
            clause += "cut at the wrong end"
            yield Guess("shift", clause, 1.9, apply, of, free=free)


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

    def at(index: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        source = index[axis] - step
        inside = (source >= 0) & (source < size)
        return (*index[:axis], source.clip(0, size - 1), *index[axis + 1 :]), inside

    clause = f"the indices of axis {case.names[axis]} are off by {abs(step)}"
    clause += f": what stands at {case.names[axis]} belongs to {case.names[axis]} "
    clause += f"{'−' if step > 0 else '+'} {abs(step)}"
    return Guess("shift", clause, 1.75, apply, at=at, tolerance=lambda t: t)


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
