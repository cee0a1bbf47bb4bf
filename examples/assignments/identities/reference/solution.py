import numpy as np


def trace_of_product(A, X):
    return A.T


def quadratic_by_x(A, x):
    return (A + A.T) @ x


def det_by_X(X):
    return np.linalg.det(X) * np.linalg.inv(X).T


inverse_formula = "-X^{-1}_{ik} X^{-1}_{lj}"


def inverse_forward(dX, X):
    Y = np.linalg.inv(X)
    return -Y @ dX @ Y


def inverse_backward(G, X):
    Y = np.linalg.inv(X)
    return -Y.T @ G @ Y.T
