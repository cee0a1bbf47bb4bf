"""Assignment 3: vector by matrix, the outer product, and a layer that learns."""

import numpy as np

import jacobians as jb
from jacobians.course import Assignment, FormulaTask, TensorTask, ValueTask, VjpTask, positive


def loss(W, x, t):
    return 0.5 * np.sum((W @ x - t) ** 2)


def mean_loss(W, X, T):
    return 0.5 * np.sum((X @ W.T - T) ** 2) / len(X)


def step(W, X, T, rate):
    return W - rate * (X @ W.T - T).T @ X / len(X)


_ROWS = {"W": "c d", "X": "n d", "T": "n c"}

assignment = Assignment(
    "3  One layer",
    [
        TensorTask("layer_by_W", 2, jb.ops.matvec, wrt="A", section="Vector by matrix"),
        FormulaTask(
            "layer_formula", 1, jb.ops.matvec, wrt="A", result="y", section="Vector by matrix"
        ),
        VjpTask("backward", 2, jb.ops.matvec, wrt=("A", "x"), section="The outer product"),
        TensorTask(
            "loss_by_W", 2, loss, arguments={"W": "m n", "x": "n", "t": "m"}, section="The loss"
        ),
        TensorTask(
            "mean_loss_by_W", 2, mean_loss, arguments=_ROWS, section="Many examples: a mean"
        ),
        ValueTask(
            "step", 1, step, arguments={**_ROWS, "rate": positive("")}, section="A step downhill"
        ),
    ],
    theory="README of this assignment",
)
