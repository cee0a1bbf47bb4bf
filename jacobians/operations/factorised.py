"""One LU factorisation for all solutions with a matrix, its transpose, and its inverse.

What ``optimising.solving`` puts in the place of ``solve`` and ``inv``; never differentiated.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.how import ByCall
from jacobians.graph.node import Node
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import rule

Array = NDArray[Any]
Factors = tuple[Array, Array]


def factorise(A: Array) -> Factors:
    """LU factors of a square matrix, by LAPACK's ``getrf``.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where it is singular, as ``numpy.linalg.solve`` does.
    """
    from scipy.linalg import get_lapack_funcs  # loads slowly

    # The transpose of an array in C order is in LAPACK's order already.
    (getrf,) = get_lapack_funcs(("getrf",), (A,))
    factors, pivots, info = getrf(A.T)
    if info > 0:
        raise np.linalg.LinAlgError("Singular matrix")
    return factors, pivots


def lu_solve(factors: Factors, b: Array, transposed: bool = False) -> Array:
    """The solution of ``A x = b``, or of ``Aᵀ x = b``."""
    from scipy.linalg import get_lapack_funcs

    (getrs,) = get_lapack_funcs(("getrs",), (factors[0], b))
    solution: Array = getrs(*factors, b, trans=0 if transposed else 1)[0]
    return solution


def lu_inverse(factors: Factors, transposed: bool = False) -> Array:
    """The inverse of ``A``, or of ``Aᵀ``."""
    from scipy.linalg import get_lapack_funcs

    (getri,) = get_lapack_funcs(("getri",), factors[:1])
    inverse: Array = getri(*factors)[0]
    return inverse if transposed else inverse.T


def _costing(flops: Callable[[Node], int]) -> Callable[[Node], ByCall]:
    """A call of the function, with the operations that LAPACK's manual gives for it."""

    def how(node: Node) -> ByCall:
        operation = node.operation
        assert isinstance(operation, Rule)
        name, home = operation.name, __name__
        return ByCall(name, operation.function, node.parameters, home, flops(node))

    return how


lu_factors: Rule = rule(
    "factorise", factorise, "F_nn = factorise(A_nn)",
    how=_costing(lambda node: 2 * node.shape[0] ** 3 // 3),
)  # fmt: skip
lu_solution: Rule = rule(
    "lu_solve", lu_solve, "x_n = lu_solve(F_nn, b_n)", "x_nm = lu_solve(F_nn, b_nm)",
    how=_costing(lambda node: 2 * node.shape[0] * prod(node.shape)),
)  # fmt: skip
lu_inverted: Rule = rule(
    "lu_inverse", lu_inverse, "Y_nn = lu_inverse(F_nn)",
    how=_costing(lambda node: 4 * node.shape[0] ** 3 // 3),
)  # fmt: skip
