"""What others state of derivatives, and expressions meant to do harm.

The closed forms are those of SymPy's tests of matrix derivatives (its wrong and missing cases too), of
textbook exercises, and of matrixcalculus.org: ours is a matrix form that is not longer. The judge of the
numbers is the complex step, and finite differences for what has no complex continuation.
"""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.special as special

import jacobians as jb
from jacobians.transforms.deriving.declared import derive_declared, derive_text
from jacobians.transforms.deriving.language import (
    FUNCTIONS,
    LARGEST_KRON,
    LONGEST_CHAIN,
    MOST_PARTS,
    as_function,
    parsed,
    variables,
)
from jacobians.transforms.deriving.programs import run_program
from tests.grouping import in_groups
from tests.transforms.deriving.table import TABLE

SHAPES = dict.fromkeys("XABCD", "4x4") | dict.fromkeys("xyabcd", "4")
SHAPES |= {"W": "3x4", "w": "3", "t": "3", "M": "4x3"}
# Expression, argument, what others state; None: only that there is a matrix form.
STATED: tuple[tuple[str, str, str | None], ...] = (
    # SymPy
    ("a @ inv(X) @ b", "X", "−X⁻ᵀ a bᵀ X⁻ᵀ"),
    ("det(inv(X))", "X", "−X⁻ᵀ det(X⁻¹)"),
    ("tr(inv(X + A))", "X", "−((X + A)⁻ᵀ)²"),
    ("(X@b + c)' @ D @ (X@b + c)", "X", "D (X b + c) bᵀ + Dᵀ (X b + c) bᵀ"),
    ("outer(x, x) @ x", "x", "I ⊗ (xᵀ x) + 2 x xᵀ"),
    ("tr(X^5)", "X", "5 (X⁴)ᵀ"),
    ("tr(A @ X^3)", "X", "Aᵀ (X²)ᵀ + Xᵀ Aᵀ Xᵀ + (X²)ᵀ Aᵀ"),
    ("tr(kron(X, X))", "X", "2 tr(X) I"),
    ("tr((A@X@B + C) @ (A@X@B + C)')", "X", "2 Aᵀ (A X B + C) Bᵀ"),
    ("sqrt((c@a) * (x@b))", "x", "b (aᵀ c) / (2 √((cᵀ a) (xᵀ b)))"),
    ("a @ log(A@sin(X)@B) @ b", "X", "(Aᵀ diag(a) (1 ⊘ (A sin(X) B)) diag(b) Bᵀ) ⊙ cos(X)"),
    ("a @ log(sin(X)) @ b", "X", "diag(a) (cos(X) ⊙ (1 ⊘ sin(X))) diag(b)"),
    ("a @ (A@X@(X'@B + X@A) + B'@X'@(outer(a,b)@X + B@(X@D' - 3*(X@D)))@B + 4*(X@B@X'@A'@(X + X'))) @ b", "X", None),  # noqa: E501
    ("a @ (A*X*B) @ b", "X", "(a bᵀ) ⊙ A ⊙ B"),
    ("tan(x)", "x", "diag(1 + tan(x)²)"),
    ("sin(a) @ y", "a", "diag(cos(a)) y"),
    ("A @ exp(x)", "x", "A diag(exp(x))"),
    ("(a @ sin(A@X@b)) * b", "X", None),
    # matrixcalculus.org
    ("norm(A@x - y)", "x", "Aᵀ (A x − y) / ‖A x − y‖"),
    ("norm1(A@x - y)", "x", "Aᵀ sign(A x − y)"),
    ("x / (x@x)", "x", "1 / (xᵀ x) I − 2 / (xᵀ x)² x xᵀ"),
    ("(a@x) / (norm(x)*norm(a))", "x", "a / (‖x‖ ‖a‖) − aᵀ x x / (‖x‖³ ‖a‖)"),
    ("log(sum(exp(A@x + b)))", "x", "Aᵀ exp(A x + b) / sum(exp(A x + b))"),
    ("sum(log(1 + exp(A@x)))", "x", "Aᵀ (exp(A x) ⊘ (1 + exp(A x)))"),
    ("-sum(y*log(softmax(A@x + b)))", "x", "Aᵀ (sum(y) softmax(A x + b) − y)"),
    ("0.5*norm(sigmoid(W@x + w) - t)**2", "W", "((σ(W x + w) − t) ⊙ σ(W x + w) ⊙ (1 − σ(W x + w))) xᵀ"),
    ("log(1 + x@x)", "x", "2 x / (1 + xᵀ x)"),
    ("logdet(A + X@X')", "X", "(A + X Xᵀ)⁻¹ X + (A + X Xᵀ)⁻ᵀ X"),
    ("inv(A @ X)", "X", None),
    ("sin(A @ X @ B)", "X", None),
    ("exp(W @ M)", "M", None),
    ("softmax(M, axis=0)", "M", None),
    ("mean((x - mean(x))**2)", "x", None),
    ("max(x)", "x", "[x = max(x)] / sum([x = max(x)])"),
    ("max(X, axis=1)", "X", None),
    ("tr(A)*A", "A", "tr(A) (I ⊗ I) + vec(A) vec(I)ᵀ"),
    ("det(X)^(1/3)", "X", "⅓ det(X)^(1/3) X⁻ᵀ"),
    ("outer(x - a, x - a)", "x", "I ⊗ (x − a) + (x − a) ⊗ I"),
    ("sum(relu(A @ x)**2)", "x", "2 Aᵀ relu(A x)"),
    ("(A @ X)' @ relu(A @ X)", "A", None),
)  # fmt: skip


