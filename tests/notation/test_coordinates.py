"""Coordinate form: what is read, against einsum with subscripts written by hand; and errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, ShapeError
from jacobians.notation.coordinates import (
    Axes,
    Indexed,
    NotationError,
    Product,
    instantiate,
    parse_equation,
    parse_expression,
    parse_product,
)
from jacobians.notation.terms import Sum
from tests.notation.strategies import evaluate, numbers

Array = NDArray[Any]


def stated(
    text: str,
    arrays: dict[str, Array],
    *axes: tuple[str, tuple[int, ...]],
    result: Sequence[str] = (),
) -> Sum:
    """The sum that an expression stands for: the tensor's axes by shape, or by letters alone."""
    return instantiate(
        parse_expression(text),
        [Axes("A", letters, shape) for letters, shape in axes],
        {name: Axes(name, "", array.shape) for name, array in arrays.items()},
        f"test: {text}",
        result=result or None,
    )


def valued(text: str, arrays: dict[str, Array], *axes: Any, result: Sequence[str] = ()) -> Array:
    return evaluate(stated(text, arrays, *axes, result=result), arrays.__getitem__)


B, C, D = numbers((2, 3), 0), numbers((3, 4), 1), numbers((4, 2), 2)
S, T = numbers((3, 3), 3), numbers((3, 3), 4)
u, v = numbers((2,), 5), numbers((3,), 6)
ARRAYS = {"B": B, "C": C, "D": D, "S": S, "T": T, "u": u, "v": v}


# Parsing.


def test_an_equation() -> None:
    found = parse_equation("A_ij = B_ir C_rj")
    assert found.text == "A_ij = B_ir C_rj"
    assert found.result == Indexed("A", "ij")
    assert found.products == (Product(1, (Indexed("B", "ir"), Indexed("C", "rj"))),)
    assert str(found.result) == "A_ij"
    assert str(Indexed("c", "")) == "c"


@pytest.mark.parametrize(
    ("text", "coefficients"),
    [
        ("B_ij", [1]),
        ("½ B_ij", [0.5]),
        ("1/2 B_ij", [0.5]),
        ("¼ B_ij", [0.25]),
        ("3/4 B_ij", [0.75]),
        ("0.125 B_ij", [0.125]),
        ("12 B_ij", [12]),
        ("2B_ij", [2]),
        ("−B_ij", [-1]),
        ("-B_ij", [-1]),
        ("+ B_ij", [1]),
        ("− ½ B_ij + 2.5 B_ij - B_ij", [-0.5, 2.5, -1]),
        ("B_ij−B_ij", [1, -1]),
        ("6/3 B_ij", [2]),
        ("3", [3]),
        ("−1", [-1]),
        ("", []),
        ("0", []),
        (" 0 ", []),
    ],
)
def test_numbers_and_signs(text: str, coefficients: list[float]) -> None:
    found = [p.coefficient for p in parse_expression(text)]
    assert found == coefficients
    assert [type(c) for c in found] == [type(c) for c in coefficients]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("B_irC_rj", ["B_ir", "C_rj"]),
        ("B_ir  C_rj", ["B_ir", "C_rj"]),
        ("δ_ik C_lj", ["δ_ik", "C_lj"]),
        ("c x_i", ["c", "x_i"]),
        ("W2_ij x_j", ["W2_ij", "x_j"]),
        ("B_{ir} C_{rj}", ["B_ir", "C_rj"]),
        ("B_…ir", ["B_…ir"]),
        ("B_...ir", ["B_…ir"]),
        ("B_{…ir}", ["B_…ir"]),
        ("B_{...ir}", ["B_…ir"]),
        ("x_…", ["x_…"]),
        ("σ_i", ["σ_i"]),
    ],
)
def test_names_and_letters(text: str, names: list[str]) -> None:
    assert [str(f) for f in parse_product(text).factors] == names


