"""The note's rows: products, forms, trace, transpose, determinant, inverse, one layer."""

# A derivative by hand takes the function's arguments, used or not.
# ruff: noqa: ARG001, N802

import numpy as np

from benchmarks.workloads.base import Array, Workload, normal, well_posed


def matmul(B, C):
    return B @ C


def matmul_by_B_into(B: Array, C: Array, out: Array) -> None:
    np.einsum("ijil->ijl", out)[...] = C.T


def matmul_by_B(B: Array, C: Array) -> Array:
    J = np.zeros((len(B), C.shape[1], *B.shape))
    matmul_by_B_into(B, C, J)
    return J


def matmul_by_C_into(B: Array, C: Array, out: Array) -> None:
    np.einsum("ijkj->ikj", out)[...] = B[:, :, None]


def matmul_by_C(B: Array, C: Array) -> Array:
    J = np.zeros((len(B), C.shape[1], *C.shape))
    matmul_by_C_into(B, C, J)
    return J


def matvec_by_A_into(A: Array, x: Array, out: Array) -> None:
    np.einsum("iik->ik", out)[...] = x


def matvec_by_A(A: Array, x: Array) -> Array:
    J = np.zeros((len(A), *A.shape))
    matvec_by_A_into(A, x, J)
    return J


def matvec_by_x(A: Array, x: Array) -> Array:
    return A.copy()


def outer(x, y):
    return np.outer(x, y)


def outer_by_x_into(x: Array, y: Array, out: Array) -> None:
    np.einsum("iji->ij", out)[...] = y


def outer_by_x(x: Array, y: Array) -> Array:
    J = np.zeros((len(x), len(y), len(x)))
    outer_by_x_into(x, y, J)
    return J


def bilinear(X, a, b):
    return a @ X @ b


def bilinear_grad(X: Array, a: Array, b: Array) -> Array:
    return np.outer(a, b)


def quadratic(x, A):
    return x @ A @ x


def quadratic_grad(x: Array, A: Array) -> Array:
    return A @ x + x @ A


def quadratic_hessian(x: Array, A: Array) -> Array:
    return A + A.T


def trace(X):
    return np.trace(X)


def trace_grad(X: Array) -> Array:
    return np.eye(len(X))


def transpose(X):
    return X.T


def transpose_into(X: Array, out: Array) -> None:
    np.einsum("ijji->ij", out)[...] = 1.0


def transpose_full(X: Array) -> Array:
    m, n = X.shape
    J = np.zeros((n, m, m, n))
    transpose_into(X, J)
    return J


def det(X):
    return np.linalg.det(X)


def det_grad(X: Array) -> Array:
    return np.linalg.det(X) * np.linalg.inv(X).T


def inv(X):
    return np.linalg.inv(X)


def inv_full(X: Array) -> Array:
    Y = np.linalg.inv(X)
    return (-Y)[:, None, :, None] * Y.T[None, :, None, :]


def inv_into(X: Array, out: Array) -> None:
    Y = np.linalg.inv(X)
    np.multiply((-Y)[:, None, :, None], Y.T[None, :, None, :], out=out)


def solve(A, b):
    return np.linalg.solve(A, b)


def solve_by_A(A: Array, b: Array) -> Array:
    Y = np.linalg.inv(A)
    return (-Y)[:, :, None] * (Y @ b)


def solve_by_A_into(A: Array, b: Array, out: Array) -> None:
    Y = np.linalg.inv(A)
    np.multiply((-Y)[:, :, None], Y @ b, out=out)


def solve_by_b(A: Array, b: Array) -> Array:
    return np.linalg.inv(A)


def layer_loss(W, x, t):
    return 0.5 * np.sum((W @ x - t) ** 2)


def layer_grad(W: Array, x: Array, t: Array) -> Array:
    return np.outer(W @ x - t, x)


WORKLOADS = (
    Workload(
        "matmul by B", "jacobian", matmul, normal("nn", "nn"), 64, 3, 0,
        matmul_by_B, matmul_by_B_into,
    ),
    Workload(
        "matmul by C", "jacobian", matmul, normal("nn", "nn"), 64, 3, 1,
        matmul_by_C, matmul_by_C_into,
    ),
    Workload(
        "matvec by A", "jacobian", matmul, normal("nn", "n"), 128, 3, 0,
        matvec_by_A, matvec_by_A_into,
    ),
    Workload("matvec by x", "jacobian", matmul, normal("nn", "n"), 512, 3, 1, matvec_by_x),
    Workload(
        "outer by x", "jacobian", outer, normal("n", "n"), 128, 3, 0, outer_by_x, outer_by_x_into
    ),
    Workload("bilinear by X", "grad", bilinear, normal("nn", "n", "n"), 512, 3, 0, bilinear_grad),
    Workload("quadratic form", "grad", quadratic, normal("n", "nn"), 512, 3, 0, quadratic_grad),
    Workload(
        "quadratic form", "hessian", quadratic, normal("n", "nn"), 512, 3, 0, quadratic_hessian
    ),
    Workload("trace", "grad", trace, normal("nn"), 512, 3, 0, trace_grad),
    Workload(
        "transpose", "jacobian", transpose, normal("nn"), 48, 3, 0, transpose_full, transpose_into
    ),
    Workload("det", "grad", det, well_posed("nn"), 128, 3, 0, det_grad),
    Workload("inv", "jacobian", inv, well_posed("nn"), 48, 3, 0, inv_full, inv_into),
    Workload(
        "solve by A", "jacobian", solve, well_posed("nn", "n"), 128, 3, 0,
        solve_by_A, solve_by_A_into,
    ),
    Workload("solve by b", "jacobian", solve, well_posed("nn", "n"), 128, 3, 1, solve_by_b),
    Workload("one layer", "grad", layer_loss, normal("nn", "n", "n"), 512, 3, 0, layer_grad),
    Workload("one layer, n = 4", "grad", layer_loss, normal("nn", "n", "n"), 4, 3, 0, layer_grad),
    Workload("quadratic, n = 4", "grad", quadratic, normal("n", "nn"), 4, 3, 0, quadratic_grad),
    Workload(
        "matmul by B, n = 4", "jacobian", matmul, normal("nn", "nn"), 4, 3, 0,
        matmul_by_B, matmul_by_B_into,
    ),
)  # fmt: skip
