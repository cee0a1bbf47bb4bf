"""Jacobians, gradients and Hessians of NumPy functions.

A function is run once on traced arrays; what the trace leaves is derived (``derived``) and evaluated.
Where a transform runs inside a function that is itself being traced, its result is traced too, as far
as it depends on the outer inputs.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import Strategy, as_single_node, forward, reverse
from jacobians.errors import ShapeError
from jacobians.graph.node import Node, evaluate, input_node, ordered
from jacobians.ground.arguments import owned, shaped_array
from jacobians.ground.trees import mapped
from jacobians.notation.terms import Sum, added, whole
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.numpy import families  # noqa: F401 - fills the tables
from jacobians.tracing.running import (
    Run,
    Wrt,
    name_of,
    output_node,
    output_value,
    positions_of,
    real_places,
    traced,
    traced_whole,
)
from jacobians.tracing.session import session, surrounding
from jacobians.tracing.traced import Traced
from jacobians.transforms.compiling import TensorTransform, Transform, compiler
from jacobians.transforms.derived import (
    GRAD,
    HESSIAN,
    JACOBIAN,
    VALUE_AND_GRAD,
    Block,
    Derived,
    Kind,
)
from jacobians.transforms.slips import checked
from jacobians.transforms.structured import Structured, unwrapped
from jacobians.transforms.traced_tensor import TracedTensor, in_session, like

Array = NDArray[Any]
_SHOWN_NODES = 60  # of a recording's repr


def _finished(run: Run, nodes: Sequence[Node]) -> list[Any]:
    """The values of nodes: new arrays, or traced if they depend on an outer function's inputs."""
    own = [node for node in dict.fromkeys(nodes) if not run.reaches_outside([node])]
    values = evaluate(own, run.here.values)
    return [np.array(values[node]) if node in own else in_session(node) for node in nodes]


def _tensors(run: Run, blocks: Sequence[Block]) -> list[Any]:
    """Blocks as tensors of their own values; traced if they depend on an outer function's inputs."""
    outside = [run.reaches_outside(block.terms.operands) for block in blocks]
    own = [block for block, out in zip(blocks, outside, strict=True) if not out]
    values = evaluate([node for block in own for node in block.values.values()], run.here.values)
    return [
        TracedTensor(block) if out else _tensor(block, values)
        for block, out in zip(blocks, outside, strict=True)
    ]


def _tensor(block: Block, values: Mapping[Node, Any]) -> JacobianTensor:
    return JacobianTensor(
        block.named,
        block.out_ndim,
        {operand: owned(values[node]) for operand, node in block.values.items()},
        dtype=block.dtype,
        in_dtype=block.start.dtype,
        names=block.names,
    )


def _output(run: Run, output: Any) -> Any:
    """A result of the function: traced if it depends on an outer function's inputs."""
    if isinstance(output, Traced) and run.reaches_outside([output.node]):
        return Traced(output.node, output.value, number=output.number, trace=surrounding())
    return output_value(output)


def _transform(f: Callable[..., Any], kind: Kind, wrt: Wrt, strategy: Strategy = "auto") -> Any:
    """The transform of a kind, with a ``compile`` of its own; with ``sparse`` where it gives tensors."""

    @functools.wraps(f)
    def transform(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, Structured) for a in args):
            inner, arrays = unwrapped(f, args, positions_of(f, args, wrt))
            return _transform(inner, kind, wrt, strategy)(*arrays, **kwargs)
        run_with = traced if kind.gradient else traced_whole
        with run_with(f, args, kwargs, wrt) as run:
            derived = Derived(f, kind, run, run.arguments, strategy)
            if not kind.gradient:
                return derived.structured(_tensors(run, derived.blocks))
            blocks = derived.blocks
            found = _finished(run, [as_single_node(block.terms) for block in blocks])
            dtypes = [block.dtype for block in blocks]
            gradients = derived.structured(list(map(like, found, dtypes)))
            return (_output(run, run.outputs[0]), gradients) if kind.valued else gradients

    made: Any = transform
    made.compile = compiler(f, kind, wrt, strategy, transform)
    if not kind.gradient:
        made.sparse = _sparse(transform)
    return made


def _sparse(transform: Callable[..., Any]) -> Callable[..., Any]:
    """The ``sparse`` of a transform."""

    def sparse(*args: Any, **kwargs: Any) -> Any:
        """The derivative as SciPy's solvers take it: a compressed sparse row array of what can be nonzero.

        A function of ``f``'s arguments, to be passed as ``jac=jb.jacobian(f).sparse``; each call derives
        anew. Of shape ``(prod(out_shape), prod(in_shape))``; several results or arguments in the structure
        that the transform gives.
        """
        return mapped(
            lambda J: J.sparse("csr") if isinstance(J, JacobianTensor | TracedTensor) else J,
            transform(*args, **kwargs),
        )

    return sparse


