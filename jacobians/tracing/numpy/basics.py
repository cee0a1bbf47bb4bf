"""Ufuncs, indexing, reshaping: what every function uses."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from numbers import Integral
from operator import index
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.graph.how import ByCast
from jacobians.graph.looks import head_of
from jacobians.graph.node import NUMPY, Operation
from jacobians.notation.slots import Table
from jacobians.operations import index_maps, products
from jacobians.operations.arrangement import arrangement, coordinates
from jacobians.operations.declare import elementwise
from jacobians.tracing.handle import concrete_index, plainly
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import mirrors
from jacobians.tracing.tables import SUPPORTED, Result, TableEntry, implements, quickly
from jacobians.tracing.traced import (
    ASTYPE,
    CONJ,
    FLATTEN,
    GETITEM,
    VIEW,
    Traced,
    headed,
    moved,
    record,
    recorded,
)

cast = elementwise("cast", lambda X: X, X="1", how=lambda _: ByCast())  # changes the dtype only


def plain(value: Any) -> Any:
    """The value of a traced array, anything else as it is; taking it leaves a guard."""
    if isinstance(value, Traced):
        return value.steer("a value that steers the computation")
    return value


def ufunc(operation: Operation, function: Any) -> Callable[..., Any]:
    """An elementwise operation with the keywords of NumPy's ufuncs."""

    def run(*inputs: Any, **kwargs: Any) -> Any:
        if kwargs:
            inputs = _in_loop(function, inputs, **kwargs)
        return record(operation, inputs)

    return run


