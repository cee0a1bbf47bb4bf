"""The chain rule over a graph: few terms, structure kept, and the cheapest order."""

import sys

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation.chain_rule import cuts
from jacobians.transforms.functional import record
from tests import numerical

RNG = np.random.default_rng(11)


def terms(J: jb.JacobianTensor) -> int:
    return len(J.terms.terms)


def residual(weights):
    def f(W, x):
        for n, V in enumerate(weights):
            x = x + np.tanh((W if n == 0 else V) @ x)
        return x

    return f


def softmax(S):
    E = np.exp(S - np.max(S, axis=-1, keepdims=True))
    return E / np.sum(E, axis=-1, keepdims=True)


def layer_norm(X):
    mean = np.mean(X, axis=-1, keepdims=True)
    return (X - mean) / np.sqrt(np.var(X, axis=-1, keepdims=True) + 1e-5)


def transformer(X, blocks):
    for Q, K, V, W1, W2 in blocks:
        A = softmax((X @ Q) @ (X @ K).T / np.sqrt(Q.shape[1]))
        X = layer_norm(X + A @ (X @ V))
        X = layer_norm(X + np.tanh(X @ W1) @ W2)
    return X


def block(d):
    shapes = [(d, 3), (d, 3), (d, d), (d, 6), (6, d)]
    return tuple(RNG.normal(size=s) / 2 for s in shapes)


def test_terms_stay_few_in_deep_networks():
    weights = [RNG.normal(size=(5, 5)) / 3 for _ in range(30)]
    x = RNG.normal(size=5)
    f = residual(weights)
    for wrt in (0, 1):
        for strategy in ("auto", "forward", "reverse"):
            J = jb.jacobian(f, wrt=wrt, strategy=strategy)(weights[0], x)
            assert terms(J) <= 6
            expected = numerical.jacobian(f, [weights[0], x], wrt, analytic=True)
            np.testing.assert_allclose(J.dense(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("strategy", ["auto", "forward", "reverse"])
def test_two_transformer_blocks(strategy):
    blocks = [block(4), block(4)]
    X = RNG.normal(size=(3, 4))
    J = jb.jacobian(transformer, strategy=strategy)(X, blocks)
    assert terms(J) <= 6
    expected = numerical.jacobian(lambda X: transformer(X, blocks), [X], 0, analytic=False)
    np.testing.assert_allclose(J.dense(), expected, rtol=1e-6, atol=1e-7)


def test_a_layer_norm_network_keeps_its_rows_apart():
    W1, W2 = RNG.normal(size=(4, 6)), RNG.normal(size=(6, 4))
    X = RNG.normal(size=(5, 4))

    def f(X):
        return layer_norm(np.tanh(layer_norm(X) @ W1) @ W2) + X

    for strategy in ("auto", "forward", "reverse"):
        J = jb.jacobian(f, strategy=strategy)(X)
        assert terms(J) <= 6
        assert J.nnz == 5 * 4 * 4  # one block per row
        expected = numerical.jacobian(f, [X], 0, analytic=False)
        np.testing.assert_allclose(J.dense(), expected, rtol=1e-6, atol=1e-7)


def calls(function):
    """How many Python functions a call enters: work that does not depend on the machine."""
    count = 0

    def count_calls(frame, event, argument):  # noqa: ARG001
        nonlocal count
        count += event == "call"

    sys.setprofile(count_calls)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_deriving_a_deep_network_takes_calls_in_proportion_to_its_depth():
    weights = [RNG.normal(size=(10, 10)) / 10 for _ in range(100)]
    x = RNG.normal(size=10)

    def derive(depth):
        return jb.jacobian(residual(weights[:depth]))(weights[0], x)

    derive(100)  # structures are worked out once
    few, many = (calls(lambda depth=depth: derive(depth)) for depth in (50, 100))
    assert many < 2.2 * few
    assert many < 850 * 100  # some 760 a layer, the trace among them
    f = residual(weights)
    J = derive(100)
    gradient = jb.grad(lambda W, x: np.sum(f(W, x)))(weights[0], x)
    np.testing.assert_allclose(gradient, J.vjp(np.ones(10)), rtol=1e-12)
    dW = RNG.normal(size=(10, 10))
    step = numerical.complex_step(lambda h: f(weights[0] + h * dW, x), np.array(0.0))
    np.testing.assert_allclose(J.jvp(dW), step, rtol=1e-10)


def test_cuts_are_the_nodes_that_every_path_crosses():
    W, V = RNG.normal(size=(2, 5)), RNG.normal(size=(5, 2))

    def f(x):
        z = W @ np.tanh(x)
        return x.sum() * 0 + V @ (z * np.sin(z)) if False else V @ (z * np.sin(z))

    graph = record(f, RNG.normal(size=5))
    (start,) = [n for n in graph.nodes if n.name == "x"]
    names = [n.operation.name for n in cuts(graph.outputs[0], start)]
    assert names == ["tanh", "matmul", "multiply"]


def test_the_cut_at_a_bottleneck_is_taken_and_right():
    n, m = 30, 2
    W1, W2 = RNG.normal(size=(m, n)) / 5, RNG.normal(size=(n, m)) / 5

    def f(x):
        for _ in range(4):
            x = x + np.tanh(x)
        z = W1 @ x
        y = W2 @ z
        for _ in range(4):
            y = y + np.tanh(y)
        return y

    x = RNG.normal(size=n)
    expected = numerical.jacobian(f, [x], 0, analytic=True)
    J = jb.jacobian(f)(x)
    np.testing.assert_allclose(J.dense(), expected, rtol=1e-10)
    # The two sides stay two factors joined over the narrow letter.
    assert all(len(t.factors) >= 2 for t in J.terms.terms)


def test_growth_through_shifts_is_bounded():
    def shifts(steps):
        def f(u):
            for _ in range(steps):
                u = u + 0.1 * (
                    np.concatenate([u[1:], u[:1]]) - 2 * u + np.concatenate([u[-1:], u[:-1]])
                )
            return u

        return f

    f, u = shifts(30), RNG.normal(size=12)
    expected = numerical.jacobian(f, [u], 0, analytic=True)
    for strategy in ("auto", "forward", "reverse"):
        J = jb.jacobian(f, strategy=strategy)(u)
        np.testing.assert_allclose(J.dense(), expected, rtol=1e-10, atol=1e-14)
        few, many = (
            calls(lambda n=n, order=strategy: jb.jacobian(shifts(n), strategy=order)(u))
            for n in (15, 30)
        )
        assert many < 2.2 * few
    np.testing.assert_allclose(jb.grad(lambda u: np.sum(f(u) ** 2))(u), 2 * f(u) @ expected)


def test_the_corner_of_an_array_is_not_the_array():
    c = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x):
        return np.sum(c * np.pad(x[:2], (0, 2)))

    np.testing.assert_array_equal(jb.grad(f)(np.ones(4)), [1, 2, 0, 0])
    np.testing.assert_array_equal(jb.grad(f).compile(np.ones(4))(np.ones(4)), [1, 2, 0, 0])
