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

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, TypeVar

import numpy as np

from jacobians.errors import JacobiansError
from jacobians.graph.how import How
from jacobians.graph.node import NUMPY, Node, Operation
from jacobians.notation.coordinates import DELTA, parse_equation
from jacobians.notation.writing import ATOM
from jacobians.operations.by_rules import Rule, parse_form
from jacobians.operations.by_terms import Build, Multilinear
from jacobians.operations.checks import check_function
from jacobians.operations.kinds import Function

OperationT = TypeVar("OperationT", bound=Operation)


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
