"""Over 70 planted submissions: the scores are exact, and what is said names the reason."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jacobians.course import Assignment, CostTask, Limits, best_mode, grade
from jacobians.course.confinement import Enclosure
from jacobians.course.scores import GradeReport
from jacobians.course.submissions import found_submissions
from tests.course.direct import direct
from tests.course.planted import HONEST, HOSTILE, PLANTED, Planted

ALL = bool(os.environ.get("COURSE_ALL"))
APART = ("namespaces", "user")
"""Modes in which another user's and the parent's files cannot be seen."""


def graded(
    planted: Planted, folder: Path, assignment: Assignment = PLANTED, **options: object
) -> GradeReport:
    file = folder / "mine.py"
    file.write_text(planted.code, encoding="utf-8")
    return grade(file, assignment, seed=5, **options)  # type: ignore[arg-type]


def judge(planted: Planted, report: GradeReport) -> None:
    expected = [planted.backward, planted.formula][: len(report.marks)]
    assert [mark.score for mark in report.marks] == expected, f"{planted.name}\n{report}"
    assert report.score == sum(expected)
    assert planted.says in " ".join(str(report).split()), f"{planted.name}\n{report}"


def test_there_are_enough() -> None:
    names = [p.name for p in HONEST + HOSTILE]
    assert len(set(names)) == len(names) >= 70
    assert len(HOSTILE) >= 35


@pytest.mark.parametrize("planted", HONEST, ids=lambda p: p.name)
def test_honest_submissions(planted: Planted, tmp_path: Path) -> None:
    with direct():
        judge(planted, graded(planted, tmp_path, mode="plain"))


@pytest.mark.parametrize(
    "planted", [HONEST[0], HONEST[1], HONEST[12], HONEST[16]], ids=lambda p: p.name
)
def test_honest_submissions_apart(planted: Planted, tmp_path: Path) -> None:
    judge(planted, graded(planted, tmp_path))


@pytest.mark.parametrize("planted", HOSTILE, ids=lambda p: p.name)
def test_hostile_submissions(planted: Planted, tmp_path: Path) -> None:
    if best_mode() not in APART:
        pytest.skip("needs namespaces, as root or in a user namespace")
    # The second task shows that nothing else is stopped: for every third, as it takes a process more.
    both = ALL or planted.formula == 0 or HOSTILE.index(planted) % 3 == 0
    assignment = PLANTED if both else replace(PLANTED, tasks=PLANTED.tasks[:1])
    judge(planted, graded(planted, tmp_path, assignment))


def test_sleep_ends_by_the_wall_clock(tmp_path: Path) -> None:
    planted = Planted("sleeps", "import time\n\ndef backward(G, B, C):\n    time.sleep(60)\n", 0)
    file = tmp_path / "mine.py"
    file.write_text(planted.code)
    one = replace(PLANTED, tasks=PLANTED.tasks[:1], limits=Limits(seconds=0.5))
    assert "runs for more than 0.5 s" in str(grade(file, one))


@pytest.mark.parametrize(
    ("code", "score", "says"),
    [
        ("    return G @ C.T, B.T @ G", 2, "well done"),
        ("    T = np.einsum('ik,lj->ijkl', np.eye(len(B)), C)\n    return np.tensordot(G, T, 2), B.T @ G",
         1, "is taken by line"),
        ("    if len(B) > 20:\n        return 0 * B, 0 * C\n    return G @ C.T, B.T @ G", 0, "gives wrong values at B (40, 41)"),
        ("    return G @ C.T, B.T @ G\n\nnp.ones(1 << 24)", 0, "when it is read"),
    ],
    ids=["cheap", "dear", "wrong where it is measured", "hides it beside its start"],
)  # fmt: skip
def test_costs_are_of_right_values(code: str, score: float, says: str, tmp_path: Path) -> None:
    task = CostTask("backward", 2, lambda B, C: B @ C, wrt=("B", "C"),
                    arguments={"B": "m n", "C": "n p"}, sizes=(40, 64), shapes=1)  # fmt: skip
    planted = Planted("cost", f"import numpy as np\n\ndef backward(G, B, C):\n{code}\n", score)
    report = graded(planted, tmp_path, Assignment("Cost", [task]))
    assert report.score == score, report
    assert says in " ".join(str(report).split())


def test_a_notebook_with_magics(tmp_path: Path) -> None:
    """IPython's lines are skipped where Python cannot read a cell, and only there."""
    cells = [
        "%matplotlib inline\n!ls\nimport numpy as np\nfiles = !ls\nnp.dot?",
        "%%bash\nexit 1",
        "%%time\ndef backward(G, B, C):\n    if B.size:\n        %time\n    return G @ C.T, B.T @ G",
        "formula = ('δ_ik '  # is it right?\n           'C_lj')",
    ]
    book = {"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]}
    file = tmp_path / "mine.ipynb"
    file.write_text(json.dumps(book), encoding="utf-8")
    with direct():
        report = grade(file, PLANTED, mode="plain")
    assert report.full, report


def test_links_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "solution").write_text(HONEST[0].code, encoding="utf-8")
    handed_in = tmp_path / "in"
    handed_in.mkdir()
    (handed_in / "ann.py").symlink_to(tmp_path / "solution")
    (handed_in / "bob").symlink_to(tmp_path)
    found = found_submissions(handed_in)
    assert set(found) == {"ann", "bob"}
    for path in found.values():
        report = grade(path, PLANTED)
        assert report.score == 0
        assert "the file is a link" in " ".join(str(report).split()).lower()


