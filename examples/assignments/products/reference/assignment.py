"""Assignment 2: the derivative of a matrix product, in full and contracted."""

import jacobians as jb
from jacobians.course import Assignment, CostTask, FormulaTask, JvpTask, TensorTask, VjpTask

_BOTH = {"wrt": ("B", "C")}

assignment = Assignment(
    "2  Matrix by matrix",
    [
        TensorTask("product_by_B", 2, jb.ops.matmul, wrt="B", section="∂(BC)/∂B: δ and a factor"),
        TensorTask("product_by_C", 2, jb.ops.matmul, wrt="C", section="∂(BC)/∂C"),
        FormulaTask("formula_by_C", 1, jb.ops.matmul, wrt="C", result="A", section="∂(BC)/∂C"),
        JvpTask("forward", 1, jb.ops.matmul, **_BOTH, section="Changes: the product rule"),
        VjpTask("backward", 2, jb.ops.matmul, **_BOTH, section="Contraction with G"),
        CostTask(
            "cheap_backward",
            2,
            jb.ops.matmul,
            **_BOTH,
            section="What the shortcut saves",
            sizes=(40, 64),
        ),
    ],
    theory="README of this assignment",
)
