"""Assignment 4: identities. Replace each `raise`; keep the names."""


def trace_of_product(A, X):
    """∂ tr(A X)/∂X, shape of X."""
    raise NotImplementedError("trace_of_product: tr(A X) = Σ_ir A_ir X_ri")


def quadratic_by_x(A, x):
    """∂(xᵀ A x)/∂x, shape of x; A is not symmetric."""
    raise NotImplementedError("quadratic_by_x: x stands twice, so there are two terms")


def det_by_X(X):
    """∂ det X/∂X, shape of X."""
    raise NotImplementedError("det_by_X: det X times a transposed matrix")


inverse_formula = ""  # ∂Y_ij/∂X_kl of Y = X⁻¹; write Y_ik or X^{-1}_{ik}


def inverse_forward(dX, X):
    """The change of X⁻¹ along dX."""
    raise NotImplementedError("inverse_forward: differentiate X X⁻¹ = I")


def inverse_backward(G, X):
    """∂L/∂X from G = ∂L/∂X⁻¹."""
    raise NotImplementedError("inverse_backward: contract your formula with G_ij")
