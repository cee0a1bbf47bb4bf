"""The table of functions once more, judged by JAX in float64.

Each case's function is run with ``jax.numpy`` in the place of ``numpy``. What JAX has not, or does
otherwise by its own rules, is skipped with the reason.
"""

import types
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.tracing.functions.driver import Case
from tests.tracing.functions.test_functions import CASES

jax = pytest.importorskip("jax", reason="the peers extra (jax) is not installed")
pytestmark = pytest.mark.peers

jax.config.update("jax_enable_x64", True)


def with_jax(function: Any, seen: dict[int, Any] | None = None) -> Any:
    """The function with ``np`` meaning ``jax.numpy``, in it and in the helpers it calls."""
    seen = {} if seen is None else seen
    if not isinstance(function, types.FunctionType):
        return getattr(jax.numpy, getattr(function, "__name__", ""), function)
    if id(function) in seen:
        return seen[id(function)]
    names = dict(function.__globals__)
    for name, value in names.items():
        if value is np:
            names[name] = jax.numpy
    cells = function.__closure__
    if cells:
        cells = tuple(types.CellType(_translated(c.cell_contents, seen)) for c in cells)
    made = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells
    )
    made.__kwdefaults__ = function.__kwdefaults__
    seen[id(function)] = made
    for name, value in function.__globals__.items():
        if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
            names[name] = with_jax(value, seen)
    return made


def _translated(value: Any, seen: dict[int, Any]) -> Any:
    if value is np:
        return jax.numpy
    if isinstance(value, types.FunctionType | np.ufunc) or type(value).__module__ == "numpy":
        return with_jax(value, seen) if callable(value) else value
    return value


SETS = ("unique", "union1d", "intersect1d", "setdiff1d", "setxor1d")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    if case.name.startswith(SETS):
        pytest.skip("JAX gives zeros for the derivative of a set function")
    f = with_jax(case.function)
    try:
        value = f(*[jax.numpy.asarray(a) for a in case.arguments])
    except Exception as error:
        pytest.skip(f"JAX cannot run it: {type(error).__name__}: {str(error)[:80]}")
    plain = np.asarray(case.function(*case.arguments))
    if np.shape(value) != plain.shape or not np.allclose(value, plain, rtol=1e-9, atol=1e-9):
        pytest.skip("JAX's value is another one")
    for position in case.wrt if case.wrt is not None else range(len(case.arguments)):
        try:
            expected = np.asarray(
                jax.jacobian(f, argnums=position)(*[jax.numpy.asarray(a) for a in case.arguments])
            )
        except Exception as error:
            pytest.skip(f"JAX cannot differentiate it: {type(error).__name__}")
        if not np.all(np.isfinite(expected)):
            pytest.skip("JAX gives nan or inf")
        found = jb.jacobian(case.function, wrt=position)(*case.arguments).dense()
        scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)
