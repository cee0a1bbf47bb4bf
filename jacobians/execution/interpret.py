"""The executor that runs steps as they are, on NumPy arrays: what is needed once needs no text.

A program is *bound* once: each step becomes a function of the variables' values. Warnings about values
(log 0, 1 / 0) are silenced: a derivative may be infinite where a mask rules it out.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.execution.lowering import lower_terms
from jacobians.execution.numerics import exact, strided, view
from jacobians.execution.parallel import parallel
from jacobians.execution.passes import in_memory, last_reads
from jacobians.execution.steps import OUT, Call, Kernel, Literal, Place, Program, Ref, Step, Ufunc
from jacobians.graph.how import Broadcast, Index, Range, Reshape, Strided, Transpose, View
from jacobians.ground.caches import ByteCache
from jacobians.notation.structure import flat_address
from jacobians.notation.terms import Coefficient, Factor, Sum, Term, table_bytes

Array = NDArray[Any]
Values = dict[str, Any]
Read = Callable[[Values], Any]
_LONG = 32  # terms of a sum that is added up term by term (``benchmarks.growth``, rk4)


class Bound:
    """A program that can be run: its steps as functions."""

    __slots__ = ("_alone", "_constants", "_steps", "program")

    def __init__(self, program: Program) -> None:
        self.program = in_memory(program)
        self._constants = dict(program.constants)
        steps = self.program.steps
        self._alone = _only_step(self.program)
        done: list[list[str]] = [[] for _ in steps]
        for name, read in last_reads(steps, self.program.returned).items():
            if 0 <= read < len(steps) and name != OUT:
                done[read].append(name)
        self._steps = [
            (step.target, _bound(step), tuple(names))
            for step, names in zip(steps, done, strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """The bytes of its constants and steps, roughly."""
        constants = sum(array.nbytes for array in self._constants.values())
        return constants + _STEP * len(self._steps)

    def __call__(self, arrays: Sequence[Any], out: Array | None = None) -> list[Any]:
        """The values of what the program returns."""
        if out is None and self._alone is not None:
            with np.errstate(all="ignore"):
                return [self._alone(arrays)]
        values: Values = dict(zip(self.program.inputs, arrays, strict=True))
        values.update(self._constants)
        values[OUT] = out
        with np.errstate(all="ignore"):
            for target, run, done in self._steps:
                made = run(values)
                if target:
                    values[target] = made
                for name in done:
                    values.pop(name, None)
        if out is not None and self.program.copied:
            out[...] = values[self.program.returned[0]]
            return [out]
        return [values[name] for name in self.program.returned]


def _only_step(program: Program) -> Callable[[Sequence[Any]], Any] | None:
    """A program that is one ufunc or product of its inputs, as a function of them; None for any other.

    A number that it gives is copied into an array.
    """
    step, *more = program.steps or (None,)
    if step is None or step.shared or program.returned != ((more or [step])[-1].target,):
        return None
    if more and not (
        len(more) == 1 and more[0].kernel is Kernel.COPY
        and more[0].operands == (Ref(step.target),) and more[0].dtype == step.dtype
    ):  # fmt: skip
        return None
    if isinstance(step.kernel, Ufunc):
        function = getattr(np, step.kernel.name)
    elif step.kernel in _PRODUCTS:
        function = _PRODUCTS[step.kernel]
    else:
        return None
    roots = {operand.root for operand in step.operands if isinstance(operand, Ref)}
    if isinstance(step.into, Place) or not roots <= set(program.inputs):
        return None
    operands = [reader(operand, program.inputs.index) for operand in step.operands]
    if len(operands) == 2:
        first, second = operands
        return lambda arrays: np.asarray(function(first(arrays), second(arrays)))
    return lambda arrays: np.asarray(function(*[read(arrays) for read in operands]))


class Wide:
    """A long sum: what is read of arrays at the same slots is added up before it is placed."""

    __slots__ = ("_groups", "_placed", "nbytes")

    def __init__(
        self, groups: Mapping[Term, Sequence[tuple[Coefficient, int]]], shape: tuple[int, ...],
        shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any],
    ) -> None:  # fmt: skip
        self._groups = list(groups.values())
        of_groups = tuple([shapes[group[0][1]] for group in self._groups])
        self._placed = program_for(
            Sum(shape, tuple(groups)), of_groups, (dtype,) * len(groups), dtype
        )
        self.nbytes = self._placed.nbytes + 128 * sum(map(len, self._groups))

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The value, alone in a list, as of a program that returns one."""
        sums = []
        with np.errstate(all="ignore"):
            for (coefficient, first), *others in self._groups:
                found = np.array(arrays[first] * coefficient)
                for coefficient, place in others:
                    part = arrays[place]
                    found += part if coefficient == 1 else part * coefficient
                sums.append(found)
        return self._placed(sums)


