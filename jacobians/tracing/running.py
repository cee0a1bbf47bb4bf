"""Running a function on traced arrays: which arguments, and what it returns."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from numbers import Integral, Number
from types import TracebackType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.graph.how import ByViews
from jacobians.graph.node import WEAK, Node, apply, constant, input_node, ordered
from jacobians.ground.arguments import float_array, held_arrays
from jacobians.ground.collecting import collected_seldom
from jacobians.ground.trees import TreeDef, flatten, leaf_names, parameters
from jacobians.operations.declare import elementwise
from jacobians.tracing.closed_over import expressed
from jacobians.tracing.culprits import culprit, framework_message
from jacobians.tracing.numpy.basics import call_astype
from jacobians.tracing.session import Session, closure_names, is_users, place_of, session, trace
from jacobians.tracing.traced import Traced

Array = NDArray[Any]
Wrt = int | str | Sequence[int | str]

# A variable that stands for a traced array of an outer function; each call has its own.
_alias = elementwise("alias", lambda X, token: X, X="1", notation="{0}", how=lambda _: ByViews(()))  # noqa: ARG005
_tokens = count()
_TITLES = ("Y", "F", "Z", "result")  # of a function without a name
# The inputs of all functions that are being differentiated now, in any thread.
_ACTIVE: set[Node] = set()


class Wanted(NamedTuple):
    """The arguments to differentiate by, each a tree of arrays or an array.

    Attributes
    ----------
    one : bool
        Whether there is one, alone, and no tuple of them.
    trees : tuple of TreeDef
        Their structures.
    moving : tuple of bool
        For each leaf of them in order whether it is differentiated; text and the like is not.
    """

    one: bool
    trees: tuple[TreeDef, ...]
    moving: tuple[bool, ...]

    @property
    def single(self) -> bool:
        """Whether it is one array."""
        return self.one and self.trees[0].kind is None

    def restore(self, found: Iterable[Any]) -> Any:
        """One value for each array, in the arguments' structure; None for what is not differentiated."""
        given = iter(found)
        leaves = iter([next(given) if moving else None for moving in self.moving])
        whole = [tree.restore([next(leaves) for _ in range(tree.size)]) for tree in self.trees]
        return whole[0] if self.one else tuple(whole)

    def leaves_of(self, given: Any, what: str, like: str = "the argument") -> list[Any]:
        """One value for each array that is differentiated, of values in the arguments' structure."""
        several = [given] if self.one else given
        if not self.one and (not isinstance(given, tuple | list) or len(given) != len(self.trees)):
            size = f"{len(given)} of them" if isinstance(given, tuple | list) else "one"
            raise ShapeError(f"{what} has {size}, not {len(self.trees)}; give one for each")
        leaves = [
            leaf
            for tree, part in zip(self.trees, several, strict=True)
            for leaf in tree.leaves_of(part, what, like)
        ]
        return [leaf for leaf, moving in zip(leaves, self.moving, strict=True) if moving]


class Run(NamedTuple):
    """A function that was run on traced arrays."""

    here: Session
    inputs: list[Node]
    outputs: list[Any]
    treedef: TreeDef
    names: list[str]
    title: str
    wanted: Wanted

    @property
    def arguments(self) -> dict[Node, str]:
        """The traced arguments with their names."""
        return dict(zip(self.inputs, self.names, strict=True))

    def reaches_outside(self, nodes: Iterable[Node]) -> bool:
        """Whether nodes depend on an input of another function that is being differentiated."""
        outside = _ACTIVE.difference(self.inputs)
        return bool(outside) and any(node in outside for node in ordered(nodes))


_signatures: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


def _signature(function: Any) -> inspect.Signature:
    """The function's signature, looked up once; raises as ``inspect.signature``."""
    try:
        found = _signatures.get(function)
        if found is None:
            found = _signatures[function] = inspect.signature(function)
    except TypeError:  # what has no hash or no weak reference, or is no function
        found = inspect.signature(function)
    return found


