"""A program in the making: new variables, constants, and steps that are not made twice."""

import keyword
from collections.abc import Hashable, Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.execution.steps import Call, Kernel, Literal, Place, Ref, Step, Ufunc, literal
from jacobians.graph.how import Index, Range, Reshape, Transpose, View
from jacobians.ground.interning import by_bits

Array = NDArray[Any]
Operand = Ref | Literal
RESERVED = frozenset({
    "np", "out", "clean", "part", "derivative", "bind", "float", "range", "parallel", "view", "strided",
    "exact",
})  # fmt: skip
"""Names in printed programs that no input or constant may have."""
_FIRST = 9  # of the variables' numbers: two digits each, so that short programs stand in columns


class Value(NamedTuple):
    """An operand with one letter for each of its axes."""

    ref: Operand
    letters: tuple[int, ...]


class Builder:
    """Steps and constants as they are added; a step that would compute what one has is that one."""

    def __init__(self, inputs: Iterable[str]) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, Array] = {}
        self._taken = {*RESERVED, *inputs}
        self._number = _FIRST + len(self._taken) - len(RESERVED)
        self._known: dict[tuple[Step, Hashable], str] = {}  # without their targets
        self._called: dict[Any, str] = {}
        self._casts: dict[tuple[Operand, np.dtype[Any]], Operand] = {}

    def branch(self, inputs: Iterable[str]) -> "Builder":
        """Another one that begins with what this one has, and has further inputs."""
        other = Builder(inputs)
        other.steps, other.constants = list(self.steps), dict(self.constants)
        other._taken |= self._taken
        other._number = max(self._number, other._number)
        other._known, other._called, other._casts = (
            dict(self._known), dict(self._called), dict(self._casts)
        )  # fmt: skip
        return other

    def fresh(self, prefix: str = "v") -> str:
        """A variable name that is not taken yet; it is then."""
        while True:
            name = f"{prefix}{self._number}"
            self._number += 1
            if name not in self._taken:
                self._taken.add(name)
                return name

    def free(self, name: str) -> str:
        """A name that is not taken yet, this one if it is free; it is taken then."""
        while name in self._taken or keyword.iskeyword(name):
            name += "_"
        self._taken.add(name)
        return name

    def constant(self, value: Any, name: str = "") -> Operand:
        """An operand that is the same in every run."""
        if type(value) in (int, float):
            return literal(value)
        usable = name.isidentifier() and not keyword.iskeyword(name) and name not in self._taken
        wanted = self.free(name) if usable else self.fresh("c")
        array = np.asarray(value).view()
        array.setflags(write=False)  # it is handed out with the program
        self.constants[wanted] = array
        return Ref(wanted)

    def known(self, operand: Operand) -> Any:
        """The value of an operand that is constant as it is; None of any other."""
        if isinstance(operand, Literal):
            return operand.value
        return self.constants.get(operand.root) if not operand.views else None

    def emit(
        self, kernel: Kernel | Ufunc | Call, operands: Sequence[Operand], shape: Sequence[int],
        dtype: Any, parameters: tuple[Any, ...] = (), *, into: Ref | Place | None = None, flops: int = 0,
        given: bool = False,
    ) -> Ref:  # fmt: skip
        """A step that makes a new array (or writes ``into`` one); the variable that holds it."""
        step = Step(
            "",
            kernel,
            tuple(operands),
            tuple(shape),
            np.dtype(dtype),
            parameters,
            into,
            flops,
            given,
        )
        fixed = bool(operands) and into is None  # an array to be filled is a new one each time
        key = step, by_bits(step.parameters)
        if fixed and key in self._known:
            return Ref(self._known[key])
        name = self.fresh()
        if fixed:
            self._known[key] = name
        self.steps.append(step._replace(target=name))
        return Ref(name)

    def write(
        self, kernel: Kernel | Ufunc, operands: Sequence[Operand], into: Ref | Place, dtype: Any,
        shape: Sequence[int], flops: int = 0,
    ) -> None:  # fmt: skip
        """A step that only writes into an array."""
        self.steps.append(
            Step("", kernel, tuple(operands), tuple(shape), np.dtype(dtype), (), into, flops)
        )

    def ufunc(
        self, name: str, operands: Sequence[Operand], shape: Sequence[int], dtype: Any
    ) -> Ref:
        """An elementwise step."""
        return self.emit(Ufunc(name), operands, shape, dtype, flops=prod(shape))

    def cast(
        self, operand: Operand, own: np.dtype[Any], dtype: Any, shape: Sequence[int]
    ) -> Operand:
        """The operand in a dtype that is a float's; numbers of Python's take their neighbours'."""
        wanted = np.dtype(dtype)
        if own == wanted or wanted.kind != "f" or isinstance(operand, Literal):
            return operand
        made = self._casts.get((operand, wanted))
        if made is None:
            constant = self.known(operand)
            if constant is not None:
                made = self.constant(np.asarray(constant).astype(wanted))
            else:
                made = self.emit(Kernel.CAST, [operand], shape, wanted)
            self._casts[operand, wanted] = made
        return made

    def call(self, name: str, function: Any, home: str) -> Call:
        """The kernel that calls a function, by one name for each function."""
        own = self._called.get(function)
        if own is None:
            own = self._called[function] = self.free(name if name.isidentifier() else "operation")
        return Call(own, function, home, name)


