"""Linear algebra by rules: determinant, inverse, solve, norm; leading axes are batches.

Sources: K. B. Petersen and M. S. Pedersen, *The Matrix Cookbook* (2012), eqs. 46 and 59;
J. R. Magnus and H. Neudecker, *Matrix Differential Calculus* (3rd ed., 2019), ch. 8 (cofactors).
"""

from typing import Any

import numpy as np

from jacobians.graph.node import apply
from jacobians.operations.declare import Rule, rule
from jacobians.operations.elementwise import ratio


def _cofactor(X: Any) -> Any:
    # X = U S Vᵀ gives cof X = det U det V · U cof(S) Vᵀ: exact in spirit where X is singular.
    U, s, Vt = np.linalg.svd(X)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(U) * np.linalg.det(Vt)
    return (sign[..., None, None] * (U * others[..., None, :]) @ Vt).astype(X.dtype, copy=False)


cofactor: Rule = rule(
    "cofactor", _cofactor,
    "C_…nn = cofactor(X_…nn)",
    "∂C_…ij/∂X_…kl = d_… C_…ij C_…kl − d_… C_…il C_…kj",
    where={"d": lambda X, C: 1 / apply(det, [X])},
    notation="cof({0})", latex="\\operatorname{{cof}}({0})",
    indexed=(
        "det({0}) ({0}⁻¹)_{column}{row}", "\\det({0}) ({0}^{{-1}})_{{{column}{row}}}"
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
solve: Rule = rule(
    "solve", np.linalg.solve,
    "x_n = solve(A_nn, b_n)",
    "∂x_i/∂A_kl = −M_ik x_l",
    "∂x_i/∂b_k = M_ik",
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
squared_error: Rule = rule(
    "squared_error", lambda y, t: 0.5 * np.sum(np.square(y - t)),
    "L = squared_error(y_…, t_…)",
    "∂L/∂y_… = r_…",
    "∂L/∂t_… = −r_…",
    where={"r": lambda y, t, L: y - t},
    notation="½ ‖{0} − {1}‖²", latex="\\tfrac{{1}}{{2}} \\lVert {0} - {1} \\rVert^2", binds=1,
)  # fmt: skip

PUBLIC = (det, inv, solve, norm, squared_error)
