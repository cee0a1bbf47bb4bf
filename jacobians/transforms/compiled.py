"""Compiled transforms: traced and derived once for given shapes and dtypes, then generated NumPy."""

import weakref
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jacobians.arrays.plan import Cost
from jacobians.derivation.chain_rule import Strategy, as_single_node
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.ground.arguments import shaped_array
from jacobians.ground.memory import SMALL, check_bytes, check_size
from jacobians.planning.program import Program, described, wrapped
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.running import (
    Wrt,
    flatten,
    name_of,
    positions_of,
    traced,
)
from jacobians.transforms.derived import Block, Derived, free_name
from jacobians.transforms.signature import Signature, is_input

Array = NDArray[Any]


class Transform(Protocol):
    """A function of the differentiated function's arguments, which can also be compiled."""

    compile: "Callable[..., Compiled]"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at the arguments."""


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

    def __init__(self, derived: Derived, signature: Signature) -> None:
        self._derived = derived
        self._name = derived.name
        self._signature = signature
        self._programs: dict[str, Program] = {}

    # What it is

    @property
    def shape(self) -> Any:
        """Of the dense result, or of each of them."""
        return self._derived.structured([block.terms.shape for block in self._derived.blocks])

    @property
    def source(self) -> str:
        """The text that ``dense`` runs."""
        return self._program("dense").source

    @property
    def constants(self) -> dict[str, Array]:
        """The arrays that ``source`` takes besides the inputs."""
        return dict(self._program("dense").constants)

    def cost(self) -> Cost:
        """Predicted operations and bytes of ``dense``."""
        return self._program("dense").cost()

    def __str__(self) -> str:
        inputs = ", ".join(f"{name} {node.shape}" for node, name in self._derived.inputs.items())
        program = self._program("dense")
        head = wrapped(f"{self._derived.kind} of {self._name}({inputs}) -> {self.shape}", 80)
        return "\n".join([*head, described(program.steps), str(self.cost())])

    __repr__ = __str__

    # Running it

    def __call__(self, *args: Any) -> Any:
        """What the transform gives: JacobianTensors, or gradients."""
        if self._derived.kind == "grad":
            return self.dense(*args)
        arrays = self._signature.accept(args)
        if self._derived.kind == "value_and_grad":
            value, *gradients = self._run("both", arrays)
            blocks = self._derived.blocks
            found = [np.array(g, b.dtype) for g, b in zip(gradients, blocks, strict=True)]
            return np.array(value), self._derived.structured(found)
        operands = self._derived.operands
        values = dict(zip(operands, self._run("operands", arrays), strict=True))
        kept = {n: _owned(v, arrays) for n, v in values.items()}
        return self._derived.structured(
            [
                JacobianTensor(
                    block.terms, len(block.axes("vjp")), {n: kept[n] for n in block.terms.operands},
                    dtype=block.dtype, in_dtype=block.start.dtype, names=block.names,
                )
                for block in self._derived.blocks
            ]
        )  # fmt: skip

    def dense(self, *args: Any, out: Any = None, max_bytes: float | None = None) -> Any:
        """The dense derivative: a new array, or ``out``, which is overwritten whole.

        With several results, ``out`` has their structure. In an array from ``buffer()`` only the
        structural nonzeros are rewritten, where there is a single result.
        """
        arrays = self._signature.accept(args)
        blocks = self._derived.blocks
        if out is None:
            self._check_sizes(max_bytes)
            made = self._run("dense", arrays)
            return self._derived.structured(self._new("dense", made, arrays))
        places: list[Any] = []
        flatten(out, places, f"{self._name}: out=", "")
        if len(places) != len(blocks):
            raise ShapeError(f"{self._name}: out= has {len(places)} arrays, not {len(blocks)}")
        for n, (place, block) in enumerate(zip(places, blocks, strict=True)):
            _check_out(self._name, place, block)
            if any(np.may_share_memory(place, other) for other in places[:n]):
                raise ShapeError(f"{self._name}: out= has arrays that share memory with each other")
        made = self._run("dense", arrays)
        if any(np.may_share_memory(place, array) for place in places for array in made):
            made = self._new("dense", made, arrays)  # a result may be an argument itself
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
        return self._contract("vjp", G, args)

    def jvp(self, direction: Any, *args: Any) -> Any:
        """``Σ derivative · direction`` over the input axes, never building the derivative.

        One direction for each argument in ``wrt``; the result has the structure of the function's.
        """
        return self._contract("jvp", direction, args)

    def _contract(self, way: str, given: Any, args: Sequence[Any]) -> Any:
        arrays = self._signature.accept(args)
        derived = self._derived
        what = f"{self._name}: the {'upstream gradient G' if way == 'vjp' else 'direction'}"
        leaves = self._leaves(given, what)
        nodes = derived.seeds(way)
        if len(leaves) != len(nodes):
            raise ShapeError(f"{what} has {len(leaves)} arrays, not {len(nodes)}")
        side = "the output" if way == "vjp" else "the input"
        passed = [
            shaped_array(leaf, node.shape, what, side).astype(node.dtype, copy=False)
            for leaf, node in zip(leaves, nodes, strict=True)
        ]
        made = self._run(way, [*arrays, *passed])
        found = self._new(way, made, [*arrays, *passed])
        return derived.by_argument(found) if way == "vjp" else derived.by_result(found)

    def _new(self, way: str, made: Sequence[Any], given: Sequence[Array]) -> list[Array]:
        """The results as arrays that are nobody else's: no input, no constant, no other result."""
        seen = [*given, *self._program(way).constants.values()]
        found: list[Array] = []
        for array, dtype in zip(made, self._derived.dtypes[way], strict=True):
            found.append(_owned(array, seen, dtype))
            seen.append(found[-1])
        return found

    def _leaves(self, given: Any, what: str) -> list[Any]:
        leaves: list[Any] = []
        flatten(given, leaves, what, "")
        return leaves

    def _run(self, way: str, arrays: Sequence[Any]) -> Any:
        program = self._programs.get(way) or self._program(way)
        if not program.warns:
            return program.run(*arrays)
        with np.errstate(all="ignore"):
            return program.run(*arrays)

    def _program(self, way: str) -> Program:
        found = self._programs.get(way)
        if found is None:
            found = self._programs[way] = self._made(way)
        return found

    def _made(self, way: str) -> Program:
        derived = self._derived
        blocks = derived.blocks
        if way == "operands":
            return Program(derived.inputs, derived.operands, blocks[0].dtype)
        if way in ("dense", "both"):
            nodes = [as_single_node(block.terms) for block in blocks]
            if way == "both":
                nodes.insert(0, derived.value)
            return Program(derived.inputs, nodes, blocks[0].dtype)
        seeds = derived.seeds(way)
        nodes = [as_single_node(tensor) for tensor in derived.contractions(way)]
        taken = set(derived.inputs.values())
        names = [free_name("G" if way == "vjp" else "d", taken) for _ in seeds]
        return Program({**derived.inputs, **dict(zip(seeds, names, strict=True))}, nodes, None)


