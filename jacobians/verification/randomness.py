"""Where a function's randomness comes from: generators within its reach whose state moves as it runs."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.tracing.generators import GLOBAL, KINDS, same_state, state_of

Array = NDArray[Any]


class Randomness(NamedTuple):
    """Generators by what they are called: how to read the state of each, and what it was."""

    sources: dict[str, tuple[Callable[[], Any], Any]]

    def drawn(self) -> str:
        """The names of those that have moved since."""
        moved = [
            name for name, (state, was) in self.sources.items() if not same_state(was, state())
        ]
        return " and ".join(moved)


def randomness(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Randomness:
    """The generators that a function can reach: global ones, and those that it names or is given."""
    found: dict[str, Callable[[], Any]] = {
        "NumPy's global generator (np.random)": partial(state_of, GLOBAL),
        "the global generator of random": partial(state_of, random),
    }
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found["PyTorch's global generator"] = lambda: torch.get_rng_state().numpy().tobytes()
    for name, thing in _within_reach(f):
        if isinstance(thing, KINDS):
            found.setdefault(f"the generator {name}", partial(state_of, thing))
    for name, thing in (*((f"in argument {n}", a) for n, a in enumerate(args)), *kwargs.items()):
        if isinstance(thing, KINDS):
            found[f"the generator {name}"] = partial(state_of, thing)
    return Randomness({name: (state, state()) for name, state in found.items()})


def _within_reach(f: Any, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """What a function or an object names: globals, closure, defaults, attributes, and what these name."""
    function = getattr(f, "__func__", f)
    code = getattr(function, "__code__", None)
    named: list[tuple[str, Any]] = []
    if code is not None:
        names = getattr(function, "__globals__", {})
        named += [(name, names[name]) for name in code.co_names if name in names]
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # not bound yet
                named.append((name, cell.cell_contents))
        defaults = function.__defaults__ or ()
        first = code.co_argcount - len(defaults)
        named += zip(code.co_varnames[first : code.co_argcount], defaults, strict=True)
        named += (getattr(function, "__kwdefaults__", None) or {}).items()
    owner = getattr(f, "__self__", f)
    if not isinstance(owner, type | ModuleType | np.ndarray | np.ufunc):
        named += getattr(owner, "__dict__", {}).items()
    if depth and hasattr(type(owner), "forward"):
        named.append(("forward", type(owner).forward))
    for name, thing in named:
        yield name, thing
        parts = thing if isinstance(thing, tuple | list) and len(thing) < 8 else [thing]
        for part in parts if depth else ():
            if callable(part) or hasattr(part, "__dict__"):
                yield from _within_reach(part, depth - 1)


def distance(first: Sequence[Array], again: Sequence[Array]) -> float:
    """The largest difference between arrays of two calls; nan on one side only is infinite."""
    apart = 0.0
    for one, other in zip(first, again, strict=False):
        if one.shape != other.shape:
            return np.inf
        if not np.array_equal(one, other, equal_nan=True):
            with np.errstate(all="ignore"):
                gaps = np.abs(one - other)
            apart = max(apart, float(np.max(np.where(np.isnan(gaps), np.inf, gaps))))
    return apart