def seen(operand: Operand, *views: View) -> Operand:
    """The operand through more views."""
    if isinstance(operand, Literal) or not views:
        return operand
    found = [*operand.views]
    for view in views:
        while found and (both := _together(found[-1], view)) is not None:
            found.pop()
            view = both
        found.append(view)
    return Ref(operand.root, tuple(found))


def _together(first: View, second: View) -> View | None:
    """Two views as one; None where they stay two."""
    match first, second:
        case Reshape(), Reshape():
            return second
        case Reshape(shape), Index(items) if set(shape) == {1} and items == (0,) * len(shape):
            return Reshape(())
        case Index(own), Reshape(shape):
            return _without_axes(own, shape)
        case Index(own), Index(items):
            return _of_both(own, items)
    return None


def _without_axes(items: Sequence[Range | int | None], shape: tuple[int, ...]) -> Index | None:
    """Basic indices that drop axes of one entry, so that this shape is left; None where they cannot."""
    kept, left = list[Range | int | None](), list(shape)
    for item in items:
        if isinstance(item, int):
            kept.append(item)
            continue
        if not isinstance(item, Range) or item.size < 0:
            return None
        if left and item.size == left[0]:
            kept.append(item)
            left.pop(0)
        elif item.size == 1:
            kept.append(item.start)
        else:
            return None
    return None if left else Index(tuple(kept))


def _of_both(
    own: Sequence[Range | int | None], items: Sequence[Range | int | None]
) -> Index | None:
    """What basic indices of what others selected are of the array; None where they stay two."""
    found, rest = list[Range | int | None](), list(items)
    for one in own:
        if isinstance(one, int):
            found.append(one)
            continue
        while rest and rest[0] is None:
            found.append(rest.pop(0))
        item = rest.pop(0) if rest else WHOLE
        if one is None and item != 0:
            return None
        if isinstance(one, Range):
            found.append(_within(one, item))
    return Index((*found, *rest))


def _within(one: Range, item: Range | int | None) -> Range | int:
    """An index of what a range selects, as one of the axis itself."""
    assert item is not None
    if isinstance(item, int):
        return one.start + one.step * item
    if item.is_whole:
        return one
    return Range(one.start + one.step * item.start, one.step * item.step, item.size)


def aligned(value: Value, wanted: Iterable[int]) -> Operand:
    """The same array with its axes in another order; letters it lacks become axes of 1."""
    wanted = tuple(wanted)
    letters = value.letters
    if wanted == letters:
        return value.ref
    present = [a for a in wanted if a in letters]
    order = tuple(letters.index(a) for a in present)
    views: list[View] = []
    if order != tuple(sorted(order)):
        views.append(Transpose(order))
    while wanted and letters and wanted[0] not in letters:
        wanted = wanted[1:]  # leading axes broadcast by themselves
    if len(present) != len(wanted) and present:
        views.append(Index(tuple(WHOLE if a in letters else None for a in wanted)))
    return seen(value.ref, *views)


WHOLE = Range(0, 1, -1, True)
"""A range over a whole axis, whatever its size."""
