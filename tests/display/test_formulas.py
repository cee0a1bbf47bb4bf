"""Formulas of all function cases: no placeholder, no rounded number, and read again they are the tensor."""

import inspect
import pickle
import re
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any
from unittest import mock

import numpy as np
import pytest

import jacobians as jb
from jacobians.display import naming
from jacobians.display.naming import Names
from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from tests.display.reading import Reader, Unread
from tests.grouping import in_groups
from tests.tracing.functions.driver import Case
from tests.tracing.functions.test_functions import CASES

_PLACEHOLDER = re.compile(r"⟨|\\langle|\bconst\b|contraction|\bnone\b|<node", re.IGNORECASE)
_DOUBLED = re.compile(r"⁻¹⁻¹|ᵀᵀ|\^\{-1\}\}?\^\{-1\}|\\top\}\}?\^\{\\top")
_ROUNDED = re.compile(r"\d*\.\d{6,}|\d\.\d+e[+-]?\d+")
_WIDE = 12  # entries of an argument, beyond which a second derivative takes long here


def formulas(case: Case) -> Iterator[tuple[JacobianTensor, dict[str, Any]]]:
    """The Jacobians and small Hessians of a case, with the arguments by name."""
    f, arguments = case.function, case.arguments
    for wrt in case.wrt if case.wrt is not None else range(len(arguments)):
        known = _named(f, arguments)
        yield jb.jacobian(f, wrt=wrt)(*arguments), known
        if case.hessian and 0 < arguments[wrt].size <= _WIDE:
            g = _weights(np.shape(f(*arguments)))

            def scalar(*a: Any, g: Any = g) -> Any:
                return np.sum(g * f(*a))

            yield (
                jb.hessian(scalar, wrt=wrt)(*arguments),
                {f"a{n}": v for n, v in enumerate(arguments)},
            )


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.5, 1.5, shape)


def _named(f: Any, arguments: tuple[np.ndarray, ...]) -> dict[str, Any]:
    found = {}
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:
        parameters = []
    for n, value in enumerate(arguments):
        own = parameters[min(n, len(parameters) - 1)] if parameters else None
        if own is not None and own.kind is own.VAR_POSITIONAL:
            found[f"{own.name}{n - len(parameters) + 1}"] = value
        elif own is not None:
            found[own.name] = value
        found.setdefault(f"x{n + 1}" if len(arguments) > 1 else "x", value)
        found.setdefault(f"a{n}", value)
    return found


class _Kept(Names):
    """Names that can be looked up after a formula was written."""

    last: Names

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _Kept.last = self


def written(J: JacobianTensor) -> tuple[str, Names]:
    """The formula, and the names that were given in it."""
    with mock.patch.object(naming, "Names", _Kept):
        return J.formula(), _Kept.last


def leaves(J: JacobianTensor, given: Names) -> dict[str, np.ndarray]:
    """The arrays of inputs and constants that the tensor holds, by the names of its formula."""
    found = {}
    for node in ordered(J.operands):
        value = J.operands.get(node, node.value)
        if node.operation is None and value is not None and (node.name or node.shape):
            found[given.leaf(node)] = np.asarray(value)
    return found


def read(J: JacobianTensor, text: str, given: Names, arguments: dict[str, Any]) -> np.ndarray:
    """The tensor by its formula and arrays alone."""
    shapes = {
        name: part.shape for part, name in given.parts.items() if isinstance(part, Node | Sum)
    }
    return Reader({**arguments, **leaves(J, given)}, shapes).tensor(text, J.axes, J.shape)


def kronecker(J: JacobianTensor) -> str:
    """The Kronecker form, where there is one."""
    try:
        return str(J.kron())
    except UnsupportedError:
        return ""


def one_order(J: JacobianTensor, given: Names) -> None:
    """No two parts are one array with its axes in another order."""
    parts = [node for node in given.parts if isinstance(node, Node) and node in J.operands]
    arrays = [J.operands[node] for node in parts if node.operation is not None and node.ndim > 1]
    for first, second in combinations(arrays, 2):
        if first.ndim == second.ndim and np.unique(first).size > 2:
            for order in permutations(range(second.ndim)):
                assert not np.array_equal(first, second.transpose(order)), J.formula()


