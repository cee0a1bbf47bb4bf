# ruff: noqa: ARG001 - a backward takes all arguments
"""Backward passes as people write them, right and with one mistake each: a table.

A row is a function, its arguments' shapes, a backward that takes the name of a mistake, and for each
mistake what the first finding must say (a regular expression over ``kind: text``).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """One function: ``vjp(bad, G, *args)`` gives the gradient by the first argument."""

    f: Callable[..., Any]
    shapes: tuple[Any, ...]
    vjp: Callable[..., Any]
    wrong: dict[str, str]
    positive: bool = False


ROWS: dict[str, Row] = {}


def row(*shapes: Any, positive: bool = False, **wrong: str) -> Callable[[Any], Any]:
    """Enter a function that returns ``(f, vjp)``."""

    def enter(make: Callable[[], tuple[Any, Any]]) -> Any:
        f, vjp = make()
        ROWS[make.__name__] = Row(f, shapes, vjp, wrong, positive)
        return make

    return enter


def sigma(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def rows(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# Layers


@row(
    (3, 4),
    (4, 5),
    (5,),
    mask="term: The factor 1 − tanh((x W)_ij + b_j)² is missing",
    turned="shift: Axis l is reversed",
    bias="scalar: The derivative of tanh((x @ W) + b) by x @ W is taken as 1 − x",
    twice="twice: The derivative of tanh((x @ W) + b) by (x @ W) + b is applied ",
    sign="sign: The sign is wrong",
    mean="mean: It is 1/3 × the right derivative",
)
def dense_tanh() -> Any:
    def f(x, W, b):
        return np.tanh(x @ W + b)

    def vjp(bad, G, x, W, b):
        y = np.tanh(x @ W + b)
        d = {"mask": 1, "bias": 1 - (x @ W)[:, :] ** 2, "twice": (1 - y**2) ** 2}.get(bad, 1 - y**2)
        g = (G * d) @ (W[::-1] if bad == "turned" else W).T
        return {"sign": -g, "mean": g / 3}.get(bad, g)

    return f, vjp


@row(
    (5, 5),
    (5, 5),
    turned="term: V_lj stands transposed",
    mask="skipped: The derivative of h by V @ W is forgotten",
    argument="scalar: The derivative of tanh(h @ V) by h @ V is taken as 1 − x²",
    square="twice: The derivative of tanh(h @ V) by h @ V is applied twice",
    zero="zeros: It is zero everywhere",
)
def two_layers() -> Any:
    def f(W, V):
        h = np.maximum(V @ W, 0)
        return np.tanh(h @ V)

    def vjp(bad, G, W, V):
        z = V @ W
        h = np.maximum(z, 0)
        y = np.tanh(h @ V)
        g = G * (1 - (h @ V) ** 2 if bad == "argument" else 1 - y**2)
        if bad == "square":
            g = g * (1 - y**2)
        g = g @ (V if bad == "turned" else V.T)
        g = g if bad == "mask" else g * (z > 0)
        return 0 * (V.T @ g) if bad == "zero" else V.T @ g

    return f, vjp


@row(
    (4, 3),
    x_for_y="scalar: The derivative of 1 / (1 + exp(−x)) is taken as x (1 − x)",
    forgotten="skipped: The derivative of 1 / (1 + exp(−x)) is forgotten",
    one_minus="term: The factor 1 / (1 + exp(−x_ij)) is missing",
    half="term: The factor exp(−x_ij) / (1 + exp(−x_ij)) is missing",
    times_x="factor: A factor x too many",
    sign="sign: The sign is wrong",
)
def sigmoid() -> Any:
    def f(x):
        return 1 / (1 + np.exp(-x))

    def vjp(bad, G, x):
        y = sigma(x)
        return G * {
            "x_for_y": x * (1 - x), "forgotten": np.ones_like(x), "one_minus": 1 - y, "half": y,
            "times_x": x * y * (1 - y), "sign": -y * (1 - y),
        }.get(bad, y * (1 - y))  # fmt: skip

    return f, vjp


@row(
    (4, 3),
    second="path: The gradient through s is missing",
    first="term: The summand 1 / (1 + exp(−x_ij)) is missing",
    sigma_forgotten="scalar: The derivative of s by x is taken as y",
    sign="path: The gradient through s has the wrong sign",
)
def swish() -> Any:
    def f(x):
        s = 1 / (1 + np.exp(-x))
        return x * s

    def vjp(bad, G, x):
        s = sigma(x)
        ds = s if bad == "sigma_forgotten" else s * (1 - s)
        if bad == "second":
            return G * s
        if bad == "first":
            return G * x * ds
        return G * (s - x * ds) if bad == "sign" else G * (s + x * ds)

    return f, vjp


@row(
    (4, 3),
    chain="skipped: The derivative of inner by x is forgotten",
    inner="path: The gradient through 0.044715 · (x ** 3) in x + (0.044715 · (x",
    tanh="skipped: In the derivative of t by inner, the factor 1 − square(t) is f",
    half="factor: It is 2 × the right derivative",
    second="path: The gradient through t is missing",
)
def gelu() -> Any:
    c = 0.7978845608

    def f(x):
        inner = c * (x + 0.044715 * x**3)
        t = np.tanh(inner)
        return 0.5 * x * (1 + t)

    def vjp(bad, G, x):
        t = np.tanh(c * (x + 0.044715 * x**3))
        d = c * (1 + 3 * 0.044715 * x**2)
        d = {"chain": 1, "inner": c}.get(bad, d)
        dt = 1 if bad == "tanh" else 1 - t**2
        out = 0.5 * (1 + t) + 0.5 * x * dt * d
        if bad == "second":
            out = 0.5 * (1 + t)
        return G * out * (2 if bad == "half" else 1)

    return f, vjp


@row(
    (4, 5),
    (5,),
    (5,),
    gamma="skipped: In the derivative of (xc · s) · g by xc · s, the factor g is f",
    mean="path: The gradient through mu is missing",
    var="path: The gradient through s is missing",
    both="path: The gradients through s and through mu are missing",
    scale="factor: A factor sqrt(var + 1e-05) too many",
    ddof="path: The gradient through s is 1.25 × what it should be (n − 1 wher",
    total="skipped: The division by 5 in mu is forgotten (a sum where a mean is me",
    sign="path: The gradient through s has the wrong sign",
    square="path: The gradient through s is there twice",
)
def layer_norm() -> Any:
    def f(x, g, b):
        mu = x.mean(1, keepdims=True)
        xc = x - mu
        var = (xc**2).mean(1, keepdims=True)
        s = 1 / np.sqrt(var + 1e-5)
        return xc * s * g + b

    def vjp(bad, G, x, g, b):
        n = x.shape[1]
        xc = x - x.mean(1, keepdims=True)
        s = 1 / np.sqrt((xc**2).mean(1, keepdims=True) + 1e-5)
        h = xc * s
        d = G if bad == "gamma" else G * g
        one = d.sum(1, keepdims=True) / (1 if bad == "total" else n)
        two = h * (d * h).sum(1, keepdims=True) / (n - 1 if bad == "ddof" else n)
        two = {"sign": -two, "var": 0 * two, "both": 0 * two, "square": 2 * two}.get(bad, two)
        one = 0 * one if bad in ("mean", "both") else one
        return (1 if bad == "scale" else s) * (d - one - two)

    return f, vjp


@row(
    (6, 3),
    (3,),
    mean="path: The gradient through mu is missing",
    var="path: The gradient through var is missing",
    scale="factor: A factor sqrt(var + 1e-05) too many",
    axis="reduced: The sum in the gradient through mu runs over all axes",
    gamma="factor: The factor g is lost, or a division by it is one too many",
    total="skipped: The division by 6 in mu is forgotten (a sum where a mean is me",
)
def batch_norm() -> Any:
    def f(x, g):
        mu = x.mean(0)
        xc = x - mu
        var = (xc**2).mean(0)
        return g * xc / np.sqrt(var + 1e-5)

    def vjp(bad, G, x, g):
        xc = x - x.mean(0)
        s = 1 / np.sqrt((xc**2).mean(0) + 1e-5)
        h, d = xc * s, G * (1 if bad == "gamma" else g)
        mean = (
            (lambda a: a.mean())
            if bad == "axis"
            else (lambda a: a.sum(0) if bad == "total" else a.mean(0))
        )
        one = 0 if bad == "mean" else mean(d)
        two = 0 if bad == "var" else h * (d * h).mean(0)
        return (d - one - two) * (1 if bad == "scale" else s)

    return f, vjp


@row(
    (4, 5),
    rms="path: The gradient through r is missing",
    gain="instead: In the derivative of x / r by r, x stands where (x / r) / r is",
    scale="skipped: In the derivative of x / r by x, the factor 1 / r is forgotten",
    total="skipped: The division by 5 in (sum(x ** 2)) / 5 is forgotten (a sum whe",
)
def rms_norm() -> Any:
    def f(x):
        r = np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
        return x / r

    def vjp(bad, G, x):
        n = x.shape[1]
        r = np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
        s = (G * x).sum(1, keepdims=True) / (1 if bad == "total" else n)
        two = 0 if bad == "rms" else x * s / (r if bad == "gain" else r**3)
        return G / (1 if bad == "scale" else r) - two

    return f, vjp


# Softmaxes and losses


@row(
    (3, 4),
    diagonal="delta: It is zero where j ≠ l, as if there were a factor δ_jl; only t",
    axis="reduced: The sum in the gradient through sum(e) runs over axis 0",
    all="reduced: The sum in the gradient through sum(e) runs over all axes",
    mean="mean: The gradient by sum(e) is a mean over axis 1",
    plain="term: The term −δ_ik f_ij f_il is missing",
    sign="term: The term −δ_ik f_ij f_il has the wrong sign",
)
def softmax() -> Any:
    def f(S):
        e = np.exp(S - S.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def vjp(bad, G, S):
        y = rows(S)
        t = G * y
        s = {
            "axis": t.sum(0, keepdims=True), "all": t.sum(), "mean": t.mean(1, keepdims=True), "plain": 0,
            "sign": -t.sum(1, keepdims=True),
        }.get(bad, t.sum(1, keepdims=True))  # fmt: skip
        return G * y * (1 - y) if bad == "diagonal" else y * (G - s)

    return f, vjp


@row(
    (3, 4),
    no_sum="path: The gradient through log(sum(exp(m))) in m − log(sum(exp(m))) ",
    axis="reduced: The sum in the gradient through log(sum(exp(m))) runs over axi",
    mean="mean: The gradient by log(sum(exp(m))) is a mean over axis 1",
    exp="skipped: In the derivative of log(sum(exp(m))) by sum(exp(m)), the fact",
    sign="path: The gradient through log(sum(exp(m))) in m − log(sum(exp(m))) ",
)
def log_softmax() -> Any:
    def f(S):
        m = S - S.max(1, keepdims=True)
        return m - np.log(np.exp(m).sum(1, keepdims=True))

    def vjp(bad, G, S):
        y = rows(S)
        s = {
            "no_sum": 0, "axis": G.sum(0, keepdims=True), "mean": G.mean(1, keepdims=True),
            "sign": -G.sum(1, keepdims=True),
        }.get(bad, G.sum(1, keepdims=True))  # fmt: skip
        return G - (np.exp(S - S.max(1, keepdims=True)) if bad == "exp" else y) * s

    return f, vjp


@row(
    (4, 3),
    mean="factor: It is 4 × the right derivative",
    labels="path: The gradient through exp(S) in p is missing",
    sign="sign: The sign is wrong",
    probabilities="factor: A factor p too many",
)
def cross_entropy() -> Any:
    T = np.array([0, 2, 1, 1])

    def f(S):
        p = np.exp(S) / np.exp(S).sum(1, keepdims=True)
        return -np.mean(np.log(p[np.arange(4), T]))

    def vjp(bad, G, S):
        p, n = rows(S), len(S)
        if bad == "labels":
            return G * p / n
        p[np.arange(n), T] -= 1
        return (
            G
            * p
            * {"mean": 1, "sign": -1 / n}.get(bad, 1 / n)
            * (rows(S) if bad == "probabilities" else 1)
        )

    return f, vjp


@row(
    (4, 3),
    (4, 3),
    half="factor: It is ½ × the right derivative",
    mean="factor: It is 12 × the right derivative",
    size="factor: It is 3 × the right derivative",
    sign="sign: The sign is wrong",
    square="scalar: The derivative of (x − t) ** 2 by x is taken as 2 y",
)
def squared_error() -> Any:
    def f(x, t):
        return np.mean((x - t) ** 2)

    def vjp(bad, G, x, t):
        r, n = x - t, x.size
        return G * {
            "half": r / n, "mean": 2 * r, "size": 2 * r / len(x), "sign": -2 * r / n, "square": 2 * r**2 / n
        }.get(bad, 2 * r / n)  # fmt: skip

    return f, vjp


@row(
    (4,),
    (6, 4),
    (6,),
    half="path: The gradient through penalty is half of what it should be",
    none="term: The summand 0.6 w_k is missing",
    double="path: The gradient through penalty is there twice",
    mean="path: The gradient through r is 0.1667 × what it should be (a mean o",
    sign="path: The gradient through penalty has the wrong sign",
    data="term: The summand (Xᵀ (X w − t))_k is missing",
)
def ridge() -> Any:
    def f(w, X, t):
        r = X @ w - t
        penalty = 0.3 * np.sum(w**2)
        return 0.5 * np.sum(r**2) + penalty

    def vjp(bad, G, w, X, t):
        r = X @ w - t
        c = {"half": 0.3, "none": 0, "double": 1.2, "sign": -0.6}.get(bad, 0.6)
        data = X.T @ r / (6 if bad == "mean" else 1)
        return G * ((0 if bad == "data" else data) + c * w)

    return f, vjp


@row(
    (5,),
    (3, 5),
    sigma="scalar: The derivative of log(1 + exp(z)) by z is taken as x",
    sign="skipped: In the derivative of exp(z) by z, the factor exp(z) is forgott",
    weights="path: The gradient through t · z in (log(1 + exp(z))) − (t · z) is m",
)
def logistic() -> Any:
    t = np.array([0.0, 1.0, 1.0])

    def f(w, X):
        z = X @ w
        return np.sum(np.log(1 + np.exp(z)) - t * z)

    def vjp(bad, G, w, X):
        z = X @ w
        p = {"sigma": z, "sign": sigma(-z)}.get(bad, sigma(z))
        return G * (X.T @ (p - (0 if bad == "weights" else t)))

    return f, vjp


@row(
    (4, 2),
    factor="factor: It is ½ × the right derivative",
    row_only="term: The term −2 δ_jk (X_il − X_jl) is missing",
    sign="term: The term −2 δ_jk (X_il − X_jl) has the wrong sign",
)
def distances() -> Any:
    def f(X):
        d = X[:, None, :] - X[None, :, :]
        return np.sum(d**2, axis=2)

    def vjp(bad, G, X):
        d = X[:, None, :] - X[None, :, :]
        g = (1 if bad == "factor" else 2) * G[:, :, None] * d
        if bad == "row_only":
            return g.sum(1)
        return g.sum(1) + g.sum(0) if bad == "sign" else g.sum(1) - g.sum(0)

    return f, vjp


# Gates and recurrences


@row(
    (3, 4),
    (4, 8),
    value="path: The gradient through a is missing",
    gate="path: The gradient through b is missing",
    swapped="exchanged: The gradients by a and b are exchanged",
    derivative="skipped: The derivative of 1 / (1 + exp(−b)) by b is forgotten",
    taken_at="scalar: The derivative of 1 / (1 + exp(−b)) by b is taken as x (1 − x)",
)
def glu() -> Any:
    def f(x, W):
        z = x @ W
        a, b = z[:, :4], z[:, 4:]
        return a * (1 / (1 + np.exp(-b)))

    def vjp(bad, G, x, W):
        z = x @ W
        a, b = z[:, :4], z[:, 4:]
        s = sigma(b)
        da = 0 * G if bad == "value" else G * s
        ds = {"derivative": 1, "taken_at": b * (1 - b)}.get(bad, s * (1 - s))
        db = 0 * G if bad == "gate" else G * a * ds
        return np.concatenate((db, da) if bad == "swapped" else (da, db), 1) @ W.T

    return f, vjp


@row(
    (2, 3),
    (3, 12),
    (2, 3),
    swapped="exchanged: The gradients by (h W)_ij and (h W)_(i,j+3) are exchanged",
    forget="path: The gradient through k is missing",
    tanh="skipped: In the derivative of tanh(n) by n, the factor 1 − square(tanh(",
    output="path: The gradient through o is missing",
    sigma="skipped: The derivative of i by (h W)_ij is forgotten",
)
def lstm_cell() -> Any:
    def f(h, W, c):
        z = h @ W
        i, o = 1 / (1 + np.exp(-z[:, :3])), 1 / (1 + np.exp(-z[:, 3:6]))
        u, k = np.tanh(z[:, 6:9]), 1 / (1 + np.exp(-z[:, 9:]))
        n = k * c + i * u
        return o * np.tanh(n)

    def vjp(bad, G, h, W, c):
        z = h @ W
        i, o, u, k = sigma(z[:, :3]), sigma(z[:, 3:6]), np.tanh(z[:, 6:9]), sigma(z[:, 9:])
        t = np.tanh(k * c + i * u)
        dn = G * o * (1 if bad == "tanh" else 1 - t**2)
        di = dn * u * (1 if bad == "sigma" else i * (1 - i))
        do = 0 * G if bad == "output" else G * t * o * (1 - o)
        du = dn * i * (1 - u**2)
        dk = 0 * G if bad == "forget" else dn * c * k * (1 - k)
        return np.concatenate((do, di, du, dk) if bad == "swapped" else (di, do, du, dk), 1) @ W.T

    return f, vjp


@row(
    (3,),
    (3, 3),
    last="skipped: In the derivative of W @ h by h, the factor W is forgotten",
    turned="transposed: In the derivative of W @ (tanh(W @ h)) by tanh(W @ h), W stand",
    derivative="skipped: In the derivative of tanh(W @ (tanh(W @ h))) by W @ (tanh(W @ ",
    first="skipped: In the derivative of W @ (tanh(W @ (tanh(W @ h)))) by tanh(W @",
)
def recurrence() -> Any:
    def f(h, W):
        for _ in range(3):
            h = np.tanh(W @ h)
        return h

    def vjp(bad, G, h, W):
        kept = [h]
        for _ in range(3):
            kept.append(np.tanh(W @ kept[-1]))
        for n, y in enumerate(kept[:0:-1]):
            G = G if bad == "derivative" and n == 1 else G * (1 - y**2)
            if not ((bad == "last" and n == 2) or (bad == "first" and n == 0)):
                G = (W if bad == "turned" and n == 1 else W.T) @ G
        return G

    return f, vjp


@row(
    (4, 3),
    (3, 3),
    (3, 3),
    scale="skipped: In the derivative of s by q @ transpose(k), the factor 1 / 1.7",
    softmax="path: The gradient through sum(e) in a is missing",
    keys="path: The gradient through k is missing",
    turned="transposed: The gradient by q @ transpose(k) is transposed, on its way to ",
    query="path: The gradient through q is missing",
)
def attention() -> Any:
    def f(x, Q, K):
        q, k = x @ Q, x @ K
        s = q @ k.T / np.sqrt(3.0)
        e = np.exp(s)
        a = e / e.sum(1, keepdims=True)
        return a @ x

    def vjp(bad, G, x, Q, K):
        q, k = x @ Q, x @ K
        a = rows(q @ k.T / np.sqrt(3.0))
        da = G @ x.T
        ds = a * (da - (0 if bad == "softmax" else (da * a).sum(1, keepdims=True)))
        ds = ds / (1 if bad == "scale" else np.sqrt(3.0))
        dq, dk = ds @ k, (ds if bad == "turned" else ds.T) @ q
        dk = 0 * dk if bad == "keys" else dk
        dq = 0 * dq if bad == "query" else dq
        return a.T @ G + dq @ Q.T + dk @ K.T

    return f, vjp


@row(
    (4, 6),
    scale="skipped: The derivative of (x · keep) / 0.6 by x · keep is forgotten",
    mask="term: The factor keep_ij is missing",
    inverse="inverse: The derivative of (x · keep) / 0.6 by x · keep is divided by",
)
def dropout() -> Any:
    keep = np.random.default_rng(3).random((4, 6)) > 0.4

    def f(x):
        return x * keep / 0.6

    def vjp(bad, G, x):
        return G * {"scale": keep, "mask": 1 / 0.6, "inverse": keep * 0.6}.get(bad, keep / 0.6)

    return f, vjp


# Algebra


@row(
    (3, 3),
    transposed="order: Axes i and k are swapped (a transpose)",
    sign="sign: The sign is wrong",
    one="skipped: In the derivative of inv(A + (a constant)) by A + (a constant)",
    order="order: Axes k and l are swapped (a transpose)",
)
def inverse() -> Any:
    def f(A):
        return np.linalg.inv(A + 4 * np.eye(3))

    def vjp(bad, G, A):
        Y = np.linalg.inv(A + 4 * np.eye(3))
        g = Y @ G @ Y.T if bad == "transposed" else Y.T @ G @ Y.T
        if bad == "one":
            g = Y.T @ G
        return g if bad == "sign" else -(g.T if bad == "order" else g)

    return f, vjp


@row(
    (4,),
    (4, 4),
    symmetric="exchanged: The gradient through x @ A in (x @ A) @ x stands for that thro",
    half="term: The summand (Aᵀ x)_k is missing",
    turned="term: The summand (A x)_k is missing",
)
def quadratic() -> Any:
    def f(x, A):
        return x @ A @ x

    def vjp(bad, G, x, A):
        return G * {"symmetric": 2 * A @ x, "half": A @ x, "turned": A.T @ x}.get(
            bad, A @ x + A.T @ x
        )

    return f, vjp


@row(
    (3, 3),
    transposed="order: Axes k and l are swapped (a transpose)",
    determinant="term: The factor 1 / det(M), where M_ij = A_ij + 4 I_ij is missing",
    sign="sign: The sign is wrong",
)
def log_determinant() -> Any:
    def f(A):
        return np.log(np.linalg.det(A + 4 * np.eye(3)))

    def vjp(bad, G, A):
        B = A + 4 * np.eye(3)
        Y = np.linalg.inv(B)
        g = Y if bad == "transposed" else Y.T
        return G * g * {"determinant": np.linalg.det(B), "sign": -1}.get(bad, 1)

    return f, vjp


@row(
    (4, 3),
    (3,),
    by_norm="skipped: In the derivative of (x @ w) / n by x @ w, the factor 1 / n is",
    cubed="factor: A factor n too many in the gradient by n",
    second="path: The gradient through n is missing",
    sign="path: The gradient through n has the wrong sign",
)
def cosine() -> Any:
    def f(x, w):
        n = np.sqrt((x**2).sum(1))
        return (x @ w) / n

    def vjp(bad, G, x, w):
        n = np.sqrt((x**2).sum(1))
        one = np.outer(G / (1 if bad == "by_norm" else n), w)
        two = (G * (x @ w) / n ** (2 if bad == "cubed" else 3))[:, None] * x
        two = {"second": 0 * two, "sign": -two}.get(bad, two)
        return one - two

    return f, vjp


@row(
    (7,),
    (3,),
    turned="shift: Axes i and k are both reversed (a kernel that is turned round:",
    shifted="shift: The gradient by x is off by one along axis 0, going round",
    sign="sign: The sign is wrong",
    cut="entry: One entry is wrong, (i = 4, k = 6)",
)
def convolution() -> Any:
    def f(x, k):
        out = np.zeros(5)
        for n in range(3):
            out = out + k[n] * x[n : n + 5]
        return out

    def vjp(bad, G, x, k):
        g = np.zeros(7)
        for n in range(3):
            g[n : n + 5] += (k[2 - n] if bad == "turned" else k[n]) * G
        if bad == "shifted":
            g = np.roll(g, 1)
        if bad == "cut":
            g[-1] = 0
        return -g if bad == "sign" else g

    return f, vjp


@row(
    (5, 6),
    (3, 3),
    turned="order: The axes come in the order (k, l, i, j)",
    corner="shift: The gradient by p is off by one along axis 0 and axis 1, going",
    one_axis="order: Axes i and k are swapped (a transpose)",
    sign="sign: The sign is wrong",
)
def convolution_2d() -> Any:
    def f(x, k):
        p = np.pad(x, 1)
        return sum(k[a, b] * p[a : a + 5, b : b + 6] for a in range(3) for b in range(3))

    def vjp(bad, G, x, k):
        k = {
            "turned": k[::-1, ::-1],
            "one_axis": k[::-1],
        }.get(bad, k)
        p = np.zeros((7, 8))
        for a in range(3):
            for b in range(3):
                p[a : a + 5, b : b + 6] += k[a, b] * G
        g = p[2:7, 2:8] if bad == "corner" else p[1:6, 1:7]
        return -g if bad == "sign" else g

    return f, vjp


def arguments(one: Row, seed: int) -> list[Any]:
    """A random point."""
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=shape) for shape in one.shapes]
    return [np.abs(a) + 0.1 for a in drawn] if one.positive else drawn
