"""The exponential of matrices, and its derivatives of every order.

The k-th derivative along E₁ … E_k is a block of the exponential of a triangular block matrix.
Source: R. Mathias, "A chain rule for matrix functions and applications", *SIAM J. Matrix Anal. Appl.*
17 (1996), pp. 610-620, theorem 4.1.
"""

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from jacobians.graph.node import apply
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import rule


def _derivatives(X: Any, order: int) -> Any:
    """All entries of the derivative of an order: the axes of the result, then pairs of axes of X."""
    from scipy.linalg import expm  # loads slowly

    X = np.asarray(X)
    n = X.shape[-1]
    if order == 0:
        return expm(X)
    result = np.empty((*X.shape, *(n, n) * order), X.dtype)
    size = n * 2**order
    for pairs in product(np.ndindex(n, n), repeat=order):
        large = np.zeros((*X.shape[:-2], size, size), X.dtype)
        for block in range(2**order):
            own = slice(block * n, (block + 1) * n)
            large[..., own, own] = X
            for k, (row, column) in enumerate(pairs):
                if not block >> k & 1:  # one step along E_k leads to the block with that bit
                    large[..., block * n + row, (block | 1 << k) * n + column] += 1
        corner = expm(large)[..., :n, size - n :]
        result[(..., *(m for pair in pairs for m in pair))] = corner
    return result


@lru_cache
def exponential(order: int = 0) -> Rule:
    """A derivative of the exponential of matrices; of order 0 the exponential itself."""
    letters = "abcdefghopqrstuvwxyz"[: 2 * order]
    name = f"expm_derivative{order}" if order else "expm"
    return rule(
        name, lambda X: _derivatives(X, order),
        f"Y_…nn{'n' * 2 * order} = {name}(X_…nn)",
        f"∂Y_…ij{letters}/∂X_…kl = D_…ij{letters}kl",
        where={"D": lambda X, Y: apply(exponential(order + 1), [X])},
        notation=f"exp{chr(39) * order}({{0}})", latex=f"\\exp{chr(39) * order}({{0}})",
    )  # fmt: skip
