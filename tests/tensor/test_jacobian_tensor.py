"""The algebra, copies and limits of a ``JacobianTensor``, against dense arithmetic in NumPy."""

import copy
import gc
import math
import pickle
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb
from tests import numerical

Array = NDArray[Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def product() -> tuple[jb.JacobianTensor, Array]:
    """∂(BC)/∂B with shapes (2, 5 | 2, 3), and the same by numbers."""
    B, C = random(2, 3), random(3, 5)
    judge = numerical.jacobian(lambda b, c: b @ c, [B, C], 0, analytic=True)
    return jb.ops.matmul.jacobian(B, C, wrt="B"), judge


def curved() -> tuple[jb.JacobianTensor, Array]:
    """∂(X ∘ X A)/∂X with shapes (2, 3 | 2, 3): two terms with a shared factor, not diagonal."""
    X, A = random(2, 3, seed=1), random(3, 3, seed=2)
    multiply, matmul = jb.ops.multiply, jb.ops.matmul
    J = multiply.jacobian(X, X @ A, wrt="A") + multiply.jacobian(
        X, X @ A, wrt="B"
    ) @ matmul.jacobian(X, A, wrt="B")
    return J, numerical.complex_step(lambda x: x * (x @ A), X)


def close(found: Any, expected: Any, rounding: float = 1e-12) -> None:
    assert np.shape(found) == np.shape(expected)
    scale = max(1.0, np.max(np.abs(expected), initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding * scale)


def holds(J: jb.JacobianTensor, expected: Array, rounding: float = 1e-12) -> None:
    """Every way to see a tensor agrees with the expected numbers."""
    assert isinstance(J, jb.JacobianTensor)
    assert J.shape == expected.shape
    close(J.dense(), expected, rounding)
    close(J.explicit(), expected, rounding)
    close(J[...], expected, rounding)
    G, dX = random(*J.out_shape, seed=5), random(*J.in_shape, seed=6)
    close(J.vjp(G), np.tensordot(G, expected, len(J.out_shape)), rounding * 10)
    close(J.jvp(dX), np.tensordot(expected, dX, len(J.in_shape)), rounding * 10)
    rows = int(np.prod(J.out_shape))
    close(J.sparse().toarray(), expected.reshape(rows, -1), rounding)
    assert np.count_nonzero(np.abs(expected) > 1e-9) <= J.nnz == J.sparse().nnz


# The chain rule


def test_two_layers() -> None:
    A, X = random(4, 2), random(2, 3)
    outer = jb.ops.tanh.jacobian(A @ X)
    inner = jb.ops.matmul.jacobian(A, X, wrt="C")
    judge = numerical.complex_step(lambda x: np.tanh(A @ x), X)
    holds(outer @ inner, judge)
    holds(jb.chain(outer, inner), judge)
    close((outer @ inner).dense(), np.tensordot(outer.dense(), inner.dense(), 2))


def test_a_chain_of_one_is_that_one() -> None:
    J, judge = product()
    holds(jb.chain(J), judge)


def test_single_layer_network_reads_as_in_the_note() -> None:
    W, x, t = random(3, 4), random(4), random(3)
    y = W @ x
    J = jb.chain(jb.ops.squared_error.jacobian(y, t), jb.ops.matvec.jacobian(W, x, wrt="A"))
    holds(J, np.outer(W @ x - t, x))
    assert J.formula() == "(y − t)_k x_l"
    holds(J, numerical.complex_step(lambda w: 0.5 * np.sum((w @ x - t) ** 2), W))


def test_association_does_not_matter() -> None:
    A, B, X = random(2, 3), random(3, 4), random(4, 5)
    first = jb.ops.exp.jacobian(A @ (B @ X))
    second = jb.ops.matmul.jacobian(A, B @ X, wrt="C")
    third = jb.ops.matmul.jacobian(B, X, wrt="C")
    judge = numerical.complex_step(lambda x: np.exp(A @ (B @ x)), X)
    for J in ((first @ second) @ third, first @ (second @ third), jb.chain(first, second, third)):
        holds(J, judge, 1e-11)


STEPS: dict[str, tuple[Callable[[Array], jb.JacobianTensor], Callable[[Array], Array]]] = {
    # Each takes and returns a matrix: a Jacobian at X, and the function.
    "tanh": (lambda X: jb.ops.tanh.jacobian(X), np.tanh),
    "square": (lambda X: jb.ops.square.jacobian(X), lambda X: X * X),
    "transpose": (lambda X: jb.ops.transpose.jacobian(X), lambda X: X.T),
    "left": (
        lambda X: jb.ops.matmul.jacobian(np.ones((2, X.shape[0])) / 3, X, wrt="C"),
        lambda X: (np.ones((2, X.shape[0])) / 3) @ X,
    ),
    "right": (
        lambda X: jb.ops.matmul.jacobian(X, np.eye(X.shape[1], 3) + 0.5, wrt="B"),
        lambda X: X @ (np.eye(X.shape[1], 3) + 0.5),
    ),
    "gram": (
        lambda X: (
            jb.ops.matmul.jacobian(X.T, X, wrt="B") @ jb.ops.transpose.jacobian(X)
            + jb.ops.matmul.jacobian(X.T, X, wrt="C")
        ),
        lambda X: X.T @ X,
    ),
    "row": (
        lambda X: jb.ops.multiply.jacobian(X, np.arange(1.0, X.shape[1] + 1), wrt="A"),
        lambda X: X * np.arange(1.0, X.shape[1] + 1),
    ),
    "flat": (
        lambda X: jb.ops.kron.jacobian(X, np.array([[1.0, -2.0]]), wrt="A"),
        lambda X: np.concatenate([X[..., None], -2 * X[..., None]], -1).reshape(X.shape[0], -1),
    ),
    "diagonal": (
        lambda X: jb.ops.einsum.jacobian("ij,ik->ijk", X, np.ones((X.shape[0], 2)), wrt=0),
        lambda X: X[:, :, None] * np.ones((X.shape[0], 1, 2)),
    ),
    "back": (
        lambda X: jb.ops.einsum.jacobian("...k->...", X, wrt=0),
        lambda X: X.sum(axis=-1),
    ),
}


@pytest.mark.parametrize(
    "names",
    [
        ("tanh", "left", "square"),
        ("transpose", "tanh", "transpose"),
        ("gram", "tanh"),
        ("tanh", "gram"),
        ("gram", "gram"),
        ("row", "transpose", "right", "square"),
        ("flat", "tanh", "right"),
        ("diagonal", "tanh", "back", "square"),
        ("left", "right", "gram", "tanh", "transpose"),
        ("square", "square", "square"),
        ("flat", "flat", "transpose", "gram"),
    ],
)
def test_chains_of_steps(names: tuple[str, ...]) -> None:
    X = 0.5 * random(3, 2, seed=8)

    def function(value: Array) -> Array:
        for name in names:
            value = STEPS[name][1](value)
        return value

    jacobians = []
    value = X
    for name in names:
        jacobians.insert(0, STEPS[name][0](value))
        value = STEPS[name][1](value)
    holds(jb.chain(*jacobians), numerical.complex_step(function, X), 1e-10)


def test_chaining_drops_what_a_delta_cannot_reach() -> None:
    x = random(4)
    J = jb.ops.exp.jacobian(x) @ jb.ops.tanh.jacobian(x)
    assert J.nnz == 4
    holds(J, np.diag(np.exp(x) * (1 - np.tanh(x) ** 2)))


def test_chain_of_float32_and_float64_is_wider() -> None:
    x = random(3)
    J = jb.ops.exp.jacobian(x) @ jb.ops.tanh.jacobian(x.astype(np.float32))
    assert J.dtype == np.float64
    assert J.in_dtype == np.float32
    assert J.vjp(np.ones(3)).dtype == np.float32


# Sums and multiples


def test_sum_and_difference() -> None:
    J, a = curved()
    K = jb.ops.tanh.jacobian(random(2, 3, seed=4))
    b = K.dense()
    holds(J, a)
    holds(J + K, a + b)
    holds(J - K, a - b)
    holds(K - J, b - a)
    holds(J + J, 2 * a)
    holds(-J, -a)
    holds(J - J, 0 * a)
    holds(J + K - K, a)


def test_equal_terms_merge() -> None:
    J, judge = product()
    assert (J + J).formula() == "2 δ_ik C_lj"
    assert (J + J).nnz == J.nnz
    holds(J + J + J, 3 * judge)
    zero = J - J
    assert zero.nnz == 0
    assert zero.formula() == "0"
    np.testing.assert_array_equal(zero.dense(), np.zeros(J.shape))
    np.testing.assert_array_equal(zero.vjp(np.ones((2, 5))), np.zeros((2, 3)))
    assert zero.sparse().toarray().shape == (10, 6)


@pytest.mark.parametrize(
    "number",
    [
        2, -3, 0, 0.25, 1e-3, np.float64(1.5), np.float32(0.5), np.int64(7), np.int8(-2),
        np.array(2.5), np.array(3), True,
    ],
    ids=repr,
)  # fmt: skip
def test_multiples_by_numbers_on_either_side(number: Any) -> None:
    J, judge = product()
    holds(number * J, float(number) * judge)
    holds(J * number, float(number) * judge)
    if number:
        holds(J / number, judge / float(number))


def test_scaled_tensors_keep_their_dtype() -> None:
    J = jb.ops.exp.jacobian(random(3).astype(np.float32))
    for scaled in (2 * J, np.float64(0.5) * J, J / 3, -J):
        assert scaled.dtype == np.float32
        assert scaled.dense().dtype == np.float32


def test_multiples_print() -> None:
    J, _ = product()
    assert (2 * J).formula() == "2 δ_ik C_lj"
    assert (-J).formula() == "−δ_ik C_lj"
    assert (J / 2).formula() == "½ δ_ik C_lj"
    assert (0.25 * J).latex() == r"\tfrac{1}{4} \delta_{ik} C_{lj}"


def test_operations_leave_their_operands_alone() -> None:
    J, judge = product()
    formula = J.formula()
    _ = (2 * J, -J, J + J, J / 3, J - J, jb.ops.tanh.jacobian(random(2, 5)) @ J)
    assert J.formula() == formula
    holds(J, judge)


# What it prints


def test_repr_says_what_it_is() -> None:
    J, _ = product()
    assert repr(J) == (
        "<JacobianTensor ∂A_ij/∂B_kl = δ_ik C_lj\n"
        " shape (2, 5 | 2, 3), float64, 30 of 60 can be nonzero>"
    )
    assert J.title == "∂A_ij/∂B_kl"
    assert J.axes == "ijkl"


def test_cost_is_predicted_from_shapes() -> None:
    J, _ = product()
    cost = J.cost()
    assert cost.size == 60
    assert cost.nnz == 30
    assert cost.vjp.flops == 2 * 2 * 5 * 3
    assert cost.jvp.flops == 2 * 2 * 5 * 3
    assert cost.vjp.bytes == 2 * 3 * 8
    assert cost.dense.bytes == 60 * 8
    assert cost.explicit.bytes >= 60 * 8 + 2 * 2 * 8
    text = str(cost)
    assert "30 of 60 entries can be nonzero" in text
    for word in ("explicit", "dense", "vjp", "jvp"):
        assert word in text


def test_cost_of_a_huge_tensor_allocates_nothing_and_prints_apart() -> None:
    wide = np.broadcast_to(1.0, (20000, 20000))
    text = str(jb.ops.add.jacobian(wide, wide, wrt="A").cost())
    assert "1,280,000,000,000,000,000" in text.split()
    assert all(len(line.split()) == 3 for line in text.splitlines()[1:5])


# Copies


def test_copies_are_the_tensor_itself() -> None:
    J, judge = product()
    for other in (copy.copy(J), copy.deepcopy(J), copy.deepcopy([J, J])[1]):
        holds(other, judge)
        assert other.formula() == J.formula()


@cache
def _examples() -> dict[str, jb.JacobianTensor]:
    X, b = random(3, 3, seed=3) + 3 * np.eye(3), random(3)
    return {
        "product": product()[0],
        "curved": curved()[0],
        "network": jb.ops.squared_error.jacobian(X @ b, b) @ jb.ops.matvec.jacobian(X, b),
        "inverse": jb.ops.tanh.jacobian(np.linalg.inv(X)) @ jb.ops.inv.jacobian(X),
        "det": jb.ops.det.jacobian(X),
        "mask": jb.ops.relu.jacobian(b) @ jb.ops.solve.jacobian(X, b, wrt="b"),
        "kron": 0.5 * jb.ops.kron.jacobian(X, random(2, 1)),
        "table": jb.ops.power.jacobian(np.abs(X), np.array(2.5)),
        "float32": jb.ops.exp.jacobian(b.astype(np.float32)),
        "empty": jb.ops.exp.jacobian(np.ones((0, 2))),
        "zero": product()[0] - product()[0],
    }


@pytest.mark.parametrize("name", _examples())
def test_pickle_round_trip(name: str) -> None:
    J = _examples()[name]
    K = pickle.loads(pickle.dumps(J))
    K = pickle.loads(pickle.dumps(K))
    for attribute in (
        "shape",
        "out_shape",
        "in_shape",
        "dtype",
        "in_dtype",
        "nnz",
        "title",
        "axes",
    ):
        assert getattr(K, attribute) == getattr(J, attribute), attribute
    assert K.formula() == J.formula()
    assert K.latex() == J.latex()
    assert K.einsum() == J.einsum()
    assert repr(K) == repr(J)
    assert K.cost() == J.cost()
    np.testing.assert_array_equal(K.dense(), J.dense())
    G, dX = np.ones(J.out_shape), np.ones(J.in_shape)
    np.testing.assert_array_equal(K.vjp(G), J.vjp(G))
    np.testing.assert_array_equal(K.jvp(dX), J.jvp(dX))
    assert jb.compare(K, G).shortcut == jb.compare(J, G).shortcut
    try:
        form = str(J.kron())
    except jb.UnsupportedError:
        return
    assert str(K.kron()) == form


def test_an_unpickled_tensor_takes_part_in_chains_and_sums() -> None:
    J, judge = product()
    K = pickle.loads(pickle.dumps(J))
    outer = jb.ops.tanh.jacobian(random(2, 5))
    close((outer @ K).dense(), np.tensordot(outer.dense(), judge, 2))
    close((K + J).dense(), 2 * judge)
    assert (outer @ K).formula() == (outer @ J).formula()


def test_a_long_chain_pickles_without_recursion() -> None:
    x = random(3)
    J = jb.ops.tanh.jacobian(x)
    for _ in range(300):
        J = jb.ops.tanh.jacobian(x) @ J
    K = pickle.loads(pickle.dumps(J))
    np.testing.assert_array_equal(K.dense(), J.dense())
    close(J.dense(), np.diag((1 - np.tanh(x) ** 2) ** 301))


# Dense


def test_numpy_sees_an_array() -> None:
    J, judge = product()
    close(np.asarray(J), judge)
    close(np.array(J, dtype=np.float32), judge, 1e-6)
    assert np.asarray(J, dtype=np.float32).dtype == np.float32
    assert np.asarray(J) is not np.asarray(J)


@pytest.mark.parametrize("name", _examples())
def test_out_is_overwritten_whole_whatever_its_layout(name: str) -> None:
    J = _examples()[name]
    expected = J.dense()
    fortran = np.full(J.shape, np.nan, J.dtype, order="F")
    room = np.full([2 * n + 1 for n in J.shape], np.nan, J.dtype)
    strided = room[tuple(slice(1, 2 * n, 2) for n in J.shape)]
    backwards = np.full(J.shape, np.nan, J.dtype)[tuple(slice(None, None, -1) for _ in J.shape)]
    turned = np.full(J.shape[::-1], np.nan, J.dtype).T
    for out in (fortran, strided, backwards, turned):
        assert out.shape == J.shape
        assert J.dense(out=out) is out
        np.testing.assert_array_equal(out, expected)
        out[...] = 5.0
        J.dense(out=out)
        np.testing.assert_array_equal(out, expected)
    if room.size:
        assert np.isnan(room[(0,) * room.ndim])
        assert np.count_nonzero(~np.isnan(room)) == expected.size


def test_out_of_another_shape_or_dtype_is_refused() -> None:
    J, _ = product()
    for bad in (np.zeros((2, 5)), np.zeros(J.shape, np.float32), [[0.0]]):
        with pytest.raises(jb.ShapeError, match=r"shape \(2, 5, 2, 3\) and dtype float64"):
            J.dense(out=bad)  # type: ignore[arg-type]
    locked = np.zeros(J.shape)
    locked.setflags(write=False)
    with pytest.raises(jb.UnsupportedError, match="read-only"):
        J.dense(out=locked)


def test_a_copy_cannot_be_avoided() -> None:
    J, _ = product()
    with pytest.raises(jb.UnsupportedError, match="always a new array"):
        np.array(J, copy=False)


# Limits


def test_max_bytes_is_the_most_that_a_tensor_may_take() -> None:
    J, judge = product()
    assert judge.nbytes == 480
    close(J.dense(max_bytes=480), judge)
    close(J.explicit(max_bytes=480 + 8 * 2 * 2), judge)  # the identity counts too
    close(J.dense(max_bytes=math.inf), judge)
    close(J.explicit(max_bytes=math.inf), judge)
    close(J.matrix(max_bytes=480), judge.reshape(10, 6))
    for method in (J.dense, J.explicit, J.matrix):
        with pytest.raises(jb.TensorTooLargeError, match=r"\(2, 5, 2, 3\)"):
            method(max_bytes=479)  # type: ignore[operator]
    with pytest.raises(jb.TensorTooLargeError):
        J.matrix(order="F", max_bytes=479)


WIDE = np.broadcast_to(1.0, (20000, 20000))
"""As large as its shape says only in shape: one number."""


@pytest.mark.parametrize(
    ("use", "shape", "size"),
    [
        (lambda J: J.dense(), "(20000, 20000, 20000, 20000)", "1.19e+09 GiB"),
        (lambda J: J.dense(max_bytes=1e9), "(20000, 20000, 20000, 20000)", "0.931 GiB"),
        (lambda J: J.explicit(), "(20000, 20000, 20000, 20000)", "1.19e+09 GiB"),
        (lambda J: np.asarray(J), "(20000, 20000, 20000, 20000)", "1.19e+09 GiB"),
        (lambda J: J.matrix(), "(20000, 20000, 20000, 20000)", "1.19e+09 GiB"),
        (lambda J: J[0], "(20000, 20000, 20000)", "5.96e+04 GiB"),
        (lambda J: J[..., 3, :], "(20000, 20000, 20000)", "5.96e+04 GiB"),
    ],
)
def test_too_large_is_predicted_before_anything_is_allocated(
    use: Callable[[jb.JacobianTensor], Any], shape: str, size: str
) -> None:
    J = jb.ops.add.jacobian(WIDE, WIDE, wrt="A")
    gc.collect()  # what a collection frees or calls back in between is not the tensor's
    gc.disable()
    tracemalloc.start()
    try:
        with pytest.raises(jb.TensorTooLargeError) as caught:
            use(J)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
        gc.enable()
    message = str(caught.value)
    assert shape in message
    assert size in message
    for way_out in ("J.vjp(G)", "J.jvp(dX)", "J[...]", "J.sparse()", "max_bytes", "math.inf"):
        assert way_out in message
    assert "∂Y_ij/∂A_kl" in message
    assert isinstance(caught.value, MemoryError)


def test_a_small_part_of_a_huge_tensor() -> None:
    J = jb.ops.add.jacobian(WIDE, WIDE, wrt="A")
    assert J[3, 7, 3, 7] == 1
    assert J[3, 7, 3, 8] == 0
    np.testing.assert_array_equal(J[5, 6, 4:7, 5:8], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert J.nnz == 20000**2
    assert J.size == 20000**4


# '@' with arrays, and NumPy's functions


def test_at_with_an_array_names_jvp_and_vjp() -> None:
    J, _ = product()
    with pytest.raises(jb.UnsupportedError, match=r"ndarray.*J\.jvp\(dX\).*J\.vjp\(G\)"):
        _ = J @ random(2, 3)
    with pytest.raises(jb.UnsupportedError, match=r"ndarray.*J\.vjp\(G\)"):
        _ = random(2, 5) @ J
    with pytest.raises(jb.UnsupportedError, match="list"):
        _ = J @ [1.0]


@pytest.mark.parametrize(
    "use",
    [
        lambda J: J + 1, lambda J: 1 + J, lambda J: J - 1.0, lambda J: 1.0 - J,
        lambda J: J + np.ones(J.shape), lambda J: np.ones(J.shape) + J, lambda J: np.ones(3) * J,
        lambda J: J * np.ones(3), lambda J: J * J, lambda J: J * 1j, lambda J: J * "2",
        lambda J: np.complex128(1j) * J, lambda J: J / np.ones(2), np.exp, np.sum, np.negative,
    ],
)  # fmt: skip
def test_what_is_not_defined_raises_and_names_the_tensor(use: Callable[[Any], Any]) -> None:
    J, _ = product()
    with pytest.raises(jb.UnsupportedError, match="∂A_ij/∂B_kl"):
        use(J)


@pytest.mark.parametrize("other", ["C", "out"])
def test_sums_need_equal_shapes(other: str) -> None:
    J, _ = product()
    K = jb.ops.matmul.jacobian(random(2, 3), random(3, 5), wrt="C") if other == "C" else None
    K = K or jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    with pytest.raises(jb.ShapeError) as caught:
        _ = J + K
    for shape in (J.out_shape, J.in_shape, K.out_shape, K.in_shape):
        assert str(shape) in str(caught.value)
    with pytest.raises(jb.ShapeError):
        _ = J - K


def test_sums_do_not_mix_up_outputs_and_inputs_of_one_total_shape() -> None:
    first = jb.ops.einsum.jacobian(
        "ij,kl->ijkl", random(1, 2), random(2, 3), wrt=1
    )  # (1,2,2,3|2,3)
    second = jb.ops.einsum.jacobian("ij,klmn->ij", random(1, 2), random(2, 3, 2, 3), wrt=1)
    assert first.shape == second.shape
    with pytest.raises(jb.ShapeError, match=r"\(1, 2\) \| \(2, 3, 2, 3\)"):
        _ = first + second


def test_a_vjp_never_returns_the_upstream_itself() -> None:
    J = jb.ops.add.jacobian(random(2, 3), random(2, 3))
    G = random(2, 3, seed=9)
    found = J.vjp(G)
    assert found is not G
    assert not np.may_share_memory(found, G)
    np.testing.assert_array_equal(found, G)


def test_operands_are_what_the_terms_are_made_of_and_read_only() -> None:
    B, C = np.arange(6.0).reshape(2, 3), np.arange(15.0).reshape(3, 5)
    J = jb.ops.matmul.jacobian(B, C, wrt="B")
    (array,) = J.operands.values()
    np.testing.assert_array_equal(array, C)
    assert tuple(J.operands) == J.terms.operands
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 7
    with pytest.raises(TypeError):
        J.operands[J.terms.operands[0]] = B  # type: ignore[index]
    np.testing.assert_array_equal(J.dense(), np.einsum("ik,lj->ijkl", np.eye(2), C))
    again = jb.JacobianTensor(J.terms, 2, J.operands, dtype=J.dtype)
    np.testing.assert_array_equal(again.dense(), J.dense())
