"""One claim on trial: what it says, what is right, where they differ, and what a third judge says."""

from collections.abc import Sequence
from functools import cached_property
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.verification.claims import RANDOM, Claim, Sample, drawn
from jacobians.verification.diagnosis import (
    Finding,
    diagnose,
    diagnose_backward,
    diagnose_forward,
)
from jacobians.verification.differences import Estimate, exact
from jacobians.verification.places import entry
from jacobians.verification.references import (
    MOST_ENTRIES,
    Numerical,
    Reference,
    Terms,
    Traced,
    letters,
    size_of,
    terms_of,
    title,
)
from jacobians.verification.report import Part, Worst
from jacobians.verification.stepping import Pointwise
from jacobians.verification.subject import Subject, eps_of
from jacobians.verification.taylor import Slope, Walk
from jacobians.verification.verdicts import (
    Tolerance,
    Verdict,
    held,
    reads_one_triangle,
    symmetric,
)

Array = NDArray[Any]

_COLUMNS = 256  # of which a third judge is asked, where there are many


class Contest(NamedTuple):
    """A claim and the reference, side by side: two arrays that should be equal.

    Attributes
    ----------
    claimed : numpy.ndarray
        What is said.
    estimate : Estimate
        What is right.
    way : str
        "tensor", "backward", "forward", or "pairing" where both were contracted to numbers.
    asked : str
        How, in words.
    """

    claimed: Array
    estimate: Estimate
    way: str
    asked: str


