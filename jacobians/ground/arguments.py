"""Arrays that users pass in: what is accepted, and the errors for what is not."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError

_REASONS = {
    "c": "complex numbers have no Jacobian here: differentiate real and imaginary parts as two real arrays",
    "O": "an object array holds Python objects, not numbers; convert it with .astype(float)",
    "U": "text is not numeric; convert it with .astype(float)",
    "S": "bytes are not numeric; convert them with .astype(float)",
    "M": "dates have no derivative; convert them to numbers",
    "m": "time differences have a unit; convert them to numbers",
    "V": "a structured array is not one array of numbers; take one of its fields",
}


def real_array(value: Any, what: str) -> NDArray[Any]:
    """The value as a real array (not copied); raises where it is none.

    Raises
    ------
    UnsupportedError
        For masked, complex, object, string and other arrays, with the reason.
    """
    if value is None:
        raise UnsupportedError(f"{what} is None; pass an array of numbers")
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray):  # it loads slowly
        raise UnsupportedError(
            f"{what} is a masked array: what a derivative at a masked entry should be is not defined; "
            "fill it with .filled(...) first"
        )
    if isinstance(value, np.matrix):
        raise UnsupportedError(
            f"{what} is a numpy.matrix, whose * is a matrix product and whose shapes stay two-dimensional; "
            "pass np.asarray(...) and write @"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        remedy = "; make each row an array of its own" * ("inhomogeneous" in str(error))
        raise ShapeError(f"{what} is no array of numbers: {error}{remedy}") from None
    except JacobiansError:
        raise  # what is traced says itself why it is no array
    except TypeError as error:
        raise UnsupportedError(
            f"{what} is a {type(value).__name__} that has no values as an array ({type(error).__name__}); what "
            "jax.jit, grad or vmap trace is differentiated by a transform compiled on='jax'"
        ) from None
    if array.dtype.kind == "O" and not isinstance(value, np.ndarray):
        raise UnsupportedError(f"{what} {_no_numbers(value)}")
    reason = _REASONS.get(array.dtype.kind)
    if reason is not None:
        raise UnsupportedError(f"{what} has dtype {array.dtype}: {reason}")
    return array


def attributes_of(value: Any) -> dict[str, Any]:
    """The attributes of an object of the user's own class, slots included; none of a function, type or module."""
    if callable(getattr(type(value), "__get__", None)) or isinstance(value, type | ModuleType):
        return {}
    return slots_of(value) | dict(getattr(value, "__dict__", {}))


def slots_of(value: Any) -> dict[str, Any]:
    """What stands in an object's slots; a descriptor of compiled code may refuse to say."""
    slots = (vars(kind).get("__slots__", ()) for kind in type(value).__mro__)
    there = {}
    for name in (n for found in slots for n in ([found] if isinstance(found, str) else found)):
        if not name.startswith("__"):
            with suppress(Exception):
                there[name] = getattr(value, name)
    return there


def held_arrays(value: Any) -> str:
    """``a Layer, which holds arrays (W, b)``, and what to write; empty where an object holds none."""
    names = [
        name
        for name, part in attributes_of(value).items()
        if isinstance(part, np.ndarray) and part.dtype.kind in "fiub"
    ]
    if not names:
        return ""
    kind, first = type(value).__name__, ", ".join(names[:4]) + ", …" * (len(names) > 4)
    return (
        f"{_a(kind)}, which holds arrays ({first}) but is no container that is known here; mark its class with "
        f"@dataclass and declare {first} in it, or pass a dict, {{{names[0]!r}: ...}}"
    )


def _a(word: str) -> str:
    return f"an {word}" if word[:1] in "aeioAEIO" else f"a {word}"


def _no_numbers(value: Any) -> str:
    """What an argument is that NumPy reads as objects, and what to write."""
    part = value
    while isinstance(part, tuple | list) and part:
        odd = [one for one in part if not _is_usual(one)]
        if not odd:
            break
        part = odd[0]
    where = "is" if part is value else "has in it"
    held = held_arrays(part)
    if held:
        return f"{where} {held}"
    return (
        f"{where} {_a(type(part).__name__)}, which is no array of numbers but of dtype object; pass an array, or "
        "a list, tuple, dict or dataclass of arrays"
    )


def _is_usual(value: Any) -> bool:
    """Whether NumPy has a dtype of numbers for it."""
    small = isinstance(value, int) and abs(value) < 1 << 63
    return small or isinstance(value, float | complex | np.generic | np.ndarray)


def float_array(value: Any, what: str) -> NDArray[Any]:
    """As ``real_array``; integers and booleans become float64."""
    array = real_array(value, what)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def shaped_array(
    value: Any, shape: tuple[int, ...], what: Callable[[], str] | str, against: str
) -> NDArray[Any]:
    """As ``float_array``; the shape must be the given one. ``what`` may be made only when needed.

    Raises
    ------
    ShapeError
        Naming both shapes.
    """
    if type(value) is np.ndarray and value.dtype.kind == "f" and value.shape == shape:
        return value
    name = what if isinstance(what, str) else what()
    array = float_array(value, name)
    if array.shape != shape:
        raise ShapeError(
            f"{name} has shape {array.shape}, but {against} has shape {shape}; "
            f"pass an array of shape {shape}"
        )
    return array


def owned(value: Any, others: Iterable[NDArray[Any]] = (), dtype: Any = None) -> NDArray[Any]:
    """The value as an array of its own: a copy if it shares memory, or is one of ``others``."""
    array = np.asarray(value, dtype)
    mine = array.flags.owndata and not any(array is other for other in others)
    return array if mine else array.copy()
