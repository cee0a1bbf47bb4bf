import numpy as np


def layer_by_W(W, x):
    return np.einsum("ik,l->ikl", np.eye(len(W)), x)


layer_formula = "δ_ik x_l"


def backward(G, W, x):
    return np.outer(G, x), W.T @ G


def loss_by_W(W, x, t):
    return np.outer(W @ x - t, x)


def mean_loss_by_W(W, X, T):
    return (X @ W.T - T).T @ X / len(X)


def step(W, X, T, rate):
    return W - rate * mean_loss_by_W(W, X, T)
