"""What groups of entries of a tensor hold, without the tensor: their norms, and their pattern.

Each axis is cut into groups of consecutive indices by its *edges*. Memory is bounded by the groups,
the operands, and chunks of a fixed size.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.display.shown import Shown
from jacobians.execution.interpret import contract, program_for
from jacobians.notation.join import restricted, shifted
from jacobians.notation.slots import Slot, column, renumber
from jacobians.notation.structure import equations, injective, pattern
from jacobians.notation.terms import Sum, Term, letter_count, normal, numbered, rebuilt, total

Array = NDArray[Any]
Edges = tuple[NDArray[np.intp], ...]

_CHUNK = 1 << 20  # entries, or positions, that are held at once
_DIRECT = 1 << 24  # entries of a tensor whose norms are taken from its slices
_BUDGET = 1 << 26  # bytes of the arrays that a Hadamard square may make
_PAIRS = 128  # pairs of terms that are worth joining


# Norms


def norms(tensor: Shown, edges: Edges) -> Array:
    """The norm of each group of entries, of shape ``groups``."""
    size = prod(tensor.shape)
    if size > _CHUNK:
        found = _squared_norms(tensor, edges, crossing=size > _DIRECT)
        if found is not None:
            return found
    result = np.zeros([len(edge) - 1 for edge in edges])
    with np.errstate(all="ignore"):
        for box in _boxes(tensor.shape, _CHUNK):
            part = np.abs(np.asarray(tensor[box], float))
            scale = np.max(part, initial=0, where=np.isfinite(part)) or 1.0
            part = (part / scale) ** 2  # scaled: squares would overflow
            where = []
            for axis, (span, edge) in enumerate(zip(box, edges, strict=True)):
                first = int(np.searchsorted(edge, span.start, "right")) - 1
                last = int(np.searchsorted(edge, span.stop, "left"))
                starts = np.maximum(edge[first:last], span.start) - span.start
                part = np.add.reduceat(part, starts, axis)
                where.append(slice(first, last))
            into = result[tuple(where)]
            np.hypot(into, scale * np.sqrt(part), out=into)
    return result


def _boxes(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Slices that together cover an array of this shape, each of at most so many entries."""
    if not prod(shape):
        return
    if not shape:
        yield ()
        return
    inner = prod(shape[1:])
    step = max(1, most // inner)
    for start in range(0, shape[0], step):
        for rest in _boxes(shape[1:], most):
            yield (slice(start, min(shape[0], start + step)), *rest)


def _squared_norms(tensor: Shown, edges: Edges, *, crossing: bool) -> Array | None:
    """The norms from the Hadamard square of the terms; None where that would cost too much.

    Where terms overlap, or sum, and cancel, norms below ``1e-8`` of what cancels are rounding
    errors; unless ``crossing``, that is refused too.
    """
    if not crossing and any(len(t.kept) < len(t.sizes) for t in tensor.terms.terms):
        return None
    kept = [a for a, edge in enumerate(edges) if len(edge) > 2]
    scales = {node: _scale(value) for node, value in tensor.operands.items()}
    exponents = [sum(scales[f.operand] for f in t.factors) for t in tensor.terms.terms]
    top = max(exponents, default=0)
    square = _hadamard_square(tensor.terms, kept, [e - top for e in exponents])
    if square is None or (not crossing and len(square.terms) > len(tensor.terms.terms)):
        return None
    nodes = square.operands
    values = [np.ldexp(np.asarray(tensor.operands[n], float), -scales[n]) for n in nodes]
    shapes, dtypes = tuple(v.shape for v in values), tuple(v.dtype for v in values)
    cost = program_for(numbered(square), shapes, dtypes, float).program.cost()
    if cost.bytes > _BUDGET or cost.flops > prod(tensor.shape):
        return None
    found = contract(numbered(square), values, float)
    for axis, a in enumerate(kept):
        found = np.add.reduceat(found, edges[a][:-1], axis)
    with np.errstate(all="ignore"):
        sizes = np.ldexp(np.sqrt(np.maximum(found, 0)), top)
    return sizes.reshape([len(edge) - 1 for edge in edges])


def _scale(value: Array) -> int:
    """The exponent of the largest finite number of an array."""
    sizes = np.abs(np.asarray(value, float))
    return int(np.frexp(np.max(sizes, initial=0, where=np.isfinite(sizes)))[1])


def _hadamard_square(tensor: Sum, kept: Sequence[int], exponents: Sequence[int]) -> Sum | None:
    """``Σ J²`` over all axes but the kept ones, as terms; those of J are scaled by powers of 2."""
    found: list[Term] = []
    for n, first in enumerate(tensor.terms):
        for m, second in enumerate(tensor.terms[: n + 1]):
            alone = n == m and injective(first)
            if not alone and not _few_meetings(first, second, tensor.shape):
                return None
            factor = 2.0 ** (exponents[n] + exponents[m] + (m != n))
            joined = _hadamard(first, second, factor, kept)
            if joined is not None:
                found.append(joined)
        if len(found) > _PAIRS or n > _PAIRS:
            return None
    return total([tensor.shape[a] for a in kept], found)


def _few_meetings(first: Term, second: Term, shape: Sequence[int]) -> bool:
    """Whether joining the slots of two terms lists few pairs of values of their letters."""
    tabled: tuple[set[int], set[int]] = (set(), set())
    room = 1
    for slot, other, size in zip(first.slots, second.slots, shape, strict=True):
        if not (slot.affine and other.affine):
            tabled[0].update(slot.letters)
            tabled[1].update(other.letters)
            room *= size
        elif max(len(slot.parts), len(other.parts)) > 1:
            ours = letter_count(first.sizes, slot.letters)
            if ours * letter_count(second.sizes, other.letters) > _CHUNK * size:
                return False
    ours, theirs = (letter_count(t.sizes, a) for t, a in zip((first, second), tabled, strict=True))
    return ours * theirs <= _CHUNK * room


def _hadamard(first: Term, second: Term, number: float, kept: Sequence[int]) -> Term | None:
    """``number · Σ first · second``, entry by entry, over all axes but the kept ones."""
    if first is second and injective(first):
        # An entry has one value of the kept letters: no join is needed, only other summed letters.
        names = {a: a if a in first.kept else a + len(first.sizes) for a in range(len(first.sizes))}
        sizes = [*first.sizes, *(1 if a in first.kept else n for a, n in enumerate(first.sizes))]
        moved = rebuilt(first.factors, [renumber(s, names) for f in first.factors for s in f.slots])
        slots = [first.slots[a] for a in kept]
        return normal(number * first.coefficient**2, sizes, [*first.factors, *moved], slots)
    by = len(first.sizes)
    moved = rebuilt(second.factors, [shifted(s, by) for f in second.factors for s in f.slots])
    both = Term(
        first.coefficient * second.coefficient * number,
        first.sizes + second.sizes,
        (*first.factors, *moved),
        first.slots,
    )
    pairs = equations(first.slots, [shifted(t, by) for t in second.slots], both.sizes)
    return restricted(both, pairs, [first.slots[a] for a in kept])


# Structure


def reached(tensor: Sum, edges: Edges) -> Array:
    """Which groups the terms can write to; masks do not count."""
    marks = np.zeros([len(edge) - 1 for edge in edges], bool)
    for own in dict.fromkeys(map(pattern, tensor.terms)):
        if not marks.all():
            _mark(marks, own, edges)
    return marks


def _mark(marks: Array, own: Term, edges: Edges) -> None:
    """Mark the groups that a pattern reaches, at a cost of cells, not of positions, where it can.

    A letter that stands alone in each of its slots needs only one value for each combination of
    groups that it reaches; the others run through all their values, a chunk at a time.
    """
    if 0 in own.sizes:
        return
    live = [a for a, edge in enumerate(edges) if len(edge) > 2]
    group = {a: np.repeat(np.arange(len(edges[a]) - 1), np.diff(edges[a])) for a in live}
    mixed = {b for a in live if len(own.slots[a].parts) > 1 for b in own.slots[a].letters}
    index: list[Any] = [0] * len(edges)
    plain = sorted({b for a in live for b in own.slots[a].letters} - mixed)
    for number, letter in enumerate(plain):
        axes = [a for a in live if letter in own.slots[a].letters]
        values = np.arange(own.sizes[letter])
        found = _reached(own, axes, group, {letter: values})
        form = [-1 if n == number + 1 else 1 for n in range(len(plain) + 1)]
        for a, groups in zip(axes, found, strict=True):
            index[a] = groups.reshape(form)
    for a in live:
        if not own.slots[a].parts:
            index[a] = group[a][own.slots[a].constant]
    letters = sorted(mixed)
    axes = [a for a in live if mixed & set(own.slots[a].letters)]
    sizes = [own.sizes[b] for b in letters]
    for start in range(0, prod(sizes), _CHUNK):
        flat = np.arange(start, min(prod(sizes), start + _CHUNK))
        places = np.unravel_index(flat, sizes) if letters else ()
        found = _reached(own, axes, group, dict(zip(letters, places, strict=True)))
        for a, groups in zip(axes, found, strict=True):
            index[a] = groups.reshape(-1, *[1] * len(plain))
        marks[tuple(index)] = True


def _reached(
    own: Term, axes: Sequence[int], group: dict[int, Array], values: dict[int, Array]
) -> Array:
    """The distinct combinations of groups on these axes, one column each, as letters take values."""
    if not axes:
        return np.zeros((0, 1), np.intp)
    found = [group[a][_positions(own.slots[a], own.sizes, values)] for a in axes]
    sizes = [int(group[a][-1]) + 1 for a in axes]
    flags = np.zeros(prod(sizes), bool)
    flags[np.ravel_multi_index(found, sizes)] = True
    return np.stack(np.unravel_index(np.flatnonzero(flags), sizes))


def _positions(slot: Slot, sizes: Sequence[int], values: dict[int, Array]) -> Array:
    size = len(next(iter(values.values())))
    total_: Array = np.full(size, slot.constant, np.intp)
    for letter, stride in slot.parts:
        total_ = total_ + column(stride, sizes[letter])[values[letter]]
    return total_
