"""Numerical Jacobians of a function of one array: by complex step, by differences, or by both.

The complex step ``Im f(x + ih e)/h`` has no difference to round, and so is exact to rounding for an
analytic function. It is silently 0 or wrong where a function takes absolute values, conjugates, real
parts or comparisons. Its rows are therefore trusted only where their product with a direction agrees
with differences of f along it.

References
----------
W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review
40 (1998) 110-112. J. R. R. A. Martins, P. Sturdza and J. J. Alonso, The complex-step derivative
approximation, ACM Transactions on Mathematical Software 29 (2003) 245-262.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.graph.node import Array
from jacobians.verification.differences import WIDEST, Estimate, along, exact, noise_of

Method = Literal["auto", "complex-step", "richardson"]
METHODS: tuple[Method, ...] = ("auto", "complex-step", "richardson")

RICHARDSON = "Richardson-extrapolated central differences"
_EVALUATIONS = 12  # of f for a column, by differences
_MANY = 64  # columns from which each has one pair of points, not a table of them
_MOST_GROUPS = 512  # of columns that are moved at once
_IMAGINARY = 1e-30  # its square is lost beside any number, it itself is not
_AGREES = 1e-6  # how far complex step and differences may differ, as a share of the row


class Approximation(NamedTuple):
    """A numerical Jacobian and how it was made."""

    # One row for each entry of the result, one column for each of the argument that was asked for.
    estimate: Estimate
    by: str  # in words


class Pointwise:
    """A function of one array at a point, its result flat.

    ``function`` takes an array of the point's shape, real or complex; ``value`` is what it gives there.
    """

    def __init__(
        self, function: Callable[[Array], Array], point: Array, value: Array, eps: float
    ) -> None:
        self._function = function
        self.point, self.value, self.eps = point, value, eps
        sizes = np.where(np.isfinite(point), np.abs(point), 1.0)
        self.scales = np.asarray(np.maximum(sizes, 1.0), np.float64)

    def __call__(self, x: Array) -> Array:
        """The function at a real array."""
        with np.errstate(all="ignore"):
            return np.asarray(self._function(x.astype(self.point.dtype)), np.float64)

    @cached_property
    def noise(self) -> Array:
        """The rounding of each entry of the value, as measured."""
        away = 16 * self.eps * self.scales * _signs(self.point.shape)
        with quiet():
            return noise_of(lambda t: self(self.point + t * away), self.value, self.eps)

    def by_differences(self, columns: Sequence[int] | None = None) -> Estimate:
        """The Jacobian, or some of its columns."""
        which = np.arange(self.point.size) if columns is None else np.asarray(columns, int)

        def line(n: int, t: float) -> tuple[Array, float]:
            x = self.point.copy()
            flat = x.reshape(-1)
            start = flat[which[n]]
            flat[which[n]] = start + t
            return self(x), float(flat[which[n]]) - float(start)

        widest = WIDEST * self.scales.reshape(-1)[which]
        with quiet():
            found = along(line, widest, self.value, self.noise, self.eps)
        return Estimate(*(array.T for array in found))

    def along(self, directions: Sequence[Array]) -> Estimate:
        """The derivatives along directions: one row for each."""

        def line(n: int, t: float) -> tuple[Array, float]:
            return self(self.point + t * directions[n]), t

        reach = [np.max(np.abs(d) / self.scales, initial=0.0) for d in directions]
        widest = WIDEST / np.array([r if r > 0 else 1.0 for r in reach])
        with quiet():
            return along(line, widest, self.value, self.noise, self.eps)

    def by_complex_step(self, columns: Sequence[int] | None = None) -> Array:
        """The Jacobian, whether it is right or not.

        Raises
        ------
        UnsupportedError
            Where the function does not take complex arrays, or drops their imaginary parts.
        """
        which = range(self.point.size) if columns is None else columns
        found = np.empty((self.value.size, len(which)))
        steps = _IMAGINARY * self.scales.reshape(-1)
        try:
            with quiet(), np.errstate(all="ignore"):
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                for place, n in enumerate(which):
                    x = self.point.astype(np.complex128)
                    x.reshape(-1)[n] += 1j * steps[n]
                    found[:, place] = np.imag(self._function(x)) / steps[n]
        except Exception as error:  # a function made for real numbers may raise anything
            raise UnsupportedError(
                f"complex step: the function takes no complex arrays: {type(error).__name__}: {error}"
            ) from None
        return found

    def agreement(self) -> tuple[Array, Estimate]:
        """A direction, and the derivative along it by differences: the judge of complex step."""
        direction = self.scales * _signs(self.point.shape)
        return direction, self.along([direction]).taken(0)

    def measured(self, method: Method, columns: Sequence[int] | None = None) -> Approximation:
        """The Jacobian by a method; complex step only in the rows where differences agree."""
        quicker = columns is not None and _EVALUATIONS * len(columns) < self.point.size
        if method == "richardson" or (method == "auto" and (quicker or self.eps > 1e-12)):
            return Approximation(self.by_differences(columns), RICHARDSON)
        try:
            found = self.by_complex_step()
        except UnsupportedError:
            if method == "complex-step":
                raise
            which = range(self.point.size) if columns is None else columns
            if len(which) <= _MANY:
                return Approximation(self.by_differences(columns), RICHARDSON)
            return self.by_single_differences(which)
        trusted, error = self._trusted(found)
        chosen = found if columns is None else found[:, list(columns)]
        estimate = exact(np.where(np.isfinite(chosen), chosen, np.nan))
        estimate.error[...] = error[:, None]
        by = "complex step, which differences of f confirm"
        if not np.all(trusted):
            other = self.by_differences(columns)
            for mine, theirs in zip(estimate, other, strict=True):
                mine[~trusted] = theirs[~trusted]
            count, of = int(np.count_nonzero(trusted)), len(trusted)
            by = f"complex step for {count} of {of} results, {RICHARDSON} for the others"
            if not count:
                by = f"{RICHARDSON} (they contradict complex step)"
        return Approximation(estimate, by)

    def by_single_differences(self, which: Sequence[int]) -> Approximation:
        """Some columns by one pair of points for each; confirmed, or extrapolated."""
        steps = self.eps ** (1 / 3) * self.scales.reshape(-1)
        found, gaps = (np.empty((self.value.size, len(which))) for _ in range(2))
        with quiet(), np.errstate(all="ignore"):
            for place, n in enumerate(which):
                x, start = self.point.copy(), self.point.reshape(-1)[n]
                flat = x.reshape(-1)
                flat[n] = start + steps[n]
                up, right = self(x), float(flat[n] - start)
                flat[n] = start - steps[n]
                down, left = self(x), float(start - flat[n])
                found[:, place] = (up - down) / (right + left)
                gaps[:, place] = (up - self.value) / right - (self.value - down) / left
        direction = self.scales * _signs(self.point.shape)
        moved = np.zeros(self.point.size)
        moved[list(which)] = direction.reshape(-1)[list(which)]
        slope = self.along([moved.reshape(self.point.shape)]).taken(0)
        with np.errstate(all="ignore"):
            size = np.max(np.abs(found), axis=1, initial=0.0)
            apart = np.abs(found @ moved[list(which)] - slope.value)
            spread = np.abs(found) @ np.abs(moved[list(which)])
            error = 4 * self.noise[:, None] / steps[list(which)] + 1e-9 * size[:, None]
            smooth = np.all(np.abs(gaps) <= 1e-3 * np.maximum(size[:, None], error))
            agrees = np.all(apart <= 10 * slope.error + _AGREES * spread)
        if not (smooth and agrees and np.all(np.isfinite(found))):
            return Approximation(self.by_differences(which), RICHARDSON)
        estimate = Estimate(found, error, np.zeros_like(found))
        return Approximation(estimate, "central differences, which extrapolated ones confirm")

    def by_groups(self, pattern: NDArray[np.bool_]) -> Approximation | None:
        """The Jacobian where it is zero off a pattern: columns that share no row are moved at once.

        None where the groups are many, or the pattern is not the function's: a change in a row that no
        moved column has, or a slope along some direction that the Jacobian does not give.
        """
        groups = _apart(pattern, min(pattern.shape[1] // 2, _MOST_GROUPS))
        if groups is None:
            return None
        found = np.zeros((self.value.size, self.point.size))
        steps = self.eps ** (1 / 3) * self.scales.reshape(-1)
        error = 4 * self.noise[:, None] / steps + 0.0 * found
        with quiet(), np.errstate(all="ignore"):
            for columns in groups:
                move = np.zeros(self.point.size)
                move[columns] = steps[columns]
                step = move.reshape(self.point.shape)
                up, down = self(self.point + step), self(self.point - step)
                owner = np.full(self.value.size, -1)
                for n in columns:
                    owner[pattern[:, n]] = n
                change = up - down
                still = np.abs(change[owner < 0])
                if not np.all(still <= 16 * self.noise[owner < 0]):
                    return None
                rows = np.flatnonzero(owner >= 0)
                found[rows, owner[rows]] = change[rows] / (2 * steps[owner[rows]])
                bend = np.abs(up + down - 2 * self.value)[rows]
                slope = np.maximum(np.abs(change[rows]), 8 * self.noise[rows])
                if not np.all(bend <= 1e-3 * slope + 8 * self.noise[rows]):
                    return None
            error = error + 1e-9 * np.max(np.abs(found), axis=1, initial=0.0)[:, None]
            if not self._is_confirmed(found):
                return None
        estimate = Estimate(found, error, np.zeros_like(found))
        return Approximation(estimate, "central differences, which extrapolated ones confirm")

    def _is_confirmed(self, found: Array) -> bool:
        """Whether slopes along random directions are those that a Jacobian gives."""
        random = np.random.default_rng(21)
        for _ in range(2):
            d = self.scales * random.uniform(0.5, 1.5, self.point.shape)
            along = self.along([d]).taken(0)
            apart = np.abs(found @ d.reshape(-1) - along.value)
            spread = np.abs(found) @ np.abs(d.reshape(-1))
            if not np.all(apart <= 10 * along.error + _AGREES * spread):
                return False
        return True

    def _trusted(self, found: Array) -> tuple[NDArray[np.bool_], Array]:
        """The rows in which differences agree with complex step, and the error of each."""
        direction, slope = self.agreement()
        flat = direction.reshape(-1)
        with np.errstate(all="ignore"):
            size = np.abs(found) @ np.abs(flat)
            apart = np.abs(found @ flat - slope.value)
            least = self.eps**0.5 * np.max(np.abs(self.value), initial=0.0)
            agrees = apart <= 10 * slope.error + _AGREES * size
            sharp = slope.error <= 1e-3 * np.maximum(size, least)
            # What rounds f by a share rounds its derivative by about as much.
            share = self.noise / np.maximum(np.abs(self.value), np.finfo(float).tiny)
            largest = np.max(np.abs(found), axis=1, initial=0.0)
        share = np.clip(np.where(np.isfinite(share), share, self.eps), self.eps, 1e-3)
        trusted = agrees & sharp & (slope.gap == 0) & np.all(np.isfinite(found), axis=1)
        return trusted, 4 * share * largest


def _apart(pattern: NDArray[np.bool_], most: int) -> list[list[int]] | None:
    """Columns in groups in which no two have a row in common; None where there are more than so many."""
    groups: list[list[int]] = []
    taken: list[NDArray[np.bool_]] = []
    if np.max(np.count_nonzero(pattern, axis=1), initial=0) > most:
        return None
    for n in range(pattern.shape[1]):
        own = pattern[:, n]
        for place, rows in enumerate(taken):
            if not (rows & own).any():
                groups[place].append(n)
                taken[place] = rows | own
                break
        else:
            if len(groups) >= most:
                return None
            groups.append([n])
            taken.append(own)
    return groups


def _signs(shape: tuple[int, ...]) -> Array:
    """Numbers between ½ and 1½ of either sign: a direction that no entry is left out of."""
    random = np.random.default_rng(20)
    return np.asarray(random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape))


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings: points beside the given one may lie outside of where f is defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_method(method: str) -> Method:
    """One of the methods; raises for another name."""
    for known in METHODS:
        if method == known:
            return known
    raise JacobiansError(f"method={method!r}: it must be one of {', '.join(METHODS)}")
