"""Constant factors that mean something: 2, ½, a size, one over a size, and what they tell."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations
from math import gcd, prod, sqrt
from typing import NamedTuple

from jacobians.verification.places import listed


class Reading(NamedTuple):
    """What a factor may stand for: its kind, the factor as a person writes it, and the meaning.

    ``of_sizes`` tells a plain product of sizes, which is worth saying beside other readings.
    """

    kind: str
    written: str
    meaning: str
    of_sizes: bool = False


@lru_cache(maxsize=64)
def readings(extents: tuple[tuple[str, int], ...]) -> dict[float, list[Reading]]:
    """Factors with their readings, the plainest first; 1 is the first of all."""
    found: dict[float, list[Reading]] = {1.0: []}
    for value, reading in _all(*zip(*extents, strict=True)) if extents else _all((), ()):
        others = found.setdefault(value, [])
        if not others or (reading.of_sizes and len(others) < 3):
            others.append(reading)
    return found


def _all(names: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[float, Reading]]:
    yield 2.0, Reading("factor", "2", "")
    yield 0.5, Reading("factor", "½", "a factor 2 is missing")
    axes = [axis for axis, size in enumerate(sizes) if size > 1]
    if len(axes) <= 6:
        groups = chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1))
    else:
        groups = chain(combinations(axes, 1), [tuple(axes)])
    for group in groups:
        yield from _of_sizes([names[a] for a in group], prod(sizes[a] for a in group))
    for high in range(1, 13):
        for low in range(1, 13):
            if gcd(high, low) == 1 and high != low:
                written = f"{high}/{low}" if low > 1 else f"{high}"
                yield high / low, Reading("factor", written, "")
    for n in range(13, 1025):
        yield float(n), Reading("factor", f"{n}", "")
        yield 1 / n, Reading("factor", f"1/{n}", f"a mean over {n}, perhaps, where a sum is meant")
    for power in range(4, 10):
        yield 10.0**power, Reading("factor", f"1e{power}", "")
        yield 10.0**-power, Reading("factor", f"1e-{power}", "")


def _of_sizes(which: Sequence[str], n: int) -> Iterator[tuple[float, Reading]]:
    """What n may stand for, the product of the sizes of some axes."""
    product, over = "·".join(which), listed(which)
    of = f"the size{'s' if len(which) > 1 else ''} of {over}"
    below = product if len(which) == 1 else f"({product})"
    text = f"1/{n} = 1/{below}, {of}: a mean over {over} where a sum is meant"
    yield 1 / n, Reading("mean", f"1/{n}", text, True)
    text = f"{n} = {product}, {of}: a sum over {over} where a mean is meant"
    yield float(n), Reading("factor", f"{n}", text, True)
    if len(which) > 1 or n < 2:
        return
    of = f"n = {n}, the size of {product}"
    for factor, written, text in (
        (n / (n - 1), f"{n}/{n - 1}", f"n/(n − 1) with {of}: ddof=1 for ddof=0"),
        ((n - 1) / n, f"{n - 1}/{n}", f"(n − 1)/n with {of}: ddof=0 for ddof=1"),
        (
            sqrt(n / (n - 1)),
            f"√({n}/{n - 1})",
            f"√(n/(n − 1)) with {of}: a std of ddof=0 for ddof=1",
        ),
        (
            sqrt((n - 1) / n),
            f"√({n - 1}/{n})",
            f"√((n − 1)/n) with {of}: a std of ddof=1 for ddof=0",
        ),
        (sqrt(n), f"√{n}", f"√{n} = √{product}"),
        (1 / sqrt(n), f"1/√{n}", f"1/√{n} = 1/√{product}"),
    ):
        yield factor, Reading("factor", written, text)
