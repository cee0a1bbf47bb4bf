"""Derivatives by central differences, extrapolated to a step of 0, each with an error of its own.

For every line ``t ↦ f(x + t d)`` a table of central differences with shrinking steps is extrapolated by
Richardson's scheme, and for every entry the cell with the least estimated error is taken, as Ridders
proposed. To his estimate the rounding of f is added, as measured by a table of differences. Two things
are not taken on trust: that a table has converged to the derivative *at* x, which a pair of points far
inside its smallest step must confirm, and that there is a derivative at all, which the slopes to the
left and to the right must agree on.

References
----------
C. J. F. Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering Software 4
(1982) 75-76. J. J. Moré and S. M. Wild, Estimating computational noise, SIAM Journal on Scientific
Computing 33 (2011) 1292-1314. For the scheme: numdifftools, and W. H. Press et al., Numerical Recipes,
3rd edition, section 5.7.
"""

from collections.abc import Callable
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Array

Line = Callable[[int, float], tuple[Array, float]]

WIDEST = 0.06  # the first step, as a share of the size of x
_RATIO = 2.5  # of two steps
_ROWS = (4, 7)  # steps of a table: at least, at most
_ATTEMPTS = 5  # tables, each a hundred times narrower than the one before
_NARROWER = 100.0
_INSIDE = 1e-4  # the confirming step, as a share of the table's first one
_BLOCK = 1 << 18  # entries that are worked on at a time