def wide(
    tensor: Sum, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]],
    dtype: np.dtype[Any],
) -> Wide | None:  # fmt: skip
    """A long sum of few kinds of terms that read one array each; None for any other sum."""
    if len(tensor.terms) < _LONG or {dtype, *dtypes} != {dtype}:
        return None
    groups: dict[Term, list[tuple[Coefficient, int]]] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    for term in tensor.terms:
        if len(term.factors) != 1 or term.factors[0].mask:
            return None
        (factor,) = term.factors
        kind = term.sizes, term.slots, factor.slots, shapes[factor.operand]
        number = numbers.setdefault(kind, len(numbers))
        alike = Term(1, term.sizes, (Factor(number, factor.slots),), term.slots)
        groups.setdefault(alike, []).append((term.coefficient, factor.operand))
    few = 2 * len(groups) <= len(tensor.terms)
    return Wide(groups, tensor.shape, shapes, dtype) if few else None


# Operands and places


def reader(operand: Ref | Literal, place_of: Callable[[str], Any] = str) -> Callable[[Any], Any]:
    """How to get an operand of the variables' values, which are found by their names, or by ``place_of`` these."""
    if isinstance(operand, Literal):
        number = operand.value
        return lambda _: number
    root, views = place_of(operand.root), [_seen(one) for one in operand.views]
    if not views:
        return itemgetter(root)

    def read(values: Any) -> Any:
        found = values[root]
        for one in views:
            found = one(found)
        return found

    return read


def _seen(one: View) -> Callable[[Any], Any]:
    match one:
        case Transpose(axes):
            return lambda array: array.transpose(axes)
        case Index(items):
            index = tuple(item.slice if isinstance(item, Range) else item for item in items)
            whole = (*index, ...)  # an array also where there is no axis
            return lambda array: array[whole]
        case Reshape(shape):
            return lambda array: array.reshape(shape)
        case Broadcast(shape):
            return lambda array: np.broadcast_to(array, shape)
        case Strided(starts, shape, steps):
            return lambda array: strided(array, starts, shape, steps)


def _placer(place: Place) -> Read:
    """How to get a place that is a view; of the array itself, or of its memory."""
    root = place.root
    if place.whole:
        return itemgetter(root)
    start, steps = flat_address(place.slots, place.sizes, place.letters, place.shape)
    shape = place.written

    def read(values: Values) -> Array:
        out = values[root]
        if out.flags.c_contiguous:
            return view(out, shape, start, steps)
        own = [
            tuple(next((s for b, s in slot.parts if b == a), 0) for slot in place.slots)
            for a in place.letters
        ]
        return strided(out, tuple(s.constant for s in place.slots), shape, own)  # type: ignore[arg-type]

    return read


# Steps


def _bound(step: Step) -> Read:
    operands = [reader(operand) for operand in step.operands]
    if isinstance(step.kernel, Call):
        return _call(step.kernel.function, operands, dict(step.parameters))
    if isinstance(step.kernel, Ufunc):
        return _ufunc(step, operands)
    return _KERNELS[step.kernel](step, operands)


def _call(function: Callable[..., Any], operands: list[Read], named: dict[str, Any]) -> Read:
    return lambda values: function(*[read(values) for read in operands], **named)


def _ufunc(step: Step, operands: list[Read]) -> Read:
    assert isinstance(step.kernel, Ufunc)
    function = getattr(np, step.kernel.name)
    into = step.into
    if into is None:
        if step.shared:
            return lambda values: parallel(function, *[read(values) for read in operands])
        if len(operands) == 2:
            first, second = operands
            return lambda values: function(first(values), second(values))
        return lambda values: function(*[read(values) for read in operands])
    place = _placer(into) if isinstance(into, Place) else reader(into)
    if step.shared:
        return lambda values: parallel(
            function, *[read(values) for read in operands], out=place(values)
        )
    return lambda values: function(*[read(values) for read in operands], out=place(values))


def _view(step: Step, operands: list[Read]) -> Read:  # noqa: ARG001
    return operands[0]


def _copy(step: Step, operands: list[Read]) -> Read:
    dtype, (read,) = step.dtype, operands
    return lambda values: np.array(read(values), dtype, order="C")


def _cast(step: Step, operands: list[Read]) -> Read:
    dtype, (read,) = step.dtype, operands
    return lambda values: np.asarray(read(values)).astype(dtype)


def _product(step: Step, operands: list[Read]) -> Read:
    (left, right), function = operands, _PRODUCTS[step.kernel]
    if step.into is None:
        return lambda values: function(left(values), right(values))
    return lambda values: function(left(values), right(values), out=values[OUT])


