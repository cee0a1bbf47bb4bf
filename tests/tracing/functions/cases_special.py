"""SciPy's special functions, by themselves and inside others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from jacobians.tracing.numpy import special as traced_special
from jacobians.tracing.traced import Traced
from tests.tracing.functions.driver import Case, values

REAL = (-1.5, 1.5)
POSITIVE = (0.5, 2.5)
UNIT = (0.2, 0.8)

UFUNCS: dict[Any, tuple[float, float]] = {
    special.expit: REAL, special.log_expit: REAL, special.logit: UNIT, special.erf: REAL,
    special.erfc: REAL, special.gammaln: POSITIVE, special.gamma: POSITIVE, special.psi: POSITIVE,
    special.ndtr: REAL, special.log_ndtr: REAL, special.i0: REAL, special.i1: REAL,
    special.erfinv: (-0.8, 0.8), special.erfcinv: (0.3, 1.7), special.ndtri: UNIT, special.entr: POSITIVE,
    special.i0e: POSITIVE, special.i1e: POSITIVE, special.exprel: REAL,
}  # fmt: skip
OF_TWO: tuple[Any, ...] = (
    special.xlogy, special.xlog1py, special.betaln, special.rel_entr, special.kl_div, special.huber,
    special.pseudo_huber,
)  # fmt: skip


def _axis_aware(name: str) -> Callable[..., Any]:
    """SciPy's function on plain arrays, the traced one on traced arrays."""

    def run(x: Any, **how: Any) -> Any:
        return getattr(traced_special if isinstance(x, Traced) else special, name)(x, **how)

    return run


logsumexp, softmax = _axis_aware("logsumexp"), _axis_aware("softmax")
X = values(2, 3)
T = values(2, 3, 2)

OTHERS: list[tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]] = [
    ("expit in a layer", lambda W, x: special.expit(W @ x), (X, values(3))),
    ("log_ndtr far out", lambda x: special.log_ndtr(x), (X * 3 - 20,)),
    ("exprel at and around 0", lambda x: special.exprel(x), (np.array([0.0, 1e-9, -0.3, 4.5, -6.0]),)),
    ("i0e and i1e of negatives", lambda x: special.i0e(x) * special.i1e(x), (-X - 1.5,)),
    ("entr and its sum", lambda p: np.sum(special.entr(p)), (X + 2,)),
    ("rel_entr at 0", lambda y: special.rel_entr(0.0, y), (X + 2,)),
    ("xlogy at 0", lambda y: special.xlogy(0.0, y), (X + 2,)),
    ("digamma of a negative", lambda x: special.digamma(x), (X * 0.2 - 0.5,)),
    ("entropy", lambda p: -np.sum(special.xlogy(p, p)), (X + 2,)),
    ("softmax of all", lambda x: softmax(x), (X,)),
    ("softmax over rows", lambda x: softmax(x, axis=1), (X,)),
    ("softmax over columns", lambda x: softmax(x, axis=0) ** 2, (X,)),
    ("softmax over two axes", lambda x: softmax(x, axis=(2, 0)), (T,)),
    ("logsumexp of all", lambda x: logsumexp(x), (X,)),
    ("logsumexp over rows", lambda x: logsumexp(x, axis=-1), (X,)),
    ("logsumexp over columns", lambda x: logsumexp(x, axis=0, keepdims=True) * x, (X,)),
    ("logsumexp over two axes", lambda x: logsumexp(x, axis=(0, 2)), (T,)),
    ("logsumexp far out", lambda x: logsumexp(x * 300, axis=1), (X,)),
    ("logsumexp with −∞", lambda x: logsumexp(np.where(x > 0, x, -np.inf), axis=1), (abs(X) * [1, -1, 1],)),
    ("cross entropy", lambda x, t: np.sum(logsumexp(x, axis=1) - np.sum(x * t, axis=1)), (X, X + 2)),
]  # fmt: skip

CASES = [
    *(
        Case(f"special.{f.__name__} of {shape}", f, (values(*shape, low=low, high=high),))
        for f, (low, high) in UFUNCS.items()
        for shape in ((3,), (2, 3))
    ),
    *(
        Case(
            f"special.{f.__name__} of {a} and {b}", f,
            (values(*a, low=0.5, high=2), values(*b, seed=1, low=0.5, high=2)),
        )
        for f in OF_TWO
        for a, b in (((3,), (3,)), ((2, 1), (3,)), ((), (2, 3)))
    ),
    *(Case(name, f, arguments) for name, f, arguments in OTHERS),
]  # fmt: skip
