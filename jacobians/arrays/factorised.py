"""One LU factorisation for all solutions with a matrix, its transpose, and its inverse."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def lu_inverse(factors: Factors) -> Array:
    """The inverse of ``A``."""
    from scipy.linalg import get_lapack_funcs

    (getri,) = get_lapack_funcs(("getri",), factors[:1])
    inverse: Array = getri(*factors)[0]
    return inverse.T
