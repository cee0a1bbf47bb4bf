"""Why an entry of a Jacobian tensor is what it is, in words and numbers.

Each term of the tensor is taken at the entry: what its deltas are there, the entries of its factors,
the largest contributions where it sums, and its value.
"""

from collections.abc import Mapping, Sequence
from math import prod
from operator import index as as_integer
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.display.explanation import Contribution, Delta, Entry, Explanation, TermAtEntry
from jacobians.display.expressions import label, shape_of
from jacobians.display.formulas import settled
from jacobians.display.matrix_forms import matrix_form
from jacobians.display.shown import Shown
from jacobians.errors import ShapeError
from jacobians.execution.interpret import contract
from jacobians.graph.node import Node
from jacobians.notation.explicit import delta_axes, letter_names
from jacobians.notation.join import restricted
from jacobians.notation.slots import Slot, Table, letter_slot, positions
from jacobians.notation.structure import equations, pattern
from jacobians.notation.terms import Factor, Term, numbered, total
from jacobians.notation.writing import (
    ATOM,
    fresh_letters,
    write_delta,
    write_slot,
    write_term,
)

Array = NDArray[Any]
_LISTED = 1 << 20  # products of a sum that are computed one by one
_LEADING = 3  # of them that are shown


def checked_index(index: Sequence[Any], shape: Sequence[int], title: str, axes: str) -> list[int]:
    """One integer for each axis, counted from 0.

    Raises
    ------
    ShapeError
        For too many or too few, for what is no integer, and outside of an axis; with its size.
    """
    if len(index) != len(shape):
        named = ", ".join(f"{a} ({n})" for a, n in zip(axes, shape, strict=True)) or "none"
        raise ShapeError(
            f"{title}: {len(index)} {'index' if len(index) == 1 else 'indices'} for a tensor of "
            f"{len(shape)} axes: {named}; explain takes one for each, as in J.explain(1, 2, 0, 3)"
        )
    found = []
    for axis, (item, size) in enumerate(zip(index, shape, strict=True)):
        what = f"axis {axis} ({axes[axis]}) of size {size}"
        try:
            at = as_integer(item)
        except TypeError:
            kind = type(item).__name__
            raise ShapeError(
                f"{title}: the index of {what} must be an integer, not {kind}"
            ) from None
        if not -size <= at < size:
            raise ShapeError(f"{title}: index {at} is out of range for {what}")
        found.append(at % size)
    return found


def explained(J: Shown, index: Sequence[Any]) -> Explanation:
    """The explanation of an entry.

    Parameters
    ----------
    J : Shown
        The tensor.
    index : sequence of int
        One for each axis.

    Raises
    ------
    ShapeError
        For an index that does not fit.
    """
    place = checked_index(index, J.shape, J.title, J.axes)
    value, values = float(J[tuple(place)]), J.operands
    terms, parts = settled(
        lambda: tuple(
            _at_entry(term, J.shape, place, J.axes, values, J.dtype) for term in J.terms.terms
        ),
        values,
    )
    return Explanation(J.title, tuple(place), J.axes, value, terms, parts)


def _at_entry(
    term: Term,
    shape: Sequence[int],
    index: Sequence[int],
    axes: str,
    values: Mapping[Node, Array],
    dtype: DTypeLike,
) -> TermAtEntry:
    formula = write_term(term, shape, axes, label, "text", shape_of).text
    names, homes = letter_names(term, shape, axes)
    known = {letter: index[axis] for letter, axis in homes.items()}
    hidden = sorted(term.kept - set(homes))
    found = _solutions(term, index, hidden)
    if found is not None and len(found) == 1:
        known.update(zip(hidden, found[0], strict=True))
    deltas = _deltas(term, shape, index, axes, names, homes, known)
    entry = restricted(term, [(s, Slot(n)) for s, n in zip(term.slots, index, strict=True)], ())
    if entry is None or found is None or not all(delta.value for delta in deltas):
        return TermAtEntry(formula, term.coefficient, deltas, (), "", 1, (), 0.0)
    value = float(_evaluated(entry, values, dtype))
    free = [a for a in range(len(term.sizes)) if a not in known]
    here = [f for f in term.factors if not f.letters & set(free)]
    entries = tuple(_entry(f, known, names, axes, values) for f in here)
    if not free:
        return TermAtEntry(formula, term.coefficient, deltas, entries, "", 1, (), value)
    summed = [a for a in free if a not in hidden]
    count = len(found) * prod(term.sizes[a] for a in summed)
    texts = [f"{names[a]} = 0…{term.sizes[a] - 1}" for a in summed]
    if len(found) > 1:
        texts.append(f"{len(found):,} values of {', '.join(names[a] for a in hidden)}")
    rest = [f for f in term.factors if f.letters & set(free)]
    leading: tuple[Contribution, ...] = ()
    if count <= _LISTED:
        leading = _leading(term, rest, found, hidden, summed, known, names, axes, values)
    return TermAtEntry(
        formula, term.coefficient, deltas, entries, ", ".join(texts), count, leading, value
    )


