"""Matrix by matrix: the Jacobian of A = B C is a tensor with four axes.

A_ij = Σ_r B_ir C_rj, and the entries of B are independent: ∂B_ir/∂B_kl = δ_ik δ_rl. So

    ∂A_ij/∂B_kl = Σ_r δ_ik δ_rl C_rj = δ_ik C_lj
    ∂A_ij/∂C_kl = Σ_r B_ir δ_rk δ_jl = δ_jl B_ik
"""

import numpy as np

import jacobians as jb

rng = np.random.default_rng(0)
B, C = rng.normal(size=(2, 3)), rng.normal(size=(3, 5))

# The Jacobian is kept as its formula; nothing with four axes has been built yet.
J = jb.ops.matmul.jacobian(B, C, wrt="B")
print(J)
print("in the other argument:", jb.ops.matmul.formula("C"))

# One entry, one block: row i of A depends on row i of B only, and there through a column of C.
print("∂A_01/∂B =\n", J[0, 1])

# The explicit tensor is one einsum in which the delta is an identity matrix.
tensor = J.explicit()
print("explicit:", jb.ops.matmul.einsum("B"), "over I and C; shape", tensor.shape)
print(f"{J.nnz} of {J.size} entries can be nonzero")

# Flattened by rows, the tensor is a matrix: ∂vec(A)/∂vec(B) = I ⊗ Cᵀ; by columns, Cᵀ ⊗ I.
print("row-major:", J.kron(), "  column-major:", J.kron(order="F"))

# Checks. The definition, entry by entry:
by_definition = np.zeros((2, 5, 2, 3))
for i, j, k, l in np.ndindex(2, 5, 2, 3):
    by_definition[i, j, k, l] = (i == k) * C[l, j]
assert np.array_equal(tensor, by_definition)
assert np.array_equal(J.dense(), by_definition)

# The Kronecker products, built by NumPy:
assert np.allclose(by_definition.reshape(10, 6), np.kron(np.eye(2), C.T))
assert np.allclose(J.matrix(order="F"), np.kron(C.T, np.eye(2)))

# The other argument, against what a small change of each entry does to A:
K = jb.ops.matmul.explicit(B, C, wrt="C")
for k, l in np.ndindex(C.shape):
    step = np.zeros_like(C)
    step[k, l] = 1e-6
    change = (B @ (C + step) - B @ (C - step)) / 2e-6
    assert np.allclose(K[:, :, k, l], change, atol=1e-8)

print("the tensor is what the definition says")
