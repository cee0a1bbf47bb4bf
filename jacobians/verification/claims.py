"""What is checked: a full tensor, a hand-written backward or forward, or our own derivative.

Each claim becomes samples: what it says for the basis and for random arguments, next to how the same
is asked of a reference.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Array
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.generators import within_reach
from jacobians.verification.references import (
    MOST_ENTRIES,
    ByTracing,
    arranged,
    by_argument,
    numbers,
)
from jacobians.verification.subject import Pair, Subject

ClaimKind = Literal["derived", "jacobian", "vjp", "jvp"]

MOST_BASIS = 256  # upstreams or directions of a basis
MOST_EXPLAINED = 1024  # of them, where something is wrong
RANDOM = 4  # of them otherwise
_BESIDE = 2  # random ones beside a basis
_MOST_ARRAYS = 32  # that are looked at, of those in reach
_LARGE = 20.0  # the size of one of them: what clips or takes signs is not linear


class Sample(NamedTuple):
    """What a claim says about a result and an argument."""

    # What ``got`` holds: the tensor itself, gradients by the upstreams, changes along the directions.
    way: Literal["tensor", "backward", "forward"]
    # Upstreams or directions, as the claim was given them; where ``whole`` a basis, and then random ones, by
    # which it shows whether the claim is linear.
    given: list[Array]
    got: list[Array]  # one for each; for a tensor the only one
    whole: bool  # whether ``got`` determines every entry of the tensor

    @property
    def basis(self) -> int:
        """How many of those given are the basis."""
        return len(self.given) - _BESIDE if self.whole and self.given else 0


class Claim:
    """What is said about the derivative: ``kind``, and a sample for a result and an argument.

    ``made_by`` is the user's function that says it, where there is one.
    """

    kind: ClaimKind
    made_by: Callable[..., Any] | None = None

    def arrays(self) -> list[tuple[str, Array]]:
        """What the user's function reaches by names: it may stand in another's place."""
        found = within_reach(self.made_by) if self.made_by is not None else ()
        return [
            (name, thing.astype(np.float64)) for name, thing in found
            if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiub" and thing.size > 1
        ][:_MOST_ARRAYS]  # fmt: skip

    def sample(self, pair: Pair, random: np.random.Generator, most: int = MOST_BASIS) -> Sample:
        """What is said; to a basis of at most so many upstreams or directions."""
        raise NotImplementedError

    def at(self, pair: Pair, entries: Sequence[int]) -> Array | None:  # noqa: ARG002
        """What it says to basis upstreams or directions, flat, one row for each; None of what is no function."""
        return None


class Ours(Claim):
    """The Jacobian that this package derives."""

    kind: ClaimKind = "derived"

    def __init__(self, traced: ByTracing) -> None:
        self._traced = traced

    def sample(self, pair: Pair, random: np.random.Generator, most: int = MOST_BASIS) -> Sample:  # noqa: ARG002
        """The structured tensor, dense unless it is large."""
        return _tensor(self._traced.of(pair), pair, random)


class Full(Claim):
    """A full tensor, or a callable that gives it."""

    kind: ClaimKind = "jacobian"

    def __init__(self, subject: Subject, claimed: Any) -> None:
        if callable(claimed):
            self.made_by = claimed
            claimed = subject.given_to("jacobian", claimed)
        self._table = arranged(subject, claimed, "jacobian")

    def sample(self, pair: Pair, random: np.random.Generator, most: int = MOST_BASIS) -> Sample:  # noqa: ARG002
        """The tensor as it was given; a structured one is made dense unless it is large."""
        return _tensor(self._table[pair.output][pair.which], pair, random)


def _tensor(tensor: JacobianTensor | Array, pair: Pair, random: np.random.Generator) -> Sample:
    if not isinstance(tensor, JacobianTensor):
        return Sample("tensor", [], [tensor], True)
    with np.errstate(all="ignore"):
        if tensor.size <= MOST_ENTRIES:
            return Sample("tensor", [], [np.asarray(tensor.dense(), np.float64)], True)
        given = [drawn(random, pair.inner.shape) for _ in range(RANDOM)]
        return Sample("forward", given, [tensor.jvp(d) for d in given], False)


class Asked(Claim):
    """A function that is asked for a basis, or for random arrays; once for all that shares answers."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[tuple[int, int], tuple[list[Array], list[list[Array]], bool]] = {}

    def _answers(
        self,
        number: int,
        ask: Callable[[int, Array], list[Array]],
        shape: tuple[int, ...],
        entries: int,
        random: np.random.Generator,
        most: int,
    ) -> tuple[list[Array], list[list[Array]], bool]:
        """What it was given, what it answered to each, and whether that determines every entry."""
        key = number, most
        if key not in self._known:
            given, whole = _probes(shape, entries, random, most)
            self._subject.refresh()
            rows = [ask(number, array) for array in given]
            self._known[key] = given, rows, whole
            if given:
                self._subject.note_unsteady(self.kind, rows[-1], ask(number, given[-1]))
        return self._known[key]


