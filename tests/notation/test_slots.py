"""Slots: canonical form, sums, substitution, bounds, positions, and what they determine."""

import pickle
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jacobians.notation.slots import (
    ZERO,
    Slot,
    Table,
    bounds,
    column,
    combine,
    determined,
    letter_slot,
    positions,
    renumber,
    substitute,
    table_slot,
)
from tests.notation.strategies import extent, letter_sizes, place, slots


def is_canonical(slot: Slot, sizes: tuple[int, ...]) -> bool:
    letters = [a for a, _ in slot.parts]
    for letter, stride in slot.parts:
        if isinstance(stride, Table):
            steps = np.diff(stride.values)
            if len(stride.values) != sizes[letter] or stride.values[0] != 0:
                return False
            if len(steps) < 2 or (steps == steps[0]).all():
                return False
        elif stride == 0:
            return False
    return letters == sorted(set(letters))


def test_table_compares_by_value() -> None:
    first, second = Table([0, 3, 1]), Table((0, 3, 1))
    assert first == second
    assert hash(first) == hash(second)
    assert first != Table([0, 3, 2])
    assert first != 3
    assert repr(first) == "Table([0, 3, 1])"
    assert pickle.loads(pickle.dumps(first)) == first


def test_table_cannot_be_changed_from_outside() -> None:
    values = np.array([0, 3, 1])
    table = Table(values)
    values[0] = 9
    assert table.values.tolist() == [0, 3, 1]
    assert not table.values.flags.writeable


def test_slot_properties() -> None:
    assert letter_slot(2).plain == 2
    assert letter_slot(2, 2).plain is None
    assert letter_slot(2, 1, 1).plain is None
    assert Slot(0, ((0, Table([0, 2, 1])),)).plain is None
    assert ZERO.plain is None
    assert letter_slot(2, 0, 5) == Slot(5)
    assert Slot(1, ((0, 2), (3, -1))).letters == (0, 3)
    assert Slot(1, ((0, 2), (3, -1))).affine
    assert not Slot(1, ((0, 2), (3, Table([0, 2, 1])))).affine


def test_table_slot_is_affine_where_it_can_be() -> None:
    assert table_slot(1, [4, 2, 0]) == letter_slot(1, -2, 4)
    assert table_slot(1, [5, 5]) == Slot(5)
    assert table_slot(1, [7]) == Slot(7)
    assert table_slot(1, []) == letter_slot(1)
    assert table_slot(1, [4, 2, 1]) == Slot(4, ((1, Table([0, -2, -3])),))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=4))
def test_table_slot_takes_the_values(values: list[int]) -> None:
    slot = table_slot(0, values)
    assert [place(slot, [n]) for n in range(len(values))] == values
    assert is_canonical(slot, (len(values),))


@given(st.data())
def test_combine_is_the_sum(data: st.DataObject) -> None:
    sizes = data.draw(letter_sizes())
    scaled = data.draw(st.lists(st.tuples(st.integers(-2, 2), slots(sizes)), max_size=3))
    found = combine(scaled, sizes)
    for letters in product(*map(range, sizes)):
        assert place(found, letters) == sum(n * place(slot, letters) for n, slot in scaled)
    if 0 not in sizes:
        assert is_canonical(found, sizes)


def test_combine_folds_tables() -> None:
    table = Slot(0, ((0, Table([0, 2, 1])),))
    assert combine([(1, table), (-1, table)], [3]) == ZERO
    assert combine([(1, table), (1, Slot(0, ((0, Table([0, -1, 1])),)))], [3]) == letter_slot(0)
    assert combine([(2, letter_slot(0)), (-2, letter_slot(0))], [3]) == ZERO


