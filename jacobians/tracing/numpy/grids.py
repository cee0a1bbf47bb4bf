"""Padding, finite differences, grids and interpolation, as composites."""

from collections.abc import Callable
from numbers import Integral
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from jacobians.errors import UnsupportedError
from jacobians.operations import index_maps
from jacobians.tracing.handle import plainly
from jacobians.tracing.numpy.basics import call_astype, plain, reshape
from jacobians.tracing.numpy.joining import concatenate
from jacobians.tracing.numpy.shapes import along, entries
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array, mirrors, untyped
from jacobians.tracing.tables import Result
from jacobians.tracing.traced import Traced, record

# Padding: the array grows by one axis after the other, so that later axes own the corners.

_BY_POSITION = ("edge", "reflect", "symmetric", "wrap")
_BY_SUMMARY: dict[str, Callable[..., Any]] = {
    "maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median,
}  # fmt: skip


@mirrors(np.pad, result=Result.ARRAY)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """numpy.pad."""
    x = array if isinstance(array, Traced) else np.asarray(array)
    if callable(mode):
        raise UnsupportedError(
            f"numpy.pad(mode=a function) at {user_line()}: what a function writes into a plain array has no "
            "derivative; join np.concatenate([...]) from what stands before, within and behind"
        )
    # NumPy's own errors: only names of modes and of their options, and widths, can be wrong.
    untyped.pad(np.ones((1,) * x.ndim), _small(pad_width), mode, **_plain_options(kwargs))
    widths = _pairs(pad_width, x.ndim)
    if mode == "empty":
        shape = tuple(b + n + a for n, (b, a) in zip(x.shape, widths, strict=True))
        wide = Traced.allocated(np.empty(shape, x.dtype), unset=True)
        wide[tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, widths, strict=True))] = x
        return wide
    if mode == "constant":
        return _pad_constant(x, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _pad_axis(x, axis, before, after, mode, kwargs)
    return x


def _small(pad_width: Any) -> Any:
    if isinstance(pad_width, dict):
        return {
            axis: 1 if isinstance(width, Integral) else (1, 1) for axis, width in pad_width.items()
        }
    width = np.asarray(pad_width)
    return np.minimum(width, 1) if width.dtype.kind in "iu" else pad_width


def _plain_options(options: dict[str, Any]) -> dict[str, Any]:
    return {name: plainly(value) for name, value in options.items()}


def _pairs(given: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(given, dict):
        found = [(0, 0)] * ndim
        for axis, width in given.items():
            both = (width, width) if isinstance(width, Integral) else width
            found[normalize_axis_index(axis, ndim)] = (int(both[0]), int(both[1]))
        return found
    return [(int(b), int(a)) for b, a in np.broadcast_to(given, (ndim, 2))]


def _option(given: Any, axis: int, ndim: int, side: int) -> Any:
    """What an option such as ``constant_values`` says for one side of one axis."""
    if isinstance(given, Traced):
        return np.broadcast_to(given, (ndim, 2))[axis, side]
    if isinstance(given, tuple | list) and any(isinstance(leaf, Traced) for leaf in _leaves(given)):
        row = (
            given[axis if len(given) == ndim else 0]
            if isinstance(given[0], tuple | list)
            else given
        )
        return row[side] if len(row) == 2 else row[0]
    return np.broadcast_to(np.asarray(given), (ndim, 2))[axis, side]


def _leaves(given: Any) -> list[Any]:
    if isinstance(given, tuple | list):
        return [leaf for part in given for leaf in _leaves(part)]
    return [given]


def _pad_constant(x: Any, widths: list[tuple[int, int]], fill: Any) -> Any:
    if not isinstance(fill, Traced) and np.size(plainly(fill)) == 1 and not np.any(plainly(fill)):
        shape = tuple(b + n + a for n, (b, a) in zip(x.shape, widths, strict=True))
        return record(index_maps.place, [x], starts=tuple(b for b, _ in widths), shape=shape)
    for axis, width in enumerate(widths):
        parts = [x]
        for side in (0, 1):
            if width[side]:
                value = call_astype(_option(fill, axis, len(widths), side), x.dtype)
                shape = (*x.shape[:axis], width[side], *x.shape[axis + 1 :])
                parts.insert(len(parts) * side, np.broadcast_to(value, shape))
        x = concatenate(parts, axis)
    return x


def _pad_axis(
    x: Any, axis: int, before: int, after: int, mode: str, options: dict[str, Any]
) -> Any:
    size = x.shape[axis]
    if mode in _BY_POSITION:
        if size == 0:
            raise ValueError(
                f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
            )
        if options.get("reflect_type", "even") == "odd" and mode != "wrap" and size > 1:
            return _pad_odd(x, axis, before, after, mode)
        return entries(x, axis, untyped.pad(np.arange(size), (before, after), mode))
    parts = []
    for side, width in enumerate((before, after)):
        if mode == "linear_ramp":
            end = _option(options.get("end_values", 0), axis, x.ndim, side)
            edge = along(x, axis, slice(0, 1) if side == 0 else slice(size - 1, size))
            edge = np.squeeze(edge, axis)
            ramp = np.linspace(end, edge, width, endpoint=False, dtype=x.dtype, axis=axis)
            parts.append(np.flip(ramp, axis) if side else ramp)
        else:
            given = options.get("stat_length")
            length = size if given is None else min(int(_option(given, axis, x.ndim, side)), size)
            part = along(x, axis, slice(0, length) if side == 0 else slice(size - length, size))
            summary = _BY_SUMMARY[mode](part, axis=axis, keepdims=True)
            if x.dtype.kind in "iu":
                summary = call_astype(np.round(summary), x.dtype)
            parts.append(np.broadcast_to(summary, (*x.shape[:axis], width, *x.shape[axis + 1 :])))
    return concatenate([parts[0], x, parts[1]], axis)


def _pad_odd(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    # What is reflected is the difference to the edge: 2 · edge − x.
    size = x.shape[axis]
    period = size - 1 if mode == "reflect" else size
    if max(before, after) > period:  # over and over: what NumPy does to each of the entries
        lines = untyped.pad(
            np.eye(size, dtype=x.dtype), ((before, after), (0, 0)), mode, reflect_type="odd"
        )
        return np.moveaxis(np.tensordot(lines, x, (1, axis)), 0, axis)
    order = untyped.pad(np.arange(size), (before, after), mode)
    first, last = along(x, axis, slice(0, 1)), along(x, axis, slice(size - 1, size))
    left = 2 * first - entries(x, axis, order[:before])
    right = 2 * last - entries(x, axis, order[before + size :])
    return concatenate([left, x, right], axis)


# Finite differences


@mirrors(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """numpy.gradient: second-order differences within, one-sided ones at the edges."""
    f = array(f)
    if f.dtype.kind in "iub":
        f = call_astype(f, np.float64)
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    if any(f.shape[a] < edge_order + 1 for a in axes) or edge_order not in (1, 2):
        raise ValueError("Shape of array too small to calculate a numerical gradient")
    spacings = _spacings(f, varargs, axes)
    found = [
        call_astype(_gradient(f, a, h, edge_order), f.dtype)
        for a, h in zip(axes, spacings, strict=True)
    ]
    return found[0] if len(found) == 1 else tuple(found)


def _spacings(f: Any, given: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1 and np.ndim(given[0]) == 0:
        return [given[0]] * len(axes)
    if len(given) != len(axes):
        raise TypeError("invalid number of arguments")
    found = []
    for points, which in zip(given, axes, strict=True):
        if np.ndim(points) == 0:
            found.append(points)
            continue
        points = array(points)
        if points.ndim != 1 or points.shape[0] != f.shape[which]:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        if points.dtype.kind in "iu":
            points = call_astype(points, np.float64)
        steps = points[1:] - points[:-1]
        uniform = not isinstance(steps, Traced) and bool((steps == steps[0]).all())
        found.append(steps[0] if uniform else steps)
    return found


def _gradient(f: Any, axis: int, h: Any, edge_order: int) -> Any:
    uniform = np.ndim(h) == 0

    def part(*where: int | None) -> Any:
        return along(f, axis, slice(*where))

    if uniform:
        middle = (part(2, None) - part(None, -2)) / (2.0 * h)
        starts, ends = [h, h], [h, h]
    else:
        column = (-1, *(1,) * (f.ndim - axis - 1))
        left, right = reshape(h[:-1], column), reshape(h[1:], column)
        middle = (
            -right / (left * (left + right)) * part(None, -2)
            + (right - left) / (left * right) * part(1, -1)
            + left / (right * (left + right)) * part(2, None)
        )
        starts = [h[0], h[1] if edge_order == 2 else None]
        ends = [h[-1], h[-2] if edge_order == 2 else None]
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / starts[0]
        last = (part(-1, None) - part(-2, -1)) / ends[0]
    else:
        first = _one_sided(part(0, 1), part(1, 2), part(2, 3), *starts)
        last = -_one_sided(part(-1, None), part(-2, -1), part(-3, -2), *ends)
    return concatenate([first, middle, last], axis)


def _one_sided(f0: Any, f1: Any, f2: Any, near: Any, far: Any) -> Any:
    """The slope at ``f0`` of the parabola through three points."""
    return (
        -(2.0 * near + far) / (near * (near + far)) * f0
        + (near + far) / (near * far) * f1
        - near / (far * (near + far)) * f2
    )


# Grids


@mirrors(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,  # noqa: ARG001
) -> Any:
    """numpy.linspace."""
    count = index(num)
    if count < 0:
        raise ValueError(f"Number of samples, {count}, must be non-negative.")
    wanted = np.result_type(*(_type(v) for v in (start, stop)), float(count))
    start, stop = np.broadcast_arrays(
        call_astype(array(start), wanted), call_astype(array(stop), wanted)
    )
    division = count - 1 if endpoint else count
    steps = reshape(np.arange(count, dtype=wanted), (count, *(1,) * start.ndim))
    change = stop - start
    if division > 0:
        step: Any = change / division
        grid = steps * step + start
        if endpoint:
            grid = concatenate([grid[:-1], stop[None]])
    else:
        step = np.nan
        grid = steps * change + start
    if axis != 0:
        grid = np.moveaxis(grid, 0, axis)
    if dtype is not None:
        grid = call_astype(np.floor(grid) if np.dtype(dtype).kind in "iu" else grid, dtype)
    return (grid, step) if retstep else grid


def _type(value: Any) -> Any:
    return value.dtype if isinstance(value, Traced | np.ndarray | np.generic) else value


@mirrors(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """numpy.logspace."""
    if np.ndim(base) > 0:
        start, stop, base = np.broadcast_arrays(*map(array, (start, stop, base)))
        base = np.expand_dims(base, axis)
    powers = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else call_astype(powers, dtype)


@mirrors(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """numpy.geomspace: from start to stop by a constant ratio."""
    expected = untyped.geomspace(
        *plainly([start, stop]), num, endpoint, axis=axis
    )  # NumPy's own errors
    start, stop = np.broadcast_arrays(
        *(call_astype(array(v), expected.dtype) for v in (start, stop))
    )
    division = max(num - 1 if endpoint else num, 1)
    shares = reshape(np.arange(num) / division, (num, *(1,) * start.ndim)).astype(expected.dtype)
    grid = start * np.exp(np.log(stop / start) * shares)
    if endpoint and num > 1:
        grid = concatenate([start[None], grid[1:-1], stop[None]])
    grid = np.moveaxis(grid, 0, axis) if axis else grid
    return grid if dtype is None else call_astype(grid, dtype)


# Interpolation


@mirrors(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """numpy.interp: piecewise linear; at a point of the grid the slope to its right."""
    x, xp, fp = array(x), array(xp), array(fp)
    untyped.interp(*plainly([x, xp, fp]), period=plainly(period))  # NumPy's own errors
    x, xp, fp = (call_astype(a, np.float64) for a in (x, xp, fp))
    if period is not None:
        period = np.abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    at, grid = plain(x), plain(xp)
    low = fp[0] if left is None else left
    high = fp[-1] if right is None else right
    if grid.size == 1:
        inside = np.broadcast_to(fp[0], x.shape)
    else:
        n = np.clip(np.searchsorted(grid, at, "right") - 1, 0, grid.size - 2)
        inside = fp[n] + (fp[n + 1] - fp[n]) / (xp[n + 1] - xp[n]) * (x - xp[n])
    return np.where(at < grid[0], low, np.where(at > grid[-1], high, inside))
