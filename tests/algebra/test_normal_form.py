"""The normal form, judged by the numbers of what it was read from."""

import numpy as np
import pytest

import jacobians as jb
from jacobians.algebra.atoms import Inverse, Leaf
from jacobians.algebra.inverting import det_of, inverse_of
from jacobians.algebra.normal_form import at, built, of_atom, sum_of, transposed
from jacobians.transforms.deriving.programs import run_program

RNG = np.random.default_rng(8)
A, B, X = (RNG.normal(size=(3, 3)) + 3 * np.eye(3) for _ in range(3))
v = RNG.uniform(0.5, 1.5, 3)


def leaf(name: str, **known: bool):
    return of_atom(Leaf(name, (3, 3), **known), (3, 3))


def product(*exprs):
    pieces = [(e, (n, n + 1), 1) for n, e in enumerate(exprs)]
    n = len(exprs)
    return built(pieces, (0, n), dict.fromkeys(range(n + 1), 3), (3, 3))


def test_inverses_cancel_and_what_they_leave_is_counted_once() -> None:
    a, b = leaf("A"), leaf("B")
    assert product(inverse_of(a), a, b) == b
    assert product(b, inverse_of(sum_of([a, b])), sum_of([a, b])) == b
    assert inverse_of(product(a, b)) == product(inverse_of(b), inverse_of(a))
    assert inverse_of(transposed(a)) == transposed(inverse_of(a))
    assert inverse_of(inverse_of(a)) == a
    assert det_of(product(a, b)) == det_of(product(b, a))
    trace = built([(product(inverse_of(a), a), (0, 0), 1)], (), {0: 3}, ())
    assert [t.coefficient for t in trace.terms] == [3]


def test_symmetry_is_declared_or_seen() -> None:
    a, s = leaf("A"), leaf("S", symmetric=True)
    gram = product(transposed(a), a)
    assert transposed(gram) == gram
    assert transposed(s) == s
    assert transposed(a) != a
    assert isinstance(inverse_of(sum_of([gram, s])).terms[0].factors[0][0].atom, Inverse)
    assert transposed(inverse_of(sum_of([gram, s]))) == inverse_of(sum_of([gram, s]))
    assert at(a, (0, 1), (3, 3), (0, 1)) == a


@pytest.mark.parametrize(
    "f",
    [
        lambda X: np.trace(np.linalg.inv(X) @ A @ X @ B),
        lambda X: np.linalg.det(A @ X) / np.linalg.det(X @ B),
        lambda X: np.sum((X - np.mean(X)) ** 2) ** 1.5,
        lambda X: np.linalg.norm(X @ v) ** 3 / np.sum(np.exp(v * (X @ v))),
        lambda X: v @ np.linalg.inv(X.T @ X + A @ A.T) @ v,
        lambda X: np.sum(np.log(1 + np.exp(X)) * A),
        lambda X: np.linalg.inv(2 * X) @ v,
        lambda X: (X * A) @ (B * X) @ v,
        lambda X: np.exp(X - np.max(X)) / np.sum(np.exp(X - np.max(X))),
    ],
)
def test_derivatives_in_normal_form(f) -> None:
    d = jb.derive(f, X)
    found = run_program(d.numpy)(X)
    np.testing.assert_allclose(found, jb.jacobian(f)(X).dense(), rtol=1e-9, atol=1e-10)
