"""The formats of other graders."""

import ast
import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import jacobians as jb
from jacobians.course import (
    Assignment,
    Limits,
    VjpTask,
    cell_score,
    coderunner,
    csv_table,
    grade,
    gradescope,
    nbgrader_cell,
    otter_test,
    pack,
    prairielearn,
    require_part,
)
from jacobians.course.scores import GradeReport
from jacobians.errors import JacobiansError, VerificationError
from tests.course.direct import direct
from tests.course.planted import HONEST, PLANTED

DEFINITION = """
import jacobians as jb
assignment = jb.course.Assignment("A", [
    jb.course.VjpTask("backward", 2, jb.ops.matmul, wrt=("B", "C")),
])
"""


def report_of(name: str, folder: Path) -> GradeReport:
    planted = next(p for p in HONEST if p.name == name)
    file = folder / "mine.py"
    file.write_text(planted.code, encoding="utf-8")
    with direct():
        return grade(file, PLANTED, mode="plain")


def unread(folder: Path) -> GradeReport:
    file = folder / "mine.py"
    file.write_text("def", encoding="utf-8")
    with direct():
        return grade(file, PLANTED, mode="plain")


def test_gradescope(tmp_path: Path) -> None:
    found = gradescope(report_of("half right", tmp_path))
    json.dumps(found, allow_nan=False)
    assert found["score"] == 2.0
    first, second = found["tests"]
    assert set(first) == {
        "score", "max_score", "status", "name", "number", "output", "output_format", "visibility",
        "tags", "extra_data",
    }  # fmt: skip
    assert (first["score"], first["max_score"], first["status"]) == (1.0, 2, "failed")
    assert (second["status"], second["output"], second["number"]) == ("passed", "Right.", "2")
    assert "sign is wrong" in first["output"]
    assert first["tags"] == ["sign"]
    assert found["extra_data"]["warning"] == ""


def test_gradescope_warns_that_a_hidden_test_hides_the_total(tmp_path: Path) -> None:
    report = report_of("right", tmp_path)
    found = gradescope(report, hidden=["formula"])
    assert found["tests"][1]["visibility"] == "hidden"
    assert "hides the total" in found["output"]
    with pytest.raises(JacobiansError, match="visibility='secret'"):
        gradescope(report, visibility="secret")


def test_prairielearn(tmp_path: Path) -> None:
    found = prairielearn(report_of("half right", tmp_path))
    assert found["gradable"] is True
    assert found["score"] == pytest.approx(2 / 3)
    assert [(t["points"], t["max_points"]) for t in found["tests"]] == [(1.0, 2), (1.0, 1)]
    found = prairielearn(unread(tmp_path))
    assert found["gradable"] is False
    assert "SyntaxError" in found["format_errors"][0]
    report = report_of("half right", tmp_path)
    long = replace(report, marks=tuple(replace(m, notes=("x " * 600_000,)) for m in report.marks))
    assert len(json.dumps(prairielearn(long)).encode()) < 1_000_000


def test_coderunner(tmp_path: Path) -> None:
    found = coderunner(report_of("half right", tmp_path))
    assert found["fraction"] == pytest.approx(2 / 3)
    assert found["testresults"][0] == ["iscorrect", "Task", "Points", "Feedback"]
    assert [row[:3] for row in found["testresults"][1:]] == [
        [0, "backward", "1 of 2"], [1, "formula", "1 of 1"],
    ]  # fmt: skip
    assert len(found["columnformats"]) == 3


def test_csv(tmp_path: Path) -> None:
    reports = {"ada": report_of("right", tmp_path), "=cmd": unread(tmp_path)}
    rows = list(csv.reader(io.StringIO(csv_table(reports))))
    assert rows[0] == ["submission", "score", "points", "backward", "formula", "problems"]
    assert rows[1] == ["ada", "3", "3", "2", "1", ""]
    assert rows[2][:3] == ["'=cmd", "0", "3"]


