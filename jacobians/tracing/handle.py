"""``Handle``: what a traced array is in memory, a number, an owner of its entries, or a view.

A handle stands for a node, which is a value. Writing into one, or into the array that it views, changes
which node it stands for, never a node; a number is never written into.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node
from jacobians.tracing.attributes import refuse
from jacobians.tracing.entries import UNSET, Memory, Put, layout, lying
from jacobians.tracing.session import Trace, guard, innermost, user_line

Array = NDArray[Any]

serials = count()


class Handle:
    """A node and its value, which may be one of several on the same memory.

    Attributes
    ----------
    number : bool
        Whether NumPy would have a scalar here, which cannot change in place.
    writeable : bool
        False where NumPy's view is read-only.
    serial : int
        Higher than that of all handles that were made before.
    run : Trace
        The run that it belongs to, after which it is not to be used.
    """

    __slots__ = (
        "_anchor",
        "_memory",
        "_node",
        "_value",
        "_version",
        "number",
        "run",
        "serial",
        "writeable",
    )

    def __init__(
        self, node: Node, value: Array, *, number: bool = False, trace: Trace | None = None
    ) -> None:
        self._node: Node | None = node
        self.run = innermost() if trace is None else trace
        self._value = value
        self._memory: Memory | None = None  # made for the first view of it, or the first write
        self._version = 0
        self._anchor = value
        self.number = number
        self.writeable = True
        self.serial = next(serials)

    @property
    def node(self) -> Node:
        """What stands for it now."""
        if self.run.over:
            self.refuse_late()
        memory = self._memory
        if memory is not None and memory.version != self._version:
            self._node = memory.read(self.value)
            self._version = memory.version
        if self._node is None:
            assert memory is not None
            self._node = memory.read(self.value)
        return self._node

    @property
    def value(self) -> Array:
        """What it is for the arguments that the function was called with; not to be written into."""
        memory = self._memory
        if memory is not None and memory.array is not self._anchor:
            start, steps = layout(self._value, self._anchor)
            flat = memory.array.ravel(order="K")
            self._value = lying(flat, self._value.shape, start, steps)
            self._anchor = memory.array
        return self._value

    def refuse_late(self) -> None:
        """Raise where the trace is over: nothing that is done now has a derivative."""
        if self.run.over:
            raise UnsupportedError(
                f"a traced array of {self.run.title} is used at {user_line()} after its trace is over: it stood "
                "for a value in that one call; return from the function what is needed of it"
            )

    @property
    def plain(self) -> Any:
        """The value as NumPy would have it: a scalar for a number."""
        return self._value[()] if self.number else self.value

    @property
    def live(self) -> bool:
        """Whether the value may change: it lies in a memory that was written."""
        return self._memory is not None and self._memory.written

    @property
    def stale(self) -> bool:
        """Whether there were writes since the node was known."""
        return self._memory is not None and (
            self._node is None or self._memory.version != self._version
        )

    @property
    def constant(self) -> bool:
        """Whether the value does not depend on any input."""
        if self.stale:
            assert self._memory is not None
            return self._memory.plain(self.value)
        assert self._node is not None
        return self._node.operation is None and self._node.value is not None

    def read(self) -> tuple[Node, Array, bool]:
        """The node, the value, and whether that may change."""
        if self._memory is None and self._node is not None and not self.run.over:
            return self._node, self._value, False
        return self.node, self.value, self.live

    def steer(self, what: str) -> Array:
        """The value, to decide something by; that it holds for these values only is noted."""
        if not self.constant:
            guard(what)
        return self.value

    # Shape queries are plain numbers: control flow on them is free.

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._value.shape

    @shape.setter
    def shape(self, _: Any) -> None:
        refuse("x.shape = ...", "write x = x.reshape(...)")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self._value.dtype

    @property
    def nbytes(self) -> int:
        """The bytes of the value."""
        return self._value.nbytes

    @property
    def itemsize(self) -> int:
        """The bytes of an entry."""
        return self._value.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the value, in bytes."""
        return self._value.strides

    @property
    def device(self) -> str:
        """Where the values are."""
        return "cpu"

    # Memory

    @property
    def unowned(self) -> bool:
        """Whether it has no memory yet."""
        return self._memory is None

    def memory(self) -> Memory:
        """The memory of an array, made when it is first needed."""
        if self._memory is None:
            self._memory = Memory(self._value, self._node)
            self._value = self._anchor = self._memory.array
        return self._memory

    def is_fresh(self, start: int) -> bool:
        """Whether it was made after a serial number, of an array that is nobody else's."""
        return self.serial > start and self._memory is None and self._value.base is None

    def shares(self, others: Iterable["Handle"]) -> bool:
        """Whether it has a memory already, or entries in common with other traced arrays."""
        value = self._value
        return self._memory is not None or any(
            value is other._value
            or (value.base is not None and np.may_share_memory(value, other._value))
            for other in others
        )

    def owner(self, *, number: bool = False) -> Self:
        """A copy: the same node, and entries of its own."""
        return self.another(self.node, self.value.copy(order="K"), number=number)

    def another(self, node: Node | None, value: Array, *, number: bool = False) -> Self:
        """A traced array like this one of another node."""
        return type(self)(node, value, number=number, trace=self.run)  # type: ignore[arg-type]

    def viewed(self, view: Array, node: Node | None) -> Self:
        """A view of this array, where NumPy's lies."""
        memory = self.memory()
        made = self.another(node, view)
        made._memory, made._version, made._anchor = memory, memory.version, memory.array
        # NumPy announces that views which have an entry several times will be read-only.
        axes = zip(view.shape, view.strides, strict=True)
        several = view.size > 0 and any(n > 1 and not step for n, step in axes)
        made.writeable = self.writeable and not several and view.flags.writeable
        return made

    @classmethod
    def allocated(cls, array: Array, *, unset: bool = False) -> Self:
        """A new array of plain numbers; ``unset``: that were never written."""
        made = cls(None, array)  # type: ignore[arg-type]
        made._memory = Memory(array, None, UNSET) if unset else Memory(array, None)
        made._value = made._anchor = made._memory.array
        return made

    def write(self, put: Put, source: Any) -> None:
        """Let ``put`` write an array, traced or plain, into this one."""
        if self.number:
            raise TypeError("a number does not change; make an array with jb.array(...)")
        memory = self.memory()
        if not self.writeable:
            raise ValueError("assignment destination is read-only")  # as NumPy
        memory.open()
        if not isinstance(source, Handle):
            memory.write(self.value, put, np.asarray(source), None)
        elif source._memory is memory:
            memory.move(self.value, put, source.value)
        elif source.constant:
            memory.write(self.value, put, source.value, None)
        else:
            memory.write(self.value, put, source.value, source.node)

    def entries(self, index: Any) -> tuple[Any, Node | None]:
        """Entries of an array that was written, by NumPy's indexing: value, and node if not a view."""
        memory = self._memory
        assert memory is not None
        sources, places = (table[index] for table in memory.tables(self.value))
        found = self.value[index]
        if (
            isinstance(found, np.ndarray)
            and found.size
            and np.may_share_memory(found, memory.array)
        ):
            return found, None
        return found, memory.node_of(*map(np.asarray, (found, sources, places)))


