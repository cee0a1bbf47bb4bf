"""More layers, each with mistakes and with the words that a person would look for in the first finding.

The words were written before anything was run: of each row all must be found, in any order, in either
case; alternatives stand between bars. A function is ``f(*args)``, and its backward ``back(bad, G, *args)`` gives
the gradient by the argument ``wrt``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.linalg import cholesky, inv


class Told(NamedTuple):
    """One function, what it is given, its backward, and the words for each mistake."""

    f: Callable[..., Any]
    args: Callable[[Any], tuple[Any, ...]]
    back: Callable[..., Any]
    words: dict[str, tuple[str, ...]]
    wrt: int = 0


def sigma(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normal(*shapes: tuple[int, ...]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda r: tuple(r.normal(size=shape) for shape in shapes)


def spd(r: Any) -> tuple[Any, ...]:
    B = r.normal(size=(4, 4))
    return (B @ B.T + 4 * np.eye(4),)


def regular(r: Any) -> tuple[Any, ...]:
    return (r.normal(size=(4, 4)) + 3 * np.eye(4),)


def by_cholesky(bad: str, G: Any, A: Any) -> Any:
    L = cholesky(A)
    M = L if bad == "not inverted" else inv(L)
    P = np.tril(G) if bad == "no L" else L.T @ np.tril(G)
    P = {"all": P, "upper": np.triu(P), "strict": np.tril(P, -1)}.get(bad, np.tril(P))
    if bad not in ("all", "diagonal", "strict"):
        P[np.diag_indices(4)] *= 0.5
    S = M @ P @ M.T if bad == "turned" else M.T @ P @ M
    return {"double": S + S.T, "sign": -S}.get(bad, (S + S.T) / 2)


def layer_norm(x: Any, g: Any) -> Any:
    mu = x.mean(1, keepdims=True)
    v = ((x - mu) ** 2).mean(1, keepdims=True)
    return (x - mu) / np.sqrt(v + 1e-5) * g


def by_layer_norm(bad: str, G: Any, x: Any, g: Any) -> Any:
    mu = x.mean(1, keepdims=True)
    v = ((x - mu) ** 2).mean(1, keepdims=True)
    s = 1 / np.sqrt(v + {"epsilon": 1e-3, "small epsilon": 1e-8}.get(bad, 1e-5))
    h, d = (x - mu) * s, G if bad == "gamma" else G * g
    one, two = d.mean(1, keepdims=True), h * (d * h).mean(1, keepdims=True)
    if bad == "mean":
        one = 0
    if bad == "variance":
        two = 0
    if bad == "axis":
        one = d.mean(0, keepdims=True)
    return s * (d - one - (-two if bad == "sign" else two))


def pool(x: Any) -> Any:
    return x.reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4).max(-1)


def by_pool(bad: str, G: Any, x: Any) -> Any:
    w = x.reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4)
    best = {"smallest": w.argmin(-1), "first": 0 * w.argmax(-1)}.get(bad, w.argmax(-1))
    m = (np.arange(4) == best[..., None]) * 1.0
    m = {"all": np.ones_like(m), "mean": np.full_like(m, 0.25)}.get(bad, m)
    return (m * G[..., None]).reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6)


LABELS = np.array([0, 2, 1, 4, 3])


def cross_entropy(x: Any) -> Any:
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return -np.log(p[np.arange(5), LABELS]).mean()


def by_cross_entropy(bad: str, G: Any, x: Any) -> Any:
    p = softmax(x)
    p[np.arange(5), (LABELS + {"one off": 1, "two off": 2, "three off": 3}.get(bad, 0)) % 7] -= 1
    return G * p / {"sum": 1, "classes": 7}.get(bad, 5) * (-1 if bad == "sign" else 1)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(0.79788 * (x + 0.044715 * x**3)))


def by_gelu(bad: str, G: Any, x: Any) -> Any:
    t = np.tanh(0.79788 * (x + (0.04 if bad == "constant" else 0.044715) * x**3))
    c = 0.04 if bad == "constant" else 0.044715
    inner = {"inner": 1.0, "cube": 1 + c * x**2}.get(bad, 1 + 3 * c * x**2)
    dt = {"tanh": 1.0, "power": 1 - t}.get(bad, 1 - t**2)
    return G * ((0 if bad == "first" else 0.5 * (1 + t)) + 0.5 * x * dt * 0.79788 * inner)


def gates(x: Any) -> Any:
    i, f, o, g = (x[3 * n : 3 * n + 3] for n in range(4))
    s = 1 / (1 + np.exp(-i))
    k = 1 / (1 + np.exp(-f))
    q = 1 / (1 + np.exp(-o))
    c = k * 0.7 + s * np.tanh(g)
    return q * np.tanh(c)


def by_gates(bad: str, G: Any, x: Any) -> Any:
    i, f, o = sigma(x[:3]), sigma(x[3:6]), sigma(x[6:9])
    g = np.tanh(x[9:])
    c = 0.7 * f + i * g
    dc = G * o * (1 if bad == "tanh" else 1 - np.tanh(c) ** 2)
    di, df = dc * g * i * (1 - i), 0.7 * dc * (f if bad == "half sigma" else f * (1 - f))
    do, dg = G * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)
    order = {"swapped": (df, di, do, dg), "cycled": (df, do, di, dg)}.get(bad, (di, df, do, dg))
    return np.concatenate(order)


def attention(q: Any, k: Any, v: Any) -> Any:
    s = q @ k.T / np.sqrt(3.0)
    e = np.exp(s)
    p = e / e.sum(1, keepdims=True)
    return p @ v


def by_attention(bad: str, G: Any, q: Any, k: Any, v: Any) -> Any:
    p, dp = softmax(q @ k.T / np.sqrt(3.0)), G @ v.T
    ds = {"softmax": dp, "sum": p * dp}.get(bad, p * (dp - (dp * p).sum(1, keepdims=True)))
    ds = ds / {"scale": 1, "square": 3}.get(bad, np.sqrt(3.0))
    return ds @ k


def by_inverse(bad: str, G: Any, A: Any) -> Any:
    Y = inv(A)
    return {
        "itself": -A.T @ G @ A.T, "sign": Y.T @ G @ Y.T, "turned": -Y @ G @ Y, "one": -Y.T @ G,
    }.get(bad, -Y.T @ G @ Y.T)  # fmt: skip


def by_log_det(bad: str, G: Any, A: Any) -> Any:
    Y = inv(A)
    return G * {
        "itself": A,
        "turned": Y,
        "twice": 2 * Y.T,
        "determinant": abs(np.linalg.det(A)) * Y.T,
    }.get(bad, Y.T)


def by_gram(bad: str, G: Any, X: Any) -> Any:
    first, second = X @ G, X @ G.T
    return {"symmetric": 2 * first, "one": first, "sign": first - second}.get(bad, first + second)


def by_cube(bad: str, G: Any, X: Any) -> Any:
    a, b, c = G @ (X @ X).T, X.T @ G @ X.T, (X @ X).T @ G
    return {"commuting": 3 * c, "middle": a + c, "turned": a + X @ G @ X + c}.get(bad, a + b + c)


def huber(x: Any, t: Any) -> Any:
    d = x - t
    return np.where(np.abs(d) < 1.0, 0.5 * d**2, np.abs(d) - 0.5).mean()


def by_huber(bad: str, G: Any, x: Any, t: Any) -> Any:
    d = x - t
    near = {"exchanged": np.abs(d) >= 1}.get(bad, np.abs(d) < 1)
    g = np.where(near, 2 * d if bad == "half" else d, 1.0 if bad == "no sign" else np.sign(d))
    return G * g / (1 if bad == "sum" else x.size) * (-1 if bad == "sign" else 1)


def bilinear(x: Any, W: Any, y: Any) -> Any:
    return np.einsum("bi,oij,bj->bo", x, W, y)


def by_bilinear(bad: str, G: Any, x: Any, W: Any, y: Any) -> Any:
    W = W.transpose(0, 2, 1) if bad == "turned" else W
    g = np.einsum("bo,oij,bj->bi", G, W, x if bad == "wrong input" else y)
    return {"sign": -g, "mean": g / 4}.get(bad, g)


def rms(x: Any) -> Any:
    r = np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
    return x / r


def by_rms(bad: str, G: Any, x: Any) -> Any:
    r = np.sqrt((x**2).mean(1, keepdims=True) + (1e-2 if bad == "epsilon" else 1e-6))
    two = x * (G * x).mean(1, keepdims=True) / {"power": r**2}.get(bad, r**3)
    two = {"constant": 0 * two, "sign": -two, "sum": 5 * two}.get(bad, two)
    return G / (1 if bad == "scale" else r) - two


def focal(x: Any) -> Any:
    p = 1 / (1 + np.exp(-x))
    return -np.sum((1 - p) ** 2 * np.log(p))


def by_focal(bad: str, G: Any, x: Any) -> Any:
    p = sigma(x)
    first = 2 * (1 - p) * np.log(p)
    second = -((1 - p) ** 2) / p
    if bad == "weight":
        first = 0
    if bad == "log":
        second = 0
    dp = {"sigma": 1.0, "half sigma": p}.get(bad, p * (1 - p))
    return G * (first + second) * dp


def softplus_net(x: Any, W: Any) -> Any:
    z = x @ W
    h = np.log(1 + np.exp(z))
    return h @ W.T


def by_softplus_net(bad: str, G: Any, x: Any, W: Any) -> Any:
    z = x @ W
    d = (
        G
        @ W
        * {"skipped": 1.0, "tanh": 1 - np.tanh(z) ** 2, "result": np.log(1 + np.exp(z))}.get(
            bad, sigma(z)
        )
    )
    return d @ W.T


def cosine_loss(a: Any, b: Any) -> Any:
    na, nb = np.sqrt((a**2).sum(1)), np.sqrt((b**2).sum(1))
    return 1 - (a * b).sum(1) / (na * nb)


def by_cosine_loss(bad: str, G: Any, a: Any, b: Any) -> Any:
    na, nb = (np.sqrt((v**2).sum(1, keepdims=True)) for v in (a, b))
    c = (a * b).sum(1, keepdims=True) / (na * nb)
    one, two = b / (na * nb), c * a / na**2
    if bad == "norm":
        two = 0
    if bad == "other norm":
        one = b / na
    return G[:, None] * (one - two if bad == "sign" else two - one)


def convolution(x: Any, w: Any) -> Any:
    out = np.zeros((3, 4))
    p = np.pad(x, 1)
    for i in range(3):
        for j in range(4):
            out[i, j] = np.sum(p[i : i + 3, j : j + 3] * w)
    return out


def by_convolution(bad: str, G: Any, x: Any, w: Any) -> Any:
    w = {"turned": w[::-1, ::-1], "transposed": w.T}.get(bad, w)
    d = np.zeros(np.add(x.shape, 2))
    for i in range(3):
        for j in range(4):
            d[i : i + 3, j : j + 3] += G[i, j] * w
    return d[:3, :4] if bad == "padding" else d[1:4, 1:5] * (0.5 if bad == "half" else 1)


def triplet(a: Any, p: Any, n: Any) -> Any:
    near, far = ((a - p) ** 2).sum(1), ((a - n) ** 2).sum(1)
    return np.maximum(near - far + 5.0, 0).sum()


def by_triplet(bad: str, G: Any, a: Any, p: Any, n: Any) -> Any:
    near, far = ((a - p) ** 2).sum(1), ((a - n) ** 2).sum(1)
    on = np.ones_like(near) if bad == "mask" else (near - far + 5.0 > 0) * 1.0
    one, two = 2 * (a - p), 2 * (a - n)
    if bad == "far":
        two = 0
    g = one + two if bad == "sign" else one - two
    return G * on[:, None] * g / (2 if bad == "half" else 1)


TABLE: dict[str, Told] = {
    "cholesky": Told(cholesky, spd, by_cholesky, {
        "all": ("triangle", "not taken|forgotten"),
        "diagonal": ("diagonal", "halved"),
        "strict": ("diagonal", "left out"),
        "upper": ("upper", "lower"),
        "not inverted": ("cholesky", "inv"),
        "turned": ("inv", "transposed"),
        "double": ("2 ×",),
        "sign": ("sign is wrong",),
    }),
    "layer norm": Told(layer_norm, normal((4, 5), (5,)), by_layer_norm, {
        "epsilon": ("0.001 stands", "1e−05"),
        "small epsilon": ("1e−08 stands", "1e−05"),
        "gamma": ("g is", "forgotten|missing|lost"),
        "mean": ("mu", "missing"),
        "variance": ("sqrt|v", "missing"),
        "sign": ("sqrt|v", "sign"),
        "axis": ("axis 0|runs over", "axis 1"),
    }),
    "max pool": Told(pool, normal((4, 6)), by_pool, {
        "first": ("first", "max"),
        "all": ("each|every|all", "max"),
        "mean": ("share|equally", "max"),
        "smallest": ("smallest|minimum", "max"),
    }),
    "cross-entropy": Told(cross_entropy, normal((5, 7)), by_cross_entropy, {
        "one off": ("off by one",),
        "two off": ("off by 2",),
        "three off": ("off by 3",),
        "sum": ("5 ×", "mean"),
        "classes": ("5/7 ×",),
        "sign": ("sign is wrong",),
    }),
    "gelu": Told(gelu, normal((4, 5)), by_gelu, {
        "constant": ("0.04 stands", "0.044715"),
        "inner": ("0.044715", "missing|forgotten"),
        "cube": ("x \\*\\* 3|x³", "x²|3|1/3"),
        "tanh": ("tanh", "forgotten|missing"),
        "power": ("tanh", "square|1 − y"),
        "first": ("0.5 · x|1 \\+ tanh", "missing"),
    }),
    "lstm gates": Told(gates, normal((12,)), by_gates, {
        "swapped": ("exchanged",),
        "cycled": ("another order",),
        "tanh": ("tanh\\(c\\)", "forgotten|missing"),
        "half sigma": ("k", "taken as y|forgotten|missing"),
    }),
    "attention": Told(attention, normal((4, 3), (5, 3), (5, 3)), by_attention, {
        "softmax": ("p", "forgotten|missing"),
        "sum": ("sum\\(e\\)", "missing|forgotten"),
        "scale": ("1.73205|√3|sqrt", "forgotten|missing|√"),
        "square": ("1.73205|√3|1/√3|√l",),
    }),
    "inverse": Told(inv, regular, by_inverse, {
        "itself": ("stands", "inv"),
        "sign": ("sign is wrong",),
        "turned": ("swapped|transpose",),
        "one": ("inv|⁻¹", "forgotten|missing"),
    }),
    "log det": Told(lambda A: np.linalg.slogdet(A)[1], regular, by_log_det, {
        "itself": ("A", "stands", "inv"),
        "turned": ("k and l are swapped",),
        "twice": ("2 ×",),
    }),
    "gram": Told(lambda X: X.T @ X, normal((5, 3)), by_gram, {
        "symmetric": ("transpose|2 times",),
        "one": ("missing",),
        "sign": ("sign",),
    }),
    "cube": Told(lambda X: X @ X @ X, normal((4, 4)), by_cube, {
        "commuting": ("3 times",),
        "middle": ("missing",),
        "turned": ("transposed|swapped",),
    }),
    "huber": Told(huber, normal((5, 3), (5, 3)), by_huber, {
        "exchanged": ("exchanged",),
        "half": ("twice|2 ×|there twice",),
        "sum": ("15 ×|sum", "mean"),
        "sign": ("sign is wrong",),
    }),
    "bilinear": Told(bilinear, normal((4, 3), (2, 3, 3), (4, 3)), by_bilinear, {
        "turned": ("W", "transposed|exchanged|swapped"),
        "wrong input": ("x stands", "y"),
        "sign": ("sign is wrong",),
        "mean": ("1/4 ×",),
    }),
    "rms norm": Told(rms, normal((4, 5)), by_rms, {
        "epsilon": ("0.01 stands", "1e−06"),
        "constant": ("r", "missing"),
        "sign": ("r", "sign"),
        "sum": ("5", "forgotten|sum"),
        "scale": ("1 / r|r", "forgotten|missing|lost"),
        "power": ("r", "many|forgotten|stands"),
    }),
    "focal": Told(focal, normal((4, 3)), by_focal, {
        "weight": ("1 − p", "missing"),
        "log": ("log", "missing"),
        "sigma": ("p by|derivative of p", "forgotten"),
        "half sigma": ("1 \\+ exp|p", "taken as y|stands|missing|forgotten"),
    }),
    "softplus net": Told(softplus_net, normal((4, 3), (3, 5)), by_softplus_net, {
        "skipped": ("h|exp", "forgotten|missing"),
        "tanh": ("1 − tanh",),
        "result": ("h", "taken as y|stands"),
    }),
    "cosine loss": Told(cosine_loss, normal((4, 3), (4, 3)), by_cosine_loss, {
        "norm": ("na", "missing"),
        "other norm": ("nb", "many|forgotten|lost"),
        "sign": ("sign is wrong",),
    }),
    "padded convolution": Told(convolution, normal((3, 4), (3, 3)), by_convolution, {
        "turned": ("turned round|reversed",),
        "transposed": ("transposed",),
        "padding": ("off by one",),
        "half": ("½ ×",),
    }),
    "triplet": Told(triplet, normal((6, 3), (6, 3), (6, 3)), by_triplet, {
        "far": ("far|a − n", "missing"),
        "sign": ("far|a − n", "sign"),
        "half": ("½ ×",),
    }),
}  # fmt: skip
