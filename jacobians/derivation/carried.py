"""What the chain rule carries: terms over nodes, as a structure that equal ones share, and the nodes."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from jacobians.graph.node import Node
from jacobians.notation.terms import Sum, numbered, relabelled


class Form:
    """Terms over the positions of operands; equal ones are one object.

    The ``outer`` axes are so many first ones; last ones, if negative.
    """

    __slots__ = ("__weakref__", "outer", "tensor")

    def __init__(self, tensor: Sum, outer: int) -> None:
        self.tensor, self.outer = tensor, outer


_FORMS: WeakValueDictionary[Any, Form] = WeakValueDictionary()
Shift = tuple[int, ...]


class Carried(NamedTuple):
    """A sum of terms over nodes: its structure, the nodes, and where on its outer axes it lies.

    The outer axes are those that no step touches: the output's backwards, the input's forwards. What is
    carried is alike wherever it lies on them, so the structure begins at 0.
    """

    form: Form
    operands: tuple[Node, ...]
    shift: Shift

    @classmethod
    def of(cls, tensor: Sum, outer: int) -> "Carried":
        """A sum of terms, so kept."""
        operands = tensor.operands
        axes = _axes(tensor, outer)
        shift = [min([t.slots[axis].constant for t in tensor.terms], default=0) for axis in axes]
        plain = _moved(numbered(tensor, operands), axes, [-n for n in shift])
        return cls(_form(plain, outer), operands, tuple(shift))

    @property
    def tensor(self) -> Sum:
        """The sum of terms."""
        tensor = relabelled(self.form.tensor, self.operands.__getitem__)
        return _moved(tensor, _axes(tensor, self.form.outer), self.shift)


def _axes(tensor: Sum, outer: int) -> range:
    ndim = len(tensor.shape)
    return range(outer) if outer >= 0 else range(ndim + outer, ndim)


def _form(tensor: Sum, outer: int) -> Form:
    # 1 and 1.0 are equal
    key = tensor, outer, tuple([type(term.coefficient) for term in tensor.terms])
    known = _FORMS.get(key)
    return _FORMS.setdefault(key, Form(tensor, outer)) if known is None else known


def _moved(tensor: Sum, axes: range, by: Sequence[int]) -> Sum:
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
