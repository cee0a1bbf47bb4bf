"""Jacobians by numbers alone, as judges: nothing here knows the package.

``complex_step`` is exact to rounding for analytic functions that take complex arrays; ``differences``
extrapolates central differences (Richardson) for all others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]

_TINY = 1e-30  # far below rounding, so that its square is lost and its first power is not
_STEP = 1e-2
_HALVINGS = 5


def complex_step(function: Function, x: Array) -> Array:
    """``Im f(x + ih e) / h`` for each unit vector ``e``; output axes, then those of ``x``."""
    x = np.asarray(x, np.float64)
    columns = []
    for index in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[index] += 1j * _TINY
        columns.append(np.imag(function(moved)) / _TINY)
    return _assembled(function, x, columns)


def differences(function: Function, x: Array) -> Array:
    """Central differences with steps that are halved, extrapolated to a step of 0."""
    x = np.asarray(x, np.float64)
    columns = []
    for index in np.ndindex(x.shape):
        row: list[Array] = []
        for halving in range(_HALVINGS):
            step = _STEP / 2**halving
            up, down = x.copy(), x.copy()
            up[index] += step
            down[index] -= step
            slope = (np.asarray(function(up)) - np.asarray(function(down))) / (2 * step)
            new = [slope]
            for order, coarser in enumerate(row, start=1):
                new.append(new[-1] + (new[-1] - coarser) / (4**order - 1))
            row = new
        columns.append(row[-1])
    return _assembled(function, x, columns)


def _assembled(function: Function, x: Array, columns: list[Any]) -> Array:
    out_shape = np.shape(function(x))
    if not columns:
        return np.zeros((*out_shape, *x.shape))
    return np.stack(columns, axis=-1).reshape((*out_shape, *x.shape))


def jacobian(function: Function, arrays: list[Array], position: int, *, analytic: bool) -> Array:
    """The Jacobian of ``function(*arrays)`` by one of its arguments."""

    def of_one(x: Array) -> Any:
        return function(*arrays[:position], x, *arrays[position + 1 :])

    return (complex_step if analytic else differences)(of_one, arrays[position])
