import numpy as np


def product_by_B(B, C):
    return np.einsum("ik,lj->ijkl", np.eye(len(B)), C)


def product_by_C(B, C):
    return np.einsum("jl,ik->ijkl", np.eye(C.shape[1]), B)


formula_by_C = "δ_jl B_ik"


def forward(dB, dC, B, C):
    return dB @ C + B @ dC


def backward(G, B, C):
    by_B, by_C = product_by_B(B, C), product_by_C(B, C)
    return np.einsum("ij,ijkl->kl", G, by_B), np.einsum("ij,ijkl->kl", G, by_C)


def cheap_backward(G, B, C):
    return G @ C.T, B.T @ G
