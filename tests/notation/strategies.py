"""The judge of the notation's tests, operands for it, and random terms.

The judge reads the definition of a term literally, one entry at a time: it shares no code with what
it judges. Arrays hold small integers, so that sums in any order are exactly equal.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from jacobians.notation.slots import (
    Slot,
    Table,
    combine,
    letter_slot,
    renumber,
    table_slot,
)
from jacobians.notation.terms import Factor, Sum, Term, normal, total

Array = NDArray[Any]


class Operand:
    """An array that can be hashed: it is equal to itself alone."""

    def __init__(self, values: Any, name: str = "X") -> None:
        self.values = np.asarray(values)
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name}{self.values.shape}"


def values_of(operand: Any) -> Array:
    """The array of an operand."""
    found: Array = operand.values
    return found


Read = Callable[[Any], Array]


# The judge.


def place(slot: Slot, letters: Sequence[int]) -> int:
    """The position of a slot when the letters have these values."""
    at = slot.constant
    for letter, stride in slot.parts:
        if isinstance(stride, Table):
            at += int(stride.values[letters[letter]])
        else:
            at += stride * letters[letter]
    return at


def places(slots: Sequence[Slot], letters: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """The positions of all slots; outside the shape is an error, not a wrap to the other end."""
    found = tuple(place(slot, letters) for slot in slots)
    inside = len(found) == len(shape) and all(
        0 <= at < size for at, size in zip(found, shape, strict=True)
    )
    assert inside, f"{found} is outside of {shape}"
    return found


def entries(
    term: Term, shape: Sequence[int], read: Read = values_of
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Each position that the term writes, and what it adds there; a position may occur again."""
    for letters in product(*(range(size) for size in term.sizes)):
        number: Any = term.coefficient
        for factor in term.factors:
            array = read(factor.operand)
            entry = array[places(factor.slots, letters, array.shape)]
            if not factor.mask:
                number = number * entry
            elif not entry:
                break
        else:
            yield places(term.slots, letters, shape), number


def evaluate(tensor: Sum, read: Read = values_of) -> Array:
    """The tensor, entry by entry."""
    result = np.zeros(tensor.shape)
    for term in tensor.terms:
        for at, number in entries(term, tensor.shape, read):
            result[at] += number
    return result


def touched(tensor: Sum, read: Read = values_of, *, masked: bool = True) -> NDArray[np.bool_]:
    """Which entries any term writes; without masks, which ones the letters allow."""
    result = np.zeros(tensor.shape, bool)
    for term in tensor.terms:
        if not masked:
            term = term._replace(factors=())
        for at, _ in entries(term, tensor.shape, read):
            result[at] = True
    return result


def make(tensor: Sum, operands: tuple[Any, ...]) -> Operand:
    """What the rewrites ask for when operands are combined: the value, by the judge."""
    return Operand(evaluate(tensor, lambda number: values_of(operands[number])), "made")


def relabelled_nan(tensor: Sum) -> Sum:
    """The same terms with NaN in every operand; masks stay."""
    bad: dict[Any, Operand] = {}

    def spoiled(factor: Factor) -> Factor:
        if factor.mask:
            return factor
        shape = values_of(factor.operand).shape
        new = bad.setdefault(factor.operand, Operand(np.full(shape, np.nan)))
        return factor._replace(operand=new)

    return Sum(
        tensor.shape,
        tuple(t._replace(factors=tuple(map(spoiled, t.factors))) for t in tensor.terms),
    )


def has_table(*slots: Slot) -> bool:
    """Whether a slot has a table in it."""
    return any(isinstance(stride, Table) for slot in slots for _, stride in slot.parts)


def all_slots(tensor: Sum) -> list[Slot]:
    """Every slot of the sum: of its terms and of their factors."""
    return [
        slot
        for term in tensor.terms
        for slot in (*term.slots, *(s for f in term.factors for s in f.slots))
    ]


# Operands.


def numbers(shape: Sequence[int], seed: int = 0) -> Array:
    """Small integers, different for different seeds, none 0."""
    random = np.random.default_rng([seed, *shape])
    found: Array = random.integers(1, 8, shape) * random.choice([-1.0, 1.0], shape)
    return found


def operand(*shape: int, seed: int = 0, name: str = "X") -> Operand:
    """An operand of small integers."""
    return Operand(numbers(shape, seed), name)


