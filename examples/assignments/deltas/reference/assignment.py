"""Assignment 1: deltas and einsum."""

import numpy as np

import jacobians as jb
from jacobians.course import Assignment, FormulaTask, TensorTask, ValueTask

assignment = Assignment(
    "1  Deltas and einsum",
    [
        ValueTask(
            "bilinear",
            1,
            lambda a, X, b: a @ X @ b,
            arguments={"a": "m", "X": "m n", "b": "n"},
            section="Sums: repeated letters",
        ),
        TensorTask("identity_by_X", 2, lambda X: X * 1.0, arguments={"X": "m n"}, section="Deltas"),
        TensorTask("transpose_by_X", 2, jb.ops.transpose, section="Deltas"),
        TensorTask(
            "outer_by_x", 2, np.outer, arguments={"a": "m", "b": "n"}, wrt="a", section="Deltas"
        ),
        FormulaTask("trace_formula", 1, np.trace, arguments={"X": "n n"}, section="Formulas"),
        FormulaTask(
            "outer_formula",
            1,
            lambda x, y: np.outer(x, y),
            arguments={"x": "m", "y": "n"},
            wrt="y",
            result="A",
            section="Formulas",
        ),
    ],
    theory="README of this assignment",
)
