"""Eager and compiled are one derivation: formula, names, dtype, pattern and zeros do not depend on who asked.

Both are held to an outside judge: the explicit einsum of the eager terms, which is held to differences by
the table of functions.
"""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.ground.trees import flatten
from jacobians.transforms.inputs import is_input
from tests import numerical
from tests.grouping import in_groups
from tests.tracing.functions.driver import Case
from tests.tracing.functions.test_functions import CASES

RNG = np.random.default_rng(8)


def both(case: Case, wrt: Any) -> tuple[Any, Any] | None:
    """The Jacobian, eager and compiled; None for what branches on values."""
    transform = jb.jacobian(case.function, wrt=wrt)
    try:
        compiled = transform.compile(*case.arguments)
    except jb.UnsupportedError as error:
        if "branches on a value" in str(error) or "is static" in str(error):
            return None
        raise
    return transform(*case.arguments), compiled(*case.arguments)


def tensors(found: Any) -> list[jb.JacobianTensor]:
    """Those of a result, however they are nested."""
    return [leaf for leaf in flatten(found)[0] if isinstance(leaf, jb.JacobianTensor)]


@in_groups("case", CASES, lambda case: case.name, every=4)
def test_both_say_the_same(case: Case) -> None:
    """By each argument: what the other arguments are alone is a constant in the eager formula."""
    positions = case.wrt if case.wrt is not None else range(len(case.arguments))
    for position in positions:
        found = both(case, position)
        if found is None:
            continue
        pairs = list(zip(*map(tensors, found), strict=True))
        for eager, compiled in pairs:
            assert (compiled.dtype, compiled.in_dtype) == (eager.dtype, eager.in_dtype)
            assert (compiled.names, compiled.nnz) == (eager.names, eager.nnz)
            wanted = eager.explicit()
            scale = max(1.0, float(np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted))))
            for tensor in (eager, compiled):
                dense = tensor.dense()
                np.testing.assert_allclose(dense, wanted, rtol=1e-9, atol=1e-10 * scale)
            np.testing.assert_array_equal(eager.dense() == 0, compiled.dense() == 0)


@in_groups("case", CASES, lambda case: case.name, every=4)
def test_both_write_the_same(case: Case) -> None:
    floats = [n for n, value in enumerate(case.arguments) if is_input(value)]
    if case.wrt is not None and not set(floats) <= set(case.wrt):
        floats = [n for n in floats if n in case.wrt]
        if len(floats) < sum(map(is_input, case.arguments)):
            return  # by the others it has no derivative
    found = both(case, tuple(floats)) if floats else None
    for eager, compiled in zip(*map(tensors, found), strict=True) if found else ():
        assert compiled.formula() == eager.formula()
        assert compiled.latex() == eager.latex()


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def test_the_functions_own_result_keeps_its_name() -> None:
    x = RNG.normal(size=4)
    eager = jb.jacobian(softmax)(x)
    compiled = jb.jacobian(softmax).compile(x)(x)
    assert eager.formula() == compiled.formula() == "δ_ik softmax_i − softmax_i softmax_k"
    np.testing.assert_allclose(compiled.dense(), numerical.differences(softmax, x), atol=1e-9)


@pytest.mark.parametrize(
    "f", [np.sign, lambda x: (x > 0).astype(int), lambda x: np.floor(x).astype(int)]
)
def test_what_is_integer_valued_has_a_jacobian_of_floats(f: Any) -> None:
    x = np.array([0.3, -1.0, 2.0])
    for J in (jb.jacobian(f)(x), jb.jacobian(f).compile(x)(x)):
        assert J.dtype == np.float64
        assert not J.dense().any()
        assert J.dense().dtype == np.float64


def decayed(x: Any, rate: Any, order: Any) -> Any:
    return rate * x**order


def test_floats_are_named_and_integers_are_numbers() -> None:
    x = RNG.normal(size=3)
    for rate in (0.25, 1.0, 3.5):
        eager = jb.jacobian(decayed)(x, rate, 3)
        compiled = jb.jacobian(decayed).compile(x, rate, 3)(x, rate, 3)
        assert eager.formula() == compiled.formula()
        assert "rate" in eager.formula()
        assert "3" in eager.formula()
        np.testing.assert_allclose(np.diag(eager.dense()), 3 * rate * x**2, rtol=1e-13)
        np.testing.assert_allclose(compiled.dense(), eager.explicit(), rtol=1e-13)


def test_a_float_does_not_widen_float32() -> None:
    x = RNG.normal(size=3).astype(np.float32)
    f = lambda x, rate: rate * x  # noqa: E731
    for J in (jb.jacobian(f)(x, 0.1), jb.jacobian(f).compile(x, 0.1)(x, 0.1)):
        assert J.dtype == np.float32
        assert J.dense().dtype == np.float32
    c = jb.grad(lambda x, rate: np.sum(rate * x * x)).compile(x, 0.1)
    assert c(x, 0.2).dtype == np.float32
    np.testing.assert_allclose(c(x, 0.2), 0.4 * x, rtol=1e-6)
    assert {step.dtype for step in c._dense.program.steps} == {np.dtype(np.float32)}
