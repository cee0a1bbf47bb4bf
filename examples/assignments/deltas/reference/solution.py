import numpy as np


def bilinear(a, X, b):
    return np.einsum("i,ij,j->", a, X, b)


def identity_by_X(X):
    m, n = X.shape
    return np.einsum("ik,jl->ijkl", np.eye(m), np.eye(n))


def transpose_by_X(X):
    m, n = X.shape
    return np.einsum("il,jk->ijkl", np.eye(n), np.eye(m))


def outer_by_x(a, b):
    return np.einsum("ik,j->ijk", np.eye(len(a)), b)


trace_formula = "δ_kl"
outer_formula = "∂A_ij/∂y_k = x_i δ_jk"
