"""The package's own structure: imports go one way, and slow or optional ones wait until needed.

The floors are written once, in the docstrings of the folders and of the files beside them.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import jacobians as jb
from tests.grouping import in_groups

ROOT = Path(jb.__file__).parent
CONTRIBUTING = ROOT.parent / "CONTRIBUTING.md"
LAZY = {"scipy", "opt_einsum", "matplotlib", "jax", "torch"}
"""Extras and slow imports: allowed, and required, to stand inside functions."""
MOST_FLOORS, MOST_FILES = 12, 6
FACE = {"__init__", "__main__", "cli", "course", "numerical", "testing"}
"""The top floor, one face: the public modules, and the command, which needs the package's version."""


def modules() -> dict[str, Path]:
    """All modules by dotted name below the package: ``operations.linalg``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 1:
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()
ROOMS = sorted({name.split(".")[0] for name in MODULES})
"""The folders, and the files beside them."""


class Floor(NamedTuple):
    """What a room's docstring says: ``Floor 2. Imports errors, notation.``"""

    number: int
    imports: tuple[str, ...]

    def __str__(self) -> str:
        return f"Floor {self.number}. Imports {', '.join(self.imports) or 'nothing'}."


def docstring(name: str) -> str:
    return ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8"))) or ""


def floor_of(room: str) -> Floor:
    """The floor that a room's docstring says."""
    said = re.findall(r"^Floor (\d+)\. Imports ([^.]*)\.", docstring(room), re.MULTILINE)
    assert len(said) == 1, f"{room}: end its docstring with a line like 'Floor 2. Imports errors.'"
    ((number, names),) = said
    listed = () if names == "nothing" else tuple(re.split(r",\s+", names))
    return Floor(int(number), listed)


FLOORS = {room: floor_of(room) for room in ROOMS}


class _Imports(ast.NodeVisitor):
    """The imports of a module: name, line, and whether it waits (in a function, or for type checkers)."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool, int]] = []
        self.hidden: list[int] = []
        self._inside = self._typing = 0

    def visit_If(self, node: ast.If) -> None:
        typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        self._typing += typing
        for child in node.body:
            self.visit(child)
        self._typing -= typing
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside += 1
        self.generic_visit(node)
        self._inside -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def _add(self, name: str, line: int) -> None:
        self.found.append((name, self._inside > 0 or self._typing > 0, line))
        if self._inside:
            self.hidden.append(line)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = "." * node.level + (node.module or "")
        for alias in node.names:
            full = f"{name}.{alias.name}"
            known = full.removeprefix("jacobians.") in MODULES and name.startswith("jacobians")
            self._add(full if known else name, node.lineno)


def imports_of(text: str) -> _Imports:
    visitor = _Imports()
    visitor.visit(ast.parse(text))
    return visitor


def imports(name: str) -> list[tuple[str, bool, int]]:
    return imports_of(MODULES[name].read_text(encoding="utf-8")).found


def inner_imports(name: str) -> Iterator[tuple[str, int]]:
    """Modules of the package that a module imports, for type checkers too."""
    for target, _, line in imports(name):
        if target == "jacobians" or target.startswith("jacobians."):
            yield target.removeprefix("jacobians").removeprefix(".") or "__init__", line


def needed(room: str) -> tuple[str, ...]:
    """The rooms that a room imports, from the ground up."""
    names = {
        target.split(".")[0]
        for name in MODULES
        if name.split(".")[0] == room
        for target, _ in inner_imports(name)
    }
    return tuple(sorted(names - {room}, key=lambda other: (FLOORS[other].number, other)))


def test_the_reader_of_imports_sees_them() -> None:
    assert "errors" in [name for name, _ in inner_imports("ground.arguments")]
    assert "operations.linalg" in [name for name, _ in inner_imports("operations.registry")]
    assert ("scipy.sparse", True) in [(name, waits) for name, waits, _ in imports("tensor.export")]
    text = """
from typing import TYPE_CHECKING
import numpy
if TYPE_CHECKING:
    from jacobians.tensor.jacobian_tensor import JacobianTensor
else:
    import this
def f():
    from jacobians import errors
