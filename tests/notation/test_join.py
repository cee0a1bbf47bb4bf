"""Joining slots: exact solutions, by the fast steps where these reach."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from jacobians.notation.join import composed, restricted, shifted, unify
from jacobians.notation.slots import Slot, Table, letter_slot, positions, table_slot
from jacobians.notation.terms import (
    Factor,
    Sum,
    identity,
    normal,
    plain_slots,
    scaled,
    total,
    transposed,
    whole,
)
from tests.notation.strategies import (
    all_slots,
    digits,
    evaluate,
    has_table,
    letter_sizes,
    middle_pairs,
    normalised,
    number_slot,
    operand,
    place,
    relabelled_nan,
    slots,
    sums,
    touched,
)

SlotPair = tuple[Slot, Slot]


def solutions(sizes: Sequence[int], equations: Sequence[SlotPair]) -> Counter[tuple[int, ...]]:
    """The values of all letters for which the equations hold, by trying all."""
    return Counter(
        letters
        for letters in product(*map(range, sizes))
        if all(place(left, letters) == place(right, letters) for left, right in equations)
    )


def solved(sizes: Sequence[int], equations: Sequence[SlotPair]) -> Counter[tuple[int, ...]]:
    """The same from ``unify``: what the letters' own slots have become, over all new letters."""
    found = unify(sizes, equations, plain_slots(sizes))
    if found is None:
        return Counter()
    new_sizes, new = found
    assert not any(has_table(s) and len(s.parts) > 1 for s in new)
    return Counter(
        tuple(place(slot, letters) for slot in new) for letters in product(*map(range, new_sizes))
    )


@given(st.data())
def test_unify_finds_each_solution_once(data: st.DataObject) -> None:
    sizes = data.draw(letter_sizes(96))
    pair = st.tuples(slots(sizes), slots(sizes))
    equations = data.draw(st.lists(pair, max_size=3))
    assert solved(sizes, equations) == solutions(sizes, equations)


@given(st.data())
def test_unify_rewrites_any_slot(data: st.DataObject) -> None:
    """Other slots, with tables too, keep their values as the letters are replaced."""
    sizes = tuple(max(size, 1) for size in data.draw(letter_sizes(96)))
    pair = st.tuples(slots(sizes), slots(sizes))
    equations = data.draw(st.lists(pair, min_size=1, max_size=2))
    others = data.draw(st.lists(slots(sizes), min_size=1, max_size=3))
    found = unify(sizes, equations, [*plain_slots(sizes), *others])
    if found is None:
        return
    new_sizes, new = found
    for letters in product(*map(range, new_sizes)):
        old = [place(slot, letters) for slot in new[: len(sizes)]]
        assert [place(s, letters) for s in new[len(sizes) :]] == [place(s, old) for s in others]


def test_digits_that_index_a_table_are_not_split() -> None:
    sizes = (6, 4, 2, 3, 4)
    equation = (number_slot([6, 4]), number_slot([2, 3, 4], 2))
    taken = table_slot(0, [3, 1, 4, 1, 5, 9])
    found = unify(sizes, [equation], [*plain_slots(sizes), taken])
    assert found is not None
    new_sizes, new = found
    for letters in product(*map(range, new_sizes)):
        assert place(new[5], letters) == place(taken, [place(new[0], letters)])
    assert prod(new_sizes) == 24


def test_progressions_are_not_listed() -> None:
    n = 10**12
    found = unify((n, n), [(letter_slot(0, 4), letter_slot(1, -6, 6 * n))], plain_slots((n, n)))
    assert found is not None
    sizes, (a, b) = found
    assert (a.parts[0][1], b.parts[0][1]) == (3, -2)
    # 4a = 6(n − b) with a < n and 0 < n − b, so that a = 3m with 1 ≤ m.
    assert sizes[a.letters[0]] == (n - 1) // 3


