"""Every operation by every argument, judged by numerical Jacobians that do not know the package.

The table is in ``cases.py``. Whatever way a Jacobian is used (explicit, dense, contracted, sliced,
sparse, as an operator, as Kronecker products), it must be the numerical tensor.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import jacobians as jb
from tests import numerical
from tests.cases import (
    ARGUMENTS,
    CASES,
    PROBLEMS,
    Case,
    numerical_jacobian,
    problem_name,
)
from tests.grouping import in_groups

Array = NDArray[Any]
Problem = tuple[Case, int]

every_case = in_groups("case", CASES, lambda case: case.name, lambda case: case.operation)
every_problem = in_groups("problem", PROBLEMS, problem_name, lambda one: one[0].operation)


def close(found: Any, expected: Any, *, like: Any = None, rounding: float = 1e-9) -> None:
    """Equal shapes, and entries equal to within ``rounding`` of the largest one."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    scale = max(1.0, np.max(np.abs(expected if like is None else like), initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding * scale)


def jacobian(problem: Problem, dtype: Any = np.float64) -> jb.JacobianTensor:
    case, position = problem
    arrays = case.arrays(dtype)
    return jb.ops[case.operation].jacobian(*case.parameters, *arrays, wrt=position)


def seeded(problem: Problem) -> np.random.Generator:
    return np.random.default_rng(PROBLEMS.index(problem))


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random numbers as an array, also where the shape is ``()``."""
    return np.asarray(rng.normal(size=shape))


def kronecker(J: jb.JacobianTensor, order: str = "C") -> Any:
    """The Kronecker form, or None where there is none."""
    try:
        return J.kron(order=order)
    except jb.UnsupportedError:
        return None


def reshaped(tensor: Array, out_ndim: int, order: Any) -> Array:
    """The tensor as a matrix, output ``vec`` by input ``vec``, entry by entry."""
    out, inner = tensor.shape[:out_ndim], tensor.shape[out_ndim:]
    matrix = np.empty((prod(out), prod(inner)))
    for row in range(prod(out)):
        for column in range(prod(inner)):
            at = np.unravel_index(row, out, order) if out else ()
            by = np.unravel_index(column, inner, order) if inner else ()
            matrix[row, column] = tensor[(*at, *by)]
    return matrix


# The table itself


def test_every_operation_is_in_the_table() -> None:
    assert sorted(jb.ops) == sorted(ARGUMENTS)
    assert {case.operation for case in CASES} == set(jb.ops)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_have_the_promised_names(name: str) -> None:
    assert jb.ops[name].arguments == ARGUMENTS[name]
    assert getattr(jb.ops, name) is jb.ops[name]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_operation_has_several_shapes_and_one_that_is_not_square(name: str) -> None:
    shapes = [case.shapes for case in CASES if case.operation == name]
    assert len(shapes) >= 3
    if name not in ("det", "inv", "trace", "quadratic"):
        several = [one for chosen in shapes for one in chosen] + [sum(c, ()) for c in shapes]
        assert name == "inner" or any(len({*one}) == len(one) > 1 for one in several)


# Values and tensors


@every_case
def test_value_is_numpys(case: Case) -> None:
    arrays = case.arrays()
    value = jb.ops[case.operation](*case.parameters, *arrays)
    close(value, case.function(*arrays), rounding=1e-12)


@every_case
def test_arguments_by_name_and_wrt_by_name_or_negative_position(case: Case) -> None:
    names = ARGUMENTS[case.operation]
    arrays = case.arrays()
    operation = jb.ops[case.operation]
    if not names:
        letters = [chr(ord("A") + n) for n in range(len(arrays))]
        by_name = operation.jacobian(case.subscripts, *arrays, wrt=letters[-1]).dense()
        by_position = operation.jacobian(case.subscripts, *arrays, wrt=-1).dense()
        np.testing.assert_array_equal(by_name, by_position)
        return
    named = dict(zip(names, arrays, strict=True))
    np.testing.assert_array_equal(operation(**named), operation(*arrays))
    np.testing.assert_array_equal(
        operation(arrays[0], **dict([*named.items()][1:])), operation(*arrays)
    )
    for position, name in enumerate(names):
        expected = operation.jacobian(*arrays, wrt=position).dense()
        for wrt in (name, position - len(names)):
            np.testing.assert_array_equal(operation.jacobian(**named, wrt=wrt).dense(), expected)


@every_problem
def test_explicit_and_dense_are_the_numerical_jacobian(problem: Problem) -> None:
    case, position = problem
    arrays = case.arrays()
    expected = numerical_jacobian(problem)
    J = jacobian(problem)
    out_shape = np.shape(case.function(*arrays))
    assert J.shape == J.out_shape + J.in_shape == expected.shape
    assert J.out_shape == out_shape
    assert J.in_shape == arrays[position].shape
    assert J.ndim == expected.ndim
    assert J.size == expected.size
    assert J.dtype == J.in_dtype == np.float64
    for found in (
        J.dense(),
        J.explicit(),
        np.asarray(J),
        jb.ops[case.operation].explicit(*case.parameters, *arrays, wrt=position),
    ):
        assert type(found) is np.ndarray
        assert found.dtype == np.float64
        close(found, expected)


@every_problem
def test_contractions_are_those_of_the_numerical_jacobian(problem: Problem) -> None:
    case, position = problem
    tensor = numerical_jacobian(problem)
    J = jacobian(problem)
    rng = seeded(problem)
    G, dX = normal(rng, J.out_shape), normal(rng, J.in_shape)
    operation = jb.ops[case.operation]
    arguments = (*case.parameters, *case.arrays())
    gradient = np.tensordot(G, tensor, len(J.out_shape))
    change = np.tensordot(tensor, dX, len(J.in_shape))
    for found in (J.vjp(G), operation.vjp(G, *arguments, wrt=position)):
        assert type(found) is np.ndarray
        assert found.dtype == np.float64
        close(found, gradient, like=np.abs(tensor).sum())
    for found in (J.jvp(dX), operation.jvp(dX, *arguments, wrt=position)):
        assert type(found) is np.ndarray
        assert found.dtype == np.float64
        close(found, change, like=np.abs(tensor).sum())


@every_problem
def test_vjp_is_the_adjoint_of_jvp(problem: Problem) -> None:
    J = jacobian(problem)
    rng = seeded(problem)
    G, dX = normal(rng, J.out_shape), normal(rng, J.in_shape)
    left, right = np.sum(G * J.jvp(dX)), np.sum(J.vjp(G) * dX)
    bound = np.sum(np.abs(G)) * np.max(np.abs(J.dense()), initial=0) * np.sum(np.abs(dX))
    assert abs(left - right) <= 1e-13 * max(bound, 1e-300)
    if bound and np.any(J.dense()):
        assert left != 0


# Matrices


@every_problem
@pytest.mark.parametrize("order", ["C", "F"])
def test_matrix_sparse_and_operator(problem: Problem, order: str) -> None:
    J = jacobian(problem)
    expected = reshaped(numerical_jacobian(problem), len(J.out_shape), order)
    close(J.matrix(order=order), expected)
    for form in ("csr", "csc", "coo"):
        sparse = J.sparse(form, order=order)
        assert sparse.format == form
        assert sparse.dtype == np.float64
        close(sparse.toarray(), expected)
    assert J.sparse("csr", order=order).nnz == J.nnz
    operator = J.operator(order=order)
    assert operator.shape == expected.shape
    rng = seeded(problem)
    x, y = rng.normal(size=expected.shape[1]), rng.normal(size=expected.shape[0])
    close(operator.matvec(x), expected @ x, like=np.abs(expected).sum())
    close(operator.rmatvec(y), expected.T @ y, like=np.abs(expected).sum())
    if expected.size:
        X = rng.normal(size=(expected.shape[1], 2))
        close(operator @ X, expected @ X, like=np.abs(expected).sum())


NO_KRONECKER_FORM = {
    # A factor or a delta couples more axes than one output with one input.
    "det", "trace", "solve", "squared_error", "multiply", "divide", "power", "scale", "norm", "kron",
    "einsum", "exp", "log", "sqrt", "square", "tanh", "sin", "cos", "sigmoid", "relu", "absolute",
    "matmul", "quadratic", "bilinear", "inv", "outer", "add", "subtract", "logsumexp", "softmax",
}  # fmt: skip


@every_problem
@pytest.mark.parametrize("order", ["C", "F"])
def test_kronecker_form_is_the_matrix_or_says_why_not(problem: Problem, order: str) -> None:
    J = jacobian(problem)
    expected = reshaped(numerical_jacobian(problem), len(J.out_shape), order)
    form = kronecker(J, order)
    if form is None:
        assert problem[0].operation in NO_KRONECKER_FORM
        with pytest.raises(jb.UnsupportedError, match="is not a Kronecker product: axes") as caught:
            J.kron(order=order)
        assert J.title in str(caught.value)
        return
    close(form.matrix(), expected)
    product = np.zeros(expected.shape)
    for term in form.terms:
        part = np.full((1, 1), float(term.coefficient))
        for factor in term.factors:
            part = np.kron(part, factor)
        if term.permutation is not None:
            part = part @ np.eye(part.shape[1])[:, np.argsort(term.permutation)]
        product += part
    close(product, expected)


@pytest.mark.parametrize(
    ("name", "wrt", "shapes", "row_major", "column_major"),
    [
        ("matmul", "B", ((2, 3), (3, 5)), "I_2 ⊗ Cᵀ", "Cᵀ ⊗ I_2"),
        ("matmul", "C", ((2, 3), (3, 5)), "B ⊗ I_5", "I_5 ⊗ B"),
        ("matvec", "A", ((2, 3), (3,)), "I_2 ⊗ xᵀ", "xᵀ ⊗ I_2"),
        ("matvec", "x", ((2, 3), (3,)), "A", "A"),
        ("transpose", "X", ((2, 3),), "(I_3 ⊗ I_2) K", "(I_2 ⊗ I_3) K"),
        ("inv", "X", ((3, 3),), "−X⁻¹ ⊗ X⁻¹ᵀ", "−X⁻¹ᵀ ⊗ X⁻¹"),
        ("add", "A", ((2, 3), (2, 3)), "I_2 ⊗ I_3", "I_3 ⊗ I_2"),
        ("bilinear", "X", ((2,), (2, 3), (3,)), "aᵀ ⊗ bᵀ", "bᵀ ⊗ aᵀ"),
        ("outer", "x", ((2,), (3,)), "I_2 ⊗ y", "y ⊗ I_2"),
        ("exp", "X", ((4,),), "diag(exp(X))", "diag(exp(X))"),
    ],
)
def test_kronecker_form_is_printed(
    name: str, wrt: str, shapes: Any, row_major: str, column_major: str
) -> None:
    case = next(c for c in CASES if c.operation == name and c.shapes == shapes)
    J = jb.ops[name].jacobian(*case.arrays(), wrt=wrt)
    assert str(J.kron()) == row_major
    assert str(J.kron(order="F")) == column_major


def test_kronecker_factors_of_the_matrix_product() -> None:
    B, C = np.random.default_rng(0).normal(size=(2, 3)), np.arange(15.0).reshape(3, 5)
    identity, transposed = jb.ops.matmul.jacobian(B, C, wrt="B").kron().factors
    np.testing.assert_array_equal(identity, np.eye(2))
    np.testing.assert_array_equal(transposed, C.T)


@every_problem
def test_diagonal(problem: Problem) -> None:
    J = jacobian(problem)
    tensor = numerical_jacobian(problem)
    if J.out_shape != J.in_shape:
        with pytest.raises(jb.ShapeError, match="diagonal") as caught:
            J.diagonal()
        assert str(J.out_shape) in str(caught.value)
        assert str(J.in_shape) in str(caught.value)
        return
    expected = np.empty(J.out_shape)
    for index in np.ndindex(J.out_shape):
        expected[index] = tensor[index + index]
    close(J.diagonal(), expected)


# How many entries can be nonzero


@every_problem
def test_nnz_counts_at_least_the_numerical_nonzeros(problem: Problem) -> None:
    J = jacobian(problem)
    tensor = numerical_jacobian(problem)
    assert np.count_nonzero(np.abs(tensor) > 1e-7) <= J.nnz <= J.size
    assert np.count_nonzero(J.dense()) <= J.nnz
    assert len(np.unique(np.stack(J.sparse("coo").coords), axis=1).T) == J.nnz


@pytest.mark.parametrize(
    ("name", "wrt", "arguments", "count"),
    [
        ("matmul", "B", ((2, 3), (3, 5)), 2 * 3 * 5),
        ("matmul", "C", ((2, 3), (3, 5)), 2 * 3 * 5),
        ("matmul", "B", ((2, 3, 4), (2, 4, 5)), 2 * 3 * 4 * 5),
        ("matvec", "A", ((4, 3), (3,)), 4 * 3),
        ("matvec", "x", ((4, 3), (3,)), 4 * 3),
        ("outer", "x", ((2,), (3,)), 2 * 3),
        ("transpose", "X", ((2, 3),), 6),
        ("trace", "X", ((4, 4),), 4),
        ("det", "X", ((3, 3),), 9),
        ("inv", "X", ((3, 3),), 81),
        ("solve", "b", ((3, 3), (3, 2)), 3 * 3 * 2),
        ("add", "A", ((2, 3), (2, 3)), 6),
        ("add", "B", ((2, 3), (3,)), 6),
        ("multiply", "A", ((2, 1), (3,)), 6),
        ("scale", "c", ((), (2, 3)), 6),
        ("scale", "X", ((), (2, 3)), 6),
        ("sum", "X", ((2, 3),), 6),
        ("norm", "X", ((2, 3),), 6),
        ("kron", "A", ((2, 3), (4, 5)), 2 * 3 * 4 * 5),
        ("exp", "X", ((2, 3),), 6),
        ("quadratic", "x", ((3,), (3, 3)), 3),
        ("quadratic", "A", ((3,), (3, 3)), 9),
        ("exp", "X", ((0, 3),), 0),
    ],
)
def test_nnz_of_known_structures(name: str, wrt: str, arguments: Any, count: int) -> None:
    rng = np.random.default_rng(3)
    arrays = [
        rng.normal(size=s) + (3 * np.eye(s[0]) if len(set(s)) == 1 < len(s) else 0)
        for s in arguments
    ]
    assert jb.ops[name].jacobian(*arrays, wrt=wrt).nnz == count


@pytest.mark.parametrize(
    ("subscripts", "shapes", "count"),
    [
        ("ii->i", ((4, 4),), 4),
        ("ij,ij->", ((2, 3), (2, 3)), 6),
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5)), 2 * 5 * 3),
        ("iij->j", ((2, 2, 3),), 6),
    ],
)
def test_nnz_of_einsum(subscripts: str, shapes: Any, count: int) -> None:
    arrays = [np.ones(shape) for shape in shapes]
    assert jb.ops.einsum.jacobian(subscripts, *arrays, wrt=0).nnz == count


def test_nnz_of_terms_that_overlap_counts_each_entry_once() -> None:
    X = np.arange(16.0).reshape(4, 4)
    symmetric = jb.ops.add.jacobian(X, X, wrt="A") + jb.ops.transpose.jacobian(X)
    assert symmetric.nnz == 16 + 16 - 4
    assert symmetric.sparse().toarray().sum() == 32


# Slices


def _indices(shape: tuple[int, ...], rng: np.random.Generator) -> list[Any]:
    """Integers of both signs, slices of both directions, and ellipses, for a non-empty shape."""

    def one(size: int) -> Any:
        kind = rng.integers(7)
        if kind == 0 and size:
            return int(rng.integers(size))
        if kind == 1 and size:
            return int(rng.integers(-size, 0))
        if kind == 2 and size:
            return np.int64(rng.integers(size))
        return [
            slice(None),
            slice(None, None, -1),
            slice(1, None),
            slice(None, None, 2),
            slice(None, None, -2),
            slice(-2, None, -1),
            slice(2, 1),
            slice(-100, 100),
        ][rng.integers(8)]

    found: list[Any] = [(), ..., slice(None), slice(None, None, -1)] if shape else [(), ...]
    if shape and shape[0]:
        found += [0, -1]
    for _ in range(12):
        items = [one(size) for size in shape]
        count = int(rng.integers(len(shape) + 1))
        found += [tuple(items), tuple(items[:count])]
        tail = tuple(items[count:])
        found.append((*items[:count][: max(count - 1, 0)], ..., *tail))
    if 0 not in shape:
        found.append(tuple(int(rng.integers(size)) for size in shape))
        found.append(tuple(int(rng.integers(-size, 0)) for size in shape))
    return found


@every_problem
def test_lazy_slices_are_those_of_the_numerical_jacobian(problem: Problem) -> None:
    J = jacobian(problem)
    tensor = numerical_jacobian(problem)
    for index in _indices(tensor.shape, seeded(problem)):
        found = J[index]
        expected = tensor[index]
        assert np.shape(found) == np.shape(expected), index
        assert found.dtype == np.float64
        if expected.ndim == 0:
            assert np.isscalar(found), index
        close(found, expected, like=tensor)


# Formulas


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != "einsum"])
def test_formulas_are_there(name: str) -> None:
    operation = jb.ops[name]
    for position, argument in enumerate(operation.arguments):
        for text in (
            operation.formula(argument),
            operation.latex(argument),
            operation.einsum(argument),
        ):
            assert text
            assert text == text.strip()
            assert "  " not in text
        assert operation.formula(position) == operation.formula(argument)
        latex = operation.latex(argument)
        assert latex.count("{") == latex.count("}")
        assert not re.search(r"[^\x00-\x7f]", latex), "LaTeX is ASCII"
        assert "->" in operation.einsum(argument)


@pytest.mark.parametrize(
    ("name", "wrt", "formula", "latex", "einsum"),
    [
        ("matmul", "B", "δ_ik C_lj", r"\delta_{ik} C_{lj}", "ik,lj->ijkl"),
        ("matmul", "C", "δ_jl B_ik", r"\delta_{jl} B_{ik}", "jl,ik->ijkl"),
        ("matvec", "A", "δ_ik x_l", r"\delta_{ik} x_{l}", "ik,l->ikl"),
        ("matvec", "x", "A_ik", "A_{ik}", "ik->ik"),
        ("trace", "X", "δ_kl", r"\delta_{kl}", "kl->kl"),
        ("inner", "a", "x_k", "x_{k}", "k->k"),
        ("inner", "x", "a_k", "a_{k}", "k->k"),
        ("bilinear", "X", "a_k b_l", "a_{k} b_{l}", "k,l->kl"),
        ("inv", "X", "−(X⁻¹)_ik (X⁻¹)_lj", "-(X^{-1})_{ik} (X^{-1})_{lj}", "ik,lj->ijkl"),
        ("det", "X", "det(X) (X⁻¹)_lk", r"\det(X) (X^{-1})_{lk}", None),
        ("squared_error", "y", "(y − t)_k", "(y - t)_{k}", "k->k"),
        ("negative", "X", "−δ_ik δ_jl", r"-\delta_{ik} \delta_{jl}", "ik,jl->ijkl"),
        ("multiply", "A", "δ_ik δ_jl B_ij", r"\delta_{ik} \delta_{jl} B_{ij}", "ik,jl,ij->ijkl"),
        ("square", "X", "2 δ_ik δ_jl X_ij", r"2 \delta_{ik} \delta_{jl} X_{ij}", "ik,jl,ij->ijkl"),
        ("sum", "X", "1", "1", "k,l->kl"),
        ("solve", "A", "−(A⁻¹)_ik (A⁻¹ b)_l", None, "ik,l->ikl"),
    ],
)
def test_formulas_read_as_in_the_note(
    name: str, wrt: str, formula: str, latex: str | None, einsum: str | None
) -> None:
    operation = jb.ops[name]
    assert operation.formula(wrt) == formula
    assert latex is None or operation.latex(wrt) == latex
    assert einsum is None or operation.einsum(wrt) == einsum


def test_transpose_and_quadratic_formulas_in_either_order_of_factors() -> None:
    assert sorted(jb.ops.transpose.formula("X").split()) == ["δ_il", "δ_jk"]
    terms = jb.ops.quadratic.formula("x").split(" + ")
    assert sorted(sorted(term.split()) for term in terms) == [["A_kr", "x_r"], ["A_rk", "x_r"]]


def test_formula_of_einsum_needs_subscripts() -> None:
    assert jb.ops.einsum.formula("A", subscripts="ij,jk->ik") == "δ_ik B_lj"
    assert jb.ops.einsum.formula(1, subscripts="ij,jk->ik") == "δ_jl A_ik"
    assert jb.ops.einsum.einsum(0, subscripts="ij,jk->ik") == "ik,lj->ijkl"
    with pytest.raises(jb.UnsupportedError, match="subscripts"):
        jb.ops.einsum.formula("A")


_FACTOR = re.compile(r"(?P<name>δ|[^\W\d_])(?:_(?P<letters>[a-z]+))?$")


def evaluated(
    formula: str, axes: str, shape: tuple[int, ...], named: dict[str, Array]
) -> Array | None:
    """A formula of deltas and arrays as a tensor, read by this test; None if it holds anything else."""
    sizes = dict(zip(axes, shape, strict=True))
    result = np.zeros(shape)
    for piece in re.sub(r" − ", " + −", formula).split(" + "):
        sign = -1.0 if piece.startswith("−") else 1.0
        words = [word for word in piece.removeprefix("−").split() if word != "1"]
        factors = [_FACTOR.match(word) for word in words]
        if any(f is None or (f["name"] != "δ" and f["name"] not in named) for f in factors):
            return None
        found = [f for f in factors if f is not None]
        for factor in found:
            if factor["name"] != "δ":
                sizes.update(zip(factor["letters"] or "", named[factor["name"]].shape, strict=True))
        parts, arrays = [], []
        for factor in found:
            letters = factor["letters"] or ""
            parts.append(letters)
            if factor["name"] == "δ":
                assert sizes[letters[0]] == sizes[letters[1]], "a delta joins axes of one size"
                arrays.append(np.eye(sizes[letters[0]]))
            else:
                arrays.append(named[factor["name"]])
        for letter in set(axes) - set("".join(parts)):
            parts.append(letter)
            arrays.append(np.ones(sizes[letter]))
        parts.append("")
        arrays.append(np.ones(()))
        result += sign * np.einsum(",".join(parts) + "->" + axes, *arrays)
    return result


READABLE = [
    problem
    for problem in PROBLEMS
    if problem[0].operation
    in ("matmul", "matvec", "inner", "outer", "bilinear", "quadratic", "transpose", "trace", "add",
        "subtract", "negative", "multiply", "scale")
    and all(len(shape) <= 2 for shape in problem[0].shapes)
    and all(1 < size for shape in problem[0].shapes for size in shape)
]  # fmt: skip


@pytest.mark.parametrize("problem", READABLE, ids=problem_name)
def test_formula_means_the_numerical_jacobian(problem: Problem) -> None:
    case, _ = problem
    J = jacobian(problem)
    named = dict(zip(ARGUMENTS[case.operation], case.arrays(), strict=True))
    found = evaluated(J.formula(), J.axes, J.shape, named)
    assert found is not None, J.formula()
    close(found, numerical_jacobian(problem))


EYE = np.eye
EXPLICIT: list[tuple[str, str, Callable[..., list[Array]]]] = [
    ("matmul", "B", lambda B, C: [EYE(B.shape[0]), C]),
    ("matmul", "C", lambda B, C: [EYE(C.shape[1]), B]),
    ("matvec", "A", lambda A, x: [EYE(A.shape[0]), x]),
    ("matvec", "x", lambda A, x: [A]),
    ("inner", "a", lambda a, x: [x]),
    ("outer", "x", lambda x, y: [EYE(x.size), y]),
    ("outer", "y", lambda x, y: [EYE(y.size), x]),
    ("bilinear", "X", lambda a, X, b: [a, b]),
    ("bilinear", "a", lambda a, X, b: [X, b]),
    ("quadratic", "A", lambda x, A: [x, x]),
    ("trace", "X", lambda X: [EYE(X.shape[0])]),
    ("add", "A", lambda A, B: [EYE(A.shape[0]), EYE(A.shape[1])]),
    ("multiply", "A", lambda A, B: [EYE(A.shape[0]), EYE(A.shape[1]), B]),
    ("sum", "X", lambda X: [np.ones(X.shape[0]), np.ones(X.shape[1])]),
]


@pytest.mark.parametrize(("name", "wrt", "parts"), EXPLICIT)
def test_einsum_subscripts_evaluate_to_the_numerical_jacobian(
    name: str, wrt: str, parts: Callable[..., list[Array]]
) -> None:
    operation = jb.ops[name]
    dimensions = {"sum": 2, "add": 2, "multiply": 2, "matmul": 2}.get(name)
    problem = next(
        (case, n)
        for case, n in PROBLEMS
        if case.operation == name
        and operation.arguments[n] == wrt
        and (dimensions is None or all(len(shape) == dimensions for shape in case.shapes))
    )
    arrays = problem[0].arrays()
    subscripts = operation.einsum(wrt)
    assert subscripts == jacobian(problem).einsum()
    close(np.einsum(subscripts, *parts(*arrays)), numerical_jacobian(problem))


def test_einsum_of_several_terms_joins_them() -> None:
    problem = next(p for p in PROBLEMS if p[0].operation == "quadratic" and p[1] == 0)
    x, A = problem[0].arrays()
    first, second = jb.ops.quadratic.einsum("x").split(" + ")
    operands = {"k": x, "r": x, "kr": A, "rk": A}
    found = sum(
        np.einsum(text, *(operands[part] for part in text.split("->")[0].split(",")))
        for text in (first, second)
    )
    close(found, numerical_jacobian(problem))


# Ownership


def _results(problem: Problem, arrays: list[Array], G: Array, dX: Array) -> dict[str, Any]:
    """Everything that an operation hands out, by name."""
    case, position = problem
    operation = jb.ops[case.operation]
    arguments = (*case.parameters, *arrays)
    J = operation.jacobian(*arguments, wrt=position)
    found: dict[str, Any] = {
        "value": operation(*arguments),
        "operation.explicit": operation.explicit(*arguments, wrt=position),
        "explicit": J.explicit(),
        "dense": J.dense(),
        "asarray": np.asarray(J),
        "vjp": J.vjp(G),
        "jvp": J.jvp(dX),
        "operation.vjp": operation.vjp(G, *arguments, wrt=position),
        "operation.jvp": operation.jvp(dX, *arguments, wrt=position),
        "whole slice": J[...],
        "flipped": J[::-1] if J.shape else J[...],
        "row": J[:1] if J.shape else J[...],
        "matrix": J.matrix(),
        "matrix F": J.matrix(order="F"),
        "sparse": J.sparse("coo").data,
    }
    if J.out_shape == J.in_shape:
        found["diagonal"] = J.diagonal()
    form = kronecker(J)
    for number, term in enumerate(form.terms if form else ()):
        found.update({f"kron {number} {n}": factor for n, factor in enumerate(term.factors)})
    return found


@every_problem
def test_results_alias_nothing_and_arguments_stay_unchanged(problem: Problem) -> None:
    case, position = problem
    arrays = case.arrays()
    kept = [array.copy() for array in arrays]
    J = jb.ops[case.operation].jacobian(*case.parameters, *arrays, wrt=position)
    rng = seeded(problem)
    G, dX = normal(rng, J.out_shape), normal(rng, J.in_shape)
    G_kept, dX_kept = G.copy(), dX.copy()
    dense = J.dense()
    for name, result in _results(problem, arrays, G, dX).items():
        if isinstance(result, np.ndarray):
            for argument in (*arrays, G, dX):
                assert not np.may_share_memory(result, argument), name
    # Whatever a caller does to what J handed out, J stays as it was.
    handed_out = [
        J.dense(),
        J.explicit(),
        J.vjp(G),
        J.jvp(dX),
        J[...],
        J.matrix(),
        J.sparse("coo").data,
    ]
    form = kronecker(J)
    if form is not None:
        handed_out += [factor for term in form.terms for factor in term.factors]
    for result in handed_out:
        if isinstance(result, np.ndarray) and result.flags.writeable:
            result[...] = 7.5
    for array, before in zip((*arrays, G, dX), (*kept, G_kept, dX_kept), strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(J.dense(), dense)
    # Whatever a caller does to the arguments afterwards, too.
    for array in arrays:
        array[...] = -3.25
    np.testing.assert_array_equal(J.dense(), dense)
    close(J.vjp(G), np.tensordot(G, dense, len(J.out_shape)), like=np.abs(dense).sum())


@every_problem
def test_read_only_arguments_are_fine(problem: Problem) -> None:
    case, position = problem
    arrays = case.arrays()
    for array in arrays:
        array.setflags(write=False)
    J = jb.ops[case.operation].jacobian(*case.parameters, *arrays, wrt=position)
    G, dX = np.ones(J.out_shape), np.ones(J.in_shape)
    G.setflags(write=False)
    dX.setflags(write=False)
    for name, result in _results(problem, arrays, G, dX).items():
        assert not isinstance(result, np.ndarray) or result.flags.writeable or not result.size, name
    close(J.dense(), numerical_jacobian(problem))


# Layouts and dtypes


def _fortran(array: Array) -> Array:
    return array.copy(order="F")


def _strided(array: Array) -> Array:
    """Every second entry of a larger array, from 1."""
    room = np.full([2 * size + 1 for size in array.shape], np.nan, array.dtype)
    view = room[(*(slice(1, 2 * size + 1, 2) for size in array.shape), ...)]
    view[...] = array
    return view


def _reversed(array: Array) -> Array:
    everywhere = (*(slice(None, None, -1) for _ in array.shape), ...)
    return array[everywhere].copy()[everywhere]


def _transposed(array: Array) -> Array:
    return array.T.copy().T


@every_problem
@pytest.mark.parametrize("layout", [_fortran, _strided, _reversed, _transposed])
def test_any_layout_of_the_arguments(problem: Problem, layout: Callable[[Array], Array]) -> None:
    case, position = problem
    arrays = [layout(array) for array in case.arrays()]
    tensor = numerical_jacobian(problem)
    operation = jb.ops[case.operation]
    close(operation(*case.parameters, *arrays), case.function(*case.arrays()), rounding=1e-12)
    J = operation.jacobian(*case.parameters, *arrays, wrt=position)
    close(J.dense(), tensor)
    close(J.explicit(), tensor)
    rng = seeded(problem)
    G, dX = normal(rng, J.out_shape), normal(rng, J.in_shape)
    like = np.abs(tensor).sum()
    close(J.vjp(layout(G)), np.tensordot(G, tensor, len(J.out_shape)), like=like)
    close(J.jvp(layout(dX)), np.tensordot(tensor, dX, len(J.in_shape)), like=like)
    close(J[...], tensor)
    close(J.sparse().toarray(), tensor.reshape(prod(J.out_shape), prod(J.in_shape)))


@every_problem
def test_float32_stays_float32(problem: Problem) -> None:
    case, _ = problem
    arrays = case.arrays(np.float32)
    value = jb.ops[case.operation](*case.parameters, *arrays)
    assert np.asarray(value).dtype == np.float32
    J = jacobian(problem, np.float32)
    assert J.dtype == J.in_dtype == np.float32
    tensor = numerical_jacobian(problem)
    rng = seeded(problem)
    G, dX = (np.asarray(rng.normal(size=s), np.float32) for s in (J.out_shape, J.in_shape))
    rounding = 100 * float(np.finfo(np.float32).eps)
    for found in (J.dense(), J.explicit(), J[...], np.asarray(J)):
        assert found.dtype == np.float32
        close(found, tensor, rounding=rounding)
    assert J.sparse().dtype == np.float32
    like = np.abs(tensor).sum()
    for upstream in (G, G.astype(np.float64)):
        gradient = J.vjp(upstream)
        assert gradient.dtype == np.float32
        expected = np.tensordot(G.astype(float), tensor, len(J.out_shape))
        close(gradient, expected, like=like, rounding=rounding)
    change = J.jvp(dX)
    assert change.dtype == np.float32
    close(
        change,
        np.tensordot(tensor, dX.astype(float), len(J.in_shape)),
        like=like,
        rounding=rounding,
    )


@every_problem
def test_gradients_have_their_own_inputs_dtype(problem: Problem) -> None:
    case, position = problem
    arrays = case.arrays()
    arrays[position] = arrays[position].astype(np.float32)
    J = jb.ops[case.operation].jacobian(*case.parameters, *arrays, wrt=position)
    assert J.in_dtype == np.float32
    assert J.vjp(np.ones(J.out_shape)).dtype == np.float32
    wide = np.float64 if len(arrays) > 1 else np.float32
    assert J.dtype == wide
    assert J.jvp(np.ones(J.in_shape)).dtype == wide
    assert J.dense().dtype == wide


@every_problem
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_])
def test_integers_and_booleans_become_float64(problem: Problem, dtype: Any) -> None:
    case, position = problem
    rng = seeded(problem)
    whole = []
    for shape, domain in zip(case.shapes, case.domains, strict=True):
        drawn = rng.integers(0 if domain == "real" else 1, 4, shape)
        if domain == "invertible":
            drawn = np.broadcast_to(np.triu(np.ones(shape[-2:], int)), shape)
            drawn = drawn * (1 if dtype is np.bool_ else 1 + np.eye(shape[-1], dtype=int))
        whole.append(np.array(drawn).astype(dtype))
    floats = [array.astype(np.float64) for array in whole]
    expected = numerical.jacobian(case.function, floats, position, analytic=case.analytic)
    J = jb.ops[case.operation].jacobian(*case.parameters, *whole, wrt=position)
    assert J.dtype == J.in_dtype == np.float64
    like = max(1.0, np.abs(expected).sum())
    for found in (J.dense(), J.explicit(), J[...]):
        assert found.dtype == np.float64
        close(found, expected)
    gradient = J.vjp(np.ones(J.out_shape, int))
    assert gradient.dtype == np.float64
    close(gradient, expected.sum(axis=tuple(range(len(J.out_shape)))), like=like)


def test_products_of_small_integers_do_not_wrap_around() -> None:
    A = np.ones((2, 3))
    B, C = np.full((3, 4), 100, np.int8), np.full((4, 5), 100, np.int8)
    J = jb.ops.einsum.jacobian("ij,jk,kl->il", A, B, C, wrt=0)
    expected = np.einsum("ik,lj->ijkl", np.eye(2), np.full((3, 5), 40000.0))
    np.testing.assert_array_equal(J.dense(), expected)
    np.testing.assert_array_equal(J.explicit(), expected)
    np.testing.assert_array_equal(J.vjp(np.ones((2, 5))), np.full((2, 3), 200000.0))
    np.testing.assert_array_equal(J.sparse().toarray(), expected.reshape(10, 6))
    np.testing.assert_array_equal(J[0], expected[0])


# einsum in full


@st.composite
def _einsums(draw: st.DrawFn) -> tuple[str, tuple[tuple[int, ...], ...]]:
    """Subscripts with repeated letters, summed letters and axes of size 1, and shapes for them."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "abcd"}
    words = draw(
        st.lists(st.text("abcd", min_size=0, max_size=3), min_size=1, max_size=3).filter(any)
    )
    used = sorted(set("".join(words)))
    result = "".join(draw(st.permutations(draw(st.lists(st.sampled_from(used), unique=True)))))
    shapes = tuple(tuple(sizes[letter] for letter in word) for word in words)
    arrow = draw(st.booleans())
    return ",".join(words) + ("->" + result if arrow else ""), shapes