def judged(text: str, by: str, given: dict[str, np.ndarray]) -> np.ndarray:
    """The derivative by the complex step, or by differences where that is not defined."""
    function, names = as_function(text)
    if not re.search(r"norm|abs|max|sigmoid|logsumexp|relu", text):
        step, point, columns = 1e-30, given[by], []
        for k in np.ndindex(point.shape):
            moved = point.astype(complex)
            moved[k] += 1j * step
            value = function(*(moved if n == by else given[n] for n in names))
            columns.append(np.imag(value) / step)
        whole = np.moveaxis(np.array(columns), 0, -1)
        return whole.reshape(*whole.shape[:-1], *point.shape)
    return np.asarray(
        jb.numerical.jacobian(function, *(given[n] for n in names), wrt=names.index(by))
    )


@pytest.mark.parametrize(("text", "by", "stated"), STATED, ids=lambda p: str(p)[:40])
def test_what_others_state(text: str, by: str, stated: str | None) -> None:
    shapes = [f"{n}={SHAPES[n]}" for n in variables(parsed(text))]
    d, _, _ = derive_text(text, by, shapes)
    assert d.matrix is not None
    if stated is not None:
        ours, theirs = (len(re.findall(r"[^\W\d_]+", one)) for one in (d.matrix, stated))
        assert ours <= theirs
        assert len(d.matrix) <= len(stated) + 4
    exact = not re.search(r"norm|abs|max|relu", text)
    want = judged(text, by, d.arguments)
    for found in (d.full.dense(), run_program(d.numpy)(**d.arguments)):
        assert np.shape(found) == want.shape
        np.testing.assert_allclose(
            found, want, rtol=1e-9 if exact else 1e-5, atol=1e-9 if exact else 1e-6
        )
    assert all(len(line) <= 80 for line in str(d).splitlines())


