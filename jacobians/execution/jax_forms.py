"""What the operations' functions are on JAX, one row each, and which have no form there.

Every row gives the values of the operation's own function, kinks and 0/0 included. A quotient divides
by 1 where its value is 0 by definition, so that JAX's own derivative of it is finite there too. JAX
cannot raise on values: where the function does, the result is NaN.
"""

from collections.abc import Callable
from functools import cache, partial
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.execution.steps import Call, Ufunc

JaxForm = Callable[..., Any]


class Jax(NamedTuple):
    """The parts of JAX that the forms are written with."""

    np: Any
    special: Any
    linalg: Any
    lax: Any


@cache
def imported() -> Any:
    """JAX, an extra.

    Raises
    ------
    JacobiansError
        Where it is not installed, naming the extra.
    """
    try:
        import jax
    except ImportError:
        raise JacobiansError(
            "on='jax' needs JAX, which is not installed; it is an extra: pip install 'jacobians[jax]', or "
            "pip install '.[jax]' in a copy of the repository"
        ) from None
    return jax


def form_of(kernel: Call | Ufunc) -> JaxForm:
    """The function on JAX's arrays.

    Raises
    ------
    UnsupportedError
        Where there is none, naming the operation and the reason.
    """
    j = _parts()
    if isinstance(kernel, Ufunc):
        return _ufunc(j, kernel.name)
    key = kernel.attribute
    family = family_of(key)
    if not kernel.home:
        reason = f"{key} is your own operation, whose function computes with NumPy"
    elif key in FORMS:
        return partial(FORMS[key], j)
    elif family in FAMILIES:
        return partial(FAMILIES[family], j, order=int("".join(filter(str.isdigit, key)) or 0))
    else:
        reason = f"{key}: {MISSING.get(family, 'it has no form on JAX')}"
    raise UnsupportedError(f"on='jax': {reason}; compile it on='numpy'")


def family_of(key: str) -> str:
    """The key of an operation of some order without its number: ``polygamma``, ``ie`` for ``i2e``."""
    return "".join(letter for letter in key if not letter.isdigit())


def _ufunc(j: Jax, name: str) -> JaxForm:
    if name in UFUNCS:
        return partial(UFUNCS[name], j)
    found: JaxForm | None = getattr(j.np, name, None)
    if found is None:
        raise UnsupportedError(f"on='jax': this JAX has no function {name}; compile it on='numpy'")
    return found


def _parts() -> Jax:
    jax = imported()
    from jax.scipy import linalg, special

    return Jax(jax.numpy, special, linalg, jax.lax)


_BESSEL = "jax.scipy.special has no modified Bessel functions beyond order 1"
MISSING = {"i": _BESSEL, "ie": _BESSEL}
"""Operations that JAX cannot do, with the reason; of a family, those that ``FORMS`` has no row for."""


# Parts of forms


def _over(j: Jax, zero: Any, A: Any, B: Any) -> Any:
    """``A / B``, and 0 where it is 0 by definition."""
    return j.np.where(zero, 0, A / j.np.where(zero, 1, B))


def _attains(j: Jax, X: Any, y: Any) -> Any:
    return (X == y) | (j.np.isnan(X) & j.np.isnan(y))


def _attains_at(j: Jax, X: Any, y: Any) -> Any:
    return _attains(j, X[..., None, :], y[..., :, None])


def _tied(j: Jax, y: Any) -> Any:
    """Whether each entry is as large as the one before."""
    same = _attains(j, y, j.np.roll(y, 1, -1)) & (np.arange(y.shape[-1]) > 0)
    return same.astype(y.dtype)


def _shares_so_far(j: Jax, X: Any, y: Any) -> Any:
    taken = _attains(j, X, y)
    count = j.np.cumsum(taken, axis=-1)
    before = j.np.where(_tied(j, y) != 0, 0, count - taken)
    return (1 / (count - j.lax.cummax(before, axis=X.ndim - 1))).astype(y.dtype)


def _order(j: Jax, X: Any, k: int, axis: int | None) -> Any:
    missing = j.np.isnan(X).any(axis=axis)
    return j.np.where(missing, j.np.nan, j.np.sort(X, axis=axis)[..., k])


def _spread(j: Jax, X: Any, axis: int | None) -> Any:
    return j.np.square(X - X.mean(axis=axis, keepdims=True)).sum(axis=axis)


