"""What is never called right: what was not judged, what is random, what changes its arguments; and layers.

Evaluations of the function are counted where a check must be quick.
"""

import re
from typing import Any

import numpy as np
import pytest

import jacobians as jb

RNG = np.random.default_rng(3)
W, X, B = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3)), RNG.normal(size=4)
V = np.array([0.5, -1.5, 2.0])


def affine(x: Any, W: Any, b: Any) -> Any:
    return np.tanh(x @ W + b)


def backward(G: Any, x: Any, W: Any, b: Any) -> Any:
    d = G * (1 - np.tanh(x @ W + b) ** 2)
    return d @ W.T, x.T @ d, d.sum(0)


# Randomness


def test_a_random_mask_is_undecided_whatever_is_claimed() -> None:
    rng = np.random.default_rng(0)

    def drops(x: Any) -> Any:
        return x * (rng.random(x.shape) > 0.5) * 2

    for claim in (lambda G, x: 0 * G, lambda G, x: G, lambda G, x: 2 * G):
        for _ in range(10):
            report = jb.check(drops, V, vjp=claim)
            assert (report.ok, report.verdict) == (False, "undecided")
    text = " ".join(str(report).split())
    assert "draws from the generator rng, is not deterministic" in text
    assert "pass the result as an argument (a mask)" in text
    with pytest.raises(jb.VerificationError, match="undecided"):
        report.raise_if_failed()


def test_the_global_generator_is_named_and_a_fixed_one_inside_is_fine() -> None:
    report = jb.check(lambda x: x * np.random.rand(3), V, vjp=lambda G, x: G)
    assert "np.random" in report.parts[0].open_to
    fixed = lambda: np.random.default_rng(1).random(3)  # noqa: E731
    assert jb.check(lambda x: x * fixed(), V, vjp=lambda G, x: G * fixed()).ok
    assert not jb.check(lambda x: x * fixed(), V, vjp=lambda G, x: 0 * G).ok


# No numbers


def test_nan_and_infinity_on_both_sides_agree_with_nothing() -> None:
    for number in (np.nan, np.inf):
        with np.errstate(all="ignore"):
            report = jb.check(lambda x: x**2, V, vjp=lambda G, x, n=number: n * G)
        assert report.verdict == "WRONG"  # the right one is finite
    with np.errstate(all="ignore"):
        report = jb.check(np.sqrt, np.array([0.0, 4.0]), vjp=lambda G, x: G / 2 / np.sqrt(x))
    assert report.verdict == "undecided"
    assert "(i = 0, k = 0" in " ".join(report.parts[0].notes)
    report = jb.check(lambda x: np.nan * x, V, vjp=lambda G, x: np.nan * G)
    assert report.verdict == "undecided"


# What a backward returns


def test_every_gradient_that_is_returned_is_judged() -> None:
    report = jb.check(affine, X, W, B, vjp=backward)
    assert [part.wrt for part in report.parts] == ["x", "W", "b"]
    assert len(str(report).splitlines()) == 3
    wrong = jb.check(affine, X, W, B, vjp=lambda G, *a: (*backward(G, *a)[:2], G))
    assert [part.ok for part in wrong.parts] == [True, True, False]
    none = jb.check(affine, X, W, B, vjp=lambda G, *a: (None, *backward(G, *a)[1:]))
    assert [part.wrt for part in none.parts] == ["W", "b"]
    assert "not judged, since vjp gives None: the gradient by x" in none.notes
    fewer = jb.check(affine, X, W, B, vjp=lambda G, *a: backward(G, *a)[:2])
    assert [part.wrt for part in fewer.parts] == ["x", "W"]
    assert "the gradient by b" in fewer.notes[0]


def test_an_explicit_wrt_is_obeyed_and_what_it_leaves_out_is_named_first() -> None:
    report = jb.check(affine, X, W, B, wrt=1, vjp=lambda G, *a: (7 * G, backward(G, *a)[1], None))
    assert [part.wrt for part in report.parts] == ["W"]
    assert report.ok
    assert str(report).splitlines()[0] == "not judged: the gradients by x, which vjp returns too"
    assert report.to_dict()["unjudged"] == ["x"]


def test_a_jacobian_beside_a_backward_is_by_the_first_argument() -> None:
    J = jb.jacobian(affine)(X, W, B)
    report = jb.check(affine, X, W, B, jacobian=J, vjp=backward)
    assert [(p.kind, p.wrt) for p in report.parts] == [
        ("jacobian", "x"), ("vjp", "x"), ("vjp", "W"), ("vjp", "b"),
    ]  # fmt: skip
    assert report.ok


# Changes in place, precision, tolerances


