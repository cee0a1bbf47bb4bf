"""Layers that were tried against the verifier after it was built, in the form of ``named``."""

from typing import Any

import numpy as np
from numpy.linalg import inv

from tests.verification.named import Told, normal, sigma


def recurrent(W: Any, x: Any, U: Any) -> Any:
    h = np.full(3, 0.3)
    for t in range(4):
        h = np.tanh(x[t] @ U + h @ W)
    return h


def by_recurrent(bad: str, G: Any, W: Any, x: Any, U: Any) -> Any:
    kept, total, d = [np.full(3, 0.3)], 0 * W, G
    for t in range(4):
        kept.append(np.tanh(x[t] @ U + kept[-1] @ W))
    for t in reversed(range(4)):
        d = d * (1 - kept[t if bad == "state before" else t + 1] ** 2)
        step = np.outer(kept[t + 1 if bad == "state after" else t], d)
        total = step if bad == "not added" else total + step
        d = d @ (W if bad == "turned" else W.T)
    return total


def contrastive(a: Any, b: Any) -> Any:
    s = a @ b.T / 0.5
    return -np.mean(np.diag(s - np.log(np.exp(s).sum(1, keepdims=True))))


def by_contrastive(bad: str, G: Any, a: Any, b: Any) -> Any:
    s = a @ b.T / 0.5
    p = np.exp(s) / np.exp(s).sum(0 if bad == "columns" else 1, keepdims=True)
    d = (p - (0 if bad == "positives" else 1) * np.eye(len(a))) / len(a)
    return G * (d.T if bad == "turned" else d) @ b / (1 if bad == "temperature" else 0.5)


def by_running_statistics(x: Any, g: Any, m: Any, v: Any) -> Any:
    s = np.sqrt(v + 1e-5)
    return (x - m) / s * g


def by_evaluation(bad: str, G: Any, x: Any, g: Any, m: Any, v: Any) -> Any:
    s = np.sqrt(v + 1e-5)
    h, d = (x - m) / s, G * g
    if bad == "training":
        d = d - d.mean(0) - h * (d * h).mean(0)
    return d / (v if bad == "variance" else s)


def by_upsampling(bad: str, G: Any, x: Any) -> Any:
    parts = G.reshape(*x.shape, 2)
    return {"one": parts[..., 0], "mean": parts.mean(2)}.get(bad, parts.sum(2))


def elu(x: Any) -> Any:
    return np.where(x > 0, x, 1.5 * (np.exp(x) - 1))


def by_elu(bad: str, G: Any, x: Any) -> Any:
    low = {"value": elu(x), "scale": np.exp(x)}.get(bad, 1.5 * np.exp(x))
    d = np.where(x < 0, 1, low) if bad == "exchanged" else np.where(x > 0, 1, low)
    return G * d


def weight_norm(v: Any, g: Any, x: Any) -> Any:
    n = np.sqrt((v**2).sum(1))
    return (v * (g / n)[:, None]) @ x


def by_weight_norm(bad: str, G: Any, v: Any, g: Any, x: Any) -> Any:
    n = np.sqrt((v**2).sum(1))
    u, dW = v / n[:, None], np.outer(G, x)
    along = 0 if bad == "constant" else u * (dW * u).sum(1)[:, None]
    return ((1 if bad == "gain" else g) / n)[:, None] * (dW - along)


def pooled(E: Any, places: Any) -> Any:
    return E[places].mean(1)


def by_pooled(bad: str, G: Any, E: Any, places: Any) -> Any:
    d = np.zeros_like(E)
    for row, several in zip(G, places, strict=True):
        for place in several:
            share = row / (1 if bad == "sum" else 3)
            d[place] = share if bad == "last" else d[place] + share
    return d


def mahalanobis(x: Any, m: Any, S: Any) -> Any:
    d = x - m
    return np.einsum("bi,ij,bj->b", d, inv(S), d)


def by_mahalanobis(bad: str, G: Any, x: Any, m: Any, S: Any) -> Any:
    P = S if bad == "itself" else inv(S)
    d = x - m
    return G[:, None] * (d @ {"half": P, "symmetric": 2 * P}.get(bad, P + P.T))


def swiglu(x: Any, W: Any, V: Any) -> Any:
    a, b = x @ W, x @ V
    s = 1 / (1 + np.exp(-a))
    return a * s * b


def by_swiglu(bad: str, G: Any, x: Any, W: Any, V: Any) -> Any:
    a, b = x @ W, x @ V
    s = sigma(a)
    ds = s if bad == "half sigma" else s * (1 - s)
    da = G * b * (s + (0 if bad == "inner" else a * ds))
    db = 0 * G if bad == "gate" else G * a * s
    return da @ W.T + db @ (W if bad == "other weights" else V).T


def token_places(r: Any) -> tuple[Any, ...]:
    return r.normal(size=(5, 2)), np.array([[0, 1, 1], [3, 2, 0]])


def running(r: Any) -> tuple[Any, ...]:
    return (*normal((5, 3), (3,), (3,))(r), r.uniform(0.5, 2, 3))


def covariance(r: Any) -> tuple[Any, ...]:
    return (*normal((4, 3), (3,))(r), r.normal(size=(3, 3)) + 3 * np.eye(3))


TRIED: dict[str, Told] = {
    "recurrent": Told(recurrent, normal((3, 3), (4, 2), (2, 3)), by_recurrent, {
        "state before": ("each", "step before"),
        "state after": ("each", "step after"),
        "not added": ("of the 4 uses of W", "not added"),
        "turned": ("W stands transposed", "all"),
    }),
    "contrastive": Told(contrastive, normal((4, 3), (4, 3)), by_contrastive, {
        "columns": ("axis 0", "axis 1"),
        "temperature": ("½ ×",),
        "turned": ("transposed",),
        "positives": ("missing",),
    }),
    "batch norm, evaluated": Told(by_running_statistics, running, by_evaluation, {
        "training": ("mean", "over axis 0", "subtracted"),
        "variance": ("s|v", "many|stands|twice|lost"),
    }),
    "upsampling": Told(lambda x: np.repeat(x, 2, axis=1), normal((3, 4)), by_upsampling, {
        "one": ("first",),
        "mean": ("½ ×",),
    }),
    "elu": Told(elu, normal((3, 4)), by_elu, {
        "value": ("exp", "taken as y"),
        "scale": ("1.5", "forgotten|lost|missing"),
        "exchanged": ("branches", "exchanged"),
    }),
    "weight norm": Told(weight_norm, normal((3, 4), (3,), (4,)), by_weight_norm, {
        "constant": ("missing",),
        "gain": ("g", "lost|forgotten|missing"),
    }),
    "pooled embedding": Told(pooled, token_places, by_pooled, {
        "last": ("last",),
        "sum": ("3", "mean"),
    }),
    "mahalanobis": Told(mahalanobis, covariance, by_mahalanobis, {
        "itself": ("S", "stands", "inv"),
        "half": ("missing",),
        "symmetric": ("transposed|symmetric|2 times|twice",),
    }),
    "swiglu": Told(swiglu, normal((4, 3), (3, 5), (3, 5)), by_swiglu, {
        "half sigma": ("s", "taken as y|forgotten|missing|stands"),
        "inner": ("s", "missing"),
        "gate": ("b", "missing"),
        "other weights": ("W stands", "V"),
    }),
}  # fmt: skip