def mask(*shape: int, seed: int = 0) -> Operand:
    """An operand of booleans, about a third of them false."""
    return Operand(np.random.default_rng([seed, 1, *shape]).random(shape) < 0.65, "mask")


# Random slots and terms.


def extent(slot: Slot, sizes: Sequence[int]) -> tuple[int, int]:
    """The smallest and the largest position; a letter without values counts as one value."""
    low = high = slot.constant
    for letter, stride in slot.parts:
        if isinstance(stride, Table):
            reached = [int(value) for value in stride.values] or [0]
        else:
            reached = [stride * value for value in range(sizes[letter])] or [0]
        low += min(reached)
        high += max(reached)
    return low, high


KINDS = ("plain", "plain", "plain", "affine", "digits", "window", "table", "mixed", "constant")


@st.composite
def slots(draw: st.DrawFn, sizes: Sequence[int]) -> Slot:
    """A slot over some of the letters; its smallest position is 0 or more."""
    kind = draw(st.sampled_from(KINDS)) if sizes else "constant"
    if kind == "constant":
        return Slot(draw(st.integers(0, 2)))
    letters = draw(st.permutations(range(len(sizes))))
    if kind == "plain":
        return letter_slot(letters[0])
    strides = st.sampled_from([-3, -2, -1, 1, 2, 3])
    pieces: list[tuple[int, Slot]] = []
    if kind == "affine":
        pieces = [(draw(strides), letter_slot(letters[0]))]
    elif kind == "digits":
        weight = draw(st.sampled_from([1, 1, -1, 2]))
        for letter in letters[: draw(st.integers(2, 3))]:
            pieces.append((weight, letter_slot(letter)))
            weight *= max(sizes[letter], 1)
    elif kind == "window":
        pieces = [(draw(strides), letter_slot(letter)) for letter in letters[:2]]
    else:
        size = sizes[letters[0]]
        values = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
        pieces = [(draw(st.sampled_from([1, 1, -2])), table_slot(letters[0], values))]
        if kind == "mixed":
            other = draw(st.sampled_from(letters))  # the same letter, too
            pieces.append((draw(strides), letter_slot(other)))
    made = combine(pieces, sizes)
    low, _ = extent(made, sizes)
    return made._replace(constant=made.constant - low + draw(st.sampled_from([0, 0, 1])))


def needed(slot: Slot, sizes: Sequence[int]) -> int:
    """The smallest size of an axis that the slot fits."""
    if slot.plain is not None:
        return sizes[slot.plain]  # an axis of size 0 has a letter without values
    return extent(slot, sizes)[1] + 1


LETTER_SIZES = (0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 6)


@st.composite
def letter_sizes(draw: st.DrawFn, most: int = 48, letters: int = 4) -> tuple[int, ...]:
    """Sizes of up to four letters, not too many values together."""
    sizes: list[int] = []
    for size in draw(st.lists(st.sampled_from(LETTER_SIZES), max_size=letters)):
        if np.prod([*sizes, size]) <= most:
            sizes.append(size)
    return tuple(sizes)


@st.composite
def factors(draw: st.DrawFn, sizes: Sequence[int], seed: int) -> Factor:
    """A factor of up to three axes, now and then a mask."""
    chosen = draw(st.lists(slots(sizes), max_size=3))
    shape = [needed(s, sizes) + draw(st.sampled_from([0, 0, 0, 1])) for s in chosen]
    if draw(st.sampled_from([False, False, False, True])):
        return Factor(mask(*shape, seed=seed), tuple(chosen), True)
    return Factor(operand(*shape, seed=seed, name="ABCDEFGH"[seed % 8]), tuple(chosen))


COEFFICIENTS = st.sampled_from([1, 1, 1, -1, 2, -3, 0.5])


@st.composite
def raw_terms(draw: st.DrawFn, axes: int, most: int = 48, seed: int = 0) -> Term:
    """A term that need not be in normal form: letters that stand nowhere, of size 0 and 1."""
    sizes = draw(letter_sizes(most))
    count = draw(st.integers(0, 3))
    made = tuple(draw(factors(sizes, seed + number)) for number in range(count))
    return Term(draw(COEFFICIENTS), sizes, made, tuple(draw(slots(sizes)) for _ in range(axes)))


def shape_for(terms: Sequence[Term], axes: int) -> tuple[int, ...]:
    """A shape that all terms fit."""
    return tuple(max((needed(t.slots[n], t.sizes) for t in terms), default=2) for n in range(axes))


