"""The value of a term: its factors read, selected, summed and multiplied two at a time.

Every pair is brought to the form that BLAS takes, ``(batch, left, summed) @ (batch, summed, right)``;
where nothing is summed it is a broadcast product.
"""

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.execution.building import WHOLE, Builder, Operand, Value, aligned, seen
from jacobians.execution.paths import contraction_path
from jacobians.execution.reading import read
from jacobians.execution.steps import Kernel, Ref, Ufunc, literal
from jacobians.graph.how import Broadcast, Index, Reshape
from jacobians.notation.terms import Factor, Term, letter_count

Letters = tuple[int, ...]
BY_DOT = (1 << 12, 1 << 19)
"""Entries of an outer product that BLAS makes quicker than a ufunc (``benchmarks.suite``, bilinear)."""
STRIDED = 1 << 15
"""Entries of a product from which a small factor is put in line first (``benchmarks.forms``, a layer)."""
SHORT = 512
"""Entries: where the innermost loop is shorter, its overhead shows (``benchmarks.suite``, inverse)."""


class Array(NamedTuple):
    """An operand that terms may read: where it is, its shape and dtype, and if it is a Python number."""

    operand: Operand
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak: bool = False


class Contraction:
    """Terms over arrays, computed in one dtype."""

    def __init__(self, builder: Builder, arrays: Callable[[Any], Array], dtype: Any) -> None:
        self.builder = builder
        self.dtype = np.dtype(dtype)
        self._arrays = arrays

    def term(self, term: Term) -> Value | None:
        """The product of a term's factors over its kept letters; None if it has no factors.

        A mask whose letters are kept is applied once nothing but the result is left. One that is
        summed over is applied to the smallest factor; where the result is not finite all the same
        (an infinite factor beside it), it is made again by selection (``numerics.exact``).
        """
        if not term.factors:
            return None
        sizes, kept = term.sizes, term.kept
        factors = [self._read(f, sizes) for f in term.factors if not f.mask]
        masks = [self._read(f, sizes) for f in term.factors if f.mask]
        late = [m for m in masks if set(m.letters) <= kept and factors]
        early = [m for m in masks if m not in late]
        values = list(factors)
        for mask in early:
            self._select_early(mask, values, sizes)
        values = self._scaled(values, term.coefficient, sizes)
        for n, own in enumerate(values):
            others = kept.union(*(v.letters for m, v in enumerate(values) if m != n))
            away = [a for a in own.letters if a not in others]
            if away:
                values[n] = self._summed(own, away, sizes)
        for n, m in contraction_path([v.letters for v in values], kept, sizes):
            right, left = values.pop(max(n, m)), values.pop(min(n, m))
            keep = kept.union(*(v.letters for v in values))
            wanted = tuple(sorted(kept)) if not values else ()
            values.append(self.product(left, right, keep, sizes, wanted, kept))
        (value,) = values
        if early and factors:
            value = self._exact(value, term.coefficient, early, factors, sizes)
        for mask in late:
            value = self._selected(mask, value, sizes)
        return value

    def _read(self, factor: Factor, sizes: Sequence[int]) -> Value:
        operand, shape, own, weak = self._arrays(factor.operand)
        dtype = own
        if not factor.mask and not weak:  # integers would overflow, and booleans multiply as logic
            operand = self.builder.cast(operand, own, self.dtype, shape)
            dtype = self.dtype
        return read(self.builder, operand, factor.slots, sizes, shape, dtype)

    # Masks

    def _select_early(self, mask: Value, values: list[Value], sizes: Sequence[int]) -> None:
        hosts = [n for n, v in enumerate(values) if set(mask.letters) <= set(v.letters)]
        if hosts:
            least = min(hosts, key=lambda n: letter_count(sizes, values[n].letters))
            values[least] = self._selected(mask, values[least], sizes)
            return
        shape = [sizes[a] for a in mask.letters]
        cast = self.builder.emit(Kernel.CAST, [mask.ref], shape, self.dtype)
        values.append(Value(cast, mask.letters))

    def _selected(self, mask: Value, value: Value, sizes: Sequence[int]) -> Value:
        letters = (*value.letters, *(a for a in mask.letters if a not in value.letters))
        chosen, kept = aligned(mask, letters), aligned(value, letters)
        shape = [sizes[a] for a in letters]
        return Value(self.builder.emit(Kernel.SELECT, [chosen, kept], shape, self.dtype), letters)

    def _exact(
        self, value: Value, coefficient: int | float, masks: Sequence[Value],
        factors: Sequence[Value], sizes: Sequence[int],
    ) -> Value:  # fmt: skip
        operands = [value, *masks, *factors]
        made = self.builder.emit(
            Kernel.EXACT, [v.ref for v in operands], [sizes[a] for a in value.letters], self.dtype,
            (literal(coefficient), tuple(v.letters for v in operands), len(masks)),
        )  # fmt: skip
        return Value(made, value.letters)

    # One factor

    def _scaled(
        self, values: list[Value], coefficient: int | float, sizes: Sequence[int]
    ) -> list[Value]:
        """The coefficient goes to the smallest factor."""
        if coefficient == 1 or not values:
            return values
        n = min(range(len(values)), key=lambda n: letter_count(sizes, values[n].letters))
        own = values[n]
        name, operands = "negative", [own.ref]
        if coefficient != -1:
            name, operands = "multiply", [own.ref, literal(coefficient)]
        shape = [sizes[a] for a in own.letters]
        scaled = self.builder.ufunc(name, operands, shape, self.dtype)
        return [*values[:n], Value(scaled, own.letters), *values[n + 1 :]]

    def _summed(self, value: Value, away: Sequence[int], sizes: Sequence[int]) -> Value:
        left = tuple(a for a in value.letters if a not in away)
        axes = tuple(n for n, a in enumerate(value.letters) if a in away)
        made = self.builder.emit(
            Kernel.ADD_UP, [value.ref], [sizes[a] for a in left], self.dtype, (axes,),
            flops=letter_count(sizes, value.letters),
        )  # fmt: skip
        return Value(made, left)

    # Two factors

    def product(
        self, left: Value, right: Value, keep: Collection[int], sizes: Sequence[int],
        wanted: Letters, final: Collection[int],
    ) -> Value:  # fmt: skip
        """The product of two arrays, summed over the letters that are not kept.

        ``wanted`` is the order of the result's letters; where it is left open, what is ``final`` comes
        first, and what the next product sums stands last, as BLAS likes it.
        """
        both = [a for a in left.letters if a in right.letters]
        summed = [a for a in both if a not in keep]
        batch = [a for a in both if a in keep]
        only_left = [a for a in left.letters if a not in right.letters]
        only_right = [a for a in right.letters if a not in left.letters]
        everything = {*left.letters, *right.letters}
        if not summed:
            result = tuple(a for a in wanted if a in everything)
            if len(result) != len(everything):
                result = tuple(sorted(everything, key=lambda a: (a not in final, a)))
            return self._outer(left, right, result, sizes)
        if wanted and only_left and only_right:
            place = {a: n for n, a in enumerate(wanted)}
            if place.get(only_left[0], 0) > place.get(only_right[0], 0):
                return self.product(right, left, keep, sizes, (), final)
        letters = (*batch, *only_left, *only_right)
        flops = 2 * letter_count(sizes, everything)
        if not batch and max(len(only_left), len(only_right), len(summed)) <= 1:
            x, y = aligned(left, (*only_left, *summed)), aligned(right, (*summed, *only_right))
            shape = [sizes[a] for a in letters]
            made = self.builder.emit(Kernel.DOT, [x, y], shape, self.dtype, flops=flops)
            return Value(made, letters)
        groups = (only_left, summed, only_right)
        x = _grouped(left, (batch, only_left, summed), sizes)
        y = _grouped(right, (batch, summed, only_right), sizes)
        lead = [letter_count(sizes, batch)] if batch else []
        shape = [*lead, letter_count(sizes, only_left), letter_count(sizes, only_right)]
        made = self.builder.emit(Kernel.MATMUL, [x, y], shape, self.dtype, flops=flops)
        flat = all(len(group) == 1 for group in groups) and len(batch) <= 1
        whole = Reshape(tuple(sizes[a] for a in letters))
        return Value(made if flat else seen(made, whole), letters)

    def _outer(self, left: Value, right: Value, result: Letters, sizes: Sequence[int]) -> Value:
        """The product of two arrays, nothing summed."""
        builder = self.builder
        shape = tuple(sizes[a] for a in result)
        size = prod(shape)
        vectors = len(left.letters) == len(right.letters) == 1 and len(result) == 2
        if vectors and BY_DOT[0] <= size < BY_DOT[1]:
            x, y = (left, right) if left.letters[0] == result[0] else (right, left)
            column, row = seen(x.ref, Index((WHOLE, None))), seen(y.ref, Index((None, WHOLE)))
            made = builder.emit(Kernel.DOT, [column, row], shape, self.dtype, flops=size)
            return Value(made, result)
        tail = _tail((left, right), result, sizes)
        if not tail:
            operands = [self._in_line(value, result, sizes) for value in (left, right)]
            return Value(builder.ufunc("multiply", operands, shape, self.dtype), result)
        operands = [self._repeated(value, result, tail, sizes) for value in (left, right)]
        made = builder.emit(Kernel.EMPTY, [], shape, self.dtype)
        flat = (*shape[:-tail], prod(shape[-tail:]))
        builder.write(
            Ufunc("multiply"), operands, Ref(made.root, (Reshape(flat),)), self.dtype, flat, size
        )
        return Value(made, result)

    def _in_line(self, value: Value, result: Letters, sizes: Sequence[int]) -> Operand:
        """The array for a product of these letters; a small one that is read across is copied."""
        own = tuple(a for a in result if a in value.letters)
        size, total = letter_count(sizes, own), letter_count(sizes, result)
        if own and own[-1] == result[-1] != value.letters[-1] and STRIDED <= total >= 8 * size:
            shape, whole = [sizes[a] for a in own], aligned(value, own)
            value = Value(self.builder.emit(Kernel.COPY, [whole], shape, self.dtype), own)
        return aligned(value, result)

    def _repeated(self, value: Value, result: Letters, tail: int, sizes: Sequence[int]) -> Operand:
        """The array with the last ``tail`` letters of the result as one axis, repeated along it."""
        lead, last = result[:-tail], result[-tail:]
        if not set(last) & set(value.letters):
            return aligned(value, (*lead, -1))
        own = tuple(a for a in lead if a in value.letters)
        shape = (*(sizes[a] for a in own), letter_count(sizes, last))
        operand = aligned(value, (*own, *last))
        if set(last) <= set(value.letters):
            made = seen(operand, Reshape(shape))
        else:
            spread = seen(
                operand, Broadcast(tuple(sizes[a] for a in (*own, *last))), Reshape(shape)
            )
            made = self.builder.emit(Kernel.VIEW, [spread], shape, self.dtype)
        return aligned(Value(made, (*own, -1)), (*lead, -1))


def _grouped(value: Value, groups: Sequence[Sequence[int]], sizes: Sequence[int]) -> Operand:
    """One axis per group; an empty batch has none."""
    batch, *rest = groups
    operand = aligned(value, [a for group in groups for a in group])
    if all(len(group) == 1 for group in rest) and len(batch) <= 1:
        return operand
    shape = tuple(letter_count(sizes, g) for g in ([batch, *rest] if batch else rest))
    return seen(operand, Reshape(shape))


def _tail(values: Sequence[Value], result: Letters, sizes: Sequence[int]) -> int:
    """How many of the last letters to make one axis by repeating small operands; 0 for none.

    NumPy itself joins axes along which an operand either runs or stands still as a whole.
    """
    total = letter_count(sizes, result)
    there = [tuple(a in value.letters for value in values) for a in result]
    tail, run, joined = 0, 1, True
    while run < SHORT and tail < len(result):
        tail += 1
        run *= sizes[result[-tail]]
        joined = joined and there[-tail] == there[-1]
    grown = (letter_count(sizes, {*value.letters, *result[-tail:]}) for value in values)
    if joined or tail == len(result) or any(8 * size > total for size in grown):
        return 0
    return tail
