"""Fourier transforms of real vectors: real and imaginary part, and back; leading axes are batches.

The values are NumPy's fast transforms; the cosines and sines, which are the Jacobians, are made when a
derivative is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node, constant
from jacobians.notation.terms import Factor, Sum, normal, plain_slots, total
from jacobians.operations.declare import Rule, Shape, float_type, known_to_numpy, parse_form

Array = NDArray[Any]


class LinearMap(Rule):
    """A fixed matrix times the last axis, of which the value does without the matrix.

    ``matrix(rows, columns)`` is the Jacobian; ``size`` entries come out.
    """

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        matrix: Callable[[int, int], Array],
        written: str,
    ) -> None:
        form = parse_form(f"y_…m = {name}(X_…n)", [])
        super().__init__(name, value, [form], notation=f"{name}({{0}})")
        self._matrix = lru_cache(maxsize=8)(
            lambda rows, columns, dtype: constant(matrix(rows, columns).astype(dtype), written)
        )

    def infer(
        self, operands: Sequence[Node], parameters: Mapping[str, Any]
    ) -> tuple[Shape, np.dtype[Any]]:
        """The last axis gets ``size`` entries."""
        (node,) = operands
        return (*node.shape[:-1], parameters["size"]), float_type(operands)

    def local(self, node: Node, position: int) -> Sum:
        """The matrix, and a delta for each leading axis."""
        shape = node.operands[position].shape
        sizes = (*shape[:-1], node.shape[-1], shape[-1])
        *batch, row, column = plain_slots(sizes)
        matrix = self._matrix(node.shape[-1], shape[-1], node.dtype)
        term = normal(1, sizes, [Factor(matrix, (row, column))], [*batch, row, *batch, column])
        return total(node.shape + shape, [term])


def _spectrum(X: Any, size: int) -> Any:
    return np.fft.fft(X) if size == np.shape(X)[-1] else np.fft.rfft(X)


def _turns(rows: int, columns: int, length: int) -> Array:
    """The angles ``2π r c / length``, of whole turns less: small numbers have more digits."""
    angles: Array = np.outer(np.arange(rows), np.arange(columns)) % length * (2 * np.pi / length)
    return angles


def _back(real: Any, imag: Any, size: int) -> Any:
    return np.fft.irfft(real + 1j * imag, size)


def _weights(columns: int, length: int) -> Array:
    """How often each frequency of half a spectrum occurs in the whole, over the length."""
    weights = np.full(columns, 2.0 / length)
    weights[0] = 1.0 / length
    if length % 2 == 0 and columns > length // 2:
        weights[length // 2] = 1.0 / length
    weights[length // 2 + 1 :] = 0  # NumPy cuts these off
    return weights


def _made(
    name: str, value: Callable[..., Any], matrix: Callable[[int, int], Array], written: str
) -> LinearMap:
    return known_to_numpy(LinearMap(name, value, matrix, written), None)


real_part = _made(
    "fft_real", lambda X, size: _spectrum(X, size).real,
    lambda rows, columns: np.cos(_turns(rows, columns, columns)), "cos",
)  # fmt: skip
imaginary_part = _made(
    "fft_imag", lambda X, size: _spectrum(X, size).imag,
    lambda rows, columns: -np.sin(_turns(rows, columns, columns)), "sin",
)  # fmt: skip
from_real = _made(
    "irfft_real", lambda X, size: _back(X, 0, size),
    lambda rows, columns: np.cos(_turns(rows, columns, rows)) * _weights(columns, rows), "cos",
)  # fmt: skip
from_imaginary = _made(
    "irfft_imag", lambda X, size: _back(0, X, size),
    lambda rows, columns: -np.sin(_turns(rows, columns, rows)) * _weights(columns, rows), "sin",
)  # fmt: skip
