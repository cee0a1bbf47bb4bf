"""Operations that are sums of terms: products of their operands over letters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from jacobians.execution.interpret import Bound, Wide, program_for, wide
from jacobians.graph.how import ByTerms, ByUfunc, How
from jacobians.graph.looks import NUMBERS, Parameters, parts_of
from jacobians.graph.node import Node, weak_type
from jacobians.ground.caches import ByteCache
from jacobians.notation.coordinates import Axes, Equation, instantiate, parse_equation
from jacobians.notation.slots import Table
from jacobians.notation.terms import Sum, Term, bytes_of, normal, relabelled, total
from jacobians.notation.writing import ATOM
from jacobians.operations.kinds import (
    MOST_KEPT,
    Declared,
    Function,
    Shape,
    by_type,
    fits,
    held_by_functions,
    is_ufunc,
    numbers_out,
    ufunc_type,
)

_LIGHT = 64  # entries of a table that a cache may hold
Build = Callable[..., Sum]


class Multilinear(Declared):
    """An operation that is a sum of terms: products of its operands over letters.

    The terms come from coordinate forms (the first whose numbers of axes fit is taken) or from
    ``build(*shapes, **parameters)``. A ``real`` operation computes with floats even of integers. The
    value of a ``checked`` one must have the shape that its form says. A program calls the function of a
    ``called`` one; it computes the others as ``how`` says, or by their terms.
    """

    forms: tuple[Equation, ...]
    real: bool
    checked: bool
    _build: Build | None
    _value: Function | None
    _how: Callable[[Node], How] | None
    _called: bool

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        forms: Sequence[str] = (),
        build: Build | None = None,
        value: Function | None = None,
        notation: str = "",
        latex: str = "",
        binds: int = ATOM,
        elementwise: bool = False,
        real: bool = False,
        checked: bool = False,
        how: Callable[[Node], How] | None = None,
        called: bool = False,
    ) -> None:
        super().__init__(
            name, arguments=tuple(arguments), forms=tuple(parse_equation(form) for form in forms),
            notation=notation, latex=latex, binds=binds, elementwise=elementwise,
            real=real, checked=checked, _build=build, _value=value, _how=how, _called=called,
            direct=None if checked else value,
            held=held_by_functions([value]) if checked else 0,
        )  # fmt: skip

    @property
    def spelled(self) -> bool:
        """Whether its terms are few letters; those of a running sum list their places."""
        return True

    def structure(self, shapes: tuple[Shape, ...], parameters: tuple[tuple[str, Any], ...]) -> Sum:
        """The operation at given shapes as a sum of terms over operand positions."""
        if not parameters:
            return self._known.get(shapes, lambda: self.make_structure(shapes, {}))  # type: ignore[no-any-return]
        if not _is_light(parameters):
            return self.make_structure(shapes, dict(parameters))
        key = shapes, parameters
        return self._known.get(  # type: ignore[no-any-return]
            key, lambda: self.make_structure(shapes, dict(parameters))
        )

    def make_structure(self, shapes: tuple[Shape, ...], parameters: Mapping[str, Any]) -> Sum:
        """As ``structure``, not remembered."""
        if self._build is not None:
            return self._build(*shapes, **parameters)
        form = self.form_for(shapes)
        context = f"{self.name}: {form.text}"
        operands = {
            name: Axes(name, "", shape) for name, shape in zip(self.arguments, shapes, strict=True)
        }
        tensor = instantiate(form.products, [], operands, context, result=[form.result.letters])
        return relabelled(tensor, self.arguments.index)

    def how(self, node: Node) -> How:
        """As declared, by a call, or by the terms."""
        if self._how is not None:
            return self._how(node)
        if is_ufunc(self._value):
            return ByUfunc(self._value.__name__)
        if self._value is not None and (self._called or self.checked):
            return self.by_call(self._value, node)
        return ByTerms(self.structure(tuple(n.shape for n in node.operands), node.parameters))

    @property
    def function(self) -> Function | None:
        """The function that gives the value, if there is one."""
        return self._value

    def form_for(self, shapes: Sequence[Shape]) -> Equation:
        """The first form whose numbers of axes fit the shapes; the first of all if none does."""
        for form in self.forms:
            letters = {f.name: f.letters for product in form.products for f in product.factors}
            if all(fits(letters[n], s) for n, s in zip(self.arguments, shapes, strict=True)):
                return form
        return self.forms[0]

    def infer(
        self, operands: Sequence[Node], parameters: Mapping[str, Any]
    ) -> tuple[Shape, np.dtype[Any]]:
        """The shape of the sum of terms; the operands' common dtype."""
        fixed = tuple(sorted(parameters.items())) if parameters else ()
        tensor = self.structure(tuple([n.shape for n in operands]), fixed)
        return tensor.shape, self._type(tensor, [weak_type(node) for node in operands])

    def evaluate(self, arrays: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """The value: NumPy's own function where there is one, else the terms' plan."""
        if self._value is not None:
            result = self._value(*arrays, **parameters)
            return self.checked_value(arrays, result) if self.checked else result
        real = [np.asarray(array) for array in arrays]
        return self._plan(tuple(sorted(parameters.items())), arrays, real)(real)[0]

    def value(self, head: Any, arrays: Sequence[Any]) -> Any:
        """As ``evaluate``; the plan is found by the head."""
        if self._value is not None:
            return super().value(head, arrays)
        real = [np.asarray(array) for array in arrays]
        types = [type(a) if type(a) in NUMBERS else (a.shape, a.dtype) for a in arrays]
        parameters = parts_of(head)[1]
        plan = _PLANS.get((head, *types), lambda: self._plan(parameters, arrays, real))
        return plan(real)[0]

    def _plan(
        self, parameters: Parameters, arrays: Sequence[Any], real: Sequence[Any]
    ) -> Bound | Wide:
        """How the terms are computed on arrays like these."""
        shapes = tuple([array.shape for array in real])
        tensor = self.structure(shapes, parameters)
        dtype = self._type(tensor, [a if type(a) in NUMBERS else a.dtype for a in arrays])
        dtypes = tuple([array.dtype for array in real])
        return wide(tensor, shapes, dtypes, dtype) or program_for(tensor, shapes, dtypes, dtype)

    def shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """The result's shape, of an operation without parameters."""
        return self.structure(shapes, ()).shape

    def _type(self, tensor: Sum, types: Sequence[Any]) -> np.dtype[Any]:
        """The operands' common dtype, widened where a coefficient is no integer."""
        if not types:
            return np.dtype(np.float64)
        first = types[0]
        if isinstance(first, np.dtype) and first.kind == "f" and types.count(first) == len(types):
            return first  # numbers do not widen floats
        if isinstance(self._value, np.ufunc):
            return ufunc_type(self._value, *map(by_type, types))
        moves = (
            len(tensor.terms) == 1 or self._value is not None
        )  # several moves into one entry would be a sum
        numbers = () if moves and all(map(_only_moves, tensor.terms)) else tensor.terms
        found = np.result_type(*types, *(t.coefficient for t in numbers))
        return np.dtype(np.float64) if self.real and found.kind in "iub" else found

    def local(self, node: Node, position: int) -> Sum:
        """The product rule: each term that has the operand, without it."""
        if len(node.operands) > _AT_ONCE:
            known = _LOCALS.get(node)
            if known is None:
                known = _LOCALS[node] = _derivatives(self, node)
            return numbers_out(relabelled(known[position], node.operands.__getitem__))
        shapes = tuple(operand.shape for operand in node.operands)
        key = shapes, node.parameters, position
        if _is_light(node.parameters):
            tensor = self._known.get(key, lambda: _derivative(self, *key))
        else:
            tensor = _derivative(self, *key)
        return numbers_out(relabelled(tensor, node.operands.__getitem__))


def _plan_bytes(key: Any, plan: Bound | Wide) -> int:
    return plan.nbytes + bytes_of(parts_of(key[0])[1])


_PLANS: ByteCache[Bound | Wide] = ByteCache(MOST_KEPT, _plan_bytes)
"""Plans of terms, by an operation with parameters and what its arrays look like."""


class RunningSum(Multilinear):
    """A running sum of one array: the n (n + 1) / 2 places of its terms are listed only when asked for."""

    @property
    def spelled(self) -> bool:
        """No: see the class."""
        return False

    def infer(
        self,
        operands: Sequence[Node],
        parameters: Mapping[str, Any],  # noqa: ARG002
    ) -> tuple[Shape, np.dtype[Any]]:
        """The operand's."""
        (operand,) = operands
        return operand.shape, self._type(Sum(operand.shape, ()), [weak_type(operand)])


def _only_moves(term: Term) -> bool:
    """Whether a term's entries are entries of one operand, booleans too: nothing is summed."""
    moved = len(term.factors) == 1 and len(term.kept) == len(term.sizes)
    return moved and type(term.coefficient) is int and term.coefficient == 1


def _is_light(value: Any) -> bool:
    """Whether a parameter may be kept in a cache: tables of an index are made anew each time.

    So are sums of terms, whose hash takes as long as what is looked up.
    """
    if isinstance(value, Table):
        return value.values.size <= _LIGHT
    return not isinstance(value, Sum) and (
        not isinstance(value, tuple) or all(map(_is_light, value))
    )


def _derivatives(operation: Multilinear, node: Node) -> list[Sum]:
    """The derivatives by all operands, over their positions, in one pass over the terms."""
    shapes = tuple(operand.shape for operand in node.operands)
    tensor = operation.structure(shapes, node.parameters)
    found: list[list[Term | None]] = [[] for _ in shapes]
    for term in tensor.terms:
        for place, factor in enumerate(term.factors):
            rest = term.factors[:place] + term.factors[place + 1 :]
            slots = term.slots + factor.slots
            found[factor.operand].append(normal(term.coefficient, term.sizes, rest, slots))
    return [total(tensor.shape + s, terms) for s, terms in zip(shapes, found, strict=True)]


_AT_ONCE = 8
"""Operands from which all derivatives are made at once (``benchmarks.growth``, pendulum)."""
_LOCALS: WeakKeyDictionary[Node, list[Sum]] = WeakKeyDictionary()


def _derivative(
    operation: Multilinear,
    shapes: tuple[Shape, ...],
    parameters: tuple[tuple[str, Any], ...],
    position: int,
) -> Sum:
    tensor = operation.structure(shapes, parameters)
    terms = []
    for term in tensor.terms:
        for place, factor in enumerate(term.factors):
            if factor.operand == position:
                rest = term.factors[:place] + term.factors[place + 1 :]
                slots = term.slots + factor.slots
                terms.append(normal(term.coefficient, term.sizes, rest, slots))
    return total(tensor.shape + shapes[position], terms)
