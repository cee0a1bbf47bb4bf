"""Assignments and their tasks: what is asked, at which points, and what is right there."""

import inspect
import keyword
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from jacobians.course.confinement import Limits
from jacobians.course.drawing import Draw, drawn, normal, sizes_for, upstream
from jacobians.course.typed import tensor_of
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.numerical import jacobian as numerical_jacobian
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.functional import jacobian
from jacobians.transforms.library import LibraryOperation

Array = NDArray[Any]
Function = Callable[..., Any]

_STEP = 1e-5  # of central differences, whose error is some 1e-10 of the value
_ALONG = 1e-3  # what the derivative along a direction may differ by, relative to the gradient


class Instance(NamedTuple):
    """Arguments by name, and the sizes of their letters."""

    arguments: dict[str, Any]
    sizes: dict[str, int]

    @property
    def values(self) -> list[Any]:
        """The arguments in order."""
        return list(self.arguments.values())

    def words(self) -> str:
        """``B (3, 4), C (4, 5)``."""
        return ", ".join(
            f"{k} {np.shape(v)}" if np.ndim(v) else f"{k} a number"
            for k, v in self.arguments.items()
            if isinstance(v, np.ndarray)
        )


class Question(NamedTuple):
    """What comes before the arguments of a call, and the right answer for each part."""

    before: tuple[Array, ...]
    right: tuple[Array, ...]


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What every task has besides its name, its points and its function."""

    wrt: Any = None
    arguments: Mapping[str, Any] | None = None
    section: str = ""
    shapes: int = 3
    rtol: float = 1e-6


@dataclass(frozen=True)
class Exercise(_Given):
    """One function that a student writes.

    Parameters
    ----------
    name : str
        Of the student's function.
    points : float
        For all of it; each argument in ``wrt`` has its equal share.
    function : callable
        The *forward* function, in NumPy, or an operation such as ``jb.ops.matmul``; what is right follows
        from it.
    wrt : str, int or sequence of them, optional
        The arguments that are differentiated by; the first by default.
    arguments : mapping, optional
        How each argument is drawn, by the function's names, or by others in its order: a text with a
        letter for each axis (``"m n"``, or ``("m", 4)``), one of ``normal``, ``positive``, ``invertible``,
        ``probabilities``, ``one_hot`` and ``labels``, a function ``(rng, sizes) -> array``, or a value
        that stays. By default those of the operation.
    section : str
        The part of the theory to read again.
    shapes : int
        At how many shapes it is asked.
    rtol : float
        What an entry may differ by, relative to itself and to a tenth of the largest.

    Raises
    ------
    JacobiansError
        When it is made: names the task, and what is wrong with it.
    """

    name: str
    points: float
    function: Function

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise JacobiansError(
                f"task {self.name!r}: the name must be one that a function can have"
            )
        if not self.points >= 0:
            raise JacobiansError(f"task {self.name}: points={self.points!r}; it must be 0 or more")
        if not callable(self.function):
            raise UnsupportedError(f"task {self.name}: function is no function")
        known, used = list(self.draws), self.positions
        for position in used:
            if isinstance(self.draws[known[position]], Draw) or callable(
                self.draws[known[position]]
            ):
                continue
            raise UnsupportedError(
                f"task {self.name}: {known[position]} is a fixed value, and wrt names it; say its shape "
                "instead, as in 'm n'"
            )

    @cached_property
    def draws(self) -> dict[str, Any]:
        """How each argument is drawn, in the order of the function."""
        given = self.arguments
        if given is None:
            if not isinstance(self.function, LibraryOperation):
                raise JacobiansError(
                    f"task {self.name}: say how its arguments are drawn, as in arguments={{'B': 'm n'}}"
                )
            given = _of_operation(self.function)
        names = self._names()
        unknown = [name for name in given if names and name not in names]
        if len(unknown) == len(given) <= len(names):  # names of the course's own, in order
            names, unknown = [], []
        if unknown:
            raise JacobiansError(
                f"task {self.name}: the function has no argument {unknown[0]!r}; it has {', '.join(names)}"
            )
        ordered = [name for name in names if name in given] or list(given)
        return {
            name: normal(words) if (words := _axes(given[name])) is not None else given[name]
            for name in ordered
        }

    def _names(self) -> list[str]:
        if isinstance(self.function, LibraryOperation):
            return list(self.function.arguments)
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            return []
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [p.name for p in parameters if p.kind in kinds]

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """Of the arguments that are differentiated by."""
        names = list(self.draws)
        wrt = 0 if self.wrt is None else self.wrt
        found = []
        for one in (wrt,) if isinstance(wrt, str | int) else tuple(wrt):
            if isinstance(one, str) and one in names:
                found.append(names.index(one))
            elif isinstance(one, int) and 0 <= one < len(names):
                found.append(one)
            else:
                raise ShapeError(
                    f"task {self.name}: wrt={one!r} is no argument; they are {', '.join(names)}"
                )
        return tuple(found)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the parts that have points of their own."""
        return tuple(f"by {list(self.draws)[position]}" for position in self.positions)

    def calls(self) -> str:
        """How the student's function is called: ``name(G, B, C)``."""
        return f"{self.name}({', '.join([*self.before(), *self.draws])})"

    def before(self) -> tuple[str, ...]:
        """Names of what comes before the arguments."""
        return ()

    def rng(self, seed: int) -> np.random.Generator:
        """Random numbers of this task alone."""
        return np.random.default_rng([seed, crc32(self.name.encode())])

    def at(self, rng: np.random.Generator) -> Iterator[Instance]:
        """Points of several shapes, small ones first, two of them at the first shape."""
        letters = dict.fromkeys(
            w for d in self.draws.values() if isinstance(d, Draw) for w in d.shape if w.isalpha()
        )
        drawn_sizes = sizes_for(tuple(letters), rng, self.shapes if letters else 1)
        for number, sizes in enumerate(drawn_sizes):
            # The first shape twice: an answer kept from the call before is none.
            for _ in range(1 if number else 2):
                yield Instance(drawn(self.draws, sizes, rng), sizes)

    def tensors(self, point: Instance) -> tuple[JacobianTensor | Array, ...]:
        """The Jacobians by each argument: derived, or numerical where the function cannot be traced."""
        found: Any
        try:
            found = jacobian(self.function, self.positions)(*point.values)
        except (UnsupportedError, TypeError):
            found = numerical_jacobian(self.function, *point.values, wrt=self.positions)
        found = tuple(found)
        if any(isinstance(one, tuple | list | dict) for one in found):
            raise UnsupportedError(
                f"task {self.name}: its function returns several results; a task has one"
            )
        tensors: tuple[JacobianTensor | Array, ...] = found
        return tensors

    def value(self, point: Instance) -> Array:
        """The forward function's value."""
        return np.asarray(self.function(*point.values), float)

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:
        """What is asked at a point."""
        raise NotImplementedError


