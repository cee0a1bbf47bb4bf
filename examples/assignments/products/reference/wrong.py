"""Plausible wrong solutions: for each task a name, the code, the points, and what feedback must speak of."""

_DEAR = """def cheap_backward(G, B, C):
    by_B = np.einsum('ik,lj->ijkl', np.eye(len(B)), C)
    return np.einsum('ij,ijkl->kl', G, by_B), B.T @ G"""

WRONG = {
    "product_by_B": [
        (
            "no delta",
            "def product_by_B(B, C):\n    return np.einsum('ik,lj->ijkl', np.ones((len(B),) * 2), C)",
            0,
            "delta",
        ),
        (
            "the last axes swapped",
            "def product_by_B(B, C):\n    return np.einsum('ik,lj->ijlk', np.eye(len(B)), C)",
            0,
            "shape",
        ),
        (
            "the sign",
            "def product_by_B(B, C):\n    return -np.einsum('ik,lj->ijkl', np.eye(len(B)), C)",
            0,
            "chain",
        ),
        (
            "by C",
            "def product_by_B(B, C):\n    return np.einsum('jl,ik->ijkl', np.eye(C.shape[1]), B)",
            0,
            "shape",
        ),
        (
            "two for one",
            "def product_by_B(B, C):\n    return 2 * np.einsum('ik,lj->ijkl', np.eye(len(B)), C)",
            0,
            "chain",
        ),
    ],
    "product_by_C": [
        (
            "no delta",
            "def product_by_C(B, C):\n    return np.einsum('jl,ik->ijkl', np.ones((C.shape[1],) * 2), B)",
            0,
            "delta",
        ),
        (
            "output axes swapped",
            "def product_by_C(B, C):\n    return np.einsum('jl,ik->jikl', np.eye(C.shape[1]), B)",
            0,
            "shape",
        ),
        (
            "shifted",
            "def product_by_C(B, C):\n    return np.einsum('jl,ik->ijkl', np.eye(C.shape[1], k=1), B)",
            0,
            "delta",
        ),
        (
            "a mean",
            "def product_by_C(B, C):\n    return np.einsum('jl,ik->ijkl', np.eye(C.shape[1]), B) / len(C)",
            0,
            "sum",
        ),
    ],
    "formula_by_C": [
        ("as by B", "formula_by_C = 'δ_ik C_lj'", 0, "cannot be read"),
        ("transposed", "formula_by_C = 'δ_jl B_ki'", 0, "cannot be read"),
        ("no delta", "formula_by_C = 'B_ik'", 0, "delta"),
        ("the sign", "formula_by_C = '−δ_jl B_ik'", 0, "chain"),
    ],
    "forward": [
        ("one term", "def forward(dB, dC, B, C):\n    return dB @ C", 0, "delta"),
        ("the product of changes", "def forward(dB, dC, B, C):\n    return dB @ dC", 0, "delta"),
        ("a difference", "def forward(dB, dC, B, C):\n    return dB @ C - B @ dC", 0, "chain"),
        (
            "the value too",
            "def forward(dB, dC, B, C):\n    return (B + dB) @ (C + dC) - B @ C",
            0,
            "No single mistake",
        ),
    ],
    "backward": [
        (
            "G forgotten",
            "def backward(G, B, C):\n    return np.ones_like(G) @ C.T, B.T @ np.ones_like(G)",
            0,
            "upstream",
        ),
        (
            "the order of the gradients",
            "def backward(G, B, C):\n    return B.T @ G, G @ C.T",
            0,
            "shape",
        ),
        ("one is halved", "def backward(G, B, C):\n    return G @ C.T, B.T @ G / 2", 1, "chain"),
        ("one is transposed", "def backward(G, B, C):\n    return G @ C.T, G.T @ B", 1, "shape"),
        ("one is missing", "def backward(G, B, C):\n    return G @ C.T", 0, "one array"),
    ],
    "cheap_backward": [
        ("dear", _DEAR, 1, "dear"),
        ("transposed", "def cheap_backward(G, B, C):\n    return (C @ G.T), B.T @ G", 1, "shape"),
        (
            "zeros",
            "def cheap_backward(G, B, C):\n    return np.zeros_like(B), np.zeros_like(C)",
            0,
            "zero",
        ),
        ("one sign", "def cheap_backward(G, B, C):\n    return G @ C.T, -(B.T @ G)", 1, "chain"),
    ],
}
