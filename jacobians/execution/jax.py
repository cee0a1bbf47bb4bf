"""The executor on JAX: the same steps as functions of ``jax.numpy``, jitted.

Arrays there cannot be written into: a step that writes gives its array a new value. JAX is an extra,
imported where it is used.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.execution.jax_forms import form_of, imported
from jacobians.execution.jax_slots import spread
from jacobians.execution.numpy_source import NumpyProgram
from jacobians.execution.steps import Call, Kernel, Literal, Place, Program, Ref, Step, Ufunc
from jacobians.graph.how import Broadcast, Index, Range, Reshape, Strided, Transpose, View

MOSTLY_ZERO = 2
"""How many times more entries a result has than are written, from which NumPy places them
(``python -m benchmarks.suite --rivals dense,on-jax,in-jax``)."""
Values = dict[str, Any]
Running = Callable[[Step, list[Any]], Any]


class JaxProgram(NumpyProgram):
    """A program on JAX.

    Given NumPy arrays it returns NumPy arrays: XLA computes the terms' values, and where most of a
    result is structurally zero NumPy writes them, whose fresh pages are zeros already. Given any JAX
    array it returns JAX arrays, and is pure.
    """

    ahead = True

    def load(self, program: Program) -> Callable[..., Any]:
        """What runs: on JAX, or its values placed by NumPy."""
        self._jax, self._plain = imported(), program
        types = [step.dtype for step in program.steps]
        types += [array.dtype for array in program.constants.values()]
        self._double = np.dtype(np.float64) in types
        self._check_precision(())
        self._pure = _jitted(program)
        return self._apply

    def _check_precision(self, arrays: Sequence[Any]) -> None:
        if self._jax.config.jax_enable_x64:
            return
        if self._double or any(getattr(a, "dtype", None) == np.float64 for a in arrays):
            raise UnsupportedError(
                "on='jax': the derivative is computed in float64, which JAX cuts to float32 unless it is enabled; "
                "call jax.config.update('jax_enable_x64', True) first, or pass float32 arrays"
            )

    def fresh(
        self, made: Iterable[Any], dtypes: Iterable[np.dtype[Any]], given: Sequence[Any]
    ) -> list[Any]:
        """Results in their dtypes: JAX's arrays never change, and NumPy's are new ones."""
        made = list(made)
        if any(map(self.native, made)):
            return [array.astype(dtype) for array, dtype in zip(made, dtypes, strict=True)]
        return super().fresh(made, dtypes, given)

    @staticmethod
    def check_installed() -> None:
        """Raise where JAX is not installed, naming the extra."""
        imported()

    @staticmethod
    def native(value: Any) -> bool:
        """Whether it is an array of JAX's, traced or not."""
        return isinstance(value, imported().Array)

    @staticmethod
    def traced(value: Any) -> bool:
        """Whether it stands for an array that has no value yet."""
        return isinstance(value, imported().core.Tracer)

    @classmethod
    def example(cls, value: Any) -> Any:
        """The value as NumPy has it; numbers that factorise in place of floats that JAX is tracing."""
        if not cls.native(value):
            return value
        if not cls.traced(value):
            return np.asarray(value)
        if value.dtype.kind != "f":
            raise UnsupportedError(
                f"an argument of shape {value.shape} and dtype {value.dtype} is static in a compiled derivative, "
                "and JAX is tracing it: name it in static_argnums= of jax.jit, or close over it"
            )
        found = np.ones(value.shape, value.dtype)
        if value.ndim > 1:  # positive definite, with eigenvalues that are apart
            rows, columns = value.shape[-2:]
            found += np.eye(rows, columns, dtype=value.dtype) * (columns + np.arange(columns))
        return found

    @classmethod
    def like(cls, results: Any, args: Sequence[Any]) -> Any:
        """NumPy results as the arguments' library has them."""
        import jax.numpy as jnp

        if not any(map(cls.native, args)):
            return results
        numpys = (np.ndarray, np.generic)
        return imported().tree.map(
            lambda v: jnp.asarray(v) if isinstance(v, numpys) else v, results
        )

    def _apply(self, *arrays: Any, out: Any = None, clean: bool = False) -> Any:
        self._check_precision(arrays)
        if any(map(self.native, arrays)):
            made = self._pure(*arrays)
            return made[0] if self._plain.dense else made
        cores, placing = self._parts
        made = [np.asarray(array) for array in cores(*arrays)]
        if placing is not None:
            return (
                placing.run(*made, out=out, clean=clean)
                if self._plain.dense
                else placing.run(*made)
            )
        if not self._plain.dense:
            return made
        if out is None:
            return made[0].copy()
        out[...] = made[0]
        return out

    @cached_property
    def _parts(self) -> tuple[Callable[..., Any], NumpyProgram | None]:
        """What XLA computes, and what NumPy places, where most of a result is never written."""
        plain = self._plain
        read = {name for step in plain.steps for name in step.reads}
        begun = [
            step
            for step in plain.steps
            if step.kernel in (Kernel.ZEROS, Kernel.EMPTY)
            and step.target in plain.returned
            and step.target not in read
            and MOSTLY_ZERO * _written(plain, step) <= step.size
        ]
        if not begun:
            return self._pure, None
        targets = {step.target for step in begun}
        placing = [step for step in plain.steps if {step.target, step.writes} & targets]
        wanted = [name for step in placing for name in step.reads if name not in plain.constants]
        wanted += [name for name in plain.returned if name not in targets]
        given = tuple(dict.fromkeys(wanted))
        computed = tuple(step for step in plain.steps if step not in placing)
        cores = plain._replace(steps=computed, returned=given, dense=False)
        rest = plain._replace(inputs=given, steps=tuple(placing))
        return _jitted(cores), NumpyProgram(rest)


