"""Mistakes of further kinds, in the form of ``named``: half steps, masks, rotations, sums along other axes.

The words were written before anything was run.
"""

from typing import Any

import numpy as np

from tests.verification.named import Told, normal, softmax
from tests.verification.written import by_verlet, verlet

LOWER = np.tril(np.ones((4, 4))) > 0
ANGLES = np.array([0.3, 0.7])
PLACES, SHARES = np.array([0, 1, 1, 3]), np.array([0.2, 0.5, 0.7, 0.9])
KEPT = np.array([[1, 1, 0], [1, 1, 1.0]])


def causal(q: Any, k: Any, v: Any) -> Any:
    scores = np.where(LOWER, q @ k.T / np.sqrt(3), -1e9)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ v


def by_causal(bad: str, G: Any, q: Any, k: Any, v: Any) -> Any:
    mask = {"no mask": LOWER | True, "turned mask": LOWER.T}.get(bad, LOWER)
    p = softmax(np.where(mask, q @ k.T / np.sqrt(3), -1e9))
    by_p = G @ v.T
    by_scores = p * (by_p - (by_p * p).sum(0 if bad == "axis" else 1, keepdims=True))
    return by_scores @ k / np.sqrt(3)


def rotary(x: Any) -> Any:
    a, b = x[:, :2], x[:, 2:]
    c, s = np.cos(ANGLES), np.sin(ANGLES)
    return np.concatenate([a * c - b * s, a * s + b * c], 1)


def by_rotary(bad: str, G: Any, _: Any) -> Any:
    c, s = np.cos(ANGLES), np.sin(ANGLES) * (-1 if bad == "not back" else 1)
    return np.concatenate([G[:, :2] * c + G[:, 2:] * s, G[:, 2:] * c - G[:, :2] * s], 1)


def running_sum(x: Any) -> Any:
    return np.cumsum(np.exp(x), axis=1)


def by_running_sum(bad: str, G: Any, x: Any) -> Any:
    axis = 0 if bad == "axis" else 1
    back = np.cumsum(G, 1) if bad == "forward" else np.flip(np.cumsum(np.flip(G, axis), axis), axis)
    return back * np.exp(x)


def hidden_states(T: Any, e: Any) -> Any:
    a = e[0] / 3
    for t in range(1, 4):
        a = (a @ T) * e[t]
    return np.log(a.sum())


def by_hidden_states(bad: str, G: Any, T: Any, e: Any) -> Any:
    states = [e[0] / 3]
    for t in range(1, 4):
        states.append((states[-1] @ T) * e[t])
    d, back = np.zeros_like(T), np.ones(3) * G / states[-1].sum()
    for t in range(3, 0, -1):
        g = back * (1 if bad == "emission" else e[t])
        d = d + np.outer(states[t] if bad == "after" else states[t - 1], g)
        back = (T.T if bad == "turned" else T) @ g
    return d


def between_grid_points(x: Any) -> Any:
    return (1 - SHARES) * x[PLACES] + SHARES * x[PLACES + 1]


def by_between_grid_points(bad: str, G: Any, x: Any) -> Any:
    d = np.zeros_like(x)
    if bad == "last":
        d[PLACES] += G * (1 - SHARES)
        d[PLACES + 1] += G * SHARES
        return d
    np.add.at(d, PLACES, G * (1 - SHARES))
    if bad != "left alone":
        np.add.at(d, PLACES + 1, G * SHARES)
    return d


def huber(x: Any) -> Any:
    a = np.abs(x)
    return np.where(a < 0.5, 0.5 * x**2, 0.5 * (a - 0.25)).sum()


def by_huber(bad: str, G: Any, x: Any) -> Any:
    side = 1 if bad == "sign" else np.sign(x)
    return G * np.where(np.abs(x) < 0.5, x, (1 if bad == "limit" else 0.5) * side)


def pooled(x: Any) -> Any:
    return (x * KEPT[:, :, None]).sum(1) / KEPT.sum(1)[:, None]


def by_pooled(bad: str, G: Any, x: Any) -> Any:
    kept = 1 if bad == "mask" else KEPT[:, :, None]
    return np.broadcast_to(G[:, None] / KEPT.sum(1)[:, None, None] * kept, x.shape).copy()


def z_score(x: Any) -> Any:
    return (x - x.mean()) / x.std()


def by_z_score(bad: str, G: Any, x: Any) -> Any:
    ddof = int(bad == "std")
    s = x.std(ddof=ddof)
    h = (x - x.mean()) / s
    return (G - G.mean() - h * (G * h).sum() / (x.size - ddof)) / s


def probabilities(r: Any) -> tuple[Any, ...]:
    return r.uniform(0.2, 1, (3, 3)), r.uniform(0.2, 1, (4, 3))


FURTHER: dict[str, Told] = {
    "half kicks": Told(verlet, normal((2,), (2,)), by_verlet, {
        "first kick": ("sin", "missing"),
        "second kick": ("sin", "missing"),
    }),
    "causal attention": Told(causal, normal((4, 3), (4, 3), (4, 3)), by_causal, {
        "no mask": ("condition", "ignored"),
        "turned mask": ("condition", "transposed"),
        "axis": ("axis 0", "axis 1"),
    }),
    "rotary": Told(rotary, normal((3, 4)), by_rotary, {
        "not back": ("s has the wrong sign",),
    }),
    "running sum": Told(running_sum, normal((3, 4)), by_running_sum, {
        "forward": ("transposed|turned|reversed",),
        "axis": ("axis 0", "axis 1"),
    }),
    "hidden states": Told(hidden_states, probabilities, by_hidden_states, {
        "emission": ("e", "forgotten|each"),
        "after": ("step after",),
        "turned": ("T", "transposed"),
    }),
    "between grid points": Told(between_grid_points, normal((6,)), by_between_grid_points, {
        "last": ("picked several times", "last"),
        "left alone": ("missing",),
    }),
    "huber, its limit": Told(huber, normal((4, 5)), by_huber, {
        "sign": ("abs|derivative of a", "forgotten"),
        "limit": ("0.5|½",),
    }),
    "masked mean": Told(pooled, normal((2, 3, 4)), by_pooled, {
        "mask": ("KEPT", "forgotten"),
    }),
    "z-score": Told(z_score, normal((6,)), by_z_score, {
        "std": ("ddof=1 for ddof=0",),
    }),
}  # fmt: skip
