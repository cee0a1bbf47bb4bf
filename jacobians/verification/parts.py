"""The verdict on one claim for one result and one argument, and which of them fail for one reason."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from jacobians.ground.trees import plain
from jacobians.verification.reasoning import Finding, sentence
from jacobians.verification.taylor import Slope

_REASON = re.compile(r" \(.*?\)")  # remarks, in which parts may differ
_COMPARED = {
    "tensor": "entries of",
    "backward": "entries of products with",
    "forward": "entries of products with",
    "pairing": "products with",
}


@dataclass(frozen=True)
class Worst:
    """The entry that is furthest from what it may be."""

    # In the tensor; in a gradient or a change, where the tensor is too large to be compared whole.
    index: tuple[int, ...]
    place: str  # in words: ``i = 1, k = 0``
    yours: float  # the two values
    reference: float
    absolute: float  # their difference; relative to the reference, infinite where that is 0
    relative: float
    allowed: float  # the largest absolute difference that would pass


class Part(NamedTuple):
    """The verdict on one claim for one result and one argument."""

    kind: str  # what is claimed; "derived" is this package's own
    title: str  # ``∂Y_ij/∂X_kl``
    output: str  # which of several results, as in ``[0]`` or ``['angle']``, and by which argument
    wrt: str
    shape: tuple[int, ...]  # of the tensor, and of what is claimed
    claimed_shape: tuple[int, ...]
    reference: str  # what the claim was held against
    findings: tuple[Finding, ...] = ()  # the diagnosis, best explanation first
    # What was compared: the whole tensor; gradients for some upstreams; changes along some directions; numbers,
    # such gradients along a direction; or no more than shapes.
    way: str = "tensor"
    asked: str = ""  # how the claim was asked: "every entry", "every basis upstream (6), and one at random", …
    entries: int = 0  # how many numbers were compared, and how many are wrong
    failed: int = 0
    kinks: int = (
        0  # how many have no derivative but two slopes, and how many have no reference at all
    )
    undecided: int = 0
    # Whether the verdict hangs on kinks: what fails is there alone, and may be a convention (a mask ``z > 0`` for
    # several units at 0) that lies between no two slopes; or all that is not zero is there.
    at_kinks: bool = False
    linear: bool = True  # false where a backward or forward is not linear in what it is given
    worst: Worst | None = None  # none where nothing was compared
    slope: Slope = Slope(
        None, "not known: nothing was compared"
    )  # the exponent of the Taylor remainder
    reference_error: float = 0.0  # the largest error of the reference, by its own estimate
    open_to: str = (
        ""  # why the claim is not called right although nothing is wrong; empty where it is judged
    )
    precision: str = ""  # "float32" where the claim was held to no more; empty for float64
    notes: tuple[str, ...] = ()  # what else a reader should know

    @property
    def verdict(self) -> str:
        """``right``, ``WRONG`` or ``undecided``: something was not judged, or not to any accuracy."""
        changed = any(finding.kind == "changed" for finding in self.findings)
        if self.failed or not self.linear or self.shape != self.claimed_shape or changed:
            return "WRONG"
        return "undecided" if self.undecided or self.open_to else "right"

    @property
    def told_verdict(self) -> str:
        """The verdict, with the precision that a right claim was held to where it is a low one."""
        low = self.precision and self.verdict == "right"
        return f"right in {self.precision}" if low else self.verdict

    @property
    def ok(self) -> bool:
        """Whether the claim is right."""
        return self.verdict == "right"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON; None for nan and infinities."""
        found: dict[str, Any] = plain(self)
        return {**found, "verdict": self.verdict, "ok": self.ok}

    def fields(self, *, alone: bool = True) -> Iterator[tuple[str, str]]:
        """What is told, as pairs of a label and a text; ``alone`` where no other part fails as it does."""
        if self.shape != self.claimed_shape:
            yield "shape", f"yours {self.claimed_shape}, right is {self.shape}"
        elif self.worst is not None and self.undecided < self.entries:
            worst, wrong = self.worst, self.failed > 0
            place = _index(worst.index) + (f", {worst.place}" if worst.place else "")
            relative = f", {worst.relative:.2g} relative" if isfinite(worst.relative) else ""
            difference = f"{worst.absolute:.2g} absolute{relative}; {worst.allowed:.2g} is allowed"
            if wrong:
                yield "worst entry", place
                yield "  yours", repr(worst.yours)
                yield "  reference", repr(worst.reference)
                yield "  difference", difference
            else:
                yield "difference", f"at most {difference}" if worst.absolute else "none"
        if self.open_to and self.verdict == "undecided":
            yield "undecided", sentence(self.open_to)
        for number, finding in enumerate(self.findings):
            left = (
                f" It leaves {finding.remaining:.0%} of the error."
                if 0.005 < finding.remaining < 0.995
                else ""
            )
            bullet = f"{number + 1}. " if len(self.findings) > 1 else ""
            label = "diagnosis" if alone else "one reason"
            yield label if number == 0 else "", bullet + finding.text + left
        yield "Taylor slope", self._slope()
        rough = f"; its error is at most {self.reference_error:.1g}" if self.reference_error else ""
        yield "reference", self.reference + rough
        yield "compared", self.asked
        for note in self.notes:
            yield "note", note

    def _slope(self) -> str:
        value = self.slope.value
        if self.kinks + self.undecided == self.entries > 0:
            return "means nothing here"
        if value is None:
            return str(self.slope)
        if self.kinks:
            return f"{value:.2f} (f has a kink here, which makes it 1)"
        return f"{value:.2f} (2 for a right derivative, 1 for a wrong one)"

    @property
    def summary(self) -> str:
        """``4 of 12 entries of ∂Y_ij/∂X_kl are wrong``."""
        if self.shape != self.claimed_shape:
            return f"{self.title} has the wrong shape"
        if not self.linear and not self.failed:
            return "not linear in what it is given"
        of = f"{_COMPARED[self.way]} {self.title}"
        if self.failed:
            verb = "is" if self.failed == 1 else "are"
            return f"{self.failed:,} of {self.entries:,} {of} {verb} wrong"
        if self.verdict == "undecided" and not self.open_to:
            if self.undecided == self.entries:
                return f"{self.title} cannot be judged here: no derivative was found"
            return f"{self.undecided:,} of {self.entries:,} {of} cannot be judged here; the others agree"
        if self.verdict == "undecided":
            return f"{self.title} was not judged"
        if self.findings and self.verdict == "WRONG":
            return f"all {self.entries:,} {of} agree, but what it is given is changed"
        if not self.entries:
            return f"{self.title} has no entries"
        if self.entries == 1:
            return f"the only entry of {self.title} agrees"
        return f"all {self.entries:,} {of} agree"


def by_reason(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts in order, those together that are right, or that one explanation holds for; it comes first.

    Of several such explanations it is the one that most parts share.
    """
    left, groups = list(parts), list[list[Part]]()
    while left:
        first = left[0]
        if first.ok:
            group = [part for part in left if part.ok]
        else:
            shared = [[p for p in left if _is_reason(one, p, first)] for one in first.findings]
            group = max(shared, key=len, default=[])
            if len(group) > 1:
                reason = first.findings[[len(g) for g in shared].index(len(group))]
                rest = tuple(one for one in first.findings if one is not reason)
                group = [first._replace(findings=(reason, *rest)), *group[1:]]
            else:
                group = [first]
        ours = {id(part) for part in group}
        left = [part for part in left[1:] if id(part) not in ours]
        groups.append(group)
    return groups


def _is_reason(one: Finding, part: Part, first: Part) -> bool:
    """Whether an explanation of the first part holds for another that is claimed in the same way."""
    alike = part.kind == first.kind and part.verdict == first.verdict == "WRONG"
    known = [_REASON.sub("", other.text) for other in part.findings if other.remaining == 0]
    return part is first or (alike and one.remaining == 0 and _REASON.sub("", one.text) in known)


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else "the only entry"
