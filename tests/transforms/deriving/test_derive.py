"""``jb.derive`` judged by complex step, by closed forms in plain NumPy, and by pinned text."""

from pathlib import Path

import numpy as np
import pytest

import jacobians as jb
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.transforms.deriving.declared import derive_text
from jacobians.transforms.deriving.language import parsed
from jacobians.transforms.deriving.programs import run_program
from tests.numerical import complex_step
from tests.transforms.deriving.table import TABLE

PINNED = Path(__file__).with_name("derivations.txt").read_text(encoding="utf-8")
TEXTS = dict(
    zip(
        [line for line in PINNED.splitlines() if line.startswith("# ")],
        [part.partition("\n")[2].strip() for part in PINNED.split("# ")[1:]],
        strict=True,
    )
)
RNG = np.random.default_rng(5)
W, x, t, A = (
    RNG.normal(size=(3, 4)),
    RNG.normal(size=4),
    RNG.normal(size=3),
    RNG.normal(size=(4, 4)),
)
S = A @ A.T + 4 * np.eye(4)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} by {row[1]} {row[3]}")
def test_pinned_text_and_its_numpy(row: tuple[str, str, str, int]) -> None:
    text, wrt, shapes, order = row
    d, _, _ = derive_text(text, wrt, shapes.split(), order=order)
    assert str(d) == TEXTS[f"# {text} by {wrt}, {shapes}, order {order}"]
    assert all(len(line) <= 80 for line in str(d).splitlines())
    found = run_program(d.numpy)(**d.arguments)
    want = d.full.dense()
    assert np.shape(found) == want.shape
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-11)
    assert d.latex().startswith("\\begin{align*}")
    assert d.latex().count("{") == d.latex().count("}")


def loss(W, x, t):
    r = W @ x - t
    return 0.5 * np.sum(r**2)


def test_single_layer() -> None:
    d = jb.derive(loss, W, x, t)
    assert d.matrix == "(W x − t) xᵀ"
    assert d.index == jb.jacobian(loss)(W, x, t).formula() == "(W x − t)_k x_l"
    assert "r_i = Σ_r W_ir x_r − t_i" in d.steps[0].expression  # the user's own name
    step = 1e-30
    want = np.empty_like(W)
    for k in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[k] += 1j * step
        want[k] = np.imag(loss(moved, x, t)) / step
    np.testing.assert_allclose(run_program(d.numpy)(W=W, x=x, t=t), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "argument", "matrix"),
    [
        (lambda X: np.trace(A @ X), S, "Aᵀ"),
        (lambda X: x @ X @ x, A, "x xᵀ"),
        (lambda X: np.log(np.linalg.det(X)), S, "X⁻ᵀ"),
        (lambda X: np.linalg.slogdet(X)[1], S, "X⁻ᵀ"),
        (lambda X: np.trace(np.linalg.inv(X)), S, "−X⁻ᵀ X⁻ᵀ"),
        (lambda X: x @ np.linalg.inv(X) @ x, S, "−X⁻ᵀ x xᵀ X⁻ᵀ"),
        (lambda X: np.linalg.det(X.T @ A @ X), S, "2 det(A) det(X)² X⁻ᵀ"),
        (lambda X: np.trace(np.linalg.inv(X) @ X @ A @ X), S, "Aᵀ"),
        (lambda X: np.trace(X @ X @ X), A, "3 (X²)ᵀ"),
        (lambda z: np.linalg.norm(z - x), RNG.normal(size=4), "(z − x) / ‖z − x‖"),
        (lambda z: W @ z, x, "W"),
        (lambda z: np.log(np.sum(np.exp(z))), x, "softmax(z)"),
        (lambda z: np.exp(z - np.max(z)) / np.sum(np.exp(z - np.max(z))), x, "diag(softmax(z)) − softmax(z) softmax(z)ᵀ"),  # noqa: E501
        (lambda X: np.linalg.norm(X), W, "X / ‖X‖"),
        (lambda z: 1 / (1 + np.exp(-z)), x, "diag(σ(z) ⊙ σ(−z))"),
    ],
)  # fmt: skip
def test_matrix_notation(f, argument, matrix) -> None:
    d = jb.derive(f, argument)
    assert d.matrix == matrix
    np.testing.assert_allclose(
        run_program(d.numpy)(argument), jb.numerical.jacobian(f, argument), rtol=1e-5, atol=1e-6
    )


