"""A name means one thing: what starts with an underscore stays where it is defined, others are unique."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import jacobians as jb

PACKAGE = Path(jb.__file__).parent
TESTS = Path(__file__).parent
NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}
ELSEWHERE = NAMED_TUPLES | {"_getframe", "_NoValue", "_exit"}
"""Names with an underscore that their owners document."""

TENSOR = {
    name
    for name in {*vars(jb.JacobianTensor), *jb.JacobianTensor.__slots__}
    if name.startswith("_") and not name.endswith("_")
}

SHARED_FILES = {
    "linalg": "a family: its operations, and NumPy's functions that become them",
    "products": "a family",
    "reductions": "a family",
    "special": "a family",
    "fourier": "a family",
    "passes": "all that is rewritten before it is run: terms, then steps",
    "checking": "jb.check, and the command of that name",
}
SHARED_TYPES = {
    "Array": "a NumPy array",
    "Shape": "sizes of axes",
    "Letters": "letters of axes",
    "Function": "any callable",
    "Values": "what variables hold, by their names",
}
"""Names that several files have because they mean the same; every other name is one file's."""


def defined(tree: ast.AST) -> set[str]:
    """Names that a file gives: functions, classes, variables, fields, slots and keyword arguments."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return found


def reached(tree: ast.AST) -> list[tuple[str, int]]:
    """Private names that a file reads from something that is not ``self``, with their lines."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            name = "" if own else node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr"):
            second = node.args[1]
            name = second.value if isinstance(second, ast.Constant) else ""
        names = [a.name for a in node.names] if isinstance(node, ast.ImportFrom) else [name]
        private = [n for n in names if n.startswith("_") and not n.endswith("_")]
        found += [(n, node.lineno) for n in private]
    return found


def strangers(text: str) -> list[tuple[str, int]]:
    """Private names that a file reads and does not define."""
    tree = ast.parse(text)
    own = defined(tree) | ELSEWHERE
    return [(name, line) for name, line in reached(tree) if name not in own]


def test_reaching_in_is_seen() -> None:
    text = """
from elsewhere import _hidden, shown
class Own:
    def __init__(self, other):
        self._mine = other._mine
def f(J, K):
    getattr(J, "_cache")
    return J._values, Own._mine, K._replace(a=1), J._repr_html_(), J.__class__, J.terms._tail
"""
    assert sorted(strangers(text)) == [("_cache", 7), ("_hidden", 2), ("_tail", 8), ("_values", 8)]
    assert {"_values", "_cache", "_run"} <= TENSOR


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_nobody_reaches_into_others(path: Path) -> None:
    found = strangers(path.read_text(encoding="utf-8"))
    assert not found, f"{path}: {found}; give what is needed a public name where it is defined"


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda p: p.stem)
def test_no_test_reaches_into_the_tensor(path: Path) -> None:
    found = [(n, line) for n, line in strangers(path.read_text(encoding="utf-8")) if n in TENSOR]
    assert not found, f"{path}: {found}"


def test_file_names_have_one_meaning() -> None:
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        name = path.parent.name if path.stem == "__init__" else path.stem
        places[name].append(path.relative_to(PACKAGE))
    several = {name: found for name, found in places.items() if len(found) > 1}
    unexplained = {name: found for name, found in several.items() if name not in SHARED_FILES}
    assert not unexplained, "rename one of these, or say why they mean the same"
    assert set(SHARED_FILES) == set(several), "these are no longer shared"


def types(tree: ast.Module) -> set[str]:
    """The classes and aliases of types that a file gives, those without an underscore."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.add(node.targets[0].id)
    return {name for name in found if name[0].isupper() and not name.isupper()}


def test_types_have_one_meaning() -> None:
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for name in types(ast.parse(path.read_text(encoding="utf-8"))):
            places[name].append(path.relative_to(PACKAGE))
    several = {name: found for name, found in places.items() if len(found) > 1}
    unexplained = {name: found for name, found in several.items() if name not in SHARED_TYPES}
    assert not unexplained, "rename one of these, or say why they mean the same"
