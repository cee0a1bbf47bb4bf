"""Running sums in linear time: values by closed forms, at sizes whose Jacobians would not fit."""

import numpy as np
import pytest

import jacobians as jb
from jacobians.operations.recurrences import recurrence, recurrence_back


def suffix(g, axis):
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gradients_products_and_tensors_along_each_axis(axis):
    rng = np.random.default_rng(3)
    X, W, D = (rng.normal(size=(4, 5, 3)) for _ in range(3))
    np.testing.assert_allclose(
        jb.grad(lambda X: np.sum(W * np.cumsum(X**2, axis=axis)))(X), 2 * X * suffix(W, axis)
    )
    _, dy = jb.jvp(lambda X: np.cumsum(X**2, axis=axis), (X,), (D,))
    np.testing.assert_allclose(dy, np.cumsum(2 * X * D, axis=axis))
    J = jb.jacobian(lambda X: np.cumsum(X**2, axis=axis))(X)
    np.testing.assert_allclose(J.jvp(D), np.cumsum(2 * X * D, axis=axis))
    np.testing.assert_allclose(J.vjp(W), 2 * X * suffix(W, axis))
    (g,) = jb.vjp(lambda X: np.cumsum(X, axis=axis), X)[1](W)
    np.testing.assert_allclose(g, suffix(W, axis))
    H = jb.hessian(lambda X: np.sum(np.cumsum(X, axis=axis) ** 2))(X)
    n = X.shape[axis]
    one = 2 * np.tri(n).T @ np.tri(n)
    full = np.zeros((*X.shape, *X.shape))
    moved = np.moveaxis(np.moveaxis(full, axis % 3, 0), 3 + axis % 3, 1)
    others = [m for a, m in enumerate(X.shape) if a != axis % 3]
    for a in range(others[0]):
        for b in range(others[1]):
            moved[:, :, a, b, a, b] = one
    np.testing.assert_allclose(H.dense(), full)


@pytest.mark.parametrize("n", [1, 2, 4095, 4097, 70_001, 1 << 20])
def test_gradients_need_no_list_of_pairs(n):
    x = np.random.default_rng(n).normal(size=n)
    f = lambda x: np.sum(np.cumsum(np.sin(x)) ** 2)  # noqa: E731
    exact = 2 * suffix(np.cumsum(np.sin(x)), 0) * np.cos(x)
    np.testing.assert_allclose(jb.grad(f)(x), exact, rtol=1e-9, atol=1e-9 * n)
    compiled = jb.grad(f).compile(x)
    np.testing.assert_allclose(compiled(x), exact, rtol=1e-9, atol=1e-9 * n)


def test_a_jacobian_past_memory_says_what_needs_none_of_it():
    with pytest.raises(
        jb.TensorTooLargeError, match=r"cumsum: a list of the 500,000,500,000 ones .*jb\.vjp"
    ):
        jb.jacobian(np.cumsum)(np.ones(1_000_000))


def test_float32_stays():
    x = np.ones(5, np.float32)
    assert jb.grad(lambda x: np.sum(np.cumsum(x) * x))(x).dtype == np.float32


def products_by_complex_step(X, axis):
    """The Jacobian of ``cumprod``, by complex step."""
    found = np.zeros((*X.shape, *X.shape))
    for at in np.ndindex(X.shape):
        Z = X.astype(complex)
        Z[at] += 1e-30j
        found[(..., *at)] = np.cumprod(Z, axis=axis).imag / 1e-30
    return found


