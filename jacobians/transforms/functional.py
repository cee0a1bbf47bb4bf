"""Jacobians, gradients and Hessians of NumPy functions.

A function is run once on traced arrays; the graph it leaves is accumulated into sums of terms; what
those need is evaluated. Where a transform runs inside a function that is itself being traced, its
result is traced too, as far as it depends on the outer inputs.
"""

import functools
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import Strategy, as_single_node, forward, jacobians, reverse
from jacobians.display.expressions import with_output
from jacobians.errors import ShapeError
from jacobians.graph.node import Node, evaluate, input_node, of_dtype, ordered
from jacobians.ground.arguments import shaped_array
from jacobians.notation.terms import Sum, added, whole
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.numpy import families  # noqa: F401 - fills the tables
from jacobians.tracing.numpy.basics import call_astype
from jacobians.tracing.running import (
    Run,
    Wrt,
    flatten,
    name_of,
    output_node,
    output_value,
    real_places,
    traced,
)
from jacobians.tracing.session import session
from jacobians.tracing.traced import Traced
from jacobians.transforms.compiled import Transform, compiler
from jacobians.transforms.derived import only_number

Array = NDArray[Any]


def _finished(run: Run, node: Node) -> Any:
    """The value of a node: a new array, or traced if it depends on an outer function's inputs."""
    value = evaluate([node], run.here.values)[node]
    if run.reaches_outside([node]):
        value = np.asarray(value)
        node = of_dtype(node, value.dtype)
        run.here.values[node] = value
        return Traced(node, value)
    return np.array(value)


def _tensor(run: Run, terms: Sum, output: Node, position: int, out_name: str) -> Any:
    start = run.inputs[position]
    if run.reaches_outside(terms.operands):
        return _finished(run, as_single_node(terms))
    values = evaluate([output, *terms.operands], run.here.values)
    named = with_output(terms, output, run.title)
    values.update({node: values[output] for node in named.operands if node not in values})
    kept = {node: _owned(values[node]) for node in named.operands}
    dtype = output.dtype if output.dtype.kind == "f" else np.dtype(float)
    return JacobianTensor(
        named,
        len(terms.shape) - start.ndim,
        kept,
        dtype=dtype,
        in_dtype=start.dtype,
        names=(out_name, run.names[position]),
    )


def _output(run: Run, output: Any) -> Any:
    """A result of the function: traced if it depends on an outer function's inputs."""
    if isinstance(output, Traced) and run.reaches_outside([output.node]):
        return output
    return output_value(output)


def _owned(value: Any) -> Array:
    array = np.asarray(value)
    return array if array.flags.owndata else array.copy()


def _one_or_all(wrt: Wrt, found: Sequence[Any]) -> Any:
    return found[0] if isinstance(wrt, Integral | str) else tuple(found)


def _with_compile(
    transform: Any, f: Callable[..., Any], kind: str, wrt: Wrt, strategy: Strategy = "auto"
) -> Transform:
    """The transform with a ``compile`` of its own."""
    transform.compile = compiler(f, kind, wrt, strategy)
    found: Transform = transform
    return found


