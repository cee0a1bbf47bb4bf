"""Explanations from the function's own graph: the table of hypotheses, and which of them hold.

To add one is to write a function from a flow to guesses, and to enter it in ``HYPOTHESES``.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.verification.flow import Flow
from jacobians.verification.hypotheses import (
    CLOSE,
    PLAIN,
    Mistake,
    branches,
    degrees,
    exchanged,
    factors,
    operands,
    paths,
    scalars,
    several_paths,
    skipped,
)
from jacobians.verification.rearrangements import (
    moved_entries,
    rearranged,
    reduced,
    turned_edges,
)

Array = NDArray[Any]

_EXACT = 1e-6  # the relative error of a prediction that holds
_MOST = 3  # explanations that are told

HYPOTHESES: tuple[Callable[[Flow], Iterator[Mistake]], ...] = (
    paths, skipped, scalars, operands, branches, reduced, exchanged, turned_edges, moved_entries, rearranged,
    factors, degrees, several_paths,
)  # fmt: skip
_ENOUGH = (reduced, exchanged, rearranged)  # after which nothing more is tried where one holds
_FEWEST = 12  # numbers that two mistakes must explain
_LARGEST = 1e100  # beyond which sums of entries are no numbers
_PARTNERS = 20  # that are tried of each
_SURE = 1.6  # the weight of one that holds so plainly


class Named(NamedTuple):
    """A hypothesis that holds."""

    kind: str
    text: str
    weight: float


def explanations(flow: Flow, claimed: Array, eps: float, *, several: bool = True) -> list[Named]:
    """What explains the claimed numbers, the plainest first; (upstreams, directions) as ``flow.right``.

    ``several``: whether two mistakes at once are tried where none alone holds.
    """
    error = claimed - flow.right
    scale = float(np.max(np.abs(claimed), initial=0.0)) + float(
        np.max(np.abs(flow.right), initial=0.0)
    )
    allowed = max(_EXACT, 64 * eps) * scale
    found: list[Named] = []
    tried: list[Mistake] = []
    if not np.isfinite(scale) or error.size < 2 or not np.abs(error).max() > 20 * allowed:
        return []
    with np.errstate(all="ignore"):
        for hypothesis in HYPOTHESES:
            for guess in hypothesis(flow):
                adds, factor, weight = guess.adds, 0.0, guess.weight
                if isinstance(guess.words, str):
                    tried.append(guess)
                if guess.scaled:
                    below = float(np.vdot(adds, adds))
                    c = float(np.vdot(adds, error)) / below if below > 0 else 0.0
                    adds, factor = c * adds, c + 1
                    plain = any(abs(factor - n) <= CLOSE for n in PLAIN)
                    named = (
                        "(" in guess.words(factor) if not isinstance(guess.words, str) else False
                    )
                    weight += -0.2 if plain else 0.15 if named else 0.6
                if np.abs(adds - error).max() <= allowed:
                    words = guess.words if isinstance(guess.words, str) else guess.words(factor)
                    found.append(Named(guess.kind, words[:1].upper() + words[1:] + ".", weight))
            if hypothesis in _ENOUGH and any(one.weight <= _SURE for one in found):
                break
    if not found and several:
        found = _two_at_once(tried, error, allowed)
    found.sort(key=lambda one: (one.weight, len(one.text)))
    best = [one for one in found if one.weight <= found[0].weight + 0.3] if found else []
    return list(dict.fromkeys(best))[:_MOST]


def _two_at_once(tried: list[Mistake], error: Array, allowed: float) -> list[Named]:
    """Two mistakes that add up to the error, best two of one kind: a mean over a wrong axis is taken twice.

    A random sum of the entries of each is sorted, so that a partner is looked up.
    """
    sizes = [float(np.abs(m.adds).max(initial=0.0)) for m in tried]
    telling = [m for m, n in zip(tried, sizes, strict=True) if 10 * allowed < n < _LARGEST]
    if len(telling) < 2 or error.size < _FEWEST:
        return []
    weights = np.random.default_rng(3).normal(size=error.size)
    sums = np.array([m.adds.ravel() @ weights for m in telling])
    slack = 8 * allowed * np.sqrt(error.size)
    order = np.argsort(sums)
    found: list[tuple[float, Named]] = []
    for first, mistake in enumerate(telling):
        wanted = error.ravel() @ weights - sums[first]
        low, high = np.searchsorted(sums[order], (wanted - slack, wanted + slack))
        for second in order[low : min(high, low + _PARTNERS)]:
            other = telling[second]
            if second <= first or np.abs(mistake.adds + other.adds - error).max() > allowed:
                continue
            one, two = str(mistake.words), str(other.words)
            weight = mistake.weight + other.weight + (0.0 if mistake.kind == other.kind else 0.3)
            text = f"{one[:1].upper()}{one[1:]}; and {two}."
            found.append((weight + 0.001 * len(text), Named(mistake.kind, text, weight)))
    return [min(found)[1]] if found else []
