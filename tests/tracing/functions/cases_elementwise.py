"""Functions of numbers: every ufunc on several shapes, bounds, choices, remainders."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.tracing.functions.driver import Case, values

# Domains that keep away from kinks and from the ends of definition.
UNIT = (-0.9, 0.9)
POSITIVE = (0.4, 2.0)
ABOVE_ONE = (1.3, 3.0)
REAL = (-1.5, 1.5)

ANALYTIC: dict[Any, tuple[float, float]] = {
    np.exp: REAL, np.exp2: REAL, np.expm1: REAL, np.log: POSITIVE, np.log2: POSITIVE, np.log10: POSITIVE,
    np.log1p: POSITIVE, np.sqrt: POSITIVE, np.square: REAL, np.reciprocal: POSITIVE, np.sin: REAL,
    np.cos: REAL, np.tan: UNIT, np.arcsin: UNIT, np.arccos: UNIT, np.arctan: REAL, np.sinh: REAL,
    np.cosh: REAL, np.tanh: REAL, np.arcsinh: REAL, np.arccosh: ABOVE_ONE, np.arctanh: UNIT,
    np.negative: REAL, np.positive: REAL,
}  # fmt: skip
REAL_ONLY: dict[Any, tuple[float, float]] = {
    np.cbrt: POSITIVE, np.deg2rad: REAL, np.rad2deg: REAL, np.degrees: REAL, np.radians: REAL,
    np.fabs: POSITIVE, np.absolute: POSITIVE, np.sinc: REAL, np.i0: REAL, np.nan_to_num: REAL,
    np.real: REAL, np.conjugate: REAL,
}  # fmt: skip
CONSTANT: tuple[Any, ...] = (
    np.floor, np.ceil, np.trunc, np.rint, np.sign, np.round, np.around, np.fix, np.imag, np.angle,
)  # fmt: skip

# Two arguments: the function, whether complex step applies, and the ranges.
BINARY: list[tuple[Any, bool, tuple[float, float], tuple[float, float]]] = [
    (np.add, True, REAL, REAL), (np.subtract, True, REAL, REAL), (np.multiply, True, REAL, REAL),
    (np.divide, True, REAL, POSITIVE), (np.power, True, POSITIVE, REAL),
    (np.float_power, True, POSITIVE, REAL), (np.maximum, False, (0, 1), (1.2, 2)),
    (np.minimum, False, (0, 1), (-2, -0.2)), (np.fmax, False, (0, 1), (1.2, 2)),
    (np.fmin, False, (0, 1), (1.2, 2)), (np.hypot, False, POSITIVE, POSITIVE),
    (np.arctan2, False, POSITIVE, REAL), (np.logaddexp, False, REAL, REAL),
    (np.logaddexp2, False, REAL, REAL), (np.copysign, False, POSITIVE, (-2, -1)),
    (np.remainder, False, (3.1, 3.4), (0.9, 1.0)), (np.fmod, False, (-3.4, -3.1), (0.9, 1.0)),
    (np.floor_divide, False, (3.1, 3.4), (0.9, 1.0)), (np.heaviside, False, POSITIVE, REAL),
]  # fmt: skip
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 3), (2, 3)), ((3,), (2, 1)), ((), (3,)), ((2, 3), (1, 1)), ((2, 1, 2), (3, 1)),
]  # fmt: skip
COMPARISONS: tuple[Any, ...] = (
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and,
    np.logical_or, np.logical_xor,
)  # fmt: skip


def _unary() -> Iterator[Case]:
    for table, analytic in ((ANALYTIC, True), (REAL_ONLY, False)):
        for function, (low, high) in table.items():
            for shape in ((3,), (2, 3)):
                name = f"{function.__name__} of {shape}"
                yield Case(name, function, (values(*shape, low=low, high=high),), analytic)
    for function in CONSTANT:
        yield Case(
            f"{function.__name__} is constant", function, (values(2, 3, low=0.1, high=0.4) + 3,)
        )


def _binary() -> Iterator[Case]:
    for function, analytic, (low, high), (bottom, top) in BINARY:
        for first, second in SHAPES:
            arguments = (
                values(*first, low=low, high=high),
                values(*second, seed=1, low=bottom, high=top),
            )
            yield Case(
                f"{function.__name__} of {first} and {second}", function, arguments, analytic
            )
    for function in COMPARISONS:
        yield Case(
            f"{function.__name__} chooses", lambda a, b, f=function: np.where(f(a, b), a * b, a**2),
            (values(2, 3), values(3, seed=1)),
        )  # fmt: skip


X = values(2, 3)
Y = values(2, 3, seed=1)
P = values(2, 3, low=0.5, high=2.0)
B = values(3, seed=2)
STEPS = np.array([[0.62, 1.28, -0.33], [2.01, 0.58, 1.13]])
ENDS = np.array([[0.0, np.inf, 0.0], [-np.inf, 0.0, 0.0]])
MASK = np.array([[True, False, True], [False, True, True]])


def _safe_log(x: Any) -> Any:
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)


OTHERS: list[tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]] = [
    ("where with arrays", lambda x, y: np.where(MASK, x**2, np.sin(y)), (X, Y)),
    ("where that broadcasts", lambda x, b: np.where(MASK, x, b * x), (X, B)),
    ("where with a number", lambda x: np.where(x > 0, x**3, 2.0), (X,)),
    ("where on whole numbers", lambda x: np.where(np.array([1, 0, 2]), x**3, x), (X,)),
    ("where guards a logarithm", _safe_log, (X,)),
    ("where with one argument", lambda x: x[np.where(x > 0)] ** 2, (X,)),
    ("clip", lambda x: np.clip(x, -0.5, 0.5) ** 2, (X,)),
    ("clip below", lambda x: np.clip(x, -0.2, None) ** 2, (X,)),
    ("clip above", lambda x: np.clip(x, None, 0.3) ** 2, (X,)),
    ("clip by arrays", lambda x, lo, hi: np.clip(x, lo, hi) ** 2, (X, B - 0.4, B + 0.3)),
    ("clip by the wrong way round", lambda x, lo, hi: np.clip(x, lo, hi) ** 2, (X, B + 0.4, B - 0.3)),
    ("clip, a method", lambda x: x.clip(-0.1, 0.4) ** 2, (X,)),
    ("clip by min", lambda x: np.clip(x, min=-0.1) ** 2 if np.__version__ >= "2.1" else
     np.clip(x, -0.1, None) ** 2, (X,)),
    ("power 2", lambda x: x**2, (X,)),
    ("power 3.5", lambda x: x**3.5, (P,)),
    ("power 0", lambda x: x**0 + x, (X,)),
    ("power -2", lambda x: x**-2, (P,)),
    ("power 1", lambda x: x**1 * x, (X,)),
    ("power of a negative base", lambda x: x**3, (X - 2,)),
    ("power by integers", lambda x: x ** np.array([0, 1, 3]), (X,)),
    ("2 to a power", lambda x: 2**x, (X,)),
    ("float_power 2", lambda x: np.float_power(x, 2), (P,)),
    ("divmod", lambda x: sum(divmod(x, 0.7)), (P,)),
    ("np.divmod", lambda x, y: np.divmod(x, y)[1] * x, (P, P + 0.3)),
    ("modf", lambda x: np.modf(x)[0] ** 2 + np.modf(x)[1], (X * 3,)),
    ("frexp", lambda x: np.frexp(x)[0] ** 2, (P,)),
    ("ldexp", lambda x: np.ldexp(x, np.array([1, -2, 3])) ** 2, (X,)),
    ("nextafter", lambda x: np.nextafter(x, 5.0) ** 2, (X,)),
    ("remainder of a negative", lambda x: np.remainder(x, -0.9), (X - 3,)),
    ("operators // and %", lambda x: x // 0.6 + x % 0.6, (values(2, 3, low=0.7, high=1.1),)),
    ("reflected operators", lambda x: 2 - x + 3 / x - 1.5 % x, (P,)),
    ("abs of both signs", lambda x: abs(x) * x, (X,)),
    ("copysign by both", lambda x, y: np.copysign(x, y) * y, (X, Y)),
    ("sinc near 0", lambda x: np.sinc(x), (X * 1e-3,)),
    ("sinc far out", lambda x: np.sinc(x), (X * 9 + 10,)),
    ("sinc at 0", lambda x: np.sinc(x) * x, (np.zeros(2),)),
    ("i0 twice", lambda x: np.i0(x) ** 2, (X,)),
    ("nan_to_num chooses", lambda x: np.nan_to_num(np.where(MASK, x**2, np.nan), nan=3.0), (X,)),
    ("nan_to_num of infinities", lambda x: np.nan_to_num(
        np.where(MASK, x**2, x + ENDS), posinf=7.0, neginf=-7.0), (X,)),
    ("isfinite chooses", lambda x: np.where(np.isfinite(x), x**2, 0), (X,)),
    ("isnan chooses", lambda x: np.where(np.isnan(x), 0, x**2), (X,)),
    ("isinf chooses", lambda x: np.where(np.isinf(x), 0, x**2), (X,)),
    ("isposinf chooses", lambda x: np.where(np.isposinf(x) | np.isneginf(x), 0, x**2), (X,)),
    ("signbit chooses", lambda x: np.where(np.signbit(x), x**2, x), (X,)),
    ("logical_not chooses", lambda x: np.where(np.logical_not(x > 0), x**2, x), (X,)),
    ("bits of masks", lambda x: np.where((x > 0) & (x < 0.5) | ~(x > -0.5) ^ MASK, x**2, x), (X,)),
    ("a mask as a factor", lambda x: (x > 0) * x**2, (X,)),
    ("a mask summed", lambda x: x * np.sum(x > 0), (X,)),
    ("round to decimals", lambda x: np.round(x, 1) * x, (STEPS,)),
    ("round, the built-in", lambda x: round(x[0, 0], 1) * x, (STEPS,)),
    ("spacing", lambda x: np.spacing(x) + x, (P,)),
    ("angle in degrees", lambda x: np.angle(x, deg=True) * x, (X,)),
    ("real, imag and conj", lambda x: x.real * x + x.imag + x.conj(), (X,)),
    ("real_if_close", lambda x: np.real_if_close(x) ** 2, (X,)),
    ("unwrap", lambda x: np.unwrap(x) ** 2, (np.array([0.1, 6.0, 6.5, 0.4]),)),
    ("hypot of three", lambda x, y: np.hypot(np.hypot(x, y), 1), (X, Y)),
    ("arctan2 in all quadrants", lambda x, y: np.arctan2(x, y), (X, Y)),
    ("logaddexp far apart", lambda x, y: np.logaddexp(x, y), (X + 50, Y - 50)),
    ("multiply.outer", lambda x, y: np.multiply.outer(x, y), (X, B)),
    ("subtract.outer", lambda x, y: np.subtract.outer(x, y) ** 2, (B, Y)),
    ("maximum.outer", lambda x, y: np.maximum.outer(x, y), (B, Y + 0.05)),
    ("dtype of a ufunc", lambda x: np.add(x, 1, dtype=np.float64) ** 2, (X,)),
    ("a 0-d array", lambda x: np.exp(x) * x, (np.array(0.3),)),
    ("an empty array", lambda x: np.exp(x) + np.maximum(x, 0), (np.zeros((0, 3)),)),
    ("softplus", lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0), (X,)),
    ("isclose chooses", lambda x: np.where(np.isclose(x, X[0, 0], atol=0.1), x**2, x), (X + 0.02,)),
]  # fmt: skip

CASES = [
    *_unary(), *_binary(), *(Case(name, f, arguments) for name, f, arguments in OTHERS),
]  # fmt: skip
