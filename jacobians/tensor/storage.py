"""Where the numbers of a Jacobian stand in the data of a sparse array: worked out once, then only written.

A :class:`Storage` depends on letters, slots and tables only. Its ``data`` is a sum of terms like any
other, with the sparse array's numbers as entries: what runs terms writes them.
"""

import copy
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import as_single_node
from jacobians.errors import UnsupportedError
from jacobians.graph.node import apply
from jacobians.ground.memory import check_bytes
from jacobians.notation.slots import Slot, letter_slot, positions, table_slot
from jacobians.notation.structure import address_slot
from jacobians.notation.terms import Factor, Sum, Term, letter_count, normal, total
from jacobians.operations.index_maps import reshape

Array = NDArray[Any]
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
_PADDED = ("bsr", "dia")
_OF_OBJECTS = ("dok", "lil")  # their numbers are Python objects, in no array


def strides_of(shape: Sequence[int], order: str) -> list[int]:
    """Steps through ``vec`` of an array of this shape."""
    if order == "C":
        return [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return [prod(shape[:axis]) for axis in range(len(shape))]


def matrix_slots(terms: Sum, term: Term, out_ndim: int, order: str) -> tuple[Slot, Slot]:
    """Where a term stands in the matrix: its row and its column."""
    parts = slice(None, out_ndim), slice(out_ndim, None)
    row, column = (
        address_slot(term._replace(slots=term.slots[own]), strides_of(terms.shape[own], order))
        for own in parts
    )
    return row, column


def check_storable(title: str, form: Any, dtype: Any) -> None:
    """Raise where SciPy has no such format, or no sparse arrays of the dtype."""
    if form not in FORMATS:
        raise UnsupportedError(
            f"{title}: no sparse format {form!r}; SciPy has {', '.join(map(repr, FORMATS))}"
        )
    if dtype not in (np.float32, np.float64, np.longdouble):
        raise UnsupportedError(f"{title}: SciPy has no sparse arrays of {dtype}; use J.matrix()")


def check_entries(title: str, terms: Sum, itemsize: int, max_bytes: float | None = None) -> None:
    """Raise before the places of all structural nonzeros are listed, if they pass the limit."""
    entries = sum(letter_count(t.sizes, t.kept) for t in terms.terms)
    what = f"{entries:,} structural nonzeros with their places"
    advice = "contract it with J.vjp(G) or J.jvp(dX), use J.operator(), take a slice J[...]"
    check_bytes(title, what, entries * (itemsize + 24), max_bytes, advice)


class Storage(NamedTuple):
    """The places of a tensor's structural nonzeros in a sparse array.

    Attributes
    ----------
    template : scipy.sparse.sparray
        The sparse array without its numbers; its index arrays are copied into each result.
    data : Sum
        The numbers, over the nodes of the tensor's terms; its shape has as many entries as the
        template's data.
    form : str
        The format that was asked for.
    """

    template: Any
    data: Sum
    form: str

    @property
    def writable(self) -> bool:
        """Whether there is one array of numbers that later calls can write."""
        return self.form not in _OF_OBJECTS

    @property
    def padded(self) -> bool:
        """Whether the numbers hold zeros that are in no entry's place."""
        return self.form in _PADDED

    @property
    def nbytes(self) -> int:
        """The bytes of the index arrays."""
        return sum(array.nbytes for array in index_arrays(self.template))

    def filled(self, numbers: Array) -> Any:
        """A new sparse array that has these numbers, which become its own."""
        made = copy.copy(self.template)  # the constructor would look at every index again
        made.data = numbers.reshape(self.template.data.shape)
        for name in _INDICES[made.format]:
            setattr(made, name, _copied(getattr(made, name)))
        return made if self.writable else made.asformat(self.form)


_INDICES = {
    "csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "bsr": ("indices", "indptr"),
    "coo": ("coords",), "dia": ("offsets",),
}  # fmt: skip


def index_arrays(array: Any) -> list[Array]:
    """The arrays of a sparse array that say where its numbers stand."""
    found: list[Array] = []
    for name in _INDICES.get(getattr(array, "format", ""), ()):
        own = getattr(array, name)
        found += own if isinstance(own, tuple) else [own]
    return found


def _copied(value: Any) -> Any:
    return tuple(map(np.copy, value)) if isinstance(value, tuple) else value.copy()


def storage_of(terms: Sum, out_ndim: int, form: str, order: str, dtype: Any, title: str) -> Storage:
    """The places of a tensor's entries in a sparse array of a format, for one order of ``vec``.

    Entries that several terms write, or one term several times, have one place: their numbers add up.
    Indices are sorted.
    """
    shape = (prod(terms.shape[:out_ndim]), prod(terms.shape[out_ndim:]))
    by_column = form == "csc"
    keys: list[Array] = []
    for term in terms.terms:
        letters = sorted(term.kept)
        slots = matrix_slots(terms, term, out_ndim, order)
        row, column = (positions(slot, term.sizes, letters) for slot in slots)
        key = column * shape[0] + row if by_column else row * shape[1] + column
        keys.append(np.broadcast_to(key, [term.sizes[a] for a in letters]))
    flat = np.concatenate([k.ravel() for k in keys]) if keys else np.zeros(0, np.intp)
    entries, places = _distinct(flat)
    template, stored = _template(entries, shape, form, dtype, title)
    if stored is not None:
        places = stored[places]
    ends = np.cumsum([0, *(k.size for k in keys)])
    found = [
        _in_data(term, places[start:end].reshape(key.shape))
        for term, key, start, end in zip(terms.terms, keys, ends[:-1], ends[1:], strict=True)
    ]
    return Storage(template, _unfolded(total([template.data.size], found)), form)


def _distinct(flat: Array) -> tuple[Array, Array]:
    """The distinct keys in order, and the place of each key among them."""
    if flat.size < 2 or bool(np.all(flat[1:] > flat[:-1])):
        return flat, np.arange(flat.size)
    entries, places = np.unique(flat, return_inverse=True)
    return entries, places.ravel()


def _template(
    entries: Array, shape: tuple[int, int], form: str, dtype: Any, title: str
) -> tuple[Any, Array | None]:
    """A sparse array with these entries, and where its data has each of them, if not in order."""
    import scipy.sparse as sp

    major, minor = (shape[1], shape[0]) if form == "csc" else shape
    rows = entries // minor if minor else entries
    pointers = np.searchsorted(rows, np.arange(major + 1))
    indices = entries - rows * minor
    known = (np.zeros(entries.size, dtype), indices, pointers)
    plain = (sp.csc_array if form == "csc" else sp.csr_array)(known, shape=shape)
    plain.has_canonical_format = True
    if form in ("csr", "csc", *_OF_OBJECTS):
        return plain, None
    if form == "coo":
        made = plain.tocoo()
        made.has_canonical_format = True
        return made, None
    if form == "dia":
        lines = np.unique(indices - rows).size
        what = f"{lines:,} diagonals of {shape[1]:,} entries"
        check_bytes(title, what, lines * shape[1] * np.dtype(dtype).itemsize, None, 'use "csr"')
    plain.data = np.arange(1.0, entries.size + 1)  # numbered, to be found again
    made = plain.asformat(form)
    numbers = made.data.ravel()
    at = np.flatnonzero(numbers)
    stored = np.empty(entries.size, np.intp)
    stored[numbers[at].astype(np.intp) - 1] = at
    made.data = np.zeros(made.data.shape, dtype)
    return made, stored


def _in_data(term: Term, places: Array) -> Term | None:
    """A term as it is written into the data, where its entries have these places.

    Where the places are no affine function of the letters, the term's numbers are made one row.
    """
    kept = sorted(term.kept)
    slot = _affine(places, kept)
    if slot is not None:
        return normal(term.coefficient, term.sizes, term.factors, [slot])
    first = places[(0,) * places.ndim]
    steps = [
        abs(int(places.take(1, n)[(0,) * (places.ndim - 1)] - first)) for n in range(len(kept))
    ]
    order = sorted(range(len(kept)), key=lambda n: -steps[n])  # as nearly in order as can be
    sizes = [places.shape[n] for n in order]
    values = total(sizes, [normal(
        term.coefficient, term.sizes, term.factors, [letter_slot(kept[n]) for n in order]
    )])  # fmt: skip
    size = places.size
    row = apply(reshape, [as_single_node(values)], shape=(size,))
    at = table_slot(0, places.transpose(order).ravel())
    return normal(1, (size,), [Factor(row, (letter_slot(0),))], [at])


def _affine(places: Array, letters: Sequence[int]) -> Slot | None:
    """The places as one slot without a table; None where they are not of that kind."""
    if not places.size:
        return None
    corner = (0,) * places.ndim
    first = int(places[corner])
    parts = []
    for axis, letter in enumerate(letters):
        beside = tuple(int(n == axis) for n in range(places.ndim))
        parts.append((letter, int(places[beside]) - first if places.shape[axis] > 1 else 0))
    slot = Slot(first, tuple(part for part in parts if part[1]))
    sizes = [1] * (max(letters, default=-1) + 1)
    for letter, size in zip(letters, places.shape, strict=True):
        sizes[letter] = size
    predicted = positions(slot, sizes, letters)
    return slot if np.array_equal(np.broadcast_to(predicted, places.shape), places) else None


def _unfolded(data: Sum) -> Sum:
    """The data of a single term that runs through all of it, with an axis for each letter.

    As such it is the term's value, and no array that is filled afterwards.
    """
    if len(data.terms) != 1:
        return data
    (term,) = data.terms
    (slot,) = term.slots
    if slot.constant or not slot.parts or not slot.affine:
        return data
    parts = sorted(slot.parts, key=lambda part: -part[1])  # type: ignore[operator]
    sizes = [term.sizes[a] for a, _ in parts]
    if [step for _, step in parts] != strides_of(sizes, "C") or prod(sizes) != data.shape[0]:
        return data
    letters = [letter_slot(a) for a, _ in parts]
    return total(sizes, [normal(term.coefficient, term.sizes, term.factors, letters)])
