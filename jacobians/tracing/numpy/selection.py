"""NumPy's functions that select entries, and those that answer about values, shapes and dtypes.

Which entries are taken may depend on values: these are then concrete, and leave a guard.
"""

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from jacobians.errors import UnsupportedError
from jacobians.tracing.handle import concrete_index, plainly
from jacobians.tracing.numpy.basics import arranged, call_astype, plain, reshape, take_along
from jacobians.tracing.numpy.joining import concatenate, stack
from jacobians.tracing.numpy.shapes import along, ravel
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array, concrete, constant, mirrors, untyped
from jacobians.tracing.tables import Result, unsupported
from jacobians.tracing.traced import Traced

# By positions


@mirrors(np.take)
def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    """numpy.take."""
    a, indices = array(a), np.asarray(concrete_index(indices))
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalize_axis_index(index(axis), a.ndim)
    size = a.shape[axis]
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode {mode!r} is unknown")
    indices = indices.astype(np.intp, casting="same_kind")
    if mode == "wrap" and size:
        indices = indices % size
    elif mode == "clip" and size:
        indices = np.clip(indices, 0, size - 1)
    elif indices.size and (indices.min() < -size or indices.max() >= size):
        raise IndexError("index out of bounds")
    if not isinstance(a, Traced):
        return np.take(a, indices, axis)
    return take_along(a, indices, axis) if indices.ndim == 1 else along(a, axis, indices)


