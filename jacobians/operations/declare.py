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
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from jacobians.arrays.plan import plan_for
from jacobians.errors import JacobiansError
from jacobians.graph.node import NUMPY, Node, Operation, as_node, weak_type
from jacobians.notation.coordinates import (
    ELLIPSIS,
    Axes,
    Equation,
    Indexed,
    Product,
    instantiate,
    parse_equation,
    parse_expression,
    parse_product,
)
from jacobians.notation.terms import Factor, Sum, normal, relabelled, total
from jacobians.notation.writing import ATOM

Value = Callable[..., Any]
Shape = tuple[int, ...]
Build = Callable[..., Sum]
Kind = TypeVar("Kind", bound=Operation)


def float_type(operands: Sequence[Node]) -> np.dtype[Any]:
    """The dtype of a result that is a real number whatever the operands are."""
    found = np.result_type(*(weak_type(node) for node in operands))
    return found if found.kind in "fc" else np.dtype(np.float64)


class Multilinear(Operation):
    """An operation that is a sum of terms: products of its operands over letters.

    The terms come from coordinate forms (the first whose numbers of axes fit is taken) or from
    ``build(*shapes, **parameters)``. A ``real`` operation computes with floats even of integers.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        forms: Sequence[str] = (),
        build: Build | None = None,
        value: Value | None = None,
        notation: str = "",
        latex: str = "",
        binds: int = ATOM,
        elementwise: bool = False,
        real: bool = False,
    ) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.real = real
        self.forms = tuple(parse_equation(form) for form in forms)
        self.notation, self.latex, self.binds = notation, latex, binds
        self.elementwise = elementwise
        self._build = build
        self._value = value

    def structure(self, shapes: tuple[Shape, ...], parameters: tuple[tuple[str, Any], ...]) -> Sum:
        """The operation at given shapes as a sum of terms over operand positions."""
        return _structure(self, shapes, parameters)

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

    @property
    def named(self) -> bool:
        """Whether a function of NumPy's or our own gives the value."""
        return self._value is not None

    @property
    def function(self) -> Value:
        """The function that gives the value."""
        assert self._value is not None
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
        tensor = self.structure(tuple(n.shape for n in operands), tuple(sorted(parameters.items())))
        return tensor.shape, self._type(tensor, [weak_type(node) for node in operands])

    def evaluate(self, arrays: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """The value: NumPy's own function where there is one, else the terms' plan."""
        if self._value is not None:
            return self._value(*arrays, **parameters)
        real = [np.asarray(array) for array in arrays]
        shapes = tuple(array.shape for array in real)
        tensor = self.structure(shapes, tuple(sorted(parameters.items())))
        dtype = self._type(tensor, [a if type(a) in (int, float) else a.dtype for a in arrays])
        return plan_for(tensor, shapes).run(real, dtype)

    def _type(self, tensor: Sum, types: Sequence[Any]) -> np.dtype[Any]:
        """The operands' common dtype, widened where a coefficient is no integer."""
        if not types:
            return np.dtype(np.float64)
        found = np.result_type(*types, *(t.coefficient for t in tensor.terms))
        return np.dtype(np.float64) if self.real and found.kind in "iub" else found

    def local(self, node: Node, position: int) -> Sum:
        """The product rule: each term that has the operand, without it."""
        shapes = tuple(operand.shape for operand in node.operands)
        tensor = _derivative(self, shapes, node.parameters, position)
        return _numbers_out(relabelled(tensor, node.operands.__getitem__))


@lru_cache(maxsize=2048)
def _structure(
    operation: Multilinear, shapes: tuple[Shape, ...], parameters: tuple[tuple[str, Any], ...]
) -> Sum:
    return operation.make_structure(shapes, dict(parameters))


@lru_cache(maxsize=2048)
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
    (result,) = parse_product(found["result"], signature).factors
    operands = tuple(parse_product(p, signature).factors[0] for p in found["operands"].split(","))
    rules = {}
    for text in jacobians:
        left, equals, right = text.partition("=")
        above, slash, below = left.replace("∂", "").partition("/")
        if not (equals and slash):
            raise JacobiansError(f"{text!r} is no rule; write it as in '∂Y_ij/∂X_kl = −Y_ik Y_lj'")
        (out,) = parse_product(above, text).factors
        (inner,) = parse_product(below, text).factors
        rules[inner.name] = (out, inner, parse_expression(right))
    return Form(signature, result, operands, rules)


class Rule(Operation):
    """An operation given by its value, its shapes, and a formula for each Jacobian.

    ``where`` names what stands in the formulas besides arguments and result: functions of the
    arguments and the result, in NumPy notation. A boolean operand is a mask.
    """

    def __init__(
        self,
        name: str,
        value: Value,
        forms: Sequence[Form],
        *,
        where: Mapping[str, Value] | None = None,
        notation: str = "",
        latex: str = "",
        indexed: tuple[str, str] = ("", ""),
        binds: int = ATOM,
        elementwise: bool = False,
        dtype: Callable[[Sequence[Node]], np.dtype[Any]] = float_type,
    ) -> None:
        self.name = name
        self.arguments = tuple(operand.name for operand in forms[0].operands)
        self.forms = tuple(forms)
        self.where = dict(where or {})
        self.indexed, self.indexed_latex = indexed
        self.notation, self.latex, self.binds = notation, latex, binds
        self.elementwise = elementwise
        self._value = value
        self._dtype = dtype
        for form in self.forms:
            self._check_names(form)

    def _check_names(self, form: Form) -> None:
        """Raise unless every name in the formulas is an argument, the result, or in ``where``."""
        known = [*self.arguments, form.result.name, *self.where, "δ"]
        for argument, (out, inner, products) in form.jacobians.items():
            if out.name != form.result.name or argument not in self.arguments:
                raise JacobiansError(
                    f"operation {self.name!r}: ∂{out}/∂{inner} is no Jacobian of {form.text!r}; its "
                    f"result is {form.result.name}, its arguments {', '.join(self.arguments)}"
                )
            for factor in (f for product in products for f in product.factors):
                if factor.name not in known:
                    raise JacobiansError(
                        f"operation {self.name!r}: nothing gives {factor.name} in the formula of "
                        f"∂{out}/∂{inner}; there are {', '.join(known)}, and what where= names"
                    )

    @property
    def function(self) -> Value:
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
        return _signature_shape(self, shapes), self._dtype(operands)

    def evaluate(self, arrays: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """The value."""
        return self._value(*arrays, **parameters)

    def local(self, node: Node, position: int) -> Sum:
        """The declared formula at the node's shapes."""
        shapes = tuple(operand.shape for operand in node.operands)
        form = self.form_for(shapes)
        argument = self.arguments[position]
        if argument not in form.jacobians:
            return Sum(node.shape + shapes[position], ())
        _, _, products = form.jacobians[argument]
        named: dict[str, Node] = {form.result.name: node}
        named.update(zip(self.arguments, node.operands, strict=True))
        for product in products:
            for factor in product.factors:
                if factor.name in self.where and factor.name not in named:
                    found = self.where[factor.name](*node.operands, node)
                    named[factor.name] = as_node(found)
        used = {f.name for product in products for f in product.factors if f.name != "δ"}
        operand_shapes = tuple((name, named[name].shape) for name in sorted(used))
        masks = frozenset(name for name in used if named[name].dtype == np.bool_)
        tensor = _rule_terms(self, argument, node.shape, shapes, operand_shapes, masks)
        return _numbers_out(relabelled(tensor, named.__getitem__))


@lru_cache(maxsize=2048)
def _signature_shape(operation: Rule, shapes: tuple[Shape, ...]) -> Shape:
    form = operation.form_for(shapes)
    operands = {
        o.name: Axes(o.name, o.letters, s) for o, s in zip(form.operands, shapes, strict=True)
    }
    product = Product(1, form.operands)
    context = f"{operation.name}: {form.text}"
    return instantiate([product], [], operands, context, result=[form.result.letters]).shape


@lru_cache(maxsize=4096)
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


def _numbers_out(tensor: Sum) -> Sum:
    """Signs and Python numbers move from operands into coefficients, where terms can be merged."""
    terms = []
    for term in tensor.terms:
        factors = []
        coefficient = term.coefficient
        for factor in term.factors:
            number, operand = _number_times(factor.operand)
            coefficient *= number
            if operand is not None:
                factors.append(factor._replace(operand=operand))
        terms.append(term._replace(coefficient=coefficient, factors=tuple(factors)))
    return Sum(tensor.shape, tuple(terms))


def _number_times(node: Node) -> tuple[int | float, Node | None]:
    """A node as a number times another node; the number alone where that is all it is."""
    number: int | float = 1
    while True:
        if type(node.value) in (int, float):
            return number * node.value, None
        if node.operation is NUMPY[np.negative]:
            number, node = -number, node.operands[0]
            continue
        first = node.operands[0] if node.operands else node
        if node.operation is NUMPY[np.multiply] and type(first.value) in (int, float):
            number, node = number * first.value, node.operands[1]
            continue
        return number, node


def multilinear(
    name: str,
    *forms: str,
    arguments: Sequence[str] | None = None,
    numpy: Any = None,
    value: Value | None = None,
    **display: Any,
) -> Multilinear:
    """Declare an operation by its coordinate form, ``"A_ij = B_ir C_rj"``.

    Arguments are in order of appearance unless given. ``numpy`` is the NumPy callable that means this
    operation; it also gives the value unless ``value`` does.
    """
    if arguments is None:
        parsed = parse_equation(forms[0])
        names = dict.fromkeys(f.name for product in parsed.products for f in product.factors)
        arguments = tuple(names)
    made = Multilinear(name, arguments, forms=forms, value=value or numpy, **display)
    return _known_to_numpy(made, numpy)


def index_map(
    name: str,
    arguments: Sequence[str],
    build: Build,
    *,
    numpy: Any = None,
    value: Value | None = None,
    **display: Any,
) -> Multilinear:
    """Declare an operation whose terms ``build(*shapes, **parameters)`` gives."""
    made = Multilinear(name, arguments, build=build, value=value or numpy, **display)
    return _known_to_numpy(made, numpy)


def elementwise(
    name: str,
    value: Value,
    *,
    numpy: Any = None,
    dtype: Callable[[Sequence[Node]], np.dtype[Any]] = float_type,
    notation: str = "",
    latex: str = "",
    binds: int = ATOM,
    **derivatives: Value | str | None,
) -> Rule:
    """Declare a function of numbers by its derivatives, ``X=lambda X, Y: 1 - Y**2``.

    The keywords name the arguments, in order. A derivative may also be a text in coordinate form
    (``"1"``), or None where the function is locally constant.
    """
    arguments = tuple(derivatives)
    where: dict[str, Value] = {}
    rules = []
    for number, (argument, derivative) in enumerate(derivatives.items()):
        if derivative is None:
            continue
        if callable(derivative):
            where[f"D{number}"] = derivative
            derivative = f"D{number}_…"
        rules.append(f"∂Y_…/∂{argument}_… = {derivative}")
    signature = f"Y_… = {name}({', '.join(f'{a}_…' for a in arguments)})"
    made = Rule(
        name,
        value,
        [parse_form(signature, rules)],
        where=where,
        elementwise=True,
        dtype=dtype,
        notation=notation,
        latex=latex,
        binds=binds,
    )
    return _known_to_numpy(made, numpy)


def rule(
    name: str,
    value: Value,
    *texts: str,
    numpy: Any = None,
    where: Mapping[str, Value] | None = None,
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
    return _known_to_numpy(made, numpy)


DECLARED: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Operations by their keys, the name or ``name_2`` and so on: what printed plans call."""


def _known_to_numpy(operation: Kind, numpy: Any) -> Kind:
    key, number = operation.name, 1
    while key in DECLARED:
        number += 1
        key = f"{operation.name}_{number}"
    DECLARED[key] = operation
    operation.key = key
    if numpy is not None:
        NUMPY[numpy] = operation
    return operation
