"""Layers whose backward passes are wrong in their values, their sums or their loops: named first."""

import os

import jacobians as jb
from tests.grouping import in_groups
from tests.verification.wrong_layers import LAYERS, Layer, arguments

POINTS = int(os.environ.get("CHECK_POINTS", "1"))
OURS = ("instead", "picked", "branches", "argument")  # what these layers are here for
WRONG = [
    (name, bad)
    for name, one in LAYERS.items()
    for bad, said in one.wrong.items()
    if POINTS > 1 or said.startswith(OURS) or bad == "axis"
]


def checked(one: Layer, bad: str, seed: int) -> jb.Report:
    args = arguments(one, seed)
    return jb.check(one.f, *args, wrt=one.wrt, vjp=lambda G, *a: one.vjp(bad, G, *a))


@in_groups("name", LAYERS, str)
def test_what_is_right_is_never_refused(name: str) -> None:
    for seed in range(1, POINTS + 1):
        report = checked(LAYERS[name], "", seed)
        assert report.ok, report


@in_groups("row", WRONG, " ".join, every=1 if POINTS > 1 else 3)
def test_what_is_wrong_is_named_first(row: tuple[str, str]) -> None:
    name, bad = row
    for seed in range(1, POINTS + 1):
        report = checked(LAYERS[name], bad, seed)
        assert report.verdict == "WRONG"
        first = report.findings[0]
        assert f"{first.kind}: {first.text}".startswith(LAYERS[name].wrong[bad]), report.findings
