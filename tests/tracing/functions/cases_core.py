"""Indexing, reshaping, products: what every function uses."""

import numpy as np

from tests.tracing.functions.driver import Case, values

CASES = [
    Case("matmul", lambda A, B: A @ B, (values(2, 3), values(3, 4, seed=1)), analytic=True),
    Case("slice", lambda X: X[1:, ::-2] ** 2, (values(3, 5),), analytic=True),
    Case("index with an array", lambda X: X[[0, 2, 2]] ** 2, (values(3, 2),), analytic=True),
    Case("reshape", lambda X: X.reshape(4, 3) ** 2, (values(2, 6),), analytic=True),
    Case("sum over an axis", lambda X: np.sum(X**3, axis=1), (values(3, 4),), analytic=True),
]
