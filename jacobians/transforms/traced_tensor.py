"""What a transform returns inside a function that is being traced: a tensor that is traced too.

It has the methods of ``JacobianTensor``, in its shapes, with traced results. NumPy's functions and
operators see its dense array, which is made when they ask for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.derivation.chain_rule import as_single_node
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Node, evaluate, of_dtype
from jacobians.ground.memory import check_size
from jacobians.notation.terms import Sum, contracted, relabelled, transposed
from jacobians.tensor.batching import on_diagonal, per_sample
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.attributes import refuse
from jacobians.tracing.handle import serials
from jacobians.tracing.numpy.basics import call_astype, reshape
from jacobians.tracing.running import output_node
from jacobians.tracing.session import current, surrounding, user_line
from jacobians.tracing.traced import Traced
from jacobians.transforms.derived import Block


def in_session(node: Node) -> Traced:
    """The traced array of a node, evaluated with the values of the running session."""
    here = current()
    value = np.asarray(evaluate([node], here.values)[node])
    node = of_dtype(node, value.dtype)
    here.values[node] = value
    return Traced(node, value, trace=surrounding())


def like(found: Any, dtype: np.dtype[Any]) -> Any:
    """An array in a dtype, traced or not."""
    if found.dtype == dtype:
        return found
    return call_astype(found, dtype) if isinstance(found, Traced) else found.astype(dtype)


def _of_values(name: str) -> Callable[..., Any]:
    """A method of the tensor that only describes it, at the values of this trace."""

    def method(self: "TracedTensor", *args: Any, **kwargs: Any) -> Any:
        return getattr(self.tensor, name)(*args, **kwargs)

    method.__doc__ = f"As ``JacobianTensor.{name}``, at the values of this trace."
    return method


def _refused(name: str) -> Callable[..., Any]:
    def method(self: "TracedTensor", *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
        raise UnsupportedError(
            f"{self.title}.{name}() at {user_line()} gives plain numbers, which would cut a traced tensor off "
            "from its derivative; use dense(), vjp(G), jvp(dX), diagonal(), blocks() or a slice"
        )

    return method


class TracedTensor(Traced):
    """A Jacobian tensor in a trace; see ``JacobianTensor``."""

    __slots__ = ("_block", "_dense_node", "_dense_value", "_tensor")

    def __init__(self, block: Block) -> None:
        self._block = block
        self._dense_node: Node | None = None
        self._dense_value: Any = None
        self._tensor: JacobianTensor | None = None
        self._memory, self._version, self._anchor = None, 0, None  # type: ignore[assignment]
        self.number, self.writeable, self.serial = False, True, next(serials)
        self.run = surrounding()

    # The dense array, for NumPy: made when it is first asked for

    def _make(self) -> None:
        if self._dense_value is None:
            dense = in_session(as_single_node(self._block.terms))
            dense = like(dense, self._block.dtype)
            self._dense_node, self._dense_value = dense.node, dense.value
            self._anchor = dense.value

    @property
    def _node(self) -> Node | None:
        self._make()
        return self._dense_node

    @_node.setter
    def _node(self, node: Node | None) -> None:
        self._dense_node = node

    @property
    def _value(self) -> Any:
        self._make()
        return self._dense_value

    @_value.setter
    def _value(self, value: Any) -> None:
        self._dense_value = value

    @property
    def _array(self) -> Traced:
        """The dense array as a traced array and no more."""
        return Traced(self.node, self.value, trace=self.run)

    def another(self, node: Node | None, value: Any, *, number: bool = False) -> Any:
        """A traced array like the dense one of another node, which is no tensor."""
        return Traced(node, value, number=number)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, ...]:
        """Output axes, then input axes."""
        return self._block.terms.shape

    @shape.setter
    def shape(self, _: Any) -> None:
        refuse("J.shape = ...", "write J.dense().reshape(...)")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the dense tensor."""
        return self._block.dtype

    # What it is

    @property
    def tensor(self) -> JacobianTensor:
        """The tensor at the values of this trace."""
        if self._tensor is None:
            block = self._block
            values = evaluate(block.values.values(), current().values)
            self._tensor = JacobianTensor(
                block.named, block.out_ndim, {n: values[v] for n, v in block.values.items()},
                dtype=block.dtype, in_dtype=block.start.dtype, names=block.names,
            )  # fmt: skip
        return self._tensor

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the output."""
        return self.shape[: self._block.out_ndim]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of the input."""
        return self.shape[self._block.out_ndim :]

    @property
    def in_dtype(self) -> np.dtype[Any]:
        """Of gradients."""
        return self._block.start.dtype

    @property
    def title(self) -> str:
        """``∂A_ij/∂B_kl``."""
        return self.tensor.title

    @property
    def names(self) -> tuple[str, str]:
        """What output and input are called."""
        return self._block.names

    @property
    def out_ndim(self) -> int:
        """How many axes are the output's."""
        return self._block.out_ndim

    @property
    def axes(self) -> str:
        """The names of the axes."""
        return self.tensor.axes

    @property
    def terms(self) -> Sum:
        """The terms, over the nodes of the trace."""
        return self._block.terms

    @property
    def nnz(self) -> int:
        """How many entries can be nonzero."""
        return self.tensor.nnz

    formula, latex, einsum = _of_values("formula"), _of_values("latex"), _of_values("einsum")
    cost, explain = _of_values("cost"), _of_values("explain")
    plot, spy, to_html = _of_values("plot"), _of_values("spy"), _of_values("to_html")
    sparse, operator, kron = _refused("sparse"), _refused("operator"), _refused("kron")

    # The numbers, traced

    def dense(self, max_bytes: float | None = None, out: None = None) -> Traced:
        """The full tensor."""
        if out is not None:
            raise UnsupportedError(
                f"{self.title}.dense(out=...) at {user_line()}: a traced tensor is not written into an array; "
                "leave out= away"
            )
        check_size(self.title, self.shape, self.dtype.itemsize, max_bytes)
        return self._array

    def explicit(self, max_bytes: float | None = None) -> Traced:
        """The full tensor: its derivative is the same however it is built."""
        return self.dense(max_bytes)

    def vjp(self, G: Any) -> Traced:
        """``Σ_ij G_ij J_ijkl``."""
        return self._contracted(G, self.out_shape, self._block.out_axes, self.in_dtype, "G")

    def jvp(self, dX: Any) -> Traced:
        """``Σ_kl J_ijkl dX_kl``."""
        return self._contracted(dX, self.in_shape, self._block.in_axes, self.dtype, "dX")

    def diagonal(self) -> Traced:
        """``J_ijij``."""
        return self._of(on_diagonal(self.terms, self.out_ndim, self.title))

    def blocks(self, batch_axis: Any = 0, max_bytes: float | None = None) -> Traced:
        """The Jacobian of each sample."""
        part = per_sample(self.tensor, batch_axis)
        check_size(self.title, part.shape, self.dtype.itemsize, max_bytes)
        return self._of(relabelled(part, self._block.values.__getitem__))

    def matrix(self, order: str = "C", max_bytes: float | None = None) -> Any:
        """The dense matrix ``∂vec(A)/∂vec(B)``."""
        form = (int(np.prod(self.out_shape)), int(np.prod(self.in_shape)))
        if order == "C":
            return reshape(self.dense(max_bytes), form)
        if order != "F":
            return self.tensor.matrix(order)  # raises
        check_size(self.title, self.shape, self.dtype.itemsize, max_bytes)
        axes = [*reversed(self._block.out_axes), *reversed(self._block.in_axes)]
        return reshape(self._of(transposed(self._block.terms, axes)), form)

    def _of(self, terms: Sum) -> Traced:
        found: Traced = like(in_session(as_single_node(terms)), self.dtype)
        return found

    def _contracted(
        self, given: Any, shape: tuple[int, ...], axes: range, dtype: np.dtype[Any], name: str
    ) -> Traced:
        if np.shape(getattr(given, "value", given)) != shape:
            raise ShapeError(
                f"{self.title}: {name} has shape {np.shape(getattr(given, 'value', given))}, the tensor's axes "
                f"have shape {shape}; pass an array of shape {shape}"
            )
        node = output_node(given)
        if isinstance(given, Traced):
            current().values[node] = given.value
        terms = contracted(self._block.terms, node, axes)
        found: Traced = like(in_session(as_single_node(terms)), dtype)
        return found
