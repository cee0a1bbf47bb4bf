"""What this folder needs of a Jacobian tensor, whatever its class; and what is read off any such."""

import re
from collections.abc import Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from jacobians.display.expressions import shortcut
from jacobians.display.formulas import Formula, formula_of, written_out
from jacobians.display.simplified import simpler as simplest
from jacobians.execution.steps import Cost
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Sum
from jacobians.notation.writing import Style

Array = NDArray[Any]
_OPERATIONS, _CHARACTERS = 400, 10_000  # of a formula that is still written


class ShownCost(Protocol):
    """What the ways to use a tensor cost."""

    @property
    def explicit(self) -> Cost:
        """As the tensor says."""
        ...

    @property
    def dense(self) -> Cost:
        """As the tensor says."""
        ...

    @property
    def vjp(self) -> Cost:
        """As the tensor says."""
        ...

    @property
    def jvp(self) -> Cost:
        """As the tensor says."""
        ...


class Shown(Protocol):
    """A tensor as sums of terms over arrays, which has a title, letters and names.

    ``JacobianTensor`` says what each of these is.
    """

    @property
    def terms(self) -> Sum:
        """As the tensor says."""
        ...

    @property
    def operands(self) -> Mapping[Node, Array]:
        """As the tensor says."""
        ...

    @property
    def names(self) -> tuple[str, str]:
        """As the tensor says."""
        ...

    @property
    def title(self) -> str:
        """As the tensor says."""
        ...

    @property
    def axes(self) -> str:
        """As the tensor says."""
        ...

    @property
    def out_ndim(self) -> int:
        """As the tensor says."""
        ...

    @property
    def ndim(self) -> int:
        """As the tensor says."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """As the tensor says."""
        ...

    @property
    def out_shape(self) -> tuple[int, ...]:
        """As the tensor says."""
        ...

    @property
    def in_shape(self) -> tuple[int, ...]:
        """As the tensor says."""
        ...

    @property
    def size(self) -> int:
        """As the tensor says."""
        ...

    @property
    def nnz(self) -> int:
        """As the tensor says."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the tensor says."""
        ...

    def formula(self) -> str:
        """As the tensor says."""
        ...

    def latex(self) -> str:
        """As the tensor says."""
        ...

    def einsum(self) -> str:
        """As the tensor says."""
        ...

    def cost(self) -> ShownCost:
        """As the tensor says."""
        ...

    def dense(self) -> Array:
        """As the tensor says."""
        ...

    def vjp(self, G: Any) -> Array:
        """As the tensor says."""
        ...

    def jvp(self, dX: Any) -> Array:
        """As the tensor says."""
        ...

    def __getitem__(self, index: Any) -> Any:
        """As the tensor says."""
        ...


def formula_shown(J: Shown, style: Style = "text", most: int | None = None) -> Formula:
    """The tensor as a formula, with at most so many of its parts defined.

    As it was derived, unless its normal form takes fewer names. That of a long program says its size, and
    where to look.
    """
    count = len(ordered(J.operands))
    if count > _OPERATIONS:
        return _too_long(J, count, style)
    found = formula_of(J.terms, J.axes, J.operands, style, J.names, most)
    if len(str(found)) > _CHARACTERS:
        return _too_long(J, count, style)
    plain = (
        found if style == "text" else formula_of(J.terms, J.axes, J.operands, "text", J.names, most)
    )
    composed = any(sign in plain.main for sign in _COMPOSED)
    if not plain.parts and not composed and _length(plain.main)[0] <= _SHORT:
        return found
    if len(plain.parts) > _MANY:
        return found
    simpler = _simplest(J, "text")
    averaged = (
        simpler is not None and "mean(" in simpler.main
    )  # shorter than a sum without its sign
    if simpler is None or (not averaged and _length(str(simpler)) >= _length(str(plain))):
        return found
    return simpler if style == "text" else _simplest(J, style) or found


_SIMPLEST: WeakKeyDictionary[Any, dict[Style, Formula | None]] = WeakKeyDictionary()


def _simplest(J: Shown, style: Style) -> Formula | None:
    """The formula from the normal form, worked out once for a tensor: it is asked for by each way to show it."""
    known = _SIMPLEST.setdefault(J, {})
    if style not in known:
        known[style] = simplest(J.terms, J.axes, J.operands, style, J.names)
    return known[style]


_COMPOSED = ("/", "exp", " + ", " − ")
_SHORT = 4  # names of a formula that nothing shortens
_MANY = 6  # parts of a formula that its normal form would not make short


def _length(text: str) -> tuple[int, int, int]:
    """How many names and numbers a formula has, how many terms, and how many transposes."""
    return len(re.findall(r"\w+", text)), text.count("+") + text.count("−"), text.count("ᵀ")


def _too_long(J: Shown, count: int, style: Style) -> Formula:
    """What stands in the place of a formula that nobody would read."""
    terms = len(J.terms.terms)
    entry = ", ".join(J.axes)
    text = (
        f"{terms:,} term{'s' * (terms != 1)} over {count:,} arrays, too long to write out: "
        f"J.explain({entry}) explains an entry, jb.record(f, *args) shows the program"
    )
    return Formula(f"\\text{{{text}}}".replace("_", "\\_") if style == "latex" else text)


def contracted_formula(J: Shown, style: Style = "text") -> Formula:
    """The gradient from an upstream G as a formula: ``G Cᵀ``."""
    upstream = Node(None, (), (), J.out_shape, np.dtype(float), name="G")
    operands = {upstream: None, **J.operands}

    def main() -> str:
        return shortcut(J.terms, J.out_ndim, upstream, J.axes, style)

    return written_out(main, operands, style, J.names)