def test_an_argument_or_upstream_that_is_changed_is_wrong_and_named() -> None:
    def vjp(G: Any, x: Any) -> Any:
        G *= np.cos(x)
        return G

    report = jb.check(np.sin, V, vjp=vjp)
    assert (report.verdict, report.findings[0].kind) == ("WRONG", "changed")
    assert "argument G" in report.findings[0].text


def test_a_float32_result_is_right_in_float32() -> None:
    report = jb.check(np.sin, V, vjp=lambda G, x: (G * np.cos(x)).astype(np.float32))
    assert report.ok
    assert str(report).splitlines()[0].endswith("right in float32")
    off = jb.check(np.sin, V, vjp=lambda G, x: (1.01 * G * np.cos(x)).astype(np.float32))
    assert off.verdict == "WRONG"


def test_a_tolerance_under_which_zero_would_pass_decides_nothing() -> None:
    for options in ({"atol": 10.0}, {"rtol": 1.5}):
        for factor in (0.0, 1.0):
            report = jb.check(np.sin, V, vjp=lambda G, x, c=factor: c * G * np.cos(x), **options)
            assert report.verdict == "undecided"
            assert "zero would pass" in report.parts[0].open_to
    assert jb.check(lambda x: 0 * x, V, vjp=lambda G, x: 0 * G, atol=1.0).ok


# Layers


class Affine:
    def __init__(self, mistake: str = "") -> None:
        self.W, self.b, self.mistake = W.copy(), B.copy(), mistake
        self.grads: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        self.x = x
        self.y = np.tanh(x @ self.W + self.b)
        return self.y

    def backward(self, G: Any) -> Any:
        d = G * (1 - self.y**2)
        self.dW = self.x.T @ d
        self.grads["b"] = (G if self.mistake == "b" else d).sum(0)
        if self.mistake == "cache":
            self.y *= 0.5
        return d @ self.W.T


def test_a_layer_with_a_cache() -> None:
    layer = Affine()
    report = jb.check_layer(layer, X, parameters=("W", "b"))
    assert report.ok
    assert [part.wrt for part in report.parts] == ["x", "W", "b"]
    assert not hasattr(layer, "x")  # the user's layer keeps what it held
    report = jb.check_layer(Affine("b"), X, parameters=("W", "b"))
    assert [part.ok for part in report.parts] == [True, True, False]
    report = jb.check_layer(Affine("cache"), X)
    assert report.findings[0].kind == "changed"
    assert "Backward changes the cache" in report.findings[0].text
    with pytest.raises(jb.JacobiansError, match="Affine has no attribute 'V'"):
        jb.check_layer(Affine(), X, parameters=("V",))
    given = jb.check_layer(
        Affine("b"), X, parameters=("b",), gradients=lambda own: {"b": own.dW.sum(0) * 0}
    )
    assert given.parts[1].findings[0].kind == "zeros"


def test_a_pair_of_functions_with_a_cache() -> None:
    def forward(x: Any, W: Any, eps: float = 1e-5) -> Any:  # noqa: ARG001
        out = np.maximum(x @ W, 0)
        return out, (x, W, out)

    def back(dout: Any, cache: Any, *, right: bool = True) -> Any:
        x, W, out = cache
        d = dout * (out > 0) if right else dout
        return d @ W.T, x.T @ d, None

    report = jb.check_layer((forward, back), X, W, 1e-5)
    assert report.ok
    assert "not judged, since backward gives None: the gradient by eps" in report.notes
    report = jb.check_layer((forward, lambda G, c: back(G, c, right=False)), X, W)
    assert report.verdict == "WRONG"
    with pytest.raises(jb.UnsupportedError, match="no methods forward and backward"):
        jb.check_layer(object(), X)
    with pytest.raises(jb.ShapeError, match=r"must return \(out, cache\)"):
        jb.check_layer((lambda x: x, back), X)


def test_a_layer_that_draws_is_undecided() -> None:
    class Dropout:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def forward(self, x: Any) -> Any:
            self.mask = self.rng.random(x.shape) > 0.5
            return x * self.mask

        def backward(self, G: Any) -> Any:
            return G * self.mask

    report = jb.check_layer(Dropout(), X)
    assert report.verdict == "undecided"
    assert "the generator rng" in report.parts[0].open_to


def test_a_bound_method_that_keeps_what_it_sees() -> None:
    layer = Affine()
    report = jb.check(layer.forward, X, vjp=lambda G, x: layer.backward(G))
    assert report.ok
    np.testing.assert_array_equal(layer.x, X)


# Quick when wrong