class Estimate(NamedTuple):
    """Derivatives and what is known of them; arrays of one shape."""

    value: Array  # the derivatives, nan where none was found
    error: Array  # an estimate of their error; infinite where none was found
    # The slope to the right less that to the left where these differ (a kink), else 0. ``value`` is then in the
    # middle of both.
    gap: Array

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Where no derivative was found: at a jump, a pole, the edge of where f is defined."""
        return ~np.isfinite(self.error)

    def reshaped(self, shape: tuple[int, ...]) -> "Estimate":
        """In another shape."""
        return Estimate(*(array.reshape(shape) for array in self))

    def summed(self, rows: Array) -> "Estimate":
        """Sums of the rows of a matrix, with these weights."""
        with np.errstate(all="ignore"):
            sizes = np.abs(rows)
            return Estimate(rows @ self.value, sizes @ self.error, sizes @ np.abs(self.gap))

    def taken(self, index: Any) -> "Estimate":
        """A part."""
        return Estimate(*(array[index] for array in self))


def exact(value: Array, error: float = 0.0) -> Estimate:
    """Values that come with one error, or none."""
    return Estimate(value, np.full(value.shape, error), np.zeros(value.shape))


def along(line: Line, widest: Array, value: Array, noise: Array, eps: float) -> Estimate:
    """The derivatives at 0 of functions of one number each: a row for each, a column for each entry of the value.

    ``line(n, t)`` is the n-th function at t, a flat array, and the t that was really taken; ``widest`` has the
    first step of each, ``value`` what all of them are at 0, ``noise`` the rounding of each of its entries.
    """
    shape = (len(widest), len(value))
    found = Estimate(np.full(shape, np.nan), np.full(shape, np.inf), np.zeros(shape))
    rows = max(1, _BLOCK // max(1, len(value)))
    # What rounding alone may look like, where a derivative is 0.
    size = np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
    least = eps**0.5 * size / widest
    with np.errstate(all="ignore"):
        for start in range(0, len(widest), rows):
            left = np.arange(start, min(start + rows, len(widest)))
            for attempt in range(_ATTEMPTS):
                steps = widest[left] / _NARROWER**attempt
                table, moved = _table(line, left, steps, value, noise, eps)
                least[left] = np.fmax(least[left], eps**0.5 * moved / widest[left])
                better = table.error < found.error[left]
                for kept, new in zip(found, table, strict=True):
                    kept[left] = np.where(better, new, kept[left])
                left = left[np.any(_above(1e-4, found.taken(left), least[left]), axis=1)]
                if not len(left):
                    break
        # Where f is 0 and stays so along a line, all that moves it is rounding.
        still = 1e4 * np.max(noise, initial=0.0) / widest
        lost = _above(0.05, found, np.where(least == 0, still, least))
        for array, unknown in zip(found, (np.nan, np.inf, 0.0), strict=True):
            array[lost] = unknown
    return found


def _above(share: float, found: Estimate, least: Array) -> NDArray[np.bool_]:
    """Where the error passes a share of the largest derivative of the line."""
    known = np.abs(np.where(found.lost, 0.0, found.value))
    largest = np.max(known, axis=1, initial=0.0, keepdims=True)
    above: NDArray[np.bool_] = ~(found.error <= share * np.maximum(largest, least[:, None]))
    return above


def _table(
    line: Line, which: Array, widest: Array, value: Array, noise: Array, eps: float
) -> tuple[Estimate, Array]:
    """One table for each line; entries that a narrower pair of points does not confirm are lost.

    And how far f moves at the first step.
    """
    shape = (len(which), len(value))
    best, error = np.full(shape, np.nan), np.full(shape, np.inf)
    above: list[Array] = []
    gap, carried = np.full(shape, np.nan), np.zeros(shape)
    for depth in range(_ROWS[1]):
        steps = widest / _RATIO**depth
        slope, gap = _slopes(line, which, steps, value)
        if depth == 0:
            widest_slope = slope
            sides = np.fmax(np.abs(slope + gap / 2), np.abs(slope - gap / 2))
            moved = np.max(np.where(np.isfinite(sides), sides, 0.0), axis=1, initial=0.0) * steps
        rounding = 2 * noise / steps[:, None]
        carried = np.fmax(carried, eps * (np.abs(slope) + np.abs(gap)))  # into all further rows
        row = [slope]
        for order, coarser in enumerate(above, 1):
            row.append(row[-1] + (row[-1] - coarser) / (_RATIO ** (2 * order) - 1))
        for order, coarser in enumerate(above, 1):
            spread = np.maximum(np.abs(row[order] - row[order - 1]), np.abs(row[order] - coarser))
            total = spread + rounding + carried
            better = total < error
            best, error = np.where(better, row[order], best), np.where(better, total, error)
        above = row
        if depth + 1 >= _ROWS[0]:
            size = np.max(np.abs(best), axis=1, initial=0.0, keepdims=True)
            if np.all((error <= eps ** (2 / 3) * size) | (rounding + carried > error)):
                break
    found = Estimate(best, error, gap)
    return _confirmed(found, line, which, widest, value, noise, widest_slope), moved


def _confirmed(
    found: Estimate,
    line: Line,
    which: Array,
    widest: Array,
    value: Array,
    noise: Array,
    first: Array,
) -> Estimate:
    """What a table found, with the gaps of its last row, where a narrower pair of points confirms it."""
    best, error, gap = found
    inside = _INSIDE * widest
    confirming, inner_gap = _slopes(line, which, inside, value)
    rounding = 2 * noise / inside[:, None]
    # A smooth function's gap shrinks with the step; a kink's does not.
    kink = np.abs(inner_gap) > np.maximum(0.3 * np.abs(gap), 40 * rounding)
    kink &= np.abs(inner_gap) > 1e-7 * np.abs(confirming)
    allowed = 10 * (rounding + error) + 1e-5 * np.abs(best)
    allowed += 10 * _INSIDE**2 * np.abs(first - best)  # what is left of the step's square
    wrong = np.abs(confirming - best) > allowed
    return Estimate(
        np.where(wrong, np.nan, best),
        np.where(wrong, np.inf, error),
        np.where(kink & ~wrong, inner_gap, 0.0),
    )


def _slopes(line: Line, which: Array, steps: Array, value: Array) -> tuple[Array, Array]:
    """Central differences, and the slopes to the right less those to the left."""
    slopes = np.empty((len(which), len(value)))
    gaps = np.empty_like(slopes)
    for place, (n, step) in enumerate(zip(which, steps, strict=True)):
        up, right = line(int(n), float(step))
        down, left = line(int(n), -float(step))
        slopes[place] = (up - down) / (right - left) if right > left else np.nan
        gaps[place] = (up - value) / right - (value - down) / -left if right > 0 > left else np.nan
    return slopes, gaps


def noise_of(near: Callable[[float], Array], value: Array, eps: float) -> Array:
    """How far rounding moves each entry of f, at least half a unit of it.

    ``near(t)`` is f at points that differ by some units of rounding for t = 0, 1, …. The k-th differences of
    k + 1 equidistant values have the variance ``(2k)!/(k!)²`` of the noise, once k is so high that nothing of
    the function itself is left.
    """
    with np.errstate(all="ignore"):
        rows = np.stack([near(float(n)) for n in range(8)])
        least = np.full(np.shape(value), np.inf)
        for order in range(1, 6):
            rows = np.diff(rows, axis=0)
            if order >= 3:
                level = np.sqrt(np.mean(rows**2, axis=0) / comb(2 * order, order))
                least = np.fmin(least, level)
        least = np.where(np.isfinite(least), least, 0.0)
        floor = 0.5 * eps * np.abs(np.where(np.isfinite(value), value, 0.0))
    result: Array = np.maximum(least, floor)
    return result
