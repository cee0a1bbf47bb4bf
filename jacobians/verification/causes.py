"""Why a claim is wrong: what is known of it and of its function is put before the hypotheses."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.case import NO_SOURCES, Sources
from jacobians.verification.claims import Claim, Sample
from jacobians.verification.contests import Contest, contest, probes, told
from jacobians.verification.corners import explained_at_a_corner
from jacobians.verification.diagnosis import Map, diagnose, explain_probes
from jacobians.verification.flow import Flow, Told, flow_of
from jacobians.verification.otherwise import as_if
from jacobians.verification.parts import Part, by_reason
from jacobians.verification.rearrangements import misshapen
from jacobians.verification.reasoning import Finding, is_vague, sentence, without_entries
from jacobians.verification.references import ByTracing, Numerical, Reference
from jacobians.verification.subject import Pair, Subject, eps_of
from jacobians.verification.verdicts import Tolerance, Verdict, held
from jacobians.verification.workings import Workings, workings_of

_MOST_SHARING = 8  # parts that are asked for a reason in common
_MOST_UNEXPLAINED = 4  # parts, after which intricate mistakes are not looked for in others
_UNSEEN = Finding(
    "unexplained",
    "From a sample of so large a tensor no more can be told: check at smaller shapes, where every entry is "
    "compared.",
    1.0,
)


@dataclass(frozen=True, eq=False)
class Hearing:
    """One claim for one result and one argument: what it says, and what it may differ by."""

    claim: Claim
    pair: Pair
    sample: Sample
    tolerance: Tolerance
    notes: list[str]  # what a reader should know

    @property
    def is_ours(self) -> bool:
        """Whether it is this package's own derivative."""
        return self.claim.kind == "derived"


class Heard(NamedTuple):
    """What was compared in the end, the verdict, and whether it was along symmetric changes."""

    contest: Contest
    verdict: Verdict
    even: bool = False


class Explainer:
    """What explanations of one function's claims have in common."""

    def __init__(
        self,
        subject: Subject,
        reference: Reference,
        traced: ByTracing | None,
        judge: Numerical,
        seed: int,
    ) -> None:
        self._subject, self._reference, self._traced = subject, reference, traced
        self._judge, self._seed, self._unexplained = judge, seed, 0
        self._explained_by: dict[str, Callable[..., tuple[Finding, ...]]] = {}

    def of_entries(self, hearing: Hearing, heard: Heard, *, linear: bool) -> tuple[Finding, ...]:
        """The diagnosis of wrong entries, or of what is no linear map."""
        again = partial(self._of_entries, hearing, heard, linear=linear)
        findings = self._of_another(hearing) or again()
        self._explained_by[hearing.pair.title] = again
        self._unexplained += is_vague(findings[0]) if findings else 1
        return findings

    def of_shape(self, hearing: Hearing, found: Contest) -> tuple[Finding, ...]:
        """The diagnosis of another shape, of which no entry can be compared."""
        findings = self._of_another(hearing) or self._of_other_axes(hearing)
        if findings or found.way == "shape":
            return findings
        expected = found.estimate.value
        largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
        return _diagnosed(hearing, found, expected, np.asarray(1e-9 * largest), NO_SOURCES)

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

    def _of_entries(
        self, hearing: Hearing, heard: Heard, *, linear: bool, of_graph: bool = False
    ) -> tuple[Finding, ...]:
        """Of what is no linear map, without its graph."""
        pair, sample, (found, verdict, even) = hearing.pair, hearing.sample, heard
        sources = Sources()
        if self._traced is not None and not hearing.is_ours:
            sources = Sources(self._traced.terms(pair))
        if linear and not hearing.is_ours:
            own = (
                sample
                if not (even and sample.whole)
                else Sample("tensor", [], [found.claimed], True)
            )
            hearing = Hearing(hearing.claim, pair, own, hearing.tolerance, hearing.notes)
            eps = max(self._subject.eps, *(eps_of(array) for array in sample.got))
            said = told(own, pair, eps)._replace(symmetric=even, beside=hearing.claim.arrays())
            sources = sources._replace(
                flow=partial(self._flow, pair, said),
                arguments=partial(as_if, self._subject, pair, said),
                hurried=of_graph or self._unexplained >= _MOST_UNEXPLAINED,
                of_graph=of_graph,
            )
        if found.way == "pairing" or (sample.whole and found.way != "tensor"):
            findings = without_entries(sources)
        else:  # what is right, or cannot be judged, needs no explanation
            expected = np.where(verdict.fails, found.estimate.value, found.claimed)
            in_part = sample.way != "tensor" and found.way != "tensor"
            allowed = np.max(verdict.allowed, axis=0) if in_part else verdict.allowed
            findings = _diagnosed(hearing, found, expected, allowed, sources)
            if sample.whole:
                return findings
        if findings and findings[0].kind != "unexplained":
            return findings
        seen = explained_at_a_corner(hearing.claim, sample, self._judge, pair, hearing.tolerance)
        return seen or (*findings, _UNSEEN)

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

    def _of_other_axes(self, hearing: Hearing) -> tuple[Finding, ...]:
        """Whether a gradient of another shape is a sum over other axes than are meant."""
        sample, pair = hearing.sample, hearing.pair
        if sample.way != "backward" or len({array.shape for array in sample.got}) > 1:
            return ()
        given = np.stack([G.ravel() for G in sample.given])
        nothing = np.zeros((len(given), pair.inner.size))
        flow = self._flow(pair, Told(nothing, given, None, self._subject.eps))
        found = misshapen(flow, np.stack(sample.got)) if flow is not None else ()
        return tuple(Finding(kind, sentence(text), 0.0) for kind, text in found)

    def _of_another(self, hearing: Hearing) -> tuple[Finding, ...]:
        """Whether what is claimed by one argument is the derivative by another one."""
        sample, names = hearing.sample, self._subject.names
        for which, name in enumerate(names):
            other = self._subject.pair(hearing.pair.output, which)
            if which == hearing.pair.which or other.inner.shape != _inner_shape(sample, other):
                continue
            found = contest(sample, self._reference, other, np.random.default_rng(self._seed))
            if not found.fits:
                continue
            if not np.any(held(found.claimed, found.estimate, hearing.tolerance).fails):
                text = f"It is the derivative by {name}, where that by {names[hearing.pair.which]} is meant: "
                return (Finding("argument", f"{text}they stand in another order.", 0.0),)
        return ()


def _diagnosed(
    hearing: Hearing, found: Contest, expected: Array, allowed: Array, sources: Sources
) -> tuple[Finding, ...]:
    """The diagnosis of a tensor, or of what was probed."""
    sample, pair = hearing.sample, hearing.pair
    if sample.way == "tensor":
        ndim = pair.out.ndim
        return diagnose(found.claimed, expected, out_ndim=ndim, tolerance=allowed, sources=sources)
    which = Map(sample.way == "backward", pair.out.shape, pair.inner.shape)
    with np.errstate(all="ignore"):
        given = probes(sample, found, expected, pair)
    return explain_probes(given, which, allowed, sources) if given else ()


def _inner_shape(sample: Sample, pair: Pair) -> tuple[int, ...]:
    """The shape of the argument, as the claim has it."""
    if sample.way == "tensor":
        return sample.got[0].shape[pair.out.ndim :]
    return sample.got[0].shape if sample.way == "backward" else sample.given[0].shape
