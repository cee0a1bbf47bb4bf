"""Where a function's randomness comes from: generators within its reach whose state moves as it runs."""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.tracing.generators import GLOBAL, KINDS, same_state, state_of, within_reach


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
    given = {id(a): f"in argument {n}" for n, a in enumerate(args)} | {
        id(a): key for key, a in kwargs.items()
    }
    for name, thing in within_reach(*args, *kwargs.values(), f):
        if isinstance(thing, KINDS) and thing is not GLOBAL:
            named = f"the generator {given.get(id(thing), name)}"
            found.setdefault(named, partial(state_of, thing))
    return Randomness({name: (state, state()) for name, state in found.items()})


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
