"""Where an error sits: an entry, a row, a column, a block, or one side of a diagonal."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_SHOWN = 3  # places that are told one by one


class Region(NamedTuple):
    """A set of entries in words.

    ``kind`` is "entry", "row", "column", "block", "region" (a relation between two axes) or
    "scattered"; ``narrow`` says whether the place is small enough to be an explanation; ``words``
    is "where i = 1 and k = 0", empty for the whole tensor; ``axes`` are those that it names.
    """

    kind: str
    words: str
    narrow: bool
    axes: tuple[int, ...] = ()


def find(where: Mask, relevant: Mask, names: Sequence[str], out_ndim: int) -> Region:
    """The place of the marked entries, at least one, among the relevant ones: a diagonal of structure is no place.

    The axes have these names; the first ``out_ndim`` are the output's: one of their indices is a row.
    """
    index = indices(where)
    count = int(np.count_nonzero(where))
    relevant = relevant | where
    among = int(np.count_nonzero(relevant))
    if count == 1 and among > 1:
        return Region("entry", "at " + entry([int(a[0]) for a in index], names), True)
    if count == among:
        return Region("all", "", False)
    confined = _confined(where, relevant)
    exact = _exact_relation(index, where, relevant, names)
    if confined:
        spans = [words(names[a], confined[a], where.shape[a]) for a in confined]
        box = np.zeros(where.shape, bool)
        box[np.ix_(*(confined.get(a, np.arange(n)) for a, n in enumerate(where.shape)))] = True
        if exact and (relevant & box & ~where).any():
            return Region("region", "where " + exact, False)
        share = min(np.count_nonzero(relevant & box) / among, np.count_nonzero(box) / box.size)
        narrow = bool(share <= 0.5)
        kind = "block" if len(confined) > 1 else "row" if min(confined) < out_ndim else "column"
        return Region(kind, "where " + listed(spans), narrow, tuple(confined))
    if exact:
        return Region("region", "where " + exact, False)
    few = [entry([int(a[n]) for a in index], names) for n in range(min(count, _SHOWN))]
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return Region("scattered", "at " + "; ".join(few) + more, 8 * count <= among and count <= 4)


def _confined(where: Mask, relevant: Mask) -> dict[int, NDArray[np.intp]]:
    """The axes of which only some indices occur, with these; none that follow from the others."""
    found: dict[int, NDArray[np.intp]] = {}
    left = relevant
    for axis, size in enumerate(where.shape):
        others = tuple(a for a in range(where.ndim) if a != axis)
        used = where.any(axis=others)
        if used.sum() < left.any(axis=others).sum():
            found[axis] = np.flatnonzero(used)
            keep = used.reshape([size if a == axis else 1 for a in range(where.ndim)])
            left = left & keep
    return found


def _exact_relation(
    index: tuple[NDArray[np.intp], ...], where: Mask, relevant: Mask, names: Sequence[str]
) -> str:
    """A relation between two axes that the marked entries keep, and no other that counts does."""
    others = indices(relevant & ~where)
    for inside, text in _relations(index, where.shape, names):
        if not inside(others).any():
            return text
    return ""


def _relations(
    index: tuple[NDArray[np.intp], ...], shape: Sequence[int], names: Sequence[str]
) -> Iterator[tuple[Any, str]]:
    """Relations between two axes of one size that all the indices keep."""
    tests = (
        ("=", np.equal),
        ("<", np.less),
        (">", np.greater),
        ("≤", np.less_equal),
        ("≥", np.greater_equal),
        ("≠", np.not_equal),
    )
    for a, b in combinations(range(len(shape)), 2):
        if shape[a] != shape[b] or shape[a] == 1:
            continue
        for sign, test in tests:
            if test(index[a], index[b]).all():

                def inside(at: Any, test: Any = test, a: int = a, b: int = b) -> Any:
                    return test(at[a], at[b])

                yield inside, f"{names[a]} {sign} {names[b]}"
                break


def indices(where: Mask) -> tuple[NDArray[np.intp], ...]:
    """As ``np.nonzero``, which refuses arrays without axes."""
    return np.nonzero(where) if np.ndim(where) else ()


def entry(index: Sequence[int], names: Sequence[str]) -> str:
    """One entry by its indices: ``(1, 2), which is i = 1, k = 2``."""
    if not index:
        return "the only entry"
    pairs = ", ".join(f"{name} = {n}" for name, n in zip(names, index, strict=True))
    return f"({pairs})"


def words(name: str, chosen: NDArray[np.intp], size: int) -> str:
    """The chosen indices of an axis: ``i = 0, 2``, ``i = 3 … 7``, ``i ≠ 2``."""
    values = [int(n) for n in chosen]
    first, last = values[0], values[-1]
    if len(values) == 1:
        return f"{name} = {first}"
    if len(values) == size - 1 and size > 3:
        (missing,) = set(range(size)) - set(values)
        return f"{name} ≠ {missing}"
    if len(values) > 2 and last - first == len(values) - 1:
        return f"{name} = {first} … {last}"
    shown = ", ".join(map(str, values[:_SHOWN]))
    more = f", … ({len(values)} of {size} indices)" if len(values) > _SHOWN else ""
    return f"{name} = {shown}{more}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
