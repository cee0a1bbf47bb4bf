"""Formulas, in text and in LaTeX."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.notation.terms import Factor, Sum, identity, normal, scaled, total
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    SUM,
    Style,
    Written,
    exact_number,
    join_terms,
    subscript,
    write,
    write_number,
    write_product,
    write_slot,
)

i, j, k, l = (letter_slot(a) for a in range(4))


def label(operand: Any, letters: Sequence[str], style: Style, _fresh: object) -> Written:
    """Operands are names; one with a space is a sum that is indexed as a whole."""
    if " " in operand:
        return Written(subscript(f"({operand})", letters, style))
    return Written(subscript(operand, letters, style))


def one(shape: tuple[int, ...], *term: Any) -> Sum:
    return total(shape, [normal(*term)])


def text(tensor: Sum, axes: str = "ijkl") -> str:
    return write(tensor, axes[: len(tensor.shape)], label).text


def latex(tensor: Sum, axes: str = "ijkl") -> str:
    return write(tensor, axes[: len(tensor.shape)], label, "latex").text


BY_B = one((2, 4, 2, 3), 1, (2, 4, 3), [Factor("C", (k, j))], [i, j, i, k])
BY_C = one((2, 4, 3, 4), 1, (2, 4, 3), [Factor("B", (i, k))], [i, j, k, j])


def test_matrix_products() -> None:
    assert text(BY_B) == "δ_ik C_lj"
    assert latex(BY_B) == r"\delta_{ik} C_{lj}"
    assert text(BY_C) == "δ_jl B_ik"
    assert latex(BY_C) == r"\delta_{jl} B_{ik}"
    product = one((2, 4), 1, (2, 4, 3), [Factor("B", (i, k)), Factor("C", (k, j))], [i, j])
    assert text(product) == "B_ir C_rj"
    chain = one(
        (2, 4),
        1,
        (2, 4, 3, 5),
        [Factor("B", (i, k)), Factor("M", (k, l)), Factor("C", (l, j))],
        [i, j],
    )
    assert text(chain) == "B_ir M_rp C_pj"


def test_inputs_are_ordered_alphabetically() -> None:
    gradient = one((3, 3), 1, (3,), [], [i, i])
    assert text(gradient, "kl") == "δ_kl"
    assert text(identity((2, 3))) == "δ_ik δ_jl"
    swapped = one((2, 3, 3, 2), 1, (2, 3), [], [i, j, j, i])
    assert text(swapped) == "δ_il δ_jk"
    assert text(one((2, 2, 2), 1, (2,), [], [i, i, i])) == "δ_ij δ_ik"


@pytest.mark.parametrize(
    ("number", "written", "tex"),
    [
        (1, "δ_ik C_lj", r"\delta_{ik} C_{lj}"),
        (-1, "−δ_ik C_lj", r"-\delta_{ik} C_{lj}"),
        (2, "2 δ_ik C_lj", r"2 \delta_{ik} C_{lj}"),
        (-2.0, "−2 δ_ik C_lj", r"-2 \delta_{ik} C_{lj}"),
        (0.5, "½ δ_ik C_lj", r"\tfrac{1}{2} \delta_{ik} C_{lj}"),
        (-0.5, "−½ δ_ik C_lj", r"-\tfrac{1}{2} \delta_{ik} C_{lj}"),
        (0.25, "¼ δ_ik C_lj", r"\tfrac{1}{4} \delta_{ik} C_{lj}"),
        (1.5, "1.5 δ_ik C_lj", r"1.5 \delta_{ik} C_{lj}"),
        (1 / 3, "⅓ δ_ik C_lj", r"\tfrac{1}{3} \delta_{ik} C_{lj}"),
    ],
)
def test_coefficients(number: float, written: str, tex: str) -> None:
    assert text(scaled(BY_B, number)) == written
    assert latex(scaled(BY_B, number)) == tex


def test_sums() -> None:
    X = one((3, 3, 3, 3), 1, (3, 3, 3), [Factor("X", (k, j))], [i, j, i, k])
    Y = one((3, 3, 3, 3), -2, (3, 3, 3), [Factor("X", (i, k))], [i, j, k, j])
    both = Sum(X.shape, X.terms + Y.terms)
    assert text(both) == "δ_ik X_lj − 2 δ_jl X_ik"
    assert latex(both) == r"\delta_{ik} X_{lj} - 2 \delta_{jl} X_{ik}"
    assert text(Sum(X.shape, Y.terms + X.terms)) == "−2 δ_jl X_ik + δ_ik X_lj"
    assert text(Sum((3,), ())) == "0"
    assert write(both, "ijkl", label).binds == SUM
    assert write(X, "ijkl", label).binds == PRODUCT


def test_constants() -> None:
    assert text(one((), 1, (), [], [])) == "1"
    assert text(one((), -1, (), [], [])) == "−1"
    assert text(one((), 0.5, (), [], [])) == "½"
    assert latex(one((), -0.5, (), [], [])) == r"-\tfrac{1}{2}"
    assert text(one((3,), 3, (3,), [], [i])) == "3"
    assert text(one((3,), 1, (3,), [Factor("x", (i,))], [i])) == "x_i"
    assert text(one((), 1, (), [Factor("c", ())], [])) == "c"


def test_axes_of_size_1_have_no_delta() -> None:
    assert text(one((1, 3), 1, (3,), [Factor("x", (i,))], [Slot(), i])) == "x_j"
    assert text(one((1, 3), 1, (3,), [Factor("X", (Slot(), i))], [Slot(), i])) == "X_(0,j)"


def test_slices_windows_and_tables() -> None:
    sliced = one((2, 5), 1, (2,), [Factor("x", (i,))], [i, letter_slot(0, 2, 1)])
    assert text(sliced) == "δ_(2i+1,j) x_i"
    assert latex(sliced) == r"\delta_{2i+1,j} x_{i}"
    window = one((3, 2), 1, (3, 2), [Factor("x", (Slot(0, ((0, 1), (1, 1))),))], [i, j])
    assert text(window) == "x_(i+j)"
    assert latex(window) == "x_{i+j}"
    placed = one((4, 3), 1, (3,), [], [Slot(2), i])
    assert text(placed) == "δ_(i,2)"
    taken = one((3,), 1, (3,), [Factor("x", (table_slot(0, [2, 0, 0]),))], [i])
    assert text(taken) == "x_(t(i)+2)"


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        (Slot(), "0"),
        (Slot(3), "3"),
        (letter_slot(0), "i"),
        (letter_slot(0, 1, 2), "i+2"),
        (letter_slot(0, 2, -1), "2i−1"),
        (letter_slot(0, -1, 3), "3−i"),
        (letter_slot(0, -2, 7), "7−2i"),
        (letter_slot(0, -1), "−i"),
        (Slot(0, ((0, 1), (1, 1))), "i+j"),
        (Slot(0, ((0, 3), (1, -1))), "3i−j"),
        (Slot(1, ((0, 3), (1, 1))), "3i+j+1"),
    ],
)
def test_slots(slot: Slot, expected: str) -> None:
    assert write_slot(slot, {0: "i", 1: "j"}) == expected


def test_parentheses() -> None:
    inner = join_terms([Written("a"), Written("−b", SUM)], "text")
    assert inner == Written("a − b", SUM)
    assert write_product(1, [inner], "text") == inner
    assert write_product(1, [inner, Written("c")], "text") == Written("(a − b) c", PRODUCT)
    assert write_product(-1, [inner], "text") == Written("−(a − b)", SUM)
    assert write_product(2, [Written("a b", PRODUCT)], "text").text == "2 a b"
    assert inner.inside(SUM) == "a − b"
    assert inner.inside(ATOM) == "(a − b)"
    assert Written("a b", PRODUCT).inside(ATOM) == "(a b)"
    assert join_terms([Written("-a", SUM), Written("-b", SUM)], "latex").text == "-a - b"
    assert join_terms([Written("a b", PRODUCT)], "text").binds == PRODUCT


def test_a_letter_of_one_factor_alone_has_a_sum_sign() -> None:
    def function(operand: Any, letters: Sequence[str], style: Style, _fresh: object) -> Written:
        plain = Written(subscript(operand, letters, style), entry=True)
        return (
            plain if operand.isupper() else Written(f"{operand}({subscript('X', letters, style)})")
        )

    rows = one((3,), 2, (3, 4), [Factor("exp", (i, j))], [i])
    assert write(rows, "i", function).text == "2 Σ_r exp(X_ir)"
    assert write(rows, "i", function, "latex").text == r"2 \sum_{r} exp(X_{ir})"
    entries = one((3,), 2, (3, 4), [Factor("X", (i, j))], [i])
    assert write(entries, "i", function).text == "2 X_ir"
    both = one((3,), 1, (3, 4), [Factor("exp", (i, j)), Factor("X", (i, j))], [i])
    assert write(both, "i", function).text == "exp(X_ir) X_ir"


def test_a_letter_that_ends_early_says_where() -> None:
    shifted = letter_slot(0, 1, 1)
    shapes = {"X": (5,), "x": (4,)}
    for size, sign in ((4, ""), (3, "Σ_(r<3) ")):
        tensor = one((5,), 1, (size,), [Factor("X", (i,))], [shifted])
        assert write(tensor, "i", label, "text", shapes.__getitem__).text == f"{sign}δ_(i,r+1) X_r"
    digits = one((6,), 1, (3, 2), [Factor("X", (i, j))], [Slot(0, ((0, 2), (1, 1)))])
    assert write(digits, "i", label, "text", lambda _: (3, 2)).text == "δ_(i,2r+p) X_rp"
    table = one((3,), 1, (2,), [Factor("x", (table_slot(0, [2, 0]),))], [table_slot(0, [0, 2])])
    assert "Σ" not in write(table, "i", label, "text", shapes.__getitem__).text


def test_an_operand_that_is_a_sum() -> None:
    tensor = one((2, 3), 2, (2, 3), [Factor("W x − t", (i,)), Factor("x", (j,))], [i, j])
    assert text(tensor, "kl") == "2 (W x − t)_k x_l"


def test_numbers_alone() -> None:
    assert write_number(-1) == ("−", "")
    assert write_number(1.0) == ("", "")
    assert write_number(12) == ("", "12")
    assert write_number(-0.1) == ("−", "0.1")
    assert write_number(0) == ("", "0")
    assert write_number(-2 / 3) == ("−", "⅔")
    assert write_number(1 / 7) == ("", "(1/7)")
    assert write_number(-0.123456789) == ("−", "0.123456789")
    assert write_number(np.pi / 180, "latex") == ("", r"\tfrac{\pi}{180}")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.3, "0.3"), (1e-8, "1e-08"), (12.0, "12"), (float("inf"), "inf"), (5 / 12, "5/12"),
        (2 * np.log(2), "2 log(2)"), (1 / np.log(10), "1/log(10)"), (np.sqrt(2) / 2, "√(2)/2"),
        (3 / np.sqrt(2 * np.pi), "3/√(2 π)"), (0.1 + 0.2, "0.3"),
    ],
)  # fmt: skip
def test_numbers_without_loss(number: float, expected: str) -> None:
    written = exact_number(number)
    assert written is not None
    assert written.text == expected


@pytest.mark.parametrize("number", [0.123456789, 7.00696, 1.7976931348623157e308, 1 / 3 + 1e-12])
def test_numbers_that_would_be_rounded(number: float) -> None:
    written = exact_number(number)
    assert (written is None) == (number != 7.00696)
    assert written is None or float(written.text) == number


def test_subscripts() -> None:
    assert subscript("X", [], "text") == "X"
    assert subscript("X", ["i", "j"], "text") == "X_ij"
    assert subscript("X", ["i", "j"], "latex") == "X_{ij}"
    assert subscript("X", ["2i+1", "j"], "text") == "X_(2i+1,j)"
    assert subscript("X", ["3−i", "j"], "latex") == "X_{3-i,j}"
    assert subscript("δ", ["i", "k"], "latex") == r"\delta_{ik}"


@pytest.mark.parametrize(
    ("names", "expected"),
    [("ij", "2i+j+1"), (["3", "j"], "j+7"), (["3", "2"], "9"), (["k+1", "j"], "2(k+1)+j+1")],
)
def test_slots_of_positions(names: Sequence[str], expected: str) -> None:
    assert write_slot(Slot(1, ((0, 2), (1, 1))), dict(enumerate(names))) == expected


def test_slots_of_what_is_no_letter() -> None:
    assert write_slot(letter_slot(0, -1, 3), {0: "i+1"}) == "3−(i+1)"
    assert write_slot(table_slot(0, [2, 0, 1]), {0: "1"}) == "0"
    assert write_slot(table_slot(0, [2, 0, 1]), {0: "2i"}) == "t(2i)+2"
    assert write_slot(letter_slot(0, 3), {0: "2i"}) == "3(2i)"
