"""Declaring an operation: by its coordinate form, by its scalar derivative, or by a rule.

* ``multilinear("matmul", "A_ij = B_ir C_rj")``: the value is what the text says; the Jacobian by an
  operand is the term without that factor, its letters becoming axes (the product rule; an operand
  that stands twice gives two terms).
* ``elementwise("tanh", np.tanh, X=lambda X, Y: 1 - Y**2)``: the derivative by each argument, in
  NumPy notation over the arguments and the result ``Y``; a boolean result is a mask.
* ``rule("inv", np.linalg.inv, "Y_nn = inv(X_nn)", "∂Y_ij/∂X_kl = −Y_ik Y_lj")``: the value, the
  shapes, and the Jacobian by each argument.

All three become the same thing: a function from a node and an operand's position to a sum of terms.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain, count
from math import isfinite
from typing import Any, NamedTuple, TypeGuard, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.execution.interpret import Bound, program_for
from jacobians.graph.how import ByCall, ByTerms, ByUfunc, How
from jacobians.graph.looks import NUMBERS, Parameters, parts_of
from jacobians.graph.node import NUMPY, Node, Operation, as_node, weak_type
from jacobians.ground.caches import ByteCache
from jacobians.notation.coordinates import (
    DELTA,
    ELLIPSIS,
    Axes,
    Equation,
    Indexed,
    Product,
    instantiate,
    parse_equation,
    parse_expression,
    parse_name,
)
from jacobians.notation.slots import Table
from jacobians.notation.terms import (
    Factor,
    Sum,
    Term,
    bytes_of,
    full_letter,
    normal,
    relabelled,
    table_bytes,
    total,
)
from jacobians.notation.triangles import places_listed
from jacobians.notation.writing import ATOM
from jacobians.operations.checks import check_function, check_slope, check_value

CALLS = "jacobians.operations.calls"
_LIGHT = 64  # entries of a table that a cache may hold
Function = Callable[..., Any]
Shape = tuple[int, ...]
Build = Callable[..., Sum]
OperationT = TypeVar("OperationT", bound=Operation)


def float_type(operands: Sequence[Node]) -> np.dtype[Any]:
    """The dtype of a result that is a real number whatever the operands are."""
    dtypes = [node.dtype for node in operands]
    if dtypes[0].kind == "f" and dtypes.count(dtypes[0]) == len(dtypes):
        return dtypes[0]
    found = np.result_type(*(weak_type(node) for node in operands))
    return found if found.kind in "fc" else np.dtype(np.float64)


@lru_cache(maxsize=1024)
def _ufunc_type(ufunc: np.ufunc, *types: Any) -> np.dtype[Any]:
    """The dtype that a ufunc gives; Python numbers are there by their type."""
    return ufunc.resolve_dtypes((*types, *(None,) * ufunc.nout))[-1]


DECLARED: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Operations by their keys, the name or ``name_2`` and so on: what printed plans call."""


_MOST = 1 << 20  # bytes of what an operation keeps for later: a table of 350 × 350 pairs


def _weight(_: Any, found: Any) -> int:
    return table_bytes(found) if isinstance(found, Sum) else 64


