"""Steps of sums of terms that look alike are worked out once, and taken over with other variables.

Contract: the steps depend on nothing but the terms, and the operands' shapes, dtypes, views, numbers, and
which of them are the same variable. A constant's value may be read: such sums are lowered each time.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from jacobians.execution.building import Builder, Operand
from jacobians.execution.contracting import Array
from jacobians.execution.steps import Call, Literal, Place, Ref, Step
from jacobians.graph.looks import Look, parts_of
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import bytes_of

Lower = Callable[[Builder, Sequence[Array]], Ref]
"""Adds the steps for a sum of terms over arrays to a program; what holds its value."""


class _Lowered(NamedTuple):
    """The steps over placeholders, and what holds the value."""

    steps: tuple[Step, ...]
    constants: dict[str, NDArray[Any]]
    result: Ref


def _weight(key: Any, lowered: _Lowered) -> int:
    _, parameters = parts_of(key[0].head)
    return (
        1024 * (1 + len(lowered.steps))
        + sum(array.nbytes for array in lowered.constants.values())
        + sum(bytes_of(value) for _, value in parameters)
    )


_LOWERED: ByteCache[_Lowered] = ByteCache(1 << 24, _weight)


def repeated(builder: Builder, look: Look, arrays: Sequence[Array], lower: Lower) -> Ref:
    """``lower(builder, arrays)`` for a node of this look."""
    names: dict[str, str] = {}
    seen: list[Any] = []
    for array in arrays:
        operand = array.operand
        if builder.known(operand) is not None:
            return lower(builder, arrays)
        assert isinstance(operand, Ref)
        place = names.setdefault(operand.root, f"i{len(names)}")
        seen.append((place, operand.views, array.shape, array.dtype, array.weak))
    lowered = _LOWERED.get((look, tuple(seen)), lambda: _recorded(names, arrays, lower))
    renamed = {place: root for root, place in names.items()}
    for name, value in lowered.constants.items():
        made = builder.constant(value)
        assert isinstance(made, Ref)
        renamed[name] = made.root
    for step in lowered.steps:
        _add(builder, step, renamed)
    return Ref(renamed[lowered.result.root], lowered.result.views)


def _recorded(names: dict[str, str], arrays: Sequence[Array], lower: Lower) -> _Lowered:
    builder = Builder(names.values())
    given = [
        array._replace(operand=Ref(names[array.operand.root], array.operand.views))
        for array in arrays
        if isinstance(array.operand, Ref)
    ]
    result = lower(builder, given)
    return _Lowered(tuple(builder.steps), dict(builder.constants), result)


def _add(builder: Builder, step: Step, renamed: dict[str, str]) -> None:
    """A recorded step over other variables."""
    operands = tuple([_renamed(operand, renamed) for operand in step.operands])
    kernel, into = step.kernel, step.into
    if isinstance(kernel, Call):
        kernel = builder.call(kernel.attribute, kernel.function, kernel.home)
    if isinstance(into, Place):
        at = tuple([Ref(renamed[ref.root], ref.views) for ref in into.at])
        into = into._replace(root=renamed[into.root], at=at)
    elif into is not None:
        into = Ref(renamed[into.root], into.views)
    if step.target:
        made = builder.emit(
            kernel, operands, step.shape, step.dtype, step.parameters,
            into=into, flops=step.flops, given=step.given,
        )  # fmt: skip
        renamed[step.target] = made.root
    else:
        builder.steps.append(step._replace(kernel=kernel, operands=operands, into=into))


def _renamed(operand: Operand, renamed: dict[str, str]) -> Operand:
    if isinstance(operand, Literal):
        return operand
    return Ref(renamed[operand.root], operand.views)
