"""Functions of numbers: what NumPy's elementwise functions mean on traced arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import functions, piecewise
from jacobians.tracing.core import call_astype, getitem, plain, register, reshape
from jacobians.tracing.session import user_line
from jacobians.tracing.tables import SUPPORTED, call, implements, unsupported
from jacobians.tracing.traced import Traced, record, reduced

register()


def concrete(value: Any) -> Any:
    """The value with every traced array in it made plain, lists and tuples included."""
    if isinstance(value, list | tuple):
        return type(value)(concrete(part) for part in value)
    return plain(value)


def concretely(*names: str) -> None:
    """Enter functions whose results are whole numbers or truths, taken for these values only."""
    for name in names:
        function = getattr(np, name, None)  # some are younger than the oldest NumPy that is supported
        if function is not None:
            SUPPORTED.setdefault(function, _concretely(function))


def _concretely(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        given = {name: concrete(value) for name, value in kwargs.items()}
        return function(*concrete(args), **given)

    return run


concretely(
    "isclose", "allclose", "array_equal", "array_equiv", "iscomplex", "isreal", "searchsorted",
    "digitize", "isin",
)  # fmt: skip


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """numpy.where: with one argument the places, for these values only."""
    if x is None and y is None:
        return np.where(plain(condition))
    return record(piecewise.where, [condition, x, y])


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None, **how: Any) -> Any:
    """numpy.clip."""
    lo, hi = a_min if min is None else min, a_max if max is None else max
    if isinstance(how.get("dtype"), str | type | np.dtype):
        a = call_astype(a, how["dtype"])
    if (lo is None or hi is None) and np.result_type(dtype_of(a)).kind != "f":
        a = a if lo is None else call(np.maximum, (a, lo), {})
        return +a if hi is None else call(np.minimum, (a, hi), {})
    lo, hi = -np.inf if lo is None else lo, np.inf if hi is None else hi
    return record(piecewise.clip, [a, lo, hi])


def dtype_of(x: Any) -> np.dtype[Any]:
    """The dtype of a traced or plain array, or of a number."""
    return x.dtype if isinstance(x, Traced | np.ndarray | np.generic) else np.asarray(x).dtype


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """numpy.sinc."""
    return record(functions.sinc(), [x])


@implements(np.i0)
def i0(x: Any) -> Any:
    """numpy.i0."""
    return record(functions.bessel(), [x])


@implements(np.round, np.around)
def rounded(a: Any, decimals: int = 0) -> Any:
    """numpy.round: locally constant."""
    return record(piecewise.rounded, [a], decimals=int(decimals))


@implements(np.fix)
def fix(x: Any) -> Any:
    """numpy.fix."""
    return call(np.trunc, (x,), {})


@implements(np.real, np.real_if_close)
def real(val: Any, tol: float = 100) -> Any:  # noqa: ARG001
    """numpy.real of a real array: itself."""
    return val


@implements(np.imag)
def imag(val: Any) -> Any:
    """numpy.imag of a real array: zeros."""
    return record(piecewise.imaginary, [val])


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """numpy.angle of a real array: 0 or π, locally constant."""
    return record(piecewise.angle, [z], deg=bool(deg))


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None  # noqa: ARG001
) -> Any:
    """numpy.nan_to_num: what is replaced has derivative 0."""
    if x.dtype.kind != "f":
        return +x
    limits = np.finfo(x.dtype)
    top = float(limits.max) if posinf is None else posinf
    bottom = float(limits.min) if neginf is None else neginf
    x = where(x == np.inf, top, where(x == -np.inf, bottom, x))
    return where(x != x, nan, x)


@implements(np.isposinf)
def isposinf(x: Any) -> Any:
    """numpy.isposinf."""
    return x == np.inf


@implements(np.isneginf)
def isneginf(x: Any) -> Any:
    """numpy.isneginf."""
    return x == -np.inf


@implements(np.divmod)
def divmod_(x1: Any, x2: Any) -> tuple[Any, Any]:
    """numpy.divmod."""
    return call(np.floor_divide, (x1, x2), {}), call(np.remainder, (x1, x2), {})


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """numpy.modf: the fraction has derivative 1."""
    return record(piecewise.fraction, [x]), call(np.trunc, (x,), {})


@implements(np.frexp)
def frexp(x: Any) -> tuple[Any, Any]:
    """numpy.frexp: the exponents are plain integers, for these values only."""
    exponent = np.frexp(plain(x))[1]
    return record(functions.ldexp, [x, -exponent]), exponent


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """numpy.unwrap: adds whole periods, which are locally constant."""
    return record(piecewise.unwrap, [p], discont=discont, axis=axis, period=period)


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """numpy.interp: by all three arrays; at a sample the slope to the right of it."""
    if period is not None:
        raise UnsupportedError(
            f"numpy.interp(period=...) at {user_line()}: wrap x with np.remainder and extend the samples"
        )
    at, samples = np.asarray(plain(x), np.float64), np.asarray(plain(xp), np.float64)
    if samples.size < 2:
        raise UnsupportedError(f"numpy.interp at {user_line()} needs at least two samples")
    piece = np.clip(np.searchsorted(samples, at, "right") - 1, 0, samples.size - 2)
    start, end = (taken(xp, piece), taken(xp, piece + 1))
    low, high = (taken(fp, piece), taken(fp, piece + 1))
    found = low + (x - start) * ((high - low) / (end - start))
    found = where(at < samples[0], taken(fp, 0) if left is None else left, found)
    found = where(at > samples[-1], taken(fp, -1) if right is None else right, found)
    return where(at == samples[-1], taken(fp, -1) + (found - plain_like(found)), found)


def plain_like(x: Any) -> Any:
    """A traced array without its derivative."""
    return plain(x)


def taken(x: Any, index: Any) -> Any:
    """Entries by integers, of a traced or a plain array."""
    return getitem(x, index) if isinstance(x, Traced) else np.asarray(x)[index]


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """numpy.polyval: Horner's scheme."""
    result: Any = np.zeros(np.shape(plain_shape(x)))
    for n in range(len(p)):
        result = result * x + p[n]
    return result


