"""Plausible wrong solutions: for each task a name, the code, the points, and what feedback must speak of."""

WRONG = {
    "layer_by_W": [
        (
            "no delta",
            "def layer_by_W(W, x):\n    return np.ones((len(W), len(W), 1)) * x",
            0,
            "delta",
        ),
        (
            "an outer product",
            "def layer_by_W(W, x):\n    return np.outer(np.ones(len(W)), x)",
            0,
            "shape",
        ),
        (
            "the weights too",
            "def layer_by_W(W, x):\n    return np.einsum('ik,kl,l->ikl', np.eye(len(W)), W, x)",
            0,
            "chain",
        ),
        (
            "the sign",
            "def layer_by_W(W, x):\n    return -np.einsum('ik,l->ikl', np.eye(len(W)), x)",
            0,
            "chain",
        ),
    ],
    "layer_formula": [
        ("no delta", "layer_formula = 'x_l'", 0, "delta"),
        ("by x", "layer_formula = 'A_ik'", 0, "cannot be read"),
        ("the weights too", "layer_formula = 'δ_ik A_kl x_l'", 0, "chain"),
        ("an unknown name", "layer_formula = 'δ_ik z_l'", 0, "cannot be read"),
    ],
    "backward": [
        (
            "x transposed away",
            "def backward(G, W, x):\n    return np.outer(x, G), W.T @ G",
            1,
            "shape",
        ),
        (
            "W not transposed",
            "def backward(G, W, x):\n    return np.outer(G, x), G * np.sum(W)",
            1,
            "shape",
        ),
        (
            "the upstream ignored",
            "def backward(G, W, x):\n    return np.outer(np.ones_like(G), x), W.T @ np.ones_like(G)",
            0,
            "upstream",
        ),
        (
            "the weights too",
            "def backward(G, W, x):\n    return np.outer(G, x) * W, W.T @ G",
            1,
            "chain",
        ),
    ],
    "loss_by_W": [
        ("twice", "def loss_by_W(W, x, t):\n    return 2 * np.outer(W @ x - t, x)", 0, "chain"),
        (
            "the other difference",
            "def loss_by_W(W, x, t):\n    return np.outer(t - W @ x, x)",
            0,
            "chain",
        ),
        (
            "the target forgotten",
            "def loss_by_W(W, x, t):\n    return np.outer(W @ x, x)",
            0,
            "chain",
        ),
        ("transposed", "def loss_by_W(W, x, t):\n    return np.outer(x, W @ x - t)", 0, "shape"),
    ],
    "mean_loss_by_W": [
        ("a sum", "def mean_loss_by_W(W, X, T):\n    return (X @ W.T - T).T @ X", 0, "sum"),
        (
            "the mean over all entries",
            "def mean_loss_by_W(W, X, T):\n    return (X @ W.T - T).T @ X / T.size",
            0,
            "sum",
        ),
        (
            "twice",
            "def mean_loss_by_W(W, X, T):\n    return 2 * (X @ W.T - T).T @ X / len(X)",
            0,
            "chain",
        ),
        (
            "the first row only",
            "def mean_loss_by_W(W, X, T):\n    return np.outer(W @ X[0] - T[0], X[0])",
            0,
            "No single mistake",
        ),
    ],
    "step": [
        (
            "uphill",
            "def step(W, X, T, rate):\n    return W + rate * (X @ W.T - T).T @ X / len(X)",
            0,
            "No single mistake",
        ),
        (
            "no rate",
            "def step(W, X, T, rate):\n    return W - (X @ W.T - T).T @ X / len(X)",
            0,
            "No single mistake",
        ),
        (
            "a sum",
            "def step(W, X, T, rate):\n    return W - rate * (X @ W.T - T).T @ X",
            0,
            "No single mistake",
        ),
        (
            "in place",
            "def step(W, X, T, rate):\n    W -= rate * (X @ W.T - T).T @ X / len(X)\n    return W",
            0,
            "in place",
        ),
    ],
}
