"""Assignment 1: deltas and einsum. Replace each `raise`; keep the names."""

import numpy as np


def bilinear(a, X, b):
    """The number Σ_ij a_i X_ij b_j."""
    raise NotImplementedError("bilinear: write one np.einsum with the letters i and j")


def identity_by_X(X):
    """∂A_ij/∂X_kl of A = X: shape (m, n, m, n)."""
    raise NotImplementedError("identity_by_X: which entries of X does A_ij depend on?")


def transpose_by_X(X):
    """∂A_ij/∂X_kl of A = Xᵀ: shape (n, m, m, n)."""
    raise NotImplementedError("transpose_by_X: A_ij is X_ji; write the deltas, then the einsum")


def outer_by_x(a, b):
    """∂A_ij/∂a_k of A_ij = a_i b_j: shape (m, n, m)."""
    raise NotImplementedError("outer_by_x: one delta, and one factor that is left")


# Formulas in index notation: letters i j of the output, k l of the argument. Deltas as δ_ik or delta_ik.
trace_formula = ""  # ∂t/∂X_kl of t = Σ_i X_ii
outer_formula = ""  # ∂A_ij/∂y_k of A_ij = x_i y_j

if __name__ == "__main__":
    print(bilinear(np.ones(2), np.ones((2, 3)), np.ones(3)))  # 6.0
