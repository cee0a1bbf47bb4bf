"""What the documentation says is run: its code, its commands, the examples in docstrings.

In README.md, CHANGELOG.md, CONTRIBUTING.md and docs/:

* A ``python`` block is run; the blocks of a file share their names, in order. One with ``>>>`` is
  checked as a doctest.
* In a ``sh`` block, each line that begins with ``jacobians`` is run and must succeed.
* In a ``console`` block, ``$ jacobians …`` is run, and what follows is its output, line by line. Runs
  of spaces count as one. These need not be the same, since they differ between runs: a number with a
  unit of time, a number before "times", a number with a negative exponent (rounding), all replaced by
  ``#``; and a number of bytes, which must agree within a tenth. A line of ``…`` alone stands for any
  lines.

Commands of other programs (pip, make, python) are not run.

docs/functions.md is held against the package in two more ways: its tables name every function that
NumPy hands over, on the right side of supported and not; and each row of its table of kinks is computed.
"""

import doctest
import importlib
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special

import jacobians
from jacobians.cli import main
from jacobians.tracing.tables import SUPPORTED
from tests.tracing.test_tables import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if path.exists()
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line on which the text begins."""

    language: str
    text: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines: list[str] | None = None
    language, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if lines is None:
                language, lines, start = line[3:].strip(), [], number + 1
            else:
                yield Block(language, "\n".join(lines) + "\n", start)
                lines = None
        elif lines is not None:
            lines.append(line)
    assert lines is None, f"the block that begins in line {start} has no end"


def run_command(command: str) -> tuple[int, list[str]]:
    """The exit code, and the lines of output and errors."""
    output = StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        code = main(shlex.split(command, comments=True)[1:])
    return code, output.getvalue().splitlines()


_TIME = re.compile(r"\d[\d.]*(e[+-]?\d+)? (ns|µs|ms|s)\b")
_RATIO = re.compile(r"\d[\d,.]*(?= times)")
_ROUNDING = re.compile(r"\d[\d.]*e-\d+|(?<=difference )0\b")
_BYTES = re.compile(r"(\d[\d,.]*) (B|KiB|MiB|GiB)\b")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def masked(line: str) -> tuple[str, list[float]]:
    """A line without what differs between runs, and its numbers of bytes."""
    for pattern in (_TIME, _RATIO, _ROUNDING):
        line = pattern.sub("#", line)
    sizes = [float(n.replace(",", "")) * _UNITS[unit] for n, unit in _BYTES.findall(line)]
    return " ".join(_BYTES.sub("bytes", line).split()), sizes


def same_line(shown: str, printed: str) -> bool:
    """Whether two lines say the same, apart from what differs between runs."""
    (text, sizes), (other_text, other_sizes) = masked(shown), masked(printed)
    return text == other_text and sizes == pytest.approx(other_sizes, rel=0.1, abs=64)


def same_output(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines shown stand for those printed; ``…`` for any number of them."""
    if not shown:
        return not printed
    if shown[0].strip() == "…":
        return any(same_output(shown[1:], printed[n:]) for n in range(len(printed) + 1))
    return bool(printed) and same_line(shown[0], printed[0]) and same_output(shown[1:], printed[1:])


def without_empty_ends(lines: list[str]) -> list[str]:
    """The lines without empty ones before and after."""
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


def console_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block and the output shown for each."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, without_empty_ends(shown)


def check_console(block: Block, where: str) -> None:
    for command, shown in console_commands(block.text):
        if not command.startswith("jacobians "):
            continue
        code, printed = run_command(command)
        failed = any(line.startswith("jacobians: error:") for line in shown)
        assert code == (2 if failed else 0), f"{where}: {command}: exit code {code}"
        printed = without_empty_ends(printed)
        assert not shown or same_output(shown, printed), (
            f"{where}: {command} printed\n" + "\n".join(printed)
        )


def check_doctest(block: Block, path: Path, names: dict[str, object]) -> None:
    example = doctest.DocTestParser().get_doctest(
        block.text, names, path.name, str(path), block.line - 1
    )
    report = StringIO()
    found = doctest.DocTestRunner(optionflags=FLAGS).run(
        example, out=report.write, clear_globs=False
    )
    names.update(example.globs)
    assert found.failed == 0, report.getvalue()


@pytest.mark.parametrize("path", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what a block writes, later ones find
    names: dict[str, object] = {"__name__": "__documentation__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        where = f"{path.name}:{block.line}"
        if block.language == "python" and ">>> " in block.text:
            check_doctest(block, path, names)
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(path), "exec"), names)
        elif block.language == "sh":
            for line in block.text.splitlines():
                if line.startswith("jacobians "):
                    code, printed = run_command(line)
                    assert code == 0, f"{where}: {line} printed\n" + "\n".join(printed)
        elif block.language == "console":
            check_console(block, where)


