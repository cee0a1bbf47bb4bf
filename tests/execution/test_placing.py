"""Terms written into an array: new, with the caller's numbers, and with an earlier call's."""

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution.interpret import Bound, contract
from jacobians.execution.lowering import lower_terms
from jacobians.execution.numpy_source import compiled
from jacobians.graph.how import Broadcast, Index, Reshape, Transpose
from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.terms import Factor, normal, total
from tests.notation.strategies import evaluate

X, Y, Z = (
    np.arange(1.0, 7).reshape(3, 2),
    np.array([10.0, 20.0, 30.0]),
    np.array([0.5, 0.25, 0.125]),
)
i, j = letter_slot(0), letter_slot(1)
# 2a + 3b is 0, 2, 4, 3, 5, 7: each once, though no digits of a number. 1 and 6 fill the gaps.
APART = normal(1, (3, 2), [Factor(0, (i, j))], [Slot(0, ((0, 2), (1, 3)))])
GAPS = normal(1, (3,), [Factor(1, (i,))], [table_slot(0, [6, 1, 8])])
ABOVE = normal(-2, (3,), [Factor(2, (i,))], [table_slot(0, [7, 7, 1])])
CASES = {
    "whole": ((9,), [APART, GAPS]),
    "apart": ((11,), [GAPS, APART]),
    "alone": ((8,), [APART]),
    "above": ((9,), [GAPS, APART, ABOVE]),
    "above, with a gap": ((10,), [ABOVE, APART, GAPS]),
    "added alone": ((9,), [ABOVE]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_array_held_before_never_shows(name):
    shape, terms = CASES[name]
    arrays = [X, Y, Z]
    tensor = total(shape, terms)
    exact = evaluate(tensor, arrays.__getitem__)
    lowered = lower_terms(tensor, [a.shape for a in arrays], [a.dtype for a in arrays], float)
    printed, stepwise = compiled(lowered), Bound(lowered)
    for _ in range(3):
        np.full(shape, np.nan)  # its memory is handed out again
        np.testing.assert_array_equal(printed(*arrays), exact)
        np.full(shape, np.nan)
        np.testing.assert_array_equal(stepwise(arrays)[0], exact)
    for held, clean in ((np.full(shape, np.nan), False), (np.zeros(shape), True)):
        for scale in (3.0, 1.0):
            printed(X * scale, Y * scale, Z * scale, out=held, clean=clean)
            np.testing.assert_array_equal(held, scale * exact)
    stepwise(arrays, out=held)
    np.testing.assert_array_equal(held, exact)


@pytest.mark.parametrize("n", [3, 4, 7, 8, 9, 16])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_minus_a_column_into_a_column(n, dtype):
    """numpy.negative from every 64th byte into strided memory is wrong in NumPy 2.4."""
    M = np.arange(1.0, n * n + 1, dtype=dtype).reshape(n, n)
    column = total((n, n), [normal(-1, (n,), [Factor(0, (i, Slot(n - 1)))], [i, Slot(0)])])
    found = contract(column, [M], dtype)
    np.testing.assert_array_equal(found[:, 0], -M[:, n - 1])
    assert not found[:, 1:].any()
    run = compiled(lower_terms(column, [M.shape], [M.dtype], dtype))
    np.testing.assert_array_equal(run(M), found)


def test_views_of_two_kinds_are_never_equal():
    """A program that repeats an array, after one that reshapes one, and the other way round."""
    views = [Reshape((2,)), Broadcast((2,)), Transpose((2,)), Index((2,))]
    assert len(set(views)) == 4
    x, A = np.array([0.7, 0.2, 0.4]), np.array([[0.7, 0.2]])
    for _ in range(2):
        repeated = jb.hessian(
            lambda x: np.sum(np.cumprod(np.cumprod(np.broadcast_to(np.sum(x), (2,))) ** 2))
        ).compile(x)
        reshaped = jb.hessian(lambda A: np.sum(np.cumprod(np.cumprod(A.reshape(2)) ** 2))).compile(
            A
        )
        s = x.sum()  # s² + s⁶, and a² + a⁴ b²
        np.testing.assert_allclose(repeated.dense(x), np.full((3, 3), 2 + 30 * s**4))
        (a, b), exact = A[0], np.zeros((1, 2, 1, 2))
        exact[0, :, 0] = [[2 + 12 * a**2 * b**2, 8 * a**3 * b], [8 * a**3 * b, 2 * a**4]]
        np.testing.assert_allclose(reshaped.dense(A), exact)
