"""What follows from structure alone is worked out once: results by their arguments, within a bound of bytes."""

from collections.abc import Hashable
from typing import Any

from jacobians.notation.slots import Table

_ENTRY = 100  # bytes of a small Python object, about


class Memo:
    """Results by keys, all of them nested tuples of numbers and tables; emptied when they hold too much.

    Attributes
    ----------
    limit : int
        Bytes that keys and results may hold together, tables included.
    """

    def __init__(self, limit: int = 1 << 22) -> None:
        self.limit = limit
        self._results: dict[Hashable, Any] = {}
        self._held = 0

    def get(self, key: Hashable) -> Any:
        """The result that was put under an equal key; None if there is none."""
        return self._results.get(key)

    def put(self, key: Hashable, result: Any) -> None:
        """Keep a result, unless it alone is too large."""
        size = held_bytes(key) + held_bytes(result)
        if self._held + size > self.limit:
            self._results, self._held = {}, 0
        if size <= self.limit // 8:
            self._results[key] = result
            self._held += size


def held_bytes(value: Any) -> int:
    """About how many bytes a nested tuple keeps alive."""
    if isinstance(value, tuple):
        return _ENTRY + sum(map(held_bytes, value))
    return _ENTRY + (value.values.nbytes if isinstance(value, Table) else 0)