def _written(program: Program, begun: Step) -> int:
    """How many entries of an array are written, at most."""
    return sum(
        step.size
        for step in program.steps
        if step.writes == begun.target and step.kernel is not Kernel.CLEAR
    )


def _jitted(program: Program) -> Callable[..., Any]:
    """The values of what a program returns, as a pure function, compiled by XLA."""
    jax = imported()
    steps = [step for step in program.steps if step.kernel is not Kernel.CLEAR]
    functions = []
    filled: set[str] = set()  # arrays with one number everywhere, over which others are stored
    for step in steps:
        over = step.kernel is Kernel.STORE and step.writes in filled
        functions.append((step, _overwrite if over else _function(step)))
        if step.kernel is Kernel.STORE and isinstance(step.operands[0], Literal):
            filled.add(step.writes)

    def run(*arrays: Any) -> list[Any]:
        values: Values = dict(zip(program.inputs, arrays, strict=True))
        values.update(program.constants)
        with jax.default_matmul_precision("highest"):  # float32 is float32 on every device
            for step, function in functions:
                values[step.target or step.writes] = function(step, values)
        return [_filled(values[name]) for name in program.returned]

    compiled: Callable[..., Any] = jax.jit(run)
    return compiled


# Operands


class _Zeros(NamedTuple):
    """An array that nothing was written into yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _filled(value: Any) -> Any:
    import jax.numpy as jnp

    if isinstance(value, _Zeros):
        return jnp.zeros(value.shape, _known(value.dtype))
    return value


def _known(dtype: Any) -> Any:
    """The dtype that JAX has for one of NumPy's: without ``jax_enable_x64`` none of 64 bits."""
    return imported().dtypes.canonicalize_dtype(dtype)


def _read(operand: Ref | Literal, values: Values) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    found = _filled(values[operand.root])
    for one in operand.views:
        found = _seen(one, found)
    return found


def _seen(one: View, array: Any) -> Any:
    import jax.numpy as jnp

    match one:
        case Transpose(axes):
            return jnp.transpose(array, axes)
        case Index(items):
            return array[tuple(i.slice if isinstance(i, Range) else i for i in items)]
        case Reshape(shape):
            return jnp.reshape(array, shape)
        case Broadcast(shape):
            return jnp.broadcast_to(array, shape)
        case Strided(starts, shape, steps):
            grid = np.ogrid[tuple(slice(0, n) for n in shape)]
            index = [
                start + sum(step[axis] * own for step, own in zip(steps, grid, strict=True))
                for axis, start in enumerate(starts)
            ]
            return array[tuple(index)]


def _cast(value: Any, dtype: Any, kinds: str = "iuf") -> Any:
    """An array of numbers in a dtype; truths, Python's numbers and factorisations as they are."""
    import jax.numpy as jnp

    if getattr(value, "dtype", np.dtype("V")).kind not in kinds or value.dtype == _known(dtype):
        return value
    return jnp.asarray(value, _known(dtype))


# Steps


def _function(step: Step) -> Callable[[Step, Values], Any]:
    """How a step is done; raises UnsupportedError where JAX has no such function."""
    if step.kernel in (Kernel.STORE, Kernel.ADD_TO):
        return _write
    run: Running
    if isinstance(step.kernel, Ufunc):
        run = _ufunc(step.kernel)
    elif isinstance(step.kernel, Call):
        run = _call(step.kernel)
    else:
        run = _KERNELS[step.kernel]

    def done(step: Step, values: Values) -> Any:
        made = run(step, [_read(operand, values) for operand in step.operands])
        made = _cast(made, step.dtype)  # JAX promotes otherwise than NumPy
        # An array may be filled as one of other axes.
        return made if step.target else made.reshape(values[step.writes].shape)

    return done


