"""Operations given by a value, a signature, and a formula for each Jacobian."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.graph.how import ByUfunc, How
from jacobians.graph.node import Node, as_node, weak_type
from jacobians.notation.coordinates import (
    DELTA,
    Axes,
    Indexed,
    Product,
    instantiate,
    parse_expression,
    parse_name,
)
from jacobians.notation.terms import Factor, Sum, Term, full_letter, relabelled, total
from jacobians.notation.triangles import places_listed
from jacobians.notation.writing import ATOM
from jacobians.operations.checks import check_slope
from jacobians.operations.kinds import (
    Declared,
    Function,
    Shape,
    by_type,
    fits,
    float_type,
    held_by_functions,
    is_ufunc,
    numbers_out,
    ufunc_type,
)


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
            direct=None if checked else value, asks=checked and bool(where),
            held=held_by_functions([value, *where.values()]) if checked else 0,
        )  # fmt: skip

    def how(self, node: Node) -> How:
        """As declared, by the ufunc that it is, or by a call."""
        if self._how is not None:
            return self._how(node)
        if is_ufunc(self._value):
            return ByUfunc(self._value.__name__)
        return self.by_call(self._value, node)

    @property
    def function(self) -> Function:
        """The function that gives the value."""
        return self._value

    def form_for(self, shapes: Sequence[Shape]) -> Form:
        """The first form whose numbers of axes fit the shapes; the first of all if none does."""
        for form in self.forms:
            if all(fits(o.letters, s) for o, s in zip(form.operands, shapes, strict=True)):
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
        return self.checked_value(arrays, result) if self.checked else result

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
        return numbers_out(_places_known(relabelled(tensor, named.__getitem__), own))

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
    return ufunc_type(ufunc, *(by_type(weak_type(node)) for node in operands))


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
