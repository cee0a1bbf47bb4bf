"""``compile``: for example arguments, or on use, for each new set of shapes, dtypes and static values."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import Strategy
from jacobians.errors import GuardWarning, JacobiansError, UnsupportedError
from jacobians.execution.executors import executor
from jacobians.execution.numpy_source import NumpyProgram
from jacobians.graph.node import Node, ordered
from jacobians.ground.caches import ByteCache
from jacobians.ground.progress import progress
from jacobians.ground.trees import flatten
from jacobians.tracing.generators import States, called, drawing_line, generators
from jacobians.tracing.running import (
    Run,
    Wanted,
    Wrt,
    name_of,
    positions_of,
    real_places,
    traced,
)
from jacobians.transforms.compiled import PLANNED, Compiled, CompiledOne
from jacobians.transforms.derived import Derived, Kind
from jacobians.transforms.inputs import (
    Described,
    Signature,
    Static,
    arguments_of,
    by_position,
    described,
    is_input,
    is_number,
)


class Transform(Protocol):
    """A function of the differentiated function's arguments, which can also be compiled."""

    compile: "Callable[..., Any]"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at the arguments."""


class TensorTransform(Transform, Protocol):
    """A transform that gives tensors, which can also be had as sparse arrays."""

    sparse: "Callable[..., Any]"


def compiler(
    f: Callable[..., Any], kind: Kind, wrt: Wrt, strategy: Strategy, transform: Callable[..., Any]
) -> Callable[..., Any]:
    """The ``compile`` of a transform."""

    def compile(
        *example_args: Any, on: str = "numpy", forms: Iterable[str] | str = (), **named: Any
    ) -> Any:
        """Derive and plan for arguments like these, or, without any, at each first use.

        The call is planned here, and what all forms share; each form that is not named is planned at its
        first use, from the shared part.

        Parameters
        ----------
        *example_args : Any
            Arguments like those of the later calls: arrays and floats may have any values. None at all
            gives a ``CompiledOnUse``.
        on : {"numpy", "jax"}
            What computes; the results are the same.
        forms : sequence of {"dense", "sparse", "blocks", "diagonal", "vjp", "jvp"}
            Forms that are planned here too, with their defaults (``"sparse"`` as CSR). One that there is
            not (blocks of coupled samples) raises at its own call.

        Returns
        -------
        Compiled or CompiledOnUse
        """
        if named:
            raise UnsupportedError(
                f"compile {name_of(f)}: arguments are passed by position, not by name ({', '.join(named)})"
            )
        ahead = _forms(forms, name_of(f))
        if not example_args:
            return CompiledOnUse(f, kind, wrt, strategy, transform, executor(on), ahead)
        return _compiled(f, kind, wrt, strategy, example_args, executor(on), ahead)

    return compile


def _forms(forms: Iterable[str] | str, name: str) -> tuple[str, ...]:
    """The forms to plan, checked."""
    wanted = (forms,) if isinstance(forms, str) else tuple(forms)
    for form in wanted:
        if form not in PLANNED:
            raise UnsupportedError(
                f"compile {name}: forms= has no form {form!r}; there are {', '.join(PLANNED)}"
            )
    return wanted


def _compiled(
    f: Callable[..., Any], kind: Kind, wrt: Wrt, strategy: Strategy, args: Sequence[Any],
    chosen: type[NumpyProgram], forms: Sequence[str] = (),
) -> Compiled:  # fmt: skip
    """The derivative compiled for arguments like these; raises where a trace does not hold for others."""
    with progress(f"compiling the {kind.name} of {name_of(f)}", delay=2.0):
        made = _derived(f, kind, wrt, strategy, args, chosen)
        made.plan(forms)
        if chosen.ahead and not any(map(chosen.traced, flatten(args)[0])):
            with suppress(JacobiansError):  # what raises does so at its own call
                made(*args)  # compiled by the library now, not at the first call
    return made


def _derived(
    f: Callable[..., Any], kind: Kind, wrt: Wrt, strategy: Strategy, args: Sequence[Any],
    chosen: type[NumpyProgram],
) -> Compiled:  # fmt: skip
    name = name_of(f)
    given = arguments_of(args, chosen.example)
    args = given.restore()
    places = [n for n, value in enumerate(given.leaves) if is_input(value)]
    holders = tuple(n for n in range(len(args)) if not set(places).isdisjoint(given.places(n)))
    if not holders and real_places(f, args):
        raise UnsupportedError(
            f"compile {name}: no example argument holds floats; pass arrays of floats by which to differentiate"
        )
    states = States(generators(f, args))
    with traced(f, args, {}, holders, is_input, others=()) as run:
        if states.changed():
            _refuse_drawing(f, args, holders, states)
        if run.here.guards:
            raise _Guarded(name, run.here.guards[0])
        inputs = dict(zip(places, run.inputs, strict=True))
        found = positions_of(f, args, wrt)
        several = wrt if isinstance(wrt, tuple | list) else [wrt]
        if len(found) < len(several):
            raise UnsupportedError(
                f"compile {name}: wrt={wrt!r} is not among the {len(args)} example arguments; "
                "pass it, by position"
            )
        by = [place for argument in found for place in given.places(argument)]
        moving = tuple(place in inputs for place in by)
        for place, moves in zip(by, moving, strict=True):
            value = given.leaves[place]
            alone = given.paths[place].isdigit()
            if not moves and (alone or (is_number(value) and not isinstance(value, bool))):
                raise UnsupportedError(
                    f"compile {name}: wrt={wrt!r} is static ({type(value).__name__}"
                    f"{'' if alone else f' in argument {given.paths[place]}'}); pass an array of floats"
                )
        starts = {inputs[place]: run.arguments[inputs[place]] for place in by if place in inputs}
        trees = tuple(given.trees[argument] for argument in found)
        wanted = Wanted(isinstance(wrt, Integral | str), trees, moving)
        derived = Derived(f, kind, run, starts, strategy, wanted=wanted)
        fixed = _inner_points(derived, run)
    made = CompiledOne if derived.single else Compiled
    return made(derived, Signature(name, given, inputs, chosen), inputs, chosen, fixed)


def _refuse_drawing(
    f: Callable[..., Any], args: Sequence[Any], holders: tuple[int, ...], states: States
) -> None:
    """Raise where the function drew random numbers, naming the line; nothing of that is left behind."""
    who = " and ".join(map(called, states.changed()))
    states.restore()

    def again() -> None:
        with traced(f, args, {}, holders, is_input):
            pass

    try:
        line = drawing_line(states, again)
    finally:
        states.restore()
    if line:
        raise UnsupportedError(
            f"compile {name_of(f)}: it draws random numbers from {who} at {line}, which every later call would "
            "repeat; draw outside and pass the numbers in, as an argument, or call the transform uncompiled"
        )


def _inner_points(derived: Derived, run: Run) -> dict[Node, NDArray[Any]]:
    """The points at which transforms inside the function took derivatives of plain arrays."""
    nodes = [node for block in derived.blocks for node in block.terms.operands]
    return {
        node: np.array(run.here.values[node])
        for node in ordered([*nodes, *derived.outputs])
        if node.operation is None and node.value is None and node not in run.inputs
        and node in run.here.values
    }  # fmt: skip


class _Guarded(UnsupportedError):
    """A trace that holds for its values only; ``guard`` says where it branched."""

    def __init__(self, name: str, guard: str) -> None:
        super().__init__(
            f"compile {name}: it branches on a value ({guard}), so one trace does not "
            "hold for other values; use np.where, or call the transform uncompiled"
        )
        self.guard = guard
        self.told: list[bool] = []  # whether a warning was given


_MOST = 64 << 20  # bytes that the plans of one derivative may keep alive
_PLAN = 1 << 14  # bytes of a plan beside its arrays, as tracemalloc has them


class CompiledOnUse:
    """A derivative that is compiled at its first use for each set of shapes, dtypes and static values.

    Made by ``.compile()`` of a transform. A function that branches on a value is derived anew at every
    call, and a :class:`jacobians.GuardWarning` says so once. Arrays that the function closes over are
    read at the first use of a signature.

    Attributes
    ----------
    plans : mapping of tuple to Compiled
        What was compiled, by signature; the least recently used go where they would keep more than
        64 MiB alive.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> step = jb.grad(lambda x: np.sum(x**3)).compile()
    >>> step(np.ones(2)), step(np.ones(3))
    (array([3., 3.]), array([3., 3., 3.]))
    >>> step
    grad of <lambda>, compiled on use for
        float64 (2,)
        float64 (3,)
    """

    def __init__(
        self, f: Callable[..., Any], kind: Kind, wrt: Wrt, strategy: Strategy,
        transform: Callable[..., Any], chosen: type[NumpyProgram], forms: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._f, self._kind, self._wrt, self._strategy = f, kind, wrt, strategy
        self._transform, self._executor, self._forms = transform, chosen, forms
        self._cache: ByteCache[Compiled | _Guarded] = ByteCache(_MOST, _bytes)

    @property
    def plans(self) -> Mapping[Described, Compiled]:
        """What was compiled, by signature."""
        return {key: made for key, made in self._cache.items() if isinstance(made, Compiled)}

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the transform gives: JacobianTensors, or gradients."""
        by_position(name_of(self._f), named)
        found = self._plan(args)
        if isinstance(found, Compiled):
            return found(*args)
        if any(map(self._executor.traced, arguments_of(args, lambda leaf: leaf).leaves)):
            raise self._branches("a derivative that JAX traces", found)
        if not found.told:
            found.told.append(True)
            warnings.warn(
                f"{name_of(self._f)} branches on a value ({found.guard}): it is derived anew at every call; "
                "use np.where to have it compiled",
                GuardWarning,
                stacklevel=2,
            )
        leaves = arguments_of(args, lambda leaf: leaf).leaves
        return self._executor.like(self._transform(*args), leaves)

    def dense(self, *args: Any, out: Any = None, max_bytes: float | None = None) -> Any:
        """The dense derivative; see ``Compiled.dense``."""
        return self._needed("dense", args).dense(*args, out=out, max_bytes=max_bytes)

    def sparse(self, *args: Any, format: str = "csr", order: str = "C", out: Any = None) -> Any:
        """The derivative as a SciPy sparse array; see ``Compiled.sparse``."""
        return self._needed("sparse", args).sparse(*args, format=format, order=order, out=out)

    def blocks(self, *args: Any, batch_axis: int | tuple[int, int] = 0, out: Any = None) -> Any:
        """The Jacobian of each sample; see ``Compiled.blocks``."""
        return self._needed("blocks", args).blocks(*args, batch_axis=batch_axis, out=out)

    def diagonal(self, *args: Any, out: Any = None) -> Any:
        """``J_ijij``; see ``Compiled.diagonal``."""
        return self._needed("diagonal", args).diagonal(*args, out=out)

    def vjp(self, G: Any, *args: Any) -> Any:
        """``Σ G · derivative`` over the output axes; see ``Compiled.vjp``."""
        return self._needed("vjp", args).vjp(G, *args)

    def jvp(self, direction: Any, *args: Any) -> Any:
        """``Σ derivative · direction`` over the input axes; see ``Compiled.jvp``."""
        return self._needed("jvp", args).jvp(direction, *args)

    def _plan(self, args: Sequence[Any]) -> "Compiled | _Guarded":
        """The plan for arguments like these; what guards them where each call must be derived anew."""
        if not args:
            raise UnsupportedError(
                f"{self}: it is called without arguments; pass them, by position"
            )
        key = described(args, self._executor)
        found = self._cache.get(key, lambda: self._compile(args))
        self._cache.reweigh(key)  # plans are made at their first use
        return found

    def _compile(self, args: Sequence[Any]) -> "Compiled | _Guarded":
        try:
            return _compiled(
                self._f, self._kind, self._wrt, self._strategy, args, self._executor, self._forms
            )
        except _Guarded as guarded:
            return guarded

    def _needed(self, what: str, args: Sequence[Any]) -> Compiled:
        plan = self._plan(args)
        if isinstance(plan, _Guarded):
            raise self._branches(what, plan)
        return plan

    def _branches(self, what: str, found: _Guarded) -> UnsupportedError:
        return UnsupportedError(
            f"{name_of(self._f)}: {what} needs one plan for all values, and the function branches on one; use "
            f"np.where ({found.guard}), or call the transform itself, which derives anew, and use what it returns"
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a compiled derivative is called, not iterated over; see .plans")

    def __getattr__(self, name: str) -> Any:
        if name in ("source", "constants", "cost", "shape", "buffer"):
            raise _OnPlan(
                f"{name_of(self._f)}: .{name} belongs to a plan; compile with example arguments, or take one of "
                f".plans, of which there {'are' if len(self.plans) != 1 else 'is'} {len(self.plans)}"
            )
        raise AttributeError(name)

    def __repr__(self) -> str:
        head = f"{self._kind.name} of {name_of(self._f)}, compiled on use"
        keys = ["    " + ", ".join(map(str, key)) for key in self.plans]
        return "\n".join([f"{head} for", *keys]) if keys else f"{head}, not used yet"


class _OnPlan(UnsupportedError, AttributeError):
    """What only a plan has."""


def _bytes(key: Described, made: Compiled | _Guarded) -> int:
    static = sum(one.nbytes for one in key if isinstance(one, Static))
    return _PLAN + static + (made.nbytes if isinstance(made, Compiled) else 0)
