"""Formulas as students type them, judged by einsum."""

from contextlib import suppress

import numpy as np
import pytest

from jacobians.course.typed import Unreadable, tensor_of

rng = np.random.default_rng(0)
B, C = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
W, x, t = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=3)
X = rng.normal(size=(3, 3)) + 2 * np.eye(3)
Y = np.linalg.inv(X)
PRODUCT = np.einsum("ik,lj->ijkl", np.eye(3), C)
TANH = np.einsum("ik,l->ikl", np.diag(1 - np.tanh(W @ x) ** 2), x)

CASES = [
    (PRODUCT, 2, {"B": B, "C": C}, [
        "δ_ik C_lj", "C_lj δ_ik", "delta_ik C_lj", r"\delta_{ik} C_{lj}", "I_ik C^T_jl", "C^T_{jl} δ_ik",
        "∂A_ab/∂B_cd = δ_ac C_db", r"\frac{\partial A_{ij}}{\partial B_{kl}} = \delta_{ik} C_{lj}",
        "δ_ik * C_{l j}", "δ_ik (C^T)_jl", "δ_ik Cᵀ_jl", "δᵢₖ Cₗⱼ", "C_{jl}^T δ_{ik}",
        r"$\delta_{ik}\,C^{\top}_{jl}$", "Σ_r δ_ik δ_rl C_rj", r"\sum_{r=1}^{n} \delta_{ik} \delta_{lr} C_{rj}",
        "2 δ_ik C_lj - δ_ik C_lj", "1/2 δ_ik (C_lj + C_lj)", "eye_{ik} C_{lj}", "δ_ik * C.T_jl",
        "dA_ij/dB_kl = I_{i,k} C_{l,j}", "δ_ik·C_lj", "J_{pqrs} = C_{sq} δ_{rp}",
    ]),
    (np.outer(W @ x - t, x), 0, {"W": W, "x": x, "t": t}, [
        "(W x − t)_k x_l", "(Wx - t)_k x_l", "(W_kr x_r - t_k) x_l", "W_kr x_r x_l - t_k x_l",
        "dL/dW_ij = (W x - t)_i x_j", "2 (1/2) (W x - t)_k x_l", "-(t - W x)_k x_l",
    ]),
    (TANH, 1, {"W": W, "x": x, "y": np.tanh(W @ x)}, [
        "δ_ik (1 - tanh(W_ir x_r)^2) x_l", "δ_ik (1 - tanh(W x)_i^2) x_l", "δ_ik (1 - y_i^2) x_l",
        "∂z_i/∂W_kl = δ_ik (1 - z_i²) x_l", "δ_ik x_l - δ_ik y_i y_i x_l",
    ]),
    (-np.einsum("ik,lj->ijkl", Y, Y), 2, {"X": X, "y": Y}, [
        "-y_ik y_lj", "−X^{-1}_{ik} X^{-1}_{lj}", "-(X^-1)_ik (X^-1)_lj", "-inv(X)_ik inv(X)_lj",
        "-X⁻¹_ik X⁻¹_lj", "- X^{-T}_{ki} X^{-1}_{lj}",
    ]),
    (np.linalg.det(X) * Y.T, 0, {"X": X}, [
        "det(X) X^{-1}_{lk}", "det(X) (X^{-1})^T_{kl}", "det(X) X^{-T}_kl",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "out", "names", "text"),
    [(right, out, names, text) for right, out, names, texts in CASES for text in texts],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_formulas_are_read(right, out, names, text) -> None:
    np.testing.assert_allclose(tensor_of(text, names, right.shape, out, "y"), right, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("δ_ik C_jl", "swapped"),
        ("δ_ij C_lj", "different sizes"),
        ("δ_ik D_lj", "'D' is none of the names here: B, C"),
        ("C", "without indices"),
        ("", "empty"),
        ("δ_ik C_lj )", "cannot be read"),
        ("(δ_ik C_lj", "not closed"),
        ("__import__('os')", "cannot be read"),
        ("δ_ikl", "two letters"),
        ("δ_ik C_lj +", "missing"),
        ("C_lj δ_rs", "stand nowhere else"),
        ("C_ljk", "2 axes"),
        ("∂A_ij/∂B_kk = δ_ik C_lj", "4 different letters"),
        ("C_LJ", "cannot be read"),
        ("B C", "without indices"),
        ("x" * 3000, "more than"),
        ("(" * 60 + "1" + ")" * 60, "too many parentheses"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        tensor_of(text, {"B": B, "C": C}, (3, 5, 3, 4), 2)


def test_a_wrong_formula_is_another_tensor() -> None:
    found = tensor_of("C_lj", {"B": B, "C": C}, (3, 5, 3, 4), 2)
    assert not np.allclose(found, PRODUCT)


def test_whatever_is_typed_is_read_or_refused() -> None:
    """Two thousand texts of pieces of formulas: none raises anything else, none takes much."""
    rng = np.random.default_rng(3)
    names = {
        "B": rng.normal(size=(3, 4)),
        "C": rng.normal(size=(4, 5)),
        "X": rng.normal(size=(3, 3)),
    }
    pieces = ["δ_ik", "C_lj", "B", "C", "X", "det(", "inv(", ")", "(", "^T", "^-1", "_ij", "_{", "}", "+", "/",
              "tanh(", "sum_", "=", "∂A_ij/∂B_kl =", "1e999", "^9999", "²", "\\frac{", "}{", "C_ab", "X_ee", "σ",
              "\ud800", "\0", ".T", "δ_", "BC", "**"]  # fmt: skip
    for _ in range(2000):
        text = " ".join(rng.choice(pieces, rng.integers(1, 9)))
        with suppress(Unreadable):
            assert tensor_of(text, names, (3, 5, 3, 4), 2).shape == (3, 5, 3, 4)


def test_a_formula_takes_no_more_memory_than_six_letters() -> None:
    """It is evaluated in the grader's process: eight letters of eleven would be a gigabyte and more."""
    with pytest.raises(Unreadable, match="too many different letters"):
        tensor_of("C_ab C_cd C_ef C_gh", {"C": np.ones((11, 10))}, (3, 5, 3, 4), 2)
    full = np.einsum("ik,lj,mn->ijkl", np.eye(11), np.ones((11, 11)), np.ones((11, 11)))
    read = tensor_of("δ_ik C_lj C_mn", {"C": np.ones((11, 11))}, (11,) * 4, 2)
    assert np.allclose(read, full)
