"""Plausible wrong solutions: for each task a name, the code, the points, and what feedback must speak of."""

WRONG = {
    "trace_of_product": [
        ("not transposed", "def trace_of_product(A, X):\n    return A", 0, "shape"),
        (
            "the identity",
            "def trace_of_product(A, X):\n    return np.eye(*X.shape)",
            0,
            "No single mistake",
        ),
        ("the product", "def trace_of_product(A, X):\n    return A.T * X", 0, "chain"),
        ("the sign", "def trace_of_product(A, X):\n    return -A.T", 0, "chain"),
    ],
    "quadratic_by_x": [
        ("A taken as symmetric", "def quadratic_by_x(A, x):\n    return 2 * A @ x", 0, "axes"),
        ("one term", "def quadratic_by_x(A, x):\n    return A @ x", 0, "chain"),
        ("the other term", "def quadratic_by_x(A, x):\n    return A.T @ x", 0, "chain"),
        ("halved", "def quadratic_by_x(A, x):\n    return (A + A.T) @ x / 2", 0, "chain"),
    ],
    "det_by_X": [
        (
            "not transposed",
            "def det_by_X(X):\n    return np.linalg.det(X) * np.linalg.inv(X)",
            0,
            "axes",
        ),
        ("no determinant", "def det_by_X(X):\n    return np.linalg.inv(X).T", 0, "chain"),
        (
            "of the logarithm, not transposed",
            "def det_by_X(X):\n    return np.linalg.inv(X)",
            0,
            "axes",
        ),
        (
            "the trace's",
            "def det_by_X(X):\n    return np.linalg.det(X) * np.eye(len(X))",
            0,
            "No single mistake",
        ),
    ],
    "inverse_formula": [
        ("the sign", "inverse_formula = 'Y_ik Y_lj'", 0, "chain"),
        ("transposed", "inverse_formula = '-Y_ki Y_jl'", 0, "axes"),
        ("letters crossed", "inverse_formula = '-Y_il Y_kj'", 0, "axes"),
        ("as of a number", "inverse_formula = '-X^{-1}_ij X^{-1}_kl'", 0, "axes"),
    ],
    "inverse_forward": [
        (
            "the sign",
            "def inverse_forward(dX, X):\n    Y = np.linalg.inv(X)\n    return Y @ dX @ Y",
            0,
            "chain",
        ),
        (
            "as of numbers",
            "def inverse_forward(dX, X):\n    Y = np.linalg.inv(X)\n    return -Y @ Y @ dX",
            0,
            "No single mistake",
        ),
        (
            "the inverse of the change",
            "def inverse_forward(dX, X):\n    return np.linalg.inv(dX)",
            0,
            "No single mistake",
        ),
        (
            "transposed",
            "def inverse_forward(dX, X):\n    Y = np.linalg.inv(X)\n    return -Y.T @ dX @ Y.T",
            0,
            "axes",
        ),
    ],
    "inverse_backward": [
        (
            "as the forward",
            "def inverse_backward(G, X):\n    Y = np.linalg.inv(X)\n    return -Y @ G @ Y",
            0,
            "axes",
        ),
        (
            "the sign",
            "def inverse_backward(G, X):\n    Y = np.linalg.inv(X)\n    return Y.T @ G @ Y.T",
            0,
            "chain",
        ),
        (
            "G transposed",
            "def inverse_backward(G, X):\n    Y = np.linalg.inv(X)\n    return -Y.T @ G.T @ Y.T",
            0,
            "axes",
        ),
        (
            "G outside",
            "def inverse_backward(G, X):\n    Y = np.linalg.inv(X)\n    return -G @ Y.T @ Y.T",
            0,
            "No single mistake",
        ),
    ],
}
