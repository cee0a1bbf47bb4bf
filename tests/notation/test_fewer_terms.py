"""Stacking, gathering and listing: the same tensor, no wider, and in fewer terms, as loops write them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacobians.notation.gathering import gather, listed
from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.stacking import batched
from jacobians.notation.structure import nonzeros
from jacobians.notation.terms import Factor, Sum, normal, total
from tests.notation.strategies import (
    COEFFICIENTS,
    evaluate,
    make,
    normalised,
    operand,
    raw_terms,
    relabelled_nan,
    related_sums,
    shape_for,
    sums,
    touched,
    values_of,
)

FEWER = {
    "batched": lambda s: batched(s, make),
    "gather": lambda s: gather(s, make),
    "listed": lambda s: listed(s, make),
    "all": lambda s: listed(gather(batched(s, make), make), make),
}


@st.composite
def looped(draw: st.DrawFn) -> Sum:
    """What a loop writes: terms of a few kinds at other places, with other operands and numbers."""
    axes = draw(st.integers(1, 3))
    kinds = [draw(raw_terms(axes, 12, 10 * n)) for n in range(draw(st.integers(1, 2)))]
    terms = []
    for number in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(kinds))
        moved = [s._replace(constant=s.constant + draw(st.integers(0, 5))) for s in kind.slots]
        own = [
            f
            if f.mask or draw(st.booleans())
            else f._replace(operand=operand(*values_of(f.operand).shape, seed=100 + number))
            for f in kind.factors
        ]
        same = draw(st.booleans())
        terms.append(
            kind._replace(
                coefficient=kind.coefficient if same else draw(COEFFICIENTS),
                factors=tuple(own), slots=tuple(kind.slots if draw(st.booleans()) else moved),
            )
        )  # fmt: skip
    return normalised(Sum(shape_for(terms, axes), tuple(terms)))


def held(name: str, tensor: Sum) -> None:
    """The tensor, its pattern, and its zeros beside NaN."""
    found = FEWER[name](tensor)
    assert found.shape == tensor.shape
    assert len(found.terms) <= len(tensor.terms)
    assert normalised(found) == found
    np.testing.assert_allclose(evaluate(found), evaluate(tensor), rtol=1e-12, atol=1e-12)
    allowed = touched(tensor, masked=False)
    assert not (touched(found, masked=False) & ~allowed).any()
    assert nonzeros(found) == np.count_nonzero(touched(found, masked=False))
    bad = relabelled_nan(tensor)
    with np.errstate(invalid="ignore"):
        spread = np.isnan(evaluate(FEWER[name](bad)))
        assert not (spread & ~np.isnan(evaluate(bad))).any()


@pytest.mark.parametrize("name", FEWER)
@settings(max_examples=40)
@given(tensor=st.one_of(looped(), looped(), related_sums(), sums(terms=5)))
def test_the_tensor_stays_and_its_pattern_is_no_wider(name: str, tensor: Sum) -> None:
    held(name, tensor)


i, j = letter_slot(0), letter_slot(1)


def rows(count: int, *, at=lambda n: n, weight=lambda n: 1) -> Sum:
    """Row ``at(n)`` is ``weight(n)`` times a vector of its own, on the diagonal from there."""
    made = [
        normal(weight(n), (3,), [Factor(operand(3, seed=n), (i,))], [Slot(at(n)), Slot(n, ((0, 1),))])
        for n in range(count)
    ]  # fmt: skip
    return total((max(map(at, range(count))) + 1, count + 2), made)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 17])
@pytest.mark.parametrize("weight", [lambda n: 1, lambda n: n - 1.5])
@pytest.mark.parametrize("at", [lambda n: n, lambda n: 2 * n, lambda n: n * n % 7, lambda n: 0])
def test_rows_of_a_loop_are_one_term_from_three_on(count, weight, at):
    tensor = rows(count, at=at, weight=weight)
    found = batched(tensor, make)
    assert len(found.terms) == (count if count < 3 else 1)
    np.testing.assert_array_equal(evaluate(found), evaluate(tensor))
    np.testing.assert_array_equal(touched(found), touched(tensor))


def test_evenly_spaced_places_need_no_table():
    (term,) = batched(rows(9, at=lambda n: 2 * n), make).terms
    assert all(slot.affine for slot in term.slots)
    (term,) = batched(rows(9, at=lambda n: n * n), make).terms
    assert not all(slot.affine for slot in term.slots)


def test_terms_of_one_place_are_summed_over_what_is_stacked():
    """Σ_n u_n v_nᵀ: the gradient of a loop's weights is one product."""
    pairs = [(operand(4, seed=n), operand(5, seed=50 + n)) for n in range(6)]
    tensor = total(
        (4, 5), [normal(2, (4, 5), [Factor(u, (i,)), Factor(v, (j,))], [i, j]) for u, v in pairs]
    )
    (term,) = batched(tensor, make).terms
    assert term.sizes == (4, 5, 6)
    assert Counter(f.operand.values.shape for f in term.factors) == {(6, 4): 1, (6, 5): 1}
    exact = 2 * np.einsum("ni,nj->ij", *(np.stack([p[s].values for p in pairs]) for s in (0, 1)))
    np.testing.assert_array_equal(evaluate(batched(tensor, make)), exact)


def test_terms_that_fill_a_block_are_one_and_others_stay_apart():
    full = [normal(1, (4,), [Factor(operand(4, seed=n), (i,))], [Slot(n + 2), i]) for n in range(3)]
    (term,) = gather(total((6, 4), full), make).terms
    assert term.sizes == (3, 4)
    assert term.slots == (Slot(2, ((0, 1),)), j)
    with_a_hole = total((6, 4), [full[0], full[2]])
    assert gather(with_a_hole, make) == with_a_hole


def test_a_list_has_each_entry_once():
    bands = [
        normal(n + 1, (5,), [Factor(operand(5, seed=n), (i,))], [i, table_slot(0, places)])
        for n, places in enumerate([[0, 1, 2, 3, 4], [1, 1, 2, 0, 4], [4, 0, 2, 3, 1]])
    ]
    tensor = total((5, 5), bands)
    found = listed(tensor, make)
    (term,) = found.terms
    assert term.sizes == (np.count_nonzero(touched(tensor)),)
    np.testing.assert_array_equal(evaluate(found), evaluate(tensor))
    np.testing.assert_array_equal(touched(found), touched(tensor))
