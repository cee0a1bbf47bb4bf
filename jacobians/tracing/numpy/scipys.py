"""Functions of SciPy that its own do not hand over: each with SciPy's name and keywords.

On plain arrays SciPy's own function is called; on traced ones, what is here, after SciPy has seen the
values: its errors are its own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.operations import exponential, special
from jacobians.tracing.handle import holds_traced, plainly
from jacobians.tracing.numpy.basics import call_astype
from jacobians.tracing.numpy.filling import array as gathered_array
from jacobians.tracing.session import user_line
from jacobians.tracing.stand_ins import array
from jacobians.tracing.traced import Traced, record

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""By SciPy's name: what takes plain and traced arrays alike."""


def _replaces(module: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function under its name, with SciPy's function of that name for plain arrays."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        name = implementation.__name__

        def run(*args: Any, **kwargs: Any) -> Any:
            real = getattr(_module(module), name)(*plainly(args), **plainly(kwargs))
            if not holds_traced((args, kwargs)):
                return np.copy(real) if isinstance(real, np.ndarray) else real
            return implementation(*args, **kwargs)

        run.__name__, run.__doc__ = name, implementation.__doc__
        run.__wrapped__ = implementation  # type: ignore[attr-defined] # its signature is shown
        FUNCTIONS[name] = run
        return run

    return enter


def _module(name: str) -> Any:
    from scipy import linalg  # loads slowly
    from scipy import special as functions

    return linalg if name == "linalg" else functions


def _floats(a: Any) -> Any:
    a = array(a)
    return a if a.dtype.kind == "f" else call_astype(a, np.float64)


def _turned(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


@_replaces("linalg")
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
    overwrite_b: bool = False, check_finite: bool = True,  # noqa: ARG001
) -> Any:  # fmt: skip
    """scipy.linalg.solve_triangular: the other triangle is not read, and has derivative 0."""
    keep = np.tril if lower else np.triu
    matrix = _floats(a)
    matrix = (
        keep(matrix, -1 if lower else 1) + np.eye(matrix.shape[-1])
        if unit_diagonal
        else keep(matrix)
    )
    return np.linalg.solve(_turned(matrix) if trans in (1, 2, "T", "C") else matrix, _floats(b))


@_replaces("linalg")
def cho_solve(
    c_and_lower: Any,
    b: Any,
    overwrite_b: bool = False,  # noqa: ARG001
    check_finite: bool = True,  # noqa: ARG001
) -> Any:
    """scipy.linalg.cho_solve: the other triangle of the factor is not read."""
    c, lower = c_and_lower
    factor = np.tril(_floats(c)) if lower else _turned(np.triu(_floats(c)))
    return np.linalg.solve(_turned(factor), np.linalg.solve(factor, _floats(b)))


@_replaces("linalg")
def expm(A: Any) -> Any:
    """scipy.linalg.expm."""
    matrix = _floats(A)
    return record(exponential.exponential(), [np.atleast_2d(matrix)]) if matrix.size else matrix


@_replaces("linalg")
def block_diag(*arrs: Any) -> Any:
    """scipy.linalg.block_diag: zeros beside the blocks are structural."""
    blocks = [gathered_array(a) for a in arrs]
    blocks = [np.atleast_2d(block) for block in blocks]
    dtype = np.result_type(*(block.dtype for block in blocks))
    lead = np.broadcast_shapes(*(block.shape[:-2] for block in blocks))
    shape = np.sum([block.shape[-2:] for block in blocks], axis=0)
    whole = Traced.allocated(np.zeros((*lead, *shape), dtype))
    row = column = 0
    for block in blocks:
        m, n = block.shape[-2:]
        whole[..., row : row + m, column : column + n] = block
        row, column = row + m, column + n
    return whole


@_replaces("linalg")
def toeplitz(c: Any, r: Any = None) -> Any:
    """scipy.linalg.toeplitz: of real vectors."""
    column = np.atleast_1d(array(c))
    row = column if r is None else np.atleast_1d(array(r))
    m, n = column.shape[-1], row.shape[-1]
    entries = np.concatenate([column[..., ::-1], row[..., 1:]], axis=-1)
    return entries[..., m - 1 + np.arange(n) - np.arange(m)[:, None]]


@_replaces("linalg")
def circulant(c: Any) -> Any:
    """scipy.linalg.circulant."""
    column = np.atleast_1d(array(c))
    n = column.shape[-1]
    return column[..., (np.arange(n)[:, None] - np.arange(n)) % max(n, 1)]


@_replaces("special")
def polygamma(n: Any, x: Any) -> Any:
    """scipy.special.polygamma by its second argument; the order is one integer."""
    if isinstance(n, Traced) or np.ndim(n) or int(n) != n:
        raise UnsupportedError(
            f"polygamma at {user_line()}: the order is one plain integer here; join several with np.stack([...])"
        )
    return record(special.polygamma(int(n)), [_floats(x)])
