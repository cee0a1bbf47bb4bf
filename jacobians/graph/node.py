"""Nodes: an operation applied to nodes, an input, or a constant.

Nodes with the same operation, operands, parameters, shape and dtype are one object, as long as
their newest operand lives (hash-consing without a global table). Arithmetic on nodes, and
NumPy's ufuncs, make new nodes through the table that ``operations`` fills, so that a derivative is
written as it would be on arrays: ``1 - Y**2``.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.how import How
from jacobians.graph.looks import (
    NUMBERS,
    Look,
    Parameters,
    head_of,
    held_by,
    look_of,
    named_of,
    parts_of,
)
from jacobians.ground.caches import ByteCache
from jacobians.ground.interning import by_bits
from jacobians.notation.terms import Sum

Array = NDArray[Any]
_serial = count()


class Operation:
    """What the graph needs of an operation; ``operations.declare`` has the ways to declare one.

    It never changes: the constructor takes what it has by name.

    Attributes
    ----------
    name : str
        What it is called in errors and formulas.
    key : str
        A name that no other operation has, an identifier where the name is one.
    arguments : tuple of str
        The names of its array arguments.
    notation : str
        How it is written: a template over its operands, ``"{0} + {1}"``.
    indexed : str
        How an entry is written where that is not the notation with letters behind it: a template
        over the operands, with the indices of a ``batch``, and with those of an entry of the transpose,
        ``turned``.
    binds : int
        How tightly that notation binds (see ``notation.writing``).
    elementwise : bool
        Whether entry ``i`` of the result depends on entry ``i`` of each operand only.
    direct : callable or None
        The function of the arrays that gives the value where there are no parameters, so that nothing stands
        between NumPy and a loop; none where the value must be checked, or is made of terms.
    asks : bool
        Whether its Jacobian is what a user's function says, which may say something else at another time.
    held : int
        The bytes of arrays that a user's functions close over: whoever keeps the operation keeps them.
    """

    name: str
    key: str = ""
    arguments: tuple[str, ...]
    notation: str = ""
    latex: str = ""
    indexed: str = ""
    indexed_latex: str = ""
    binds: int = 2
    elementwise: bool = False
    direct: Callable[..., Any] | None = None
    asks: bool = False
    held: int = 0

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise UnsupportedError(
            f"{self!r}: an operation never changes; declare another instead of setting .{name}"
        )

    def __delattr__(self, name: str) -> None:
        raise UnsupportedError(f"{self!r}: an operation never changes; .{name} stays")

    def infer(
        self, operands: Sequence["Node"], parameters: Mapping[str, Any]
    ) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """The result's shape and dtype; raises ShapeError where operands do not fit."""
        raise NotImplementedError  # pragma: no cover - abstract

    def evaluate(self, arrays: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """The value on arrays."""
        raise NotImplementedError  # pragma: no cover - abstract

    def value(self, head: Any, arrays: Sequence[Any]) -> Any:
        """As ``evaluate``, with the parameters of a head of this operation (``looks.head_of``)."""
        return self.evaluate(arrays, named_of(head))

    def how(self, node: "Node") -> How:
        """How a program computes a node of this operation."""
        raise NotImplementedError  # pragma: no cover - abstract

    def local(self, node: "Node", position: int) -> Sum:
        """The Jacobian of a node of this operation by one operand: its axes, then the operand's."""
        raise NotImplementedError  # pragma: no cover - abstract

    def __repr__(self) -> str:
        return f"<operation {self.name}({', '.join(self.arguments)})>"


NUMPY: dict[Any, Operation] = {}
"""NumPy's callables and the operations that they mean; filled by ``operations``."""


def _binary(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], "Node"], Callable[[Any, Any], "Node"]]:
    def forward(self: "Node", other: Any) -> "Node":
        return apply(NUMPY[ufunc], [self, other])

    def backward(self: "Node", other: Any) -> "Node":
        return apply(NUMPY[ufunc], [other, self])

    return forward, backward


class _NotHere(UnsupportedError, AttributeError):
    """A method or attribute of arrays that a node has not."""


def _without_value(what: str) -> Callable[..., Any]:
    def refuse(self: "Node", *_: Any) -> Any:
        raise UnsupportedError(
            f"{what} of {self!r}: in a derivative, arguments and result have no values yet; choose entry "
            "by entry with np.where(X > 0, …, …), compare with np.equal(X, 0), and use NumPy's ufuncs"
        )

    return refuse


