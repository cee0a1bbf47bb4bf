"""The five assignments: starters fail with helpful words, solutions are right, wrong ones are told why."""

import importlib.util
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jacobians.course import Assignment, CostTask, grade, read_assignment
from jacobians.course.hints import KINDS
from jacobians.course.marking import Mark
from tests.course.direct import direct

ROOT = Path(__file__).parents[2] / "examples" / "assignments"
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
ALL = bool(os.environ.get("COURSE_ALL"))
"""Every wrong solution, instead of one for each task: ``make test-course``."""

THEMES = {"axes": "the object", "delta": "deltas", "sum": "sums", "chain": "the chain rule",
          "upstream": "the backward pass"}  # fmt: skip


@cache
def assignment(folder: str) -> Assignment:
    return read_assignment(ROOT / folder)


@cache
def wrong(folder: str) -> dict[str, list[tuple[str, str, float, str]]]:
    file = ROOT / folder / "reference" / "wrong.py"
    spec = importlib.util.spec_from_file_location(f"wrong_{folder}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.WRONG
    return found


CASES = [
    pytest.param(folder, task.name, case, id=f"{task.name}-{case[0]}")
    for folder in FOLDERS
    for task in assignment(folder).tasks
    for number, case in enumerate(wrong(folder)[task.name])
    if ALL or number == 0 or "dear" in case
]


def test_there_are_five_with_four_wrong_solutions_for_each_task() -> None:
    assert len(FOLDERS) == 5
    for folder in FOLDERS:
        files = {path.name for path in (ROOT / folder).iterdir()}
        assert {"README.md", "starter.py", "reference"} <= files
        assert set(wrong(folder)) == {task.name for task in assignment(folder).tasks}
        assert all(len({case[1] for case in cases}) >= 4 for cases in wrong(folder).values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_solutions_are_right(folder: str) -> None:
    quick = [t for t in assignment(folder).tasks if ALL or not isinstance(t, CostTask)]
    with direct():
        report = grade(
            ROOT / folder / "reference" / "solution.py",
            replace(assignment(folder), tasks=quick),
            mode="plain",
        )
    assert report.full, report
    assert report.score == report.points == sum(t.points for t in quick)


@pytest.mark.parametrize("folder", FOLDERS)
def test_starters_say_what_to_do(folder: str) -> None:
    starter = ROOT / folder / "starter.py"
    for task in assignment(folder).tasks:
        assert task.name in starter.read_text(encoding="utf-8")
    with direct():
        report = grade(starter, assignment(folder), mode="plain")
    assert report.score == 0
    for mark in report.marks:
        assert "NotImplementedError: " + mark.name in mark.problem or "it is empty" in mark.problem


def mark_of(folder: str, task: str, code: str, tmp_path: Path, apart: bool) -> tuple[Mark, str]:
    file = tmp_path / "mine.py"
    file.write_text(f"import numpy as np\n\n\n{code}\n", encoding="utf-8")
    one = [t for t in assignment(folder).tasks if t.name == task]
    if apart:
        report = grade(file, replace(assignment(folder), tasks=one))
    else:
        with direct():
            report = grade(file, replace(assignment(folder), tasks=one), mode="plain")
    return report.marks[0], " ".join(str(report).split())


@pytest.mark.parametrize(("folder", "task", "case"), CASES)
def test_wrong_solutions_are_told_why(
    folder: str, task: str, case: tuple[str, str, float, str], tmp_path: Path
) -> None:
    _, code, score, speaks_of = case
    mark, text = mark_of(folder, task, code, tmp_path, apart="dear" in case)
    assert mark.score == score, text
    assert "Right is" not in text
    if speaks_of == "?":
        assert mark.mistakes[0].where, text
    elif speaks_of in THEMES:
        assert KINDS[mark.mistakes[0].hint.kind][1].startswith(THEMES[speaks_of]), text
    elif speaks_of == "shape":
        assert mark.mistakes[0].hint.kind == "shape"
    else:
        assert speaks_of in text


def test_a_cheap_way_has_all_points(tmp_path: Path) -> None:
    code = "def cheap_backward(G, B, C):\n    return G @ C.T, B.T @ G"
    mark, text = mark_of("products", "cheap_backward", code, tmp_path, apart=True)
    assert mark.full, text