def layer_norm(V, z, gain):
    mu = np.mean(z)
    xhat = (z - mu) / np.sqrt(np.mean((z - mu) ** 2) + 1e-5)
    h = np.maximum(V @ (gain * xhat), 0)
    z = h + 1
    return np.sum(z**2)


def test_the_users_names_of_what_stands_beside() -> None:
    d = jb.derive(layer_norm, W, x, A[0])
    first = d.steps[0].expression.splitlines()
    assert first[:2] == ["mu = ¼ Σ_r z_r", "xhat_i = (z_i − mu) / √(¼ Σ_r (mu − z_r)² + 1e-05)"]
    assert first[2:4] == ["u_i = Σ_r V_ir gain_r xhat_r", "h_i = maximum(u_i, 0)"]
    assert not any(line.startswith("z_i =") for line in first)  # z is an argument
    assert "∂u_i/∂V_kl = δ_ik gain_l xhat_l" in d.steps[1].expression
    kron = jb.derive(lambda X: np.kron(A, X), W)
    assert "split" not in str(kron)
    assert "share" not in str(jb.derive(lambda z: np.max(z), x))


B = RNG.normal(size=(4, 4))


@pytest.mark.parametrize(
    ("f", "arrays", "index"),
    [
        (lambda X, A: np.trace(X @ (A + 2 * A.T)), (S, A), "A_lk + 2 A_kl"),
        (lambda x, A: x @ (A.T @ A) @ x, (x, A), "2 (Aᵀ A x)_k"),
        (lambda x, t: np.sum((x - t**2) ** 2), (x, A[0]), "2 (x_k − t_k^2)"),
        (lambda X, a: np.linalg.norm(a) * X, (W, x), "δ_ik δ_jl ‖a‖"),
        (lambda x, A: A @ A @ np.tanh(x), (x, A), "(A A)_ik (1 − tanh(x_k)²)"),
        (lambda x, m: np.sum(x * np.argsort(m)), (x, A[0]), None),  # it takes no traced array
    ],
)
def test_what_is_computed_of_other_arrays_is_seen_by_all(f, arrays, index) -> None:
    d, J = jb.derive(f, *arrays), jb.jacobian(f)(*arrays)
    assert d.index == J.formula()
    assert index is None or d.index == index
    H = jb.hessian(f)(*arrays) if J.out_shape == () else None
    assert H is None or H.formula() == jb.derive(f, *arrays, order=2).index


@pytest.mark.parametrize(("count", "seen"), [(29, True), (30, False)])
def test_long_programs_of_other_arrays_have_a_name(count: int, seen: bool) -> None:
    def f(x, A):
        for _ in range(count):
            A = A / (1 + A)
        return np.sum(A * x)

    J = jb.jacobian(f)(x, np.ones(4))
    np.testing.assert_allclose(J.dense(), 1 / (1 + count))
    assert (J.terms.terms[0].factors[0].operand.operation is not None) == seen


def test_functions_with_much_of_other_arrays_are_run_once():
    calls = []

    def f(x, A):
        calls.append(1)
        for _ in range(100):
            A = np.tanh(A) + 1
        return A * x

    exact = np.ones(4)
    for _ in range(100):
        exact = np.tanh(exact) + 1
    J = jb.jacobian(f)(x, np.ones(4))
    assert len(calls) == 1
    assert J.formula() == "δ_ik c_i"
    np.testing.assert_allclose(J.dense(), np.diag(exact))


T5, X5 = np.array([0, 2, 1, 3, 2]), RNG.normal(size=(5, 3))


def cross_entropy(W, X):
    Z = X @ W
    Z = Z - np.max(Z, axis=1, keepdims=True)
    P = np.exp(Z) / np.sum(np.exp(Z), axis=1, keepdims=True)
    return -np.mean(np.log(P[np.arange(5), T5])) + 0.5 * np.sum(W**2)


