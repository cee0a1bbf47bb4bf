"""What a workload is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.measuring.task import Task, What

Array = NDArray[np.float64]
Make = Callable[[int, np.random.Generator], tuple[Array, ...]]


class Workload(NamedTuple):
    """A derivative that is measured.

    Attributes
    ----------
    name : str
        For the table, at most 20 characters.
    what : str
        ``grad``, ``jacobian`` or ``hessian``.
    function : callable
        Plain NumPy: the same text is what every rival differentiates.
    make : callable
        ``make(size, rng)`` gives its arguments.
    size, small : int
        The standard size, and one for tests.
    wrt : int
        Position of the argument.
    hand : callable or None
        The whole derivative, new, as fast as NumPy can be made to give it.
    hand_into : callable or None
        Rewrites the nonzeros of ``out``, which was zeros before the first call.
    """

    name: str
    what: What
    function: Callable[..., Any]
    make: Make
    size: int
    small: int
    wrt: int = 0
    hand: Callable[..., Array] | None = None
    hand_into: Callable[..., None] | None = None

    def task(self, size: int, seed: int = 0) -> Task:
        """What is measured, at a size."""
        args = self.make(size, np.random.default_rng([seed, size]))
        return Task(
            self.name, self.function, args, self.what, self.wrt, None, self.hand, self.hand_into
        )


def normal(*shapes: str) -> Make:
    """Standard normal arrays; ``"nn"`` is n × n, ``"n"`` a vector."""

    def make(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return tuple(rng.standard_normal((n,) * len(shape)) for shape in shapes)

    return make


def well_posed(*shapes: str) -> Make:
    """The same, the first one a matrix far from singular."""

    def make(n: int, rng: np.random.Generator) -> tuple[Array, ...]:
        X, *rest = normal(*shapes)(n, rng)
        return (np.eye(n) + X / (2 * np.sqrt(n)), *rest)

    return make
