"""Looks and heads: one object for equal ones, and nothing else kept alive or taken for equal."""

import gc
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution.steps import Kernel, Ref, Step
from jacobians.execution.varying import Varying
from jacobians.graph.looks import head_of
from jacobians.graph.node import apply, input_node
from jacobians.ground.interning import Interned
from jacobians.notation.terms import scaled, whole
from jacobians.operations.products import contraction


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (2, 2.0)])
def test_coefficients_are_told_apart_by_bits(one, other):
    tensor = whole(0, (3,))
    sums = [tensor._replace(terms=(tensor.terms[0]._replace(coefficient=c),)) for c in (one, other)]
    assert sums[0] == sums[1]
    heads = [head_of(contraction, (("tensor", s),)) for s in sums]
    assert heads[0] is not heads[1]
    assert heads[0] is head_of(contraction, (("tensor", sums[0]),))
    z = input_node("z", (3,))
    assert apply(contraction, [z], tensor=sums[0]) is not apply(contraction, [z], tensor=sums[1])
    assert scaled(tensor, 2) != tensor


@pytest.mark.parametrize(("one", "other"), [((1,), (1.0,)), ((0.0,), (-0.0,)), ((1,), (True,))])
def test_steps_whose_parameters_differ_in_bits_do_not_recur(one, other):
    steps = [
        Step("v", Kernel.ADD_UP, (Ref("x"),), (3,), np.dtype(float), parameters)
        for parameters in (one, other, one)
    ]
    keys = [Varying(step).key for step in steps]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_threads_get_the_same_object():
    class Thing:
        pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for round_ in range(50):
            interned, found = Interned(), []
            start = threading.Barrier(8)

            def ask(interned=interned, found=found, start=start, key=round_):
                start.wait()
                found.append(interned.get(key, Thing))

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(map(id, found))) == 1
    finally:
        sys.setswitchinterval(before)


def left(run, times=4):
    """MiB that are still there after something ran."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(times):
            run()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] >> 20
    finally:
        tracemalloc.stop()


def test_large_tables_do_not_stay():
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)

    def minibatch():
        places = rng.integers(0, 1000, size=1_200_000)  # 9.6 MB
        got = jb.grad(lambda y: np.sum(np.tanh(y[places])))(y)
        exact = np.bincount(places, minlength=1000) * (1 - np.tanh(y) ** 2)
        np.testing.assert_allclose(got, exact, rtol=1e-9)

    assert left(minibatch) < 12


def test_constants_of_rules_keep_no_graph():
    def factorised():
        B = np.random.default_rng(0).normal(size=(4, 200_000))
        jb.jacobian(lambda A: np.linalg.qr((A @ B) @ B.T)[1])(np.diag([1.0, 2, 3, 4]))

    assert left(factorised) < 5


def test_booleans_in_rules():
    x = input_node("x", (3,))
    assert (x * True).shape == (3,)
    assert (x * np.float64(2)).shape == (3,)


def test_constants_of_compiled_functions_do_not_stay():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60_001)

    def compiled():
        C = rng.normal(size=60_001)
        exact = -C * np.exp(-x * C)
        c = jb.grad(lambda x: np.sum(np.exp(-x * C))).compile(x)
        np.testing.assert_allclose(c(x), exact, rtol=1e-12)
        rows = np.split(np.arange(60_000), 12)  # more operands than are derived one by one
        d = jb.jacobian(lambda x: np.concatenate([x[r[:2]] * C[r[:2]] for r in rows])).compile(x)
        np.testing.assert_allclose(d.vjp(np.ones(24), x)[rows[3][1]], C[rows[3][1]])

    assert left(compiled, 20) < 4  # MB; twenty constants have 10