def plain_shape(x: Any) -> Any:
    """An array of the same shape, without looking at values."""
    return np.empty(x.shape, np.bool_) if isinstance(x, Traced) else x


def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    def run(a: Any, b: Any, **kwargs: Any) -> Any:
        first, second = (x if isinstance(x, Traced) else np.asarray(x) for x in (a, b))
        spread = (*first.shape, *(1 for _ in second.shape))
        left = reshape(first, spread) if isinstance(first, Traced) else first.reshape(spread)
        return call(ufunc, (left, second), kwargs)

    return run


UFUNCS = [ufunc for ufunc in vars(np).values() if isinstance(ufunc, np.ufunc)]
for _ufunc in UFUNCS:
    if _ufunc.nin == 2 and _ufunc.signature is None:
        SUPPORTED[reduced(_ufunc, "outer")] = _outer(_ufunc)
    for _method in ("at", "reduceat"):
        unsupported(
            "assign with np.where or np.concatenate instead" if _method == "at" else
            "write the pieces as slices: np.stack([np.sum(x[a:b]), ...])",
            reduced(_ufunc, _method),
        )

unsupported("dates and times have no derivative here", np.isnat)
unsupported(
    "write the pieces with np.where(mask, a, b)", np.piecewise
)
unsupported(
    "counts do not change with the data, except in jumps; compute them outside the function",
    np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.bincount,
)  # fmt: skip
unsupported(
    "write it with a loop and np.stack, or with the axis argument of the function that is applied",
    np.apply_along_axis, np.apply_over_axes,
)  # fmt: skip
unsupported(
    "write the polynomial with powers, np.polyval or np.convolve",
    np.poly, np.polyadd, np.polysub, np.polymul, np.polydiv, np.polyder, np.polyint, np.polyfit, np.roots,
)  # fmt: skip
unsupported("bits have no derivative", np.packbits, np.unpackbits)
