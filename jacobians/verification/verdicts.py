"""Holding one array against another entry by entry, with what each entry is allowed.

Rounding is allowed, by dtype and size; so is the reference's own error. An entry at which f has no
derivative is not held to one number: any between the slopes on both sides is right.

A claim that differs from the reference is heard once more, by numbers of f alone, since a right
derivative is never refused: where f has a kink, where f itself is rounded so much that a difference
means nothing, or where differences of f side with the claim, the reference gives way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.claims import Sample, drawn
from jacobians.verification.contests import Contest, assembled
from jacobians.verification.differences import Estimate, exact
from jacobians.verification.places import Mask
from jacobians.verification.references import Numerical, Reference, changes
from jacobians.verification.stepping import Pointwise
from jacobians.verification.subject import Pair

_SAFETY = 8.0  # by which the reference's estimate of its error may be wrong
_SLACK = 1.001  # slopes beside a kink are measured at some distance
_ROUNDING = 64.0  # roundings that may add up in an entry
_COLUMNS = (16, 1024)  # that are looked at, where there are many: at least, at most
_EFFORT = 1 << 25  # numbers of f that may be computed for a difference in each of them
_MANY = 1 << 18  # entries
_DIRECTIONS = 3  # along which a reference is confirmed
_SHARE = 0.25  # of a claim's difference, that differences of f may be off by and still confirm
_NEAR = 1e-5  # the relative difference of a reference from differences of f
_CLEAR = (
    0.01  # the share of a derivative that rounding may be for a claim that differs to be judged
)
_GAPS = 4.0  # between the slopes at a kink, that a convention may be off by
_SUMMED = 64.0  # of f, that may add up in a derivative


@dataclass(frozen=True)
class Tolerance:
    """What an entry may differ by: ``atol + rtol |expected|``, and what the reference may be wrong by."""

    # The user's; None for √ε of the coarsest dtype, and ε^⅔ of the largest entry by the same result (or of the
    # same gradient), beside what rounding of the largest of all may be.
    rtol: float | None
    atol: float | None
    eps: float  # the coarsest unit of rounding
    natural: float  # the size of an entry that rounding of f alone would make: ``|f| / |x|``
    # By the shapes of what is compared, how many leading axes count results or gradients.
    rows: Mapping[tuple[int, ...], int]

    @property
    def relative(self) -> float:
        """The relative tolerance in use."""
        return self.rtol if self.rtol is not None else self.eps**0.5

    @property
    def of_rounding(self) -> float:
        """What is allowed for the rounding of f."""
        return _ROUNDING * self.eps * self.natural

    def of(self, estimate: Estimate) -> Array:
        """The absolute difference that each entry may have."""
        sizes = np.abs(np.where(np.isfinite(estimate.value), estimate.value, 0.0))
        atol: Any = self.atol
        if atol is None:
            own = tuple(range(self.rows.get(sizes.shape, 0), sizes.ndim))
            largest = np.max(sizes, axis=own, initial=0.0, keepdims=True)
            atol = self.eps ** (2 / 3) * largest + self.of_rounding
            atol = atol + _ROUNDING * self.eps * np.max(sizes, initial=0.0)
        error = np.where(estimate.lost, 0.0, estimate.error)
        allowed: Array = atol + self.relative * sizes + _SAFETY * error
        return allowed


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found entry by entry; arrays of one shape."""

    difference: Array  # absolute; the difference is nan where only one of the two is a number
    allowed: Array
    fails: Mask  # where the claim is wrong
    kinks: Mask  # where f has two slopes
    lost: Mask  # where the reference has no number to hold a claim against


def held(claimed: Array, estimate: Estimate, tolerance: Tolerance) -> Verdict:
    """Hold a claim against a reference of the same shape."""
    expected, allowed = estimate.value, tolerance.of(estimate)
    with np.errstate(all="ignore"):
        same = (claimed == expected) & np.isfinite(expected)
        difference = np.where(same, 0.0, np.abs(claimed - expected))
        near = same | (difference <= allowed)
        between = np.abs(claimed - expected) <= _SLACK * np.abs(estimate.gap) / 2 + allowed
    kinks = estimate.gap != 0
    lost = estimate.lost | ~np.isfinite(expected)  # what is no number agrees with nothing
    return Verdict(difference, allowed, ~(near | (kinks & between) | lost), kinks, lost)


