"""Masks that a loop writes row by row rule out what stands beside them, as those of whole arrays do."""

import numpy as np
import pytest

import jacobians as jb
from jacobians.derivation import links
from tests import numerical

PROGRAMS = {
    "rows, then infinite": lambda x, M, C: (
        np.stack([np.where(m, np.sin(r), 0.0) for m, r in zip(M, x, strict=True)]) * C
    ),
    "infinite, then rows": lambda x, M, C: np.stack(
        [np.where(m, (x * C)[n], 0.0) for n, m in enumerate(M)]
    ),
    "infinite, then summed": lambda x, M, C: sum(
        np.where(m, (np.sin(x) * C)[n], 0.0) for n, m in enumerate(M)
    ),
    "bands": lambda x, M, C: sum(np.where(M, np.roll(x, k, 0) * x, 0.0) for k in range(len(M))) * C,
}


@pytest.mark.parametrize("strategy", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("rows", [2, 7, 20])
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_mask_rules_out_is_zero_beside_infinity(name, rows, strategy):
    rng = np.random.default_rng(rows)
    M, x = rng.random((rows, 3)) < 0.6, rng.normal(size=(rows, 3))
    C = rng.normal(size=M.shape)
    f = PROGRAMS[name]
    exact = jb.numerical.jacobian(lambda x: f(x, M, C), x)
    found = jb.jacobian(lambda x: f(x, M, np.where(M, C, np.inf)), strategy=strategy)
    with np.errstate(invalid="ignore"):  # the program's own 0 times inf
        np.testing.assert_allclose(found(x).dense(), exact, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(found.compile(x).dense(x), exact, rtol=1e-7, atol=1e-8)


def coupled(steps):
    S = np.random.default_rng(0).normal(size=100)

    def f(x, y):
        a, b, c = x, y, x * y
        for t in range(steps):
            near = ((c * S[t]) / (1.5 + b[::-1] ** 2)).mean()
            c = np.tanh((np.exp(-(a**2)) + np.where(a > 0.1, c, 2 * c)) * near)
            a = np.tanh(c * S[t])
            a, b = np.tanh(np.maximum(np.tanh(np.roll(c, 1)), b * 0.7)), np.tanh(c)
        return np.sum(a * b + c * x)

    return f


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_masks_that_couple_everything(steps):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=11), rng.normal(size=11)
    f = coupled(steps)
    for wrt, found in enumerate(jb.grad(f, wrt=(0, 1))(x, y)):
        exact = numerical.jacobian(f, [x, y], wrt, analytic=False)
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(jb.grad(f).compile(x, y)(x, y), jb.grad(f)(x, y), rtol=1e-10)


def test_many_masks_stay_few_terms(monkeypatch):
    most = []
    take = links.Links.take

    def watched(self, *args):
        found = take(self, *args)
        most.append(max(len(part.form.tensor.terms) for part in found))
        return found

    monkeypatch.setattr(links.Links, "take", watched)
    rng = np.random.default_rng(2)
    jb.grad(coupled(24), wrt=(0, 1))(rng.normal(size=11), rng.normal(size=11))
    assert max(most) < 16


@pytest.mark.parametrize("steps", [2, 6, 7, 8, 15])
def test_what_all_masks_rule_out_is_zero_where_the_slope_is_infinite(steps):
    x = np.array([0.0, 1.0, 4.0, 9.0, 0.0, 2.0])
    rng = np.random.default_rng(steps)
    masks = rng.random((steps, 6)) > 0.4
    masks[:, [0, 4]] = False

    def f(x):
        z = np.sqrt(x)
        total = 0 * x
        for mask in masks:
            z = np.where(mask, 0.9 * z, np.where(x > 0.5, np.maximum(0.5 * z, 0.1), 0.0))
            total = total + z
        return np.sum(total * total)

    found = jb.grad(f)(x)
    assert found[0] == 0
    assert found[4] == 0
    inside = [1, 2, 3, 5]
    exact = numerical.jacobian(
        lambda p: f(np.array([0, *p[:3], 0, p[3]])), [x[inside]], 0, analytic=False
    )
    np.testing.assert_allclose(found[inside], exact, rtol=1e-6)


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
def test_loops_that_lists_read_do_not_count_paths(ufunc):
    """Extremes so far, from either end in turn: from the third on they are all the extreme one's."""

    def f(x):
        for _ in range(30):
            x = ufunc.accumulate(x[::-1])
        return x

    x = np.array([0.3, -1.2, 0.9, 0.1, -0.4])
    best = np.argmax(x) if ufunc is np.maximum else np.argmin(x)
    # The extreme comes to stand at one end, then everywhere: ties share it among places that it fills.
    J = np.zeros((5, 5))
    J[:, best] = 1
    found = jb.jacobian(f)(x)
    np.testing.assert_allclose(found.dense(), J, atol=1e-12)
    np.testing.assert_allclose(jb.jacobian(f).compile(x).dense(x), J, atol=1e-12)
    assert sum(len(term.sizes) and max(term.sizes) for term in found.terms.terms) < 200


def test_loops_of_joined_stencils_list_each_entry_once():
    def f(a):
        for _ in range(20):
            inner = np.tanh(a[1:-1]) + 0.2 * (a[:-2] - 2 * a[1:-1] + a[2:])
            a = np.concatenate([a[:1], inner, a[-1:]])
        return a

    a = np.random.default_rng(5).normal(size=20)
    exact = numerical.complex_step(f, a)
    np.testing.assert_allclose(jb.jacobian(f)(a).dense(), exact, atol=1e-13)
    for strategy in ("forward", "reverse"):
        c = jb.jacobian(f, strategy=strategy).compile(a)
        np.testing.assert_allclose(c.dense(a), exact, atol=1e-13)
        np.testing.assert_allclose(c.sparse(a).toarray(), exact, atol=1e-13)