def parameter_names(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[str]:
    """The names of the positional arguments."""
    try:
        bound = _signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return [f"x{n}" for n in range(len(args))]
    names: list[str] = []
    for parameter in _signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [
                f"{parameter.name}{n}" for n in range(len(bound.arguments.get(parameter.name, ())))
            ]
        elif parameter.kind is not parameter.KEYWORD_ONLY and len(names) < len(args):
            names.append(parameter.name)
    return names[: len(args)]


def _places(
    function: Any, wrt: Wrt, names: list[str], kwargs: Mapping[str, Any]
) -> list[int | str]:
    """Positions, or names of keyword arguments, that ``wrt`` means."""
    several: list[Any] = [wrt] if isinstance(wrt, int | Integral | str) else list(wrt)
    if not several:
        raise ShapeError(
            f"{name_of(function)}: wrt={wrt!r} names no argument; name one, or a tuple of several: "
            f"{', '.join([*names, *kwargs]) or 'it has none here'}"
        )
    places: list[int | str] = []
    defaults = default_values(function)
    for one in several:
        if isinstance(one, str) and one in names:
            places.append(names.index(one))
        elif (isinstance(one, str) and one in kwargs) or (isinstance(one, str) and one in defaults):
            places.append(one)
        elif _is_position(one, len(names)):
            places.append(int(one) % len(names))
        elif isinstance(one, Integral) and _keyword_at(function, int(one)) in {*kwargs, *defaults}:
            places.append(_keyword_at(function, int(one)))
        else:
            raise ShapeError(
                f"{name_of(function)} has no argument wrt={one!r}; its arguments here are "
                f"{', '.join([*names, *kwargs]) or 'none'} (or positions 0 to {len(names) - 1})"
            )
    if len(set(places)) < len(places):
        raise ShapeError(f"{name_of(function)}: wrt={wrt!r} names an argument twice")
    return places


def positions_of(function: Any, args: Sequence[Any], wrt: Wrt) -> list[int]:
    """The positions of the arguments that ``wrt`` means."""
    places = _places(function, wrt, parameter_names(function, args, {}), {})
    return [place for place in places if isinstance(place, int)]


def chosen(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], wrt: Wrt
) -> tuple[list[int | str], list[str], list[Any]]:
    """What ``wrt`` means: positions or names of keyword arguments, their names, their values."""
    names = parameter_names(function, args, kwargs)
    places = _places(function, wrt, names, kwargs)
    given = {**default_values(function), **kwargs}
    labels = [names[place] if isinstance(place, int) else place for place in places]
    values = [args[place] if isinstance(place, int) else given[place] for place in places]
    return places, labels, values


def default_values(function: Any) -> dict[str, Any]:
    """The parameters that have a default, with it."""
    try:
        parameters = _signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _keyword_at(function: Any, position: int) -> str:
    """The name of the parameter at a position, empty where there is none."""
    try:
        parameters = list(_signature(function).parameters)
    except (TypeError, ValueError):
        return ""
    return parameters[position] if 0 <= position < len(parameters) else ""


def _is_position(wrt: Any, count: int) -> bool:
    integer = isinstance(wrt, Integral) and not isinstance(wrt, bool)
    return integer and -count <= int(wrt) < count


