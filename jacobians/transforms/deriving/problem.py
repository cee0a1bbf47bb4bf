"""What is derived: a function or an operation at arguments, as a graph and a Jacobian."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from jacobians.derivation.history import Record
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Node, apply, evaluate, input_node, ordered
from jacobians.ground.arguments import owned
from jacobians.notation.terms import Sum
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.running import name_of, parameter_names, traced_whole
from jacobians.tracing.traced import Traced
from jacobians.transforms.derived import HESSIAN, JACOBIAN, Block, Derived
from jacobians.transforms.library import LibraryOperation


class Problem(NamedTuple):
    """A function at arguments.

    Attributes
    ----------
    title : str
        What the result is called.
    output, start : Node
        The result, and what it is differentiated by.
    jacobian : JacobianTensor
        The derivative.
    parameters : tuple of str
        The names of the function's arguments, in order.
    values : mapping of Node to numpy.ndarray
        Of the leaves, as far as known.
    locals : mapping of Node to str
        The user's own names of intermediate results.
    order : int
        Of the derivative.
    arrays : mapping of str to numpy.ndarray
        The arguments by name.
    plain_terms : Sum
        The derivative's terms, all over nodes that are computed from the arguments.
    """

    title: str
    output: Node
    start: Node
    jacobian: JacobianTensor
    parameters: tuple[str, ...]
    values: Mapping[Node, Any]
    locals: Mapping[Node, str]
    order: int
    arrays: Mapping[str, Any]
    plain_terms: Sum

    @property
    def terms(self) -> Any:
        """The derivative's terms, over nodes."""
        return self.jacobian.terms


def _one(wrt: Any) -> None:
    if not isinstance(wrt, int | str | np.integer) or isinstance(wrt, bool):
        raise UnsupportedError(
            f"derive: wrt={wrt!r}; a derivation is by one argument: name it, or give its position"
        )


def problem_of(f: Callable[..., Any], args: tuple[Any, ...], wrt: Any, order: int) -> Problem:
    """The function traced, and its derivative of order 1 or 2."""
    _one(wrt)
    if order not in (1, 2):
        raise UnsupportedError(f"derive: order={order!r}; there are 1, and 2 for the Hessian")
    if isinstance(f, LibraryOperation) and order == 1:
        return _of_operation(f, args, wrt)
    if isinstance(f, LibraryOperation):
        f = _plain(f, len(args))
    found: dict[int, str] = {}
    kind = HESSIAN if order == 2 else JACOBIAN
    names = parameter_names(f, args, {})
    record: Record = []
    with ExitStack() as stack:
        with _watching(f, found):
            run = stack.enter_context(traced_whole(f, args, {}, wrt))
        derived = Derived(f, kind, run, run.arguments, "auto", record)
        if len(derived.outputs) != 1 or len(derived.blocks) != 1:
            raise ShapeError(
                f"derive: {name_of(f)} returns {len(derived.outputs)} arrays; a derivation is of one"
            )
        (block,) = derived.blocks
        (output,), values = derived.outputs, run.here.values
        nodes = ordered([output, *block.terms.operands, *block.named.operands])
        return Problem(
            title=run.title,
            output=output,
            start=block.start,
            jacobian=_tensor(run, block),
            parameters=tuple(names),
            values={n: values.get(n, n.value) for n in nodes if n.operation is None},
            locals={n: found[id(n)] for n in ordered([output]) if id(n) in found},
            order=order,
            arrays=dict(zip(names, args, strict=False)),
            plain_terms=block.terms,
        )


def _tensor(run: Any, block: Block) -> JacobianTensor:
    if run.reaches_outside(block.terms.operands):
        raise UnsupportedError("derive: not inside a function that is itself being differentiated")
    values = evaluate(block.values.values(), run.here.values)
    return JacobianTensor(
        block.named, block.out_ndim,
        {operand: owned(values[node]) for operand, node in block.values.items()},
        dtype=block.dtype, in_dtype=block.start.dtype, names=block.names,
    )  # fmt: skip


def _plain(f: LibraryOperation, count: int) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        return f(*args)

    function.__name__ = f.name
    function.__signature__ = _signature(f.arguments[:count] or [f"x{n}" for n in range(count)])  # type: ignore[attr-defined]
    return function


def _signature(names: Any) -> Any:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(n, kind) for n in names])


def _of_operation(f: LibraryOperation, args: tuple[Any, ...], wrt: Any) -> Problem:
    jacobian = f.jacobian(*args, wrt=wrt)
    arrays = [np.asarray(a) for a in args]
    if any(isinstance(a, str) for a in args) or not f.arguments:
        raise UnsupportedError(f"derive: {f.name} takes subscripts; write a function that calls it")
    position = f.position(wrt, len(arrays))
    inputs = [input_node(n, a.shape) for n, a in zip(f.arguments, arrays, strict=False)]
    output = apply(f.declaration, inputs)
    own = dict(zip(f.arguments, arrays, strict=False))
    values = {
        n: own[n.name]
        for n in ordered(jacobian.terms.operands)
        if n.operation is None and n.name in own
    }
    values |= dict(zip(inputs, arrays, strict=True))
    return Problem(
        jacobian.names[0],
        output,
        inputs[position],
        jacobian,
        f.arguments,
        values,
        {},
        1,
        own,
        jacobian.terms,
    )


@contextmanager
def _watching(f: Callable[..., Any], found: dict[int, str]) -> Iterator[None]:
    """Note the names of the function's local variables that hold traced arrays, as it returns."""
    code = getattr(f, "__code__", None)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code is not code:
            return
        if event == "call":
            found.clear()
        elif event == "return":
            for name, value in frame.f_locals.items():
                if isinstance(value, Traced):
                    found.setdefault(id(value.node), name)

    if sys.getprofile() is not None:  # a profiler of the user's, which could not be put back
        yield
        return
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
