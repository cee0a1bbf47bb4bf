"""Random numbers that a function draws while it is traced: a plan would repeat them in every call.

What is watched: NumPy's global state, Python's ``random``, and the generators that the function can
reach by names: its arguments, what it closes over, and the globals that its code names, through the
functions and objects that these are.
"""

import functools
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from jacobians.ground.arguments import slots_of
from jacobians.tracing.session import from_library

_MOST = 4096  # objects that are looked through for generators
KINDS = (
    np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random,
)  # fmt: skip
GLOBAL: Any = np.random.rand.__self__  # type: ignore[attr-defined] # NumPy's own
_PLAIN = (str, bytes, int, float, complex, type(None), np.ndarray, np.generic, range)


def generators(function: Callable[..., Any], args: Iterable[Any]) -> list[Any]:
    """The random generators that a call can reach by names, the two global ones first."""
    found: list[Any] = [random, GLOBAL]
    seen: dict[int, Any] = {}
    waiting: list[Any] = [function, *args]
    while waiting and len(seen) < _MOST:
        value = waiting.pop(0)
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value  # kept: an identity is one as long as its object lives
        if isinstance(value, KINDS):
            found.append(value)
        else:
            waiting += _parts(value)
    return [*{id(one): one for one in found}.values()]


def _parts(value: Any) -> Iterator[Any]:
    """What a function or an object reaches by names."""
    if isinstance(value, FunctionType):
        yield from _named(value)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif not isinstance(value, ModuleType):
        owner = getattr(getattr(value, "__self__", None), "__class__", None)
        if isinstance(owner, type) and issubclass(owner, np.random.Generator | random.Random):
            yield value.__self__  # draw = generator.normal
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[Any]:
    kind = value if isinstance(value, type) else type(value)
    if from_library(getattr(sys.modules.get(kind.__module__), "__file__", None) or ""):
        return
    held = getattr(value, "__dict__", None)
    if isinstance(held, Mapping):
        yield from held.values()
    yield from slots_of(value).values()
    if not isinstance(value, type):
        yield from (one for one in vars(kind).values() if isinstance(one, FunctionType))


def _named(function: FunctionType) -> Iterator[Any]:
    """What a function closes over, has as defaults, and names in its module and in other modules."""
    if from_library(function.__code__.co_filename):
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # a variable that is not assigned yet
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    names = _names(function.__code__)
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            yield from (vars(value)[inner] for inner in names if inner in vars(value))
        elif value is not None:
            yield value
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped


def _names(code: CodeType) -> set[str]:
    """The names in a function's code, and in that of the functions within it."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return {*code.co_names}.union(*inner)


class States:
    """The states of generators at one moment."""

    def __init__(self, of: Sequence[Any]) -> None:
        self.of = of
        self.states = [state_of(one) for one in of]

    def changed(self) -> list[Any]:
        """The generators that have another state now."""
        now = (state_of(one) for one in self.of)
        return [
            one
            for one, before, after in zip(self.of, self.states, now, strict=True)
            if not same_state(before, after)
        ]

    def restore(self) -> None:
        """Give all generators the state that they had."""
        for one, state in zip(self.of, self.states, strict=True):
            if one is random or isinstance(one, random.Random):
                one.setstate(state)
            elif isinstance(one, np.random.RandomState):
                one.set_state(state)
            else:
                getattr(one, "bit_generator", one).state = state


def state_of(one: Any) -> Any:
    """The state of a generator; None for the system's own numbers."""
    if one is random or isinstance(one, random.Random):
        try:
            return one.getstate()
        except NotImplementedError:  # the system's own numbers have no state
            return None
    if isinstance(one, np.random.RandomState):
        return one.get_state(legacy=False)
    return getattr(one, "bit_generator", one).state


def same_state(first: Any, second: Any) -> bool:
    """Whether two states of one generator are equal."""
    if isinstance(first, dict):
        return all(same_state(first[key], second[key]) for key in first)
    return np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second


def called(one: Any) -> str:
    """What a generator is called in messages."""
    if one is random:
        return "Python's random"
    if one is GLOBAL:
        return "NumPy's global state"
    return f"a {type(one).__module__.split('.')[0]} {type(one).__name__}"


def drawing_line(states: States, run: Callable[[], Any]) -> str:
    """The line that first changes a state while ``run`` runs; empty where none is changed.

    Line by line: for a run that is known to draw.
    """
    last, found = "", ""

    def look() -> None:
        nonlocal found
        if not found and states.changed():
            found = last or "an unknown line"

    def follow(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001
        nonlocal last
        if found:
            return None
        name = frame.f_code.co_filename
        if from_library(name):
            return None
        look()
        if event != "call":
            last = f"{Path(name).name}:{frame.f_lineno}"
        return follow

    before = sys.gettrace()
    sys.settrace(follow)
    try:
        run()
    finally:
        sys.settrace(before)
    look()
    return found
