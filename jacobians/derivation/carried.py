"""What the chain rule carries: terms over nodes, as a structure that equal ones share, and the nodes."""

from collections.abc import Sequence
from math import isfinite
from operator import add
from typing import NamedTuple

from jacobians.graph.node import Node
from jacobians.ground.interning import Interned, by_bits
from jacobians.notation.slots import bounds
from jacobians.notation.terms import (
    Coefficient,
    Sum,
    coefficient_bits,
    numbered,
    relabelled,
    scaled,
)


class Skeleton:
    """Terms over the positions of operands; equal ones are one object.

    The ``outer`` axes are so many first ones; last ones, if negative.
    """

    __slots__ = ("__weakref__", "outer", "tensor")

    def __init__(self, tensor: Sum, outer: int) -> None:
        self.tensor, self.outer = tensor, outer


_FORMS: Interned[Skeleton] = Interned()
Shift = tuple[int, ...]


class Carried(NamedTuple):
    """A sum of terms over nodes: its structure, the nodes, a number, and where on its outer axes it lies.

    The outer axes are those that no step touches: the output's backwards, the input's forwards. What is
    carried is alike wherever it lies on them, so the structure begins at 0; and whatever number it is
    multiplied by, so terms of one coefficient have 1 in the structure.
    """

    form: Skeleton
    operands: tuple[Node, ...]
    shift: Shift
    scale: Coefficient = 1

    @classmethod
    def of(cls, tensor: Sum, outer: int) -> "Carried":
        """A sum of terms, so kept."""
        operands = tensor.operands
        axes = _axes(tensor, outer)
        shift = [
            min([bounds(t.slots[axis], t.sizes)[0] for t in tensor.terms], default=0)
            for axis in axes
        ]
        plain = moved(numbered(tensor, operands), axes, [-n for n in shift])
        numbers = {by_bits(term.coefficient): term.coefficient for term in tensor.terms}
        scale: Coefficient = 1
        if len(numbers) == 1:
            (number,) = numbers.values()
            if number and (type(number) is int or isfinite(number)):
                scale = number
                ones = tuple([term._replace(coefficient=1) for term in plain.terms])
                plain = Sum(plain.shape, ones)
        return cls(_form(plain, outer), operands, tuple(shift), scale)

    def again(self, shift: Shift, scale: Coefficient) -> "Carried":
        """The same elsewhere on the outer axes, and times a number."""
        if any(shift):
            shift = tuple(map(add, self.shift, shift))
        elif type(scale) is int and scale == 1:
            return self
        else:
            shift = self.shift
        return Carried(self.form, self.operands, shift, self.scale * scale)

    def moved_within(self, by: Sequence[int]) -> "Carried":
        """The same elsewhere on the other axes."""
        ndim, outer = len(self.form.tensor.shape), self.form.outer
        axes = range(outer, ndim) if outer >= 0 else range(ndim + outer)
        return self._replace(form=_form(moved(self.form.tensor, axes, by), outer))

    @property
    def tensor(self) -> Sum:
        """The sum of terms."""
        tensor = relabelled(self.form.tensor, self.operands.__getitem__)
        if self.scale != 1 or type(self.scale) is not int:
            tensor = scaled(tensor, self.scale)
        return moved(tensor, _axes(tensor, self.form.outer), self.shift)


def _axes(tensor: Sum, outer: int) -> range:
    ndim = len(tensor.shape)
    return range(outer) if outer >= 0 else range(ndim + outer, ndim)


def _form(tensor: Sum, outer: int) -> Skeleton:
    return _FORMS.get((tensor, outer, coefficient_bits(tensor)), lambda: Skeleton(tensor, outer))


def moved(tensor: Sum, axes: range, by: Sequence[int]) -> Sum:
    """The terms elsewhere on these axes."""
    if not any(by):
        return tensor
    terms = []
    for term in tensor.terms:
        slots = list(term.slots)
        for axis, n in zip(axes, by, strict=True):
            slots[axis] = slots[axis]._replace(constant=slots[axis].constant + n)
        terms.append(term._replace(slots=tuple(slots)))
    return Sum(tensor.shape, tuple(terms))
