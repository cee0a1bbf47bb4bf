"""The explicit form against the judge, and its subscripts against the formulas."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from jacobians.notation.explicit import (
    Selection,
    axis_names,
    einsum_of,
    explicit,
    free_names,
    letter_names,
    subscripts,
)
from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, identity, normal, scaled, total, whole
from tests.notation.strategies import Operand, evaluate, mask, operand, sums, values_of

i, j, k, l = (letter_slot(a) for a in range(4))


def one(shape: tuple[int, ...], *term: Any) -> Sum:
    return total(shape, [normal(*term)])


def built(tensor: Sum, out: int | None = None, dtype: Any = float) -> NDArray[Any]:
    axes = len(tensor.shape)
    out = axes if out is None else out
    return explicit(tensor, axis_names(out, axes - out), values_of, dtype)


@given(sums())
def test_explicit_is_the_tensor(tensor: Sum) -> None:
    found = built(tensor)
    assert found.shape == tensor.shape
    assert found.dtype == float
    assert np.array_equal(found, evaluate(tensor))


@given(sums())
def test_explicit_shares_no_memory(tensor: Sum) -> None:
    found = built(tensor)
    assert not any(np.shares_memory(found, values_of(o)) for o in tensor.operands)
    assert found.flags.writeable


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_one_operand_alone_is_copied(shape: tuple[int, ...]) -> None:
    B = operand(*shape)
    found = built(whole(B, shape))
    assert np.array_equal(found, B.values)
    assert not np.shares_memory(found, B.values)


@given(sums())
def test_size_counts_the_products(tensor: Sum) -> None:
    """The size of an einsum is the product of the sizes of all its letters."""
    shapes = {o: values_of(o).shape for o in tensor.operands}
    for term in tensor.terms:
        form = einsum_of(term, tensor.shape, axis_names(len(tensor.shape), 0), shapes)
        inputs, output = form.subscripts.split("->")
        sizes = dict(zip(output, form.shape, strict=True))
        for names, part in zip(inputs.split(",") if form.parts else [], form.parts, strict=True):
            shape = part.shape if isinstance(part, Selection) else values_of(part).shape
            for name, size in zip(names, shape, strict=True):
                assert sizes.setdefault(name, size) == size
        assert form.size == np.prod(list(sizes.values()), dtype=int)


def test_subscripts_of_the_matrix_product() -> None:
    B, C = operand(2, 3), operand(3, 4, seed=1)
    shapes = {B: (2, 3), C: (3, 4)}
    # ∂(BC)_ij/∂B_kl = δ_ik C_lj and ∂(BC)_ij/∂C_kl = B_ik δ_jl
    by_b = one((2, 4, 2, 3), 1, (2, 4, 3), [Factor(C, (k, j))], [i, j, i, k])
    by_c = one((2, 4, 3, 4), 1, (2, 4, 3), [Factor(B, (i, k))], [i, j, k, j])
    assert subscripts(by_b, axis_names(2, 2), shapes) == "ik,lj->ijkl"
    assert subscripts(by_c, axis_names(2, 2), shapes) == "jl,ik->ijkl"
    assert np.array_equal(built(by_b, 2), np.einsum("ik,lj->ijkl", np.eye(2), C.values))
    assert np.array_equal(built(by_c, 2), np.einsum("jl,ik->ijkl", np.eye(4), B.values))
    product = one((2, 4), 1, (2, 4, 3), [Factor(B, (i, k)), Factor(C, (k, j))], [i, j])
    assert subscripts(product, "ij", shapes) == "ir,rj->ij"


def test_subscripts_of_several_terms() -> None:
    X = operand(3, 3)
    first = one((3, 3, 3, 3), 1, (3, 3, 3), [Factor(X, (k, j))], [i, j, i, k])
    second = one((3, 3, 3, 3), 1, (3, 3, 3), [Factor(X, (i, k))], [i, j, k, j])
    both = Sum(first.shape, first.terms + second.terms)
    assert subscripts(both, "ijkl", {X: (3, 3)}) == "ik,lj->ijkl + jl,ik->ijkl"
    assert subscripts(Sum((3,), ()), "i", {}) == "0"
    assert subscripts(Sum(first.shape, first.terms * 2), "ijkl", {X: (3, 3)}) == "ik,lj->ijkl"


def test_subscripts_of_deltas_ones_and_constants() -> None:
    assert subscripts(identity((2, 3)), "ijkl", {}) == "ik,jl->ijkl"
    assert subscripts(one((3,), 1, (3,), [], [i]), "i", {}) == "i->i"
    c = operand()
    assert subscripts(whole(c, ()), "", {c: ()}) == "->"
    assert subscripts(one((3, 4), 1, (4,), [], [Slot(2), i]), "ij", {}) == "i,j->ij"


def test_a_scalar_without_factors() -> None:
    assert built(Sum((), ())) == 0
    assert built(one((), 5, (), [], [])) == 5
    assert built(one((), 5, (3,), [], [])) == 15


def test_masks_are_counted_as_numbers() -> None:
    """A boolean array must not be summed by 'or'."""
    select = Operand(np.array([[True, True, False], [True, True, True]]))
    tensor = one((2,), 1, (2, 3), [Factor(select, (i, j), True)], [i])
    assert built(tensor).tolist() == [2, 3]
    both = one((), 1, (2, 3), [Factor(select, (i, j), True)] * 2, [])
    assert built(both) == 5


def test_dtypes() -> None:
    B = Operand(np.ones((2, 2), np.float32))
    tensor = one((2, 2, 2, 2), 0.5, (2, 2, 2), [Factor(B, (k, j))], [i, j, i, k])
    assert built(tensor, 2, np.float32).dtype == np.float32
    assert built(Sum((2, 2), ()), 2, np.float32).dtype == np.float32


def test_small_integers_do_not_wrap() -> None:
    small = Operand(np.full((3, 3), 100, np.int8))
    tensor = one((3, 3), 1, (3, 3, 3), [Factor(small, (i, k)), Factor(small, (k, j))], [i, j])
    assert built(tensor).tolist() == [[30000.0] * 3] * 3


def test_selections() -> None:
    assert np.array_equal(Selection(letter_slot(0), (3,), 3).array(), np.eye(3))
    assert Selection(letter_slot(0), (2,), 3).array().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert Selection(None, (), 3).array(int).tolist() == [1, 1, 1]
    assert Selection(Slot(1), (), 3).array().tolist() == [0, 1, 0]
    taken = Selection(table_slot(0, [2, 0, 2]), (3,), 3)
    assert taken.shape == (3, 3)
    assert taken.array().tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    window = Selection(Slot(0, ((0, 1), (1, 1))), (2, 2), 3)
    assert window.array().tolist() == [[[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, 1]]]


def test_names() -> None:
    assert axis_names(2, 2) == "ijkl"
    assert axis_names(0, 2) == "kl"
    assert axis_names(1, 1) == "ik"
    assert axis_names(3, 1) == "ijkl"
    assert axis_names(1, 3) == "ijkl"
    assert axis_names(3, 3) == "ijklmn"
    many = axis_names(26, 26)
    assert len(many) == len(set(many)) == 52
    names = free_names("ijpq")
    assert [next(names) for _ in range(3)] == ["r", "s", "t"]
    assert len(set(free_names(""))) == len(list(free_names(""))) == 52


def test_letters_are_named_by_their_first_whole_axis() -> None:
    X = operand(2, 3)
    tensor = one((5, 2, 2), 1, (2, 3), [Factor(X, (i, j))], [letter_slot(0, 2), i, i])
    names, homes = letter_names(tensor.terms[0], tensor.shape, "ijk")
    assert names == {0: "j", 1: "r"}
    assert homes == {0: 1}


def test_coefficients() -> None:
    B = operand(2, 3)
    found = built(scaled(whole(B, (2, 3)), -0.25))
    assert np.array_equal(found, -0.25 * B.values)


def test_broadcast_axes_of_operands() -> None:
    """A factor's axis of size 1, and one that is only partly read."""
    B, select = operand(2, 1), mask(2, 3)
    tensor = one((2, 3), 2, (2, 3), [Factor(B, (i, Slot())), Factor(select, (i, j), True)], [i, j])
    assert np.array_equal(built(tensor), 2 * B.values * select.values)
    C = operand(4, 3)
    tensor = one((2, 3), 1, (2, 3), [Factor(C, (letter_slot(0, 2, 1), j))], [i, j])
    assert np.array_equal(built(tensor), C.values[1::2])