@given(st.data())
def test_unify_progressions(data: st.DataObject) -> None:
    sizes = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    strides = st.integers(-6, 6)
    first = letter_slot(0, data.draw(strides), data.draw(st.integers(-4, 9)))
    second = letter_slot(1, data.draw(strides), data.draw(st.integers(-4, 9)))
    expected = solutions(sizes, [(first, second)])
    event("empty" if not expected else "some")
    assert solved(sizes, [(first, second)]) == expected
    found = unify(sizes, [(first, second)], plain_slots(sizes))
    assert found is None or not has_table(*found[1])


@given(st.data())
def test_unify_numbers(data: st.DataObject) -> None:
    """Two mixed-radix numbers, of the same or of different ranges, over all digit orders."""
    left = data.draw(st.sampled_from([4, 6, 8, 12, 16, 24]).flatmap(digits))
    right = data.draw(st.sampled_from([4, 6, 8, 12, 16, 24]).flatmap(digits))
    sizes = (*left, *right)
    unit = data.draw(st.sampled_from([1, 1, 2, -3]))
    equation = (number_slot(left, 0, unit), number_slot(right, len(left), unit))
    assert solved(sizes, [equation]) == solutions(sizes, [equation])


@given(st.data())
def test_unify_positional_with_gaps(data: st.DataObject) -> None:
    """Positional numbers whose strides leave gaps, so that few digits divide."""

    def side(start: int) -> tuple[list[int], Slot]:
        sizes: list[int] = []
        parts: list[tuple[int, int | Table]] = []
        stride = data.draw(st.sampled_from([1, 1, 2]))
        for letter in range(start, start + data.draw(st.integers(1, 3))):
            sizes.append(data.draw(st.integers(2, 4)))
            parts.append((letter, stride))
            stride = stride * sizes[-1] + data.draw(st.sampled_from([0, 0, 1, 2]))
        return sizes, Slot(0, tuple(parts))

    left_sizes, left = side(0)
    right_sizes, right = side(len(left_sizes))
    sizes = (*left_sizes, *right_sizes)
    assert solved(sizes, [(left, right)]) == solutions(sizes, [(left, right)])


@given(st.data())
def test_unify_several_windows(data: st.DataObject) -> None:
    """The same windows on both sides, as in the derivative of a convolution's derivative."""
    o, w = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    sizes = (o, w, o, w)
    step = data.draw(st.integers(1, 2))
    equations = [
        (Slot(0, ((0, step), (1, 1))), Slot(0, ((2, step), (3, 1)))),
        (letter_slot(1), letter_slot(3)),
    ][: data.draw(st.integers(1, 2))]
    assert solved(sizes, equations) == solutions(sizes, equations)


def tables_in(sizes: Sequence[int], *equations: SlotPair) -> bool | None:
    found = unify(sizes, equations, plain_slots(sizes))
    return None if found is None else has_table(*found[1])


def test_letters_are_renamed() -> None:
    found = unify((3, 3), [(letter_slot(0), letter_slot(1))], plain_slots((3, 3)))
    assert found is not None
    assert found[1][0] == found[1][1]
    assert found[1][0].plain is not None
    assert sorted(found[0]) == [1, 3]
    # One letter is replaced by a whole expression that stays in its range.
    number = Slot(0, ((0, 3), (1, 1)))
    found = unify((2, 3, 6), [(letter_slot(2), number)], plain_slots((2, 3, 6)))
    assert found == ([2, 3, 1], [letter_slot(0), letter_slot(1), number])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([6, 4], [6, 4]),
        ([24], [2, 3, 4]),
        ([6, 4], [2, 12]),
        ([2, 3, 4], [6, 4]),
        ([4, 6], [2, 2, 6]),
        ([2, 2, 6], [4, 2, 3]),
    ],
)
def test_aligned_reshapes_need_no_table(left: list[int], right: list[int]) -> None:
    sizes = (*left, *right)
    equation = (number_slot(left), number_slot(right, len(left)))
    assert tables_in(sizes, equation) is False
    found = unify(sizes, [equation], plain_slots(sizes))
    assert found is not None
    assert prod(found[0]) == 24