@settings(max_examples=150)
@given(_einsums(), st.integers(0, 2))
def test_random_einsums(einsum: tuple[str, tuple[tuple[int, ...], ...]], which: int) -> None:
    subscripts, shapes = einsum
    position = which % len(shapes)
    rng = np.random.default_rng(7)
    arrays = [rng.normal(size=shape) for shape in shapes]

    def function(*operands: Array) -> Any:
        return np.einsum(subscripts, *operands)

    expected = numerical.jacobian(function, arrays, position, analytic=True)
    J = jb.ops.einsum.jacobian(subscripts, *arrays, wrt=position)
    like = np.abs(expected).sum()
    close(jb.ops.einsum(subscripts, *arrays), function(*arrays), rounding=1e-12)
    close(J.dense(), expected)
    close(J.explicit(), expected)
    G, dX = normal(rng, J.out_shape), normal(rng, J.in_shape)
    close(J.vjp(G), np.tensordot(G, expected, len(J.out_shape)), like=like)
    close(J.jvp(dX), np.tensordot(expected, dX, len(J.in_shape)), like=like)
    close(J.sparse().toarray(), expected.reshape(prod(J.out_shape), prod(J.in_shape)))
    assert J.nnz == len(np.unique(np.stack(J.sparse("coo").coords), axis=1).T)
    assert np.count_nonzero(np.abs(expected) > 1e-9) <= J.nnz