@pytest.mark.parametrize(
    ("f", "arrays", "order", "index"),
    [
        (cross_entropy, (W, X5), 1,
         "W_kl + 0.2 (Xᵀ softmax(X W))_kl − 0.2 δ_(l,t(r)) X_rk, where t = (0, 2, 1, 3, 2)"),
        (lambda x: (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5), (x,), 1,
         "(δ_ik − 1/4) / √(var(x) + 1e-05) − (x − mean(x))_i (x − mean(x))_k / (4 (var(x) + 1e-05)^(3/2))"),
        (lambda X: (X - np.mean(X, axis=0)) / np.sqrt(np.var(X, axis=0) + 1e-5), (X5,), 1,
         "δ_jl (δ_ik − 1/5) / √(var(Xᵀ)_j + 1e-05) − δ_jl (C X)_ij (C X)_kj / (5 (var(Xᵀ)_j + 1e-05)^(3/2)), "
         "where C_ij = δ_ij − 1/5"),
        (lambda X: np.sum(np.log(np.sum(np.exp(X), axis=1))), (X5,), 2,
         "δ_ik δ_jl softmax(X)_ij − δ_ik softmax(X)_ij softmax(X)_il"),
        (lambda z, y: (z @ y) * z / (z @ A @ z), (x, x), 1, None),
        (np.std, (x,), 1, "(a − mean(a))_k / (4 std(a))"),
        (np.std, (x,), 2, "(δ_ik − 1/4) / (4 σ) − â_i â_k / (16 σ), where σ = std(a); â = (a − mean(a)) / σ"),
        (np.var, (x,), 1, "½ (a − mean(a))_k"),
        (lambda z, y: y @ np.log(A @ z + 9), (x, x), 1, "A_rk y_r / ((A z)_r + 9)"),
        (lambda X: np.max(X, axis=1), (W,), 1, "δ_ik [X_il = rowmax(X)_i] / (Σ_r [X_ir = rowmax(X)_i])"),
        (lambda x: np.prod(x) ** 2, (x,), 1, "2 prod(x) others(x)_k"),
    ],
)  # fmt: skip
def test_readable_indices(f, arrays, order, index) -> None:
    d = jb.derive(f, *arrays, order=order)
    assert d.index == index or index is None
    assert d.index == (jb.hessian if order == 2 else jb.jacobian)(f)(*arrays).formula()
    latex = d.latex()
    assert latex.isascii()
    assert latex.count("{") == latex.count("}")


def test_greek_letters_in_latex() -> None:
    d = jb.derive(lambda x, σ, λ: np.sum(λ * x / σ), t, t, 2.0, wrt="σ")
    assert d.index == "−λ x_k / σ_k²"
    assert d.latex().isascii()
    assert (
        "\\frac{\\partial Y}{\\partial \\sigma_{k}} = -\\frac{\\lambda x_{k}}{{\\sigma_{k}}^{2}}"
        in d.latex()
    )


class Layer:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, z):
        return self.weight @ z


def helped(z):
    M = A.T @ A
    return z @ M @ z


layers = [Layer(A), {"scale": B}]