def name_of(function: Any) -> str:
    """What a function is called in messages; a partial one by the function that it calls."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


@contextmanager
def traced(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], wrt: Wrt,
    moves: Callable[[Any], bool] | None = None, others: Sequence[int | str] | None = None,
) -> Iterator[Run]:  # fmt: skip
    """Run a function with some arguments traced; the session lives as long as the block.

    ``moves`` says which leaves of arguments that are trees are traced: by default those that are numbers.
    ``others`` are arrays that are traced although nothing is differentiated by them; where it is given, what
    the function computes of arrays that it closes over is read from its source.
    """
    names = parameter_names(function, args, kwargs)
    places, labels, values = chosen(function, args, kwargs, wrt)
    with collected_seldom(), session() as here, trace(here, name_of(function)):
        here.names.update(closure_names(function))
        for name, value in zip(names, args, strict=True):
            leaves, structure = parameters(value)
            for leaf, label in zip(leaves, leaf_names(structure, name, names), strict=True):
                if isinstance(leaf, np.ndarray):
                    here.names.setdefault(id(leaf), label)  # a closed-over one keeps its own name
        # A float of its own, which the function's own numbers are not, can have a name.
        new_args: list[Any] = [1.0 * value if type(value) is float else value for value in args]
        here.names.update(
            (id(value), name)
            for name, value in zip(names, new_args, strict=True)
            if type(value) is float
        )
        new_kwargs = dict(kwargs)
        inputs: list[Node] = []
        found: list[tuple[TreeDef, list[bool]]] = []
        known, labels = labels, []
        for place, name, value in zip(places, known, values, strict=True):
            leaves, structure = parameters(value)
            whole = structure.kind is None
            moving = [whole or (moves or moves_in_tree)(leaf) for leaf in leaves]
            called = leaf_names(structure, name, [*names, *labels])
            for n, path in enumerate(structure.paths):
                if moving[n]:
                    what = f"{name_of(function)}: argument {name}{path}"
                    leaves[n] = _input(here, called[n], leaves[n], what)
                    inputs.append(leaves[n].node)
                    labels.append(called[n])
            found.append((structure, moving))
            if isinstance(place, int):
                new_args[place] = structure.restore(leaves)
            else:
                new_kwargs[place] = structure.restore(leaves)
        for other in others or ():
            given: Any = new_args if isinstance(other, int) else new_kwargs
            name = names[other] if isinstance(other, int) else other
            given[other] = _input(here, name, given[other], f"{name_of(function)}: argument {name}")
            here.apart.add(given[other].node)
        wanted = Wanted(
            isinstance(wrt, Integral | str),
            tuple(structure for structure, _ in found),
            tuple(one for _, moving in found for one in moving),
        )
        if not inputs and places:
            raise _no_numbers(function, known, values)
        _ACTIVE.update(inputs)
        try:
            here.expressed = None if others is None else expressed
            result = _called(function, new_args, new_kwargs)
            here.expressed = None
            leaves, treedef = real_leaves(result, f"{name_of(function)}: its result")
            title = name_of(function)
            if not title.isidentifier():
                title = next(name for name in _TITLES if name not in {*names, *kwargs})
            yield Run(here, inputs, leaves, treedef, labels, title, wanted)
        finally:
            here.expressed = None
            _ACTIVE.difference_update(inputs)


@contextmanager
def traced_whole(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], wrt: Wrt
) -> Iterator[Run]:
    """As ``traced``, with all arrays traced where that goes: so formulas see what is computed of the others."""
    places, _, _ = chosen(function, args, kwargs, wrt)
    others: list[int | str] = [n for n, value in enumerate(args) if _is_passive(value)]
    others += [name for name, value in kwargs.items() if _is_passive(value)]
    others = [place for place in others if place not in places]
    with ExitStack() as stack:
        run = None
        if others:
            with suppress(Exception):  # what it does with one of them may have no Jacobian
                run = stack.enter_context(traced(function, args, kwargs, wrt, others=others))
        yield run or stack.enter_context(traced(function, args, kwargs, wrt, others=()))


def _is_passive(value: Any) -> bool:
    """Whether a value is an array that can be traced."""
    return type(value) is np.ndarray and value.dtype.kind == "f"


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The function's result; our own errors name the line of the user's code."""
    try:
        result = function(*args, **kwargs)
    except JacobiansError as error:
        raise _with_line(error, error.__traceback__) from error.__cause__
    except Exception as error:
        if isinstance(
            error.__cause__, JacobiansError
        ):  # NumPy wraps it: ``y[i] = x[i]`` on a plain y
            raise error.__cause__ from None
        meant = _of_framework(error)
        if meant is None:
            raise
        raise meant from error
    if result is None:
        raise UnsupportedError(f"{name_of(function)} returned None; is a 'return' missing?")
    return result


def _with_line(error: JacobiansError, traceback: TracebackType | None) -> JacobiansError:
    """The error, with the innermost line of the user's code unless it says that."""
    found = _innermost(traceback)
    if found is not None and len(error.args) == 1:
        place = place_of(found.tb_frame, found.tb_lineno)
        if place not in str(error):
            error.args = (f"{error.args[0]} (at {place})",)
    return error


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    """The entry of a traceback that is innermost in the user's own code."""
    found = None
    while traceback is not None:
        if is_users(traceback.tb_frame.f_code.co_filename):
            found = traceback
        traceback = traceback.tb_next
    return found


