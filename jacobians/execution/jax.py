"""The executor on JAX: the same steps as functions of ``jax.numpy``, jitted.

Arrays there cannot be written into: a step that writes gives its array a new value. A term is written at
affine slots by padding and comparing positions, which XLA fuses into one loop; nothing is scattered by
tables where the slots are affine. JAX is an extra, imported where it is used.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.execution.jax_forms import form_of
from jacobians.execution.numpy_source import NumpyProgram
from jacobians.execution.steps import Call, Kernel, Literal, Place, Program, Ref, Step, Ufunc
from jacobians.graph.how import Broadcast, Index, Range, Reshape, Strided, Transpose, View
from jacobians.notation.slots import Table, positions

MOSTLY_ZERO = 2
"""How many times more entries a result has than are written, from which NumPy places them
(``python -m benchmarks.suite --rivals ours,on-jax``)."""
Values = dict[str, Any]


def _jax() -> Any:
    try:
        import jax  # an extra
    except ImportError:
        raise JacobiansError("on='jax' needs JAX, an extra: pip install jacobians[jax]") from None
    return jax


class JaxProgram(NumpyProgram):
    """A program on JAX.

    Given NumPy arrays it returns NumPy arrays: XLA computes the terms' values, and where most of the
    result is structurally zero NumPy writes them, whose fresh pages are zeros already. Given any JAX
    array it returns JAX arrays, and is pure.
    """

    def load(self, program: Program) -> Callable[..., Any]:
        """What runs: on JAX, or its values placed by NumPy."""
        self._jax, self._plain = _jax(), program
        if any(s.dtype == np.float64 for s in program.steps):
            self._check_precision()
        for step in program.steps:
            _function(step)
        self._pure = self._jax.jit(lambda *arrays: _run(program, arrays))
        return self._apply

    def _check_precision(self) -> None:
        if not self._jax.config.jax_enable_x64:
            raise UnsupportedError(
                "on='jax': the derivative is computed in float64, which JAX cuts to float32 unless it is enabled; "
                "call jax.config.update('jax_enable_x64', True) first, or pass float32 arrays"
            )

    def fresh(
        self,
        made: Iterable[Any],
        dtypes: Iterable[np.dtype[Any]],
        given: Sequence[Any],  # noqa: ARG002
    ) -> list[Any]:
        """Results in their dtypes: JAX's arrays never change, and NumPy's are new ones."""
        return [array.astype(dtype) for array, dtype in zip(made, dtypes, strict=True)]

    @staticmethod
    def native(value: Any) -> bool:
        """Whether it is an array of JAX's, traced or not."""
        return isinstance(value, _jax().Array)

    @staticmethod
    def example(value: Any) -> Any:
        """Ones in place of an array that JAX is tracing."""
        traced = isinstance(value, _jax().core.Tracer)
        return np.ones(value.shape, value.dtype) if traced else value

    def _apply(self, *arrays: Any, out: Any = None, clean: bool = False) -> Any:
        if any(isinstance(array, self._jax.Array) for array in arrays):
            made = self._pure(*arrays)
            return made[0] if self._plain.dense else tuple(made)
        if self._parts is not None:
            cores, placing = self._parts
            return placing.run(*map(np.asarray, cores(*arrays)), out=out, clean=clean)
        made = [np.array(array) for array in self._pure(*arrays)]
        if not self._plain.dense:
            return tuple(made)
        if out is None:
            return made[0]
        out[...] = made[0]
        return out

    @cached_property
    def _parts(self) -> tuple[Callable[..., Any], NumpyProgram] | None:
        """What XLA computes and what NumPy places, where most of the result is never written."""
        begun = next((step for step in self._plain.steps if step.given), None)
        if begun is None:
            return None
        writes = [step for step in self._plain.steps if step.writes == begun.target]
        written = sum(step.size for step in writes if step.kernel is not Kernel.CLEAR)
        if MOSTLY_ZERO * written > begun.size:
            return None
        placing = [step for step in self._plain.steps if step is begun or step in writes]
        values = dict.fromkeys(name for step in writes for name in step.reads)
        given = tuple(name for name in values if name not in self._plain.constants)
        computed = tuple(step for step in self._plain.steps if step not in placing)
        cores = self._plain._replace(steps=computed, returned=given, dense=False)
        rest = self._plain._replace(inputs=given, steps=tuple(placing))
        return self._jax.jit(lambda *arrays: _run(cores, arrays)), NumpyProgram(rest)


