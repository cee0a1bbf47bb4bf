"""Natural slips in calls of the transforms: ``jb.grad(f, x)`` for ``jb.grad(f)(x)``."""

import functools
from collections.abc import Callable
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

from jacobians.errors import UnsupportedError

P = ParamSpec("P")
Derivative = TypeVar("Derivative")


def checked(transform: Callable[P, Derivative]) -> Callable[P, Derivative]:
    """The transform, which says what to write where it is given the function's arguments."""
    name = transform.__name__

    @functools.wraps(transform)
    def run(*args: P.args, **kwargs: P.kwargs) -> Derivative:
        f: Any = args[0] if args else kwargs.get("f")
        wrt: Any = args[1] if len(args) > 1 else kwargs.get("wrt", 0)
        if (args or "f" in kwargs) and not callable(f):
            raise UnsupportedError(
                f"jb.{name}: the first argument is the function, not {_kind(f)}; write jb.{name}(f)(x)"
            )
        if len(args) > 2 or not _names_arguments(wrt):
            called = getattr(f, "__name__", "f")
            called = called if called.isidentifier() else "f"
            points = ", ".join(["x", "y", "z"][: len(args) - 1]) if len(args) <= 4 else "x, ..."
            raise UnsupportedError(
                f"jb.{name} takes the function alone and gives its derivative, a function: write "
                f"jb.{name}({called})({points or 'x'}); its second argument wrt says by which arguments, by "
                f"position or name, and is {_kind(wrt)} here"
            )
        return transform(*args, **kwargs)

    return run


def _names_arguments(wrt: Any) -> bool:
    """Whether it can name arguments: a position, a name, or several of them."""
    if isinstance(wrt, tuple | list):
        return all(isinstance(one, str | Integral) for one in wrt)
    return isinstance(wrt, str | Integral)


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + (f" of shape {shape}" if isinstance(shape, tuple) else "")