class CompiledOne(Compiled):
    """A compiled derivative of one result by one argument: its plan can write into ``out``."""

    def __init__(self, derived: Derived, signature: Signature) -> None:
        super().__init__(derived, signature)
        (self._block,) = derived.blocks
        self.terms = self._block.terms
        # Asking for the memory there is costs more than a small result.
        self._small = prod(self.terms.shape) * self._block.dtype.itemsize < SMALL
        self._buffers: dict[int, Any] = {}

    def dense(self, *args: Any, out: Any = None, max_bytes: float | None = None) -> Any:
        """The dense derivative: a new array, or ``out``, which is overwritten whole.

        In an array from ``buffer()`` only the structural nonzeros are rewritten.
        """
        arrays = self._signature.accept(args)
        block = self._block
        if out is None:
            if max_bytes is not None or not self._small:
                check_size(self._name, block.terms.shape, block.dtype.itemsize, max_bytes)
            return self._run("dense", arrays)
        _check_out(self._name, out, block)
        if not out.flags.c_contiguous or any(np.may_share_memory(out, a) for a in arrays):
            out[...] = self._run("dense", arrays)
            return out
        known = self._buffers.get(id(out))
        clean = known is not None and known() is out
        program = self._program("dense")
        with np.errstate(all="ignore"):
            program.run(*arrays, out=out, clean=clean)
        return out

    def buffer(self) -> Array:
        """A zeroed result array; later calls with it as ``out`` rewrite only what can be nonzero."""
        made: Array = super().buffer()
        self._buffers = {k: ref for k, ref in self._buffers.items() if ref() is not None}
        self._buffers[id(made)] = weakref.ref(made)
        return made

    def _leaves(self, given: Any, what: str) -> list[Any]:  # noqa: ARG002
        return [given]  # a list of numbers is an array here

    def _made(self, way: str) -> Program:
        if way == "dense":
            return Program(self._derived.inputs, self._block.terms, self._block.dtype)
        return super()._made(way)


def _check_out(name: str, out: Any, block: Block) -> None:
    shape, dtype = block.terms.shape, block.dtype
    if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (shape, dtype):
        raise ShapeError(
            f"{name}: out= must be an array of shape {shape} and dtype {dtype}, not "
            f"{getattr(out, 'shape', type(out).__name__)} {getattr(out, 'dtype', '')}".rstrip()
        )
    if not out.flags.writeable:
        raise ShapeError(f"{name}: out= is read-only; pass an array that can be written")


def _owned(value: Any, arrays: Sequence[Array], dtype: Any = None) -> Array:
    """The value if it is an array of its own, else a copy."""
    array = np.asarray(value, dtype)
    mine = array.flags.owndata and not any(array is given for given in arrays)
    return array if mine else array.copy()


def compiler(
    f: Callable[..., Any], kind: str, wrt: Wrt, strategy: Strategy = "auto"
) -> Callable[..., Compiled]:
    """The ``compile`` of a transform."""
    name = name_of(f)

    def compile(*example_args: Any, **named: Any) -> Compiled:
        """Derive and plan for arguments like these; see ``Compiled``."""
        if named:
            raise UnsupportedError(
                f"compile {name}: arguments are passed by position, not by name ({', '.join(named)})"
            )
        places = tuple(n for n, value in enumerate(example_args) if is_input(value))
        with traced(f, example_args, {}, places) as run:
            if run.here.guards:
                raise UnsupportedError(
                    f"compile {name}: it branches on a value ({run.here.guards[0]}), so one trace does not "
                    "hold for other values; use np.where, or call the transform uncompiled"
                )
            inputs = dict(zip(places, run.inputs, strict=True))
            starts = []
            found = positions_of(f, example_args, wrt)
            wanted = wrt if isinstance(wrt, tuple | list) else [wrt]
            if len(found) < len(wanted):
                raise UnsupportedError(
                    f"compile {name}: wrt={wrt!r} is not among the {len(example_args)} example arguments; "
                    "pass it, by position"
                )
            for place in found:
                if place not in inputs:
                    raise UnsupportedError(
                        f"compile {name}: wrt={wrt!r} is static ({type(example_args[place]).__name__}); "
                        "pass an array of floats"
                    )
                starts.append(inputs[place])
            derived = Derived(f, kind, wrt, run, starts, strategy)
        made = CompiledOne if derived.single else Compiled
        return made(derived, Signature(name, example_args, inputs))

    return compile
