"""The explicit form: each term as one einsum over identity tensors, ones and operands.

This is the form that a reader can check against the formula, and the judge of every other way to
build a tensor: ``δ_ik C_lj`` is ``einsum("ik,lj->ijkl", I, C)``. A slot that is not a plain letter
becomes a selection tensor, with a 1 where the position equals the slot, else 0.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.errors import UnsupportedError
from jacobians.notation.slots import Slot, positions
from jacobians.notation.terms import Sum, Term, full_letter

_MORE = "rpqstuvwxyzabcdefghijklmnoABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Selection(NamedTuple):
    """A tensor of zeros and ones: 1 where the last axis, of size ``size``, equals the slot.

    The slot's letters are the leading axes; a plain letter gives an identity matrix, and
    no slot at all a vector of ones.
    """

    slot: Slot | None
    sizes: tuple[int, ...]
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return (*self.sizes, self.size)

    def array(self, dtype: DTypeLike = float) -> NDArray[Any]:
        """The array itself."""
        if self.slot is None:
            return np.ones(self.size, dtype)
        if self.slot.plain is not None and self.sizes == (self.size,):
            return np.eye(self.size, dtype=dtype)
        at = positions(self.slot, self.sizes, range(len(self.sizes)))
        chosen: NDArray[Any] = (at[..., None] == np.arange(self.size)).astype(dtype)
        return chosen


class Einsum(NamedTuple):
    """``coefficient · einsum(subscripts, *parts)``; a part is a Selection or an operand.

    ``masks`` are the places of parts that select.
    """

    coefficient: int | float
    subscripts: str
    parts: tuple[Any, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    masks: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many products the sum runs over: the sizes of all its letters, multiplied."""
        return prod(self.sizes)


_AXES = "ijklmnopqrstuvwxyzabcdefghABCDEFGHIJKLMNOPQRSTUVWXYZ"


def axis_names(out: int, inner: int) -> str:
    """Names of the axes: outputs i, j; inputs k, l; more axes in alphabetical order.

    Raises
    ------
    UnsupportedError
        For more axes than there are letters.
    """
    if out <= 2 and inner <= 2:
        return "ij"[:out] + "kl"[:inner]
    if out + inner > len(_AXES):
        raise UnsupportedError(
            f"a tensor of {out + inner} axes ({out} of the output, {inner} of the input) cannot be "
            f"written or built: there are {len(_AXES)} letters for axes; "
            "contract it with vjp or jvp, or reshape its arrays to fewer axes"
        )
    return _AXES[: out + inner]


def free_names(used: str) -> Iterator[str]:
    """Names for summed letters: r, p, q, then others that no axis has."""
    return (name for name in _MORE if name not in used)


def _next(fresh: Iterator[str]) -> str:
    """The next free name; raises where there is none left."""
    found = next(fresh, None)
    if found is None:
        raise UnsupportedError(
            f"a term with more than {len(_MORE)} letters cannot be written as one einsum; contract the "
            "tensor with vjp or jvp, or reshape its arrays to fewer axes"
        )
    return found


def letter_names(
    term: Term, shape: Sequence[int], axes: str
) -> tuple[dict[int, str], dict[int, int]]:
    """The name of each letter, and for a letter with an axis of its own, which axis that is.

    A letter takes the name of the first axis that it runs over whole; one that has none is named
    like a summed letter.
    """
    homes: dict[int, int] = {}
    for axis, (slot, size) in enumerate(zip(term.slots, shape, strict=True)):
        letter = full_letter(slot, term.sizes, size)
        if letter is not None:
            homes.setdefault(letter, axis)
    fresh = free_names(axes)
    names = {
        letter: axes[homes[letter]] if letter in homes else _next(fresh)
        for letter in range(len(term.sizes))
    }
    return names, homes


def delta_axes(term: Term, homes: Mapping[int, int]) -> list[int]:
    """The axes that are no letter's own: each is a delta. Those with output letters come first."""
    found = [
        axis
        for axis, slot in enumerate(term.slots)
        if homes.get(-1 if slot.plain is None else slot.plain) != axis
    ]
    return sorted(
        found, key=lambda axis: min([axis, *(homes.get(a, axis) for a in term.slots[axis].letters)])
    )


