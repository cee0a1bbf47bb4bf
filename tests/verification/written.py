"""Layers as students write them, in the form of ``named``: cells, attention, losses, strides, loops, physics.

The words were written before anything was run; where another reading is as right, it stands beside them.
"""

from typing import Any

import numpy as np
from numpy.linalg import cholesky, solve
from scipy.special import erf

from tests.verification.named import Told, normal, sigma

WRITTEN: dict[str, Told] = {}


def layer(name: str, f: Any, args: Any, back: Any, wrt: int = 0, **words: Any) -> None:
    """Enter a layer: for each mistake, an underscore for a space, what must be found in the first finding."""
    told = {
        bad.replace("_", " "): (w if isinstance(w, tuple) else (w,)) for bad, w in words.items()
    }
    WRITTEN[name] = Told(f, args, back, told, wrt)


def sconv(x: Any, w: Any) -> Any:
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = np.sum(x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * w)
    return out


def by_sconv(bad: Any, G: Any, x: Any, w: Any) -> Any:
    d = np.zeros_like(x)
    s = 1 if bad == "stride" else 2
    for i in range(3):
        for j in range(3):
            d[s * i : s * i + 3, s * j : s * j + 3] += G[i, j] * (
                w[::-1, ::-1] if bad == "turned" else w
            )
    if bad == "overwritten":
        d = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                d[s * i : s * i + 3, s * j : s * j + 3] = G[i, j] * w
    return d


layer(
    "strided conv",
    sconv,
    normal((7, 7), (3, 3)),
    by_sconv,
    stride=("stride", "1", "2"),
    turned="turned|reversed",
    overwritten="not added|overwrit|last",
)


def by_sconv_w(bad: Any, G: Any, x: Any, w: Any) -> Any:
    d = np.zeros_like(w)
    s = 1 if bad == "stride" else 2
    for i in range(3):
        for j in range(3):
            d += G[i, j] * x[s * i : s * i + 3, s * j : s * j + 3]
    return d


def dconv(x: Any, w: Any) -> Any:
    return np.array([sum(w[k] * x[i + 2 * k] for k in range(3)) for i in range(6)])


def by_dconv(bad: Any, G: Any, x: Any, w: Any) -> Any:
    dil = {"dilation": 1}.get(bad, 2)
    d = np.zeros_like(x)
    for i in range(6):
        for k in range(3):
            d[i + dil * k] += G[i] * w[k]
    return d


layer("dilated conv", dconv, normal((10,), (3,)), by_dconv, dilation=("dilat", "1", "2"))


def by_dconv_w(bad: Any, G: Any, x: Any, w: Any) -> Any:
    dil = {"dilation": 1}.get(bad, 2)
    d = np.zeros_like(w)
    for i in range(6):
        for k in range(3):
            d[k] += G[i] * x[i + dil * k]
    return d


layer(
    "dilated conv by w", dconv, normal((10,), (3,)), by_dconv_w, wrt=1, dilation=("dilat", "1", "2")
)


def vconv2(x: Any, w: Any) -> Any:
    win = np.lib.stride_tricks.sliding_window_view(x, (3, 3))[::2, ::2]
    return np.einsum("ijkl,kl->ij", win, w)


layer(
    "vector conv2 by w",
    vconv2,
    normal((7, 7), (3, 3)),
    by_sconv_w,
    wrt=1,
    stride=("stride", "1", "2"),
)


layer(
    "vector conv2 by x",
    vconv2,
    normal((7, 7), (3, 3)),
    by_sconv,
    wrt=0,
    stride=("stride", "1", "2"),
    turned="turned|reversed",
)


T = np.random.default_rng(77).normal(size=(4, 3))


OLD = np.random.default_rng(78).normal(size=(4, 3))


def mse(W: Any, x: Any) -> Any:
    return ((x @ W - T) ** 2).mean()