# Entry by entry beside matrix by matrix; numbers that stand for structure; what is masked.
CORNERS = (
    ("det(X .^ 3)", "X", "3 det(X^∘3) (X^∘3)⁻ᵀ ⊙ X^∘2"),
    ("inv(sin(X))", "X", "−((sin(X))⁻¹ ⊗ (sin(X))⁻ᵀ) diag(vec(cos(X)))"),
    ("logdet(3*eye(4) + X @ B)", "X", "(3 I + X B)⁻ᵀ Bᵀ"),
    ("det(sigmoid(outer(x, x)) + eye(4))", "x", None),
    ("-(maximum(-(y @ x), 0.1))", "x", None),
    ("max(softmax(X, axis=1))", "X", None),
    ("max(softmax(X, axis=1), axis=0)", "X", None),
    ("logsumexp(A @ X)", "X", "Aᵀ (exp(A X) / sum(exp(A X)))"),
    ("y @ ((x*x) / (x + 1))", "x", None),
    ("y @ (A*A*A) @ x", "A", "3 A^∘2 ⊙ (y xᵀ)"),
)


@in_groups("row", CORNERS, lambda row: row[0])
def test_corners_of_the_notation(row: tuple[str, str, str | None]) -> None:
    text, by, matrix = row
    d, _, _ = derive_text(text, by, [f"{n}={SHAPES[n]}" for n in variables(parsed(text))])
    assert matrix is None or d.matrix == matrix
    assert not re.search(r"\bc\d*_", d.index)
    want = d.full.dense()
    np.testing.assert_allclose(judged(text, by, d.arguments), want, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(run_program(d.numpy)(**d.arguments), want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "matrix"),
    [
        ("a @ X @ b", "tr(b aᵀ dX)"), ("3*(a @ X @ b)**2", "6 (aᵀ X b) tr(b aᵀ dX)"),
        ("norm(X)", "tr(Xᵀ dX) / ‖X‖"),
        ("det(X)", "det(X) tr(X⁻¹ dX)"), ("tr(A)", "0"),
    ],
)  # fmt: skip
def test_numbers_stand_before_the_trace(text: str, matrix: str) -> None:
    shapes = [f"{n}={SHAPES[n]}" for n in {*variables(parsed(text)), "X"}]
    if "X" not in text:
        f = jb.derive(lambda X, A: np.trace(A), np.eye(3), np.eye(3) + 1, layout="operator")
        assert f.matrix == matrix
        return
    assert derive_text(text, "X", shapes, layout="operator")[0].matrix == matrix


x = np.random.default_rng(3).uniform(0.2, 0.9, 5)
X = np.random.default_rng(4).uniform(0.2, 0.9, (4, 5))


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (special.erf, x, lambda z: np.diag(2 / np.sqrt(np.pi) * np.exp(-(z**2)))),
        (special.gammaln, x, lambda z: np.diag(special.psi(z))),
        (special.gamma, x - 2, lambda z: np.diag(special.gamma(z) * special.psi(z))),
        (special.psi, x, lambda z: np.diag(special.polygamma(1, z))),
        (lambda z: z * special.ndtr(z), x, lambda z: np.diag(special.ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))),  # noqa: E501
        (np.prod, x, lambda z: np.prod(z) / z),
        (lambda Z: np.prod(Z, axis=0), X, lambda Z: np.einsum("jl,kl->jkl", np.eye(5), np.prod(Z, axis=0) / Z)),
        (np.median, x, lambda z: (z == np.median(z)) * 1.0),
        (np.max, np.array([1.0, 3.0, 3.0]), lambda z: np.array([0, 0.5, 0.5])),
        (lambda Z: np.max(Z, axis=1), X, lambda Z: np.einsum("ik,il->ikl", np.eye(4), Z == Z.max(1)[:, None])),
        (np.cumprod, x, lambda z: np.tril(np.cumprod(z)[:, None] / z)),
        (np.mean, x, lambda z: np.full(5, 0.2)),
        (lambda z: np.linalg.norm(z, 4), x - 0.5, lambda z: z**3 / np.sum(z**4) ** 0.75),
        (lambda Z: np.linalg.norm(Z, "nuc"), X, lambda Z: np.linalg.svd(Z, full_matrices=False)[0]
         @ np.linalg.svd(Z, full_matrices=False)[2]),
        (np.linalg.pinv, X, lambda Z: jb.numerical.jacobian(np.linalg.pinv, Z)),
    ],
)  # fmt: skip
def test_programs_bring_what_numpy_has_not(f, at, slope) -> None:
    d = jb.derive(lambda z: f(z), at)
    assert re.findall(r"^\s*(?:import|from) (\w+)", d.numpy, re.M) == ["numpy"]
    rough = f is np.linalg.pinv
    np.testing.assert_allclose(
        run_program(d.numpy)(at),
        slope(at),
        rtol=1e-6 if rough else 1e-10,
        atol=1e-7 if rough else 1e-12,
    )


