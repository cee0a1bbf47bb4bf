"""Running products and linear recurrences along the last axis, the other axes being batches.

Their Jacobians hold what a recurrence carries from one place to a later one,
``T_ik = a_{k+1} a_{k+2} … a_i`` for k ≤ i. No entry is divided by another, so that zeros do no harm.
"""

from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.node import Node, apply, constant
from jacobians.ground.caches import ByteCache
from jacobians.ground.memory import check_bytes
from jacobians.notation.slots import letter_slot
from jacobians.notation.terms import Factor, Sum, normal, plain_slots, total
from jacobians.operations.by_rules import Rule
from jacobians.operations.declare import rule
from jacobians.operations.elementwise import boolean
from jacobians.operations.index_maps import concatenate, slices
from jacobians.operations.piecewise import floats
from jacobians.operations.reductions import attains


def _carry(a: Any, b: Any, step: Callable[[Any, Any], Any], add: Callable[..., None]) -> Any:
    n = b.shape[-1]
    y = np.array(b, np.result_type(a, b), order="C")
    if b.size < n * n:  # few and long: Python's numbers are quicker than arrays of few
        rows = zip(a.reshape(-1, n).tolist(), b.reshape(-1, n).tolist(), strict=True)
        for found, row in zip(y.reshape(-1, n), rows, strict=True):
            found[:] = [last for _, last in accumulate(zip(*row, strict=True), step)]
        return y
    for i in range(1, n):
        add(y[..., i], a[..., i], y[..., i - 1])
    return y


def _recurrence(a: Any, b: Any) -> Any:
    return _carry(a, b, lambda last, now: (now[0], now[0] * last[1] + now[1]), _add_times)


def _add_times(y: Any, a: Any, before: Any) -> None:
    y += a * before


