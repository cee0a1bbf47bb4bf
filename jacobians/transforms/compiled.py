"""Compiled transforms: derived and lowered once for given shapes and dtypes, then only run."""

import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import as_single_node
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.execution.building import RESERVED
from jacobians.execution.lowering import lower_dense, lower_nodes
from jacobians.execution.numpy_source import NumpyProgram, wrapped
from jacobians.execution.steps import Cost, Program
from jacobians.graph.node import Node, ordered
from jacobians.ground.arguments import float_array, owned, shaped_array
from jacobians.ground.memory import SMALL, check_bytes, check_size
from jacobians.notation.terms import bytes_of, table_bytes
from jacobians.optimising.passes import optimised
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.derived import Block, Contracted, Derived
from jacobians.transforms.inputs import Signature, by_position

Array = NDArray[Any]


class Compiled:
    """A derivative for arguments of fixed shapes and dtypes.

    Made by ``.compile(*example_args)`` of a transform. Arrays and floats are inputs; everything else
    (integers, strings, booleans, None, integer arrays) is static and must not change, and so are arrays
    that the function closes over. Results come in the structure that the transform's have; with several
    of them, one plan computes all, and what they share once. Calls from several threads do not mix.

    Attributes
    ----------
    source : str
        The NumPy text that ``dense`` runs; it runs on its own with ``constants``.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def loss(W, b, x):
    ...     return np.sum(np.tanh(W @ x + b) ** 2)
    >>> W, b, x = np.ones((2, 3)), np.zeros(2), np.ones(3)
    >>> step = jb.grad(loss, wrt=("W", "b")).compile(W, b, x)
    >>> [gradient.shape for gradient in step(W, b, x)]
    [(2, 3), (2,)]
    """

    def __init__(
        self, derived: Derived, signature: Signature, inputs: Mapping[int, Node],
        executor: type[NumpyProgram] = NumpyProgram, fixed: Mapping[Node, Array] = {},
    ) -> None:  # fmt: skip
        self._derived = derived
        self._executor = executor
        self._fixed = fixed
        self._made_bytes = 0  # of the programs' constants
        self._name = derived.name
        self._signature = signature
        self._inputs = _variables(inputs.values())
        if executor.ahead:
            _ = self._valued if derived.kind.valued else self._dense

    # What it is

    @property
    def shape(self) -> Any:
        """Of the dense result, or of each of them."""
        return self._derived.structured([block.terms.shape for block in self._derived.blocks])

    @property
    def source(self) -> str:
        """The text that ``dense`` runs."""
        return self._dense.source

    @property
    def constants(self) -> dict[str, Any]:
        """What ``source`` takes besides the inputs: arrays, and the functions of your own operations."""
        return self._dense.constants

    def cost(self) -> Cost:
        """Predicted operations and bytes of ``dense``."""
        return self._dense.program.cost()

    @property
    def nbytes(self) -> int:
        """The bytes that the derivative keeps alive: constants and tables, of it and of its programs."""
        return self._own_bytes + self._made_bytes

    @cached_property
    def _own_bytes(self) -> int:
        blocks = self._derived.blocks
        nodes = ordered(n for block in blocks for n in block.terms.operands)
        held = sum(np.asarray(n.value).nbytes for n in nodes if n.value is not None)
        held += sum(bytes_of(node.parameters) for node in nodes)
        return int(held) + sum(table_bytes(block.terms) for block in blocks)

    def __str__(self) -> str:
        inputs = ", ".join(f"{name} {node.shape}" for node, name in self._inputs.items())
        head = wrapped(f"{self._derived.kind.name} of {self._name}({inputs}) -> {self.shape}", 80)
        return "\n".join([*head, self._dense.described, str(self.cost())])

    __repr__ = __str__

    # Its programs, each made when it is first needed

    @cached_property
    def _dense(self) -> NumpyProgram:
        return self._program([as_single_node(block.terms) for block in self._derived.blocks])

    @cached_property
    def _valued(self) -> NumpyProgram:
        """The value of the function, then the gradients."""
        blocks = [as_single_node(block.terms) for block in self._derived.blocks]
        return self._program([*self._derived.outputs, *blocks])

    @cached_property
    def _operands(self) -> tuple[list[Node], NumpyProgram]:
        """What the terms of all blocks read."""
        nodes = [node for block in self._derived.blocks for node in block.values.values()]
        distinct = list(dict.fromkeys(nodes))
        return distinct, self._program(distinct)

    @cached_property
    def _vjp(self) -> tuple[Contracted, NumpyProgram]:
        return self._contraction(self._derived.vjp())

    @cached_property
    def _jvp(self) -> tuple[Contracted, NumpyProgram]:
        return self._contraction(self._derived.jvp())

    def _contraction(self, contraction: Contracted) -> tuple[Contracted, NumpyProgram]:
        names = {*RESERVED, *self._inputs.values()}
        seeds = {seed: _free(contraction.letter, names) for seed in contraction.seeds}
        return contraction, self._program(contraction.nodes, seeds)

    def _program(self, nodes: Sequence[Node], seeds: Mapping[Node, str] = {}) -> NumpyProgram:
        return self._loaded(lower_nodes({**self._inputs, **seeds}, optimised(nodes), self._fixed))

    def _loaded(self, program: Program) -> NumpyProgram:
        made = self._executor(program)
        self._made_bytes += sum(array.nbytes for array in made.program.constants.values())
        return made

    # Running them

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the transform gives: JacobianTensors, or gradients."""
        by_position(self._name, named)
        kind = self._derived.kind
        if kind.gradient and not kind.valued:
            return self.dense(*args)
        arrays = self._signature.accept(args)
        blocks = self._derived.blocks
        if kind.gradient:
            made = self._valued.run(*arrays)
            dtypes = [self._derived.outputs[0].dtype, *(block.dtype for block in blocks)]
            value, *gradients = self._valued.fresh(made, dtypes, arrays)
            return value, self._derived.structured(gradients)
        nodes, program = self._operands
        values = self._plain(program.run(*arrays))
        kept = {node: owned(value, arrays) for node, value in zip(nodes, values, strict=True)}
        return self._derived.structured(
            [
                JacobianTensor(
                    block.named, block.out_ndim, {n: kept[v] for n, v in block.values.items()},
                    dtype=block.dtype, in_dtype=block.start.dtype, names=block.names,
                )
                for block in blocks
            ]
        )  # fmt: skip

    def _plain(self, values: Sequence[Any]) -> list[Array]:
        """Values as NumPy's arrays, which a tensor holds."""
        try:
            return [np.asarray(value) for value in values]
        except TypeError:  # what another library is tracing has no value yet
            raise UnsupportedError(
                f"{self._name}: a JacobianTensor holds NumPy arrays, and cannot be made while jax.jit or vmap "
                "traces; use dense(...), vjp(G, ...) or jvp(direction, ...)"
            ) from None

    def dense(self, *args: Any, out: Any = None, max_bytes: float | None = None) -> Any:
        """The dense derivative: a new array, or ``out``, which is overwritten whole.

        With several results, ``out`` has their structure. In an array from ``buffer()`` only the
        structural nonzeros are rewritten, where there is a single result.
        """
        arrays = self._signature.accept(args)
        blocks = self._derived.blocks
        dtypes = [block.dtype for block in blocks]
        if out is None:
            self._check_sizes(max_bytes)
            made = self._dense.run(*arrays)
            return self._derived.structured(self._dense.fresh(made, dtypes, arrays))
        self._check_writable(arrays)
        places = self._derived.leaves_of(out, f"{self._name}: out=")
        for n, (place, block) in enumerate(zip(places, blocks, strict=True)):
            _check_out(self._name, place, block)
            if any(np.may_share_memory(place, other) for other in places[:n]):
                raise ShapeError(f"{self._name}: out= has arrays that share memory with each other")
        made = self._dense.run(*arrays)
        if any(np.may_share_memory(place, array) for place in places for array in made):
            made = self._dense.fresh(made, dtypes, arrays)  # a result may be an argument itself
        for place, array in zip(places, made, strict=True):
            place[...] = array
        return out

    def buffer(self) -> Any:
        """Zeroed result arrays, to be passed as ``out``."""
        self._check_sizes(None)
        made = [np.zeros(block.terms.shape, block.dtype) for block in self._derived.blocks]
        return self._derived.structured(made)

    def _check_sizes(self, max_bytes: float | None) -> None:
        """Raise before dense results are allocated that would together pass the limit."""
        blocks = self._derived.blocks
        if len(blocks) == 1:
            check_size(self._name, blocks[0].terms.shape, blocks[0].dtype.itemsize, max_bytes)
            return
        needed = sum(prod(block.terms.shape) * block.dtype.itemsize for block in blocks)
        shapes = ", ".join(str(block.terms.shape) for block in blocks)
        check_bytes(
            self._name, f"dense tensors of shapes {shapes}: together this", needed, max_bytes,
            "contract them with vjp(G, ...) or jvp(direction, ...)",
        )  # fmt: skip

    def vjp(self, G: Any, *args: Any) -> Any:
        """``Σ G · derivative`` over the output axes, never building the derivative.

        ``G`` has the structure of the function's result; one gradient for each argument in ``wrt``.
        """
        return self._contracted(*self._vjp, G, args)

    def jvp(self, direction: Any, *args: Any) -> Any:
        """``Σ derivative · direction`` over the input axes, never building the derivative.

        One direction for each argument in ``wrt``; the result has the structure of the function's.
        """
        return self._contracted(*self._jvp, direction, args)

    def _contracted(
        self, contraction: Contracted, program: NumpyProgram, given: Any, args: Sequence[Any]
    ) -> Any:
        arrays = self._signature.accept(args)
        what = f"{self._name}: {contraction.what}"
        leaves = [self._leaf(one, what) for one in contraction.leaves_of(given, what)]
        passed = [
            self._seed(leaf, node, what, contraction.side)
            for leaf, node in zip(leaves, contraction.seeds, strict=True)
        ]
        made = program.run(*arrays, *passed)
        given = [*arrays, *passed]
        return contraction.structured(program.fresh(made, contraction.dtypes, given))

    def _seed(self, leaf: Any, node: Node, what: str, side: str) -> Any:
        if not self._executor.native(leaf):
            return shaped_array(leaf, node.shape, what, side).astype(node.dtype, copy=False)
        if leaf.shape != node.shape:
            raise ShapeError(f"{what} has shape {leaf.shape}, but {side} has shape {node.shape}")
        return leaf.astype(node.dtype)

    def _check_writable(self, arrays: Sequence[Any]) -> None:
        if any(map(self._executor.native, arrays)):
            raise UnsupportedError(
                f"{self._name}: out= is written by NumPy, and the arguments are another library's arrays, whose "
                "results never change; leave out= away"
            )

    def _leaf(self, value: Any, what: str) -> Any:
        return value if self._executor.native(value) else float_array(value, what)


