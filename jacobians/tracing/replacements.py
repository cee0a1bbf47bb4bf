"""What to write in place of functions of SciPy that work on plain arrays only, by their names."""

from jacobians.operations.registry import OPERATIONS

_OF_SCIPY = (
    "solve_triangular", "cho_solve", "expm", "block_diag", "toeplitz", "circulant", "polygamma",
)  # fmt: skip
_OF_NUMPY = (
    "lstsq", "pinv", "cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr", "eigvals", "eig", "tensordot",
)  # fmt: skip
_FACTORS = "np.linalg.solve(A, b) for what the factors are for: a plan factorises once"

REPLACEMENTS: dict[str, str] = {
    **{name: f"np.linalg.{name}" for name in _OF_NUMPY},
    **{name: f"jb.ops.{name}" for name in (*OPERATIONS, *_OF_SCIPY)},
    **dict.fromkeys(("lu_factor", "lu_solve", "lu", "cho_factor"), _FACTORS),
    "solve": "np.linalg.solve",
    **dict.fromkeys(
        ("__matmul__", "__rmatmul__", "dot", "multiply"), "A.toarray() for the sparse A"
    ),
}