@in_groups("case", CASES, lambda case: case.name, every=4)
def test_every_formula(case: Case) -> None:
    unread = []
    for J, arguments in formulas(case):
        (text, given), latex = written(J), J.latex()
        main, _, where = text.partition(", where ")
        assert max(map(len, repr(J).splitlines())) <= 80
        for shown in (text, latex, repr(J), kronecker(J)):
            assert not _PLACEHOLDER.search(shown), shown
            assert not _DOUBLED.search(shown), shown
            assert latex.count("{") == latex.count("}")
        for shown in (main, kronecker(J).partition(", where ")[0]):
            assert not _ROUNDED.search(shown), shown
        for part in where.split("; ") if where else []:
            left, _, right = part.partition(" = ")
            if _ROUNDED.search(right):  # a number by its name, with all its digits
                assert re.fullmatch(r"c\d*", left), part
                assert repr(float(right)) == right, part
        one_order(J, given)
        try:
            found = read(J, text, given, arguments)
        except Unread as reason:
            unread.append(str(reason))
            continue
        expected = J.explicit()
        scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0)))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8 * scale, err_msg=text)
    known = ("the function ", "a p-norm", "a table that is cut", "', too long to write out")
    assert all(reason.startswith(known) for reason in unread), unread


# Small things by themselves


def network(W: np.ndarray) -> Any:
    for _ in range(3):
        W = np.tanh(W @ W)
    return np.sum((W - 1) ** 2)


SQUARE = np.random.default_rng(8).normal(size=(3, 3))


def test_what_is_long_has_a_name_and_is_defined_once() -> None:
    H = jb.hessian(network)(SQUARE)
    main, _, where = H.formula().partition(", where ")
    names_defined = [part.partition("_")[0] for part in where.split("; ")]
    assert len(names_defined) > 3
    assert len(set(names_defined)) == len(names_defined)
    assert len(main) < 200
    expected = jb.numerical.jacobian(jb.grad(network), SQUARE)
    text, given = written(H)
    np.testing.assert_allclose(read(H, text, given, {"W": SQUARE}), expected, rtol=1e-6, atol=1e-6)


def test_numbers_are_what_they_are() -> None:
    x = np.array([0.3, 0.7])
    weights = np.array([0.123456789, 2.0])
    found = {
        "⅓ δ_ik": lambda x: x / 3 * 1.0,
        "0.1 δ_ik": lambda x: 0.1 * x,
        "log(2) δ_ik 2^x_i": lambda x: 2.0**x,
        "δ_ik (π/180)": lambda x: np.deg2rad(x),
        "(1/7) δ_ik": lambda x: 1 / 7 * x,
        "c δ_ik, where c = 0.123456789": lambda x: 0.123456789 * x,
        "δ_ik c, where c = 0.123456789": lambda x: weights[0] * x,
        "−c δ_ik, where c = 0.123456789": lambda x: x * -0.123456789,
    }
    for formula, f in found.items():
        assert sorted(jb.jacobian(f)(x).formula().split(" ")) == sorted(formula.split(" ")), formula


def more(array: Any) -> Any:
    return array + 1


def test_constants_without_a_name_are_told_apart() -> None:
    a, b = np.array([0.3, 0.7]), np.array([1.5, 2.5])
    J = jb.jacobian(lambda x: x * more(a) + np.sin(x) * more(b) + np.cos(x) * more(a))(np.ones(2))
    text, given = written(J)
    assert {"c", "c1"} <= set(re.findall(r"\bc\d*(?=_)", text))
    assert "c2" not in text
    np.testing.assert_array_equal(leaves(J, given)["c"], a + 1)
    taken = jb.jacobian(lambda x, c: x * c + x * more(a))(np.ones(2), b)
    assert taken.formula() == "δ_ik (c1_i + c_i)"
    seen = jb.jacobian(lambda x, c: x * c + x * (a + 1))(np.ones(2), b)
    assert seen.formula() == "δ_ik (a_i + 1 + c_i)"


def test_transposes_and_inverses_cancel() -> None:
    X = SQUARE + 4 * np.eye(3)
    inv = np.linalg.inv
    assert jb.jacobian(lambda X: inv(inv(X)))(X).formula() == "δ_ik δ_jl"
    assert jb.jacobian(lambda X: np.trace(inv(inv(X)).T @ X))(X).latex().count("^{-1}^{-1}") == 0
    cube = jb.jacobian(lambda X: X @ X @ X)(X).formula()
    assert cube == "δ_jl (X X)_ik + δ_ik (X X)_lj + X_lj X_ik"
    assert jb.jacobian(lambda X: (X.T.T @ SQUARE).T)(X).formula() == "δ_jk SQUARE_li"