@pytest.mark.parametrize(
    ("subscripts", "shape"),
    [("ij,ij->", (2, 3)), ("ij,kj->ik", (2, 3)), ("ij,ji->", (3, 3)), ("ij,jk,kl->il", (3, 3))],
)
def test_the_same_array_as_several_operands_counts_as_several(subscripts: str, shape: Any) -> None:
    X = np.random.default_rng(2).normal(size=shape)
    count = subscripts.count(",") + 1
    for position in range(count):
        arrays = [X] * count
        expected = numerical.jacobian(
            lambda *a: np.einsum(subscripts, *a), arrays, position, analytic=True
        )
        close(jb.ops.einsum.jacobian(subscripts, *arrays, wrt=position).dense(), expected)


def test_spaces_in_subscripts() -> None:
    A, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    expected = jb.ops.matmul.jacobian(A, B, wrt="B").dense()
    np.testing.assert_array_equal(
        jb.ops.einsum.jacobian(" ij , jk -> ik ", A, B, wrt="A").dense(),
        jb.ops.matmul.jacobian(A, B, wrt="B").dense(),
    )
    assert expected.shape == (2, 4, 2, 3)


# Kinks and special points, as documented


@pytest.mark.parametrize(
    ("name", "arguments", "wrt", "expected"),
    [
        ("absolute", ([-2.0, 0.0, 3.0],), "X", [-1.0, 0.0, 1.0]),
        ("relu", ([-2.0, 0.0, 3.0],), "X", [0.0, 0.0, 1.0]),
        ("norm", ([0.0, 0.0],), "X", [0.0, 0.0]),
        ("power", ([0.0, 2.0], 0.0), "X", [0.0, 0.0]),
        ("power", ([0.0, 2.0], 1.0), "X", [1.0, 1.0]),
        ("power", ([0.0, -2.0], 2.0), "X", [0.0, -4.0]),
        ("power", ([0.0, 1.0], 2.0), "p", [0.0, 0.0]),
        ("sigmoid", ([-800.0, 800.0],), "X", [0.0, 0.0]),
        ("tanh", ([-800.0, 800.0],), "X", [0.0, 0.0]),
    ],
)
def test_kinks_and_special_points(name: str, arguments: Any, wrt: str, expected: Any) -> None:
    arrays = [np.asarray(argument) for argument in arguments]
    G = np.ones(np.broadcast_shapes(*(a.shape for a in arrays))) if name != "norm" else 1.0
    J = jb.ops[name].jacobian(*arrays, wrt=wrt)
    found = J.vjp(G) if J.in_shape else J.dense()
    np.testing.assert_array_equal(found, expected)


