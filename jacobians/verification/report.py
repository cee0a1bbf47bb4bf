"""What a check found: numbers as fields, and how they are told in text, JSON and HTML."""

import textwrap
from collections.abc import Sequence
from typing import Any

from jacobians.display.html import element, fragment, table
from jacobians.display.latex import latex_rows
from jacobians.errors import VerificationError
from jacobians.verification.parts import Part, by_reason
from jacobians.verification.reasoning import Finding

_WIDTH, _LABEL = 80, 15
_SHOWN = 3  # parts that fail for one reason, told one by one


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
        for group in by_reason(self.parts):
            lines += [""] if lines else []
            lines += self._told_right(right) if group[0].ok else self._told_wrong(group)
        if self.notes:
            lines.append("")
            for note in self.notes:
                lines += _wrapped("note", note)
        return "\n".join(lines)

    def _told_wrong(self, group: Sequence[Part]) -> list[str]:
        """Parts that fail for one reason: each with its count, what is wrong once."""
        first, names = group[0], ", ".join(dict.fromkeys(part.wrt for part in group))
        several = len({part.output for part in group}) > 1
        head = self._heading(first._replace(wrt=names, output="" if several else first.output))
        lines = _headed(head, first.told_verdict)
        told = [part.summary for part in group[:_SHOWN]]
        if len(group) > _SHOWN:
            told.append(f"and so {len(group) - _SHOWN} more")
        for text in told:
            lines += textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        for label, text in first.fields(alone=len(group) == 1):
            lines += _wrapped(label, text)
        return lines

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


def _wrapped(label: str, text: str) -> list[str]:
    """The label in a column of its own, the text wrapped beside it."""
    lines = textwrap.wrap(text, _WIDTH - _LABEL - 2, break_on_hyphens=False) or [""]
    return [f"  {label if n == 0 else '':<{_LABEL}}{line}".rstrip() for n, line in enumerate(lines)]
