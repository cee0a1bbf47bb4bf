"""``jacobians grade`` and ``jacobians course zip``."""

import csv
import io
import json
from pathlib import Path

import pytest

from jacobians.cli import main
from tests.course.direct import direct
from tests.course.planted import HONEST
from tests.course.test_exports import DEFINITION

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# mine"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n"]},
        {"cell_type": "code", "source": "import nothing_here"},
        {
            "cell_type": "code",
            "source": ["def backward(G, B, C):\n", "    return G @ C.T, B.T @ G"],
        },
    ]
}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "assignment.py").write_text(DEFINITION)
    (tmp_path / "mine.py").write_text(HONEST[0].code)
    (tmp_path / "half.py").write_text(next(p.code for p in HONEST if p.name == "half right"))
    (tmp_path / "book.ipynb").write_text(json.dumps(NOTEBOOK))
    return tmp_path


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_right_submission_fits_a_screen(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("grade", course, course / "mine.py") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["A", "2", "of", "2", "points"]
    assert "Full marks, well done!" in " ".join(lines[-2:])


def test_a_notebook_says_which_cell_failed(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with direct():
        assert run("grade", course, course / "book.ipynb") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Not run to its end: ModuleNotFoundError: No module named 'nothing_here' (cell 2, line 1"
        in text
    )


def test_mistakes_are_exit_code_1(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with direct():
        assert run("grade", course, course / "half.py", "--hints", 2) == 1
        out = capsys.readouterr().out
        assert "The sign is wrong" in out
        assert max(map(len, out.splitlines())) <= 80
        assert run("grade", course, course / "half.py", "--reveal") == 1
        assert "δ_jl B_ik" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["json", "gradescope", "prairielearn", "coderunner"])
def test_formats(course: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with direct():
        assert run("grade", course, course / "half.py", "--format", name) == 1
    assert json.loads(capsys.readouterr().out)


def test_a_folder_gives_a_table(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = course / "handed in"
    (folder / "bob").mkdir(parents=True)
    (folder / "ada.py").write_text((course / "mine.py").read_text())
    (folder / "bob" / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    assert run("grade", course, folder, "-o", course / "marks.csv") == 0
    assert capsys.readouterr().err == ""
    rows = list(csv.reader(io.StringIO((course / "marks.csv").read_text())))
    assert [row[:3] for row in rows[1:]] == [["ada", "2", "2"], ["bob", "2", "2"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["grade", "{}", "{}/gone.py"], "no such file"),
        (["grade", "{}/mine.py", "{}/mine.py"], "defines no assignment"),
        (["grade", "{}", "{}/mine.py", "--format", "xml"], "must be one of table"),
        (["grade", "{}", "{}/mine.py", "--hints", "9"], "hints=9"),
        (["grade", "{}", "{}/mine.py", "--seed", "-1"], "seed=-1"),
        (["course", "unzip", "{}"], "invalid choice"),
    ],
)
def test_bad_usage(
    course: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(word.replace("{}", str(course)) for word in words)) == 2
    assert says in capsys.readouterr().err


def test_zip(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("course", "zip", course, "-o", course / "up.zip") == 0
    assert "no wheels/" in capsys.readouterr().out
    assert (course / "up.zip").stat().st_size < 5_000_000
