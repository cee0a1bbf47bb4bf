"""Caches by bytes."""

import pickle
from typing import Any

from jacobians.ground.caches import _OVERHEAD, ByteCache


def weigh(_: Any, made: int) -> int:
    return made


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    cache: ByteCache[int] = ByteCache(3 * (_OVERHEAD + 100), weigh)
    for key in "abc":
        cache.get(key, lambda: 100)
    cache.get("a", lambda: 0)
    cache.get("d", lambda: 100)
    assert [key for key, _ in cache.items()] == ["c", "a", "d"]
    assert cache.weight == cache.limit


def test_what_is_too_large_alone_is_made_and_not_kept() -> None:
    cache: ByteCache[int] = ByteCache(1000, weigh)
    assert cache.get("a", lambda: 1000) == 1000
    assert (len(cache), cache.weight) == (0, 0)


def test_a_pickled_cache_comes_back_empty() -> None:
    cache: ByteCache[int] = ByteCache(4096, weigh)
    cache.get(1, lambda: 2)
    again = pickle.loads(pickle.dumps(cache))
    assert (again.limit, len(again), again.get(1, lambda: 3)) == (4096, 0, 3)
