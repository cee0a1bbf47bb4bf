"""The two tables: what NumPy's callables mean, and what is not supported and why.

``SUPPORTED[callable]`` takes the call's own arguments, some of them traced, and returns traced arrays
(or plain values where the result does not depend on numbers); it says what memory its results have.
``UNSUPPORTED[callable]`` is the reason. A callable in neither raises as unsupported too.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from jacobians.tracing.session import user_line

SUPPORTED: dict[Any, "TableEntry"] = {}
UNSUPPORTED: dict[Any, str] = {}
RESOLVERS: list[Callable[[Any], "TableEntry | None"]] = []
"""Asked in turn about a callable that is in no table: those of packages that are not imported here."""


class Result(Enum):
    """What memory the result of a NumPy function has, in words."""

    NEW = "copy, or a number"
    """Its own; a number where it has no axes."""
    ARRAY = "copy, an array also where it has no axes"
    """Its own; never a number."""
    NUMPYS = "view where NumPy's is one"
    """As NumPy's: it is asked, with the values, and answers a view where it can."""
    AS_IS = "as it is"
    """What the entry returns: it sees to the memory, and says in words what it is."""
    PLAIN = "plain value, or none"
    """No traced array, or nothing at all."""


ResultKind = Result | str | Callable[..., Result]
"""A result, words for one that is returned as it is, or a function of the call's arguments."""


class TableEntry:
    """What a NumPy callable means on traced arrays.

    Attributes
    ----------
    run : callable
        Takes the call's own arguments, normalised.
    result : Result, str or callable
        What memory the result has; see ``ResultKind``.
    refused : dict
        Keywords that are not supported, with the reason.
    quick : callable, optional
        Takes the arguments of a call without keywords, as they were given, and returns its result;
        ``NotImplemented`` where it is not one of the plain calls that it is for.
    """

    __slots__ = ("quick", "refused", "result", "run")

    def __init__(
        self,
        run: Callable[..., Any],
        result: "ResultKind" = Result.NEW,
        refused: dict[str, str] | None = None,
        quick: Callable[[Sequence[Any]], Any] | None = None,
    ) -> None:
        self.run, self.result, self.refused, self.quick = run, result, refused or {}, quick

    def kind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Result:
        """What memory the result of a call has."""
        if isinstance(self.result, str):
            return Result.AS_IS
        return self.result if isinstance(self.result, Result) else self.result(*args, **kwargs)

    @property
    def words(self) -> str:
        """What the result is, in words."""
        if isinstance(self.result, Result):
            return self.result.value
        if isinstance(self.result, str):
            return self.result
        said = str(self.result.__doc__).rstrip(".")
        return said[:1].lower() + said[1:]


def implements(
    *functions: Any, result: ResultKind = Result.NEW, **refused: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as what NumPy's functions mean on traced arrays.

    ``refused`` names keywords that are not supported, with the reason: a clause that says what to
    write instead.
    """

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            SUPPORTED[function] = TableEntry(implementation, result, refused)
        return implementation

    return enter


def quickly(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as what plain calls of a NumPy function mean (see ``TableEntry.quick``)."""

    def enter(quick: Callable[..., Any]) -> Callable[..., Any]:
        SUPPORTED[function].quick = quick
        return quick

    return enter


def unsupported(reason: str, *functions: Any) -> None:
    """Enter functions as not supported, with the reason."""
    for function in functions:
        UNSUPPORTED[function] = reason


def entry_of(function: Any) -> "TableEntry | None":
    """The table's entry for a callable; of packages that are imported by the user, too."""
    found = SUPPORTED.get(function)
    if found is not None:
        return found
    answers = (resolve(function) for resolve in RESOLVERS)
    return next((entry for entry in answers if entry is not None), None)


def name_of(function: Any) -> str:
    """``numpy.linalg.inv``."""
    module = getattr(function, "__module__", None) or "numpy"
    if isinstance(function, np.ufunc) and vars(np).get(function.__name__) is not function:
        special = sys.modules.get("scipy.special")
        module = "scipy.special" if getattr(special, function.__name__, None) is function else ""
        return f"{module}.{function.__name__}".lstrip(".")
    return f"{module}.{getattr(function, '__name__', function)}"


def at_line(function: Any) -> str:
    """``numpy.linalg.inv at file.py:12``, as messages begin."""
    return f"{name_of(function)} at {user_line()}"


class ReducedUfunc:
    """A ufunc's method, ``np.add.reduce``, as a key of the tables."""

    __slots__ = ("__name__", "method", "ufunc")
    __module__ = "numpy"

    def __init__(self, ufunc: Any, method: str) -> None:
        self.ufunc, self.method = ufunc, method
        self.__name__ = f"{ufunc.__name__}.{method}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it does on plain arrays."""
        return getattr(self.ufunc, self.method)(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReducedUfunc) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, str]:
        return self.ufunc, self.method


def reduced(ufunc: Any, method: str = "reduce") -> Any:
    """The table's key for ``ufunc.reduce`` and the like."""
    return ReducedUfunc(ufunc, method)


class ArrayMethod:
    """A method of arrays that is no function of NumPy, as a key of the tables."""

    __module__ = "numpy.ndarray"

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        self.__name__, self._run = name, run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it does on plain arrays."""
        return self._run(*args, **kwargs)
