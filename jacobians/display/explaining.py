"""Why an entry of a Jacobian tensor is what it is, in words and numbers.

Each term of the tensor is taken at the entry: what its deltas are there, the entries of its factors,
the largest contributions where it sums, and its value.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import prod
from operator import index as as_integer
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.arrays.plan import Plan
from jacobians.display.expressions import distinct_names, label, matrix_form
from jacobians.errors import ShapeError
from jacobians.graph.node import Node
from jacobians.notation.explicit import delta_axes, letter_names
from jacobians.notation.join import restricted
from jacobians.notation.slots import Slot, Table, letter_slot, positions
from jacobians.notation.structure import equations, pattern
from jacobians.notation.terms import Factor, Sum, Term, numbered, total
from jacobians.notation.writing import (
    ATOM,
    fresh_letters,
    write_delta,
    write_number,
    write_slot,
    write_term,
)

Array = NDArray[Any]
_LISTED = 1 << 20  # products of a sum that are computed one by one
_LEADING = 3  # of them that are shown
_WIDTH, _LONGEST = 80, 320  # of a line, and of a formula


class Delta(NamedTuple):
    """A delta at an entry: ``δ_ik``, ``i = 1, k = 0``, 0."""

    name: str
    reason: str
    value: int

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}, so {self.value}"


class Entry(NamedTuple):
    """An entry of a factor: ``C[3, 2]``, 0.417; a mask's is True or False."""

    name: str
    value: float | bool

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return f"{self.name} is {self.value}" + (", so 0" if not self.value else "")
        return f"{self.name} = {_number(self.value)}"


class Contribution(NamedTuple):
    """One of the products that a term sums: ``r = 3``, its entries, and their product."""

    at: str
    entries: tuple[Entry, ...]
    value: float

    def __str__(self) -> str:
        names = " ".join(e.name for e in self.entries) or "1"
        numbers = " · ".join(_number(e.value) for e in self.entries)
        inside = f" = {numbers}" if len(self.entries) > 1 else ""
        return f"{self.at}: {names}{inside} = {_number(self.value)}"


@dataclass(frozen=True)
class TermAtEntry:
    """A term of the tensor at one entry.

    Attributes
    ----------
    formula : str
        The term in index notation.
    coefficient : float
        The number in front.
    deltas : tuple of Delta
        What its deltas are; where one is 0, so is the term, and the rest is left out.
    entries : tuple of Entry
        Of the factors that are read at one place.
    summed, count : str, int
        The letters that the other factors are summed over, and how many products that makes.
    contributions : tuple of Contribution
        The largest of them (without the coefficient and the entries above).
    value : float
        Of the term at the entry.
    """

    formula: str
    coefficient: float
    deltas: tuple[Delta, ...]
    entries: tuple[Entry, ...]
    summed: str
    count: int
    contributions: tuple[Contribution, ...]
    value: float

    @property
    def lines(self) -> list[str]:
        """What there is to say, one fact a line."""
        found = [*map(str, self.deltas), *map(str, self.entries)]
        if self.coefficient != 1 and all(d.value for d in self.deltas):
            sign, number = write_number(self.coefficient)
            found.append(f"times {sign}{number or 1}")
        if self.count != 1 or self.contributions:
            shown = len(self.contributions)
            which = f", the largest {shown} of {self.count:,}" if shown < self.count else ""
            found.append(
                f"summed over {self.summed}{which if shown else f': {self.count:,} products'}"
            )
            found += [f"  {c}" for c in self.contributions]
        return found


@dataclass(frozen=True, repr=False)
class Explanation:
    """Why an entry of a tensor is what it is; prints as text.

    Attributes
    ----------
    title : str
        ``∂A_ij/∂B_kl``.
    index : tuple of int
        The entry, counted from 0.
    axes : str
        A letter for each axis.
    value : float
        ``J[index]``.
    terms : tuple of TermAtEntry
        What each term is there; ``value`` is their sum.
    """

    title: str
    index: tuple[int, ...]
    axes: str
    value: float
    terms: tuple[TermAtEntry, ...]

    @property
    def heading(self) -> str:
        """``∂A_ij/∂B_kl at i = 1, j = 2, k = 1, l = 0 is 2``."""
        at = ", ".join(f"{a} = {n}" for a, n in zip(self.axes, self.index, strict=True))
        return f"{self.title}{at and ' at '}{at} is {_number(self.value)}"

    def __str__(self) -> str:
        lines = [self.heading]
        if not self.terms:
            lines.append("  it has no terms: it is 0 everywhere")
        for term in self.terms:
            lines += [_short(term.formula), *(f"  {line}" for line in term.lines)]
            if len(self.terms) > 1:
                lines.append(f"  the term is {_number(term.value)}")
        wrapped = (
            textwrap.wrap(line, _WIDTH, subsequent_indent="      ", break_on_hyphens=False)
            for line in lines
        )
        return "\n".join(line for found in wrapped for line in found)

    def __repr__(self) -> str:
        return str(self)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain Python values."""
        found: dict[str, Any] = _plain(self)
        return found

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{html.escape(self.heading)}</b></p>"]
        for term in self.terms:
            items = [*term.lines, f"the term is {_number(term.value)}"]
            listed = "".join(f"<li>{html.escape(item.strip())}</li>" for item in items)
            parts.append(f"<p>{html.escape(_short(term.formula))}</p><ul>{listed}</ul>")
        return "<div>" + "".join(parts) + "</div>"


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


def explained(
    tensor: Sum,
    index: Sequence[int],
    value: float,
    title: str,
    axes: str,
    values: Mapping[Node, Array],
    dtype: DTypeLike,
) -> Explanation:
    """The explanation of an entry whose value is known.

    Parameters
    ----------
    tensor : Sum
        The terms.
    index : sequence of int
        One for each axis, within its size.
    value : float
        The entry.
    title, axes : str
        What the tensor and its axes are called.
    values : mapping of Node to numpy.ndarray
        The arrays of the operands.
    dtype : dtype
        Of the tensor.
    """
    with distinct_names(values):
        terms = tuple(
            _at_entry(term, tensor.shape, index, axes, values, dtype) for term in tensor.terms
        )
    return Explanation(title, tuple(index), axes, value, terms)


def _at_entry(
    term: Term,
    shape: Sequence[int],
    index: Sequence[int],
    axes: str,
    values: Mapping[Node, Array],
    dtype: DTypeLike,
) -> TermAtEntry:
    formula = write_term(term, shape, axes, label, "text").text
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
    return Plan(numbered(tensor), [a.shape for a in arrays]).run(arrays, dtype)[()]


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


def _number(value: float | bool) -> str:
    """Six digits at most, with a true minus sign."""
    return f"{value:.6g}".replace("-", "−") if not isinstance(value, bool) else str(value)


def _short(formula: str) -> str:
    return formula if len(formula) <= _LONGEST else formula[: _LONGEST - 2] + " …"


def _plain(value: Any) -> Any:
    """Records as dicts, tuples as lists."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