def test_misaligned_reshapes_do() -> None:
    sizes = (2, 3, 3, 2)
    equation = (number_slot([2, 3]), number_slot([3, 2], 2))
    assert tables_in(sizes, equation) is True
    assert solved(sizes, [equation]) == solutions(sizes, [equation])
    assert sum(solutions(sizes, [equation]).values()) == 6


def test_a_shorter_number_leaves_the_other_digits_zero() -> None:
    sizes = (2, 2, 2, 3, 2)
    equation = (number_slot([2, 2]), number_slot([2, 3, 2], 2))
    assert tables_in(sizes, equation) is False
    assert solved(sizes, [equation]) == solutions(sizes, [equation])


def test_progressions_intersect_or_vanish() -> None:
    # Every second entry against every third: every sixth is left.
    found = unify((6, 4), [(letter_slot(0, 2), letter_slot(1, 3))], plain_slots((6, 4)))
    assert found is not None
    sizes, (a, b) = found
    assert a.parts[0][1] == 3
    assert b.parts[0][1] == 2
    assert sizes[a.letters[0]] == 2
    assert unify((6, 4), [(letter_slot(0, 2), letter_slot(1, 2, 1))], []) is None
    assert unify((3, 3), [(letter_slot(0), letter_slot(1, 1, 5))], []) is None
    assert unify((3,), [(letter_slot(0, 2), Slot(3))], []) is None
    assert unify((), [(Slot(3), Slot(2))], []) is None
    assert unify((), [(Slot(3), Slot(3))], []) == ([], [])


def test_letters_without_values_vanish() -> None:
    assert unify((0, 3), [(letter_slot(0), letter_slot(1))], []) is None
    empty = Sum((0,), ())
    assert composed(empty, empty, 1) == Sum((), ())


def test_the_join_of_tables_is_by_matching_not_by_trying_all_pairs() -> None:
    n = 200_000
    random = np.random.default_rng(0)
    first, second = random.permutation(n), random.permutation(n)
    equation = (table_slot(0, first), table_slot(1, second))
    found = unify((n, n), [equation], plain_slots((n, n)))
    assert found is not None
    sizes, (a, b) = found
    (letter,) = {*a.letters, *b.letters}
    assert sizes[letter] == n
    at_first, at_second = (positions(slot, sizes, [letter]) for slot in (a, b))
    assert np.array_equal(first[at_first], second[at_second])
    assert np.array_equal(np.sort(at_first), np.arange(n))


# The chain rule.


@given(middle_pairs())
def test_composed_sums_over_the_middle(pair: tuple[Sum, Sum, int]) -> None:
    left, right, count = pair
    found = composed(left, right, count)
    expected = np.tensordot(evaluate(left), evaluate(right), count)
    assert found.shape == expected.shape
    assert np.array_equal(evaluate(found), expected)


@given(middle_pairs())
def test_composed_terms_are_in_normal_form(pair: tuple[Sum, Sum, int]) -> None:
    found = composed(*pair)
    assert normalised(found) == found


@given(middle_pairs())
def test_composed_is_exactly_zero_where_structure_says_so(pair: tuple[Sum, Sum, int]) -> None:
    """With NaN in every operand, an entry is NaN exactly where the two patterns meet."""
    left, right, count = pair
    meets = np.tensordot(touched(left).astype(int), touched(right).astype(int), count) > 0
    found = composed(left, right, count)
    assert np.array_equal(touched(found), meets)
    with np.errstate(invalid="ignore"):
        values = evaluate(relabelled_nan(found))
    assert (values[~meets] == 0).all()


@given(sums())
def test_identity_is_neutral(tensor: Sum) -> None:
    n = len(tensor.shape)
    for cut in range(n + 1):
        left, right = identity(tensor.shape[:cut]), identity(tensor.shape[cut:])
        assert np.array_equal(evaluate(composed(left, tensor, cut)), evaluate(tensor))
        assert np.array_equal(evaluate(composed(tensor, right, n - cut)), evaluate(tensor))


