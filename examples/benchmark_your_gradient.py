"""A researcher with a benchmark: a gradient by hand beside the ways that are derived.

Values are compared before anything is timed. Run with ``python examples/benchmark_your_gradient.py [FILE]``
to draw the plot into a file, too.
"""

import sys

import numpy as np

import jacobians as jb


def loss(W, x):
    """Of one layer."""
    return 0.5 * np.sum((np.tanh(W @ x) - 1) ** 2)


def by_hand(W, x):
    """∂L/∂W_kl = (y − 1)_k (1 − y_k²) x_l."""
    y = np.tanh(W @ x)
    return np.outer((y - 1) * (1 - y**2), x)


def without_square(W, x):
    """A slip."""
    y = np.tanh(W @ x)
    return np.outer((y - 1) * (1 - y), x)


found = jb.sweep(
    loss,
    [8, 16, 32, 64],
    shapes={"W": "nxn", "x": "n"},
    rivals=["contracted", by_hand, without_square],
    seconds=0.02,
)
print(found)
assert found.names == ["contracted", "by_hand"]
assert all(set(m.differ) == {"without_square"} for m in found.measurements)
assert all(m.contenders["by_hand"].times.median > 0 for m in found.measurements)
if len(sys.argv) > 1:
    found.plot(sys.argv[1])
print("the gradient by hand is right, and the wrong one was not timed")
