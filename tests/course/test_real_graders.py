"""nbgrader, otter and gradescope-utils themselves, where they are installed: ``make test-course``."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jacobians as jb
from jacobians.course import nbgrader_cell, otter_test
from tests.course.test_exports import DEFINITION

pytestmark = [
    pytest.mark.skipif(not os.environ.get("COURSE_ALL"), reason="run by make test-course"),
    pytest.mark.filterwarnings("ignore"),
]
HALF = "import numpy as np\ndef backward(G, B, C):\n    return G @ C.T, -(B.T @ G)"
WHOLE = HALF.replace("-(B.T @ G)", "B.T @ G")
NONE = "import numpy as np\ndef backward(G, B, C):\n    return 0 * B, 0 * C"
BIN = str(Path(sys.executable).parent)
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}:{os.environ['PATH']}",
    "PYTHONPATH": str(Path(jb.__file__).parents[1]),
}


@pytest.mark.parametrize(("code", "right"), [(WHOLE, 2), (HALF, 1), (NONE, 0)])
def test_otter_check(code: str, right: int, tmp_path: Path) -> None:
    pytest.importorskip("otter")
    file = tmp_path / "assignment.py"
    file.write_text(DEFINITION)
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "backward.py").write_text(
        otter_test(jb.course.read_assignment(file), str(file), "backward")
    )
    (tmp_path / "student.py").write_text(code + "\n")
    script = (
        "import otter, student\n"
        f"result = otter.Notebook(tests_dir={str(tests)!r}).check('backward', global_env=vars(student))\n"
        "cases = result.test_case_results\n"
        "print('POINTS', sum(c.test_case.points for c in cases if c.passed), len(cases))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert f"POINTS {float(right)} 2" in done.stdout or f"POINTS {right} 2" in done.stdout, done


def test_nbgrader_autograde(tmp_path: Path) -> None:
    pytest.importorskip("nbgrader")
    nbformat = pytest.importorskip("nbformat")
    file = tmp_path / "assignment.py"
    file.write_text(DEFINITION)
    cell = nbgrader_cell(str(file), "backward", 5)

    def notebook(code: str) -> object:
        made = nbformat.v4.new_notebook()
        answer = nbformat.v4.new_code_cell(code)
        answer.metadata["nbgrader"] = {
            "schema_version": 3, "grade": False, "solution": True, "locked": False, "grade_id": "own", "task": False,
        }  # fmt: skip
        test = nbformat.v4.new_code_cell(cell)
        test.metadata["nbgrader"] = {
            "schema_version": 3, "grade": True, "solution": False, "locked": True, "points": 5,
            "grade_id": "test", "task": False,
        }  # fmt: skip
        made.cells = [answer, test]
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        return made

    students = {"ada": (WHOLE, 5.0), "bob": (HALF, 2.5), "cyd": (NONE, 0.0)}
    (tmp_path / "source" / "ps1").mkdir(parents=True)
    nbformat.write(
        notebook("### BEGIN SOLUTION\npass\n### END SOLUTION"), tmp_path / "source/ps1/one.ipynb"
    )
    for name, (code, _) in students.items():
        folder = tmp_path / "submitted" / name / "ps1"
        folder.mkdir(parents=True)
        nbformat.write(notebook(code), folder / "one.ipynb")
    (tmp_path / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'x'\n"
    )
    command = shutil.which("nbgrader", path=BIN)
    assert command
    for words in (["generate_assignment", "ps1"], ["autograde", "ps1"]):
        done = subprocess.run(
            [command, *words],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    script = (
        "from nbgrader.api import Gradebook\n"
        "with Gradebook('sqlite:///gradebook.db') as book:\n"
        "    import json\n"
        "    print(json.dumps({s.id: book.find_submission('ps1', s.id).score for s in book.students}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {name: points for name, (_, points) in students.items()}


def test_gradescope_utils_writes_the_same_fields(tmp_path: Path) -> None:
    """Their runner's fields, which Gradescope reads, are among those that we write."""
    pytest.importorskip("gradescope_utils")
    script = """
import json, sys, unittest
from io import StringIO
from gradescope_utils.autograder_utils.decorators import weight, visibility, number
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner
class T(unittest.TestCase):
    @weight(2)
    @number("1")
    @visibility("visible")
    def test_one(self): pass
stream = StringIO()
JSONTestRunner(stream=stream, visibility="visible").run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
print(stream.getvalue())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout)
    task = jb.course.VjpTask("backward", 2, jb.ops.matmul, wrt=("B", "C"))
    file = tmp_path / "mine.py"
    file.write_text(WHOLE)
    ours = jb.course.gradescope(jb.course.grade(file, jb.course.Assignment("A", [task])))
    assert set(theirs["tests"][0]) <= set(ours["tests"][0])
    assert theirs["tests"][0]["status"] == ours["tests"][0]["status"] == "passed"
