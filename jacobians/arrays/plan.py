"""A plan: how a sum of terms is evaluated on arrays of known shapes.

The plan depends on structure and shapes alone. Each term reads its factors as views, contracts them
pairwise along opt_einsum's path, and is written into the result at its slots. Operands here are the
numbers of the arrays passed to :meth:`Plan.run`.

A mask selects (law: what a mask rules out is 0, whatever stands elsewhere). It is applied by
selection to a factor that has its letters before contracting; should the result still not be
finite, the term is evaluated once more by :func:`strict`, where nothing is multiplied that a mask
rules out.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.arrays.kernels import Letters, aligner, pair, summer
from jacobians.arrays.views import Writer, reader
from jacobians.notation import ordering
from jacobians.notation.slots import letter_slot
from jacobians.notation.terms import Factor, Sum, Term, letter_count

Array = NDArray[Any]
_CHUNK = 1 << 20  # entries of a strict evaluation that are held at once


class Cost(NamedTuple):
    """Floating-point operations (a multiply-add counts as 2) and bytes of the arrays that are made."""

    flops: int
    bytes: int

    def __add__(self, other: object) -> "Cost":
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __str__(self) -> str:
        return f"{self.flops:,} flops, {self.bytes:,} bytes"


class _TermPlan:
    """One term: its factors as views, the pairwise products, and the value over its kept letters."""

    def __init__(self, term: Term, shapes: Sequence[tuple[int, ...]], wanted: Letters):
        self.term = term
        self.flops = 0
        self.sizes_made: list[int] = []
        self.reads = [
            (f.operand, *reader(f.slots, term.sizes, shapes[f.operand]), f.mask)
            for f in term.factors
        ]
        self.has_masks = any(f.mask for f in term.factors)
        kept = term.kept
        letters: list[Letters] = [read[2] for read in self.reads]
        self.selections: list[tuple[int, int, Callable[[Array], Array]]] = []
        live = self._attach_masks(letters)
        self.live = live
        self.steps: list[tuple[int, int, Callable[[Array, Array], Array]]] = []
        self.sums: dict[int, Callable[[Array], Array]] = {}
        slots_in_use = [letters[n] for n in live]
        self._plan_path(slots_in_use, kept, wanted)
        self.aligned = tuple(a for a in wanted if a in self.result_letters)
        self.align = aligner(self.result_letters, self.aligned)

    def _attach_masks(self, letters: list[Letters]) -> list[int]:
        """Decide which factor each mask selects in; masks without one stay as factors of 0 and 1."""
        live = [n for n, read in enumerate(self.reads) if not read[3]]
        for n, (_, _, mask_letters, is_mask) in enumerate(self.reads):
            if not is_mask:
                continue
            hosts = [
                m for m in live if not self.reads[m][3] and set(mask_letters) <= set(letters[m])
            ]
            if hosts:
                host = min(hosts, key=lambda m: letter_count(self.term.sizes, letters[m]))
                self.selections.append((host, n, aligner(mask_letters, letters[host])))
                self.sizes_made.append(letter_count(self.term.sizes, letters[host]))
            else:
                live.append(n)
        return sorted(live)

    def _plan_path(self, letters: list[Letters], kept: frozenset[int], wanted: Letters) -> None:
        sizes = self.term.sizes
        pending = list(letters)
        # A letter that stands in one factor only, and in no slot, is summed at once.
        for n, own in enumerate(pending):
            others = kept.union(*(o for m, o in enumerate(pending) if m != n))
            away = [a for a in own if a not in others]
            if away:
                self.sums[n] = summer(own, away)
                self.flops += letter_count(sizes, own)
                pending[n] = tuple(a for a in own if a in others)
                self.sizes_made.append(letter_count(sizes, pending[n]))
        for n, m in contraction_path(pending, kept, sizes):
            right, left = pending.pop(max(n, m)), pending.pop(min(n, m))
            keep = kept.union(*pending)
            kernel = pair(left, right, keep, sizes, () if pending else wanted)
            self.flops += kernel.flops
            self.sizes_made.append(kernel.size)
            self.steps.append((min(n, m), max(n, m), kernel.run))
            pending.append(kernel.letters)
        self.result_letters: Letters = pending[0] if pending else ()

    def value(self, arrays: Sequence[Array], dtype: DTypeLike) -> Array | None:
        """The product over the kept letters that have a factor; None for a term without factors."""
        if not self.reads:
            return None
        views = [read(arrays[operand]) for operand, read, _, _ in self.reads]
        for host, mask, align in self.selections:
            views[host] = np.where(align(views[mask]), views[host], 0)
        if self.has_masks:
            views = [views[n] for n in self.live]
        # Integers would overflow where floats do not, and booleans multiply as logic.
        views = [view if view.dtype.kind == "f" else view.astype(dtype) for view in views]
        for n, reduce in self.sums.items():
            views[n] = reduce(views[n])
        for n, m, run in self.steps:
            right = views.pop(m)
            views.append(run(views.pop(n), right))
        value = self.align(views[0])
        if self.has_masks and not np.isfinite(value).all():
            value = strict(self.term, arrays, self.aligned)
        return value


class Plan:
    """How to evaluate a sum of terms on arrays of known shapes."""

    def __init__(self, tensor: Sum, shapes: Sequence[tuple[int, ...]]) -> None:
        self.shape = tensor.shape
        self.writers = [Writer(term, tensor.shape) for term in tensor.terms]
        self.terms = [
            _TermPlan(term, shapes, tuple(writer.letters))
            for term, writer in zip(tensor.terms, self.writers, strict=True)
        ]
        self.direct = len(tensor.terms) == 1 and self._is_whole(tensor.terms[0])
        self.broadcasts = [
            aligner(plan.aligned, writer.letters)
            for plan, writer in zip(self.terms, self.writers, strict=True)
        ]

    def _is_whole(self, term: Term) -> bool:
        """Whether a term's value is the tensor itself: letters in the order of the axes."""
        return (
            bool(term.factors)
            and len(self.shape) > 0
            and (
                term.slots == tuple(letter_slot(a) for a in range(len(self.shape)))
                and term.sizes[: len(self.shape)] == self.shape
                and self.terms[0].aligned == tuple(range(len(self.shape)))
            )
        )

    def run(self, arrays: Sequence[Array], dtype: DTypeLike, out: Array | None = None) -> Array:
        """The tensor as a new array, or in ``out``, which is overwritten whole."""
        with np.errstate(all="ignore"):
            if self.direct and out is None:
                return self._direct(arrays, dtype)
            result = np.zeros(self.shape, dtype) if out is None else out
            if out is not None:
                out[...] = 0
            for number, (plan, writer) in enumerate(zip(self.terms, self.writers, strict=True)):
                value = plan.value(arrays, dtype)
                coefficient = plan.term.coefficient
                if value is None:
                    writer.add(result, coefficient, first=number == 0)
                    continue
                if coefficient != 1:
                    value = value * coefficient
                writer.add(result, self.broadcasts[number](value), first=number == 0)
            return result

    def _direct(self, arrays: Sequence[Array], dtype: DTypeLike) -> Array:
        plan = self.terms[0]
        value = plan.value(arrays, dtype)
        assert value is not None
        if plan.term.coefficient != 1:
            value = value * plan.term.coefficient
        elif not plan.steps and not plan.sums:
            return np.array(value, dtype)  # nothing was computed: never hand out an operand
        return value if value.dtype == dtype else value.astype(dtype)

    def cost(self, itemsize: int) -> Cost:
        """Predicted operations, and bytes of the arrays that are made, the result among them."""
        flops = size = 0
        for number, (plan, writer) in enumerate(zip(self.terms, self.writers, strict=True)):
            flops += plan.flops
            size += sum(plan.sizes_made)
            written = letter_count(plan.term.sizes, writer.letters)
            valued = letter_count(plan.term.sizes, plan.aligned)
            if plan.term.coefficient != 1 and plan.term.factors:
                flops += valued
                size += valued
            if number:
                flops += written
        if not self.direct or not any(plan.sizes_made for plan in self.terms):
            size += prod(self.shape)
        return Cost(flops, size * itemsize)


