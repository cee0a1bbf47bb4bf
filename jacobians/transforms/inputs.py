"""The arguments of a compiled transform: which are inputs, which are static, and what is accepted."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.execution.numpy_source import NumpyProgram
from jacobians.graph.node import Node, is_weak
from jacobians.ground.arguments import attributes_of, real_array
from jacobians.ground.interning import by_bits
from jacobians.ground.trees import TreeDef, parameters

Array = NDArray[Any]


def is_input(value: Any) -> bool:
    """Whether an argument is an input: an array of floats, or a float. All else is static."""
    if isinstance(value, float):
        return True
    if value is None or isinstance(value, bool | int | str | bytes):
        return False
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:  # what JAX traces is an array, too
        return bool(kind == "f")
    try:
        return np.asarray(value).dtype.kind == "f"
    except ValueError:
        return False


class Input(NamedTuple):
    """The shape and dtype of an argument that is an input, and its type where it is a number."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    number: type | None = None

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}" if self.number is None else self.number.__name__


@dataclass(frozen=True)
class Static:
    """An argument that is the same in every call; two are equal if their contents are, bit by bit."""

    key: Hashable
    text: str = field(compare=False)
    nbytes: int = field(compare=False, default=0)

    def __str__(self) -> str:
        return self.text


Described = tuple[Input | Static, ...]


def described(args: Sequence[Any], chosen: type[NumpyProgram]) -> Described:
    """What of the arguments a compiled derivative depends on: shapes and dtypes, or contents, and structures."""
    found = [parameters(value) for value in args]
    parts: list[Input | Static] = [
        Input(np.shape(value), _float_type(value), type(value) if is_number(value) else None)
        if is_input(value)
        else _static(chosen.example(value))
        for leaves, _ in found
        for value in leaves
    ]
    trees = tuple(tree for _, tree in found)
    if any(tree.kind is not None for tree in trees):
        words = ", ".join(path for tree in trees for path in tree.paths if path)
        parts.append(Static(trees, f"in {words}"))
    return tuple(parts)


def _float_type(value: Any) -> np.dtype[Any]:
    found = getattr(value, "dtype", None)
    return found if isinstance(found, np.dtype) else np.asarray(value).dtype


def _static(value: Any, what: str = "an argument") -> Static:
    text = repr(value) if np.size(value) < 100 else f"{type(value).__name__} of {np.size(value)}"
    key = _content(value, what)
    return Static(key, text if len(text) < 40 else f"{text[:36]} …", _key_bytes(key))


def _key_bytes(key: Any) -> int:
    if isinstance(key, bytes):
        return len(key)
    return sum(map(_key_bytes, key)) if isinstance(key, tuple) else 16


def _content(value: Any, what: str, inside: tuple[int, ...] = ()) -> Hashable:
    """A key that is equal for values of equal contents.

    An object of a class that does not say what equal means is its attributes, which may change; ``inside`` are
    the objects that it stands in.

    Raises
    ------
    UnsupportedError
        For what has no contents that could be compared: it might change between two calls.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return np.ndarray, value.shape, *(_content(item, what, inside) for item in value.flat)
        return np.ndarray, value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, tuple | list):
        return type(value), *(_content(item, what, inside) for item in value)
    if isinstance(value, dict):
        return dict, *(
            (_content(k, what, inside), _content(v, what, inside)) for k, v in value.items()
        )
    if isinstance(value, set | frozenset):
        return type(value), frozenset(_content(item, what, inside) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        named = ((f.name, _content(getattr(value, f.name), what, inside)) for f in fields(value))
        return type(value), *named
    by_identity = getattr(type(value), "__hash__", None) is object.__hash__
    parts = attributes_of(value) if by_identity else {}
    if parts:
        if id(value) in inside:
            return type(value), inside.index(id(value))
        within = (*inside, id(value))
        return type(value), *((name, _content(part, what, within)) for name, part in parts.items())
    try:
        hash(value)
    except TypeError:
        raise UnsupportedError(
            f"{what} is a {type(value).__name__}, which is static and cannot be compared with a later one; pass a "
            "number, text, tuple, list, dict, set, dataclass or array, or close over it"
        ) from None
    return by_bits(value)


class Arguments(NamedTuple):
    """All leaves of some arguments, in order, and the structure of each argument."""

    leaves: list[Any]
    trees: tuple[TreeDef, ...]

    @property
    def paths(self) -> list[str]:
        """Where each leaf stands: ``0``, ``1['W']``."""
        return [f"{n}{path}" for n, tree in enumerate(self.trees) for path in tree.paths]

    def places(self, argument: int) -> range:
        """The places of an argument's leaves among all."""
        start = sum(tree.size for tree in self.trees[:argument])
        return range(start, start + self.trees[argument].size)

    def restore(self) -> list[Any]:
        """The arguments."""
        return [
            tree.restore(self.leaves[place] for place in self.places(n))
            for n, tree in enumerate(self.trees)
        ]


