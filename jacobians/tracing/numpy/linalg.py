"""Linear algebra: determinants, solutions, norms and factorisations.

Factorisations return NumPy's own named tuples, of traced arrays. cholesky, eigh and eigvalsh are
functions of the symmetrised argument ``(X + Xᵀ)/2``: their derivatives are those along symmetric
changes of the matrix.
"""

from math import prod
from typing import Any

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.operations import factorisations, linalg
from jacobians.tracing.handle import plainly
from jacobians.tracing.numpy.basics import axes_tuple, call_astype, expand, plain
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array, mirrors
from jacobians.tracing.tables import Result
from jacobians.tracing.traced import record

# NumPy has no public name for its named tuples.
SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))
QRResult: Any = type(np.linalg.qr(np.eye(1)))


def _matrices(a: Any, name: str) -> Any:
    a = array(a)
    if a.ndim < 2:
        raise ShapeError(f"numpy.linalg.{name} takes matrices; the shape here is {a.shape}")
    return a if a.dtype.kind == "f" else call_astype(a, np.float64)


def _flipped(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


@mirrors(np.linalg.det)
def _det(a: Any) -> Any:
    return record(linalg.det, [_matrices(a, "det")])


@mirrors(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    a = _matrices(a, "slogdet")
    return SlogdetResult(record(linalg.sign_det, [a]), record(linalg.log_abs_det, [a]))


@mirrors(np.linalg.inv)
def _inv(a: Any) -> Any:
    return record(linalg.inv, [_matrices(a, "inv")])


@mirrors(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    return record(linalg.solve, [_matrices(a, "solve"), array(b)])


@mirrors(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    rows, columns = a.shape[:ind], a.shape[ind:]
    square = np.reshape(a, (prod(rows), prod(columns)))
    return np.reshape(np.linalg.inv(square), (*columns, *rows))


@mirrors(np.linalg.tensorsolve, result=Result.ARRAY)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = array(a), array(b)
    if axes is not None:
        moved = [n % a.ndim for n in axes]
        a = np.transpose(a, [n for n in range(a.ndim) if n not in moved] + moved)
    shape = a.shape[b.ndim :]
    square = np.reshape(a, (b.size, prod(shape)))
    return np.reshape(np.linalg.solve(square, np.ravel(b)), shape)


# Least squares: with at least as many rows as columns; else the transposed problem


_CUT_OFF = "only the default cut-off for small singular values has a derivative here"


@mirrors(np.linalg.pinv, rcond=_CUT_OFF, rtol=_CUT_OFF, hermitian=_CUT_OFF)
def _pinv(a: Any, rcond: None = None, hermitian: bool = False, *, rtol: None = None) -> Any:  # noqa: ARG001
    a = _matrices(a, "pinv")
    if a.shape[-2] < a.shape[-1]:
        return _flipped(record(factorisations.pinv, [_flipped(a)]))
    return record(factorisations.pinv, [a])


@mirrors(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = _matrices(a, "lstsq"), array(b)
    rows, columns = a.shape
    rank = np.linalg.lstsq(plainly(a), plainly(b), rcond)[2]
    s = np.linalg.svd(a, compute_uv=False)
    if rows < columns:  # the shortest of all solutions
        return np.matmul(np.linalg.pinv(a), b), np.empty(0), rank, s
    x = record(factorisations.lstsq, [a, b])
    if rank < columns or rows == columns:
        return x, np.empty(0), rank, s
    squares = np.sum(np.square(b - np.matmul(a, x)), axis=0)
    return x, np.reshape(squares, (1,)) if b.ndim == 1 else squares, rank, s


# Norms


def _vector_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The norm over some axes that are taken as one vector."""
    if order is None or order == 2:
        whole = len(axes) == x.ndim
        result = (
            record(linalg.norm, [x]) if whole else record(linalg.row_norm, [_one_axis(x, axes)])
        )
    elif order in (np.inf, -np.inf):
        pick = np.max if order > 0 else np.min
        result = pick(np.absolute(x), axis=axes)
    elif order == 0:
        result = np.sum(call_astype(np.not_equal(x, 0), x.dtype), axis=axes)
    elif order == 1:
        result = np.sum(np.absolute(x), axis=axes)
    elif isinstance(order, str):
        raise ValueError(f"Invalid norm order {order!r} for vectors")
    elif order < 0:
        result = record(linalg.negative_norm, [_one_axis(x, axes), float(order)])
    else:
        result = record(linalg.p_norm, [_one_axis(x, axes), float(order)])
    return expand(result, axes) if keepdims else result


def _one_axis(x: Any, axes: tuple[int, ...]) -> Any:
    kept = [n for n in range(x.ndim) if n not in axes]
    moved = np.transpose(x, [*kept, *axes])
    return np.reshape(moved, (*(x.shape[n] for n in kept), prod(x.shape[n] for n in axes)))


def _matrix_norm(x: Any, order: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    """The norm of the matrices in two axes, rows first."""
    first, second = axes
    if order is None or order in ("fro", "f"):
        return _vector_norm(x, 2, tuple(sorted(axes)), keepdims)
    if order in (1, -1, np.inf, -np.inf):
        pick = np.max if order > 0 else np.min
        over, left = (first, second) if abs(order) == 1 else (second, first)
        sums = np.sum(np.absolute(x), axis=over)
        result = pick(sums, axis=left - (over < left))
    elif order in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        result = np.sum(s, axis=-1) if order == "nuc" else s[..., 0 if order == 2 else -1]
    else:
        raise ValueError(f"Invalid norm order {order!r} for matrices")
    return expand(result, tuple(sorted(axes))) if keepdims else result


@mirrors(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """numpy.linalg.norm."""
    x = array(x)
    x = x if x.dtype.kind == "f" else call_astype(x, np.float64)
    order = plain(ord)
    if x.size == 0:
        return np.linalg.norm(x.value, order, axis, keepdims)
    if axis is None:
        axes = tuple(range(x.ndim))
        if order is None:
            return _vector_norm(x, 2, axes, keepdims)
    else:
        given = (axis,) if np.ndim(axis) == 0 else tuple(axis)
        axes = tuple(range(x.ndim)[n] for n in given)
    if len(axes) == 1:
        return _vector_norm(x, order, axes, keepdims)
    if len(axes) == 2 and axes[0] != axes[1]:
        return _matrix_norm(x, order, (axes[0], axes[1]), keepdims)
    raise ValueError(
        f"norm takes one axis or two different ones; here are {axes} of shape {x.shape}"
    )


@mirrors(np.linalg.matrix_norm)
def _linalg_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@mirrors(np.linalg.vector_norm)
def _linalg_vector_norm(
    x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2
) -> Any:
    x = array(x)
    x = x if x.dtype.kind == "f" else call_astype(x, np.float64)
    if x.size == 0 or (x.ndim == 0 and axis is not None):
        return np.linalg.vector_norm(x.value, axis=axis, keepdims=keepdims, ord=plain(ord))
    return _vector_norm(x, plain(ord), axes_tuple(axis, np.ndim(x)), keepdims)


@mirrors(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    if p is None or p in (2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))


@mirrors(np.linalg.matrix_rank)
def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    # A count does not change under small changes; it holds for these values only.
    return np.linalg.matrix_rank(plain(A), plain(tol), hermitian, rtol=plain(rtol))


# Factorisations


@mirrors(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    a = _matrices(a, "cholesky")
    # np.tril makes the zeros beside the triangle structural.
    lower = np.tril(record(factorisations.cholesky, [_flipped(a) if upper else a]))
    return _flipped(lower) if upper else lower


def _triangle(a: Any, UPLO: str, name: str) -> Any:
    """The matrix such that its lower triangle is the one that NumPy would read."""
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO must be 'L' or 'U', not {UPLO!r}")
    a = _matrices(a, name)
    return a if UPLO.upper() == "L" else _flipped(a)


@mirrors(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    a = _triangle(a, UPLO, "eigh")
    return EighResult(
        record(factorisations.eigenvalues, [a]), record(factorisations.eigenvectors, [a])
    )


@mirrors(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return record(factorisations.eigenvalues, [_triangle(a, UPLO, "eigvalsh")])


@mirrors(np.linalg.svd, hermitian="use np.linalg.eigh for a symmetric matrix")
def _svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,  # noqa: ARG001
) -> Any:
    a = _matrices(a, "svd")
    s = record(factorisations.singular_values(a.shape), [a])
    if not compute_uv:
        return s
    if full_matrices and a.shape[-2] != a.shape[-1]:
        raise UnsupportedError(
            f"svd at {user_line()} of shape {a.shape}: the vectors that full_matrices=True adds are any basis of "
            "what is left, and have no derivative; pass full_matrices=False"
        )
    left = record(factorisations.left_vectors(a.shape), [a])
    return SVDResult(left, s, record(factorisations.right_vectors(a.shape), [a]))


@mirrors(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    return _svd(x, compute_uv=False)


@mirrors(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    a = _matrices(a, "qr")
    rows, columns = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and rows <= columns):
        raise UnsupportedError(
            f"qr(mode={mode!r}) at {user_line()} of shape {a.shape}: use mode='reduced' or 'r'; the columns that "
            "'complete' adds are any basis of what is left, and have no derivative"
        )
    square = a[..., :rows]
    R = np.triu(record(factorisations.qr_triangular, [square]))
    if mode == "r" and rows >= columns:
        return R
    Q = record(factorisations.qr_orthogonal, [square])
    if rows < columns:  # the columns behind the square follow from Q
        R = np.concatenate([R, np.matmul(_flipped(Q), a[..., rows:])], axis=-1)
    return R if mode == "r" else QRResult(Q, R)
