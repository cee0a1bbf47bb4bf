"""Random numbers that a function draws while it is traced: a plan would repeat them in every call.

What is watched: NumPy's global state, Python's ``random``, and the generators that the function can
reach by names: its arguments, what it closes over, and the globals that its code names, through the
functions and objects that these are.
"""

import functools
import random
import sys
from collections import deque
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
_PLAIN = (str, bytes, int, float, complex, type(None), np.generic, range)


def generators(function: Callable[..., Any], args: Iterable[Any]) -> list[Any]:
    """The random generators that a call can reach by names, the two global ones first."""
    found = (value for _, value in within_reach(function, *args) if isinstance(value, KINDS))
    return [*{id(one): one for one in (random, GLOBAL, *found)}.values()]


def within_reach(*roots: Any) -> Iterator[tuple[str, Any]]:
    """What functions and objects reach by names, each thing once with the first of its names, near ones first."""
    seen: dict[int, Any] = {}
    waiting = deque(("", root) for root in roots)
    while waiting and len(seen) < _MOST:
        name, value = waiting.popleft()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value  # kept: an identity is one as long as its object lives
        yield name, value
        if not isinstance(value, (*KINDS, np.ndarray)):
            waiting += _parts(name, value)


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a function or an object reaches by names; parts without one have that of the whole."""
    if isinstance(value, FunctionType):
        yield from vars(value).items()  # what it wraps, too
        yield from _named(value)
    elif isinstance(value, MethodType):
        yield from ((name, value.__func__), (name, value.__self__))
    elif isinstance(value, functools.partial):
        yield from ((name, part) for part in (value.func, *value.args))
        yield from value.keywords.items()
    elif isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((name, part) for part in value)
    elif not isinstance(value, ModuleType):
        owner = getattr(getattr(value, "__self__", None), "__class__", None)
        if isinstance(owner, type) and issubclass(owner, np.random.Generator | random.Random):
            yield name, value.__self__  # draw = generator.normal
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    kind = value if isinstance(value, type) else type(value)
    if from_library(getattr(sys.modules.get(kind.__module__), "__file__", None) or ""):
        return
    held = getattr(value, "__dict__", None)
    if isinstance(held, Mapping):
        yield from held.items()
    yield from slots_of(value).items()
    if not isinstance(value, type):
        yield from ((n, one) for n, one in vars(kind).items() if isinstance(one, FunctionType))


def _named(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function closes over, has as defaults, and names in its module and in other modules."""
    code = function.__code__
    if from_library(code.co_filename):
        return
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue  # a variable that is not assigned yet
    defaults = function.__defaults__ or ()
    first = code.co_argcount - len(defaults)
    yield from zip(code.co_varnames[first : code.co_argcount], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    names = _names(code)
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            yield from ((inner, vars(value)[inner]) for inner in names if inner in vars(value))
        elif value is not None:
            yield name, value


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