def jacobian(f: Callable[..., Any], wrt: Wrt = 0, *, strategy: Strategy = "auto") -> Transform:
    """The full Jacobian of a NumPy function, structured.

    Parameters
    ----------
    f : callable
        A function of arrays (and anything else) that uses NumPy. It returns an array, or a tuple,
        list or dict of arrays.
    wrt : int, str or sequence of them
        Which arguments to differentiate by: position, parameter name, or several.
    strategy : {"auto", "forward", "reverse"}
        The order of accumulation; "auto" takes the one that is predicted to cost least.

    Returns
    -------
    callable
        With ``f``'s arguments; gives a JacobianTensor, in the structure of ``f``'s result, and a
        tuple of them for several ``wrt``.

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

    @functools.wraps(f)
    def transform(*args: Any, **kwargs: Any) -> Any:
        with traced(f, args, kwargs, wrt) as run:
            found = []
            for output in run.outputs:
                node = output_node(output)
                sums = jacobians(node, run.inputs, strategy)
                tensors = [_tensor(run, s, node, n, run.title) for n, s in enumerate(sums)]
                found.append(_one_or_all(wrt, tensors))
            return run.rebuild(found)

    return _with_compile(transform, f, "jacobian", wrt, strategy)


def hessian(f: Callable[..., Any], wrt: Wrt = 0, *, strategy: Strategy = "auto") -> Transform:
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

    @functools.wraps(f)
    def transform(*args: Any, **kwargs: Any) -> Any:
        with traced(f, args, kwargs, wrt) as run:
            found = []
            for output in run.outputs:
                node = output_node(output)
                rows = []
                for position, first in enumerate(jacobians(node, run.inputs, strategy)):
                    gradient = as_single_node(first)
                    values = evaluate([gradient], run.here.values)
                    run.here.values.update(values)
                    name = f"(∂{run.title}/∂{run.names[position]})"
                    sums = jacobians(gradient, run.inputs, strategy)
                    rows.append(
                        _one_or_all(
                            wrt, [_tensor(run, s, node, n, name) for n, s in enumerate(sums)]
                        )
                    )
                found.append(_one_or_all(wrt, rows))
            return run.rebuild(found)

    return _with_compile(transform, f, "hessian", wrt, strategy)


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

    @functools.wraps(f)
    def transform(*args: Any, **kwargs: Any) -> Any:
        with traced(f, args, kwargs, wrt) as run:
            node = only_number(name_of(f), [output_node(output) for output in run.outputs])
            gradients = [
                _like(_finished(run, as_single_node(s)), start.dtype)
                for s, start in zip(reverse(node, run.inputs), run.inputs, strict=True)
            ]
            value = _output(run, run.outputs[0])
            return value, _one_or_all(wrt, gradients)

    return _with_compile(transform, f, "value_and_grad", wrt)


def _like(gradient: Any, dtype: np.dtype[Any]) -> Any:
    if gradient.dtype == dtype:
        return gradient
    return call_astype(gradient, dtype) if isinstance(gradient, Traced) else gradient.astype(dtype)


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
    both = value_and_grad(f, wrt)

    @functools.wraps(f)
    def transform(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return _with_compile(transform, f, "grad", wrt)


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
    places = real_places(args)
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
        values = run.rebuild([_output(run, output) for output in run.outputs])
        nested = run.reaches_outside(gradients)

    def pullback(G: Any) -> tuple[Any, ...]:
        leaves: list[Any] = []
        flatten(G, leaves, "the upstream gradient G", "")
        if len(leaves) != len(seeds):
            raise ShapeError(
                f"{name_of(f)}: the upstream gradient has {len(leaves)} arrays, the result {len(seeds)}"
            )
        what = f"{name_of(f)}: the upstream gradient G"
        if nested or any(isinstance(leaf, Traced) for leaf in leaves):
            return _pulled_back(leaves)
        given = [
            shaped_array(leaf, seed.shape, what, "the result")
            for leaf, seed in zip(leaves, seeds, strict=True)
        ]
        known = evaluate(gradients, {**kept, **dict(zip(seeds, given, strict=True))})
        result: list[Any] = [None] * len(args)
        for place, node, dtype in zip(places, gradients, dtypes, strict=True):
            result[place] = np.array(known[node], dtype=dtype)
        return tuple(result)

    def _pulled_back(leaves: Sequence[Any]) -> tuple[Any, ...]:
        """As ``pullback`` inside an outer function: with G's nodes in place of the seeds."""
        result: list[Any] = [None] * len(args)
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
            for number, place in enumerate(places):
                node = as_single_node(added([part[number] for part in parts]))
                result[place] = _like(_finished(inside, node), dtypes[number])
        return tuple(result)

    return values, pullback


def jvp(f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any]) -> tuple[Any, Any]:
    """The value, and its change along directions of the arguments.

    Parameters
    ----------
    f : callable
        As for :func:`jacobian`.
    args, directions : sequences
        As many directions as arguments, of the same shapes; None for an argument that stays.

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
    places = tuple(n for n in real_places(args) if directions[n] is not None)
    with traced(f, args, {}, places) as run:
        seeds: list[Node] = []
        for place, node in zip(places, run.inputs, strict=True):
            what = f"{name_of(f)}: the direction of argument {run.names[len(seeds)]}"
            direction = directions[place]
            if isinstance(direction, Traced) and direction.shape == node.shape:
                run.here.values[direction.node] = direction.value
                seeds.append(direction.node)
                continue
            given = shaped_array(direction, node.shape, what, "the argument")
            seed = input_node("d", node.shape, given.dtype)
            run.here.values[seed] = given
            seeds.append(seed)
        changes = []
        for output in run.outputs:
            node = output_node(output)
            parts = forward(node, run.inputs, [whole(seed, seed.shape) for seed in seeds])
            total = added(parts) if parts else Sum(node.shape, ())
            change = _finished(run, as_single_node(total))
            changes.append(_like(change, node.dtype))
        return run.rebuild([_output(run, o) for o in run.outputs]), run.rebuild(changes)


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

    __repr__ = __str__


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
    with traced(f, args, {}, real_places(args)) as run:
        return Recording([output_node(output) for output in run.outputs], run.here.guards)