class _Fields:
    """What a node holds, while it is filled."""

    __slots__ = (
        "__weakref__", "_look", "_uses", "dtype", "name", "nearness", "operands", "operation",
        "parameters", "product", "serial", "shape", "value",
    )  # fmt: skip

    operation: Operation | None
    operands: tuple["Node", ...]
    parameters: Parameters
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str
    value: Any
    serial: int
    nearness: int | None
    product: Sum | None
    _look: Look | None
    _uses: dict[Any, "Node"]


class Node(_Fields):
    """An operation applied to nodes (``operation`` is None for an input or a constant).

    Nodes never change, and are keys: ``==`` is identity. What would need a value (truth, ``float``,
    iteration, indexing) raises. ``nearness`` is kept for ``derivation.likely``, and ``product`` for
    ``optimising.rewriting``: elsewhere, what refers to the node's operands would let none of them go.
    """

    __slots__ = ()

    def __new__(
        cls,
        operation: Operation | None,
        operands: tuple["Node", ...],
        parameters: Parameters,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        name: str = "",
        value: Any = None,
    ) -> "Node":
        """The node, filled before it becomes one: ``object.__setattr__`` would take four times as long."""
        made: Any = _Fields()
        made.operation = operation
        made.operands = operands
        made.parameters = parameters
        made.shape = shape
        made.dtype = dtype
        made.name = name
        made.value = value
        made.serial = next(_serial)
        made.nearness = None
        made.product = None
        made._look = None
        made._uses = {}
        made.__class__ = cls
        return made  # type: ignore[no-any-return]

    def __setattr__(self, name: str, value: object) -> None:
        raise UnsupportedError(
            f"{self!r}: a node never changes; make a new one instead of setting .{name}"
        )

    def __delattr__(self, name: str) -> None:
        raise UnsupportedError(f"{self!r}: a node never changes; .{name} stays")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_number(self) -> bool:
        """Whether it is a Python number and nothing more; one with a name stands for itself."""
        return type(self.value) in NUMBERS and not self.name

    @property
    def look(self) -> Look:
        """All of it but operands, name and place in the graph; what looks the same is one object."""
        known = self._look
        if known is None:
            head = head_of(self.operation, self.parameters)
            number = self.value if _is_seen(self.value) else None
            name = self.name if number is not None else ""
            known = look_of(head, self.shape, self.dtype, number, name)
            _set_look(self, known)
        return known

    @property
    def users(self) -> list["Node"]:
        """The nodes that were made of this one as their newest operand, as far as known."""
        return list(self._uses.values())

    def __repr__(self) -> str:
        made = f"{self.operation.name}" if self.operation else self.name or repr(self.value)
        return f"<node {made} {self.shape} {self.dtype}>"

    __add__, __radd__ = _binary(np.add)
    __sub__, __rsub__ = _binary(np.subtract)
    __mul__, __rmul__ = _binary(np.multiply)
    __truediv__, __rtruediv__ = _binary(np.divide)
    __pow__, __rpow__ = _binary(np.power)
    __matmul__, __rmatmul__ = _binary(np.matmul)
    __gt__, __lt__ = _binary(np.greater)
    __ge__, __le__ = _binary(np.greater_equal)

    def __neg__(self) -> "Node":
        return apply(NUMPY[np.negative], [self])

    def __pos__(self) -> "Node":
        return self

    def __abs__(self) -> "Node":
        return apply(NUMPY[np.absolute], [self])

    __bool__ = _without_value("the truth value")
    __float__ = _without_value("the number")
    __int__ = _without_value("the number")
    __complex__ = _without_value("the number")
    __index__ = _without_value("the number")
    __len__ = _without_value("the length")
    __iter__ = _without_value("iteration over the entries")
    __contains__ = _without_value("a search in the entries")
    __getitem__ = _without_value("an entry")
    __array__ = _without_value("the array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in _Fields.__slots__:
            raise AttributeError(name)
        raise _NotHere(
            f".{name} of a node: in a derivative, arguments and result have .shape, .ndim and .dtype, "
            f"operators, and NumPy's ufuncs, np.{name} if it is one of them"
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> "Node":
        if method != "__call__" or kwargs or ufunc not in NUMPY:
            raise UnsupportedError(
                f"numpy.{ufunc.__name__} ({method}) has no operation that could stand in a rule"
            )
        return apply(NUMPY[ufunc], inputs)

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> "Node":
        operation = NUMPY.get(function)
        if operation is None or kwargs or len(args) != len(operation.arguments):
            how = f" with {', '.join(kwargs)}=" if kwargs else f" of {len(args)} arguments"
            raise UnsupportedError(
                f"{function.__module__}.{function.__name__}{'' if operation is None else how} has no "
                "operation that could stand in a rule; use operators, NumPy's ufuncs and np.where, or "
                "declare a rule in coordinate form ('Y_nn = inv(X_nn)', '∂Y_ij/∂X_kl = −Y_ik Y_lj')"
            )
        return apply(operation, args)


_set: dict[str, Callable[[Node, Any], None]] = {
    name: _Fields.__dict__[name].__set__
    for name in ("operation", "operands", "parameters", "product", "serial", "nearness", "_look")
}
_set_look = _set["_look"]


def over(look: Look, operands: tuple[Node, ...]) -> Node:
    """The node that looks like this, of these operands: an existing one if there is an equal one."""
    uses, key = _place_of(look.head, operands)
    known = uses.get(key)
    if known is not None and known.dtype != look.dtype:
        key = (*key, look.dtype)
        known = uses.get(key)
    return uses.setdefault(key, _made(look, operands)) if known is None else known


def _made(look: Look, operands: tuple[Node, ...]) -> Node:
    operation, parameters = parts_of(look.head)
    made = Node(operation, operands, parameters, look.shape, look.dtype)
    _set_look(made, look)
    return made


def alone(look: Look, serial: int) -> Node:
    """An input that looks like this from outside, or the number that it is; as old as it is said to be."""
    _, parameters = parts_of(look.outside.head)
    made = Node(None, (), parameters, look.shape, look.dtype, name=look.name, value=look.value)
    _set["serial"](made, serial)
    return made


def unused(node: Node) -> Node:
    """A node without operands like this one, that nothing was made of."""
    own = {"name": node.name, "value": node.value}
    return Node(node.operation, (), node.parameters, node.shape, node.dtype, **own)


def in_kind(node: Node, kind: type[Node]) -> None:
    """Let a node be of another class of nodes: of a copy each first look is noted, and later ones are not."""
    object.__setattr__(node, "__class__", kind)


def opened(input_: Node, look: Look, operands: tuple[Node, ...]) -> None:
    """Let an input that nobody has looked at yet be what looks like this, of these operands."""
    operation, parameters = parts_of(look.head)
    fields = {"operation": operation, "operands": operands, "parameters": parameters, "_look": look}
    for name, value in fields.items():
        _set[name](input_, value)
    uses, key = _place_of(look.head, operands)
    uses.setdefault(key, input_)


def set_nearness(node: Node, found: int) -> None:
    """Let a node keep how near a quotient stands in it, which ``derivation.likely`` works out."""
    _set["nearness"](node, found)


def set_product(node: Node, terms: Sum) -> None:
    """Let a node keep the terms over its operands that it stands for."""
    _set["product"](node, terms)


def _is_seen(value: Any) -> bool:
    """Whether a constant's value is part of its look: of Python numbers, and of an exponent that is 2."""
    if type(value) in NUMBERS:
        return True
    return value is not None and np.shape(value) == () and bool(value == 2)


WEAK: Parameters = (("weak", True),)
"""Of an input that is given as a Python float, which does not widen float32."""


def input_node(
    name: str, shape: Iterable[int], dtype: DTypeLike = np.float64, parameters: Parameters = ()
) -> Node:
    """An input with a name: a value that is given when the graph is evaluated."""
    return Node(None, (), parameters, tuple(shape), np.dtype(dtype), name=name)


def constant(value: Any, name: str = "") -> Node:
    """A constant; Python numbers stay Python numbers, so that they do not widen float32."""
    if not isinstance(value, int | float):
        value = np.asarray(value)
    array = np.asarray(value)
    return Node(None, (), (), array.shape, array.dtype, name=name, value=value)


def as_node(value: Any) -> Node:
    """The value if it is a node, else a constant of it."""
    return value if isinstance(value, Node) else constant(value)


def apply(operation: Operation, operands: Iterable[Any], **parameters: Any) -> Node:
    """The node of an operation on operands: an existing one if there is an equal one."""
    nodes = tuple([n if isinstance(n, Node) else constant(n) for n in operands])
    if nodes and not parameters and all(n.is_number for n in nodes):
        return constant(np.asarray(operation.evaluate([n.value for n in nodes], {})).item())
    fixed = tuple(sorted(parameters.items())) if parameters else ()
    if not nodes:
        return Node(operation, nodes, fixed, *operation.infer(nodes, parameters))
    return applied(head_of(operation, fixed), nodes)


def applied(head: Any, nodes: tuple[Node, ...]) -> Node:
    """As ``apply``, of an operation with its parameters (``head_of``), not all operands numbers."""
    uses, key = _place_of(head, nodes)
    known = uses.get(key)
    if known is None:
        looks = head, *[n.look.outside for n in nodes]
        made = _made(_INFERRED.get(looks, lambda: _inferred(head, nodes)), nodes)
        known = uses.setdefault(key, made)
    return known


def _inferred(head: Any, nodes: tuple[Node, ...]) -> Look:
    operation, parameters = parts_of(head)
    return look_of(head, *operation.infer(nodes, dict(parameters)))


_INFERRED: ByteCache[Look] = ByteCache(1 << 22, lambda _, look: held_by([look]))
"""Results' looks, by an operation and its operands' looks."""


def of_dtype(node: Node, dtype: np.dtype[Any]) -> Node:
    """The node; where its operation gave another dtype than it infers, the one of that dtype.

    Only the functions of a user's operation do so: nothing says what they return.
    """
    if node.dtype == dtype or node.operation is None or not node.operands:
        return node
    return over(look_of(node.look.head, node.shape, dtype), node.operands)


def host_of(nodes: Sequence[Node]) -> Node:
    """The operand that remembers what is made of it: the newest, before constants, which may live longer.

    A Python number is made anew each time, and remembers nothing where there is another.
    """
    host = None
    for node in nodes:
        if node.value is None and (host is None or node.serial > host.serial):
            host = node
    if host is not None:
        return host
    return max(nodes, key=lambda n: (type(n.value) not in NUMBERS, n.serial))


def _place_of(head: Any, nodes: Sequence[Node]) -> tuple[dict[Any, Node], tuple[Hashable, ...]]:
    """Where the node of an operation on operands is remembered, and by which key.

    Python numbers are in it by type and bits, other operands by identity.
    """
    key: list[Hashable] = [head]
    host = None
    for node in nodes:
        if node.value is None:
            key.append(id(node))
            if host is None or node.serial > host.serial:
                host = node
        else:
            key.append(by_bits(node.value) if node.is_number else id(node))
    return (host_of(nodes) if host is None else host)._uses, tuple(key)


_WEAK = head_of(None, WEAK)


def is_weak(node: Node) -> bool:
    """Whether it is an input that is given as a Python float."""
    return node.look.head is _WEAK


def weak_type(node: Node) -> Any:
    """What ``numpy.result_type`` should see: the number itself where it is a Python number."""
    if is_weak(node):
        return 0.0
    return node.value if type(node.value) in NUMBERS else node.dtype


def ordered(nodes: Iterable[Node], known: Mapping[Node, Any] = {}) -> list[Node]:
    """The nodes and all that they depend on, operands first; nothing behind a known node."""
    result: list[Node] = []
    seen: set[Node] = set()
    stack = [(node, False) for node in reversed(list(nodes))]
    while stack:
        node, ready = stack.pop()
        if ready:
            result.append(node)
        elif node not in seen and node not in known:
            seen.add(node)
            if node.operation is None:
                result.append(node)
                continue
            stack.append((node, True))
            for operand in reversed(node.operands):
                if operand not in seen:
                    stack.append((operand, False))
    return result


def evaluate(nodes: Iterable[Node], values: Mapping[Node, Any]) -> dict[Node, Any]:
    """The values of nodes and of all that they need, given those of the inputs.

    Warnings about floating-point errors are silenced: a derivative may be infinite in a branch that
    is not selected.
    """
    known = dict(values)
    with np.errstate(all="ignore"):
        for node in ordered(nodes, known):
            operation = node.operation
            if operation is None:
                known[node] = node.value
                continue
            arrays = [known[operand] for operand in node.operands]
            known[node] = value_of(operation, node.look.head, arrays)
    return known


def value_of(operation: Operation, head: Any, arrays: Sequence[Any]) -> Any:
    """The value on arrays of an operation, with the parameters of a head of it."""
    direct = operation.direct
    if direct is None or head is not operation:
        return operation.value(head, arrays)
    return direct(*arrays)