@lru_cache(maxsize=1024)
def plan_for(tensor: Sum, shapes: tuple[tuple[int, ...], ...]) -> Plan:
    """The plan of a structure at given shapes, made once."""
    return Plan(tensor, shapes)


def contraction_path(
    letters: Sequence[Letters], kept: frozenset[int], sizes: Sequence[int]
) -> list[tuple[int, int]]:
    """Which two arrays are multiplied at each step; both leave the list, the product joins its end."""
    if len(letters) < 2:
        return []
    if len(letters) == 2:
        return [(0, 1)]
    alike = _alike(letters)
    if alike is not None:
        left = [own for place, own in enumerate(letters) if place not in alike]
        return [alike, *contraction_path([*left, letters[alike[0]]], kept, sizes)]
    if len(letters) <= ordering.MOST:
        return ordering.best_order(letters, kept, sizes)
    import opt_einsum as oe  # loads slowly

    inputs = ",".join("".join(oe.get_symbol(a) for a in own) for own in letters)
    used = set().union(*letters)
    output = "".join(oe.get_symbol(a) for a in sorted(kept & used))
    shapes = [tuple(sizes[a] for a in own) for own in letters]
    path, _ = oe.contract_path(f"{inputs}->{output}", *shapes, shapes=True, optimize="auto")
    pairs: list[tuple[int, int]] = []
    theirs = list(range(len(letters)))  # numbers of the arrays as opt_einsum's path counts them
    ours = list(theirs)
    for step in path:
        joined, *others = (theirs[place] for place in step)
        theirs = [number for number in theirs if number not in {joined, *others}]
        for other in others:  # more than two at once are taken two by two
            first, second = sorted((ours.index(joined), ours.index(other)))
            pairs.append((first, second))
            joined, ours = _next(ours, first, second)
        theirs.append(joined)
    return pairs