def test_no_decimal_stands_for_a_fraction_or_a_root() -> None:
    assert jb.derive(lambda z: np.mean(z), x).matrix == "𝟏 / 5"
    attention = jb.derive(lambda V: jb.ops.softmax(X @ X.T / np.sqrt(5), axis=1) @ V, X)
    assert attention.matrix is not None
    assert "0.4" not in attention.matrix


@pytest.mark.parametrize("shift", [lambda Z: 0, lambda Z: np.max(Z, axis=1, keepdims=True)])
def test_cross_entropy_by_hand(shift) -> None:
    def loss(W, X, Y):
        Z = X @ W
        powers = np.exp(Z - shift(Z))
        P = powers / powers.sum(axis=1, keepdims=True)
        return -np.sum(Y * np.log(P))

    Y, W = np.eye(3)[[0, 2, 1, 1]], np.random.default_rng(5).normal(size=(5, 3))
    d = jb.derive(loss, W, X, Y)
    assert d.matrix == "Xᵀ (diag(Y 𝟏) softmax(X W) − Y)"
    P = np.exp(X @ W) / np.exp(X @ W).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run_program(d.numpy)(W, X, Y), X.T @ (P - Y), rtol=1e-12)


def logistic(w, X, t):
    s = 1 / (1 + np.exp(-(X @ w)))
    return -np.sum(t * np.log(s) + (1 - t) * np.log(1 - s))


w, t = np.random.default_rng(6).normal(size=5), np.array([0.0, 1, 1, 0])
G = np.random.default_rng(7).normal(size=(4, 3))


Q, K = np.random.default_rng(8).normal(size=(2, 3)), np.random.default_rng(9).normal(size=(4, 3))
V, E = np.random.default_rng(10).normal(size=(4, 5)), np.eye


def attention(Q, K, V):
    powers = np.exp(Q @ K.T)
    return powers / np.sum(powers, axis=1, keepdims=True) @ V


P = attention(Q, K, E(4))
TURN = np.einsum("il,jk->ijkl", E(4), E(3)).reshape(12, 12)  # TURN vec(Kᵀ) = vec(K)