def _of_framework(error: Exception) -> UnsupportedError | None:
    """What an error means that another array package raises for a traced array."""
    found = _innermost(error.__traceback__)
    if found is None:
        return None
    seen = culprit(found.tb_frame, found.tb_lasti)
    if not (seen.framework and seen.touches_traced):
        return None
    return UnsupportedError(framework_message(seen))


def _input(here: Session, name: str, value: Any, what: str) -> Traced:
    if isinstance(value, set):
        raise UnsupportedError(f"{what} is a set, which has no order; pass a list, tuple or dict")
    number = value.number if isinstance(value, Traced) else isinstance(value, Number | np.generic)
    if isinstance(value, Traced):
        x = value if value.dtype.kind == "f" else call_astype(value, np.float64)
        node = apply(_alias, [x.node], token=next(_tokens))
        array = x.value.copy()
        here.values.setdefault(x.node, array)
    else:
        array = np.array(float_array(value, what), order="C")  # the caller may change theirs later
        weak = WEAK if type(value) is float else ()
        node = input_node(name, array.shape, array.dtype, weak)
    here.values[node] = array
    return Traced(node, array, number=number)


def real_leaves(
    tree: Any, what: str, array: Callable[[Any, str], Any] = float_array
) -> tuple[list[Any], TreeDef]:
    """The arrays of a tree and its structure; ``array`` makes those that are not traced."""
    found, treedef = flatten(tree)
    leaves = [
        leaf if isinstance(leaf, Traced) else array(leaf, f"{what}{path}")
        for leaf, path in zip(found, treedef.paths, strict=True)
    ]
    return leaves, treedef


def output_node(output: Any) -> Node:
    """The node of a result, a constant one where it does not depend on the inputs."""
    return output.node if isinstance(output, Traced) else constant(output)


def output_value(output: Any) -> Any:
    """The value of a result, as a new array."""
    return np.array(output.value if isinstance(output, Traced) else output)


def real_places(function: Any, args: Sequence[Any]) -> tuple[int, ...]:
    """The positions of arguments that are arrays of numbers, or trees with some.

    Raises
    ------
    UnsupportedError
        Where there are arguments, and none is.
    """
    found = []
    for position, value in enumerate(args):
        leaves, structure = parameters(value)
        if any(map(_is_numeric if structure.kind is None else moves_in_tree, leaves)):
            found.append(position)
    if args and not found:
        raise _no_numbers(function, parameter_names(function, args, {}), args)
    return tuple(found)


def _no_numbers(function: Any, names: Sequence[str], values: Sequence[Any]) -> UnsupportedError:
    """That no argument holds numbers; of objects that hold arrays, what to make of them."""
    several = f"argument {names[0]} holds" if len(names) == 1 else f"{', '.join(names)} hold"
    paths = [
        (name, path, leaf)
        for name, value in zip(names, values, strict=True)
        for leaves, structure in [parameters(value)]
        for path, leaf in zip(structure.paths, leaves, strict=True)
    ]
    held = next(
        (f"{name}{path} is {why}" for name, path, leaf in paths if (why := held_arrays(leaf))), ""
    )
    return UnsupportedError(
        f"{name_of(function)}: {several} no numbers to differentiate by" + f"; {held}" * bool(held)
    )


def moves_in_tree(leaf: Any) -> bool:
    """Whether a leaf of a tree is differentiated: numbers are; masks, text and functions stay."""
    kind = getattr(getattr(leaf, "dtype", None), "kind", "")
    if kind in ("c", "O") or isinstance(leaf, complex):
        return True  # which is refused, with the reason
    return kind != "b" and not callable(leaf) and _is_numeric(leaf)


def _is_numeric(value: Any) -> bool:
    if isinstance(value, Traced):
        return True
    if value is None or isinstance(value, str | bytes | bool):
        return False
    try:
        return np.asarray(value).dtype.kind in "fiub"
    except ValueError:
        return False
    except TypeError:  # another library's, which says why when it is read
        return True