@dataclass(frozen=True)
class TensorTask(Exercise):
    """The full Jacobian: ``name(*args)`` gives it, output axes first, or a tuple in the order of ``wrt``."""

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:  # noqa: ARG002
        """The tensor."""
        return [Question((), tuple(_dense(J) for J in self.tensors(point)))]


@dataclass(frozen=True)
class VjpTask(Exercise):
    """A backward: ``name(G, *args)`` gives ``Σ_ij G_ij J_ijkl``, or a tuple in the order of ``wrt``."""

    def before(self) -> tuple[str, ...]:
        """G."""
        return ("G",)

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:
        """Two upstreams, neither constant."""
        found, tensors = [], self.tensors(point)
        shape = self.value(point).shape
        for _ in range(2):
            G = upstream(rng, shape)
            found.append(Question((G,), tuple(_pulled(J, G) for J in tensors)))
        return found


@dataclass(frozen=True)
class JvpTask(Exercise):
    """A forward: ``name(*directions, *args)`` gives ``Σ_kl J_ijkl dX_kl``, summed over ``wrt``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One part."""
        return ("",)

    def before(self) -> tuple[str, ...]:
        """dB, dC."""
        return tuple(f"d{list(self.draws)[position]}" for position in self.positions)

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:
        """Two directions for each argument."""
        found, tensors = [], self.tensors(point)
        for _ in range(2):
            directions = tuple(
                upstream(rng, np.shape(point.values[position])) for position in self.positions
            )
            right = sum(_pushed(J, d) for J, d in zip(tensors, directions, strict=True))
            found.append(Question(directions, (np.asarray(right),)))
        return found


@dataclass(frozen=True)
class ValueTask(Exercise):
    """The function itself: ``name(*args)`` gives its value."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One part."""
        return ("",)

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:  # noqa: ARG002
        """The value."""
        return [Question((), (self.value(point),))]


@dataclass(frozen=True)
class FormulaTask(Exercise):
    """A formula in index notation: a text called ``name``, or a function without arguments that gives one.

    Parameters
    ----------
    result : str
        A name that the output has in formulas, ``"Y"``.
    symbols : mapping
        Further names that may stand in it: functions of the arguments.
    """

    result: str = "Y"
    symbols: Mapping[str, Function] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """One part: a formula is of one argument."""
        return (super().labels[0],)

    def calls(self) -> str:
        """A text."""
        return f'{self.name} = "…"'

    def read(self, text: str, point: Instance) -> Array:
        """The tensor that a text stands for.

        Raises
        ------
        Unreadable
            With the reason, for the student.
        """
        value = self.value(point)
        shape = value.shape + np.shape(point.values[self.positions[0]])
        own = {k: np.asarray(v) for k, v in point.arguments.items() if not isinstance(v, str)}
        names = {
            **({self.result: value} if self.result not in own else {}),
            **{k: np.asarray(f(*point.values)) for k, f in self.symbols.items()},
            **own,
        }
        return tensor_of(text, names, shape, value.ndim, self.result)

    def questions(self, point: Instance, rng: np.random.Generator) -> list[Question]:  # noqa: ARG002
        """The tensor, which the formula is read as."""
        return [Question((), (_dense(self.tensors(point)[0]),))]


