"""``Traced``: what a function sees in place of an array while it is recorded."""

import operator
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.looks import head_of, named_of, parts_of
from jacobians.graph.node import (
    Node,
    Operation,
    applied,
    apply,
    of_dtype,
    value_of,
    weak_type,
)
from jacobians.tracing.attributes import refuse, refused_attribute
from jacobians.tracing.culprits import culprit, framework_message
from jacobians.tracing.dispatch import call
from jacobians.tracing.entries import Put
from jacobians.tracing.flat import Flat
from jacobians.tracing.handle import Handle, concrete_index, holds_traced, plainly
from jacobians.tracing.replacements import REPLACEMENTS
from jacobians.tracing.session import current, scipy_functions, user_line
from jacobians.tracing.tables import ArrayMethod, reduced

Array = NDArray[Any]


def _binary(ufunc: np.ufunc) -> Any:
    def method(self: "Traced", other: Any) -> Any:
        return call(ufunc, (self, other), {})

    return method


def _reflected(ufunc: np.ufunc) -> Any:
    def method(self: "Traced", other: Any) -> Any:
        return call(ufunc, (other, self), {})

    return method


def _unary(ufunc: np.ufunc) -> Any:
    def method(self: "Traced") -> Any:
        return call(ufunc, (self,), {})

    return method


def _in_place(ufunc: np.ufunc) -> Any:
    """``y += x``: an array changes for all who hold it or a view of it; a number does not change."""

    def method(self: "Traced", other: Any) -> Any:
        if self.number:
            return call(ufunc, (self, other), {})
        if ufunc is np.matmul:
            np.ndarray.__imatmul__(self.value.copy(), plainly(other))  # NumPy's own errors
        return call(ufunc, (self, other), {"out": (self,)})

    return method


def _as_method(function: Any) -> Any:
    def method(self: "Traced", *args: Any, **kwargs: Any) -> Any:
        return call(function, (self, *args), kwargs)

    return method


