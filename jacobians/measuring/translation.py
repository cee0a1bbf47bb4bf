"""One NumPy function for all: the same code with another module in NumPy's place.

``written_for(f, module)`` is f as if its file had imported that module as ``np``; functions that it
calls, and those in its closure, are translated with it.
"""

import types
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

Function = Callable[..., Any]


def written_for(function: Function, module: Any, *, array: Function | None = None) -> Function:
    """The function over another module's arrays.

    Parameters
    ----------
    function : callable
        Of NumPy's arrays: Python code, or one of NumPy's own functions.
    module : object
        What stands for ``numpy``; its attribute ``linalg`` for ``numpy.linalg``.
    array : callable, optional
        Turns arrays that the function holds (globals, closure) into the module's own.

    Returns
    -------
    callable
        New at each call, so that nothing a peer remembers by function is found again.
    """
    made: Function = _Translator(module, array or (lambda value: value)).function(function)
    return made


class _Translator:
    def __init__(self, module: Any, array: Function) -> None:
        self.module = module
        self.array = array
        self.made: dict[int, Any] = {}

    def value(self, value: Any) -> Any:
        if value is np:
            return self.module
        if value is np.linalg:
            return self.module.linalg
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, types.FunctionType | np.ufunc) or _is_numpys(value):
            return self.function(value)
        return value

    def function(self, function: Any) -> Any:
        if isinstance(function, np.ufunc) or _is_numpys(function):
            linear = getattr(function, "__module__", "") == "numpy.linalg"
            place = self.module.linalg if linear else self.module
            return getattr(place, function.__name__)
        if not isinstance(function, types.FunctionType) or _is_a_librarys(function):
            return function
        if id(function) not in self.made:
            self.made[id(function)] = self._rebuilt(function)
        return self.made[id(function)]

    def _rebuilt(self, function: types.FunctionType) -> types.FunctionType:
        space: dict[str, Any] = {}
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        new = types.FunctionType(
            function.__code__, space, function.__name__, function.__defaults__, cells
        )
        new.__kwdefaults__ = function.__kwdefaults__
        self.made[id(function)] = new  # it may call itself
        used = _names(function.__code__)
        for name, value in function.__globals__.items():
            space[name] = self.value(value) if name in used else value
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            cell.cell_contents = self.value(old.cell_contents)
        return new


def _names(code: types.CodeType) -> set[str]:
    """All global names and attributes in code and the functions inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _is_numpys(value: Any) -> bool:
    return callable(value) and (getattr(value, "__module__", None) or "").startswith("numpy")


def _is_a_librarys(function: types.FunctionType) -> bool:
    """Code that is not the user's: translating a library would break it."""
    return function.__module__.split(".")[0] in ("scipy", "jax", "torch", "autograd")


class TorchAsNumpy:
    """PyTorch under NumPy's names, as far as they differ; the rest are its own."""

    def __init__(self) -> None:
        self._torch: Any = import_module("torch")
        self.linalg = self._torch.linalg
        self.newaxis = None
        self.float64 = self._torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, _TORCH_NAMES.get(name, name))

    def _tensor(self, value: Any) -> Any:
        return value if self._torch.is_tensor(value) else self._torch.tensor(value).double()

    def logaddexp(self, a: Any, b: Any) -> Any:
        """It takes no plain numbers there."""
        return self._torch.logaddexp(self._tensor(a), self._tensor(b))

    def maximum(self, a: Any, b: Any) -> Any:
        """It takes no plain numbers there."""
        return self._torch.maximum(self._tensor(a), self._tensor(b))

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """Ties share equally there under the name ``amax``."""
        axes = tuple(range(x.ndim)) if axis is None else axis
        return self._torch.amax(x, axes, keepdims)

    def transpose(self, x: Any, axes: Any = None) -> Any:
        """``permute``."""
        return x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes)

    def swapaxes(self, x: Any, a: int, b: int) -> Any:
        """With positions, not names."""
        return self._torch.swapaxes(x, a, b)

    def multiply(self, a: Any, b: Any) -> Any:
        """Numbers too."""
        return a * b

    def tensordot(self, a: Any, b: Any, axes: Any = 2) -> Any:
        """``axes`` are ``dims`` there."""
        return self._torch.tensordot(a, b, dims=axes)

    def convolve(self, a: Any, v: Any, mode: str = "full") -> Any:
        """By a layer of one channel."""
        k = v.shape[0]
        pad = {"full": k - 1, "valid": 0}[mode]
        row = self._torch.nn.functional.conv1d(a[None, None], v.flip(0)[None, None], padding=pad)
        return row[0, 0]


_TORCH_NAMES = {"concatenate": "cat", "absolute": "abs", "power": "pow"}
