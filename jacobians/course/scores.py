"""What grading found: points as fields, feedback in levels, told in text and HTML."""

import textwrap
from dataclasses import dataclass
from typing import Any

from jacobians.course.marking import Fault, Mark
from jacobians.display.html import element, fragment, table

_WIDTH = 80
_LABEL = 10
LEVELS = ("that it is wrong", "where", "what kind of mistake", "the section to read")


def number(value: float) -> str:
    """Points without needless decimals: ``2``, ``1.33``."""
    return f"{round(value, 2):g}"


@dataclass(frozen=True)
class GradeReport:
    """The points of one submission, and words that teach.

    Attributes
    ----------
    title, submission : str
        Of the assignment; the submission's file.
    marks : tuple of Mark
        One for each task.
    hints : int
        How much is told of a mistake: 0 that it is wrong, 1 where, 2 what kind, 3 the section to read.
    reveal : bool
        Whether formulas and missing terms are told.
    unprotected : tuple of str
        What the system did not protect while the submission ran.
    theory : str
        Where the sections are.
    """

    title: str
    submission: str
    marks: tuple[Mark, ...]
    hints: int
    reveal: bool
    unprotected: tuple[str, ...]
    theory: str = ""

    @property
    def score(self) -> float:
        """The points earned."""
        return sum(mark.score for mark in self.marks)

    @property
    def points(self) -> float:
        """The points to be had."""
        return sum(mark.points for mark in self.marks)

    @property
    def full(self) -> bool:
        """Whether every task is right."""
        return all(mark.full for mark in self.marks)

    def feedback(self, mark: Mark) -> list[tuple[str, str]]:
        """What a student is told of a task, as pairs of a label and a text."""
        told: list[tuple[str, str]] = []
        if mark.problem:
            told.append(("", f"Your code {mark.problem}." if mark.loaded else _unread(mark)))
        for mistake in mark.mistakes:
            told += self._mistake(mistake)
        if mark.mistakes and mark.right and mark.right != ("",):
            told.append(("right", f"Right {' and '.join(mark.right)}."))
        told += [("note", note) for note in mark.notes]
        if mark.printed and not mark.full:
            told.append(("printed", mark.printed))
        return told

    def _mistake(self, mistake: Fault) -> list[tuple[str, str]]:
        label, hint = mistake.label, mistake.hint
        told = [(label, mistake.what)]
        if self.hints >= 1:
            told.append(("where", mistake.where))
        if self.hints >= 2 and hint.words:
            told.append(("what", hint.words))
        if self.hints >= 3 and hint.section:
            told.append(("read", hint.section + (f" ({self.theory})" if self.theory else "")))
        if self.reveal and hint.revealed:
            told.append(("right is", hint.revealed))
        return told

    def text(self, mark: Mark) -> str:
        """The feedback on a task, in lines of at most 80 characters."""
        lines: list[str] = []
        for label, text in self.feedback(mark):
            lines += _wrapped(label, text)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {
            "assignment": self.title,
            "submission": self.submission,
            "score": self.score,
            "points": self.points,
            "tasks": [
                {
                    "name": m.name,
                    "score": m.score,
                    "points": m.points,
                    "kinds": [mistake.hint.kind for mistake in m.mistakes],
                    "feedback": self.text(m),
                }
                for m in self.marks
            ],
            "unprotected": list(self.unprotected),
        }

    def __str__(self) -> str:
        lines = [_ends(self.title, f"{number(self.score)} of {number(self.points)} points")]
        lines += [self.submission, ""]
        for mark in self.marks:
            lines.append(
                _ends(
                    f"{_sign(mark)} {mark.name}",
                    f"{number(mark.score)} of {number(mark.points)}",
                )
            )
            text = self.text(mark)
            lines += [text] if text else []
        lines.append("")
        if self.full:
            count = len(self.marks)
            lines += textwrap.wrap(
                f"Everything is right: {'all ' if count > 1 else ''}{count} task"
                f"{'s' if count > 1 else ''}, at every shape that was tried. Full marks, well done!",
                _WIDTH,
            )
        else:
            right = sum(m.full for m in self.marks)
            lines.append(f"{right} of {len(self.marks)} tasks are right.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [
            (f"{_sign(m)} {m.name}", f"{number(m.score)} of {number(m.points)}", self.text(m))
            for m in self.marks
        ]
        head = f"{self.title}: {number(self.score)} of {number(self.points)} points"
        return fragment(
            table(head, ["task", "points", "feedback"], rows), element("p", self.submission)
        )


def _unread(mark: Mark) -> str:
    problem = mark.problem
    return (
        problem[:1].upper() + problem[1:] + "."
        if problem.startswith("the ")
        else f"Your file {problem}."
    )


def _sign(mark: Mark) -> str:
    return "✓" if mark.full else "◐" if mark.score else "✗"


def _ends(left: str, right: str) -> str:
    gap = _WIDTH - len(left) - len(right)
    return f"{left}{' ' * gap}{right}" if gap > 1 else f"{left}  {right}"


def _wrapped(label: str, text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - _LABEL - 2, break_on_hyphens=False) or [""]
    return [f"  {label if n == 0 else '':<{_LABEL}}{line}".rstrip() for n, line in enumerate(lines)]
