"""What can be told of the executor on JAX without JAX: its tables, and the error that names the extra."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jacobians as jb
import jacobians.tracing.numpy.families
from jacobians.execution.jax_forms import FAMILIES, FORMS, MISSING, family_of, imported
from jacobians.graph.how import ByCall
from jacobians.operations.elementwise import power_slope
from jacobians.operations.functions import bessel, sinc
from jacobians.operations.kinds import DECLARED
from jacobians.operations.reductions import product
from jacobians.operations.special import polygamma

_ = [sinc(1), sinc(2), polygamma(1), polygamma(2), power_slope(1), power_slope(2), bessel(2)]
_ += [product(n) for n in range(4)]


def _calls() -> dict[str, Any]:
    """The operations whose program is a call; the others take parameters that say how."""
    found = {}
    operand = SimpleNamespace(shape=(2, 2), value=None)
    for key, operation in DECLARED.items():
        node = SimpleNamespace(
            operands=(operand, operand), parameters=(), shape=(2, 2), operation=operation
        )
        try:
            how = operation.how(node)
        except Exception:  # by views or terms, of parameters that are missing here
            continue
        if isinstance(how, ByCall) and how.home:
            found[key] = how
    return found


CALLS = _calls()


def test_every_call_has_a_form_or_a_reason() -> None:
    assert len(CALLS) > 90
    for key in CALLS:
        family = family_of(key)
        rows = [
            key in FORMS,
            family in FAMILIES and key not in FORMS,
            family in MISSING and key not in FORMS,
        ]
        assert sum(rows) == 1, f"{key}: give it a row in FORMS, or a reason in MISSING"
    assert set(FORMS) <= set(CALLS), "rows of operations that there are not"


def test_an_operation_is_declared_once() -> None:
    """A second one of the same name has another key, and a row under that key only."""
    for key in DECLARED:
        first, _, number = key.rpartition("_")
        if number.isdigit():
            assert DECLARED[first].forms != DECLARED[key].forms, f"{key} is {first} again"


def test_what_is_missing_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/functions.md").read_text(encoding="utf-8")
    assert [reason for reason in MISSING.values() if reason not in page] == []


def test_without_jax_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    imported.cache_clear()
    for args in ((), (np.ones(3),)):
        with pytest.raises(jb.JacobiansError, match=r"JAX, which is not installed.*\[jax\]"):
            jb.grad(lambda x: np.sum(x**2)).compile(*args, on="jax")
    with pytest.raises(
        jb.UnsupportedError, match="on='torch' is no executor; there are numpy, jax"
    ):
        jb.grad(np.sum).compile(np.ones(3), on="torch")
