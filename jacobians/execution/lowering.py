"""Lowering: nodes and sums of terms become steps.

A node becomes what its operation says (``Operation.how``); a sum of terms becomes products of two
factors at a time, and writes. The same lowering serves what is run at once and what is compiled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from jacobians.errors import UnsupportedError
from jacobians.execution.building import WHOLE, Builder, Operand, aligned, seen
from jacobians.execution.contracting import Array, Contraction
from jacobians.execution.passes import alive, filled_out, into_out
from jacobians.execution.placing import fills, is_whole, placed
from jacobians.execution.repeating import repeated
from jacobians.execution.steps import Kernel, Literal, Program, Ref, Ufunc, literal
from jacobians.graph.how import ByAdding, ByCall, ByCast, ByTerms, ByUfunc, ByViews, Index
from jacobians.graph.node import Node, is_weak, ordered
from jacobians.notation.terms import Sum, whole

Shape = tuple[int, ...]


class Begun(NamedTuple):
    """Steps that several programs begin with: a program that does not read them has none of them."""

    builder: Builder
    known: Mapping[Node, Operand]


def begun(
    inputs: Mapping[Node, str], nodes: Iterable[Node], fixed: Mapping[Node, Any] = {}
) -> Begun:
    """The steps for nodes, lowered once for all programs that need some of them."""
    builder = Builder(inputs.values())
    return Begun(builder, _needed(builder, inputs, nodes, fixed))


def lower_nodes(
    inputs: Mapping[Node, str], results: Sequence[Node], fixed: Mapping[Node, Any] = {},
    shared: Begun | None = None,
) -> Program:  # fmt: skip
    """The program that gives the values of nodes; ``fixed`` are those of further inputs, as constants."""
    builder, known = _branch(inputs, shared)
    operands = _needed(builder, inputs, results, fixed, known)
    returned = [_variable(builder, operands[n], n.shape, n.dtype) for n in results]
    return _program(builder, inputs.values(), returned)


def lower_dense(
    inputs: Mapping[Node, str], result: Node, dtype: DTypeLike, fixed: Mapping[Node, Any] = {},
    shared: Begun | None = None,
) -> Program:  # fmt: skip
    """The program that gives a node as a new array of a dtype, or writes it into the caller's."""
    builder, known = _branch(inputs, shared)
    how = None if result in inputs or result.operation is None else result.operation.how(result)
    terms, nodes = whole(0, result.shape), [result]
    if isinstance(how, ByTerms):
        terms, nodes = how.terms, list(result.operands)
    operands = _needed(builder, inputs, nodes, fixed, known)
    arrays = [_array(operands[n], n) for n in nodes]
    return _dense(builder, inputs.values(), terms, arrays.__getitem__, dtype)


def lower_terms(
    tensor: Sum, shapes: Sequence[Shape], dtypes: Sequence[np.dtype[Any]], dtype: DTypeLike
) -> Program:
    """The program of a sum of terms over the positions of arrays of these shapes and dtypes."""
    names = [f"x{n}" for n in range(len(shapes))]
    builder = Builder(names)
    arrays = [Array(Ref(n), s, d) for n, s, d in zip(names, shapes, dtypes, strict=True)]
    return _dense(builder, names, tensor, arrays.__getitem__, dtype)


def _branch(
    inputs: Mapping[Node, str], shared: Begun | None
) -> tuple[Builder, Mapping[Node, Operand]]:
    if shared is None:
        return Builder(inputs.values()), {}
    return shared.builder.branch(inputs.values()), shared.known


def _dense(
    builder: Builder, inputs: Iterable[str], tensor: Sum, arrays: Callable[[Any], Array],
    dtype: DTypeLike,
) -> Program:  # fmt: skip
    """Steps for a dense result, into the caller's array if there is one."""
    wanted = np.dtype(dtype)
    name = _sum(builder, tensor, arrays, wanted, given=True).root
    last = builder.steps[-1] if builder.steps else None
    if last is not None and not last.target and last.writes == name:
        builder.steps[:] = filled_out(builder.steps, name, tensor.shape, wanted)
    begun = next((s for s in builder.steps if s.given), None)
    if begun is not None and begun.target == name:
        return _program(builder, inputs, [name], dense=True)
    # NumPy gives scalars for results without axes.
    new = last is not None and last.target == name and not last.shares and tensor.shape != ()
    if last is None or not new or (last.dtype, last.shape) != (wanted, tensor.shape):
        name = builder.emit(Kernel.COPY, [Ref(name)], tensor.shape, wanted).root
    elif isinstance(last.kernel, Ufunc) or last.kernel in (Kernel.DOT, Kernel.MATMUL):
        builder.steps[:] = into_out(builder.steps)
        return _program(builder, inputs, [name], dense=True)
    return _program(builder, inputs, [name], dense=True, copied=True)


def _program(
    builder: Builder, inputs: Iterable[str], returned: Sequence[str], **how: bool
) -> Program:
    steps = alive(builder.steps, returned)
    read = {name for step in steps for name in step.reads}.union(returned)
    constants = {name: array for name, array in builder.constants.items() if name in read}
    return Program(tuple(inputs), MappingProxyType(constants), tuple(steps), tuple(returned), **how)


def _variable(builder: Builder, operand: Operand, shape: Shape, dtype: np.dtype[Any]) -> str:
    """A variable that holds the operand: none of its views, and no number."""
    if isinstance(operand, Literal):
        return builder.emit(Kernel.COPY, [operand], shape, dtype).root
    if not operand.views:
        return operand.root
    return builder.emit(Kernel.VIEW, [operand], shape, dtype).root


