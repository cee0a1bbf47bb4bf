"""A call of a NumPy function on traced arrays: its entry runs, its result gets the memory that NumPy's has.

Whether a result is a number, a copy or a view is said once, by the entry. A view is where NumPy says:
the function itself is called on the values, which share memory as NumPy's arrays would.
"""

from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.tracing.culprits import culprit
from jacobians.tracing.handle import Handle, holds_traced, leaves, plainly, serials
from jacobians.tracing.keywords import normalised, parameters
from jacobians.tracing.session import user_line
from jacobians.tracing.tables import UNSUPPORTED, Result, at_line, entry_of, name_of

FILL = (
    "a plain array cannot hold traced values; make it with jb.zeros(shape) (or np.zeros_like(x) of a traced x), "
    "or use the returned value"
)

UNKNOWN = (
    "no operation is known for it; declare it, with its derivative, by jb.operation, or take numbers from "
    "jb.numerical.jacobian"
)
_NO_OUT = "without out= the entries that it excludes are whatever lies in memory; write np.where(mask, a, b)"


def call(function: Any, args: Any, kwargs: Any) -> Any:
    """Do what a NumPy callable means on traced arrays.

    Raises
    ------
    UnsupportedError
        Naming the call, the reason, and the line of the user's code.
    """
    entry = entry_of(function)
    if entry is None:
        if all(leaf.constant for leaf in leaves((args, kwargs))) and callable(function) and args:
            return function(*plainly(args), **plainly(kwargs))  # it depends on no input
        reason = UNSUPPORTED.get(function, UNKNOWN)
        raise UnsupportedError(f"{at_line(function)} has no Jacobian here: {reason}")
    if entry.quick is not None and not kwargs:
        found = entry.quick(args)
        if found is not NotImplemented:
            return found
    as_given, start = (args, kwargs), next(serials)
    out, odd = None, False
    if kwargs or parameters(function):
        args, kwargs, out, odd = normalised(function, entry, tuple(args), kwargs)
    if out is not None and any(
        part is not None for part in (out if isinstance(out, tuple) else (out,))
    ):
        return _into(function, entry, args, kwargs, out)
    if isinstance(function, np.ufunc) and "where" in kwargs:
        raise UnsupportedError(f"{name_of(function)}(where=...) at {user_line()}: {_NO_OUT}")
    kind = entry.kind(args, kwargs)
    judged = None
    numpys = odd and callable(function)  # an operation of jb.ops has no function of NumPy's
    if numpys and kind in (Result.NEW, Result.ARRAY) and not any(map(_is_function, args)):
        with np.errstate(all="ignore"):
            # NumPy's own error, if it refuses that.
            judged = function(*plainly(tuple(as_given[0])), **plainly(as_given[1]))
        kwargs = {name: _as_judged(name, value) for name, value in kwargs.items()}
    if kind is Result.NUMPYS:
        given = list(leaves((args, kwargs)))
        result = entry.run(*args, **kwargs)
        real = function(*plainly(args), **plainly(kwargs))
        if isinstance(real, tuple | list) or getattr(real, "base", None) is not None:
            lying = [source for source in given if not source.number and source.unowned]
            for source in lying:
                source.memory()  # NumPy is asked with what lies as its array would
            if lying:
                real = function(*plainly(args), **plainly(kwargs))
        return _as_numpys(result, real, given, start)
    result = entry.run(*args, **kwargs)
    if kind in (Result.PLAIN, Result.AS_IS):
        return result
    if isinstance(result, Handle) and judged is not None and judged.dtype != result.dtype:
        result = call(np.astype, (result, judged.dtype), {})
    if isinstance(result, np.ndarray) and not result.ndim and kind is Result.NEW:
        return result[()]
    return _new(result, args, kwargs, start, number=kind is Result.NEW)


def _as_judged(name: str, value: Any) -> Any:
    """What NumPy has taken for a flag or an axis, as one."""
    if name == "keepdims":
        return bool(value)
    return int(value) if name == "axis" and isinstance(value, bool | float | np.bool_) else value


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _new(result: Any, args: Any, kwargs: Any, start: int, *, number: bool) -> Any:
    """The result with entries of its own."""
    if isinstance(result, Handle):
        scalar = number and not result.ndim
        if not result.is_fresh(start) and result.shares(leaves((args, kwargs))):
            return result.owner(number=scalar)
        result.number = scalar
        return result
    if isinstance(result, np.ndarray):  # it depends on no input
        return result if result.flags.writeable else result.copy()
    if isinstance(result, tuple | list):
        parts = [_new(part, args, kwargs, start, number=number) for part in result]
        if type(result) in (tuple, list):
            return type(result)(parts)
        return type(result)(*parts)
    return result


def _as_numpys(result: Any, real: Any, given: list[Handle], start: int) -> Any:
    """The result as a number, an array of its own or a view, as NumPy's is one."""
    if isinstance(result, Handle):
        if not isinstance(real, np.ndarray):
            if not result.is_fresh(start):
                return result.owner(number=True)
            result.number = True
            return result
        for source in given:
            if not source.number and np.may_share_memory(real, source.memory().array):
                return source.viewed(real, result.node)
        made = result.owner() if result.shares(given) else result
        made.number, made.writeable = False, real.flags.writeable
        return made
    if isinstance(result, tuple | list):
        parts = [_as_numpys(r, p, given, start) for r, p in zip(result, real, strict=True)]
        return type(real)(parts) if type(real) in (tuple, list) else type(real)(*parts)
    return result


def _into(function: Any, entry: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """A call with ``out``: NumPy checks it on the values; then what was computed is assigned."""
    places = out if isinstance(out, tuple) else (out,)
    for place in places:
        if place is not None and not isinstance(place, Handle):
            seen = culprit()
            written = "" if seen.names else seen.text  # y += x
            what = written or f"{name_of(function)}(out=...)"
            raise UnsupportedError(f"{what} at {seen.place}: {FILL}")
    for place in places:
        if isinstance(place, Handle) and place.number:
            raise TypeError("return arrays must be of ArrayType")  # as NumPy
        if isinstance(place, Handle) and not place.writeable:
            raise ValueError("output array is read-only")
    scratch = tuple(None if place is None else place.value.copy() for place in places)
    alone = len(scratch) == 1
    with np.errstate(all="ignore"):
        real = function(*plainly(args), **plainly(kwargs), out=scratch[0] if alone else scratch)
    mask = kwargs.get("where", True) if isinstance(function, np.ufunc) else True
    result = real
    if holds_traced((args, kwargs)):
        if mask is not True:
            kwargs = {name: value for name, value in kwargs.items() if name != "where"}
        result = entry.run(*args, **kwargs)
    parts = result if isinstance(result, tuple) else (result,)
    final = []
    for place, part in zip(places, parts, strict=True):
        if place is None:
            final.append(_new(part, args, kwargs, next(serials), number=True))
            continue
        if isinstance(mask, Handle):  # what it selects may differ for other values
            part, where = call(np.where, (mask, part, place), {}), True
        else:
            where = mask
        place.assign(lambda a, v, where=where: np.copyto(a, v, where=where, casting="unsafe"), part)
        final.append(place)
    return final[0] if alone else tuple(final)
