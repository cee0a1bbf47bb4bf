"""What nodes look like, apart from their operands: one object for all that are equal.

So that what depends on looks alone, a result's shape and dtype, a step of the chain rule, the steps of a plan,
is worked out once and found by them; they hash and compare by identity.
"""

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from jacobians.ground.interning import Interned, by_bits
from jacobians.notation.terms import Sum, bytes_of, coefficient_bits

Parameters = tuple[tuple[str, Any], ...]
NUMBERS = {int, float}
"""Types of constants that are numbers of Python's: they do not widen float32."""


class Head:
    """An operation with parameters; equal ones are one object."""

    __slots__ = ("__weakref__", "named", "operation", "parameters")

    def __init__(self, operation: Any, parameters: Parameters) -> None:
        self.operation, self.parameters = operation, parameters
        self.named: Mapping[str, Any] = MappingProxyType(dict(parameters))


class Look:
    """What a node is apart from its operands; equal ones are one object.

    Attributes
    ----------
    head : Operation, Head or None
        The operation with the parameters; None for an input or a constant without any.
    shape : tuple of int
        The shape.
    dtype : numpy.dtype
        The dtype.
    outside : Look
        What is known of it where it is not looked behind.
    value : optional
        Of a constant that is a number.
    name : str
        The name of such a constant.
    """

    __slots__ = ("__weakref__", "dtype", "head", "name", "outside", "shape", "value")

    def __init__(
        self, head: Any, shape: tuple[int, ...], dtype: np.dtype[Any], value: Any, name: str
    ) -> None:
        self.head, self.shape, self.dtype, self.value, self.name = head, shape, dtype, value, name
        opaque = parts_of(head)[0] is None or value is not None
        self.outside: Look = self if opaque else look_of(None, shape, dtype)


_HEADS: Interned[Head] = Interned()
_LOOKS: Interned[Look] = Interned()


def head_of(operation: Any, parameters: Parameters) -> Any:
    """An operation with parameters, as one object: itself where it has none."""
    if not parameters:
        return operation
    key = operation, tuple([(name, _bits(value)) for name, value in parameters])
    return _HEADS.get(key, lambda: Head(operation, parameters))


def _bits(value: Any) -> Hashable:
    if isinstance(value, Sum):
        return Sum, value, coefficient_bits(value)
    return by_bits(value)


def held_by(looks: Iterable[Look]) -> int:
    """The bytes that looks keep alive: of parameters, and of what a user's operation closes over."""
    heads = {id(look.head): look.head for look in looks}
    parts = [parts_of(head) for head in heads.values()]
    return sum(64 + bytes_of(parameters) + getattr(op, "held", 0) for op, parameters in parts)


_NONE: Mapping[str, Any] = MappingProxyType({})


def named_of(head: Any) -> Mapping[str, Any]:
    """The parameters by name."""
    return head.named if type(head) is Head else _NONE


def parts_of(head: Any) -> tuple[Any, Parameters]:
    """An operation, and its parameters."""
    return (head.operation, head.parameters) if type(head) is Head else (head, ())


def look_of(
    head: Any, shape: tuple[int, ...], dtype: np.dtype[Any], number: Any = None, name: str = ""
) -> Look:
    """The look of nodes of a head, shape and dtype; of a constant that is a number, with its value."""
    bits: Hashable = None
    if number is not None:
        bits = type(number), by_bits(number if type(number) in NUMBERS else number[()]), name
    key = head, shape, dtype, bits
    return _LOOKS.get(key, lambda: Look(head, shape, dtype, number, name))