def arguments_of(args: Sequence[Any], change: Callable[[Any], Any]) -> Arguments:
    """The leaves of arguments, each changed, and their structures."""
    found = [parameters(value) for value in args]
    leaves = [change(leaf) for part, _ in found for leaf in part]
    return Arguments(leaves, tuple(tree for _, tree in found))


class Signature:
    """The shapes and dtypes that a transform was compiled for, and the values of static arguments."""

    def __init__(
        self,
        name: str,
        arguments: "Arguments",
        inputs: Mapping[int, Node],
        chosen: type[NumpyProgram],
    ) -> None:
        args = arguments.leaves
        self._name = name
        self._chosen = chosen
        self._trees = arguments.trees
        self._plain = all(tree.kind is None for tree in arguments.trees)
        self._labels = [f"argument {path}" for path in arguments.paths]
        # Arrays and lists are copied: the caller may change theirs later.
        self._static = {
            n: (
                _content(value, f"{name}: {self._labels[n]}"),
                deepcopy(value) if _is_mutable(value) else value,
            )
            for n, value in enumerate(args)
            if n not in inputs
        }
        self._specs = [
            (place, node.shape, node.dtype, is_number(args[place]), is_weak(node))
            for place, node in inputs.items()
        ]

    def accept(self, args: Sequence[Any]) -> list[Any]:
        """The input arrays, checked against what was compiled for."""
        if len(args) != len(self._trees):
            raise ShapeError(
                f"{self._name}: compiled for {len(self._trees)} arguments, called with {len(args)}; pass as many, "
                "by position"
            )
        if not self._plain:
            args = self._leaves_of(args)
        arrays = []
        for place, shape, dtype, number, weak in self._specs:
            array = args[place]
            known = type(array) is np.ndarray and array.dtype == dtype and array.shape == shape
            if number or not known:
                array = self._converted(array, place, shape, dtype, number, weak)
            arrays.append(array)
        for place, (content, before) in self._static.items() if self._static else ():
            given = self._chosen.example(args[place])
            if _content(given, f"{self._name}: {self._labels[place]}") != content:
                changed = "has changed since it was compiled"
                if repr(before) != repr(given):
                    changed = f"was {before!r} when compiled, now {given!r}"
                raise UnsupportedError(
                    f"{self._name}: {self._labels[place]} is static and {changed}; compile again for "
                    "another value, or compile() without example arguments"
                )
        return arrays

    def _leaves_of(self, args: Sequence[Any]) -> list[Any]:
        """The leaves of arguments that must have the structures of the examples."""
        return [
            leaf
            for n, (tree, value) in enumerate(zip(self._trees, args, strict=True))
            for leaf in tree.leaves_of(value, f"{self._name}: argument {n}", "when compiled it")
        ]

    def _converted(
        self, value: Any, place: int, shape: tuple[int, ...], dtype: Any, number: bool, weak: bool,
    ) -> Any:  # fmt: skip
        if number and type(value) is float:
            return value if weak else dtype.type(value)
        array = value
        if not self._chosen.native(value):
            array = real_array(value, f"{self._name}: {self._labels[place]}")
            if not isinstance(value, np.ndarray):
                array = array.astype(dtype)
        if number and self._chosen.native(value) and not array.shape:
            return array  # what JAX makes of a Python float
        if array.shape != shape or array.dtype != dtype:
            raise ShapeError(
                f"{self._name}: {self._labels[place]} has shape {array.shape} and dtype {array.dtype}, but was "
                f"compiled for shape {shape} and dtype {dtype}; compile again for other shapes or dtypes"
            )
        if number != is_number(value) and not shape and not self._chosen.native(value):
            kinds = ("an array without axes", "a number")
            raise ShapeError(
                f"{self._name}: {self._labels[place]} is {kinds[not number]}, but was compiled for "
                f"{kinds[number]}, which do not behave alike in place; pass the same kind, or compile again"
            )
        return array


def is_number(value: Any) -> bool:
    """Whether NumPy has a number here, which never changes in place, and no array."""
    return isinstance(value, Number | np.generic)


def _is_mutable(value: Any) -> bool:
    return isinstance(value, np.ndarray | list | dict | set) or is_dataclass(value)


def by_position(name: str, named: Mapping[str, Any]) -> None:
    """Raise where arguments were passed by name: a plan knows positions only."""
    if named:
        raise UnsupportedError(
            f"{name}: a compiled derivative takes its arguments by position, not by name ({', '.join(named)})"
        )
