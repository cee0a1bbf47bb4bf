"""Nodes and operations: values that never change, one object for equal ones, and NumPy's dtypes."""

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.graph.node import NUMPY, Node, Operation, apply, constant, input_node, of_dtype
from jacobians.operations.index_maps import add_up, permute, reshape, slices
from jacobians.tracing.session import session
from jacobians.tracing.traced import Traced, record

KINDS = [np.bool_, np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64]
FIELDS = [name for name in Node.__base__.__slots__ if name != "__weakref__"]


@pytest.mark.parametrize("name", [*FIELDS, "ndim", "other"])
def test_assigning_to_a_node_raises(name: str) -> None:
    X = input_node("X", (2, 3), np.float32)
    Y = X * X
    for node in (X, Y, constant(2.0)):
        before = {field: getattr(node, field) for field in FIELDS}
        with pytest.raises(jb.UnsupportedError, match=rf"a node never changes.*setting \.{name}"):
            setattr(node, name, np.dtype(float))
        with pytest.raises(jb.UnsupportedError, match=rf"a node never changes; \.{name} stays"):
            delattr(node, name)
        assert all(getattr(node, field) is value for field, value in before.items())


@pytest.mark.parametrize("name", ["key", "checked", "name", "other"])
def test_assigning_to_an_operation_raises(name: str) -> None:
    own = jb.operation("cube", value=lambda X: X**3, X=lambda X, Y: 3 * X**2).declaration
    for operation in (own, NUMPY[np.add], NUMPY[np.exp]):
        with pytest.raises(jb.UnsupportedError, match=rf"an operation never changes.*\.{name}"):
            setattr(operation, name, "x")
        with pytest.raises(jb.UnsupportedError, match=r"an operation never changes"):
            delattr(operation, name)
    assert own.checked
    assert not NUMPY[np.exp].checked


def test_every_operation_has_a_key_of_its_own() -> None:
    twins = [jb.operation("twin", "Y_i = A_i").declaration for _ in range(3)]
    keys = [operation.key for operation in twins]
    assert keys[0].startswith("twin")
    known = [operation.key for operation in NUMPY.values()]
    assert len({*keys, *known}) == len(keys) + len(set(map(id, NUMPY.values())))


def test_equal_nodes_are_one() -> None:
    X, Z = input_node("X", (2,)), input_node("X", (2,))
    assert X * 2 is X * 2
    assert X * 2 is not X * 2.0
    assert X * 0.0 is not X * -0.0
    assert X * 2 is not Z * 2
    assert X * 2 in X.users


# Dtypes: NumPy is the judge.


UFUNCS = [f for f in NUMPY if isinstance(f, np.ufunc) and f.signature is None]
ARGUMENTS: list[Any] = [*(np.ones(2, kind) for kind in KINDS), 1, 1.0]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_the_dtype_of_a_ufunc_is_numpys(ufunc: np.ufunc) -> None:
    seen = 0
    for args in product(ARGUMENTS, repeat=ufunc.nin):
        if not any(isinstance(a, np.ndarray) for a in args):
            continue
        nodes = [input_node("X", a.shape, a.dtype) if np.ndim(a) else a for a in args]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = ufunc(*args).dtype
        except TypeError:
            with pytest.raises(TypeError):
                apply(NUMPY[ufunc], nodes)
            continue
        assert apply(NUMPY[ufunc], nodes).dtype == wanted, args
        seen += 1
    assert seen


MOVES: dict[str, tuple[Operation, dict[str, Any]]] = {
    "reshape": (reshape, {"shape": (3, 2)}),
    "permute": (permute, {"axes": (1, 0)}),
    "slice": (slices, {"starts": (0, 1), "steps": (1, 1), "shape": (2, 2)}),
    "sum": (add_up, {"axes": (0,)}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MOVES)
def test_what_moves_entries_keeps_their_dtype(name: str, kind: Any) -> None:
    operation, parameters = MOVES[name]
    X = np.ones((2, 3), kind)
    node = apply(operation, [input_node("X", X.shape, X.dtype)], **parameters)
    value = np.asarray(operation.evaluate([X], parameters))
    widened = name == "sum" and kind in (np.int8, np.uint8)  # NumPy adds up in int64
    assert node.dtype == (kind if widened else value.dtype)
    assert node.shape == value.shape


def test_a_declared_value_may_have_a_dtype_of_its_own() -> None:
    """Nothing says what a user's function returns: the traced node has the value's dtype, shared."""
    wide = jb.operation("wide", value=lambda X: np.asarray(X, float), X="1").declaration
    x = np.ones(3, np.float32)
    with session() as here:
        X = input_node("X", x.shape, x.dtype)
        here.values[X] = x
        first, second = (record(wide, [Traced(X, x)]) for _ in range(2))
    assert first.node is second.node
    assert first.node.dtype == first.value.dtype == np.float64
    inferred = apply(wide, [X])
    assert inferred.dtype == np.float32
    assert of_dtype(inferred, np.dtype(np.float64)) is first.node
    assert of_dtype(inferred, inferred.dtype) is inferred
    J = jb.jacobian(lambda x: wide_twice(wide, x))(x)
    assert (J.dtype, J.in_dtype) == (np.float64, np.float32)


def wide_twice(operation: Operation, x: Any) -> Any:
    return record(operation, [x]) * 2


def test_integers_between_traced_values_have_numpys_dtype() -> None:
    """A truth that is moved stays a truth, so that it selects instead of multiplying."""
    x, w = np.array([0.5, -1.0, 2.0]), np.array([1.0, np.inf, 3.0])

    def f(x: Any) -> Any:
        mask = (x > 0)[::-1]
        return np.where(mask, x * w[::-1], 0)

    J = jb.jacobian(f)(x)
    np.testing.assert_array_equal(J.dense(), np.diag([3.0, 0.0, 1.0]))
