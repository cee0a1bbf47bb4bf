"""Formulas of all function cases: no placeholder, no rounded number, and read again they are the tensor."""

import inspect
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
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from tests.display.reading import Reader, Unreadable
from tests.tracing.functions.driver import Case
from tests.tracing.functions.test_functions import CASES

_PLACEHOLDER = re.compile(r"⟨|\\langle|\bconst\b|contraction|\bnone\b|<node", re.IGNORECASE)
_DOUBLED = re.compile(r"⁻¹⁻¹|ᵀᵀ|\^\{-1\}\}?\^\{-1\}|\\top\}\}?\^\{\\top")
_ROUNDED = re.compile(r"\d*\.\d{6,}|\d\.\d+e[+-]?\d+")
_WIDE = 12  # entries of an argument, beyond which a second derivative takes long here


def formulas(case: Case) -> Iterator[tuple[JacobianTensor, dict[str, Any]]]:
    """The Jacobians of a case in each order, its Hessian, and the arguments by name."""
    f, arguments = case.function, case.arguments
    for wrt in case.wrt if case.wrt is not None else range(len(arguments)):
        known = _named(f, arguments)
        for strategy in ("auto", "forward"):
            yield jb.jacobian(f, wrt=wrt, strategy=strategy)(*arguments), known  # type: ignore[arg-type]
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
    for node in ordered(J._values):
        value = J._values.get(node, node.value)
        if node.operation is None and value is not None and (node.name or node.shape):
            found[given.leaf(node)] = np.asarray(value)
    return found


def read(J: JacobianTensor, text: str, given: Names, arguments: dict[str, Any]) -> np.ndarray:
    """The tensor by its formula and arrays alone."""
    shapes = {
        name: part.shape for part, name in given.parts.items() if isinstance(part, Node | Sum)
    }
    return Reader({**arguments, **leaves(J, given)}, shapes).tensor(text, J.axes, J.shape)


def one_order(J: JacobianTensor, given: Names) -> None:
    """No two parts are one array with its axes in another order."""
    parts = [node for node in given.parts if isinstance(node, Node) and node in J._values]
    arrays = [J._values[node] for node in parts if node.operation is not None and node.ndim > 1]
    for first, second in combinations(arrays, 2):
        if first.ndim == second.ndim and np.unique(first).size > 2:
            for order in permutations(range(second.ndim)):
                assert not np.array_equal(first, second.transpose(order)), J.formula()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_formula(case: Case) -> None:
    unread = []
    for J, arguments in formulas(case):
        (text, given), latex = written(J), J.latex()
        main, _, where = text.partition(", where ")
        for shown in (text, latex):
            assert not _PLACEHOLDER.search(shown), shown
            assert not _DOUBLED.search(shown), shown
            assert latex.count("{") == latex.count("}")
        assert not _ROUNDED.search(main), main
        for part in where.split("; ") if where else []:
            left, _, right = part.partition(" = ")
            if _ROUNDED.search(right):  # a number by its name, with all its digits
                assert re.fullmatch(r"c\d*", left), part
                assert repr(float(right)) == right, part
        one_order(J, given)
        try:
            found = read(J, text, given, arguments)
        except Unreadable as reason:
            unread.append(str(reason))
            continue
        expected = J.explicit()
        scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0)))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8 * scale, err_msg=text)
    known = ("the function ", "a p-norm", "a table that is cut")
    assert all(reason.startswith(known) for reason in unread), unread
