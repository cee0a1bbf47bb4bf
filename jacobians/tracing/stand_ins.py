"""NumPy's own errors for wrong arguments, by asking NumPy about the values."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.errors import JacobiansError
from jacobians.tracing.handle import leaves, plainly, scratch
from jacobians.tracing.session import guard
from jacobians.tracing.tables import Result, ResultKind, implements
from jacobians.tracing.traced import Traced

Implementation = Callable[..., Any]
untyped: Any = np
"""NumPy, to be asked with arguments as they come: its overloads cannot say what is passed on."""


def mirrors(
    *functions: Any, result: ResultKind = Result.NEW, **refused: str
) -> Callable[[Implementation], Implementation]:
    """As ``implements``; where the implementation fails, NumPy's own error is raised instead."""

    def enter(implementation: Implementation) -> Implementation:
        for function in functions:
            run = _with_errors_of(function, implementation)
            implements(function, result=result, **refused)(run)
        return implementation

    return enter


def _with_errors_of(function: Any, implementation: Implementation) -> Implementation:
    @functools.wraps(implementation)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return implementation(*args, **kwargs)
        except JacobiansError:
            raise
        except Exception as error:
            try:
                function(*scratch(args), **scratch(kwargs))
            except Exception as numpys:
                raise numpys from None
            raise error

    return run


def concrete(*functions: Any) -> None:
    """Enter functions whose result depends on values but has no derivative: plain, with a guard."""
    for function in functions:
        implements(function, result=Result.PLAIN)(_concretely(function))


def _concretely(function: Any) -> Implementation:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not all(leaf.constant for leaf in leaves((args, kwargs))):
            guard(f"numpy.{function.__name__}")
        return function(*plainly(args), **plainly(kwargs))

    return run


def constant(*functions: Any) -> None:
    """Enter functions whose result depends on shapes and dtypes only: plain, and no guard."""
    for function in functions:
        implements(function, result=Result.PLAIN)(_constantly(function))


def _constantly(function: Any) -> Implementation:
    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*plainly(args), **plainly(kwargs))

    return run


def array(value: Any) -> Any:
    """A traced array as it is, all else as an array."""
    return value if isinstance(value, Traced) else np.asarray(value)


def stand_in(x: Any) -> Any:
    """An array of the same shape that takes no memory, to ask NumPy about shapes."""
    return np.broadcast_to(False, np.shape(x.value if isinstance(x, Traced) else x))