@pytest.mark.parametrize(
    ("f", "given", "wrt", "matrix", "numbers"),
    [
        (attention, (Q, K, V), "Q", "(I ⊗ Vᵀ) diag(vec(p)) (I ⊗ K) − diag(vec(p V)) (I ⊗ (𝟏 𝟏ᵀ)) diag(vec(p K))"
         ", where p = softmax(Q Kᵀ)",
         np.kron(E(2), V.T) @ np.diag(P.ravel()) @ np.kron(E(2), K)
         - np.diag((P @ V).ravel()) @ np.kron(E(2), np.ones((5, 3))) @ np.diag((P @ K).ravel())),
        (attention, (Q, K, V), "K", None, None),
        (attention, (Q, K, V), "V", "softmax(Q Kᵀ) ⊗ I", np.kron(P, E(5))),
        (lambda x: np.prod(x), (x,), "x", "prod(x) ⊘ x", np.prod(x) / x),
        (lambda x: np.cumprod(x), (x,), "x", "diag(cumprod(x)) L diag(1 ⊘ x), where L = tril(𝟏 𝟏ᵀ)",
         np.tril(np.cumprod(x)[:, None] / x)),
        (lambda X: np.prod(X, axis=1), (X,), "X", "diag(rowprod(X)) (I ∗ (1 ⊘ Xᵀ))ᵀ",
         np.einsum("ik,kl->ikl", E(4), np.prod(X, axis=1)[:, None] / X).reshape(4, 20)),
        (lambda X: np.max(X, axis=1), (X,), "X", "diag(1 ⊘ (M 𝟏)) (I ∗ Mᵀ)ᵀ, where M = [X = rowmax(X) 𝟏ᵀ]",
         np.einsum("ik,kl->ikl", E(4), X == X.max(1)[:, None]).reshape(4, 20)),
        (lambda x: np.median(x), (x,), "x", "[x = median(x)] / sum([x = median(x)])", x == np.median(x)),
        (lambda K: K @ K.T, (K,), "K", "I ⊗ K + (K ⊗ I) T, where T vec(Z) = vec(Zᵀ)",
         np.kron(E(4), K) + np.kron(K, E(4)) @ TURN.T),
        (lambda x: np.where(x > 0.5, x, np.exp(x)), (x,), "x", "diag([x > ½] + [x ≤ ½] ⊙ exp(x))",
         np.diag(np.where(x > 0.5, 1, np.exp(x)))),
    ],
)  # fmt: skip
def test_matrices_of_more_than_products(f, given, wrt, matrix, numbers) -> None:
    d = jb.derive(f, *given, wrt=wrt)
    assert d.matrix is not None
    assert matrix is None or d.matrix == matrix
    names = [*d.arguments]
    want = jb.numerical.jacobian(f, *given, wrt=names.index(wrt))
    np.testing.assert_allclose(run_program(d.numpy)(**d.arguments), want, rtol=1e-6, atol=1e-8)
    if numbers is not None:
        np.testing.assert_allclose(np.reshape(want, np.shape(numbers)), numbers, atol=1e-7)


NEGATIVE = np.array([-1.3, 0.7, -0.4])


@pytest.mark.parametrize(
    ("f", "at", "matrix", "conditions"),
    [
        (lambda x: np.sum(x * np.log(x**4)), NEGATIVE, "4 (log(|x|) + 1)", ("x ≠ 0",)),
        (lambda x: np.log(x**2), NEGATIVE, "2 diag(1 ⊘ x)", ("x ≠ 0",)),
        (lambda x: np.sum((x**4) ** 0.25), NEGATIVE, "sign(x)", ("x ≠ 0",)),
        (lambda x: x * np.abs(x), NEGATIVE, "2 diag(|x|)", ("x ≠ 0",)),
        (lambda X: np.log(np.linalg.det(X) ** 2), X[:, :4] - 1, "2 X⁻ᵀ", ("det(X) ≠ 0",)),
        (lambda X: np.sqrt(np.linalg.det(X) ** 2), X[:, :4] - 1, "|det(X)| X⁻ᵀ", ("det(X) ≠ 0",)),
        (lambda X: np.linalg.det(X @ X.T) ** (1 / 3), X, "⅔ det(X Xᵀ)^(1/3) (X Xᵀ)⁻¹ X", ("det(X Xᵀ) > 0",)),
        (lambda x: np.sum(np.maximum(x, 0) ** 2), NEGATIVE, "2 maximum(x, 0)", ()),
    ],
)  # fmt: skip
def test_logarithms_and_roots_of_what_is_negative(f, at, matrix, conditions) -> None:
    d = jb.derive(f, at)
    want = jb.numerical.jacobian(f, at)
    np.testing.assert_allclose(run_program(d.numpy)(at), want, rtol=1e-6, atol=1e-8)
    assert (d.matrix, d.conditions) == (matrix, conditions)


