"""Linear algebra by rules: determinant, inverse, solve, norm; leading axes are batches.

Sources: K. B. Petersen and M. S. Pedersen, *The Matrix Cookbook* (2012), eqs. 46 and 59;
J. R. Magnus and H. Neudecker, *Matrix Differential Calculus* (3rd ed., 2019), ch. 8 (cofactors).
"""

from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, apply
from jacobians.notation.writing import SUM
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import rule
from jacobians.operations.elementwise import ratio
from jacobians.operations.index_maps import reshape

_ROUNDING = 1e-12  # what the inverse may lose before cofactors are taken from the SVD


def _cofactor(X: Any) -> Any:
    # Far from singular, det X · X⁻ᵀ is as good and six times quicker than the SVD.
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(X)
        except np.linalg.LinAlgError:
            return _singular_cofactor(X)
        condition = np.abs(X).sum(axis=-1).max(axis=-1, initial=0)
        condition = condition * np.abs(inverse).sum(axis=-1).max(axis=-1, initial=0)
        found = np.linalg.det(X)[..., None, None] * np.swapaxes(inverse, -1, -2)
        near = np.finfo(X.dtype).eps * condition > _ROUNDING
    if np.any(near) or not np.isfinite(found).all():
        return _singular_cofactor(X)
    return found


def _singular_cofactor(X: Any) -> Any:
    # X = U S Vᵀ gives cof X = det U det V · U cof(S) Vᵀ: exact in spirit where X is singular.
    n = X.shape[-1]
    bad = ~np.isfinite(X).all(axis=(-1, -2), keepdims=True)  # the SVD of an infinity may never end
    U, s, Vt = np.linalg.svd(np.where(bad, np.eye(n), X))
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(U) * np.linalg.det(Vt)
    found = sign[..., None, None] * (U * others[..., None, :]) @ Vt
    return np.where(bad, np.nan, found).astype(X.dtype, copy=False)


def _reciprocal_det(X: Any) -> Any:
    s = np.linalg.svd(X, compute_uv=False)
    eps = np.finfo(s.dtype).eps * X.shape[-1]
    if np.any(np.min(s, axis=-1, initial=1) <= eps * np.max(s, axis=-1, initial=0)):
        raise UnsupportedError(
            f"the second derivative of det at a singular matrix: it is computed as (C_ij C_kl − C_il C_kj) / det "
            f"from the cofactors C, and the smallest singular value is {float(np.min(s)):.3g} beside "
            f"{float(np.max(s)):.3g}; the first derivative is right there"
        )
    return 1 / np.linalg.det(X)


reciprocal_det: Rule = rule(
    "reciprocal_det", _reciprocal_det,
    "d_… = reciprocal_det(X_…nn)",
    "∂d_…/∂X_…kl = −d_… d_… C_…kl",
    where={"C": lambda X, d: apply(cofactor, [X])},
    notation="1 / det({0})", latex="\\frac{{1}}{{\\det({0})}}", binds=SUM,
)  # fmt: skip
cofactor: Rule = rule(
    "cofactor", _cofactor,
    "C_…nn = cofactor(X_…nn)",
    "∂C_…ij/∂X_…kl = d_… C_…ij C_…kl − d_… C_…il C_…kj",
    where={"d": lambda X, C: apply(reciprocal_det, [X])},
    notation="cof({0})", latex="\\operatorname{{cof}}({0})",
    indexed=(
        "det({0}){batch} ({0}⁻¹){turned}", "\\det({0}){batch} ({0}^{{-1}}){turned}"
    ),
)  # fmt: skip
det: Rule = rule(
    "det", np.linalg.det,
    "y_… = det(X_…nn)",
    "∂y_…/∂X_…kl = C_…kl",
    where={"C": lambda X, y: apply(cofactor, [X])}, numpy=np.linalg.det,
    notation="det({0})", latex="\\det({0})",
)  # fmt: skip
inv: Rule = rule(
    "inv", np.linalg.inv,
    "Y_…nn = inv(X_…nn)",
    "∂Y_…ij/∂X_…kl = −Y_…ik Y_…lj",
    numpy=np.linalg.inv, notation="{0}⁻¹", latex="{0}^{{-1}}",
)  # fmt: skip
sign_det: Rule = rule(
    "sign_det", lambda X: np.linalg.slogdet(X)[0], "y_… = sign_det(X_…nn)", "∂y_…/∂X_…kl = 0",
    notation="sign det({0})", latex="\\operatorname{{sign}} \\det({0})",
)  # fmt: skip
log_abs_det: Rule = rule(
    "log_abs_det", lambda X: np.linalg.slogdet(X)[1],
    "y_… = log_abs_det(X_…nn)",
    "∂y_…/∂X_…kl = M_…lk",
    where={"M": lambda X, y: apply(inv, [X])},
    notation="log |det({0})|", latex="\\log |\\det({0})|",
)  # fmt: skip
solve: Rule = rule(
    "solve", np.linalg.solve,
    "x_…n = solve(A_…nn, b_n)",
    "∂x_…i/∂A_…kl = −M_…ik x_…l",
    "∂x_…i/∂b_k = M_…ik",
    "x_…nm = solve(A_…nn, b_…nm)",
    "∂x_…ij/∂A_…kl = −M_…ik x_…lj",
    "∂x_…ij/∂b_…kl = M_…ik δ_jl",
    where={"M": lambda A, b, x: apply(inv, [A])}, numpy=np.linalg.solve,
    notation="{0}⁻¹ {1}", latex="{0}^{{-1}} {1}", binds=1,
)  # fmt: skip
norm: Rule = rule(
    "norm", lambda X: np.sqrt(np.sum(np.square(X))),
    "y = norm(X_…)",
    "∂y/∂X_… = U_…",
    where={"U": lambda X, y: apply(ratio, [X, y])},
    notation="‖{0}‖", latex="\\lVert {0} \\rVert",
)  # fmt: skip