def beside_the_lost(verdict: Verdict, claimed: Array, estimate: Estimate, pair: Pair) -> Verdict:
    """The verdict with what 0 · ∞ leaves, by an entry where there is no derivative, not judged."""
    outputs = tuple(range(pair.out.ndim))
    near = np.isnan(claimed) & (estimate.value == 0)
    near &= np.any(verdict.lost, axis=outputs, keepdims=True)
    return replace(verdict, fails=verdict.fails & ~near, lost=verdict.lost | near)


def hangs_on_kinks(found: Contest, verdict: Verdict) -> bool:
    """Whether what fails is at kinks, by no more than a few times a gap there; or all that is not zero is."""
    fails, gap = verdict.fails, np.abs(found.estimate.gap)
    if not np.any(verdict.kinks) or np.any(fails & ~verdict.kinks):
        return False
    off = np.abs(found.claimed - found.estimate.value)
    if np.any(fails):
        return bool(np.max(off[fails]) <= _GAPS * np.max(gap))
    size = np.abs(np.where(verdict.lost, 0.0, found.estimate.value))
    return bool(np.all((size <= verdict.allowed) | verdict.kinks))


def too_loose(estimate: Estimate, verdict: Verdict, tolerance: Tolerance) -> bool:
    """Whether zero would pass too, although the reference, as it was first, is not zero to its own error."""
    known = ~verdict.lost
    if not np.any(known):
        return False
    size = np.abs(np.where(known, estimate.value, 0.0))
    error = np.where(known, estimate.error, 0.0) + np.abs(np.where(known, estimate.gap, 0.0)) / 2
    floor = _SAFETY * error + tolerance.of_rounding
    return bool(np.all(size <= verdict.allowed) and np.any(size > floor))


def by_rounding(verdict: Verdict, estimate: Estimate, tolerance: Tolerance) -> bool:
    """Whether a claim passes by what is allowed for the rounding of f alone, a share of the derivative."""
    size = np.abs(np.where(verdict.lost, 0.0, estimate.value))
    share = tolerance.of_rounding / max(float(np.max(size, initial=0.0)), np.finfo(float).tiny)
    if tolerance.atol is not None or not _CLEAR < share < 1:  # from 1 on, the reference is 0
        return False
    sharp = verdict.allowed - tolerance.of_rounding
    return bool(np.any((verdict.difference > sharp) & ~verdict.lost & ~verdict.kinks & (size > 0)))


def is_linear(sample: Sample, tolerance: Tolerance, pair: Pair) -> bool:
    """Whether what was said to random arrays is the sum of what was said to the basis."""
    claimed = assembled(sample, pair)
    if claimed.shape != pair.shape:
        return True
    allowed = tolerance.of(exact(claimed))
    with np.errstate(all="ignore"):
        for given, got in zip(
            sample.given[sample.basis :], sample.got[sample.basis :], strict=True
        ):
            expected, margin = (
                np.tensordot(a, tensor, pair.out.ndim)
                if sample.way == "backward"
                else np.tensordot(tensor, a, pair.inner.ndim)
                for a, tensor in ((given, claimed), (np.abs(given), allowed))
            )
            if got.shape != expected.shape:
                return False
            if np.any((np.abs(got - expected) > 10 * margin) & np.isfinite(expected)):
                return False
    return True


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


def ignores_a_triangle(function: Pointwise, pair: Pair) -> bool:
    """Whether f of a symmetric matrix stays what it is when one triangle is changed, and one alone."""
    point = pair.inner
    if point.ndim != 2 or point.shape[0] != point.shape[1] or len(point) < 2:
        return False
    if not np.allclose(point, point.T, rtol=1e-12, atol=0):
        return False
    change = np.triu(1e-3 * function.scales, 1)
    with np.errstate(all="ignore"):
        ignored = [
            np.array_equal(function(point + c)[pair.part], function.value[pair.part])
            for c in (change, change.T)
        ]
    return sum(ignored) == 1


def along_symmetric_changes(
    first: Contest, tolerance: Tolerance, function: Pointwise, pair: Pair, *, derived: bool
) -> tuple[Contest, Verdict] | None:
    """Compared along symmetric changes, where f reads one triangle; None where that is not so.

    One convention decides the whole claim: what is wrong along symmetric changes is held against
    the reference as it was first, without the entries in which differences side with the claim.
    """
    claimed, estimate = first.claimed, first.estimate
    if not np.any(held(claimed, estimate, tolerance).fails):
        return None
    one = reads_one_triangle(claimed, estimate, pair.inner, derived=derived)
    if not one and not ignores_a_triangle(function, pair):
        return None
    both = first._replace(claimed=symmetric(claimed), estimate=Estimate(*map(symmetric, estimate)))
    again = held(both.claimed, both.estimate, tolerance)
    return None if np.any(again.fails) and (derived or one) else (both, again)


