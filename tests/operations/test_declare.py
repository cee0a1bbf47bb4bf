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


# Derivatives in NumPy notation: what has no value yet, and what is no derivative.


def leaky(derivative: Any) -> Any:
    return jb.operation("leaky", value=lambda X: np.where(X > 0, X, 0.1 * X), X=derivative)


def test_a_derivative_may_choose_entry_by_entry() -> None:
    chosen = leaky(lambda X, Y: np.where(X > 0, 1.0, 0.1))
    J = chosen.jacobian(np.array([-1.0, 1.0]))
    np.testing.assert_array_equal(J.diagonal(), [0.1, 1])
    clipped = jb.operation(
        "c", value=lambda X: np.where(abs(X) < 1, X * X / 2, abs(X) - 0.5),
        X=lambda X, Y: np.clip(X, -1, 1),
    )  # fmt: skip
    np.testing.assert_array_equal(clipped.jacobian(np.array([-3.0, 0.5])).diagonal(), [-1, 0.5])


def test_a_derivative_may_use_abs() -> None:
    half = jb.operation("half", value=lambda X: X * abs(X) / 2, X=lambda X, Y: abs(X))
    np.testing.assert_array_equal(half.jacobian(np.array([-2.0, 3.0])).diagonal(), [2, 3])


@pytest.mark.parametrize(
    ("derivative", "message"),
    [
        (lambda X, Y: 1.0 if X > 0 else 0.1, r"truth value.*greater.*np\.where\(X > 0, …, …\)"),
        (lambda X, Y: float(X), r"number.*np\.where"),
        (lambda X, Y: int(X), r"number.*np\.where"),
        (lambda X, Y: list(X), "iteration"),
        (lambda X, Y: len(X), "length"),
        (lambda X, Y: X[0], "entry"),
        (lambda X, Y: np.asarray(X), "array"),
        (lambda X, Y: X.sum(), r"\.sum of a node"),
        (lambda X, Y: np.sum(X), r"numpy\.sum has no operation"),
        (lambda X, Y: np.where(X), r"numpy\.where of 1 arguments"),
        (lambda X, Y: X == 0, r"leaky: the derivative by X is False: .*np\.equal\(X, 0\)"),
        (lambda X, Y: X != 0, r"leaky: the derivative by X is True"),
        (lambda X, Y: None, "leaky: the derivative by X is None"),
        (lambda X, Y: "1", "leaky: the derivative by X is '1'"),
    ],
)
def test_a_derivative_that_needs_values_or_is_none(derivative: Any, message: str) -> None:
    with pytest.raises(jb.UnsupportedError, match=message):
        leaky(derivative).jacobian(np.array([-1.0, 1.0]))


def test_attributes_that_a_node_has_not_are_attribute_errors_too() -> None:
    with pytest.raises(AttributeError, match="mean"):
        leaky(lambda X, Y: X.mean()).jacobian(np.array([-1.0, 1.0]))


def test_a_derivative_must_broadcast_to_the_result() -> None:
    wide = leaky(lambda X, Y: np.ones(5))
    with pytest.raises(jb.ShapeError, match=r"leaky.*by X has shape \(5,\).*shape \(\)"):
        wide.jacobian(np.array(2.0))


# Names of arguments.


def test_arguments_may_have_any_name() -> None:
    names = jb.operation(
        "names", value=lambda Y, D0, latex, numpy, dtype, binds: Y * D0 * latex + numpy,
        Y=lambda Y, D0, latex, numpy, dtype, binds, Z: D0 * latex,
        D0=lambda Y, D0, latex, numpy, dtype, binds, Z: Y * latex,
        latex=lambda Y, D0, latex, numpy, dtype, binds, Z: Y * D0,
        numpy="1", dtype=None, binds=None,
    )  # fmt: skip
    assert names.arguments == ("Y", "D0", "latex", "numpy", "dtype", "binds")
    values = (2.0, 3.0, 5.0, 7.0, 11.0, 13.0)
    found = [float(names.jacobian(*values, wrt=n).dense()) for n in range(6)]
    assert found == [15, 10, 6, 1, 0, 0]


def test_a_declaration_does_not_change_numpys_operations() -> None:
    with pytest.raises(
        jb.JacobiansError, match=r"by numpy.*3 positional arguments \(X, numpy, Y\)"
    ):
        jb.operation("bad", value=lambda X, numpy: X, X="1", numpy=np.exp)
    J = jb.jacobian(np.exp)(np.array([0.5]))
    assert J.formula() == "exp(x_0)"


# Jacobians that are not declared, or twice.


