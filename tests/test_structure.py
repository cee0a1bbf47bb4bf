"""The package's own structure: imports go one way, and slow or optional ones wait until needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import jacobians as jb

ROOT = Path(jb.__file__).parent

FLOORS: list[set[str]] = [
    {"errors", "ground"},
    {"notation"},
    {"arrays"},
    {"graph"},
    {"operations"},
    {"tracing", "derivation"},
    {"optimising"},
    {"planning", "display"},
    {"tensor"},
    {"contraction", "transforms"},
    {"verification", "course", "measuring", "identities"},
    {"numerical", "testing"},
    {"cli", "__init__", "__main__"},
]
"""Folders and files from the ground up; each imports from lower floors and from its own folder."""

LAZY = {"scipy", "opt_einsum", "matplotlib", "jax", "torch"}
"""Extras and slow imports: allowed, and required, to stand inside functions."""


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


class _Imports(ast.NodeVisitor):
    """The imports of a module with whether each is inside a function; type-checking ones left out."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool, int]] = []
        self._inside = 0

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside += 1
        self.generic_visit(node)
        self._inside -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(alias.name, self._inside > 0, node.lineno) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = "." * node.level + (node.module or "")
        for alias in node.names:
            full = f"{name}.{alias.name}"
            known = full.removeprefix("jacobians.") in MODULES and name.startswith("jacobians")
            self.found.append((full if known else name, self._inside > 0, node.lineno))


def imports(name: str) -> Iterator[tuple[str, bool, int]]:
    visitor = _Imports()
    visitor.visit(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    return iter(visitor.found)


def floor(name: str) -> int:
    """The floor of a module by its first name."""
    top = name.split(".")[0]
    found = [number for number, names in enumerate(FLOORS) if top in names]
    assert found, f"{top} has no floor: add it to FLOORS, where it belongs in the order of imports"
    return found[0]


def inner_imports(name: str) -> list[tuple[str, int]]:
    found = []
    for target, _, line in imports(name):
        if target == "jacobians" or target.startswith("jacobians."):
            found.append((target.removeprefix("jacobians").removeprefix(".") or "__init__", line))
    return found


def test_the_reader_of_imports_sees_them() -> None:
    assert ("errors", 1) in [(name, 1) for name, _ in inner_imports("ground.arguments")]
    assert "operations.linalg" in [name for name, _ in inner_imports("operations.registry")]
    assert ("scipy.sparse", True) in [
        (name, inside) for name, inside, _ in imports("tensor.export")
    ]
    assert "tensor.jacobian_tensor" not in [name for name, _ in inner_imports("tensor.export")], (
        "for type checking only"
    )


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name: str) -> None:
    own = name.split(".")[0]
    for target, line in inner_imports(name):
        assert target in MODULES, f"{name}:{line} imports {target}, which is no module"
        top = target.split(".")[0]
        if top == own and "." in name + target and top not in ("__init__",):
            continue  # within one folder; the test of cycles watches these
        allowed = floor(target) < floor(name) or (
            floor(target) == floor(name) and {own, top} != {"__init__"}
        )
        assert allowed, f"{name}:{line} imports {target}, a floor above"


def test_no_cycles() -> None:
    graph = {
        name: {target for target, _ in inner_imports(name) if target != name} for name in MODULES
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_no_relative_imports_and_none_hidden_in_functions(name: str) -> None:
    for target, inside, line in imports(name):
        top = target.split(".")[0]
        assert not target.startswith("."), f"{name}:{line}: write imports in full"
        if inside:
            assert top in LAZY, f"{name}:{line} imports {target} inside a function"
        else:
            assert top not in LAZY, f"{name}:{line} imports {target} when the package loads"
        assert top not in ("pytest", "hypothesis", "tests")


PUBLIC_MODULES = {"numerical", "testing"}
"""Modules that users reach as they are, ``jb.numerical``: the name and the module are one."""


def test_no_public_name_is_a_modules_name() -> None:
    stems = [part for name in MODULES for part in name.split(".")]
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


def test_every_folder_says_what_lives_there() -> None:
    for path in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_error_is_a_jacobians_error() -> None:
    assert issubclass(jb.ShapeError, jb.JacobiansError)
    assert issubclass(jb.ShapeError, ValueError)
    assert issubclass(jb.UnsupportedError, jb.JacobiansError)
    assert issubclass(jb.UnsupportedError, TypeError)
    assert issubclass(jb.TensorTooLargeError, jb.JacobiansError)
    assert issubclass(jb.TensorTooLargeError, MemoryError)
    assert issubclass(jb.VerificationError, jb.JacobiansError)
    assert issubclass(jb.VerificationError, AssertionError)


def test_slow_imports_wait_until_needed() -> None:
    code = (
        "import sys, numpy as np, jacobians as jb\n"
        "J = jb.ops.matmul.jacobian(np.ones((2, 3)), np.ones((3, 4)), wrt='B')\n"
        "J.dense(); J.vjp(np.ones((2, 4))); J.formula(); jb.ops.inv.formula('X')\n"
        f"print(sorted({LAZY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
