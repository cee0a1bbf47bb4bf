"""Memory of traced arrays: the entries that one array owns, and where each of them comes from.

The values of traced arrays share memory exactly where NumPy's would, so NumPy itself says what a view
is: where it lies in the array that owns its entries. A memory that was written has two tables that lie
as its array lies, *source* (which node) and *place* (which entry of it). A write is one assignment by
NumPy, done three times: to the values, to the sources, to the places. So a write costs what it costs
in NumPy, no node is made before one is read, and whatever NumPy does with repeated or overlapping
positions is done to the derivatives too.
"""

from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import UnsupportedError
from jacobians.graph.node import Node, apply
from jacobians.notation.slots import Slot, letter_slot, table_slot
from jacobians.operations import index_maps
from jacobians.operations.arrangement import Arrangement, arrangement
from jacobians.tracing.session import current, user_line

Array = NDArray[Any]
Put = Callable[[Array, Any], Any]
"""Something that writes: ``put(array, values)`` as ``array[index] = values``."""

PLAIN, UNSET = 0, -1  # sources: a plain number, and an entry of ``empty`` that nobody wrote


class Memory:
    """The entries that an array owns, shared with its views.

    Attributes
    ----------
    array : numpy.ndarray
        The values as they are now. Until the first write it may be the value of a node.
    version : int
        How many writes there were.
    """

    __slots__ = ("_ids", "_places", "_sources", "array", "nodes", "version")

    def __init__(self, array: Array, node: Node | None, source: int = PLAIN) -> None:
        dense = array.flags.c_contiguous or array.flags.f_contiguous
        self.array = array if dense else array.copy(order="K")
        self.version = 0
        self.nodes: list[Node | None] = [None, node]
        self._ids: dict[Node, int] = {} if node is None else {node: 1}
        self._sources: Array | None = None
        self._places: Array | None = None
        if node is None:
            self.open(source)

    @property
    def written(self) -> bool:
        """Whether the array is its own: values of nodes must be copies of what is in it."""
        return self._sources is not None

    def open(self, source: int = 1) -> None:
        """Make ready for a write: values of nodes that others hold stay as they are."""
        if self._sources is None:
            self.array = self.array.copy(order="K")
            self._sources = np.full(self.array.size, source, np.intp)
            self._places = np.empty(self.array.size, np.intp)
            self._alike(self._places, self.array)[...] = _numbered(self.array.shape)

    def _alike(self, table: Array, view: Array) -> Array:
        """The part of a table that lies in it as a view lies in the array."""
        start, steps = layout(view, self.array)
        return lying(table, view.shape, start, steps)

    def tables(self, view: Array) -> tuple[Array, Array]:
        """Sources and places of the entries of a view."""
        assert self._sources is not None
        assert self._places is not None
        return self._alike(self._sources, view), self._alike(self._places, view)

    def write(self, view: Array, put: Put, values: Any, node: Node | None) -> None:
        """Let ``put`` write values into a view, which come from a node, or are plain numbers."""
        number = PLAIN if node is None else self._number(node)
        shape = np.shape(values)
        self._put(put, view, values, np.full(shape, number, np.intp), _numbered(shape))

    def move(self, view: Array, put: Put, other: Array) -> None:
        """Let ``put`` write a view of this memory into a view of it: entries go with where they are from."""
        self._put(put, view, other, *self.tables(other))

    def _put(self, put: Put, view: Array, values: Array, sources: Array, places: Array) -> None:
        self.version += 1
        tables = self.tables(view)
        try:
            put(view, values)
        except Exception:
            # What NumPy has written before it raised stays written.
            for table, entries in zip(tables, (sources, places), strict=True):
                with suppress(Exception):
                    put(table, entries)
            raise
        put(tables[0], sources)
        put(tables[1], places)

    def _number(self, node: Node) -> int:
        known = self._ids.get(node)
        if known is None:
            known = self._ids[node] = len(self.nodes)
            self.nodes.append(node)
        return known

    def _source(self, number: int) -> Node:
        node = self.nodes[number]
        assert node is not None
        return node

    def plain(self, view: Array) -> bool:
        """Whether all entries of a view are plain numbers."""
        return self.written and not np.any(self.tables(view)[0])

    def read(self, view: Array) -> Node:
        """The node of a view of a written memory."""
        node = self.node_of(view, *self.tables(view))
        whole = view.shape == self.array.shape and layout(view, self.array) == layout(
            self.array, self.array
        )
        if whole and node.value is None:
            # From here on all comes from this one node.
            assert self._sources is not None
            assert self._places is not None
            self.nodes, self._ids = [None, node], {node: 1}
            self._sources.fill(1)
            self._alike(self._places, view)[...] = _numbered(view.shape)
        return node

    def node_of(self, values: Array, sources: Array, places: Array) -> Node:
        """The node of entries with these values, sources and places."""
        first = int(sources.flat[0]) if sources.size else PLAIN
        if sources.size and np.any(sources == UNSET):
            raise UnsupportedError(
                f"an entry of an empty array is read at {user_line()} before it was written; write it first, "
                "or make the array with zeros"
            )
        here = current()
        if first == PLAIN and not np.any(sources):
            return here.kept(values)
        if sources.size == 1 or not np.any(sources != first):
            node = _of_one(self._source(first), places)
        else:
            node = self._of_several(values, sources, places)
        if node not in here.values:
            here.values[node] = np.array(values)
        return node

    def _of_several(self, values: Array, sources: Array, places: Array) -> Node:
        shape = sources.shape
        flat = sources.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.flatnonzero(np.diff(flat[order], prepend=flat[order[0]] - 1))
        operands, moves = [], []
        for where in np.split(order, starts[1:]):
            number = int(flat[where[0]])
            found = places.ravel()[where]
            if number == PLAIN:
                numbers = np.ravel(values)[where]
                rest = (
                    (numbers != 0) | np.signbit(numbers) if numbers.dtype.kind == "f" else numbers
                )
                where = where[rest != 0]  # zeros are what nothing is assembled into
                if not where.size:
                    continue
                operand = current().kept(np.ravel(values)[where])
                found = np.arange(where.size)
            else:
                operand = self._source(number)
            operands.append(operand)
            moves.append(_moved(operand.shape, found, shape, where))
        return apply(index_maps.assemble, operands, moves=tuple(moves), shape=shape)


