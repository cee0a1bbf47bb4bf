"""``jacobians course zip``: the upload that makes Gradescope grade an assignment."""

import zipfile
from pathlib import Path

from jacobians.course.grading import read_assignment
from jacobians.errors import JacobiansError

MINUTES = 10
"""What Gradescope gives a submission by default; after that it has 0 points, without a word."""

_SETUP = """\
#!/usr/bin/env bash
# Run once, when the image is built: Python packages, from wheels/ where there are any.
set -e
cd /autograder/source
python3 -m venv /opt/grader 2>/dev/null || {
    apt-get update && apt-get install -y --no-install-recommends python3 python3-venv
    python3 -m venv /opt/grader
}
if ls wheels/*.whl >/dev/null 2>&1; then
    /opt/grader/bin/pip install --quiet --no-index --find-links wheels numpy scipy opt_einsum
else
    /opt/grader/bin/pip install --quiet 'numpy>=2.0' 'scipy>=1.13' 'opt_einsum>=3.4'
fi
cp -r package/jacobians "$(/opt/grader/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
"""
_RUN = """\
#!/usr/bin/env bash
# Run for each submission. Nothing of the course can be read by the user that a submission runs as.
chmod -R go-rwx /autograder/source /autograder/submission /autograder/results
cd /autograder/source
OPENBLAS_NUM_THREADS=1 exec /opt/grader/bin/python grade.py
"""
_GRADE = '''\
"""Grades what was handed in, and writes results.json whatever happens."""

import json
import os
from pathlib import Path

import jacobians as jb

RESULTS = Path("/autograder/results/results.json")
SUBMISSIONS = Path("/autograder/submission")


def main() -> dict:
    assignment = jb.course.read_assignment("{assignment}")
    files = [p for p in sorted(SUBMISSIONS.rglob("*")) if p.suffix in (".py", ".ipynb")]
    wanted = [p for p in files if p.stem == "{stem}"] or files
    if not wanted:
        raise jb.JacobiansError("there is no .py file or notebook among the files that were handed in")
    seed = int.from_bytes(os.urandom(4), "big")
    report = jb.course.grade(wanted[0], assignment, seed={seed}, hints={hints})
    return jb.course.gradescope(report)


try:
    results = main()
except Exception as error:  # without a file, the student would see no reason
    results = {{"score": 0, "output": f"The grader could not run: {{error}}", "visibility": "visible"}}
RESULTS.write_text(json.dumps(results), encoding="utf-8")
'''


def pack(
    path: str | Path, target: str | Path, seed: int | None = None, hints: int = 3
) -> list[str]:
    """Write the zip.

    Parameters
    ----------
    path : str or Path
        The assignment's file, or its folder.
    target : str or Path
        The zip file; one that exists is replaced.
    seed : int, optional
        The same points for all submissions; by default each has its own.
    hints : int
        As in ``grade``.

    Returns
    -------
    list of str
        The names in it.

    Raises
    ------
    JacobiansError
        Where the assignment's tasks may take longer than Gradescope waits, or more memory than it gives.

    Notes
    -----
    The package itself is in the zip. Put wheels of NumPy, SciPy and opt_einsum into a folder ``wheels``
    beside the assignment, and the image is built without a network.
    """
    assignment = read_assignment(path)
    folder = Path(path)
    file = next(
        (f for f in (folder / "reference/assignment.py", folder / "assignment.py") if f.is_file()),
        folder,
    )
    limits = assignment.limits
    longest = min(limits.seconds * len(assignment.tasks), limits.total)
    if longest > MINUTES * 60 * 0.8:
        raise JacobiansError(
            f"{assignment.title}: its tasks may take {longest:.0f} s, and Gradescope stops after {MINUTES} "
            "minutes, with 0 points and no word; give Limits with less for each"
        )
    entries: dict[str, bytes] = {}
    source = Path(__file__).parents[1]
    for one in sorted(source.rglob("*")):
        if one.suffix in (".py", ".typed", ".csv") and "__pycache__" not in one.parts:
            entries[f"package/jacobians/{one.relative_to(source).as_posix()}"] = one.read_bytes()
    for one in sorted(file.parent.glob("*")):
        if one.suffix in (".py", ".csv", ".npz", ".npy") and one.is_file():
            entries[one.name] = one.read_bytes()
    for one in sorted((file.parent / "wheels").glob("*.whl")):
        entries[f"wheels/{one.name}"] = one.read_bytes()
    chosen = "seed" if seed is None else repr(int(seed))
    text = _GRADE.format(assignment=file.name, stem="submission", seed=chosen, hints=int(hints))
    scripts = {"setup.sh": _SETUP, "run_autograder": _RUN, "grade.py": text}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, script in scripts.items():
            _write(archive, name, script.encode(), 0o755)
        for name, content in entries.items():
            _write(archive, name, content, 0o644)
    return [*scripts, *entries]


def _write(archive: zipfile.ZipFile, name: str, content: bytes, permissions: int) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # so that equal courses are equal files
    entry.external_attr = (0o100000 | permissions) << 16
    entry.create_system = 3  # Unix, whose permissions these are
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
