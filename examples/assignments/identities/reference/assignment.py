"""Assignment 4: identities of functions of a matrix."""

import numpy as np

from jacobians.course import Assignment, FormulaTask, JvpTask, TensorTask, VjpTask, invertible

_X = {"X": invertible("n n")}

assignment = Assignment(
    "4  Identities",
    [
        TensorTask("trace_of_product", 2, lambda A, X: np.trace(A @ X), wrt="X",
                   arguments={"A": "n m", "X": "m n"}, section="The trace"),
        TensorTask("quadratic_by_x", 2, lambda A, x: x @ A @ x, wrt="x",
                   arguments={"A": "n n", "x": "n"}, section="Quadratic forms"),
        TensorTask("det_by_X", 2, np.linalg.det, arguments=_X, section="The determinant"),
        FormulaTask("inverse_formula", 1, np.linalg.inv, arguments=_X, section="The inverse"),
        JvpTask("inverse_forward", 1, np.linalg.inv, arguments=_X, section="The inverse"),
        VjpTask("inverse_backward", 2, np.linalg.inv, arguments=_X, section="The inverse, contracted"),
    ],
    theory="README of this assignment",
)  # fmt: skip
