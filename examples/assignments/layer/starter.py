"""Assignment 3: one layer, y = W x. Replace each `raise`; keep the names. Run it to train on iris."""

import csv
from pathlib import Path

import numpy as np


def layer_by_W(W, x):
    """∂y_i/∂W_kl, shape (m, m, n)."""
    raise NotImplementedError("layer_by_W: y_i = Σ_r W_ir x_r; only row i of W matters")


layer_formula = ""  # the same as a text; the arguments are called A and x there: y = A x


def backward(G, W, x):
    """(∂L/∂W, ∂L/∂x) from G = ∂L/∂y."""
    raise NotImplementedError("backward: the first is an outer product")


def loss_by_W(W, x, t):
    """∂L/∂W of L = ½‖W x − t‖², shape of W."""
    raise NotImplementedError("loss_by_W: the residual is the upstream gradient of y")


def mean_loss_by_W(W, X, T):
    """The same for the mean over rows x of X and t of T: L = 1/(2N) Σ_n ‖W x_n − t_n‖²."""
    raise NotImplementedError("mean_loss_by_W: one product of two matrices, and N")


def step(W, X, T, rate):
    """W after one step of gradient descent."""
    raise NotImplementedError("step: against the gradient")


def train(file, steps=2000, rate=0.02):
    """Iris: the share of flowers whose kind the layer finds."""
    with open(file, newline="") as stream:
        rows = [row for row in csv.reader(stream) if row]
    X = np.array([[float(v) for v in row[:4]] + [1.0] for row in rows[1:]])
    kinds = sorted({row[-1] for row in rows[1:]})
    T = np.array([[float(row[-1] == kind) for kind in kinds] for row in rows[1:]])
    W = np.zeros((len(kinds), 5))
    for _ in range(steps):
        W = step(W, X, T, rate)
    return np.mean(np.argmax(X @ W.T, axis=1) == np.argmax(T, axis=1))


if __name__ == "__main__":
    print(train(Path(__file__).parents[2] / "data" / "iris.csv"))