def _row_norm(X: Any) -> Any:
    return np.sqrt(np.sum(np.square(X), axis=-1))


def _per_row(y: Node) -> Node:
    return apply(reshape, [y], shape=(*y.shape, 1))


row_norm: Rule = rule(
    "row_norm", _row_norm,
    "y_… = row_norm(X_…n)",
    "∂y_…/∂X_…k = U_…k",
    where={"U": lambda X, y: apply(ratio, [X, _per_row(y)])},
    notation="‖{0}‖", latex="\\lVert {0} \\rVert",
)  # fmt: skip


def _p_norm(X: Any, p: Any) -> Any:
    return np.sum(np.abs(X) ** p, axis=-1) ** (1 / p)


p_norm: Rule = rule(
    # ∂y/∂x_k = sign(x_k) (|x_k| / y)^(p−1); the mask chooses 0 where x_k = 0, which may have no slope.
    "p_norm", _p_norm,
    "y_… = p_norm(X_…n, p)",
    "∂y_…/∂X_…k = M_…k U_…k",
    where={
        "M": lambda X, p, y: np.absolute(X) > 0,
        "U": lambda X, p, y: np.sign(X) * apply(ratio, [np.absolute(X), _per_row(y)]) ** (p - 1),
    },
    notation="‖{0}‖_{1}", latex="\\lVert {0} \\rVert_{{{1}}}",
)  # fmt: skip


def _negative_norm(X: Any, p: Any) -> Any:
    with np.errstate(divide="ignore"):  # an entry of 0 makes the norm 0
        return _p_norm(X, p)


negative_norm: Rule = rule(
    # An order below 0: ∂y/∂x_k = sign(x_k) (y / |x_k|)^(1−p), 0 where an entry is 0, as for a kink.
    "negative_norm", _negative_norm,
    "y_… = negative_norm(X_…n, p)",
    "∂y_…/∂X_…k = M_…k U_…k",
    where={
        "M": lambda X, p, y: np.absolute(X) > 0,
        "U": lambda X, p, y: np.sign(X) * apply(ratio, [_per_row(y), np.absolute(X)]) ** (1 - p),
    },
    notation="‖{0}‖_{1}", latex="\\lVert {0} \\rVert_{{{1}}}",
)  # fmt: skip
squared_error: Rule = rule(
    "squared_error", lambda y, t: 0.5 * np.sum(np.square(y - t)),
    "L = squared_error(y_…, t_…)",
    "∂L/∂y_… = r_…",
    "∂L/∂t_… = −r_…",
    where={"r": lambda y, t, L: y - t},
    notation="½ ‖{0} − {1}‖²", latex="\\tfrac{{1}}{{2}} \\lVert {0} - {1} \\rVert^2", binds=1,
)  # fmt: skip

PUBLIC = (det, inv, solve, norm, squared_error)
