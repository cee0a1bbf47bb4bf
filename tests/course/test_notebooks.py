"""Notebooks: those of the sources, without outputs; executed where that is asked for."""

import json
import os
from pathlib import Path

import pytest

from jacobians.course import grade, read_assignment
from tests.course.direct import direct

ROOT = Path(__file__).parents[2] / "examples"
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
ALL = bool(os.environ.get("COURSE_ALL"))


def test_each_assignment_has_a_notebook_and_there_is_a_tour() -> None:
    folders = {path.name for path in (ROOT / "assignments").iterdir() if path.is_dir()}
    assert {path.stem for path in SOURCES} == folders | {"tour"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_notebooks_are_what_their_sources_say(source: Path) -> None:
    book = json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    parts = source.read_text(encoding="utf-8").split("\n# %%")[1:]
    assert len(parts) == len(book["cells"])
    for part, cell in zip(parts, book["cells"], strict=True):
        text = "".join(cell["source"]).strip()
        if cell["cell_type"] == "code":
            assert part.strip() == text
        else:
            lines = part.splitlines()[1:]
            assert (
                "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines).strip()
                == text
            )


@pytest.mark.parametrize("source", [s for s in SOURCES if s.stem != "tour"], ids=lambda p: p.stem)
def test_notebooks_of_assignments_are_submissions(source: Path) -> None:
    with direct():
        report = grade(
            source.with_suffix(".ipynb"),
            read_assignment(ROOT / "assignments" / source.stem),
            mode="plain",
        )
    assert report.score == 0
    for mark in report.marks:
        assert "NotImplementedError" in mark.problem or "it is empty" in mark.problem


@pytest.mark.skipif(not ALL, reason="run by make test-course")
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore")
def test_notebooks_run(source: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    if source.stem == "tour":
        text = json.dumps(book, ensure_ascii=False)
        assert "δ_ik C_lj" in text
        assert "Everything is right" not in text
        assert "0 of 2 points" in text
