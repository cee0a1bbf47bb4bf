"""The chain rule through running sums, running products and recurrences, in linear time.

The Jacobian of ``cumsum`` has n (n + 1) / 2 ones, that of ``y_i = a_i y_{i-1} + b_i`` as many products of
a's. What is carried runs along the axis again: from the end if it comes from above, from the start if
it comes from below. Only where another axis tells one place from the other, as a delta does, the ones or
the products are the result, and are made.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jacobians.graph.node import Node, apply
from jacobians.notation.join import composed
from jacobians.notation.rewrite import Make
from jacobians.notation.slots import Slot, bounds, combine, letter_slot
from jacobians.notation.terms import Factor, Sum, Term, numbered, over_used, total
from jacobians.operations.by_rules import Rule
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.recurrences import (
    RECURRING,
    recurrence,
    recurrence_back,
    segment_sums,
    segment_sums_back,
)
from jacobians.operations.reductions import cumsum, suffix_sums


def run_through(
    tensor: Sum, node: Node, position: int, start: int, make: Make, *, backwards: bool
) -> Sum | None:
    """The tensor composed with the node's own Jacobian; None where that runs along no axis.

    ``start`` is the first of the tensor's axes that are the node's; ``backwards`` for a tensor that is a
    derivative by the node.
    """
    operation = node.operation
    if isinstance(operation, Multilinear):
        if operation not in (cumsum, suffix_sums):
            return None
        onward = (operation is cumsum) is not backwards
        along: int = dict(node.parameters)["axis"]
        return _Run(make, onward, start, start + along).of(tensor)
    how = RECURRING.get(operation) if isinstance(operation, Rule) else None
    if how is None:
        return None
    enters = how.enters[position]
    entering = enters(*node.operands, node) if enters else None
    leaving = how.leaves(*node.operands, node) if how.leaves else None
    first, last = (leaving, entering) if backwards else (entering, leaving)

    def through(part: Sum | None, tensor: Sum) -> Sum:
        if part is None:
            return tensor
        return composed(tensor, part, node.ndim) if backwards else composed(part, tensor, node.ndim)

    by = how.by(*node.operands, node)
    run = _Run(make, how.back is backwards, start, start + node.ndim - 1, by, how.segments)
    found = run.of(through(first, tensor))
    return None if found is None else through(last, found)


_RUNNING = {
    (False, True): recurrence, (False, False): recurrence_back,
    (True, True): segment_sums, (True, False): segment_sums_back,
}  # fmt: skip


class _Run(NamedTuple):
    """What runs along an axis, ``onward`` or from the end; as a sum, or with the transitions of ``a``.

    The axes of ``a`` are the tensor's from the ``first`` to that axis.
    """

    make: Make
    onward: bool
    first: int
    axis: int
    a: Node | None = None
    segments: bool = False

    def of(self, tensor: Sum) -> Sum | None:
        """What becomes of a tensor; None where its places along the axis stand in another axis."""
        if tensor.shape[self.axis] == 1:
            return tensor
        terms = [self._term(term, tensor.shape[self.axis]) for term in tensor.terms]
        found = [term for term in terms if term is not None]
        return total(tensor.shape, found) if len(found) == len(terms) else None

    def _term(self, term: Term, size: int) -> Term | None:
        slot, letter = term.slots[self.axis], len(term.sizes)
        others = {b for n, s in enumerate(term.slots) if n != self.axis for b in s.letters}
        if not others.isdisjoint(slot.letters):
            return None
        low, high = bounds(slot, term.sizes)  # only what lies there reaches other places
        start, stop = (low, size) if self.onward else (0, high + 1)
        sizes, place = (*term.sizes, stop - start), letter_slot(letter, 1, start)
        group = [f for f in term.factors if not f.letters.isdisjoint(slot.letters)]
        rest = [f for f in term.factors if f.letters.isdisjoint(slot.letters)]
        beside = (
            [Factor(self.a, (*term.slots[self.first : self.axis], place))]
            if self.a is not None
            else []
        )
        kept = {b for f in group for b in f.letters} & others.union(*(f.letters for f in rest))
        kept = kept.union(*(f.letters for f in beside)) - {letter}
        axes = [letter_slot(b) for b in sorted(kept)]
        shape = (*(sizes[b] for b in sorted(kept)), stop - start)
        placed = combine([(1, slot), (1, Slot(-start))], sizes)
        core = self._node(shape, sizes, group, [*axes, placed])
        whole = (*axes, letter_slot(letter))
        if beside:
            running = _RUNNING[self.segments, self.onward]
            made = apply(running, [self._node(shape, sizes, beside, whole), core])
        else:
            made = apply(cumsum if self.onward else suffix_sums, [core], axis=len(axes))
        slots = [place if n == self.axis else s for n, s in enumerate(term.slots)]
        return over_used(term.coefficient, sizes, [*rest, Factor(made, whole)], slots)

    def _node(
        self,
        shape: tuple[int, ...],
        sizes: tuple[int, ...],
        factors: Sequence[Factor],
        slots: Sequence[Slot],
    ) -> Node:
        tensor = total(shape, [over_used(1, sizes, factors, slots)])
        made: Node = self.make(numbered(tensor), tensor.operands)
        return made
