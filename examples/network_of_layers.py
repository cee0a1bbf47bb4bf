"""A student with a layer: parameters in a list of dicts, gradients in the same structure.

Run with ``python examples/network_of_layers.py``.
"""

import numpy as np
from scipy.optimize import minimize

import jacobians as jb

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, size=(60, 1))
Y = np.sin(2 * X)

layers = [
    {"W": rng.normal(size=(8, 1)), "b": rng.normal(size=8)},
    {"W": rng.normal(size=(1, 8)) / 3, "b": np.zeros(1)},
]


def network(layers, x):
    """Two layers, as one writes them."""
    hidden, last = layers
    return np.tanh(x @ hidden["W"].T + hidden["b"]) @ last["W"].T + last["b"]


def loss(layers):
    """Half the mean squared error."""
    return 0.5 * np.mean((network(layers, X) - Y) ** 2)


# Look: one layer, and its Jacobian by the weights.
hidden = layers[0]
J = jb.jacobian(lambda p, x: np.tanh(p["W"] @ x + p["b"]))(hidden, X[0])
print("∂y_i/∂W_kl =", J["W"].formula())
print("∂y_i/∂b_k  =", J["b"].formula())
assert J["W"].shape == (8, 8, 1)
assert J["b"].nnz == 8


# Check a backward pass that is written by hand; it returns what the gradient looks like.
def backward(G, layers):
    """The gradients, layer by layer."""
    hidden, last = layers
    h = np.tanh(X @ hidden["W"].T + hidden["b"])
    e = G * (h @ last["W"].T + last["b"] - Y) / len(X)
    d = (e @ last["W"]) * (1 - h**2)
    return [{"W": d.T @ X, "b": d.sum(0)}, {"W": e.T @ h, "b": e.sum(0)}]


assert jb.check(loss, layers, vjp=backward).ok


def forgetful(G, layers):
    """The same, without the derivative of tanh."""
    found = backward(G, layers)
    found[0]["b"] = found[0]["b"] * 2
    return found


report = jb.check(loss, layers, vjp=forgetful)
print([(part.wrt, part.verdict) for part in report.parts])
assert [part.ok for part in report.parts] == [True, False, True, True]

# Train: a solver moves one vector, and jb.ravel is the way there and back.
vector, back = jb.ravel(layers)
step = jb.value_and_grad(lambda v: loss(back(v))).compile(vector)
found = minimize(step, vector, jac=True, method="L-BFGS-B", options={"maxiter": 300})
print(f"loss {loss(layers):.3f} before, {found.fun:.5f} after {found.nit} steps")
assert found.fun < 0.01
assert np.allclose(loss(back(found.x)), found.fun)
print("the network fits, with the gradient in the structure of its parameters")