# Nodes


def _needed(
    builder: Builder, inputs: Mapping[Node, str], nodes: Iterable[Node], fixed: Mapping[Node, Any],
    before: Mapping[Node, Operand] = {},
) -> dict[Node, Operand]:  # fmt: skip
    """Steps for nodes and what they depend on; the operand that each is."""
    known: dict[Node, Operand] = {node: Ref(name) for node, name in inputs.items()}
    known.update(before)
    for node in sorted(ordered(nodes, known), key=lambda node: node.serial):
        if node in fixed:
            known[node] = builder.constant(fixed[node], node.name)
        else:
            known[node] = _lowered(builder, node, [known[operand] for operand in node.operands])
    return known


def _lowered(builder: Builder, node: Node, operands: list[Operand]) -> Operand:
    operation = node.operation
    if operation is None:
        if node.value is None:
            raise UnsupportedError(
                f"{node!r} has no value here: a traced array was kept and used after the function that "
                "it belongs to; pass it on as an argument or a result"
            )
        return builder.constant(node.value, node.name)
    values = [builder.known(operand) for operand in operands]
    if operands and all(value is not None for value in values):
        with np.errstate(all="ignore"):
            return builder.constant(operation.evaluate(values, dict(node.parameters)))
    how = operation.how(node)
    match how:
        case ByViews(views):
            (operand,) = operands
            if views and is_weak(node.operands[0]):  # a Python float has no views
                operand = builder.emit(Kernel.COPY, operands, (), node.dtype)
            return seen(operand, *views)
        case ByUfunc(name, places):
            chosen = operands if places is None else [operands[place] for place in places]
            return builder.ufunc(name, chosen, node.shape, node.dtype)
        case ByAdding(axes):
            flops = prod(node.operands[0].shape)
            return builder.emit(
                Kernel.ADD_UP, operands, node.shape, node.dtype, (axes,), flops=flops
            )
        case ByCast() if is_weak(node.operands[0]):
            return builder.emit(Kernel.COPY, operands, (), node.dtype)
        case ByCast():
            return builder.emit(Kernel.CAST, operands, node.shape, node.dtype)
        case ByTerms(terms):
            arrays = [_array(o, n) for o, n in zip(operands, node.operands, strict=True)]
            return repeated(
                builder, node.look, arrays,
                lambda own, given: _sum(own, terms, given.__getitem__, node.dtype),
            )  # fmt: skip
        case ByCall(name, function, parameters, home, flops):
            kernel = builder.call(name, function, home)
            flops = prod(node.shape) if flops is None else flops
            return builder.emit(kernel, operands, node.shape, node.dtype, parameters, flops=flops)


# Sums of terms


def _array(operand: Operand, node: Node) -> Array:
    return Array(operand, node.shape, node.dtype, isinstance(operand, Literal) or is_weak(node))


def _sum(
    builder: Builder, tensor: Sum, arrays: Callable[[Any], Array], dtype: np.dtype[Any],
    *, given: bool = False,
) -> Ref:  # fmt: skip
    """Steps for a sum of terms; what holds its value."""
    wide = _common([arrays(operand) for operand in tensor.operands], dtype)
    if wide != dtype:
        found = _sum(builder, tensor, arrays, wide)
        return builder.emit(Kernel.CAST, [found], tensor.shape, dtype)
    terms = Contraction(builder, arrays, dtype)
    first = next((t for t in tensor.terms if is_whole(t, tensor.shape)), None)
    if first is None or not all(fills(term, tensor.shape) for term in tensor.terms):
        alone = None if given else _with_ones(tensor, terms)
        return alone or placed(tensor, terms, given=given)
    axes = range(len(tensor.shape))
    total, *rest = [
        literal(term.coefficient) if value is None else aligned(value, axes)
        for term in (first, *(t for t in tensor.terms if t is not first))
        for value in [terms.term(term)]
    ]
    for other in rest:
        total = builder.ufunc("add", [total, other], tensor.shape, dtype)
    if given or isinstance(total, Literal):
        return Ref(_variable(builder, total, tensor.shape, dtype))
    return total


def _with_ones(tensor: Sum, terms: Contraction) -> Ref | None:
    """The value of the only term where it is the tensor but for axes of size 1, as a view of it."""
    shape = tensor.shape
    if len(tensor.terms) != 1 or 1 not in shape:
        return None
    (term,) = tensor.terms
    long = [axis for axis, size in enumerate(shape) if size != 1]
    kept = tuple(slot for slot, size in zip(term.slots, shape, strict=True) if size != 1)
    core = term._replace(slots=kept)
    if not is_whole(core, [shape[axis] for axis in long]):
        return None
    value = terms.term(core)
    if value is None:
        return None
    named = value._replace(letters=tuple([long[letter] for letter in value.letters]))
    ones = Index(tuple([None if size == 1 else WHOLE for size in shape]))
    found = seen(aligned(named, long), ones)
    return found if isinstance(found, Ref) else None


def _common(arrays: Sequence[Array], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to compute in: the result's, or a wider one that a factor has."""
    if dtype.kind != "f":
        return dtype
    given = [a.dtype for a in arrays if a.dtype.kind == "f" and not a.weak]
    return np.result_type(dtype, *given)
