"""Reductions along the last axis, the other axes being batches; and running sums.

Extremes share their derivative equally among ties. A product's derivative is the product of all
other entries, never a quotient, so that zeros among them do no harm. Declared for the whole array
too where the formula allows.
"""

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from jacobians.graph.node import apply
from jacobians.ground.memory import check_bytes
from jacobians.notation.slots import letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, normal, plain_slots, total
from jacobians.operations.by_rules import Rule
from jacobians.operations.by_terms import RunningSum
from jacobians.operations.declare import elementwise, index_map, rule
from jacobians.operations.elementwise import boolean
from jacobians.operations.kinds import Shape
from jacobians.operations.piecewise import floats


def attains(X: Any, y: Any) -> Any:
    """Which entries are the extreme one; NaN is, where there is one."""
    return np.equal(X, y) | (np.isnan(X) & np.isnan(y))


def _equal_share(M: Any, y: Any, axis: int | None = -1) -> Any:
    return np.asarray(1 / np.sum(M, axis=axis)).astype(floats(y))


# Which entries are the extreme one, and one over their number.
_attained_by_all: Rule = elementwise(
    "attains", attains, dtype=boolean, notation="[{0} = {1}]", X=None, y=None
)
_attained: Rule = rule(
    "attains", lambda X, y: attains(X, y[..., None]),
    "M_…n = attains(X_…n, y_…)", "∂M_…i/∂X_…k = 0", "∂M_…i/∂y_… = 0", dtype=boolean,
)  # fmt: skip
_share_of_all: Rule = rule(
    "share", lambda M, y: _equal_share(M, y, None),
    "s = share(M_…, y)", "∂s/∂M_… = 0", "∂s/∂y = 0",
    notation="(1 / sum({0}))", latex="(1 / \\operatorname{{sum}}({0}))",
)  # fmt: skip
_share: Rule = rule(
    "share", _equal_share, "s_… = share(M_…n, y_…)", "∂s_…/∂M_…k = 0", "∂s_…/∂y_… = 0"
)


def _extreme(name: str, value: Callable[..., Any]) -> tuple[Rule, Rule]:
    """An operation that picks an entry: of the whole array, and along the last axis."""
    latex = f"\\operatorname{{{{{name}}}}}({{0}})"
    whole = rule(
        name, lambda X, **how: value(X, axis=None, **how), f"y = {name}(X_…)", "∂y/∂X_… = M_… S",
        where={
            "M": lambda X, y: apply(_attained_by_all, [X, y]),
            "S": lambda X, y: apply(_share_of_all, [apply(_attained_by_all, [X, y]), y]),
        },
        notation=f"{name}({{0}})", latex=latex,
    )  # fmt: skip
    last = rule(
        name, lambda X, **how: value(X, axis=-1, **how), f"y_… = {name}(X_…n)", "∂y_…/∂X_…k = M_…k S_…",
        where={
            "M": lambda X, y: apply(_attained, [X, y]),
            "S": lambda X, y: apply(_share, [apply(_attained, [X, y]), y]),
        },
        notation=f"{name}({{0}})", latex=latex,
    )  # fmt: skip
    return whole, last


def _order_statistic(X: Any, axis: int | None, k: int) -> Any:
    found = np.partition(X, k, axis=axis)
    found = np.asarray(found[k] if axis is None else found[..., k])
    if X.dtype.kind != "f":
        return found
    return np.where(np.any(np.isnan(X), axis=axis), np.asarray(np.nan, found.dtype), found)


maximum, minimum = _extreme("max", np.max), _extreme("min", np.min)
nanmaximum, nanminimum = _extreme("nanmax", np.nanmax), _extreme("nanmin", np.nanmin)
order_statistic = _extreme("order", _order_statistic)
"""The k-th smallest entry, from 0; NaN where there is a NaN."""


def _centered(X: Shape, *, axes: tuple[int, ...]) -> Sum:
    # Every entry less the mean over the axes: the second term sums over letters of its own.
    slots = plain_slots(X)
    reads = list(slots)
    for number, axis in enumerate(axes):
        reads[axis] = letter_slot(len(X) + number)
    count = prod(X[axis] for axis in axes)
    if 0 in X:
        return Sum(X, ())
    means = normal(-1 / count, X + tuple(X[a] for a in axes), [Factor(0, tuple(reads))], slots)
    return total(X, [normal(1, X, [Factor(0, slots)], slots), means])


centered = index_map(
    "centered", ("X",), _centered, value=lambda X, axes: X - np.mean(X, axis=axes, keepdims=True), called=True,
)  # fmt: skip


def _spread(X: Any, axis: int | None) -> Any:
    return np.sum(np.square(X - np.mean(X, axis=axis, keepdims=True)), axis=axis)


# The sum of square distances from the mean; the mean's own derivative cancels.
spread = (
    rule(
        "squares", lambda X: _spread(X, None), "s = squares(X_…)", "∂s/∂X_… = 2 C_…",
        where={"C": lambda X, s: apply(centered, [X], axes=tuple(range(X.ndim)))},
        notation="spread({0})", latex="\\operatorname{{spread}}({0})",
    ),
    rule(
        "squares", lambda X: _spread(X, -1), "s_… = squares(X_…n)", "∂s_…/∂X_…k = 2 C_…k",
        where={"C": lambda X, s: apply(centered, [X], axes=(X.ndim - 1,))},
        notation="spread({0})", latex="\\operatorname{{spread}}({0})",
    ),
)  # fmt: skip