def _solutions(term: Term, index: Sequence[int], letters: Sequence[int]) -> Array | None:
    """The values of these letters at which the term writes to the entry, a row each; None if none."""
    own = pattern(term)
    right = [Slot(n) for n in index]
    wanted = [letter_slot(a) for a in letters]
    found = restricted(own, equations(own.slots, right, own.sizes), wanted)
    if found is None:
        return None
    inside = range(len(found.sizes))
    columns = [positions(slot, found.sizes, inside) for slot in found.slots]
    if not columns:
        return np.zeros((1, 0), np.intp)
    columns = [np.broadcast_to(c, found.sizes).ravel() for c in columns]
    return np.stack(columns, axis=1)


def _deltas(
    term: Term,
    shape: Sequence[int],
    index: Sequence[int],
    axes: str,
    names: dict[int, str],
    homes: dict[int, int],
    known: Mapping[int, int],
) -> tuple[Delta, ...]:
    own = pattern(term)
    pairs = [(own.slots[axis], Slot(index[axis])) for axis in homes.values()]
    found: list[Delta] = []
    earlier = False
    for axis in delta_axes(term, homes):
        if shape[axis] == 1:
            continue
        slot = term.slots[axis]
        name = write_delta(axes, axis, slot, names, homes, "text")
        written, wanted = write_slot(slot, names), f"{axes[axis]} = {index[axis]}"
        if all(a in homes for a in slot.letters):
            at = int(_at(slot, known))
            first = min((homes[a] for a in slot.letters), default=len(axes))
            texts = [f"{written} = {at}", wanted] if first < axis else [wanted, f"{written} = {at}"]
            reason = ", ".join(texts) if slot.parts else wanted
            found.append(Delta(name, reason, int(at == index[axis])))
            continue
        # A letter that is no axis: the delta is 1 where one of its values gives the index.
        unknown = ", ".join(names[a] for a in slot.letters if a not in homes)
        pairs.append((own.slots[axis], Slot(index[axis])))
        if restricted(own, pairs, ()) is None:
            which = f"no {unknown} of those" if earlier else f"no {unknown}"
            found.append(Delta(name, f"{wanted}, which {which} gives", 0))
            break
        here = ", ".join(f"{names[a]} = {known[a]}" for a in slot.letters if a in known)
        found.append(Delta(name, f"{wanted} for {here or f'some {unknown}'}", 1))
        earlier = True
    return tuple(found)


def _at(slot: Slot, known: Mapping[int, Any]) -> Any:
    """The position of a slot where its letters have these values (numbers, or arrays alike)."""
    return slot.constant + sum(
        stride.values[known[a]] if isinstance(stride, Table) else stride * known[a]
        for a, stride in slot.parts
    )


def _evaluated(term: Term, values: Mapping[Node, Array], dtype: DTypeLike) -> Any:
    tensor = total((), [term])
    arrays = [values[node] for node in tensor.operands]
    return contract(numbered(tensor), arrays, dtype)[()]


def _entry(
    factor: Factor,
    known: Mapping[int, int],
    names: Mapping[int, str],
    axes: str,
    values: Mapping[Node, Array],
) -> Entry:
    """The entry of a factor whose letters all have a value."""
    index = [int(_at(slot, known)) for slot in factor.slots]
    number = values[factor.operand][tuple(index)]
    whole = matrix_form(factor.operand, "text")
    if whole is None:
        fresh = fresh_letters(axes + "".join(names.values()))
        letters = [write_slot(slot, names) for slot in factor.slots]
        name = label(factor.operand, letters, "text", fresh).text
    else:
        name = f"{whole.inside(ATOM)}[{', '.join(map(str, index))}]" if index else whole.text
    return Entry(name, bool(number) if factor.mask else float(number))


def _leading(
    term: Term,
    factors: Sequence[Factor],
    found: Array,
    hidden: Sequence[int],
    summed: Sequence[int],
    known: Mapping[int, int],
    names: Mapping[int, str],
    axes: str,
    values: Mapping[Node, Array],
) -> tuple[Contribution, ...]:
    """The largest products of what is summed, nan and infinities first."""
    sizes = [len(found), *(term.sizes[a] for a in summed)]
    grid = np.indices(sizes, sparse=True)
    letters: dict[int, Any] = {**known, **dict(zip(summed, grid[1:], strict=True))}
    several = [a for a in hidden if a not in known]
    letters.update({a: found[:, n][grid[0]] for n, a in enumerate(hidden) if a in several})
    product = np.ones(sizes)
    allowed = np.ones(sizes, bool)
    with np.errstate(all="ignore"):
        for factor in factors:
            read = values[factor.operand][tuple(_at(slot, letters) for slot in factor.slots)]
            if factor.mask:
                allowed = allowed & (read != 0)
            else:
                product = product * read
    product = np.where(allowed, product, 0).ravel()
    rank = np.where(np.isnan(product), np.inf, np.abs(product))
    leading = []
    for flat in np.argsort(-rank, kind="stable")[:_LEADING]:
        place = np.unravel_index(int(flat), sizes)
        here = dict(known)
        here.update({a: int(n) for a, n in zip(summed, place[1:], strict=True)})
        here.update({a: int(found[place[0], hidden.index(a)]) for a in several})
        at = ", ".join(f"{names[a]} = {here[a]}" for a in (*several, *summed))
        entries = tuple(_entry(f, here, names, axes, values) for f in factors)
        leading.append(Contribution(at, entries, float(product[flat])))
    return tuple(leading)