def einsum_of(
    term: Term, shape: Sequence[int], axes: str, shapes: Mapping[Any, tuple[int, ...]]
) -> Einsum:
    """The term as one einsum whose output axes are named ``axes``; deltas first, then factors."""
    names, homes = letter_names(term, shape, axes)
    fresh = free_names(axes + "".join(names.values()))
    inputs: list[str] = []
    parts: list[Any] = []
    sizes = dict(zip(axes, shape, strict=True))
    sizes.update({name: term.sizes[letter] for letter, name in names.items()})

    def select(slot: Slot, size: int, name: str) -> None:
        local = {letter: number for number, letter in enumerate(slot.letters)}
        inputs.append("".join(names[a] for a in slot.letters) + name)
        sizes[name] = size
        renamed = Slot(slot.constant, tuple((local[a], s) for a, s in slot.parts))
        parts.append(Selection(renamed, tuple(term.sizes[a] for a in slot.letters), size))

    for axis in delta_axes(term, homes):
        select(term.slots[axis], shape[axis], axes[axis])
    factors: list[tuple[str, Any]] = []
    for factor in term.factors:
        subscript = ""
        for slot, size in zip(factor.slots, shapes[factor.operand], strict=True):
            letter = full_letter(slot, term.sizes, size)
            if letter is None:
                name = _next(fresh)
                select(slot, size, name)
                subscript += name
            else:
                subscript += names[letter]
        factors.append((subscript, factor.operand))
    covered = set("".join(inputs) + "".join(s for s, _ in factors))
    for letter, name in names.items():
        if name not in covered:
            inputs.append(name)
            parts.append(Selection(None, (), term.sizes[letter]))
    masks = tuple(len(inputs) + n for n, factor in enumerate(term.factors) if factor.mask)
    inputs += [subscript for subscript, _ in factors]
    parts += [operand for _, operand in factors]
    return Einsum(
        coefficient=term.coefficient,
        subscripts=",".join(inputs) + "->" + axes,
        parts=tuple(parts),
        shape=tuple(shape),
        sizes=tuple(sizes.values()),
        masks=masks,
    )


def explicit(
    tensor: Sum, axes: str, array: Callable[[Any], NDArray[Any]], dtype: DTypeLike
) -> NDArray[Any]:
    """The tensor by one einsum per term; a new array, never a view of an operand.

    Identities are multiplied like any array: an infinite operand gives nan where they are 0.
    """
    shapes = {operand: np.shape(array(operand)) for operand in tensor.operands}
    result: NDArray[Any] | None = None
    for term in tensor.terms:
        form = einsum_of(term, tensor.shape, axes, shapes)
        arrays = [
            part.array(dtype) if isinstance(part, Selection) else _number_like(array(part), dtype)
            for part in form.parts
        ]
        _select(form, arrays)
        # Two at a time where there are more: at once, the work is the product of all sizes.
        pairwise = len(arrays) > 2
        value = np.einsum(form.subscripts, *arrays, optimize=pairwise) if arrays else np.ones(())
        if len(arrays) < 2 or value.dtype != dtype or not isinstance(value, np.ndarray):
            value = np.array(value, dtype)  # einsum of one operand may be a view of it
        value *= np.asarray(form.coefficient, dtype)
        result = value if result is None else np.add(result, value, out=result)
    return np.zeros(tensor.shape, dtype) if result is None else result


def _select(form: Einsum, arrays: list[NDArray[Any]]) -> None:
    """Apply each mask by selection to an operand that has its letters: there 0 times inf is 0."""
    names = form.subscripts.split("->")[0].split(",")
    for number in form.masks:
        mask = names[number]
        for host, own in enumerate(names):
            plain = host not in form.masks and not isinstance(form.parts[host], Selection)
            if plain and set(mask) <= set(own) and len(set(own)) == len(own):
                order = [mask.index(name) for name in own if name in mask]
                index = tuple(slice(None) if name in mask else None for name in own)
                chosen = arrays[number].transpose(order)[index] != 0
                arrays[host] = np.where(chosen, arrays[host], 0)
                break


def _number_like(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Masks and integers as ``dtype``: einsum adds booleans by 'or', and small integers wrap."""
    return np.asarray(array, dtype if np.asarray(array).dtype.kind in "biu" else None)


def subscripts(tensor: Sum, axes: str, shapes: Mapping[Any, tuple[int, ...]]) -> str:
    """The einsum subscripts of all terms, joined by ' + '."""
    forms = [einsum_of(term, tensor.shape, axes, shapes).subscripts for term in tensor.terms]
    return " + ".join(dict.fromkeys(forms)) or "0"
