"""Arguments and results that hold several arrays: tuples, lists, dicts, named tuples, dataclasses.

Such a *tree* is flattened into its leaves and its :class:`TreeDef`, which puts other leaves in their
place. Whatever is no such container is a leaf, also None, strings, and what NumPy can read as one array.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError

Stop = Callable[[Any], bool]


class TreeDef(NamedTuple):
    """How leaves stand in a tree: its structure, a value that can be a key.

    Attributes
    ----------
    kind : type or None
        Of the container; None for a leaf.
    steps : tuple
        A dict's keys, the names of fields, or numbers.
    parts : tuple of TreeDef
        What stands there.
    """

    kind: Any = None
    steps: tuple[Any, ...] = ()
    parts: tuple["TreeDef", ...] = ()

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self.kind is None else sum(part.size for part in self.parts)

    @property
    def paths(self) -> list[str]:
        """How each leaf is reached: ``['loss']``, ``[0].scale``; empty for a leaf alone."""
        return list(self._paths(""))

    def _paths(self, path: str) -> Iterator[str]:
        if self.kind is None:
            yield path
        for step, part in zip(self.steps, self.parts, strict=True):
            yield from part._paths(path + _written(self.kind, step))

    @property
    def routes(self) -> list[tuple[Any, ...]]:
        """The keys, names and numbers that lead to each leaf."""
        if self.kind is None:
            return [()]
        parts = zip(self.steps, self.parts, strict=True)
        return [(step, *route) for step, part in parts for route in part.routes]

    def restore(self, leaves: Iterable[Any]) -> Any:
        """A tree of this structure with other leaves, as many and in the same order."""
        given = iter(leaves)
        result = self._filled(given)
        if next(given, _END) is not _END:
            raise ValueError(f"more leaves than the {self.size} of the structure")
        return result

    def _filled(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            found = next(leaves, _END)
            if found is _END:
                raise ValueError("fewer leaves than the structure has")
            return found
        return _container(self.kind, self.steps, [part._filled(leaves) for part in self.parts])

    def leaves_of(self, tree: Any, what: str, like: str) -> list[Any]:
        """What another tree has in the places of this structure's leaves.

        Lists, tuples and arrays may stand for each other; what a dict or a dataclass has goes by name.

        Parameters
        ----------
        tree : object
            The other tree; what it has in a leaf's place may itself be a container.
        what, like : str
            What it, and the tree of this structure, are called in errors.

        Raises
        ------
        ShapeError
            Where something is missing or too much; names the place.
        """
        return list(self._matched(tree, what, like, ""))

    def _matched(self, tree: Any, what: str, like: str, path: str) -> Iterator[Any]:
        if self.kind is None:
            yield tree
            return
        entries = _entries(tree, self)
        if entries is None:
            size = f" of {len(tree)}" if isinstance(tree, tuple | list | dict) else ""
            keys = ""
            if isinstance(tree, dict) and issubclass(self.kind, dict):
                keys = (
                    f": with {', '.join(map(repr, self.steps))}, not {', '.join(map(repr, tree))}"
                )
            raise ShapeError(
                f"{what}{path} is of type {type(tree).__name__}{size}, but {like}{path} is a "
                f"{self.kind.__name__} of {len(self.parts)}; give one for each, in the same structure{keys}"
            )
        for step, part, entry in zip(self.steps, self.parts, entries, strict=True):
            yield from part._matched(entry, what, like, path + _written(self.kind, step))


LEAF = TreeDef()
_END = object()


def flatten(tree: Any, stop: Stop | None = None) -> tuple[list[Any], TreeDef]:
    """The leaves of a tree in order, and its structure.

    Parameters
    ----------
    tree : object
        Containers in containers, or a leaf.
    stop : callable, optional
        Says of a container that it is a leaf all the same.

    Raises
    ------
    UnsupportedError
        For a container that contains itself.

    Examples
    --------
    >>> from jacobians.ground.trees import flatten
    >>> leaves, treedef = flatten({"W": 1.0, "layers": (2.0, [3.0])})
    >>> leaves, treedef.paths
    ([1.0, 2.0, 3.0], ["['W']", "['layers'][0]", "['layers'][1][0]"])
    >>> treedef.restore("abc")
    {'W': 'a', 'layers': ('b', ['c'])}
    """
    leaves: list[Any] = []
    try:
        return leaves, _flattened(tree, leaves, stop)
    except RecursionError:
        raise UnsupportedError(
            f"a {type(tree).__name__} contains itself, or is nested too deep: its arrays cannot be listed"
        ) from None


def is_tree(value: Any) -> bool:
    """Whether an argument is a tree of arrays: a dict, dataclass, named tuple, or a list or tuple with arrays.

    A list or tuple of numbers is one array.
    """
    if isinstance(value, np.ndarray):
        return False
    if isinstance(value, dict) or hasattr(value, "_fields"):
        return isinstance(value, dict | tuple)
    if isinstance(value, tuple | list):
        return any(_is_array(item) or is_tree(item) for item in value)
    return _steps(value) is not None


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, np.generic)


def parameters(value: Any) -> tuple[list[Any], TreeDef]:
    """The leaves and the structure of an argument: of one that is no tree, the argument itself."""
    if not is_tree(value):
        return [value], LEAF
    return flatten(value, stop=lambda part: not is_tree(part))


def leaf_names(treedef: TreeDef, root: str, taken: Iterable[str] = ()) -> list[str]:
    """Short names for the leaves of an argument: ``W`` of ``params["W"]``, ``layers01`` of ``layers[0][1]``.

    Examples
    --------
    >>> from jacobians.ground.trees import leaf_names, parameters
    >>> leaf_names(parameters({"W": 1.0, "b": (2.0, {"W": 3.0})})[1], "p")
    ['pW', 'b0', 'pb1W']
    >>> leaf_names(parameters([{"W": 1.0}, {"b": 2.0}])[1], "layers")
    ['W', 'b']
    """
    routes = treedef.routes
    if treedef.kind is None:
        return [root]
    short = []
    for route in routes:
        at = max((n for n, step in enumerate(route) if _is_word(step)), default=None)
        first, rest = (root, route) if at is None else (route[at], route[at + 1 :])
        short.append(first + "".join(map(str, rest)))
    taken = set(taken)
    long = [root + "".join(map(str, route)) for route in routes]
    names = [
        name if short.count(name) == 1 and name not in taken else full
        for name, full in zip(short, long, strict=True)
    ]
    alone = len(set(names)) == len(names) and all(map(str.isidentifier, names))
    return names if alone else [f"{root}{n}" for n in range(len(routes))]


def _is_word(step: Any) -> bool:
    return isinstance(step, str) and step.isidentifier()


def _flattened(tree: Any, leaves: list[Any], stop: Stop | None) -> TreeDef:
    steps = None if type(tree) is np.ndarray or (stop is not None and stop(tree)) else _steps(tree)
    if steps is None:
        leaves.append(tree)
        return LEAF
    entries = _listed(tree, steps)
    return TreeDef(type(tree), steps, tuple(_flattened(e, leaves, stop) for e in entries))


def mapped(change: Callable[[Any], Any], tree: Any, stop: Stop | None = None) -> Any:
    """The tree with each leaf changed."""
    leaves, treedef = flatten(tree, stop)
    return treedef.restore(map(change, leaves))


def _steps(tree: Any) -> tuple[Any, ...] | None:
    """The keys, names or numbers of a container's entries; None for a leaf."""
    if isinstance(tree, dict):
        return tuple(tree)
    if isinstance(tree, tuple | list):
        return tuple(getattr(tree, "_fields", range(len(tree))))
    if is_dataclass(tree) and not isinstance(tree, type) and not hasattr(tree, "__array__"):
        return tuple(field.name for field in fields(tree))
    return None