class Trial:
    """What the claims about one function have in common."""

    def __init__(
        self,
        subject: Subject,
        reference: Reference,
        traced: Traced | None,
        *,
        rtol: float | None,
        atol: float | None,
        seed: int,
        automatic: bool,
    ) -> None:
        self._subject, self._reference, self._traced = subject, reference, traced
        self._rtol, self._atol, self._seed, self._automatic = rtol, atol, seed, automatic
        self._walks: dict[tuple[int, bytes], Walk] = {}
        self._functions: dict[int, Pointwise] = {}

    @cached_property
    def _judge(self) -> Numerical:
        """The third judge: numbers alone."""
        reference = self._reference
        return reference if isinstance(reference, Numerical) else Numerical(self._subject, "auto")

    def part(self, claim: Claim, output: int, which: int) -> Part:
        """The verdict on a claim for a result and an argument."""
        subject = self._subject
        random = np.random.default_rng([self._seed, output, which])
        sample = claim.sample(output, which, random)
        contest, extra = self._contest(sample, output, which, random)
        shape = subject.outputs[output].shape + subject.points[which].shape
        notes: list[str] = []
        tolerance = Tolerance(
            self._rtol,
            self._atol,
            max([self._reference.eps, *(eps_of(a) for a in sample.got)]),
            self._natural(output, which),
        )
        fits = contest.claimed.shape == contest.estimate.value.shape
        derived = claim.kind == "derived"
        linear, even = True, False
        if fits:
            contest, verdict, even = self._judged(
                contest, tolerance, output, which, notes, derived=derived
            )
            if extra is not None:
                linear = self._is_linear(contest, extra, tolerance, output, which)
        else:
            verdict = _all_wrong(contest)
        wrong = bool(np.any(verdict.fails)) or not fits or not linear
        findings = (
            self._findings(sample, contest, verdict, output, which, derived=derived)
            if wrong
            else ()
        )
        if not linear:
            kind, word = (
                ("upstream", "upstream gradient")
                if sample.way == "backward"
                else ("direction", "direction")
            )
            text = f"It is not linear in the {word}: for a random one it is not the sum of what it is for the basis."
            if not any(f.kind == kind for f in findings):
                findings = (*findings, Finding(kind, text, 1.0))
        errors = contest.estimate.error[~contest.estimate.lost]
        return Part(
            kind=claim.kind,
            title=title(subject, output, which),
            output=subject.paths[output],
            wrt=subject.names[which],
            shape=shape,
            claimed_shape=shape if fits else self._claimed_shape(contest, output, which),
            asked=contest.asked,
            entries=int(contest.estimate.value.size),
            failed=int(np.count_nonzero(verdict.fails)),
            kinks=int(np.count_nonzero(verdict.kinks)),
            undecided=int(np.count_nonzero(verdict.lost)),
            linear=linear,
            worst=self._worst(contest, verdict, output, which) if fits else None,
            findings=findings,
            slope=self._slope(sample, output, which, even=even)
            if fits
            else Slope(None, "not known: the shape is wrong"),
            reference=self._reference.by(output, which),
            reference_error=float(np.max(errors, initial=0.0)),
            notes=tuple(notes),
        )

    # What is set side by side

    def _contest(
        self, sample: Sample, output: int, which: int, random: np.random.Generator
    ) -> tuple[Contest, tuple[Array, Array] | None]:
        """Claim and reference; and a random upstream or direction with what was said to it."""
        subject, reference = self._subject, self._reference
        out, inner = subject.outputs[output], subject.points[which]
        words = {"backward": "upstream", "forward": "direction"}
        if sample.whole:
            claimed = _assembled(sample, out.shape, inner.shape)
            basis = len(sample.given) - 1
            asked = "every entry"
            if sample.way != "tensor":
                asked = f"every basis {words[sample.way]} ({basis}), and a random one"
            extra = (sample.given[-1], sample.got[-1]) if sample.given else None
            estimate = reference.tensor(output, which)
            if estimate is not None:
                return Contest(claimed, estimate, "tensor", asked), extra
            if claimed.shape != out.shape + inner.shape:
                return Contest(
                    claimed, exact(np.zeros(out.shape + inner.shape)), "tensor", asked
                ), None
            given = [drawn(random, inner.shape) for _ in range(RANDOM)]
            got = np.stack([np.tensordot(claimed, d, inner.ndim) for d in given])
            told = reference.forward(output, which, given)
            assert told is not None
            asked = f"{RANDOM} random directions: the tensor of {claimed.size:,} entries is large"
            return Contest(got, told, "forward", asked), extra
        if len({a.shape for a in sample.got}) > 1:
            got = sample.got[0][None]
        else:
            got = np.stack(sample.got)
        many = f"{len(sample.given)} random {words[sample.way]}s"
        if sample.way == "forward":
            told = reference.forward(output, which, sample.given)
        else:
            told = reference.backward(output, which, sample.given)
        if told is not None:
            return Contest(got, told, sample.way, many), None
        # A gradient by many entries takes too long: only its product with a direction is compared.
        direction = drawn(random, inner.shape)
        told = reference.forward(output, which, [direction])
        assert told is not None
        rows = np.stack([G.ravel() for G in sample.given])
        error = np.abs(rows) @ told.error.reshape(-1)
        pairing = Estimate(rows @ told.value.reshape(-1), error, np.zeros(len(rows)))
        if got.shape[1:] != inner.shape:
            return Contest(got, exact(np.zeros((len(rows), *inner.shape))), "backward", many), None
        numbers = got.reshape(len(rows), -1) @ direction.reshape(-1)
        return Contest(numbers, pairing, "pairing", f"{many}, each along a random direction"), None

    def _natural(self, output: int, which: int) -> float:
        value, point = np.abs(self._subject.outputs[output]), np.abs(self._subject.points[which])
        above = float(np.max(value, initial=0.0, where=np.isfinite(value)))
        below = float(np.max(point, initial=0.0, where=np.isfinite(point)))
        return above / max(below, 1.0)

    def _claimed_shape(self, contest: Contest, output: int, which: int) -> tuple[int, ...]:
        shape = contest.claimed.shape
        return shape if contest.way == "tensor" else self._subject.outputs[output].shape + shape[1:]

    # Verdicts

    def _judged(
        self,
        contest: Contest,
        tolerance: Tolerance,
        output: int,
        which: int,
        notes: list[str],
        *,
        derived: bool,
    ) -> tuple[Contest, Verdict, bool]:
        """Entry by entry; what fails goes before the third judge. And whether symmetric changes were
        all that was compared.
        """
        claimed, estimate, way, asked = contest
        even = False
        verdict = held(claimed, estimate, tolerance)
        if np.any(verdict.fails) and not isinstance(self._reference, Numerical):
            estimate = self._reconsidered(contest, verdict, tolerance, output, which, notes)
            verdict = held(claimed, estimate, tolerance)
        point = self._subject.points[which]
        if (
            np.any(verdict.fails)
            and way == "tensor"
            and reads_one_triangle(claimed, estimate, point, derived=derived)
        ):
            both = Estimate(*(symmetric(a) for a in estimate))
            again = held(symmetric(claimed), both, tolerance)
            even = not np.any(again.fails)
            if not np.any(again.fails):
                notes.append(
                    f"{self._subject.names[which]} is symmetric, and was compared along symmetric changes: "
                    f"{self._subject.name} reads one triangle of it"
                )
                claimed, estimate, verdict = symmetric(claimed), both, again
        self._tell(verdict, notes)
        return Contest(claimed, estimate, way, asked), verdict, even

    def _tell(self, verdict: Verdict, notes: list[str]) -> None:
        count = int(np.count_nonzero(verdict.kinks))
        if count:
            which = "an entry has" if count == 1 else f"{count:,} entries have"
            notes.append(
                f"not differentiable here: {which} another slope on each side (a kink); any number "
                "between the two is right"
            )
        count = int(np.count_nonzero(verdict.lost))
        if count:
            which = "an entry was" if count == 1 else f"{count:,} entries were"
            notes.append(
                f"not differentiable here: {which} not judged, since differences of f approach no number "
                "(a jump, an infinite slope, the edge of where f is defined)"
            )

    def _reconsidered(
        self,
        contest: Contest,
        verdict: Verdict,
        tolerance: Tolerance,
        output: int,
        which: int,
        notes: list[str],
    ) -> Estimate:
        """The reference, changed where numbers alone say that it does not bind the claim.

        That is where f has a kink; where f is rounded so much that the difference means nothing; and,
        unless the user chose the reference, where differences of f side with the claim against it.
        """
        subject, judge = self._subject, self._judge
        value = contest.estimate.value
        found = self._third(contest, verdict, output, which)
        if found is None:
            return contest.estimate
        where, numerical = found
        rounded = (
            64
            * judge.rounding
            * float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
        )
        if judge.rounding <= 4 * tolerance.eps:
            rounded = 0.0
        new = Estimate(
            value.copy(), contest.estimate.error + rounded / 8, contest.estimate.gap.copy()
        )
        kink = numerical.gap != 0
        apart = held(value[where], numerical, tolerance).fails
        sides = ~held(contest.claimed[where], numerical, tolerance).fails & ~numerical.lost
        overruled = sides & apart & ~kink
        take = kink | numerical.lost
        if self._automatic:
            take = take | overruled
        for array, other in zip(new, numerical, strict=True):
            array[where] = np.where(take, other, array[where])
        if np.any(overruled):
            many = f"in {np.count_nonzero(overruled):,} entries differences of f side with the claim, against "
            notes.append(many + self._reference.by(output, which).split(",")[0])
        return new

    def _third(
        self, contest: Contest, verdict: Verdict, output: int, which: int
    ) -> tuple[Any, Estimate] | None:
        """Where the third judge was asked, as an index, and what it says there."""
        subject, judge = self._subject, self._judge
        point = subject.points[which]
        if contest.way == "pairing" or contest.way != "tensor":
            return None
        flat = verdict.fails.reshape(subject.outputs[output].size, point.size)
        columns = np.flatnonzero(np.any(flat, axis=0))
        if len(columns) > _COLUMNS and size_of(subject, output, which) > 1 << 18:
            columns = columns[:: -(-len(columns) // _COLUMNS)]
        numerical = judge.columns(output, which, [int(c) for c in columns])
        index = np.unravel_index(columns, point.shape) if point.ndim else ()
        out = subject.outputs[output]
        where = (*(slice(None) for _ in out.shape), *index)
        return where, numerical.reshaped((*out.shape, len(columns)) if point.ndim else out.shape)

    def _is_linear(
        self,
        contest: Contest,
        extra: tuple[Array, Array],
        tolerance: Tolerance,
        output: int,
        which: int,
    ) -> bool:
        """Whether what was said to a random array is the sum of what was said to the basis."""
        given, got = extra
        out, inner = self._subject.outputs[output], self._subject.points[which]
        backward = (
            got.shape == inner.shape
            and given.shape == out.shape
            and contest.asked.startswith("every basis upstream")
        )
        claimed = contest.claimed
        if claimed.shape != out.shape + inner.shape:
            return True
        with np.errstate(all="ignore"):
            if backward:
                expected = np.tensordot(given, claimed, out.ndim)
                size = np.tensordot(np.abs(given), np.abs(claimed), out.ndim)
            else:
                expected = np.tensordot(claimed, given, inner.ndim)
                size = np.tensordot(np.abs(claimed), np.abs(given), inner.ndim)
            if got.shape != expected.shape:
                return False
            allowed = 10 * tolerance.relative * size + tolerance.of(exact(expected))
            far = np.abs(got - expected) > allowed
        return not np.any(far & np.isfinite(expected))

    # What is told

    def _worst(self, contest: Contest, verdict: Verdict, output: int, which: int) -> Worst | None:
        if not contest.claimed.size:
            return None
        with np.errstate(all="ignore"):
            rank = verdict.difference / np.maximum(verdict.allowed, np.finfo(float).tiny)
        rank = np.where(np.isnan(rank), inf, rank)
        rank = np.where(
            verdict.fails, rank + 1e300, np.where(verdict.lost | verdict.kinks, -1.0, rank)
        )
        index = tuple(int(n) for n in np.unravel_index(int(np.argmax(rank)), rank.shape))
        yours, right = float(contest.claimed[index]), float(contest.estimate.value[index])
        absolute = abs(yours - right) if yours != right else 0.0
        relative = absolute / abs(right) if right else (inf if absolute else 0.0)
        axes = letters(self._subject, output, which)
        out = self._subject.outputs[output].ndim
        place = ""
        if contest.way == "tensor" and axes and len(index) == len(axes):
            place = ", ".join(f"{a} = {n}" for a, n in zip(axes, index, strict=True))
        elif contest.way in ("backward", "forward"):
            names = axes[out:] if contest.way == "backward" else axes[:out]
            where = ", ".join(f"{a} = {n}" for a, n in zip(names, index[1:], strict=False))
            word = "upstream" if contest.way == "backward" else "direction"
            place = f"{word} number {index[0]}" + (f", {where}" if where else "")
        return Worst(index, place, yours, right, absolute, relative, float(verdict.allowed[index]))

    def _findings(
        self,
        sample: Sample,
        contest: Contest,
        verdict: Verdict,
        output: int,
        which: int,
        *,
        derived: bool,
    ) -> tuple[Finding, ...]:
        subject = self._subject
        out, inner = subject.outputs[output], subject.points[which]
        terms: Terms | None = None
        if self._traced is not None and not derived:
            terms = terms_of(self._traced.of(output, which))
        fits = contest.claimed.shape == contest.estimate.value.shape
        value = contest.estimate.value
        # What is right at a kink, or cannot be judged, needs no explanation.
        expected = np.where(~verdict.fails, contest.claimed, value) if fits else value
        expected = np.where(verdict.fails, value, expected) if fits else value
        allowed = verdict.allowed
        with np.errstate(all="ignore"):
            if contest.way == "pairing":
                return ()
            if sample.way == "tensor" and contest.way == "tensor":
                return diagnose(
                    contest.claimed, expected, out_ndim=out.ndim, tolerance=allowed, terms=terms
                )
            shapes: dict[str, Any] = {"out_shape": out.shape, "in_shape": inner.shape}
            if contest.way == "tensor":
                probes = _probes(sample, expected, out.ndim, inner.ndim)
                shaped = allowed if fits else float(np.max(allowed, initial=0.0))
            else:
                probes = list(zip(sample.given, sample.got, expected, strict=False))
                shaped = float(np.max(allowed, initial=0.0))
            if not probes:
                return ()
            explain = diagnose_backward if sample.way == "backward" else diagnose_forward
            return explain(probes, **shapes, tolerance=shaped, terms=terms)

    # The Taylor remainder

    def _slope(self, sample: Sample, output: int, which: int, *, even: bool) -> Slope:
        subject = self._subject
        out, inner = subject.outputs[output], subject.points[which]
        if not out.size or not inner.size:
            return Slope(None, "not known: there are no entries")
        part = subject.part(output)
        rows = np.zeros((out.size, subject.value.size))
        rows[:, part] = np.eye(out.size) if out.size <= 1024 else 0.0
        random = np.random.default_rng([self._seed, 1, which])
        if sample.way == "forward" and not sample.whole:
            walk = self._walk(which, sample.given[0])
            scale = _ratio(walk.direction, sample.given[0])
            change = sample.got[0].reshape(-1) * scale
        else:
            direction = drawn(random, inner.shape)
            walk = self._walk(which, symmetric(direction) if even else direction)
            if sample.whole:
                claimed = _assembled(sample, out.shape, inner.shape)
                with np.errstate(all="ignore"):
                    change = np.tensordot(claimed, walk.direction, inner.ndim).reshape(-1)
            else:
                rows = np.zeros((1, subject.value.size))
                rows[0, part] = sample.given[0].reshape(-1)
                change = np.array([np.vdot(sample.got[0], walk.direction)])
                return walk.slope(change, rows)
        if out.size > 1024:  # one random sum stands for many results
            weights = drawn(random, (1, out.size))
            rows = np.zeros((1, subject.value.size))
            rows[:, part] = weights
            change = weights @ change
        return walk.slope(change, rows)

    def _walk(self, which: int, direction: Array) -> Walk:
        key = (which, direction.tobytes())
        if key not in self._walks:
            subject = self._subject
            if which not in self._functions:
                self._functions[which] = Pointwise(
                    subject.flat(which), subject.points[which], subject.value, subject.eps
                )
            self._walks[key] = Walk(self._functions[which], direction)
        return self._walks[key]


def _ratio(scaled: Array, array: Array) -> float:
    largest = int(np.argmax(np.abs(array)))
    return float(scaled.reshape(-1)[largest] / array.reshape(-1)[largest])


def _assembled(sample: Sample, out: tuple[int, ...], inner: tuple[int, ...]) -> Array:
    """The tensor that the basis gives; of a wrong shape where the parts have one."""
    if sample.way == "tensor":
        return np.asarray(sample.got[0])
    parts = sample.got[:-1]
    shapes = {part.shape for part in parts}
    right = inner if sample.way == "backward" else out
    shape = shapes.pop() if len(shapes) == 1 else sample.got[-1].shape if shapes else right
    kept = [part if part.shape == shape else np.full(shape, np.nan) for part in parts]
    if sample.way == "backward":
        stacked = np.stack(kept) if kept else np.empty((0, *shape))
        return stacked.reshape((*out, *shape))
    stacked = np.stack(kept, axis=-1) if kept else np.empty((*shape, 0))
    return stacked.reshape((*shape, *inner))


def _probes(
    sample: Sample, expected: Array, out_ndim: int, in_ndim: int
) -> list[tuple[Array, Array, Array]]:
    """What was given, what came, and what is right."""
    if sample.way == "backward":
        wants = [np.tensordot(G, expected, out_ndim) for G in sample.given]
    else:
        wants = [np.tensordot(expected, d, in_ndim) for d in sample.given]
    return list(zip(sample.given, sample.got, wants, strict=True))


def _all_wrong(contest: Contest) -> Verdict:
    value = contest.estimate.value
    none = np.zeros(value.shape, bool)
    return Verdict(np.full(value.shape, np.nan), np.full(value.shape, 1e-9), ~none, none, none)