def resized(tensor: Sum, shape: Sequence[int]) -> Sum:
    """The same terms in a larger tensor."""
    return Sum(tuple(shape), tensor.terms)


@st.composite
def raw_sums(
    draw: st.DrawFn, axes: int | None = None, most: int = 48, terms: int = 3, seed: int = 0
) -> Sum:
    """A sum of terms that need not be in normal form."""
    if axes is None:
        axes = draw(st.integers(0, 3))
    count = draw(st.integers(0, terms))
    made = [draw(raw_terms(axes, most, seed + 5 * number)) for number in range(count)]
    shape = shape_for(made, axes)
    return Sum(tuple(n + draw(st.sampled_from([0, 0, 0, 1])) for n in shape), tuple(made))


def normalised(tensor: Sum) -> Sum:
    """The sum in normal form, as every function but ``normal`` expects it."""
    return total(
        tensor.shape, [normal(t.coefficient, t.sizes, t.factors, t.slots) for t in tensor.terms]
    )


@st.composite
def sums(
    draw: st.DrawFn, axes: int | None = None, most: int = 48, terms: int = 3, seed: int = 0
) -> Sum:
    """A sum of terms in normal form."""
    return normalised(draw(raw_sums(axes, most, terms, seed)))


@st.composite
def middle_pairs(draw: st.DrawFn, most: int = 36) -> tuple[Sum, Sum, int]:
    """Two sums and how many axes they have in common: last of the one, first of the other."""
    count = draw(st.integers(0, 2))
    left = draw(sums(count + draw(st.integers(0, 2)), most, 2, 0))
    right = draw(sums(count + draw(st.integers(0, 2)), most, 2, 50))
    cut = len(left.shape) - count
    middle = [max(pair) for pair in zip(left.shape[cut:], right.shape[:count], strict=True)]
    left = resized(left, [*left.shape[:cut], *middle])
    return left, resized(right, [*middle, *right.shape[count:]]), count


@st.composite
def digits(draw: st.DrawFn, number: int) -> list[int]:
    """Sizes of digits whose product is the number, smallest stride first."""
    found: list[int] = []
    while number > 1:
        size = draw(st.sampled_from([d for d in range(2, number + 1) if number % d == 0]))
        found.append(size)
        number //= size
    return found


def number_slot(sizes: Sequence[int], start: int = 0, unit: int = 1) -> Slot:
    """The slot that reads letters as the digits of a number, smallest stride first."""
    parts: list[tuple[int, int | Table]] = []
    for letter, size in enumerate(sizes, start):
        parts.append((letter, unit))
        unit *= size
    return Slot(0, tuple(parts))


@st.composite
def related_sums(draw: st.DrawFn) -> Sum:
    """Terms with the same slots whose factors come from one small pool: there is much to merge."""
    sizes = draw(letter_sizes(36))
    sizes = tuple(max(size, 1) for size in sizes)
    axes = draw(st.integers(0, 3))
    if draw(st.booleans()):
        placed = [letter_slot(n) if n < len(sizes) else Slot() for n in range(axes)]
    else:
        placed = [draw(slots(sizes)) for _ in range(axes)]
    pool = [draw(factors(sizes, seed)) for seed in range(draw(st.integers(1, 3)))]
    # Factors over the same letters but other operands: these can be added.
    for number, factor in enumerate(pool[:2]):
        if not factor.mask:
            own = values_of(factor.operand).shape
            pool.append(Factor(operand(*own, seed=20 + number, name="Z"), factor.slots))
    terms = []
    kept = {a for slot in placed for a in slot.letters}
    summed = [a for a in range(len(sizes)) if a not in kept]
    for _ in range(draw(st.integers(1, 6))):
        chosen = draw(st.lists(st.sampled_from(pool), max_size=4))
        # Summed letters of the same size may change places.
        names = {a: a for a in range(len(sizes))}
        for a, b in zip(summed, draw(st.permutations(summed)), strict=True):
            names[a] = b
        moved = [0] * len(sizes)
        for old, new in names.items():
            moved[new] = sizes[old]
        chosen = [f._replace(slots=tuple(renumber(s, names) for s in f.slots)) for f in chosen]
        terms.append(normal(draw(COEFFICIENTS), moved, chosen, placed))
    shape = [needed(slot, sizes) for slot in placed]
    return total(shape, terms)