@mirrors(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """numpy.take_along_axis."""
    arr, where = array(arr), concrete_index(indices)
    if axis is None:
        arr, axis = ravel(arr), 0
    return arranged(arr, lambda c: np.take_along_axis(c, where, axis))


@mirrors(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    """numpy.compress."""
    kept = np.asarray(plain(condition))
    a = np.ravel(a) if np.ndim(a) == 0 and axis in (0, -1) else a
    if kept.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(kept), axis)


@mirrors(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """numpy.extract."""
    return take(ravel(arr), np.flatnonzero(plain(condition)), 0)


@mirrors(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """numpy.choose: one entry from each place of the stacked choices."""
    which = np.asarray(plain(a))
    parts = [array(c) for c in choices]
    shape = np.broadcast_shapes(which.shape, *(p.shape for p in parts))
    number = untyped.choose(which, [np.full(which.shape, n) for n in range(len(parts))], mode=mode)
    together = stack([np.broadcast_to(p, shape) for p in parts])
    return arranged(
        together, lambda c: c[(np.broadcast_to(number, shape), *np.indices(shape, sparse=True))]
    )


@mirrors(np.select, result=Result.ARRAY)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """numpy.select: nested numpy.where."""
    expected = np.select(
        plainly(condlist), plainly(choicelist), plainly(default)
    )  # NumPy's own errors
    result: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return call_astype(np.broadcast_to(result, expected.shape), expected.dtype)


@mirrors(np.piecewise, result=Result.ARRAY)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """numpy.piecewise: each function sees the entries where its condition holds."""
    x, conditions = array(x), plain(condlist)
    if isinstance(conditions, list | tuple):
        conditions = [plain(c) for c in conditions]
    tags = [float(n + 1) for n in range(len(funclist))]
    owner = np.piecewise(np.zeros(x.shape), conditions, tags).astype(np.intp).ravel() - 1
    flat = ravel(x)
    values: list[Any] = []
    places: list[Any] = []
    for number, function in enumerate(funclist):
        where = np.flatnonzero(owner == number)
        if where.size:
            found = function(take(flat, where, 0), *args, **kw) if callable(function) else function
            values.append(call_astype(np.broadcast_to(found, where.shape), x.dtype))
            places.append(where)
    rest = np.flatnonzero(owner < 0)
    values.append(np.zeros(rest.shape, x.dtype))
    order = np.argsort(np.concatenate([*places, rest]))
    return reshape(take(concatenate(values), order, 0), x.shape)


@mirrors(np.trim_zeros, result=Result.NUMPYS)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """numpy.trim_zeros: which entries are 0 is concrete."""
    if not filt.ndim:
        return filt
    values = np.asarray(plain(filt))
    sides = trim.lower()
    untyped.trim_zeros(values, trim, axis)  # NumPy's own errors
    axes = range(values.ndim) if axis is None else [a % values.ndim for a in np.atleast_1d(axis)]
    cut = [slice(None)] * values.ndim
    for a, where in enumerate(np.nonzero(values)):
        if a in axes and where.size:
            first = int(where.min()) if "f" in sides else 0
            cut[a] = slice(first, int(where.max()) + 1 if "b" in sides else values.shape[a])
        elif a in axes:
            cut[a] = slice(0, 0)
    return filt[tuple(cut)]


@mirrors(np.ix_)
def ix_(*args: Any) -> Any:
    """numpy.ix_: the positions are concrete."""
    return np.ix_(*(plain(a) for a in args))


# By order: the permutation is concrete, the values go through it


def _stable(a: Any, axis: int) -> Any:
    return np.argsort(plain(a), axis=axis, kind="stable")


@mirrors(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """numpy.sort: equal entries keep their order."""
    np.sort(np.zeros((1,) * np.ndim(a)), axis, kind, order, stable=stable)  # NumPy's own errors
    if axis is None:
        a, axis = ravel(a), 0
    return take_along_axis(a, _stable(a, axis), axis)


@mirrors(np.sort_complex)
def sort_complex(a: Any) -> Any:  # noqa: ARG001
    """numpy.sort_complex: the result is complex."""
    raise UnsupportedError(
        f"numpy.sort_complex at {user_line()}: a Jacobian here is real; use np.sort"
    )


@mirrors(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """numpy.partition, in the order that NumPy itself leaves the entries in."""
    if axis is None:
        a, axis = ravel(a), 0
    after = untyped.partition(plain(a), plain(kth), axis, kind, order)
    rank = np.argsort(_stable(after, axis), axis=axis)
    return take_along_axis(a, np.take_along_axis(_stable(a, axis), rank, axis), axis)


concrete(
    np.argsort, np.argpartition, np.searchsorted, np.lexsort, np.digitize, np.nonzero,
    np.flatnonzero, np.argwhere, np.count_nonzero, np.argmax, np.argmin, np.nanargmax, np.nanargmin,
    np.isin, np.unravel_index, np.ravel_multi_index,
    np.array_equal, np.array_equiv, np.allclose, np.isclose, np.packbits, np.unpackbits,
)  # fmt: skip


# Sets: the first of equal entries stands for them


@mirrors(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """numpy.unique."""
    _, first, inverse, counts = np.unique(
        plain(ar), True, True, True, axis, equal_nan=equal_nan, sorted=sorted
    )
    found = [take(ar, first, axis)]
    wanted = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    found += [answer for asked, answer in wanted if asked]
    return found[0] if len(found) == 1 else tuple(found)


@mirrors(np.unique_values)
def unique_values(x: Any, /) -> Any:
    """numpy.unique_values."""
    values = np.unique_values(plain(x))  # in NumPy's own order
    flat = np.ravel(plain(x))
    return (
        take(x, [int(np.flatnonzero(_same(flat, v))[0]) for v in values], None)
        if values.size
        else take(x, np.arange(0), None)
    )


def _same(values: Any, wanted: Any) -> Any:
    return np.isnan(values) if np.isnan(wanted) else values == wanted


def _unique_with(function: Any, answers: tuple[str, ...]) -> None:
    @mirrors(function)
    def run(x: Any, /) -> Any:
        asked = {f"return_{name}": True for name in answers}
        found = unique(x, equal_nan=False, **asked)
        return type(function(np.zeros(1)))(*found)


_unique_with(np.unique_counts, ("counts",))
_unique_with(np.unique_inverse, ("inverse",))
_unique_with(np.unique_all, ("index", "inverse", "counts"))


@mirrors(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """numpy.union1d."""
    return unique(concatenate([ar1, ar2], None))


@mirrors(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """numpy.intersect1d: the entries of the first array."""
    _, first, second = np.intersect1d(plain(ar1), plain(ar2), assume_unique, return_indices=True)
    found = take(ar1, first)
    return (found, first, second) if return_indices else found


@mirrors(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """numpy.setdiff1d."""
    left = ravel(array(ar1)) if assume_unique else unique(array(ar1))
    return take(left, np.flatnonzero(np.isin(plain(left), plain(ar2), invert=True)))


@mirrors(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """numpy.setxor1d."""
    one, other = (ravel(array(a)) if assume_unique else unique(array(a)) for a in (ar1, ar2))
    both = concatenate([one, other])
    wanted = np.setxor1d(plain(one), plain(other), True)
    values = plain(both)
    return take(both, [int(np.flatnonzero(values == w)[0]) for w in wanted] or np.arange(0))


# Over axes


@mirrors(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """numpy.apply_along_axis: the function is called on every slice, the results are stacked."""
    axis = normalize_axis_index(index(axis), array(arr).ndim)
    rows = np.moveaxis(array(arr), axis, -1)
    lead = rows.shape[:-1]
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    found = stack([array(func1d(rows[place], *args, **kwargs)) for place in np.ndindex(lead)])
    inner = found.shape[1:]
    together = reshape(found, (*lead, *inner))
    order = [*range(axis), *range(len(lead), together.ndim), *range(axis, len(lead))]
    return np.transpose(together, order)


@mirrors(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """numpy.apply_over_axes."""
    result = array(a)
    ndim = result.ndim
    for axis in np.atleast_1d(axes):
        found = func(result, int(axis) + ndim if axis < 0 else int(axis))
        result = np.expand_dims(found, int(axis)) if found.ndim != ndim else found
        if result.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
    return result


# What depends on shapes and dtypes only


constant(
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type, np.common_type,
    np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal,
    np.tril_indices_from, np.triu_indices_from, np.diag_indices_from,
)  # fmt: skip
concrete(np.array_repr, np.array_str, np.array2string)
constant(np.may_share_memory, np.shares_memory)  # the values share memory as NumPy's would


unsupported(
    "it writes a file; save the result of the function instead",
    np.save, np.savez, np.savez_compressed, np.savetxt,
)  # fmt: skip