def _shifted(j: Jax, X: Any, axis: int | None) -> tuple[Any, Any]:
    """``exp(X − m)`` with the largest entry m of each slice, 0 where that is infinite; and m."""
    top = j.np.max(X, axis=axis, keepdims=True, initial=-j.np.inf)
    top = j.np.where(j.np.isfinite(top), top, 0)
    return j.np.exp(X - top), top


def _logsumexp(j: Jax, X: Any, axis: int | None) -> Any:
    powers, top = _shifted(j, X, axis)
    return j.np.log(powers.sum(axis=axis)) + j.np.squeeze(top, axis)


def _softmax(j: Jax, X: Any, axis: int | None) -> Any:
    powers, _ = _shifted(j, X, axis)
    return powers / powers.sum(axis=axis, keepdims=True)


def _tolerance(j: Jax, s: Any) -> Any:
    largest = j.np.max(j.np.abs(s), axis=-1, keepdims=True, initial=0)
    return largest * s.shape[-1] * j.np.finfo(s.dtype).eps


def _inverse_gaps(j: Jax, w: Any) -> Any:
    gaps, off = w[..., None, :] - w[..., :, None], ~np.eye(w.shape[-1], dtype=bool)
    apart = abs(gaps) > _tolerance(j, w)[..., None]
    return j.np.where(off, 1 / j.np.where(apart, gaps, j.np.nan), 0)


def _reciprocal_det(j: Jax, X: Any) -> Any:
    s = j.np.linalg.svd(X, compute_uv=False)
    eps = j.np.finfo(X.dtype).eps * X.shape[-1]
    singular = s.min(axis=-1, initial=1) <= eps * s.max(axis=-1, initial=0)
    return j.np.where(singular, j.np.nan, 1 / j.np.linalg.det(X))


def _cofactor(j: Jax, X: Any) -> Any:
    """``det X · X⁻ᵀ``; from the SVD where the inverse loses more than rounding."""
    inverse = j.np.linalg.inv(X)
    found = j.np.linalg.det(X)[..., None, None] * j.np.swapaxes(inverse, -1, -2)
    condition = 1.0
    for array in (X, inverse):
        condition = condition * abs(array).sum(axis=-1).max(axis=-1, initial=0)
    far = (j.np.finfo(X.dtype).eps * condition <= 1e-12).all() & j.np.isfinite(found).all()
    return j.lax.cond(far, lambda: found, lambda: _singular_cofactor(j, X))


def _singular_cofactor(j: Jax, X: Any) -> Any:
    U, s, Vt = j.np.linalg.svd(X)
    others = j.np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = j.np.linalg.det(U) * j.np.linalg.det(Vt)
    return sign[..., None, None] * (U * others[..., None, :]) @ Vt


def _svd(j: Jax, X: Any) -> Any:
    return j.np.linalg.svd(X, full_matrices=False)


def _eigh(j: Jax, X: Any) -> Any:
    return j.np.linalg.eigh(X, symmetrize_input=False)


def _inverse_gram(j: Jax, X: Any) -> Any:
    _, s, W = _svd(j, X)
    eps = j.np.finfo(s.dtype).eps * max(X.shape[-2:])
    small = s.min(axis=-1, initial=j.np.inf) <= eps * s.max(axis=-1, initial=0)
    scaled = W / j.np.where(small[..., None], j.np.nan, s)[..., None]
    return j.np.swapaxes(scaled, -1, -2) @ scaled


def _lu_solve(j: Jax, factors: Any, b: Any, transposed: bool = False) -> Any:
    return j.linalg.lu_solve(factors, b, trans=0 if transposed else 1)  # the factors are of Aᵀ


def _lu_inverse(j: Jax, factors: Any, transposed: bool = False) -> Any:
    return _lu_solve(j, factors, j.np.eye(len(factors[0]), dtype=factors[0].dtype), transposed)


def _log_ndtr(j: Jax, X: Any) -> Any:
    """JAX's own loses digits above 0, and in the tail unless its series is longer."""
    below = j.special.log_ndtr(X, series_order=12)
    return j.np.where(X > 0, j.np.log1p(-j.special.ndtr(-abs(X))), below)


def _betaln(j: Jax, A: Any, B: Any) -> Any:
    pole = j.np.equal(A, 0) | j.np.equal(B, 0)
    return j.np.where(pole, np.inf, j.special.betaln(A, B))


def _times_log(j: Jax, A: Any, B: Any) -> Any:
    """``A log(A / B)``."""
    near = (A < 2 * B) & (B < 2 * A)
    return A * j.np.where(near, j.np.log1p((A - B) / B), j.np.log(A) - j.np.log(B))


