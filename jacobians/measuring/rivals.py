"""The contenders: ways to compute the same derivative, each a call without arguments.

Ours are ``explicit`` (identity tensors), ``dense`` (the full tensor by its structure), ``buffer``
(the same into the plan's own array), ``contracted`` (the gradient, no full tensor) and ``uncompiled``
(derived anew in each call); then ``hand`` and ``into``, where the task has them, and the peers.
Peers get arrays of their own kind beforehand and leave results in it: no conversion is timed.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError
from jacobians.ground.stopwatch import Stopwatch, Thunk
from jacobians.ground.trees import flatten
from jacobians.measuring.machine import version_of
from jacobians.measuring.peers import PEERS
from jacobians.measuring.task import Task
from jacobians.measuring.timing import shortest
from jacobians.transforms.functional import grad, hessian, jacobian, vjp

Prepare = Callable[[], Thunk]
_ON_JAX = ("on-jax", "in-jax")
_FULL = ("explicit", "dense", "buffer", "uncompiled", "hand", "into", *_ON_JAX, *PEERS)
APPLY: dict[str, tuple[str, ...]] = {
    "vjp": (
        "explicit", "dense", "contracted", "uncompiled", "hand", *_ON_JAX, "jax", "torch", "autograd",
    ),
    "grad": (
        "explicit", "contracted", "uncompiled", "hand", *_ON_JAX, "jax", "torch", "autograd",
    ),
    "jacobian": _FULL,
    "hessian": _FULL,
}  # fmt: skip
PACKAGES = {**{name: name for name in PEERS}, **dict.fromkeys(_ON_JAX, "jax")}
"""What must be installed for a contender, besides this package."""
NAMES = (
    "explicit", "dense", "buffer", "contracted", "uncompiled", "hand", "into", *_ON_JAX, *PEERS,
)  # fmt: skip
NUMPYS = frozenset(NAMES) - frozenset(PACKAGES)
"""Those whose memory ``tracemalloc`` sees."""


class Contender(NamedTuple):
    """One way, ready to be called.

    Attributes
    ----------
    run : callable
        Gives the result, complete when it returns.
    first_seconds : float
        Until the first result: deriving, compiling and running, with the arrays already there.
    note : str
        Which form won, where a contender has several; why it is not what its name says.
    """

    run: Thunk
    first_seconds: float
    note: str = ""


class NotRun(JacobiansError):
    """A contender that cannot take part in this task; the message says why."""


def check_names(names: Sequence[str]) -> None:
    """Raise unless all are contenders, and installed."""
    for name in names:
        if name not in NAMES:
            raise JacobiansError(f"there is no rival {name!r}; there are {', '.join(NAMES)}")
        if not is_there(name):
            package = PACKAGES[name]
            raise JacobiansError(f"the rival {name} is not installed: pip install {package}")


def is_there(name: str) -> bool:
    """Whether what a contender needs is installed."""
    return name not in PACKAGES or version_of(PACKAGES[name]) is not None


def default_names(what: str) -> tuple[str, ...]:
    """Ours, without peers: what needs no further installation."""
    ours = ("explicit", "dense", "buffer", "contracted")
    return tuple(name for name in ours if name in APPLY[what])


def installed(what: str) -> tuple[str, ...]:
    """All that apply to this kind of derivative and are installed; none that is written by hand."""
    there = (n for n in APPLY[what] if is_there(n))
    return tuple(name for name in there if name not in ("hand", "into"))


@contextmanager
def precision(names: Sequence[str]) -> Iterator[None]:
    """Have JAX compute in float64 as all others do, and only here."""
    with ExitStack() as stack:
        if {"jax", "asdex", *_ON_JAX} & set(names):
            stack.enter_context(PEERS["jax"].float64())
        yield


def contender(task: Task, name: str) -> Contender:
    """Prepare a contender and run it once.

    Raises
    ------
    NotRun
        When it cannot; the message says why.
    """
    if name in task.own:
        forms = _own(task, task.own[name])
    else:
        forms = dict(PEERS[name].forms(task)) if name in PEERS else _OURS[name](task)
    ready: list[tuple[float, Contender]] = []
    failures = []
    for note, build in forms.items():
        try:
            with warnings.catch_warnings():
                if name in PEERS:
                    warnings.simplefilter("ignore")  # their advice on speed is not the user's
                with Stopwatch() as watch:
                    run = build()
                    run()
        except JacobiansError as error:
            failures.append(str(error))
            continue
        except Exception as error:  # peers raise all kinds; this form is out, the others go on
            if name not in PEERS:
                raise
            failures.append(f"{type(error).__name__}: {' '.join(str(error).split())[:100]}")
            continue
        # Choosing among forms needs times; a single form does not.
        took = shortest(run, 3 if watch.seconds < 1 else 1) if len(forms) > 1 else 0.0
        ready.append((took, Contender(run, watch.seconds, note)))
    if not ready:
        raise NotRun(failures[0] if failures else f"has no form for {task.what}")
    return min(ready, key=lambda pair: pair[0])[1]


def value_of(result: Any) -> list[np.ndarray[Any, Any]]:
    """A contender's result as NumPy's arrays, to compare."""
    return [np.asarray(leaf) for leaf in flatten(result)[0]]


# Ours


def _transform(task: Task) -> Any:
    make: Any = {"grad": grad, "hessian": hessian}.get(task.what, jacobian)
    return make(task.function, task.wrt)


def _explicit(task: Task) -> dict[str, Prepare]:
    def tensor() -> Any:
        if task.explicit is not None:
            return task.explicit(*task.args)
        make: Any = hessian if task.what == "hessian" else jacobian
        found = make(task.function, task.wrt)(*task.args)
        if isinstance(found, tuple):
            return tuple(one.explicit() for one in found)
        return found.explicit()

    if task.what == "vjp":
        return {"": lambda: lambda: np.tensordot(_upstream(task), tensor(), _upstream(task).ndim)}
    return {"": lambda: tensor}


def _upstream(task: Task) -> np.ndarray[Any, Any]:
    assert task.G is not None
    return task.G


def _compiled(task: Task) -> Any:
    return _transform(task).compile(*task.args)


def _can_compile(task: Task) -> bool:
    return hasattr(_transform(task), "compile")


def _dense(task: Task) -> dict[str, Prepare]:
    args = task.args

    def tensor() -> Thunk:
        if _can_compile(task):
            plan = _compiled(task)
            return lambda: plan.dense(*args)
        transform = _transform(task)
        return lambda: transform(*args).dense()

    def build() -> Thunk:
        run = tensor()
        if task.what != "vjp":
            return run
        G = _upstream(task)
        return lambda: np.tensordot(G, run(), G.ndim)

    return {"" if _can_compile(task) else "not compiled": build}


def _buffer(task: Task) -> dict[str, Prepare]:
    if not _can_compile(task):
        raise NotRun("needs compile")

    def build() -> Thunk:
        plan = _compiled(task)
        kept = plan.buffer()
        return lambda: plan.dense(*task.args, out=kept)

    return {"": build}


def _contracted(task: Task) -> dict[str, Prepare]:
    if not _can_compile(task):
        return {"not compiled": _uncompiled(task)[""]}

    def build() -> Thunk:
        plan = _compiled(task)
        if task.what == "vjp":
            G = _upstream(task)
            return lambda: plan.vjp(G, *task.args)
        return lambda: plan(*task.args)

    return {"": build}


def _on_jax(task: Task) -> dict[str, Prepare]:
    """The plan on JAX, of NumPy arrays and to NumPy arrays."""
    return {"": lambda: _jax_plan(task, task.args)}


def _in_jax(task: Task) -> dict[str, Prepare]:
    """The plan inside JAX: a jitted function of its arrays, as JAX's own derivative is."""

    def build() -> Thunk:
        jax = import_module("jax")
        args = tuple(import_module("jax.numpy").asarray(a) for a in task.args)
        run = _jax_plan(task, args)
        return lambda: jax.block_until_ready(run())

    return {"": build}


