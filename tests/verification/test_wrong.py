"""Every wrong backward pass of the table is WRONG and named first; its right twin is never refused.

``CHECK_POINTS=10`` asks at ten random points; without it at one, of every second row (``ROWS=all`` takes all).
"""

import os
from typing import Any

import numpy as np

import jacobians as jb
from tests.grouping import in_groups
from tests.verification.wrong import ROWS, Row, arguments

POINTS = int(os.environ.get("CHECK_POINTS", "1"))
WRONG = [(name, bad) for name, one in ROWS.items() for bad in one.wrong]


def checked(one: Row, bad: str, seed: int, upstream: Any = lambda G: G) -> jb.Report:
    args = arguments(one, seed)
    return jb.check(one.f, *args, wrt=0, vjp=lambda G, *a: one.vjp(bad, upstream(G), *a))


def test_the_table_is_as_large_as_it_should_be() -> None:
    assert len(ROWS) >= 25
    assert len(WRONG) + 2 * len(ROWS) >= 150


@in_groups("name", ROWS, str)
def test_what_is_right_is_never_refused(name: str) -> None:
    for seed in range(1, POINTS + 1):
        report = checked(ROWS[name], "", seed)
        assert report.ok, report


@in_groups("row", WRONG, " ".join, every=1 if POINTS > 1 else 3)
def test_what_is_wrong_is_named_first(row: tuple[str, str]) -> None:
    name, bad = row
    for seed in range(1, POINTS + 1):
        report = checked(ROWS[name], bad, seed)
        assert report.verdict == "WRONG"
        first = report.findings[0]
        assert f"{first.kind}: {first.text}".startswith(ROWS[name].wrong[bad]), report.findings


@in_groups("name", ROWS, str)
def test_an_upstream_that_is_ignored_and_a_gradient_of_zeros(name: str) -> None:
    one = ROWS[name]
    report = checked(one, "", 1, np.ones_like)
    assert report.verdict == "WRONG"
    assert report.findings[0].kind == ("zeros" if name == "softmax" else "upstream")
    report = checked(one, "", 1, np.zeros_like)
    assert (report.verdict, report.findings[0].kind) == ("WRONG", "zeros")
