"""Ufuncs, indexing, reshaping: what every function uses."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.graph.node import NUMPY, Operation
from jacobians.notation.slots import Table
from jacobians.operations import index_maps, linalg, products
from jacobians.operations.declare import elementwise
from jacobians.tracing.session import guard, user_line
from jacobians.tracing.tables import SUPPORTED, implements
from jacobians.tracing.traced import ASTYPE, GETITEM, Traced, record

cast = elementwise("cast", lambda X: X, X="1")  # changes the dtype only


def plain(value: Any) -> Any:
    """The value of a traced array, anything else as it is; taking it leaves a guard."""
    if isinstance(value, Traced):
        guard("a value that steers the computation")
        return value.value
    return value


def _ufunc(operation: Operation, ufunc: Any) -> Callable[..., Any]:
    def run(*inputs: Any, **kwargs: Any) -> Any:
        for name, value in kwargs.items():
            if name == "where" and value is not True:
                raise UnsupportedError(
                    f"numpy.{ufunc.__name__}(where=...) at {user_line()}: write np.where(mask, a, b)"
                )
            if name == "dtype" and value is not None:
                inputs = tuple(call_astype(x, value) for x in inputs)
        return record(operation, inputs)

    return run


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


class _Casts(dict[str, Operation]):
    def __init__(self, derivative: str | None) -> None:
        super().__init__()
        self.derivative = derivative

    def __missing__(self, name: str) -> Operation:
        made = elementwise(
            f"astype_{name[1:]}", lambda X: X.astype(name), X=self.derivative,
            dtype=lambda _: np.dtype(name), notation="{0}",
        )  # fmt: skip
        self[name] = made
        return made


casts, truncate = _Casts("1"), _Casts(None)
SUPPORTED[ASTYPE] = call_astype


def register() -> None:
    """Enter every operation that was declared with a NumPy ufunc."""
    for function, operation in NUMPY.items():
        if isinstance(function, np.ufunc):
            SUPPORTED.setdefault(function, _ufunc(operation, function))


@implements(np.matmul)
def _matmul(a: Any, b: Any, **_: Any) -> Any:
    return record(products.matmul, [a, b])


@implements(np.linalg.det)
def _det(a: Any) -> Any:
    return record(linalg.det, [a])


@implements(np.linalg.inv)
def _inv(a: Any) -> Any:
    return record(linalg.inv, [a])


@implements(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    return record(linalg.solve, [a, b])


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:  # noqa: ARG001
    """numpy.reshape."""
    wanted = (int(shape),) if isinstance(shape, Integral) else tuple(int(n) for n in shape)
    if order == "F":
        turned = reshape(transpose(a), wanted[::-1])
        return transpose(turned)
    if order not in "CA":
        raise UnsupportedError(f"reshape(order={order!r}) at {user_line()}: use 'C' or 'F'")
    final = np.empty(a.shape, np.bool_).reshape(wanted).shape  # NumPy's own errors, and -1 resolved
    return a if final == a.shape else record(index_maps.reshape, [a], shape=final)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """numpy.transpose."""
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(int(n) % a.ndim for n in axes)
    if axes is not None:
        np.empty((1,) * a.ndim).transpose(axes)  # NumPy's own errors
    if order == tuple(range(a.ndim)):
        return a
    if order == (1, 0):
        return record(products.transpose, [a])
    return record(index_maps.permute, [a], axes=order)


@implements(GETITEM)
def getitem(x: Traced, index: Any) -> Any:
    """``x[index]``: basic indices stay affine, all others become tables."""
    items = index if isinstance(index, tuple) else (index,)
    items = tuple(plain(item) for item in items)
    if all(item is None or item is Ellipsis or isinstance(item, slice | Integral) and not isinstance(item, bool)
           for item in items):
        return _basic(x, items)
    real = [n for n, item in enumerate(items) if item is not Ellipsis and item is not None]
    arrays = [n for n in real if not isinstance(items[n], slice)]
    if len(arrays) == 1 and Ellipsis not in [i for i in items if i is Ellipsis] and None not in [
        i for i in items if i is None
    ]:
        (axis,) = arrays
        entry = np.asarray(items[axis])
        if entry.dtype.kind in "iu" and all(items[n] == slice(None) for n in real if n != axis):
            return take_along(x, entry, axis)
    flat = np.asarray(index_maps.flat_positions(x.shape, items if isinstance(index, tuple) else items[0]))
    return record(index_maps.pick, [x], index=Table(flat.ravel()), shape=flat.shape)


def take_along(x: Any, entry: Any, axis: int) -> Any:
    """Entries of one axis by an integer array."""
    size = x.shape[axis]
    if entry.size and (entry.min() < -size or entry.max() >= size):
        raise IndexError(f"index out of bounds for axis {axis} with size {size}")
    flat = np.where(entry < 0, entry + size, entry).ravel()
    return record(index_maps.take, [x], index=Table(flat), shape=entry.shape, along=axis)


def _basic(x: Traced, items: tuple[Any, ...]) -> Any:
    probe = np.empty(x.shape, np.bool_)[items]  # NumPy's own errors, and the final shape
    count = sum(item is not None and item is not Ellipsis for item in items)
    full: list[Any] = []
    for item in items:
        if item is Ellipsis:
            full += [slice(None)] * (x.ndim - count)
        elif item is not None:
            full.append(item)
    full += [slice(None)] * (x.ndim - len(full))
    starts, steps, sizes = [], [], []
    for item, size in zip(full, x.shape, strict=True):
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            sizes.append(len(range(start, stop, step)))
        else:
            start, step = int(item) % size, 1
            sizes.append(1)
        starts.append(start)
        steps.append(step)
    result: Any = x
    if tuple(sizes) != x.shape or any(starts) or any(s != 1 for s in steps):
        result = record(
            index_maps.slices, [x], starts=tuple(starts), steps=tuple(steps), shape=tuple(sizes)
        )
    return result if probe.shape == result.shape else record(index_maps.reshape, [result], shape=probe.shape)


def axes_tuple(axis: Any, ndim: int) -> tuple[int, ...]:
    """An ``axis=`` argument in all its forms as a sorted tuple."""
    if axis is None:
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, Integral) else tuple(axis)
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(given, ndim)))


@implements(np.sum)
def sum_over(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, **kwargs: Any) -> Any:
    """numpy.sum."""
    reject(kwargs, "sum")
    if dtype is not None:
        a = call_astype(a, dtype)
    axes = axes_tuple(axis, a.ndim)
    result = record(products.total_sum, [a]) if len(axes) == a.ndim else a
    if axes and len(axes) < a.ndim:
        result = record(index_maps.add_up, [a], axes=axes)
    return expand(result, axes) if keepdims is True else result


def expand(x: Any, axes: tuple[int, ...]) -> Any:
    """Put back axes of size 1 that a reduction removed."""
    shape = list(x.shape)
    for axis in axes:
        shape.insert(axis, 1)
    return reshape(x, tuple(shape))


def reject(kwargs: dict[str, Any], name: str) -> None:
    """Refuse keyword arguments that have no meaning here, where they were given."""
    for key, value in kwargs.items():
        if value is not np._NoValue and not (key == "where" and value is True) and value is not None:
            raise UnsupportedError(f"numpy.{name}({key}=...) at {user_line()} is not supported while tracing")


register()