def test_sigmoid_keeps_its_small_tail() -> None:
    assert jb.ops.sigmoid(np.array(-700.0)) == pytest.approx(np.exp(-700.0), rel=1e-12)
    slope = jb.ops.sigmoid.jacobian(np.array([-700.0])).dense()[0, 0]
    assert slope == pytest.approx(np.exp(-700.0), rel=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_determinant_of_a_singular_matrix_has_its_cofactors(size: int) -> None:
    rng = np.random.default_rng(size)
    X = rng.normal(size=(size, size))
    X[-1] = X[0]
    expected = numerical.complex_step(_expanded_determinant, X)
    close(jb.ops.det.jacobian(X).dense(), expected, rounding=1e-11)
    assert np.abs(expected).max() > 0.01


def _expanded_determinant(X: Array) -> Any:
    """By expansion along the first row: no division."""
    if X.shape == (1, 1):
        return X[0, 0]
    return sum(
        (-1) ** j * X[0, j] * _expanded_determinant(np.delete(X[1:], j, axis=1))
        for j in range(X.shape[1])
    )


@pytest.mark.parametrize("method", ["vjp", "dense", "sparse", "slice", "diagonal", "matrix"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_a_mask_rules_out_is_exactly_zero(method: str, bad: float) -> None:
    x = np.array([-1.0, 2.0, -3.0, 4.0])
    J = jb.ops.relu.jacobian(x)
    if method == "vjp":
        np.testing.assert_array_equal(J.vjp(np.array([bad, 5.0, bad, 6.0])), [0, 5, 0, 6])
        np.testing.assert_array_equal(J.jvp(np.array([bad, 5.0, bad, 6.0])), [0, 5, 0, 6])
        return
    scale = np.array([bad, 2.0, bad, 3.0])
    K = J @ jb.ops.multiply.jacobian(x, scale, wrt="A")
    expected = np.diag([0.0, 2.0, 0.0, 3.0])
    found = {
        "dense": K.dense,
        "matrix": lambda: K.matrix(order="F"),
        "sparse": lambda: K.sparse().toarray(),
        "slice": lambda: K[...],
        "diagonal": lambda: np.diag(K.diagonal()),
    }[method]()
    np.testing.assert_array_equal(found, expected)


def test_relu_behind_a_matrix_keeps_its_zeros() -> None:
    A = np.array([[1.0, -2.0, 0.5], [np.inf, 1.0, 1.0]])
    x = np.array([1.0, 1.0, 1.0])
    y = np.array([0.5, -1.0])  # the second row is behind the mask
    J = jb.chain(jb.ops.relu.jacobian(y), jb.ops.matvec.jacobian(A, x, wrt="x"))
    np.testing.assert_array_equal(J.dense(), [[1.0, -2.0, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(J.sparse().toarray(), [[1.0, -2.0, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(J.vjp(np.array([2.0, np.nan])), [2.0, -4.0, 1.0])
    np.testing.assert_array_equal(J.jvp(np.array([1.0, 1.0, 2.0])), [0.0, 0.0])
    np.testing.assert_array_equal(J.jvp(np.array([1.0, np.inf, 0.0])), [-np.inf, 0.0])
    np.testing.assert_array_equal(J[1], [0, 0, 0])


def test_deltas_are_exact_zeros_beside_infinities() -> None:
    B, C = np.ones((2, 3)), np.full((3, 2), np.inf)
    dense = jb.ops.matmul.jacobian(B, C, wrt="B").dense()
    np.testing.assert_array_equal(dense[0, :, 1], np.zeros((2, 3)))
    np.testing.assert_array_equal(dense[0, :, 0], np.full((2, 3), np.inf))
    J = jb.ops.exp.jacobian(np.array([1000.0, 0.0]))
    np.testing.assert_array_equal(J.dense(), [[np.inf, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(J.vjp(np.array([0.0, 3.0]))[1], 3.0)
