"""``Traced``: what a function sees in place of an array while it is recorded."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import ShapeError, UnsupportedError
from jacobians.graph.node import Node, Operation, apply, of_dtype
from jacobians.operations.registry import OPERATIONS
from jacobians.tracing.session import current, guard, scipy_functions, user_line
from jacobians.tracing.tables import call

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


def _in_place(ufunc: np.ufunc, sign: str) -> Any:
    """``y += x``: the array becomes the result, for all who hold it, as NumPy's would."""

    def method(self: "Traced", other: Any) -> "Traced":
        if self.shared:
            raise UnsupportedError(
                f"y {sign}= ... at {user_line()} changes an array that has views or is one, which a traced array "
                f"cannot follow; write y = y {sign} ..."
            )
        result = call(ufunc, (self, other), {})
        if result.shape != self.shape:
            raise ShapeError(
                f"y {sign}= ... at {user_line()}: the result has shape {result.shape}, y {self.shape}; "
                f"write y = y {sign} ..."
            )
        if result.dtype != self.dtype:
            result = call(ASTYPE, (result, self.dtype), {})
        self.node, self.value = result.node, result.value
        return self

    return method


def _as_method(function: Any) -> Any:
    def method(self: "Traced", *args: Any, **kwargs: Any) -> Any:
        return call(function, (self, *args), kwargs)

    return method


