"""The function that is checked: its arguments, in the precision it allows, and its results as a list.

Everything that is handed out, to the function or to what claims its derivative, is a copy.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Integral
from types import BuiltinFunctionType
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Array
from jacobians.ground.arguments import float_array
from jacobians.ground.trees import flatten, mapped
from jacobians.notation.explicit import axis_names
from jacobians.tracing.running import Wrt, chosen, name_of, parameter_names
from jacobians.transforms.library import LibraryOperation
from jacobians.verification.patience import Progress
from jacobians.verification.randomness import distance, randomness
from jacobians.verification.stepping import Pointwise

# What f may raise at a point beside the given one.
_FLAWS = (ArithmeticError, ValueError, np.linalg.LinAlgError)
_CALLS = 6  # of a function that draws: few masks are the same so often
_THREADS = 64.0  # units of rounding by which sums in another order may differ


class Pair(NamedTuple):
    """A result and an argument: what one Jacobian tensor is of."""

    output: int  # their places among the results, and among the arguments to differentiate by
    which: int
    out: Array  # their values
    inner: Array
    part: slice  # where the result stands in the flat array of all
    title: str  # ``∂f[0]_ij/∂X_kl``
    axes: (
        str | None
    )  # the names of the tensor's axes; None where it has more axes than there are letters

    @property
    def shape(self) -> tuple[int, ...]:
        """Output axes, then input axes."""
        return self.out.shape + self.inner.shape

    @property
    def size(self) -> int:
        """How many entries the tensor has."""
        return self.out.size * self.inner.size


class Subject:
    """A function at its arguments.

    ``args`` and ``kwargs`` are in the working precision. ``places`` are those to differentiate by, positions
    or names of keyword arguments, ``names`` and ``points`` their names and values; ``known`` are the names of
    all that are given by position. ``outputs`` are the results in order, ``paths`` where each stands in what the
    function returns (``['angle']``, ``[0]``), ``treedef`` its structure. ``unsteady`` says why nothing can be
    judged, where the function is not deterministic; ``changes`` who was caught writing to what it was given;
    ``unjudged`` has arguments by which a backward returns gradients that are not asked for.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], wrt: Wrt
    ) -> None:
        if not callable(f):
            raise UnsupportedError(
                f"the first argument is the function to check, not {type(f).__name__}"
            )
        self.f, self.wrt = f, wrt
        self.several = not isinstance(wrt, Integral | str)
        self.notes: list[str] = []
        self.progress = Progress(name_of(f))
        self.unsteady = ""
        self.changes: dict[str, list[str]] = {}
        self.unjudged: list[str] = []
        self._pointwise: dict[int, Pointwise] = {}
        self._name(args, kwargs)
        self.args, self.kwargs = list(args), dict(kwargs)
        args, kwargs = self.arguments([p.copy() for p in self.points])
        result = f(*args, **kwargs)
        self._note_changes(self.name, args, kwargs)
        leaves, self.treedef = flatten(result)
        self.paths = self.treedef.paths
        self.outputs: list[Array] = [
            np.array(float_array(leaf, f"{self.name}: its result{path}"))
            for leaf, path in zip(leaves, self.paths, strict=True)
        ]
        if not self.outputs:
            raise ShapeError(f"{self.name} returns no array: there is nothing to differentiate")
        self._widen(result)

    def _name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Find the names of the function and of its arguments, and those to differentiate by."""
        f, name = self.f, name_of(self.f)
        if isinstance(f, LibraryOperation):
            self.name, self.known = f.name, list(f.arguments)
            self.wrt = _positions(f, self.wrt, len(args))
        else:
            self.name = name if name.isidentifier() else "f"
            self.known = parameter_names(f, args, kwargs)
        self.places, self.names, values = chosen(f, args, kwargs, self.wrt)
        if isinstance(f, LibraryOperation) and self.known:
            self.names = [self.known[p] for p in self.places if isinstance(p, int)]
        if not values:
            raise ShapeError(f"{self.name}: wrt={self.wrt!r} names no argument to differentiate by")
        self.points = [
            np.array(float_array(v, f"{self.name}: argument {n}"))
            for v, n in zip(values, self.names, strict=True)
        ]

    def by(self, wrt: Wrt) -> "Subject":
        """The same function by other arguments."""
        other = Subject(self.f, self.args, self.kwargs, wrt)
        other.notes = list(dict.fromkeys((*self.notes, *other.notes)))
        other.unsteady, other.changes = self.unsteady, self.changes
        return other

    def _widen(self, result: Any) -> None:
        """Go on in float64 where the function gives float64 for it."""
        kinds = [np.asarray(leaf).dtype for leaf in leaves_of(result)]
        low = {d.name for d in [*kinds, *(p.dtype for p in self.points)] if _is_low(d)}
        if not low:
            return
        lowest = min(low, key=lambda name: np.dtype(name).itemsize)
        narrow = self.args, self.kwargs, self.points
        self.args, self.kwargs = widened(self.args), widened(self.kwargs)
        self.points = [widened(p) for p in self.points]
        try:
            with np.errstate(all="ignore"):
                found = leaves_of(self.result([p.copy() for p in self.points]))
        except Exception as error:  # compiled code may raise anything where it takes float32 only
            reason = f"{self.name} raises {type(error).__name__} for float64 arguments"
        else:
            same = len(found) == len(kinds) and all(
                a.shape == b.shape for a, b in zip(found, self.outputs, strict=True)
            )
            if same and not any(_is_low(leaf.dtype) for leaf in found):
                self.outputs = [
                    np.array(float_array(leaf, f"{self.name}: its result")) for leaf in found
                ]
                self.notes.append(f"{lowest} arguments were checked in float64")
                return
            reason = f"{self.name} computes in {lowest} whatever it is given"
        self.args, self.kwargs, self.points = narrow
        self.notes.append(f"{reason}: the tolerances are those of {lowest}")

    def arguments(self, values: Sequence[Array]) -> tuple[list[Any], dict[str, Any]]:
        """Copies of all arguments, with these values of those to differentiate by."""
        args, kwargs = (
            [copied(a) for a in self.args],
            {k: copied(v) for k, v in self.kwargs.items()},
        )
        for place, value in zip(self.places, values, strict=True):
            if isinstance(place, int):
                args[place] = value
            else:
                kwargs[place] = value
        return args, kwargs

    def result(self, values: Sequence[Array]) -> Any:
        """What the function returns; the values are handed out as they are."""
        args, kwargs = self.arguments(values)
        self.progress.tick()
        return self.f(*args, **kwargs)

    @property
    def is_method(self) -> bool:
        """Whether the function belongs to an object of the user's, which may keep what it sees."""
        owner = getattr(self.f, "__self__", None)
        return owner is not None and not isinstance(self.f, BuiltinFunctionType)

    def refresh(self) -> None:
        """Run the function once at the point, for what it stores there: tracing left traced arrays."""
        self.result([p.copy() for p in self.points])

    def given_to(self, who: str, claim: Callable[..., Any], *leading: Any) -> Any:
        """What a function that claims a derivative returns for these arguments, given copies."""
        args, kwargs = self.arguments([p.copy() for p in self.points])
        first = copied(list(leading))
        if self.is_method:
            self.refresh()  # a method keeps what it saw last
        try:
            found = claim(*first, *args, **kwargs)
        except Exception as error:
            error.add_note(f"jb.check called {self._call(who, leading)}")
            raise
        for now, before in zip(first, leading, strict=True):
            self._note_change(who, "G" if who == "vjp" else "dX", now, before)
        self._note_changes(who, args, kwargs)
        return found

    def _call(self, who: str, leading: Sequence[Any]) -> str:
        """How a claim is called, in words: ``vjp(G, W, x) with G of shape (3,)``."""
        letter = {"vjp": "G", "jvp": "dX"}.get(who, "")
        first = [letter + "′" * n for n in range(len(leading))]
        named = [f"{key}=…" for key in self.kwargs]
        text = f"{who}({', '.join([*first, *map(self._label, range(len(self.args))), *named])})"
        for name, value in zip(first, leading, strict=True):
            shape = f"of shape {value.shape}" if isinstance(value, np.ndarray) else ""
            text += f", {name} {shape or f'a {type(value).__name__} of arrays'}"
        return text

    def _note_changes(self, who: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Note which of the arguments that were handed out have been written to."""
        clean_args, clean_kwargs = self.arguments(self.points)
        for place, (now, before) in enumerate(zip(args, clean_args, strict=True)):
            self._note_change(who, self._label(place), now, before)
        for key, now in kwargs.items():
            self._note_change(who, key, now, clean_kwargs[key])

    def _note_change(self, who: str, name: str, now: Any, before: Any) -> None:
        for a, b in zip(leaves_of(now), leaves_of(before), strict=False):
            if a.dtype.kind not in "fiubc" or np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
                continue
            self.note(f"{who} changes its argument {name} in place; it was given a copy")
            names = self.changes.setdefault(who, [])
            if name not in names:
                names.append(name)

    def _label(self, place: int) -> str:
        return self.known[place] if place < len(self.known) else f"number {place}"

    def matched(self, found: Any, what: str) -> list[Any]:
        """One thing for each result, out of the structure that the function returns.

        Raises
        ------
        ShapeError
            Where the structure is another one.
        """
        return self.treedef.leaves_of(found, what, self.name)

    def listen_for_noise(self) -> None:
        """See whether the function gives other values when it is called again, and of what."""
        before = randomness(self.f, self.args, self.kwargs)
        apart = 0.0
        for _ in range(_CALLS):
            again = leaves_of(self.result([p.copy() for p in self.points]))
            apart = max(apart, distance(self.outputs, again))
            drawn = before.drawn()
            if not drawn:
                break
        largest = max((float(np.max(np.abs(y), initial=0.0)) for y in self.outputs), default=0.0)
        if apart > _THREADS * self.eps * largest:
            source = f", which draws from {drawn}" if drawn else ""
            self.unsteady = (
                f"the function {self.name}{source}, is not deterministic: calls with the same arguments differ by "
                f"{apart:.2g}. Draw outside and pass the result as an argument (a mask), or make the "
                "generator inside, with a fixed seed"
            ).replace(f"{self.name}, is", f"{self.name} is")

    def note_unsteady(self, who: str, first: Sequence[Array], again: Sequence[Array]) -> None:
        """Note that two calls with the same arguments gave different arrays."""
        apart = distance(first, again)
        if apart:
            self.note(
                f"{who} is not deterministic: two calls with the same arguments differ by {apart:.2g}"
            )

    def note(self, text: str) -> None:
        """Keep what a reader should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def flat(self, which: int) -> Callable[[Array], Array]:
        """The function of one argument alone, all results in one flat array.

        Where it raises beside the given point, or gives other shapes there, the result is nan.
        """
        shapes = [y.shape for y in self.outputs]

        def function(x: Array) -> Array:
            values = [p.copy() for p in self.points]
            values[which] = x
            try:
                found = leaves_of(self.result(values))
            except _FLAWS:
                if x.dtype.kind == "c":
                    raise
                found = []
            if [leaf.shape for leaf in found] != shapes:
                return np.full(sum(y.size for y in self.outputs), np.nan)
            return np.concatenate([leaf.ravel() for leaf in found]) if found else np.empty(0)

        return function

    @cached_property
    def value(self) -> Array:
        """All results in one flat array."""
        return np.concatenate([y.ravel() for y in self.outputs]).astype(np.float64)

    @cached_property
    def is_finite(self) -> bool:
        """Whether all arguments and results are numbers."""
        arrays = [*self.outputs, *(np.asarray(a) for a in flatten([self.args, self.kwargs])[0])]
        return all(np.isfinite(a).all() for a in arrays if a.dtype.kind in "fc")

    @cached_property
    def eps(self) -> float:
        """The unit of rounding of the results."""
        return max(eps_of(array) for array in (*self.outputs, *self.points))

    def pair(self, output: int, which: int) -> Pair:
        """A result and an argument."""
        out, inner = self.outputs[output], self.points[which]
        start = sum(y.size for y in self.outputs[:output])
        axes: str | None
        try:
            axes = axis_names(out.ndim, inner.ndim)
        except UnsupportedError:
            axes = None
        letters = axes or ""
        indices = letters[: out.ndim], letters[out.ndim :]
        above, below = (f"_{part}" if part else "" for part in indices)
        title = f"∂{self.name}{self.paths[output]}{above}/∂{self.names[which]}{below}"
        return Pair(output, which, out, inner, slice(start, start + out.size), title, axes)

    def pointwise(self, which: int) -> Pointwise:
        """The function of one argument alone."""
        if which not in self._pointwise:
            self._pointwise[which] = Pointwise(
                self.flat(which), self.points[which], self.value, self.eps
            )
        return self._pointwise[which]


def eps_of(array: Any) -> float:
    """The unit of rounding of an array; that of float64 for finer ones."""
    dtype = np.asarray(array).dtype
    double = float(np.finfo(np.float64).eps)
    return max(double, float(np.finfo(dtype).eps)) if dtype.kind in "fc" else double


def _positions(operation: LibraryOperation, wrt: Wrt, count: int) -> Wrt:
    if isinstance(wrt, Integral | str):
        return operation.position(wrt if isinstance(wrt, str) else int(wrt), count)
    return tuple(operation.position(one, count) for one in wrt)  # type: ignore[union-attr]


def _is_low(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" and dtype.itemsize < 8


def widened(value: Any) -> Any:
    """Arrays of less than float64 as float64, also within lists, tuples and dicts."""
    return _mapped(value, lambda a: a.astype(np.float64) if _is_low(a.dtype) else a)


def copied(value: Any) -> Any:
    """Copies of arrays, also of those within lists, tuples and dicts; other things as they are."""
    return _mapped(value, lambda a: a.copy())


def _mapped(value: Any, change: Callable[[Array], Array]) -> Any:
    """The value with its arrays changed; what is more than a plain container is the caller's own."""

    def leaf(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return change(item)
        return change(np.asarray(item))[()] if isinstance(item, np.floating) else item

    return mapped(leaf, value, stop=lambda part: type(part) not in (dict, list, tuple))


def leaves_of(result: Any) -> list[Array]:
    """The arrays in a result, in order."""
    return [np.asarray(leaf) for leaf in flatten(result)[0]]
