"""Why a derivative is wrong: the table of hypotheses, and the one rule by which they are ranked.

A hypothesis is a function from a case to guesses, each some words and what the mistake would give: a map
of the right tensor (axes in another order, a lost delta), or what is added along the function's graph (a
gradient dropped, a factor forgotten at one node). What holds by itself, a place or a term, is found as it
is. A guess is an explanation where it leaves nothing of the error that the tolerance does not cover, or
next to nothing. To add one is to write its function and to enter it in ``HYPOTHESES``.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jacobians.graph.node import Array
from jacobians.verification import (
    arrangements,
    crossings,
    hypotheses,
    loops,
    places,
    rearrangements,
    remade,
    shifts,
    values,
    within,
)
from jacobians.verification.case import (
    Case,
    Sources,
    coarseness,
    norm,
    numbers,
    tolerances,
    unit_of,
)
from jacobians.verification.flow import Flow
from jacobians.verification.judging import Diagnosis, Guess, Judge, is_earned

_MOST = 4  # findings that are worth reading
_FREE = 11  # numbers that the choice of two mistakes out of all is worth
_LARGEST = 1e100  # beyond which sums of entries are no numbers
_PARTNERS = 20  # that are tried of each
_SURE = 1.6  # the weight of one that holds so plainly that intricate ones are not tried
_LONGEST = 500  # that are told where anything else is known
_LONG = 60  # characters of a sentence that a formula makes hard to read
_PLACES = (
    "axis factor", "unexplained", "pointwise", "row", "column", "block", "entries", "results", "noise",
    "absolute", "structure", "zeros", "shift",
)  # fmt: skip


class Finding(NamedTuple):
    """One explanation of an error: its kind, a sentence, and the share of the error left after it.

    ``kind`` is one of the table in docs/checking.md; ``remaining`` is 0 for an explanation of all, 1 of
    nothing.
    """

    kind: str
    text: str
    remaining: float


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + "."


class Hypothesis(NamedTuple):
    """A hypothesis, of a case or of its graph; it is tried unless its stage has one as plain as ``until``."""

    function: Callable[[Any], Iterator[Guess | Diagnosis]]
    until: float = -np.inf
    of_graph: bool = False


class Stage(NamedTuple):
    """Rows that are tried where what is known says no more than where, or is of none of these kinds."""

    rows: tuple[Hypothesis, ...]
    but_for: tuple[str, ...] = ()


def whole(case: Case) -> Iterator[Guess]:
    """The right derivative up to a sign and a factor."""
    if case.same_shape:
        yield Guess("", "", 0.0, np.asarray)


def two_at_once(flow: Flow) -> Iterator[Diagnosis]:
    """Two mistakes that add up to the error, best two of one kind: a mean over a wrong axis is taken twice.

    A random sum of the entries of each is sorted, so that a partner is looked up.
    """
    error, allowed = flow.error, flow.allowed
    if not flow.tried or not is_earned(_FREE, flow.explained_by(error)):
        return
    adds = np.stack([m.adds.ravel() for m in flow.tried])
    sizes = np.abs(adds).max(axis=1, initial=0.0)
    telling = np.flatnonzero((10 * allowed < sizes) & (sizes < _LARGEST))
    weights = np.random.default_rng(3).normal(size=error.size)
    sums = adds[telling] @ weights
    slack = 8 * allowed * np.sqrt(error.size)
    order = np.argsort(sums)
    wanted = error.ravel() @ weights - sums
    low, high = (np.searchsorted(sums[order], wanted + s) for s in (-slack, slack))
    for first in np.flatnonzero(low < high):
        mistake = flow.tried[telling[first]]
        for second in order[low[first] : min(high[first], low[first] + _PARTNERS)]:
            other = flow.tried[telling[second]]
            if second <= first or np.abs(mistake.adds + other.adds - error).max() > allowed:
                continue
            apart = 0.0 if mistake.kind == other.kind else 0.3
            same = mistake.clause == other.clause  # of two operands of one node
            text = mistake.clause if same else f"{mistake.clause}; and {other.clause}"
            weight = mistake.weight + other.weight + apart + 0.001 * len(text)
            yield Diagnosis(mistake.kind, (text,), weight)


def at_other_arguments(case: Case) -> Iterator[Diagnosis]:
    """The derivative at another argument: turned, transposed, one off, or another one in its place."""
    for text in case.sources.arguments() if case.sources.arguments is not None else ():
        yield Diagnosis("argument", (text,), 1.9)


_MAPS = (
    whole, values.local, values.by_terms, arrangements.moved, arrangements.summed, arrangements.deltas,
    arrangements.unsummed, values.pointwise, shifts.shifts, shifts.strides,
)  # fmt: skip
_PLAIN = (
    crossings.paths, hypotheses.skipped, within.operands, within.branches,
    within.triangles, within.picked, rearrangements.reduced,
)  # fmt: skip
_INTRICATE = (
    crossings.exchanged, crossings.reordered, crossings.one_for_all, rearrangements.turned_edges,
    rearrangements.moved_entries, rearrangements.rearranged, within.other_nodes, within.taken_elsewhere,
    hypotheses.factors, crossings.two_paths, remade.other_axes, remade.along_other_axes,
    remade.arrays, remade.passed_over, remade.conditions, loops.everywhere, loops.at_each_step, loops.other_steps,
)  # fmt: skip

HYPOTHESES: tuple[Stage, ...] = (
    Stage((
        *(Hypothesis(h) for h in _MAPS), Hypothesis(values.axis_factors, 2.0),
        Hypothesis(values.noise, np.inf),
    )),
    Stage((
        *(Hypothesis(h, of_graph=True) for h in _PLAIN),
        *(Hypothesis(h, _SURE, of_graph=True) for h in _INTRICATE),
        Hypothesis(remade.constants, 2.05, of_graph=True),
    )),
    Stage((Hypothesis(two_at_once, of_graph=True),), ("factor", "term", "pointwise", "zeros")),
    Stage((Hypothesis(at_other_arguments), Hypothesis(shifts.starts))),
)  # fmt: skip
"""What is tried, in this order."""


def is_vague(one: Diagnosis | Finding) -> bool:
    """Whether it says where or how much, but not what the mistake is."""
    text = one.text
    long = one.kind == "term" and len(text) > _LONG
    unread = one.kind == "factor" and "(" not in text and "is 2 ×" not in text
    told = "everywhere" in text or "reversed" in text
    unread |= "wrong entries" in text  # at a place, of which there is no reason yet
    return one.remaining > 0 or (one.kind in _PLACES and not told) or long or unread


def explained(case: Case) -> list[Diagnosis]:
    """What holds, ranked; a later stage is asked, and told first, where the earlier say but where."""
    if case.sources.of_graph:
        return sorted((one for one in _held(case, HYPOTHESES[1]) if one.full), key=_rank)
    known: list[Diagnosis] = list(_evident(case))
    for number, stage in enumerate(HYPOTHESES):
        best = known[0] if known else None
        if best is not None and (not is_vague(best) or best.kind in stage.but_for):
            continue
        if number == 0 and (known or not case.claimed.size or not case.expected.size):
            continue  # no numbers to arrange
        known = [*_worth_reading(sorted(_held(case, stage), key=_rank)), *known]
    readable = [one for one in known if len(one.text) <= _LONGEST]
    return (readable or known)[:_MOST]


def without_entries(sources: Sources) -> tuple[Finding, ...]:
    """What explains a claim of which no entries can be compared."""
    none = np.empty(0)
    known = explained(Case(none, none, none, ("entry",), 0, 0.0, sources=sources))
    return tuple(_finding(one) for one in known)


def _held(case: Case, stage: Stage) -> list[Diagnosis]:
    """What holds of a stage."""
    judge, found = Judge(case), list[Diagnosis]()
    for row in stage.rows:
        about = case.flow if row.of_graph else case
        if about is None or any(one.full and one.weight <= row.until for one in found):
            continue
        if row.until == _SURE and case.sources.hurried:
            continue
        found += _of_row(judge, row, about)
    return found


def _of_row(judge: Judge, row: Hypothesis, about: Any) -> list[Diagnosis]:
    """What holds of a hypothesis."""
    found: list[Diagnosis] = []
    try:
        for guess in row.function(about):
            one = guess if isinstance(guess, Diagnosis) else judge(guess)
            found += [one] if one is not None else []
    except Exception as error:  # a verdict is worth more than one of its explanations
        text = f"the hypothesis {row.function.__name__} failed: {type(error).__name__}: {error}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return found


def _rank(one: Diagnosis) -> tuple[bool, float, float, int]:
    """What leaves nothing first; of these the plainest, in the fewest words."""
    return not one.full, one.weight if one.full else one.remaining, one.weight, len(one.text)


def _worth_reading(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """The first, and what explains nearly as plainly in other words."""
    kept: list[Diagnosis] = []
    for one in found:
        alike = sum(other.kind == one.kind for other in kept)
        near = one.weight <= found[0].weight + (0.3 if alike else 0.8)
        if any(set(other.clauses) <= set(one.clauses) for other in kept):
            continue  # the same, and more
        if one.full >= found[0].full and near and alike < 2:
            kept.append(one)
    return kept


def _evident(case: Case) -> Iterator[Diagnosis]:
    """What needs no hypothesis."""
    if not case.same_shape or not case.claimed.size:
        return
    if not np.nan_to_num(case.claimed).any():
        yield Diagnosis("zeros", ("it is zero everywhere",), 0.0)
    elif (case.size <= case.tol).all() and case.fails.all():
        text = "it is not zero anywhere, where zero is right everywhere"
        yield Diagnosis("structure", (text,), 2.9, 1.0)


def explain(
    claimed: ArrayLike,
    expected: ArrayLike,
    names: tuple[str, ...],
    out_ndim: int,
    fixed: int,
    tolerance: Any,
    sources: Sources,
    extents: Sequence[tuple[str, int]] | None = None,
) -> tuple[Finding, ...]:
    """Findings on two tensors whose axes have these names; the rest as for ``Case``."""
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
        case = Case(claimed, expected, tol, names, out_ndim, eps, fixed, extents, unit, sources)
        found = tuple(_not_finite(given, right, case))
        if not case.same_shape or case.before > 0:
            found += tuple(map(_finding, explained(case))) or (_unexplained(case),)
        return found


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

    def where(bad: Array) -> str:
        words = places.find(bad, np.ones_like(bad), case.names, case.out_ndim).words
        return f", {words}." if words else ", every one."

    for bad, who in ((ours & ~theirs, "not finite"), (differ, "not the infinity that is right")):
        if bad.any():
            tests = (("nan", np.isnan(given[bad])), ("inf", np.isinf(given[bad])))
            kinds = " and ".join(name for name, found in tests if found.any())
            yield Finding("nan", f"{_count(bad)} {who} ({kinds}){where(bad)}", rest)
    bad = theirs & ~ours
    if bad.any():
        text = "The reference is not finite where this is: "
        yield Finding("nan", f"{text}{_count(bad).lower()} not finite{where(bad)}", rest)


def _count(bad: Array) -> str:
    n = int(np.count_nonzero(bad))
    return f"{n:,} of {bad.size:,} entries {'is' if n == 1 else 'are'}"


def _finding(one: Diagnosis) -> Finding:
    """An explanation as a sentence."""
    left = (
        ""
        if one.full or one.remaining == 1
        else f"; this leaves {_percent(one.remaining)} of the error"
    )
    return Finding(one.kind, sentence(one.text + left), one.remaining)


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