class Declared(Operation):
    """An operation that has a key, is found by it, and keeps what was worked out for shapes."""

    _known: ByteCache[Any]

    def __init__(self, name: str, **fields: Any) -> None:
        key, number = name, 1
        while key in DECLARED:
            number += 1
            key = f"{name}_{number}"
        super().__init__(name=name, key=key, _known=ByteCache(_MOST, _weight), **fields)
        DECLARED[key] = self


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
        if _is_ufunc(self._value):
            return ByUfunc(self._value.__name__)
        if self._value is not None and (self._called or self.checked):
            return _by_call(self, self._value, node)
        return ByTerms(self.structure(tuple(n.shape for n in node.operands), node.parameters))

    @property
    def function(self) -> Function | None:
        """The function that gives the value, if there is one."""
        return self._value

    def form_for(self, shapes: Sequence[Shape]) -> Equation:
        """The first form whose numbers of axes fit the shapes; the first of all if none does."""
        for form in self.forms:
            letters = {f.name: f.letters for product in form.products for f in product.factors}
            if all(_fits(letters[n], s) for n, s in zip(self.arguments, shapes, strict=True)):
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
            return _checked(self, arrays, result) if self.checked else result
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

    def _plan(self, parameters: Parameters, arrays: Sequence[Any], real: Sequence[Any]) -> Bound:
        """How the terms are computed on arrays like these."""
        shapes = tuple([array.shape for array in real])
        tensor = self.structure(shapes, parameters)
        dtype = self._type(tensor, [a if type(a) in NUMBERS else a.dtype for a in arrays])
        return program_for(tensor, shapes, tuple([array.dtype for array in real]), dtype)

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
            return _ufunc_type(self._value, *map(_by_type, types))
        moves = (
            len(tensor.terms) == 1 or self._value is not None
        )  # several moves into one entry would be a sum
        numbers = () if moves and all(map(_only_moves, tensor.terms)) else tensor.terms
        found = np.result_type(*types, *(t.coefficient for t in numbers))
        return np.dtype(np.float64) if self.real and found.kind in "iub" else found

    def local(self, node: Node, position: int) -> Sum:
        """The product rule: each term that has the operand, without it."""
        if len(node.operands) > _SEVERAL:
            known = _LOCALS.get(node)
            if known is None:
                known = _LOCALS[node] = _derivatives(self, node)
            return known[position]
        shapes = tuple(operand.shape for operand in node.operands)
        key = shapes, node.parameters, position
        if _is_light(node.parameters):
            tensor = self._known.get(key, lambda: _derivative(self, *key))
        else:
            tensor = _derivative(self, *key)
        return _numbers_out(relabelled(tensor, node.operands.__getitem__))


def _plan_bytes(key: Any, plan: Bound) -> int:
    return plan.nbytes + bytes_of(parts_of(key[0])[1])


_PLANS: ByteCache[Bound] = ByteCache(_MOST, _plan_bytes)
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


def _by_type(value: Any) -> Any:
    """A dtype, or the type of a Python number: what ``ufunc.resolve_dtypes`` takes."""
    return type(value) if type(value) in (int, float) else value


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
    """The derivatives by all operands, in one pass over the terms."""
    shapes = tuple(operand.shape for operand in node.operands)
    tensor = operation.structure(shapes, node.parameters)
    found: list[list[Term | None]] = [[] for _ in shapes]
    for term in tensor.terms:
        for place, factor in enumerate(term.factors):
            rest = term.factors[:place] + term.factors[place + 1 :]
            slots = term.slots + factor.slots
            found[factor.operand].append(normal(term.coefficient, term.sizes, rest, slots))
    sums = (total(tensor.shape + shape, terms) for shape, terms in zip(shapes, found, strict=True))
    return [_numbers_out(relabelled(one, node.operands.__getitem__)) for one in sums]


_SEVERAL = 8
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


def _fits(letters: str, shape: Shape) -> bool:
    named = len(letters.replace(ELLIPSIS, ""))
    return len(shape) >= named if ELLIPSIS in letters else len(shape) == named


class Form(NamedTuple):
    """One signature of a rule, and the Jacobian by each argument for it."""

    text: str
    result: Indexed
    operands: tuple[Indexed, ...]
    jacobians: Mapping[str, tuple[Indexed, Indexed, tuple[Product, ...]]]


_SIGNATURE = re.compile(r"(?P<result>[^=]*)=\s*[\w.]+\((?P<operands>.*)\)\s*$")


