"""The two tensors to compare, and the measures that every explanation is judged by.

A claimed tensor is wrong where it differs from the expected one by more than the tolerance; its
*excess* is the part of a difference that the tolerance does not cover. An explanation is worth the
share of the excess that it leaves. Entries that are not finite on either side take no part.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.node import Array
from jacobians.notation.explicit import axis_names
from jacobians.verification.flow import Flow

Terms = Callable[[], Iterable[tuple[str, ArrayLike]]]

_SAMPLE = 256  # entries of each sort that an explanation must fit before all entries are looked at
_ROUNDING = 16  # units of rounding that an explanation may be off by


class Sources(NamedTuple):
    """What else is known of a function; each is asked for only where something is wrong."""

    terms: Terms | None = None  # gives the terms whose sum is right, as pairs of text and array
    flow: Callable[[], Flow | None] | None = None  # gives what runs along the function's graph
    # Gives, in words, other arguments that the claim is right for.
    arguments: Callable[[], Iterable[str]] | None = None
    hurried: bool = False  # whether only the plain hypotheses on the graph are worth their time
    of_graph: bool = False  # whether all that holds on the graph is asked for, and nothing else


NO_SOURCES = Sources()


@dataclass(frozen=True, eq=False)
class Case:
    """Two tensors and what may differ between them."""

    claimed: Array  # real or complex, not finite entries as nan; ``claimed`` may have another shape
    expected: Array
    tol: Array  # the allowed difference of each entry of ``expected``, in its shape
    names: tuple[str, ...]  # the letter of each axis of ``expected``
    out_ndim: int  # how many of the axes are the output's; they come first
    eps: float  # the relative rounding error of the coarser of the two
    fixed: int = 0  # so many leading axes number separate results: they stay where they are
    # Names and sizes of which a constant factor may be made; those of ``expected`` by default.
    extents: Sequence[tuple[str, int]] | None = None
    # What the numbers are multiples of: not 1 where their squares would not be numbers.
    unit: float = 1.0
    sources: Sources = NO_SOURCES  # what else is known of the function

    @cached_property
    def flow(self) -> Flow | None:
        """Gradients along the function's graph, and the error there; None where nothing can be told."""
        found = self.sources.flow() if self.sources.flow is not None else None
        return found if found is not None and found.is_telling else None

    @property
    def same_shape(self) -> bool:
        """Whether the two can be compared entry by entry."""
        return self.claimed.shape == self.expected.shape

    def shape_text(self, array: Array) -> str:
        """A shape in words, without the axes that number results."""
        return str(array.shape[self.fixed :])

    @property
    def out_axes(self) -> tuple[int, ...]:
        """The output's axes."""
        return tuple(range(self.fixed, self.out_ndim))

    @property
    def in_axes(self) -> tuple[int, ...]:
        """The input's axes."""
        return tuple(range(self.out_ndim, self.expected.ndim))

    @property
    def free_axes(self) -> tuple[int, ...]:
        """The axes that a mistake may move."""
        return tuple(range(self.fixed, self.expected.ndim))

    @cached_property
    def size(self) -> Array:
        """The absolute values of the expected tensor."""
        return np.abs(self.expected)

    @cached_property
    def fails(self) -> NDArray[np.bool_]:
        """Which entries are wrong; of the claimed tensor's shape."""
        return self.excess(self.claimed - self.expected) > 0

    @cached_property
    def relevant(self) -> NDArray[np.bool_]:
        """Where either tensor is not zero: all that a structural zero leaves."""
        found = self.size > self.tol
        return found | (np.abs(self.claimed) > self.tol) if self.same_shape else found

    @cached_property
    def before(self) -> float:
        """The norm of the error that is to be explained."""
        if self.same_shape:
            return norm(self.excess(self.claimed - self.expected))
        return norm(np.nan_to_num(self.claimed))

    def excess(self, difference: Array) -> Array:
        """How far each difference passes the tolerance; 0 where it is none."""
        return positive(np.abs(difference) - self.tol)

    @cached_property
    def sample(self) -> NDArray[np.intp]:
        """Flat positions in the claimed tensor that an explanation is tried on first."""
        wrong = self.fails if self.same_shape else None
        return sample_of(self.claimed, wrong)


def sample_of(array: Array, wrong: Array | None = None) -> NDArray[np.intp]:
    """Flat positions that tell most: wrong entries, large ones, and some at random."""
    random = np.random.default_rng(0)
    if array.size <= 2 * _SAMPLE:
        return np.arange(array.size)
    chosen = [random.integers(array.size, size=_SAMPLE)]
    groups = [np.abs(array.ravel()) > 0] if wrong is None else [np.abs(array.ravel()) > 0, wrong]
    for group in groups:
        found = np.flatnonzero(group)
        if len(found):
            chosen.append(found[random.integers(len(found), size=_SAMPLE)])
    return np.unique(np.concatenate(chosen))


def taken(array: Array, flat: NDArray[np.intp]) -> Array:
    """The entries at flat positions in row-major order, without a copy of a view."""
    found: Array = array.flat[flat] if array.ndim <= 32 else array.ravel()[flat]
    return found


def unit_of(*arrays: Array) -> float:
    """A power of two to divide by, 1 where the squares of all numbers are numbers."""
    top = max((float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays), default=0.0)
    return 1.0 if top == 0 or 1e-100 < top < 1e100 else float(2.0 ** np.floor(np.log2(top)))


def norm(array: Array) -> float:
    """The root of the sum of squares."""
    flat = array.ravel()
    found = float(np.sqrt(np.vdot(flat, flat).real))
    if 0 < found < np.inf or not flat.size:
        return found
    largest = float(np.abs(flat).max())  # squares of very small and large numbers are lost
    return largest * norm(flat / largest) if 0 < largest < np.inf else found


def positive(array: Array) -> Array:
    """The positive part, 0 where there is no number."""
    result: Array = np.fmax(array, 0)
    return result


def allowance(case: Case, tol: Array, predicted: Array, factor: complex = 1) -> Array:
    """What a prediction that is multiplied by ``factor`` may be off by."""
    slack = _ROUNDING * case.eps * abs(factor) * np.abs(predicted)
    result: Array = tol * max(1.0, abs(factor)) + slack
    return result


def letters(out_ndim: int, in_ndim: int) -> tuple[str, ...]:
    """The names of the axes; numbers where there are more axes than letters."""
    try:
        return tuple(axis_names(out_ndim, in_ndim))
    except UnsupportedError:
        return tuple(f"axis {axis}" for axis in range(out_ndim + in_ndim))


def numbers(array: ArrayLike) -> Array | None:
    """The array as float64 or complex128; None where it does not hold numbers."""
    try:
        found = np.asarray(array)
        return found.astype(complex if found.dtype.kind == "c" else float, copy=False)
    except (TypeError, ValueError):
        return None


def coarseness(*arrays: Any) -> float:
    """The rounding error of the coarsest floating type among the arrays."""
    found = [np.finfo(float).eps]
    for array in arrays:
        dtype = np.asarray(array).dtype
        if dtype.kind in "fc":
            found.append(np.finfo(dtype).eps)
    return float(max(found))


def tolerances(tolerance: Any, shape: Sequence[int]) -> Array:
    """The tolerance of each entry; the largest for all where it has another shape."""
    found = numbers(tolerance)
    if found is None or not found.size:
        return np.broadcast_to(np.asarray(0.0), tuple(shape))
    found = np.nan_to_num(np.abs(found), nan=0.0, posinf=np.inf)
    try:
        return np.broadcast_to(found, tuple(shape))
    except ValueError:
        return np.broadcast_to(np.max(found), tuple(shape))
