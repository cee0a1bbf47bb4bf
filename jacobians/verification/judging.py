"""One guess at a mistake, and how much of the error it explains.

A guess predicts the claimed tensor from the expected one. It is tried on a sample first, up to a
constant factor, which is then named where it means something; so every guess composes with a sign
and a factor, and none needs to know of them. What a right guess leaves at a few entries is named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification import places
from jacobians.verification.case import (
    Case,
    allowance,
    norm,
    positive,
    sample_of,
    taken,
)
from jacobians.verification.factors import Reading, readings
from jacobians.verification.flow import Flow

NEARLY_ALL = 0.01  # the largest share of the error that an explanation may leave
_CLOSE = 0.02  # a relative difference that a sampled entry may have
_ENOUGH = 0.75  # the share of sampled entries that must be close
_TELLING = 4  # how many times what it may be off by an entry must be to count as evidence
_MANY = 8  # so many entries must speak for an explanation that leaves something
_FEW = 0.05  # the share of entries that may be wrong besides
CLOSE = 1e-5  # the relative error of a factor that is named
PLAIN = {
    0.0: "is missing (it is held constant, or forgotten)",
    2.0: "is there twice",
    0.5: "is half of what it should be",
    -1.0: "has the wrong sign",
}
"""Factors of a path that need no more words."""


@dataclass(frozen=True)
class Diagnosis:
    """A guess that holds: what it says, how plain it is, and the share of the error it leaves."""

    kind: str
    clauses: tuple[str, ...]
    weight: float
    remaining: float = 0.0

    @property
    def full(self) -> bool:
        """Whether nothing is left."""
        return self.remaining == 0

    @property
    def text(self) -> str:
        """All that it says."""
        return ", and ".join(self.clauses)


class Guess(NamedTuple):
    """A mistake in one place, and what it gives: a map from the expected tensor, or what it adds."""

    kind: str  # its kind, and what it says, without a capital and a full stop
    clause: str
    weight: float  # the plainer, the smaller: orders explanations that explain equally well
    # The prediction, from the expected tensor; applied to the tolerances too where they are not given by
    # ``tolerance``. Its entries in row-major order are the prediction.
    apply: Callable[[Array], Array]
    # What of the claimed tensor is predicted; all of it by default.
    of: Callable[[Array], Array] | None = None
    tolerance: Callable[[Array], Array] | None = None
    scaled: bool = True  # whether a factor other than ±1 may come on top
    # What the mistake adds to the right numbers of the case's flow; ``words`` then says it for the factor by
    # which it holds, where that is free.
    adds: Array | None = None
    words: Callable[[float], str] | None = None
    free: int = 0  # how many numbers of its own it was given, so that it fits


def added(kind: str, words: str | Callable[[float], str], adds: Array, weight: float) -> Guess:
    """A mistake at a node of the graph: what it says, and what it adds to the right numbers.

    Words that are a function of a number name the factor by which ``1 + …`` of it stands there.
    """
    free = None if isinstance(words, str) else words
    clause = words if isinstance(words, str) else ""
    return Guess(kind, clause, weight, np.asarray, scaled=free is not None, adds=adds, words=free)


def is_earned(free: int, explained: int) -> bool:
    """Whether an explanation with so many free numbers explains more: else it is none, but a coincidence.

    A sign, 2 and ½ are no free number; the size of an axis, out of several, is one; any other number that
    was chosen for its size counts as two, for it may be read in many ways.
    """
    return explained > free


class Fit(NamedTuple):
    """A constant factor with what is said of it, and its weight.

    ``named`` is a factor that means something; ``free`` how many free numbers it counts as.
    """

    factor: Any
    kind: str
    clauses: tuple[str, ...]
    weight: float
    named: bool
    free: int


class Judge:
    """Holds guesses against one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.readings: dict[float, list[Reading]] = readings(
            tuple(case.extents or zip(case.names, case.expected.shape, strict=True))
        )
        self._values = np.array(list(self.readings))

    def __call__(self, guess: Guess) -> Diagnosis | None:
        """The explanation that the guess gives, None where it gives none."""
        case = self.case
        if guess.adds is not None:
            return _along(guess, guess.adds, case.flow) if case.flow is not None else None
        claimed = case.claimed if guess.of is None else guess.of(case.claimed)
        fit = self._sampled(guess, claimed) if claimed.size else None
        if fit is None or (not guess.clause and not fit.clauses):
            return None
        predicted = guess.apply(case.expected).reshape(claimed.shape)
        tol = (guess.tolerance or guess.apply)(case.tol).reshape(claimed.shape)
        if not fit.named:
            fit = fit._replace(factor=_least_squares(claimed, predicted))
        allowed = allowance(case, tol, predicted, fit.factor)
        left = positive(np.abs(claimed - fit.factor * predicted) - allowed)
        before = case.before if guess.of is None else norm(np.nan_to_num(claimed))
        remaining = norm(left) / before if before > 0 else 0.0
        # What is allowed to be off by its own size is no evidence.
        significant = np.fmax(np.abs(claimed), np.abs(fit.factor * predicted)) > _TELLING * allowed
        wrong = left > 0
        telling = np.count_nonzero(significant)
        free = guess.free + (fit.free if guess.scaled else 2)
        if not is_earned(free, int(telling)):
            return None
        enough = int(np.count_nonzero(significant & ~wrong))
        clauses = ((guess.clause,) if guess.clause else ()) + fit.clauses
        kind, weight = (
            guess.kind or fit.kind,
            guess.weight + fit.weight / (3 if guess.clause else 1),
        )
        if not wrong.any():
            return Diagnosis(kind, clauses, weight)
        if 0 < (count := int(np.count_nonzero(wrong))) <= _FEW * enough:
            more = f"{_entries(count)} wrong besides, {self._besides(wrong, significant)}"
            return Diagnosis(kind, (*clauses, more), weight + 1.5)
        nearly = remaining <= NEARLY_ALL and telling >= _MANY and fit.free < 2
        if nearly and self._improves(claimed, left):
            return Diagnosis(kind, clauses, weight, remaining)
        return None

    def compares(self, claimed: Array) -> bool:
        """Whether the axes of what is compared are those of the expected tensor."""
        return claimed.shape == self.case.expected.shape

    def _besides(self, wrong: Array, significant: Array) -> str:
        """Where the few entries are that an explanation leaves wrong."""
        if self.compares(wrong):
            return places.find(wrong, significant, self.case.names, self.case.out_ndim).words
        at = [tuple(int(n) for n in index) for index in np.argwhere(wrong)[:3]]
        return f"at its index {places.listed([str(index) for index in at])}"

    def _improves(self, claimed: Array, left: Array) -> bool:
        """Whether nearly every wrong entry comes ten times nearer."""
        if not self.compares(claimed):
            scale = norm(np.nan_to_num(claimed)) / max(claimed.size, 1) ** 0.5
            return bool(np.quantile(left, 0.9) <= 0.1 * scale)
        wrong = self.case.fails
        error = np.abs(claimed - self.case.expected)
        return bool(np.mean(left[wrong] <= 0.1 * error[wrong]) >= 0.9) if wrong.any() else False

    def _sampled(self, guess: Guess, claimed: Array) -> Fit | None:
        """The factor by which the guess holds on a sample, None where it does not."""
        case = self.case
        flat = case.sample if guess.of is None else sample_of(claimed)
        here = taken(claimed, flat)
        predicted = guess.apply(case.expected)
        if predicted.size != claimed.size:
            return None
        there, tol = (
            taken(array, flat) for array in (predicted, (guess.tolerance or guess.apply)(case.tol))
        )
        return self.fit(here, there, tol, guess.scaled)

    def fit(self, claimed: Array, predicted: Array, tol: Array, scaled: bool = True) -> Fit | None:
        """The factor between the two where nearly all entries agree on one."""
        known = np.isfinite(claimed) & np.isfinite(predicted)
        known &= (np.abs(claimed) > tol) | (np.abs(predicted) > tol)
        claimed, predicted, tol = claimed[known], predicted[known], tol[known]
        if not predicted.size or not np.abs(predicted).max() > 0:
            return None
        factor = _middle_ratio(claimed, predicted)
        size = np.maximum(np.abs(claimed), np.abs(factor * predicted))
        allowed = allowance(self.case, tol, predicted, factor)
        telling = size > _TELLING * allowed
        close = telling & (np.abs(claimed - factor * predicted) <= _CLOSE * size + allowed)
        if factor == 0 or not np.isfinite(factor) or not close.any():
            return None
        if np.count_nonzero(close) < _ENOUGH * np.count_nonzero(telling):
            return None
        claimed, predicted, tol = claimed[close], predicted[close], tol[close]
        factor = _least_squares(claimed, predicted)
        if not np.isfinite(factor) or factor == 0:
            return None

        def error(value: Any) -> float:
            off = np.abs(claimed - value * predicted)
            return float(np.median(positive(off - allowance(self.case, tol, predicted, value))))

        best = 1.5 * error(factor)
        phase = np.sign(factor.real) or 1.0
        near = np.abs(self._values - abs(factor)) <= _CLOSE * abs(factor)
        for value in self._values[near] if scaled else np.ones(1):
            if error(phase * value) <= best:
                return self._named(phase, float(value))
        if not scaled:
            return None
        clause = f"it is {_number(factor)} × the right derivative, a constant factor"
        return Fit(factor, "factor", (clause,), 2.0, False, 2)

    def _named(self, phase: float, value: float) -> Fit:
        """A factor that means something."""
        clauses = ("the sign is wrong",) if phase < 0 else ()
        if value == 1:
            return Fit(phase, "sign", clauses, 1.0 if phase < 0 else 0.0, True, 0)
        meant = self.readings[value]
        more = [reading.meaning for reading in meant if reading.meaning][:2]
        text = f"it is {meant[0].written} × the right derivative"
        text += f" ({', or '.join(more)})" if more else ""
        weight = 1.1 if phase > 0 else 1.4
        free = 0 if value in (2, 0.5) else 1 if meant[0].of_sizes else 2
        return Fit(phase * value, meant[0].kind, (*clauses, text), weight, True, free)


