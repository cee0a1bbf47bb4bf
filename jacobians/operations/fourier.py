"""Fourier transforms of real vectors: real and imaginary part, and back; leading axes are batches.

The values are NumPy's fast transforms; the cosines and sines, which are the Jacobians, are made when a
derivative is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.graph.node import Node, constant
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import Factor, Sum, normal, plain_slots, total
from jacobians.operations.by_rules import Rule, parse_form
from jacobians.operations.kinds import Shape, float_type

Array = NDArray[Any]


_MATRICES: ByteCache[Node] = ByteCache(1 << 24, lambda _, node: node.value.nbytes)


class LinearMap(Rule):
    """A fixed matrix times the last axis, of which the value does without the matrix.

    ``matrix(rows, columns)`` is the Jacobian; ``size`` entries come out.
    """

    _matrix: Callable[[int, int], Array]
    _written: str

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        matrix: Callable[[int, int], Array],
        written: str,
    ) -> None:
        form = parse_form(f"y_…m = {name}(X_…n)", [])
        super().__init__(name, value, [form], notation=f"{name}({{0}})")
        self.__dict__.update(_matrix=matrix, _written=written)

    def _made(self, rows: int, columns: int, dtype: np.dtype[Any]) -> Node:
        return constant(self._matrix(rows, columns).astype(dtype), self._written)

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
        key = self, node.shape[-1], shape[-1], node.dtype
        matrix = _MATRICES.get(key, lambda: self._made(*key[1:]))
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


def _declared(
    name: str, value: Callable[..., Any], matrix: Callable[[int, int], Array], written: str
) -> LinearMap:
    return LinearMap(name, value, matrix, written)


real_part = _declared(
    "fft_real", lambda X, size: _spectrum(X, size).real,
    lambda rows, columns: np.cos(_turns(rows, columns, columns)), "cos",
)  # fmt: skip
imaginary_part = _declared(
    "fft_imag", lambda X, size: _spectrum(X, size).imag,
    lambda rows, columns: -np.sin(_turns(rows, columns, columns)), "sin",
)  # fmt: skip
from_real = _declared(
    "irfft_real", lambda X, size: _back(X, 0, size),
    lambda rows, columns: np.cos(_turns(rows, columns, rows)) * _weights(columns, rows), "cos",
)  # fmt: skip
from_imaginary = _declared(
    "irfft_imag", lambda X, size: _back(0, X, size),
    lambda rows, columns: -np.sin(_turns(rows, columns, rows)) * _weights(columns, rows), "sin",
)  # fmt: skip
