"""What this folder needs of a Jacobian tensor, whatever its class; and what is read off any such."""

# ruff: noqa: D102 - the tensor that is shown documents its members

import re
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import shortcut
from jacobians.display.formulas import Formula, formula_of, written_out
from jacobians.display.simplified import simpler as simplest
from jacobians.execution.steps import Cost
from jacobians.graph.node import Node
from jacobians.notation.terms import Sum
from jacobians.notation.writing import Style

Array = NDArray[Any]


class ShownCost(Protocol):
    """What the ways to use a tensor cost."""

    @property
    def explicit(self) -> Cost: ...
    @property
    def dense(self) -> Cost: ...
    @property
    def vjp(self) -> Cost: ...
    @property
    def jvp(self) -> Cost: ...


class Shown(Protocol):
    """A tensor as sums of terms over arrays, which has a title, letters and names.

    ``JacobianTensor`` says what each of these is.
    """

    @property
    def terms(self) -> Sum: ...
    @property
    def operands(self) -> Mapping[Node, Array]: ...
    @property
    def names(self) -> tuple[str, str]: ...
    @property
    def title(self) -> str: ...
    @property
    def axes(self) -> str: ...
    @property
    def out_ndim(self) -> int: ...
    @property
    def ndim(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...
    @property
    def in_shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def nnz(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

    def formula(self) -> str: ...
    def latex(self) -> str: ...
    def einsum(self) -> str: ...
    def cost(self) -> ShownCost: ...
    def dense(self) -> Array: ...
    def vjp(self, G: Any) -> Array: ...
    def jvp(self, dX: Any) -> Array: ...
    def __getitem__(self, index: Any) -> Any: ...


def formula_shown(J: Shown, style: Style = "text", most: int | None = None) -> Formula:
    """The tensor as a formula, with at most so many of its parts defined.

    As it was derived, unless its normal form takes fewer names.
    """
    found = formula_of(J.terms, J.axes, J.operands, style, J.names, most)
    if (
        "/" not in str(found)
        and "logsumexp" not in str(found)
        and "frac" not in found.main
        and len(J.terms.terms) < _SEVERAL
        and not found.parts
    ):
        return found  # nothing cancels
    simpler = simplest(J.terms, J.axes, J.operands, "text", J.names)
    plain = (
        found if style == "text" else formula_of(J.terms, J.axes, J.operands, "text", J.names, most)
    )
    if simpler is None or _names(simpler) >= _names(str(plain)):
        return found
    if style == "text":
        return Formula(simpler)
    return Formula(simplest(J.terms, J.axes, J.operands, style, J.names) or found.main, (), style)


_SEVERAL = 3  # terms among which some may be equal


def _names(text: str) -> int:
    """How many names and numbers a formula has."""
    return len(re.findall(r"\w+", text))


def contracted_formula(J: Shown, style: Style = "text") -> Formula:
    """The gradient from an upstream G as a formula: ``G Cᵀ``."""
    upstream = Node(None, (), (), J.out_shape, np.dtype(float), name="G")
    operands = {upstream: None, **J.operands}

    def main() -> str:
        return shortcut(J.terms, J.out_ndim, upstream, J.axes, style)

    return written_out(main, operands, style, J.names)
