"""``jb.ops``: every operation with its value, its Jacobians, and how they are written.

What an operation takes besides its arrays (``axis``, ``keepdims``) is what its call on traced arrays takes:
with such options, plain arrays go through that call too, so that one function says what they mean.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from itertools import count, islice
from numbers import Integral
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import jacobians
from jacobians.display.expressions import title
from jacobians.display.formulas import formula_of
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.graph.node import Node, Operation, apply, as_node, evaluate, input_node
from jacobians.ground.arguments import float_array, real_array
from jacobians.notation.coordinates import DELTA, ELLIPSIS, Indexed, Product
from jacobians.notation.explicit import axis_names
from jacobians.notation.explicit import subscripts as _subscripts
from jacobians.notation.terms import Sum
from jacobians.notation.writing import Style
from jacobians.operations import declare
from jacobians.operations.by_rules import Rule
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.kinds import float_type
from jacobians.operations.products import einsum as _einsum
from jacobians.operations.products import split_subscripts
from jacobians.operations.registry import OPERATIONS
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.dispatch import call as dispatched
from jacobians.tracing.numpy.scipys import FUNCTIONS
from jacobians.tracing.running import output_node, output_value, traced
from jacobians.tracing.session import session
from jacobians.tracing.tables import SUPPORTED
from jacobians.tracing.traced import Traced, record
from jacobians.transforms.functional import jacobian

Array = NDArray[Any]


class _Call(NamedTuple):
    """What an operation is called with: arrays in order, parameters of its node, and options."""

    arrays: list[Any]
    parameters: dict[str, Any]
    options: dict[str, Any]


class LibraryOperation:
    """An operation as users see it: call it for the value; its methods are its Jacobians.

    Every method that takes arrays takes them as the operation itself does, by position or by name, and
    its options too (``jb.ops.logsumexp(X, axis=0)``, ``jb.ops.logsumexp.jacobian(X, axis=0)``).
    ``wrt`` says by which argument to differentiate: its name or its position.

    Attributes
    ----------
    name : str
        As in ``jb.ops[name]``.
    arguments : tuple of str
        The names of the array arguments.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.ops.matmul.arguments, jb.ops.matmul.formula("B"), jb.ops.matmul.einsum("B")
    (('B', 'C'), 'δ_ik C_lj', 'ik,lj->ijkl')
    >>> jb.ops.matmul.explicit(np.ones((2, 3)), np.ones((3, 5)), wrt="B").shape
    (2, 5, 2, 3)
    """

    def __init__(self, declaration: Operation) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.arguments = declaration.arguments

    def __reduce_ex__(self, protocol: Any) -> Any:
        if OPERATIONS.get(self.name) is self.declaration:
            return _by_name, (self.name,)
        return super().__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return f"<jb.ops.{self.name}({', '.join(self.arguments) or 'subscripts, *operands'})>"

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The value: a new array or a number; traced in a function that is being differentiated."""
        call = self._bind(args, named)
        if any(isinstance(value, Traced) for value in call.arrays):
            if self._implementation is not None:
                return dispatched(self.declaration, call.arrays, call.options)
            return record(self.declaration, call.arrays, **call.parameters)
        if any(isinstance(a, Node) for a in call.arrays):
            return self._in_a_rule(call)
        arrays = self._arrays(call.arrays)
        # NumPy's functions of small integers overflow, or give halves; truths are numbers here.
        if isinstance(self.declaration, Rule):
            common = float_type([as_node(a) for a in arrays])
            arrays = [a.astype(common) if a.dtype.kind in "iub" else a for a in arrays]
        elif all(a.dtype.kind in "iub" for a in arrays):
            arrays = [a.astype(np.int64) if a.dtype.kind == "b" else a for a in arrays]
        self.declaration.infer([as_node(a) for a in arrays], call.parameters)  # shapes must fit
        if call.options:
            with session():
                return _number_or_array(self._along(call.options)(*arrays))
        result = self.declaration.evaluate(arrays, call.parameters)
        return _owned(result, arrays) if isinstance(result, np.ndarray) else result

    def _in_a_rule(self, call: _Call) -> Node:
        if call.options:
            raise UnsupportedError(
                f"{self.name} in a derivative takes no {', '.join(call.options)}: there, arguments and result "
                f"have no values yet; write jb.ops.{self.name}(X), of the whole array"
            )
        return apply(self.declaration, call.arrays, **call.parameters)

    @property
    def _implementation(self) -> Callable[..., Any] | None:
        """What the operation means on traced arrays, where that takes more than arrays."""
        entry = SUPPORTED.get(self.declaration)
        return None if entry is None else entry.run

    @cached_property
    def options(self) -> dict[str, bool]:
        """What the operation takes besides its arrays, by name; whether by position too."""
        if self._implementation is None:
            return {}
        parameters = [*inspect.signature(self._implementation).parameters.values()]
        return {p.name: p.kind is not p.KEYWORD_ONLY for p in parameters[len(self.arguments) :]}

    def _along(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """The call with options as a function of arrays, named as the operation's result."""

        def along(*arrays: Any) -> Any:
            return dispatched(self.declaration, arrays, options)

        kind = inspect.Parameter.POSITIONAL_ONLY
        names = [inspect.Parameter(name, kind) for name in self.arguments]
        along.__name__ = self._result_name()
        along.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
        return along

    def explicit(self, *args: Any, wrt: str | int = 0, **named: Any) -> Array:
        """The full tensor by one einsum per term over identity tensors, ones and operands."""
        return self.jacobian(*args, wrt=wrt, **named).explicit()

    def jacobian(self, *args: Any, wrt: str | int = 0, **named: Any) -> JacobianTensor:
        """The Jacobian of the value by the argument ``wrt``, structured."""
        call = self._bind(args, named)
        position = self.position(wrt, len(call.arrays))
        names = self._names(len(call.arrays))
        arrays = self._arrays(call.arrays)
        if call.options:
            tensor_along: JacobianTensor = jacobian(self._along(call.options), position)(*arrays)
            return tensor_along
        arrays[position] = float_array(arrays[position], names[position])
        # Integers would overflow where they meet each other before they meet a float.
        common = np.result_type(*arrays)
        arrays = [a if a.dtype.kind == "f" else a.astype(common) for a in arrays]
        inputs = [input_node(m, a.shape, a.dtype) for m, a in zip(names, arrays, strict=True)]
        node = apply(self.declaration, inputs, **call.parameters)
        tensor = node.operation.local(node, position) if node.operation else None
        assert tensor is not None
        values = evaluate(tensor.operands, dict(zip(inputs, arrays, strict=True)))
        kept = {n: _owned(np.asarray(values[n]), arrays) for n in tensor.operands}
        return JacobianTensor(
            tensor,
            node.ndim,
            kept,
            dtype=node.dtype,
            in_dtype=arrays[position].dtype,
            names=(self._result_name(), names[position]),
        )

    def vjp(self, G: Any, *args: Any, wrt: str | int = 0, **named: Any) -> Array:
        """``Σ_ij G_ij J_ijkl``, never building the tensor."""
        return self.jacobian(*args, wrt=wrt, **named).vjp(G)

    def jvp(self, dX: Any, *args: Any, wrt: str | int = 0, **named: Any) -> Array:
        """``Σ_kl J_ijkl dX_kl``, never building the tensor."""
        return self.jacobian(*args, wrt=wrt, **named).jvp(dX)

    def formula(self, wrt: str | int = 0, subscripts: str | None = None, **options: Any) -> str:
        """The Jacobian by ``wrt`` in index notation, for arguments of the usual number of axes.

        ``jb.ops.einsum`` needs its ``subscripts`` too; others take their options.
        """
        return self._write(wrt, subscripts, options, "text")

    def latex(self, wrt: str | int = 0, subscripts: str | None = None, **options: Any) -> str:
        """The formula in LaTeX."""
        return self._write(wrt, subscripts, options, "latex")

    def einsum(self, wrt: str | int = 0, subscripts: str | None = None, **options: Any) -> str:
        """The subscripts of ``explicit``: identity tensors and ones first, then operands."""
        tensor, out = self._derived(wrt, subscripts, options)
        axes = axis_names(out, len(tensor.shape) - out)
        return _subscripts(tensor, axes, {operand: operand.shape for operand in tensor.operands})

    def title(self, wrt: str | int = 0, subscripts: str | None = None, **options: Any) -> str:
        """What the formula is of: ``∂A_ij/∂B_kl``."""
        tensor, out = self._derived(wrt, subscripts, options)
        axes = axis_names(out, len(tensor.shape) - out)
        count = len(self.arguments) or (subscripts or "").count(",") + 1
        names = self._result_name(), self._names(count)[self.position(wrt, count)]
        return title(names, axes, out)

    def equation(self) -> str:
        """The declared form of the value, ``A_ij = B_ir C_rj``; empty where it has none."""
        declaration = self.declaration
        if not isinstance(declaration, Multilinear | Rule) or not declaration.forms:
            return ""
        form = declaration.forms[0]
        text = re.sub(f"{ELLIPSIS}(?=[a-z])", "", form.text)
        summed = "(" not in form.text and ELLIPSIS not in form.result.letters
        return text.replace(f"_{ELLIPSIS}", "_ij" if summed else "")

    def position(self, wrt: str | int, count: int | None = None) -> int:
        """The position of an argument given by name or position.

        Raises
        ------
        ShapeError
            Naming the arguments there are.
        """
        names = self._names(count if count is not None else len(self.arguments))
        if isinstance(wrt, str) and wrt in names:
            return names.index(wrt)
        if (
            isinstance(wrt, Integral)
            and not isinstance(wrt, bool)
            and -len(names) <= wrt < len(names)
        ):
            return int(wrt) % len(names)
        raise ShapeError(
            f"{self.name} has no argument wrt={wrt!r}; its arguments are {', '.join(names)} "
            f"(or their positions 0 to {len(names) - 1})"
        )

    def _names(self, count: int) -> tuple[str, ...]:
        letters = (f"{a}{n or ''}" for n in range(count) for a in ascii_uppercase)
        return self.arguments or tuple(islice(letters, count))

    def _result_name(self) -> str:
        declaration = self.declaration
        if isinstance(declaration, Multilinear | Rule) and declaration.forms:
            form = declaration.forms[0]
            return form.result.name
        return "Y"

    def _arrays(self, arguments: Sequence[Any]) -> list[Array]:
        """Real arrays; a Python number takes the dtype of the arrays beside it, as in NumPy."""
        names = self._names(len(arguments))
        arrays = [
            real_array(a, f"{self.name}: argument {name}")
            for a, name in zip(arguments, names, strict=True)
        ]
        weak = [type(a) in (int, float) for a in arguments]
        if not any(weak) or all(weak):
            return arrays
        given = [n if w else a.dtype for n, a, w in zip(arguments, arrays, weak, strict=True)]
        try:
            common = np.result_type(*given)
            return [
                a.astype(common) if w and common.kind == "f" else a
                for a, w in zip(arrays, weak, strict=True)
            ]
        except OverflowError:  # a number that the arrays' integers cannot hold
            return arrays

    def _bind(self, args: Sequence[Any], named: Mapping[str, Any]) -> _Call:
        """Arrays in order, parameters and options.

        Raises
        ------
        UnsupportedError
            Where the operation takes no such arguments.
        """
        if self.declaration is _einsum:
            if not args or not isinstance(args[0], str) or named:
                raise UnsupportedError(
                    "einsum: the first argument is the subscripts, as in einsum('ij,jk->ik', A, B)"
                )
            return _Call(list(args[1:]), {"subscripts": args[0]}, {})
        count = len(self.arguments)
        options = {name: value for name, value in named.items() if name in self.options}
        beyond = [n for n, by_position in self.options.items() if by_position and n not in options]
        if count < len(args) <= count + len(beyond):
            options |= dict(zip(beyond, args[count:], strict=False))
            args = args[:count]
        arrays = {name: value for name, value in named.items() if name not in options}
        unknown = [name for name in arrays if name not in self.arguments[len(args) :]]
        missing = [n for n in self.arguments[len(args) :] if n not in named]
        if unknown or missing or len(args) > count:
            also = f" and {', '.join(self.options)}" if self.options else ""
            raise UnsupportedError(
                f"{self.name} takes {count} arrays ({', '.join(self.arguments)}){also}; "
                f"got {len(args)} by position and {', '.join(named) or 'none'} by name"
            )
        return _Call([*args, *(named[name] for name in self.arguments[len(args) :])], {}, options)

    def sample(self, wrt: str | int, subscripts: str | None) -> tuple[Node, int]:
        """A node on inputs of distinct sizes and the usual numbers of axes; the position of ``wrt``."""
        parameters: dict[str, Any] = {}
        declaration = self.declaration
        if declaration is _einsum:
            if not isinstance(subscripts, str):
                raise UnsupportedError(
                    "einsum: its formula depends on the subscripts; "
                    "pass formula(wrt, subscripts='ij,jk->ik')"
                )
            letters, _ = split_subscripts(subscripts, subscripts.count(",") + 1)
            operands = [
                Indexed(n, a) for n, a in zip(self._names(len(letters)), letters, strict=True)
            ]
            parameters = {"subscripts": subscripts}
        elif isinstance(declaration, Rule):
            operands = list(declaration.forms[0].operands)
        elif isinstance(declaration, Multilinear) and declaration.forms:
            operands = _tied(declaration.forms[0].products, self.arguments)
        else:
            operands = [
                Indexed(name, "abcdefgh"[2 * n : 2 * n + 2])
                for n, name in enumerate(self.arguments)
            ]
        letters = [_usual(operand, operands) for operand in operands]
        sizes = dict(zip(dict.fromkeys("".join(letters)), _primes(), strict=False))
        inputs = [
            input_node(operand.name, [sizes[a] for a in own])
            for operand, own in zip(operands, letters, strict=True)
        ]
        return apply(declaration, inputs, **parameters), self.position(wrt, len(inputs))

    def _derived(
        self, wrt: str | int, subscripts: str | None, options: Mapping[str, Any]
    ) -> tuple[Sum, int]:
        """The Jacobian of the sample, and how many axes its output has."""
        node, position = self.sample(wrt, subscripts)
        assert node.operation is not None
        if not options:
            return node.operation.local(node, position), node.ndim
        call = self._bind([np.zeros(operand.shape) for operand in node.operands], options)
        with traced(self._along(call.options), call.arrays, {}, position) as run:
            output = output_node(run.outputs[0])
            return jacobians(output, run.inputs)[0], output.ndim

    def _write(
        self, wrt: str | int, subscripts: str | None, options: Mapping[str, Any], style: Style
    ) -> str:
        tensor, out = self._derived(wrt, subscripts, options)
        axes = axis_names(out, len(tensor.shape) - out)
        return str(formula_of(tensor, axes, dict.fromkeys(tensor.operands), style))


def _primes() -> Iterator[int]:
    """Sizes without end, no one a product of others."""
    return (n for n in count(2) if all(n % divisor for divisor in range(2, n)))


def _tied(products: Sequence[Product], arguments: Sequence[str]) -> list[Indexed]:
    """Each argument once, with one letter for all letters that must have the same size."""
    found: dict[str, Indexed] = {}
    same: dict[str, str] = {}
    for factor in (f for product in products for f in product.factors):
        first = found.setdefault(factor.name, factor).letters
        if factor.name == DELTA:
            first = factor.letters[0] * 2
        for letter, other in zip(factor.letters, first, strict=True):
            new, old = same.setdefault(other, other), same.setdefault(letter, letter)
            same = {key: new if value == old else value for key, value in same.items()}
    return [Indexed(name, "".join(same[a] for a in found[name].letters)) for name in arguments]


def _usual(operand: Indexed, operands: Sequence[Indexed]) -> str:
    """Letters for the usual number of axes: ``…`` alone is two for a capital letter's name.

    A small letter's name is a number beside a capital, else a vector.
    """
    if operand.letters != ELLIPSIS:
        return operand.letters.replace(ELLIPSIS, "")
    if operand.name[0].isupper():
        return "yz"
    return "" if any(o.name[0].isupper() for o in operands) else "z"


def _number_or_array(result: Any) -> Any:
    """The value of a traced result, as the operation gives it without options."""
    value = output_value(result)
    return value if value.ndim else value[()]


def _owned(result: Array, arrays: Sequence[Array]) -> Array:
    """The result, copied if it is an argument or a view of one."""
    if any(np.may_share_memory(result, array) for array in arrays):
        return result.copy()
    return result


class LibraryFunction:
    """A function of SciPy that its own does not hand over: ``jb.ops.solve_triangular``.

    It takes SciPy's arguments, plain or traced. It is made of operations and has no one formula; its
    Jacobian at arguments is ``jb.jacobian(jb.ops.expm)(A)``.
    """

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        self.name, self.__name__, self._run = name, name, run
        self.__wrapped__ = run  # its signature
        self.__doc__ = run.__doc__

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The value: a new array, or traced in a function that is being differentiated."""
        return self._run(*args, **named)

    def __repr__(self) -> str:
        return f"<jb.ops.{self.name}{inspect.signature(self._run)}>"

    def __reduce__(self) -> Any:
        return _function_by_name, (self.name,)


def _function_by_name(name: str) -> LibraryFunction:
    return ops.functions[name]


class Library(Mapping[str, LibraryOperation]):
    """All operations: ``jb.ops.matmul``, ``jb.ops["matmul"]``, ``list(jb.ops)``.

    ``functions`` are those of SciPy that are made of operations; they are attributes too.
    """

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = {n: LibraryOperation(o) for n, o in sorted(operations.items())}
        self.functions = {n: LibraryFunction(n, run) for n, run in sorted(FUNCTIONS.items())}

    def __getitem__(self, name: str) -> LibraryOperation:
        try:
            return self._operations[name]
        except KeyError:
            raise _UnknownOperation(self._unknown(name)) from None

    def _unknown(self, name: str) -> str:
        """That there is no such operation, and which are called nearly so."""
        near = get_close_matches(str(name).lower(), [*self._operations, *self.functions], 3, 0.6)
        if near:
            return f"there is no operation {name!r}; did you mean {' or '.join(near)}?"
        return f"there is no operation {name!r}; there are {', '.join(self._operations)}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.functions:
            return self.functions[name]
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._operations, *self.functions]

    def __repr__(self) -> str:
        return f"<jb.ops: {', '.join(self._operations)}>"


class _UnknownOperation(JacobiansError, KeyError, AttributeError):
    """A name that no operation has."""

    def __str__(self) -> str:
        return str(self.args[0])


ops = Library(OPERATIONS)


def _by_name(name: str) -> LibraryOperation:
    return ops[name]


def operation(
    name: str,
    *texts: str,
    value: Callable[..., Any] | None = None,
    where: Mapping[str, Callable[..., Any]] | None = None,
    **derivatives: Callable[..., Any] | str | None,
) -> LibraryOperation:
    """Declare an operation of your own; it gets everything that those in ``jb.ops`` have.

    Parameters
    ----------
    name : str
        What it is called in errors and formulas.
    *texts : str
        Either coordinate forms, ``"A_ij = B_ir C_rj"`` (the value follows from them), or a signature
        that gives the shapes, ``"Y_nn = inv(X_nn)"``, followed by one Jacobian per argument,
        ``"∂Y_ij/∂X_kl = −Y_ik Y_lj"``.
    value : callable, optional
        The value on arrays. Needed unless coordinate forms give it.
    where : mapping, optional
        What else stands in the Jacobians' formulas: functions of the arguments and the result.
    **derivatives : callable
        For a function of numbers, entry by entry: its derivative by each argument, a function of the
        arguments and the result, written in NumPy notation so that it can be differentiated again.

    Returns
    -------
    LibraryOperation
        Not entered into ``jb.ops``.

    Raises
    ------
    JacobiansError
        Where a text cannot be read, a formula uses a name that nothing gives, or a function does not
        take the arguments (a derivative: the arguments and the result). A value of another shape
        than declared raises when the operation is called.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> sandwich = jb.operation("sandwich", "Y_ij = X_ri M_rp X_pj")
    >>> sandwich.formula("M")
    'X_ki X_lj'
    >>> softplus = jb.operation("softplus", value=lambda X: np.logaddexp(0, X),
    ...                         X=lambda X, Y: 1 - np.exp(-Y))
    >>> softplus.formula("X")
    'δ_ik δ_jl (1 − exp(−softplus(X_ij)))'
    >>> inverse = jb.operation("inverse", "Y_nn = inverse(X_nn)", "∂Y_ij/∂X_kl = −Y_ik Y_lj",
    ...                        value=np.linalg.inv)
    >>> inverse.formula("X")
    '−inverse(X)_ik inverse(X)_lj'
    """
    made: Multilinear | Rule
    for argument, derivative in derivatives.items():
        if not (derivative is None or isinstance(derivative, str) or callable(derivative)):
            raise JacobiansError(
                f"operation {name!r}: the derivative by {argument} is {derivative!r}; give a function of the "
                f"arguments and the result, a text such as '{derivative}', or None where it is constant"
            )
    if where is not None and (derivatives or not any(t.lstrip().startswith("∂") for t in texts)):
        raise JacobiansError(
            f"operation {name!r}: where= is for Jacobians in coordinate form ('∂Y_ij/∂X_kl = …')"
        )
    ruled = any(text.lstrip().startswith("∂") or "(" in text for text in texts)
    if derivatives and not texts:
        if value is None:
            raise JacobiansError(
                f"operation {name!r}: derivatives need value=, the function itself"
            )
        made = declare.by_derivatives(name, value, derivatives, checked=True)
    elif texts and not derivatives and ruled:
        if value is None:
            raise JacobiansError(f"operation {name!r}: rules need value=, the function itself")
        made = declare.rule(name, value, *texts, where=where, checked=True)
    elif texts and not derivatives:
        made = declare.multilinear(name, *texts, value=value, checked=True)
    else:
        raise JacobiansError(
            f"operation {name!r}: give coordinate forms ('A_ij = B_ir C_rj'), or value= with a derivative for "
            "each argument (X=lambda X, Y: …), or value= with a signature and Jacobians "
            "('Y_nn = inv(X_nn)', '∂Y_ij/∂X_kl = −Y_ik Y_lj')"
        )
    declare.check_parameters(made, value)
    return LibraryOperation(made)