def _run(program: Program, arrays: Sequence[Any]) -> list[Any]:
    """The values of what the program returns, as a pure function."""
    values: Values = dict(zip(program.inputs, arrays, strict=True))
    values.update(program.constants)
    for step in program.steps:
        made = _function(step)(step, values)
        values[step.target or step.writes] = made
    return [values[name] for name in program.returned]


def _function(step: Step) -> Callable[[Step, Values], Any]:
    """How a step is done; raises UnsupportedError where JAX has no such function."""
    import jax.numpy as jnp

    if isinstance(step.kernel, Call):
        called = form_of(step.kernel)
        return lambda step, values: called(*_operands(step, values), **dict(step.parameters))
    if isinstance(step.kernel, Ufunc):
        function = getattr(jnp, step.kernel.name, None)
        if function is None:
            raise UnsupportedError(f"on='jax': JAX has no function numpy.{step.kernel.name}")
        if step.target:
            return lambda step, values: function(*_operands(step, values))
        return lambda step, values: function(*_operands(step, values)).reshape(
            values[step.writes].shape
        )
    return _KERNELS[step.kernel]


# Operands


def _operands(step: Step, values: Values) -> list[Any]:
    return [_read(operand, values) for operand in step.operands]


def _read(operand: Ref | Literal, values: Values) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    found = values[operand.root]
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


# Kernels


def _jnp(name: str) -> Callable[[Step, Values], Any]:
    """A function of jax.numpy on the operands."""

    def run(step: Step, values: Values) -> Any:
        import jax.numpy as jnp

        return getattr(jnp, name)(*_operands(step, values))

    return run


def _as_dtype(step: Step, values: Values) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(_read(step.operands[0], values), step.dtype)


def _add_up(step: Step, values: Values) -> Any:
    import jax.numpy as jnp

    return jnp.sum(_read(step.operands[0], values), axis=step.parameters[0], dtype=step.dtype)


def _select(step: Step, values: Values) -> Any:
    import jax.numpy as jnp

    return jnp.where(*_operands(step, values), 0)


def _take(step: Step, values: Values) -> Any:
    array, *index = _operands(step, values)
    return array[tuple(index)]


def _zeros(step: Step, values: Values) -> Any:  # noqa: ARG001
    import jax.numpy as jnp

    return jnp.zeros(step.shape, step.dtype)


def _write(step: Step, values: Values) -> Any:
    place = step.into
    assert isinstance(place, Place)
    value = _spread(place, _read(step.operands[0], values), step.dtype)
    return values[place.root] + value


def _clear(step: Step, values: Values) -> Any:
    return values[step.writes]  # no array is ever written twice here


def _exact(step: Step, values: Values) -> Any:
    """The value, or, where it is not finite, the product by selection; see ``numerics.exact``."""
    import jax
    import jax.numpy as jnp

    coefficient, letters, masks = step.parameters
    value, *operands = _operands(step, values)
    result, *own = letters
    everything = [*result, *dict.fromkeys(a for o in own for a in o if a not in result)]

    def full(array: Any, names: Sequence[Any]) -> Any:
        order = [names.index(a) for a in everything if a in names]
        index = tuple(slice(None) if a in names else None for a in everything)
        return jnp.transpose(array, order)[index]

    def again() -> Any:
        spread = [full(array, names) for array, names in zip(operands, own, strict=True)]
        allowed: Any = True
        for mask in spread[:masks]:
            allowed = jnp.logical_and(allowed, mask)
        product: Any = coefficient.value
        for factor in spread[masks:]:
            product = jnp.where(allowed, product * factor, 0)
        axes = tuple(range(len(result), len(everything)))
        shape = np.broadcast_shapes(*(s.shape for s in spread))
        return jnp.sum(jnp.broadcast_to(product, shape), axis=axes, dtype=step.dtype)

    return jax.lax.cond(jnp.isfinite(value).all(), lambda: value, again)


