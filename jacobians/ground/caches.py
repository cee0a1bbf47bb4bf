"""Caches that are bounded by the bytes that they keep alive."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")
_OVERHEAD = 512  # bytes of an entry beside what it weighs


class ByteCache(Generic[Made]):
    """What was made for a key, until the entries together weigh more than a limit.

    The entry that was not asked for the longest goes first; one that alone weighs more is not kept.
    """

    def __init__(self, limit: int, weigh: Callable[[Any, Made], int]) -> None:
        self.limit = limit
        self.weight = 0
        self._weigh = weigh
        self._entries: OrderedDict[Hashable, tuple[Made, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The entry of a key, made now if there is none."""
        known = self._entries.get(key)
        if known is not None:
            try:  # noqa: SIM105 - suppress takes longer than the rest
                self._entries.move_to_end(key)
            except KeyError:  # another thread has let it go
                pass
            return known[0]
        made = make()  # not under the lock: it may ask for other entries
        self._put(key, made)
        return made

    def reweigh(self, key: Hashable) -> None:
        """Weigh an entry again that has grown since."""
        known = self._entries.get(key)
        if known is not None and known[1] != _OVERHEAD + self._weigh(key, known[0]):
            self._put(key, known[0])

    def _put(self, key: Hashable, made: Made) -> None:
        weight = _OVERHEAD + self._weigh(key, made)
        with self._lock:
            before = self._entries.pop(key, None)
            self.weight -= before[1] if before else 0
            if weight > self.limit:
                return
            self._entries[key] = made, weight
            self.weight += weight
            while self.weight > self.limit:
                _, (_, gone) = self._entries.popitem(last=False)
                self.weight -= gone

    def items(self) -> list[tuple[Any, Made]]:
        """The entries by their keys, the one to go first first."""
        with self._lock:
            return [(key, made) for key, (made, _) in self._entries.items()]

    def __reduce__(self) -> tuple[type["ByteCache[Made]"], tuple[int, Callable[[Any, Made], int]]]:
        """A copy starts empty."""
        return ByteCache, (self.limit, self._weigh)

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.weight = 0