def symmetric(array: Array) -> Array:
    """``(A + Aᵀ)/2`` in the last two axes."""
    result: Array = (array + np.swapaxes(array, -1, -2)) / 2
    return result


def reconsidered(
    contest: Contest,
    verdict: Verdict,
    tolerance: Tolerance,
    judge: Numerical,
    reference: Reference,
    pair: Pair,
    *,
    overrule: bool,
) -> tuple[Estimate, int]:
    """The reference, changed where numbers alone say that it does not bind the claim, and in how many entries.

    ``overrule`` says whether differences of f may side with the claim against the reference.
    """
    old = contest.estimate
    new = Estimate(old.value.copy(), old.error.copy(), old.gap.copy())
    if judge.rounding > 4 * tolerance.eps:
        sizes = np.abs(old.value)
        largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
        new.error[...] += _SUMMED * judge.rounding * largest
    if contest.way != "forward" and _confirmed(contest, verdict, judge, reference, pair):
        return new, 0
    where, numerical = _numbers(contest, verdict, judge, pair)
    kink = numerical.gap != 0
    take = kink | numerical.lost | ~np.isfinite(old.value[where])
    overruled = np.zeros(take.shape, bool)
    if overrule:
        against = held(old.value[where], numerical, tolerance).fails
        siding = ~held(contest.claimed[where], numerical, tolerance).fails
        overruled = against & siding & ~take
    for array, other in zip(new, numerical, strict=True):
        array[where] = np.where(take | overruled, other, array[where])
    return new, int(np.count_nonzero(overruled))


def _confirmed(
    contest: Contest, verdict: Verdict, judge: Numerical, reference: Reference, pair: Pair
) -> bool:
    """Whether differences along random directions side with the reference wherever the claim fails.

    They cost some 40 evaluations of f, and spare 12 for each entry of the argument. What they cannot
    tell, a difference too small or a kink, is not confirmed.
    """
    if np.any(verdict.lost) or not pair.inner.size:
        return False
    random = np.random.default_rng(pair.inner.size)
    directions = [drawn(random, pair.inner.shape) for _ in range(_DIRECTIONS)]
    measured, right = (changes(one, pair, directions) for one in (judge, reference))
    shape = (-1, pair.inner.size)
    wrong = (contest.claimed - contest.estimate.value).reshape(shape)
    failing = np.any(verdict.fails.reshape(shape), axis=1)
    upstreams = [G.reshape(-1) for G in contest.given] if contest.way == "backward" else None

    def rows(array: Array, *, absolute: bool = False) -> Array:
        flat: Array = array.reshape(len(directions), -1)
        if upstreams is None:
            return flat
        weights = np.stack(upstreams, axis=1)
        found: Array = flat @ (np.abs(weights) if absolute else weights)
        return found

    with np.errstate(all="ignore"):
        claimed_off = np.stack([wrong @ d.reshape(-1) for d in directions])
        off = np.abs(rows(measured.value - right.value))
        unsure = _SAFETY * rows(measured.error + np.abs(measured.gap), absolute=True)
        known = off + unsure <= _SHARE * np.abs(claimed_off)
    return bool(
        np.all(np.any(known, axis=0)[failing])
        and np.all((off <= unsure + _NEAR * np.abs(rows(right.value)))[:, failing])
    )


def _numbers(
    contest: Contest, verdict: Verdict, judge: Numerical, pair: Pair
) -> tuple[Any, Estimate]:
    """Where entries fail, as an index, and what numbers say there."""
    if contest.way == "forward":
        return ..., changes(judge, pair, contest.given)
    fails = (verdict.fails | verdict.lost).reshape(-1, pair.inner.size)
    columns = np.flatnonzero(np.any(fails, axis=0))
    most = min(max(_EFFORT // (pair.out.size + pair.inner.size), _COLUMNS[0]), _COLUMNS[1])
    if len(columns) > most and pair.size > _MANY:
        columns = columns[:: -(-len(columns) // most)]
    chosen = [int(c) for c in columns]
    if contest.way == "backward":
        found, outer_shape = judge.summed(pair, contest.given, chosen), (len(contest.given),)
    else:
        found, outer_shape = judge.columns(pair, chosen), pair.out.shape
    outer = tuple(slice(None) for _ in outer_shape)
    if not pair.inner.ndim:
        return outer or ..., found.reshaped(outer_shape)
    index = np.unravel_index(columns, pair.inner.shape)
    return (*outer, *index), found.reshaped((*outer_shape, len(columns)))
