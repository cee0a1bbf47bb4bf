"""Identities for a matrix function F(X), by the chain rule.

Each identity is the Jacobian of an outer operation (transpose, trace, determinant, inverse) chained
with that of F. They are checked for four functions F, against the closed form on the right and
against numerical differences.

    ∂(Fᵀ)_ij/∂X_kl  = ∂F_ji/∂X_kl
    ∂tr F/∂X_kl     = Σ_i ∂F_ii/∂X_kl
    ∂det F/∂X_kl    = det F Σ_ij (F⁻¹)_ji ∂F_ij/∂X_kl
    ∂(F⁻¹)_ij/∂X_kl = −Σ_pq (F⁻¹)_ip ∂F_pq/∂X_kl (F⁻¹)_qj
"""

import numpy as np

import jacobians as jb

ops = jb.ops
rng = np.random.default_rng(0)
A, B, C, X = (rng.normal(size=(3, 3)) for _ in range(4))


def differences(f, X, step=1e-6):
    """∂f/∂X by central differences, output axes first."""
    columns = []
    for place in np.ndindex(X.shape):
        change = np.zeros_like(X)
        change[place] = step
        columns.append((f(X + change) - f(X - change)) / (2 * step))
    return np.stack(columns, axis=-1).reshape(np.shape(f(X)) + X.shape)


# Matrix functions, each an operation declared by its coordinate form; its Jacobian follows from the
# product rule. (jb.ops.matmul would do for A X, but calls its matrices B and C.)
AX = jb.operation("AX", "F_ij = A_ir X_rj")
XtX = jb.operation("XtX", "F_ij = X_ri X_rj")
AXB = jb.operation("AXB", "F_ij = A_ir X_rp B_pj + C_ij")

functions = {
    "A X": (lambda X: A @ X, AX.jacobian(A, X, wrt="X")),
    "Xᵀ X": (lambda X: X.T @ X, XtX.jacobian(X)),
    "A X B + C": (lambda X: A @ X @ B + C, AXB.jacobian(A, X, B, C, wrt="X")),
    "exp(X)": (np.exp, ops.exp.jacobian(X)),
}

for name, (f, J) in functions.items():
    F = f(X)
    D = J.dense()
    inverse = np.linalg.inv(F)
    assert np.allclose(D, differences(f, X), atol=1e-7)

    # The outer operation's Jacobian at F, chained with J; and what the identity says it is.
    chained = {
        np.transpose: jb.chain(ops.transpose.jacobian(F), J),
        np.trace: jb.chain(ops.trace.jacobian(F), J),
        np.linalg.det: jb.chain(ops.det.jacobian(F), J),
        np.linalg.inv: jb.chain(ops.inv.jacobian(F), J),
    }
    closed_forms = {
        np.transpose: np.einsum("jikl->ijkl", D),
        np.trace: np.einsum("iikl->kl", D),
        np.linalg.det: np.linalg.det(F) * np.einsum("ji,ijkl->kl", inverse, D),
        np.linalg.inv: -np.einsum("ip,pqkl,qj->ijkl", inverse, D, inverse),
    }
    for outer, found in chained.items():
        assert np.allclose(found.dense(), closed_forms[outer])
        numerical = differences(lambda X, f=f, outer=outer: outer(f(X)), X)
        assert np.allclose(found.dense(), numerical, rtol=1e-4, atol=1e-6)

    print(f"F = {name}")
    print(f"    ∂F_ij/∂X_kl = {J.formula()}")
    print(f"    ∂tr F/∂X_kl = {chained[np.trace].formula()}")

# Scalars of vectors and matrices. A scalar's derivative has the shape of its input.
a, b, x = (rng.normal(size=3) for _ in range(3))
print("∂(aᵀx)/∂x_k   =", ops.inner.formula("x"))
print("∂(aᵀXb)/∂X_kl =", ops.bilinear.formula("X"))
print("∂(xᵀAx)/∂x_k  =", ops.quadratic.formula("x"))
assert np.array_equal(ops.inner.explicit(a, x, wrt="x"), a)
assert np.array_equal(ops.inner.explicit(x, a, wrt="a"), a)  # xᵀa: the other way round
assert np.allclose(ops.bilinear.explicit(a, X, b, wrt="X"), np.outer(a, b))
assert np.allclose(ops.quadratic.explicit(x, A, wrt="x"), x @ (A + A.T))
assert np.allclose(
    ops.quadratic.explicit(x, A, wrt="x"), differences(lambda x: x @ A @ x, x), atol=1e-7
)

print("every identity holds for every F")
