"""Masks that a loop writes row by row rule out what stands beside them, as those of whole arrays do."""

import numpy as np
import pytest

import jacobians as jb

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