class CompiledOne(Compiled):
    """A compiled derivative of one result by one argument: its plan can write into ``out``."""

    def __init__(
        self, derived: Derived, signature: Signature, inputs: Mapping[int, Node],
        executor: type[NumpyProgram] = NumpyProgram, fixed: Mapping[Node, Array] = {},
    ) -> None:  # fmt: skip
        (self._block,) = derived.blocks
        super().__init__(derived, signature, inputs, executor, fixed)
        self.terms = self._block.named
        # Asking for the memory there is costs more than a small result.
        self._small = prod(self.terms.shape) * self._block.dtype.itemsize < SMALL
        self._buffers: dict[int, Any] = {}

    @cached_property
    def _dense(self) -> NumpyProgram:
        (node,) = optimised([as_single_node(self._block.terms)])
        return self._loaded(lower_dense(self._inputs, node, self._block.dtype, self._fixed))

    def dense(self, *args: Any, out: Any = None, max_bytes: float | None = None) -> Any:
        """The dense derivative: a new array, or ``out``, which is overwritten whole.

        In an array from ``buffer()`` only the structural nonzeros are rewritten.
        """
        arrays = self._signature.accept(args)
        block = self._block
        if out is None:
            if max_bytes is not None or not self._small:
                check_size(self._name, block.terms.shape, block.dtype.itemsize, max_bytes)
            return self._dense.run(*arrays)
        _check_out(self._name, out, block)
        self._check_writable(arrays)
        if not out.flags.c_contiguous or any(np.may_share_memory(out, a) for a in arrays):
            out[...] = self._dense.run(*arrays)
            return out
        known = self._buffers.get(id(out))
        self._dense.run(*arrays, out=out, clean=known is not None and known() is out)
        return out

    def buffer(self) -> Array:
        """A zeroed result array; later calls with it as ``out`` rewrite only what can be nonzero."""
        made: Array = super().buffer()
        self._buffers = {k: ref for k, ref in self._buffers.items() if ref() is not None}
        self._buffers[id(made)] = weakref.ref(made)
        return made


def _check_out(name: str, out: Any, block: Block) -> None:
    shape, dtype = block.terms.shape, block.dtype
    if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (shape, dtype):
        raise ShapeError(
            f"{name}: out= must be an array of shape {shape} and dtype {dtype}, not "
            f"{getattr(out, 'shape', type(out).__name__)} {getattr(out, 'dtype', '')}".rstrip()
        )
    if not out.flags.writeable:
        raise ShapeError(f"{name}: out= is read-only; pass an array that can be written")


def _variables(nodes: Iterable[Node]) -> dict[Node, str]:
    taken = set(RESERVED)
    return {
        node: _free(node.name if node.name.isidentifier() else f"x{n}", taken)
        for n, node in enumerate(nodes)
    }


def _free(name: str, taken: set[str]) -> str:
    """A name that is not taken yet; it is then."""
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    taken.add(found)
    return found