def _from_the_end(run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The transpose by b of what runs along the last axis."""
    return lambda a, b: run(np.roll(a[..., ::-1], 1, axis=-1), b[..., ::-1])[..., ::-1]


def _segment_sums(a: Any, b: Any) -> Any:
    # What a 0 keeps out may be infinite.
    return _carry(
        a, b, lambda last, now: (now[0], last[1] + now[1]) if now[0] else now,
        lambda y, a, before: np.add(y, before, out=y, where=a != 0),
    )  # fmt: skip


def _transitions(a: Any) -> Any:
    T = np.zeros((*a.shape, a.shape[-1]), a.dtype)
    for i in range(a.shape[-1]):
        T[..., i, :i] = a[..., i, None] * T[..., i - 1, :i]
        T[..., i, i] = 1
    return T


def _transitions_before(a: Any) -> Any:
    T = _transitions(a)
    return np.concatenate([np.zeros_like(T[..., :1, :]), T[..., :-1, :]], axis=-2)[
        ..., : a.shape[-1], :
    ]


def _products_before(a: Any) -> Any:
    ones = np.ones_like(a[..., :1])
    return np.cumprod(np.concatenate([ones, a[..., :-1]], axis=-1), axis=-1)[..., : a.shape[-1]]


_PLACES: dict[str, Callable[[int], Any]] = {
    "L": lambda n: np.tri(n, dtype=bool),  # k ≤ i
    "N": lambda n: np.tri(n, k=-1, dtype=bool),  # k < i
    "M": lambda n: np.tri(n, dtype=bool) & (np.arange(n) > 0),  # 0 < k ≤ i
}
_MASKS: ByteCache[Node] = ByteCache(1 << 22, lambda _, node: node.value.nbytes)


def _masks(names: str, of: str = "cumprod") -> dict[str, Callable[..., Node]]:
    return {name: (lambda a, *_, name=name: _mask(a, name, of)) for name in names}


def _mask(a: Node, name: str, of: str) -> Node:
    n = a.shape[-1]
    check_bytes(
        of, f"the {n:,} × {n:,} products in its Jacobian", 9 * prod(a.shape) * n, None,
        "gradients, jb.vjp(f, x) and jb.jvp(f, (x,), (dx,)) need none of them",
    )  # fmt: skip
    return _MASKS.get((n, name), lambda: constant(_PLACES[name](n), name))


def _later(y: Node) -> Node:
    """Every entry at the next place of the last axis, and 0 at the first."""
    *batch, n = y.shape
    if not n:
        return y
    start = constant(np.zeros((*batch, 1), y.dtype))
    kept = apply(slices, [y], starts=(0,) * y.ndim, steps=(1,) * y.ndim, shape=(*batch, n - 1))
    return apply(concatenate, [start, kept], axis=y.ndim - 1)


def _carries(a: Node, *_: Node) -> Node:
    return apply(transitions, [a])


def _carries_before(a: Node, *_: Node) -> Node:
    return apply(transitions_before, [a])


transitions: Rule = rule(
    "transitions", _transitions, "T_…nn = transitions(a_…n)",
    "∂T_…ij/∂a_…k = T_…ik S_…kj L_ik N_kj",
    where={"S": _carries_before, **_masks("LN")},
)  # fmt: skip
"""What a recurrence carries from place k to place i: ``T_ik = Π_{k < m ≤ i} a_m``, 0 for k > i."""

transitions_before: Rule = rule(
    "transitions_before", _transitions_before, "S_…nn = transitions_before(a_…n)",
    "∂S_…ij/∂a_…k = S_…ik S_…kj N_ik N_kj",
    where={"S": _carries_before, **_masks("N")},
)  # fmt: skip
"""``S_ik = Π_{k < m < i} a_m`` for k < i, else 0."""

recurrence: Rule = rule(
    "recurrence", _recurrence, "y_…n = recurrence(a_…n, b_…n)",
    "∂y_…i/∂a_…k = T_…ik p_…k M_ik", "∂y_…i/∂b_…k = T_…ik L_ik",
    where={"T": _carries, "p": lambda a, b, y: _later(y), **_masks("LM")},
)  # fmt: skip
"""``y_i = a_i y_{i-1} + b_i`` from ``y_0 = b_0``; nothing depends on the first of the a's."""

recurrence_back: Rule = rule(
    "recurrence_back", _from_the_end(_recurrence), "y_…n = recurrence_back(a_…n, b_…n)",
    "∂y_…i/∂a_…k = S_…ki y_…k N_ki", "∂y_…i/∂b_…k = T_…ki L_ki",
    where={"S": _carries_before, "T": _carries, **_masks("LN")},
)  # fmt: skip
"""The transpose of the recurrence by b: ``y_i = a_{i+1} y_{i+1} + b_i`` from the end."""

segment_sums: Rule = rule(
    "segment_sums", _segment_sums, "y_…n = segment_sums(a_…n, b_…n)",
    "∂y_…i/∂a_…k = 0", "∂y_…i/∂b_…k = T_…ik L_ik",
    where={"T": _carries, **_masks("L")},
)  # fmt: skip
"""``y_i = b_i`` where ``a_i`` is 0, ``y_{i-1} + b_i`` where it is 1; nothing is by the a's."""

segment_sums_back: Rule = rule(
    "segment_sums_back", _from_the_end(_segment_sums), "y_…n = segment_sums_back(a_…n, b_…n)",
    "∂y_…i/∂a_…k = 0", "∂y_…i/∂b_…k = T_…ki L_ki",
    where={"T": _carries, **_masks("L")},
)  # fmt: skip
"""The transpose of the segments' sums by b."""

products_before: Rule = rule(
    "products_before", _products_before, "p_…n = products_before(a_…n)",
    "∂p_…i/∂a_…k = S_…ik p_…k N_ik",
    where={"S": _carries_before, **_masks("N")},
)  # fmt: skip
"""``p_i = Π_{m < i} a_m``."""

running_others: Rule = rule(
    "running_others", lambda a: _transitions(a) * _products_before(a)[..., None, :],
    "P_…nn = running_others(a_…n)",
    "∂P_…ij/∂a_…k = T_…ik S_…kj p_…j L_ik N_kj + T_…ij S_…jk p_…k L_ij N_jk",
    where={
        "T": _carries, "S": _carries_before, "p": lambda a, P: apply(products_before, [a]), **_masks("LN"),
    },
)  # fmt: skip
"""``P_ik = Π_{m ≤ i, m ≠ k} a_m`` for k ≤ i, 0 for k > i."""

running_product: Rule = rule(
    "cumprod", lambda X: np.cumprod(X, axis=-1), "y_…n = cumprod(X_…n)",
    "∂y_…i/∂X_…k = P_…ik L_ik",
    where={"P": lambda X, y: apply(running_others, [X]), **_masks("L")},
)  # fmt: skip


def _takes(X: Any, y: Any) -> Any:
    return attains(X[..., None, :], y[..., :, None])


def _tied(y: Any) -> Any:
    """Whether each entry is as large as the one before."""
    same = np.zeros(y.shape, floats(y))
    same[..., 1:] = attains(y[..., 1:], y[..., :-1])
    return same


def _shares(X: Any, y: Any) -> Any:
    """One over the number of entries so far that are the extreme one."""
    taken = attains(X, y)
    count = np.cumsum(taken, axis=-1)
    before = np.maximum.accumulate(np.where(_tied(y) != 0, 0, count - taken), axis=-1)
    return (1 / (count - before)).astype(floats(y))


def _extreme_so_far(name: str, ufunc: np.ufunc) -> tuple[Rule, "Recurring"]:
    """The extreme entry so far, which ties share equally, and how its Jacobian runs."""
    takes = rule(
        f"{name}_takes", _takes, f"M_…nn = {name}_takes(X_…n, y_…n)", "∂M_…ij/∂X_…k = 0", "∂M_…ij/∂y_…k = 0",
        dtype=boolean,
    )  # fmt: skip
    hits = rule(
        f"{name}_hits", attains, f"h_…n = {name}_hits(X_…n, y_…n)", "∂h_…n/∂X_…k = 0", "∂h_…n/∂y_…k = 0",
        dtype=boolean,
    )  # fmt: skip
    tied = rule(f"{name}_tied", _tied, f"a_…n = {name}_tied(y_…n)", "∂a_…n/∂y_…k = 0")
    shares = rule(
        f"{name}_shares",
        _shares,
        f"s_…n = {name}_shares(X_…n, y_…n)",
        "∂s_…n/∂X_…k = 0",
        "∂s_…n/∂y_…k = 0",
    )
    made: Rule = rule(
        name, lambda X: ufunc.accumulate(X, axis=-1), f"y_…n = {name}(X_…n)",
        "∂y_…i/∂X_…k = s_…i M_…ik L_ik",
        where={
            "s": lambda X, y: apply(shares, [X, y]), "M": lambda X, y: apply(takes, [X, y]), **_masks("L", name),
        },
        notation=f"{name}({{0}})",
    )  # fmt: skip
    runs = Recurring(
        False,
        lambda X, y: apply(tied, [y]),
        (lambda X, y: _entering(apply(hits, [X, y]), 0, 0, 0, mask=True),),
        lambda X, y: _entering(apply(shares, [X, y]), 0, 0, 0),
        True,
    )
    return made, runs


class Recurring(NamedTuple):
    """How a Jacobian runs: what ``enters`` from an argument's entries is carried on by transitions.

    ``back``: to earlier places. ``by`` gives the array that the transitions are of. An argument's
    entering tensor has the result's axes, then its own; None is the identity. So has what ``leaves``.
    ``segments``: the transitions are 0 or 1, and a 0 rules out what is not finite, too.
    """

    back: bool
    by: Callable[..., Node]
    enters: tuple[Callable[..., Sum] | None, ...]
    leaves: Callable[..., Sum] | None = None
    segments: bool = False


def _entering(p: Node, into: int, read: int, of: int, *, mask: bool = False) -> Sum:
    """``p[m + read]`` from place ``m + of`` of an argument into place ``m + into``."""
    *batch, n = p.shape
    sizes = (*batch, n - max(into, read, of))
    slots = plain_slots(sizes)[:-1]

    def at(offset: int) -> Any:
        return (*slots, letter_slot(len(batch), 1, offset))

    term = normal(1, sizes, [Factor(p, at(read), mask)], at(into) + at(of)) if n else None
    return total((*p.shape, *p.shape), [term])


def _first(a: Node, *_: Node) -> Node:
    return a


def _nothing(a: Node, _: Node, y: Node) -> Sum:
    return Sum((*y.shape, *a.shape), ())


running_maximum, _maximum_runs = _extreme_so_far("running_max", np.maximum)
running_minimum, _minimum_runs = _extreme_so_far("running_min", np.minimum)

RECURRING: dict[Rule, Recurring] = {
    recurrence: Recurring(False, _first, (lambda a, b, y: _entering(y, 1, 0, 1), None)),
    recurrence_back: Recurring(True, _first, (lambda a, b, y: _entering(y, 0, 1, 1), None)),
    products_before: Recurring(
        False, lambda a, p: _later(a), (lambda a, p: _entering(p, 1, 0, 0),)
    ),
    running_product: Recurring(
        False, _first, (lambda X, y: _entering(apply(products_before, [X]), 0, 0, 0),)
    ),
    segment_sums: Recurring(False, _first, (_nothing, None), segments=True),
    segment_sums_back: Recurring(True, _first, (_nothing, None), segments=True),
    running_maximum: _maximum_runs,
    running_minimum: _minimum_runs,
}  # fmt: skip
"""The operations whose Jacobians run along the last axis."""
