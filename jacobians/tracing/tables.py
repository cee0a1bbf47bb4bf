"""The two tables: what NumPy's callables mean, and what is not supported and why.

``SUPPORTED[callable]`` takes the call's own arguments, some of them traced, and returns traced arrays
(or plain values where the result does not depend on numbers). ``UNSUPPORTED[callable]`` is the
reason. A callable in neither raises as unsupported too.
"""

from collections.abc import Callable
from typing import Any

from jacobians.errors import UnsupportedError
from jacobians.tracing.session import user_line

SUPPORTED: dict[Any, Callable[..., Any]] = {}
UNSUPPORTED: dict[Any, str] = {}
RESOLVERS: list[Callable[[Any], Callable[..., Any] | None]] = []
"""Asked in turn about a callable that is in no table: those of packages that are not imported here."""


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as what NumPy's functions mean on traced arrays."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            SUPPORTED[function] = implementation
        return implementation

    return enter


def unsupported(reason: str, *functions: Any) -> None:
    """Enter functions as not supported, with the reason."""
    for function in functions:
        UNSUPPORTED[function] = reason


def call(function: Any, args: Any, kwargs: Any) -> Any:
    """Do what a NumPy callable means on traced arrays.

    Raises
    ------
    UnsupportedError
        Naming the call, the reason, and the line of the user's code.
    """
    implementation = SUPPORTED.get(function) or _resolved(function)
    if implementation is None:
        reason = UNSUPPORTED.get(function, "no operation is known for it")
        raise UnsupportedError(
            f"{name_of(function)} at {user_line()} has no Jacobian here: {reason}"
        )
    if kwargs.get("out") is not None:
        raise UnsupportedError(
            f"{name_of(function)}(out=...) at {user_line()}: a traced array is never written into; "
            "use the returned value"
        )
    kwargs.pop("out", None)
    return implementation(*args, **kwargs)


def _resolved(function: Any) -> Callable[..., Any] | None:
    found = (resolve(function) for resolve in RESOLVERS)
    return next((implementation for implementation in found if implementation is not None), None)


def name_of(function: Any) -> str:
    """``numpy.linalg.inv``."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{getattr(function, '__name__', function)}"
