"""What all kinds of operations have in common: a key, what was worked out for shapes, and numbers apart."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from math import isfinite
from typing import Any, TypeGuard
from weakref import WeakValueDictionary

import numpy as np

from jacobians.graph.how import ByCall, How
from jacobians.graph.node import NUMPY, Node, Operation, weak_type
from jacobians.ground.caches import ByteCache
from jacobians.notation.coordinates import ELLIPSIS
from jacobians.notation.terms import Factor, Sum, Term, table_bytes
from jacobians.operations.checks import check_value

CALLS = "jacobians.operations.calls"
Function = Callable[..., Any]
Shape = tuple[int, ...]


def float_type(operands: Sequence[Node]) -> np.dtype[Any]:
    """The dtype of a result that is a real number whatever the operands are."""
    dtypes = [node.dtype for node in operands]
    if dtypes[0].kind == "f" and dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    found = np.result_type(*(weak_type(node) for node in operands))
    return found if found.kind in "fc" else np.dtype(np.float64)


@lru_cache(maxsize=1024)
def ufunc_type(ufunc: np.ufunc, *types: Any) -> np.dtype[Any]:
    """The dtype that a ufunc gives; Python numbers are there by their type."""
    return ufunc.resolve_dtypes((*types, *(None,) * ufunc.nout))[-1]


def by_type(value: Any) -> Any:
    """A dtype, or the type of a Python number: what ``ufunc.resolve_dtypes`` takes."""
    return type(value) if type(value) in (int, float) else value


DECLARED: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Operations by their keys, the name or ``name_2`` and so on: what printed plans call."""
MOST_KEPT = 1 << 20  # bytes of what an operation keeps for later: a table of 350 × 350 pairs


def _weight(_: Any, found: Any) -> int:
    return table_bytes(found) if isinstance(found, Sum) else 64


class Declared(Operation):
    """An operation that has a key, is found by it, and keeps what was worked out for shapes."""

    checked: bool
    _known: ByteCache[Any]

    def __init__(self, name: str, **fields: Any) -> None:
        key, number = name, 1
        while key in DECLARED:
            number += 1
            key = f"{name}_{number}"
        super().__init__(name=name, key=key, _known=ByteCache(MOST_KEPT, _weight), **fields)
        DECLARED[key] = self

    def form_for(self, shapes: Sequence[Shape]) -> Any:
        """The form of these shapes."""
        raise NotImplementedError  # pragma: no cover - abstract

    def shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """The result's shape, of an operation without parameters."""
        raise NotImplementedError  # pragma: no cover - abstract

    def by_call(self, function: Function, node: Node) -> How:
        """A call of NumPy's function, of ours, or of a user's, which no module has."""
        name = getattr(function, "__name__", "")
        if self.checked:
            return ByCall(self.name, function, node.parameters, "")
        for home, module in (("numpy", np), ("numpy.linalg", np.linalg)):
            if getattr(module, name, None) is function:
                return ByCall(name, function, node.parameters, home)
        return ByCall(self.key, function, node.parameters, CALLS)

    def checked_value(self, arrays: Sequence[Any], result: Any) -> Any:
        """The value that a user's function gave; raises where its shape is not what the form says."""
        shapes = tuple(np.shape(array) for array in arrays)
        what = f"{self.name}: {self.form_for(shapes).text}"
        return check_value(what, result, shapes, self.shape(shapes))


def held_by_functions(functions: Iterable[Any]) -> int:
    """The bytes of the arrays that functions close over, or have as defaults."""
    found = 0
    for function in functions:
        values = [*(getattr(function, "__defaults__", None) or ())]
        for cell in getattr(function, "__closure__", None) or ():
            with suppress(ValueError):  # a variable that is not assigned yet
                values.append(cell.cell_contents)
        found += sum(getattr(value, "nbytes", 0) for value in values)
    return found


def fits(letters: str, shape: Shape) -> bool:
    """Whether a form's letters fit a shape's number of axes."""
    named = len(letters.replace(ELLIPSIS, ""))
    return len(shape) >= named if ELLIPSIS in letters else len(shape) == named


def is_ufunc(value: Function | None) -> TypeGuard[np.ufunc]:
    """Whether a function is a ufunc of NumPy's own that works entry by entry."""
    return (
        isinstance(value, np.ufunc)
        and value.signature is None
        and getattr(np, value.__name__, None) is value
    )


def numbers_out(tensor: Sum) -> Sum:
    """Signs and Python numbers move from operands into coefficients, where terms can be merged."""
    terms = []
    for term in tensor.terms:
        factors = []
        coefficient = term.coefficient
        for factor in term.factors:
            number, operand = number_times(factor.operand)
            if operand is factor.operand:
                factors.append(factor)
                continue
            coefficient *= number
            if operand is not None:
                factors.append(Factor(operand, factor.slots, factor.mask))
        terms.append(Term(coefficient, term.sizes, tuple(factors), term.slots))
    return Sum(tensor.shape, tuple(terms))


def _is_number(node: Node) -> bool:
    return node.is_number and isfinite(node.value)


def number_times(node: Node) -> tuple[int | float, Node | None]:
    """A node as a finite number times another node; the number alone where that is all it is.

    An infinite number stays a factor: as a coefficient it would turn what a mask rules out into NaN.
    """
    number: int | float = 1
    while True:
        if _is_number(node):
            return number * node.value, None
        operation = node.operation
        if operation is NUMPY[np.multiply] and _is_number(node.operands[0]):
            number, node = number * node.operands[0].value, node.operands[1]
        elif operation is NUMPY[np.negative]:
            number, node = -number, node.operands[0]
        else:
            return number, node