class Traced(Handle):
    """An array that is being recorded: it has a value, and NumPy's functions and operators work on it.

    Attributes
    ----------
    value : numpy.ndarray
        What it is for the arguments that the function was called with.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    @property
    def T(self) -> Any:  # noqa: N802 - the name of NumPy
        """The transpose."""
        return call(np.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # noqa: N802 - the name of NumPy
        """The transpose of the last two axes."""
        return call(np.matrix_transpose, (self,), {})

    @property
    def real(self) -> Any:
        """The array itself: it is real."""
        return call(np.real, (self,), {})

    @real.setter
    def real(self, value: Any) -> None:
        self[...] = value

    @property
    def imag(self) -> Any:
        """Zeros: the array is real."""
        return call(np.imag, (self,), {})

    @property
    def flat(self) -> "Flat":
        """The entries in row-major order: to go through, to index, to assign."""
        return Flat(self.owner() if self.number else self)

    @flat.setter
    def flat(self, value: Any) -> None:
        if self.number:
            self[...] = value  # raises
        Flat(self)[...] = value

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[n] for n in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"<traced {self.value!r}>"

    __hash__ = None  # type: ignore[assignment]

    def __format__(self, form: str) -> str:
        return format(self.steer("formatting") if form else repr(self), form)

    # A copy has the same derivative; a stored one would lose it.

    def __copy__(self) -> "Traced":
        return self.owner(number=self.number)

    def __deepcopy__(self, memo: object) -> "Traced":
        return self.owner(number=self.number)

    def __reduce__(self) -> Any:
        raise UnsupportedError(
            f"a traced array at {user_line()} cannot be pickled: it would lose its derivative"
        )

    def __getattr__(self, name: str) -> Any:
        raise refused_attribute(name)

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return call(ufunc, inputs, kwargs)
        return call(reduced(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, dict(kwargs))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        self.refuse_late()
        if self.constant:
            return np.array(self.value, dtype)  # it depends on no input
        called = scipy_functions()
        known = [name for name in called if name in REPLACEMENTS]
        if called:
            instead = (
                f"write {REPLACEMENTS[known[-1]]}" if known else "write it with NumPy's functions"
            )
            raise UnsupportedError(
                f"SciPy's {(known or called)[-1]} at {user_line()} works on plain arrays only, which would cut a "
                f"traced one off from its derivative; {instead}"
            )
        raise _cut_off(
            f"a traced array was to be made a plain array at {user_line()}, which would cut it off from its "
            "derivative; write jb.array([...]) for np.array([...]), fill an array made by jb.zeros(shape) (or "
            "np.zeros_like(x)) in place of one by np.zeros, leave np.asarray(x) out (or write "
            "x.astype(float)), and use NumPy's own functions in place of compiled ones"
        )

    def _number(self, what: str) -> Any:
        self.refuse_late()
        if self.constant:
            return self.value.item()  # it depends on no input
        raise _cut_off(
            f"{what} of a traced array at {user_line()} would cut it off from its derivative; keep it an array "
            "(0-d arrays work like numbers), use jb.array([...]) to collect several, and fill an array made by "
            "jb.zeros(shape), not np.zeros(shape)"
        )

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def item(self, *args: Any) -> Any:
        """Of a constant; else not possible: it would cut the value off from its derivative."""
        return self.value.item(*args) if self.constant else self._number("item()")

    def tolist(self) -> Any:
        """Of a constant; else not possible: it would cut the value off from its derivative."""
        return self.value.tolist() if self.constant else self._number("tolist()")

    # Writing

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.number:
            raise TypeError(
                f"'numpy.{self.dtype}' object does not support item assignment: at {user_line()} it is a number, "
                "as in NumPy; make an array with jb.array(...)"
            )
        where = concrete_index(index)
        self.assign(lambda array, values: array.__setitem__(where, values), value)

    def assign(self, put: Put, value: Any) -> None:
        """Let ``put(array, values)`` write a value, traced or plain, into the array."""
        value = gathered(value)
        if isinstance(value, Traced) and value.dtype != self.dtype:
            value = call(ASTYPE, (value, self.dtype), {})
        self.write(put, value)

    def fill(self, value: Any) -> None:
        """Assign one value to all entries; NumPy's scalars stay as they are."""
        if self.number:
            np.zeros(()).fill(plainly(value))  # NumPy's own error
            return
        self.assign(lambda array, number: array.fill(number), value)

    def sort(
        self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None
    ) -> None:
        """Sort in place."""
        self[...] = call(np.sort, (self, axis, kind, order), {"stable": stable})

    def partition(
        self, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None
    ) -> None:
        """Partition in place."""
        self[...] = call(np.partition, (self, kth, axis, kind, order), {})

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Assign to entries by their row-major positions."""
        call(np.put, (self, indices, values), {"mode": mode})

    # Values that steer Python: they hold for these arguments only.

    def __bool__(self) -> bool:
        answer = bool(self.value)
        self.steer("bool()")
        return answer

    def __int__(self) -> int:
        answer = int(self.value)
        self.steer("int()")
        return answer

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError("only integer arrays can be converted to an index")
        self.steer("an index")
        return int(self.value)

    def __round__(self, digits: int = 0) -> Any:
        return call(np.round, (self, digits), {})

    def __getitem__(self, index: Any) -> Any:
        if self.stale:
            return self._entries(concrete_index(index))
        return call(GETITEM, (self, index), {})

    def _entries(self, index: Any) -> Any:
        """Entries of an array that was written, from where they come."""
        value, node = self.entries(index)
        if node is None:
            return self.viewed(value, None)
        number = not isinstance(value, np.ndarray)
        return Traced(node, np.array(value), number=number)

    def __contains__(self, item: Any) -> bool:
        self.steer("'in'")
        return bool(np.any(self.value == getattr(item, "value", item)))

    # Operators

    __add__, __radd__ = _binary(np.add), _reflected(np.add)
    __sub__, __rsub__ = _binary(np.subtract), _reflected(np.subtract)
    __mul__, __rmul__ = _binary(np.multiply), _reflected(np.multiply)
    __truediv__, __rtruediv__ = _binary(np.divide), _reflected(np.divide)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _reflected(np.floor_divide)
    __mod__, __rmod__ = _binary(np.remainder), _reflected(np.remainder)
    __pow__, __rpow__ = _binary(np.power), _reflected(np.power)
    __matmul__, __rmatmul__ = _binary(np.matmul), _reflected(np.matmul)
    __and__, __rand__ = _binary(np.bitwise_and), _reflected(np.bitwise_and)
    __or__, __ror__ = _binary(np.bitwise_or), _reflected(np.bitwise_or)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _reflected(np.bitwise_xor)
    __lt__, __le__ = _binary(np.less), _binary(np.less_equal)
    __gt__, __ge__ = _binary(np.greater), _binary(np.greater_equal)
    __eq__, __ne__ = _binary(np.equal), _binary(np.not_equal)
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)

    __iadd__, __isub__ = _in_place(np.add), _in_place(np.subtract)
    __imul__, __itruediv__ = _in_place(np.multiply), _in_place(np.divide)
    __ipow__, __imod__ = _in_place(np.power), _in_place(np.remainder)
    __ifloordiv__, __imatmul__ = _in_place(np.floor_divide), _in_place(np.matmul)
    __iand__, __ior__ = _in_place(np.bitwise_and), _in_place(np.bitwise_or)
    __ixor__, __ilshift__ = _in_place(np.bitwise_xor), _in_place(np.left_shift)
    __irshift__ = _in_place(np.right_shift)
    __lshift__, __rlshift__ = _binary(np.left_shift), _reflected(np.left_shift)
    __rshift__, __rrshift__ = _binary(np.right_shift), _reflected(np.right_shift)
    __divmod__, __rdivmod__ = _binary(np.divmod), _reflected(np.divmod)

    # Methods of ndarray

    sum, prod, mean = _as_method(np.sum), _as_method(np.prod), _as_method(np.mean)
    max, min, ptp = _as_method(np.max), _as_method(np.min), _as_method(np.ptp)
    var, std = _as_method(np.var), _as_method(np.std)
    cumsum, cumprod = _as_method(np.cumsum), _as_method(np.cumprod)
    argmax, argmin = _as_method(np.argmax), _as_method(np.argmin)
    argsort, searchsorted = _as_method(np.argsort), _as_method(np.searchsorted)
    nonzero, all, any = _as_method(np.nonzero), _as_method(np.all), _as_method(np.any)
    dot, trace = _as_method(np.dot), _as_method(np.trace)
    diagonal, repeat = _as_method(np.diagonal), _as_method(np.repeat)
    swapaxes, squeeze = _as_method(np.swapaxes), _as_method(np.squeeze)
    take, choose, argpartition = (
        _as_method(np.take),
        _as_method(np.choose),
        _as_method(np.argpartition),
    )
    clip, round = _as_method(np.clip), _as_method(np.round)

    def copy(self, order: str = "C") -> Any:
        """An array with entries of its own."""
        return self.owner(number=True) if self.number else call(np.copy, (self,), {"order": order})

    def conj(self) -> Any:
        """The array itself, as it is real."""
        return call(CONJ, (self,), {})

    conjugate = conj

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        """The array on the same memory."""
        if (dtype is not None and np.dtype(dtype) != self.dtype) or type is not None:
            refuse("x.view(...) with another type", "write x.astype(dtype)")
        return call(VIEW, (self,), {})

    def ravel(self, order: str = "C") -> Any:
        """The entries as one axis: a view where they lie so, as in NumPy."""
        return call(np.ravel, (self, order), {})

    def flatten(self, order: str = "C") -> Any:
        """The entries as one axis, always a copy."""
        return call(FLATTEN, (self, order), {})

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        """The entries of an axis where the condition holds."""
        return call(np.compress, (condition, self), {"axis": axis, "out": out})

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """The array with another shape."""
        if not shape:
            np.empty(0).reshape()  # type: ignore[call-overload] # NumPy's own error
        wanted = shape[0] if len(shape) == 1 else shape
        if wanted is None:  # as NumPy, the same shape
            wanted = self.shape
        how = {} if order == "C" and copy is None else {"order": order, "copy": copy}
        return call(np.reshape, (self, wanted), how)

    def transpose(self, *axes: Any) -> Any:
        """The array with its axes in another order."""
        if not axes or axes == (None,):
            return call(np.transpose, (self,), {})
        order = axes[0] if len(axes) == 1 and np.ndim(axes[0]) else axes
        return call(np.transpose, (self, order), {})

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: str = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Any:
        """The array with another dtype."""
        return call(ASTYPE, (self, dtype, order, casting, subok, copy), {})


def _cut_off(unknown: str) -> UnsupportedError:
    """That a traced array would become plain: what stands on the line and what to write, if that is seen."""
    found = culprit()
    lost = "which would cut it off from its derivative"
    if found.assigns:
        return UnsupportedError(
            f"{found.text} = ... at {found.place} puts a traced value into a plain array, {lost}; make "
            f"{found.assigns} with jb.zeros(shape) in place of np.zeros(shape), or with np.zeros_like(x) of a "
            "traced x"
        )
    if found.framework:
        return UnsupportedError(framework_message(found))
    instead = found.instead
    if not instead and found.names and not holds_traced(found.function):
        instead = "write it with NumPy's functions, or declare it with jb.operation"
    if not instead:
        return UnsupportedError(unknown)
    return UnsupportedError(
        f"{found.text} at {found.place} makes a plain array or number of a traced one, {lost}; {instead}"
    )


GETITEM = ArrayMethod("__getitem__", operator.getitem)
ASTYPE = ArrayMethod("astype", lambda x, *how: x.astype(*how))
CONJ = ArrayMethod("conj", lambda x: x.conj())
VIEW = ArrayMethod("view", lambda x: x.view())
FLATTEN = ArrayMethod("flatten", lambda x, order: x.flatten(order))


def gathered(value: Any) -> Any:
    """Nested lists that hold traced arrays as one array; anything else as it is."""
    if isinstance(value, Flat):
        return value.copy()
    if isinstance(value, list | tuple) and holds_traced(value):
        return call(np.stack, ([gathered(part) for part in value],), {})
    return value


@lru_cache(maxsize=1024)
def headed(operation: Operation, name: str, value: Hashable) -> Any:
    """An operation with one parameter, of integers (see ``looks.head_of``)."""
    return head_of(operation, ((name, value),))


def record(operation: Operation, operands: Sequence[Any], **parameters: Any) -> Traced:
    """Apply an operation to traced arrays and constants: its value now, its node for later.

    The result is a number where it has no axes; ``dispatch`` says what it is for the user.
    """
    fixed = tuple(sorted(parameters.items())) if parameters else ()
    return recorded(head_of(operation, fixed), operands)


def moved(x: Traced, heads: Sequence[Any], real: Any) -> Any:
    """Operations that only move the entries of an array, one after the other, as NumPy makes it.

    ``real`` is what NumPy makes of the array's value: a number, or a view; what stands between has its
    entries in the same order. ``NotImplemented`` where more must be known: of constants, of what is
    computed apart, where the array was written, and where it does not lie as NumPy's would.
    """
    here = current()
    node, value, changes = x.read()
    if changes or here.apart or (node.operation is None and node.value is not None):
        return NotImplemented
    if isinstance(real, np.ndarray) and x.unowned and x.memory().array is not value:
        return NotImplemented
    known = here.values
    known.setdefault(node, value)
    array = np.array(real) if x.number or not isinstance(real, np.ndarray) else real
    for head in heads:
        node = applied(head, (node,))
        if node not in known:
            known[node] = array.reshape(node.shape)
    if array is real:
        return x.viewed(real, node)
    return Traced(node, array, number=True, trace=x.run)


def recorded(head: Any, operands: Sequence[Any]) -> Traced:
    """As ``record``, where the operation with its parameters is known as one object already."""
    operation = parts_of(head)[0]
    here = current()
    known_values = here.values
    nodes: list[Node] = []
    values: list[Any] = []
    fixed, live, apart = True, False, bool(here.apart)
    trace = here.traces[0] if here.traces else None
    for operand in operands:
        if isinstance(operand, Traced):
            value: Any
            node, value, changes = operand.read()
            if trace is None or operand.run.depth > trace.depth:
                trace = operand.run
            if node not in known_values:
                known_values[node] = value.copy() if changes else value
            live = live or changes
            apart = apart and (node in here.apart or node.value is not None)
            if node.operation is not None:
                fixed = False
            else:
                fixed = fixed and node.value is not None
                if type(weak_type(node)) is float:
                    value = float(value)
            nodes.append(node)
            values.append(value)
        else:
            node = here.constant_node(operand)
            nodes.append(node)
            values.append(here.values[node] if node.operation else node.value)
            fixed = fixed and type(operand) in (int, float)
    if fixed and nodes and here.folds:
        value = np.asarray(operation.value(head, values))
        return Traced(here.constant_node(value), value, number=not value.ndim, trace=trace)
    node = applied(head, tuple(nodes)) if nodes else apply(operation, nodes, **named_of(head))
    known = known_values.get(node)
    if known is None:
        value = np.asarray(value_of(operation, head, values))
        for one in values:
            if value is one:
                value = value.copy()
                break
        if live and any(
            np.may_share_memory(value, x.value)
            for x in operands
            if isinstance(x, Traced) and x.live
        ):
            value = value.copy()  # what a node's value is must not change
        node = of_dtype(node, value.dtype)
        known_values[node] = value
    else:
        value = known.copy(order="K")  # two arrays, if of one node
    if apart:
        node = here.computed_apart(node, value)
    return Traced(node, value, number=not value.ndim, trace=trace)