class Backward(Asked):
    """A backward of the user's: ``vjp(G, *args)``."""

    kind: ClaimKind = "vjp"

    def __init__(self, subject: Subject, vjp: Callable[..., Any]) -> None:
        super().__init__(subject)
        self.made_by = self._vjp = vjp

    def sample(self, pair: Pair, random: np.random.Generator, most: int = MOST_BASIS) -> Sample:
        """Gradients for a basis, or for random upstreams."""
        largest = max(pair.out.size * p.size for p in self._subject.points)
        shape = pair.out.shape
        given, rows, whole = self._answers(pair.output, self._pulled, shape, largest, random, most)
        return Sample("backward", given, [row[pair.which] for row in rows], whole)

    def at(self, pair: Pair, entries: Sequence[int]) -> Array | None:
        """Gradients for basis upstreams."""
        basis = _basis(pair.out.shape, entries)
        return np.stack([self._pulled(pair.output, G)[pair.which].ravel() for G in basis])

    def _pulled(self, output: int, G: Array) -> list[Array]:
        subject = self._subject
        upstream = [np.zeros_like(y) for y in subject.outputs]
        upstream[output] = G.astype(upstream[output].dtype)
        found = subject.given_to("vjp", self._vjp, subject.treedef.restore(upstream))
        return [
            numbers(array, f"vjp: the gradient by {name}")
            for name, array in zip(subject.names, self._by_argument(found), strict=True)
        ]

    def _by_argument(self, found: Any) -> list[Any]:
        """The gradients asked for; a backward may also give one for each argument, as jb.vjp does."""
        subject = self._subject
        several = isinstance(found, tuple | list)
        if not subject.several and _is_written_out(found, [subject.points[0].shape]):
            several = False
        as_asked = subject.several and several and len(found) == len(subject.points)
        places = [place for place in subject.places if isinstance(place, int)]
        by_position = len(places) == len(subject.places)
        if several and not as_asked and by_position and len(found) == len(subject.args):
            if not subject.unjudged:
                subject.unjudged = [
                    subject.known[n]
                    for n, gradient in enumerate(found)
                    if n not in places and gradient is not None
                ]
            return [found[place] for place in places]
        if several and not subject.several:
            if len(found) == 1:
                return [found[0]]
            raise ShapeError(
                f"vjp gives {len(found)} arrays; give the gradient by {subject.names[0]}, or one for "
                f"each of the {len(subject.args)} arguments"
            )
        return by_argument(subject, found, "vjp: the gradients")


