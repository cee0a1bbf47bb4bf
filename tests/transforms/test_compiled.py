"""Compiled derivatives: the same numbers as uncompiled, from source that runs on its own."""

import threading
import warnings

import numpy as np
import pytest

import jacobians as jb

RNG = np.random.default_rng(3)
W, X, T = RNG.normal(size=(2, 3)), RNG.normal(size=3), RNG.normal(size=2)


def loss(W, x):
    return 0.5 * np.sum((W @ x - T) ** 2)


def test_other_values_of_the_same_shapes():
    c = jb.jacobian(lambda W, x: np.tanh(W @ x)).compile(W, X)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        V, y = rng.normal(size=W.shape), rng.normal(size=X.shape)
        slope = 1 - np.tanh(V @ y) ** 2
        expected = np.einsum("ik,i,l->ikl", np.eye(2), slope, y)
        np.testing.assert_allclose(c.dense(V, y), expected, atol=1e-14)


def test_every_transform_compiles():
    residual = W @ X - T
    np.testing.assert_allclose(jb.grad(loss).compile(W, X)(W, X), np.outer(residual, X))
    value, gradient = jb.value_and_grad(loss).compile(W, X)(W, X)
    assert value == pytest.approx(0.5 * residual @ residual)
    np.testing.assert_allclose(gradient, np.outer(residual, X))
    H = jb.hessian(loss).compile(W, X)
    expected = np.einsum("ik,j,l->ijkl", np.eye(2), X, X)
    np.testing.assert_allclose(H.dense(W, X), expected)
    assert H(W, X).formula() == "δ_ik x_j x_l"
    dW = RNG.normal(size=W.shape)
    np.testing.assert_allclose(H.jvp(dW, W, X), np.einsum("ijkl,kl->ij", expected, dW))


def test_out_is_overwritten_whole_and_a_buffer_only_where_nonzero():
    c = jb.jacobian(lambda A, B: A @ B).compile(W, W.T.copy())
    args = W, W.T.copy()
    expected = jb.jacobian(lambda A, B: A @ B)(*args).dense()
    dirty = np.full(c.shape, np.nan)
    assert c.dense(*args, out=dirty) is dirty
    np.testing.assert_allclose(dirty, expected)
    strided = np.full((*c.shape[:-1], 2 * c.shape[-1]), np.nan)[..., ::2]
    np.testing.assert_allclose(c.dense(*args, out=strided), expected)
    buffer = c.buffer()
    c.dense(*args, out=buffer)
    buffer[0, 0, 1, 0] = 7.0  # a structural zero: the plan trusts its own buffer
    c.dense(*args, out=buffer)
    assert buffer[0, 0, 1, 0] == 7.0
    copied = buffer.copy()  # not the plan's own: cleared
    np.testing.assert_allclose(c.dense(*args, out=copied), expected)


def test_results_are_never_overwritten_by_later_calls():
    c = jb.grad(loss).compile(W, X)
    first = c(W, X)
    kept = first.copy()
    c(2 * W, 3 * X)
    np.testing.assert_array_equal(first, kept)
    J = jb.jacobian(lambda x: x * x).compile(X)
    x = X.copy()
    tensor = J(x)
    x[:] = 100
    np.testing.assert_allclose(tensor.dense(), np.diag(2 * X))


def test_threads_share_a_plan():
    c = jb.jacobian(lambda x: np.tanh(W.T @ np.sin(W @ x))).compile(X)
    inputs = [RNG.normal(size=3) for _ in range(8)]
    expected = [c.dense(x) for x in inputs]
    wrong = []

    def work(n):
        for _ in range(100):
            if not np.array_equal(c.dense(inputs[n]), expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_refusals_name_both_sides():
    c = jb.grad(loss).compile(W, X)
    with pytest.raises(jb.ShapeError, match=r"shape \(3, 2\).*compiled for shape \(2, 3\)"):
        c(W.T, X)
    with pytest.raises(jb.ShapeError, match=r"float32.*float64"):
        c(W.astype(np.float32), X)
    with pytest.raises(jb.ShapeError, match="compiled for 2 arguments, called with 1"):
        c(W)
    with pytest.raises(
        jb.UnsupportedError, match=r"branches on a value \(bool\(\) at test_compiled\.py:\d+"
    ):
        jb.grad(lambda x: x[0] if x[1] > 0 else x[2]).compile(X)
    power = jb.grad(lambda x, n: np.sum(x**n)).compile(X, 3)
    np.testing.assert_allclose(power(X, 3), 3 * X**2)
    with pytest.raises(
        jb.UnsupportedError, match="argument 1 is static and was 3 when compiled, now 2"
    ):
        power(X, 2)
    with pytest.raises(jb.ShapeError, match=r"result has shape \(2,\)"):
        jb.grad(lambda W, x: W @ x).compile(W, X)
    big = jb.jacobian(lambda A, B: A @ B).compile(np.ones((60, 60)), np.ones((60, 60)))
    with pytest.raises(jb.TensorTooLargeError, match=r"\(60, 60, 60, 60\).*GiB"):
        big.dense(np.ones((60, 60)), np.ones((60, 60)), max_bytes=1000)


def test_derivative_steps_do_not_warn():
    x = np.array([-1.0, 0.0, 2.0])

    def f(x):
        return np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)

    c = jb.jacobian(f).compile(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(np.diag(c.dense(x)), [0, 0, 0.5 / np.sqrt(2)])


def test_the_plan_prints():
    text = str(jb.grad(loss).compile(W, X))
    assert "grad of loss(W (2, 3), x (3,)) -> (2, 3)" in text
    assert "W.dot(x)" in text
    assert "flops" in text