def test_composition_of_matrix_products() -> None:
    """Jacobians of A B by B, then of B = C D by C: δ and one factor each."""
    A, D = operand(2, 3, seed=1), operand(5, 4, seed=2)
    i, j, k, l = (letter_slot(a) for a in range(4))
    # ∂(AB)_ij/∂B_kl = A_ik δ_jl, ∂(CD)_ij/∂C_kl = δ_ik D_lj
    first = total((2, 4, 3, 4), [normal(1, (2, 4, 3), [Factor(A, (i, k))], [i, j, k, j])])
    second = total((3, 4, 3, 5), [normal(1, (3, 4, 5), [Factor(D, (k, j))], [i, j, i, k])])
    found = composed(first, second, 2)
    expected = np.einsum("ik,lj->ijkl", A.values, D.values)
    assert np.array_equal(evaluate(found), expected)
    (term,) = found.terms
    assert term.sizes == (2, 4, 3, 5)
    assert l.plain == 3
    assert all(slot.plain is not None for slot in all_slots(found))


def test_slices_of_slices_and_flips_need_no_table() -> None:
    def taken(size: int, rows: range) -> Sum:
        """∂x[rows]/∂x."""
        slots = [letter_slot(0), letter_slot(0, rows.step, rows.start)]
        return total((len(rows), size), [normal(1, (len(rows),), [], slots)])

    outer, inner = range(1, 5, 2), range(10, -1, -2)
    found = composed(taken(len(inner), outer), taken(11, inner), 1)
    assert not has_table(*all_slots(found))
    assert np.array_equal(evaluate(found), np.eye(11)[::-1][::2][1:5:2])
    flip = taken(4, range(3, -1, -1))
    twice = composed(flip, flip, 1)
    assert twice == identity((4,))


@pytest.mark.parametrize(
    ("middle", "tables"), [((6, 4), False), ((2, 12), False), ((24,), False), ((8, 3), True)]
)
def test_reshapes_there_and_back(middle: tuple[int, ...], tables: bool) -> None:
    """A reshape from (2, 3, 4) to another shape and from there to (6, 4)."""

    def reshape(new: tuple[int, ...], old: tuple[int, ...]) -> Sum:
        # Both are read off the flat position, which the longer one's digits give.
        flat = composed(number(new), transposed(number(old), [len(old), *range(len(old))]), 1)
        return Sum((*new, *old), flat.terms)

    def number(shape: tuple[int, ...]) -> Sum:
        """1 where the last axis is the flat position of the others."""
        slot = Slot(0, tuple((axis, prod(shape[axis + 1 :])) for axis in range(len(shape))))
        return total((*shape, prod(shape)), [normal(1, shape, [], [*plain_slots(shape), slot])])

    first, second = reshape(middle, (2, 3, 4)), reshape((6, 4), middle)
    expected = np.eye(24).reshape(*middle, 2, 3, 4)
    assert np.array_equal(evaluate(first), expected)
    assert has_table(*all_slots(first)) == tables
    found = composed(second, first, len(middle))
    assert np.array_equal(evaluate(found), np.eye(24).reshape(6, 4, 2, 3, 4))
    if not tables:
        assert not has_table(*all_slots(found))


def test_windows_and_duplicate_indices() -> None:
    x = operand(4, seed=3)
    # Windows o + w of an axis of 5, then x[t] with t hit twice.
    windows = total(
        (3, 3, 5),
        [normal(1, (3, 3), [], [letter_slot(0), letter_slot(1), Slot(0, ((0, 1), (1, 1)))])],
    )
    taken = total(
        (5, 4),
        [
            normal(
                1,
                (5,),
                [Factor(x, (table_slot(0, [3, 0, 0, 2, 3]),))],
                [letter_slot(0), table_slot(0, [3, 0, 0, 2, 3])],
            )
        ],
    )
    found = composed(windows, taken, 1)
    expected = np.einsum("owa,ab->owb", evaluate(windows), evaluate(taken))
    assert np.array_equal(evaluate(found), expected)