def parse_form(signature: str, jacobians: Sequence[str]) -> Form:
    """Read ``"Y_nn = inv(X_nn)"`` and ``"∂Y_ij/∂X_kl = −Y_ik Y_lj"``."""
    found = _SIGNATURE.match(signature)
    if found is None:
        raise JacobiansError(f"{signature!r} is no signature; write it as in 'Y_nn = inv(X_nn)'")
    result = parse_name(found["result"], signature)
    operands = tuple(parse_name(p, signature) for p in found["operands"].split(","))
    names = [result.name, *(operand.name for operand in operands)]
    if len(set(names)) != len(names):
        raise JacobiansError(
            f"{signature!r}: result and arguments need names that are all different"
        )
    rules: dict[str, tuple[Indexed, Indexed, tuple[Product, ...]]] = {}
    for text in jacobians:
        left, equals, right = text.partition("=")
        above, slash, below = left.replace("∂", "").partition("/")
        if not (equals and slash):
            raise JacobiansError(f"{text!r} is no rule; write it as in '∂Y_ij/∂X_kl = −Y_ik Y_lj'")
        out, inner = parse_name(above, text), parse_name(below, text)
        if inner.name in rules:
            raise JacobiansError(
                f"{text!r} is a second Jacobian by {inner.name} of {signature!r}; write one, a sum if need be"
            )
        rules[inner.name] = (out, inner, parse_expression(right))
    return Form(signature, result, operands, rules)