@pytest.mark.parametrize(
    ("f", "index", "matrix"),
    [
        (lambda z: z @ (A + B) @ z, None, "(A + B + Aᵀ + Bᵀ) z"),
        (lambda z: np.sum((z - 2 * x) ** 2), "2 (z_k − 2 x_k)", "2 z − 4 x"),
        (lambda z: np.trace(np.outer(z, x) @ np.linalg.inv(A)), "(A⁻¹ᵀ x)_k", "A⁻ᵀ x"),
        (helped, "(Mᵀ z)_k + (M z)_k", "(M + Mᵀ) z"),
        (Layer(A), "weight_ik", "weight"),
        (lambda z: layers[0].weight @ z, "weight_ik", "weight"),
        (lambda z: layers[1]["scale"] @ z, "scale_ik", "scale"),
        (lambda z: z @ np.array([1.0, 2.0, 3.0, 4.0]), "c_k", "c, where c = (1, 2, 3, 4)"),
        (lambda z: z @ np.random.default_rng(3).normal(size=4), "c_k", "c"),  # never called again
        (lambda z: np.sum(z) * np.sum(A[1] * B[:, 0]), None, None),
    ],
)
def test_what_is_closed_over_is_read_from_the_source(f, index, matrix) -> None:
    d, J = jb.derive(f, B[2]), jb.jacobian(f)(B[2])
    assert d.index == J.formula()
    assert index is None or d.index == index
    assert matrix is None or d.matrix == matrix
    for found in (run_program(d.numpy)(B[2]), J.dense()):
        np.testing.assert_allclose(found, jb.numerical.jacobian(f, B[2]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("count", "seen"), [(39, True), (40, False)])
def test_not_too_many_sources_are_read(count: int, seen: bool) -> None:
    def f(z):
        total = 0.0
        for n in range(count):
            total = total + (A[0] + n * B[0]) * z
        return total + (A[0] - B[0]) * z

    J = jb.jacobian(f)(x)
    exact = count * A[0] + count * (count - 1) / 2 * B[0] + A[0] - B[0]
    np.testing.assert_allclose(J.dense(), np.diag(exact))
    assert ("c" not in J.formula()) is seen


def test_equal_arrays_of_one_place_are_read_once() -> None:
    def f(z):
        total = 0.0
        for _ in range(60):
            total = total + (A[0] + B[0]) * z
        return total + (A[0] - B[0]) * z

    J = jb.jacobian(f)(x)
    np.testing.assert_allclose(J.dense(), np.diag(61 * A[0] + 59 * B[0]))
    assert "c" not in J.formula()


def test_constants_by_indices_leave_no_guard() -> None:
    rows, C = [np.array([2, 0]), np.array([1, 3])], np.arange(1.0, 5.0)

    def f(z):
        return np.concatenate([z[r[:2]] * C[r[:2]] for r in rows])

    z = np.array([0.5, 1.5, 2.5, 3.5])
    exact = np.zeros((4, 4))
    exact[range(4), [2, 0, 1, 3]] = C[[2, 0, 1, 3]]
    np.testing.assert_array_equal(jb.jacobian(f).compile(z).dense(z), exact)
    np.testing.assert_array_equal(jb.jacobian(f)(z).dense(), exact)


def test_arrays_of_one_name_have_the_same_primes_everywhere() -> None:
    def f(z):
        w, w_ = np.array([1.0, 2, 3]), np.array([0.5, 0.25, 2])
        y = w * np.sin(z) * w_
        w = np.array([4.0, 5, 6])
        y = y + w * np.cos(z) * 2
        w = np.array([7.0, 8, 9])
        return y + w * z * 3

    z = np.array([0.3, 0.5, 0.7])
    d = jb.derive(f, z)
    exact = np.diag(complex_step(lambda z: np.sum(f(z)), z))
    np.testing.assert_allclose(run_program(d.numpy)(z), exact)
    for text in (d.index, d.matrix, jb.jacobian(f)(z).formula()):
        assert "3 w′′" in text, text
        assert "2 w′_i sin" in text or "2 (sin(z) ⊙ w′)" in text, text


def test_equal_arrays_of_two_variables_keep_their_names() -> None:
    P, Q = np.ones(5), np.ones(5)

    def f(z):
        total = 0.0
        for t in (P, Q):
            total = total + z @ (t * 2.0)
        return total

    assert sorted(jb.jacobian(f)(np.ones(5)).formula().split(" + ")) == ["2 P_k", "2 Q_k"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 150, 250])
