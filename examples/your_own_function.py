"""A backward pass of one's own, verified: two layers with tanh between them, y = V tanh(W x).

The forward pass is plain NumPy. The backward pass was written by hand, as one would for speed. The
full Jacobian tensors ∂y_i/∂V_kl, ∂y_i/∂W_kl and ∂y_i/∂x_k say what it has to be, entry by entry.
"""

import numpy as np

import jacobians as jb

Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]


def network(V: np.ndarray, W: np.ndarray, x: np.ndarray) -> np.ndarray:
    return V @ np.tanh(W @ x)


def loss(V: np.ndarray, W: np.ndarray, x: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum((network(V, W, x) - t) ** 2)


def backward(V: np.ndarray, W: np.ndarray, x: np.ndarray, G: np.ndarray) -> Gradients:
    """By hand: from G = ∂L/∂y to the gradients by V, W and x."""
    hidden = np.tanh(W @ x)
    before = (V.T @ G) * (1 - hidden**2)  # ∂L/∂(W x)
    return np.outer(G, hidden), np.outer(before, x), W.T @ before


def mistaken(V: np.ndarray, W: np.ndarray, x: np.ndarray, G: np.ndarray) -> Gradients:
    """The same with a mistake that a glance may miss: the square is forgotten."""
    hidden = np.tanh(W @ x)
    before = (V.T @ G) * (1 - hidden)
    return np.outer(G, hidden), np.outer(before, x), W.T @ before


rng = np.random.default_rng(0)
V, W, x = rng.normal(size=(3, 5)), rng.normal(size=(5, 4)), rng.normal(size=4)
t = np.array([0.0, 1.0, 0.0])

# The full Jacobians, one for each argument, with the formulas that were derived.
tensors = jb.jacobian(network, wrt=("V", "W", "x"))(V, W, x)
for J in tensors:
    print(J)

# A backward pass maps G to Σ_i G_i J_i…: what it makes of the unit vectors are the slices of J.
errors = {}
for function in (backward, mistaken):
    slices = [function(V, W, x, unit) for unit in np.eye(3)]
    by_hand = [np.stack(parts) for parts in zip(*slices, strict=True)]
    errors[function.__name__] = [
        np.abs(found - J.dense()) for found, J in zip(by_hand, tensors, strict=True)
    ]
    print(f"\n{function.__name__}:")
    for name, error in zip("VWx", errors[function.__name__], strict=True):
        wrong = np.count_nonzero(error > 1e-12)
        print(f"  ∂y/∂{name}: {wrong} of {error.size} entries are wrong")

# Behind a loss the same pass gives the gradient; its formula has one factor for each step back.
print("\n∂loss/∂W_kl =", jb.jacobian(loss, wrt="W")(V, W, x).formula())
gradients = jb.grad(loss, wrt=("V", "W", "x"))(V, W, x)
upstream = network(V, W, x) - t

# Checks. The backward pass agrees with the tensors in every entry, and with the gradient:
assert all(np.max(error) < 1e-13 for error in errors["backward"])
for by_hand, J, gradient in zip(backward(V, W, x, upstream), tensors, gradients, strict=True):
    assert np.allclose(by_hand, J.vjp(upstream), rtol=1e-12)
    assert np.allclose(by_hand, gradient, rtol=1e-12)

# The mistake spares ∂y/∂V, which is behind it, and shows in every entry of the others:
last, *others = errors["mistaken"]
assert np.max(last) < 1e-13
assert all(np.min(error) > 1e-12 for error in others)

# Numerical differences of the loss itself, which share nothing with the above:
for k, l in np.ndindex(W.shape):
    step = np.zeros_like(W)
    step[k, l] = 1e-6
    slope = (loss(V, W + step, x) - loss(V, W - step, x)) / 2e-6
    assert abs(slope - gradients[1][k, l]) < 1e-8

print("\nthe backward pass is right in every entry, and the mistaken one is found")