@pytest.mark.parametrize(
    ("f", "given", "order", "matrix"),
    [
        (logistic, (w, X, t), 1, "Xᵀ (σ(X w) − t)"),
        (logistic, (w, X, t), 2, "Xᵀ diag(σ(X w) ⊙ (1 − σ(X w))) X"),
        (lambda W, X, G: np.sum(G * np.tanh(X @ W)), (X[:3].T, X, G), 1, "Xᵀ (G ⊙ (1 − tanh(X W)²))"),
        (lambda w, X, t: np.sum(np.maximum(0, 1 - t * (X @ w))), (w, X, 2 * t - 1), 1, "−Xᵀ ([1 − (t ⊙ (X w)) > 0] ⊙ t)"),  # noqa: E501
        (lambda W, X, v: np.tanh(X @ W) @ v, (X[:3].T, X, G[0]), 1, None),
    ],
)  # fmt: skip
def test_learning_as_it_is_written_with_numpy(f, given, order, matrix) -> None:
    d = jb.derive(f, *given, order=order)
    assert d.matrix == matrix if matrix else d.matrix is not None
    slope = f if order == 1 else lambda *a: jb.grad(f)(*a)
    want = jb.numerical.jacobian(slope, *given)
    np.testing.assert_allclose(run_program(d.numpy)(*given), want, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(d.full.dense(), want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "by", "shapes", "matrix", "conditions"),
    [
        ("tr(X^5)", "X", "X=nxn", "5 (X⁴)ᵀ", ()),  # 5 and 7 are no sizes here
        ("5*(x@x) + 7*sum(x)", "x", "x=n", "7 𝟏 + 10 x", ()),
        ("0.35*(x@x)", "x", "x=n", "7 x / 10", ()),
        ("11*mean(x)", "x", "x=n", "11 𝟏 / n", ()),
        ("norm(X - A)", "X", "X=mxn A=mxn", "(X − A) / ‖X − A‖", ("‖X − A‖ ≠ 0",)),
        ("logdet(U'@U)", "U", "U=nxk", "2 U (Uᵀ U)⁻¹", ("det(Uᵀ U) > 0",)),
        ("log(1 - sigmoid(a@x))", "x", "a=n x=n", "−σ(aᵀ x) a", ()),
    ],
)  # fmt: skip
def test_letters_are_not_the_numbers_of_the_text(text, by, shapes, matrix, conditions) -> None:
    d, _, _ = derive_text(text, by, shapes.split())
    assert (d.matrix, d.conditions) == (matrix, conditions)


@pytest.mark.parametrize(
    ("f", "matrix"),
    [
        (lambda x: x[::-1], "J"), (lambda x: x[1:] - x[:-1], "[0 I] − [I 0]"),
        (lambda x: np.cumsum(x), "L, where L = tril(𝟏 𝟏ᵀ)"),
        (lambda x: x - np.mean(x), "I − 𝟏 𝟏ᵀ / n"), (lambda x: np.mean(x), "𝟏 / n"),
        (lambda x: np.kron(x, x), "I ⊗ x + x ⊗ I"),
    ],
)  # fmt: skip
def test_letters_for_sizes_of_functions(f, matrix) -> None:
    d, _, _ = derive_declared(f, ["x"], "x", ["x=n"])
    assert d.matrix == matrix
    assert jb.derive(f, "n").matrix == matrix


def test_sizes_in_place_of_arrays() -> None:
    def loss(W, x, t):
        return np.mean((W @ x - t) ** 2)

    d = jb.derive(loss, "mxn", "n", "m", wrt="x")
    assert (d.matrix, d.index) == ("2 Wᵀ (W x − t) / m", "2 (Wᵀ (W x − t))_k / m")
    W, x, t = (np.random.default_rng(0).normal(size=s) for s in ((3, 4), 4, 3))
    want = 2 * W.T @ (W @ x - t) / 3
    np.testing.assert_allclose(run_program(d.numpy)(W, x, t), want, rtol=1e-12)
    assert jb.derive(loss, "2x3", "3", "2").matrix == "(W x − t) xᵀ"
    assert jb.derive(jb.ops.matmul, "mxn", "nxp", wrt=1).matrix == "B ⊗ I"
    assert jb.derive(lambda c, x: c * x @ x, "scalar", "n").matrix == "xᵀ x"
    for given, wrt, what in (
        (("n?",), 0, "derive: 'x=n\\?': write NAME=SIZES"), (("n",), "y", "wrt='y'; f has x"),
        (("n",), 4, "wrt=4; f has x"), ((np.ones(3),), 4, "wrt=4"),
    ):  # fmt: skip
        with pytest.raises(jb.JacobiansError, match=what):
            jb.derive(_f, *given, wrt=wrt)