class Traced:
    """An array that is being recorded: it has a value, and NumPy's functions and operators work on it.

    Attributes
    ----------
    value : numpy.ndarray
        What it is for the arguments that the function was called with.
    """

    __slots__ = ("node", "shared", "value")
    __array_priority__ = 1000.0

    def __init__(self, node: Node, value: Array) -> None:
        self.node = node
        self.value = value
        self.shared = False  # whether another traced array may be a view of it, or it of another

    # Shape queries are plain numbers: control flow on them is free.

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.value.dtype

    @property
    def nbytes(self) -> int:
        """The bytes of the value."""
        return self.value.nbytes

    @property
    def itemsize(self) -> int:
        """The bytes of an entry."""
        return self.value.itemsize

    @property
    def T(self) -> Any:  # noqa: N802 - the name of NumPy
        """The transpose."""
        return call(np.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # noqa: N802 - the name of NumPy
        """The transpose of the last two axes."""
        return call(np.swapaxes, (self, -1, -2), {})

    @property
    def real(self) -> Any:
        """The array itself: it is real."""
        return call(np.real, (self,), {})

    @property
    def imag(self) -> Any:
        """Zeros: the array is real."""
        return call(np.imag, (self,), {})

    @property
    def flat(self) -> Any:
        """The entries in row-major order: to go through, or to index."""
        return self.ravel()

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
        return format(self.value if form else repr(self), form)

    # A copy has the same derivative; a stored one would lose it.

    def __copy__(self) -> "Traced":
        return Traced(self.node, self.value)

    def __deepcopy__(self, memo: object) -> "Traced":
        return Traced(self.node, self.value)

    def __reduce__(self) -> Any:
        raise UnsupportedError(
            f"a traced array at {user_line()} cannot be pickled: it would lose its derivative"
        )

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return call(ufunc, inputs, kwargs)
        return call(_ReducedUfunc(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, dict(kwargs))

    def __array__(self, *_: Any, **__: Any) -> Array:
        called = scipy_functions()
        known = [name for name in called if name in OPERATIONS]
        if called:
            instead = f"write jb.ops.{known[-1]}" if known else "write it with NumPy's functions"
            raise UnsupportedError(
                f"SciPy's {(known or called)[-1]} at {user_line()} works on plain arrays only, which would cut a "
                f"traced one off from its derivative; {instead}"
            )
        raise UnsupportedError(
            f"a traced array was to be made a plain array at {user_line()}, which would cut it off from its "
            "derivative; write np.stack([...]) or np.concatenate([...]) for np.array([...]), leave np.asarray(x) "
            "out (or write x.astype(float)), and use NumPy's own functions in place of compiled ones"
        )

    def _number(self, what: str) -> Any:
        raise UnsupportedError(
            f"{what} of a traced array at {user_line()} would cut it off from its derivative; keep it an array "
            "(0-d arrays work like numbers), use np.stack([...]) to collect several"
        )

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def item(self, *_: Any) -> Any:
        """Not possible: it would cut the value off from its derivative."""
        self._number("item()")

    def tolist(self) -> Any:
        """Not possible: it would cut the value off from its derivative."""
        self._number("tolist()")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise UnsupportedError(
            f"a traced array cannot be assigned to at {user_line()}; build the result with np.where(mask, a, b), "
            "np.concatenate([...]) or np.stack([...])"
        )

    # Values that steer Python: they hold for these arguments only.

    def __bool__(self) -> bool:
        answer = bool(self.value)
        guard("bool()")
        return answer

    def __int__(self) -> int:
        answer = int(self.value)
        guard("int()")
        return answer

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError("only integer arrays can be converted to an index")
        guard("an index")
        return int(self.value)

    def __round__(self, digits: int = 0) -> Any:
        return call(np.round, (self, digits), {})

    def __getitem__(self, index: Any) -> Any:
        return call(GETITEM, (self, index), {})

    def __contains__(self, item: Any) -> bool:
        guard("'in'")
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

    __iadd__, __isub__ = _in_place(np.add, "+"), _in_place(np.subtract, "-")
    __imul__, __itruediv__ = _in_place(np.multiply, "*"), _in_place(np.divide, "/")
    __ipow__, __imod__ = _in_place(np.power, "**"), _in_place(np.remainder, "%")
    __ifloordiv__, __imatmul__ = _in_place(np.floor_divide, "//"), _in_place(np.matmul, "@")

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

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
    conj, conjugate = _as_method(np.conjugate), _as_method(np.conjugate)
    copy = _as_method(np.copy)

    def ravel(self, order: str = "C") -> Any:
        """The entries as one axis."""
        return call(np.ravel, (self, order), {})

    flatten = ravel

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """The entries of an axis where the condition holds."""
        return call(np.compress, (condition, self), {"axis": axis})

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:  # noqa: ARG002
        """The array with another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return call(np.reshape, (self, wanted), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """The array with its axes in another order."""
        if not axes or axes == (None,):
            return call(np.transpose, (self,), {})
        order = axes[0] if len(axes) == 1 and np.ndim(axes[0]) else axes
        return call(np.transpose, (self, order), {})

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Any:
        """The array with another dtype."""
        return call(ASTYPE, (self, dtype), {})

    def sort(self, *_: Any, **__: Any) -> None:
        """Not possible in place."""
        raise UnsupportedError(f"x.sort() at {user_line()} sorts in place; write x = np.sort(x)")


class _ReducedUfunc:
    """A ufunc's method, ``np.add.reduce``, as a key of the tables."""

    def __init__(self, ufunc: np.ufunc, method: str) -> None:
        self.ufunc, self.method = ufunc, method
        self.__name__ = f"{ufunc.__name__}.{method}"
        self.__module__ = "numpy"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReducedUfunc) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[np.ufunc, str]:
        return self.ufunc, self.method


def reduced(ufunc: np.ufunc, method: str = "reduce") -> Any:
    """The table's key for ``ufunc.reduce`` and the like."""
    return _ReducedUfunc(ufunc, method)


class _Named:
    def __init__(self, name: str) -> None:
        self.__name__, self.__module__ = name, "numpy.ndarray"


GETITEM, ASTYPE = _Named("__getitem__"), _Named("astype")


def record(operation: Operation, operands: Sequence[Any], **parameters: Any) -> Traced:
    """Apply an operation to traced arrays and constants: its value now, its node for later."""
    here = current()
    nodes: list[Node] = []
    values: list[Any] = []
    for operand in operands:
        if isinstance(operand, Traced):
            nodes.append(operand.node)
            values.append(operand.value)
            here.values[operand.node] = operand.value
        else:
            node = here.constant_node(operand)
            nodes.append(node)
            values.append(operand if node.operation else node.value)
    node = apply(operation, nodes, **parameters)
    value = here.values.get(node)
    if value is None:
        value = np.asarray(operation.evaluate(values, parameters))
        node = of_dtype(node, value.dtype)
        here.values[node] = value
    result = Traced(node, value)
    for operand in operands:
        if isinstance(operand, Traced) and np.may_share_memory(value, operand.value):
            operand.shared = result.shared = True
    return result