def by_mse(bad: Any, G: Any, W: Any, x: Any) -> Any:
    y = x @ W
    t = {"input": x, "previous": OLD, "no target": 0 * T, "shifted": np.roll(T, 1, 0)}.get(bad, T)
    return G * 2 * x.T @ (y - t) / (1 if bad == "sum" else T.size)


layer(
    "mse",
    mse,
    normal((3, 3), (4, 3)),
    by_mse,
    input=("x stands", "T"),
    previous=("OLD|another", "T"),
    no_target=("T", "missing|forgotten|lost"),
    shifted=("T", "off by one|shift|roll|going round"),
    sum=("12", "mean"),
)


def bce(w: Any, x: Any) -> Any:
    p = 1 / (1 + np.exp(-(x @ w)))
    return -(LAB * np.log(p) + (1 - LAB) * np.log(1 - p)).mean()


LAB = np.array([1.0, 0, 1, 1, 0])


LAST = np.array([0.0, 1, 1, 0, 0])


def by_bce(bad: Any, G: Any, w: Any, x: Any) -> Any:
    p = 1 / (1 + np.exp(-(x @ w)))
    l = {"previous": LAST, "turned": 1 - LAB}.get(bad, LAB)
    e = p - l
    if bad == "sigma":
        e = e * p * (1 - p)
    return G * (x.T @ e) / (1 if bad == "sum" else 5)


layer(
    "bce",
    bce,
    normal((3,), (5, 3)),
    by_bce,
    previous=("LAST", "LAB"),
    turned=("LAB|exchanged|1 − "),
    sigma=("p", "too many|twice"),
    sum=("5", "mean"),
)


def affine(b: Any, x: Any, W: Any) -> Any:
    return np.tanh(x @ W + b)


def by_affine(bad: Any, G: Any, b: Any, x: Any, W: Any) -> Any:
    d = G * (1 - np.tanh(x @ W + b) ** 2)
    return {
        "axis": d.sum(1),
        "none": d,
        "all": d.sum(),
        "keep": d.sum(0, keepdims=True),
        "mean": d.mean(0),
    }.get(bad, d.sum(0))


layer(
    "affine bias",
    affine,
    normal((4,), (5, 3), (3, 4)),
    by_affine,
    axis=("shape", "axis 1", "axis 0"),
    none=("shape", "not summed"),
    all=("shape", "all axes|summed over"),
    keep=("shape", "numbers are right"),
    mean=("mean", "sum"),
)


def gain(g: Any, x: Any) -> Any:
    mu = x.mean(1, keepdims=True)
    h = (x - mu) / np.sqrt(((x - mu) ** 2).mean(1, keepdims=True) + 1e-5)
    return g * h


def by_gain(bad: Any, G: Any, g: Any, x: Any) -> Any:
    mu = x.mean(1, keepdims=True)
    h = (x - mu) / np.sqrt(((x - mu) ** 2).mean(1, keepdims=True) + 1e-5)
    return {
        "axis": (G * h).sum(1),
        "input": (G * x).sum(0),
        "no": G.sum(0),
        "squared": (G * h * g).sum(0),
    }.get(bad, (G * h).sum(0))


layer(
    "norm gain",
    gain,
    normal((5,), (4, 5)),
    by_gain,
    axis=("shape", "axis 1", "axis 0"),
    input=("x stands", "h|factor"),
    no=("h|factor", "forgotten|missing|lost"),
    squared=("factor g too many|g", "too many|twice"),
)


