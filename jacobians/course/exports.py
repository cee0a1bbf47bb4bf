"""A GradeReport in the formats of graders: Gradescope, PrairieLearn, CodeRunner, nbgrader, otter, CSV.

Each says in its docstring what the format cannot do.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jacobians.course.scores import GradeReport, number
from jacobians.course.tasks import Assignment
from jacobians.errors import JacobiansError

_PRAIRIE_BYTES = 1_000_000
_VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")


def gradescope(
    report: GradeReport, visibility: str = "visible", hidden: Sequence[str] = ()
) -> dict[str, Any]:
    """``/autograder/results/results.json`` of Gradescope.

    Parameters
    ----------
    report : GradeReport
        What was found.
    visibility : str
        Of every test: "visible", "hidden", "after_due_date" or "after_published".
    hidden : sequence of str
        Tasks that students do not see. One of them hides the total score too, as Gradescope does: the
        output says so, and ``extra_data`` has the warning.

    References
    ----------
    gradescope-autograders.readthedocs.io, "Autograder specifications".
    """
    _among("visibility", visibility, _VISIBILITIES)
    tests = []
    for place, mark in enumerate(report.marks, 1):
        text = report.text(mark) or "Right."
        tests.append(
            {
                "score": round(mark.score, 6),
                "max_score": mark.points,
                "status": "passed" if mark.full else "failed",
                "name": mark.name,
                "number": str(place),
                "output": text,
                "output_format": "text",
                "visibility": "hidden" if mark.name in hidden else visibility,
                "tags": sorted({m.hint.kind for m in mark.mistakes if m.hint.kind}),
                "extra_data": {"points": mark.points},
            }
        )
    some_hidden = any(t["visibility"] != "visible" for t in tests)
    warning = "A hidden test hides the total score from students." if some_hidden else ""
    return {
        "score": round(report.score, 6),
        "output": "\n".join(
            filter(None, [f"{number(report.score)} of {number(report.points)}", warning])
        ),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"warning": warning, "unprotected": list(report.unprotected)},
    }


def prairielearn(report: GradeReport) -> dict[str, Any]:
    """``/grade/results/results.json`` of PrairieLearn: a score from 0 to 1.

    A file that cannot be read is not graded (``gradable`` false, with ``format_errors``), so that the
    student may hand it in again. Every test has points, and the whole stays under 1 MB.

    References
    ----------
    docs.prairielearn.com, "External grading: Grading result".
    """
    unread = [m for m in report.marks if not m.loaded]
    if unread:
        return {"gradable": False, "format_errors": [report.text(unread[0]).strip()]}
    output = str(report)
    found = {
        "gradable": True,
        "score": min(1.0, max(0.0, report.score / report.points)) if report.points else 1.0,
        "message": f"{number(report.score)} of {number(report.points)} points",
        "output": output,
        "tests": [
            {
                "name": m.name,
                "points": round(m.score, 6),
                "max_points": m.points,
                "message": "right" if m.full else "not right",
                "output": report.text(m),
            }
            for m in report.marks
        ],
    }
    if len(json.dumps(found).encode()) >= _PRAIRIE_BYTES:
        found["output"] = ""
        for test in found["tests"]:  # type: ignore[attr-defined]
            test["output"] = test["output"][:2000]
    return found


def coderunner(report: GradeReport) -> dict[str, Any]:
    """What a *combinator template grader* of Moodle CodeRunner prints: a fraction, and a table.

    References
    ----------
    github.com/trampgeek/moodle-qtype_coderunner, "Template graders".
    """
    rows: list[list[Any]] = [["iscorrect", "Task", "Points", "Feedback"]]
    rows += [
        [
            int(m.full),
            m.name,
            f"{number(m.score)} of {number(m.points)}",
            report.text(m) or "Right.",
        ]
        for m in report.marks
    ]
    return {
        "fraction": report.score / report.points if report.points else 1.0,
        "testresults": rows,
        "columnformats": ["%s", "%s", "%s"],
    }


def csv_table(reports: Mapping[str, GradeReport]) -> str:
    """A line for each student: the total, and the points of each task.

    A name that a spreadsheet would take for a formula has an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    first = next(iter(reports.values()), None)
    tasks = [mark.name for mark in first.marks] if first is not None else []
    writer.writerow(["submission", "score", "points", *tasks, "problems"])
    for name, report in reports.items():
        safe = f"'{name}" if name[:1] in "=+-@" else name
        problems = "; ".join(f"{m.name}: {m.problem}" for m in report.marks if m.problem)
        writer.writerow(
            [
                safe,
                number(report.score),
                number(report.points),
                *[number(m.score) for m in report.marks],
                problems,
            ]
        )
    return stream.getvalue()


def nbgrader_cell(assignment: str, task: str, points: float, seed: int = 0) -> str:
    """The code of an nbgrader test cell with partial credit, to stand after the student's cells.

    nbgrader takes the last expression's repr as the points, if it is a number: a plain Python float
    between 0 and the cell's points, and nothing else. An ``np.float64(…)`` repr would give full marks, a
    negative number is a score, and anything on stderr none: the function sees to all three.

    Parameters
    ----------
    assignment : str
        The path of the assignment's file, where the notebooks are graded.
    task : str
        The name of the task.
    points : float
        Of the cell.
    seed : int
        Of the points.
    """
    return (
        "import jacobians as jb\n"
        f"jb.course.cell_score(In, {assignment!r}, {task!r}, points={float(points)!r}, seed={seed})"
    )


def otter_test(
    assignment: Assignment, path: str, task: str, hidden: bool = False, seed: int = 0
) -> str:
    """An otter test file (``tests/TASK.py``), exception style, a case for each part.

    otter runs the student's notebook and the tests in one process, so that this is feedback and no exam.

    Parameters
    ----------
    assignment : Assignment
        With the task.
    path : str
        Of the assignment's file, where the tests run.
    task : str
        The name of the task.
    hidden : bool
        Whether students see the cases; written into every case.
    seed : int
        Of the points.

    References
    ----------
    otter-grader.readthedocs.io, "Exception-based format".
    """
    found = next((t for t in assignment.tasks if t.name == task), None)
    if found is None:
        names = ", ".join(t.name for t in assignment.tasks)
        raise JacobiansError(f"{assignment.title}: there is no task {task!r}; there are {names}")
    share = found.points / len(found.labels)
    cases = []
    for part, label in enumerate(found.labels):
        suffix = f" {label}" if label else ""
        cases.append(
            f"@test_case(name={task + suffix!r}, points={share!r}, hidden={hidden!r})\n"
            f"def test_{part + 1}(env):\n"
            f"    jb.course.require_part(env, {path!r}, {task!r}, {part}, seed={seed})\n"
        )
    return (
        "from otter.test_files import test_case\n\nimport jacobians as jb\n\n"
        "OK_FORMAT = False\n\n"
        f"name = {task!r}\npoints = {found.points!r}\n\n\n" + "\n\n".join(cases)
    )


def _among(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise JacobiansError(f"{name}={value!r}: it must be one of {', '.join(allowed)}")
