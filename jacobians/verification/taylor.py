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
from jacobians.verification.claims import Sample, drawn
from jacobians.verification.contests import assembled
from jacobians.verification.stepping import Pointwise, quiet
from jacobians.verification.subject import Pair, Subject
from jacobians.verification.verdicts import symmetric

_FIRST, _RATIO, _STEPS = 0.05, 4.0, 13
_CLEAR = 300.0  # units of rounding from which a remainder counts
_MOST_SUMS = 1024  # results that a remainder is measured in one by one
_USED = 3  # the smallest steps whose remainder is clear


class Slope(NamedTuple):
    """The exponent with which the remainder shrinks."""

    value: float | None  # none where it cannot be told
    note: str = ""  # "exact to rounding" where there is no remainder, or why there is no slope

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


class Walks:
    """Walks along random directions, each made once for all claims about a function."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self._subject, self._seed = subject, seed
        self._known: dict[tuple[int, bytes], Walk] = {}

    def slope(self, sample: Sample, pair: Pair, *, even: bool) -> Slope:
        """Of a claim along a random direction, or of what it says to one upstream or direction."""
        if not pair.size:
            return Slope(None, "not known: there are no entries")
        random = np.random.default_rng([self._seed, 1, pair.which])
        direction = drawn(random, pair.inner.shape)
        if sample.way == "forward" and not sample.whole:
            direction = sample.given[0]
        direction = symmetric(direction) if even else direction
        key = pair.which, direction.tobytes()
        if key not in self._known:
            self._known[key] = Walk(self._subject.pointwise(pair.which), direction)
        walk = self._known[key]
        if sample.way == "backward" and not sample.whole:
            change = np.array([np.vdot(sample.got[0], walk.direction)])
            return walk.slope(change, sample.given[0].reshape(1, -1), pair.part)
        with np.errstate(all="ignore"):
            change = sample.got[0].reshape(-1) * walk.share
            if sample.whole:
                tensor = assembled(sample, pair)
                change = np.tensordot(tensor, walk.direction, pair.inner.ndim).reshape(-1)
        if pair.out.size <= _MOST_SUMS:
            return walk.slope(change, None, pair.part)
        weights = drawn(random, (1, pair.out.size))  # one random sum stands for many results
        return walk.slope(weights @ change, weights, pair.part)