"""
    read = imports_of(text)
    assert read.found == [
        ("typing", False, 2),
        ("numpy", False, 3),
        ("jacobians.tensor.jacobian_tensor", True, 5),
        ("this", False, 7),
        ("jacobians.errors", True, 9),
    ]
    assert read.hidden == [9]


def test_few_floors_and_few_files_beside_the_folders() -> None:
    numbers = {floor.number for floor in FLOORS.values()}
    assert numbers == set(range(len(numbers)))
    assert len(numbers) <= MOST_FLOORS
    files = [room for room in ROOMS if (ROOT / f"{room}.py").exists()]
    assert len(files) <= MOST_FILES, files
    assert {room for room in ROOMS if FLOORS[room].number == max(numbers)} == FACE


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_says(room: str) -> None:
    own = FLOORS[room]
    right = Floor(own.number, needed(room))
    assert right == own, f"{room}: its docstring should say '{right}'"
    for other in own.imports:
        below = FLOORS[other].number < own.number or {room, other} <= FACE
        assert below, f"{room}, on floor {own.number}, imports {other}, on {FLOORS[other].number}"


@in_groups("name", MODULES, str)
def test_imported_modules_are_there(name: str) -> None:
    for target, line in inner_imports(name):
        assert target in MODULES, f"{name}:{line} imports {target}, which is no module"


def test_no_cycles() -> None:
    graph = {
        name: {target for target, _ in inner_imports(name) if target != name} for name in MODULES
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def table_of_floors() -> str:
    """The floors as CONTRIBUTING shows them: from the face down, each room's docstring's first line."""
    rows = ["| floor | where | what |", "| --- | --- | --- |"]
    for room in sorted(ROOMS, key=lambda room: (-FLOORS[room].number, room)):
        where = f"{room}.py" if (ROOT / f"{room}.py").exists() else f"{room}/"
        what = docstring(room).partition("\n")[0].rstrip(".")
        rows.append(f"| {FLOORS[room].number} | `{where}` | {what} |".replace("``", "`"))
    return "\n".join(rows)


def test_contributing_shows_the_floors() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert table_of_floors() in text, f"CONTRIBUTING.md should show:\n{table_of_floors()}"


def test_contributing_names_files_that_are_there() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    named = re.findall(r"`([\w.]+/[\w./]*)`", text)
    assert len(named) > 20
    for name in named:
        assert (ROOT.parent / name).exists() or (ROOT / name).exists(), name


@in_groups("name", MODULES, str)
def test_the_clock_is_on_the_ground(name: str) -> None:
    """One stopwatch and one meter of memory; who times contenders in turn sleeps between them."""
    own = {target for target, _, _ in imports(name)} & {"time", "timeit", "tracemalloc"}
    alone = "course.runner"  # a script of its own, which imports nothing of the package
    assert not own or name in ("ground.stopwatch", "measuring.timing", alone), own


@in_groups("name", MODULES, str)
def test_no_relative_imports_and_none_hidden_in_functions(name: str) -> None:
    read = imports_of(MODULES[name].read_text(encoding="utf-8"))
    for target, waits, line in read.found:
        top = target.split(".")[0]
        assert not target.startswith("."), f"{name}:{line}: write imports in full"
        assert waits or top not in LAZY, f"{name}:{line} imports {target} when the package loads"
        hidden = line in read.hidden
        assert top in LAZY or not hidden, f"{name}:{line} imports {target} inside a function"
        assert top not in ("pytest", "hypothesis", "tests")


PUBLIC_MODULES = {"course", "numerical", "testing"}
"""Modules that users reach as they are, ``jb.numerical``: the name and the module are one."""


def test_no_public_name_is_a_modules_name() -> None:
    stems = [*ROOMS, *(part for name in MODULES for part in name.split(".")[1:])]
    assert set(stems) & set(jb.__all__) == PUBLIC_MODULES
    for name in PUBLIC_MODULES:
        assert getattr(jb, name) is sys.modules[f"jacobians.{name}"]
        assert stems.count(name) == 1


def test_all_is_sorted_complete_and_there() -> None:
    assert list(jb.__all__) == sorted(jb.__all__, key=lambda name: (not name[0].isupper(), name))
    for name in jb.__all__:
        assert hasattr(jb, name)
    assert {"JacobianTensor", "JacobiansError", "chain", "compare", "operation", "ops"} <= set(
        jb.__all__
    )


WHOLE = {"documentation", "examples", "floors", "names", "site"}
"""Files of tests about the package as a whole; ``peers`` are other packages."""


def test_the_tests_mirror_the_rooms() -> None:
    tests = Path(__file__).parent
    folders = {path.parent.name for path in tests.glob("*/test_*.py")} | {
        path.parent.parent.name for path in tests.glob("*/*/test_*.py")
    }
    files = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
    rooms = set(ROOMS) - {"__init__", "__main__"}
    assert folders - {"peers"} == {room for room in rooms if (ROOT / room).is_dir()}
    assert files - WHOLE == {room for room in rooms if (ROOT / f"{room}.py").exists()}


def test_every_folder_says_what_lives_there() -> None:
    for path in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_slow_imports_wait_until_needed() -> None:
    code = (
        "import sys, numpy as np, jacobians as jb\n"
        "J = jb.ops.matmul.jacobian(np.ones((2, 3)), np.ones((3, 4)), wrt='B')\n"
        "J.dense(); J.vjp(np.ones((2, 4))); J.formula(); jb.ops.inv.formula('X')\n"
        f"print(sorted({LAZY | {'jacobians.course', 'subprocess'}!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
