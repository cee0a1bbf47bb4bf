"""One claim on trial: what it says, what is right, where they differ, and why."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from math import prod
from typing import Any

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.case import Sources
from jacobians.verification.claims import MOST_BASIS, MOST_EXPLAINED, Claim, Sample, drawn
from jacobians.verification.contests import (
    Contest,
    along_few,
    assembled,
    contest,
    probes,
    told,
)
from jacobians.verification.corners import explained_at_a_corner
from jacobians.verification.diagnosis import Map, diagnose, explain_probes
from jacobians.verification.differences import Estimate
from jacobians.verification.flow import Flow, Told, flow_of
from jacobians.verification.otherwise import as_if
from jacobians.verification.parts import Part, by_reason
from jacobians.verification.rearrangements import misshapen
from jacobians.verification.reasoning import Finding, is_vague, without_entries
from jacobians.verification.references import ByTracing, Numerical, Reference
from jacobians.verification.subject import Pair, Subject, eps_of
from jacobians.verification.taylor import Slope, Walk
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
    Verdict,
    beside_the_lost,
    hangs_on_kinks,
    held,
    ignores_a_triangle,
    is_linear,
    reads_one_triangle,
    reconsidered,
    symmetric,
)
from jacobians.verification.workings import Workings, workings_of

_TINY = 1e-4  # below this the size of an argument says nothing of how f is rounded
_MOST_EXPLAINED = 1 << 20  # entries of a tensor that is asked for whole because something is wrong
_MANY_COLUMNS = 64  # entries of an argument, above which numbers are asked along directions first
_MOST_SHARING = 8  # parts that are asked for a reason in common
_MOST_UNEXPLAINED = 4  # parts, after which intricate mistakes are not looked for in others
_MOST_SUMS = 1024  # results that a Taylor remainder is measured in one by one


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
        self._subject, self._reference, self._traced = subject, reference, traced
        self._rtol, self._atol, self._seed, self._automatic = rtol, atol, seed, automatic
        self._told, self._unexplained = told, 0
        self._explained_by: dict[str, Callable[..., tuple[Finding, ...]]] = {}
        self._walks: dict[tuple[int, bytes], Walk] = {}

    @cached_property
    def _judge(self) -> Numerical:
        """Numbers alone."""
        return Numerical(self._subject, "auto")

    def part(self, claim: Claim, pair: Pair, most: int = MOST_BASIS) -> Part:
        """The verdict on a claim for a result and an argument, from at most so large a basis."""
        random = np.random.default_rng([self._seed, pair.output, pair.which])
        derived = claim.kind == "derived"
        sample = claim.sample(pair, random, most)
        if self._subject.unsteady:
            return self._made(claim, pair, open_to=self._subject.unsteady, asked="nothing")
        first = found = self._contest(sample, pair, random)
        if not found.fits:
            return self._misshapen(claim, sample, found, pair)
        tolerance = self._tolerance(sample, pair)
        notes: list[str] = []
        found, verdict, even = self._heard(found, tolerance, pair, notes, derived=derived)
        note_kinks(verdict, notes, pair.axes or "", found.way)
        linear = not (sample.whole and sample.given) or is_linear(sample, tolerance, pair)
        wrong = not linear or bool(np.any(verdict.fails))
        asked = most if sample.whole or not sample.given else sample.given[0].size
        if wrong and most < asked <= MOST_EXPLAINED and pair.size <= _MOST_EXPLAINED:
            return self.part(claim, pair, MOST_EXPLAINED)  # every entry is worth its time now
        findings: tuple[Finding, ...] = ()
        if wrong:
            explain = partial(
                self._findings, claim, sample, found, verdict, pair,
                even=even, linear=linear, derived=derived,
            )  # fmt: skip
            findings = self._of_another(sample, pair) or explain()
            self._explained_by[pair.title] = explain
            self._unexplained += is_vague(findings[0]) if findings else 1
        errors = found.estimate.error[~found.estimate.lost]
        return self._made(
            claim,
            pair,
            open_to=zero_would_pass(first, found, verdict, tolerance),
            precision=precision_of(sample, self._subject),
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
            slope=self._slope(sample, pair, even=even),
            reference_error=float(np.max(errors, initial=0.0)),
            notes=tuple(notes),
        )

    def with_shared_reasons(self, parts: Sequence[Part]) -> list[Part]:
        """The parts, those of which each is explained in words of its own with a reason that they share."""
        alone = [group[0] for group in by_reason(parts) if len(group) == 1]
        alone = [p for p in alone if p.failed and p.title in self._explained_by]
        if len(alone) < 2:
            return list(parts)
        known = {
            id(p): {one.text: one for one in self._explained_by[p.title](of_graph=True)}
            for p in alone[:_MOST_SHARING]
        }
        counts = Counter(text for texts in known.values() for text in texts)
        shared = [text for text, count in counts.most_common() if count > 1]
        found = list(parts)
        for n, part in enumerate(parts):
            texts = [t for t in shared if t in known.get(id(part), ())]
            if texts and not any(one.text == texts[0] for one in part.findings):
                found[n] = part._replace(findings=(*part.findings, known[id(part)][texts[0]]))
        return found

    def _heard(
        self, first: Contest, tolerance: Tolerance, pair: Pair, notes: list[str], *, derived: bool
    ) -> tuple[Contest, Verdict, bool]:
        """What is compared in the end, the verdict, and whether it was along symmetric changes."""
        found, verdict = self._judged(first, tolerance, pair, notes)
        found, verdict, even = self._by_triangles(
            first, found, verdict, tolerance, pair, notes, derived=derived
        )
        if derived:
            verdict = without_ours(found, verdict, notes)
        if not self._subject.is_finite:
            none = verdict.fails & ~np.isfinite(found.claimed)  # 0 · ∞ may be anywhere
            verdict = replace(verdict, fails=verdict.fails & ~none, lost=verdict.lost | none)
        if found.way == "tensor" and np.any(verdict.lost):
            verdict = beside_the_lost(verdict, found.claimed, found.estimate, pair)
        return found, verdict, even

    def _contest(self, sample: Sample, pair: Pair, random: np.random.Generator) -> Contest:
        """Entry by entry; against numbers along random directions first, and where these agree alone."""
        reference = self._reference
        if sample.whole and isinstance(reference, Numerical) and pair.inner.size > _MANY_COLUMNS:
            few = along_few(
                sample, reference, pair, np.random.default_rng([self._seed, 2, pair.which])
            )
            if few is not None:
                verdict = held(few.claimed, few.estimate, self._tolerance(sample, pair))
                if not np.any(verdict.fails | verdict.lost | verdict.kinks):
                    return few
                reference.guided(pair, assembled(sample, pair))
        return contest(sample, reference, pair, random)

    def _made(self, claim: Claim, pair: Pair, **fields: Any) -> Part:
        """A part, with what is the same for all verdicts."""
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

    def _misshapen(self, claim: Claim, sample: Sample, found: Contest, pair: Pair) -> Part:
        """The part of a claim that has another shape: no entry can be compared."""
        shape = found.claimed.shape
        if found.way in ("backward", "forward"):
            outer, inner = pair.out.shape, pair.inner.shape
            shape = outer + shape[1:] if found.way == "backward" else shape[1:] + inner
        findings = self._of_another(sample, pair) or self._of_other_axes(sample, pair)
        if not findings and found.way != "shape":
            expected = found.estimate.value
            largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
            allowed = np.asarray(1e-9 * largest)
            findings = self._explained(sample, found, expected, allowed, pair, Sources())
        return self._made(
            claim,
            pair,
            claimed_shape=shape,
            way=found.way,
            asked=found.asked,
            entries=prod(found.estimate.value.shape),
            failed=prod(found.estimate.value.shape),
            findings=findings,
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

    # Verdicts

    def _judged(
        self, found: Contest, tolerance: Tolerance, pair: Pair, notes: list[str]
    ) -> tuple[Contest, Verdict]:
        """Entry by entry; what fails is heard once more."""
        verdict = held(found.claimed, found.estimate, tolerance)
        doubtful = np.any(verdict.fails) or np.any(verdict.lost)
        if not doubtful or isinstance(self._reference, Numerical):
            return found, verdict
        estimate, count = reconsidered(
            found,
            verdict,
            tolerance,
            self._judge,
            self._reference,
            pair,
            overrule=self._automatic,
        )
        if count:
            name = self._reference.by(pair).split(",")[0]
            many = "1 entry" if count == 1 else f"{count:,} entries"
            notes.append(f"in {many} differences of f side with the claim, against {name}")
        found = found._replace(estimate=estimate)
        return found, held(found.claimed, estimate, tolerance)

    def _by_triangles(
        self,
        first: Contest,
        found: Contest,
        verdict: Verdict,
        tolerance: Tolerance,
        pair: Pair,
        notes: list[str],
        *,
        derived: bool,
    ) -> tuple[Contest, Verdict, bool]:
        """Compared along symmetric changes, where f reads one triangle; and whether that was so.

        One convention decides the whole claim: what is wrong along symmetric changes is held against
        the reference as it was first, without the entries in which differences side with the claim.
        """
        claimed, estimate = first.claimed, first.estimate
        if found.way != "tensor" or not np.any(held(claimed, estimate, tolerance).fails):
            return found, verdict, False
        name = self._subject.names[pair.which]
        one = reads_one_triangle(claimed, estimate, pair.inner, derived=derived)
        if not one and not ignores_a_triangle(self._subject.pointwise(pair.which), pair):
            return found, verdict, False
        both = first._replace(
            claimed=symmetric(claimed), estimate=Estimate(*(symmetric(a) for a in estimate))
        )
        again = held(both.claimed, both.estimate, tolerance)
        if np.any(again.fails) and (derived or one):
            return found, verdict, False
        notes[:] = [
            f"{name} is symmetric, and was compared along symmetric changes: "
            f"{self._subject.name} reads one triangle of it"
        ]
        return both, again, True

    # What is told

    def _findings(
        self,
        claim: Claim,
        sample: Sample,
        found: Contest,
        verdict: Verdict,
        pair: Pair,
        *,
        even: bool,
        linear: bool,
        derived: bool,
        of_graph: bool = False,
    ) -> tuple[Finding, ...]:
        """The diagnosis of wrong entries; of what is no linear map, without its graph."""
        if even and sample.whole and linear:
            sample = Sample("tensor", [], [found.claimed], True)
        # What is right, or cannot be judged, needs no explanation.
        expected = np.where(verdict.fails, found.estimate.value, found.claimed)
        allowed = verdict.allowed
        if sample.way != "tensor" and found.way != "tensor":
            allowed = np.max(allowed, axis=0)
        sources = Sources()
        if self._traced is not None and not derived:
            sources = Sources(self._traced.terms(pair))
        if linear and not derived:
            eps = max(self._subject.eps, *(eps_of(array) for array in sample.got))
            said = told(sample, pair, eps)._replace(symmetric=even, beside=claim.arrays())
            sources = sources._replace(
                flow=partial(self._flow, pair, said),
                arguments=partial(as_if, self._subject, pair, said),
                hurried=of_graph or self._unexplained >= _MOST_UNEXPLAINED,
                of_graph=of_graph,
            )
        if found.way == "pairing" or (sample.whole and found.way != "tensor"):
            findings = without_entries(sources)
        else:
            findings = self._explained(sample, found, expected, allowed, pair, sources)
            if sample.whole or not findings or findings[0].kind != "unexplained":
                return findings
        tolerance = self._tolerance(sample, pair)
        return (
            findings if findings and findings[0].kind != "unexplained"
            else explained_at_a_corner(claim, sample, self._judge, pair, tolerance) or (*findings, _UNSEEN)
        )  # fmt: skip

    def _flow(self, pair: Pair, said: Told) -> Flow | None:
        """What runs along the function's own graph."""
        return flow_of(self._workings, pair, said) if self._workings is not None else None

    @cached_property
    def _workings(self) -> Workings | None:
        """The function's own graph; None of what has no nodes that can be evaluated by themselves."""
        try:
            return None if self._traced is None else workings_of(self._subject)
        except Exception:
            return None

    def _of_other_axes(self, sample: Sample, pair: Pair) -> tuple[Finding, ...]:
        """Whether a gradient of another shape is a sum over other axes than are meant."""
        if sample.way != "backward" or len({array.shape for array in sample.got}) > 1:
            return ()
        given = np.stack([G.ravel() for G in sample.given])
        nothing = np.zeros((len(given), pair.inner.size))
        flow = self._flow(pair, Told(nothing, given, None, self._subject.eps))
        found = misshapen(flow, np.stack(sample.got)) if flow is not None else ()
        return tuple(Finding(kind, text[:1].upper() + text[1:] + ".", 0.0) for kind, text in found)

    def _of_another(self, sample: Sample, pair: Pair) -> tuple[Finding, ...]:
        """Whether what is claimed by one argument is the derivative by another one."""
        for which in range(len(self._subject.points)):
            other = self._subject.pair(pair.output, which)
            if which == pair.which or other.inner.shape != _inner_shape(sample, other):
                continue
            found = contest(sample, self._reference, other, np.random.default_rng(self._seed))
            if found.fits and not np.any(
                held(found.claimed, found.estimate, self._tolerance(sample, other)).fails
            ):
                names = self._subject.names
                text = f"It is the derivative by {names[which]}, where that by {names[pair.which]}"
                text += " is meant: they stand in another order."
                return (Finding("argument", text, 0.0),)
        return ()

    def _explained(
        self,
        sample: Sample,
        found: Contest,
        expected: Array,
        allowed: Array,
        pair: Pair,
        sources: Sources,
    ) -> tuple[Finding, ...]:
        """The diagnosis."""
        if sample.way == "tensor":
            ndim = pair.out.ndim
            return diagnose(
                found.claimed, expected, out_ndim=ndim, tolerance=allowed, sources=sources
            )
        which = Map(sample.way == "backward", pair.out.shape, pair.inner.shape)
        with np.errstate(all="ignore"):
            given = probes(sample, found, expected, pair)
        return explain_probes(given, which, allowed, sources) if given else ()

    # The Taylor remainder

    def _slope(self, sample: Sample, pair: Pair, *, even: bool) -> Slope:
        """Of the claim along a random direction, or of what it says to one upstream or direction."""
        if not pair.size or not self._told:
            return Slope(None, "not known: there are no entries")
        random = np.random.default_rng([self._seed, 1, pair.which])
        direction = drawn(random, pair.inner.shape)
        if sample.way == "forward" and not sample.whole:
            direction = sample.given[0]
        direction = symmetric(direction) if even else direction
        key = pair.which, direction.tobytes()
        if key not in self._walks:
            self._walks[key] = Walk(self._subject.pointwise(pair.which), direction)
        walk = self._walks[key]
        along = walk.direction
        if sample.way == "backward" and not sample.whole:
            weights = sample.given[0].reshape(1, -1)
            return walk.slope(np.array([np.vdot(sample.got[0], along)]), weights, pair.part)
        with np.errstate(all="ignore"):
            if sample.whole:
                change = np.tensordot(assembled(sample, pair), along, pair.inner.ndim).reshape(-1)
            else:
                change = sample.got[0].reshape(-1) * walk.share
        if pair.out.size <= _MOST_SUMS:
            return walk.slope(change, None, pair.part)
        weights = drawn(random, (1, pair.out.size))  # one random sum stands for many results
        return walk.slope(weights @ change, weights, pair.part)


def _inner_shape(sample: Sample, pair: Pair) -> tuple[int, ...]:
    """The shape of the argument, as the claim has it."""
    if sample.way == "tensor":
        return sample.got[0].shape[pair.out.ndim :]
    return sample.got[0].shape if sample.way == "backward" else sample.given[0].shape


_UNSEEN = Finding(
    "unexplained",
    "From a sample of so large a tensor no more can be told: check at smaller shapes, where every entry is "
    "compared.",
    1.0,
)
_SHAPELESS = Slope(None, "not known: the shape is wrong")
