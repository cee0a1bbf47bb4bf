"""Plausible wrong solutions: for each task a name, the code, the points, and what feedback must speak of."""

WRONG = {
    "bilinear": [
        ("sums X alone", "def bilinear(a, X, b):\n    return np.sum(X)", 0, "No single mistake"),
        ("the sign", "def bilinear(a, X, b):\n    return -(a @ X @ b)", 0, "chain"),
        (
            "sums without weights",
            "def bilinear(a, X, b):\n    return np.sum(a) * np.sum(X) * np.sum(b)",
            0,
            "No single mistake",
        ),
        (
            "not summed",
            "def bilinear(a, X, b):\n    return np.einsum('i,ij,j->ij', a, X, b)",
            0,
            "shape",
        ),
    ],
    "identity_by_X": [
        (
            "ones for a delta",
            "def identity_by_X(X):\n    m, n = X.shape\n    return np.einsum('ik,jl->ijkl', np.eye(m), np.ones((n, n)))",
            0,
            "delta",
        ),
        (
            "inputs first",
            "def identity_by_X(X):\n    m, n = X.shape\n    return np.einsum('ik,jl->ijkl', np.eye(m), np.eye(n)).transpose(1, 0, 3, 2)",
            0,
            "shape",
        ),
        ("the identity matrix", "def identity_by_X(X):\n    return np.eye(X.size)", 0, "shape"),
        ("all ones", "def identity_by_X(X):\n    return np.ones(X.shape + X.shape)", 0, "delta"),
    ],
    "transpose_by_X": [
        (
            "as of X itself",
            "def transpose_by_X(X):\n    m, n = X.shape\n    return np.einsum('ik,jl->ijkl', np.eye(m), np.eye(n))",
            0,
            "shape",
        ),
        (
            "one delta lost",
            "def transpose_by_X(X):\n    m, n = X.shape\n    return np.einsum('il,jk->ijkl', np.eye(n), np.ones((m, m)))",
            0,
            "delta",
        ),
        (
            "halved",
            "def transpose_by_X(X):\n    m, n = X.shape\n    return np.einsum('il,jk->ijkl', np.eye(n), np.eye(m)) / 2",
            0,
            "chain",
        ),
        (
            "reshaped",
            "def transpose_by_X(X):\n    m, n = X.shape\n    return np.eye(m * n).reshape(n, m, m, n)",
            0,
            "axes",
        ),
    ],
    "outer_by_x": [
        (
            "no delta",
            "def outer_by_x(a, b):\n    return np.einsum('k,j->kj', np.ones(len(a)), b)[:, :, None] * np.ones(len(a))",
            0,
            "delta",
        ),
        (
            "the value's factor",
            "def outer_by_x(a, b):\n    return np.einsum('ik,i,j->ijk', np.eye(len(a)), a, b)",
            0,
            "chain",
        ),
        (
            "axes swapped",
            "def outer_by_x(a, b):\n    return np.einsum('ik,j->jik', np.eye(len(a)), b)",
            0,
            "shape",
        ),
        (
            "by the other argument",
            "def outer_by_x(a, b):\n    return np.einsum('i,jk->ijk', a, np.eye(len(b)))",
            0,
            "shape",
        ),
    ],
    "trace_formula": [
        ("no delta", "trace_formula = '1'", 0, "delta"),
        ("the value", "trace_formula = 'X_kl'", 0, "No single mistake"),
        ("the diagonal of X", "trace_formula = 'δ_kl X_kl'", 0, "chain"),
        ("three letters", "trace_formula = 'δ_ikl'", 0, "cannot be read"),
    ],
    "outer_formula": [
        ("no delta", "outer_formula = 'x_i'", 0, "delta"),
        ("the value", "outer_formula = 'x_i y_k δ_jk'", 0, "chain"),
        ("by the other argument", "outer_formula = 'δ_ik y_j'", 0, "cannot be read"),
        ("twice", "outer_formula = '2 x_i δ_jk'", 0, "chain"),
    ],
}