def leaves(value: Any) -> Iterator[Handle]:
    """The traced arrays in an argument or a result: itself, or in tuples, lists and dicts."""
    if isinstance(value, Handle):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)


def holds_traced(value: Any) -> bool:
    """Whether there is a traced array in an argument."""
    return next(leaves(value), None) is not None


def plainly(value: Any, of: Callable[[Handle], Any] = lambda handle: handle.plain) -> Any:
    """The value with plain arrays for traced ones, also inside tuples, lists and dicts."""
    if isinstance(value, Handle):
        return of(value)
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)(plainly(item, of) for item in value)
    if isinstance(value, dict):
        return {key: plainly(item, of) for key, item in value.items()}
    return value


def scratch(value: Any) -> Any:
    """As ``plainly``, with copies, for a function that may write into them."""

    def copied(handle: Handle) -> Any:
        if handle.number:
            return handle.plain
        array = handle.value.copy()
        array.setflags(write=handle.writeable)
        return array

    return plainly(value, copied)


def concrete_index(index: Any) -> Any:
    """An index with the values of what is traced in it."""
    if isinstance(index, tuple):
        return tuple(concrete_index(item) for item in index)
    if isinstance(index, list):
        items = [concrete_index(item) for item in index]
        return items if items else np.asarray(items, np.intp)
    if not isinstance(index, Handle):
        return index
    if index.dtype.kind == "f":
        raise UnsupportedError(
            f"index: {index.node!r} is an array of floats, as every argument is that is differentiated; "
            "index with .astype(int) of it, or with an array that is not differentiated"
        )
    return index.steer("an index")