def egelu(x: Any) -> Any:
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def by_egelu(bad: Any, G: Any, x: Any) -> Any:
    if bad == "tanh":
        u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        t = np.tanh(u)
        return G * (
            0.5 * (1 + t) + 0.5 * x * (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        )
    if bad == "sigmoid":
        s = sigma(1.702 * x)
        return G * (s + 1.702 * x * s * (1 - s))
    phi = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    if bad == "pi":
        phi = np.exp(-(x**2) / 2) / np.sqrt(2 * 3.14)
    if bad == "no half":
        phi = np.exp(-(x**2)) / np.sqrt(2 * np.pi)
    return G * (0.5 * (1 + erf(x / np.sqrt(2))) + (0 if bad == "second" else x * phi))


layer(
    "erf gelu",
    egelu,
    normal((4, 5)),
    by_egelu,
    tanh=("close to", "but not|approx"),
    sigmoid=("close to", "but not|approx"),
    second=("erf", "missing|forgotten"),
    no_half=("1.414|erf|sqrt"),
)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(0.79788 * (x + 0.044715 * x**3)))


def by_gelu_constants(bad: Any, G: Any, x: Any) -> Any:
    a, c = (0.8, 0.04) if bad == "both" else (0.79788, 0.044715)
    t = np.tanh(a * (x + c * x**3))
    return G * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * a * (1 + 3 * c * x**2))


layer(
    "gelu constants",
    gelu,
    normal((4, 5)),
    by_gelu_constants,
    both=("0.8 stands|0.8", "0.79788", "0.04 stands|0.04", "0.044715"),
)


def selu(x: Any) -> Any:
    return 1.0507 * np.where(x > 0, x, 1.67326 * (np.exp(x) - 1))


def by_selu(bad: Any, G: Any, x: Any) -> Any:
    s, a = {"both": (1.05, 1.67)}.get(bad, (1.0507, 1.67326))
    return G * s * np.where(x > 0, 1, a * np.exp(x) - (0 if bad != "minus one" else a))


layer(
    "selu",
    selu,
    normal((4, 5)),
    by_selu,
    both=("1.05 stands|1.05 ", "1.0507", "1.67"),
    minus_one=("exp", "taken|instead|stands|−1|1 "),
)


def lstm(W: Any, x: Any, U: Any, b: Any) -> Any:
    h = np.zeros(3)
    c = np.zeros(3)
    for t in range(3):
        z = x[t] @ W + h @ U + b
        i, f, o, g = sigma(z[:3]), sigma(z[3:6]), sigma(z[6:9]), np.tanh(z[9:])
        c = f * c + i * g
        h = o * np.tanh(c)
    return h


def by_lstm(bad: Any, G: Any, W: Any, x: Any, U: Any, b: Any, which: str = "W") -> Any:
    hs, cs, st = [np.zeros(3)], [np.zeros(3)], []
    for t in range(3):
        z = x[t] @ W + hs[-1] @ U + b
        i, f, o, g = sigma(z[:3]), sigma(z[3:6]), sigma(z[6:9]), np.tanh(z[9:])
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        st.append((i, f, o, g))
    dW, dU, db = 0 * W, 0 * U, 0 * b
    dh, dc = G.copy(), np.zeros(3)
    for t in reversed(range(3)):
        i, f, o, g = st[t]
        tc = np.tanh(cs[t + 1])
        dct = dc * (0 if bad == "cell path" else 1) + dh * o * (1 if bad == "tanh c" else 1 - tc**2)
        cold = cs[t + 1] if bad == "cell after" else cs[t]
        dz = np.concatenate(
            [
                dct * g * i * (1 - i),
                dct * cold * f * (1 - f),
                dh * tc * o * (1 - o),
                dct * i * (1 - g**2),
            ]
        )
        dW += np.outer(x[t], dz)
        dU += np.outer(hs[t], dz)
        db += dz
        dh = dz @ (U if False else U.T)
        dc = dct if bad == "forget gate" else dct * f
        if bad == "hidden path":
            dh = 0 * dh
        if bad == "truncated":
            break
    return {"W": dW, "U": dU, "b": db}[which]


layer(
    "lstm W",
    lstm,
    normal((2, 12), (3, 2), (3, 12), (12,)),
    by_lstm,
    tanh_c=("tanh\\(c\\)|tanh", "forgotten"),
    cell_after=("step after",),
    hidden_path=("h", "missing|forgotten|not added"),
)


