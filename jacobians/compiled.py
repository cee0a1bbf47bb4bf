"""Compiled transforms: traced and derived once for given shapes and dtypes, then generated NumPy."""

import weakref
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jacobians.accumulation.chain_rule import Strategy, as_single_node, jacobians, reverse
from jacobians.arguments import real_array, shaped_array
from jacobians.arrays.plan import Cost
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Node
from jacobians.memory import check_size
from jacobians.notation.terms import Sum, contracted
from jacobians.planning.program import Program, described
from jacobians.tensor import JacobianTensor
from jacobians.tracing.running import Run, Wrt, name_of, output_node, positions_of, traced

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
    that the function closes over.

    Attributes
    ----------
    source : str
        The NumPy text that ``dense`` runs; it runs on its own with ``constants``.
    """

    def __init__(
        self, f: Callable[..., Any], kind: str, wrt: Wrt, strategy: Strategy, args: Sequence[Any]
    ) -> None:
        self._name = name_of(f)
        self._kind = kind
        self._static = {n: value for n, value in enumerate(args) if not _is_input(value)}
        places = tuple(n for n in range(len(args)) if n not in self._static)
        with traced(f, args, {}, places) as run:
            if run.here.guards:
                raise UnsupportedError(
                    f"compile {self._name}: it branches on a value ({run.here.guards[0]}), so one trace does not "
                    "hold for other values; use np.where, or call the transform uncompiled"
                )
            if len(run.outputs) != 1:
                raise UnsupportedError(
                    f"compile {self._name}: it returns {len(run.outputs)} arrays; compile one result at a time"
                )
            if not _single(wrt):
                raise UnsupportedError(
                    f"compile {self._name}: compile one wrt at a time, not {wrt!r}"
                )
            (self._wrt,) = positions_of(f, args, wrt)
            if self._wrt in self._static:
                raise UnsupportedError(
                    f"compile {self._name}: wrt={wrt!r} is static ({type(args[self._wrt]).__name__}); "
                    "pass an array of floats"
                )
            self._inputs = dict(zip(places, run.inputs, strict=True))
            self._derive(run, strategy)
        self._specs = [(place, node.shape, node.dtype) for place, node in self._inputs.items()]
        self._count = len(args)
        # Asking for the memory there is costs more than a small result.
        self._small = prod(self.shape) * self._dtype.itemsize < 1 << 24
        self._programs: dict[str, Program] = {}
        self._buffers: dict[int, Any] = {}

    def _derive(self, run: Run, strategy: Strategy) -> None:
        start = self._inputs[self._wrt]
        node = output_node(run.outputs[0])
        self._value_node = node
        if self._kind in ("grad", "value_and_grad"):
            if node.shape != ():
                raise ShapeError(
                    f"the gradient of {self._name}: its result has shape {node.shape}, a gradient needs a single "
                    "number; sum it up, or use jb.jacobian"
                )
            (tensor,) = reverse(node, [start])
            names = ("L", start.name)
        else:
            (tensor,) = jacobians(node, [start], strategy)
            names = (run.title, start.name)
            if self._kind == "hessian":
                names = (f"(∂{run.title}/∂{start.name})", start.name)
                (tensor,) = jacobians(as_single_node(tensor), [start], strategy)
        self.terms: Sum = tensor
        self._names = names
        self._start = start
        self._dtype = start.dtype if self._kind in ("grad", "value_and_grad") else node.dtype
        self._variables = {
            n: (n.name if n.name.isidentifier() else f"x{k}") for k, n in self._inputs.items()
        }

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the dense result."""
        return self.terms.shape

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
        inputs = ", ".join(f"{self._variables[n]} {n.shape}" for n in self._inputs.values())
        program = self._program("dense")
        return f"{self._kind} of {self._name}({inputs}) -> {self.shape}\n{described(program.steps)}\n{self.cost()}"

    __repr__ = __str__

    # Running it

    def __call__(self, *args: Any) -> Any:
        """What the transform gives: a JacobianTensor, or a gradient."""
        if self._kind == "grad":
            return self.dense(*args)
        if self._kind == "value_and_grad":
            arrays = self._accept(args)
            value, gradient = self._run("both", arrays)
            return np.array(value), np.array(gradient, self._dtype)
        arrays = self._accept(args)
        values = dict(zip(self.terms.operands, self._run("operands", arrays), strict=True))
        fresh = {n: _owned(v, arrays) for n, v in values.items()}
        out_ndim = len(self.terms.shape) - self._start.ndim
        return JacobianTensor(
            self.terms,
            out_ndim,
            fresh,
            dtype=self._dtype,
            in_dtype=self._start.dtype,
            names=self._names,
        )

    def dense(self, *args: Any, out: Array | None = None, max_bytes: float | None = None) -> Array:
        """The dense derivative: a new array, or ``out``, which is overwritten whole.

        In an array from ``buffer()`` only the structural nonzeros are rewritten.
        """
        arrays = self._accept(args)
        if out is None:
            if max_bytes is not None or not self._small:
                check_size(self._name, self.shape, self._dtype.itemsize, max_bytes)
            result: Array = self._run("dense", arrays)
            return result
        if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (self.shape, self._dtype):
            raise ShapeError(
                f"{self._name}: out= must be an array of shape {self.shape} and dtype {self._dtype}, not "
                f"{getattr(out, 'shape', type(out).__name__)} {getattr(out, 'dtype', '')}".rstrip()
            )
        if not out.flags.c_contiguous or any(np.may_share_memory(out, a) for a in arrays):
            out[...] = self._run("dense", arrays)
            return out
        known = self._buffers.get(id(out))
        clean = known is not None and known() is out
        self._program("dense").run(*arrays, out=out, clean=clean)
        return out

    def buffer(self) -> Array:
        """A zeroed result array; later calls with it as ``out`` rewrite only what can be nonzero."""
        check_size(self._name, self.shape, self._dtype.itemsize, None)
        made = np.zeros(self.shape, self._dtype)
        self._buffers = {k: ref for k, ref in self._buffers.items() if ref() is not None}
        self._buffers[id(made)] = weakref.ref(made)
        return made

    def vjp(self, G: Any, *args: Any) -> Array:
        """``Σ G · derivative`` over the output axes, never building the derivative."""
        return self._contract("vjp", G, args)

    def jvp(self, direction: Any, *args: Any) -> Array:
        """``Σ derivative · direction`` over the input axes, never building the derivative."""
        return self._contract("jvp", direction, args)

    def _contract(self, way: str, array: Any, args: Sequence[Any]) -> Array:
        arrays = self._accept(args)
        axes = self._axes(way)
        shape = tuple(self.shape[a] for a in axes)
        what = f"{self._name}: the {'upstream gradient G' if way == 'vjp' else 'direction'}"
        given = shaped_array(array, shape, what, "the output" if way == "vjp" else "the input")
        result: Array = self._run(way, [*arrays, given.astype(self._dtype, copy=False)])
        return result

    def _axes(self, way: str) -> range:
        cut = len(self.shape) - self._start.ndim
        return range(cut) if way == "vjp" else range(cut, len(self.shape))

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
        if way == "dense":
            return Program(self._variables, self.terms, self._dtype)
        if way == "operands":
            return Program(self._variables, self.terms.operands, self._dtype)
        if way == "both":
            gradient = as_single_node(self.terms)
            return Program(self._variables, [self._value_node, gradient], self._dtype)
        axes = self._axes(way)
        given = Node(None, (), (), tuple(self.shape[a] for a in axes), self._dtype, name="G")
        name = "G" if "G" not in self._variables.values() else "upstream"
        return Program(
            {**self._variables, given: name}, contracted(self.terms, given, axes), self._dtype
        )

    def _accept(self, args: Sequence[Any]) -> list[Any]:
        """The input arrays, checked against the shapes and dtypes that were compiled for."""
        if len(args) != self._count:
            raise ShapeError(
                f"{self._name}: compiled for {self._count} arguments, called with {len(args)}"
            )
        arrays = []
        for place, shape, dtype in self._specs:
            array = args[place]
            if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
                array = self._converted(array, place, shape, dtype)
            arrays.append(array)
        for place, value in self._static.items() if self._static else ():
            given = args[place]
            same = given is value or (type(given) is type(value) and np.array_equal(given, value))
            if not same:
                raise UnsupportedError(
                    f"{self._name}: argument {place} is static and was {value!r} when compiled, now {given!r}; "
                    "compile again for another value"
                )
        return arrays

    def _converted(self, value: Any, place: int, shape: tuple[int, ...], dtype: Any) -> Array:
        array = real_array(value, f"{self._name}: argument {place}")
        if isinstance(value, float) or not isinstance(value, np.ndarray):
            array = array.astype(dtype)
        if array.shape != shape or array.dtype != dtype:
            raise ShapeError(
                f"{self._name}: argument {place} has shape {array.shape} and dtype {array.dtype}, but was "
                f"compiled for shape {shape} and dtype {dtype}; compile again for other shapes or dtypes"
            )
        return array


def _owned(value: Any, arrays: Sequence[Array]) -> Array:
    array = np.asarray(value)
    mine = array.flags.owndata and not any(array is given for given in arrays)
    return array if mine else array.copy()


def _single(wrt: Wrt) -> bool:
    return not isinstance(wrt, tuple | list)


def _is_input(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if value is None or isinstance(value, bool | int | str | bytes):
        return False
    try:
        return np.asarray(value).dtype.kind == "f"
    except ValueError:
        return False


def compiler(
    f: Callable[..., Any], kind: str, wrt: Wrt, strategy: Strategy = "auto"
) -> Callable[..., Compiled]:
    """The ``compile`` of a transform."""

    def compile(*example_args: Any) -> Compiled:
        """Derive and plan for arguments like these; see ``Compiled``."""
        return Compiled(f, kind, wrt, strategy, example_args)

    return compile
