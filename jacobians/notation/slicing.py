"""Slices of a Jacobian tensor, as sums of terms: nothing but the slice is ever computed."""

from numbers import Integral
from typing import Any

import numpy as np

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.notation.join import restricted, shifted
from jacobians.notation.slots import Slot, letter_slot
from jacobians.notation.terms import Sum, total


def sliced(tensor: Sum, index: Any, title: str, names: str) -> Sum:
    """``tensor[index]``: each axis must equal a number or a new letter's progression.

    Parameters
    ----------
    tensor : Sum
        Any sum of terms.
    index : int, slice, Ellipsis or a tuple of them
        As in NumPy; an integer removes its axis.
    title, names : str
        What the tensor and its axes are called in errors.

    Raises
    ------
    ShapeError
        For an index that is out of range, or too many of them.
    UnsupportedError
        For an index of another kind.
    """
    wanted = [
        _axis_slot(item, axis, tensor.shape[axis], title, names)
        for axis, item in enumerate(_one_per_axis(index, tensor.shape, title))
    ]
    kept = [size for _, size in wanted if size is not None]
    # The n-th sliced axis becomes the n-th new letter.
    equal: list[Slot] = []
    letter = 0
    for slot, size in wanted:
        equal.append(shifted(slot, letter))
        letter += size is not None
    terms = []
    for term in tensor.terms:
        count = len(term.sizes)
        grown = term._replace(sizes=(*term.sizes, *kept))
        pairs = [(old, shifted(new, count)) for old, new in zip(term.slots, equal, strict=True)]
        slots = [letter_slot(count + n) for n in range(len(kept))]
        terms.append(restricted(grown, pairs, slots))
    return total(kept, terms)


def _one_per_axis(index: Any, shape: tuple[int, ...], title: str) -> list[Any]:
    items = list(index) if isinstance(index, tuple) else [index]
    dots = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(f"{title}: an index has at most one '...'")
    missing = len(shape) - len(items) + len(dots)
    if missing < 0:
        raise ShapeError(
            f"{title}: {len(items) - len(dots)} indices for a tensor of {len(shape)} axes, shape {shape}"
        )
    where = dots[0] if dots else len(items)
    items[where : where + len(dots)] = [slice(None)] * missing
    return items


def _axis_slot(item: Any, axis: int, size: int, title: str, names: str) -> tuple[Slot, int | None]:
    """What an axis must equal, over letter 0; and that letter's size, None where there is none."""
    if isinstance(item, slice):
        try:
            start, stop, step = item.indices(size)
        except (TypeError, ValueError) as error:
            raise ShapeError(
                f"{title}: {item} is no slice of axis {axis} ({names[axis]}): {error}"
            ) from None
        return letter_slot(0, step, start), len(range(start, stop, step))
    if isinstance(item, Integral) and not isinstance(item, bool | np.bool_):
        at = int(item) + (size if item < 0 else 0)
        if not 0 <= at < size:
            raise ShapeError(
                f"{title}: index {int(item)} is out of range for axis {axis} ({names[axis]}) of size {size}"
            )
        return Slot(at), None
    raise UnsupportedError(
        f"{title}: an index of type {type(item).__name__}; lazy slices take integers, slices and '...'; "
        "index J.dense() for anything else"
    )
