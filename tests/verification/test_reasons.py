"""What a report says once of several parts, and of how many numbers an explanation may be made."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.verification import reasoning
from jacobians.verification.judging import is_earned

RNG = np.random.default_rng(4)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)


def layer(x: Any, W: Any, b: Any) -> Any:
    return np.tanh(x @ W + b)


def backward(G: Any, x: Any, W: Any, b: Any) -> Any:
    d = G * (1 - np.tanh(x @ W + b) ** 2)
    return d @ W.T, x.T @ d, d.sum(0)


def test_parts_that_fail_for_one_reason_are_told_once() -> None:
    report = jb.check(layer, X, W, B, vjp=lambda G, x, W, b: (G @ W.T, x.T @ G, G.sum(0)))
    text = str(report)
    assert len(report.parts) == 3
    assert text.splitlines()[0].split() == ["vjp", "of", "layer", "by", "x,", "W,", "b", "WRONG"]
    assert "60 of 240 entries of ∂layer_ij/∂W_kl are wrong" in text
    assert text.count("one reason") == 1
    assert "forgotten" in text
    assert text.count("worst entry") == 1


def test_parts_that_fail_for_several_reasons_are_told_each() -> None:
    def wrong(G: Any, *args: Any) -> Any:
        dx, dW, db = backward(G, *args)
        return -dx, 2 * dW, -db

    text = str(jb.check(layer, X, W, B, vjp=wrong))
    assert "vjp of layer by x, b" in text
    assert text.count("The sign is wrong.") == 1
    assert text.count("It is 2 × the right derivative") == 1


def test_of_many_parts_three_are_told_and_the_rest_counted() -> None:
    def sums(*parts: Any) -> Any:
        return sum(p**2 for p in parts)

    parts = RNG.normal(size=(6, 4))
    report = jb.check(sums, *parts, vjp=lambda G, *p: tuple(-2 * G * a for a in p))
    text = str(report)
    assert text.count("4 of 16 entries") == 3
    assert "and so 3 more" in text


def test_at_most_three_places_are_told_and_a_count() -> None:
    def claim(G: Any, x: Any) -> Any:
        g = 2 * x
        g[[1, 4, 6, 11, 17]] += np.array([0.3, -0.2, 0.5, 0.7, 1.1])
        return G * g

    found = jb.check(lambda x: np.sum(x**2), RNG.normal(size=20), vjp=claim).findings[0]
    assert "k = 1, 4, 6, … (5 of 20 indices)" in found.text


def probability(x: Any) -> Any:
    e = np.exp(x)
    return e / e.sum()


SMALL = {
    "cube": lambda x: np.sum(x**3),
    "tanh": np.tanh,
    "softmax": probability,
    "norm": lambda x: x / np.sqrt(np.sum(x**2) + 1e-5),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mixed": lambda x: np.sum(x * np.roll(x, 1) + np.sin(x)),
}


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("name", SMALL)
def test_of_few_numbers_no_coincidence_is_told(name: str, size: int) -> None:
    """A random claim is no known mistake; a place is all that may be told of it."""
    f = SMALL[name]
    for seed in range(2):
        random = np.random.default_rng([seed, size])
        x = random.normal(size=size)
        J = random.normal(size=(*np.shape(f(x)), size))
        report = jb.check(f, x, vjp=lambda G, x, J=J: np.tensordot(G, J, J.ndim - 1))
        if report.verdict == "right":  # of one probability, which is 1 whatever is asked
            continue
        told = [one for one in report.findings if one.remaining < 1]
        assert {one.kind for one in told} <= {"entry", "entries", "row", "column", "block"}, told


def test_a_plain_mistake_in_few_numbers_is_told_all_the_same() -> None:
    for size in (1, 2, 3, 4):
        x = np.random.default_rng(size).normal(size=size)
        for factor, said in ((-1, "The sign is wrong"), (2, "2 ×"), (0.5, "½ ×")):
            report = jb.check(
                lambda x: np.sum(x**3), x, vjp=lambda G, x, c=factor: c * 3 * G * x**2
            )
            assert said in report.findings[0].text


@pytest.mark.parametrize(
    ("free", "explained", "earned"), [(0, 0, False), (0, 1, True), (1, 1, False), (2, 3, True)]
)
def test_free_numbers_are_counted_against_those_that_are_explained(
    free: int, explained: int, earned: bool
) -> None:
    assert is_earned(free, explained) == earned


def opaque(function: Any) -> Any:
    """The function, of which no trace can be made."""
    return lambda x: function(np.array(x.tolist()))


LARGE = np.random.default_rng(6).normal(size=(40, 30))


def test_of_a_large_function_without_a_graph_a_corner_is_explained() -> None:
    report = jb.check(opaque(np.tanh), LARGE, vjp=lambda G, x: -G * (1 - np.tanh(x) ** 2))
    assert report.findings[0].text == "The sign is wrong; seen where i < 5, j < 8, k < 5, l < 8."


def test_of_a_large_argument_a_mask_is_seen_at_a_corner() -> None:
    x = np.random.default_rng(7).normal(size=(1, 200))
    V = np.random.default_rng(8).normal(size=(30, 4))
    W = np.random.default_rng(9).normal(size=(200, 30))
    calls = [0]

    def net(W: Any) -> Any:
        calls[0] += 1
        return opaque(lambda W: np.maximum(x @ W, 0) @ V)(W)

    report = jb.check(net, W, vjp=lambda G, W: x.T @ (G @ V.T))
    assert report.verdict == "WRONG"
    assert "a mask of zeros and ones" in report.findings[0].text
    assert calls[0] < 400


def test_a_claim_that_keeps_no_columns_apart_is_not_grouped() -> None:
    """Of 6,000 entries each in every result: columns are not compared with each other one by one."""
    report = jb.check(
        opaque(lambda x: x @ np.ones((60, 3))),
        np.ones((100, 60)),
        vjp=lambda G, x: G @ np.ones((3, 60)) * 2,
    )
    assert (report.verdict, report.findings[0].kind) == ("WRONG", "factor")


def test_an_error_in_a_hypothesis_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(flow: Any) -> Any:
        raise TypeError("of a hypothesis")
        yield flow

    stages = list(reasoning.HYPOTHESES)
    stages[1] = reasoning.Stage((reasoning.Hypothesis(faulty, of_graph=True),))
    monkeypatch.setattr(reasoning, "HYPOTHESES", tuple(stages))
    with pytest.warns(RuntimeWarning, match="faulty failed: TypeError: of a hypothesis"):
        report = jb.check(layer, X, W, B, vjp=lambda G, x, W, b: (G @ W.T, x.T @ G, G.sum(0)))
    assert report.verdict == "WRONG"


def test_a_partial_function_has_the_name_of_the_function_that_it_calls() -> None:
    report = jb.check(partial(layer, b=B), X, W, vjp=lambda G, x, W: backward(G, x, W, B)[:2])
    assert report.ok
    assert report.name == "layer"


def test_arrays_that_are_made_inside_have_the_names_of_their_variables() -> None:
    def scaled(x: Any) -> Any:
        weights = np.linspace(1, 2, 3)
        return np.sin(x * weights[:, None])

    report = jb.check(scaled, X.T, vjp=lambda G, x: G * np.cos(x * np.linspace(1, 2, 3)[:, None]))
    assert "the factor weights is forgotten" in report.findings[0].text


def test_a_factor_that_no_size_makes_is_read_as_none() -> None:
    """3/2 is n/(n − 1) for the 3 rows; at other sizes it is 3/2 all the same."""
    report = jb.check(lambda x: x**2, X[:3], vjp=lambda G, x: 3 * G * x)
    assert report.findings[0].text == "It is 3/2 × the right derivative."


def test_of_a_large_function_one_entry_is_told() -> None:
    """Its derivative of 4,000 entries by itself is never made a matrix of 16 million."""
    right = np.arange(4000) != 417
    report = jb.check(np.sin, np.linspace(-3, 3, 4000), vjp=lambda G, x: G * right * np.cos(x))
    assert report.findings[0].text.startswith("It is zero where k = 417, and should not be")


def test_a_factor_near_one_is_told_with_its_digits() -> None:
    report = jb.check(lambda x: x**2, X, vjp=lambda G, x: 2 * G * x * (1 + 1e-6))
    assert "It is 1.000001 × the right derivative" in report.findings[0].text
