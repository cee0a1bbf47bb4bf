"""A call on traced arrays beside the same call by NumPy: memory, dtype, shape and value."""

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import special

import jacobians as jb
from jacobians.tracing.traced import Traced

CONSTANTS = {
    "np": np, "special": special, "m": np.array([True, False, True]), "c": np.array([0, 1]),
}  # fmt: skip


class Seen(NamedTuple):
    """What a result is: a number, an array or something else; which arguments it is a view of."""

    kind: str
    views_of: tuple[str, ...]
    dtype: Any
    shape: Any
    writeable: Any
    value: Any


def world(dtype: Any) -> dict[str, Any]:
    """The arguments of the calls by name, of one dtype, with distinct sizes and fixed numbers."""
    rng = np.random.default_rng(3)

    def made(*shape: int) -> Any:
        return rng.uniform(0.1, 0.9, shape) if dtype != np.int64 else rng.integers(1, 5, shape)

    square = made(3, 3) + 3 * np.eye(3)
    found = {
        "n": np.asarray(0.4 if dtype != np.int64 else 2), "z": np.asarray(made()), "w": made(3),
        "x": np.array([0.2, 0.7, 0.5] if dtype != np.int64 else [3, 1, 2]), "X": made(2, 3),
        "Y": made(2, 3), "S": square, "P": square @ square.T, "T": made(2, 3, 4),
    }  # fmt: skip
    found = {name: value.astype(dtype) for name, value in found.items()}
    found["n"] = found["n"][()]
    return found


def parts(result: Any) -> Iterator[Any]:
    """The arrays and numbers in a result."""
    if isinstance(result, tuple | list):
        for item in result:
            yield from parts(item)
    else:
        yield result


def seen(value: Any, arguments: dict[str, Any]) -> Seen:
    """What a result is, traced or plain."""
    if isinstance(value, Traced):
        number, array = value.number, value.value
        writeable = value.writeable
    elif isinstance(value, np.ndarray):
        number, array = False, value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broadcast_arrays
            writeable = value.flags.writeable
    elif isinstance(value, np.generic | int | float):
        number, array, writeable = True, np.asarray(value), True
    else:
        return Seen(type(value).__name__, (), None, None, None, None)
    views: tuple[str, ...] = ()
    if not number and array.size:
        whole = {
            name: getattr(a, "value", a) for name, a in arguments.items()
            if isinstance(a, np.ndarray) or (isinstance(a, Traced) and not a.number)
        }  # fmt: skip
        views = tuple(name for name, a in whole.items() if np.may_share_memory(array, a))
    kind = "number" if number else "array"
    return Seen(kind, views, array.dtype, array.shape, number or writeable, array)


def by_numpy(call: str, dtype: Any) -> list[Seen] | Exception:
    """What NumPy makes of a call, or the error that it raises."""
    arguments = world(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = eval(call, {**CONSTANTS, **arguments})
        except Exception as error:
            return error
        return [seen(part, arguments) for part in parts(result)]


def by_tracing(call: str, dtype: Any) -> list[Seen] | Exception:
    """What the call gives in a function that is being differentiated by all arguments."""
    arguments = world(dtype)
    found: list[Seen] = []

    def f(*args: Any) -> Any:
        names = dict(zip(arguments, args, strict=True))
        if dtype == np.int64:
            names = {name: value.astype(dtype) for name, value in names.items()}
        result = eval(call, {**CONSTANTS, **names})
        found.extend(seen(part, names) for part in parts(result))
        return args[0] * 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            jb.vjp(f, *arguments.values())
        except Exception as error:
            return error
    return found


def differences(call: str, dtype: Any) -> list[str]:
    """In what the two differ, in words; errors must be of one type."""
    expected, found = by_numpy(call, dtype), by_tracing(call, dtype)
    if isinstance(expected, Exception) or isinstance(found, Exception):
        if isinstance(expected, Exception) and isinstance(found, Exception):
            return []
        return [f"NumPy: {expected!r}, here: {found!r}"]
    if len(expected) != len(found):
        return [f"{len(expected)} results, here {len(found)}"]
    said = []
    close = {"rtol": 1e-4, "atol": 1e-5} if np.dtype(dtype).itemsize == 4 else {"rtol": 1e-10}
    for one, other in zip(expected, found, strict=True):
        for name in ("kind", "views_of", "dtype", "shape", "writeable"):
            if getattr(one, name) != getattr(other, name):
                said.append(f"{name}: {getattr(one, name)}, here {getattr(other, name)}")
        if not said and one.value is not None:
            narrow = np.dtype(one.dtype).itemsize == 4
            tolerance = {"rtol": 1e-4, "atol": 1e-5} if narrow else close
            if not np.allclose(one.value, other.value, equal_nan=True, **tolerance):
                said.append(f"value: {one.value}, here {other.value}")
    return said
