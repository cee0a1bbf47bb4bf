"""What users declare is checked: functions by their parameters, values by their shape and kind."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError

Shape = tuple[int, ...]


def check_function(what: str, function: Any, parameters: Sequence[str]) -> None:
    """Raise unless a function can be called with these positional parameters.

    Raises
    ------
    JacobiansError
        Naming the parameters it is called with.
    """
    wanted = f"{len(parameters)} positional arguments ({', '.join(parameters)})"
    if not callable(function):
        raise JacobiansError(f"{what} is {function!r}; give a function of {wanted}")
    if isinstance(function, np.ufunc):
        fits, own = function.nin == len(parameters), f"takes {function.nin}"
    else:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return  # some functions written in C do not say what they take
        own = f"is declared with {signature}"
        try:
            signature.bind(*parameters)
            fits = True
        except TypeError:
            fits = False
    if not fits:
        raise JacobiansError(f"{what} is called with {wanted}, but {own}")


def check_value(what: str, result: Any, shapes: Sequence[Shape], expected: Shape) -> Any:
    """The value of a declared function if it is an array of real numbers of the expected shape.

    Parameters
    ----------
    what : str
        How a message begins: the operation and its signature.
    result : Any
        What the function returned.
    shapes : sequence of tuple of int
        Of the arguments.
    expected : tuple of int
        The shape that the declaration gives.

    Raises
    ------
    UnsupportedError
        If it is no array of real numbers.
    ShapeError
        Naming both shapes.
    """
    try:
        array = np.asarray(result)
    except ValueError as error:
        raise ShapeError(f"{what}: its value= returned no array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        kind = type(result).__name__ if array.dtype.kind == "O" else f"dtype {array.dtype}"
        raise UnsupportedError(f"{what}: its value= returned {kind}, not an array of real numbers")
    if array.shape != expected:
        given = ", ".join(map(str, shapes))
        raise ShapeError(
            f"{what}: its value= returned an array of shape {array.shape}, but for arguments of shape "
            f"{given} the declaration says {expected}"
        )
    return result if isinstance(result, np.ndarray | np.generic | float | int) else array


def check_slope(what: str, found: Any) -> None:
    """Raise unless a function of a derivative returned a node, or real numbers.

    Raises
    ------
    UnsupportedError
        Above all for a Python bool, which ``==`` gives.
    """
    if isinstance(found, bool | np.bool_):
        raise UnsupportedError(
            f"{what} is {found}: '==' and '!=' compare arrays by identity there; "
            "write np.equal(X, 0) or np.not_equal(X, 0)"
        )
    if found is None or np.asarray(found).dtype.kind not in "fiub":
        raise UnsupportedError(f"{what} is {found!r}, which is no array of real numbers")