_KERNELS: Mapping[Kernel, Callable[[Step, Values], Any]] = {
    Kernel.VIEW: lambda step, values: _read(step.operands[0], values),
    Kernel.COPY: _as_dtype, Kernel.CAST: _as_dtype, Kernel.DOT: _jnp("dot"),
    Kernel.MATMUL: _jnp("matmul"), Kernel.ADD_UP: _add_up, Kernel.SELECT: _select,
    Kernel.TAKE: _take, Kernel.ZEROS: _zeros, Kernel.EMPTY: _zeros, Kernel.STORE: _write,
    Kernel.ADD_TO: _write, Kernel.CLEAR: _clear, Kernel.EXACT: _exact,
}  # fmt: skip


# Writing at slots


def _spread(place: Place, value: Any, dtype: Any) -> Any:
    """An array of the place's shape with the value where the slots say, and 0 elsewhere."""
    import jax.numpy as jnp

    value = jnp.broadcast_to(jnp.asarray(value, dtype), place.written)
    if place.whole:
        return value
    homes = _homes(place)
    if homes is None:  # a letter that no axis shows, or several places at once: added by tables
        index = [positions(slot, place.sizes, place.letters) for slot in place.slots]
        return jnp.zeros(place.shape, dtype).at[tuple(index)].add(value)
    order = [place.letters.index(a) for axis in sorted(homes) for a in homes[axis]]
    value = jnp.transpose(value, order)
    lengths = [prod(place.sizes[a] for a in homes[axis]) for axis in sorted(homes)]
    value = jnp.reshape(value, lengths)
    at: dict[int, Any] = {}  # for each letter its value along its home axis; −1 where nothing is
    for number, axis in enumerate(sorted(homes)):
        value = _padded(value, number, place, axis, homes[axis], at)
    value = jnp.expand_dims(value, [n for n in range(len(place.shape)) if n not in homes])
    for axis, slot in enumerate(place.slots):
        if axis not in homes and place.shape[axis] != 1:
            position: Any = slot.constant
            for a, stride in slot.parts:
                own = at[a]
                position = position + (
                    stride.values[own] if isinstance(stride, Table) else stride * own
                )
            along = np.arange(place.shape[axis])
            along = along.reshape([-1 if n == axis else 1 for n in range(len(place.shape))])
            value = jnp.where(along == position, value, 0)
    return jnp.broadcast_to(value, place.shape)


def _homes(place: Place) -> dict[int, list[int]] | None:
    """For each axis that shows letters of its own: these letters, the largest stride first."""
    homes: dict[int, list[int]] = {}
    housed: set[int] = set()
    for axis, slot in enumerate(place.slots):
        if slot.parts and slot.affine and not housed & set(slot.letters):
            parts = sorted(slot.parts, key=lambda part: -abs(part[1]))  # type: ignore[arg-type]
            nested = all(
                stride == other * place.sizes[b]  # type: ignore[operator]
                for (_, stride), (b, other) in pairwise(parts)
            )
            if nested and (len(parts) == 1 or parts[-1][1] > 0):  # type: ignore[operator]
                homes[axis] = [a for a, _ in parts]
                housed |= set(slot.letters)
    return homes if housed == set(place.letters) else None


def _padded(
    value: Any, number: int, place: Place, axis: int, letters: list[int], at: dict[int, Any]
) -> Any:
    """The value along one of its axes as long as the home axis, and where its letters are there."""
    import jax.numpy as jnp
    from jax import lax

    slot, size = place.slots[axis], place.shape[axis]
    length = value.shape[number]
    stride = min((s for _, s in slot.parts if isinstance(s, int)), key=abs)
    start = slot.constant
    there = start + stride * np.arange(length)
    count = np.full(size, -1)
    count[there] = np.arange(length)
    shape = [-1 if n == axis else 1 for n in range(len(place.shape))]
    rest = count
    for a in reversed(letters):
        at[a] = np.where(count < 0, -1, rest % place.sizes[a]).reshape(shape)
        rest = rest // place.sizes[a]
    if stride < 0:
        value, start, stride = jnp.flip(value, number), int(there[-1]), -stride
    end = size - start - (stride * (length - 1) + 1)
    padding = [(start, end, stride - 1) if n == number else (0, 0, 0) for n in range(value.ndim)]
    return lax.pad(value, jnp.zeros((), value.dtype), padding)