def test_a_large_wrong_net_takes_few_evaluations() -> None:
    calls = [0]
    A, U, x = RNG.normal(size=(60, 40)) / 8, RNG.normal(size=(40, 5)), RNG.normal(size=(7, 60))

    def net(A: Any, x: Any, U: Any) -> Any:
        calls[0] += 1
        h = np.maximum(x @ A, 0)
        return h @ U

    report = jb.check(net, A, x, U, wrt=0, vjp=lambda G, A, x, U: x.T @ (G @ U.T))
    assert report.findings[0].kind == "skipped"
    assert "h" in report.findings[0].text
    assert calls[0] < 200


@pytest.mark.parametrize("turned", [False, True])
def test_a_convolution_in_loops_takes_few_evaluations(turned: bool) -> None:
    calls = [0]
    k, image = RNG.normal(size=(3, 3)), RNG.normal(size=(18, 18))

    def convolve(x: Any, k: Any) -> Any:
        calls[0] += 1
        out = np.zeros((16, 16))
        for i in range(16):
            for j in range(16):
                out[i, j] = float(x[i, j : j + 3] @ k[0] + x[i + 1, j : j + 3] @ k[1]
                                  + x[i + 2, j : j + 3] @ k[2])  # fmt: skip
        return out

    def back(G: Any, x: Any, k: Any) -> Any:
        found = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                found[i : i + 16, j : j + 16] += (k[::-1, ::-1] if turned else k)[i, j] * G
        return found

    report = jb.check(convolve, image, k, wrt=0, vjp=back)
    assert report.ok == (not turned)
    assert not turned or "reversed" in report.findings[0].text
    assert calls[0] < (200 if turned else 120)


# Conventions, and points without a derivative inside


@pytest.mark.parametrize("form", ["symmetric", "lower", "as derived"])
def test_one_convention_decides_the_whole_claim_of_cholesky(form: str) -> None:
    A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 5.0]])

    def back(G: Any, A: Any, wrong: float = 1.0) -> Any:
        L = np.linalg.cholesky(A)
        P = np.tril(L.T @ np.tril(G))
        P[np.diag_indices(3)] *= 0.5 * wrong
        inverse = np.linalg.inv(L)
        S = inverse.T @ P @ inverse
        both = {"symmetric": (S + S.T) / 2, "lower": np.tril(S + S.T) - np.diag(np.diag(S))}
        return both.get(form, S)

    assert jb.check(np.linalg.cholesky, A, vjp=back).ok
    assert not jb.check(np.linalg.cholesky, A, vjp=lambda G, A: back(G, A, 1.1)).ok
    trace = jb.check(np.trace, A, vjp=lambda G, A: G * (np.eye(3) + np.triu(A, 1) - np.tril(A, -1)))
    assert trace.verdict == "WRONG"


def test_our_own_derivative_is_not_called_wrong_at_a_kink_inside() -> None:
    def distances(X: Any) -> Any:
        return np.sqrt(np.sum((X[:, None] - X[None]) ** 2, axis=-1))

    report = jb.check(distances, X[:3, :2])
    assert report.verdict == "undecided"
    assert "a point without a derivative (a root or a norm at 0)" in report.parts[0].notes[0]


# Readings that fit one size alone


def ones(*shape: int) -> Any:
    return np.random.default_rng(9).normal(size=shape)


@pytest.mark.parametrize(
    ("f", "back", "args", "said"),
    [
        (lambda q, k: q @ k.T / np.sqrt(q.shape[1]), lambda G, q, k: G @ k,
         (ones(3, 4), ones(5, 4)), r"√\d+ × .*√l"),
        (lambda q, k: 2 * q @ k.T, lambda G, q, k: 4 * G @ k,
         (ones(3, 4), ones(5, 4)), r"It is 2 × the right derivative\.$"),
        (lambda x: np.sum(x**2, 0), lambda G, x: G * x, (ones(2, 4),), "½ × .*a factor 2 is missing"),
        (lambda x: np.sum(x, 0), lambda G, x: np.broadcast_to(G, x.shape) / len(x),
         (ones(2, 4),), "a mean over k where a sum is meant"),
        (lambda x: np.sum(x**2) / (len(x) - 1), lambda G, x: 2 * G * x / len(x),
         (ones(2, 3),), r"\(n − 1\)/n with n = \d+, the size of k"),
    ],
)  # fmt: skip
def test_another_size_decides_between_readings(f: Any, back: Any, args: Any, said: str) -> None:
    text = jb.check(f, *args, wrt=0, vjp=back).findings[0].text
    assert re.search(said, text), text


