"""An engineer with a solver: a stiff system of many unknowns, with the sparse Jacobian in one word.

du/dt = diffusion on a grid + a reaction. A solver for stiff systems needs ∂f/∂y, which is zero but for
five entries in a row; without it the solver takes differences of f, a column at a time, and factorises a
dense matrix. Run with ``python examples/sparse_solver.py [K]``, for K × K unknowns.
"""

import sys
import time

import numpy as np
from scipy.integrate import solve_ivp

import jacobians as jb

K = int(sys.argv[1]) if len(sys.argv) > 1 else 8


def reaction(_, y):
    """The right side, as one writes it in NumPy."""
    u = y.reshape(K, K)
    spread = sum(np.roll(u, by, axis) for by in (1, -1) for axis in (0, 1)) - 4 * u
    return 50 * spread.reshape(-1) + 100 * (y - y**3)


start = np.cos(0.37 * np.arange(K * K))
jac = jb.jacobian(reaction, wrt=1)

# Look at it before using it: what is on the diagonal, and how many entries can be nonzero.
J = jac(0.0, start)
print(f"∂f/∂y: {J.shape}, {J.nnz:,} of {J.size:,} entries can be nonzero")
assert J.nnz == 5 * K * K
assert np.allclose(J.diagonal(), 100 - 300 * start**2 - 200)

# Check the derivative against differences of f, on a smaller piece of the argument.
assert jb.check(reaction, 0.0, start, wrt=1).ok

runs = {}
for name, how in {"differences": {}, "dense": {"jac": jac}, "sparse": {"jac": jac.sparse}}.items():
    begin = time.perf_counter()
    runs[name] = solve_ivp(reaction, (0, 0.2), start, method="BDF", **how)
    print(f"{name:<12}{time.perf_counter() - begin:8.3f} s, {runs[name].nfev} calls of f")
    assert runs[name].success

assert np.allclose(runs["sparse"].y[:, -1], runs["dense"].y[:, -1], atol=1e-6)
assert np.allclose(runs["sparse"].y[:, -1], runs["differences"].y[:, -1], atol=0.02)
print("the three solutions agree")
