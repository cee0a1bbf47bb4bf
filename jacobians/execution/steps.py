"""Steps: a program as data. Immutable; what runs them, or prints them, are the executors.

A step applies one *kernel* to operands, which are variables seen through views, or numbers. It
assigns a new variable, or writes ``into`` one that is there. A *program* is a list of steps with its
inputs, the arrays that are constant, and what it returns.
"""

from collections.abc import Callable, Hashable, Mapping
from enum import Enum, auto
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.how import View
from jacobians.ground.interning import by_bits
from jacobians.notation.slots import Slot

Array = NDArray[Any]
OUT = "out"
"""The variable that holds the caller's array for the result, or None."""


class Kernel(Enum):
    """What a step does, besides ufuncs and calls."""

    VIEW = auto()  # the operand, through its views
    COPY = auto()  # a new array with the operand's entries
    CAST = auto()  # another dtype
    DOT = auto()  # vectors and matrices, the last axis against the first
    MATMUL = auto()  # stacks of matrices
    ADD_UP = auto()  # parameters: the axes
    SELECT = auto()  # where the first operand is true the second, else 0
    TAKE = auto()  # the first operand at integer arrays for its leading axes
    STACK = auto()  # the operands as the rows of a new array
    ZEROS = auto()
    EMPTY = auto()  # any numbers: written whole afterwards
    STORE = auto()  # the operand into a place
    ADD_TO = auto()  # the operand added to what is in a place
    CLEAR = auto()  # zeros into a place of an array that an earlier call has written
    EXACT = auto()  # see ``numerics.exact``; parameters: coefficient, letters, number of masks


class Ufunc(NamedTuple):
    """An elementwise function of NumPy's, by name."""

    name: str


class Call(NamedTuple):
    """A function of the operands; its parameters are the step's.

    ``home`` is the module that has it as ``attribute``, empty where none does.
    """

    name: str
    function: Callable[..., Any]
    home: str
    attribute: str


class Ref(NamedTuple):
    """A variable seen through views, one after the other."""

    root: str
    views: tuple[View, ...] = ()


class Literal(NamedTuple):
    """A number; equal to another only bit by bit."""

    value: int | float
    bits: Hashable


def literal(value: int | float) -> Literal:
    """The operand that is a number."""
    return Literal(value, by_bits(value))


class Place(NamedTuple):
    """Where a term writes into an array: one slot for each of its axes, over letters.

    Attributes
    ----------
    root : str
        The array.
    shape : tuple of int
        Its shape.
    slots : tuple of Slot
        One for each axis.
    letters : tuple of int
        One for each axis of what is written.
    sizes : tuple of int
        Of all letters.
    once : bool
        Whether no entry is written twice.
    at : tuple of Ref
        Integer arrays, one for each axis, where the slots are not affine or write an entry twice.
    """

    root: str
    shape: tuple[int, ...]
    slots: tuple[Slot, ...]
    letters: tuple[int, ...]
    sizes: tuple[int, ...]
    once: bool
    at: tuple[Ref, ...] = ()

    @property
    def written(self) -> tuple[int, ...]:
        """The shape of what is written."""
        return tuple(self.sizes[a] for a in self.letters)

    @property
    def whole(self) -> bool:
        """Whether it is the array itself, its axes in order."""
        own = tuple(slot.plain for slot in self.slots)
        return own == self.letters and self.written == self.shape and not self.at


class Step(NamedTuple):
    """``target = kernel(operands, parameters)``, or the same written ``into`` a place.

    Attributes
    ----------
    target : str
        The variable that is assigned; empty for a step that only writes.
    kernel : Kernel, Ufunc or Call
        What is done.
    operands : tuple of Ref and Literal
        What is read.
    shape, dtype
        Of the result.
    parameters : tuple
        What else the kernel needs: axes, letters, a call's keywords.
    into : Ref or Place, optional
        Where the result is written instead of into new memory.
    flops : int
        Operations; a multiply-add counts as 2.
    given : bool
        Of ZEROS and EMPTY: whether the caller's array, if there is one, takes the new one's place.
    shared : bool
        Of a ufunc and STORE: whether several threads share the work.
    """

    target: str
    kernel: Kernel | Ufunc | Call
    operands: tuple[Ref | Literal, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parameters: tuple[Any, ...] = ()
    into: Ref | Place | None = None
    flops: int = 0
    given: bool = False
    shared: bool = False

    @property
    def size(self) -> int:
        """Entries of the result."""
        return prod(self.shape)

    @property
    def reads(self) -> tuple[str, ...]:
        """The variables that it reads, indices included."""
        found = [operand.root for operand in self.operands if isinstance(operand, Ref)]
        if isinstance(self.into, Place):
            found += [ref.root for ref in self.into.at]
        return tuple(dict.fromkeys(found))

    @property
    def writes(self) -> str:
        """The variable that it writes into; empty where it makes a new one."""
        return self.into.root if self.into is not None else ""

    @property
    def shares(self) -> bool:
        """Whether the result may have memory in common with what is read."""
        return self.kernel in (Kernel.VIEW, Kernel.EXACT) or isinstance(self.kernel, Call)


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

    def __repr__(self) -> str:
        return str(self)


class Program(NamedTuple):
    """Steps with what they begin from and what they end in.

    Attributes
    ----------
    inputs : tuple of str
        The variables that are given.
    constants : mapping of str to numpy.ndarray
        Those that are the same in every run.
    steps : tuple of Step
        In order.
    returned : tuple of str
        The variables that are handed out.
    dense : bool
        Whether there is one result, which may be written into the caller's array.
    copied : bool
        Whether that is done by copying it at the end.
    """

    inputs: tuple[str, ...]
    constants: Mapping[str, Array]
    steps: tuple[Step, ...]
    returned: tuple[str, ...]
    dense: bool = False
    copied: bool = False

    def cost(self) -> Cost:
        """Predicted operations, and bytes of the arrays that are made."""
        made = (s for s in self.steps if s.target and not s.shares and s.into in (None, Ref(OUT)))
        size = sum(step.size * step.dtype.itemsize for step in made)
        return Cost(sum(step.flops for step in self.steps), size)

    @property
    def calls(self) -> dict[str, Call]:
        """The functions that the steps call, by name."""
        called = (step.kernel for step in self.steps if isinstance(step.kernel, Call))
        return {call.name: call for call in called}
