"""Submissions as files: a Python file, or a notebook's code cells."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jacobians.errors import JacobiansError

_MOST = 1 << 22  # bytes of a submission


@dataclass(frozen=True)
class Submission:
    """What a student hands in.

    Attributes
    ----------
    name : str
        Of the file.
    sources : tuple of (str, str)
        A label, as errors name it, and the code: of the file, or of each cell.
    separate : bool
        Whether a source that raises leaves the others: the cells of a notebook.
    content : bytes
        The file as it is.
    problem : str
        Why it cannot be read, if it cannot.
    """

    name: str
    sources: tuple[tuple[str, str], ...]
    separate: bool
    content: bytes
    problem: str = ""

    def line(self, label: str, number: int) -> str:
        """A line of the code, stripped."""
        for name, text in self.sources:
            lines = text.splitlines()
            if name == label and 0 < number <= len(lines):
                return lines[number - 1].strip()
        return ""


def read_submission(path: str | Path) -> Submission:
    """Read a ``.py`` or ``.ipynb`` file.

    Raises
    ------
    JacobiansError
        Where there is no such file. One that cannot be read as what it is gets no points instead.
    """
    path = Path(path)
    if path.is_symlink():  # it may lead to another's work, or to the solution
        return Submission(path.name, (), False, b"", "the file is a link; hand in the file itself")
    if not path.is_file():
        raise JacobiansError(f"{path}: there is no such file")
    if path.suffix not in (".py", ".ipynb"):
        raise JacobiansError(f"{path}: a submission is a .py file or an .ipynb notebook")
    with path.open("rb") as file:
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        return Submission(path.name, (), False, b"", f"the file is larger than {_MOST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Submission(path.name, (), False, content, "the file is not written in UTF-8")
    if path.suffix == ".py":
        return Submission(path.name, ((path.name, text),), False, content)
    try:
        cells = json.loads(text)["cells"]
        sources = tuple(
            (f"cell {n}", "".join(cell["source"]))
            for n, cell in enumerate((c for c in cells if c["cell_type"] == "code"), 1)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return Submission(path.name, (), True, content, "the file is no notebook that can be read")
    return Submission(path.name, sources, True, content)


def found_submissions(folder: Path) -> dict[str, Path]:
    """Names of students and their files: a file each, or a folder each with one file in it.

    Raises
    ------
    JacobiansError
        Where there are none.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_symlink() or (path.suffix in (".py", ".ipynb") and path.is_file()):
            found[path.stem if path.stem not in found else path.name] = path
        elif path.is_dir():
            inner: list[Any] = [p for p in sorted(path.rglob("*")) if p.suffix in (".py", ".ipynb")]
            inner = [p for p in inner if not p.name.startswith((".", "_"))]
            if inner:
                found[path.name] = inner[0]
    if not found:
        raise JacobiansError(f"{folder}: there are no .py files or notebooks in it")
    return found
