"""``x.flat`` of a traced array."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.tracing.handle import concrete_index

Array = NDArray[Any]


class Flat:
    """``x.flat``: the entries in row-major order, which can be gone through, indexed and assigned."""

    __slots__ = ("base",)

    def __init__(self, base: Any) -> None:
        self.base = base

    def __len__(self) -> int:
        return int(self.base.size)

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(self.base.size))

    def __getitem__(self, index: Any) -> Any:
        found = self.base.flatten()[index]
        return found if found.number else found.owner()

    def __setitem__(self, index: Any, value: Any) -> None:
        where = concrete_index(index)
        self.base.assign(lambda array, values: array.flat.__setitem__(where, values), value)

    def copy(self) -> Any:
        """The entries as an array of their own."""
        return self.base.flatten()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [x.copy() if isinstance(x, Flat) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*(x.copy() if isinstance(x, Flat) else x for x in args), **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        return self.copy().__array__(*args, **kwargs)  # type: ignore[no-any-return]
