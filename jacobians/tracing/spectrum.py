"""``Spectrum``: the complex result of a Fourier transform of a real traced array."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.tracing.session import user_line
from jacobians.tracing.tables import name_of
from jacobians.tracing.traced import Traced

_WAYS = "take .real, .imag or abs() of it, or np.fft.irfft; Jacobians here are real"


class Spectrum:
    """Real and imaginary part of a Fourier transform, as two traced arrays.

    Attributes
    ----------
    real, imag : Traced
        The parts.
    """

    __slots__ = ("imag", "real")
    __array_priority__ = 1001.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, real: Traced, imag: Traced) -> None:
        self.real, self.imag = real, imag

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.real.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.real.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.real.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The complex dtype."""
        return np.result_type(self.real.dtype, np.complex64)

    def __len__(self) -> int:
        return len(self.real)

    def __abs__(self) -> Any:
        return np.hypot(self.real, self.imag)

    def __repr__(self) -> str:
        return f"<traced {self.real.value + 1j * self.imag.value!r}>"

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedError(f"{what} of a complex traced array at {user_line()}: {_WAYS}")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.absolute and method == "__call__" and not kwargs:
            return abs(self)
        return self._refuse(name_of(ufunc))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in ANSWERS:
            return ANSWERS[function](*args, **kwargs)
        return self._refuse(name_of(function))

    def __array__(self, *_: Any, **__: Any) -> Any:
        self._refuse("a result (or a plain array)")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        self._refuse(f".{name}")

    def __getitem__(self, index: Any) -> "Spectrum":
        return Spectrum(self.real[index], self.imag[index])


ANSWERS: dict[Any, Callable[..., Any]] = {
    np.real: lambda val: val.real, np.imag: lambda val: val.imag, np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim, np.size: lambda a: a.size,
}  # fmt: skip
"""What NumPy's functions give for a spectrum; the transforms back enter themselves."""


def _refused(name: str) -> Any:
    def method(self: Spectrum, *_: Any) -> Any:
        self._refuse(name)

    return method


for _name in [
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "truediv",
    "rtruediv",
    "floordiv",
    "rfloordiv",
    "mod",
    "rmod",
    "pow",
    "rpow",
    "matmul",
    "rmatmul",
    "neg",
    "pos",
    "invert",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "bool",
    "int",
    "float",
    "complex",
    "index",
    "iter",
    "contains",
    "setitem",
    "iadd",
    "isub",
    "imul",
    "itruediv",
]:
    setattr(Spectrum, f"__{_name}__", _refused(f"'{_name}'"))
