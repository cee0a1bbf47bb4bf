"""Layers whose backward passes are wrong in their values, their sums or their loops: named first."""

import os

import pytest

import jacobians as jb
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


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_right_is_never_refused(name: str) -> None:
    for seed in range(1, POINTS + 1):
        report = checked(LAYERS[name], "", seed)
        assert report.ok, report


@pytest.mark.parametrize(("name", "bad"), WRONG)
def test_what_is_wrong_is_named_first(name: str, bad: str) -> None:
    for seed in range(1, POINTS + 1):
        report = checked(LAYERS[name], bad, seed)
        assert report.verdict == "WRONG"
        first = report.findings[0]
        assert f"{first.kind}: {first.text}".startswith(LAYERS[name].wrong[bad]), report.findings