@dataclass(frozen=True)
class CostTask(VjpTask):
    """A backward that must not be dear: its memory and time may grow with the size only so fast.

    Called as a backward. Its values must be right; then the process is measured from outside, at
    ``sizes`` of every letter, less one that only loads the submission.

    Parameters
    ----------
    memory, time : float
        The powers of the size with which memory and CPU time may grow: 2 for n² numbers.
    sizes : sequence of int
        The sizes; the largest should make the dear way take 100 MB.
    dear : float
        The share of the points for right values in a dear way.
    """

    memory: float = 2.0
    time: float = 3.0
    sizes: Sequence[int] = (32, 48, 64)
    dear: float = 0.5

    def at_size(self, size: int, rng: np.random.Generator) -> tuple[Instance, Array]:
        """Arguments of about this size, each letter another, and an upstream."""
        letters = dict.fromkeys(
            w for d in self.draws.values() if isinstance(d, Draw) for w in d.shape if w.isalpha()
        )
        sizes = {letter: size + n for n, letter in enumerate(letters)}
        point = Instance(drawn(self.draws, sizes, rng), sizes)
        return point, upstream(rng, self.value(point).shape)

    def holds(
        self, point: Instance, G: Array, answers: Sequence[Array], rng: np.random.Generator
    ) -> bool:
        """Whether gradients are right along one direction each: ``<answer, d> = d/dt <G, f(… + t d …)>``.

        That takes two values of the function for an argument, at any size, and no tensor.
        """
        for position, answer in zip(self.positions, answers, strict=True):
            at = np.asarray(point.values[position], float)
            if answer.shape != at.shape or not np.isfinite(answer).all():
                return False
            d = rng.standard_normal(at.shape)
            ends = []
            for step in (_STEP, -_STEP):
                values = list(point.values)
                values[position] = at + step * d
                ends.append(float(np.vdot(G, np.asarray(self.function(*values), float))))
            right, given = (ends[0] - ends[1]) / (2 * _STEP), float(np.vdot(answer, d))
            if abs(given - right) > _ALONG * max(abs(given), abs(right), _norm(answer)):
                return False
        return True


@dataclass(frozen=True)
class Assignment:
    """Tasks that are handed out and graded together.

    Parameters
    ----------
    title : str
        What it is called.
    tasks : sequence of Exercise
        Each with a name of its own.
    modules : sequence of str
        The packages that a submission may import, beside the standard library; with those that they need
        (``("numpy", "scipy", "sympy", "mpmath")``).
    limits : Limits
        What it may use for each task.
    theory : str
        Where the sections are that tasks name.

    Examples
    --------
    >>> import jacobians as jb
    >>> tasks = [jb.course.VjpTask("backward", 2, jb.ops.matmul, wrt=("B", "C"))]
    >>> assignment = jb.course.Assignment("Products", tasks)
    >>> assignment.points, assignment.tasks[0].calls(), assignment.tasks[0].labels
    (2, 'backward(G, B, C)', ('by B', 'by C'))
    """

    title: str
    tasks: Sequence[Exercise]
    modules: Sequence[str] = ("numpy", "scipy")
    limits: Limits = field(default_factory=Limits)
    theory: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise JacobiansError(f"{self.title}: two tasks are called {name}")
        if not names:
            raise JacobiansError(f"{self.title}: there are no tasks")

    @property
    def points(self) -> float:
        """Of all tasks."""
        return sum(task.points for task in self.tasks)


def _axes(given: Any) -> str | None:
    """The text of a shape: of one given as a text, or as a tuple of letters and sizes."""
    if isinstance(given, str):
        return given
    if type(given) in (tuple, list) and all(isinstance(n, str | int) for n in given):
        return " ".join(map(str, given))
    return None


def _of_operation(operation: LibraryOperation) -> dict[str, str]:
    """Letters for the arguments of an operation, equal where their sizes must be."""
    node, _ = operation.sample(0, None)
    sizes = dict.fromkeys(n for operand in node.operands for n in operand.shape)
    letters = dict(zip(sizes, "nmpqabcdefgh", strict=False))
    return {o.name: " ".join(letters[n] for n in o.shape) for o in node.operands}


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.ravel()))


def _dense(J: JacobianTensor | Array) -> Array:
    return np.array(J.dense() if isinstance(J, JacobianTensor) else J, float)


def _pulled(J: JacobianTensor | Array, G: Array) -> Array:
    if isinstance(J, JacobianTensor):
        return np.asarray(J.vjp(G), float)
    return np.asarray(np.tensordot(G, J, G.ndim), float)


def _pushed(J: JacobianTensor | Array, direction: Array) -> Array:
    if isinstance(J, JacobianTensor):
        return np.asarray(J.jvp(direction), float)
    return np.asarray(np.tensordot(J, direction, direction.ndim), float)
