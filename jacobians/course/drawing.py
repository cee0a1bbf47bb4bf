"""Points at which a submission is asked: sizes that cannot hide a mistake, and arrays by their shapes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, ShapeError

Array = NDArray[Any]
Sizes = Mapping[str, int]

SIZES = (3, 4, 5, 6, 7, 8, 9, 10, 11)
"""From which sizes are drawn: none is 2, the factor of half the derivatives there are."""
_FAR = 0.05  # from 0, that an entry may have: a gradient is not to vanish by chance
_WORDS = re.compile(r"[a-z]|[1-9][0-9]*")


class Draw(NamedTuple):
    """How an argument is drawn.

    Parameters
    ----------
    shape : tuple of str
        Letters of sizes, and numbers.
    make : callable
        ``make(rng, shape, sizes) -> ndarray``.
    """

    shape: tuple[str, ...]
    make: Callable[[np.random.Generator, tuple[int, ...], Sizes], Array]


def _shape(text: str) -> tuple[str, ...]:
    words = tuple(text.split())
    for word in words:
        if not _WORDS.fullmatch(word):
            raise ShapeError(
                f"{text!r} is no shape: write a lower-case letter or a number for each axis, as in "
                "'m n', and '' for a number"
            )
    return words


def normal(shape: str) -> Draw:
    """Standard normal entries, none near 0; what ``"m n"`` alone means.

    Parameters
    ----------
    shape : str
        A letter or a number for each axis, ``"m n"``; ``""`` for a number.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians.course.drawing import normal
    >>> normal("m 4").shape
    ('m', '4')
    """
    return Draw(_shape(shape), lambda rng, shape, _: _away(rng, shape))


def positive(shape: str) -> Draw:
    """Entries between 0.5 and 2."""
    return Draw(_shape(shape), lambda rng, shape, _: np.asarray(rng.uniform(0.5, 2.0, shape)))


def invertible(shape: str) -> Draw:
    """A square matrix far from a singular one, and from a symmetric one."""
    axes = _shape(shape)
    if len(axes) != 2 or axes[0] != axes[1]:
        raise ShapeError(f"invertible({shape!r}): a square matrix has two equal axes, as in 'n n'")

    def make(rng: np.random.Generator, shape: tuple[int, ...], _: Sizes) -> Array:
        return np.asarray(2 * np.eye(shape[0]) + _away(rng, shape) / np.sqrt(shape[0]))

    return Draw(axes, make)


def probabilities(shape: str) -> Draw:
    """Rows (along the last axis) of positive numbers whose sum is 1."""

    def make(rng: np.random.Generator, shape: tuple[int, ...], _: Sizes) -> Array:
        weights = rng.uniform(0.5, 2.0, shape)
        return np.asarray(weights / np.sum(weights, axis=-1, keepdims=True))

    return Draw(_shape(shape), make)


def one_hot(shape: str) -> Draw:
    """Rows (along the last axis) with a single 1."""

    def make(rng: np.random.Generator, shape: tuple[int, ...], _: Sizes) -> Array:
        return np.asarray(np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])])

    return Draw(_shape(shape), make)


def labels(shape: str, below: str) -> Draw:
    """Whole numbers from 0 up to a size, ``labels("n", below="c")``; nothing is derived by them."""

    def make(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Array:
        most = sizes.get(below) or int(below)
        return np.asarray(rng.integers(most, size=shape))

    return Draw(_shape(shape), make)


def _away(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, those next to 0 moved from it."""
    found = np.asarray(rng.standard_normal(shape))
    return np.asarray(np.where(np.abs(found) < _FAR, np.copysign(_FAR, found) + found, found))


def apart(sizes: Sequence[int]) -> bool:
    """Whether no size is another's, or a multiple of it, and so none its square root."""
    return all(a % b for a, b in permutations(sizes, 2))


def sizes_for(
    letters: Sequence[str], rng: np.random.Generator, count: int
) -> Iterator[dict[str, int]]:
    """``count`` times sizes for letters, pairwise apart; small ones first.

    Raises
    ------
    JacobiansError
        Where there are more letters than sizes that are apart.
    """
    pools = {
        most: [p for p in permutations(SIZES[:most], len(letters)) if apart(p)]
        for most in (5, 7, len(SIZES))
    } if len(letters) <= 5 else {}  # fmt: skip
    fitting = [pool for pool in pools.values() if pool]
    if not fitting:
        raise JacobiansError(
            f"{len(letters)} sizes ({', '.join(letters)}) cannot all be drawn apart; give some of them as "
            "numbers, as in '2 n'"
        )
    seen: set[tuple[int, ...]] = set()
    for n in range(count):
        pool = [p for p in fitting[min(n, len(fitting) - 1)] if p not in seen]
        pool = pool or fitting[-1]
        chosen = pool[int(rng.integers(len(pool)))]
        seen.add(chosen)
        yield dict(zip(letters, chosen, strict=True))


def drawn(draws: Mapping[str, Any], sizes: Sizes, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments by name: arrays where they are drawn, what stands there otherwise."""
    found: dict[str, Any] = {}
    for name, draw in draws.items():
        if isinstance(draw, Draw):
            shape = tuple(sizes[w] if w.isalpha() else int(w) for w in draw.shape)
            found[name] = draw.make(rng, shape, sizes)
        elif callable(draw):
            found[name] = np.asarray(draw(rng, sizes))
        else:
            found[name] = draw
    return found


def upstream(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """An array for the output, or a direction: no two entries alike, none near 0."""
    return _away(rng, shape)
