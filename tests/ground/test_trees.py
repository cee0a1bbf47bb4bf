"""Trees: what is flattened comes back, other leaves take their places, and errors say where."""

import json
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jacobians as jb
from jacobians.ground.trees import LEAF, flatten, mapped, plain


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Layer:
    W: Any
    b: Any
    name: Any = "layer"

    def __post_init__(self) -> None:
        self.W = np.asarray(self.W, float)  # would refuse other leaves


@dataclass(frozen=True, slots=True)
class Frozen:
    x: Any
    y: Any = field(default=0, init=False)


class Vector(list[Any]):
    """A list of a kind of its own."""


LEAVES = st.one_of(st.integers(), st.none(), st.text(max_size=2), st.floats(allow_nan=False))


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers(0, 5)), inner, max_size=3),
        st.tuples(inner, inner).map(lambda pair: Pair(*pair)),
        inner.map(Frozen),
        st.lists(inner, max_size=2).map(Vector),
    )


TREES = st.recursive(LEAVES, grown, max_leaves=12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TREES)
def test_what_is_flattened_comes_back(tree: Any) -> None:
    leaves, treedef = flatten(tree)
    again = treedef.restore(leaves)
    assert again == tree
    assert type(again) is type(tree)
    assert len(leaves) == treedef.size == len(treedef.paths) == len(set(treedef.paths))
    assert hash(treedef) == hash(flatten(tree)[1])
    marks = [object() for _ in leaves]
    assert flatten(treedef.restore(marks)) == (marks, treedef)
    assert treedef.leaves_of(treedef.restore(marks), "G", "f") == marks
    assert mapped(lambda leaf: leaf, tree) == tree


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TREES)
def test_paths_lead_to_the_leaves(tree: Any) -> None:
    """The judge is Python: a path is written as Python reads it."""
    leaves, treedef = flatten(tree)
    for leaf, path in zip(leaves, treedef.paths, strict=True):
        assert eval(f"tree{path}", {"tree": tree}) is leaf


def test_dataclasses_take_other_leaves() -> None:
    leaves, treedef = flatten({"a": Layer([[1, 2]], 3)})
    assert treedef.paths == ["['a'].W", "['a'].b", "['a'].name"]
    other = treedef.restore(["dW", "db", None])["a"]
    assert (type(other), other.W, other.b, other.name) == (Layer, "dW", "db", None)
    assert leaves[1:] == [3, "layer"]


def test_kinds_of_dicts_stay() -> None:
    ordered = OrderedDict([("b", 1), ("a", 2)])
    assert mapped(str, ordered) == OrderedDict([("b", "1"), ("a", "2")])
    grouped = mapped(str, defaultdict(list, {"a": 1}))
    assert (type(grouped), grouped["a"]) == (defaultdict, "1")


@pytest.mark.parametrize("leaf", [np.ones((2, 3)), np.float32(1), 3, None, "ab", Layer, {1, 2}])
def test_leaves(leaf: Any) -> None:
    leaves, treedef = flatten(leaf)
    assert leaves[0] is leaf
    assert treedef == LEAF
    assert treedef.restore([7]) == 7
    assert treedef.paths == [""]


def test_a_container_may_count_as_a_leaf() -> None:
    leaves, treedef = flatten([(1, 2), [3]], stop=lambda part: isinstance(part, tuple))
    assert leaves == [(1, 2), 3]
    assert treedef.paths == ["[0]", "[1][0]"]


def test_structures_differ_by_kind_and_names() -> None:
    trees = [(1, 2), [1, 2], {"a": 1, "b": 2}, {"b": 1, "a": 2}, Pair(1, 2), Frozen(1), [[1], 2], 1]
    assert len({flatten(tree)[1] for tree in trees}) == len(trees)


@pytest.mark.parametrize(("count", "message"), [(1, "fewer leaves"), (3, "more leaves than the 2")])
def test_the_number_of_leaves_must_fit(count: int, message: str) -> None:
    treedef = flatten([0, (0,)])[1]
    with pytest.raises(ValueError, match=message):
        treedef.restore(range(count))


def test_another_tree_in_the_same_places() -> None:
    treedef = flatten({"a": (1, [2]), "b": Frozen(3)})[1]
    given = {"b": Frozen("x"), "a": np.array([[1.0], [2.0]])}
    found = treedef.leaves_of(given, "G", "f")
    np.testing.assert_array_equal(found[0], [1.0])
    assert found[1:] == [2.0, "x", 0]
    assert flatten(1)[1].leaves_of([1, 2], "G", "f") == [[1, 2]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, r"^G is of type int, but f is a dict of 2; give one for each, in the same structure$"),
        ({"a": (1, [2])}, r"^G is of type dict of 1, but f is a dict of 2"),
        ({"a": (1, [2]), "c": 0}, r"^G is of type dict of 2, but f is a dict of 2"),
        (
            {"a": (1,), "b": Frozen(3)},
            r"^G\['a'\] is of type tuple of 1, but f\['a'\] is a tuple of 2",
        ),
        (
            {"a": (1, 2), "b": Frozen(3)},
            r"^G\['a'\]\[1\] is of type int, but f\['a'\]\[1\] is a list",
        ),
        (
            {"a": (1, [2]), "b": (3, 4)},
            r"^G\['b'\] is of type tuple of 2, but f\['b'\] is a Frozen of 2",
        ),
        (
            {"a": {0: 1, 1: [2]}, "b": 0},
            r"^G\['a'\] is of type dict of 2, but f\['a'\] is a tuple of 2",
        ),
        ([(1, [2]), Frozen(3)], r"^G is of type list of 2, but f is a dict of 2"),
    ],
)
def test_another_structure_is_refused(given: Any, message: str) -> None:
    treedef = flatten({"a": (1, [2]), "b": Frozen(3)})[1]
    with pytest.raises(jb.ShapeError, match=message):
        treedef.leaves_of(given, "G", "f")


def test_plain_values_are_what_json_knows() -> None:
    given = {
        1: np.array([[1.0, np.nan], [np.inf, -0.5]]),
        "pair": Pair(np.float32(0.5), (True, None)),
        "frozen": Frozen([float("-inf"), np.int64(3)]),
        "text": "ab",
        "empty": (),
    }
    found = plain(given)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found == {
        "1": [[1.0, None], [None, -0.5]],
        "pair": {"first": 0.5, "second": [True, None]},
        "frozen": {"x": [None, 3], "y": 0},
        "text": "ab",
        "empty": [],
    }


# Seen from outside


def test_a_function_may_return_a_dataclass() -> None:
    x = np.array([1.0, -2.0, 0.5])
    J = jb.jacobian(lambda x: Frozen({"s": x**2, "t": (np.sin(x),)}))(x)
    assert isinstance(J, Frozen)
    np.testing.assert_allclose(J.x["s"].dense(), np.diag(2 * x))
    np.testing.assert_allclose(J.x["t"][0].dense(), np.diag(np.cos(x)))
    assert J.y.shape == (3,)


def test_an_error_says_where_in_the_result() -> None:
    def f(x: Any) -> Any:
        return {"a": x, "b": [x, None]}

    with pytest.raises(jb.UnsupportedError, match=r"f: its result\['b'\]\[1\] is None"):
        jb.jacobian(f)(np.ones(2))


def test_a_container_that_contains_itself_is_refused() -> None:
    ring: list[Any] = [np.ones(2)]
    ring.append(ring)
    with pytest.raises(jb.UnsupportedError, match="a list contains itself"):
        jb.jacobian(lambda x: [x, ring])(np.ones(2))
