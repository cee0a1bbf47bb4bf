"""What the planner makes of terms: solutions for inverses, one factorisation, shared sums, threads."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from benchmarks.workloads import ALL, Workload
from jacobians.execution import parallel
from jacobians.execution.steps import Ufunc
from tests.numerical import differences

RNG = np.random.default_rng(11)
A = np.eye(5) + RNG.normal(size=(5, 5)) / 5
b, B = RNG.normal(size=5), RNG.normal(size=(5, 2))


def quadratic_of_solution(A: Any, b: Any) -> Any:
    return 0.5 * np.sum(np.linalg.solve(A, b) ** 2)


def product_with_inverse(A: Any, b: Any) -> Any:
    return np.sum((np.linalg.inv(A) @ b) ** 3)


@pytest.mark.parametrize("f", [quadratic_of_solution, product_with_inverse])
@pytest.mark.parametrize("right", [b, B], ids=["vector", "columns"])
def test_one_factorisation_and_no_inverse(f: Any, right: Any) -> None:
    for wrt, start in ((0, A), (1, right)):
        c = jb.grad(f, wrt=wrt).compile(A, right)
        assert c.source.count("factorise(A)") == 1
        assert "inv(" not in c.source
        assert "lu_inverse" not in c.source
        wanted = differences(lambda X, wrt=wrt: f(*((X, right) if wrt == 0 else (A, X))), start)
        np.testing.assert_allclose(c(A, right), wanted, rtol=1e-6, atol=1e-7)


def test_an_inverse_that_is_needed_itself_is_made() -> None:
    c = jb.jacobian(np.linalg.solve).compile(A, b)
    assert "lu_inverse" in c.source
    M = np.linalg.inv(A)
    np.testing.assert_allclose(c.dense(A, b), -np.einsum("ik,l->ikl", M, M @ b), atol=1e-12)
    G = RNG.normal(size=5)
    np.testing.assert_allclose(c.vjp(G, A, b), -np.outer(M.T @ G, M @ b), atol=1e-12)
    np.testing.assert_allclose(c.jvp(A, A, b), -M @ b, atol=1e-12)


def test_a_singular_matrix_raises_as_numpy_does() -> None:
    c = jb.grad(quadratic_of_solution).compile(A, b)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        c(np.ones((5, 5)), b)


def test_float32_stays_float32() -> None:
    c = jb.grad(quadratic_of_solution).compile(A.astype("f"), b.astype("f"))
    found = c(A.astype("f"), b.astype("f"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, jb.grad(quadratic_of_solution)(A, b), rtol=1e-3, atol=1e-4)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def test_softmax_is_the_textbooks() -> None:
    X = RNG.normal(size=(3, 4))
    J = jb.jacobian(softmax)(X)
    assert len(J.terms.terms) == 2  # nothing is left of the derivative through max
    Y = softmax(X)
    wanted = np.einsum("bi,bk,bc->bick", -Y, Y, np.eye(3))
    wanted += np.einsum("bi,ik,bc->bick", Y, np.eye(4), np.eye(3))
    np.testing.assert_allclose(J.dense(), wanted, atol=1e-15)
    source = jb.jacobian(softmax).compile(X).source
    assert source.count("np.divide") == 1
    assert source.count("np.add.reduce") == 1


def test_centred_columns_sum_to_nothing() -> None:
    def normed(X: Any) -> Any:
        c = X - np.mean(X, axis=1, keepdims=True)
        return c / np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 1e-5)

    X = RNG.normal(size=(3, 7))  # 7 · (1/7) is not 1 in floats
    J = jb.jacobian(normed)(X)
    assert len(J.terms.terms) <= 3
    np.testing.assert_allclose(J.dense(), differences(normed, X), atol=1e-7)


def test_what_looks_like_a_softmax_and_is_none() -> None:
    def shifted(x: Any) -> Any:
        e = np.exp(x - np.max(x))
        return e / (np.sum(e) + 1)

    x = RNG.normal(size=4)
    np.testing.assert_allclose(jb.jacobian(shifted)(x).dense(), differences(shifted, x), atol=1e-7)


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_quotients_cancel_rightly_in_all_orders(strategy: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        s = np.sum(x * y)
        return (x / s) * (y / s) / np.sum(x / s) * np.sum(y)

    x, y = RNG.random(4) + 1, RNG.random(4) + 1
    J = jb.jacobian(f, strategy=strategy)(x, y)
    np.testing.assert_allclose(J.dense(), differences(lambda x: f(x, y), x), atol=1e-6)


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


@pytest.mark.parametrize(
    ("d", "second", "sign"),
    [(np.exp, np.exp, "none"), (np.sin, lambda z: -np.sin(z), "any")],
    ids=["exp", "sin"],
)
def test_half_the_work_where_the_weights_cannot_be_negative(d: Any, second: Any, sign: str) -> None:
    X, y = RNG.normal(size=(40, 18)) / 4, RNG.normal(size=40)
    w = RNG.normal(size=18)

    def f(w: Any, X: Any, y: Any) -> Any:
        return np.sum(d(X @ w) * y**2)

    c = jb.hessian(f).compile(w, X, y)
    half = "np.sqrt(" in c.source
    assert half == (sign == "none")
    wanted = (X.T * (second(X @ w) * y**2)) @ X
    np.testing.assert_allclose(c.dense(w, X, y), wanted, atol=1e-12)
    np.testing.assert_allclose(c.vjp(w, w, X, y), wanted @ w, atol=1e-12)


def test_negative_weights_are_not_taken_the_root_of() -> None:
    X, w, y = RNG.normal(size=(40, 18)), RNG.normal(size=18), RNG.normal(size=40)
    f = lambda w, X, y: np.sum(np.exp(X @ w / 9) * y)  # noqa: E731 - y has both signs
    c = jb.hessian(f).compile(w, X, y)
    assert "np.sqrt(" not in c.source
    wanted = (X.T * (np.exp(X @ w / 9) * y)) @ X / 81
    np.testing.assert_allclose(c.dense(w, X, y), wanted, atol=1e-12)


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
