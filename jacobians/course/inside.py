"""Grading from inside a notebook's own process, where nbgrader and otter run their tests.

The student's source is taken from the cells that were run, and graded in a process of its own as a file
is. What the notebook's process itself did to this package cannot be undone: there, this is feedback.
"""

import inspect
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

from jacobians.course.grading import grade, read_assignment
from jacobians.course.scores import GradeReport
from jacobians.course.tasks import Assignment
from jacobians.errors import JacobiansError, VerificationError


def _one(assignment: Assignment, task: str) -> Assignment:
    found = [t for t in assignment.tasks if t.name == task]
    if not found:
        names = ", ".join(t.name for t in assignment.tasks)
        raise JacobiansError(f"{assignment.title}: there is no task {task!r}; there are {names}")
    return replace(assignment, tasks=found)


def _graded(cells: Sequence[str], path: str, task: str, seed: int) -> GradeReport:
    """Cells as a notebook of their own, so that one that raises leaves the others."""
    content = {
        "cells": [
            {"cell_type": "code", "source": cell} for cell in cells if "jb.course." not in cell
        ]
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "notebook.ipynb")
        file.write_text(json.dumps(content), encoding="utf-8")
        return grade(file, _one(read_assignment(path), task), seed=seed)


def cell_score(cells: Sequence[str], path: str, task: str, points: float, seed: int = 0) -> float:
    """The points of a task, for the last line of an nbgrader test cell; prints the feedback.

    Parameters
    ----------
    cells : sequence of str
        The code that was run: IPython's ``In``.
    path : str
        Of the assignment's file.
    task : str
        The name of the task.
    points : float
        Of the cell.
    seed : int
        Of the points that are tried.

    Returns
    -------
    float
        A plain one between 0 and ``points``. Where grading itself fails, 0, and the reason is printed
        (to stdout: nbgrader takes anything on stderr for a failure).
    """
    try:
        report = _graded(cells, path, task, seed)
    except JacobiansError as error:
        print(f"not graded: {error}")
        return 0.0
    if not report.full:
        print(report.text(report.marks[0]))
    share = report.score / report.points if report.points else 1.0
    return float(min(1.0, max(0.0, share)) * points)


def require_part(names: Mapping[str, Any], path: str, task: str, part: int, seed: int = 0) -> None:
    """Raise unless one part of a task is right: a case of an otter test.

    Parameters
    ----------
    names : mapping
        What the notebook defined: otter's ``env``.
    path, task : str
        The assignment's file, and the task.
    part : int
        The position of the argument in ``wrt``.
    seed : int
        Of the points that are tried.

    Raises
    ------
    VerificationError
        With the feedback.
    """
    assignment = read_assignment(path)
    exercise = _one(assignment, task).tasks[0]
    report = _graded(_sources(names, task), path, task, seed)
    (found,) = report.marks
    label = exercise.labels[part]
    if not found.full and label not in found.right:
        raise VerificationError(report.text(found))


def _sources(names: Mapping[str, Any], task: str) -> list[str]:
    """The code of what a notebook defines: imports by name, constants that print themselves, functions."""
    value = names.get(task)
    if isinstance(value, str):
        return [f"{task} = {value!r}"]
    found = ["import numpy as np\nimport scipy"]
    for name, other in names.items():
        if isinstance(other, int | float | str | bool) and not name.startswith("_"):
            found.append(f"{name} = {other!r}")
        elif isinstance(other, FunctionType) and getattr(other, "__module__", "") not in (
            "numpy",
            "jacobians",
        ):
            try:
                found.append(inspect.getsource(other))
            except (OSError, TypeError):
                continue
    return found