def _without(X: Any, count: int) -> Any:
    """Products of all entries but ``count`` distinct ones, an axis for each; 0 where two are the same."""
    if count == 0:
        return np.prod(X, axis=-1)
    n = X.shape[-1]
    if count == 1:
        ones = np.ones_like(X[..., :1])
        before = np.cumprod(np.concatenate([ones, X[..., :-1]], axis=-1)[..., :n], axis=-1)
        after = np.cumprod(np.concatenate([ones, X[..., :0:-1]], axis=-1)[..., :n], axis=-1)
        return before * after[..., ::-1]
    parts = []
    for i in range(n):
        others = X.copy()
        others[..., i] = 1
        part = _without(others, count - 1)
        for axis in range(1, count):
            np.moveaxis(part, -axis, 0)[i] = 0
        parts.append(part)
    if not parts:
        return np.zeros(X.shape[:-1] + (0,) * count, X.dtype)
    return np.stack(parts, axis=-count)


@lru_cache
def product(count: int) -> Rule:
    """The product along the last axis without ``count`` entries.

    ``∂/∂x_k Π_{m ∉ S} x_m = Π_{m ∉ S ∪ {k}} x_m``, and 0 for k in S.
    """
    name = "prod" + (f"{count}" if count else "")
    letters = "ijlmpqrstuvwxyz"[:count]
    return rule(
        name, lambda X: _without(X, count),
        f"y_…{'n' * count} = {name}(X_…n)",
        f"∂y_…{letters}/∂X_…k = P_…{letters}k",
        where={"P": lambda X, y: apply(product(count + 1), [X])},
        notation=f"others{count if count > 1 else ''}({{0}})" if count else "prod({0})",
    )  # fmt: skip


def _running_sum(X: Shape, *, axis: int) -> Sum:
    # One letter runs over all pairs (i, r) with r ≤ i.
    return _pairs(X, axis, np.tril_indices)


def _suffix_sum(X: Shape, *, axis: int) -> Sum:
    return _pairs(X, axis, np.triu_indices)


def _pairs(X: Shape, axis: int, places: Callable[[int], Any]) -> Sum:
    size = X[axis]
    check_bytes(
        "cumsum", f"a list of the {size * (size + 1) // 2:,} ones in its Jacobian",
        24 * size * (size + 1), None,
        "gradients, jb.vjp(f, x) and jb.jvp(f, (x,), (dx,)) need none of them",
    )  # fmt: skip
    rows, columns = places(size)
    sizes = (*X[:axis], len(rows), *X[axis + 1 :])
    slots = plain_slots(sizes)
    reads = (*slots[:axis], table_slot(axis, columns), *slots[axis + 1 :])
    writes = [*slots[:axis], table_slot(axis, rows), *slots[axis + 1 :]]
    return total(X, [normal(1, sizes, [Factor(0, reads)], writes)])


cumsum = index_map(
    "cumsum", ("X",), _running_sum, value=lambda X, axis: np.cumsum(X, axis=axis),
    called=True, kind=RunningSum,
)  # fmt: skip
suffix_sums = index_map(
    "suffix_sums", ("X",), _suffix_sum,
    value=lambda X, axis: np.flip(np.cumsum(np.flip(X, axis), axis=axis), axis),
    called=True, kind=RunningSum,
)  # fmt: skip


def _shifted(X: Any, axis: int | None) -> tuple[Any, Any]:
    """``exp(X − m)`` with the largest entry m of each slice, 0 where that is infinite; and m."""
    top = np.max(X, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(floats(X))
    return np.exp(X - top), top


def _logsumexp(X: Any, axis: int | None) -> Any:
    powers, top = _shifted(X, axis)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(powers, axis=axis)) + (top.item() if axis is None else top[..., 0])


def _softmax(X: Any, axis: int | None = -1) -> Any:
    powers, _ = _shifted(X, axis)
    return powers / np.sum(powers, axis=axis, keepdims=True)


softmax_last: Rule = rule(
    "softmax", _softmax, "Y_…n = softmax(X_…n)",
    "∂Y_…i/∂X_…k = δ_ik Y_…i − Y_…i Y_…k",
)  # fmt: skip
logsumexp_last: Rule = rule(
    "logsumexp", lambda X: _logsumexp(X, -1), "y_… = logsumexp(X_…n)", "∂y_…/∂X_…k = P_…k",
    where={"P": lambda X, y: apply(softmax_last, [X])},
)  # fmt: skip
logsumexp: Rule = rule(
    "logsumexp", lambda X: _logsumexp(X, None), "y = logsumexp(X_…)", "∂y/∂X_… = P_…",
    where={"P": lambda X, y: np.exp(X - y)},
    notation="logsumexp({0})", latex="\\operatorname{{logsumexp}}({0})",
)  # fmt: skip


def _softmax_forms() -> list[str]:
    forms = []
    for axes in (2, 1, 0, 3, 4):
        out, inner = "ijmpq"[:axes], "klrst"[:axes]
        deltas = " ".join(f"δ_{a}{b}" for a, b in zip(out, inner, strict=True))
        sizes = "abcd"[:axes]
        if axes == 0:
            forms += ["Y = softmax(X)", "∂Y/∂X = Y − Y Y"]
            continue
        forms.append(f"Y_{sizes} = softmax(X_{sizes})")
        forms.append(f"∂Y_{out}/∂X_{inner} = {deltas} Y_{out} − Y_{out} Y_{inner}")
    return forms


softmax: Rule = rule(
    "softmax", lambda X: _softmax(X, None), *_softmax_forms(),
    notation="softmax({0})", latex="\\operatorname{{softmax}}({0})",
)  # fmt: skip

PUBLIC = (logsumexp, softmax)
