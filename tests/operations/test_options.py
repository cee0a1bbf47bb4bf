"""What operations take besides arrays: the same on plain arrays as on traced ones, and as SciPy's."""

import inspect
from typing import Any

import numpy as np
import pytest
from scipy import special

import jacobians as jb
from jacobians.operations.registry import OPERATIONS
from jacobians.tracing.tables import SUPPORTED
from tests import numerical

AXES: list[dict[str, Any]] = [{"axis": axis} for axis in (None, 0, -1, 1, (0, 2), (2, 1, 0), ())]
# Every operation with options: SciPy's function of the same ones, and options to try.
OPTIONS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "logsumexp": (special.logsumexp, [*AXES, {"keepdims": True}, {"axis": 1, "keepdims": True}]),
    "softmax": (special.softmax, AXES),
}
CASES = [(name, options) for name, (_, several) in OPTIONS.items() for options in several]
X = np.random.default_rng(5).normal(size=(2, 3, 4))
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=str)


def test_every_operation_with_options_is_in_the_table() -> None:
    found = {
        name: tuple(inspect.signature(SUPPORTED[operation].run).parameters)[1:]
        for name, operation in OPERATIONS.items()
        if operation in SUPPORTED and not isinstance(SUPPORTED[operation].run, np.ufunc)
    }
    assert set(found) == set(OPTIONS)
    for name in jb.ops:
        assert tuple(jb.ops[name].options) == found.get(name, ())


@every_case
def test_value_is_scipys_on_plain_and_on_traced_arrays(name: str, options: dict[str, Any]) -> None:
    operation, expected = jb.ops[name], OPTIONS[name][0](X, **options)
    plain = operation(X, **options)
    traced, _ = jb.jvp(lambda x: operation(x, **options), [X], [X])
    for found in (
        plain,
        traced,
        operation(X=X, **options),
        jb.vjp(lambda x: operation(X=x, **options), X)[0],
    ):
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert type(plain) is type(operation(X)) or np.ndim(plain)
    np.testing.assert_array_equal(plain, traced)
    assert not np.shares_memory(plain, X)
    np.testing.assert_allclose(
        operation(np.arange(24, dtype=np.int8).reshape(X.shape), **options),
        OPTIONS[name][0](np.arange(24.0).reshape(X.shape), **options),
    )
    assert operation(X.astype(np.float32), **options).dtype == np.float32


@every_case
def test_jacobians_are_numerical_ones(name: str, options: dict[str, Any]) -> None:
    operation = jb.ops[name]
    expected = numerical.differences(lambda x: OPTIONS[name][0](x, **options), X)
    J = operation.jacobian(X, **options, wrt="X")
    for found in (J.dense(), J.explicit(), operation.explicit(X=X, **options)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    rng = np.random.default_rng(6)
    G, dX = np.asarray(rng.normal(size=J.out_shape)), rng.normal(size=J.in_shape)
    np.testing.assert_allclose(
        operation.vjp(G, X, **options), np.tensordot(G, expected, G.ndim), atol=1e-8
    )
    np.testing.assert_allclose(
        operation.jvp(dX, X, **options), np.tensordot(expected, dX, dX.ndim), atol=1e-8
    )
    assert J.title.startswith("∂y" if name == "logsumexp" else "∂Y")


def test_options_by_position_and_formulas_with_options() -> None:
    np.testing.assert_array_equal(jb.ops.logsumexp(X, 1), jb.ops.logsumexp(X, axis=1))
    np.testing.assert_array_equal(jb.ops.softmax(X, -1), special.softmax(X, -1))
    softmax = jb.ops.softmax
    assert (
        softmax.formula("X", axis=1) == "δ_ik δ_jl softmax(X)_ij − δ_ik softmax(X)_ij softmax(X)_il"
    )
    assert softmax.latex("X", axis=1).startswith(r"\delta_{ik} \delta_{jl}")
    assert softmax.einsum("X", axis=1) == "ik,jl,ij->ijkl + ik,ij,il->ijkl"
    assert jb.ops.logsumexp.title("X", axis=0) == "∂y_i/∂X_kl"
    assert jb.ops.logsumexp.title("X") == "∂y/∂X_kl"


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: jb.ops.logsumexp(X, axis=0, b=2), ("logsumexp takes", "axis, keepdims", "b by name")),
        (lambda: jb.ops.logsumexp(X, 0, 2.0), ("axis, keepdims", "got 3 by position")),
        (lambda: jb.ops.logsumexp(axis=0), ("logsumexp takes 1 arrays (X)", "axis by name")),
        (lambda: jb.ops.softmax(X, keepdims=True), ("softmax takes 1 arrays (X) and axis;",)),
        (lambda: jb.grad(lambda x: jb.ops.logsumexp(x, b=2))(X), ("axis, keepdims", "b by name")),
        (lambda: jb.ops.exp(X, axis=0), ("exp takes 1 arrays (X);", "axis by name")),
        (lambda: jb.ops.exp.jacobian(X, axis=0), ("exp takes 1 arrays (X);", "axis by name")),
        (lambda: jb.ops.exp.formula(0, axis=0), ("exp takes 1 arrays (X);", "axis by name")),
        (lambda: jb.ops.softmax.latex(0, b=0), ("softmax takes 1 arrays (X) and axis;", "b by name")),
    ],
)  # fmt: skip
def test_what_is_no_option_is_named(call: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(jb.UnsupportedError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


def test_an_axis_that_is_not_there_is_numpys_error() -> None:
    for call in (jb.ops.logsumexp, jb.ops.logsumexp.jacobian):
        with pytest.raises(np.exceptions.AxisError, match="axis 5 is out of bounds"):
            call(X, axis=5)


def test_options_in_a_rule_raise() -> None:
    soft = jb.operation("soft", value=np.exp, X=lambda X, Y: jb.ops.logsumexp(X, axis=0))
    with pytest.raises(jb.UnsupportedError, match=r"logsumexp in a derivative takes no axis"):
        soft.jacobian(X)
