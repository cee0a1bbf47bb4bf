"""Rewrites: the tensor stays, terms do not become more, and each does what it says."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacobians.notation.rewrite import (
    absorb,
    collapse,
    contract,
    factor_out,
    join_factors,
    merge,
    tidy,
)
from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, Term, letter_count, normal, total
from tests.notation.strategies import (
    Operand,
    all_slots,
    evaluate,
    make,
    mask,
    normalised,
    numbers,
    operand,
    related_sums,
    sums,
    touched,
    values_of,
)

i, j, k, l, r, p = (letter_slot(a) for a in range(6))

REWRITES: dict[str, Callable[[Sum], Sum]] = {
    "merge": merge,
    "contract": lambda s: Sum(s.shape, tuple(contract(t, make) for t in s.terms)),
    "absorb": lambda s: Sum(s.shape, tuple(absorb(t, make) for t in s.terms)),
    "factor_out": lambda s: factor_out(s, make),
    "collapse": lambda s: collapse(s, make),
    "tidy": lambda s: tidy(s, make),
    "all": lambda s: collapse(tidy(s, make), make),
}


def held(name: str, tensor: Sum) -> None:
    """What every rewrite promises."""
    found = REWRITES[name](tensor)
    assert found.shape == tensor.shape
    assert np.allclose(evaluate(found), evaluate(tensor), rtol=1e-12, atol=0)
    assert len(found.terms) <= len(tensor.terms)
    assert normalised(found) == found
    # No structure is lost.
    assert not (touched(found, masked=False) & ~touched(tensor, masked=False)).any()


@pytest.mark.parametrize("name", REWRITES)
@given(related_sums())
def test_rewrites_of_related_terms(name: str, tensor: Sum) -> None:
    held(name, tensor)


@pytest.mark.parametrize("name", REWRITES)
@given(sums())
def test_rewrites_of_any_terms(name: str, tensor: Sum) -> None:
    held(name, tensor)


@given(related_sums())
def test_tidy_terms_are_all_different(tensor: Sum) -> None:
    found = tidy(tensor, make)
    assert len(merge(found).terms) == len(found.terms)


# Merge.


def one(sizes: tuple[int, ...], factors: list[Factor], slots: list[Slot], c: float = 1) -> Term:
    found = normal(c, sizes, factors, slots)
    assert found is not None
    return found


def test_a_symmetric_pair_becomes_a_factor_2() -> None:
    X, y = operand(3, 3), operand(3, seed=1)
    first = one((3, 3), [Factor(X, (i, j)), Factor(y, (j,))], [i, j])
    second = one((3, 3), [Factor(y, (j,)), Factor(X, (i, j))], [i, j])
    found = merge(Sum((3, 3), (first, second)))
    assert found.terms == (first._replace(coefficient=2),)


def test_cancelling_terms_vanish() -> None:
    X = operand(2, 3)
    term = one((2, 3), [Factor(X, (i, j))], [i, j])
    other = one((2, 3), [Factor(X, (i, j))], [i, j], -1)
    assert merge(Sum((2, 3), (term, other))).terms == ()
    assert merge(Sum((2, 3), (term, other, term))).terms == (term,)


def test_merge_tells_terms_apart() -> None:
    X = operand(3, 3)
    whole = one((3, 3), [Factor(X, (i, j))], [i, j])
    other_slots = one((3, 3), [Factor(X, (j, i))], [i, j])
    diagonal = one((3,), [Factor(X, (i, i))], [i, i])
    other_operand = one((3, 3), [Factor(operand(3, 3), (i, j))], [i, j])
    partial = one((2, 3), [Factor(X, (i, j))], [i, j])
    selects = one((3, 3), [Factor(X, (i, j), True)], [i, j])
    terms = (whole, other_slots, diagonal, other_operand, partial, selects)
    assert merge(Sum((3, 3), terms)).terms == terms


def permuted(term: Term, order: tuple[int, ...], names: tuple[int, ...]) -> Term:
    """The term with factors in another order and summed letters with other names."""
    known = len(term.kept)
    rename = {a: a for a in range(known)} | {known + a: known + b for a, b in enumerate(names)}
    sizes = list(term.sizes)
    for old, new in rename.items():
        sizes[new] = term.sizes[old]
    factors = [
        f._replace(
            slots=tuple(
                Slot(s.constant, tuple(sorted((rename[a], stride) for a, stride in s.parts)))
                for s in f.slots
            )
        )
        for f in (term.factors[n] for n in order)
    ]
    return one(tuple(sizes), factors, list(term.slots), term.coefficient)


A, B, C, x = operand(3, 3), operand(3, 3, seed=1), operand(3, 3, seed=2), operand(3, seed=3)
Y = operand(5, seed=4)


@pytest.mark.parametrize(
    "factors",
    [
        [Factor(A, (i, j)), Factor(A, (i, k)), Factor(B, (k, j))],
        [Factor(x, (j,)), Factor(x, (k,)), Factor(C, (j, k))],
        [Factor(x, (j,)), Factor(x, (k,)), Factor(x, (l,)), Factor(C, (j, k)), Factor(C, (k, l))],
        [Factor(C, (j, k)), Factor(C, (k, l)), Factor(C, (l, j)), Factor(x, (i,))],
        [Factor(A, (j, k)), Factor(A, (k, j))],
        [Factor(A, (j, j)), Factor(A, (k, l)), Factor(B, (l, k))],
        [Factor(Y, (Slot(0, ((1, 1), (2, 1))),)), Factor(x, (j,)), Factor(A, (k, j))],
        [Factor(Y, (letter_slot(1, -1, 4),)), Factor(A, (j, k)), Factor(B, (k, i))],
        [Factor(A, (j, k), True), Factor(B, (k, j))],
        [Factor(C, (j, k)), Factor(C, (k, l)), Factor(C, (l, r)), Factor(C, (r, j))],
    ],
)
def test_merge_sees_through_order_and_names(factors: list[Factor]) -> None:
    sizes = (3, *(3 for _ in {a for f in factors for a in f.letters if a > 0}))
    term = one(sizes, factors, [i])
    summed = len(term.sizes) - 1
    everything = tuple(
        permuted(term, order, names)
        for order in permutations(range(len(factors)))
        for names in permutations(range(summed))
    )
    for other in everything:
        assert np.array_equal(evaluate(Sum((3,), (other,))), evaluate(Sum((3,), (term,))))
    (found,) = merge(Sum((3,), everything)).terms
    assert found.coefficient == len(everything)


def test_merge_sees_through_the_direction_of_a_summed_letter() -> None:
    u, v = operand(3, seed=5), operand(3, seed=6)
    back = letter_slot(1, -1, 2)
    first = one((2, 3), [Factor(u, (j,)), Factor(v, (back,))], [i])
    second = one((2, 3), [Factor(v, (j,)), Factor(u, (back,))], [i])
    assert len(merge(Sum((2,), (first, second))).terms) == 1


def test_merge_of_many_alike_letters_stays_quick() -> None:
    letters = [letter_slot(n) for n in range(9)]
    term = one((2,) * 9, [Factor(operand(2), (s,)) for s in letters], [])
    same = one((2,) * 9, [Factor(x, (s,)) for s in letters], [])
    assert len(merge(Sum((), (term, same, same))).terms) == 2


# Contract and absorb.


def test_contract_makes_the_chain_of_matrices() -> None:
    B, C, D = operand(2, 3), operand(3, 4, seed=1), operand(4, 3, seed=2)
    factors = [Factor(B, (i, k)), Factor(C, (k, l)), Factor(D, (l, j))]
    term = one((2, 3, 3, 4), factors, [i, j])
    found = contract(term, make)
    assert found.sizes == (2, 3)
    (factor,) = found.factors
    assert np.array_equal(values_of(factor.operand), B.values @ C.values @ D.values)
    assert factor.slots == (i, j)


def test_contract_does_not_grow() -> None:
    """An outer product of two vectors over a short letter stays two factors."""
    B, C = operand(4, 2), operand(5, 2, seed=1)
    term = one((4, 5, 2), [Factor(B, (i, k)), Factor(C, (j, k))], [i, j])
    assert contract(term, make) == term


def test_contract_keeps_deltas() -> None:
    B, C = operand(4, 3), operand(3, 2, seed=1)
    term = one((5, 2, 4, 3), [Factor(B, (k, l)), Factor(C, (l, j))], [i, j, i, k])
    found = contract(term, make)
    assert found.slots[0] == found.slots[2]
    assert len(found.factors) == 1
    assert np.array_equal(
        evaluate(Sum((5, 2, 5, 4), (found,))), evaluate(Sum((5, 2, 5, 4), (term,)))
    )


def test_contract_leaves_lone_masks() -> None:
    select = mask(3, 4)
    term = one((3, 4), [Factor(select, (i, j), True)], [i])
    assert contract(term, make) == term


def test_absorb() -> None:
    v, X, c = operand(3), operand(2, 3, seed=1), operand(seed=2)
    term = one((2, 3), [Factor(v, (j,)), Factor(X, (i, j)), Factor(c, ())], [i, j])
    (factor,) = absorb(term, make).factors
    assert np.array_equal(values_of(factor.operand), X.values * v.values * c.values)
    # Neither contains the other.
    u = operand(2)
    term = one((2, 3), [Factor(v, (j,)), Factor(u, (i,))], [i, j])
    assert absorb(term, make) == term


def test_masks_are_not_absorbed() -> None:
    select, X = mask(2, 3), operand(2, 3)
    term = one((2, 3), [Factor(select, (i, j), True), Factor(X, (i, j))], [i, j])
    assert absorb(term, make) == term


def test_join_factors() -> None:
    B, C = operand(2, 3), operand(3, 4, seed=1)
    found = join_factors([Factor(B, (i, j)), Factor(C, (j, k))], [0, 2], (2, 3, 4), make, -2)
    assert found.slots == (i, k)
    assert not found.mask
    assert np.array_equal(values_of(found.operand), -2 * B.values @ C.values)


# Factor out.


def test_terms_that_differ_in_one_factor_add() -> None:
    X, Y, v = operand(2, 3), operand(3, 2, seed=1), operand(3, seed=2)
    first = one((2, 3), [Factor(X, (i, j)), Factor(v, (j,))], [i, j], 2)
    second = one((2, 3), [Factor(v, (j,)), Factor(Y, (j, i))], [i, j], -1)
    (found,) = factor_out(Sum((2, 3), (first, second)), make).terms
    assert found.coefficient == 1
    assert {f.operand for f in found.factors} > {v}
    (made,) = (f for f in found.factors if f.operand is not v)
    assert np.array_equal(values_of(made.operand), 2 * X.values - Y.values.T)


def test_other_letters_or_other_slots_do_not_add() -> None:
    X, v, w = operand(2, 3), operand(3, seed=2), operand(2, seed=3)
    first = one((2, 3), [Factor(X, (i, j)), Factor(v, (j,))], [i, j])
    second = one((2, 3), [Factor(X, (i, j)), Factor(w, (i,))], [i, j])
    third = one((3,), [Factor(v, (i,)), Factor(v, (i,))], [letter_slot(0), letter_slot(0)])
    terms = (first, second)
    assert factor_out(Sum((2, 3), terms), make).terms == terms
    terms = (first, third)
    assert factor_out(Sum((3, 3), terms), make).terms == terms


def test_factor_out_leaves_masks_and_windows() -> None:
    select, other, X = mask(3), mask(3, seed=1), operand(3, seed=2)
    first = one((3,), [Factor(select, (i,), True), Factor(X, (i,))], [i])
    second = one((3,), [Factor(other, (i,), True), Factor(X, (i,))], [i])
    assert factor_out(Sum((3,), (first, second)), make).terms == (first, second)
    Y, Z = operand(4), operand(4, seed=1)
    window = Slot(0, ((0, 1), (1, 1)))
    first = one((3, 2), [Factor(Y, (window,))], [i, j])
    second = one((3, 2), [Factor(Z, (window,))], [i, j])
    assert factor_out(Sum((3, 2), (first, second)), make).terms == (first, second)


# Collapse.


def test_collapse_keeps_common_factors_outside() -> None:
    v, X, Y = operand(4), operand(3, 3, seed=1), operand(3, 3, seed=2)
    slots = [i, j, k]
    first = one((4, 3, 3), [Factor(v, (i,)), Factor(X, (j, k))], slots, 2)
    second = one((4, 3, 3), [Factor(Y, (k, j)), Factor(v, (i,))], slots)
    (found,) = collapse(Sum((4, 3, 3), (first, second)), make).terms
    assert [f.operand for f in found.factors if f.operand is v] == [v]
    (core,) = (f for f in found.factors if f.operand is not v)
    assert np.array_equal(values_of(core.operand), 2 * X.values + Y.values.T)
    assert core.slots == (j, k)


def test_collapse_keeps_a_repeated_common_factor_once_too_many() -> None:
    v, X = operand(3), operand(3, seed=1)
    first = one((3,), [Factor(v, (i,)), Factor(v, (i,)), Factor(X, (i,))], [i])
    second = one((3,), [Factor(v, (i,)), Factor(X, (i,))], [i])
    tensor = Sum((3,), (first, second))
    found = collapse(tensor, make)
    assert len(found.terms) == 1
    assert np.array_equal(evaluate(found), evaluate(tensor))


def outer_products(count: int, n: int) -> Sum:
    """So many outer products of two vectors of length n: 2n numbers each, a core of n²."""
    terms = [
        one(
            (n, n),
            [Factor(operand(n, seed=2 * t), (i,)), Factor(operand(n, seed=2 * t + 1), (j,))],
            [i, j],
        )
        for t in range(count)
    ]
    return Sum((n, n), tuple(terms))


@pytest.mark.parametrize(
    ("count", "n", "collapses"),
    [
        (2, 4, True),  # a core of 16 for 16 numbers
        (2, 5, False),  # 25 for 20
        (3, 24, True),  # 576 for 144: four times
        (3, 25, False),  # 625 for 150
        (4, 32, True),
        (4, 33, False),
        (5, 60, True),  # any size
        (1, 2, False),
    ],
)
def test_collapse_obeys_the_limits_of_size(count: int, n: int, *, collapses: bool) -> None:
    tensor = outer_products(count, n)
    found = collapse(tensor, lambda _sum, _operands: Operand(np.zeros((n, n))))
    assert (len(found.terms) == 1) == (collapses or count == 1)
    if not collapses:
        assert found == tensor


def test_collapse_only_joins_terms_with_equal_slots() -> None:
    X = operand(3, 3)
    first = one((3, 3), [Factor(X, (i, j))], [i, j])
    second = one((3,), [Factor(X, (i, i))], [i, i])
    assert collapse(Sum((3, 3), (first, second)), make).terms == (first, second)


def test_collapse_keeps_deltas() -> None:
    X, Y = operand(3, 2), operand(3, 2, seed=1)
    first = one((4, 3, 2), [Factor(X, (j, k))], [i, j, i, k])
    second = one((4, 3, 2), [Factor(Y, (j, k))], [i, j, i, k])
    (found,) = collapse(Sum((4, 3, 4, 2), (first, second)), make).terms
    assert found.slots == (i, j, i, k)
    assert letter_count(found.sizes, found.factors[0].letters) == 6


# Masks: what they rule out stays 0, whatever else is infinite there.


def test_common_masks_stay_outside_of_the_core() -> None:
    select = Operand(np.array([True, False, True]))
    bad = Operand(np.array([1.0, np.inf, 2.0]))
    X, Y = operand(3), operand(3, seed=1)
    terms = tuple(
        one((3,), [Factor(select, (i,), True), Factor(f, (i,)), Factor(bad, (i,))], [i])
        for f in (X, Y)
    )
    for name in ("collapse", "tidy"):
        (found,) = REWRITES[name](Sum((3,), terms)).terms
        assert Factor(select, (i,), True) in found.factors
        values = evaluate(Sum((3,), (found,)))
        assert values[1] == 0
        assert np.isfinite(values).all()


def test_a_mask_survives_a_contraction_beside_it() -> None:
    select = Operand(np.array([[True], [False]]))
    one_axis = Slot()
    B, C = operand(2, 3), operand(3, seed=1)
    bad = Operand(np.array([1.0, np.inf]))
    term = one(
        (2, 3),
        [
            Factor(select, (i, one_axis), True),
            Factor(B, (i, j)),
            Factor(C, (j,)),
            Factor(bad, (i,)),
        ],
        [i],
    )
    found = tidy(Sum((2,), (term,)), make)
    values = evaluate(found)
    assert values[1] == 0
    assert values[0] == B.values[0] @ C.values


@given(st.data())
def test_masks_over_kept_letters_rule_out_infinities(data: st.DataObject) -> None:
    """With NaN wherever the common mask is false, every rewrite leaves exact zeros there."""
    select = mask(3, 4, seed=data.draw(st.integers(0, 5)))
    terms = []
    pool = []
    for seed in range(3):
        values = numbers((3, 4), seed)
        values[~select.values] = np.nan
        pool.append(Factor(Operand(values), (i, j)))
    pool.append(Factor(operand(4, 3, seed=9), (j, k)))
    for _ in range(data.draw(st.integers(1, 4))):
        chosen = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
        terms.append(normal(1, (3, 4, 3), [Factor(select, (i, j), True), *chosen], [i, j]))
    tensor = total((3, 4), terms)
    for name, rewrite in REWRITES.items():
        values = evaluate(rewrite(tensor))
        assert (values[~select.values] == 0).all(), name
        assert np.array_equal(values, evaluate(tensor)), name


def test_windows_and_tables_are_read_as_they_are() -> None:
    """A factor that is read through a table is joined into one over plain letters."""
    Z, v = operand(4), operand(3, seed=1)
    taken = table_slot(0, [3, 0, 0])
    tensor = Sum((3,), (one((3,), [Factor(Z, (taken,)), Factor(v, (i,))], [i]),))
    found = tidy(tensor, make)
    assert all(slot.plain is not None for slot in all_slots(found))
    assert np.array_equal(evaluate(found), Z.values[[3, 0, 0]] * v.values)
