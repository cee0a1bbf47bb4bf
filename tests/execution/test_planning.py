"""What becomes of terms when they are planned: order of products, threads, inner loops, memory."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from benchmarks.workloads import ALL, Workload
from jacobians.execution import parallel
from jacobians.execution.steps import Ufunc

RNG = np.random.default_rng(11)


def test_small_factors_are_multiplied_first() -> None:
    def logistic(w: Any, X: Any, y: Any) -> Any:
        return np.sum(np.logaddexp(0.0, -y * (X @ w)))

    w, X, y = RNG.normal(size=3), RNG.normal(size=(6, 3)), RNG.normal(size=6)
    c = jb.hessian(logistic).compile(w, X, y)
    large = [
        s
        for s in c._dense.program.steps
        if isinstance(s.kernel, Ufunc) and s.shape in ((3, 6), (6, 3))
    ]
    assert len(large) == 1
    p = 1 / (1 + np.exp(y * (X @ w)))
    np.testing.assert_allclose(c.dense(w, X, y), (X.T * (y * y * p * (1 - p))) @ X, atol=1e-14)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_large_work_in_threads(monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("JACOBIANS_THREADS", threads)
    monkeypatch.setattr(parallel, "LARGE", 1 << 20)
    x, y = RNG.normal(size=1031), RNG.normal(size=1031)
    out = np.full((1031, 1031), np.nan)
    assert parallel.parallel(np.multiply, x[:, None], y, out=out) is out
    assert np.array_equal(out, np.multiply.outer(x, y))
    assert np.array_equal(parallel.parallel(np.add, out, 1.5), out + 1.5)


def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACOBIANS_THREADS", "2")
    with pytest.raises(ValueError, match="broadcast"):
        parallel.parallel(np.add, np.ones((1024, 3)), 1.0, out=np.ones((1024, 1025)))


def test_short_inner_loops_are_widened() -> None:
    X = np.eye(24) + RNG.normal(size=(24, 24)) / 8
    c = jb.jacobian(np.linalg.inv).compile(X)
    assert "out=v" in c.source
    assert ".reshape((24, 24, 576))" in c.source
    Y = np.linalg.inv(X)
    wanted = -np.einsum("ik,lj->ijkl", Y, Y)
    np.testing.assert_allclose(c.dense(X), wanted, atol=1e-12)
    out = np.full(c.shape, np.nan)
    assert c.dense(X, out=out) is out
    np.testing.assert_allclose(out, wanted, atol=1e-12)


def test_an_outer_product_is_computed_in_the_memory_of_the_result() -> None:
    X = np.eye(24) + RNG.normal(size=(24, 24)) / 8
    c = jb.jacobian(np.linalg.inv).compile(X)
    out = np.empty(c.shape)
    peaks = []
    for given in (None, out):
        c.dense(X, out=given)
        tracemalloc.start()
        try:
            c.dense(X, out=given)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[0] < 1.3 * out.nbytes
    assert peaks[1] < 0.3 * out.nbytes


GRADIENTS = [w for w in ALL if w.what == "grad"]


@pytest.mark.parametrize("workload", GRADIENTS, ids=[w.name for w in GRADIENTS])
def test_gradients_make_no_array_of_more_axes_than_there_are(workload: Workload) -> None:
    args = workload.task(workload.small).args
    c = jb.grad(workload.function, workload.wrt).compile(*args)
    steps = c._dense.program.steps
    assert steps
    assert max(len(step.shape) for step in steps) <= max(np.ndim(a) for a in args)


def test_a_structured_hessian_is_applied_in_the_memory_of_its_core() -> None:
    def misfit(U: Any, V: Any, T: Any) -> Any:
        return 0.5 * np.sum((T - U @ V.T) ** 2)

    U, V, T = RNG.normal(size=(2000, 5)), RNG.normal(size=(1500, 5)), RNG.normal(size=(2000, 1500))
    c = jb.hessian(misfit).compile(U, V, T)
    direction = RNG.normal(size=U.shape)
    c.jvp(direction, U, V, T)  # derived and planned once
    tracemalloc.start()
    try:
        found = c.jvp(direction, U, V, T)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(found, direction @ (V.T @ V), rtol=1e-12)
    assert peak < 4 * U.nbytes  # the full tensor has 763 MiB, T 23 MiB
    with pytest.raises(jb.TensorTooLargeError, match=r"shape \(2000, 5, 2000, 5\) needs 0.745 GiB"):
        c.dense(U, V, T, max_bytes=2**20)
