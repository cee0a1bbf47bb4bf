# ruff: noqa: ARG001 - a backward takes all arguments
"""More backward passes, right and with one mistake each: wrong values, several sums, loops, the rest.

A row is as in ``wrong``, with the arguments themselves and the place of the one to differentiate by.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Layer(NamedTuple):
    """``vjp(bad, G, *args)`` gives the gradient by argument ``wrt``."""

    f: Callable[..., Any]
    shapes: tuple[Any, ...]
    vjp: Callable[..., Any]
    wrong: dict[str, str]
    wrt: int


LAYERS: dict[str, Layer] = {}


def layer(*shapes: Any, wrt: int = 0, **wrong: str) -> Callable[[Any], Any]:
    """Enter a function that returns ``(f, vjp)``."""

    def enter(make: Callable[[], tuple[Any, Any]]) -> Any:
        f, vjp = make()
        LAYERS[make.__name__] = Layer(f, shapes, vjp, wrong, wrt)
        return make

    return enter


def arguments(one: Layer, seed: int) -> list[Any]:
    """Random arguments; ``"spd"`` for a symmetric positive matrix, ``"square"`` for one far from singular."""
    random = np.random.default_rng(seed)
    found: list[Any] = []
    for shape in one.shapes:
        if isinstance(shape, str):
            A = random.normal(size=(4, 4))
            found.append((A @ A.T if shape == "spd" else A) + 4 * np.eye(4))
        else:
            found.append(random.normal(size=shape))
    return found


def sigma(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softened(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def attended(q: Any, k: Any, v: Any) -> Any:
    S = q @ k.T / np.sqrt(3)
    e = np.exp(S - S.max(1, keepdims=True))
    P = e / e.sum(1, keepdims=True)
    return P @ v


@layer(
    (4, 3),
    (4, 3),
    (4, 3),
    wrt=1,
    k_for_q="instead: In the derivative of q @ transpose(k) by transpose(k), k stands",
    turned="transposed: The gradient by S is transposed",
    no_softmax="skipped: The derivative of P by S is forgotten: the gradient passes as i",
    diagonal="reduced: The sum in the gradient through sum(e) is forgotten, where axis",
)
def attention_by_keys() -> Any:
    def vjp(bad, G, q, k, v):
        P, dP = softened(q @ k.T / np.sqrt(3)), G @ v.T
        dS = P * (dP - (dP * P).sum(1, keepdims=True))
        dS = {"no_softmax": dP, "diagonal": P * (1 - P) * dP}.get(bad, dS)
        if bad == "turned":
            return dS @ q / np.sqrt(3)
        return dS.T @ (k if bad == "k_for_q" else q) / np.sqrt(3)

    return attended, vjp


@layer(
    (4, 3),
    (4, 3),
    (4, 3),
    wrt=2,
    scores="instead: In the derivative of P @ v by v, S stands where P is meant",
    turned="order: Axes i and k are swapped (a transpose)",
)
def attention_by_values() -> Any:
    def vjp(bad, G, q, k, v):
        S = q @ k.T / np.sqrt(3)
        P = softened(S)
        return {"scores": S.T @ G, "turned": P @ G}.get(bad, P.T @ G)

    return attended, vjp


@layer(
    (6, 3),
    (3,),
    (3,),
    wrt=1,
    raw="instead: In the derivative of g · xhat by g, x stands where xhat is mean",
    centred="factor: A factor sqrt((squares(transpose(x)) / 6) + 0.001) too many",
    mean="mean: It is 1/6 × the right derivative (1/6 = 1/i, the size of i: a mean",
)
def batch_norm_by_scale() -> Any:
    def f(x, g, b):
        mu = x.mean(0)
        xhat = (x - mu) / np.sqrt(x.var(0) + 1e-3)
        return g * xhat + b

    def vjp(bad, G, x, g, b):
        c = x - x.mean(0)
        xhat = c / np.sqrt(x.var(0) + 1e-3)
        n = 6 if bad == "mean" else 1
        return (G * {"raw": x, "centred": c}.get(bad, xhat)).sum(0) / n

    return f, vjp


@layer(
    (6, 3),
    (3,),
    (3,),
    constant="path: The gradients through std and through mu are missing",
    std="path: The gradient through std is missing (it is held constant, or forgo",
    ddof="path: The gradient through std is 1.2 × what it should be (n − 1 where n",
)
def batch_norm_in_steps() -> Any:
    def f(x, g, b):
        mu = np.mean(x, axis=0)
        std = np.sqrt(np.mean((x - mu) ** 2, axis=0) + 1e-3)
        return g * ((x - mu) / std) + b

    def vjp(bad, G, x, g, b):
        c, s = x - x.mean(0), np.sqrt(x.var(0) + 1e-3)
        d = G * g
        dvar = -0.5 * d * c / s**3
        dvar = dvar.sum(0)
        dvar = 0 * dvar if bad in ("constant", "std") else dvar
        dmu = 0 if bad == "constant" else (d / s).sum(0) / 6
        return d / s + 2 * dvar * c / (5 if bad == "ddof" else 6) - dmu

    return f, vjp


@layer(
    (3, 5, 4),
    (4,),
    axis="reduced: The sum in the gradient through mu runs over axis 1, where axis",
    mean_axis="reduced: The sum in the gradient through mu runs over axis 1, where axis",
    var="path: The gradient through var is missing (it is held constant, or forgo",
    sums="skipped: The division by 4 in var is forgotten (a sum where a mean is me",
    gamma="skipped: In the derivative of xhat · g by xhat, the factor g is forgotte",
)
def layer_norm_of_three() -> Any:
    def f(x, g):
        mu = x.mean(-1, keepdims=True)
        var = x.var(-1, keepdims=True)
        xhat = (x - mu) / np.sqrt(var + 1e-5)
        return xhat * g

    def vjp(bad, G, x, g):
        s = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        h = (x - x.mean(-1, keepdims=True)) * s
        d = G if bad == "gamma" else G * g
        one = d.mean(1 if bad in ("axis", "mean_axis") else -1, keepdims=True)
        two = (d * h).mean(1 if bad == "axis" else -1, keepdims=True)
        two = {"var": 0, "sums": 4 * two}.get(bad, two)
        return s * (d - one - h * two)

    return f, vjp


@layer(
    (3,),
    (3, 3),
    (3, 3),
    (3, 3),
    (2,),
    (3, 2),
    (3, 2),
    (3, 2),
    no_update="path: The gradient through z is missing (it is held constant, or forgott",
    no_reset="path: The gradient through r is missing (it is held constant, or forgott",
    turned="transposed: In the derivative of Ur @ h by h, Ur stands transposed",
    swap="instead: In the derivative of (1 − z) · h by h, z stands where 1 − z is",
    tanh="skipped: In the derivative of c by (Wc @ x) + (Uc @ (r · h)), the factor",
    half="path: The gradient through 1 − z in (1 − z) · h is missing (it is held c",
)
def gru() -> Any:
    def f(h, Uz, Ur, Uc, x, Wz, Wr, Wc):
        z = 1 / (1 + np.exp(-(Wz @ x + Uz @ h)))
        r = 1 / (1 + np.exp(-(Wr @ x + Ur @ h)))
        c = np.tanh(Wc @ x + Uc @ (r * h))
        return (1 - z) * h + z * c

    def vjp(bad, G, h, Uz, Ur, Uc, x, Wz, Wr, Wc):
        z, r = sigma(Wz @ x + Uz @ h), sigma(Wr @ x + Ur @ h)
        c = np.tanh(Wc @ x + Uc @ (r * h))
        dz = G * (c if bad == "half" else c - h) * z * (1 - z)
        drh = Uc.T @ (G * z * (1 if bad == "tanh" else 1 - c**2))
        dr = drh * h * r * (1 - r)
        g = G * (z if bad == "swap" else 1 - z) + drh * r
        g = g if bad == "no_update" else g + Uz.T @ dz
        return g if bad == "no_reset" else g + (Ur if bad == "turned" else Ur.T) @ dr

    return f, vjp


@layer(
    (8,),
    (2,),
    exchanged="exchanged: The gradients by a_i and a_(i+2) are exchanged",
    candidate="skipped: In the derivative of g by a_(i+6), the factor 1 − g² is forgo",
    state="instead: In the derivative of forget · c by forget, new stands where c i",
    tanh="skipped: In the derivative of tanh(new) by new, the factor 1 − tanh(ne",
)
def lstm() -> Any:
    def f(a, c):
        i, forget, o = (1 / (1 + np.exp(-a[n : n + 2])) for n in (0, 2, 4))
        g = np.tanh(a[6:8])
        new = forget * c + i * g
        return o * np.tanh(new)

    def vjp(bad, G, a, c):
        i, forget, o, g = sigma(a[:2]), sigma(a[2:4]), sigma(a[4:6]), np.tanh(a[6:])
        new = forget * c + i * g
        d = G * o * (1 if bad == "tanh" else 1 - np.tanh(new) ** 2)
        di = d * g * i * (1 - i)
        df = d * (new if bad == "state" else c) * forget * (1 - forget)
        dg = d * i * (1 if bad == "candidate" else 1 - g**2)
        do = G * np.tanh(new) * o * (1 - o)
        di, df = (df, di) if bad == "exchanged" else (di, df)
        return np.concatenate([di, df, do, dg])

    return f, vjp


MASK = np.array([[1.0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1]])


@layer(
    (3, 4),
    scale="skipped: The division by 0.6 in (x · MASK) / 0.6 is forgotten",
    mask="skipped: In the derivative of x · MASK by x, the factor MASK is forgot",
    inverse="instead: In the derivative of x · MASK by x, 1 − MASK stands where MASK",
    twice="twice: The derivative of (x · MASK) / 0.6 by x · MASK is applied twice",
)
def dropout() -> Any:
    def f(x):
        return x * MASK / 0.6

    def vjp(bad, G, x):
        d = {"scale": MASK, "mask": 1 / 0.6, "inverse": (1 - MASK) / 0.6, "twice": MASK / 0.36}
        return G * d.get(bad, MASK / 0.6)

    return f, vjp


PICKED = np.array([2, 0, 2, 4, 1, 2])


@layer(
    (5, 3),
    last="picked: An entry of E that is picked several times gets the last gradien",
    off="shift: What is picked out of E is off by one along axis 0",
)
def embedding() -> Any:
    def f(E):
        return E[PICKED]

    def vjp(bad, G, E):
        d = np.zeros_like(E)
        if bad == "last":
            d[PICKED] = G
        else:
            np.add.at(d, (PICKED + (bad == "off")) % 5, G)
        return d

    return f, vjp


@layer(
    "square",
    (4,),
    rhs="instead: In the derivative of solve(A, b) by A, b stands where solve(A,",
    sign="sign: The sign is wrong",
    turned="order: Axes i and k are swapped (a transpose)",
    exchanged="order: Axes k and l are swapped (a transpose)",
)
def solved() -> Any:
    def f(A, b):
        return np.linalg.solve(A, b)

    def vjp(bad, G, A, b):
        x, g = np.linalg.solve(A, b), np.linalg.solve(A.T, G)
        if bad == "turned":
            g = np.linalg.solve(A, G)
        if bad == "exchanged":
            return -np.outer(x, g)
        return np.outer(g, b if bad == "rhs" else x) * (1 if bad == "sign" else -1)

    return f, vjp


@layer(
    "square",
    argument="instead: In the derivative of log_abs_det(A) by A, Aᵀ stands where inv(A) is meant",
    transposed="order: Axes k and l are swapped (a transpose)",
    half="factor: It is ½ × the right derivative (a factor 2 is missing)",
)
def log_determinant() -> Any:
    def f(A):
        return np.linalg.slogdet(A)[1]

    def vjp(bad, G, A):
        B = np.linalg.inv(A)
        return G * {"argument": A, "transposed": B, "half": B.T / 2}.get(bad, B.T)

    return f, vjp


@layer(
    (4, 6),
    (4, 6),
    norm="factor: A factor nb too many in the gradient by dot",
    scale="scalar: The derivative of na · nb by na is taken as y, where y is its re",
    a_for_b="instead: In the derivative of a · b by a, a stands where b is meant",
    first="path: The gradient through na is missing (it is held constant, or forgot",
)
def cosine() -> Any:
    def f(a, b):
        dot = (a * b).sum(1)
        na, nb = np.sqrt((a**2).sum(1)), np.sqrt((b**2).sum(1))
        return dot / (na * nb)

    def vjp(bad, G, a, b):
        na, nb = (np.sqrt((v**2).sum(1, keepdims=True)) for v in (a, b))
        c = (a * b).sum(1, keepdims=True) / (na * nb)
        one = (a if bad == "a_for_b" else b) / (na if bad == "norm" else na * nb)
        two = 0 if bad == "first" else c * a / (na if bad == "scale" else na**2)
        return G[:, None] * (one - two)

    return f, vjp


@layer(
    (4, 6),
    exchanged="branches: The branches of where(greater(x, 0), x, 0.1 · x) are exchanged",
    slope="term: The term 0.1 δ_ik δ_jl [not [x_ij > 0]] has the wrong sign",
    zero="term: The term 0.1 δ_ik δ_jl [not [x_ij > 0]] is missing",
)
def leaky() -> Any:
    def f(x):
        return np.where(x > 0, x, 0.1 * x)

    def vjp(bad, G, x):
        low = {"slope": -0.1, "zero": 0}.get(bad, 0.1)
        d = np.where(x < 0, 1, 0.1) if bad == "exchanged" else np.where(x > 0, 1, low)
        return G * d

    return f, vjp


@layer(
    (6, 7),
    (3, 3),
    transposed="argument: The array w is transposed",
    one_axis="shift: Axes i and k are both reversed (a kernel that is turned round: co",
    turned="shift: Axes i, j, k and l are all reversed (a kernel that is turned roun",
    off="shift: The indices of axis k are off by 1, going round: what stands at k",
)
def convolution_in_loops() -> Any:
    def f(x, w):
        y = np.zeros((4, 5))
        for i in range(4):
            for j in range(5):
                y[i, j] = np.sum(x[i : i + 3, j : j + 3] * w)
        return y

    def vjp(bad, G, x, w):
        d = np.zeros_like(x)
        w = {"transposed": w.T, "one_axis": w[::-1], "turned": w[::-1, ::-1]}.get(bad, w)
        for i in range(4):
            for j in range(5):
                d[i : i + 3, j : j + 3] += G[i, j] * w
        return np.roll(d, 1, 0) if bad == "off" else d

    return f, vjp


@layer(
    (9,),
    (3,),
    wrt=1,
    off="argument: The array x is off by one along axis 0, with zeros at the end",
    turned="shift: Axis k is reversed",
    half="factor: It is ½ × the right derivative (a factor 2 is missing)",
)
def kernel_of_a_convolution() -> Any:
    def f(x, w):
        return np.stack([x[i : i + 3] @ w for i in range(7)])

    def vjp(bad, G, x, w):
        x = np.append(x[1:], 0) if bad == "off" else x
        d = sum(G[i] * x[i : i + 3] for i in range(7))
        return d[::-1] if bad == "turned" else d / 2 if bad == "half" else d

    return f, vjp


@layer(
    (2, 4, 6),
    axis="reduced: The sum in the gradient through m runs over axis 1, where axis",
    mean="path: The gradient through m is missing (it is held constant, or forgott",
    var="path: The gradient through v is missing (it is held constant, or forgott",
)
def group_norm() -> Any:
    def f(x):
        r = x.reshape(2, 2, 12)
        m, v = r.mean(2, keepdims=True), r.var(2, keepdims=True)
        return ((r - m) / np.sqrt(v + 1e-5)).reshape(2, 4, 6)

    def vjp(bad, G, x):
        r, g = x.reshape(2, 2, 12), G.reshape(2, 2, 12)
        s = 1 / np.sqrt(r.var(2, keepdims=True) + 1e-5)
        h = (r - r.mean(2, keepdims=True)) * s
        axis = 1 if bad == "axis" else 2
        one = 0 if bad == "mean" else g.mean(axis, keepdims=True)
        two = 0 if bad == "var" else (g * h).mean(axis, keepdims=True)
        return (s * (g - one - h * two)).reshape(2, 4, 6)

    return f, vjp


@layer(
    (4, 3),
    (3, 3),
    (3, 3),
    skip="term: The term δ_ik δ_jl is missing",
    relu="skipped: The derivative of h by x @ W is forgotten: the gradient passes",
    turned="transposed: In the derivative of h @ V by h, V stands transposed",
    weights="instead: In the derivative of x @ W by x, V stands where W is meant",
)
def residual() -> Any:
    def f(x, W, V):
        h = np.maximum(x @ W, 0)
        return x + h @ V

    def vjp(bad, G, x, W, V):
        d = G @ (V if bad == "turned" else V.T)
        d = d if bad == "relu" else d * (x @ W > 0)
        d = d @ (V if bad == "weights" else W).T
        return d if bad == "skip" else d + G

    return f, vjp