def gru(U: Any, x: Any, h: Any) -> Any:
    z = sigma(x[:3] + h @ U[0])
    r = sigma(x[3:6] + h @ U[1])
    n = np.tanh(x[6:] + r * (h @ U[2]))
    return (1 - z) * n + z * h


def by_gru(bad: Any, G: Any, U: Any, x: Any, h: Any) -> Any:
    z = sigma(x[:3] + h @ U[0])
    r = sigma(x[3:6] + h @ U[1])
    hn = h @ U[2]
    n = np.tanh(x[6:] + r * hn)
    dn = G * (z if bad == "z swapped" else 1 - z)
    dn = dn * (1 - n**2)
    dz = G * (h - n) * z * (1 - z)
    if bad == "z sign":
        dz = -dz
    if bad == "one of z":
        dz = G * h * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    if bad == "reset":
        dr = 0 * dr
    dU2 = np.outer(h, dn * (1 if bad == "r" else r))
    return np.stack([np.outer(h, dz), np.outer(h, dr), dU2])


layer(
    "gru",
    gru,
    normal((3, 3, 3), (9,), (3,)),
    by_gru,
    z_swapped=("z stands", "1 − z|meant"),
    z_sign=("z|j = 0", "sign"),
    one_of_z=("n|1 − z", "missing"),
    reset=("r", "missing"),
    r=("r", "forgotten|lost|missing"),
)


def tri(L: Any, b: Any) -> Any:
    return solve(np.tril(L), b)


def by_tri(bad: Any, G: Any, L: Any, b: Any) -> Any:
    y = solve(np.tril(L), b)
    g = solve(np.tril(L).T, G)
    d = -np.outer(g, y)
    return {"full": d, "upper": np.triu(d), "strict": np.tril(d, -1)}.get(bad, np.tril(d))


layer(
    "triangular solve",
    tri,
    lambda r: (r.normal(size=(4, 4)) + 3 * np.eye(4), r.normal(size=4)),
    by_tri,
    full=("triangle", "not taken"),
    upper=("upper|transposed|tri"),
    strict=("diagonal"),
)


def scan(a: Any, x: Any) -> Any:
    h = 0.0
    out = []
    for t in range(5):
        h = a[t] * h + x[t]
        out.append(h)
    return np.stack(out)


def by_scan(bad: Any, G: Any, a: Any, x: Any) -> Any:
    h = [0.0]
    for t in range(5):
        h.append(a[t] * h[-1] + x[t])
    d = np.zeros(5)
    g = 0.0
    for t in reversed(range(5)):
        g = G[t] + (0 if bad == "not carried" else g)
        d[t] = g * (h[t + 1] if bad == "after" else h[t])
        g = g * (1 if bad == "decay" else a[t])
    return d


layer(
    "scan",
    scan,
    normal((5,), (5,)),
    by_scan,
    not_carried="missing|forgotten|only the diagonal",
    after=("step after"),
    decay=("a", "forgotten|missing"),
)


def verlet(q: Any, p: Any) -> Any:
    for _ in range(3):
        p = p - 0.05 * np.sin(q)
        q = q + 0.1 * p
        p = p - 0.05 * np.sin(q)
    return np.concatenate([q, p])


def by_verlet(bad: Any, G: Any, q: Any, p: Any) -> Any:
    qs = []
    for _ in range(3):
        qs.append(q)
        p = p - 0.05 * np.sin(q)
        q = q + 0.1 * p
        qs.append(q)
        p = p - 0.05 * np.sin(q)
    gq, gp = G[:2].copy(), G[2:].copy()
    for n in reversed(range(3)):
        c = np.sin if bad == "sin" else np.cos
        if bad != "second kick":
            gq = gq - 0.05 * c(qs[2 * n + 1]) * gp
        gp = gp + (0.05 if bad == "step" else 0.1) * gq
        if bad != "first kick":
            gq = gq - 0.05 * c(qs[2 * n]) * gp
    return gq


