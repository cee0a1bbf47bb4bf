"""What is to be measured: a derivative of a function at given arrays."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import ShapeError

Array = NDArray[Any]
What = Literal["vjp", "grad", "jacobian", "hessian"]
KINDS: tuple[What, ...] = ("vjp", "grad", "jacobian", "hessian")


class Task(NamedTuple):
    """A derivative to be computed by several contenders.

    Attributes
    ----------
    title : str
        For messages and tables.
    function : callable
        Of NumPy's arrays.
    args : tuple of numpy.ndarray
        Where to differentiate.
    what : {"vjp", "grad", "jacobian", "hessian"}
        ``vjp`` is the gradient from an upstream ``G``, the others are as in this package.
    wrt : int or tuple of int
        Several only for ``grad``.
    G : numpy.ndarray or None
        For ``vjp``.
    hand, hand_into : callable or None
        Written by hand: ``hand(*args)``, and ``hand_into(*args, out=)`` that rewrites the structural
        nonzeros of an array that was zeros before its first call.
    explicit : callable or None
        ``explicit(*args)``: the full Jacobian by identity tensors; None for the package's own way.
    own : mapping of str to callable
        Rivals of the user's: ``rival(*args)``, or ``rival(G, *args)`` for ``vjp``.
    """

    title: str
    function: Callable[..., Any]
    args: tuple[Array, ...]
    what: What
    wrt: int | tuple[int, ...] = 0
    G: Array | None = None
    hand: Callable[..., Any] | None = None
    hand_into: Callable[..., Any] | None = None
    explicit: Callable[..., Array] | None = None
    own: Mapping[str, Callable[..., Any]] = {}

    @property
    def full(self) -> bool:
        """Whether the result is a full tensor."""
        return self.what in ("jacobian", "hessian")

    @property
    def place(self) -> int:
        """Where the one argument to differentiate by stands."""
        if not isinstance(self.wrt, int):
            raise ShapeError(f"{self.title}: this is by one argument, not by {self.wrt}")
        return self.wrt

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of the argument to differentiate by."""
        return self.args[self.place].shape

    def tensor_shape(self) -> tuple[int, ...]:
        """Of the full tensor: the Jacobian's, or the Hessian's."""
        out: tuple[int, ...] = np.shape(self.function(*self.args))
        return out + self.in_shape * (2 if self.what == "hessian" else 1)

    def tensor_bytes(self) -> int:
        """Of the full tensor, in 8 bytes an entry."""
        return 8 * prod(self.tensor_shape())


def task(
    title: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    what: What | None = None,
    wrt: int | tuple[int, ...] = 0,
    *,
    seed: int = 0,
    **more: Any,
) -> Task:
    """A task; what is left out follows from the function's value.

    A function that returns one number has its gradient taken, any other one is contracted with a
    random upstream gradient.
    """
    args = tuple(args)
    G = None
    if what in (None, "vjp", "grad"):
        value = np.asarray(function(*args))
        what = what or ("grad" if value.ndim == 0 else "vjp")
        if what == "grad" and value.ndim:
            raise ShapeError(
                f"{title}: the result has shape {value.shape}, a gradient needs a single number; "
                "measure vjp, the gradient from an upstream G, or jacobian"
            )
        if what == "vjp":
            G = np.asarray(np.random.default_rng([seed, 1]).standard_normal(value.shape))
    return Task(title, function, args, what, wrt, G, **more)
