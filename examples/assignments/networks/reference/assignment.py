"""Assignment 5: softmax, cross-entropy and layer normalisation by hand."""

import numpy as np

from jacobians.course import Assignment, FormulaTask, TensorTask, VjpTask, labels


def softmax(S):
    weights = np.exp(S - np.max(S, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True)


def cross_entropy(S, kinds):
    P = softmax(S)
    return -np.mean(np.log(P[np.arange(len(kinds)), kinds]))


def layer_norm(X, gamma, beta):
    mean = np.mean(X, axis=1, keepdims=True)
    variance = np.mean((X - mean) ** 2, axis=1, keepdims=True)
    return gamma * (X - mean) / np.sqrt(variance + 1e-5) + beta


_NORM = {"X": "n d", "gamma": "d", "beta": "d"}

assignment = Assignment(
    "5  Softmax, cross-entropy, layer norm",
    [
        TensorTask("softmax_by_s", 2, softmax, arguments={"s": "n"}, section="Softmax"),
        FormulaTask(
            "softmax_formula", 1, softmax, arguments={"s": "n"}, result="p", section="Softmax"
        ),
        VjpTask(
            "softmax_backward", 2, softmax, arguments={"S": "n d"}, section="Softmax, contracted"
        ),
        TensorTask(
            "cross_entropy_by_S",
            2,
            cross_entropy,
            arguments={"S": "n d", "kinds": labels("n", below="d")},
            section="Cross-entropy",
        ),
        VjpTask(
            "layer_norm_backward",
            6,
            layer_norm,
            wrt=("X", "gamma", "beta"),
            arguments=_NORM,
            section="Layer normalisation: three paths",
            shapes=2,
        ),
    ],
    theory="README of this assignment",
)
