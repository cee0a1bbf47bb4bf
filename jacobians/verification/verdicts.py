"""Holding one array against another entry by entry, with what each entry is allowed.

Rounding is allowed, by dtype and size; so is the reference's own error. An entry at which f has no
derivative is not held to one number: any between the slopes on both sides is right.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.verification.differences import Estimate

Array = NDArray[Any]
Mask = NDArray[np.bool_]

_SAFETY = 8.0  # by which the reference's estimate of its error may be wrong
_SLACK = 1.001  # slopes beside a kink are measured at some distance
_ROUNDING = 64.0  # roundings that may add up in an entry


@dataclass(frozen=True)
class Tolerance:
    """What an entry may differ by: ``atol + rtol |expected|``, and what the reference may be wrong by.

    Attributes
    ----------
    rtol, atol : float or None
        The user's; None for √ε of the coarsest dtype, and ε^⅔ of the largest entry.
    eps : float
        The coarsest unit of rounding.
    natural : float
        The size of an entry that rounding of f alone would make: ``|f| / |x|``.
    """

    rtol: float | None
    atol: float | None
    eps: float
    natural: float

    @property
    def relative(self) -> float:
        """The relative tolerance in use."""
        return self.rtol if self.rtol is not None else self.eps**0.5

    def of(self, estimate: Estimate) -> Array:
        """The absolute difference that each entry may have."""
        sizes = np.abs(np.where(np.isfinite(estimate.value), estimate.value, 0.0))
        largest = float(np.max(sizes, initial=0.0))
        atol = self.atol
        if atol is None:
            atol = self.eps ** (2 / 3) * largest + _ROUNDING * self.eps * self.natural
        error = np.where(estimate.lost, 0.0, estimate.error)
        allowed: Array = atol + self.relative * sizes + _SAFETY * error
        return allowed


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found entry by entry; arrays of one shape.

    Attributes
    ----------
    difference, allowed : numpy.ndarray
        Absolute; the difference is nan where only one of the two is a number.
    fails : numpy.ndarray of bool
        Where the claim is wrong.
    kinks : numpy.ndarray of bool
        Where f has two slopes.
    lost : numpy.ndarray of bool
        Where the reference has no number to hold a claim against.
    """

    difference: Array
    allowed: Array
    fails: Mask
    kinks: Mask
    lost: Mask


def held(claimed: Array, estimate: Estimate, tolerance: Tolerance) -> Verdict:
    """Hold a claim against a reference of the same shape."""
    expected, allowed = estimate.value, tolerance.of(estimate)
    with np.errstate(all="ignore"):
        same = (claimed == expected) | (np.isnan(claimed) & np.isnan(expected))
        difference = np.where(same, 0.0, np.abs(claimed - expected))
        near = same | (difference <= allowed)
        between = np.abs(claimed - expected) <= _SLACK * np.abs(estimate.gap) / 2 + allowed
    kinks = estimate.gap != 0
    lost = estimate.lost & ~same
    return Verdict(difference, allowed, ~(near | (kinks & between) | lost), kinks, lost)


def reads_one_triangle(claimed: Array, estimate: Estimate, point: Array, *, derived: bool) -> bool:
    """Whether a difference is one of convention: f reads one triangle of a symmetric argument.

    Then its derivative by single entries is 0 in the other triangle, and the derivative of
    ``f((X + Xᵀ)/2)``, which is meant, has half in each.
    """
    if point.ndim < 2 or point.shape[-1] != point.shape[-2] or claimed.ndim < point.ndim:
        return False
    if not np.allclose(point, np.swapaxes(point, -1, -2), rtol=1e-12, atol=0):
        return False
    if derived:
        return True
    upper = np.triu(np.ones(point.shape[-2:], bool), 1)
    value = np.abs(estimate.value)
    small = 1e-9 * np.max(value, initial=0.0, where=np.isfinite(value))
    one = any(np.all(value[..., part] <= small) for part in (upper, upper.T))
    with np.errstate(all="ignore"):
        return bool(one and np.allclose(claimed, np.swapaxes(claimed, -1, -2), rtol=1e-6))


def symmetric(array: Array) -> Array:
    """``(A + Aᵀ)/2`` in the last two axes."""
    result: Array = (array + np.swapaxes(array, -1, -2)) / 2
    return result
