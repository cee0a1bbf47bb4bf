"""How fast the remainder ``|f(x + h d) − f(x) − h J d|`` shrinks: as h² for the right J, as h for others.

References
----------
P. E. Farrell, D. A. Ham, S. W. Funke and M. E. Rognes, Automated derivation of the adjoint of
high-level transient finite element programs, SIAM Journal on Scientific Computing 35 (2013) C369-C393,
section 4.1: the Taylor remainder convergence test.
"""

from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.case import norm
from jacobians.verification.stepping import Pointwise, quiet

_FIRST, _RATIO, _STEPS = 0.05, 4.0, 13
_CLEAR = 300.0  # units of rounding from which a remainder counts
_USED = 3  # the smallest steps whose remainder is clear


class Slope(NamedTuple):
    """The exponent with which the remainder shrinks."""

    value: float | None  # none where it cannot be told
    note: str = (
        ""  # "exact to rounding" where there is no remainder at all, or why there is no slope
    )

    def __str__(self) -> str:
        if self.value is None:
            return self.note
        return f"{self.value:.2f}" + (f" ({self.note})" if self.note else "")


class Walk:
    """A function along a line from a point: evaluated once, for any number of claims."""

    def __init__(self, function: Pointwise, direction: Array) -> None:
        reach = float(np.max(np.abs(direction) / function.scales, initial=0.0))
        self.share = 1 / (reach or 1.0)  # of the direction that is walked
        self.direction = direction * self.share
        steps = _FIRST / _RATIO ** np.arange(_STEPS)
        self._start, self._noise = function.value, function.noise
        with quiet():
            self._values = [function(function.point + h * self.direction) for h in steps]
        self._steps = steps

    def slope(self, change: Array, weights: Array | None, part: slice) -> Slope:
        """The slope for a claimed change of ``weights @ f[part]`` along the direction.

        Without a matrix of weights, each entry of the result stands on its own.
        """

        def summed(array: Array, weights: Array | None = weights) -> Array:
            return array[part] if weights is None else weights @ array[part]

        with np.errstate(all="ignore"):
            sizes_of = None if weights is None else np.abs(weights)
            rounding = float(np.sum(summed(self._noise, sizes_of)))
            moved = np.finfo(float).eps * float(np.sum(np.abs(change)))
            sizes = [
                norm(summed(value - self._start) - h * change)
                for h, value in zip(self._steps, self._values, strict=True)
            ]
        known = [n for n, size in enumerate(sizes) if np.isfinite(size)]
        if not known:
            return Slope(None, "not known: f or its derivative is not finite here")
        clear = []
        for n in known:
            if sizes[n] <= _CLEAR * (rounding + moved * self._steps[n]):
                break
            clear.append(n)
        if not clear:
            return Slope(None, "exact to rounding: f is linear here")
        if len(clear) == 1:
            return Slope(None, "exact but for rounding")
        used = clear[-_USED:]
        x, y = np.log([self._steps[n] for n in used]), np.log([sizes[n] for n in used])
        return Slope(float(np.polyfit(x, y, 1)[0]))
