"""Linear algebra: determinants, solutions, norms, factorisations; batches in the leading axes.

Symmetric factorisations are taken of the symmetrised argument. Vectors are compared with their signs
fixed, since LAPACK may choose others at another point.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.tracing.functions.driver import Case, values


def regular(*shape: int, seed: int = 0) -> np.ndarray:
    """Well-conditioned matrices with eigenvalues and singular values that are apart."""
    return values(*shape, seed=seed) + np.eye(*shape[-2:]) * np.arange(2, shape[-1] + 2)


def on_regular(
    name: str, function: Callable[..., Any], *shapes: tuple[int, ...], **kwargs: Any
) -> Case:
    """A case whose first argument is regular, and the others are any."""
    arguments = [regular(*shapes[0])] + [values(*s, seed=n) for n, s in enumerate(shapes[1:], 1)]
    label = " ".join("x".join(map(str, shape)) for shape in shapes)
    return Case(f"{name} {label}", function, tuple(arguments), **kwargs)


def sym(X: Any) -> Any:
    """The symmetric part."""
    return (X + np.swapaxes(X, -1, -2)) / 2


def definite(X: Any) -> Any:
    """A positive definite matrix."""
    return sym(X) + 4 * np.eye(X.shape[-1])


def fixed_columns(V: Any) -> Any:
    """Vectors as columns, signs such that the first entries are positive."""
    return V * np.sign(V[..., :1, :])


def fixed_svd(X: Any, part: int) -> Any:
    """Left or right vectors with the signs that make the first entries of the left ones positive."""
    U, _, W = np.linalg.svd(X, full_matrices=False)
    signs = np.sign(U[..., 0, :])
    return U * signs[..., None, :] if part == 0 else W * signs[..., :, None]


def rebuilt_svd(X: Any) -> Any:
    """A smooth function of all three factors that does not depend on signs."""
    U, s, W = np.linalg.svd(X, full_matrices=False)
    return (U * np.exp(s)[..., None, :]) @ W


def log_of(X: Any) -> Any:
    """The logarithm of a positive definite matrix."""
    w, V = np.linalg.eigh(definite(X))
    return (V * np.log(w)[..., None, :]) @ np.swapaxes(V, -1, -2)


SHAPES = [(1, 1), (2, 2), (3, 3), (2, 3, 3)]

SQUARE = [
    on_regular(name, function, shape, analytic=analytic)
    for name, function, analytic in [
        ("det", np.linalg.det, True),
        ("slogdet", lambda X: np.linalg.slogdet(X)[1], False),
        (
            "slogdet sign",
            lambda X: np.linalg.slogdet(X).sign * np.linalg.slogdet(X).logabsdet,
            False,
        ),
        ("inv", np.linalg.inv, True),
        ("pinv", np.linalg.pinv, False),
    ]
    for shape in SHAPES
]

SOLVES = [
    on_regular("solve", np.linalg.solve, *shapes, analytic=True)
    for shapes in [
        ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 2)), ((2, 3, 3), (3,)), ((2, 2), (3, 2, 4)),
        ((1, 2, 2), (3, 2, 1)), ((2, 1, 2, 2), (3, 2, 1)), ((2, 2, 2), (2, 1)),
    ]
] + [
    on_regular("solve for itself", lambda A: np.linalg.solve(A, A.T), (2, 2), analytic=True),
    on_regular("tensorinv", np.linalg.tensorinv, (2, 2, 2, 2)),
    on_regular("tensorinv ind", lambda a: np.linalg.tensorinv(np.reshape(a, (4, 2, 2)), 1), (4, 4)),
    on_regular(
        "tensorsolve",
        lambda a, b: np.linalg.tensorsolve(np.reshape(a, (2, 2, 2, 2)), b), (4, 4), (2, 2),
    ),
    on_regular(
        "tensorsolve axes",
        lambda a, b: np.linalg.tensorsolve(np.reshape(a, (2, 2, 2, 2)), b, axes=(0, 1)), (4, 4), (2, 2),
        hessian=False,
    ),
]  # fmt: skip

LEAST = [
    on_regular("pinv", np.linalg.pinv, shape) for shape in [(4, 2), (2, 4), (3, 1), (2, 3, 2), (2, 2, 3)]
] + [
    on_regular("lstsq", lambda A, b: np.linalg.lstsq(A, b, rcond=None)[0], *shapes)
    for shapes in [((4, 2), (4,)), ((4, 2), (4, 2)), ((3, 3), (3,)), ((2, 3), (2,)), ((2, 3), (2, 2))]
] + [
    on_regular("lstsq squares", lambda A, b: np.linalg.lstsq(A, b, rcond=None)[1], (4, 2), (4,)),
    on_regular("lstsq squares of columns", lambda A, b: np.linalg.lstsq(A, b)[1], (3, 2), (3, 2)),
    on_regular("lstsq singular values", lambda A, b: np.linalg.lstsq(A, b)[3], (3, 2), (3,)),
]  # fmt: skip

NORMS = [
    on_regular(f"norm {order} axis={axis} keepdims={keep}",
        lambda X, o=order, a=axis, k=keep: np.linalg.norm(X, o, a, k), shape)
    for order, axis, keep, shape in [
        (None, None, False, (2, 3)), (None, None, True, (2, 2, 3)), (None, 0, False, (3, 2)),
        (None, -1, True, (2, 3)), (None, (0, 2), False, (2, 2, 3)), (None, (1, 0), True, (3, 2)),
        ("fro", None, False, (2, 3)), ("fro", (0, 1), True, (2, 3, 2)), ("nuc", None, False, (3, 2)),
        ("nuc", (2, 0), True, (2, 2, 3)), (2, None, False, (3, 2)), (-2, None, False, (2, 3)),
        (2, (0, 1), False, (3, 2, 2)), (1, None, False, (2, 3)), (-1, None, True, (3, 2)),
        (np.inf, None, False, (2, 3)), (-np.inf, None, False, (2, 3)), (1, (2, 0), False, (2, 2, 3)),
        (np.inf, (0, 2), True, (2, 2, 3)), (2, 1, False, (2, 3)), (1, 0, False, (3, 2)),
        (np.inf, -1, True, (3, 2)), (-np.inf, 0, False, (3, 2)), (0, 1, False, (2, 3)),
        (-1, 1, False, (2, 3)), (3, 1, False, (2, 3)), (2.5, 0, True, (2, 3)), (0.5, 1, False, (2, 3)),
        (-2, 1, False, (2, 3)),
    ]
] + [
    Case(f"vector {order}", lambda x, o=order: np.linalg.norm(x, o), (values(3) + 2,))
    for order in (None, 2, 1, np.inf, -np.inf, 0, 3, 1.5)
] + [
    Case("norm of a number", lambda x: np.linalg.norm(x), (values(),)),
    on_regular("vector_norm", np.linalg.vector_norm, (2, 3)),
    on_regular("vector_norm 3", lambda X: np.linalg.vector_norm(X, axis=(0, 2), ord=3), (2, 2, 2)),
    on_regular("vector_norm 1", lambda X: np.linalg.vector_norm(X, axis=0, ord=1, keepdims=True), (2, 3)),
    on_regular("matrix_norm", np.linalg.matrix_norm, (2, 2, 3)),
    on_regular("matrix_norm nuc", lambda X: np.linalg.matrix_norm(X, ord="nuc", keepdims=True), (2, 3, 2)),
    on_regular("matrix_norm 1", lambda X: np.linalg.matrix_norm(X, ord=1), (2, 2, 3)),
    on_regular("cond", np.linalg.cond, (3, 3)),
    on_regular("cond of tall matrices", np.linalg.cond, (2, 3, 2)),
    on_regular("cond -2", lambda X: np.linalg.cond(X, -2), (2, 2)),
    on_regular("cond 1", lambda X: np.linalg.cond(X, 1), (3, 3)),
    on_regular("cond fro", lambda X: np.linalg.cond(X, "fro"), (2, 2)),
]  # fmt: skip

SYMMETRIC = [
    on_regular(name, function, shape)
    for name, function in [
        ("cholesky", lambda X: np.linalg.cholesky(definite(X))),
        ("cholesky upper", lambda X: np.linalg.cholesky(definite(X), upper=True)),
        ("eigh values", lambda X: np.linalg.eigh(sym(X)).eigenvalues),
        ("eigh vectors", lambda X: fixed_columns(np.linalg.eigh(sym(X))[1])),
        ("eigh upper", lambda X: fixed_columns(np.linalg.eigh(sym(X), UPLO="U")[1])),
        ("eigvalsh", lambda X: np.linalg.eigvalsh(sym(X))),
        ("log by eigh", log_of),
    ]
    for shape in SHAPES
]

FACTORS = [
    on_regular(name, function, shape)
    for name, function in [
        ("svd values", lambda X: np.linalg.svd(X, full_matrices=False).S),
        ("svd compute_uv=False", lambda X: np.linalg.svd(X, compute_uv=False)),
        ("svdvals", np.linalg.svdvals),
        ("svd left", partial(fixed_svd, part=0)),
        ("svd right", partial(fixed_svd, part=2)),
        ("svd rebuilt", rebuilt_svd),
        ("qr Q", lambda X: np.linalg.qr(X).Q),
        ("qr R", lambda X: np.linalg.qr(X)[1]),
    ]
    for shape in [(3, 3), (4, 2), (2, 3), (3, 1), (2, 3, 2)]
] + [
    on_regular("qr mode r", lambda X: np.linalg.qr(X, mode="r"), (3, 2)),
    on_regular("qr mode r of a wide matrix", lambda X: np.linalg.qr(X, mode="r"), (2, 3)),
    on_regular("qr complete", lambda X: np.linalg.qr(X, mode="complete").Q, (2, 2)),
    on_regular("svd full of a square matrix", lambda X: np.exp(np.linalg.svd(X)[1]), (2, 2)),
    on_regular("rank beside values", lambda X: np.linalg.matrix_rank(X) * X**2, (2, 3)),
]  # fmt: skip

CASES = [*SQUARE, *SOLVES, *LEAST, *NORMS, *SYMMETRIC, *FACTORS]
