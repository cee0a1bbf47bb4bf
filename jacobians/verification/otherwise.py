"""A right derivative at another argument: a kernel that is turned, data that are one off.

The function is only evaluated, so this holds for loops and compiled code too: along a direction its
difference with an argument put in place of another is held against what the claim gives.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.flow import Told
from jacobians.verification.judging import is_earned
from jacobians.verification.subject import Pair, Subject, copied, leaves_of
from jacobians.verification.variations import far, variations

_STEP = 1e-5  # of central differences, as a share of the argument's size
_EXACT = 1e-6  # a relative error that differences of such a step stay below
_DIRECTIONS = 2
_MOST_LABELS = 16  # that are tried one by one
_FREE = 3  # numbers that the choice of an argument is worth


class Other(NamedTuple):
    """Another value of one argument, in words."""

    place: int
    words: str
    value: Array


def as_if(subject: Subject, pair: Pair, told: Told) -> Iterator[str]:
    """What the claim is the derivative at, in words; the first that is found."""
    if told.directions is not None:
        return
    upstreams, claimed = told.upstreams, told.matrix
    random = np.random.default_rng(7)
    step = _STEP * max(float(np.abs(pair.inner).max(initial=0.0)), 1e-3)
    directions = random.choice([-1.0, 1.0], (_DIRECTIONS, *pair.inner.shape))
    said = [claimed @ d.reshape(-1) for d in directions]
    if not is_earned(_FREE, sum(s.size for s in said)):
        return
    for other in _others(subject, pair):
        if all(
            _agree(_change(subject, pair, other, step * d, upstreams), s, step)
            for d, s in zip(directions, said, strict=True)
        ):
            yield f"the array {other.words}"
            return


def _agree(found: Array | None, said: Array, step: float) -> bool:
    if found is None or not np.isfinite(found).all():
        return False
    found = found / (2 * step)
    return bool(np.abs(found - said).max() <= _EXACT * (np.abs(found).max() + np.abs(said).max()))


def _change(
    subject: Subject, pair: Pair, other: Other, move: Array, upstreams: Array | None
) -> Array | None:
    """What the result changes from one side of the point to the other."""
    ends = []
    for sign in (1, -1):
        points = [p.copy() for p in subject.points]
        moved = other.place == subject.places[pair.which]
        points[pair.which] = (other.value if moved else pair.inner) + sign * move
        args, kwargs = subject.arguments(points)
        if not moved:
            args[other.place] = other.value.copy()
        try:
            subject.progress.tick()
            leaves = leaves_of(subject.f(*args, **kwargs))
        except Exception:  # what f does not take is no explanation
            return None
        end = np.concatenate([np.ravel(leaf) for leaf in leaves])[pair.part]
        if end.size != pair.out.size:
            return None
        ends.append(end)
    change: Array = ends[0] - ends[1]
    return change if upstreams is None else np.asarray(upstreams @ change)


def _others(subject: Subject, pair: Pair) -> Iterator[Other]:
    """Each float array among the arguments: turned, transposed, one off, or another one."""
    arrays = [
        (n, subject.known[n] if n < len(subject.known) else f"number {n}", value)
        for n, value in enumerate(copied(subject.args))
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1
    ]
    own = subject.places[pair.which]
    yield from _tables(subject)
    for n, name, value in arrays:
        for kind, words, other, _ in variations(value, nearest=2):
            if n != own or kind == "transposed":
                kernel = " (a kernel: convolution for correlation)" * (kind == "turned")
                yield Other(n, f"{name} is {words}{kernel}", other)
        for m, another, array in arrays:
            if m != n != own and array.shape == value.shape:
                yield Other(n, f"{another} stands where {name} is meant", array)


def _tables(subject: Subject) -> Iterator[Other]:
    """Labels and indices that are off by a number, going round what they count."""
    sizes = {n for p in (*subject.points, *subject.outputs) for n in p.shape}
    for n, value in enumerate(copied(subject.args)):
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or not value.size:
            continue
        name = subject.known[n] if n < len(subject.known) else f"number {n}"
        for size in sorted(s for s in sizes if value.max() < s <= _MOST_LABELS):
            for step in range(1, size):
                off = far(step if step <= size // 2 else step - size)
                words = f"{name} is off by {off}, going round"
                yield Other(n, words, (value + step) % size)