class Rule(Declared):
    """An operation given by its value, its shapes, and a formula for each Jacobian.

    ``where`` names what stands in the formulas besides arguments and result: functions of the
    arguments and the result, in NumPy notation. A boolean operand is a mask. The value of a
    ``checked`` rule must have the shape that its signature says. The ``dtype`` is by default the
    ufunc's where the value is one, else a float's.
    """

    forms: tuple[Form, ...]
    where: dict[str, Function]
    checked: bool
    _value: Function
    _dtype: Callable[[Sequence[Node]], np.dtype[Any]]
    _how: Callable[[Node], How] | None

    def __init__(
        self,
        name: str,
        value: Function,
        forms: Sequence[Form],
        *,
        where: Mapping[str, Function] | None = None,
        notation: str = "",
        latex: str = "",
        indexed: tuple[str, str] = ("", ""),
        binds: int = ATOM,
        elementwise: bool = False,
        dtype: Callable[[Sequence[Node]], np.dtype[Any]] | None = None,
        checked: bool = False,
        how: Callable[[Node], How] | None = None,
    ) -> None:
        where = dict(where or {})
        for form in forms:
            _check_names(name, form, forms[0], where)
        if dtype is None:
            dtype = partial(_value_type, value) if isinstance(value, np.ufunc) else float_type
        super().__init__(
            name, arguments=_arguments(forms[0]), forms=tuple(forms), where=where,
            indexed=indexed[0], indexed_latex=indexed[1],
            notation=notation, latex=latex, binds=binds, elementwise=elementwise,
            checked=checked, _value=value, _dtype=dtype, _how=how,
        )  # fmt: skip

    def how(self, node: Node) -> How:
        """As declared, by the ufunc that it is, or by a call."""
        if self._how is not None:
            return self._how(node)
        if _is_ufunc(self._value):
            return ByUfunc(self._value.__name__)
        return _by_call(self, self._value, node)

    @property
    def function(self) -> Function:
        """The function that gives the value."""
        return self._value

    def form_for(self, shapes: Sequence[Shape]) -> Form:
        """The first form whose numbers of axes fit the shapes; the first of all if none does."""
        for form in self.forms:
            if all(_fits(o.letters, s) for o, s in zip(form.operands, shapes, strict=True)):
                return form
        return self.forms[0]

    def infer(
        self,
        operands: Sequence[Node],
        parameters: Mapping[str, Any],  # noqa: ARG002
    ) -> tuple[Shape, np.dtype[Any]]:
        """The shape by the signature's letters."""
        shapes = tuple(node.shape for node in operands)
        return self.shape(shapes), self._dtype(operands)

    def evaluate(self, arrays: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """The value."""
        result = self._value(*arrays, **parameters)
        return _checked(self, arrays, result) if self.checked else result

    def shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """The result's shape by the signature's letters."""
        found: Shape = self._known.get(shapes, lambda: _signature_shape(self, shapes))
        return found

    def local(self, node: Node, position: int) -> Sum:
        """The declared formula at the node's shapes."""
        shapes = tuple(operand.shape for operand in node.operands)
        form = self.form_for(shapes)
        argument = self.arguments[position]
        if argument not in form.jacobians:
            raise UnsupportedError(
                f"{self.name}: {form.text}: no Jacobian by {argument} was declared; write "
                f"'∂{form.result.name}_…/∂{argument}_… = 0' if it is constant"
            )
        _, _, products = form.jacobians[argument]
        named: dict[str, Node] = {form.result.name: node}
        named.update(zip(self.arguments, node.operands, strict=True))
        for product in products:
            for factor in product.factors:
                if factor.name in self.where and factor.name not in named:
                    named[factor.name] = self._slope(factor.name, argument, node)
        used = {f.name for product in products for f in product.factors if f.name != DELTA}
        operand_shapes = tuple((name, named[name].shape) for name in sorted(used))
        masks = frozenset(name for name in used if named[name].dtype == np.bool_)
        key = argument, node.shape, shapes, operand_shapes, masks
        tensor = self._known.get(key, lambda: _rule_terms(self, *key))
        own = {named[name] for name in self.where if name in named}.difference(node.operands)
        return _numbers_out(_places_known(relabelled(tensor, named.__getitem__), own))

    def _slope(self, name: str, argument: str, node: Node) -> Node:
        """What a function in ``where`` gives at a node."""
        found = self.where[name](*node.operands, node)
        which = "the derivative" if self.elementwise else f"{name} in the Jacobian"
        if not isinstance(found, Node):
            check_slope(f"{self.name}: {which} by {argument}", found)
        slope = as_node(found)
        tail = node.shape[len(node.shape) - len(slope.shape) :]
        if self.elementwise and not (
            len(slope.shape) <= len(node.shape)
            and all(own in (1, size) for own, size in zip(slope.shape, tail, strict=True))
        ):
            raise ShapeError(
                f"{self.name}: {which} by {argument} has shape {slope.shape}, which does not broadcast to "
                f"the result's shape {node.shape}"
            )
        return slope


def _arguments(form: Form) -> tuple[str, ...]:
    return tuple(operand.name for operand in form.operands)


def _check_names(name: str, form: Form, first: Form, where: Mapping[str, Function]) -> None:
    """Raise unless every name in the formulas is an argument, the result, or in ``where``."""
    arguments = _arguments(first)
    if _arguments(form) != arguments:
        raise JacobiansError(
            f"operation {name!r}: {form.text!r} has the arguments {', '.join(_arguments(form))}, "
            f"{first.text!r} has {', '.join(arguments)}; they must be the same"
        )
    known = [*arguments, form.result.name, *where, DELTA]
    for argument, (out, inner, products) in form.jacobians.items():
        if out.name != form.result.name or argument not in arguments:
            raise JacobiansError(
                f"operation {name!r}: ∂{out}/∂{inner} is no Jacobian of {form.text!r}; its "
                f"result is {form.result.name}, its arguments {', '.join(arguments)}"
            )
        for factor in (f for product in products for f in product.factors):
            if factor.name not in known:
                raise JacobiansError(
                    f"operation {name!r}: nothing gives {factor.name} in the formula of "
                    f"∂{out}/∂{inner}; there are {', '.join(known)}, and what where= names"
                )


def _value_type(ufunc: np.ufunc, operands: Sequence[Node]) -> np.dtype[Any]:
    return _ufunc_type(ufunc, *(_by_type(weak_type(node)) for node in operands))


def _is_ufunc(value: Function | None) -> TypeGuard[np.ufunc]:
    """Whether a function is a ufunc of NumPy's own that works entry by entry."""
    return (
        isinstance(value, np.ufunc)
        and value.signature is None
        and getattr(np, value.__name__, None) is value
    )


def _by_call(operation: "Multilinear | Rule", function: Function, node: Node) -> How:
    """A call of NumPy's function, of ours, or of a user's, which no module has."""
    name = getattr(function, "__name__", "")
    if operation.checked:
        return ByCall(operation.name, function, node.parameters, "")
    for home, module in (("numpy", np), ("numpy.linalg", np.linalg)):
        if getattr(module, name, None) is function:
            return ByCall(name, function, node.parameters, home)
    return ByCall(operation.key, function, node.parameters, CALLS)


def _checked(operation: "Multilinear | Rule", arrays: Sequence[Any], result: Any) -> Any:
    shapes = tuple(np.shape(array) for array in arrays)
    what = f"{operation.name}: {operation.form_for(shapes).text}"
    return check_value(what, result, shapes, operation.shape(shapes))


def _signature_shape(operation: Rule, shapes: tuple[Shape, ...]) -> Shape:
    form = operation.form_for(shapes)
    operands = {
        o.name: Axes(o.name, o.letters, s) for o, s in zip(form.operands, shapes, strict=True)
    }
    product = Product(1, form.operands)
    context = f"{operation.name}: {form.text}"
    return instantiate([product], [], operands, context, result=[form.result.letters]).shape


def _rule_terms(
    operation: Rule,
    argument: str,
    out_shape: Shape,
    shapes: tuple[Shape, ...],
    operand_shapes: tuple[tuple[str, Shape], ...],
    masks: frozenset[str],
) -> Sum:
    out, inner, products = operation.form_for(shapes).jacobians[argument]
    in_shape = shapes[operation.arguments.index(argument)]
    axes = [Axes(out.name, out.letters, out_shape), Axes(inner.name, inner.letters, in_shape)]
    operands = {name: Axes(name, "", shape) for name, shape in operand_shapes}
    tensor = instantiate(products, axes, operands, f"{operation.name}: ∂{out}/∂{inner}")
    return Sum(
        tensor.shape,
        tuple(
            t._replace(
                factors=tuple(Factor(f.operand, f.slots, f.operand in masks) for f in t.factors)
            )
            for t in tensor.terms
        ),
    )


def _places_known(tensor: Sum, own: Collection[Node]) -> Sum:
    """Terms with one mask that is a constant of the rule's own list its places: they are structure."""
    found: list[Term | None] = []
    for term in tensor.terms:
        masks = [
            f for f in term.factors if f.mask and f.operand in own and f.operand.value is not None
        ]
        plain = len(masks) == 1 and all(
            full_letter(slot, term.sizes, size) is not None
            for slot, size in zip(masks[0].slots, masks[0].operand.shape, strict=True)
        )
        found.append(places_listed(term, masks[0], masks[0].operand.value) if plain else term)
    return total(tensor.shape, found)


def _numbers_out(tensor: Sum) -> Sum:
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


def multilinear(
    name: str,
    *forms: str,
    arguments: Sequence[str] | None = None,
    numpy: Any = None,
    value: Function | None = None,
    **display: Any,
) -> Multilinear:
    """Declare an operation by its coordinate form, ``"A_ij = B_ir C_rj"``.

    Arguments are in order of appearance unless given. ``numpy`` is the NumPy callable that means this
    operation; it also gives the value unless ``value`` does.
    """
    if arguments is None:
        arguments = _named(forms[0])
    for form in forms:
        if set(_named(form)) != set(arguments) or not arguments:
            raise JacobiansError(
                f"operation {name!r}: {form!r} has the arguments {', '.join(_named(form)) or 'none'}; "
                f"{'give at least one' if not arguments else 'expected ' + ', '.join(arguments)}"
            )
    made = Multilinear(name, arguments, forms=forms, value=value or numpy, **display)
    return known_to_numpy(made, numpy)


def _named(form: str) -> tuple[str, ...]:
    """The arguments of a coordinate form, in order of appearance."""
    factors = (f.name for product in parse_equation(form).products for f in product.factors)
    return tuple(name for name in dict.fromkeys(factors) if name != DELTA)


def index_map(
    name: str,
    arguments: Sequence[str],
    build: Build,
    *,
    numpy: Any = None,
    value: Function | None = None,
    kind: type[Multilinear] = Multilinear,
    **display: Any,
) -> Multilinear:
    """Declare an operation whose terms ``build(*shapes, **parameters)`` gives."""
    made = kind(name, arguments, build=build, value=value or numpy, **display)
    return known_to_numpy(made, numpy)


def elementwise(
    name: str,
    value: Function,
    *,
    numpy: Any = None,
    dtype: Callable[[Sequence[Node]], np.dtype[Any]] | None = None,
    notation: str = "",
    latex: str = "",
    binds: int = ATOM,
    how: Callable[[Node], How] | None = None,
    **derivatives: Function | str | None,
) -> Rule:
    """Declare a function of numbers by its derivatives, ``X=lambda X, Y: 1 - Y**2``.

    The keywords name the arguments, in order; see ``by_derivatives``, which takes any names.
    """
    return by_derivatives(
        name, value, derivatives,
        numpy=numpy, dtype=dtype, notation=notation, latex=latex, binds=binds, how=how,
    )  # fmt: skip


def by_derivatives(
    name: str,
    value: Function,
    derivatives: Mapping[str, Function | str | None],
    *,
    numpy: Any = None,
    **display: Any,
) -> Rule:
    """Declare a function of numbers by its derivative by each argument, in the arguments' order.

    A derivative is a function of the arguments and the result, a text in coordinate form (``"1"``),
    or None where the function is locally constant.
    """
    arguments = tuple(derivatives)
    taken = {*arguments, DELTA}
    result = next(letter for letter in chain("YZR", _numbered("Y")) if letter not in taken)
    where: dict[str, Function] = {}
    rules = []
    for argument, derivative in derivatives.items():
        text = "0" if derivative is None else derivative
        if not isinstance(text, str):
            key = next(key for key in _numbered("D") if key not in (*arguments, *where))
            where[key] = text
            text = f"{key}_…"
        rules.append(f"∂{result}_…/∂{argument}_… = {text}")
    signature = f"{result}_… = {name}({', '.join(f'{a}_…' for a in arguments)})"
    form = parse_form(signature, rules)
    made = Rule(name, value, [form], where=where, elementwise=True, **display)
    return known_to_numpy(made, numpy)


def _numbered(letter: str) -> Iterator[str]:
    return (f"{letter}{number}" for number in count())


def rule(
    name: str,
    value: Function,
    *texts: str,
    numpy: Any = None,
    where: Mapping[str, Function] | None = None,
    **display: Any,
) -> Rule:
    """Declare an operation by its value and texts: a signature, then its Jacobians; again for more.

    ``rule("inv", np.linalg.inv, "Y_nn = inv(X_nn)", "∂Y_ij/∂X_kl = −Y_ik Y_lj")``
    """
    forms: list[tuple[str, list[str]]] = []
    for text in texts:
        if text.lstrip().startswith("∂"):
            if not forms:
                raise JacobiansError(
                    f"operation {name!r}: {text!r} needs a signature before it, as in 'Y_nn = inv(X_nn)'"
                )
            forms[-1][1].append(text)
        else:
            forms.append((text, []))
    made = Rule(name, value, [parse_form(s, j) for s, j in forms], where=where, **display)
    return known_to_numpy(made, numpy)


def check_parameters(operation: Multilinear | Rule, value: Function | None) -> None:
    """Raise unless the functions of an operation that a user declared take what they are given.

    Raises
    ------
    JacobiansError
        Where a function does not take the arguments, or the arguments and the result.
    """
    arguments = operation.arguments
    start = f"operation {operation.name!r}:"
    if value is not None:
        check_function(f"{start} value", value, arguments)
    if isinstance(operation, Rule):
        parameters = [*arguments, operation.forms[0].result.name]
        of = {
            factor.name: argument
            for argument, (_, _, products) in operation.forms[0].jacobians.items()
            for factor in (f for product in products for f in product.factors)
        }
        for name, function in operation.where.items():
            if name in (*parameters, DELTA):
                raise JacobiansError(
                    f"{start} where= names {name}, which {operation.forms[0].text!r} names already"
                )
            what = f"the derivative by {of[name]}" if operation.elementwise else f"where {name}"
            check_function(f"{start} {what}", function, parameters)


def known_to_numpy(operation: OperationT, numpy: Any) -> OperationT:
    """The operation, entered as what a NumPy callable means."""
    if numpy is not None:
        NUMPY[numpy] = operation
    return operation
