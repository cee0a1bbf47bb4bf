"""Reductions and running sums, along every form of ``axis``."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.tracing.functions.driver import Case, values

AXES: list[tuple[tuple[int, ...], Any]] = [
    ((3,), None), ((2, 3), None), ((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((2, 1, 3), (0, 2)),
    ((2, 2, 3), (-1, 0)), ((2, 2, 3), 1), ((), None), ((2, 3), ()), ((2, 1), 1),
]  # fmt: skip
REDUCTIONS: tuple[Callable[..., Any], ...] = (np.sum, np.mean, np.prod, np.max, np.min, np.ptp)
SPREADS: tuple[Callable[..., Any], ...] = (np.var, np.std)
SKIPPING: tuple[Callable[..., Any], ...] = (np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean)
RUNNING: tuple[Callable[..., Any], ...] = (np.cumsum, np.cumprod)


def apart(*shape: int) -> np.ndarray:
    """Numbers in random order that are far from each other and from 0, so that no two change places."""
    size = int(np.prod(shape))
    return np.random.default_rng(size).permutation(np.linspace(-1.13, 1.31, size)).reshape(shape)


def _over_axes() -> Iterator[Case]:
    for function in REDUCTIONS:
        for number, (shape, axis) in enumerate(AXES):
            name = f"{function.__name__} of {shape} over {axis}"
            keepdims = number % 3 == 1
            yield Case(
                name,
                lambda x, f=function, a=axis, k=keepdims: f(x, axis=a, keepdims=k),
                (apart(*shape),),
            )
    for function in SPREADS:
        for number, (shape, axis) in enumerate(AXES[:8]):
            how: dict[str, Any] = {"axis": axis, "ddof": number % 2, "keepdims": number % 3 == 1}
            name = f"{function.__name__} of {shape} over {how}"
            if shape[0] > how["ddof"]:
                yield Case(name, lambda x, f=function, h=how: f(x, **h), (values(*shape),))
    for function in (np.median,):
        for shape, axis in (*AXES[:8], ((5,), 0), ((4, 3), 0), ((5, 3), (0, 1))):
            name = f"{function.__name__} of {shape} over {axis}"
            yield Case(name, lambda x, f=function, a=axis: f(x, axis=a), (apart(*shape),))
    for function in SKIPPING:
        for axis in (None, 0, 1):
            name = f"{function.__name__} over {axis}"
            yield Case(
                name, lambda x, f=function, a=axis: f(np.where(HOLES, np.nan, x**2), axis=a), (X,)
            )
    for function in RUNNING:
        for shape, axis in (
            ((4,), None),
            ((2, 3), None),
            ((2, 3), 0),
            ((2, 3), -1),
            ((2, 3, 2), 1),
            ((1,), 0),
        ):
            name = f"{function.__name__} of {shape} over {axis}"
            yield Case(
                name, lambda x, f=function, a=axis: f(x, axis=a), (values(*shape),), analytic=True
            )


X = apart(2, 3)
V = apart(5)
W = values(2, 3, seed=3, low=0.5, high=2.0)
MASK = np.array([[True, False, True], [True, True, False]])
HOLES = np.array([[False, True, False], [False, False, False]])
ZEROS = np.array([[0.0, 0.5, 2.0], [0.0, 0.0, 3.0], [1.0, 2.0, -1.0]])
NEW = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
_trapezoid = np.trapezoid


def _of_list(x: Any, y: Any) -> Any:
    return np.max(np.stack([x, y]), axis=0) * np.min(np.stack([x**2, y]), axis=0)


OTHERS: list[tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]] = [
    ("sum where", lambda x: np.sum(x**2, axis=0, where=MASK), (X,)),
    ("sum with initial", lambda x: np.sum(x**2, initial=2.0), (X,)),
    ("sum as another dtype", lambda x: np.sum(x**2, dtype=np.float64), (X,)),
    ("sum, a method", lambda x: x.sum(1, keepdims=True) * x, (X,)),
    ("sum of a mask", lambda x: np.sum(x > 0, axis=0) * np.sum(x, axis=0), (X,)),
    ("prod where", lambda x: np.prod(x, axis=1, where=MASK), (X,)),
    ("prod with initial", lambda x: np.prod(x, initial=3.0), (X,)),
    ("prod with one zero", lambda x: np.prod(x), (np.array([2.0, 0.0, 3.0]),)),
    ("prod with two zeros", lambda x: np.prod(x), (np.array([2.0, 0.0, 0.0, 3.0]),)),
    ("prod with zeros in rows", lambda x: np.prod(x, axis=1), (ZEROS,)),
    ("prod of many", lambda x: np.prod(x), (values(6, low=0.5, high=1.5),)),
    ("prod of an empty axis", lambda x: np.prod(x, axis=1), (np.zeros((2, 0)),)),
    ("sum of an empty axis", lambda x: np.sum(x, axis=0), (np.zeros((0, 2)),)),
    ("mean where", lambda x: np.mean(x**2, axis=0, where=MASK), (X,)),
    ("mean of whole numbers", lambda x: np.mean(x > 0) * x, (X,)),
    ("mean, a method", lambda x: x - x.mean(axis=0), (X,)),
    ("var where", lambda x: np.var(x, axis=1, where=MASK), (X,)),
    ("var about a given mean", lambda x, m: np.var(x, axis=1, mean=m), (X, values(2, 1))),
    ("var, a method", lambda x: x.var(0), (X,)),
    ("var with correction", lambda x: np.var(x, correction=1), (X,)),
    ("std, a method", lambda x: x.std(axis=1, ddof=1), (X,)),
    ("standardised rows", lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True), (values(2, 4),)),
    ("var of a function", lambda x: np.var(np.sin(x) * x), (X,)),
    ("max with initial", lambda x: np.max(x, axis=0, initial=0.1), (X,)),
    ("max where", lambda x: np.max(x, axis=0, where=MASK, initial=-2.0), (X,)),
    ("min where", lambda x: np.min(x, where=MASK, initial=5.0), (X,)),
    ("max of an empty array", lambda x: np.max(x, initial=1.0) + np.sum(x), (np.zeros(0),)),
    ("amax", lambda x: np.amax(x, 0), (X,)),
    ("amin", lambda x: np.amin(x, 1), (X,)),
    ("max, a method", lambda x: x.max(axis=-1) ** 2, (X,)),
    ("max of a stack", _of_list, (X, W)),
    ("max of a function", lambda x: np.max(np.sin(x) ** 2, axis=1), (X,)),
    ("softmax by hand", lambda x: np.exp(x - x.max(1, keepdims=True)) / np.sum(
        np.exp(x - x.max(1, keepdims=True)), axis=1, keepdims=True), (X,)),
    ("logsumexp by hand", lambda x: np.log(np.sum(np.exp(x), axis=1)), (X,)),
    ("median with keepdims", lambda x: np.median(x, axis=1, keepdims=True) * x, (X,)),
    ("quantile", lambda x: np.quantile(x, 0.3, axis=1), (apart(2, 5),)),
    ("quantile of all", lambda x: np.quantile(x, 0.85), (X,)),
    ("quantiles", lambda x: np.quantile(x, [0.1, 0.5, 1.0], axis=0, keepdims=True), (apart(4, 2),)),
    ("quantile at the ends", lambda x: np.quantile(x, [0.0, 1.0]), (V,)),
    ("quantile by the level", lambda x, q: np.quantile(x, q), (V, np.array(0.3))),
    ("quantiles by the levels", lambda x, q: np.quantile(x, q, axis=0), (apart(5, 2), np.array([0.3, 0.6]))),
    ("quantile lower", lambda x: np.quantile(x, 0.3, method="lower"), (V,)),
    ("quantile higher", lambda x: np.quantile(x, 0.3, method="higher"), (V,)),
    ("quantile nearest", lambda x: np.quantile(x, 0.3, method="nearest"), (V,)),
    ("quantile midpoint", lambda x: np.quantile(x, 0.3, method="midpoint"), (V,)),
    ("quantile midpoint on an entry", lambda x: np.quantile(x, 0.25, method="midpoint"), (V,)),
    ("percentile", lambda x: np.percentile(x, 40, axis=0), (apart(4, 2),)),
    ("percentiles", lambda x: np.percentile(x, [20, 90]), (V,)),
    ("average", lambda x: np.average(x, axis=0), (X,)),
    ("average with weights", lambda x, w: np.average(x, weights=w), (X, W)),
    ("average along an axis", lambda x, w: np.average(x, axis=1, weights=w), (X, W[0])),
    ("average along the first axis", lambda x, w: np.average(x, axis=0, weights=w, keepdims=True), (X, W[:, 0])),
    ("average over two axes", lambda x, w: np.average(x, axis=(2, 0), weights=w), (values(2, 2, 3), W.T)),
    ("average with its weights", lambda x, w: sum(np.average(x, weights=w, returned=True)), (X, W)),
    ("average, returned", lambda x: np.multiply(*np.average(x, returned=True)), (X,)),
    ("cumsum, a method", lambda x: x.cumsum(axis=1) ** 2, (X,)),
    ("cumsum of a function", lambda x: np.cumsum(np.exp(x)), (V,)),
    ("cumprod with zeros", lambda x: np.cumprod(x, axis=1), (ZEROS,)),
    ("cumprod, a method", lambda x: x.cumprod(axis=0), (ZEROS,)),
    ("diff", lambda x: np.diff(x) ** 2, (V,)),
    ("diff twice", lambda x: np.diff(x, n=2) ** 2, (V,)),
    ("diff not at all", lambda x: np.diff(x, n=0) ** 2, (V,)),
    ("diff along an axis", lambda x: np.diff(x, axis=0) ** 2, (apart(4, 2),)),
    ("diff with edges", lambda x, y: np.diff(x, prepend=y, append=0.5) ** 2, (X, values(2, 1))),
    ("diff of masks", lambda x: np.where(np.diff(x > 0, axis=1), x[:, 1:] ** 2, 0), (X,)),
    ("ediff1d", lambda x: np.ediff1d(x) ** 2, (X,)),
    ("ediff1d with ends", lambda x: np.ediff1d(x, to_begin=[1.0, 2.0], to_end=3.0) ** 2, (X,)),
    ("trapezoid", lambda y: _trapezoid(y**2, dx=0.5), (X,)),
    ("trapezoid by points", lambda y, x: _trapezoid(y, x), (V, np.sort(V) + 2)),
    ("trapezoid along an axis", lambda y, x: _trapezoid(y, x, axis=0), (values(4, 2), values(4))),
    ("trapezoid on a grid", lambda y, x: _trapezoid(y, x, axis=1), (X, W)),
    ("nancumsum", lambda x: np.nancumsum(np.where(HOLES, np.nan, x**2), axis=1), (X,)),
    ("nancumprod", lambda x: np.nancumprod(np.where(HOLES, np.nan, x**2)), (X,)),
    ("nanvar", lambda x: np.nanvar(np.where(HOLES, np.nan, x**2), axis=1), (X,)),
    ("nanstd", lambda x: np.nanstd(np.where(HOLES, np.nan, x**2), ddof=1), (X,)),
    ("nanmean where", lambda x: np.nanmean(np.where(HOLES, np.nan, x**2), where=MASK), (X,)),
    ("cov", lambda x: np.cov(x), (values(2, 4),)),
    ("cov of two", lambda x, y: np.cov(x, y, ddof=0), (V, values(5, seed=4))),
    ("cov of columns", lambda x: np.cov(x, rowvar=False, bias=True), (apart(4, 2),)),
    ("cov of a vector", lambda x: np.cov(x), (V,)),
    ("corrcoef", lambda x: np.corrcoef(x), (values(2, 4),)),
    ("add.reduce", lambda x: np.add.reduce(x) ** 2, (X,)),
    ("add.reduce over all", lambda x: np.add.reduce(x**2, axis=None), (X,)),
    ("add.reduce over two", lambda x: np.add.reduce(x**2, (0, 1), keepdims=True), (X,)),
    ("multiply.reduce", lambda x: np.multiply.reduce(x, axis=1), (X,)),
    ("maximum.reduce", lambda x: np.maximum.reduce(x), (X,)),
    ("minimum.reduce", lambda x: np.minimum.reduce(x, axis=-1), (X,)),
    ("fmax.reduce", lambda x: np.fmax.reduce(x) + np.fmin.reduce(x), (X,)),
    ("add.accumulate", lambda x: np.add.accumulate(x) ** 2, (X,)),
    ("multiply.accumulate", lambda x: np.multiply.accumulate(x, axis=1), (X,)),
    ("logical reductions choose", lambda x: np.where(np.logical_or.reduce(x > 0.5, axis=0), x**2, x), (X,)),
    ("a branch on any", lambda x: x**2 if np.any(x > 0) else x, (X,)),
    ("a branch on all", lambda x: x**2 if np.all(x < 2) else x, (X,)),
    ("argmax selects", lambda x: x[np.argmax(x[:, 0])] ** 2, (X,)),
    ("count_nonzero divides", lambda x: np.sum(x) / np.count_nonzero(x > 0), (X,)),
    ("a layer norm", lambda x, g: g * (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + 1e-3), (values(2, 4), values(4, seed=5))),
    ("variance by moments", lambda x: np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2, (apart(4, 2),)),
    ("geometric mean", lambda x: np.prod(x, axis=1) ** (1 / 3), (W,)),
]  # fmt: skip
if NEW:
    OTHERS += [
        ("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True) ** 2, (X,)),
        ("cumulative_prod", lambda x: np.cumulative_prod(x, axis=0, include_initial=True), (X,)),
    ]

CASES = [*_over_axes(), *(Case(name, f, arguments) for name, f, arguments in OTHERS)]
