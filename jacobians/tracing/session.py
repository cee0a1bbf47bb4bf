"""Sessions: what is known while a function runs on traced arrays.

A *session* holds the values of the nodes that are recorded while a function runs. Calls may nest (a
gradient inside a function that is being differentiated): the inner one shares the outer's session, and
its inputs are nodes of their own, so that derivatives by different variables never mix.
Each thread has its own session.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node, apply, constant
from jacobians.ground.arguments import real_array
from jacobians.operations.products import transpose

Array = NDArray[Any]
PACKAGE = str(Path(__file__).parent.parent)
_NUMPY = str(Path(np.__file__).parent)
_SCIPY = str(Path(np.__file__).parent.parent / "scipy")
_LIBRARIES = (PACKAGE, _NUMPY, _SCIPY, str(contextlib.__file__), "<__array_function__")


class Session:
    """The values of recorded nodes, the constants met, and the branches taken."""

    def __init__(self) -> None:
        self.values: dict[Node, Any] = {}
        self.guards: list[str] = []
        self.names: dict[int, str] = {}
        self._constants: dict[int, tuple[Any, Node]] = {}

    def constant_node(self, value: Any) -> Node:
        """The node of a value that is not traced: a copy, since the caller may change it later."""
        if type(value) in (int, float):
            return self._number(value)
        array = real_array(value, "an argument")
        known = self._constants.get(id(value))
        if known is not None and _same(known[1].value, array):
            return known[1]
        if self._is_named_transpose(array):
            # V.T is read as the transpose of V, so that formulas can say Vᵀ V.
            node = apply(transpose, [self.constant_node(array.base)])
            self.values[node] = self.values[node.operands[0]].T
            return node
        kept = array.copy()
        kept.setflags(write=False)
        node = constant(kept, self.names.get(id(value), ""))
        self.values[node] = kept
        self._constants[id(value)] = (value, node)
        return node

    def _number(self, value: int | float) -> Node:
        """A Python number; under its name, and itself, where it is an argument."""
        name = self.names.get(id(value), "") if type(value) is float else ""
        if not name:
            return constant(value)
        _, node = self._constants.setdefault(id(value), (value, constant(value, name)))
        self.values.setdefault(node, value)
        return node

    def _is_named_transpose(self, array: Array) -> bool:
        base = array.base
        return (
            isinstance(base, np.ndarray)
            and id(base) in self.names
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


def user_line() -> str:
    """``file.py:12`` of the innermost caller outside this package, NumPy and SciPy."""
    for frame in _frames():
        name = frame.f_code.co_filename
        if not name.startswith(_LIBRARIES):
            return f"{Path(name).name}:{frame.f_lineno}"
    return "an unknown line"


def from_library(file: str) -> bool:
    """Whether code of this file is this package's, NumPy's or SciPy's, and not the user's."""
    return file.startswith(_LIBRARIES)


def scipy_functions() -> list[str]:
    """The names of SciPy's functions that are running, innermost first, up to the user's code."""
    names = []
    for frame in _frames():
        name = frame.f_code.co_filename
        if name.startswith(_SCIPY):
            # Decorators of SciPy call what they decorate ``f``.
            decorated = frame.f_locals.get("f")
            names.append(getattr(decorated, "__name__", frame.f_code.co_name))
        elif not name.startswith(_LIBRARIES):
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
