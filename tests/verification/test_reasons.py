"""What a report says once of several parts, and of how many numbers an explanation may be made."""

from typing import Any

import numpy as np
import pytest

import jacobians as jb
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