def _ufunc(kernel: Ufunc) -> Running:
    form, numpys = form_of(kernel), getattr(np, kernel.name)

    def run(step: Step, operands: list[Any]) -> Any:  # noqa: ARG001
        types = [getattr(operand, "dtype", type(operand)) for operand in operands]
        loop = numpys.resolve_dtypes((*types, *(None,) * numpys.nout))
        return form(
            *(_cast(*pair, "biuf") for pair in zip(operands, loop[: numpys.nin], strict=True))
        )

    return run


def _call(kernel: Call) -> Running:
    form = form_of(kernel)

    def run(step: Step, operands: list[Any]) -> Any:
        if step.dtype.kind == "f":
            operands = [_cast(operand, step.dtype) for operand in operands]
        return form(*operands, **dict(step.parameters))

    return run


def _product(name: str) -> Running:
    """A product of arrays by jax.numpy's function of this name."""

    def run(step: Step, operands: list[Any]) -> Any:
        import jax.numpy as jnp

        return getattr(jnp, name)(*(_cast(operand, step.dtype) for operand in operands))

    return run


def _as_dtype(step: Step, operands: list[Any]) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(operands[0], _known(step.dtype))


def _add_up(step: Step, operands: list[Any]) -> Any:
    import jax.numpy as jnp

    return jnp.sum(operands[0], axis=step.parameters[0], dtype=_known(step.dtype))


def _select(step: Step, operands: list[Any]) -> Any:
    import jax.numpy as jnp

    mask, value = operands
    return jnp.where(mask, _cast(value, step.dtype), 0)


def _take(step: Step, operands: list[Any]) -> Any:  # noqa: ARG001
    array, *index = operands
    return array[tuple(index)]


def _write(step: Step, values: Values) -> Any:
    before, value = values[step.writes], _spread(step, _read(step.operands[0], values), step.dtype)
    return value if isinstance(before, _Zeros) else before + value


def _overwrite(step: Step, values: Values) -> Any:
    import jax.numpy as jnp

    value = _spread(step, _read(step.operands[0], values), step.dtype)
    return jnp.where(_spread(step, True, np.dtype(np.bool_)), value, values[step.writes])


def _spread(step: Step, value: Any, dtype: np.dtype[Any]) -> Any:
    """The value where the step writes, and 0 elsewhere."""
    assert isinstance(step.into, Place)
    return spread(step.into, value, _known(dtype))


def _exact(step: Step, operands: list[Any]) -> Any:
    """The value, or, where it is not finite, the product by selection; see ``numerics.exact``."""
    import jax
    import jax.numpy as jnp

    coefficient, letters, masks = step.parameters
    value, *others = operands
    result, *own = letters
    everything = [*result, *dict.fromkeys(a for o in own for a in o if a not in result)]

    def full(array: Any, names: Sequence[Any]) -> Any:
        order = [names.index(a) for a in everything if a in names]
        index = tuple(slice(None) if a in names else None for a in everything)
        return jnp.transpose(array, order)[index]

    def again() -> Any:
        lettered = [full(array, names) for array, names in zip(others, own, strict=True)]
        allowed: Any = True
        for mask in lettered[:masks]:
            allowed = jnp.logical_and(allowed, mask)
        product: Any = coefficient.value
        for factor in lettered[masks:]:
            product = jnp.where(allowed, product * factor, 0)
        product = jnp.where(allowed, product, 0)
        axes = tuple(range(len(result), len(everything)))
        shape = np.broadcast_shapes(*(array.shape for array in lettered))
        return jnp.sum(jnp.broadcast_to(product, shape), axis=axes, dtype=_known(step.dtype))

    return jax.lax.cond(jnp.isfinite(value).all(), lambda: value, again)


def _same(step: Step, operands: list[Any]) -> Any:  # noqa: ARG001
    return operands[0]


def _zeros(step: Step, operands: list[Any]) -> Any:  # noqa: ARG001
    return _Zeros(step.shape, step.dtype)


def _stack(step: Step, operands: list[Any]) -> Any:
    import jax.numpy as jnp

    return jnp.stack(operands, dtype=_known(step.dtype))


_KERNELS: Mapping[Kernel, Running] = {
    Kernel.VIEW: _same, Kernel.COPY: _as_dtype, Kernel.CAST: _as_dtype, Kernel.DOT: _product("dot"),
    Kernel.MATMUL: _product("matmul"), Kernel.ADD_UP: _add_up, Kernel.SELECT: _select,
    Kernel.TAKE: _take, Kernel.ZEROS: _zeros, Kernel.EMPTY: _zeros, Kernel.EXACT: _exact,
    Kernel.STACK: _stack,
}  # fmt: skip