def _along(guess: Guess, adds: Array, flow: Flow) -> Diagnosis | None:
    """Whether a mistake at a node adds up to the error, along all paths that are looked at."""
    words, weight, free = guess.clause, guess.weight, guess.free
    if guess.words is None:
        flow.tried.append(guess)
    else:
        below = float(np.vdot(adds, adds))
        c = float(np.vdot(adds, flow.error)) / below if below > 0 else 0.0
        adds, words = c * adds, guess.words(c + 1)
        plain = any(abs(c + 1 - n) <= CLOSE for n in PLAIN)
        weight += (
            -0.2 + 0.001 * (abs(c + 1) > CLOSE) if plain else 0.15 if " meant" in words else 0.6
        )
        free = 0 if plain else 1
    if not np.abs(adds - flow.error).max() <= flow.allowed:
        return None
    if not is_earned(free, flow.explained_by(adds)):
        return None
    return Diagnosis(guess.kind, (words,), weight)


def _middle_ratio(claimed: Array, predicted: Array) -> Any:
    """The median of the ratios, each entry weighted by its size; the mean for complex numbers."""
    if np.iscomplexobj(claimed) or np.iscomplexobj(predicted):
        return _least_squares(claimed, predicted)
    chosen = predicted != 0
    ratio = claimed[chosen] / predicted[chosen]
    order = np.argsort(ratio)
    total = np.cumsum(np.abs(predicted[chosen])[order])
    return ratio[order][np.searchsorted(total, total[-1] / 2)]


def _least_squares(claimed: Array, predicted: Array) -> Any:
    """The factor that fits best, of the entries that are numbers."""
    both = np.isfinite(claimed) & np.isfinite(predicted)
    predicted = np.where(both, predicted, 0).ravel()
    claimed = np.where(both, claimed, 0).ravel()
    below = np.vdot(predicted, predicted).real
    return np.vdot(predicted, claimed) / below if below > 0 else np.float64(0)


def _number(value: Any) -> str:
    text = f"{value:.4g}"
    return (f"{value:.9g}" if text == "1" else text).replace("-", "−")


def _entries(count: int) -> str:
    return "one entry is" if count == 1 else f"{count} entries are"