def test_a_slice_is_not_taken_for_the_whole() -> None:
    x = np.arange(1.0, 6.0)
    assert jb.jacobian(lambda x: np.diff(x) ** 2)(x).formula() == (
        "−2 δ_ik (x_(i+1) − x_i) + 2 δ_(i+1,k) (x_(i+1) − x_i)"
    )


def test_a_sum_says_how_far_it_runs() -> None:
    x = np.arange(1.0, 6.0)
    J = jb.jacobian(lambda x: np.sum(np.exp(x[:3] * x[1:4])))(x)
    assert "Σ_(r<3)" in J.formula()
    assert "\\sum_{r<3}" in J.latex()


def test_a_repr_fits_eighty_columns_and_says_what_it_leaves_out() -> None:
    H = jb.hessian(network)(SQUARE)
    lines = repr(H).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  where ") for line in lines)
    assert "more parts have a name: see formula()" in repr(H)
    assert "more parts have a name" in H._repr_latex_()
    assert "parts have a name" in H._repr_html_()
    J = jb.jacobian(lambda x: 0.123456789 * x)(np.ones(2))
    assert "where c = 0.123456789" in repr(J)
    assert "\\text{where }c = 0.123456789" in J._repr_latex_()


def test_a_stored_tensor_is_written_as_it_was() -> None:
    for J in (jb.hessian(network)(SQUARE), jb.jacobian(lambda X: np.linalg.inv(X.T))(SQUARE)):
        again = pickle.loads(pickle.dumps(J))
        assert (again.formula(), again.latex(), repr(again)) == (J.formula(), J.latex(), repr(J))
        chained = again @ again if J.out_shape == J.in_shape else None
        assert chained is None or chained.formula() == (J @ J).formula()


def test_a_kronecker_form_names_its_scalars_and_its_parts() -> None:
    scaled = jb.ops.scale.jacobian(7.006961234, SQUARE, wrt="X").kron()
    assert str(scaled) == "c (I_3 ⊗ I_3)"
    np.testing.assert_array_equal(scaled.matrix(), 7.006961234 * np.eye(9))
    norm = jb.jacobian(lambda X: np.linalg.norm([0.3, 0.9]) * X)(SQUARE).kron()
    seen = jb.jacobian(lambda a, X: np.linalg.norm(a) * X, wrt="X")(SQUARE[0], SQUARE).kron()
    assert str(seen) == "‖a‖ (I_3 ⊗ I_3)"
    odd = jb.jacobian(lambda X: abs(SQUARE[0, 0]) * X * 3)(SQUARE).kron()
    assert re.fullmatch(r"3 c \(I_3 ⊗ I_3\), where c = [\d.]+", str(odd))
    assert str(norm) == "(3 √(10)/10) (I_3 ⊗ I_3)"
    picked = jb.jacobian(lambda X: X[::2])(SQUARE).kron()
    assert str(picked) == "M ⊗ I_3, where M_ij = δ_(2i,j)"
    np.testing.assert_array_equal(picked.matrix(), np.kron(np.eye(3)[::2], np.eye(3)))


def test_an_explanation_defines_the_names_in_it() -> None:
    H = jb.hessian(network)(SQUARE)
    found = H.explain(0, 1, 1, 2)
    defined = {left.partition("_")[0] for left, _ in found.parts}
    used = set(re.findall(r"\b[A-Z]\d*(?=[_\[])", " ".join(t.formula for t in found.terms)))
    assert used - {"W"} <= defined
    assert "where " in str(found)
    assert found.to_dict()["parts"]


@pytest.mark.parametrize("count", [19, 20, 26])
def test_einsum_formulas_of_many_letters(count: int) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"[:count]
    formula = jb.ops.einsum.formula(1, subscripts=f"{letters},a->{letters[1:]}")
    assert formula.startswith("A_")
    many = jb.ops.einsum.formula(0, subscripts=f"{letters}->")
    assert many == "1"


def test_a_formula_of_more_axes_than_letters_says_so() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    with pytest.raises(
        UnsupportedError, match=r"a tensor of 56 axes \(28 of the output, 28 of the input\)"
    ):
        jb.ops.einsum.formula(0, subscripts=f"{letters}AB,{letters}->{letters}AB")
