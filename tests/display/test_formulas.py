"""Formulas of all function cases: no placeholder, no rounded number, and read again they are the tensor."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.display.naming import Names, names
from jacobians.graph.node import ordered
from jacobians.tensor.jacobian_tensor import JacobianTensor
from tests.display.reading import Reader, Unreadable
from tests.tracing.functions.driver import Case
from tests.tracing.functions.test_functions import CASES

_PLACEHOLDER = re.compile(r"⟨|\\langle|\bconst\b|contraction|\bnone\b|<node", re.IGNORECASE)
_DOUBLED = re.compile(r"⁻¹⁻¹|ᵀᵀ|\^\{-1\}\}?\^\{-1\}|\\top\}\}?\^\{\\top")
_ROUNDED = re.compile(r"\d*\.\d{6,}|\d\.\d+e[+-]?\d+")
_WIDE = 12  # entries of an argument, beyond which a second derivative takes long here

# A reader has to know more than index notation for these: functions that have no name in NumPy.
_LEAST = 2400  # formulas that are read again, of some 3,200


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


def written(J: JacobianTensor) -> tuple[str, Names]:
    """The formula, and the names that were given in it."""
    seen: list[Names] = []

    def main() -> str:
        seen.append(names())
        return ""

    from jacobians.display import formulas as module

    original = module.write

    def write(*args: Any) -> Any:
        seen.append(names())
        return original(*args)

    module.write = write  # type: ignore[assignment]
    try:
        return J.formula(), seen[-1] if seen else Names({})
    finally:
        module.write = original


def read(J: JacobianTensor, arguments: dict[str, Any]) -> np.ndarray:
    """The tensor by its formula and arrays alone."""
    text, given = written(J)
    arrays = dict(arguments)
    for node in ordered(J._values):
        if node.operation is None:
            value = J._values.get(node, node.value)
            if value is not None and (node.name or node.shape):
                arrays[given.leaf(node)] = np.asarray(value)
    shapes = {name: part.shape for part, name in given.parts.items() if hasattr(part, "shape")}
    return Reader(arrays, shapes).tensor(text, J.axes, J.shape)


READ: list[str] = []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_formula(case: Case) -> None:
    for J, arguments in formulas(case):
        text, latex = J.formula(), J.latex()
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
        _one_order(J)
        try:
            found = read(J, arguments)
        except Unreadable:
            continue
        expected = J.explicit()
        scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0)))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8 * scale, err_msg=text)
