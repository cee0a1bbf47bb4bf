"""What cannot be done raises an error of the package's own: its text says what, where and how else.

Each case matches the text together with its numbers.
"""

import re
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import jacobians as jb

ops = jb.ops
ones = np.ones


def raises(kind: type[Exception], use: Callable[[], Any], *parts: str) -> str:
    """Run, expect exactly this kind of error, and find all parts in its text."""
    with pytest.raises(kind) as caught:
        use()
    assert isinstance(caught.value, jb.JacobiansError)
    message = str(caught.value)
    for part in parts:
        assert part in message, f"{part!r} is not in {message!r}"
    return message


WRONG_SHAPES: list[tuple[str, tuple[Any, ...], tuple[str, ...]]] = [
    ("matmul", (ones((2, 3)), ones((4, 5))),
        ("matmul", "B_…ir C_…rj", "letter r is 3 in B of shape (2, 3) but 4 in C of shape (4, 5)")),
    ("matmul", (ones((2, 3)), 2.0), ("matmul", "C", "at least 2 axes", "()")),
    ("matmul", (ones((2, 2, 3)), ones((4, 3, 5))),
        ("is 2 in B of shape (2, 2, 3) but 4 in C of shape (4, 3, 5)",)),
    ("matvec", (ones((2, 3)), ones(4)),
        ("matvec", "y_i = A_ir x_r", "letter r is 3 in A of shape (2, 3) but 4 in x of shape (4,)")),
    ("matvec", (ones((2, 3)), ones((3, 1))),
        ("x has 1 axes (r), but its shape is (3, 1)", "pass an array with 1 axes")),
    ("matvec", (ones(3), ones(3)), ("A has 2 axes", "(3,)")),
    ("inner", (ones(2), ones(3)), ("inner", "letter i is 2 in a of shape (2,) but 3 in x of shape (3,)")),
    ("inner", (ones((2, 2)), ones(2)), ("a has 1 axes", "(2, 2)")),
    ("outer", (ones((2, 2)), ones(3)), ("outer", "x has 1 axes", "(2, 2)")),
    ("outer", (ones(2), 3.0), ("outer", "y has 1 axes", "()")),
    ("bilinear", (ones(2), ones((3, 4)), ones(4)),
        ("bilinear", "letter i is 2 in a of shape (2,) but 3 in X of shape (3, 4)")),
    ("bilinear", (ones(3), ones((3, 4)), ones(5)),
        ("letter j is 4 in X of shape (3, 4) but 5 in b of shape (5,)",)),
    ("quadratic", (ones(2), ones((2, 3))), ("quadratic", "3 in A of shape (2, 3) but 2 in x of shape (2,)")),
    ("transpose", (ones(2),), ("transpose", "X has 2 axes", "(2,)")),
    ("transpose", (ones((2, 3, 4)),), ("transpose", "X has 2 axes", "(2, 3, 4)")),
    ("trace", (ones((2, 3)),), ("trace", "but its shape is (2, 3): 2 and 3")),
    ("det", (ones((2, 3)),), ("det", "but its shape is (2, 3): 2 and 3")),
    ("det", (ones(2),), ("det", "at least 2 axes", "(2,)")),
    ("inv", (ones((4, 3)),), ("inv", "but its shape is (4, 3): 4 and 3")),
    ("inv", (ones((5, 2, 3)),), ("inv", "(5, 2, 3)")),
    ("solve", (np.eye(3), ones(2)), ("solve", "letter n is 3 in A of shape (3, 3) but 2 in b of shape (2,)")),
    ("solve", (ones((3, 2)), ones(3)), ("solve", "(3, 2)")),
    ("solve", (np.eye(3), ones((2, 4))), ("solve", "is 3 in A of shape (3, 3) but 2 in b of shape (2, 4)")),
    ("squared_error", (ones(3), ones(2)),
        ("squared_error", "is 3 in y of shape (3,) but 2 in t of shape (2,)")),
    ("add", (ones((2, 3)), ones(2)),
        ("add", "A_… + B_…", "is 3 in A of shape (2, 3) but 2 in B of shape (2,)")),
    ("subtract", (ones((2, 3)), ones((3, 2))), ("subtract", "(2, 3)", "(3, 2)")),
    ("multiply", (ones((2, 3)), ones((4, 3))),
        ("multiply", "is 2 in A of shape (2, 3) but 4 in B of shape (4, 3)")),
    ("divide", (ones((2, 3)), ones((4, 3))),
        ("divide", "is 2 in A of shape (2, 3) but 4 in B of shape (4, 3)")),
    ("power", (ones((2, 3)), ones((4, 3))), ("power", "is 2 in X of shape (2, 3) but 4 in p of shape (4, 3)")),
    ("scale", (ones(2), ones(2)), ("scale", "c has 0 axes (a number)", "(2,)")),
    ("einsum", ("ij,jk->ik", ones((2, 3)), ones((4, 5))),
        ("einsum 'ij,jk->ik'",
         "letter j is 3 in operand 0 of shape (2, 3) but 4 in operand 1 of shape (4, 5)")),
    ("einsum", ("ij->ij", ones(2)), ("einsum 'ij->ij'", "operand 0 has 2 axes (ij), but its shape is (2,)")),
    ("einsum", ("ii", ones((2, 3))), ("einsum 'ii'", "letter i stands twice", "2 and 3", "(2, 3)")),
    ("einsum", ("...i,...i", ones((2, 3)), ones((4, 3))),
        ("is 2 in operand 0 of shape (2, 3) but 4 in operand 1 of shape (4, 3)",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    WRONG_SHAPES,
    ids=[f"{w[0]}-{n}" for n, w in enumerate(WRONG_SHAPES)],
)
def test_wrong_shapes(name: str, arguments: tuple[Any, ...], parts: tuple[str, ...]) -> None:
    raises(jb.ShapeError, lambda: ops[name](*arguments), *parts)
    raises(jb.ShapeError, lambda: ops[name].jacobian(*arguments), *parts)
    raises(jb.ShapeError, lambda: ops[name].explicit(*arguments, wrt=-1), *parts)
    raises(jb.ShapeError, lambda: ops[name].vjp(ones(1), *arguments), *parts)
    raises(jb.ShapeError, lambda: ops[name].jvp(ones(1), *arguments), *parts)


def test_every_operation_with_two_arguments_or_square_ones_is_in_the_table() -> None:
    anything_fits = {"kron", "sum", "norm", "logsumexp", "softmax"}
    elementwise = {
        "negative", "exp", "log", "sqrt", "square", "tanh", "sin", "cos", "sigmoid", "relu", "absolute"
    }  # fmt: skip
    assert {w[0] for w in WRONG_SHAPES} | anything_fits | elementwise == set(ops)


@pytest.mark.parametrize("wrt", ["X", "b", "", 2, -3, True, None, 0.0, ("B",)])
def test_an_unknown_wrt_names_the_arguments(wrt: Any) -> None:
    B, C = ones((2, 3)), ones((3, 5))
    parts = ("matmul", f"wrt={wrt!r}", "B, C", "0 to 1")
    raises(jb.ShapeError, lambda: ops.matmul.jacobian(B, C, wrt=wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.explicit(B, C, wrt=wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.vjp(ones((2, 5)), B, C, wrt=wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.jvp(B, B, C, wrt=wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.formula(wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.latex(wrt), *parts)
    raises(jb.ShapeError, lambda: ops.matmul.einsum(wrt), *parts)


def test_einsums_arguments_are_letters() -> None:
    raises(
        jb.ShapeError, lambda: ops.einsum.jacobian("ij,jk", ones((2, 3)), ones((3, 4)), wrt="C"),
        "einsum", "wrt='C'", "A, B",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "named", "parts"),
    [
        ((ones((2, 3)),), {}, ("2 arrays (B, C)", "got 1 by position")),
        ((), {}, ("2 arrays (B, C)", "got 0 by position")),
        ((ones((2, 3)), ones((3, 4)), ones((4, 5))), {}, ("2 arrays (B, C)", "got 3 by position")),
        (
            (ones((2, 3)),),
            {"D": ones((3, 4))},
            ("2 arrays (B, C)", "got 1 by position and D by name"),
        ),
        ((ones((2, 3)), ones((3, 4))), {"B": ones((2, 3))}, ("got 2 by position and B by name",)),
        ((ones((2, 3)),), {"B": ones((2, 3))}, ("got 1 by position and B by name",)),
    ],
)
def test_too_many_or_too_few_arguments(
    arguments: tuple[Any, ...], named: dict[str, Any], parts: tuple[str, ...]
) -> None:
    raises(jb.UnsupportedError, lambda: ops.matmul(*arguments, **named), "matmul", *parts)
    raises(jb.UnsupportedError, lambda: ops.matmul.jacobian(*arguments, **named), "matmul", *parts)


EINSUMS: list[tuple[tuple[Any, ...], tuple[str, ...]]] = [
    ((), ("first argument is the subscripts",)),
    ((ones(2),), ("first argument is the subscripts",)),
    (("ij->i",), ("name 1 operands, but 0 were passed",)),
    (("ij,jk->ik", ones((2, 3))), ("name 2 operands, but 1 were passed",)),
    (("ij->ij", ones((2, 3)), ones(2)), ("name 1 operands, but 2 were passed",)),
    (("ij->ik", ones((2, 3))), ("'ij->ik'", "only letters that an operand has")),
    (("ij->ii", ones((2, 2))), ("'ij->ii'", "each letter of the result once")),
    (("i1->i", ones((2, 3))), ("'i1->i'", "letters a to z")),
    (("ij->i->j", ones((2, 3))), ("'ij->i->j'",)),
    (("δi->i", ones((2, 3))), ("'δi->i'",)),
    (("i->...i", ones(3)), ("'i->...i'",)),
    (("...i->i", ones((2, 3))), ("'...' of operand 0, of shape (2, 3), is not in the result",)),
]


@pytest.mark.parametrize(("arguments", "parts"), EINSUMS, ids=[repr(e[0][:1]) for e in EINSUMS])
def test_einsum_subscripts(arguments: tuple[Any, ...], parts: tuple[str, ...]) -> None:
    raises(jb.UnsupportedError, lambda: ops.einsum(*arguments), "einsum", *parts)
    if len(arguments) > 1:
        raises(jb.UnsupportedError, lambda: ops.einsum.jacobian(*arguments), "einsum", *parts)


NOT_NUMBERS: list[tuple[str, Any, type[Exception], tuple[str, ...]]] = [
    ("None", None, jb.UnsupportedError, ("is None",)),
    ("text", "abc", jb.UnsupportedError, ("dtype <U3", "text is not numeric")),
    ("texts", ["a", "b"], jb.UnsupportedError, ("dtype <U1", "text is not numeric")),
    ("bytes", b"abc", jb.UnsupportedError, ("dtype |S3", "bytes are not numeric")),
    ("objects", np.array([1, "x"], object), jb.UnsupportedError, ("dtype object", "Python objects")),
    ("fractions", [Fraction(1, 2)], jb.UnsupportedError, ("dtype object",)),
    ("huge integers", [10**400], jb.UnsupportedError, ("dtype object",)),
    ("a dictionary", {1: 2.0}, jb.UnsupportedError, ("dtype object",)),
    ("a function", np.exp, jb.UnsupportedError, ("dtype object",)),
    ("complex", ones(3) * 1j, jb.UnsupportedError, ("dtype complex128", "real and imaginary parts")),
    ("complex64", ones(3, np.complex64), jb.UnsupportedError, ("dtype complex64",)),
    ("matrix", np.ones((1, 2)).view(np.matrix), jb.UnsupportedError, ("numpy.matrix", "np.asarray(...)")),
    ("masked", np.ma.masked_array([1.0, 2.0], [0, 1]), jb.UnsupportedError, ("masked array", ".filled(")),
    ("unmasked", np.ma.masked_array([1.0, 2.0]), jb.UnsupportedError, ("masked array",)),
    ("dates", np.array([date(2025, 1, 31)], "M8[D]"), jb.UnsupportedError, ("datetime64[D]", "no derivative")),
    ("time differences", np.array([1], "m8[s]"), jb.UnsupportedError, ("timedelta64[s]", "unit")),
    ("records", np.zeros(2, [("a", float)]), jb.UnsupportedError, ("structured array", "fields")),
    ("ragged", [[1.0], [1.0, 2.0]], jb.ShapeError, ("no array of numbers", "inhomogeneous", "(2,)")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "parts"),
    [case[1:] for case in NOT_NUMBERS],
    ids=[case[0] for case in NOT_NUMBERS],
)
def test_what_is_no_array_of_real_numbers(
    value: Any, kind: type[Exception], parts: tuple[str, ...]
) -> None:
    raises(kind, lambda: ops.exp(value), "exp: argument X", *parts)
    raises(kind, lambda: ops.exp.jacobian(value), "exp: argument X", *parts)
    # Also where the argument is not the one that is differentiated by.
    raises(kind, lambda: ops.multiply(ones(2), value), "multiply: argument B", *parts)
    raises(kind, lambda: ops.multiply.jacobian(ones(2), value, wrt="A"), "argument B", *parts)
    raises(kind, lambda: ops.einsum("i,i", value, ones(2)), "einsum: argument A", *parts)
    # As an upstream gradient or a direction.
    J = ops.multiply.jacobian(ones(2), ones(2), wrt="A")
    raises(kind, lambda: J.vjp(value), "∂Y_i/∂A_k: the upstream gradient G", *parts)
    raises(kind, lambda: J.jvp(value), "∂Y_i/∂A_k: the direction dX", *parts)
    raises(kind, lambda: jb.compare(J, value), "the upstream gradient G", *parts)


def test_upstream_and_direction_of_the_wrong_shape() -> None:
    B, C = ones((2, 3)), ones((3, 5))
    J = ops.matmul.jacobian(B, C, wrt="B")
    for G in (ones((5, 2)), ones(10), 1.0, ones((1, 2, 5)), ones((2, 1))):
        shape = str(np.shape(G))
        parts = (
            "∂A_ij/∂B_kl",
            "upstream gradient G",
            f"has shape {shape}",
            "the output",
            "shape (2, 5)",
        )
        raises(jb.ShapeError, lambda G=G: J.vjp(G), *parts)
        raises(jb.ShapeError, lambda G=G: ops.matmul.vjp(G, B, C, wrt="B"), *parts)
        raises(jb.ShapeError, lambda G=G: jb.compare(J, G), *parts)
    for dX in (ones((3, 2)), ones(6), 1.0, ones((2, 3, 1))):
        shape = str(np.shape(dX))
        parts = ("∂A_ij/∂B_kl", "direction dX", f"has shape {shape}", "the input", "shape (2, 3)")
        raises(jb.ShapeError, lambda dX=dX: J.jvp(dX), *parts)
        raises(jb.ShapeError, lambda dX=dX: ops.matmul.jvp(dX, B, C, wrt="B"), *parts)


@pytest.mark.parametrize(
    ("index", "kind", "parts"),
    [
        (2, jb.ShapeError, ("index 2", "axis 0 (i) of size 2")),
        (-3, jb.ShapeError, ("index -3", "axis 0 (i) of size 2")),
        ((0, 5), jb.ShapeError, ("index 5", "axis 1 (j) of size 5")),
        ((..., 3), jb.ShapeError, ("index 3", "axis 3 (l) of size 3")),
        ((0,) * 5, jb.ShapeError, ("5 indices", "4 axes", "(2, 5, 2, 3)")),
        ((..., ...), jb.ShapeError, ("at most one '...'",)),
        (None, jb.UnsupportedError, ("NoneType", "J.dense()")),
        ([0, 1], jb.UnsupportedError, ("list", "J.dense()")),
        (np.array([0]), jb.UnsupportedError, ("ndarray", "J.dense()")),
        (True, jb.UnsupportedError, ("bool",)),
        (np.True_, jb.UnsupportedError, ("bool",)),
        (1.5, jb.UnsupportedError, ("float",)),
        ("a", jb.UnsupportedError, ("str",)),
    ],
    ids=repr,
)
def test_indices(index: Any, kind: type[Exception], parts: tuple[str, ...]) -> None:
    J = ops.matmul.jacobian(ones((2, 3)), ones((3, 5)), wrt="B")
    raises(kind, lambda: J[index], "∂A_ij/∂B_kl", *parts)


def test_names_of_orders_and_formats() -> None:
    J = ops.matmul.jacobian(ones((2, 3)), ones((3, 5)), wrt="B")
    for use in (J.matrix, J.sparse, J.operator, J.kron):
        for order in ("K", "A", "", None, "c"):
            raises(
                jb.ShapeError, lambda use=use, order=order: use(order=order),
                "∂A_ij/∂B_kl", "'C' (row-major vec)", "'F' (column-major vec)", repr(order),
            )  # fmt: skip
    raises(jb.UnsupportedError, lambda: J.sparse("table"), "'table'", "'csr', 'csc', 'coo'")


def test_an_unknown_operation_names_those_there_are() -> None:
    for use in (lambda: ops.matmull, lambda: ops["matmull"]):
        with pytest.raises(
            jb.JacobiansError, match=r"no operation 'matmull'; did you mean matmul\?$"
        ):
            use()
    assert not hasattr(ops, "matmull")
    assert "matmull" not in ops
    assert ops.get("matmull") is None
    with pytest.raises(KeyError):
        ops["matmull"]
    with pytest.raises(AttributeError):
        _ = ops.matmull


@pytest.mark.parametrize("name", ["inv", "solve"])
def test_numpys_own_error_for_singular_matrices_passes_through(name: str) -> None:
    arguments = (ones((2, 2)), ones(2))[: len(ops[name].arguments)]
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        ops[name](*arguments)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        ops[name].jacobian(*arguments)


def test_a_diagonal_and_a_kronecker_form_that_do_not_exist() -> None:
    J = ops.matmul.jacobian(ones((2, 3)), ones((3, 5)), wrt="B")
    raises(jb.ShapeError, J.diagonal, "∂A_ij/∂B_kl", "(2, 5)", "(2, 3)")
    raises(
        jb.UnsupportedError, ops.trace.jacobian(ones((3, 3))).kron,
        "∂s/∂X_kl", "not a Kronecker product", "k, l", "δ_kl", "J.sparse()",
    )  # fmt: skip
    two = ops.quadratic.jacobian(ones(2), np.eye(2)).kron()
    with pytest.raises(jb.UnsupportedError, match="2 Kronecker products"):
        _ = two.factors


def test_no_message_holds_an_address_or_a_placeholder() -> None:
    for name, arguments, _ in WRONG_SHAPES:
        with pytest.raises(jb.ShapeError) as caught:
            ops[name](*arguments)
        assert not re.search(r"0x[0-9a-f]{6}|[\ue000-\uf8ff]|<node", str(caught.value))