def _f(x):
    return x


_f.__name__ = "f"


def test_what_depends_on_sizes_is_refused() -> None:
    with pytest.raises(jb.UnsupportedError, match="not one formula in the sizes"):
        derive_declared(lambda x: x[: len(x) // 2], ["x"], "x", ["x=n"])


HOSTILE = (
    "(" * 5000 + "x" + ")" * 5000, "-" * 1900 + "x", "x" + "'" * 1900, "x" + "+x" * 900, "x" + "*x" * 900,
    "x**999999999", "9**9**9**9*x", "1e400*x", "0/0*x", "x/0", "x.__class__", "__import__('os')", "lambda x: x",
    "[x for x in y]", "x if y else x", "x;y", "x=1", "x\x00", "f'{x}'", '"x"', "x[0]", "eye(1e9)*x", "eye(-1)*x",
    "kron(x,kron(x,kron(x,kron(x,x))))", "kron(" * 8 + "x" + ",x)" * 8, "matrix_power(x,1000)", "exp(x", "3", "  ",
    "sum(x,axis=99999999999999999999)", "sum(x,axis=1.5)", "eval(x)", "x" * 2001,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:12].replace("\x00", "0"))
def test_hostile_expressions_are_refused_or_derived(text: str) -> None:
    for shapes in ((), ("x=64x64",)):
        with contextlib.suppress(jb.JacobiansError):  # any other error fails the test
            assert derive_text(text, None, shapes)[0].index


def test_how_long_an_expression_may_be() -> None:
    def balanced(leaves: int) -> str:
        return "x" if leaves == 1 else f"({balanced(leaves // 2)}+{balanced(leaves - leaves // 2)})"

    parsed("x" + "+x" * LONGEST_CHAIN)
    parsed(balanced(MOST_PARTS // 2))
    for text in ("x" + "+x" * (LONGEST_CHAIN + 1), balanced(MOST_PARTS // 2 + 1)):
        with pytest.raises(jb.JacobiansError, match="more than"):
            parsed(text)
    product = FUNCTIONS["kron"].run
    assert product(np.ones(100), np.ones(LARGEST_KRON // 100)).size == LARGEST_KRON
    with pytest.raises(jb.JacobiansError, match="more than 100000 entries"):
        product(np.ones(100), np.ones(LARGEST_KRON // 100 + 1))


def test_latex_compiles(tmp_path: Path) -> None:
    engine = shutil.which("pdflatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("neither pdflatex nor tectonic is installed")
    given = [
        (text, by, [f"{n}={SHAPES[n]}" for n in variables(parsed(text))], 1)
        for text, by, _ in STATED
    ]
    given += [(text, by, shapes.split(), order) for text, by, shapes, order in TABLE]
    bodies = [
        derive_text(text, by, shapes, order=order)[0].latex() for text, by, shapes, order in given
    ]
    page = tmp_path / "page.tex"
    page.write_text(
        "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\usepackage[margin=2.2cm]{geometry}\n"
        "\\begin{document}\n" + "\n\n".join(bodies) + "\n\\end{document}\n",
        encoding="utf-8",
    )  # fmt: skip
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in engine else []
    done = subprocess.run(
        [engine, *options, page.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout  # every line fits the page
