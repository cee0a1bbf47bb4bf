"""Vector by matrix: the Jacobian of y = A x by A has three axes, and is mostly zero.

y_i = Σ_r A_ir x_r, so ∂y_i/∂A_kl = Σ_r δ_ik δ_rl x_r = δ_ik x_l, and ∂y_i/∂x_k = A_ik.
"""

import numpy as np

import jacobians as jb

rng = np.random.default_rng(0)
A, x = rng.normal(size=(3, 4)), rng.normal(size=4)

J = jb.ops.matvec.jacobian(A, x, wrt="A")
print(J)

# Block i of the tensor is ∂y_i/∂A: a matrix that is zero but for row i, which is x.
for i, block in enumerate(J.dense()):
    print(f"∂y_{i}/∂A =\n{np.round(block, 2)}")

# In the other argument the Jacobian is the matrix of the linear map itself.
by_x = jb.ops.matvec.jacobian(A, x, wrt="x")
print(by_x)

# How much of the tensor is zero grows with the number of outputs.
for m in (3, 30, 300):
    wide = jb.ops.matvec.jacobian(rng.normal(size=(m, 4)), x, wrt="A")
    print(f"{m:>4} outputs: {wide.nnz:>6,} of {wide.size:>8,} entries can be nonzero")
    assert wide.nnz * m == wide.size  # one in m

# Checks, by the definition:
expected = np.zeros((3, 3, 4))
for i in range(3):
    expected[i, i] = x
assert np.array_equal(J.explicit(), expected)
assert np.array_equal(by_x.explicit(), A)

# A Jacobian turns a small change of A into a change of y; y is linear in A, so this is exact.
change = rng.normal(size=A.shape)
assert np.allclose(J.jvp(change), (A + change) @ x - A @ x)
assert np.allclose(J.jvp(change), np.tensordot(expected, change, 2))

print("∂y_i/∂A_kl = δ_ik x_l")