def _jax_plan(task: Task, args: Sequence[Any]) -> Thunk:
    if not _can_compile(task):
        raise NotRun("needs compile")
    plan = _transform(task).compile(*task.args, on="jax")
    if task.what == "vjp":
        G = _upstream(task)
        return lambda: plan.vjp(G, *args)
    return lambda: plan.dense(*args)


def _uncompiled(task: Task) -> dict[str, Prepare]:
    args = task.args
    if task.what == "vjp":

        def pulled() -> Any:
            _, pullback = vjp(task.function, *args)
            return pullback(task.G)[task.place]

        return {"": lambda: pulled}
    transform = _transform(task)
    if task.what == "grad":
        return {"": lambda: lambda: transform(*args)}
    return {"": lambda: lambda: transform(*args).dense()}


def _own(task: Task, rival: Callable[..., Any]) -> dict[str, Prepare]:
    """A rival of the user's."""
    leading = () if task.what != "vjp" else (_upstream(task),)
    return {"": lambda: lambda: rival(*leading, *task.args)}


def _hand(task: Task) -> dict[str, Prepare]:
    hand = task.hand
    if hand is None:
        raise NotRun("nothing is written by hand for this")
    return {"": lambda: lambda: hand(*task.args)}


def _into(task: Task) -> dict[str, Prepare]:
    hand_into = task.hand_into
    if hand_into is None:
        raise NotRun("nothing is written by hand for this")

    def build() -> Thunk:
        kept = np.zeros(task.tensor_shape())

        def run() -> Any:
            hand_into(*task.args, out=kept)
            return kept

        return run

    return {"": build}


_OURS: dict[str, Callable[[Task], dict[str, Prepare]]] = {
    "explicit": _explicit,
    "dense": _dense,
    "buffer": _buffer,
    "contracted": _contracted,
    "uncompiled": _uncompiled,
    "hand": _hand,
    "into": _into,
    "on-jax": _on_jax,
    "in-jax": _in_jax,
}


def warm_up(names: Sequence[str]) -> None:
    """Import the peers and let them start their threads, so that no first result pays for it."""
    for name in names:
        if name in PACKAGES:
            peer = PEERS[PACKAGES[name]]
            import_module(peer.package)
            peer.warm_up()