def test_a_variable_that_is_made_anew_has_one_name(count: int) -> None:
    def f(z):
        total = 0.0
        for n in range(count):
            H = np.array([[1.0, 2.0], [0.5, 1.0]])
            total = total + H @ z + (n % 2 + 1.0) * np.eye(2) @ z
        return total

    J = jb.jacobian(f)(np.ones(2))
    exact = count * np.array([[1.0, 2.0], [0.5, 1.0]]) + (count + count // 2) * np.eye(2)
    np.testing.assert_allclose(J.dense(), exact)
    assert "c" not in J.formula()
    source = jb.jacobian(f).compile(np.ones(2)).source
    assert source.count("def derivative(") == 1
    assert source.split("(", 1)[1].split(")")[0].count(",") <= 6


def test_equal_arrays_of_two_places_are_told_apart() -> None:
    S = A[:3, :3] + A[:3, :3].T  # as its transpose, bit by bit

    def f(z):
        return (S + S) @ z + (S.T * 2) @ z**2

    formula = jb.jacobian(f)(x[:3]).formula()
    assert formula == "4 S_ki z_k + 2 S_ik"


def test_hessian_of_log_sum_exp() -> None:
    d = jb.derive(lambda z: np.log(np.sum(np.exp(z))), x, order=2)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(run_program(d.numpy)(x), np.diag(p) - np.outer(p, p), atol=1e-14)
    assert d.index == "δ_ik softmax(z)_i − softmax(z)_i softmax(z)_k"
    assert jb.derive(jb.grad(lambda z: z @ A @ z), x).matrix == "A + Aᵀ"


def test_an_operation() -> None:
    d = jb.derive(jb.ops.matmul, W, W.T, wrt="C")
    assert d.index == jb.ops.matmul.formula("C")
    assert d.matrix == "B ⊗ I"
    np.testing.assert_allclose(np.kron(W, np.eye(3)), d.jacobian.matrix())


def test_layouts() -> None:
    d = jb.derive(lambda X: np.sum((X @ x) ** 2), W)
    assert d.matrix == "2 X x xᵀ"
    assert d.with_layout("numerator").matrix == "2 x xᵀ Xᵀ"
    assert d.with_layout("denominator").matrix == d.matrix
    assert d.with_layout("vec").matrix == "vec(2 X x xᵀ)ᵀ"
    assert jb.derive(lambda X: A @ X @ A, S, layout="operator").matrix == "A dX A"
    assert jb.derive(lambda z: W @ z, x, layout="denominator").matrix == "Wᵀ"
    assert d.numpy == d.with_layout("numerator").numpy
    with pytest.raises(UnsupportedError, match="layout='rows' is unknown; there are 'numerator'"):
        d.with_layout("rows")
    with pytest.raises(UnsupportedError, match="order=3; there are 1, and 2"):
        jb.derive(loss, W, x, t, order=3)


def test_conditions_and_parts() -> None:
    assert jb.derive(lambda X: np.log(np.linalg.det(X)), S).conditions == ("det(X) > 0",)
    assert jb.derive(lambda z: np.sum(np.log(z)), np.abs(x)).conditions == ("z > 0",)
    d = jb.derive(lambda V: t @ V @ np.exp(W @ x) / np.sum(np.exp(W @ x)), np.eye(3))
    assert "None" not in str(d)


def test_structured_arguments() -> None:
    G = np.linalg.inv(S)
    free = jb.grad(lambda X: np.log(np.linalg.det(X)))(jb.symmetric(S))
    rows, columns = np.triu_indices(4)
    want = np.where(rows == columns, G[rows, columns], 2 * G[rows, columns])
    np.testing.assert_allclose(free, want, rtol=1e-10)
    full = jb.grad(lambda X: np.log(np.linalg.det(X)))(jb.projected(jb.symmetric(S)))
    np.testing.assert_allclose(full, G, rtol=1e-10)
    d = jb.derive(lambda X: np.log(np.linalg.det(X)), jb.symmetric(S))
    assert d.matrix == "X⁻¹"
    np.testing.assert_allclose(run_program(d.numpy)(S), want, rtol=1e-10)
    L = np.tril(A)
    grad = jb.grad(lambda L: np.sum(L @ L.T))(jb.triangular(L))
    np.testing.assert_allclose(grad, (2 * np.ones((4, 4)) @ L)[np.tril_indices(4)])
    np.testing.assert_allclose(
        jb.jacobian(lambda D: D @ x)(jb.diagonal(np.diag(t[[0, 1, 2, 0]]))).dense(), np.diag(x)
    )
    with pytest.raises(ShapeError, match="not symmetric: entry"):
        jb.symmetric(A)


def complex_gradient(f, z):
    """By the complex step."""
    steps = 1e-30j * np.eye(len(z))
    return np.array([np.imag(f(z + step)) / 1e-30 for step in steps])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("wrap", "places"),
    [
        (jb.symmetric, np.triu_indices(4)),
        (lambda M: jb.diagonal(np.diag(np.diag(M))), np.diag_indices(4)),
        (lambda M: jb.triangular(np.tril(M)), np.tril_indices(4)),
    ],
)
def test_second_derivatives_by_structured_arguments(wrap, places, full) -> None:
    def f(M):
        return np.log(np.linalg.det(M + 3 * np.eye(4))) + np.sum(M @ M * A)

    wrapped = wrap(S)
    mirrored = wrap is jb.symmetric

    def of_free(free):
        M = np.zeros((4, 4), dtype=free.dtype)
        M[places] = free
        return f(np.where(np.triu(np.ones((4, 4))) > 0, M, M.T) if mirrored else M)

    want = jb.numerical.jacobian(lambda z: complex_gradient(of_free, z), wrapped.free)
    d = jb.derive(f, jb.projected(wrapped) if full else wrapped, order=2)
    found = run_program(d.numpy)(wrapped.array)
    np.testing.assert_allclose(found, d.jacobian.dense(), rtol=1e-9, atol=1e-10)
    if not full:
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("wrap", "f", "order", "matrix"),
    [
        (jb.symmetric, lambda S: np.log(np.linalg.det(S)), 2, "−½ ((S⁻¹ ⊗ S⁻¹) K + S⁻¹ ⊗ S⁻¹)"),
        (jb.symmetric, lambda S: np.sum(S**2), 2, "I ⊗ I + K"),
        (jb.symmetric, lambda S: np.linalg.inv(S), 1, "−½ (S⁻¹ ⊗ S⁻¹ + (S⁻¹ ⊗ S⁻¹) K)"),
        (jb.diagonal, lambda D: x @ D @ D @ x, 2, "2 diag(x^∘2)"),
        (jb.diagonal, lambda D: np.trace(A @ D @ A @ D), 2, "2 A ⊙ Aᵀ"),
        (jb.triangular, lambda L: np.sum(L**2), 1, "2 tril(L)"),
        (jb.triangular, lambda L: L @ A, 1, "(I ⊗ Aᵀ) diag(vec(T)), where T = tril(𝟏 𝟏ᵀ)"),
        (jb.triangular, lambda L: np.log(np.linalg.det(L)), 2,
         "−diag(vec(T)) (L⁻ᵀ ⊗ L⁻¹) K diag(vec(T)), where T = tril(𝟏 𝟏ᵀ)"),
    ],
)  # fmt: skip
def test_matrix_notation_by_structured_arguments(wrap, f, order, matrix) -> None:
    points = {jb.symmetric: S, jb.diagonal: np.diag(x), jb.triangular: np.tril(S)}
    d = jb.derive(f, jb.projected(wrap(points[wrap])), order=order)
    assert d.matrix == matrix
    G, eye, one = np.linalg.inv(points[wrap]), np.eye(4), np.ones((4, 4))
    K = np.einsum("il,jk->ijkl", eye, eye).reshape(16, 16)
    M = np.diag(np.tril(one).ravel())
    numbers = {
        "−½": -0.5 * (np.kron(G, G) @ K + np.kron(G, G)), "I ⊗": np.eye(16) + K, "2 diag": 2 * np.diag(x**2),
        "2 A": 2 * A * A.T, "2 tril": 2 * np.tril(S), "(I ⊗": np.kron(eye, A.T) @ M,
        "−diag": -M @ np.kron(G.T, G) @ K @ M,
    }  # fmt: skip
    (want,) = [value for start, value in numbers.items() if matrix.startswith(start)][:1]
    found = d.jacobian.dense()
    if wrap is jb.diagonal:
        found = np.einsum("iikk->ik", found)
    np.testing.assert_allclose(found.reshape(want.shape), want, atol=1e-10)


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("tr(A @ (X + )", 12, "where a name"), ("A $ B", 2, "means nothing"), ("foo(A)", 0, "no function foo"),
        ("(A + B", 0, "never closed"), ("A B", 2, "not expected"), ("tr(A, B)", 0, "takes 1 argument"),
        ("", 0, "is empty"), ("(" * 70 + "A" + ")" * 70, 60, "deeper than 60"), ("tr(A, axis=0)", 0, "no axis"),
        ("A.__class__", 1, "means nothing"),
    ],
)  # fmt: skip
def test_errors_point_at_the_place(text: str, at: int, what: str) -> None:
    with pytest.raises(jb.JacobiansError, match=what) as caught:
        parsed(text)
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2^2", -4), ("2**3**2", 512), ("6/2*3", 9), ("2 .* 3 ./ 4", 1.5), ("2 - 3 - 4", -5), ("2^-1", 0.5), ("1e2 + .5", 100.5),  # noqa: E501
    ],
)  # fmt: skip
def test_precedence(text: str, value: float) -> None:
    from jacobians.transforms.deriving.language import computed

    assert computed(parsed(text), {}) == value


def test_misfits_and_unknown_names() -> None:
    with pytest.raises(jb.JacobiansError, match="@ does not take 2x3 and 2x3"):
        derive_text("A @ X", "X", ["A=2x3", "X=2x3"])
    with pytest.raises(jb.JacobiansError, match="has no Z; it has A, X"):
        derive_text("A @ X", "Z", ["A=2x3", "X=3x2"])
    with pytest.raises(ShapeError, match="write NAME=SIZES"):
        derive_text("A @ X", "X", ["A2x3"])
    assert derive_text("mean(x)", "x", ["x=n"])[0].matrix == "𝟏 / n"
