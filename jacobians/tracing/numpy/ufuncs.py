"""Functions of numbers: what NumPy's elementwise functions mean on traced arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import functions, piecewise
from jacobians.tracing.numpy.basics import call_astype, in_loop, plain, register
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array, mirrors, untyped
from jacobians.tracing.tables import SUPPORTED, Result, TableEntry, reduced, unsupported
from jacobians.tracing.traced import Traced, record

register()


@mirrors(np.where, result=Result.ARRAY)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """numpy.where: with one argument the places, for these values only."""
    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        return np.where(plain(condition))
    if isinstance(condition, bool | np.bool_):
        condition = int(condition)  # a number is no array in formulas
    for branch in (x, y):
        if dtype_of(branch).kind == "c":
            raise UnsupportedError(
                f"numpy.where at {user_line()} with a complex number in a branch: a Jacobian here is "
                "real; give real and imaginary parts as two arrays"
            )
    return record(piecewise.where, [condition, x, y])


@mirrors(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **how: Any,
) -> Any:
    """numpy.clip."""
    lo, hi = a_min if min is None else min, a_max if max is None else max
    if how:
        untyped.clip(np.empty(0, dtype_of(a)), *(None if v is None else 0 for v in (lo, hi)), **how)
    if "dtype" in how:
        a = call_astype(a, how["dtype"])
    if (lo is None or hi is None) and np.result_type(dtype_of(a)).kind != "f":
        a = a if lo is None else np.maximum(a, lo)
        return +a if hi is None else np.minimum(a, hi)
    lo, hi = -np.inf if lo is None else lo, np.inf if hi is None else hi
    return record(piecewise.clip, [a, lo, hi])


def dtype_of(x: Any) -> np.dtype[Any]:
    """The dtype of a traced or plain array, or of a number."""
    return x.dtype if isinstance(x, Traced | np.ndarray | np.generic) else np.asarray(x).dtype


@mirrors(np.sinc)
def sinc(x: Any) -> Any:
    """numpy.sinc."""
    return record(functions.sinc(0), [x])


@mirrors(np.i0, result=Result.ARRAY)
def i0(x: Any) -> Any:
    """numpy.i0."""
    return record(functions.bessel(0), [x])


@mirrors(np.round, np.around)
def rounded(a: Any, decimals: int = 0) -> Any:
    """numpy.round: locally constant."""
    return record(piecewise.rounded, [a], decimals=int(decimals))


@mirrors(np.fix)
def fix(x: Any) -> Any:
    """numpy.fix."""
    return np.trunc(x)


@mirrors(np.real, np.real_if_close, result=Result.NUMPYS)
def real(val: Any, tol: float = 100) -> Any:  # noqa: ARG001
    """numpy.real of a real array: itself."""
    return val


@mirrors(np.imag, result=Result.NUMPYS)
def imag(val: Any) -> Any:
    """numpy.imag of a real array: zeros."""
    return record(piecewise.imaginary, [val])


@mirrors(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """numpy.angle of a real array: 0 or π, locally constant."""
    return record(piecewise.angle, [z], deg=bool(deg))


@mirrors(np.nan_to_num, result="copy, or a number; with copy=False the array itself, changed")
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """numpy.nan_to_num: what is replaced has derivative 0; without ``copy`` it is replaced in place."""
    if x.number and copy is False:
        np.nan_to_num(np.float64(), copy=False)  # NumPy's own error
    found = x
    if x.dtype.kind == "f":
        limits = np.finfo(x.dtype)
        top = limits.max if posinf is None else posinf
        bottom = limits.min if neginf is None else neginf
        for mask, number in ((x == np.inf, top), (x == -np.inf, bottom), (x != x, nan)):
            found = record(piecewise.where, [mask, number, found])
    if copy or x.number:
        return call_astype(found, x.dtype).owner(number=not x.ndim)
    x[...] = found
    return x if x.ndim else x[()]


@mirrors(np.isposinf)
def isposinf(x: Any) -> Any:
    """numpy.isposinf."""
    return x == np.inf


@mirrors(np.isneginf)
def isneginf(x: Any) -> Any:
    """numpy.isneginf."""
    return x == -np.inf


@mirrors(np.divmod)
@in_loop(np.divmod)
def divmod_(x1: Any, x2: Any) -> tuple[Any, Any]:
    """numpy.divmod."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@mirrors(np.modf)
@in_loop(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """numpy.modf: the fraction has derivative 1."""
    x = x if x.dtype.kind == "f" else call_astype(x, np.float64)
    return record(piecewise.fraction, [x]), np.trunc(x)


@mirrors(np.frexp)
@in_loop(np.frexp)
def frexp(x: Any) -> tuple[Any, Any]:
    """numpy.frexp: the exponents are plain integers, for these values only."""
    exponent = np.frexp(plain(x))[1]
    return record(functions.ldexp, [x, -exponent]), exponent


@mirrors(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """numpy.unwrap: adds whole periods, which are locally constant."""
    return record(piecewise.unwrap, [p], discont=discont, axis=axis, period=period)


def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    def run(a: Any, b: Any, **kwargs: Any) -> Any:
        first, second = array(a), array(b)
        return ufunc(
            np.reshape(first, (*first.shape, *(1 for _ in second.shape))), second, **kwargs
        )

    return run


_UFUNCS = [ufunc for ufunc in vars(np).values() if isinstance(ufunc, np.ufunc)]
for _one in _UFUNCS:
    if _one.nin == 2 and _one.signature is None:
        SUPPORTED[reduced(_one, "outer")] = TableEntry(_outer(_one))
    unsupported(
        "write the pieces one by one, np.stack([np.sum(x[a:b]), ...])", reduced(_one, "reduceat")
    )
