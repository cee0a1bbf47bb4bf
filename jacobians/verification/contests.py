"""A claim and a reference set side by side, as two arrays that should be equal."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.claims import RANDOM, Sample, drawn
from jacobians.verification.differences import Estimate, exact
from jacobians.verification.flow import Told
from jacobians.verification.references import Reference, changes
from jacobians.verification.subject import Pair

_WORDS = {"backward": "upstream", "forward": "direction"}


class Contest(NamedTuple):
    """What is said, and what is right."""

    claimed: Array  # what is said
    estimate: Estimate  # what is right
    # What they are: "tensor"; "backward", "forward": results for some upstreams or directions, one after the
    # other; "pairing": numbers, such results contracted with a direction each; "shape": a tensor of a wrong
    # shape, where the right one is too large to be made.
    way: str
    asked: str  # how the claim was asked, in words
    given: Sequence[Array] = ()  # the upstreams or directions, where the two are results for some

    def fits_with(self, other: "Contest") -> bool:
        """Whether the same was compared."""
        return self.way == other.way and self.claimed.shape == other.claimed.shape

    @property
    def fits(self) -> bool:
        """Whether the shapes are the same."""
        return self.claimed.shape == self.estimate.value.shape


def contest(
    sample: Sample, reference: Reference, pair: Pair, random: np.random.Generator
) -> Contest:
    """The largest comparison that time and memory allow: the whole tensor where it is small."""
    if not sample.whole:
        return _in_part(sample, reference, pair, random)
    claimed, asked = assembled(sample, pair), "every entry"
    if sample.way != "tensor":
        asked = f"every basis {_WORDS[sample.way]} ({sample.basis}), and random ones"
    estimate = reference.applied(pair, "forward")
    if estimate is not None:
        return Contest(claimed, estimate, "tensor", asked)
    if claimed.shape != pair.shape:
        nothing = np.broadcast_to(np.array(np.nan), pair.shape)  # takes no memory
        return Contest(claimed, Estimate(nothing, nothing, nothing), "shape", asked)
    asked = f"{RANDOM} random directions, since the tensor has {claimed.size:,} entries"
    return _along(claimed, reference, pair, random, asked)


def along_few(
    sample: Sample, reference: Reference, pair: Pair, random: np.random.Generator
) -> Contest | None:
    """A claim that is known whole, along random directions: what is right needs no more evaluations."""
    claimed = assembled(sample, pair)
    if claimed.shape != pair.shape or not np.isfinite(claimed).all():
        return None
    asked = f"{RANDOM} random directions, along which f was moved"
    return _along(claimed, reference, pair, random, asked)


def _along(
    claimed: Array, reference: Reference, pair: Pair, random: np.random.Generator, asked: str
) -> Contest:
    given = [drawn(random, pair.inner.shape) for _ in range(RANDOM)]
    got = np.stack([np.tensordot(claimed, d, pair.inner.ndim) for d in given])
    return Contest(got, changes(reference, pair, given), "forward", asked, given)


def _in_part(
    sample: Sample, reference: Reference, pair: Pair, random: np.random.Generator
) -> Contest:
    assert sample.way != "tensor"
    alike = len({array.shape for array in sample.got}) == 1
    got = np.stack(sample.got) if alike else sample.got[0][None]
    asked = f"{len(sample.given)} random {_WORDS[sample.way]}s"
    right = reference.applied(pair, sample.way, sample.given)
    if right is not None:
        return Contest(got, right, sample.way, asked, sample.given)
    if got.shape[1:] != pair.inner.shape:
        right = exact(np.zeros((len(sample.given), *pair.inner.shape)))
        return Contest(got, right, "backward", asked)
    # A gradient by so many entries takes too long: only its product with a direction is compared.
    direction = drawn(random, pair.inner.shape)
    change = changes(reference, pair, [direction]).reshaped((pair.out.size,))
    rows = np.stack([G.ravel() for G in sample.given])
    numbers = got.reshape(len(rows), -1) @ direction.reshape(-1)
    asked = f"{asked}, each along a random direction"
    return Contest(numbers, change.summed(rows), "pairing", asked)


def told(sample: Sample, pair: Pair, eps: float) -> Told:
    """The claim as a linear map, of matrices."""
    if sample.whole:
        return Told(assembled(sample, pair).reshape(pair.out.size, -1), None, None, eps)
    got, given = (np.stack([a.ravel() for a in arrays]) for arrays in (sample.got, sample.given))
    if sample.way == "backward":
        return Told(got, given, None, eps)
    return Told(got.T, None, given.T, eps)


def assembled(sample: Sample, pair: Pair) -> Array:
    """The tensor that the basis gives; of a wrong shape where the parts have one."""
    if sample.way == "tensor":
        return np.asarray(sample.got[0])
    parts = sample.got[: sample.basis]
    shapes = {part.shape for part in parts}
    right = pair.inner.shape if sample.way == "backward" else pair.out.shape
    shape = shapes.pop() if len(shapes) == 1 else sample.got[-1].shape if shapes else right
    kept = [part if part.shape == shape else np.full(shape, np.nan) for part in parts]
    if sample.way == "backward":
        stacked = np.stack(kept) if kept else np.empty((0, *shape))
        return stacked.reshape((*pair.out.shape, *shape))
    stacked = np.stack(kept, axis=-1) if kept else np.empty((*shape, 0))
    return stacked.reshape((*shape, *pair.inner.shape))


def probes(
    sample: Sample, contest: Contest, expected: Array, pair: Pair
) -> list[tuple[Array, Array, Array]]:
    """What a backward or forward was given, what came, and what is right."""
    if contest.way != "tensor":
        wants = list(expected)
    elif sample.way == "backward":
        wants = [np.tensordot(G, expected, pair.out.ndim) for G in sample.given]
    else:
        wants = [np.tensordot(expected, d, pair.inner.ndim) for d in sample.given]
    return list(zip(sample.given, sample.got, wants, strict=False))
