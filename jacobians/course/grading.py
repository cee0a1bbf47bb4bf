"""``jb.course.grade``: a submission against an assignment; and assignments as files."""

import importlib.util
import sys
from numbers import Integral
from pathlib import Path

from jacobians.course.confinement import PROTECTION, best_mode
from jacobians.course.marking import Grader, Mark, mark
from jacobians.course.scores import LEVELS, GradeReport
from jacobians.course.submissions import read_submission
from jacobians.course.tasks import Assignment
from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.ground.stopwatch import Stopwatch


def grade(
    path: str | Path,
    assignment: Assignment,
    seed: int = 0,
    hints: int = 3,
    reveal: bool = False,
    *,
    mode: str | None = None,
) -> GradeReport:
    r"""Grade one submission.

    Parameters
    ----------
    path : str or Path
        A ``.py`` file or an ``.ipynb`` notebook.
    assignment : Assignment
        What was asked.
    seed : int
        Of sizes, points, upstreams and directions. It never reaches the submission.
    hints : int
        How much a student is told of a mistake: 0 that it is wrong, 1 where, 2 what kind of mistake it is,
        3 the section of the theory to read again.
    reveal : bool
        Whether the right formula and the missing term are told, too.
    mode : str, optional
        How the submission is shut in: "namespaces", "user", "account" or "plain"; the most that the system
        gives, by default.

    Returns
    -------
    GradeReport
        Prints; ``score``, ``points``, ``marks``.

    Raises
    ------
    JacobiansError
        Where there is no such file, or an exercise is not one. Whatever a submission does raises nothing.

    Examples
    --------
    >>> import pathlib, tempfile, jacobians as jb
    >>> task = jb.course.VjpTask("backward", 2, lambda W, x: W @ x, arguments={"W": "m n", "x": "n"})
    >>> file = pathlib.Path(tempfile.mkdtemp(), "mine.py")
    >>> _ = file.write_text("import numpy as np\n\ndef backward(G, W, x):\n    return np.outer(G, x)\n")
    >>> report = jb.course.grade(file, jb.course.Assignment("One layer", [task]))
    >>> report.score, report.points
    (2.0, 2)
    """
    if not isinstance(assignment, Assignment):
        raise UnsupportedError(
            f"assignment is of type {type(assignment).__name__}; pass a jb.course.Assignment"
        )
    if not (isinstance(seed, Integral) and seed >= 0):
        raise JacobiansError(f"seed={seed!r}: it must be an integer, 0 or more")
    if hints not in range(len(LEVELS)):
        raise JacobiansError(f"hints={hints!r}: it must be 0 to {len(LEVELS) - 1}")
    submission = read_submission(path)
    chosen = best_mode() if mode is None else mode
    if chosen not in PROTECTION:
        raise JacobiansError(f"mode={mode!r}: it must be one of {', '.join(PROTECTION)}")
    grader = Grader(chosen, tuple(assignment.modules), assignment.limits)
    watch = Stopwatch()
    marks: list[Mark] = []
    for task in assignment.tasks:
        unread = next((m for m in marks if not m.loaded), None)
        if unread is not None:
            marks.append(Mark(task.name, 0.0, task.points, unread.problem, loaded=False))
        elif watch.seconds > assignment.limits.total:
            late = f"takes more than {assignment.limits.total:g} s for all tasks together"
            marks.append(Mark(task.name, 0.0, task.points, late))
        else:
            marks.append(mark(task, submission, grader, int(seed)))
    return GradeReport(
        assignment.title,
        submission.name,
        tuple(marks),
        hints,
        reveal,
        PROTECTION[chosen],
        assignment.theory,
    )


def read_assignment(path: str | Path) -> Assignment:
    """The ``assignment`` that a Python file defines; of a folder, its ``assignment.py``. The file is run.

    Raises
    ------
    JacobiansError
        Naming the file and what is wrong.
    """
    file = Path(path)
    if file.is_dir():
        file = next(
            (f for f in (file / "reference/assignment.py", file / "assignment.py") if f.is_file()),
            file,
        )
    if file.suffix != ".py" or not file.is_file():
        raise JacobiansError(
            f"{path}: an assignment is a Python file, or a folder with assignment.py in it"
        )
    spec = importlib.util.spec_from_file_location(f"assignment_{file.parent.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except JacobiansError:
        raise
    except Exception as error:
        raise JacobiansError(f"{file.name}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    found = getattr(module, "assignment", None)
    if not isinstance(found, Assignment):
        raise JacobiansError(f"{file}: it defines no assignment = jb.course.Assignment(…)")
    return found
