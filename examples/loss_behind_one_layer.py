"""A loss behind one layer: the full tensor, contracted, is an outer product.

With y = A x and a loss L(y), the chain rule sums over the layer's outputs:

    ∂L/∂A_kl = Σ_i ∂L/∂y_i ∂y_i/∂A_kl = Σ_i ∂L/∂y_i δ_ik x_l = ∂L/∂y_k x_l

The delta picks one i: a tensor of m·m·n entries is not needed for a gradient of m·n.
"""

import numpy as np

import jacobians as jb

rng = np.random.default_rng(0)
m, n = 200, 100
A, x = rng.normal(size=(m, n)), rng.normal(size=n)
upstream = rng.normal(size=m)  # ∂L/∂y, whatever the loss is

J = jb.ops.matvec.jacobian(A, x, wrt="A")

# The long way, as the sum is written: build the tensor, then sum over i.
tensor = J.explicit()
long_way = np.einsum("i,ikl->kl", upstream, tensor)

# The short way: contract the terms. The delta renames i to k, and an outer product is left.
short_way = J.vjp(upstream)

# Both, with what each takes:
comparison = jb.compare(J, upstream)
print(comparison)

# A loss of the library chains in the same way, and stays a formula: L = ½‖y − t‖².
t = rng.normal(size=m)
loss = jb.ops.squared_error.jacobian(A @ x, t, wrt="y")
gradient = jb.chain(loss, J)
print(f"\n{loss.title} = {loss.formula()}\n{gradient.title} = {gradient.formula()}")

# Checks, against the outer product by NumPy:
assert tensor.nbytes == 8 * m * m * n
assert np.allclose(long_way, np.outer(upstream, x))
assert np.allclose(short_way, np.outer(upstream, x))
assert comparison.ok
assert comparison.contracted.flops * m <= comparison.explicit.flops
assert np.allclose(gradient.dense(), np.outer(A @ x - t, x))

print("\nthe contracted tensor is the outer product ∂L/∂y xᵀ")