def layout(view: Array, array: Array) -> tuple[int, tuple[int, ...]]:
    """Where a view begins in an array, and its strides, counted in entries."""
    start = _address(view) - _address(array)
    return start // array.itemsize, tuple(step // array.itemsize for step in view.strides)


def lying(table: Array, shape: tuple[int, ...], start: int, steps: tuple[int, ...]) -> Array:
    """A view of a table that begins and steps as given."""
    size = table.itemsize
    return np.lib.stride_tricks.as_strided(
        table[start:], shape, tuple(step * size for step in steps), writeable=True
    )


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(prod(shape), dtype=np.intp).reshape(shape)


def _of_one(source: Node, places: Array) -> Node:
    """Entries of one node: itself, itself in another shape, or any of its entries."""
    if places.size == prod(source.shape) and np.array_equal(places.ravel(), range(places.size)):
        if source.shape == places.shape:
            return source
        return apply(index_maps.reshape, [source], shape=places.shape)
    taken = np.unravel_index(places, source.shape) if source.shape else ()
    moves = arrangement(taken, places.shape) if source.shape else _everywhere(places.shape)
    return apply(index_maps.assemble, [source], moves=(moves,), shape=places.shape)


def _everywhere(shape: tuple[int, ...]) -> Arrangement:
    return Arrangement(shape, (), tuple(letter_slot(axis) for axis in range(len(shape))))


def _moved(
    source: tuple[int, ...], places: Array, shape: tuple[int, ...], where: Array
) -> Arrangement:
    """How entries ``places`` of a source come to the flat positions ``where`` of a result."""
    if where.size == 1:
        one = np.unravel_index(int(places[0]), source) if source else ()
        to = np.unravel_index(int(where[0]), shape)
        return Arrangement((), tuple(Slot(int(n)) for n in one), tuple(Slot(int(n)) for n in to))
    at = np.unravel_index(where, shape)
    lines = [np.unique(column) for column in at]
    if prod(line.size for line in lines) == where.size:  # a block: its axes stay apart
        sizes = tuple(line.size for line in lines)
        block = places[np.argsort(where)].reshape(sizes)
        taken = np.unravel_index(block, source) if source else ()
        found = arrangement(taken, sizes) if source else _everywhere(sizes)
        writes = tuple(_along(slot, line) for slot, line in zip(found.writes, lines, strict=True))
        return found._replace(writes=writes)
    taken = np.unravel_index(places, source) if source else ()
    return Arrangement(
        (where.size,),
        tuple(table_slot(0, column) for column in taken),
        tuple(table_slot(0, column) for column in at),
    )


def _along(slot: Slot, line: Array) -> Slot:
    """A slot over the positions of a block's axis, as one over the positions they stand for."""
    if not slot.parts:
        return Slot(int(line[slot.constant]))
    ((letter, stride),) = slot.parts
    if isinstance(stride, int):
        count = len(range(slot.constant, line.size, stride)) if stride > 0 else line.size
        column = slot.constant + stride * np.arange(count)
    else:
        column = slot.constant + stride.values
    return table_slot(letter, line[column])