@checked
def jacobian(
    f: Callable[..., Any], wrt: Wrt = 0, *, strategy: Strategy = "auto"
) -> TensorTransform:
    """The full Jacobian of a NumPy function, structured.

    Parameters
    ----------
    f : callable
        A function of arrays (and anything else) that uses NumPy. It returns an array, or a tuple,
        list or dict of arrays. An argument may hold several, too: a dict, dataclass or named tuple, or
        a list or tuple with arrays in it.
    wrt : int, str or sequence of them
        Which arguments to differentiate by: position, parameter name, or several.
    strategy : {"auto", "forward", "reverse"}
        The order of accumulation; "auto" takes the one that is predicted to cost least.

    Returns
    -------
    callable
        With ``f``'s arguments; gives a JacobianTensor, in the structure of ``f``'s result, each in the
        structure of the argument, and a tuple of them for several ``wrt``. Its ``sparse`` gives SciPy sparse
        arrays instead, as ``jac=`` of a solver; its ``compile`` derives once.

    Raises
    ------
    UnsupportedError
        When ``f`` calls something that has no Jacobian here; names the call and the line.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> x = np.arange(3.0)
    >>> jb.jacobian(lambda W: W @ x)(np.ones((2, 3))).formula()
    'δ_ik x_l'
    """
    made: TensorTransform = _transform(f, JACOBIAN, wrt, strategy)
    return made


@checked
def hessian(f: Callable[..., Any], wrt: Wrt = 0, *, strategy: Strategy = "auto") -> TensorTransform:
    """The Hessian: the Jacobian of the gradient's graph, structured.

    Parameters and errors as for :func:`jacobian`. For several ``wrt`` the result is a tuple of tuples:
    the first derivative outermost.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> A = np.array([[2.0, 1.0], [0.0, 3.0]])
    >>> jb.hessian(lambda x: x @ A @ x)(np.ones(2)).dense()
    array([[4., 1.],
           [1., 6.]])
    """
    made: TensorTransform = _transform(f, HESSIAN, wrt, strategy)
    return made


@checked
def value_and_grad(f: Callable[..., Any], wrt: Wrt = 0) -> Transform:
    """The value and the gradient of a function that returns one number.

    Returns
    -------
    callable
        With ``f``'s arguments; gives ``(value, gradient)``; the gradient has the argument's shape and
        dtype, and is a tuple for several ``wrt``.

    Raises
    ------
    ShapeError
        If the result is no single number; names its shape.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    made: Transform = _transform(f, VALUE_AND_GRAD, wrt)
    return made


@checked
def grad(f: Callable[..., Any], wrt: Wrt = 0) -> Transform:
    """The gradient of a function that returns one number; see :func:`value_and_grad`.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> x, t = np.array([1.0, 2.0]), np.array([0.0, 1.0])
    >>> jb.grad(lambda W: 0.5 * np.sum((W @ x - t) ** 2))(np.eye(2))
    array([[1., 2.],
           [1., 2.]])
    """
    made: Transform = _transform(f, GRAD, wrt)
    return made


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value, and a function that pulls an upstream gradient back to the arguments.

    Returns
    -------
    (y, pullback)
        ``pullback(G)``, with ``G`` in the structure and shapes of ``y``, is a tuple with a gradient for
        each argument (None for one that is no array of numbers).

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> y, pullback = jb.vjp(lambda A, x: A @ x, np.ones((2, 3)), np.arange(3.0))
    >>> pullback(np.array([1.0, 0.0]))[1]
    array([1., 1., 1.])
    """
    places = real_places(f, args)
    with traced(f, args, {}, places) as run:
        outputs = [output_node(output) for output in run.outputs]
        seeds = [input_node("G", node.shape, node.dtype) for node in outputs]
        sums: list[list[Sum]] = [
            reverse(node, run.inputs, whole(seed, seed.shape))
            for node, seed in zip(outputs, seeds, strict=True)
        ]
        gradients = [as_single_node(added([s[n] for s in sums])) for n in range(len(run.inputs))]
        kept = dict(run.here.values)
        dtypes = [node.dtype for node in run.inputs]
        values = run.treedef.restore([_output(run, output) for output in run.outputs])
        nested = run.reaches_outside(gradients)

    def pullback(G: Any) -> tuple[Any, ...]:
        what = f"{name_of(f)}: the upstream gradient G"
        leaves = run.treedef.leaves_of(G, what, "the result")
        if nested or any(isinstance(leaf, Traced) for leaf in leaves):
            return _pulled_back(leaves)
        given = [
            shaped_array(leaf, seed.shape, what, "the result")
            for leaf, seed in zip(leaves, seeds, strict=True)
        ]
        known = evaluate(gradients, {**kept, **dict(zip(seeds, given, strict=True))})
        return _for_all(
            [
                np.array(known[node], dtype=dtype)
                for node, dtype in zip(gradients, dtypes, strict=True)
            ]
        )

    def _for_all(found: Sequence[Any]) -> tuple[Any, ...]:
        """Gradients in the arguments' structures, None for an argument that has none."""
        known = dict(zip(places, run.wanted.restore(found), strict=True))
        return tuple(known.get(n) for n in range(len(args)))

    def _pulled_back(leaves: Sequence[Any]) -> tuple[Any, ...]:
        """As ``pullback`` inside an outer function: with G's nodes in place of the seeds."""
        with session() as here:
            here.values.update(kept)
            upstream = []
            for leaf, seed in zip(leaves, seeds, strict=True):
                if np.shape(getattr(leaf, "value", leaf)) != seed.shape:
                    raise ShapeError(
                        f"{name_of(f)}: the upstream gradient G has shape {leaf.shape}, "
                        f"but the result has shape {seed.shape}"
                    )
                upstream.append(output_node(leaf))
                here.values[upstream[-1]] = getattr(leaf, "value", leaf)
            inside = run._replace(here=here)
            parts = [
                reverse(node, run.inputs, whole(seed, seed.shape))
                for node, seed in zip(outputs, upstream, strict=True)
            ]
            nodes = [as_single_node(added([p[n] for p in parts])) for n in range(len(dtypes))]
            result = list(map(like, _finished(inside, nodes), dtypes))
        return _for_all(result)

    return values, pullback


