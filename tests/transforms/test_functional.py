"""The transforms as users call them; judged by closed forms and by numerical differences."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

import jacobians as jb
from tests import numerical

RNG = np.random.default_rng(5)
W = RNG.normal(size=(2, 3))
X = RNG.normal(size=3)
T = RNG.normal(size=2)


def loss(W, x, t=T):
    return 0.5 * np.sum((W @ x - t) ** 2)


def test_the_single_layer_network():
    J = jb.jacobian(loss)(W, X)
    assert J.formula() == "(W x − t)_k x_l"
    np.testing.assert_allclose(J.dense(), np.outer(W @ X - T, X), rtol=1e-14)
    np.testing.assert_allclose(jb.grad(loss)(W, X), np.outer(W @ X - T, X), rtol=1e-14)
    H = jb.hessian(loss)(W, X)
    np.testing.assert_allclose(H.dense(), np.einsum("ik,j,l->ijkl", np.eye(2), X, X), atol=1e-15)
    assert H.formula() == "δ_ik x_j x_l"
    assert H.nnz == 2 * 3 * 3


@pytest.mark.parametrize("wrt", [1, -1, "x"])
def test_wrt_by_position_and_name(wrt):
    expected = W.T @ (W @ X - T)
    np.testing.assert_allclose(jb.grad(loss, wrt=wrt)(W, X), expected, rtol=1e-13)


def test_wrt_several_gives_a_tuple_in_that_order():
    by_x, by_W = jb.grad(loss, wrt=("x", 0))(W, X)
    np.testing.assert_allclose(by_x, W.T @ (W @ X - T), rtol=1e-13)
    np.testing.assert_allclose(by_W, np.outer(W @ X - T, X), rtol=1e-13)
    (H00, H01), (H10, _) = jb.hessian(loss, wrt=(0, 1))(W, X)
    assert H00.shape == (2, 3, 2, 3)
    assert H01.shape == (2, 3, 3)
    np.testing.assert_allclose(np.moveaxis(H10.dense(), 0, -1), H01.dense(), rtol=1e-13)
    expected = np.einsum("j,il->ijl", X, W) + np.einsum("i,jl->ijl", W @ X - T, np.eye(3))
    np.testing.assert_allclose(H01.dense(), expected, rtol=1e-13)


def test_keyword_arguments():
    found = jb.grad(loss, wrt="t")(W, X, t=T)
    np.testing.assert_allclose(found, T - W @ X, rtol=1e-14)
    np.testing.assert_allclose(jb.grad(loss)(W, x=X, t=T), np.outer(W @ X - T, X), rtol=1e-14)


class Pair(NamedTuple):
    first: object
    second: object


def test_results_in_any_structure():
    def f(x):
        return {"a": [np.sin(x), (2 * x, 1.0)], "b": Pair(x[0] * x[1], x.sum())}

    found = jb.jacobian(f)(X)
    np.testing.assert_allclose(found["a"][0].dense(), np.diag(np.cos(X)))
    np.testing.assert_allclose(found["a"][1][0].dense(), 2 * np.eye(3))
    assert found["a"][1][1].nnz == 0
    assert found["a"][1][1].shape == (3,)
    assert isinstance(found["b"], Pair)
    np.testing.assert_allclose(found["b"].first.dense(), [X[1], X[0], 0])
    np.testing.assert_allclose(found["b"].second.dense(), np.ones(3))


def test_python_numbers_and_0d_arrays():
    assert jb.grad(lambda x: x**3)(2.0) == pytest.approx(12.0)
    assert jb.grad(lambda x: x**3)(2) == pytest.approx(12.0)  # an integer becomes float64
    assert jb.grad(lambda x: x * x)(np.array(3.0)).shape == ()
    assert jb.hessian(lambda x: x**4)(2.0).dense() == pytest.approx(48.0)


def test_float32_stays_and_integers_become_float64():
    x = X.astype(np.float32)
    assert jb.grad(lambda x: np.sum(np.tanh(x) * 2.0))(x).dtype == np.float32
    assert jb.jacobian(lambda x: np.tanh(x) * 2.0)(x).dense().dtype == np.float32
    assert jb.grad(lambda x: np.sum(x * x))(np.array([1, 2])).dtype == np.float64
    assert jb.jacobian(lambda x: x * 2)(np.array([True, False])).dtype == np.float64


def test_value_and_grad():
    value, gradient = jb.value_and_grad(loss)(W, X)
    assert value == pytest.approx(loss(W, X))
    np.testing.assert_allclose(gradient, np.outer(W @ X - T, X), rtol=1e-14)


def test_vjp_and_jvp():
    def f(W, x, name):
        assert name == "tanh"
        return np.tanh(W @ x), x**2

    (a, b), pullback = jb.vjp(f, W, X, "tanh")
    np.testing.assert_allclose(a, np.tanh(W @ X))
    np.testing.assert_allclose(b, X**2)
    G, H = RNG.normal(size=2), RNG.normal(size=3)
    by_W, by_x, by_name = pullback((G, H))
    slope = 1 - np.tanh(W @ X) ** 2
    np.testing.assert_allclose(by_W, np.outer(G * slope, X), rtol=1e-13)
    np.testing.assert_allclose(by_x, W.T @ (G * slope) + 2 * X * H, rtol=1e-13)
    assert by_name is None
    again = pullback((2 * G, 2 * H))[0]
    np.testing.assert_allclose(again, 2 * by_W, rtol=1e-13)
    dW = RNG.normal(size=W.shape)
    y, (dy, none) = jb.jvp(f, (W, X, "tanh"), (dW, None, None))
    np.testing.assert_allclose(y[0], np.tanh(W @ X))
    np.testing.assert_allclose(dy, slope * (dW @ X), rtol=1e-13)
    np.testing.assert_array_equal(none, np.zeros(3))


def test_strategies_agree():
    def f(x):
        return np.tanh(W.T @ np.sin(W @ x)) * x

    expected = numerical.jacobian(f, [X], 0, analytic=True)
    for strategy in ("auto", "forward", "reverse"):
        found = jb.jacobian(f, strategy=strategy)(X)
        np.testing.assert_allclose(found.dense(), expected, rtol=1e-12)
    with pytest.raises(jb.UnsupportedError, match="strategy='sideways' is unknown"):
        jb.jacobian(f, strategy="sideways")(X)


def test_nested_without_perturbation_confusion():
    # d/dx x · (d/dy x y²)(y = x) = d/dx 2 x³ = 6 x²
    found = jb.grad(lambda x: x * jb.grad(lambda y: x * y**2)(x))(3.0)
    assert found == pytest.approx(54.0)
    # The classic: d/dx x · (d/dy (x + y))(y = 1) = 1
    assert jb.grad(lambda x: x * jb.grad(lambda y: x + y)(1.0))(2.0) == pytest.approx(1.0)
    # Three deep, the same outer variable seen twice.
    found = jb.grad(lambda x: jb.grad(lambda y: jb.grad(lambda z: x * y * z**3)(x))(x))(2.0)
    # innermost 3 x y x² = 3x³y (z = x), by y: 3x³, by x: 9x²
    assert found == pytest.approx(36.0)
    # An inner Jacobian inside an outer function is an array there.
    A = RNG.normal(size=(3, 3))
    found = jb.grad(lambda x: np.sum(jb.jacobian(lambda y: np.sin(A @ y))(x) ** 2))(X)
    expected = numerical.jacobian(
        lambda x: np.sum((np.cos(A @ x)[:, None] * A) ** 2), [X], 0, analytic=True
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_inner_results_that_do_not_depend_on_the_outer_are_plain():
    def f(x):
        inner = jb.grad(lambda y: y**2)(3.0)
        assert isinstance(inner, np.ndarray)
        return x * float(inner)

    assert jb.grad(f)(2.0) == pytest.approx(6.0)


def test_threads():
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(20):
            A, x = rng.normal(size=(3, 3)), rng.normal(size=3)
            found = jb.jacobian(lambda x, A=A: np.tanh(A @ x))(x).dense()
            if not np.allclose(found, (1 - np.tanh(A @ x) ** 2)[:, None] * A):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_control_flow_on_values():
    def f(x):
        y = x
        while np.sum(y**2) < 100:
            y = y * 2 if y[0] > 0 else y * 3
        return y

    factor = f(X)[0] / X[0]
    np.testing.assert_allclose(jb.jacobian(f)(X).dense(), factor * np.eye(3), rtol=1e-12)


def test_3000_sequential_steps():
    def f(x):
        for _ in range(3000):
            x = x * 0.999 + 0.0005 * np.sin(x)
        return x

    expected = numerical.jacobian(f, [np.array(0.5)], 0, analytic=True)
    assert jb.grad(f)(0.5) == pytest.approx(float(expected), rel=1e-10)
    for strategy in ("forward", "reverse"):
        assert jb.jacobian(f, strategy=strategy)(0.5).dense() == pytest.approx(float(expected))


def test_closed_over_arrays_may_change_later():
    scale = np.ones(3)

    def f(x):
        y = x * scale
        scale[:] = 7.0  # the caller's own business: the recorded product used ones
        return y

    J = jb.jacobian(f)(X)
    np.testing.assert_array_equal(J.dense(), np.eye(3))


def test_arguments_stay_unchanged_and_unaliased():
    x = X.copy()
    J = jb.jacobian(lambda x: x * x)(x)
    gradient = jb.grad(lambda x: np.sum(x))(x)
    y, pullback = jb.vjp(lambda x: x, x)
    assert not np.may_share_memory(y, x)
    assert not np.may_share_memory(gradient, x)
    G = np.ones(3)
    assert not np.may_share_memory(pullback(G)[0], G)
    np.testing.assert_array_equal(x, X)
    x[:] = 100
    np.testing.assert_allclose(J.dense(), np.diag(2 * X))


def test_structural_zeros_are_exact():
    x = np.array([-1.0, 0.0, 2.0])
    with np.errstate(all="ignore"):  # NumPy warns of log(0) itself
        found = jb.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0)))(x)
    np.testing.assert_array_equal(found, [0, 0, 0.5])
    assert jb.jacobian(lambda x: (x > 0) * 1.0)(x).nnz == 0
    assert jb.jacobian(lambda x: np.ones(2))(x).nnz == 0
    y = np.array([1.0, np.nan, np.inf])
    J = jb.jacobian(lambda y: y * y)(y).dense()
    assert np.count_nonzero(np.isnan(J) | np.isinf(J)) == 2
    np.testing.assert_array_equal(J[np.arange(3) != 1][:, 1], 0)


def test_errors_name_what_is_wrong():
    with pytest.raises(
        jb.ShapeError, match=r"shape \(2,\), a gradient needs a single number.*jb\.jacobian"
    ):
        jb.grad(lambda W: W @ X)(W)
    with pytest.raises(jb.ShapeError, match=r"loss has no argument wrt='y'.*W, x"):
        jb.grad(loss, wrt="y")(W, X)
    with pytest.raises(jb.ShapeError, match="wrt=3"):
        jb.grad(loss, wrt=3)(W, X)
    with pytest.raises(jb.UnsupportedError, match="complex"):
        jb.grad(loss)(W * 1j, X)
    with pytest.raises(
        jb.UnsupportedError,
        match=r"^float\(x\[0\]\) at test_functional\.py:\d+ .*leave float\(\) out",
    ):
        jb.grad(lambda x: float(x[0]) * 2)(X)
    with pytest.raises(
        jb.UnsupportedError, match=r"^np\.array\(\[x, x\]\) at .*; write jb\.array\(\[x, x\]\)$"
    ):
        jb.grad(lambda x: np.array([x, x]).sum())(X)

    def fill(x):
        y = np.zeros(3)
        y[0] = x[0]
        return y

    with pytest.raises(
        jb.UnsupportedError,
        match=r"^y\[0\] = \.\.\. at test_functional\.py:\d+ puts .*; make y with jb\.zeros",
    ):
        jb.jacobian(fill)(X)
    with pytest.raises(jb.UnsupportedError, match=r"returned None; is a 'return' missing"):
        jb.jacobian(lambda x: None)(X)
    with pytest.raises(ZeroDivisionError):  # the user's own errors pass through
        jb.grad(lambda x: x[0] * (1 // 0))(X)
    with pytest.raises(
        ValueError, match=r"broadcast axis -1 is 3 in A .* but 4 in B of shape \(4,\)"
    ):
        jb.grad(lambda x: np.sum(x + np.ones(4)))(X)


def test_a_graph_prints():
    text = str(jb.record(lambda W, x: np.tanh(W @ x) if x[0] > -9 else W, W, X))
    assert "tanh(" in text
    assert "for these values only: bool() at test_functional.py:" in text


def test_operations_of_the_library_trace():
    found = jb.grad(lambda x: jb.ops.sigmoid(x).sum() + jb.ops.logsumexp(x))(X)
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(found, s * (1 - s) + np.exp(X) / np.exp(X).sum(), rtol=1e-12)
    own = jb.operation("cubed", value=lambda X: X**3, X=lambda X, Y: 3 * X**2)
    H = jb.hessian(lambda x: jb.ops.sum(own(x)))(X)
    np.testing.assert_allclose(H.dense(), np.diag(6 * X), rtol=1e-12)
    S = jb.jacobian(lambda M: jb.ops.einsum("ij,kj->ik", M, W))(W)
    np.testing.assert_allclose(S.dense(), np.einsum("ik,jl->ijkl", np.eye(2), W), rtol=1e-12)


def test_copies_of_a_traced_array_keep_its_derivative():
    for duplicate in (copy.copy, copy.deepcopy, lambda x: x.copy(), np.copy):
        np.testing.assert_array_equal(jb.grad(lambda x, d=duplicate: np.sum(d(x) ** 2))(X), 2 * X)
    with pytest.raises(jb.UnsupportedError, match="cannot be pickled"):
        jb.grad(lambda x: np.sum(pickle.loads(pickle.dumps(x))))(X)
    assert jb.grad(lambda x: (f"{x[0]:.2f} {x}", x[0] ** 2)[1])(X)[0] == pytest.approx(2 * X[0])


def test_in_place_operators_change_the_array_for_all_who_hold_it():
    def aliased(x):
        y = x
        y += 1
        return (x**2).sum()

    np.testing.assert_allclose(jb.grad(aliased)(X), 2 * (X + 1))

    def updated(x):
        def update(a):
            a += 5 * a

        y = x * 1.0
        update(y)
        return y.sum()

    np.testing.assert_array_equal(jb.grad(updated)(X), [6, 6, 6])

    def copied(x):
        y = x.copy()
        y *= 3
        return (x * y).sum()

    np.testing.assert_allclose(jb.grad(copied)(X), 6 * X)

    def through_a_view(x):
        y = x * 1.0
        v = y[0:2]
        v *= 10
        return y.sum()

    def by_rows(x):
        M = np.outer(x, x)
        for row in M:
            row /= row.sum()
        return M.sum()

    np.testing.assert_array_equal(jb.grad(through_a_view)(X), [10, 10, 1])
    np.testing.assert_allclose(jb.grad(by_rows)(X), 0, atol=1e-15)  # each row sums up to 1
    with pytest.raises(ValueError, match=r"shape \(3,\) doesn't match the broadcast shape \(3,3\)"):
        jb.grad(lambda x: np.sum(x.__iadd__(np.ones((3, 3)))))(X)


def test_vjp_and_jvp_nest():
    cube = lambda y: y**3  # noqa: E731
    found = jb.grad(lambda x: jb.vjp(cube, x)[1](np.ones(3))[0].sum())(X)
    np.testing.assert_allclose(found, 6 * X)
    np.testing.assert_allclose(jb.grad(lambda x: jb.vjp(cube, x)[0].sum())(X), 3 * X**2)
    np.testing.assert_allclose(jb.grad(lambda x: jb.vjp(cube, X)[1](x)[0].sum())(X), 3 * X**2)
    np.testing.assert_allclose(
        jb.grad(lambda x: jb.jvp(cube, (x,), (np.ones(3),))[1].sum())(X), 6 * X
    )
    np.testing.assert_allclose(jb.grad(lambda x: jb.jvp(cube, (x,), (x,))[1].sum())(X), 9 * X**2)
    H = jb.hessian(lambda x: jb.vjp(cube, x)[1](np.ones(3))[0].sum())(X)
    np.testing.assert_allclose(H.dense(), 6 * np.eye(3))


def test_a_nested_gradient_in_a_worker_thread():
    def pool(x):
        with ThreadPoolExecutor(3) as workers:
            parts = workers.map(lambda i: jb.grad(lambda z: z**3 * x[0])(x[i]), range(3))
            return sum(parts)

    expected = numerical.differences(lambda x: np.sum(3 * x**2) * x[0], X)
    np.testing.assert_allclose(jb.grad(pool)(X), expected, rtol=1e-9)


def test_wrt_twice_and_defaults():
    with pytest.raises(jb.ShapeError, match=r"wrt=\(0, 0\) names an argument twice"):
        jb.grad(loss, wrt=(0, 0))(W, X)

    def f(x, y=2.0, *, z=3.0):
        return np.sum(x) * y * z

    assert jb.grad(f, wrt="y")(X) == pytest.approx(3 * X.sum())
    assert jb.grad(f, wrt=1)(X) == pytest.approx(3 * X.sum())
    assert jb.grad(f, wrt="z")(X) == pytest.approx(2 * X.sum())
    np.testing.assert_array_equal(jb.grad(f)(x=X, y=1.0), 3 * np.ones(3))