def test_a_wrong_part_that_ends_the_process_leaves_the_right_one(tmp_path: Path) -> None:
    """Kinds of mistakes are looked for when the points stand."""
    code = """import numpy as np
calls = []

def backward(G, B, C):
    calls.append(1)
    if len(calls) > 9:
        import os
        os._exit(0)
    return G @ C.T, -B.T @ G
"""
    one = replace(PLANTED, tasks=PLANTED.tasks[:1])
    report = graded(Planted("ends", code, 1), tmp_path, one)
    assert report.score == 1, report


def test_what_a_submission_sees() -> None:
    """No seed in its command line or environment, no files of others, a user without rights."""
    if best_mode() not in APART:
        pytest.skip("needs namespaces")
    code = """
import os, sys
def look():
    return repr((sys.argv, sorted(os.environ), os.getuid(), sorted(os.listdir(".")), sys.path))
"""
    with Enclosure(best_mode(), {"mine.py": code.encode()}, ("numpy",), Limits()) as enclosure:
        source = {"name": "look", "separate": False, "sources": [["mine.py", code]]}
        enclosure.ask(source, {})
        found = enclosure.ask({"name": "look", "arguments": []}, {}).head["value"]["text"]
    argv, environment, uid, files, path = eval(found)
    assert [Path(argv[0]).name, argv[-1]] == ["runner.py", "/packages"]
    assert "PYTHONPATH" not in environment
    assert "HOME" in environment
    assert uid not in (0, os.getuid()) or os.getuid() == uid != 0
    assert files == ["mine.py"]
    assert not any("site-packages" in p for p in path)


def test_nothing_is_left_running() -> None:
    """A process that left its group and its session ends with the submission."""
    marker = f"left-by-{os.getpid()}"
    code = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None)
if libc.fork() == 0:
    libc.setsid()
    libc.execl(sys.executable.encode(), b"{marker}", b"-c", b"import time; time.sleep(60)", None)
def backward(G, B, C):
    return G @ C.T, B.T @ G
