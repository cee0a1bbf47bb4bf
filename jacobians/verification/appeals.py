"""A claim that differs from the reference is heard once more: by numbers of f alone.

A right derivative is never refused. So where f has a kink, where f itself is rounded so much that a
difference means nothing, or where differences of f side with the claim, the reference gives way.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.verification.contests import Contest
from jacobians.verification.differences import Estimate
from jacobians.verification.references import Numerical
from jacobians.verification.subject import Pair
from jacobians.verification.verdicts import Tolerance, Verdict, held

Array = NDArray[Any]

_COLUMNS = (16, 1024)  # that are looked at, where there are many: at least, at most
_EFFORT = 1 << 25  # numbers of f that may be computed for a difference in each of them
_MANY = 1 << 18  # entries
_ROUNDINGS = 64.0  # of f, that may add up in a derivative


def reconsidered(
    contest: Contest,
    verdict: Verdict,
    tolerance: Tolerance,
    judge: Numerical,
    pair: Pair,
    *,
    overrule: bool,
) -> tuple[Estimate, int]:
    """The reference, changed where numbers alone say that it does not bind the claim.

    Parameters
    ----------
    contest, verdict : Contest, Verdict
        With entries that fail.
    tolerance : Tolerance
        What entries may differ by.
    judge : Numerical
        The numbers.
    pair : Pair
        The result and the argument.
    overrule : bool
        Whether differences of f may side with the claim against the reference.

    Returns
    -------
    (estimate, count)
        The reference, and in how many entries it was overruled.
    """
    old = contest.estimate
    new = Estimate(old.value.copy(), old.error.copy(), old.gap.copy())
    if judge.rounding > 4 * tolerance.eps:
        sizes = np.abs(old.value)
        largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
        new.error[...] += _ROUNDINGS * judge.rounding * largest
    where, numerical = _numbers(contest, verdict, judge, pair)
    kink = numerical.gap != 0
    take = kink | numerical.lost
    overruled = np.zeros(take.shape, bool)
    if overrule:
        against = held(old.value[where], numerical, tolerance).fails
        siding = ~held(contest.claimed[where], numerical, tolerance).fails
        overruled = against & siding & ~take
    for array, other in zip(new, numerical, strict=True):
        array[where] = np.where(take | overruled, other, array[where])
    return new, int(np.count_nonzero(overruled))


def _numbers(
    contest: Contest, verdict: Verdict, judge: Numerical, pair: Pair
) -> tuple[Any, Estimate]:
    """Where entries fail, as an index, and what numbers say there."""
    if contest.way == "forward":
        return ..., judge.forward(pair, contest.given)
    fails = verdict.fails.reshape(-1, pair.inner.size)
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
