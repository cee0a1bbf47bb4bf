"""Sessions: what is known while a function runs on traced arrays.

A *session* holds the values of the nodes that are recorded while a function runs. Calls may nest (a
gradient inside a function that is being differentiated): the inner one shares the outer's session, and
its inputs are nodes of their own, so that derivatives by different variables never mix.
Each thread has its own session.
"""

import contextlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node, apply, constant
from jacobians.ground.arguments import real_array
from jacobians.ground.interning import by_bits
from jacobians.operations.products import transpose

Array = NDArray[Any]


def _folder(*parts: Any) -> str:
    return str(Path(*parts)) + os.sep


PACKAGE = _folder(Path(__file__).parent.parent)
_NUMPY = _folder(Path(np.__file__).parent)
_SCIPY = _folder(Path(np.__file__).parent.parent, "scipy")
_ARRAYS = (PACKAGE, _NUMPY, _SCIPY, str(contextlib.__file__), "<__array_function__")
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", "<frozen ")
_STANDARD = tuple({_folder(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})

_MOST_APART = 60  # arrays that nothing is differentiated by; what is computed beyond has no formula
_MOST_READ = 40  # arrays without a name whose source is read; a longer formula is not read
_MOST_READS = 400  # times that a source is read, which may say the same again
_SURE = 3  # times that it has said the same of equal arrays in one place, to be read no more


class Trace:
    """One run of a function on traced arrays; ``over`` when it has ended.

    Attributes
    ----------
    title : str
        What the function is called.
    depth : int
        Within how many others it runs.
    """

    __slots__ = ("depth", "over", "title")

    def __init__(self, title: str, depth: int) -> None:
        self.title, self.depth, self.over = title, depth, False


_LOOSE = Trace("", 0)  # of what is made where nothing is traced


class Session:
    """The values of recorded nodes, the constants met, and the branches taken."""

    def __init__(self) -> None:
        self.values: dict[Node, Any] = {}
        self.guards: list[str] = []
        self.names: dict[int, str] = {}
        self.traces: list[Trace] = []
        self.expressed: Callable[[Session, Any], Node | None] | None = None
        self.apart: set[Node] = (
            set()
        )  # arrays that nothing is differentiated by, and what comes of them
        self.readings, self._reads = 0, 0  # of sources that said something new, and of all
        self.folds = True  # operations on constants are constants
        self._constants: dict[int, tuple[Any, Node]] = {}
        self._numbers: dict[Hashable, Node] = {}
        self._equal: dict[tuple[Any, ...], list[Node]] = {}
        self._sources: dict[tuple[Any, ...], tuple[Node | None, int]] = {}

    def computed_apart(self, node: Node, value: Any) -> Node:
        """What is computed of arrays that nothing is differentiated by; a constant, where it is very much."""
        self.apart.add(node)
        if len(self.apart) <= _MOST_APART:
            return node
        found = constant(value)
        self.values[found] = value
        return found

    def constant_node(self, value: Any) -> Node:
        """The node of a value that is not traced: a copy, since the caller may change it later."""
        if type(value) in (int, float):
            return self._number(value)
        array = real_array(value, "an argument")
        known = self._constants.get(id(value))
        if known is not None and _same(self.values[known[1]], array):
            return known[1]
        if self._is_known_transpose(array):
            # V.T is read as the transpose of V, so that formulas can say Vᵀ V.
            node = apply(transpose, [self.constant_node(array.base)])
            self.values[node] = self.values[node.operands[0]].T
            return node
        found = None
        if self.expressed is not None and array.ndim and id(value) not in self.names:
            found = self._read(array)
        if found is None:
            found = self.kept(array, self.names.get(id(value), ""))
        self._constants[id(value)] = (value, found)
        return found

    def kept(self, array: Array, name: str = "") -> Node:
        """A constant of a copy, which lies as the array: one for all of the name that are equal bit by bit."""
        kept = array.copy(order="K")
        bits = kept.tobytes()
        equal = self._equal.setdefault((name, kept.dtype, kept.shape, kept.strides, hash(bits)), [])
        for node in equal:
            if node.value.tobytes() == bits:
                return node
        kept.setflags(write=False)
        node = constant(kept, name)
        self.values[node] = kept
        equal.append(node)
        return node

    def constants(self) -> list[tuple[Any, Node]]:
        """What is not traced, and its nodes."""
        return list(self._constants.values())

    def _read(self, array: Array) -> Node | None:
        """What the user's line computes an array from, while there are not too many such."""
        frame, bits = user_frame(), array.tobytes()
        place = frame and (frame.f_code, frame.f_lasti)
        key = place, array.dtype, array.shape, hash(bits)
        before, times = self._sources.get(key, (None, 0))
        if times >= _SURE and (before is None or self.values[before].tobytes() == bits):
            return before
        if self.readings >= _MOST_READ or self._reads >= _MOST_READS:
            return None
        read, self.expressed, self.folds = self.expressed, None, False
        assert read is not None
        guards = len(self.guards)
        found = read(self, array)
        del self.guards[guards:]  # the user's code has branched on nothing
        self.expressed, self.folds = read, True
        same = times > 0 and found is before
        self._sources[key] = found, _SURE if found is None else times + 1 if same else 1
        self._reads += 1
        self.readings += not same
        if found is not None:
            self.values.setdefault(found, array.copy(order="K"))
        return found

    def _number(self, value: int | float) -> Node:
        """A Python number; under its name, and itself, where it is an argument."""
        name = self.names.get(id(value), "") if type(value) is float else ""
        if not name:
            key = by_bits(value)
            known = self._numbers.get(key)
            if known is None:
                known = self._numbers[key] = constant(value)
            return known
        _, node = self._constants.setdefault(id(value), (value, constant(value, name)))
        self.values.setdefault(node, value)
        return node

    def _is_known_transpose(self, array: Array) -> bool:
        base = array.base
        known = self._constants.get(id(base))
        return (
            isinstance(base, np.ndarray)
            and (id(base) in self.names or (known is not None and known[0] is base))
            and array.ndim == 2
            and array.strides == base.strides[::-1]
            and array.shape == base.shape[::-1]
        )


def _same(kept: Array, array: Array) -> bool:
    """Whether two arrays have the same bits: ``0.0`` is not ``-0.0``."""
    described = (kept.dtype, kept.shape) == (array.dtype, array.shape)
    return described and kept.tobytes() == array.tobytes()


_current: ContextVar[Session | None] = ContextVar("jacobians_session", default=None)


@contextlib.contextmanager
def session() -> Iterator[Session]:
    """The running session, or a new one for the time of the block."""
    running = _current.get()
    if running is not None:
        yield running
        return
    token = _current.set(Session())
    try:
        found = _current.get()
        assert found is not None
        yield found
    finally:
        _current.reset(token)


def current() -> Session:
    """The running session; one that lives on its own where none is running."""
    return _current.get() or Session()


def running() -> bool:
    """Whether a function runs on traced arrays now."""
    return _current.get() is not None


def guard(what: str) -> None:
    """Note that the trace holds for these values only: a branch was taken on one."""
    here = _current.get()
    if here is not None:
        here.guards.append(f"{what} at {user_line()}")


@contextlib.contextmanager
def trace(here: Session, title: str) -> Iterator[Trace]:
    """A trace of its own within a session; what it traced is not to be used after the block."""
    opened = Trace(title, len(here.traces) + 1)
    here.traces.append(opened)
    try:
        yield opened
    finally:
        opened.over = True
        here.traces.remove(opened)


def innermost() -> Trace:
    """The trace that runs now."""
    here = _current.get()
    return here.traces[-1] if here is not None and here.traces else _LOOSE


def surrounding() -> Trace:
    """The trace around the one that runs now: of what it hands out."""
    here = _current.get()
    return here.traces[-2] if here is not None and len(here.traces) > 1 else _LOOSE


def is_users(file: str) -> bool:
    """Whether a file is the user's own, and not of Python or of what is installed."""
    return not (file.startswith((*_ARRAYS, *_STANDARD)) or any(part in file for part in _INSTALLED))


def user_frame() -> FrameType | None:
    """The innermost frame of the user's own code; where there is none, of code outside array packages."""
    outside = None
    for frame in _frames():
        name = frame.f_code.co_filename
        if is_users(name):
            return frame
        if outside is None and not name.startswith(_ARRAYS):
            outside = frame
    return outside


def place_of(frame: FrameType | None, line: int | None = None) -> str:
    """``file.py:12``."""
    if frame is None:
        return "an unknown line"
    return f"{Path(frame.f_code.co_filename).name}:{line or frame.f_lineno}"


def user_line() -> str:
    """``file.py:12`` of the innermost line of the user's own code."""
    return place_of(user_frame())


def from_library(file: str) -> bool:
    """Whether code of this file is this package's, NumPy's or SciPy's, and not the user's."""
    return file.startswith(_ARRAYS)


def scipy_functions() -> list[str]:
    """The names of SciPy's functions that are running, innermost first, up to the user's code."""
    names = []
    for frame in _frames():
        name = frame.f_code.co_filename
        if name.startswith(_SCIPY):
            # Decorators of SciPy call what they decorate ``f``; a class is called by its ``__init__``.
            called = frame.f_locals.get("f")
            if frame.f_code.co_name == "__init__":
                called = type(frame.f_locals.get("self"))
            names.append(getattr(called, "__name__", frame.f_code.co_name))
        elif not name.startswith(_ARRAYS):
            break
    return names


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def closure_names(function: Callable[..., Any]) -> Mapping[int, str]:
    """The names of arrays that a function closes over, has as defaults, or reads from its module."""
    found: dict[int, str] = {}
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return found
    cells = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False)
    for name, cell in cells:
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # a variable that is not assigned yet
        if isinstance(value, np.ndarray):
            found[id(value)] = name
    defaults = getattr(function, "__defaults__", None) or ()
    positional = code.co_varnames[: code.co_argcount]
    for name, value in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
        if isinstance(value, np.ndarray):
            found[id(value)] = name
    for name in code.co_names:
        value = getattr(function, "__globals__", {}).get(name)
        if isinstance(value, np.ndarray):
            found[id(value)] = name
    return found