layer(
    "verlet",
    verlet,
    normal((2,), (2,)),
    by_verlet,
    sin=("sin", "each|every|all|3|6"),
    step=("0.1", "half"),
)


M = np.random.default_rng(3).uniform(size=(4, 5)) > 0.4


R = np.random.default_rng(4).normal(size=(4, 5))


def mf(U: Any, V: Any) -> Any:
    return 0.5 * (np.where(M, U @ V.T - R, 0) ** 2).sum() + 0.05 * (U**2).sum()


def by_mf(bad: Any, G: Any, U: Any, V: Any) -> Any:
    e = np.where(M, U @ V.T - R, 0)
    if bad == "mask":
        e = U @ V.T - R
    if bad == "turned mask":
        e = np.where(M, 0, U @ V.T - R)
    return G * (e @ V + {"no decay": 0, "decay": 0.05}.get(bad, 0.1) * U)


layer(
    "matrix factorisation",
    mf,
    normal((4, 2), (5, 2)),
    by_mf,
    mask=("where", "forgotten|ignored"),
    no_decay=("U", "missing"),
    decay=("U", "half"),
    turned_mask=("branches", "exchanged"),
)


def mp1(x: Any) -> Any:
    return np.array([x[2 * i : 2 * i + 3].max() for i in range(4)])


def by_mp1(bad: Any, G: Any, x: Any) -> Any:
    d = np.zeros_like(x)
    for i in range(4):
        w = x[2 * i : 2 * i + 3]
        a = w.argmax()
        if bad == "offset":
            d[a] += G[i]
        elif bad == "overwrite":
            d[2 * i + a] = G[i]
        elif bad == "all":
            d[2 * i : 2 * i + 3] += G[i]
        else:
            d[2 * i + a] += G[i]
    return d


layer(
    "overlapping max pool",
    mp1,
    normal((9,)),
    by_mp1,
    offset=("off|offset|index|window|slice|start"),
)


def mish(x: Any) -> Any:
    return x * np.tanh(np.log(1 + np.exp(x)))


def by_mish(bad: Any, G: Any, x: Any) -> Any:
    s = np.log(1 + np.exp(x))
    t = np.tanh(s)
    return G * {
        "inner": t + x * (1 - t**2),
        "tanh": t + x * sigma(x),
        "first": x * (1 - t**2) * sigma(x),
        "arg": t + x * (1 - np.tanh(x) ** 2) * sigma(x),
    }.get(bad, t + x * (1 - t**2) * sigma(x))


layer(
    "mish",
    mish,
    normal((3, 4)),
    by_mish,
    inner=("exp|log", "forgotten"),
    tanh=("tanh", "forgotten"),
    first=("tanh|x", "missing"),
    arg=("tanh|x", "stands|taken"),
)


def rbf(X: Any, Y: Any) -> Any:
    return np.exp(-((X[:, None] - Y[None]) ** 2).sum(-1) / 0.5)


def by_rbf(bad: Any, G: Any, X: Any, Y: Any) -> Any:
    K = rbf(X, Y)
    d = X[:, None] - Y[None]
    g = np.einsum("ij,ij,ijd->id", G, K, d)
    return {
        "K": np.einsum("ij,ijd->id", G, d) * -4,
        "two": -2 * g,
        "sign": 4 * g,
        "axis": np.einsum("ij,ij,ijd->jd", G, K, d) * -4,
    }.get(bad, -4 * g)


layer(
    "rbf",
    rbf,
    normal((3, 2), (3, 2)),
    by_rbf,
    K=("exp", "forgotten|missing"),
    two="½ ×",
    sign="sign",
    axis=("axis|swapped|transposed|order"),
)


def gp(A: Any, y: Any) -> Any:
    L = cholesky(A)
    z = solve(L, y)
    return 0.5 * z @ z + np.log(np.diag(L)).sum()
