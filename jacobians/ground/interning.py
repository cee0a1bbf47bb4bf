"""One object for all equal ones, as long as somebody has it; and keys that are equal bit by bit."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import numpy as np

Thing = TypeVar("Thing")


class Interned(Generic[Thing]):
    """Objects by what they are made of: two threads that ask for equal ones get the same."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, Thing] = WeakValueDictionary()
        self._lock = threading.RLock()  # what is made may ask for others

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """The object of a key, made now if there is none."""
        known = self._known.get(key)
        if known is None:
            with self._lock:
                known = self._known.get(key)
                if known is None:
                    known = self._known[key] = make()
        return known

    def __len__(self) -> int:
        return len(self._known)


def by_bits(value: Any) -> Hashable:
    """A key that two values share only if they are the same in type and bits.

    ``0.0`` is not ``-0.0``, ``1`` is neither ``1.0`` nor ``True``, and a NaN is itself.
    """
    if type(value) is int:
        return int, value
    if isinstance(value, np.generic):
        return type(value), value.tobytes()
    if isinstance(value, float):
        return type(value), value.hex()
    if isinstance(value, complex):
        return type(value), value.real.hex(), value.imag.hex()
    if type(value) is tuple:
        return tuple, *map(by_bits, value)
    return type(value), value
