"""NumPy's keywords in one form, for all families, before any of them sees a call.

``axis`` becomes an integer or a tuple of them, ``keepdims`` a truth value, ``dtype`` a dtype; what says
nothing (``where=True``, ``initial`` not given, ``dtype=None``) is left out; ``out`` is taken out, by
name or by position. What NumPy itself would refuse is left to it, with its own words.
"""

import inspect
from functools import lru_cache
from numbers import Integral
from operator import index
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.tracing.tables import ReducedUfunc, TableEntry, at_line

_NOT_GIVEN = np._NoValue
_UFUNC_METHODS = {
    "reduce": ("array", "axis", "dtype", "out", "keepdims", "initial", "where"),
    "accumulate": ("array", "axis", "dtype", "out"),
    "reduceat": ("array", "indices", "axis", "dtype", "out"),
}
_SILENT = {"subok": True, "where": True, "casting": "same_kind", "device": "cpu"}
"""What says nothing, beside None and what is not given."""
_MEANINGFUL_NONE = {
    "axis", "initial", "discont", "prepend", "append", "rcond", "ord", "copy", "keepdims", "signature",
}  # fmt: skip
_JUDGED = {
    "axis", "keepdims", "dtype", "where", "initial", "ddof", "correction", "casting", "order", "signature", "sig",
    "subok", "method", "interpolation", "mode", "norm", "device",
}  # fmt: skip
"""Keywords of which NumPy is asked what it makes of them, unless they are the usual."""


@lru_cache(maxsize=1024)
def parameters(function: Any) -> tuple[str, ...]:
    """The names of a NumPy function's parameters that may be given by position."""
    if isinstance(function, ReducedUfunc):
        return _UFUNC_METHODS.get(function.method, ())
    if isinstance(function, np.ufunc):
        return ()
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        p.name for p in found if p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_POSITIONAL
    )


def normalised(
    function: Any, entry: TableEntry, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], Any, bool]:
    """The arguments in one form, ``out``, and whether something is so odd that NumPy should judge it.

    Raises
    ------
    UnsupportedError
        For a keyword that the function's entry refuses; with the reason and the line.
    """
    names = parameters(function)
    positional = list(args)
    out = None
    if "out" in names and len(positional) > names.index("out"):
        place = names.index("out")
        behind = dict(zip(names[place:], positional[place:], strict=False))
        positional, kwargs = positional[:place], {**behind, **kwargs}
    for place, name in enumerate(names[: len(positional)]):
        value = positional[place]
        if name in entry.refused and not _is_default(function, name, value):
            _refuse(function, name, entry)
        elif place or name in _FORMS:
            positional[place] = _formed(name, value)
    named = {}
    for name, value in kwargs.items():
        if name == "out":
            out = value
        elif not _says_nothing(name, value):
            if name in entry.refused and not _is_default(function, name, value):
                _refuse(function, name, entry)
            named[name] = _formed(name, value)
    given = {**dict(zip(names, positional, strict=False)), **named}
    odd = isinstance(function, np.ufunc) and function.signature is not None and bool(named)
    odd = odd or any(
        name in _JUDGED and not _is_usual(name, value) for name, value in given.items()
    )
    return tuple(positional), named, out, odd


def _is_default(function: Any, name: str, value: Any) -> bool:
    """Whether a keyword has the value that it has when it is not given."""
    default = inspect.signature(function).parameters[name].default
    return _says_nothing(name, value) or value is default


def _says_nothing(name: str, value: Any) -> bool:
    if value is _NOT_GIVEN:
        return True
    if value is None:
        return name not in _MEANINGFUL_NONE
    return value is _SILENT.get(name, _NOT_GIVEN) or (
        isinstance(value, str) and value == _SILENT.get(name, "")
    )


def _is_usual(name: str, value: Any) -> bool:
    """Whether NumPy surely takes a value for a keyword, and does with it what our entries do."""
    if name == "axis":
        return type(value) is int
    if name == "keepdims":
        return type(value) is bool
    if name in ("ddof", "correction"):
        return type(value) is int
    return False


def _refuse(function: Any, name: str, entry: TableEntry) -> None:
    raise UnsupportedError(f"{at_line(function)} with {name}=...: {entry.refused[name]}")


def _formed(name: str, value: Any) -> Any:
    form = _FORMS.get(name)
    if form is None:
        return value
    try:
        return form(value)
    except (TypeError, ValueError):
        return value  # NumPy says what the matter is


def axis_form(value: Any) -> Any:
    """An axis as an integer, several as a tuple; None stays."""
    if value is None or isinstance(value, list | bool):
        return value
    if isinstance(value, tuple):
        return tuple(index(n) for n in value)
    return index(value)


def truth(value: Any) -> bool:
    """The truth of a flag that is an integer or a Python boolean."""
    if isinstance(value, Integral) and not isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(value)


_FORMS: dict[str, Any] = {
    "axis": axis_form, "axis1": index, "axis2": index, "axisa": index, "axisb": index, "axisc": index,
    "keepdims": truth, "dtype": lambda value: None if value is None else np.dtype(value),
    "n": lambda value: index(value), "k": lambda value: index(value), "offset": index,
}  # fmt: skip