def _alike(letters: Sequence[Letters]) -> tuple[int, int] | None:
    """Two arrays of the same letters beside a larger one: opt_einsum may multiply into that first."""
    sets = [frozenset(own) for own in letters]
    for m, own in enumerate(sets):
        if own in sets[:m] and any(own < other for other in sets):
            return sets.index(own), m
    return None


def _next(numbers: list[int], first: int, second: int) -> tuple[int, list[int]]:
    """Replace two arrays of the list by their product at its end."""
    new = max(numbers) + len(numbers)
    return new, [n for place, n in enumerate(numbers) if place not in (first, second)] + [new]


def strict(term: Term, arrays: Sequence[Array], wanted: Letters) -> Array:
    """The term's value by selection: nothing is multiplied where a mask is false.

    Slow and exact: all letters at once, a slab of the first letter at a time.
    """
    everything = [*wanted, *(a for a in range(len(term.sizes)) if a not in wanted)]
    used = {a for f in term.factors for a in f.letters}
    everything = [a for a in everything if a in used]
    shape = [term.sizes[a] for a in everything]

    def full(factor: Factor) -> Array:
        array = arrays[factor.operand]
        read, letters = reader(factor.slots, term.sizes, array.shape)
        view = aligner(letters, everything)(read(array))
        return np.broadcast_to(view, shape)

    masks = [full(f) for f in term.factors if f.mask]
    values = [full(f) for f in term.factors if not f.mask]
    dtype = np.result_type(*values) if values else np.dtype(float)
    away = tuple(range(len(wanted), len(everything)))

    def slab(where: Any) -> Array:
        allowed = np.logical_and.reduce([m[where] for m in masks])
        product = np.ones(allowed.shape, dtype)
        for value in values:
            product = np.where(allowed, product * value[where], 0)
        selected: Array = np.where(allowed, product, 0)
        return np.asarray(selected.sum(axis=away), dtype)

    if not everything or prod(shape) <= _CHUNK:
        return slab(...)
    rows = max(1, _CHUNK * shape[0] // prod(shape))
    pieces = [slab(slice(n, n + rows)) for n in range(0, shape[0], rows)]
    if 0 in away:
        return np.asarray(sum(pieces))
    return np.concatenate(pieces, axis=0)