def _entropy(j: Jax, A: Any, B: Any, inside: Any, edge: Any) -> Any:
    """A value inside of the domain, at A = 0, infinite outside; JAX's own differ beside NaN and inf."""
    found = j.np.where((A == 0) & (B >= 0), edge, np.inf)
    found = j.np.where((A > 0) & (B > 0), inside, found)
    return j.np.where(j.np.isnan(A) | j.np.isnan(B), np.nan, found)


def _huber(j: Jax, D: Any, R: Any) -> Any:
    found = j.np.where(abs(R) <= D, R**2 / 2, D * (abs(R) - D / 2))
    return j.np.where(D < 0, np.inf, found)


def _pseudo_huber(j: Jax, D: Any, R: Any) -> Any:
    ratio = R / j.np.where(D == 0, 1, D)
    root = j.np.hypot(1, ratio)
    found = j.np.where((abs(ratio) < 1) & j.np.isfinite(D), R**2 / (root + 1), D**2 * (root - 1))
    return j.np.where(D < 0, np.inf, j.np.where((D == 0) | (R == 0), 0, found))


def _spectrum(j: Jax, X: Any, size: int) -> Any:
    return j.np.fft.fft(X) if size == X.shape[-1] else j.np.fft.rfft(X)


def _exponential_moment(j: Jax, X: Any, *, order: int) -> Any:
    """``∫₀¹ tᵏ exp(x t) dt``: by k E_{k−1} + x E_k = exp(x), or its power series."""
    if order == 0:
        found = j.np.where(X == 0, 1, j.np.expm1(X) / j.np.where(X == 0, 1, X))
        return j.np.where(X == np.inf, X, found)
    small = abs(X) <= order + 2
    far, near = j.np.where(small, order + 3.0, X), j.np.where(small, X, 0)
    result, series = j.np.expm1(far) / far, j.np.zeros_like(near)
    for k in range(1, order + 1):
        result = (j.np.exp(far) - k * result) / far
    for m in range(30 + 4 * order, -1, -1):
        series = series * near + 1 / (factorial(m) * (m + order + 1))
    return j.np.where(small, series, result)


def _zero_like(j: Jax, value: Any, sign: Any) -> Any:
    """The value; a 0 has the sign."""
    return j.np.where(value == 0, j.np.copysign(value, sign), value)


def _floor_divide(j: Jax, A: Any, B: Any) -> Any:
    found = j.np.floor_divide(A, B)
    return found if found.dtype.kind in "iu" else _zero_like(j, found, j.np.divide(A, B))


def _remainder(j: Jax, A: Any, B: Any) -> Any:
    found = j.np.remainder(A, B)
    return found if found.dtype.kind in "iu" else _zero_like(j, found, B)


def _polygamma(j: Jax, X: Any, *, order: int) -> Any:
    found = j.np.where(X == np.inf, 0, j.special.polygamma(order, X))
    pole = (X <= 0) & (X == j.np.floor(X))
    return j.np.where(pole, (-1) ** (order + 1) * np.inf, found)


def _power_slope(j: Jax, X: Any, p: Any, *, order: int) -> Any:
    scale = 1
    for n in range(order):
        scale = scale * (p - n)
    power = j.np.power(X, j.np.where(scale == 0, 0, p - order))
    return j.np.where(scale == 0, 0, scale * power)