def _add_up(step: Step, operands: list[Read]) -> Read:
    (axes,), (read,) = step.parameters, operands
    return lambda values: np.add.reduce(read(values), axes)


def _select(step: Step, operands: list[Read]) -> Read:  # noqa: ARG001
    mask, value = operands
    return lambda values: np.where(mask(values), value(values), 0)


def _take(step: Step, operands: list[Read]) -> Read:  # noqa: ARG001
    read, *index = operands
    return lambda values: read(values)[tuple(one(values) for one in index)]


def _begun(make: Callable[..., Array], clear: bool) -> Callable[[Step, list[Read]], Read]:
    def bound(step: Step, operands: list[Read]) -> Read:  # noqa: ARG001
        shape, dtype = step.shape, step.dtype
        if not step.given:
            return lambda values: make(shape, dtype)  # noqa: ARG005

        def begin(values: Values) -> Array:
            out: Array | None = values[OUT]
            if out is None:
                return make(shape, dtype)
            if clear:
                out.fill(0)
            return out

        return begin

    return bound


def _write(step: Step, operands: list[Read]) -> Read:
    place, (read,) = step.into, operands
    assert isinstance(place, Place)
    root, adds = place.root, step.kernel is Kernel.ADD_TO
    if place.at:
        index = [reader(ref) for ref in place.at]

        def at(values: Values) -> None:
            where = tuple(one(values) for one in index)
            value = np.asarray(read(values), step.dtype)
            if not place.once:
                np.add.at(values[root], where, value)
            elif adds:
                values[root][where] += value
            else:
                values[root][where] = value

        return at
    part = _placer(place)
    shared = step.shared

    def write(values: Values) -> None:
        target, value = part(values), read(values)
        if adds:
            np.add(target, value, out=target)
        elif shared:
            parallel(np.positive, value, out=target)
        else:
            np.copyto(target, value)

    return write


def _clear(step: Step, operands: list[Read]) -> Read:  # noqa: ARG001
    return lambda values: None  # noqa: ARG005 - only a compiled program knows its own buffers


def _exact(step: Step, operands: list[Read]) -> Read:
    coefficient, letters, masks = step.parameters

    def run(values: Values) -> Any:
        value, *others = [read(values) for read in operands]
        lettered = list(zip(others, letters[1:], strict=True))
        return exact(value, letters[0], coefficient.value, lettered[:masks], lettered[masks:])

    return run


def _stack(step: Step, operands: list[Read]) -> Read:
    return lambda values: np.stack([read(values) for read in operands], dtype=step.dtype)


_PRODUCTS: Mapping[Any, Callable[..., Any]] = {
    Kernel.DOT: lambda left, right, out=None: left.dot(right, out),
    Kernel.MATMUL: np.matmul,
}
_KERNELS: Mapping[Kernel, Callable[[Step, list[Read]], Read]] = {
    Kernel.VIEW: _view, Kernel.COPY: _copy, Kernel.CAST: _cast, Kernel.DOT: _product,
    Kernel.MATMUL: _product, Kernel.ADD_UP: _add_up, Kernel.SELECT: _select, Kernel.TAKE: _take,
    Kernel.ZEROS: _begun(np.zeros, True), Kernel.EMPTY: _begun(np.empty, False),
    Kernel.STORE: _write, Kernel.ADD_TO: _write, Kernel.CLEAR: _clear, Kernel.EXACT: _exact,
    Kernel.STACK: _stack,
}  # fmt: skip


# Sums of terms on arrays


def program_for(
    tensor: Sum,
    shapes: tuple[tuple[int, ...], ...],
    dtypes: tuple[np.dtype[Any], ...],
    dtype: DTypeLike,
) -> Bound:
    """The program of a sum of terms over the positions of arrays like these, made once."""
    wanted = np.dtype(dtype)
    key = tensor, shapes, dtypes, wanted
    return _PROGRAMS.get(key, lambda: Bound(lower_terms(tensor, shapes, dtypes, wanted)))


def contract(
    tensor: Sum, arrays: Sequence[Array], dtype: DTypeLike, out: Array | None = None
) -> Array:
    """A sum of terms over the positions of arrays: a new array, or ``out``, which is written whole."""
    shapes = tuple(array.shape for array in arrays)
    bound = program_for(tensor, shapes, tuple(array.dtype for array in arrays), dtype)
    found: Array = bound(arrays, out)[0]
    return found


def _weight(key: Any, bound: Bound) -> int:
    return bound.nbytes + table_bytes(key[0])


_STEP = 2048  # bytes of a step and the functions that run it, as tracemalloc has them
_PROGRAMS: ByteCache[Bound] = ByteCache(4 << 20, _weight)
