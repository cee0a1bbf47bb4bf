"""The single-layer network: y = W x, L(W) = ½‖W x − t‖², and its gradient (W x − t) xᵀ.

With the residual r = W x − t: ∂L/∂W_ij = r_i x_j, so ∇_W L = r xᵀ. For a batch, the columns of X,
the outer products add up to a matrix product: (W X − T) Xᵀ.
"""

import numpy as np

import jacobians as jb

rng = np.random.default_rng(0)
W, x, t = rng.normal(size=(3, 4)), rng.normal(size=4), np.array([0.0, 1.0, 0.0])

# The layer, declared by its coordinate form, so that formulas speak of W and x.
layer = jb.operation("layer", "y_i = W_ir x_r")
y = layer(W, x)

# One example: the Jacobians of the layer and of the loss, then the chain.
by_weights = layer.jacobian(W, x, wrt="W")
by_output = jb.ops.squared_error.jacobian(y, t, wrt="y")
gradient = jb.chain(by_output, by_weights)
print(by_weights, by_output, gradient, sep="\n")
print("with y = W x, that is (W x − t)_k x_l\n")

# A batch of 50 examples that a hidden matrix made, with some noise.
X = rng.normal(size=(4, 50))
T = rng.normal(size=(3, 4)) @ X + 0.1 * rng.normal(size=(3, 50))
batch = jb.operation("layer", "Y_ij = W_ir X_rj").jacobian(W, X, wrt="W")
residual = jb.ops.squared_error.jacobian(W @ X, T, wrt="y")
print(jb.chain(residual, batch))

# Gradient descent. ∂Y/∂W does not contain W, so one tensor serves every step; it is contracted with
# the residual, never built.
weights = W.copy()
rate = 1 / np.linalg.eigvalsh(X @ X.T).max()
for step in range(500):
    r = weights @ X - T
    if step % 100 == 0:
        print(f"step {step:>3}: loss {0.5 * np.sum(r**2):.6f}")
    weights -= rate * batch.vjp(r)

# Checks. The closed form, for one example and for the batch:
assert np.allclose(gradient.dense(), np.outer(W @ x - t, x))
assert np.allclose(jb.chain(residual, batch).dense(), (W @ X - T) @ X.T)


# Numerical differences of the loss itself, which share nothing with the above:
def loss_at(weights: np.ndarray) -> float:
    return 0.5 * float(np.sum((weights @ x - t) ** 2))


for k, l in np.ndindex(W.shape):
    step_kl = np.zeros_like(W)
    step_kl[k, l] = 1e-6
    slope = (loss_at(W + step_kl) - loss_at(W - step_kl)) / 2e-6
    assert abs(slope - gradient[k, l]) < 1e-7

# The descent ends where least squares, solved directly, does:
best = np.linalg.lstsq(X.T, T.T, rcond=None)[0].T
assert np.allclose(weights, best, atol=1e-8)

print("the gradient is (W x − t) xᵀ, and following it solves the least-squares problem")
