"""The table of function cases, compiled on JAX: float64, and float32 where JAX has nothing wider.

Judged by the complex step or differences of the plain function, and by the explicit einsum.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests import numerical
from tests.tracing.functions.driver import Case, compiled
from tests.tracing.functions.test_functions import CASES

jax = pytest.importorskip("jax", reason="the peers extra (jax) is not installed")
pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    """Without XLA's optimisations, which take longer than all else; other tests have them."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def positions(case: Case) -> Sequence[int]:
    return case.wrt if case.wrt is not None else range(len(case.arguments))


def on_jax(case: Case, args: list[Any], position: int, kind: str = "jacobian") -> Any:
    """The compiled transform; None where the function branches on values, or has no form on JAX."""
    try:
        return compiled(case.function, *args, wrt=position, kind=kind, on="jax")
    except jb.UnsupportedError as error:
        if "modified Bessel functions" in str(error):
            return None
        raise


def close(found: Any, expected: Any, *, digits: float, absolute: float) -> None:
    assert type(found) is np.ndarray
    assert found.flags.writeable
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    np.testing.assert_allclose(found, expected, rtol=digits, atol=absolute * scale)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    args = list(case.arguments)
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        for position in positions(case):
            c = on_jax(case, args, position)
            if c is None:
                continue
            expected = numerical.jacobian(case.function, args, position, analytic=case.analytic)
            found = c.dense(*args)
            close(found, expected, digits=1e-7, absolute=2e-8)
            J = jb.jacobian(case.function, wrt=position)(*args)
            close(found, J.explicit(), digits=1e-9, absolute=1e-10)
            out = c.buffer()
            for _ in range(2):
                assert c.dense(*args, out=out) is out
                np.testing.assert_array_equal(out, found)
            if position != positions(case)[0]:
                continue
            close(c(*args).dense(), expected, digits=1e-7, absolute=2e-8)
            G, dX = rng.normal(size=J.out_shape), rng.normal(size=J.in_shape)
            size = max(1, G.size, dX.size)
            pulled = np.tensordot(G, expected, G.ndim)
            close(c.vjp(G, *args), pulled, digits=1e-6, absolute=1e-7 * size)
            pushed = np.tensordot(expected, dX, dX.ndim)
            close(c.jvp(dX, *args), pushed, digits=1e-6, absolute=1e-7 * size)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_float32(case: Case) -> None:
    """No further from the numbers of float64 than NumPy's float32 is, but for a few roundings."""
    wide = list(case.arguments)
    args = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in wide]
    for position in positions(case)[:1]:
        plain = compiled(case.function, *args, wrt=position)
        if plain is None:
            continue
        # Constants of float64 in the function may make its result, or a step, float64.
        try:
            with jax.enable_x64(False):
                c = on_jax(case, args, position)
                found = None if c is None else c.dense(*args)
        except jb.UnsupportedError as error:
            if "jax_enable_x64" not in str(error):
                raise
            with jax.enable_x64(True):
                c = on_jax(case, args, position)
                found = None if c is None else c.dense(*args)
        if found is None:
            continue
        beside = plain.dense(*args)
        assert found.dtype == beside.dtype
        expected = numerical.jacobian(case.function, wide, position, analytic=case.analytic)
        scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
        off = float(np.max(np.abs(beside - expected), initial=0))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=4 * off + 1e-5 * scale)


SCALARS = [case for case in CASES if case.hessian][::6]


@pytest.mark.parametrize("case", SCALARS, ids=[case.name for case in SCALARS])
def test_hessian_and_value(case: Case) -> None:
    args = list(case.arguments)
    G = np.random.default_rng(2).normal(size=np.shape(case.function(*args)))

    def scalar(*given: Any) -> Any:
        return np.sum(G * case.function(*given))

    made = case._replace(function=scalar)
    with jax.enable_x64(True):
        for position in positions(case)[:1]:
            both = on_jax(made, args, position, "value_and_grad")
            if both is None or not args[position].size:
                continue
            value, gradient = both(*args)
            expected = numerical.jacobian(scalar, args, position, analytic=case.analytic)
            np.testing.assert_allclose(value, scalar(*args), rtol=1e-12, atol=1e-12)
            close(gradient, expected, digits=1e-7, absolute=1e-7)
            c = on_jax(made, args, position, "hessian")
            if c is None:
                continue
            H = jb.hessian(scalar, wrt=position)(*args)  # judged by differences in the driver
            close(c.dense(*args), H.explicit(), digits=1e-9, absolute=1e-9)
