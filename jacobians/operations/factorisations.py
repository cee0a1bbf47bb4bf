"""Factorisations by rules: eigh, svd, qr, cholesky, and the pseudoinverse; leading axes are batches.

Each result of a factorisation is an operation of its own; they share one computation. Vectors have
the signs that LAPACK gave them; their derivatives keep them. Where eigenvalues or singular values
are equal the vectors are any basis of a plane and have no derivative: that raises, and names the gap.

Sources: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", in *Advances in Automatic Differentiation* (2008); I. Murray, "Differentiation of
the Cholesky decomposition", arXiv:1602.07527; S. F. Walter and L. Lehmann, "Algorithmic
differentiation of linear algebra functions", arXiv:1001.1654 (qr); G. H. Golub and V. Pereyra, "The
differentiation of pseudo-inverses and nonlinear least squares problems", *SIAM J. Numer. Anal.* 10
(1973), pp. 413-432.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, apply, constant
from jacobians.notation.writing import SUM
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import elementwise, rule
from jacobians.operations.elementwise import boolean, ratio
from jacobians.operations.index_maps import reshape
from jacobians.operations.kinds import float_type
from jacobians.operations.linalg import inv
from jacobians.operations.shared import shared

Array = NDArray[Any]


def tolerance(values: Array) -> Any:
    """What counts as 0 beside the largest of each row of values: rounding of a factorisation."""
    largest = np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
    return largest * values.shape[-1] * np.finfo(values.dtype).eps


# Gaps between eigenvalues or singular values


def _inverse_gaps(w: Array) -> Array:
    gaps = w[..., None, :] - w[..., :, None]
    apart = np.abs(gaps) > tolerance(w)[..., None]
    off = ~np.eye(w.shape[-1], dtype=np.bool_)
    if not np.all(apart | ~off):
        *batch, i, j = (int(n) for n in np.argwhere(~apart & off)[0])
        first, second = (float(w[(*batch, n)]) for n in (i, j))
        where = f" of matrix {tuple(batch)}" if batch else ""
        raise UnsupportedError(
            f"values {i} and {j}{where} are {first:.6g} and {second:.6g}, a gap of {abs(first - second):.3g}: "
            "the vectors of equal eigenvalues or singular values are any basis of a plane and have no "
            "derivative; only the values have a first one. Perturb the matrix, or use a function that does "
            "not depend on the choice of vectors"
        )
    return np.where(off, 1 / np.where(off, gaps, 1), 0).astype(w.dtype, copy=False)


inverse_gaps: Rule = rule(
    "inverse_gaps", _inverse_gaps,
    "F_…nn = inverse_gaps(w_…n)",
    "∂F_…ij/∂w_…k = G_…ij δ_ik − G_…ij δ_jk",
    where={"G": lambda w, F: np.square(F)},
    notation="gaps({0})⁻¹",
)  # fmt: skip


def _inverse_of_positive(s: Array) -> Array:
    if not np.all(s > tolerance(s)):
        raise UnsupportedError(
            f"the smallest singular value is {float(np.min(s)):.3g} beside {float(np.max(s)):.3g}: the singular "
            "vectors of a matrix without full rank are any basis and have no derivative"
        )
    return 1 / s


inverse_of_positive: Rule = elementwise(
    "inverse_of_positive",
    _inverse_of_positive,
    notation="1 / {0}",
    binds=SUM,
    s=lambda s, z: -np.square(z),
)
positive: Rule = rule(
    # A singular value of 0 has a kink, as |x| has: its derivative there is taken to be 0.
    "is_positive", lambda s: s > tolerance(s), "m_…n = is_positive(s_…n)", "∂m_…i/∂s_…k = 0", dtype=boolean,
    notation="[{0} > 0]",
)  # fmt: skip


# Symmetric matrices


@shared
def _eigh(X: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.eigh(X))


eigenvalues: Rule = rule(
    # Giles, section 3.1, of the symmetrised argument: v_k v_l is symmetric by itself.
    "eigenvalues", lambda X: _eigh(X)[0],
    "w_…n = eigenvalues(X_…nn)",
    "∂w_…i/∂X_…kl = V_…ki V_…li",
    where={"V": lambda X, w: apply(eigenvectors, [X])},
    notation="λ({0})", latex="\\lambda({0})",
)  # fmt: skip
eigenvectors: Rule = rule(
    # dV = V (F ∘ Vᵀ dX V) with dX symmetrised, F_rj = 1/(w_j − w_r).
    "eigenvectors", lambda X: _eigh(X)[1],
    "V_…nn = eigenvectors(X_…nn)",
    "∂V_…ij/∂X_…kl = ½ V_…ir F_…rj V_…kr V_…lj + ½ V_…ir F_…rj V_…lr V_…kj",
    where={"F": lambda X, V: apply(inverse_gaps, [apply(eigenvalues, [X])])},
    notation="eigenvectors({0})",
)  # fmt: skip


def _below(X: Node, diagonal: float) -> Node:
    """Ones below the diagonal and a number on it."""
    n = X.shape[-1]
    entries = np.tril(np.ones((n, n), X.dtype), -1)
    np.fill_diagonal(entries, diagonal)
    return constant(entries, "lower½" if diagonal else "below")


cholesky: Rule = rule(
    # Murray, eq. 8: dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower half; dA symmetrised.
    "cholesky", np.linalg.cholesky,
    "L_…nn = cholesky(A_…nn)",
    "∂L_…ij/∂A_…kl = ½ L_…ir H_rj M_…rk M_…jl + ½ L_…ir H_rj M_…rl M_…jk",
    where={
        "H": lambda A, L: _below(L, 0.5),
        "M": lambda A, L: apply(inv, [L]),
    },
    notation="chol({0})", latex="\\operatorname{{chol}}({0})",
)  # fmt: skip


# Singular values


@shared
def _svd(X: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.svd(X, full_matrices=False))


def _values(X: Node) -> Node:
    return apply(singular_values(X.shape), [X])


def _ratios(X: Node) -> Node:
    """``s_j / (s_j² − s_r²)`` at ``(r, j)``, as half the sum of 1/(s_j − s_r) and 1/(s_j + s_r)."""
    s = _values(X)
    n = s.shape[-1]
    off = constant((1 - np.eye(n)).astype(s.dtype), "off")
    column = apply(reshape, [s], shape=(*s.shape, 1))
    sums = column + apply(reshape, [s], shape=(*s.shape[:-1], 1, n))
    return 0.5 * (apply(inverse_gaps, [s]) + apply(ratio, [off, sums]))


def _svd_part(part: int, text: str, jacobian: str, notation: str) -> Rule:
    return rule(
        text.partition("(")[0].partition("= ")[2], lambda X: _svd(X)[part], text, jacobian,
        where={
            "m": lambda X, Y: apply(positive, [_values(X)]),
            "z": lambda X, Y: apply(inverse_of_positive, [_values(X)]),
            "A": lambda X, Y: _ratios(X),
            "U": lambda X, Y: apply(left_vectors(X.shape), [X]),
            "W": lambda X, Y: apply(right_vectors(X.shape), [X]),
        },
        notation=notation,
    )  # fmt: skip


# X = U diag(s) W. Giles, section 3.2; with D = Uᵀ dX Wᵀ: dU = U (A ∘ D − Aᵀ ∘ Dᵀ) + (I − UUᵀ) dX Wᵀ S⁻¹,
# whose last part is 0 where U is square (wide X); so too for W, where X is tall.
_S = "∂s_…i/∂X_…kl = m_…i U_…ki W_…il"
_U = "∂U_…ij/∂X_…kl = U_…ir A_…rj U_…kr W_…jl − U_…ir A_…jr U_…kj W_…rl"
_W = "∂W_…ij/∂X_…kl = W_…rj A_…ri U_…ki W_…rl − W_…rj A_…ir U_…kr W_…il"
_VALUES = {
    "tall": _svd_part(1, "s_…n = singular_values(X_…mn)", _S, "σ({0})"),
    "wide": _svd_part(1, "s_…m = singular_values(X_…mn)", _S, "σ({0})"),
}
_LEFT = {
    "tall": _svd_part(
        0, "U_…mn = left_vectors(X_…mn)",
        _U + " + δ_ik W_…jl z_…j − U_…ir U_…kr W_…jl z_…j", "svd({0}).U",
    ),
    "wide": _svd_part(0, "U_…mm = left_vectors(X_…mn)", _U, "svd({0}).U"),
}  # fmt: skip
_RIGHT = {
    "tall": _svd_part(2, "W_…nn = right_vectors(X_…mn)", _W, "svd({0}).Vᵀ"),
    "wide": _svd_part(
        2, "W_…mn = right_vectors(X_…mn)",
        _W + " + δ_jl U_…ki z_…i − W_…rj W_…rl U_…ki z_…i", "svd({0}).Vᵀ",
    ),
}  # fmt: skip


def singular_values(shape: Sequence[int]) -> Rule:
    """The operation that gives the singular values of a matrix of this shape."""
    return _VALUES["tall" if shape[-2] > shape[-1] else "wide"]


def left_vectors(shape: Sequence[int]) -> Rule:
    """The operation that gives ``U`` of the reduced svd of a matrix of this shape."""
    return _LEFT["tall" if shape[-2] > shape[-1] else "wide"]


def right_vectors(shape: Sequence[int]) -> Rule:
    """The operation that gives ``Vᵀ`` of the reduced svd of a matrix of this shape."""
    return _RIGHT["wide" if shape[-1] > shape[-2] else "tall"]


# Orthogonal and triangular factor of a matrix with at least as many rows as columns


@shared
def _qr(X: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.qr(X))


def _qr_operands() -> dict[str, Any]:
    return {
        "Q": lambda X, Y: apply(qr_orthogonal, [X]),
        "R": lambda X, Y: apply(qr_triangular, [X]),
        "N": lambda X, Y: apply(inv, [apply(qr_triangular, [X])]),
        "T": lambda X, Y: _below(X, 0),
        "H": lambda X, Y: constant(np.triu(np.ones((X.shape[-1],) * 2, X.dtype)), "upper"),
    }


# With C = Qᵀ dX R⁻¹ and its lower part L: dQ = dX R⁻¹ − Q (C − L + Lᵀ), dR = (C − L + Lᵀ) R.
qr_orthogonal: Rule = rule(
    "qr_orthogonal", lambda X: _qr(X)[0],
    "Q_…mn = qr_orthogonal(X_…mn)",
    "∂Q_…ij/∂X_…kl = δ_ik N_…lj − Q_…ir H_rj Q_…kr N_…lj − Q_…ir T_jr Q_…kj N_…lr",
    where=_qr_operands(), notation="qr({0}).Q",
)  # fmt: skip
qr_triangular: Rule = rule(
    "qr_triangular", lambda X: _qr(X)[1],
    "R_…nn = qr_triangular(X_…mn)",
    "∂R_…ij/∂X_…kl = H_ir Q_…ki N_…lr R_…rj + T_ri Q_…kr N_…li R_…rj",
    where=_qr_operands(), notation="qr({0}).R",
)  # fmt: skip


# Full column rank: Y = (XᵀX)⁻¹ Xᵀ, without squaring the condition of X


def _inverse_gram(X: Array) -> Array:
    _, s, W = _svd(X)
    eps = np.finfo(s.dtype).eps * max(X.shape[-2:])
    small = np.min(s, axis=-1, initial=np.inf) <= eps * np.max(s, axis=-1, initial=0)
    if np.any(small):
        raise UnsupportedError(
            f"a matrix of shape {X.shape} and rank {int(np.min(np.linalg.matrix_rank(X)))} has a smallest "
            f"singular value of {float(np.min(s)):.3g} beside {float(np.max(s)):.3g}: where the rank is not full "
            "the pseudoinverse jumps and has no derivative"
        )
    scaled = W / s[..., None]
    gram: Array = np.matmul(np.swapaxes(scaled, -1, -2), scaled)
    return gram


inverse_gram: Rule = rule(
    "inverse_gram", _inverse_gram,
    "S_…nn = inverse_gram(X_…mn)",
    "∂S_…ij/∂X_…kl = −S_…il Y_…jk − Y_…ik S_…lj",
    where={"Y": lambda X, S: apply(pinv, [X])}, notation="({0}ᵀ {0})⁻¹",
)  # fmt: skip
pinv: Rule = rule(
    # Golub and Pereyra, eq. 4.12, for full column rank.
    "pinv", np.linalg.pinv,
    "Y_…nm = pinv(X_…mn)",
    "∂Y_…ij/∂X_…kl = −Y_…ik Y_…lj + S_…il δ_kj − S_…il B_…kj",
    where={
        "S": lambda X, Y: apply(inverse_gram, [X]),
        "B": lambda X, Y: np.matmul(X, Y),
    },
    notation="{0}⁺", latex="{0}^{{+}}",
)  # fmt: skip


def _least_squares(A: Array, b: Array) -> Any:
    return np.linalg.lstsq(A, b, rcond=None)[0]


lstsq: Rule = rule(
    # Golub and Pereyra again: dx = −A⁺ dA x + (AᵀA)⁻¹ dAᵀ (b − A x) + A⁺ db.
    "lstsq", _least_squares,
    "x_n = lstsq(A_mn, b_m)",
    "∂x_i/∂A_kl = −Y_ik x_l + S_il r_k",
    "∂x_i/∂b_k = Y_ik",
    "x_np = lstsq(A_mn, b_mp)",
    "∂x_ij/∂A_kl = −Y_ik x_lj + S_il r_kj",
    "∂x_ij/∂b_kl = Y_ik δ_jl",
    where={
        "Y": lambda A, b, x: apply(pinv, [A]),
        "S": lambda A, b, x: apply(inverse_gram, [A]),
        "r": lambda A, b, x: b - np.matmul(A, x),
    },
    notation="lstsq({0}, {1})", dtype=float_type,
)  # fmt: skip
