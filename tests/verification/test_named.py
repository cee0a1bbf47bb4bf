"""Mistakes in more layers are named first in words that were chosen beforehand; right twins are never refused.

``CHECK_POINTS=10`` asks at ten random points, the default at one (three for what is right).
"""

import os
import re

import numpy as np
import pytest

import jacobians as jb
from tests.verification.named import TABLE, Told

POINTS = int(os.environ.get("CHECK_POINTS", "1"))
WRONG = [(name, bad) for name, one in TABLE.items() for bad in one.words]


def checked(one: Told, bad: str, seed: int) -> jb.Report:
    args = one.args(np.random.default_rng(100 + seed))
    return jb.check(one.f, *args, wrt=one.wrt, vjp=lambda G, *a: one.back(bad, G, *a))


@pytest.mark.parametrize("name", TABLE)
def test_what_is_right_is_never_refused(name: str) -> None:
    for seed in range(max(POINTS, 3)):
        report = checked(TABLE[name], "", seed)
        assert report.ok, report


@pytest.mark.parametrize(("name", "bad"), WRONG)
def test_what_is_wrong_is_named_first(name: str, bad: str) -> None:
    for seed in range(POINTS):
        report = checked(TABLE[name], bad, seed)
        assert report.verdict == "WRONG"
        text = report.findings[0].text
        missing = [w for w in TABLE[name].words[bad] if not re.search(w, text, re.IGNORECASE)]
        assert not missing, report.findings
