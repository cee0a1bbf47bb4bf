"""Terms and sums: every function keeps the tensor, or changes it as it says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jacobians.notation.slots import ZERO, Slot, Table, letter_slot
from jacobians.notation.terms import (
    Factor,
    Sum,
    Term,
    added,
    contracted,
    fits,
    full_letter,
    identity,
    letter_count,
    normal,
    plain_slots,
    relabelled,
    scaled,
    total,
    transposed,
    whole,
)
from tests.notation.strategies import (
    Operand,
    all_slots,
    entries,
    evaluate,
    mask,
    normalised,
    operand,
    raw_sums,
    sums,
    values_of,
)


@given(raw_sums())
def test_normal_keeps_the_tensor(tensor: Sum) -> None:
    assert np.array_equal(evaluate(normalised(tensor)), evaluate(tensor))


@given(raw_sums())
def test_normal_form(tensor: Sum) -> None:
    for term in normalised(tensor).terms:
        assert 0 not in term.sizes
        assert 1 not in term.sizes
        everything = all_slots(Sum(tensor.shape, (term,)))
        seen = [a for slot in everything for a in slot.letters]
        assert list(dict.fromkeys(seen)) == list(range(len(term.sizes)))
        assert term.kept == frozenset(range(len(term.kept)))
        again = normal(term.coefficient, term.sizes, term.factors, term.slots)
        assert again == term


def test_normal_by_hand() -> None:
    x = Operand([1.0, 2.0])
    assert normal(1, (0, 2), [Factor(x, (letter_slot(1),))], []) is None
    # Size 1 becomes the constant 0; a letter that stands nowhere counts.
    found = normal(2, (1, 5, 2), [Factor(x, (letter_slot(2),))], [letter_slot(0), letter_slot(2)])
    assert found == Term(10, (2,), (Factor(x, (letter_slot(0),)),), (ZERO, letter_slot(0)))


@given(st.data())
def test_transposed(data: st.DataObject) -> None:
    tensor = data.draw(sums())
    axes = data.draw(st.permutations(range(len(tensor.shape))))
    found = transposed(tensor, axes)
    assert np.array_equal(evaluate(found), evaluate(tensor).transpose(axes))


@given(sums(), st.sampled_from([0, 2, -0.5]))
def test_scaled(tensor: Sum, number: float) -> None:
    assert np.array_equal(evaluate(scaled(tensor, number)), number * evaluate(tensor))


@given(st.data())
def test_added(data: st.DataObject) -> None:
    axes = data.draw(st.integers(0, 2))
    some = [data.draw(sums(axes, 24, 2, seed)) for seed in (0, 10, 20)]
    shape = tuple(max(s.shape[axis] for s in some) for axis in range(axes))
    some = [Sum(shape, s.terms) for s in some]
    assert np.array_equal(evaluate(added(some)), sum(evaluate(s) for s in some))


@given(st.data())
def test_contracted(data: st.DataObject) -> None:
    tensor = data.draw(sums())
    axes = data.draw(st.permutations(range(len(tensor.shape))))
    axes = axes[: data.draw(st.integers(0, len(axes)))]
    shape = [tensor.shape[a] for a in axes]
    selects = data.draw(st.booleans())
    other = mask(*shape, seed=30) if selects else operand(*shape, seed=30, name="G")
    found = contracted(tensor, other, axes, mask=selects)
    expected = np.tensordot(other.values.astype(float), evaluate(tensor), (range(len(axes)), axes))
    assert np.array_equal(evaluate(found), expected)
    assert found.shape == expected.shape


def test_contraction_with_a_mask_selects() -> None:
    bad = Operand(np.array([[np.inf, 1.0], [np.nan, 2.0]]))
    select = Operand(np.array([False, True]))
    found = contracted(whole(bad, (2, 2)), select, [1], mask=True)
    assert evaluate(found).tolist() == [1.0, 2.0]


def test_whole_and_identity() -> None:
    B = operand(2, 1, 3)
    assert np.array_equal(evaluate(whole(B, (2, 1, 3))), B.values)
    select = mask(2, 3)
    assert np.array_equal(evaluate(whole(select, (2, 3), mask=True)), select.values)
    expected = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(3))
    assert np.array_equal(evaluate(identity((2, 3))), expected)
    assert identity((2, 3)).terms[0].factors == ()
    assert evaluate(identity(())) == 1
    assert identity((2, 0)) == Sum((2, 0, 2, 0), ())
    assert evaluate(identity((1, 2)))[0, :, 0].tolist() == [[1, 0], [0, 1]]


def test_operands_are_distinct_and_in_order() -> None:
    B, C = operand(2, 2), operand(2, 2, seed=1)
    slots = plain_slots((2, 2))
    term = Term(1, (2, 2), (Factor(C, slots), Factor(B, slots), Factor(C, slots)), slots)
    tensor = Sum((2, 2), (term, term))
    assert tensor.operands == (C, B)
    renamed = relabelled(tensor, {C: "C", B: "B"}.__getitem__)
    assert renamed.operands == ("C", "B")
    back = relabelled(renamed, {"C": C, "B": B}.__getitem__)
    assert back == tensor
    assert values_of(back.operands[0]) is C.values


def test_total_drops_what_vanished() -> None:
    term = Term(1, (), (), ())
    assert total([], [None, term, None]) == Sum((), (term,))


def test_letters_and_sizes() -> None:
    factor = Factor("x", (Slot(0, ((0, 3), (2, 1))), letter_slot(2), ZERO))
    assert factor.letters == {0, 2}
    assert letter_count((2, 3, 4), [0, 2]) == 8
    assert letter_count((2, 3, 4), []) == 1
    assert full_letter(letter_slot(1), (2, 3), 3) == 1
    assert full_letter(letter_slot(1), (2, 3), 4) is None
    assert full_letter(letter_slot(1, 2), (2, 3), 3) is None
    assert full_letter(ZERO, (2, 3), 1) is None


@given(raw_sums(terms=1))
def test_fits(tensor: Sum) -> None:
    for term in normalised(tensor).terms:
        assert fits(term, tensor.shape)
        reached = [at for at, _ in entries(term._replace(factors=()), tensor.shape)]
        for axis in range(len(tensor.shape)):
            shape = list(tensor.shape)
            shape[axis] = max(at[axis] for at in reached)
            assert not fits(term, shape)


def test_fits_sees_both_ends() -> None:
    term = Term(1, (3,), (), (letter_slot(0, -1, 2),))
    assert fits(term, (3,))
    assert not fits(term, (2,))
    assert not fits(term._replace(slots=(letter_slot(0, -1, 1),)), (3,))
    assert fits(term._replace(slots=(Slot(0, ((0, Table([0, 4, 1])),)),)), (5,))
