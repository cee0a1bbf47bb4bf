"""Points that cannot hide a mistake."""

from math import isqrt

import numpy as np
import pytest

import jacobians as jb
from jacobians.course import (
    Assignment,
    FormulaTask,
    TensorTask,
    ValueTask,
    VjpTask,
    invertible,
    labels,
    normal,
    one_hot,
    positive,
    probabilities,
)
from jacobians.course.drawing import apart, drawn, sizes_for, upstream
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError


@pytest.mark.parametrize("letters", ["n", "mn", "mnp", "mnpq", "mnpqr"])
def test_sizes_are_apart(letters: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = list(sizes_for(letters, rng, 3))
        assert len(found) == 3
        for sizes in found:
            for a in sizes:
                for b in sizes:
                    if a != b:
                        x, y = sizes[a], sizes[b]
                        assert x != y
                        assert x % y
                        assert isqrt(x) ** 2 != x or isqrt(x) != y
        assert len({tuple(sizes.values()) for sizes in found}) == 3


def test_apart_sees_multiples_and_roots() -> None:
    assert apart((3, 4, 5))
    assert not apart((3, 9))
    assert not apart((4, 8))
    assert not apart((5, 5))


def test_too_many_letters_are_refused() -> None:
    with pytest.raises(JacobiansError, match="6 sizes"):
        list(sizes_for("abcdef", np.random.default_rng(0), 1))


def test_arrays_are_what_they_say() -> None:
    sizes = {"m": 5, "n": 7}
    draws = {
        "A": normal("m n"), "c": normal(""), "P": positive("n"), "X": invertible("n n"),
        "R": probabilities("m n"), "H": one_hot("m n"), "k": labels("m", below="n"),
        "fixed": 3, "own": lambda rng, sizes: np.full(sizes["m"], 2.0), "four": normal("4 m"),
    }  # fmt: skip
    found = drawn(draws, sizes, np.random.default_rng(1))
    assert found["A"].shape == (5, 7)
    assert np.min(np.abs(found["A"])) > 0.04
    assert found["c"].shape == ()
    assert 0.5 <= found["P"].min() <= found["P"].max() <= 2
    assert np.linalg.cond(found["X"]) < 50
    assert not np.allclose(found["X"], found["X"].T)
    np.testing.assert_allclose(found["R"].sum(axis=1), 1)
    assert found["H"].sum() == 5
    assert set(np.unique(found["H"])) == {0, 1}
    assert found["k"].dtype.kind == "i"
    assert found["k"].max() < 7
    assert found["fixed"] == 3
    assert found["own"].tolist() == [2.0] * 5
    assert found["four"].shape == (4, 5)


def test_upstreams_are_not_constant() -> None:
    G = upstream(np.random.default_rng(0), (4, 5))
    assert np.unique(G).size == 20


def test_points_follow_the_seed_and_the_task() -> None:
    task = TensorTask("f", 1, np.exp, arguments={"x": "n"})
    other = TensorTask("g", 1, np.exp, arguments={"x": "n"})
    first, again, seeded, named = (
        [p.arguments["x"].tolist() for p in t.at(t.rng(seed))]
        for t, seed in ((task, 0), (task, 0), (task, 1), (other, 0))
    )
    assert first == again
    assert first not in (seeded, named)


def test_an_operation_needs_no_arguments() -> None:
    task = VjpTask("f", 1, jb.ops.matmul, wrt=("B", "C"))
    assert {k: d.shape for k, d in task.draws.items()} == {"B": ("n", "m"), "C": ("m", "p")}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TensorTask("f g", 1, np.exp, arguments={"x": "n"}), "name"),
        (lambda: TensorTask("f", -1, np.exp, arguments={"x": "n"}), "points"),
        (lambda: TensorTask("f", 1, "exp"), "no function"),
        (lambda: TensorTask("f", 1, lambda x: x), "how its arguments are drawn"),
        (
            lambda: TensorTask("f", 1, lambda x, y: x, arguments={"x": "n", "z": "n"}),
            "no argument 'z'",
        ),
        (lambda: TensorTask("f", 1, lambda x: x, wrt="y", arguments={"x": "n"}), "wrt='y'"),
        (lambda: TensorTask("f", 1, lambda x: x, arguments={"x": "N"}), "no shape"),
        (
            lambda: TensorTask("f", 1, lambda x, k: x, wrt="k", arguments={"x": "n", "k": 3}),
            "fixed",
        ),
        (lambda: Assignment("A", []), "no tasks"),
        (
            lambda: Assignment("A", [ValueTask("f", 1, np.exp, arguments={"x": "n"})] * 2),
            "two tasks",
        ),
        (lambda: invertible("m n"), "square"),
    ],
)
def test_mistakes_of_the_instructor_are_named(make, words: str) -> None:
    with pytest.raises((JacobiansError, ShapeError, UnsupportedError), match=words):
        make()


def test_a_function_that_cannot_be_traced_has_a_numerical_reference() -> None:
    from scipy import special

    task = TensorTask("f", 1, lambda x: special.betainc(2.0, 3.0, x), arguments={"x": positive("n")},
                      shapes=1)  # fmt: skip
    point, _ = task.at(task.rng(0))
    x = point.arguments["x"] = point.arguments["x"] / 3
    ((right,),) = [q.right for q in task.questions(point, task.rng(0))]
    np.testing.assert_allclose(right, np.diag(12 * x * (1 - x) ** 2), atol=1e-7)


def test_references_are_the_derivatives() -> None:
    """Against complex step of the forward function."""
    formula = FormulaTask("f", 1, np.tanh, arguments={"x": "n"})
    (point, *_) = formula.at(formula.rng(3))
    x = point.arguments["x"]
    ((right,),) = [q.right for q in formula.questions(point, formula.rng(0))]
    step = np.stack([np.tanh(x + 1e-30j * e).imag / 1e-30 for e in np.eye(len(x))], axis=-1)
    np.testing.assert_allclose(right, step, rtol=1e-12)