@pytest.mark.parametrize(
    "text",
    [
        "B_I",
        "B_",
        "B_{i,j}",
        "B_{ij",
        "B_1",
        "B_ij * C_jk",
        "(B_ij)",
        "−",
        "B_i +",
        "B_i − − B_i",
        "δ_i",
        "δ",
        "δ_ijk",
        "δ_…i",
        "1/0 B_i",
        "B_i = C_i",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(NotationError) as raised:
        parse_expression(text)
    assert isinstance(raised.value, JacobiansError)
    assert isinstance(raised.value, ValueError)
    assert text[:3] in str(raised.value)


@pytest.mark.parametrize("text", ["A_ij", "= B_i", "A_i B_j = C_ij", "2 A_i = B_i", "-A_i = B_i"])
def test_what_is_no_equation(text: str) -> None:
    with pytest.raises(NotationError, match="A_ij = B_ir C_rj"):
        parse_equation(text)


def test_an_equation_with_nothing_right_is_zero() -> None:
    assert parse_equation("A_ij = 0").products == ()


# Values.


@pytest.mark.parametrize(
    ("text", "result", "subscripts", "names"),
    [
        ("B_ir C_rj", "ij", "ir,rj->ij", "BC"),
        ("B_ir C_rs D_sj", "ij", "ir,rs,sj->ij", "BCD"),
        ("B_ir C_rs D_si", "", "ir,rs,si->", "BCD"),
        ("S_rr", "", "rr->", "S"),
        ("S_ii", "i", "ii->i", "S"),
        ("S_ij T_ij", "ij", "ij,ij->ij", "ST"),
        ("u_i v_j", "ij", "i,j->ij", "uv"),
        ("u_i v_j", "ji", "i,j->ji", "uv"),
        ("B_ji", "ij", "ji->ij", "B"),
        ("v_r", "", "r->", "v"),
        ("B_ij", "i", "ij->i", "B"),
    ],
)
def test_against_einsum(text: str, result: str, subscripts: str, names: str) -> None:
    expected = np.einsum(subscripts, *(ARRAYS[name] for name in names))
    found = valued(text, ARRAYS, result=[result])
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_several_terms_add() -> None:
    found = valued("½ S_ij − 2 S_ji + T_ir S_rj", ARRAYS, result=["ij"])
    assert np.array_equal(found, 0.5 * S - 2 * S.T + T @ S)
    assert np.array_equal(valued("0", ARRAYS, ("ij", (2, 3))), np.zeros((2, 3)))


def test_jacobians_in_text() -> None:
    axes = (("ij", (2, 4)), ("kl", (2, 3)))
    found = valued("δ_ik C_lj", ARRAYS, *axes)
    assert np.array_equal(found, np.einsum("ik,lj->ijkl", np.eye(2), C))
    (term,) = stated("δ_ik C_lj", ARRAYS, *axes).terms
    assert len(term.factors) == 1
    assert term.slots[0] == term.slots[2]
    axes = (("ij", (2, 4)), ("kl", (3, 4)))
    found = valued("B_ik δ_jl", ARRAYS, *axes)
    assert np.array_equal(found, np.einsum("ik,jl->ijkl", B, np.eye(4)))


@pytest.mark.parametrize(
    ("text", "letters", "shape", "expected"),
    [
        ("δ_ij", "ij", (3, 3), np.eye(3)),
        ("δ_ir δ_rj", "ij", (3, 3), np.eye(3)),
        ("δ_ij δ_jk", "ijk", (3, 3, 3), np.einsum("ij,jk->ijk", np.eye(3), np.eye(3))),
        ("δ_ik δ_jl", "ijkl", (2, 3, 2, 3), np.einsum("ik,jl->ijkl", np.eye(2), np.eye(3))),
        ("δ_rs S_rs", "", (), np.einsum("rs,rs->", np.eye(3), S)),
        ("δ_ij S_ir v_r", "ij", (3, 3), np.diag(S @ v)),
        ("δ_ij δ_ij S_ij", "ij", (3, 3), np.eye(3) * S),
        ("δ_ab δ_bc δ_ac v_a", "abc", (3,) * 3, np.einsum("ab,bc,a->abc", np.eye(3), np.eye(3), v)),
        ("δ_bc δ_ab v_a", "abc", (3,) * 3, np.einsum("bc,ab,a->abc", np.eye(3), np.eye(3), v)),
        ("δ_ij − ½ S_ij", "ij", (3, 3), np.eye(3) - 0.5 * S),
    ],
)
def test_deltas(text: str, letters: str, shape: tuple[int, ...], expected: Array) -> None:
    assert np.array_equal(valued(text, ARRAYS, (letters, shape)), expected)


def test_a_letter_that_only_a_delta_names_has_a_size() -> None:
    assert np.array_equal(valued("δ_ij v_j", ARRAYS, result=["ij"]), np.diag(v))
    found = valued("δ_ij δ_jk v_k", ARRAYS, result=["ijk"])
    assert np.array_equal(found, np.einsum("ij,jk,k->ijk", np.eye(3), np.eye(3), v))
    assert np.array_equal(valued("δ_ij v_j", ARRAYS, result=["i"]), v)


def test_several_groups_of_result_letters() -> None:
    found = valued("u_i v_j", ARRAYS, result=["i", "j"])
    assert np.array_equal(found, np.outer(u, v))


# Broadcasting.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((5, 2, 3), (5, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (2, 3, 4)),
        ((1, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (1, 3, 4)),
        ((1, 2, 3), (1, 3, 4)),
        ((2, 3), (3, 4)),
        ((0, 2, 3), (1, 3, 4)),
    ],
)
def test_batches_broadcast_as_in_numpy(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    arrays = {"X": numbers(first, 7), "Y": numbers(second, 8)}
    expected = arrays["X"] @ arrays["Y"]
    found = valued("X_…ir Y_…rj", arrays, result=["…ij"])
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)
    # With the shape known, and for the Jacobian: sums over the axes that were stretched.
    assert np.array_equal(valued("X_…ir Y_…rj", arrays, ("…ij", expected.shape)), expected)
    jacobian = valued("δ_ik Y_…lj", arrays, ("…ij", expected.shape), ("…kl", first))
    for at in np.ndindex(*first):
        direction = np.zeros(first)
        direction[at] = 1
        assert np.array_equal(jacobian[(..., *at)], direction @ arrays["Y"])


def test_elementwise_products_broadcast() -> None:
    arrays = {"X": numbers((4, 1, 3), 1), "Y": numbers((2, 1), 2), "c": numbers((), 3)}
    found = valued("c X_… Y_…", arrays, result=["…"])
    assert np.array_equal(found, arrays["c"] * arrays["X"] * arrays["Y"])
    found = valued("X_… + Y_…", arrays, ("…", (4, 2, 3)))
    assert np.array_equal(found, arrays["X"] + arrays["Y"])


def test_axes_of_size_0_and_1() -> None:
    arrays = {"X": np.zeros((0, 3)), "Y": numbers((3, 1))}
    assert valued("X_ir Y_rj", arrays, result=["ij"]).shape == (0, 1)
    assert np.array_equal(valued("X_ri X_rj", arrays, result=["ij"]), np.zeros((3, 3)))


# Errors.


def test_sizes_that_clash_name_both_shapes() -> None:
    arrays = {"B": np.zeros((2, 3)), "C": np.zeros((4, 5))}
    with pytest.raises(ShapeError) as raised:
        stated("B_ir C_rj", arrays, result=["ij"])
    assert str(raised.value) == (
        "test: B_ir C_rj: letter r is 3 in B of shape (2, 3) but 4 in C of shape (4, 5); "
        "these sizes must be equal"
    )


def test_sizes_that_clash_between_terms() -> None:
    arrays = {"B": np.zeros((2, 3)), "C": np.zeros((3, 2))}
    with pytest.raises(ShapeError, match=r"letter i is 2 in B of shape \(2, 3\) but 3 in C of sh"):
        stated("B_ij + C_ij", arrays, result=["ij"])


def test_axes_that_clash_with_operands() -> None:
    with pytest.raises(
        ShapeError, match=r"letter l is 4 in A of shape \(2, 4\) but 3 in C of shape"
    ):
        stated("δ_ik C_lj", ARRAYS, ("ij", (2, 4)), ("kl", (2, 4)))


def test_deltas_of_different_sizes() -> None:
    with pytest.raises(
        ShapeError, match=r"is 2 in A of shape \(2, 4\) but 3 in A of shape \(3, 3\)"
    ):
        stated("δ_ik C_lj", ARRAYS, ("ij", (2, 4)), ("kl", (3, 3)))


def test_batches_that_clash() -> None:
    arrays = {"X": np.zeros((5, 2, 3)), "Y": np.zeros((4, 3, 2))}
    with pytest.raises(
        ShapeError,
        match=r"broadcast axis -1 is 5 in X of shape \(5, 2, 3\) but 4 in Y of shape \(4, 3, 2\)",
    ):
        stated("X_…ir Y_…rj", arrays, result=["…ij"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B_irs", r"B has 3 axes \(irs\), but its shape is \(2, 3\); pass an array with 3 axes"),
        ("B_i", r"B has 1 axes \(i\), but its shape is \(2, 3\)"),
        ("B", r"B has 0 axes \(a number\), but its shape is \(2, 3\)"),
        ("B_…ijk", r"B has at least 3 axes \(…ijk\), but its shape is \(2, 3\)"),
    ],
)
def test_numbers_of_axes(text: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        stated(text, ARRAYS, result=[""])


def test_letters_of_the_result_that_nothing_has() -> None:
    with pytest.raises(NotationError, match="letter q of the result is in no operand"):
        stated("B_ij", ARRAYS, result=["iq"])


# Numbers with exponents, superscripts, and where products end.


@pytest.mark.parametrize(
    ("text", "coefficients"),
    [
        ("1e-3 B_i", [0.001]),
        ("1e−3 B_i", [0.001]),
        ("2E+2 B_i − 1.5e1 C_i", [200, -15]),
        ("B_i + 1e-3", [1, 0.001]),
        ("2e3_i", [2]),  # a name e3
        ("2 e_i - e_i", [2, -1]),
    ],
)
def test_numbers_with_exponents(text: str, coefficients: list[float]) -> None:
    assert [p.coefficient for p in parse_expression(text)] == coefficients


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B_i²", "superscript"),
        ("2² B_i", "superscript"),
        ("Bᵀ_ij", "superscript"),
        ("⅓ B_i", "begins with a letter"),
        ("B_i2", "not by digits"),
        ("B_i - - C_i", "between two signs"),
        ("B_i +", "missing"),
        ("1e999 B_i", "too large"),
    ],
)
def test_what_would_be_misread_raises(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_expression(text)


def test_a_product_is_one_product() -> None:
    with pytest.raises(NotationError, match="is a sum"):
        parse_product("A_i - B_i")


def test_a_delta_whose_letters_stand_nowhere_else() -> None:
    with pytest.raises(NotationError, match="letters of δ_rs stand nowhere else"):
        valued("δ_rs u_i", ARRAYS, result=["i"])
