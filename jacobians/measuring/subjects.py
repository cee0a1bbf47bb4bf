"""What a sweep measures: an operation or a function, at random arrays of a size."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any

import numpy as np

from jacobians.errors import JacobiansError, ShapeError
from jacobians.ground.trees import TreeDef, flatten
from jacobians.measuring.task import Task, What, task
from jacobians.transforms.flattening import flattened
from jacobians.transforms.library import LibraryOperation

Shape = Any
"""A text such as ``"nx3"``, a sequence of sizes and ``"n"``, or a tree of them."""


def task_maker(
    f: Any, wrt: int | str, shapes: Mapping[str, Shape], what: What | None, seed: int,
    own: Mapping[str, Callable[..., Any]] = {},
) -> tuple[str, Callable[[int], Task]]:  # fmt: skip
    """What a sweep measures, by size.

    Parameters
    ----------
    f : callable or LibraryOperation
        The function.
    wrt, what, shapes, seed, own
        As for ``sweep``.

    Returns
    -------
    (title, make)
        ``make(n)`` is the task at size n, with random arrays.

    Raises
    ------
    ShapeError
        For an argument without a shape or a shape without an argument, and where no shape grows.
    """
    operation = f if isinstance(f, LibraryOperation) else None
    if operation is not None:
        if not operation.arguments:
            raise JacobiansError(
                f"{operation.name} has no arguments of its own; sweep a function that calls it"
            )
        names = list(operation.arguments)
        position = operation.position(wrt)
        sample, _ = operation.sample(0, None)
        usual = {node.name: ("n",) * node.ndim for node in sample.operands}
        patterns: dict[str, Shape] = {**usual, **shapes}
        function: Any = getattr(operation.declaration, "function", operation)
        title = f"{operation.name}({', '.join(names)}) by {names[position]}"
    else:
        names = _parameters(f, shapes)
        position = _position(names, wrt, f)
        patterns = dict(shapes)
        function = f
        title = f"{getattr(f, '__name__', 'f')}({', '.join(names)}) by {names[position]}"
    unknown = [name for name in shapes if name not in names]
    if unknown:
        raise ShapeError(
            f"there is no argument {unknown[0]!r}; the arguments are {', '.join(names)}"
        )
    if not any("n" in _tokens(leaf) for pattern in patterns.values() for leaf in _shapes(pattern)):
        raise ShapeError("no shape has the letter n, so that nothing grows; write x=n or W=nxn")

    def make(n: int) -> Task:
        random = np.random.default_rng([seed, n])
        args = []
        for name in names:
            arrays = []
            for pattern in _shapes(patterns[name]):
                shape = tuple(n if t == "n" else int(t) for t in _tokens(pattern))
                array = np.asarray(random.standard_normal(shape))
                if operation is not None and (operation.name, name) in _POSITIVE:
                    array = 0.5 + np.abs(array)
                arrays.append(array)
            args.append(_structure(patterns[name]).restore(arrays))
        flat = flattened(function, args, position)
        if flat is not None:
            by: Any = flat.wrt[0] if len(flat.wrt) == 1 else flat.wrt
            of_number = np.ndim(function(*args)) == 0 and what in (None, "grad")
            if len(flat.wrt) > 1 and not of_number:
                raise ShapeError(
                    f"{title}: {names[position]} holds {len(flat.wrt)} arrays, and only the gradient of a number "
                    "is measured by several at once; sweep a function that takes them one by one"
                )
            rivals = {name: flat.gradient(rival) for name, rival in own.items()}
            return task(title, flat.function, flat.leaves, what, by, seed=seed, own=rivals)
        explicit = None
        if operation is not None and what != "hessian":
            explicit = partial(operation.explicit, wrt=position)
        return task(title, function, args, what, position, seed=seed, explicit=explicit, own=own)

    return title, make


_POSITIVE = frozenset({("log", "X"), ("sqrt", "X"), ("power", "X"), ("divide", "B")})
"""Arguments that must be positive, or at least away from 0."""


def _structure(pattern: Any) -> TreeDef:
    """How an argument's arrays stand: a dict of shapes, or a list or tuple of dicts, strings and tuples."""
    return flatten(pattern, stop=_is_shape)[1]


def _shapes(pattern: Any) -> list[Any]:
    return flatten(pattern, stop=_is_shape)[0]


def _is_shape(pattern: Any) -> bool:
    """Whether it is one shape: sizes and the letter n."""
    return isinstance(pattern, tuple | list) and all(
        isinstance(one, int) or (isinstance(one, str) and (one == "n" or one.isdigit()))
        for one in pattern
    )


def _tokens(shape: Shape) -> list[int | str]:
    return list(shape.split("x")) if isinstance(shape, str) and shape else list(shape)


def _parameters(f: Callable[..., Any], shapes: Mapping[str, Shape]) -> list[str]:
    """The parameters to make arrays for: those with a shape; others must have a default."""
    try:
        known = signature(f).parameters
    except (TypeError, ValueError):
        return list(shapes)
    names = []
    for name, parameter in known.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if name in shapes:
            names.append(name)
        elif parameter.default is Parameter.empty:
            raise ShapeError(
                f"{getattr(f, '__name__', 'f')}: no shape for the argument {name}; give one, as in "
                f"--shape {name}=nxn or shapes={{'{name}': 'nxn'}}"
            )
        else:
            break  # arguments are passed by position
    return names


def _position(names: Sequence[str], wrt: int | str, f: Any) -> int:
    if isinstance(wrt, str) and wrt in names:
        return names.index(wrt)
    if isinstance(wrt, int) and -len(names) <= wrt < len(names):
        return wrt % len(names)
    raise ShapeError(
        f"{getattr(f, '__name__', 'f')} has no argument wrt={wrt!r}; its arguments are "
        f"{', '.join(names)} (or their positions 0 to {len(names) - 1})"
    )