def test_sizes_that_are_fixed_inside_leave_all_readings() -> None:
    report = jb.check(
        lambda x: x @ np.ones((4, 4)), ones(4, 4), vjp=lambda G, _: 4 * G @ np.ones((4, 4))
    )
    assert "the size of" in report.findings[0].text
    assert " or " in report.findings[0].text


def relu_net(x: Any) -> Any:
    return np.maximum(x @ WEIGHTS[0], 0) @ WEIGHTS[1]


WEIGHTS = [np.random.default_rng(1).normal(size=shape) for shape in ((4, 5), (5, 3))]


@pytest.mark.parametrize("mask", [np.greater, np.greater_equal])
def test_where_kinks_meet_a_convention_is_right_if_it_is_right_beside_them(mask: Any) -> None:
    x = np.random.default_rng(2).normal(size=(3, 4))
    x[1] = 0  # all five units at once
    V, W = WEIGHTS[1], WEIGHTS[0]
    right = jb.check(relu_net, x, vjp=lambda G, x: ((G @ V.T) * mask(x @ W, 0)) @ W.T)
    assert right.ok
    assert "convention" in str(right)
    wrong = jb.check(relu_net, x, vjp=lambda G, x: (G @ V.T) @ W.T)
    assert wrong.verdict == "WRONG"


def test_where_all_is_at_kinks_a_wrong_claim_is_undecided() -> None:
    x, W = np.random.default_rng(3).normal(size=(3, 4)), np.zeros((4, 5))

    def layer(W: Any) -> Any:
        return np.maximum(x @ W, 0)

    assert jb.check(layer, W, vjp=lambda G, W: x.T @ (G * (x @ W > 0))).verdict == "right"
    report = jb.check(layer, W, vjp=lambda G, W: x.T @ G)
    assert report.verdict == "undecided"
    assert "beside them the claim is wrong" in report.parts[0].open_to


def test_what_passes_by_the_rounding_of_f_alone_is_undecided() -> None:
    def divergence(v: Any) -> Any:  # differences of numbers near 1, with a derivative near 0
        return -0.5 * np.sum(1 + v - np.exp(v))

    v = 1e-8 * np.array([1.0, -0.6, 0.8, 1.1])
    assert jb.check(divergence, v, vjp=lambda G, v: G * 0.5 * np.expm1(v)).verdict == "right"
    report = jb.check(divergence, v, vjp=lambda G, v: -G * 0.5 * np.expm1(v))
    assert report.verdict == "undecided"


def test_no_number_beside_an_argument_that_is_none_is_not_judged() -> None:
    u = np.array([np.nan, 1.0, 2.0, 3.0])
    stencil = np.eye(4) + 0.2 * np.eye(4, k=1)  # 0 · nan is everywhere
    report = jb.check(
        lambda u: (stencil @ u) ** 2, u, vjp=lambda G, u: 2 * stencil.T @ (stencil @ u * G)
    )
    assert report.verdict == "undecided"


def test_the_shape_of_a_sum_over_another_axis_is_explained() -> None:
    x, b = np.random.default_rng(4).normal(size=(5, 3)), np.arange(3.0)
    report = jb.check(lambda b, x: np.tanh(x + b), b, x, wrt=0, vjp=lambda G, b, x: (
        G * (1 - np.tanh(x + b) ** 2)).sum(1))  # fmt: skip
    assert report.findings[0].text == (
        "The gradient by b is summed over axis 1, where a sum over axis 0 is meant: its shape is (5,), "
        "where (3,) is meant."
    )


def test_a_reason_in_common_is_told_once_though_each_part_has_words_of_its_own() -> None:
    def head(x: Any, W: Any, b: Any) -> Any:
        e = np.exp(x @ W + b)
        s = e.sum(1, keepdims=True)
        return e / s

    def backward(G: Any, x: Any, W: Any, b: Any) -> Any:
        d = head(x, W, b) * G  # its sum is not subtracted
        return d @ W.T, x.T @ d, d.sum(0)

    random = np.random.default_rng(5)
    arrays = [random.normal(size=shape) for shape in ((4, 3), (3, 5), (5,))]
    text = str(jb.check(head, *arrays, vjp=backward))
    assert text.splitlines()[0].startswith("vjp of head by x, W, b")
    assert "The gradient through s is missing" in text


def test_a_large_result_hides_no_mistake_in_another() -> None:
    scales = np.array([1e10, 1.0, 1e3])
    x = np.array([0.3, -0.7, 1.1])
    claim = scales * np.array([1, 1.01, 1])
    report = jb.check(lambda x: scales * x, x, vjp=lambda G, x: G * claim)
    assert (report.verdict, report.parts[0].failed) == ("WRONG", 1)
    assert jb.check(lambda x: scales * x, x, vjp=lambda G, x: G * scales).ok