@given(st.data())
def test_substitute_is_composition(data: st.DataObject) -> None:
    sizes = tuple(max(size, 1) for size in data.draw(letter_sizes()))
    slot = data.draw(slots(sizes))
    # New letters follow the old ones. Each old one may become a slot that stays in its range.
    new_sizes = (2, 3)
    everything = (*sizes, *new_sizes)
    mapping: dict[int, Slot] = {}
    for letter, size in enumerate(sizes):
        if data.draw(st.booleans()):
            local = data.draw(slots(new_sizes))
            moved = renumber(local, {0: len(sizes), 1: len(sizes) + 1})
            indexes_table = any(a == letter and isinstance(s, Table) for a, s in slot.parts)
            fits = extent(moved, everything)[1] < size
            if fits and not (indexes_table and len(moved.parts) > 1):
                mapping[letter] = moved
    found = substitute(slot, mapping, everything)
    assert is_canonical(found, everything)
    for letters in product(*map(range, everything)):
        old = [
            place(mapping[a], letters) if a in mapping else letters[a] for a in range(len(sizes))
        ]
        assert place(found, letters) == place(slot, old)


def test_substitute_into_a_table() -> None:
    slot = Slot(1, ((0, Table([0, 5, 3, 4])),))
    assert substitute(slot, {0: Slot(2)}, [4]) == Slot(4)
    assert substitute(slot, {0: letter_slot(1, -2, 3)}, [4, 2]) == letter_slot(1, 1, 5)
    through = substitute(slot, {0: table_slot(1, [3, 0, 0, 1])}, [4, 4])
    assert [place(through, [0, n]) for n in range(4)] == [5, 1, 1, 6]


def test_renumber_sorts() -> None:
    assert renumber(Slot(1, ((0, 2), (1, 3))), {0: 7, 1: 4}) == Slot(1, ((4, 3), (7, 2)))
    assert renumber(Slot(1), {}) == Slot(1)


@given(st.data())
def test_bounds_are_reached(data: st.DataObject) -> None:
    sizes = tuple(max(size, 1) for size in data.draw(letter_sizes()))
    slot = data.draw(slots(sizes))
    reached = [place(slot, letters) for letters in product(*map(range, sizes))]
    assert bounds(slot, sizes) == (min(reached), max(reached))


@given(st.data())
def test_positions_broadcast(data: st.DataObject) -> None:
    sizes = data.draw(letter_sizes())
    slot = data.draw(slots(sizes))
    order = data.draw(st.permutations(range(len(sizes))))
    shape = tuple(sizes[a] for a in order)
    found = np.broadcast_to(positions(slot, sizes, order), shape)
    for at in np.ndindex(*shape):
        letters = [at[order.index(a)] for a in range(len(sizes))]
        assert found[at] == place(slot, letters)


def test_column() -> None:
    assert column(-2, 3).tolist() == [0, -2, -4]
    assert column(Table([0, 4, 1]), 3).tolist() == [0, 4, 1]


@given(st.data())
def test_determined_letters_follow_from_positions(data: st.DataObject) -> None:
    sizes = tuple(max(size, 1) for size in data.draw(letter_sizes()))
    some = data.draw(st.lists(slots(sizes), max_size=3))
    known = sorted(determined(some, sizes))
    seen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for letters in product(*map(range, sizes)):
        at = tuple(place(slot, letters) for slot in some)
        value = tuple(letters[a] for a in known)
        assert seen.setdefault(at, value) == value


def test_determined_is_not_empty_handed() -> None:
    window = Slot(0, ((0, 1), (1, 1)))
    number = Slot(0, ((0, 3), (1, 1)))
    assert determined([number], [2, 3]) == {0, 1}
    assert determined([number], [2, 4]) == frozenset()
    assert determined([Slot(3, ((0, -3), (1, 1)))], [2, 3]) == {0, 1}
    assert determined([window], [3, 3]) == frozenset()
    assert determined([window, letter_slot(0)], [3, 3]) == {0, 1}
    assert determined([window, letter_slot(0, -2, 4)], [3, 3]) == {0, 1}
    assert determined([Slot(0, ((0, Table([0, 2, 1])),))], [3]) == {0}
    assert determined([Slot(0, ((0, Table([0, 2, 0])),))], [3]) == frozenset()
    assert determined([window], [1, 3]) == {0, 1}
