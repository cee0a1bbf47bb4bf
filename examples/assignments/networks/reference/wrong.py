"""Plausible wrong solutions: for each task a name, the code, the points, and what feedback must speak of."""

_SOFTMAX = """def softmax(S):
    weights = np.exp(S - np.max(S, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True)

"""
_NORM = """def layer_norm_backward(G, X, gamma, beta):
    mean = np.mean(X, axis=1, keepdims=True)
    scale = np.sqrt(np.mean((X - mean) ** 2, axis=1, keepdims=True) + 1e-5)
    Z = (X - mean) / scale
    D = G * gamma
    by_X = (D - np.mean(D, axis=1, keepdims=True) - Z * np.mean(D * Z, axis=1, keepdims=True)) / scale
    by_gamma, by_beta = np.sum(G * Z, axis=0), np.sum(G, axis=0)
    """

WRONG = {
    "softmax_by_s": [
        (
            "the diagonal only",
            _SOFTMAX + "def softmax_by_s(s):\n    p = softmax(s)\n    return np.diag(p * (1 - p))",
            0,
            "delta",
        ),
        ("one term", _SOFTMAX + "def softmax_by_s(s):\n    return np.diag(softmax(s))", 0, "chain"),
        (
            "a sum for a difference",
            _SOFTMAX
            + "def softmax_by_s(s):\n    p = softmax(s)\n    return np.diag(p) + np.outer(p, p)",
            0,
            "chain",
        ),
        (
            "not normalised",
            "def softmax_by_s(s):\n    p = np.exp(s)\n    return np.diag(p) - np.outer(p, p)",
            0,
            "One path",
        ),
    ],
    "softmax_formula": [
        ("one term", "softmax_formula = 'δ_ik p_i'", 0, "chain"),
        ("no delta", "softmax_formula = 'p_i - p_i p_k'", 0, "chain"),
        ("the sign", "softmax_formula = 'p_i p_k - δ_ik p_i'", 0, "chain"),
        ("as the sigmoid's", "softmax_formula = 'δ_ik p_i (1 - p_i)'", 0, "delta"),
    ],
    "softmax_backward": [
        (
            "elementwise",
            _SOFTMAX
            + "def softmax_backward(G, S):\n    P = softmax(S)\n    return G * P * (1 - P)",
            0,
            "delta",
        ),
        (
            "one term",
            _SOFTMAX + "def softmax_backward(G, S):\n    return softmax(S) * G",
            0,
            "chain",
        ),
        (
            "the other axis",
            _SOFTMAX
            + "def softmax_backward(G, S):\n    P = softmax(S)\n    return P * (G - np.sum(G * P, axis=0, keepdims=True))",
            0,
            "sum",
        ),
        (
            "a mean",
            _SOFTMAX
            + "def softmax_backward(G, S):\n    P = softmax(S)\n    return P * (G - np.mean(G * P, axis=1, keepdims=True))",
            0,
            "sum",
        ),
    ],
    "cross_entropy_by_S": [
        (
            "a sum for the mean",
            _SOFTMAX
            + "def cross_entropy_by_S(S, kinds):\n    P = softmax(S)\n    P[np.arange(len(kinds)), kinds] -= 1\n    return P",
            0,
            "sum",
        ),
        (
            "labels forgotten",
            _SOFTMAX + "def cross_entropy_by_S(S, kinds):\n    return softmax(S) / len(S)",
            0,
            "chain",
        ),
        (
            "the sign",
            _SOFTMAX
            + "def cross_entropy_by_S(S, kinds):\n    P = softmax(S)\n    P[np.arange(len(kinds)), kinds] -= 1\n    return -P / len(S)",
            0,
            "chain",
        ),
        (
            "the mean over all entries",
            _SOFTMAX
            + "def cross_entropy_by_S(S, kinds):\n    P = softmax(S)\n    P[np.arange(len(kinds)), kinds] -= 1\n    return P / P.size",
            0,
            "sum",
        ),
    ],
    "layer_norm_backward": [
        ("statistics held constant", _NORM + "return D / scale, by_gamma, by_beta", 4, "chain"),
        (
            "the mean's path forgotten",
            _NORM
            + "return (D - Z * np.mean(D * Z, axis=1, keepdims=True)) / scale, by_gamma, by_beta",
            4,
            "chain",
        ),
        ("gamma forgotten", _NORM + "return by_X / gamma, by_gamma, by_beta", 4, "chain"),
        ("not summed over rows", _NORM + "return by_X, G * Z, G", 2, "shape"),
        ("means for sums", _NORM + "return by_X, by_gamma / len(X), by_beta / len(X)", 2, "sum"),
    ],
}