# Slices and diagonals.


@given(st.data())
def test_restricted_is_where_the_equations_hold(data: st.DataObject) -> None:
    tensor = data.draw(sums(3, terms=1))
    term = tensor.terms[0] if tensor.terms else None
    if term is None:
        return
    # An axis at a position that is read off a new letter, or two axes that are equal.
    first, second, third = term.slots
    number = len(term.sizes)
    wide = term._replace(sizes=(*term.sizes, 3))
    new = letter_slot(number, *data.draw(st.sampled_from([(1, 0), (-1, 2), (2, 1), (0, 1)])))
    equations = data.draw(
        st.sampled_from([[(first, new)], [(first, second)], [(second, third), (first, new)], []])
    )
    placed = [letter_slot(number), *data.draw(st.sampled_from([[third], [second, third]]))]
    found = restricted(wide, equations, placed)
    shape = (3, *(tensor.shape[3 - len(placed) + 1 :]))
    expected = np.zeros(shape)
    for letters in product(*map(range, wide.sizes)):
        if all(place(left, letters) == place(right, letters) for left, right in equations):
            value = term.coefficient
            for f in term.factors:
                value = value * f.operand.values[tuple(place(s, letters) for s in f.slots)]
            expected[tuple(place(s, letters) for s in placed)] += value
    assert np.array_equal(evaluate(total(shape, [found])), expected)


@given(sums(3))
def test_slices_and_diagonals(tensor: Sum) -> None:
    dense = evaluate(tensor)
    n, m, _ = tensor.shape

    def rewritten(equations: Sequence[tuple[int, Slot]], kept: Sequence[int]) -> Sum:
        terms = [
            restricted(
                t, [(t.slots[axis], slot) for axis, slot in equations], [t.slots[a] for a in kept]
            )
            for t in tensor.terms
        ]
        return total([tensor.shape[a] for a in kept], terms)

    for at in range(n):
        assert np.array_equal(evaluate(rewritten([(0, Slot(at))], [1, 2])), dense[at])
    for at in range(m):
        assert np.array_equal(evaluate(rewritten([(1, Slot(at))], [0, 2])), dense[:, at])
    terms = [restricted(t, [(t.slots[0], t.slots[1])], t.slots[1:]) for t in tensor.terms]
    size = min(n, m)
    expected = np.zeros(tensor.shape[1:])
    for at in range(size):
        expected[at] = dense[at, at]
    assert np.array_equal(evaluate(total(tensor.shape[1:], terms)), expected)


def test_a_slice_keeps_letters() -> None:
    tensor = whole(operand(4, 3), (4, 3))
    (term,) = tensor.terms
    row = restricted(term, [(term.slots[0], Slot(2))], term.slots[1:])
    assert row is not None
    assert row.sizes == (3,)
    assert row.factors[0].slots == (Slot(2), letter_slot(0))
    assert restricted(term, [(term.slots[0], Slot(4))], term.slots[1:]) is None


def test_shifted() -> None:
    slot = Slot(2, ((0, -1), (3, Table([0, 2, 1]))))
    assert shifted(slot, 4) == Slot(2, ((4, -1), (7, Table([0, 2, 1]))))


def test_composition_is_linear() -> None:
    B, C = whole(operand(2, 3), (2, 3)), whole(operand(3, 4, seed=1), (3, 4))
    found = composed(scaled(B, 2), scaled(C, -1.5), 1)
    assert np.array_equal(evaluate(found), -3 * evaluate(B) @ evaluate(C))
    assert len(composed(Sum((2, 3), B.terms * 2), Sum((3, 4), C.terms * 3), 1).terms) == 6