def _sinc(j: Jax, X: Any, *, order: int) -> Any:
    """With s(z) = sin(z)/z: z s⁽ᵏ⁾ + k s⁽ᵏ⁻¹⁾ = sin⁽ᵏ⁾(z), and the power series near 0."""
    if order == 0:
        return j.np.sinc(X)
    z = np.pi * X
    small = abs(z) <= order + 2
    far, near = j.np.where(small, 1, z), j.np.where(small, z, 0)
    slope = j.np.sin(far) / far
    for k in range(1, order + 1):
        slope = (j.np.sin(far + k * np.pi / 2) - k * slope) / far
    series, coefficient = j.np.zeros_like(near), 0.0
    for m in range(15 + 3 * order, (order - 1) // 2, -1):
        coefficient = (-1) ** m / (factorial(2 * m - order) * (2 * m + 1))
        series = series * near**2 + coefficient
    series = series * near if order % 2 else series
    return np.pi**order * j.np.where(small, series, slope)


def _product(j: Jax, X: Any, *, order: int) -> Any:
    """The product of all entries but ``order`` distinct ones, an axis for each; 0 where two are the same."""
    if order == 0:
        return X.prod(axis=-1)
    n = X.shape[-1]
    if order == 1:
        before = j.np.cumprod(X, axis=-1)[..., : max(n - 1, 0)]
        after = j.np.cumprod(X[..., ::-1], axis=-1)[..., ::-1][..., 1:]
        one = j.np.ones_like(X[..., :1])
        return (
            j.np.concatenate([one, before], -1)[..., :n]
            * j.np.concatenate([after, one], -1)[..., :n]
        )
    others = j.np.where(np.eye(n, dtype=bool), 1, X[..., None, :])
    return _distinct(j, _product(j, others, order=order - 1), order)


def _recurrence(j: Jax, a: Any, b: Any) -> Any:
    """``y_i = a_i y_{i-1} + b_i`` along the last axis."""
    return _scan(j, lambda a, y: a * y, a, b)


def _segment_sums(j: Jax, a: Any, b: Any) -> Any:
    """The same where a is 0 or 1, and a 0 rules out what is not finite."""
    return _scan(j, lambda a, y: j.np.where(a == 0, 0, y), a, b)


def _scan(j: Jax, carried: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    def step(last: Any, now: Any) -> tuple[Any, Any]:
        y = carried(now[0], last) + now[1]
        return y, y

    steps = j.np.moveaxis(a, -1, 0), j.np.moveaxis(b, -1, 0)
    return j.np.moveaxis(j.lax.scan(step, j.np.zeros(b.shape[:-1], b.dtype), steps)[1], 0, -1)


def _from_the_end(run: JaxForm) -> JaxForm:
    """The transpose by b of what runs along the last axis."""
    return lambda j, a, b: run(j, j.np.roll(a[..., ::-1], 1, -1), b[..., ::-1])[..., ::-1]


def _transitions(j: Jax, a: Any) -> Any:
    eye = j.np.broadcast_to(j.np.eye(a.shape[-1], dtype=a.dtype), (*a.shape, a.shape[-1]))
    columns = j.np.broadcast_to(a[..., None, :], eye.shape)
    return j.np.swapaxes(_recurrence(j, columns, eye), -1, -2)


def _transitions_before(j: Jax, a: Any) -> Any:
    T = _transitions(j, a)
    return j.np.concatenate([j.np.zeros_like(T[..., :1, :]), T[..., :-1, :]], -2)[
        ..., : a.shape[-1], :
    ]


def _products_before(j: Jax, a: Any) -> Any:
    one = j.np.ones_like(a[..., :1])
    return j.np.cumprod(j.np.concatenate([one, a[..., :-1]], -1), axis=-1)[..., : a.shape[-1]]


def _distinct(j: Jax, part: Any, order: int) -> Any:
    """Zeros where the first of the last ``order`` axes has the same place as another."""
    n = part.shape[-1]
    for other in range(order - 1):
        first, second = (np.arange(n).reshape(n, *(1,) * k) for k in (order - 1, other))
        part = j.np.where(first == second, 0, part)
    return part


def _matrix_exponential(j: Jax, X: Any, order: int) -> Any:
    """The derivative of an order: the axes of the result, then pairs of axes of X."""
    function = j.linalg.expm
    for _ in range(order):
        function = imported().jacfwd(function)
    return j.np.vectorize(function, signature=f"(n,n)->(n,n{',n,n' * order})")(X)


# The tables

FORMS: dict[str, JaxForm] = {
    # products
    "einsum": lambda j, *operands, subscripts: j.np.einsum(subscripts, *operands),
    "squared_error": lambda j, y, t: 0.5 * j.np.square(y - t).sum(),
    "fft_real": lambda j, X, size: _spectrum(j, X, size).real,
    "fft_imag": lambda j, X, size: _spectrum(j, X, size).imag,
    "irfft_real": lambda j, X, size: j.np.fft.irfft(X + 0j, size),
    "irfft_imag": lambda j, X, size: j.np.fft.irfft(1j * X, size),
    "cumsum": lambda j, X, axis: j.np.cumsum(X, axis=axis),
    "suffix_sums": lambda j, X, axis: j.np.flip(j.np.cumsum(j.np.flip(X, axis), axis=axis), axis),
    "cumprod": lambda j, X: j.np.cumprod(X, axis=-1),
    "products_before": _products_before,
    "running_others": lambda j, X: _transitions(j, X) * _products_before(j, X)[..., None, :],
    "transitions": _transitions,
    "transitions_before": _transitions_before,
    "recurrence": _recurrence,
    "recurrence_back": _from_the_end(_recurrence),
    "segment_sums": _segment_sums,
    "segment_sums_back": _from_the_end(_segment_sums),
    "centered": lambda j, X, axes: X - X.mean(axis=axes, keepdims=True),
    "squares": lambda j, X: _spread(j, X, None),
    "squares_2": lambda j, X: _spread(j, X, -1),
    # entry by entry
    "sigmoid": lambda j, X: 1 / (1 + j.np.exp(-X)),
    "relu": lambda j, X: j.np.maximum(X, 0),
    "nonzero_log": lambda j, X: j.np.where(X == 0, 0, j.np.log(j.np.where(X == 0, 1, X))),
    "portion": lambda j, A, R, S: j.np.where(j.np.isinf(A), 1 / (1 + R / A), A / S),
    "ratio": lambda j, A, B: _over(j, j.np.equal(B, 0), A, B),
    "quotient": lambda j, A, B: _over(j, j.np.equal(A, 0), A, B),
    "round": lambda j, X, decimals: j.np.round(X, decimals),
    "imag": lambda j, X: j.np.imag(X),
    "angle": lambda j, X, deg: j.np.angle(X, deg),
    "fraction": lambda j, X: j.np.copysign(j.np.where(j.np.isinf(X), 0, j.np.modf(X)[0]), X),
    "unwrap": lambda j, X, **how: j.np.unwrap(X, **how),
    "where": lambda j, C, A, B: j.np.where(C, A, B),
    # bounds, the larger of two, the extreme of many
    "clip": lambda j, X, lo, hi: j.np.minimum(j.np.maximum(X, lo), hi),
    "inside": lambda j, X, lo, hi: ~(j.np.less(X, lo) | j.np.greater(X, hi)),
    "below": lambda j, X, lo, hi: j.np.less(X, lo) & j.np.less_equal(lo, hi),
    "above": lambda j, X, lo, hi: j.np.greater(X, hi) | j.np.greater(lo, hi),
    "share": lambda j, A, B: j.np.where(_attains(j, A, B), 0.5, 1.0),
    "maximum_takes": lambda j, A, B: j.np.greater_equal(A, B) | j.np.isnan(A),
    "minimum_takes": lambda j, A, B: j.np.less_equal(A, B) | j.np.isnan(A),
    "fmax_takes": lambda j, A, B: j.np.greater_equal(A, B) | j.np.isnan(B),
    "fmin_takes": lambda j, A, B: j.np.less_equal(A, B) | j.np.isnan(B),
    "attains": lambda j, X, y: _attains(j, X, y),
    "attains_2": lambda j, X, y: _attains(j, X, y[..., None]),
    "share_2": lambda j, M, y: 1 / M.sum(),
    "share_3": lambda j, M, y: 1 / M.sum(axis=-1),
    "max": lambda j, X: X.max(),
    "max_2": lambda j, X: X.max(axis=-1),
    "min": lambda j, X: X.min(),
    "min_2": lambda j, X: X.min(axis=-1),
    "nanmax": lambda j, X: j.np.nanmax(X),
    "nanmax_2": lambda j, X: j.np.nanmax(X, axis=-1),
    "nanmin": lambda j, X: j.np.nanmin(X),
    "nanmin_2": lambda j, X: j.np.nanmin(X, axis=-1),
    "running_max": lambda j, X: j.lax.cummax(X, axis=X.ndim - 1),
    "running_min": lambda j, X: j.lax.cummin(X, axis=X.ndim - 1),
    "running_max_takes": _attains_at,
    "running_min_takes": _attains_at,
    "running_max_hits": _attains,
    "running_min_hits": _attains,
    "running_max_tied": _tied,
    "running_min_tied": _tied,
    "running_max_shares": _shares_so_far,
    "running_min_shares": _shares_so_far,
    "order": lambda j, X, k: _order(j, X, k, None),
    "order_2": lambda j, X, k: _order(j, X, k, -1),
    "logsumexp": lambda j, X: _logsumexp(j, X, -1),
    "logsumexp_2": lambda j, X: _logsumexp(j, X, None),
    "softmax": lambda j, X: _softmax(j, X, -1),
    "softmax_2": lambda j, X: _softmax(j, X, None),
    # norms and matrices
    "norm": lambda j, X: j.np.sqrt(j.np.square(X).sum()),
    "row_norm": lambda j, X: j.np.sqrt(j.np.square(X).sum(axis=-1)),
    "negative_norm": lambda j, X, p: (abs(X) ** p).sum(axis=-1) ** (1 / p),
    "p_norm": lambda j, X, p: (abs(X) ** p).sum(axis=-1) ** (1 / p),
    "det": lambda j, X: j.np.linalg.det(X),
    "cofactor": _cofactor,
    "reciprocal_det": _reciprocal_det,
    "sign_det": lambda j, X: j.np.linalg.slogdet(X)[0],
    "log_abs_det": lambda j, X: j.np.linalg.slogdet(X)[1],
    "inv": lambda j, X: j.np.linalg.inv(X),
    "solve": lambda j, A, b: j.np.linalg.solve(A, b),
    "factorise": lambda j, A: j.linalg.lu_factor(A.T),
    "lu_solve": _lu_solve,
    "lu_inverse": _lu_inverse,
    "pinv": lambda j, X: j.np.linalg.pinv(X, rtol=1e-15),  # NumPy's
    "lstsq": lambda j, A, b: j.np.linalg.lstsq(A, b)[0],
    "inverse_gram": _inverse_gram,
    "cholesky": lambda j, A: j.lax.linalg.cholesky(A, symmetrize_input=False),
    "eigenvalues": lambda j, X: _eigh(j, X)[0],
    "eigenvectors": lambda j, X: _eigh(j, X)[1],
    "inverse_gaps": _inverse_gaps,
    "is_positive": lambda j, s: s > _tolerance(j, s),
    "inverse_of_positive": lambda j, s: 1 / j.np.where(s > _tolerance(j, s), s, j.np.nan),
    "singular_values": lambda j, X: _svd(j, X)[1],
    "singular_values_2": lambda j, X: _svd(j, X)[1],
    "left_vectors": lambda j, X: _svd(j, X)[0],
    "left_vectors_2": lambda j, X: _svd(j, X)[0],
    "right_vectors": lambda j, X: _svd(j, X)[2],
    "right_vectors_2": lambda j, X: _svd(j, X)[2],
    "qr_orthogonal": lambda j, X: j.np.linalg.qr(X)[0],
    "qr_triangular": lambda j, X: j.np.linalg.qr(X)[1],
    # special functions
    "expit": lambda j, X: j.special.expit(X),
    "log_expit": lambda j, X: -j.np.logaddexp(0, -X),
    "logit": lambda j, X: j.special.logit(X),
    "erf": lambda j, X: j.special.erf(X),
    "erfc": lambda j, X: j.special.erfc(X),
    "gammaln": lambda j, X: j.np.where(X == -np.inf, X, j.special.gammaln(X)),
    "gamma": lambda j, X: j.special.gamma(X),
    "ndtr": lambda j, X: j.special.ndtr(X),
    "log_ndtr": _log_ndtr,
    "xlogy": lambda j, A, B: j.special.xlogy(A, B),
    "xlog1py": lambda j, A, B: j.special.xlog1py(A, B),
    "betaln": _betaln,
    "digamma": lambda j, X: j.np.where(X == 0, -j.np.copysign(np.inf, X), j.special.digamma(X)),
    "erfinv": lambda j, X: j.special.erfinv(X),
    "erfcinv": lambda j, X: -j.special.ndtri(X / 2) / np.sqrt(2),
    "ndtri": lambda j, X: j.special.ndtri(X),
    "entr": lambda j, X: j.special.entr(X),
    "rel_entr": lambda j, A, B: _entropy(j, A, B, _times_log(j, A, B), 0),
    "kl_div": lambda j, A, B: _entropy(j, A, B, A * j.np.log(A / B) - A + B, B),
    "huber": _huber,
    "pseudo_huber": _pseudo_huber,
    "i0e": lambda j, X: j.special.i0e(X),
    "i1e": lambda j, X: j.special.i1e(X),
    "i0": lambda j, X: j.special.i0(X),
    "i1": lambda j, X: j.special.i1(X),
}
"""By the operation's key."""
FAMILIES: dict[str, JaxForm] = {
    "polygamma": _polygamma, "power_slope": _power_slope, "sinc": _sinc, "prod": _product,
    "exprel": _exponential_moment, "expm": _matrix_exponential,
    "expm_derivative": _matrix_exponential,
}  # fmt: skip
"""Operations of any order, by the key without the number."""
UFUNCS: dict[str, JaxForm] = {
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "sign": lambda j, X: j.np.where(X == 0, 0, j.np.sign(X)),
}
"""Where JAX's function of the same name has other values."""