class Forward(Asked):
    """A forward of the user's: ``jvp(dX, *args)``, or ``jvp(dX, dY, *args)`` for two arguments."""

    kind: ClaimKind = "jvp"

    def __init__(self, subject: Subject, jvp: Callable[..., Any]) -> None:
        super().__init__(subject)
        self.made_by = self._jvp = jvp

    def sample(self, pair: Pair, random: np.random.Generator, most: int = MOST_BASIS) -> Sample:
        """Changes along a basis, or along random directions."""
        largest = max(pair.inner.size * y.size for y in self._subject.outputs)
        shape = pair.inner.shape
        given, rows, whole = self._answers(pair.which, self._pushed, shape, largest, random, most)
        return Sample("forward", given, [row[pair.output] for row in rows], whole)

    def at(self, pair: Pair, entries: Sequence[int]) -> Array | None:
        """Changes along basis directions."""
        basis = _basis(pair.inner.shape, entries)
        return np.stack([self._pushed(pair.which, d)[pair.output].ravel() for d in basis])

    def _pushed(self, which: int, direction: Array) -> list[Array]:
        subject = self._subject
        directions = [np.zeros_like(p) for p in subject.points]
        directions[which] = direction.astype(directions[which].dtype)
        found = subject.given_to("jvp", self._jvp, *directions)
        return [
            numbers(array, f"jvp: the change of {subject.name}{path}")
            for path, array in zip(subject.paths, subject.matched(found, "jvp"), strict=True)
        ]


def gradients_of(subject: Subject, vjp: Callable[..., Any], seed: int) -> tuple[int, ...] | int:
    """The arguments by which a backward returns a gradient: positions, of those in order.

    Notes the arguments whose gradient is None.
    """
    random = np.random.default_rng(seed)
    upstream = [drawn(random, y.shape).astype(y.dtype) for y in subject.outputs]
    found = subject.given_to("vjp", vjp, subject.treedef.restore(upstream))
    if not isinstance(found, tuple | list) or _is_written_out(
        found, [subject.points[0].shape], len(subject.args)
    ):
        return 0
    if len(found) == 1:
        return (0,) if isinstance(found, tuple) else 0
    if len(found) > len(subject.args):
        raise ShapeError(
            f"vjp gives {len(found)} arrays; {subject.name} has {len(subject.args)} arguments: give a "
            "gradient for each, None where there is none"
        )
    places = tuple(n for n, gradient in enumerate(found) if gradient is not None)
    skipped = [subject.known[n] for n, gradient in enumerate(found) if gradient is None]
    if not places:
        raise UnsupportedError(f"vjp: the gradient by {skipped[0]} is None, and so are all others")
    if skipped:
        subject.note(f"not judged, since vjp gives None: the gradient by {', '.join(skipped)}")
    missing = subject.known[len(found) :]
    if missing:
        subject.note(f"not judged, since vjp gives no more: the gradient by {', '.join(missing)}")
    return places


def drawn(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random array: no two entries alike, none near 0, of either sign."""
    return np.asarray(random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape))


def _probes(
    shape: tuple[int, ...], entries: int, random: np.random.Generator, most: int
) -> tuple[list[Array], bool]:
    """The basis and random arrays, or random arrays alone; whether the basis is in it."""
    size = int(np.prod(shape))
    if size > most or entries > MOST_ENTRIES:
        first = [drawn(random, shape) for _ in range(RANDOM - 1)]
        return [*first, _LARGE * (first[0] - first[1])], False
    basis = _basis(shape, range(size))
    beside = drawn(random, shape)
    return [*basis, beside, -_LARGE * beside], True


def _basis(shape: tuple[int, ...], entries: Sequence[int]) -> list[Array]:
    """For each of these entries the array that is 1 there, and 0 elsewhere."""
    found = [np.zeros(shape) for _ in entries]
    for array, n in zip(found, entries, strict=True):
        array.reshape(-1)[n] = 1.0
    return found


def _is_written_out(found: Any, shapes: Sequence[tuple[int, ...]], several: int = -1) -> bool:
    """Whether a list is one array written out: of one of these shapes, or of numbers, not of several."""
    if not isinstance(found, list):
        return False
    try:
        shape = np.shape(found)
    except ValueError:  # ragged
        return False
    return shape in shapes or (len(shape) == 1 and len(found) != several)
