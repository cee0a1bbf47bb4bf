"""What a check found: numbers as fields, and how they are told in text, JSON and HTML."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from jacobians.display.html import element, fragment, table
from jacobians.display.latex import latex_rows
from jacobians.errors import VerificationError
from jacobians.ground.trees import plain
from jacobians.verification.explaining import Finding
from jacobians.verification.taylor import Slope

_WIDTH, _LABEL = 80, 15
_COMPARED = {
    "tensor": "entries of",
    "backward": "entries of products with",
    "forward": "entries of products with",
    "pairing": "products with",
}


@dataclass(frozen=True)
class Worst:
    """The entry that is furthest from what it may be.

    Attributes
    ----------
    index : tuple of int
        In the tensor; in a gradient or a change, where the tensor is too large to be compared whole.
    place : str
        In words: ``i = 1, k = 0``.
    yours, reference : float
        The two values.
    absolute, relative : float
        Their difference; relative to the reference, infinite where that is 0.
    allowed : float
        The largest absolute difference that would pass.
    """

    index: tuple[int, ...]
    place: str
    yours: float
    reference: float
    absolute: float
    relative: float
    allowed: float


class Part(NamedTuple):
    """The verdict on one claim for one result and one argument.

    Attributes
    ----------
    kind : {"derived", "jacobian", "vjp", "jvp"}
        What is claimed; "derived" is this package's own.
    title : str
        ``∂Y_ij/∂X_kl``.
    output, wrt : str
        Which of several results, as in ``[0]`` or ``['angle']``, and by which argument.
    shape, claimed_shape : tuple of int
        Of the tensor, and of what is claimed.
    way : {"tensor", "backward", "forward", "pairing", "shape"}
        What was compared: the whole tensor; gradients for some upstreams; changes along some
        directions; numbers, such gradients along a direction; or no more than shapes.
    asked : str
        How the claim was asked: "every entry", "every basis upstream (6), and one at random", …
    entries, failed : int
        How many numbers were compared, and how many are wrong.
    kinks, undecided : int
        How many have no derivative but two slopes, and how many have no reference at all.
    linear : bool
        False where a backward or forward is not linear in what it is given.
    worst : Worst or None
        None where nothing was compared.
    findings : tuple of Finding
        The diagnosis, best explanation first.
    slope : Slope
        The exponent of the Taylor remainder.
    reference : str
        What the claim was held against.
    reference_error : float
        The largest error of the reference, by its own estimate.
    open_to : str
        Why the claim is not called right although nothing is wrong; empty where it is judged.
    precision : str
        "float32" where the claim was held to no more; empty for float64.
    notes : tuple of str
        What else a reader should know.
    """

    kind: str
    title: str
    output: str
    wrt: str
    shape: tuple[int, ...]
    claimed_shape: tuple[int, ...]
    reference: str
    findings: tuple[Finding, ...] = ()
    way: str = "tensor"
    asked: str = ""
    entries: int = 0
    failed: int = 0
    kinks: int = 0
    undecided: int = 0
    linear: bool = True
    worst: Worst | None = None
    slope: Slope = Slope(None, "not known: nothing was compared")
    reference_error: float = 0.0
    open_to: str = ""
    precision: str = ""
    notes: tuple[str, ...] = ()

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

    def fields(self) -> Iterator[tuple[str, str]]:
        """What is told, as pairs of a label and a text."""
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
            yield "undecided", _sentence(self.open_to)
        for number, finding in enumerate(self.findings):
            left = (
                f" It leaves {finding.remaining:.0%} of the error."
                if 0.005 < finding.remaining < 0.995
                else ""
            )
            bullet = f"{number + 1}. " if len(self.findings) > 1 else ""
            yield "diagnosis" if number == 0 else "", bullet + finding.text + left
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


class Report:
    """What ``jb.check`` found; prints as text, in notebooks as HTML.

    Attributes
    ----------
    name : str
        Of the function.
    parts : tuple of Part
        For each claim, each result and each argument.
    notes : tuple of str
        On the function: its precision, arrays that were written to, why it was not traced.
    seed : int
        Of the random upstreams and directions.
    unjudged : tuple of str
        The arguments by which a backward returns gradients that ``wrt`` leaves out.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> W, x = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 4.0])
    >>> report = jb.check(lambda W, x: W @ x, W, x, vjp=lambda G, W, x: np.outer(G, x) / 2)
    >>> report.ok, report.parts[0].failed, report.parts[0].findings[0].kind
    (False, 6, 'factor')
    """

    def __init__(
        self,
        name: str,
        parts: tuple[Part, ...],
        notes: tuple[str, ...],
        seed: int,
        unjudged: tuple[str, ...] = (),
    ) -> None:
        self.name, self.parts, self.notes, self.seed = name, parts, notes, seed
        self.unjudged = unjudged

    @property
    def ok(self) -> bool:
        """Whether every claim is right."""
        return all(part.ok for part in self.parts)

    @property
    def verdict(self) -> str:
        """``right``, ``WRONG`` or ``undecided``, the worst of all parts."""
        found = {part.verdict for part in self.parts}
        return next((v for v in ("WRONG", "undecided") if v in found), "right")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The diagnosis of the first part that is wrong."""
        return next((part.findings for part in self.parts if not part.ok), ())

    def raise_if_failed(self) -> None:
        """Raise VerificationError, with the report as its text, unless all is right."""
        if not self.ok:
            raise VerificationError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON; None for nan and infinities."""
        return {
            "function": self.name,
            "ok": self.ok,
            "verdict": self.verdict,
            "seed": self.seed,
            "notes": list(self.notes),
            "unjudged": list(self.unjudged),
            "parts": [part.to_dict() for part in self.parts],
        }

    def _heading(self, part: Part) -> str:
        what = f"{self.name}{part.output}"
        kind = "derivative" if part.kind == "derived" else part.kind
        return f"{kind} of {what} by {part.wrt}"

    def __str__(self) -> str:
        lines: list[str] = []
        if self.unjudged:
            lines += textwrap.wrap(
                f"not judged: the gradients by {', '.join(self.unjudged)}, which vjp returns too",
                _WIDTH,
            )
        right = [part for part in self.parts if part.ok]
        for part in self.parts:
            if part.ok and part is not right[0]:
                continue  # all that is right is told at once
            lines += [""] if lines else []
            if part.ok:
                lines += self._told_right(right)
                continue
            lines += _headed(self._heading(part), part.told_verdict)
            lines += textwrap.wrap(
                part.summary, _WIDTH, initial_indent="  ", subsequent_indent="  "
            )
            for label, text in part.fields():
                lines += _wrapped(label, text)
        if self.notes:
            lines.append("")
            for note in self.notes:
                lines += _wrapped("note", note)
        return "\n".join(lines)

    def _told_right(self, parts: Sequence[Part]) -> list[str]:
        """Three lines on all parts that are right; notes below."""
        heads: dict[str, list[str]] = {}
        for part in parts:
            heads.setdefault(self._heading(part).removesuffix(part.wrt), []).append(part.wrt)
        texts = [f"{head}{', '.join(wrts)}" for head, wrts in heads.items()]
        head = texts[0] if len(texts) == 1 else _cut("; ".join(texts), _WIDTH - 20)
        verdict = max((part.told_verdict for part in parts), key=len)
        first, entries = parts[0], sum(part.entries for part in parts)
        agree = first.summary
        if len(parts) > 1:
            agree = f"all {entries:,} entries of {len(parts)} derivatives agree"
        kinks = (
            f"; {sum(p.kinks for p in parts):,} at a kink" if any(p.kinks for p in parts) else ""
        )
        apart = max((p.worst.absolute for p in parts if p.worst is not None), default=0.0)
        agree += kinks + (f"; at most {apart:.1g} apart" if apart else "")
        against = f"against {first.reference}; {first.asked}"
        lines = _headed(head, verdict)
        lines += [_cut(f"  {agree}", _WIDTH), _cut(f"  {against}", _WIDTH)]
        for note in dict.fromkeys(note for part in parts for note in part.notes):
            lines += _wrapped("note", note)
        return lines

    def __repr__(self) -> str:
        return str(self)

    def _rows(self, part: Part) -> list[tuple[str, str]]:
        return [("", part.summary), *((label.strip(), text) for label, text in part.fields())]

    def _repr_html_(self) -> str:
        tables = [
            table(
                f"{self._heading(part)}: {part.told_verdict}", [], self._rows(part), class_="told"
            )
            for part in self.parts
        ]
        return fragment(*tables, *(element("p", f"note: {note}") for note in self.notes))

    def _repr_latex_(self) -> str:
        rows: list[tuple[str, str]] = []
        for part in self.parts:
            rows += [(self._heading(part), part.told_verdict), *self._rows(part)]
        return latex_rows([*rows, *(("note", note) for note in self.notes)])


def _headed(head: str, verdict: str) -> list[str]:
    """A heading with the verdict at the right."""
    gap = _WIDTH - len(head) - len(verdict)
    if gap > 2:
        return [f"{head}{' ' * gap}{verdict}"]
    return textwrap.wrap(f"{head}: {verdict}", _WIDTH, break_on_hyphens=False)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _wrapped(label: str, text: str) -> list[str]:
    """The label in a column of its own, the text wrapped beside it."""
    lines = textwrap.wrap(text, _WIDTH - _LABEL - 2, break_on_hyphens=False) or [""]
    return [f"  {label if n == 0 else '':<{_LABEL}}{line}".rstrip() for n, line in enumerate(lines)]


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else "the only entry"
