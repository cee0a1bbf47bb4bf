"""Operations that users declare: in three ways, with everything that the package's own have."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb
from tests import numerical

Array = NDArray[Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


MADE: dict[str, tuple[Any, Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "coordinates": (
        jb.operation("sandwich", "Y_ij = X_ri M_rp X_pj"),
        lambda X, M: X.T @ M @ X,
        ((3, 3), (3, 3)),
    ),
    "a sum of coordinates": (
        jb.operation("affine", "Y_ij = W_ir X_rj + b_i"),
        lambda W, X, b: W @ X + b[:, None],
        ((2, 3), (3, 4), (2,)),
    ),
    "numbers and signs": (
        jb.operation("mix", "y_i = 2 a_i b_i − ½ a_i"),
        lambda a, b: 2 * a * b - a / 2,
        ((3,), (3,)),
    ),
    "batches": (
        jb.operation("batched", "Y_…ij = A_…ir B_…rj"),
        np.matmul,
        ((2, 3, 4), (4, 5)),
    ),
    "coordinates with a value": (
        jb.operation("twice", "y_i = A_ik x_k", value=np.matmul),
        np.matmul,
        ((2, 3), (3,)),
    ),
    "elementwise": (
        jb.operation("softplus", value=lambda X: np.logaddexp(0, X), X=lambda X, Y: 1 - np.exp(-Y)),
        lambda X: np.log(1 + np.exp(X)),
        ((2, 3),),
    ),
    "elementwise in two arguments": (
        jb.operation(
            "hypotenuse",
            value=lambda A, B: np.sqrt(A * A + B * B),
            A=lambda A, B, Y: A / Y,
            B=lambda A, B, Y: B / Y,
        ),
        lambda A, B: np.sqrt(A * A + B * B),
        ((2, 3), (3,)),
    ),
    "elementwise with a text": (
        jb.operation("shift", value=lambda X: X + 3, X="1"),
        lambda X: X + 3,
        ((2, 3),),
    ),
    "a rule": (
        jb.operation(
            "inverse", "Y_nn = inverse(X_nn)", "∂Y_ij/∂X_kl = −Y_ik Y_lj", value=np.linalg.inv
        ),
        np.linalg.inv,
        ((3, 3),),
    ),
    "a rule with a delta and a where": (
        jb.operation(
            "scaled_tanh",
            "Y_nm = scaled_tanh(X_nm, s)",
            "∂Y_ij/∂X_kl = s δ_ik δ_jl D_ij",
            "∂Y_ij/∂s = T_ij",
            value=lambda X, s: s * np.tanh(X),
            where={
                "D": lambda X, s, Y: 1 - np.square(np.tanh(X)),
                "T": lambda X, s, Y: np.tanh(X),
            },
        ),
        lambda X, s: s * np.tanh(X),
        ((2, 3), ()),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_declared_operation_has_everything(name: str) -> None:
    operation, function, shapes = MADE[name]
    arrays = [
        random(*shape, seed=n) + (3 * np.eye(3) if shape == (3, 3) else 0)
        for n, shape in enumerate(shapes)
    ]
    np.testing.assert_allclose(operation(*arrays), function(*arrays), rtol=1e-12)
    assert len(operation.arguments) == len(shapes)
    for position, argument in enumerate(operation.arguments):
        expected = numerical.jacobian(function, arrays, position, analytic=True)
        J = operation.jacobian(*arrays, wrt=argument)
        atol = 1e-12 * max(1, np.abs(expected).max())
        np.testing.assert_allclose(J.dense(), expected, atol=atol)
        np.testing.assert_allclose(operation.explicit(*arrays, wrt=position), expected, atol=atol)
        G, dX = random(*J.out_shape, seed=7), random(*J.in_shape, seed=8)
        np.testing.assert_allclose(
            operation.vjp(G, *arrays, wrt=argument),
            np.tensordot(G, expected, len(J.out_shape)),
            atol=50 * atol,
        )
        np.testing.assert_allclose(
            operation.jvp(dX, *arrays, wrt=argument),
            np.tensordot(expected, dX, len(J.in_shape)),
            atol=50 * atol,
        )
        np.testing.assert_allclose(J.sparse().toarray(), J.matrix(), atol=atol)
        assert operation.formula(argument)
        assert operation.latex(argument)
        assert "->" in operation.einsum(argument)
        restored = pickle.loads(pickle.dumps(J))
        assert restored.formula() == J.formula()
        np.testing.assert_array_equal(restored.dense(), J.dense())


def test_formulas_of_declared_operations() -> None:
    sandwich = MADE["coordinates"][0]
    assert sandwich.formula("M") == "X_ki X_lj"
    assert MADE["elementwise"][0].formula("X") == "δ_ik δ_jl (1 − exp(−softplus(X_ij)))"
    assert MADE["a rule"][0].formula("X") == "−inverse(X)_ik inverse(X)_lj"
    assert MADE["a sum of coordinates"][0].formula("b") == "δ_ik"


def test_a_declared_operation_chains_with_ours() -> None:
    softplus = MADE["elementwise"][0]
    W, x = random(2, 3), random(3)
    J = softplus.jacobian(W @ x) @ jb.ops.matvec.jacobian(W, x, wrt="x")
    expected = numerical.complex_step(lambda v: np.log(1 + np.exp(W @ v)), x)
    np.testing.assert_allclose(J.dense(), expected, atol=1e-13)


def test_a_boolean_derivative_is_a_mask() -> None:
    ramp = jb.operation("ramp", value=lambda X: np.where(X > 1, X, 0.0), X=lambda X, Y: X > 1)
    J = ramp.jacobian(np.array([0.0, 2.0]))
    np.testing.assert_array_equal(J.vjp(np.array([np.inf, 3.0])), [0, 3])


def test_an_argument_without_a_derivative_is_locally_constant() -> None:
    kept = jb.operation("kept", value=lambda X, s: X + np.sign(s), X="1", s=None)
    np.testing.assert_array_equal(kept.jacobian(random(2), 0.5, wrt="s").dense(), [0, 0])
    np.testing.assert_array_equal(kept.jacobian(random(2), 0.5, wrt="X").dense(), np.eye(2))


def test_it_does_not_enter_the_library() -> None:
    assert "sandwich" not in jb.ops
    assert repr(MADE["coordinates"][0]) == "<jb.ops.sandwich(X, M)>" or "sandwich" in repr(
        MADE["coordinates"][0]
    )


def test_shapes_are_checked_by_the_declaration() -> None:
    with pytest.raises(jb.ShapeError) as caught:
        MADE["coordinates"][0](random(3, 2), random(4, 3))
    for part in ("sandwich", "Y_ij = X_ri M_rp X_pj", "(3, 2)", "(4, 3)"):
        assert part in str(caught.value)
    with pytest.raises(jb.ShapeError, match=r"inverse.*\(2, 3\)"):
        MADE["a rule"][0].jacobian(random(2, 3))


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: jb.operation("nothing"), "nothing"),
        (lambda: jb.operation("f", X=lambda X, Y: X), "value="),
        (lambda: jb.operation("f", "Y_nn = f(X_nn)", "∂Y_ij/∂X_kl = Y_ik"), "value="),
        (
            lambda: jb.operation("f", "y_i = x_i", value=np.exp, x=lambda x, y: y),
            "coordinate forms",
        ),
        (lambda: jb.operation("f", "Y_ij"), "Y_ij"),
        (lambda: jb.operation("f", "Y_ij = B_i? C"), r"\?"),
        (lambda: jb.operation("f", "= B_ij"), "B_ij"),
        (lambda: jb.operation("f", "A_i B_j = C_ij"), "one name left of '='"),
        (lambda: jb.operation("f", "Y_nn = f(X_nn)", "∂Y_ij = Y_ij", value=np.exp), "∂Y_ij = Y_ij"),
        (lambda: jb.operation("f", "∂Y_i/∂X_k = Y_i", value=np.exp), "signature"),
        (lambda: jb.operation("f", "y_i = δ_ijk x_i"), "δ"),
        (lambda: jb.operation("f", "y_i = 1/0 x_i"), "zero"),
    ],
)
def test_unreadable_declarations_raise(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(jb.JacobiansError, match=message):
        declare()


@pytest.mark.parametrize(
    "declare",
    [
        lambda: jb.operation("f", "Y_nn = f(X_nn)", "∂Y_ij/∂X_kl = Q_ik Y_lj", value=np.linalg.inv),
        lambda: jb.operation("f", "Y_nn = f(X_nn)", "∂Y_ij/∂Z_kl = Y_ik Y_lj", value=np.linalg.inv),
        lambda: jb.operation("f", "Y_nn = f(X_nn)", "∂Z_ij/∂X_kl = Y_ik Y_lj", value=np.linalg.inv),
    ],
    ids=["in the formula", "the argument", "the result"],
)
def test_an_unknown_name_in_a_rule_is_named(declare: Callable[[], Any]) -> None:
    with pytest.raises(jb.JacobiansError, match=r"'f'.*[QZ].*Y.*X|'f'.*[QZ].*X, Y"):
        declare()


def test_a_letter_of_the_result_that_no_operand_has() -> None:
    with pytest.raises(jb.JacobiansError, match="letter j"):
        jb.operation("f", "Y_ij = x_i")(random(3))
