"""Values of the library's operations: integers, truths and Python numbers; names and pickles."""

import pickle
from typing import Any

import numpy as np
import pytest

import jacobians as jb

o = jb.ops


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sigmoid", (np.array([1], np.uint8),)),
        ("norm", (np.array([100, 100], np.int8),)),
        ("squared_error", (np.array([1, 2], np.uint8), np.array([2, 1], np.uint8))),
        ("softmax", (np.array([1, 2]),)),
        ("softmax", (np.array([True, False]),)),
        ("logsumexp", (np.array([1, 2], np.int16),)),
        ("exp", (np.array([20], np.int8),)),
        ("power", (np.array([2, 3]), -1)),
        ("power", (np.array([2, 3]), np.array([-1, 2]))),
        ("square", (np.array([100], np.int8),)),
        ("absolute", (np.array([-128], np.int8),)),
        ("divide", (np.array([1], np.int8), np.array([3], np.int8))),
        ("inv", (np.array([[2, 1], [1, 2]]),)),
        ("relu", (np.array([True]),)),
    ],
)
def test_rules_compute_with_floats(name: str, arguments: tuple[Any, ...]) -> None:
    found = o[name](*arguments)
    expected = o[name](*(np.asarray(a, float) for a in arguments))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_integers_beside_float32_stay_float32() -> None:
    assert o.divide(np.ones(2, "f4"), np.array([2, 4], np.int8)).dtype == np.float32


@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "inner"])
def test_truths_are_numbers(name: str) -> None:
    truths = np.array([True, True])
    found = o[name](truths, truths)
    np.testing.assert_array_equal(found, o[name](truths.astype(int), truths.astype(int)))
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("power", (np.ones(2, "f4"), 2)),
        ("power", (2.5, np.ones(2, "f4"))),
        ("scale", (2.0, np.ones(2, "f4"))),
        ("scale", (2, np.ones(2, "f4"))),
        ("add", (np.ones(2, "f4"), 1.5)),
        ("squared_error", (np.float32(1), 2)),
    ],
)
def test_python_numbers_do_not_widen(name: str, arguments: tuple[Any, ...]) -> None:
    assert o[name](*arguments).dtype == np.float32
    for wrt in range(len(arguments)):
        J = o[name].jacobian(*arguments, wrt=wrt)
        assert (J.dtype, J.dense().dtype) == (np.float32, np.float32)


def test_python_numbers_alone_are_float64() -> None:
    assert o.power(2, -1) == 0.5
    assert o.power.jacobian(2, 3).dense() == 12
    assert o.add(np.array([1], np.int8), 2000)[0] == 2001


def test_operations_are_pickled_by_name() -> None:
    for name in o:
        assert pickle.loads(pickle.dumps(o[name])) is o[name]
    other = jb.operation("tanh", value=np.tanh, X=lambda X, Y: 1 - Y**2)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(other)


def test_none_is_no_array() -> None:
    with pytest.raises(jb.UnsupportedError, match="tanh: argument X is None"):
        o.tanh(None)


def test_an_equation_does_not_use_an_input_axis_for_its_sum() -> None:
    assert o.matvec.equation() == "y_i = A_ir x_r"
    assert (o.matvec.formula("A"), o.matvec.formula("x")) == ("δ_ik x_l", "A_ik")


@pytest.mark.parametrize("axes", [27, 33])
def test_more_axes_than_letters(axes: int) -> None:
    x = np.full((1,) * axes, 0.5)
    J = o.square.jacobian(x)
    for use in (J.dense, J.explicit, J.formula):
        with pytest.raises(jb.UnsupportedError, match=f"{2 * axes} axes.*52 letters.*vjp"):
            use()
    np.testing.assert_array_equal(J.vjp(np.ones_like(x)), 2 * x)


def test_einsum_of_more_operands_than_letters() -> None:
    subscripts = ",".join("a" * 28) + "->a"
    arrays = [np.ones(2)] * 27 + [np.array([2.0, 3.0])]
    J = o.einsum.jacobian(subscripts, *arrays, wrt="A1")
    np.testing.assert_array_equal(J.diagonal(), [2, 3])
    assert o.einsum.formula("B1", subscripts).startswith("δ_ik A_i B_i")