"""
    limits = Limits(processes=1 << 12)
    modes = {best_mode(), "plain"}
    for mode in sorted(modes):
        with Enclosure(mode, {"mine.py": code.encode()}, ("numpy",), limits) as enclosure:
            source = {"name": "backward", "separate": False, "sources": [["mine.py", code]]}
            assert enclosure.ask(source, {}).head["defined"]
        found = [
            path.parent.name
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if marker.encode() in _read(path)
        ]
        assert found == [], mode


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_without_rights_at_all() -> None:
    """As a user that is not root: a user namespace, or what is said of its lack."""
    if os.geteuid() != 0:
        assert best_mode() in ("user", "plain")
        return
    code = "import os; os.setresuid(65534, 65534, 65534); from jacobians.course import best_mode; print(best_mode())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(), check=False
    )
    assert done.stdout.strip() in ("user", "plain", "")


def test_plain_mode_says_what_is_not_protected(tmp_path: Path) -> None:
    report = graded(HONEST[0], tmp_path, mode="plain")
    assert report.score == 3
    assert "can read what you can read" in report.unprotected[0]


def told(name: str, folder: Path, **options: object) -> str:
    planted = next(p for p in HONEST + HOSTILE if p.name == name)
    with direct():
        return str(graded(planted, folder, mode="plain", **options))


FEEDBACK = {
    "zeros": "by B It is not right. {at} entries are wrong; the worst, {i}, is off by about {d}. what It is zero everywhere.",
    "ones for G": "what The upstream gradient G is ignored, only summed, or multiplied in twice. read the backward pass: the upstream gradient, contracted",
    "half right": "by C It is not right. {at} entries are wrong; the worst, {i}, is off by about {d}. what The sign is wrong, and nothing else. read the chain rule: every factor, every path right Right by B.",
    "twice": "what Every entry is too large or too small by the same factor.",
    "a mean for a sum": "what A mean stands where a sum is right, or a sum for a mean. read sums: which letters are summed right Right by C.",
    "transposed": "by B The shape is not right. where At {p}: The shape is",
    "one array": "✗ backward 0 of 2 Your code gives one array; 2 are asked for, in the order of the arguments. ✓ formula 1 of 1",
    "nothing": "Your code gives a NoneType; a NumPy array of real numbers is asked for.",
    "nan in one entry": "by C There are entries that are no finite numbers.",
    "not there": "Your code has no backward; there are np, backwards, formula.",
    "raises": "Your code raises ValueError: not yet (mine.py, line 5: raise ValueError('not yet')).",
    "wrong formula": "what A Kronecker delta is missing, or one too many: look at which entries must be zero.",
    "swapped letters": "Your code has a formula that cannot be read: the letter",
    "right": "Everything is right: all 2 tasks, at every shape that was tried. Full marks, well done!",
}


@pytest.mark.parametrize("name", FEEDBACK)
def test_feedback_in_words(name: str, tmp_path: Path) -> None:
    text = " ".join(told(name, tmp_path).split())
    pattern = re.escape(FEEDBACK[name])
    for key, instead in {
        "at": r"where At .*?: \d+ of \d+", "i": r"\[\d, ?\d\]", "d": r"[\d.]+", "p": r"B .*?",
    }.items():  # fmt: skip
        pattern = pattern.replace(re.escape("{" + key + "}"), instead)
    assert re.search(pattern, text), text


def test_hints_come_in_levels_and_formulas_only_when_asked(tmp_path: Path) -> None:
    texts = [told("half right", tmp_path, hints=level) for level in range(4)]
    for level, word in enumerate(("where", "what", "read"), 1):
        assert all((f"  {word} " in text) == (n >= level) for n, text in enumerate(texts))
    assert all("B_ik" not in text and "δ" not in text for text in texts)
    revealed = told("half right", tmp_path, reveal=True)
    assert "Right is δ_jl B_ik." in revealed


def test_sizes_of_errors_have_one_digit(tmp_path: Path) -> None:
    """Zeros learn one digit at a point that they do not know, and no more."""
    for level in range(4):
        text = told("zeros", tmp_path, hints=level)
        for number in re.findall(r"about ([\d.e+-]+?)\.?(?:\s|$)", text):
            assert len(number.replace("0.", "").strip("0").replace(".", "")) <= 1, number