MODULES = [
    "jacobians",
    *sorted(
        module.name
        for module in pkgutil.walk_packages(jacobians.__path__, "jacobians.")
        if not module.name.endswith("__main__")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    report = StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=report.write)
    assert runner.summarize(verbose=False).failed == 0, report.getvalue()


def test_docstrings_have_examples() -> None:
    """The walk above finds examples at all: a few names that must have some."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in ("operation", "chain", "compare", "JacobianTensor"):
        found = finder.find(getattr(jacobians, name), name, globs={})
        assert sum(len(one.examples) for one in found) > 0, name


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == jacobians.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(jacobians.__version__)}\]?", changes, re.MULTILINE)


def test_readme_shows_every_public_name() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in jacobians.__all__ if not re.search(rf"\b{name}\b", readme)]
    assert missing == []


def test_readme_names_every_operation() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in jacobians.ops if f"`{name}`" not in readme] == []


# docs/functions.md: what it says of NumPy's functions.

FUNCTIONS_PAGE = ROOT / "docs" / "functions.md"


def table_under(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of docs/functions.md."""
    section = FUNCTIONS_PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def named(cells: list[str]) -> set[str]:
    """The functions named in cells: what stands between backticks, with ``numpy.`` before it."""
    found = re.findall(r"`([\w.]+)`", " ".join(cells))
    return {f"numpy.{name}" for name in found}


LISTED = {
    True: named([row[1] for row in table_under("What has a Jacobian")])
    | named([row[1] for row in table_under("What is constant")])
    | {"numpy.lib.stride_tricks.sliding_window_view"},  # on the page without its module
    False: named([row[0] for row in table_under("What is not supported")]),
}
OLDER = {"numpy.trapz": "numpy.trapezoid", "numpy.in1d": "numpy.isin"}  # names that NumPy gave up


def is_supported(name: str) -> bool:
    # sort_complex is in the table of what is implemented so that its message can name np.sort.
    return FUNCTIONS[name] in SUPPORTED and name != "numpy.sort_complex"


def test_functions_page_names_every_function_of_numpy() -> None:
    missing = []
    for name, function in FUNCTIONS.items():
        names = {other for other, same in FUNCTIONS.items() if same is function}
        if not LISTED[is_supported(name)] & (names | {OLDER.get(name, name)}):
            missing.append(name)
    assert missing == []


def test_functions_page_puts_none_on_the_wrong_side() -> None:
    """What this NumPy has; the page may name functions of other versions."""
    for side, names in LISTED.items():
        assert [name for name in names & set(FUNCTIONS) if is_supported(name) != side] == []


def test_the_list_of_functions_is_what_the_tables_say() -> None:
    """The page is of one NumPy; what another has not, the page may list."""
    text = FUNCTIONS_PAGE.read_text(encoding="utf-8")
    shown = text.split(documenting.START)[1].split(documenting.END)[0].splitlines()
    made = documenting.listed().splitlines()
    assert [line for line in made if line not in shown] == [], "make functions"
    names = {line.split(" | ")[0] for line in made}
    assert [line for line in shown if line.split(" | ")[0] in names and line not in made] == []
    assert listing.page_with_list(text).count(documenting.START) == 1


def test_the_list_says_what_each_function_is() -> None:
    rows = {name: (result, refused) for name, result, refused in listing.rows()}
    assert rows["sum"] == ("copy, or a number", "")
    assert rows["reshape"][0] == "view where NumPy's is one"
    assert rows["exp"][1] == "`where` without `out`"
    assert "cut-off" in rows["linalg.pinv"][1]
    assert rows["put"][0] == "changes its argument"
    assert rows["roots"][0].startswith("not supported: ")
    assert len(rows) > 400


KINKS = [
    (function, *(cell.strip("`") for cell in row[1:3]))
    for row in table_under("Kinks")
    for function in re.findall(r"`([^`]+)`", row[0])
]


@pytest.mark.parametrize(("function", "at", "expected"), KINKS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kinks_are_as_the_page_says(function: str, at: str, expected: str) -> None:
    names = {"np": np, "jb": jacobians, "special": special, "nan": np.nan, "inf": np.inf}
    x = np.array(eval(at, names), float)
    found = jacobians.grad(lambda x: np.sum(eval(function, {**names, "x": x})))(x)
    np.testing.assert_allclose(found, np.array(eval(expected, names), float), rtol=1e-12)


def test_the_page_has_kinks() -> None:
    assert len(KINKS) > 40


# The rules above, tested as any other code.


def test_times_and_ratios_may_differ_and_nothing_else() -> None:
    shown = "contracted   15.5 µs   524,288   32 KiB   33.3 KiB"
    assert same_line(shown, "contracted 2.17 ms 524,288 32 KiB 33.9 KiB")
    assert not same_line(shown, "contracted 15.5 µs 524,289 32 KiB 33.3 KiB")
    assert not same_line(shown, "contracted 15.5 µs 524,288 48 KiB 33.3 KiB")
    assert same_line("contracted is 8,117 times faster", "contracted is 12 times faster")
    assert not same_line("contracted is 8,117 times faster", "dense is 8,117 times faster")
    assert same_line("largest difference 1.8e-14", "largest difference 3e-15")
    assert not same_line("largest difference 1.8e-14", "largest difference 0.5")


def test_dots_stand_for_any_lines() -> None:
    assert same_output(["a", "…", "d"], ["a", "b", "c", "d"])
    assert same_output(["a", "…"], ["a"])
    assert not same_output(["a", "…", "d"], ["a", "b"])
    assert not same_output(["a"], ["a", "b"])


def test_console_blocks_are_split_at_prompts() -> None:
    text = "$ jacobians ops\nfirst\n\nsecond\n$ make demo\n"
    assert list(console_commands(text)) == [
        ("jacobians ops", ["first", "", "second"]),
        ("make demo", []),
    ]


def test_blocks_know_their_lines() -> None:
    found = list(blocks("text\n```python\nx = 1\n```\n\n```sh\njacobians ops\n```\n"))
    assert found == [Block("python", "x = 1\n", 3), Block("sh", "jacobians ops\n", 7)]


def test_readme_shows_the_results_that_are_kept() -> None:
    root = Path(__file__).parent.parent
    kept = (root / "benchmarks/results/suite.txt").read_text(encoding="utf-8")
    shown = [b.text for b in blocks((root / "README.md").read_text(encoding="utf-8"))]
    tables = [text for text in shown if "o/hand" in text]
    assert len(tables) == 1
    assert tables[0].strip() in kept