SHAPES = [((1,), 0), ((2,), 0), ((7,), 0), ((5, 1), 0), ((3, 4), 1), ((4, 3), 0), ((2, 3, 4), 1)]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_running_products_with_zeros(shape, axis):
    rng = np.random.default_rng(len(shape) + shape[0])
    X, W, D = (rng.normal(size=shape) for _ in range(3))
    X.flat[X.size // 2] = 0
    exact = products_by_complex_step(X, axis)
    flat = exact.reshape(X.size, X.size)

    def f(X):
        return np.cumprod(X, axis=axis)

    J = jb.jacobian(f)(X)
    np.testing.assert_allclose(J.dense(), exact, atol=1e-15)
    np.testing.assert_allclose(jb.vjp(f, X)[1](W)[0], (W.ravel() @ flat).reshape(shape), atol=1e-14)
    np.testing.assert_allclose(
        jb.jvp(f, (X,), (D,))[1], (flat @ D.ravel()).reshape(shape), atol=1e-14
    )
    grad = jb.grad(lambda X: np.sum(W * f(X) ** 2))
    above = (2 * W * f(X)).ravel()
    np.testing.assert_allclose(grad(X), (above @ flat).reshape(shape), atol=1e-14)
    np.testing.assert_allclose(grad.compile(X)(X), (above @ flat).reshape(shape), atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_second_and_third_derivatives_of_running_products(n):
    """Closed forms: each derivative leaves out one more entry."""
    rng = np.random.default_rng(n)
    x, w = rng.normal(size=n), rng.normal(size=n)
    x[n // 2] = 0

    def without(*left):
        if len(set(left)) < len(left):
            return 0.0
        keep = np.setdiff1d(np.arange(n), left)
        return sum(w[i] * np.prod(x[keep[keep <= i]]) for i in range(max(left), n))

    def f(x):
        return w @ np.cumprod(x)

    second = [[without(i, j) for j in range(n)] for i in range(n)]
    third = [[[without(i, j, k) for k in range(n)] for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(jb.hessian(f)(x).dense(), second, atol=1e-15)
    forward = jb.jacobian(jb.jacobian(f, strategy="forward"), strategy="forward")
    np.testing.assert_allclose(forward(x).dense(), second, atol=1e-15)
    np.testing.assert_allclose(jb.jacobian(jb.hessian(f))(x).dense(), third, atol=1e-15)
    J = jb.jacobian(jb.jacobian(np.cumprod))(x).dense()
    np.testing.assert_allclose(np.einsum("i,ijk->jk", w, J), second, atol=1e-15)


@pytest.mark.parametrize("n", [4095, 4097, 70_001, 1 << 18])
def test_running_products_in_linear_time(n):
    rng = np.random.default_rng(n)
    x, d = 1 + rng.normal(size=n) / n, rng.normal(size=n)
    y = np.cumprod(x)
    np.testing.assert_allclose(
        jb.grad(lambda x: np.sum(np.cumprod(x) ** 2))(x), suffix(2 * y * y, 0) / x, rtol=1e-9
    )
    np.testing.assert_allclose(jb.jvp(np.cumprod, (x,), (d,))[1], y * np.cumsum(d / x), rtol=1e-8)
    with pytest.raises(jb.TensorTooLargeError, match=r"cumprod: the .* products .*jb\.vjp"):
        jb.jacobian(np.cumprod)(np.ones(1 << 18)).vjp(np.ones((1, 1 << 18)))


COMPOSED = {
    "masked before": (lambda x: np.cumsum(np.where(x > 0, x, 0)), lambda x, d: np.cumsum(np.where(x > 0, d, 0))),
    "masked after": (lambda x: np.where(x > 0, np.cumsum(x), 0), lambda x, d: np.where(x > 0, np.cumsum(d), 0)),
    "every second after": (lambda x: np.cumsum(x)[::2], lambda x, d: np.cumsum(d)[::2]),
    "every second before": (lambda x: np.cumsum(x[::-2]), lambda x, d: np.cumsum(d[::-2])),
    "entries by a list": (lambda x: np.cumsum(x)[[3, 1, 1]], lambda x, d: np.cumsum(d)[[3, 1, 1]]),
    "sorted": (lambda x: np.cumsum(np.sort(x)), lambda x, d: np.cumsum(d[np.argsort(x)])),
    "differences": (lambda x: np.diff(np.cumsum(x)), lambda x, d: d[1:]),
    "padded": (lambda x: np.cumsum(np.pad(x, (2, 1))), lambda x, d: np.cumsum(np.pad(d, (2, 1)))),
    "joined": (
        lambda x: np.concatenate([np.cumsum(x[:100]), x[5:]]),
        lambda x, d: np.concatenate([np.cumsum(d[:100]), d[5:]]),
    ),
    "one column": (
        lambda x: np.cumsum(x.reshape(100, -1), axis=0)[:, 3],
        lambda x, d: np.cumsum(d.reshape(100, -1), axis=0)[:, 3],
    ),
    "products of some": (
        lambda x: np.cumprod(np.where(x > 1, x, 1))[::3],
        lambda x, d: (np.cumprod(np.where(x > 1, x, 1)) * np.cumsum(np.where(x > 1, d / x, 0)))[::3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_what_stands_before_or_after_keeps_it_linear(name):
    """At sizes whose n²/2 pairs would take minutes, or more memory than there is."""
    f, exact = COMPOSED[name]
    rng = np.random.default_rng(11)
    x, d = 1 + rng.normal(size=70_000) / 1000, rng.normal(size=70_000)
    along = exact(x, d)
    np.testing.assert_allclose(jb.jvp(f, (x,), (d,))[1], along, rtol=1e-8, atol=1e-8)
    G = rng.normal(size=along.shape)
    (back,) = jb.vjp(f, x)[1](G)
    np.testing.assert_allclose(back @ d, np.vdot(G, along), rtol=1e-6)
    np.testing.assert_allclose(jb.grad(lambda x: np.vdot(G, f(x)))(x), back, rtol=1e-8, atol=1e-8)


def test_only_entries_that_reach_a_place_are_in_the_pattern():
    x = np.arange(1.0, 10.0)
    assert jb.jacobian(lambda x: np.cumsum(x)[4])(x).nnz == 5
    assert jb.jacobian(lambda x: np.cumsum(x)[[1, 3]].sum())(x).nnz == 4
    assert jb.jacobian(lambda x: np.cumprod(x)[5])(x).nnz == 6
    assert jb.jacobian(np.cumprod)(x).nnz == jb.jacobian(np.cumsum)(x).nnz == 45
    np.testing.assert_array_equal(jb.jacobian(np.cumprod)(x).sparse().toarray() != 0, np.tri(9))
    from_the_fourth = jb.jvp(lambda x: np.cumsum(np.pad(x, (3, 0))), (x,), (x,))[1]
    np.testing.assert_array_equal(from_the_fourth, np.cumsum(np.pad(x, (3, 0))))
    x[7] = np.inf
    np.testing.assert_array_equal(
        jb.grad(lambda x: np.cumsum(x**2)[4])(x), np.where(np.arange(9) < 5, 2 * x, 0)
    )


def test_formulas_name_what_runs():
    x = np.arange(1.0, 70_001.0)
    J = jb.jacobian(lambda x: x @ np.cumsum(x))(x)
    assert J.formula() == "cumsum(x)_k + suffix_sums(x)_k"
    assert "suffix_sums(x)_k" in repr(J)
    assert jb.jacobian(np.cumsum)(x[:4]).formula() == "[k ≤ i]"
    assert jb.jacobian(np.cumprod)(x[:4]).latex().endswith("_{ik} [k \\le i]")
    assert (
        jb.jacobian(lambda X: np.cumsum(X**2, 0))(np.ones((3, 2))).formula()
        == "2 δ_jl X_kj [k ≤ i]"
    )
    w = np.arange(4.0)
    J = jb.jacobian(lambda x: w @ np.cumprod(x))(x[:4])
    assert J.formula() == "recurrence_back(x, w)_k products_before(x)_k"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_recurrences_of_arrays_in_any_order_in_memory(order):
    rng = np.random.default_rng(5)
    back = np.argsort(order)
    a, b = (
        rng.uniform(0.5, 1.5, size=(2, 3, 7)).transpose(order).copy().transpose(back)
        for _ in range(2)
    )
    for run, first, step in ((recurrence, 0, 1), (recurrence_back, 6, -1)):
        exact = b.copy()
        for k in range(1, 7):
            now, last = first + step * k, first + step * (k - 1)
            exact[..., now] += a[..., max(now, last)] * exact[..., last]
        np.testing.assert_allclose(run.function(a, b), exact)


def reversed_loop(x):
    y = [x[-1]]
    for k in range(len(x) - 2, -1, -1):
        y.append(np.tanh(y[-1]) + x[k])
    return np.stack(y)


@pytest.mark.parametrize("strategy", ["forward", "reverse", "auto"])
@pytest.mark.parametrize("n", [7, 8, 9, 16, 17, 18])
def test_loops_backwards_beside_running_sums(n, strategy):
    """Rows of a loop lie at tables that fall: nothing of a step may lie outside of the tensor."""
    x = np.random.default_rng(n).uniform(0.4, 1.3, size=n)
    f = lambda x: np.sum(np.sin(reversed_loop(np.cumsum(x))))  # noqa: E731

    def gradient(x):
        z = np.cumsum(x)[::-1]
        y, back = np.zeros((2, n), z.dtype)
        for k in range(n):
            y[k] = z[k] + (np.tanh(y[k - 1]) if k else 0)
        for k in range(n - 1, -1, -1):
            back[k] = np.cos(y[k]) + (back[k + 1] * (1 - np.tanh(y[k]) ** 2) if k < n - 1 else 0)
        return np.cumsum(back)[::-1]

    exact = np.array([gradient(x + 1e-20j * e).imag / 1e-20 for e in np.eye(n)])
    H = jb.jacobian(jb.jacobian(f, strategy=strategy), strategy=strategy)(x)
    np.testing.assert_allclose(H.dense(), exact, atol=1e-12)
    places = np.array([0] * (n - 2) + [1, 3])
    J = jb.jacobian(lambda x: reversed_loop(np.cumsum(x[places][::-1])[::-1]), strategy=strategy)(x)
    steps = [
        reversed_loop(np.cumsum((x + 1e-20j * e)[places][::-1])[::-1]).imag / 1e-20
        for e in np.eye(n)
    ]
    np.testing.assert_allclose(J.dense(), np.transpose(steps), atol=1e-12)


def extremes_so_far(X, maximum):
    """The Jacobian of the running extreme of rows, ties sharing equally, by its definition."""
    J = np.zeros((*X.shape, *X.shape))
    for row in np.ndindex(X.shape[:-1]):
        for i in range(X.shape[-1]):
            seen = X[row][: i + 1]
            best = np.max(seen) if maximum else np.min(seen)
            hit = (seen == best) | (np.isnan(seen) & np.isnan(best))
            J[(*row, i, *row, slice(i + 1))] = hit / hit.sum()
    return J


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
@pytest.mark.parametrize("shape", [(1,), (2,), (9,), (3, 5), (2, 1), (2, 3, 4)])
def test_running_extremes(shape, ufunc):
    rng = np.random.default_rng(len(shape) + shape[-1])
    for X in (
        rng.normal(size=shape),
        rng.integers(-2, 3, size=shape) * 1.0,
        np.where(rng.random(shape) < 0.2, np.nan, rng.integers(0, 2, size=shape) * -0.0),
        np.where(rng.random(shape) < 0.3, np.inf, rng.normal(size=shape)),
    ):
        exact = extremes_so_far(X, ufunc is np.maximum)
        flat = exact.reshape(X.size, X.size)
        f = lambda X: ufunc.accumulate(X, axis=-1)  # noqa: E731
        J = jb.jacobian(f)(X)
        np.testing.assert_allclose(J.dense(), exact, rtol=1e-14)
        np.testing.assert_allclose(J.sparse().toarray(), flat, rtol=1e-14)
        np.testing.assert_allclose(jb.jacobian(f).compile(X).dense(X), exact, rtol=1e-14)
        G, D = rng.normal(size=shape), rng.normal(size=shape)
        back = (G.ravel() @ flat).reshape(shape)
        np.testing.assert_allclose(jb.vjp(f, X)[1](G)[0], back, atol=1e-14)
        np.testing.assert_allclose(jb.jacobian(f).compile(X).vjp(G, X), back, atol=1e-14)
        np.testing.assert_allclose(
            jb.jvp(f, (X,), (D,))[1], (flat @ D.ravel()).reshape(shape), atol=1e-14
        )
        first = np.moveaxis(X, -1, 0)
        found = jb.jacobian(lambda X: ufunc.accumulate(X))(first).dense()
        np.testing.assert_allclose(
            found, np.moveaxis(np.moveaxis(exact, -1, X.ndim), X.ndim - 1, 0), rtol=1e-14
        )
    assert jb.jacobian(f)(X).nnz == X.size * (shape[-1] + 1) // 2


def test_an_infinite_gradient_does_not_pass_a_new_extreme():
    x = np.array([1.0, 2, 2, 0, 3, 3])
    _, back = jb.vjp(np.maximum.accumulate, x)
    at = np.arange(6)
    for place, reached in ((4, [4]), (3, [1, 2])):
        G, wanted = np.where(at == place, np.inf, 0), np.where(np.isin(at, reached), np.inf, 0)
        np.testing.assert_array_equal(back(G), [wanted])
    J = jb.jacobian(lambda x: np.maximum.accumulate(np.sqrt(x)))(x)
    assert not J.dense()[4:, :4].any()


@pytest.mark.parametrize("n", [1, 4095, 4097, 70_001])
def test_running_extremes_in_linear_time(n):
    """The gradient of a sum of squares: each entry that led, by how long; float32 stays."""
    x = np.cumsum(np.random.default_rng(n).normal(size=n))
    top = np.maximum.accumulate(x)
    start = np.flatnonzero(np.r_[True, top[1:] > top[:-1]])
    exact = np.zeros(n)
    exact[start] = 2 * top[start] * np.diff(np.r_[start, n])
    f = lambda x: np.sum(np.maximum.accumulate(x) ** 2)  # noqa: E731
    np.testing.assert_allclose(jb.grad(f)(x), exact, rtol=1e-9)
    np.testing.assert_allclose(jb.grad(f).compile(x)(x), exact, rtol=1e-9)
    assert jb.grad(f)(x.astype(np.float32)).dtype == np.float32
    second = jb.jvp(jb.grad(f), (x,), (np.ones(n),))[1]
    np.testing.assert_allclose(second, np.where(exact, exact / np.where(exact, x, 1), 0), rtol=1e-9)
