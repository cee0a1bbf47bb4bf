"""Linear algebra where it is singular, degenerate, or not differentiable; and what it shares."""

import threading
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation import links, repeated
from jacobians.operations import factorisations
from jacobians.operations.shared import shared
from jacobians.tracing.traced import record
from tests import numerical
from tests.tracing.functions.driver import Case, hold, values

SINGULAR = {
    "rank 2 of 3": np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]),
    "exact rank 1 of 2": np.array([[1.0, 2], [2, 4]]),
    "rank 1 of 3": np.outer([1.0, -2, 3], [2.0, 1, -1]),
    "zero": np.zeros((3, 3)),
    "a zero row": np.array([[0.0, 0, 0], [1, 2, 0], [3, 1, 1]]),
}


def cofactors(X: np.ndarray) -> np.ndarray:
    """By minors."""
    result = np.empty_like(X)
    for i, j in np.ndindex(X.shape):
        minor = np.delete(np.delete(X, i, 0), j, 1)
        result[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return result


def hessian_of(f: Any, X: np.ndarray) -> Any:
    return jb.hessian(f)(X).dense()


@pytest.mark.parametrize("X", SINGULAR.values(), ids=SINGULAR)
def test_det_has_its_first_derivative_at_singular_matrices(X: np.ndarray) -> None:
    gradient = jb.grad(np.linalg.det)(X)
    np.testing.assert_allclose(gradient, cofactors(X), atol=1e-13 * max(1, np.abs(X).max()) ** 2)
    np.testing.assert_allclose(gradient, numerical.differences(np.linalg.det, X), atol=1e-9)


@pytest.mark.parametrize("X", SINGULAR.values(), ids=SINGULAR)
def test_det_refuses_its_second_derivative_at_singular_matrices(X: np.ndarray) -> None:
    with pytest.raises(jb.UnsupportedError, match="second derivative of det at a singular matrix"):
        hessian_of(np.linalg.det, X)


def test_a_number_has_all_derivatives_of_its_det() -> None:
    X = np.zeros((1, 1))
    np.testing.assert_array_equal(jb.grad(np.linalg.det)(X), 1)
    np.testing.assert_array_equal(hessian_of(np.linalg.det, X), 0)


def test_the_refusal_gives_the_singular_values() -> None:
    with pytest.raises(jb.UnsupportedError, match=r"smallest singular value is 0 beside 3"):
        hessian_of(np.linalg.det, np.diag([3.0, 2.0, 0.0]))


def test_inverting_a_singular_matrix_raises_numpys_error() -> None:
    X = np.array([[1.0, 2], [2, 4]])
    for f in (np.linalg.inv, lambda A: np.linalg.solve(A, np.ones(2))):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            jb.jacobian(f)(X)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        jb.grad(lambda A: np.linalg.slogdet(A)[1])(X)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        jb.jacobian(np.linalg.cholesky)(-np.eye(2))


def test_vectors_of_equal_eigenvalues_name_the_gap() -> None:
    X = np.diag([1.0, 2.0, 2.0])
    with pytest.raises(jb.UnsupportedError, match=r"values 1 and 2 are 2 and 2, a gap of 0"):
        jb.jacobian(lambda A: np.linalg.eigh(A)[1])(X).dense()
    with pytest.raises(jb.UnsupportedError, match=r"values 0 and 1 of matrix \(1,\) are 1 and 1"):
        jb.jacobian(lambda A: np.linalg.eigh(A)[1])(np.stack([np.diag([1.0, 2]), np.eye(2)]))
    with pytest.raises(jb.UnsupportedError, match="a gap of"):
        jb.jacobian(lambda A: np.linalg.svd(A, full_matrices=False)[2])(np.eye(3)[:, :2])
    with pytest.raises(jb.UnsupportedError, match="a gap of"):
        hessian_of(lambda A: np.linalg.eigvalsh(A)[0], X)


def test_equal_eigenvalues_have_a_first_derivative() -> None:
    X = np.diag([1.0, 2.0, 2.0])
    total = jb.grad(lambda A: np.sum(np.linalg.eigvalsh(A)))(X)
    np.testing.assert_allclose(total, np.eye(3), atol=1e-15)
    assert np.isfinite(jb.jacobian(np.linalg.eigvalsh)(X).dense()).all()
    np.testing.assert_allclose(
        jb.grad(lambda A: np.sum(np.linalg.svdvals(A)))(np.eye(2)), np.eye(2), atol=1e-15
    )


def test_singular_values_of_0_have_derivative_0_and_their_vectors_none() -> None:
    X = np.outer([3.0, 4.0, 0.0], [1.0, 0.0])
    J = jb.jacobian(np.linalg.svdvals)(X).dense()
    np.testing.assert_allclose(J[0], np.outer([0.6, 0.8, 0], [1, 0]), atol=1e-15)
    np.testing.assert_array_equal(J[1], 0)
    with pytest.raises(jb.UnsupportedError, match="smallest singular value is 0 beside 5"):
        jb.jacobian(lambda A: np.linalg.svd(A, full_matrices=False)[0])(X)


def test_the_pseudoinverse_refuses_a_matrix_without_full_rank() -> None:
    X = np.outer([1.0, 2, 3], [1.0, -1])
    for f in (
        np.linalg.pinv,
        lambda A: np.linalg.pinv(A.T),
        lambda A: np.linalg.lstsq(A, np.ones(3))[0],
    ):
        with pytest.raises(
            jb.UnsupportedError, match=r"rank 1 has a smallest singular value of .* jumps"
        ):
            jb.jacobian(f)(X).dense()


NORMS: list[tuple[Any, ...]] = [
    (None, None), (2, 0), ("fro", None), ("nuc", None), (2, None), (1, None), (np.inf, None), (1, 0),
    (np.inf, 1), (0, 1), (3, 0), (1.5, 0),
]  # fmt: skip


@pytest.mark.parametrize(("order", "axis"), NORMS)
def test_norms_have_derivative_0_at_0(order: Any, axis: Any) -> None:
    J = jb.jacobian(lambda X: np.linalg.norm(X, order, axis))(np.zeros((2, 3))).dense()
    np.testing.assert_array_equal(J, 0)


def test_norms_beside_zeros() -> None:
    X = np.array([[3.0, 4.0], [0.0, 0.0]])
    J = jb.jacobian(lambda X: np.linalg.norm(X, axis=1))(X).dense()
    np.testing.assert_allclose(J[0], [[0.6, 0.8], [0, 0]])
    np.testing.assert_array_equal(J[1], 0)
    H = hessian_of(lambda x: np.linalg.norm(x), np.array([3.0, 4.0, 0.0]))
    np.testing.assert_allclose(H[2], [0, 0, 0.2])
    np.testing.assert_array_equal(hessian_of(lambda x: np.linalg.norm(x, 3), np.zeros(2)), 0)
    slope = jb.grad(lambda x: np.linalg.norm(x, 0.5))(np.array([1.0, 0.0, 4.0]))
    np.testing.assert_allclose(slope, [3.0, 0.0, 1.5])


SYMMETRISED = {
    "cholesky": np.linalg.cholesky,
    "cholesky upper": lambda X: np.linalg.cholesky(X, upper=True),
    "eigenvalues": lambda X: np.linalg.eigh(X)[0],
    "eigvalsh": np.linalg.eigvalsh,
    "eigh upper": lambda X: np.linalg.eigh(X, UPLO="U")[0],
    "squared vectors": lambda X: np.linalg.eigh(X)[1] ** 2,
}


@pytest.mark.parametrize("f", SYMMETRISED.values(), ids=SYMMETRISED)
def test_symmetric_factorisations_are_of_the_symmetrised_argument(f: Any) -> None:
    X = values(3, 3)
    X = X + X.T + np.diag([3.0, 5, 8])
    expected = numerical.differences(lambda A: f((A + A.T) / 2), X)
    J = jb.jacobian(f)(X)
    np.testing.assert_allclose(J.dense(), expected, atol=1e-9)
    np.testing.assert_allclose(J.dense(), np.swapaxes(J.dense(), -1, -2), atol=1e-14)


def test_triangles_stay_triangular() -> None:
    X = values(3, 3) + 3 * np.eye(3)
    lower = jb.jacobian(np.linalg.cholesky)(X @ X.T)
    upper = jb.jacobian(lambda A: np.linalg.qr(A)[1])(X)
    assert lower.nnz == upper.nnz == 6 * 9
    assert not lower.dense()[0, 1].any()
    assert not upper.dense()[1, 0].any()


def test_results_are_numpys_named_tuples() -> None:
    kinds = {}

    def f(X: Any) -> Any:
        for found in (
            np.linalg.svd(X),
            np.linalg.qr(X),
            np.linalg.slogdet(X),
            np.linalg.eigh(X + X.T),
        ):
            kinds[type(found).__name__] = found._fields
        return X

    jb.jacobian(f)(np.diag([1.0, 2.0]))
    assert kinds == {
        "SVDResult": ("U", "S", "Vh"), "QRResult": ("Q", "R"), "SlogdetResult": ("sign", "logabsdet"),
        "EighResult": ("eigenvalues", "eigenvectors"),
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_values_are_numpys_own(shape: tuple[int, ...]) -> None:
    X = values(*shape)
    for f in (
        lambda X: tuple(np.linalg.svd(X, full_matrices=False)),
        lambda X: tuple(np.linalg.qr(X)),
        lambda X: tuple(np.linalg.lstsq(X, X)[:2]),
        lambda X: tuple(np.linalg.eigh(X @ X.T)),
    ):
        for mine, numpys in zip(jb.vjp(f, X)[0], f(X), strict=True):
            np.testing.assert_allclose(mine, numpys, atol=1e-13)


def test_float32_stays_float32() -> None:
    X = (values(3, 3) + np.diag([2.0, 4, 7])).astype(np.float32)
    for f in (
        np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.svdvals, np.linalg.pinv,
        lambda A: np.linalg.svd(A)[0], lambda A: np.linalg.eigh(A)[1], lambda A: np.linalg.qr(A)[0],
        lambda A: np.linalg.norm(A, axis=0), lambda A: np.linalg.norm(A, 3, axis=0),
    ):  # fmt: skip
        J = jb.jacobian(f)(X @ X.T if f is np.linalg.cholesky else X)
        assert J.dtype == J.dense().dtype == np.float32


UNDEFINED = {
    "full_matrices": lambda X: np.linalg.svd(X),
    "hermitian": lambda X: np.linalg.svd(X @ X.T, hermitian=True),
    "'complete' adds": lambda X: np.linalg.qr(X, mode="complete"),
    "'raw'": lambda X: np.linalg.qr(X, mode="raw"),
    "cut-off": lambda X: np.linalg.pinv(X, rcond=1e-3),
    "np.linalg.eigh": lambda X: np.linalg.eig(X @ X.T),
    "out=": lambda X: np.matmul(X, X.T, out=np.empty((3, 3))),
    "signature": lambda X: np.matmul(X, X.T, signature="dd->d"),
}


@pytest.mark.parametrize("match", UNDEFINED)
def test_what_has_no_derivative_says_so_and_where(match: str) -> None:
    with pytest.raises(
        jb.UnsupportedError, match=rf"(?s)(?=.*{match})(?=.*test_linalg_points.py:\d)"
    ):
        jb.jacobian(UNDEFINED[match])(values(3, 2))


WRONG: dict[str, Any] = {
    "inv of a tall matrix": lambda X: np.linalg.inv(X),
    "det of a vector": lambda X: np.linalg.det(X[0]),
    "tensordot": lambda X: np.tensordot(X, X, axes=1),
    "tensordot axes": lambda X: np.tensordot(X, X, axes=([0, 1], [0])),
    "einsum": lambda X: np.einsum("ij,jk", X, X),
    "matmul": lambda X: X @ X,
    "matmul of a number": lambda X: np.matmul(X, 2.0),
    "cross": lambda X: np.cross(np.ones(4), X[0]),
    "linalg.outer": lambda X: np.linalg.outer(X, X),
    "multi_dot": lambda X: np.linalg.multi_dot([X]),
    "convolve": lambda X: np.convolve(X, X),
    "convolve mode": lambda X: np.convolve(X[0], X[1], "half"),
    "norm": lambda X: np.linalg.norm(X, 5),
    "norm of a vector": lambda X: np.linalg.norm(X[0], "fro"),
    "norm axes": lambda X: np.linalg.norm(X, axis=(0, 0)),
    "UPLO": lambda X: np.linalg.eigh(X.T @ X, UPLO="A"),
    "vander": lambda X: np.vander(X),
    "cholesky of a tall matrix": lambda X: np.linalg.cholesky(X),
}


@pytest.mark.parametrize("f", WRONG.values(), ids=WRONG)
def test_wrong_arguments_raise_what_numpy_raises(f: Any) -> None:
    X = values(3, 2)
    with pytest.raises(ValueError):
        f(X)
    with pytest.raises(ValueError):
        jb.jacobian(f)(X)


def test_values_and_vectors_are_factored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda X: calls.append(1) or eigh(X))
    X = values(3, 3, seed=5)
    jb.vjp(lambda A: factorisations_of(A + A.T), X)
    assert len(calls) == 1


def factorisations_of(A: Any) -> Any:
    w = record(factorisations.eigenvalues, [A])
    return w * record(factorisations.eigenvectors, [A])


def test_a_shared_result_is_not_stale_and_not_aliased() -> None:
    calls = []

    @shared
    def halves(X: np.ndarray) -> tuple[np.ndarray, ...]:
        calls.append(threading.get_ident())
        if X[0] < 0:
            raise ValueError("negative")
        return X / 2, X * 2

    X = np.ones(2)
    first = halves(X)[0]
    first[:] = 9
    np.testing.assert_array_equal(halves(X)[0], [0.5, 0.5])
    assert len(calls) == 1
    X[0] = 4  # written into by its owner
    np.testing.assert_array_equal(halves(X)[0], [2, 0.5])
    assert halves(X.astype(np.float32))[0].dtype == np.float32
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            halves(-X)
    other = threading.Thread(target=halves, args=(X,))
    other.start()
    other.join()
    assert len(calls) == 6
    assert len(set(calls)) == 2


def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("qr", lambda X: np.linalg.qr(X)[0], (values(3, 2),))
    hold(case)
    below = factorisations.qr_orthogonal.where["T"]
    monkeypatch.setitem(factorisations.qr_orthogonal.where, "T", lambda X, Y: -below(X, Y))
    for cache in (repeated._PROGRAMS, links._STARTS):  # what was derived before it was planted
        cache.clear()
    with pytest.raises(AssertionError):
        hold(case)
