"""From two tensors to ranked findings.

Every explanation is a map, the same for every operation, from the right tensor to what a mistake
makes of it: axes in another order, a lost delta, a missing term, an axis that is not summed. It is
tried on the whole tensor, up to a sign and a constant factor, and is offered where it leaves
nothing of the error that the tolerance does not cover, or next to nothing. Where none does, the
findings say what is known: where the error sits, and its size.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jacobians.verification import arrangements, places, shifts, values
from jacobians.verification.case import (
    Array,
    Case,
    coarseness,
    norm,
    numbers,
    tolerances,
    unit_of,
)
from jacobians.verification.judging import Diagnosis, Guess, Judge
from jacobians.verification.values import Terms

_MOST = 4  # findings that are worth reading
_PLAIN = 2.0  # an explanation this plain needs no search for intricate ones


class Finding(NamedTuple):
    """One explanation of an error.

    Parameters
    ----------
    kind : str
        "order" (of axes), "sign", "factor", "mean" (for a sum), "delta" (lost, or too many),
        "term", "flattened", "unsummed" (a broadcast axis), "summed", "row", "column", "block",
        "entry", "entries", "zeros", "structure" (not zero where zero is right), "nan", "upstream",
        "direction", "argument" (another one's derivative), "noise", "shift", "absolute",
        "conjugate", "pointwise", "axis factor", "shape", or "unexplained".
    text : str
        A sentence.
    remaining : float
        The share of the error that is left after it: 0 explains all, 1 nothing.
    """

    kind: str
    text: str
    remaining: float


def explain(
    claimed: ArrayLike,
    expected: ArrayLike,
    names: tuple[str, ...],
    out_ndim: int,
    fixed: int,
    tolerance: Any,
    terms: Terms | None = None,
    variants: Terms | None = None,
    extents: Sequence[tuple[str, int]] | None = None,
) -> tuple[Finding, ...]:
    """Findings on two tensors whose axes have these names.

    Parameters
    ----------
    claimed, expected : array_like
        What is to be explained, and what is right.
    names : tuple of str
        The letters of the axes of ``expected``.
    out_ndim : int
        How many axes stand before the input's.
    fixed : int
        So many leading axes number separate results and cannot move.
    tolerance : float or ndarray
        The absolute difference that an entry may have.
    terms : callable, optional
        Gives the terms whose sum is ``expected``.
    variants : callable, optional
        Gives mistakes in the formula, with what they would give.
    extents : sequence of (str, int), optional
        Names and sizes of which a factor may be made; those of ``expected`` by default.
    """
    given, right = numbers(claimed), numbers(expected)
    if given is None or right is None:
        which = "claimed" if given is None else "expected"
        return (Finding("shape", f"What is {which} is not an array of numbers.", 1.0),)
    with np.errstate(all="ignore"):
        tol = tolerances(tolerance, right.shape)
        eps = coarseness(claimed, expected)
        unit = unit_of(given, right)
        scaled = given, right, tol
        if unit != 1:
            scaled = given / unit, right / unit, tol / unit
        claimed, expected, tol = _finite(scaled[0]), _finite(scaled[1]), scaled[2]
        case = Case(claimed, expected, tol, names, out_ndim, eps, fixed, extents, unit)
        found = list(_not_finite(given, right, case))
        if not case.same_shape or case.before > 0:
            found += _ranked(case, terms, variants)
        return tuple(found)


def _finite(array: Array) -> Array:
    """The array with nan for all that is not finite."""
    bad = ~np.isfinite(array)
    return np.where(bad, np.nan, array) if bad.any() else array


def _not_finite(given: Array, right: Array, case: Case) -> Iterator[Finding]:
    """Entries that are nan or infinite on one side only."""
    if not case.same_shape:
        bad = ~np.isfinite(given)
        if bad.any():
            yield Finding("nan", f"{_count(bad)} not finite.", 1.0)
        return
    ours, theirs = ~np.isfinite(given), ~np.isfinite(right)
    both = ours & theirs
    differ = both & ~((given == right) | (np.isnan(given) & np.isnan(right)))
    rest = 1.0 if case.before > 0 else 0.0
    for bad, who in ((ours & ~theirs, "not finite"), (differ, "not the infinity that is right")):
        if bad.any():
            kinds = [
                name
                for name, test in (
                    ("nan", np.isnan(given[bad]).any()),
                    ("inf", np.isinf(given[bad]).any()),
                )
                if test
            ]
            place = places.find(bad, np.ones_like(bad), case.names, case.out_ndim)
            where = f", {place.words}" if place.words else ", every one"
            text = f"{_count(bad)} {who} ({' and '.join(kinds)}){where}."
            yield Finding("nan", text, rest)
    bad = theirs & ~ours
    if bad.any():
        place = places.find(bad, np.ones_like(bad), case.names, case.out_ndim)
        where = f", {place.words}" if place.words else ", every one"
        text = (
            f"The reference is not finite where this is: {_count(bad).lower()} not finite{where}."
        )
        yield Finding("nan", text, rest)


def _count(bad: Array) -> str:
    n = int(np.count_nonzero(bad))
    return f"{n:,} of {bad.size:,} entries {'is' if n == 1 else 'are'}"


def _ranked(case: Case, terms: Terms | None, variants: Terms | None) -> list[Finding]:
    """All explanations of what is finite, ranked; what is known where there are none."""
    if case.claimed.size and not np.nan_to_num(case.claimed).any() and case.same_shape:
        return [Finding("zeros", "It is zero everywhere.", 0.0)]
    if not case.claimed.size or not case.expected.size:
        return [_unexplained(case)]
    if case.same_shape and (case.size <= case.tol).all() and case.fails.all():
        return [
            Finding("structure", "It is not zero anywhere, where zero is right everywhere.", 1.0)
        ]
    found = list(_explanations(case, terms, variants))
    found.sort(key=lambda e: (not e.full, e.weight if e.full else e.remaining, e.weight))
    if not found:
        return [_unexplained(case)]
    best = found[0]
    kept: list[Diagnosis] = []
    for one in found:
        alike = sum(other.kind == one.kind for other in kept)
        near = one.weight <= best.weight + (0.3 if alike else 0.8)
        if any(set(other.clauses) <= set(one.clauses) for other in kept):
            continue  # the same, and more
        if one.full >= best.full and near and alike < 2:
            kept.append(one)
    return [_finding(one) for one in kept[:_MOST]]


def _explanations(case: Case, terms: Terms | None, variants: Terms | None) -> Iterator[Diagnosis]:
    """Everything that is tried: plain guesses first, intricate ones where no plain one holds."""
    judge = Judge(case)
    plain: list[Diagnosis] = []

    def tried(guesses: Iterator[Guess]) -> Iterator[Diagnosis]:
        for guess in guesses:
            one = judge(guess)
            if one is not None:
                plain.append(one)
                yield one

    if case.same_shape:
        yield from tried(iter([Guess("", "", 0.0, lambda a: a)]))
        for one in values.local(case, judge):
            plain.append(one)
            yield one
        for one in values.by_terms(case, values.term_arrays(terms, case)):
            plain.append(one)
            yield one
    yield from tried(arrangements.moved(case))
    yield from tried(arrangements.summed(case))
    yield from tried(arrangements.deltas(case))
    if not case.same_shape:
        yield from tried(arrangements.unsummed(case))
        return
    yield from tried(values.pointwise(case))
    yield from tried(shifts.shifts(case))
    if not any(one.full and one.weight < _PLAIN for one in plain):
        yield from tried(values.by_formula(case, variants))
    if any(one.full and one.weight <= _PLAIN for one in plain):
        return
    yield from values.axis_factors(case)
    if not any(one.full for one in plain):
        one_more = values.noise(case)
        if one_more is not None:
            yield one_more


def _finding(one: Diagnosis) -> Finding:
    """An explanation as a sentence."""
    text = ", and ".join(one.clauses)
    text = text[:1].upper() + text[1:]
    if not one.full:
        text += f"; this leaves {_percent(one.remaining)} of the error"
    return Finding(one.kind, text + ".", one.remaining)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 1e-4 else "less than 0.01 %"


def _unexplained(case: Case) -> Finding:
    """What is known of an error without an explanation."""
    if not case.same_shape:
        given, meant = case.shape_text(case.claimed), case.shape_text(case.expected)
        text = (
            f"The shape is {given}, where {meant} is meant, and no "
            "arrangement or sum of the right numbers gives what stands there."
        )
        return Finding("shape", text, 1.0)
    fails = case.fails
    count = int(np.count_nonzero(fails))
    place = places.find(fails, case.relevant, case.names, case.out_ndim)
    difference = np.nan_to_num(case.claimed - case.expected)
    size = norm(np.nan_to_num(case.expected))
    text = f"No known mistake explains it: {count:,} of {fails.size:,} entries "
    text += "is wrong" if count == 1 else "are wrong"
    zero = case.size <= case.tol
    right_zeros = zero.any() and not (fails & zero).any()
    if right_zeros and (np.abs(case.claimed[fails]) > case.tol[fails]).all():
        text += "; the zeros are right"
    text += f"; all are {place.words}" if place.words and place.kind != "entry" else ""
    if size > 0:
        text += f"; the error is {norm(difference) / size:.2g} times the size of the derivative"
    return Finding("unexplained", text + ".", 1.0)
