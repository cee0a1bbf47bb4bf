"""The corner of a tensor that is too large to be seen whole: its first entries along each axis, explained."""

from collections.abc import Sequence
from math import prod

import numpy as np

from jacobians.verification.case import Sources, letters
from jacobians.verification.claims import Claim, Sample
from jacobians.verification.contests import assembled
from jacobians.verification.reasoning import Finding, explain, is_vague
from jacobians.verification.references import Numerical
from jacobians.verification.subject import Pair
from jacobians.verification.verdicts import Tolerance, held

_MOST = (
    64  # entries of the argument in a corner, and of the result: each takes two evaluations of f
)


def corner(shape: Sequence[int]) -> tuple[int, ...]:
    """How many entries along each axis: the longest are halved until there are few."""
    sizes = list(shape)
    while prod(sizes) > _MOST:
        longest = sizes.index(max(sizes))
        sizes[longest] = (sizes[longest] + 1) // 2
    return tuple(sizes)


def _flat(part: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """The places of a corner's entries in the flat array."""
    return [int(n) for n in np.arange(prod(shape)).reshape(shape)[tuple(map(slice, part))].ravel()]


def explained_at_a_corner(
    claim: Claim, sample: Sample, judge: Numerical, pair: Pair, tolerance: Tolerance
) -> tuple[Finding, ...]:
    """What holds of the entries at the corner of the argument and of the result."""
    out, inner = corner(pair.out.shape), corner(pair.inner.shape)
    outer, below = _flat(out, pair.out.shape), _flat(inner, pair.inner.shape)
    if sample.whole:
        tensor = assembled(sample, pair)
        claimed = tensor.reshape(pair.out.size, -1)[np.ix_(outer, below)]
    else:
        rows = claim.at(pair, outer if sample.way == "backward" else below)
        if rows is None:
            return ()
        claimed = rows[:, below] if sample.way == "backward" else rows[:, outer].T
    right = judge.few_columns(pair, below).taken(outer).reshaped((*out, *inner))
    claimed = claimed.reshape(right.value.shape)
    verdict = held(claimed, right, tolerance)
    names = letters(len(out), len(inner))
    expected = np.where(verdict.fails, right.value, claimed)
    found = explain(
        claimed, expected, names, len(out), 0, verdict.allowed, Sources(),
        list(zip(names, pair.shape, strict=True)),
    )  # fmt: skip
    seen = [
        f"{a} < {n}" for a, n, m in zip(names, (*out, *inner), pair.shape, strict=True) if n < m
    ]
    plain = [one for one in found if one.remaining == 0 and not is_vague(one)]
    return tuple(
        Finding(one.kind, f"{one.text[:-1]}; seen where {', '.join(seen)}.", one.remaining)
        for one in (plain or found)
        if one.kind not in ("unexplained", "nan")
        and (one.kind != "axis factor" or "zeros and ones" in one.text)  # of so few, any would do
    )
