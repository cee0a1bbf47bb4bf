"""Compiled transforms: derived and lowered once for given shapes and dtypes, then only run."""

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.derivation.chain_rule import as_single_node
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.execution.building import RESERVED
from jacobians.execution.lowering import Begun, begun, lower_dense, lower_nodes
from jacobians.execution.numpy_source import NumpyProgram, wrapped
from jacobians.execution.steps import Cost, Program
from jacobians.graph.node import Node, ordered
from jacobians.ground.arguments import float_array, owned, shaped_array
from jacobians.ground.collecting import collected_seldom
from jacobians.ground.memory import SMALL, check_bytes, check_size
from jacobians.ground.trees import flatten
from jacobians.notation.terms import Sum, bytes_of, table_bytes
from jacobians.optimising.passes import optimised
from jacobians.tensor.batching import on_diagonal
from jacobians.tensor.export import check_order
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tensor.storage import (
    Storage,
    check_entries,
    check_storable,
    index_arrays,
    storage_of,
)
from jacobians.transforms.derived import Block, Contracted, Derived, samples
from jacobians.transforms.inputs import Signature, by_position

Array = NDArray[Any]
_SHOWN = 60  # steps of a repr


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
        self._forms: dict[tuple[Any, ...], Any] = {}  # programs of sparse, blocks and diagonal
        self._handed: dict[
            int, tuple[Any, ...]
        ] = {}  # sparse arrays that are alive, and their keys

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
        return "\n".join([*self._head(), self._dense.described, str(self.cost())])

    def __repr__(self) -> str:
        """As printed, where that is short and planned already; else what it is, and its size."""
        program = (self._operands[1] if "_operands" in self.__dict__ else self._dense).program
        if len(program.steps) <= _SHOWN:
            return str(self)
        size = f"    {len(program.steps):,} steps to what it is made of; print it to see those of dense"
        return "\n".join([*self._head(), size, str(program.cost())])

    def _head(self) -> list[str]:
        inputs = ", ".join(f"{name} {node.shape}" for node, name in self._inputs.items())
        return wrapped(f"{self._derived.kind.name} of {self._name}({inputs}) -> {self.shape}", 80)

    # Its programs: the call's is made when it is compiled, each other one when it is first needed

    def plan(self, forms: Iterable[str] = ()) -> None:
        """Make the programs of the call and of the named forms, with their defaults."""
        with collected_seldom():
            _ = self._valued if self._derived.kind.valued else None
            _ = self._dense if self._derived.kind.gradient or self._executor.ahead else None
            _ = None if self._derived.kind.gradient else self._operands
        for form in forms:
            with suppress(UnsupportedError, ShapeError):  # what there is not raises at its own call
                PLANNED[form](self)

    @cached_property
    def _shared(self) -> Begun:
        """What the forms have in common is lowered once: what the call computes."""
        if self._derived.kind.gradient:
            nodes = [operand for node in self._results for operand in node.operands]
        else:
            nodes = self._read[1]
        return begun(self._inputs, nodes, self._fixed)

    @cached_property
    def _results(self) -> list[Node]:
        """The dense results, ready to be lowered."""
        return _ready([block.terms for block in self._derived.blocks])

    @cached_property
    def _read(self) -> tuple[list[Node], list[Node]]:
        """What the terms of all blocks read, and the same ready to be lowered."""
        nodes = [node for block in self._derived.blocks for node in block.values.values()]
        distinct = list(dict.fromkeys(nodes))
        return distinct, optimised(distinct)

    @cached_property
    def _dense(self) -> NumpyProgram:
        return self._writing(self._results, [block.dtype for block in self._derived.blocks])

    @cached_property
    def _valued(self) -> NumpyProgram:
        """The value of the function, then the gradients."""
        blocks = [as_single_node(block.terms) for block in self._derived.blocks]
        return self._program(optimised([*self._derived.outputs, *blocks]))

    @cached_property
    def _operands(self) -> tuple[list[Node], NumpyProgram]:
        """What the terms of all blocks read."""
        distinct, ready = self._read
        return distinct, self._program(ready)

    @cached_property
    def _vjp(self) -> tuple[Contracted, NumpyProgram]:
        return self._contraction(self._derived.vjp())

    @cached_property
    def _jvp(self) -> tuple[Contracted, NumpyProgram]:
        return self._contraction(self._derived.jvp())

    def _contraction(self, contraction: Contracted) -> tuple[Contracted, NumpyProgram]:
        names = {*RESERVED, *self._inputs.values()}
        seeds = {seed: _free(contraction.letter, names) for seed in contraction.seeds}
        return contraction, self._program(optimised(contraction.nodes), seeds)

    def _program(self, nodes: Sequence[Node], seeds: Mapping[Node, str] = {}) -> NumpyProgram:
        """The program of nodes that are ready to be lowered."""
        inputs = {**self._inputs, **seeds}
        return self._loaded(lower_nodes(inputs, nodes, self._fixed, self._shared))

    def _writing(self, nodes: Sequence[Node], dtypes: Sequence[np.dtype[Any]]) -> NumpyProgram:  # noqa: ARG002
        """The program of arrays that are handed out, one for each block."""
        return self._program(nodes)

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

    def _plain(self, values: Sequence[Any], what: str = "a JacobianTensor") -> list[Array]:
        """Values as NumPy's arrays, which a tensor holds."""
        try:
            return [np.asarray(value) for value in values]
        except TypeError:  # what another library is tracing has no value yet
            raise UnsupportedError(
                f"{self._name}: {what} holds NumPy arrays, and cannot be made while jax.jit or vmap "
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
            return self._derived.structured(self._numbers(self._dense, dtypes, arrays))
        shapes = [block.terms.shape for block in blocks]
        self._write(self._dense, arrays, self._places(out, shapes), dtypes)
        return out

    def _numbers(
        self, program: NumpyProgram, dtypes: Sequence[Any], arrays: Sequence[Any]
    ) -> list[Any]:
        """New arrays, one for each block."""
        return program.fresh(program.run(*arrays), dtypes, arrays)

    def _write(
        self, program: NumpyProgram, arrays: Sequence[Any], places: Sequence[Array],
        dtypes: Sequence[Any], *, clean: bool = False,  # noqa: ARG002
    ) -> None:  # fmt: skip
        """Results into the caller's arrays; ``clean`` ones hold 0 where the program never writes."""
        self._check_writable(arrays)
        made = program.run(*arrays)
        if any(np.may_share_memory(place, array) for place in places for array in made):
            made = program.fresh(made, dtypes, arrays)  # a result may be an argument itself
        for place, array in zip(places, made, strict=True):
            place[...] = array

    def _places(self, out: Any, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        """The arrays of ``out``, checked: one of each shape, none in another's memory."""
        places = self._derived.leaves_of(out, f"{self._name}: out=")
        blocks = self._derived.blocks
        if len(places) != len(blocks):
            raise ShapeError(f"{self._name}: out= has {len(places)} arrays, not {len(blocks)}")
        for n, (place, shape, block) in enumerate(zip(places, shapes, blocks, strict=True)):
            _check_out(self._name, place, shape, block.dtype)
            if any(np.may_share_memory(place, other) for other in places[:n]):
                raise ShapeError(f"{self._name}: out= has arrays that share memory with each other")
        return places

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

    def sparse(
        self, *args: Any, format: str = "csr", order: str = "C", out: Any = None, **named: Any
    ) -> Any:
        """The derivative as a SciPy sparse array of its structural nonzeros, as ``J.sparse`` gives it.

        Which entries there are is worked out once for each format and order; a call computes and writes
        the numbers only. It has the shape that SciPy's solvers take as ``jac``.

        Parameters
        ----------
        *args : Any
            The function's arguments.
        format : {"csr", "csc", "coo", "bsr", "dia", "dok", "lil"}
            Of the sparse array.
        order : {"C", "F"}
            Of ``vec``: the matrix has a row for each entry of the output, a column for each of the input.
        out : scipy.sparse.sparray, optional
            What an earlier call of this method gave, with the same format and order: its numbers are
            overwritten. By default all arrays of the result are new, those of the indices too.

        Returns
        -------
        scipy.sparse.sparray
            Of shape ``(prod(out_shape), prod(in_shape))``, its indices sorted; with several of them, in the
            structure of ``dense``.

        Raises
        ------
        ShapeError
            Where ``out`` is no result of this plan, or its index arrays were exchanged.
        UnsupportedError
            For other formats, for dtypes that SciPy has no sparse arrays of, for arguments by name, and while
            JAX is tracing.

        Examples
        --------
        >>> import numpy as np, jacobians as jb
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> c = jb.jacobian(lambda x: x[1:] * x[:-1]).compile(x, forms=("sparse",))
        >>> A = c.sparse(x)
        >>> A.toarray()
        array([[2., 1., 0.],
               [0., 3., 2.]])
        >>> c.sparse(2 * x, out=A) is A
        True
        """
        by_position(self._name, named)
        arrays = self._signature.accept(args)
        layouts, program = self._sparse(format, order)
        dtypes = [block.dtype for block in self._derived.blocks]
        if out is not None:
            places = self._sparse_places(out, layouts)
            clean = not any(own.padded for own in layouts)
            self._write(program, arrays, places, dtypes, clean=clean)
            return out
        for made in layouts:
            check_bytes(
                self._name, "the sparse array", made.template.data.nbytes + made.nbytes, None,
                "contract it with vjp(G, ...) or jvp(direction, ...)",
            )  # fmt: skip
        numbers = self._plain(self._numbers(program, dtypes, arrays), "a SciPy sparse array")
        found = [self._handed_out(own, data) for own, data in zip(layouts, numbers, strict=True)]
        return self._derived.structured(found)

    def _sparse(self, form: str = "csr", order: str = "C") -> tuple[list[Storage], NumpyProgram]:
        known: Any = self._forms.get(("sparse", form, order))
        if known is None:
            blocks, layouts = self._derived.blocks, []
            for block in blocks:
                check_order(block.title, order)
                check_storable(block.title, form, block.dtype)
                check_entries(block.title, block.terms, block.dtype.itemsize)
                layouts.append(
                    storage_of(block.terms, block.out_ndim, form, order, block.dtype, block.title)
                )
            program = self._writing(
                _ready([own.data for own in layouts]), [b.dtype for b in blocks]
            )
            self._made_bytes += sum(own.nbytes for own in layouts)
            known = self._forms["sparse", form, order] = layouts, program
        return known  # type: ignore[no-any-return]

    def _handed_out(self, own: Storage, numbers: Array) -> Any:
        """A new sparse array, which is known again as ``out``."""
        made = own.filled(numbers if numbers.flags.c_contiguous else numbers.copy())
        if own.writable:
            key, handed = id(made), self._handed
            gone = weakref.ref(made, lambda _: handed.pop(key, None))
            handed[key] = gone, own, [*map(weakref.ref, index_arrays(made))]
        return made

    def _sparse_places(self, out: Any, layouts: Sequence[Storage]) -> list[Array]:
        """The numbers of the sparse arrays in ``out``."""
        found = [out] if self._derived.single else flatten(out)[0]
        if len(found) != len(layouts):
            raise ShapeError(f"{self._name}: out= has {len(found)} arrays, not {len(layouts)}")
        places: list[Array] = []
        for one, own in zip(found, layouts, strict=True):
            if not own.writable:
                raise UnsupportedError(
                    f"{self._name}: out= of format {own.form!r}, whose numbers are Python objects; leave out= "
                    "away, or use 'csr'"
                )
            gone, of, indices = self._handed.get(id(one), (lambda: None, None, ()))
            same = all(
                ref() is array for ref, array in zip(indices, index_arrays(one), strict=False)
            )
            if gone() is not one or of is not own or not same:
                raise ShapeError(
                    f"{self._name}: out= must be a sparse array that sparse(..., format={own.form!r}) of this "
                    f"plan gave, in the same order of vec and with its index arrays, not {_described(one)}"
                )
            _check_out(self._name, one.data, own.template.data.shape, own.template.data.dtype)
            if not one.data.flags.c_contiguous:
                raise ShapeError(f"{self._name}: out= has numbers that are no contiguous array")
            if any(one.data is place or place.base is one.data for place in places):
                raise ShapeError(f"{self._name}: out= has a sparse array twice")
            places.append(one.data.reshape(own.data.shape))
        return places

    def blocks(self, *args: Any, batch_axis: int | tuple[int, int] = 0, out: Any = None) -> Any:
        """The Jacobian of each sample of a batched function; see ``JacobianTensor.blocks``.

        Parameters
        ----------
        *args : Any
            The function's arguments.
        batch_axis : int or (int, int)
            The axis that counts samples, in the output and in the input; two numbers where they differ.
        out : numpy.ndarray, optional
            Overwritten whole and returned; of the result's shape and dtype.

        Returns
        -------
        numpy.ndarray
            Of shape ``(b, …out, …in)``, new; with several results or arguments, in the structure of
            ``dense``.

        Raises
        ------
        UnsupportedError
            Where terms couple samples; it names them.
        ShapeError
            Where the output or the input has no such axis, their sizes differ, or ``out`` does not fit.

        Examples
        --------
        >>> import numpy as np, jacobians as jb
        >>> X, W = np.ones((4, 3)), np.ones((3, 2))
        >>> jb.jacobian(lambda X: np.tanh(X @ W)).compile(X).blocks(X).shape
        (4, 2, 3)
        """
        return self._part(args, out, self._blocks(batch_axis))

    def _blocks(self, batch_axis: Any = 0) -> tuple[list[Sum], NumpyProgram]:
        return self._parts(("blocks", repr(batch_axis)), lambda b: samples(b, batch_axis))

    def diagonal(self, *args: Any, out: Any = None) -> Any:
        """``J_ijij``: how each entry of the output depends on the same entry of the input.

        Parameters
        ----------
        *args : Any
            The function's arguments.
        out : numpy.ndarray, optional
            Overwritten whole and returned; of the output's shape.

        Returns
        -------
        numpy.ndarray
            Of the output's shape, new; with several results or arguments, in the structure of ``dense``.

        Raises
        ------
        ShapeError
            Where output and input have different shapes, or ``out`` does not fit.

        Examples
        --------
        >>> import numpy as np, jacobians as jb
        >>> x = np.array([0.0, 1.0])
        >>> jb.jacobian(lambda x: x**3).compile(x).diagonal(x)
        array([0., 3.])
        """
        return self._part(args, out, self._diagonal())

    def _diagonal(self) -> tuple[list[Sum], NumpyProgram]:
        return self._parts(("diagonal",), lambda b: on_diagonal(b.terms, b.out_ndim, b.title))

    def _parts(
        self, key: tuple[str, ...], part: Callable[[Block], Sum]
    ) -> tuple[list[Sum], NumpyProgram]:
        """A part of each block as terms, and their program."""
        known: Any = self._forms.get(key)
        if known is None:
            blocks = self._derived.blocks
            sums = [part(block) for block in blocks]
            known = sums, self._writing(_ready(sums), [block.dtype for block in blocks])
            self._forms[key] = known
        return known  # type: ignore[no-any-return]

    def _part(self, args: Sequence[Any], out: Any, planned: tuple[list[Sum], NumpyProgram]) -> Any:
        arrays = self._signature.accept(args)
        sums, program = planned
        dtypes = [block.dtype for block in self._derived.blocks]
        if out is None:
            for terms, dtype in zip(sums, dtypes, strict=True):
                check_size(self._name, terms.shape, dtype.itemsize, None)
            return self._derived.structured(self._numbers(program, dtypes, arrays))
        self._write(program, arrays, self._places(out, [terms.shape for terms in sums]), dtypes)
        return out

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

    def _writing(self, nodes: Sequence[Node], dtypes: Sequence[np.dtype[Any]]) -> NumpyProgram:
        (node,), (dtype,) = nodes, dtypes
        return self._loaded(lower_dense(self._inputs, node, dtype, self._fixed, self._shared))

    def _numbers(
        self,
        program: NumpyProgram,
        dtypes: Sequence[Any],  # noqa: ARG002
        arrays: Sequence[Any],
    ) -> list[Any]:
        return [program.run(*arrays)]

    def _write(
        self, program: NumpyProgram, arrays: Sequence[Any], places: Sequence[Array],
        dtypes: Sequence[Any], *, clean: bool = False,  # noqa: ARG002
    ) -> None:  # fmt: skip
        (out,) = places
        self._check_writable(arrays)
        if not out.flags.c_contiguous or any(np.may_share_memory(out, a) for a in arrays):
            out[...] = program.run(*arrays)
        else:
            program.run(*arrays, out=out, clean=clean)

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
        known = self._buffers.get(id(out))
        clean = known is not None and known() is out
        places = self._places(out, [block.terms.shape])
        self._write(self._dense, arrays, places, [block.dtype], clean=clean)
        return out

    def buffer(self) -> Array:
        """A zeroed result array; later calls with it as ``out`` rewrite only what can be nonzero."""
        made: Array = super().buffer()
        self._buffers = {k: ref for k, ref in self._buffers.items() if ref() is not None}
        self._buffers[id(made)] = weakref.ref(made)
        return made


PLANNED: dict[str, Callable[[Any], Any]] = {
    "dense": lambda c: c._dense, "vjp": lambda c: c._vjp, "jvp": lambda c: c._jvp,
    "sparse": lambda c: c._sparse(), "blocks": lambda c: c._blocks(),
    "diagonal": lambda c: c._diagonal(),
}  # fmt: skip
"""The forms of a compiled derivative, and what makes the program of each."""


def _ready(sums: Sequence[Sum]) -> list[Node]:
    """Sums of terms as nodes, after all passes."""
    return optimised([as_single_node(terms) for terms in sums])


def _described(value: Any) -> str:
    form, shape = getattr(value, "format", ""), getattr(value, "shape", "")
    return " ".join(str(part) for part in ("a", form, type(value).__name__, shape) if part != "")


def _check_out(name: str, out: Any, shape: tuple[int, ...], dtype: Any) -> None:
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
