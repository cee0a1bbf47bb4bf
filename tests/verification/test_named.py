"""Mistakes in more layers are named first in words that were chosen beforehand; right twins are never refused.

``CHECK_POINTS=10`` asks at ten random points, the default at one; of the rows a part, all with ``ROWS=all``.
"""

import os
import re
from functools import wraps
from typing import Any

import numpy as np

import jacobians as jb
from tests.grouping import in_groups
from tests.verification.further import FURTHER
from tests.verification.named import TABLE, Told
from tests.verification.tried import TRIED
from tests.verification.written import WRITTEN

POINTS = int(os.environ.get("CHECK_POINTS", "1"))
LAYERS = {**TABLE, **TRIED, **WRITTEN, **FURTHER}
WRONG = [(name, bad) for name, one in LAYERS.items() for bad in one.words]
MOST = 700  # evaluations of f, of up to 24 entries, that an explanation may take


def checked(one: Told, bad: str, seed: int) -> jb.Report:
    args = one.args(np.random.default_rng(100 + seed))
    calls = [0]

    @wraps(one.f)
    def counted(*args: Any) -> Any:
        calls[0] += 1
        return one.f(*args)

    report = jb.check(counted, *args, wrt=one.wrt, vjp=lambda G, *a: one.back(bad, G, *a))
    assert calls[0] <= MOST
    return report


@in_groups("name", LAYERS, str)
def test_what_is_right_is_never_refused(name: str) -> None:
    for seed in range(POINTS):
        report = checked(LAYERS[name], "", seed)
        assert report.ok, report


@in_groups("row", WRONG, " ".join, every=1 if POINTS > 1 else 3)
def test_what_is_wrong_is_named_first(row: tuple[str, str]) -> None:
    name, bad = row
    for seed in range(POINTS):
        report = checked(LAYERS[name], bad, seed)
        assert report.verdict == "WRONG"
        text = report.findings[0].text
        missing = [w for w in LAYERS[name].words[bad] if not re.search(w, text, re.IGNORECASE)]
        assert not missing, report.findings
