"""What structure says: counts, addresses and injectivity against all positions, one by one."""

from collections import Counter
from itertools import product

import numpy as np
from hypothesis import event, given

from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.structure import (
    address_slot,
    addresses,
    count,
    injective,
    nonzeros,
    pattern,
)
from jacobians.notation.terms import Factor, Sum, Term, identity, normal, scaled, total, whole
from tests.notation.strategies import operand, place, sums, touched


def hits(term: Term) -> Counter[tuple[int, ...]]:
    """How often each position is written, over the kept letters."""
    kept = pattern(term)
    return Counter(
        tuple(place(slot, letters) for slot in kept.slots)
        for letters in product(*map(range, kept.sizes))
    )


@given(sums(terms=4))
def test_nonzeros_is_the_union_of_the_patterns(tensor: Sum) -> None:
    expected = int(touched(tensor, masked=False).sum())
    event(f"{len(tensor.terms)} terms")
    assert nonzeros(tensor) == expected


@given(sums(axes=2, most=12, terms=9))
def test_nonzeros_of_many_terms(tensor: Sum) -> None:
    assert nonzeros(tensor) == int(touched(tensor, masked=False).sum())


@given(sums())
def test_counts_addresses_and_injectivity_of_a_term(tensor: Sum) -> None:
    for term in tensor.terms:
        found = hits(term)
        assert count(term, tensor.shape) == len(found)
        if injective(term):
            assert set(found.values()) <= {1}
        at = addresses(term, tensor.shape)
        letters = pattern(term).sizes
        assert at.shape == letters
        for values in product(*map(range, letters)):
            place_of = tuple(place(slot, values) for slot in term.slots)
            flat = np.ravel_multi_index(place_of, tensor.shape) if tensor.shape else 0
            assert at[values] == flat


def test_injective_where_it_is_easy_to_see() -> None:
    def term(sizes: tuple[int, ...], *slots: Slot) -> Term:
        found = normal(1, sizes, [], slots)
        assert found is not None
        return found

    i, j = letter_slot(0), letter_slot(1)
    window = Slot(0, ((0, 1), (1, 1)))
    assert injective(term((3, 4), i, j, i))
    assert injective(term((2, 3), Slot(0, ((0, 3), (1, 1)))))
    assert not injective(term((2, 4), Slot(0, ((0, 3), (1, 1)))))
    assert not injective(term((3, 3), window))
    assert injective(term((3, 3), window, j))
    assert injective(term((3,), table_slot(0, [4, 0, 1])))
    assert not injective(term((3,), table_slot(0, [4, 0, 4])))


def test_counts_by_hand() -> None:
    assert nonzeros(identity((3, 4))) == 12
    assert nonzeros(whole(operand(3, 4), (3, 4))) == 12
    assert nonzeros(Sum((3, 4), ())) == 0
    assert nonzeros(Sum((), (Term(1, (), (), ()),))) == 1
    # A symmetrising pair δ_ik δ_jl + δ_il δ_jk meets where i = j.
    i, j = letter_slot(0), letter_slot(1)
    pair = [normal(1, (5, 5), [], slots) for slots in ([i, j, i, j], [i, j, j, i])]
    assert nonzeros(total((5, 5, 5, 5), pair)) == 25 + 25 - 5


def test_large_patterns_are_counted_without_being_listed() -> None:
    n = 10**6
    i, j = letter_slot(0), letter_slot(1)
    first = normal(1, (n, n), [], [i, j, i, j])
    second = normal(1, (n, n), [], [i, j, j, i])
    assert nonzeros(total((n,) * 4, [first, second])) == 2 * n * n - n
    rows = normal(1, (n // 2, n), [], [letter_slot(0, 2), j, letter_slot(0, 2), j])
    assert nonzeros(total((n,) * 4, [first, rows])) == n * n


def test_pattern_forgets_factors_and_sums() -> None:
    i, j = letter_slot(0), letter_slot(1)
    term = normal(3, (2, 3), [Factor(operand(2, 3), (i, j))], [i, i])
    assert term is not None
    assert pattern(term) == Term(1, (2,), (), (i, i))
    assert nonzeros(scaled(Sum((2, 2), (term, term)), 2)) == 2


def test_address_slot_of_other_layouts() -> None:
    term = Term(1, (2, 3), (), (letter_slot(0), letter_slot(1)))
    assert address_slot(term, (3, 1)) == Slot(0, ((0, 3), (1, 1)))
    assert address_slot(term, (1, 2)) == Slot(0, ((0, 1), (1, 2)))
