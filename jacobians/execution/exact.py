"""Products under masks, by selection: what a mask rules out is 0, whatever stands elsewhere."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_CHUNK = 1 << 20  # entries that are held at once
Letters = Sequence[Any]
Lettered = tuple[Array, Letters]


def exact(
    value: Array,
    result: str,
    coefficient: float,
    masks: Sequence[Lettered],
    factors: Sequence[Lettered],
) -> Array:
    """The value; where it is not finite, the product of the factors under the masks, made again.

    ``value`` is ``coefficient · Σ Π factors`` over ``result``'s letters, computed as quickly as can be:
    a 0 in place of what a mask rules out, times an infinite number, is nan there. Made again nothing
    is multiplied where a mask is false.

    Parameters
    ----------
    value : numpy.ndarray
        One axis for each letter of ``result``.
    result : str or sequence
        Its letters; all others are summed.
    coefficient : float
        A number that multiplies the sum.
    masks, factors : sequences of (array, letters)
        One letter for each axis.
    """
    if np.isfinite(value).all():
        return value
    operands = [*masks, *factors]
    sizes = {a: n for array, own in operands for a, n in zip(own, np.shape(array), strict=True)}
    letters = [*result, *(a for a in sizes if a not in result)]
    shape = [sizes[a] for a in letters]

    def full(array: Array, own: Letters) -> Array:
        order = [tuple(own).index(a) for a in letters if a in own]
        index = tuple(slice(None) if a in own else None for a in letters)
        return np.broadcast_to(np.transpose(array, order)[index], shape)

    spread = [full(*operand) for operand in operands]
    summed = tuple(range(len(result), len(letters)))

    def slab(where: Any) -> Array:
        allowed = np.logical_and.reduce([m[where] for m in spread[: len(masks)]])
        product = np.full(allowed.shape, coefficient, value.dtype)
        for factor in spread[len(masks) :]:
            product = np.where(allowed, product * factor[where], 0)
        return np.asarray(np.where(allowed, product, 0).sum(axis=summed), value.dtype)

    if not letters or prod(shape) <= _CHUNK:
        return slab(...)
    rows = max(1, _CHUNK * shape[0] // prod(shape))
    pieces = [slab(slice(n, n + rows)) for n in range(0, shape[0], rows)]
    return np.asarray(sum(pieces)) if not result else np.concatenate(pieces)