def in_loop(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give an implementation of a ufunc the keywords of ufuncs."""

    def decorate(implementation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*inputs: Any, **kwargs: Any) -> Any:
            return implementation(*(_in_loop(function, inputs, **kwargs) if kwargs else inputs))

        return run

    return decorate


def _in_loop(function: Any, inputs: Any, **kwargs: Any) -> Any:
    """The inputs in the types of the loop that ``dtype``, ``signature`` and ``casting`` choose."""
    # NumPy's own errors, on arrays without entries.
    empty = [
        x if type(x) in (int, float, bool) else np.empty(0, np.asarray(plainly(x)).dtype)
        for x in inputs
    ]
    function(*empty, **kwargs)
    chosen = kwargs.get("signature", kwargs.get("sig"))
    if chosen is None:
        chosen = (*(None,) * function.nin, *(kwargs.get("dtype"),) * function.nout)
    given = [type(x) if type(x) in (int, float) else np.asarray(x).dtype for x in empty]
    loop = function.resolve_dtypes(
        (*given, *(None,) * function.nout),
        signature=chosen,
        casting=kwargs.get("casting", "same_kind"),
    )
    return tuple(call_astype(x, dtype) for x, dtype in zip(inputs, loop, strict=False))


def call_astype(x: Any, dtype: Any) -> Any:
    """The array with another dtype; integers and booleans cut it off, as they are constant."""
    if not isinstance(x, Traced):
        return np.asarray(x, dtype)
    wanted = np.dtype(dtype)
    if wanted == x.dtype:
        return x
    if wanted.kind in "iub":
        return record(truncate[wanted.str], [x])
    if wanted.kind != "f":
        raise UnsupportedError(f"astype({wanted}) at {user_line()}: a Jacobian here is real")
    return record(casts[wanted.str], [x])


@implements(ASTYPE, result=Result.NUMPYS)
def _astype(x: Any, dtype: Any, order: str = "K", casting: str = "unsafe", *_: Any) -> Any:
    if casting != "unsafe":
        np.empty(0, x.dtype).astype(dtype, order, casting)  # type: ignore[call-overload] # NumPy's error
    return call_astype(x, dtype)


class _Casts(dict[str, Operation]):
    def __init__(self, derivative: str | None) -> None:
        super().__init__()
        self.derivative = derivative

    def __missing__(self, name: str) -> Operation:
        made = elementwise(
            f"astype_{name[1:]}", lambda X: np.asarray(X).astype(name), X=self.derivative,
            dtype=lambda _: np.dtype(name), notation="{0}", how=lambda _: ByCast(),
        )  # fmt: skip
        self[name] = made
        return made


casts, truncate = _Casts("1"), _Casts(None)


def register() -> None:
    """Enter every operation that was declared with a NumPy ufunc."""
    for function, operation in NUMPY.items():
        if isinstance(function, np.ufunc):
            quick = partial(recorded, operation)
            SUPPORTED.setdefault(function, TableEntry(ufunc(operation, function), quick=quick))


@mirrors(np.reshape, result=Result.NUMPYS)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:  # noqa: ARG001
    """numpy.reshape."""
    if shape is None:
        raise TypeError("reshape() missing 1 required positional argument: 'shape'")
    try:
        wanted: tuple[int, ...] = (index(shape),)
    except TypeError:
        wanted = tuple(index(n) for n in shape)
    if order in ("A", "K"):
        order = memory_order(a, "reshape")
    if order == "F":
        turned = reshape(transpose(a), wanted[::-1])
        return transpose(turned)
    # NumPy's own errors, and -1 resolved.
    final = np.empty(a.shape, np.bool_).reshape(wanted, order=order).shape  # type: ignore[call-overload]
    return a if final == a.shape else record(index_maps.reshape, [a], shape=final)


@quickly(np.reshape)
def _reshape(args: Sequence[Any]) -> Any:
    x, *given = args
    sizes = given[0] if len(given) == 1 and type(given[0]) is tuple else tuple(given)
    if len(given) != 1 or not isinstance(x, Traced) or x.number:
        return NotImplemented
    if not all(type(size) is int for size in sizes) or not x.value.flags.c_contiguous:
        return NotImplemented
    real = x.value.reshape(sizes)
    same = real.shape == x.shape
    return moved(x, [] if same else [headed(index_maps.reshape, "shape", real.shape)], real)


def memory_order(a: Any, name: str) -> str:
    """What order "A" or "K" means, by how the entries lie: as they would in NumPy."""
    flags = np.asarray(getattr(a, "value", a)).flags
    if flags.c_contiguous:
        return "C"
    if flags.f_contiguous:
        return "F"
    raise UnsupportedError(
        f"numpy.{name} at {user_line()} by the order in memory of an array that lies in neither; "
        "write order='C' or order='F'"
    )


@implements(FLATTEN)
def _flatten(x: Any, order: str = "C") -> Any:
    return reshape(x, (x.size,), memory_order(x, "flatten") if order in ("A", "K") else order)


@mirrors(np.transpose, result=Result.NUMPYS)
def transpose(a: Any, axes: Any = None) -> Any:
    """numpy.transpose."""
    # The axes of an array that takes no memory are told apart by their sizes.
    labelled = np.broadcast_to(False, range(1, a.ndim + 1))
    order = tuple(size - 1 for size in np.transpose(labelled, axes).shape)
    if order == tuple(range(a.ndim)):
        return a
    if order == (1, 0):
        return record(products.transpose, [a])
    return record(index_maps.permute, [a], axes=order)


@quickly(np.transpose)
def _transpose(args: Sequence[Any]) -> Any:
    x = args[0]
    if len(args) > 1 or not isinstance(x, Traced) or x.number or x.ndim != 2:
        return NotImplemented
    return moved(x, [products.transpose], x.value.T)


@implements(CONJ, VIEW, result=Result.NUMPYS)
def _same(x: Any) -> Any:
    return x


def _entries(x: Traced, where: Any) -> Result:
    """A number where every axis has its integer, else a view where NumPy's is one."""
    items = where if type(where) is tuple else (where,)
    alone = len(items) == len(x.shape) and all(type(item) is int for item in items)
    return Result.NEW if alone else Result.NUMPYS


@implements(GETITEM, result=_entries)
def getitem(x: Traced, where: Any) -> Any:
    """``x[where]``: basic indices stay affine, of the others what is affine is found again."""
    if type(where) is int:
        return _selected(x, (where,))
    items = concrete_index(where if isinstance(where, tuple) else (where,))
    items = tuple(_item(item) for item in items)
    if all(_is_basic(item) for item in items):
        return _basic(x, items)
    axis = len(items) - 1
    entry = np.asarray(items[axis])
    whole = all(isinstance(item, slice) and item == slice(None) for item in items[:axis])
    if whole and axis < x.ndim and entry.ndim == 1 and entry.dtype.kind in "iu":
        return take_along(x, entry, axis)
    return arranged(x, lambda c: c[items])


@quickly(GETITEM)
def _read(args: Sequence[Any]) -> Any:
    """Entries and slices of an array by integers."""
    x, where = args
    items: list[Any] = []
    for item in where if type(where) is tuple else (where,):
        if type(item) is int:
            items.append(item)
            continue
        if type(item) is not slice:
            return NotImplemented
        start, stop, step = item.start, item.stop, item.step
        if not (_is_bound(start) and _is_bound(stop) and _is_bound(step)):
            return NotImplemented
        items.append((start, stop, step))
    value = x.value
    return moved(x, _selection(value.shape, tuple(items)), value[where])


def _is_bound(value: Any) -> bool:
    return value is None or type(value) is int


def _item(item: Any) -> Any:
    return (
        int(item)
        if isinstance(item, np.ndarray) and not item.ndim and item.dtype.kind in "iu"
        else item
    )


def _is_basic(item: Any) -> bool:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return True
    return isinstance(item, Integral) and not isinstance(item, bool)


def take_along(x: Any, entry: Any, axis: int) -> Any:
    """Entries of one axis by a list of integers."""
    size = x.shape[axis]
    if entry.size and (entry.min() < -size or entry.max() >= size):
        np.broadcast_to(False, x.shape)[(*(slice(None),) * axis, entry)]  # NumPy's own error
    flat = np.where(entry < 0, entry + size, entry)
    return record(index_maps.take, [x], index=Table(flat), along=axis)


def arranged(x: Any, function: Callable[[Any], Any]) -> Any:
    """What a NumPy function that only moves entries makes of an array.

    The function is called on the array's coordinates, one array of integers for each axis.
    """
    given = [*coordinates(x.shape), np.broadcast_to(False, x.shape)]  # the last for 0-d arrays
    *taken, last = (np.asarray(function(c)) for c in given)
    return record(index_maps.pick, [x], moves=arrangement(taken, last.shape), shape=last.shape)


@lru_cache(maxsize=4096)
def _selection(shape: tuple[int, ...], items: tuple[Any, ...]) -> tuple[Any, ...]:
    """What basic indices do: take entries, unless all, and give another shape, if it is one.

    A slice is given as the tuple of its three numbers.
    """
    index = tuple(slice(*item) if type(item) is tuple else item for item in items)
    final = np.empty(shape, np.bool_)[index].shape  # NumPy's own errors, and the final shape
    count = sum(item is not None and item is not Ellipsis for item in index)
    full: list[Any] = []
    for item in index:
        if item is Ellipsis:
            full += [slice(None)] * (len(shape) - count)
        elif item is not None:
            full.append(item)
    full += [slice(None)] * (len(shape) - len(full))
    starts, steps, sizes, axes = [], [], [], []
    for axis, (item, size) in enumerate(zip(full, shape, strict=True)):
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            count = len(range(start, stop, step))
            if not count:
                start, step = 0, 1  # the start may lie before the first entry
            sizes.append(count)
        else:
            start, step = item % size, 1
            sizes.append(1)
            axes.append(axis)
        starts.append(start)
        steps.append(step)
    read, dropped = tuple(sizes), tuple(axes)
    kept = tuple([size for axis, size in enumerate(read) if axis not in axes])
    shaped = () if final == kept else (headed(index_maps.reshape, "shape", final),)
    if read == shape and not axes and not any(starts) and all(s == 1 for s in steps):
        return shaped
    named = index_maps.selection(tuple(starts), tuple(steps), read, dropped)
    return head_of(index_maps.slices, named), *shaped


def _bounds(item: slice) -> tuple[int | None, ...]:
    bounds = item.start, item.stop, item.step
    try:
        return tuple([None if bound is None else index(bound) for bound in bounds])
    except TypeError:
        np.empty(0)[item]  # NumPy's own error
        raise


def _basic(x: Traced, items: tuple[Any, ...]) -> Any:
    plain = tuple(
        [
            _bounds(item)
            if type(item) is slice
            else item
            if item is None or item is Ellipsis
            else int(item)
            for item in items
        ]
    )
    return _selected(x, plain)


def _selected(x: Traced, items: tuple[Any, ...]) -> Any:
    for head in _selection(x.shape, items):
        x = recorded(head, [x])
    return x


def axes_tuple(axis: Any, ndim: int) -> tuple[int, ...]:
    """An ``axis=`` argument in all its forms as a sorted tuple."""
    if axis is None or (ndim == 0 and axis in (0, -1)):  # NumPy reduces a number along axis 0
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, Integral) else tuple(axis)
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(given, ndim)))


def sum_over(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes."""
    axes = axes_tuple(axis, a.ndim)
    result = record(products.total_sum, [a]) if len(axes) == a.ndim else a
    if axes and len(axes) < a.ndim:
        result = record(index_maps.add_up, [a], axes=axes)
    return expand(result, axes) if keepdims else result


def expand(x: Any, axes: tuple[int, ...]) -> Any:
    """Put back axes of size 1 that a reduction removed."""
    shape = list(x.shape)
    for axis in axes:
        shape.insert(axis, 1)
    return reshape(x, tuple(shape))


register()
