"""``jacobians grade``: one submission in words, or a folder of them as a table."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jacobians.course.exports import coderunner, csv_table, gradescope, prairielearn
from jacobians.course.grading import grade, read_assignment
from jacobians.course.scores import GradeReport
from jacobians.course.submissions import found_submissions
from jacobians.errors import JacobiansError
from jacobians.ground.progress import bar, progress

_FORMATS: dict[str, Callable[[GradeReport], dict[str, Any]]] = {
    "json": GradeReport.to_dict,
    "gradescope": gradescope,
    "prairielearn": prairielearn,
    "coderunner": coderunner,
}


def run(options: argparse.Namespace) -> int:
    """Print or write the grade; 1 unless everything is right."""
    many = Path(options.submission).is_dir()
    allowed = ("table", "csv", "json") if many else ("table", *_FORMATS)
    if options.format not in allowed:
        raise JacobiansError(f"--format {options.format!r}: it must be one of {', '.join(allowed)}")
    if options.jobs < 1:
        raise JacobiansError(f"--jobs {options.jobs}: it must be 1 or more")
    assignment = read_assignment(options.assignment)

    def one(path: Path) -> GradeReport:
        return grade(
            path, assignment, seed=options.seed, hints=options.hints, reveal=options.reveal
        )

    if many:
        reports = _all(found_submissions(Path(options.submission)), one, options.jobs)
        if options.format == "json":
            text = _text({name: report.to_dict() for name, report in reports.items()})
        else:
            text = csv_table(reports)
        _emit(text, options.output)
        return 0
    with progress("grading"):
        report = one(Path(options.submission))
    if options.format == "table":
        _emit(f"{report}\n", options.output)
        for line in report.unprotected:
            print(f"note: {line}; limits are no sandbox, see docs/course.md", file=sys.stderr)
    else:
        _emit(_text(_FORMATS[options.format](report)), options.output)
    return 0 if report.full else 1


def _all(
    paths: dict[str, Path], one: Callable[[Path], GradeReport], jobs: int
) -> dict[str, GradeReport]:
    reports: dict[str, GradeReport] = {}
    with ThreadPoolExecutor(min(jobs, os.cpu_count() or 1)) as pool:
        for name, report in zip(paths, pool.map(one, paths.values()), strict=True):
            reports[name] = report
            bar(len(reports), len(paths), name)
    return reports


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _emit(text: str, target: str | None) -> None:
    if target is None:
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise JacobiansError(f"{target}: {error.strerror}") from None
    print(f"wrote {target}")