def test_nbgrader_points_are_plain_floats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "assignment.py"
    file.write_text(DEFINITION)
    cells = ["import numpy as np\ndef backward(G, B, C):\n    return G @ C.T, -(B.T @ G)"]
    with direct():
        points = cell_score(cells, str(file), "backward", points=5)
    assert repr(points) == "2.5"
    out, err = capsys.readouterr()
    assert "sign is wrong" in out
    assert err == ""
    with direct():
        full = cell_score([cells[0].replace("-", "")], str(file), "backward", points=5)
        none = cell_score(["raise ValueError"], str(file), "backward", points=5)
        failed = cell_score([], str(tmp_path / "gone.py"), "backward", points=5)
    assert [repr(p) for p in (full, none, failed)] == ["5.0", "0.0", "0.0"]
    assert capsys.readouterr().err == ""
    cell = nbgrader_cell("a.py", "backward", 5)
    last = ast.parse(cell).body[-1]
    assert isinstance(last, ast.Expr)
    assert "points=5.0" in cell


def test_otter_files(tmp_path: Path) -> None:
    file = tmp_path / "assignment.py"
    file.write_text(DEFINITION)
    assignment = jb.course.read_assignment(file)
    text = otter_test(assignment, str(file), "backward", hidden=True)
    tree = ast.parse(text)
    cases = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    assert len(cases) == 2
    assert text.count("hidden=True") == 2
    assert text.count("points=1.0") == 2
    code = "import numpy as np\n\n\ndef backward(G, B, C):\n    return G @ C.T, -(B.T @ G)\n"
    names: dict[str, object] = {}
    source = tmp_path / "student.py"
    source.write_text(code)
    exec(compile(code, str(source), "exec"), names)
    with direct():
        require_part(names, str(file), "backward", 0)
        with pytest.raises(VerificationError, match="sign is wrong"):
            require_part(names, str(file), "backward", 1)
    with pytest.raises(JacobiansError, match="there is no task 'x'; there are backward"):
        otter_test(assignment, str(file), "x")


def test_the_upload(tmp_path: Path) -> None:
    (tmp_path / "assignment.py").write_text(DEFINITION)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "numpy-2.0-none-any.whl").write_bytes(b"wheel")
    names = pack(tmp_path, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == names
        for name in ("setup.sh", "run_autograder"):
            entry = archive.getinfo(name)
            assert entry.external_attr >> 16 & 0o111 == 0o111
            text = archive.read(name)
            assert text.startswith(b"#!/usr/bin/env bash\n")
            assert b"\r" not in text
        ast.parse(archive.read("grade.py"))
        assert "package/jacobians/course/runner.py" in names
        assert "wheels/numpy-2.0-none-any.whl" in names
        assert archive.read("assignment.py").decode() == DEFINITION
    assert pack(tmp_path, tmp_path / "b.zip") == names
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_upload_refuses_what_would_time_out(tmp_path: Path) -> None:
    slow = DEFINITION.replace("])", "], limits=jb.course.Limits(seconds=900, total=900))")
    (tmp_path / "assignment.py").write_text(slow)
    with pytest.raises(JacobiansError, match="10 minutes"):
        pack(tmp_path, tmp_path / "a.zip")


def test_the_upload_grades(tmp_path: Path) -> None:
    """As it is unpacked there, the paths changed for this machine."""
    (tmp_path / "assignment.py").write_text(DEFINITION)
    pack(tmp_path, tmp_path / "a.zip", seed=3)
    box = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (box / name).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(box / "source")
    (box / "submission" / "mine.py").write_text(HONEST[0].code)
    script = (box / "source" / "grade.py").read_text().replace("/autograder", str(box))
    (box / "source" / "grade.py").write_text(script)
    subprocess.run(
        [sys.executable, "grade.py"], cwd=box / "source", check=True,
        env={"PYTHONPATH": str(box / "source" / "package"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    found = json.loads((box / "results" / "results.json").read_text())
    assert found["score"] == 2.0
    assert found["tests"][0]["status"] == "passed"


def test_limits_are_values() -> None:
    assert Limits() == Limits()
    task = VjpTask("f", 1, jb.ops.matmul)
    assert Assignment("A", [task]).limits == Limits()
