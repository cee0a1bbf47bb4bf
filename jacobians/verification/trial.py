"""One claim on trial: what it says, what is right, and where they differ."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from jacobians.verification.causes import Explainer, Heard, Hearing
from jacobians.verification.claims import MOST_BASIS, MOST_EXPLAINED, Claim, Sample
from jacobians.verification.contests import Contest, along_few, assembled, contest
from jacobians.verification.parts import Part
from jacobians.verification.references import ByTracing, Numerical, Reference
from jacobians.verification.subject import Pair, Subject, eps_of
from jacobians.verification.taylor import Slope, Walks
from jacobians.verification.telling import (
    note_kinks,
    of_changes,
    precision_of,
    without_ours,
    worst_of,
    zero_would_pass,
)
from jacobians.verification.verdicts import (
    Tolerance,
    along_symmetric_changes,
    beside_the_lost,
    hangs_on_kinks,
    held,
    is_linear,
    reconsidered,
)

_TINY = 1e-4  # below this the size of an argument says nothing of how f is rounded
_MOST_EXPLAINED = 1 << 20  # entries of a tensor that is asked for whole because something is wrong
_MANY_COLUMNS = 64  # entries of an argument, above which numbers are asked along directions first
_SHAPELESS = Slope(None, "not known: the shape is wrong")


class Trial:
    """What the claims about one function have in common.

    ``traced`` is our own derivative, where there is one: it knows the terms of the formula. An ``automatic``
    reference was chosen for the user, and so may be overruled; where the verdict is not ``told``, nobody reads
    it, and no slope is measured.
    """

    def __init__(
        self,
        subject: Subject,
        reference: Reference,
        traced: ByTracing | None,
        *,
        rtol: float | None,
        atol: float | None,
        seed: int,
        automatic: bool,
        told: bool = True,
    ) -> None:
        self._subject, self._reference, self._told = subject, reference, told
        self._rtol, self._atol, self._seed, self._automatic = rtol, atol, seed, automatic
        self._judge = Numerical(subject, "auto")  # numbers alone
        self._explainer = Explainer(subject, reference, traced, self._judge, seed)
        self._walks = Walks(subject, seed)

    def part(self, claim: Claim, pair: Pair, most: int = MOST_BASIS) -> Part:
        """The verdict on a claim for a result and an argument, from at most so large a basis."""
        random = np.random.default_rng([self._seed, pair.output, pair.which])
        sample = claim.sample(pair, random, most)
        hearing = Hearing(claim, pair, sample, self._tolerance(sample, pair), [])
        if self._subject.unsteady:
            return self._made(hearing, open_to=self._subject.unsteady, asked="nothing")
        first = self._contest(hearing, random)
        if not first.fits:
            return self._misshapen(hearing, first)
        heard = self._heard(hearing, first)
        linear = not (sample.whole and sample.given) or is_linear(sample, hearing.tolerance, pair)
        wrong = not linear or bool(np.any(heard.verdict.fails))
        asked = most if sample.whole or not sample.given else sample.given[0].size
        if wrong and most < asked <= MOST_EXPLAINED and pair.size <= _MOST_EXPLAINED:
            return self.part(claim, pair, MOST_EXPLAINED)  # every entry is worth its time now
        return self._judged(hearing, first, heard, linear=linear, wrong=wrong)

    def with_shared_reasons(self, parts: Sequence[Part]) -> list[Part]:
        """The parts, those of which each is explained in words of its own with a reason that they share."""
        return self._explainer.with_shared_reasons(parts)

    def _judged(
        self, hearing: Hearing, first: Contest, heard: Heard, *, linear: bool, wrong: bool
    ) -> Part:
        """The part of a claim that was compared, in numbers."""
        (found, verdict, even), pair = heard, hearing.pair
        findings = self._explainer.of_entries(hearing, heard, linear=linear) if wrong else ()
        errors = found.estimate.error[~found.estimate.lost]
        return self._made(
            hearing,
            open_to=zero_would_pass(first, found, verdict, hearing.tolerance),
            precision=precision_of(hearing.sample, self._subject),
            way=found.way,
            asked=found.asked,
            entries=int(found.estimate.value.size),
            failed=int(np.count_nonzero(verdict.fails)),
            kinks=int(np.count_nonzero(verdict.kinks)),
            undecided=int(np.count_nonzero(verdict.lost)),
            at_kinks=linear and hangs_on_kinks(found, verdict),
            linear=linear,
            worst=worst_of(found, verdict, pair),
            findings=findings,
            slope=self._walks.slope(hearing.sample, pair, even=even)
            if self._told
            else Slope(None, ""),
            reference_error=float(np.max(errors, initial=0.0)),
            notes=tuple(hearing.notes),
        )

    def _made(self, hearing: Hearing, **fields: Any) -> Part:
        """A part, with what is the same for all verdicts."""
        claim, pair = hearing.claim, hearing.pair
        findings = (*of_changes(claim.kind, self._subject), *fields.pop("findings", ()))
        return Part(
            kind=claim.kind,
            title=pair.title,
            output=self._subject.paths[pair.output],
            wrt=self._subject.names[pair.which],
            shape=pair.shape,
            reference=self._reference.by(pair) if self._told else "",
            findings=findings,
            **{"claimed_shape": pair.shape, **fields},
        )

    def _misshapen(self, hearing: Hearing, found: Contest) -> Part:
        """The part of a claim that has another shape: no entry can be compared."""
        shape, pair = found.claimed.shape, hearing.pair
        if found.way in ("backward", "forward"):
            outer, inner = pair.out.shape, pair.inner.shape
            shape = outer + shape[1:] if found.way == "backward" else shape[1:] + inner
        count = prod(found.estimate.value.shape)
        return self._made(
            hearing,
            claimed_shape=shape,
            way=found.way,
            asked=found.asked,
            entries=count,
            failed=count,
            findings=self._explainer.of_shape(hearing, found),
            slope=_SHAPELESS,
        )

    def _tolerance(self, sample: Sample, pair: Pair) -> Tolerance:
        sizes = [np.abs(array) for array in (pair.out, pair.inner)]
        above, below = (float(np.max(a, initial=0.0, where=np.isfinite(a))) for a in sizes)
        eps = max([self._reference.eps, *(eps_of(array) for array in sample.got)])
        rows = {pair.shape: pair.out.ndim}
        if sample.way == "backward":
            rows.setdefault((len(sample.given), *pair.inner.shape), 1)
        return Tolerance(self._rtol, self._atol, eps, above / max(below, _TINY), rows)

    def _contest(self, hearing: Hearing, random: np.random.Generator) -> Contest:
        """Entry by entry; against numbers along random directions first, and where these agree alone."""
        reference, sample, pair = self._reference, hearing.sample, hearing.pair
        if sample.whole and isinstance(reference, Numerical) and pair.inner.size > _MANY_COLUMNS:
            along = np.random.default_rng([self._seed, 2, pair.which])
            few = along_few(sample, reference, pair, along)
            if few is not None:
                verdict = held(few.claimed, few.estimate, hearing.tolerance)
                if not np.any(verdict.fails | verdict.lost | verdict.kinks):
                    return few
                reference.guided(pair, assembled(sample, pair))
        return contest(sample, reference, pair, random)

    def _heard(self, hearing: Hearing, first: Contest) -> Heard:
        """Entry by entry; what fails is heard once more."""
        pair, notes, subject = hearing.pair, hearing.notes, self._subject
        heard = self._reconsidered(hearing, first)
        even = None
        if heard.contest.way == "tensor":
            function = subject.pointwise(pair.which)
            even = along_symmetric_changes(
                first, hearing.tolerance, function, pair, derived=hearing.is_ours
            )
        if even is not None:
            heard = Heard(*even, True)
            name = subject.names[pair.which]
            notes[:] = [
                f"{name} is symmetric, and was compared along symmetric changes: {subject.name} reads one "
                "triangle of it"
            ]
        found, verdict, _ = heard
        if hearing.is_ours:
            verdict = without_ours(found, verdict, notes)
        if not subject.is_finite:
            none = verdict.fails & ~np.isfinite(found.claimed)  # 0 · ∞ may be anywhere
            verdict = replace(verdict, fails=verdict.fails & ~none, lost=verdict.lost | none)
        if found.way == "tensor" and np.any(verdict.lost):
            verdict = beside_the_lost(verdict, found.claimed, found.estimate, pair)
        note_kinks(verdict, notes, pair.axes or "", found.way)
        return heard._replace(verdict=verdict)

    def _reconsidered(self, hearing: Hearing, found: Contest) -> Heard:
        verdict = held(found.claimed, found.estimate, hearing.tolerance)
        doubtful = np.any(verdict.fails) or np.any(verdict.lost)
        if not doubtful or isinstance(self._reference, Numerical):
            return Heard(found, verdict)
        estimate, count = reconsidered(
            found, verdict, hearing.tolerance, self._judge, self._reference, hearing.pair,
            overrule=self._automatic,
        )  # fmt: skip
        if count:
            name = self._reference.by(hearing.pair).split(",")[0]
            many = "1 entry" if count == 1 else f"{count:,} entries"
            hearing.notes.append(f"in {many} differences of f side with the claim, against {name}")
        found = found._replace(estimate=estimate)
        return Heard(found, held(found.claimed, estimate, hearing.tolerance))
