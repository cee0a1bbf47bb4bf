"""The arguments of a compiled transform: which are inputs, which are static, and what is accepted."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Node
from jacobians.ground.arguments import real_array

Array = NDArray[Any]


def is_input(value: Any) -> bool:
    """Whether an argument is an input: an array of floats, or a float. All else is static."""
    if isinstance(value, float):
        return True
    if value is None or isinstance(value, bool | int | str | bytes):
        return False
    try:
        return np.asarray(value).dtype.kind == "f"
    except ValueError:
        return False


class Signature:
    """The shapes and dtypes that a transform was compiled for, and the values of static arguments."""

    def __init__(self, name: str, args: Sequence[Any], inputs: Mapping[int, Node]) -> None:
        self._name = name
        self._count = len(args)
        # Arrays and lists are copied: the caller may change theirs later.
        self._static = {
            n: deepcopy(value) if isinstance(value, np.ndarray | list) else value
            for n, value in enumerate(args)
            if n not in inputs
        }
        self._specs = [(place, node.shape, node.dtype) for place, node in inputs.items()]

    def accept(self, args: Sequence[Any]) -> list[Any]:
        """The input arrays, checked against what was compiled for."""
        if len(args) != self._count:
            raise ShapeError(
                f"{self._name}: compiled for {self._count} arguments, called with {len(args)}"
            )
        arrays = []
        for place, shape, dtype in self._specs:
            array = args[place]
            if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
                array = self._converted(array, place, shape, dtype)
            arrays.append(array)
        for place, value in self._static.items() if self._static else ():
            given = args[place]
            same = given is value or (type(given) is type(value) and np.array_equal(given, value))
            if not same:
                raise UnsupportedError(
                    f"{self._name}: argument {place} is static and was {value!r} when compiled, now {given!r}; "
                    "compile again for another value"
                )
        return arrays

    def _converted(self, value: Any, place: int, shape: tuple[int, ...], dtype: Any) -> Array:
        array = real_array(value, f"{self._name}: argument {place}")
        if isinstance(value, float) or not isinstance(value, np.ndarray):
            array = array.astype(dtype)
        if array.shape != shape or array.dtype != dtype:
            raise ShapeError(
                f"{self._name}: argument {place} has shape {array.shape} and dtype {array.dtype}, but was "
                f"compiled for shape {shape} and dtype {dtype}; compile again for other shapes or dtypes"
            )
        return array