def _listed(tree: Any, steps: Sequence[Any]) -> list[Any]:
    """The entries of a container."""
    if isinstance(tree, dict):
        return [tree[step] for step in steps]
    if isinstance(tree, tuple | list):
        return list(tree)
    return [getattr(tree, step) for step in steps]


def _entries(tree: Any, treedef: TreeDef) -> list[Any] | None:
    """The entries that stand in the places of a structure; None where they do not."""
    own = range(len(tree)) if type(tree) is np.ndarray and tree.ndim else _steps(tree)
    if own is None or len(own) != len(treedef.steps):
        return None
    if issubclass(treedef.kind, tuple | list):
        return list(tree) if isinstance(tree, tuple | list | np.ndarray) else None
    named = isinstance(tree, dict) == issubclass(treedef.kind, dict)
    if not named or isinstance(tree, tuple | list | np.ndarray) or set(own) != set(treedef.steps):
        return None
    return _listed(tree, treedef.steps)


def _container(kind: Any, steps: Sequence[Any], entries: list[Any]) -> Any:
    """A container of this kind; a dataclass without its ``__post_init__``, which is of other leaves."""
    if kind in (list, tuple):
        return kind(entries)
    if issubclass(kind, tuple | list):
        return kind._make(entries) if hasattr(kind, "_make") else kind(entries)
    made = kind.__new__(kind)
    if issubclass(kind, dict):
        made.update(zip(steps, entries, strict=True))
    else:
        for step, entry in zip(steps, entries, strict=True):
            object.__setattr__(made, step, entry)
    return made


def _written(kind: Any, step: Any) -> str:
    named = hasattr(kind, "_fields") or not issubclass(kind, dict | tuple | list)
    return f".{step}" if named else f"[{step!r}]"


def plain(value: Any) -> Any:
    """A result as JSON knows values: records as dicts, arrays as lists, nan and infinities as None."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "_fields"):
        return {name: plain(item) for name, item in zip(value._fields, value, strict=True)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    steps = _steps(value)
    return value if steps is None else {name: plain(getattr(value, name)) for name in steps}
