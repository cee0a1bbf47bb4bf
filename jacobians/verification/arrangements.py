"""Mistakes that move, sum or spread entries: order of axes, flattening, sums and deltas.

Each is a map from the expected tensor to what the mistake would have given, for any operation.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, combinations, permutations
from math import prod

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.case import Case
from jacobians.verification.judging import Guess
from jacobians.verification.places import indices, listed

_ALL_ORDERS = 6  # as many axes are tried in every order; of more, swaps and whole groups
Order = tuple[int, ...]


def orders(case: Case) -> Iterator[tuple[float, Order]]:
    """Orders of the axes that differ from the right one, with weights: plain ones first."""
    fixed, out, inner = tuple(range(case.fixed)), case.out_axes, case.in_axes
    free = case.free_axes
    identity = fixed + free
    seen = {identity}
    named: list[tuple[float, Order]] = []
    movable = [a for a in free if len(free) <= _ALL_ORDERS or case.expected.shape[a] > 1]
    for a, b in combinations(movable, 2):
        swapped = list(identity)
        swapped[a], swapped[b] = b, a
        within = (a in out) == (b in out)
        named.append((1.5 if within else 1.6, tuple(swapped)))
    named.append((1.65, fixed + inner + out))
    named.append((1.7, fixed + out + inner[::-1]))
    named.append((1.7, fixed + out[::-1] + inner))
    named.append((1.7, fixed + out[::-1] + inner[::-1]))
    named.append((1.75, fixed + free[::-1]))
    named.append((1.8, fixed + inner[::-1] + out[::-1]))
    if len(free) <= _ALL_ORDERS:
        named += [(1.9, fixed + order) for order in permutations(free)]
    for weight, order in named:
        if order not in seen:
            seen.add(order)
            yield weight, order


def moved(case: Case) -> Iterator[Guess]:
    """The right numbers in another order or shape."""
    right, shape = case.expected.shape, case.claimed.shape
    identity = tuple(range(len(right)))
    if shape != right:
        yield Guess("", _flattened(case, identity), 1.5, lambda a: a)._replace(
            kind="shape" if _squeezed(shape) == _squeezed(right) else "flattened"
        )
    for weight, order in orders(case):
        apply = partial(np.transpose, axes=order)
        if tuple(right[a] for a in order) == shape:
            yield Guess("order", order_clause(case, order), weight, apply)
        else:
            yield Guess("flattened", _flattened(case, order), weight + 0.1, apply)
    if shape == right and len(right) - case.fixed > 1:
        yield from _misread(case)


def _misread(case: Case) -> Iterator[Guess]:
    """Numbers in row-major order that were read into the right shape in column-major order."""
    fixed, out, inner = tuple(range(case.fixed)), case.out_axes, case.in_axes
    right = case.expected.shape
    for which, order in (
        ("the axes", fixed + out[::-1] + inner[::-1]),
        ("the output's axes", fixed + out[::-1] + inner),
        ("the input's axes", fixed + out + inner[::-1]),
        ("all axes", fixed + inner[::-1] + out[::-1]),
    ):
        clause = f"{which} were written in row-major and read in column-major order (a reshape)"
        if [right[a] for a in order] != list(right):  # else it is another order of the axes
            yield Guess("flattened", clause, 1.8, lambda a: a, partial(np.transpose, axes=order))


def _squeezed(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]


def order_clause(case: Case, order: Order) -> str:
    """What is wrong with an order of axes, in words."""
    names = case.names
    free = case.free_axes
    swaps = [(a, order[a]) for a in free if a < order[a] and order[order[a]] == a]
    if len(swaps) == 1 and sum(order[a] != a for a in free) == 2:
        a, b = swaps[0]
        text = f"axes {names[a]} and {names[b]} are swapped (a transpose)"
        turned = _is_convolution(case, a, b)
        return text + "; that is a kernel which is turned round along them" * turned
    come = ", ".join(names[a] for a in order[case.fixed :])
    meant = ", ".join(names[a] for a in free)
    text = f"the axes come in the order ({come}), where ({meant}) is meant"
    if order[case.fixed :] == case.in_axes + case.out_axes:
        text += ": the input's axes come first, the Jacobian is transposed"
        pairs_of = list(zip(case.out_axes, case.in_axes, strict=False))
        if pairs_of and all(_is_convolution(case, a, b) for a, b in pairs_of):
            text += " (a kernel that is turned round)"
    elif 2 * len(swaps) == sum(order[a] != a for a in free):
        pairs = [f"{names[a]} and {names[b]}" for a, b in swaps]
        text += f": {listed(pairs)} are swapped"
    return text


def _is_convolution(case: Case, a: int, b: int) -> bool:
    """Whether entries depend on the difference of two indices alone, and on more than one of it."""
    if not a < case.out_ndim <= b or min(case.expected.shape[a], case.expected.shape[b]) < 3:
        return False
    entries = np.nan_to_num(np.moveaxis(case.expected, (a, b), (0, 1)))
    off = np.abs(entries[1:, 1:] - entries[:-1, :-1]).max(initial=0.0)
    beside = np.abs(entries[1:, :-1]).max(initial=0.0), np.abs(entries[:-1, 1:]).max(initial=0.0)
    return bool(off <= 1e-6 * np.abs(entries).max(initial=0.0) and max(beside) > case.tol.max())


def _flattened(case: Case, order: Order) -> str:
    """The words for the right numbers in another shape, after the axes took another order."""
    right, shape = case.expected.shape, case.claimed.shape
    given, meant = case.shape_text(case.claimed), case.shape_text(case.expected)
    fixed, out, inner = tuple(range(case.fixed)), case.out_axes, case.in_axes
    if order == tuple(range(len(right))):
        if _squeezed(shape) == _squeezed(right):
            return f"the shape is {given}, where {meant} is meant; the numbers are right"
        how = "in row-major order"
    elif order in (fixed + out[::-1] + inner[::-1], fixed + (out + inner)[::-1]):
        how = "in column-major order"
    elif order in (fixed + out[::-1] + inner, fixed + out + inner[::-1]):
        how = (
            f"with the {'in' if order[: len(fixed + out)] == fixed + out else 'out'}put's axes in "
        )
        how += "column-major order"
    else:
        names = ", ".join(case.names[a] for a in order[case.fixed :])
        how = f"with the axes in the order ({names})"
    if shape == right:
        return (
            f"the right numbers were flattened {how} and read back in row-major order "
            "(a reshape where a transpose is meant)"
        )
    return f"the tensor is flattened {how}: its shape is {given}, where {meant} is meant"


def summed(case: Case) -> Iterator[Guess]:
    """Axes that were summed and should not have been."""
    right, shape = case.expected.shape, case.claimed.shape
    for axes in _groups(case):
        rest = _squeezed([n for a, n in enumerate(right) if a not in axes])
        which = listed([case.names[a] for a in axes])
        clause = f"it is summed over {which}, where every index of {which} has its own entries"
        if axes == case.out_axes:
            clause = f"the outputs ({which}) are summed: the gradient of their sum, an upstream of ones, stands "
            clause += "for every output"
        weight = 1.7 + 0.05 * len(axes) - 0.01 * (axes == case.out_axes)
        total = partial(np.nansum, axis=axes, keepdims=True)
        if shape == right:
            yield Guess("summed", clause, weight, partial(_spread, total))
        elif _squeezed(shape) == rest:
            yield Guess("summed", clause, weight, total)
        elif _squeezed(shape) == rest[::-1]:
            also = f"{clause}, and the rest is transposed"
            yield Guess("summed", also, weight + 0.3, partial(_turned, total))


def _spread(total: Callable[[Array], Array], array: Array) -> Array:
    return np.broadcast_to(total(array), array.shape)


def _turned(total: Callable[[Array], Array], array: Array) -> Array:
    return total(array).transpose()


def _groups(case: Case) -> list[Order]:
    """Sets of axes that may have been summed: each, all outputs, all inputs, every set of few."""
    axes = [a for a in case.free_axes if case.expected.shape[a] > 1]
    if case.same_shape:
        found = [(a,) for a in axes] + [case.out_axes, case.in_axes, case.free_axes]
    elif len(axes) <= _ALL_ORDERS:
        every = (combinations(axes, n) for n in range(1, len(axes) + 1))
        found = [case.out_axes, case.in_axes, *chain.from_iterable(every)]
    else:
        found = [case.out_axes, case.in_axes, *combinations(axes, 1), *combinations(axes, 2)]
    return [group for group in dict.fromkeys(found) if group]


def unsummed(case: Case) -> Iterator[Guess]:
    """Axes of the claimed tensor that should have been summed: those of a broadcast."""
    right, shape = case.expected.shape, case.claimed.shape
    if shape == right or len(shape) > 10 or prod(shape) <= prod(right):
        return
    given, meant = case.shape_text(case.claimed), case.shape_text(case.expected)
    axes = [a for a in range(case.fixed, len(shape)) if shape[a] > 1]
    for count in range(1, min(3, len(axes)) + 1):
        for chosen in combinations(axes, count):
            rest = [n for a, n in enumerate(shape) if a not in chosen]
            turns = [(0.0, tuple(range(len(right))))]
            turns += list(orders(case)) if prod(rest) == prod(right) else []
            for weight, order in turns:
                if _squeezed([right[a] for a in order]) != _squeezed(rest):
                    continue
                which = listed([f"number {a - case.fixed} (of size {shape[a]})" for a in chosen])
                plural = "axes" if count > 1 else "axis"
                clause = (
                    f"the shape is {given}, where {meant} is meant: {plural} {which} of a "
                    f"broadcast {'are' if count > 1 else 'is'} not summed over"
                )
                if weight:
                    clause += f", and {order_clause(case, order)}"
                yield Guess(
                    "unsummed", clause, 1.5 + 0.1 * count + weight / 4, partial(np.transpose, axes=order),
                    partial(np.nansum, axis=chosen),
                )  # fmt: skip


def diagonal_pairs(case: Case) -> list[tuple[int, int]]:
    """Pairs of axes off whose diagonal the expected tensor is zero: each has a delta."""
    index = indices(case.size > case.tol)
    shape = case.expected.shape
    if not index or not len(index[0]):
        return []
    return [
        (a, b)
        for a, b in combinations(case.free_axes, 2)
        if shape[a] == shape[b] > 1 and np.array_equal(index[a], index[b])
    ]


def deltas(case: Case) -> Iterator[Guess]:
    """A delta lost (dense where the structure is zero), and a delta too many."""
    pairs = diagonal_pairs(case)
    names, shape = case.names, case.expected.shape
    every = [[pair] for pair in pairs]
    every += [list(group) for group in combinations(pairs, 2) if len({*sum(group, ())}) == 4]
    for group in every:
        which = listed([f"δ_{names[a]}{names[b]}" for a, b in group])
        is_lost = (
            f"the delta {which} is lost" if len(group) == 1 else f"the deltas {which} are lost"
        )
        for side in (1, 0):
            spread = partial(_along_diagonals, group, side)
            if case.same_shape:
                where = " or ".join(f"{names[a]} ≠ {names[b]}" for a, b in group)
                clause = f"{is_lost}: where {where}, it should be zero and is not"
                yield Guess("delta", clause, 1.6 + 0.02 * len(group), spread)
            else:
                yield from _without(case, group, side, is_lost, spread)
    if case.same_shape:
        for a, b in combinations(case.free_axes, 2):
            if shape[a] == shape[b] > 1 and (a, b) not in pairs:
                yield _too_many(case, [(a, b)])
        out, inner = case.out_axes, case.in_axes
        if len(out) > 1 and [shape[a] for a in out] == [shape[a] for a in inner]:
            yield _too_many(case, list(zip(out, inner, strict=True)))


def _along_diagonals(group: Sequence[tuple[int, int]], side: int, array: Array) -> Array:
    """The diagonals of pairs of axes, on one of each, and the same for all of the other."""
    for pair in group:
        spread, kept = pair[side], pair[1 - side]
        diagonal = np.diagonal(array, axis1=kept, axis2=spread)
        diagonal = np.moveaxis(diagonal, -1, kept - (spread < kept))
        array = np.broadcast_to(np.expand_dims(diagonal, spread), array.shape)
    return array


def _without(
    case: Case,
    group: list[tuple[int, int]],
    side: int,
    is_lost: str,
    spread: Callable[[Array], Array],
) -> Iterator[Guess]:
    """The factor that stands beside a delta, given in place of the whole tensor."""
    shape = case.claimed.shape
    dropped = {pair[side] for pair in group}
    for gone in (dropped, {a for pair in group for a in pair}):
        rest = [a for a in range(case.expected.ndim) if a not in gone]
        index = tuple(0 if a in gone else slice(None) for a in range(case.expected.ndim))
        turns = permutations(range(len(rest))) if len(rest) <= 4 else [tuple(range(len(rest)))]
        for turn in turns:
            if _squeezed([case.expected.shape[rest[a]] for a in turn]) != _squeezed(shape):
                continue
            names = ", ".join(case.names[rest[a]] for a in turn)
            clause = f"{is_lost}: this is only what stands beside it, over ({names})"
            chosen = partial(_beside, spread, index, turn)
            yield Guess("delta", clause, 1.65 + 0.02 * len(gone), chosen)


def _beside(
    spread: Callable[[Array], Array], index: tuple[int | slice, ...], turn: Order, array: Array
) -> Array:
    """What stands beside deltas, its axes in another order."""
    return np.asarray(spread(array)[index].transpose(turn))


def _too_many(case: Case, group: list[tuple[int, int]]) -> Guess:
    """The expected tensor on a diagonal only."""
    names, shape = case.names, case.expected.shape
    mask = np.ones((1,) * len(shape), bool)
    for a, b in group:
        form = [shape[c] if c in (a, b) else 1 for c in range(len(shape))]
        mask = mask & np.eye(shape[a], dtype=bool).reshape(form)
    which = listed([f"δ_{names[a]}{names[b]}" for a, b in group])
    where = " or ".join(f"{names[a]} ≠ {names[b]}" for a, b in group)
    clause = (
        f"it is zero where {where}, as if there were a factor {which}; only the diagonal is right"
    )
    return Guess("delta", clause, 1.65, lambda a: np.where(mask, a, 0), tolerance=lambda t: t)