def test_no_rule_is_no_zero() -> None:
    added = jb.operation("g", "Y_n = g(X_n, Z_n)", "∂Y_i/∂X_k = δ_ik", value=lambda X, Z: X + Z)
    np.testing.assert_array_equal(added.jacobian(random(2), random(2)).dense(), np.eye(2))
    for use in (
        lambda: added.jacobian(random(2), random(2), wrt="Z"),
        lambda: jb.jacobian(lambda z: added(np.ones(2), z))(random(2)),
    ):
        with pytest.raises(
            jb.UnsupportedError, match=r"no Jacobian by Z was declared; write '∂Y_…/∂Z_… = 0'"
        ):
            use()
    constant = jb.operation(
        "g", "Y_n = g(X_n, Z_n)", "∂Y_i/∂X_k = δ_ik", "∂Y_i/∂Z_k = 0", value=lambda X, Z: X + 0 * Z
    )
    np.testing.assert_array_equal(
        constant.jacobian(random(2), random(2), wrt="Z").dense(), np.zeros((2, 2))
    )


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: jb.operation(
                "g", "Y_n = g(X_n)", "∂Y_i/∂X_k = δ_ik", "∂Y_i/∂X_k = 2 δ_ik", value=np.exp
            ),
            "second Jacobian by X",
        ),
        (lambda: jb.operation("g", "Y_n = g(X_n, X_n)", value=np.add), "all different"),
        (lambda: jb.operation("g", "X_n = g(X_n)", value=np.exp), "all different"),
        (lambda: jb.operation("g", "Y_n = g(2 X_n)", value=np.exp), "not one name"),
        (lambda: jb.operation("g", "Y_n = g(X_n Z_n)", value=np.exp), "not one name"),
        (
            lambda: jb.operation(
                "g", "Y_n = g(X_n)", "Y_nm = g(Z_nm)", "∂Y_ij/∂Z_kl = δ_ik δ_jl", value=np.exp
            ),
            "must be the same",
        ),
        (lambda: jb.operation("g", "Y_n = X_n", "Y_nm = Z_nm"), "expected X"),
        (lambda: jb.operation("g", "Y_ij = δ_ij"), "none; give at least one"),
        (lambda: jb.operation("g", value=np.exp, X=3), "the derivative by X is 3"),
        (lambda: jb.operation("g", value=3, X="1"), "value is 3; give a function of 1"),
        (
            lambda: jb.operation("g", value=np.exp, X=lambda X: X),
            r"the derivative by X is called with 2 positional arguments \(X, Y\), but .*\(X\)",
        ),
        (
            lambda: jb.operation("g", value=np.add, X="1"),
            r"value is called with 1 positional arguments \(X\), but takes 2",
        ),
        (
            lambda: jb.operation(
                "g", "Y_n = g(X_n)", "∂Y_i/∂X_k = D_i δ_ik", value=np.exp, where={"D": np.exp}
            ),
            "where D is called with 2",
        ),
        (
            lambda: jb.operation(
                "g", "Y_n = g(X_n)", "∂Y_i/∂X_k = D_i δ_ik", value=np.exp, where={"D": 3}
            ),
            "where D is 3",
        ),
        (
            lambda: jb.operation(
                "g", "Y_n = g(X_n)", "∂Y_i/∂X_k = Y_i δ_ik", value=np.exp, where={"X": np.multiply}
            ),
            "where= names X",
        ),
        (lambda: jb.operation("g", value=np.exp, X="1", where={"D": np.exp}), "where="),
    ],
)
def test_declarations_that_contradict_themselves(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(jb.JacobiansError, match=message):
        declare()


# Declared values.


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.sum, jb.ShapeError, r"g: Y_n = g\(X_n\): .*shape \(\), .*\(3,\) .*says \(3,\)"),
        (lambda X: X[:2], jb.ShapeError, r"shape \(2,\), .*\(3,\) .*says \(3,\)"),
        (lambda X: None, jb.UnsupportedError, "NoneType"),
        (lambda X: X * 1j, jb.UnsupportedError, "complex128"),
        (lambda X: "three", jb.UnsupportedError, "<U5"),
        (lambda X: [[1], [1, 2]], jb.ShapeError, "no array of numbers"),
    ],
)
def test_a_declared_value_is_checked(value: Any, kind: type[Exception], message: str) -> None:
    made = jb.operation("g", "Y_n = g(X_n)", "∂Y_i/∂X_k = Y_i δ_ik", value=value)
    for use in (made, made.jacobian, jb.jacobian(made)):
        with pytest.raises(kind, match=message):
            use(np.ones(3))


def test_the_value_beside_a_coordinate_form_is_checked() -> None:
    made = jb.operation("twice", "y_i = A_ik x_k", value=lambda A, x: x)
    with pytest.raises(
        jb.ShapeError, match=r"twice: y_i = A_ik x_k.*\(3,\).*\(2, 3\), \(3,\).*\(2,\)"
    ):
        made(np.ones((2, 3)), np.ones(3))


def test_a_list_as_a_declared_value_becomes_an_array() -> None:
    made = jb.operation("listed", value=lambda X: [float(x) for x in X], X="1")
    np.testing.assert_array_equal(made(np.ones(2)), [1, 1])


# Coordinate forms.


def test_a_delta_in_a_coordinate_form_is_no_argument() -> None:
    diagonal = jb.operation("diagonal", "A_ij = δ_ij x_j")
    assert diagonal.arguments == ("x",)
    assert diagonal.formula() == "δ_ij δ_ik"
    x = random(3)
    np.testing.assert_array_equal(diagonal(x), np.diag(x))
    expected = np.einsum("ij,ik->ijk", np.eye(3), np.eye(3))
    np.testing.assert_array_equal(diagonal.jacobian(x).dense(), expected)
    np.testing.assert_array_equal(diagonal.explicit(x), expected)
    scaled = jb.operation("scaled", "A_ij = δ_ij x_i y_j")
    assert scaled.formula("x") == "δ_ij δ_ik y_i"
    with pytest.raises(jb.ShapeError, match="2 and 3"):
        scaled(random(2), random(3))


def test_numbers_with_an_exponent() -> None:
    tiny = jb.operation("tiny", "A_i = 1e-3 B_i - 2E+1 C_i")
    np.testing.assert_allclose(tiny(np.ones(2), np.ones(2)), [-19.999] * 2)
    assert tiny.arguments == ("B", "C")