def jvp(f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any]) -> tuple[Any, Any]:
    """The value, and its change along directions of the arguments.

    Parameters
    ----------
    f : callable
        As for :func:`jacobian`.
    args, directions : sequences
        As many directions as arguments, of the same shapes and structures; None for what stays.

    Returns
    -------
    (y, dy)
        In the structure of ``f``'s result.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> jb.jvp(np.sin, [np.zeros(2)], [np.array([1.0, 2.0])])[1]
    array([1., 2.])
    """
    args = tuple(args)
    if len(directions) != len(args):
        raise ShapeError(f"{name_of(f)}: {len(directions)} directions for {len(args)} arguments")
    places = tuple(n for n in real_places(f, args) if directions[n] is not None)
    with traced(f, args, {}, places) as run:
        seeds: list[Node] = []
        given_directions = run.wanted.leaves_of(
            [directions[place] for place in places], f"{name_of(f)}: directions"
        )
        for name, direction, node in zip(run.names, given_directions, run.inputs, strict=True):
            what = f"{name_of(f)}: the direction of argument {name}"
            direction = np.zeros(node.shape) if direction is None else direction
            if isinstance(direction, Traced) and direction.shape == node.shape:
                run.here.values[direction.node] = direction.value
                seeds.append(direction.node)
                continue
            given = shaped_array(direction, node.shape, what, "the argument")
            seed = input_node("d", node.shape, given.dtype)
            run.here.values[seed] = given
            seeds.append(seed)
        outputs = [output_node(output) for output in run.outputs]
        totals = []
        for node in outputs:
            parts = forward(node, run.inputs, [whole(seed, seed.shape) for seed in seeds])
            totals.append(as_single_node(added(parts) if parts else Sum(node.shape, ())))
        changes = list(map(like, _finished(run, totals), [node.dtype for node in outputs]))
        return run.treedef.restore([_output(run, o) for o in run.outputs]), run.treedef.restore(
            changes
        )


class Recording:
    """The graph of a function on given arguments; prints one node a line.

    Attributes
    ----------
    nodes : tuple of Node
        Operands first.
    outputs : tuple of Node
        What the function returned.
    """

    def __init__(self, outputs: Sequence[Node], guards: Sequence[str]) -> None:
        self.outputs = tuple(outputs)
        self.nodes = tuple(ordered(outputs))
        self.guards = tuple(guards)

    def __str__(self) -> str:
        names = {node: node.name or f"%{n}" for n, node in enumerate(self.nodes)}
        lines = []
        for node in self.nodes:
            kind = f"{node.dtype} {node.shape}"
            if node.operation is None:
                made = "input" if node.value is None else "constant"
                if node.value is not None and node.shape == ():
                    made = f"constant {node.value}"
            else:
                made = f"{node.operation.name}({', '.join(names[o] for o in node.operands)})"
            lines.append(f"{names[node]:>6} = {made:<44} {kind}")
        lines.append(f"return {', '.join(names[node] for node in self.outputs)}")
        lines += [f"for these values only: {guard}" for guard in dict.fromkeys(self.guards)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """As printed; of a long program the first and the last lines."""
        if len(self.nodes) <= _SHOWN_NODES:
            return str(self)
        lines = str(self).splitlines()
        half = _SHOWN_NODES // 2
        between = f"   ... {len(lines) - 2 * half:,} more lines: print it, or read .nodes"
        return "\n".join([*lines[:half], between, *lines[-half:]])


def record(f: Callable[..., Any], *args: Any) -> Recording:
    """The graph of operations that a function performs on its arguments.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> print(jb.record(lambda W, x: np.tanh(W @ x), np.ones((2, 3)), np.ones(3)))
         W = input                                        float64 (2, 3)
         x = input                                        float64 (3,)
        %2 = matmul(W, x)                                 float64 (2,)
        %3 = tanh(%2)                                     float64 (2,)
    return %3
    """
    with traced(f, args, {}, real_places(f, args)) as run:
        return Recording([output_node(output) for output in run.outputs], run.here.guards)
