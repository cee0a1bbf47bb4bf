"""What caches keep alive is bounded by bytes, and index tables are among them."""

import gc
import tracemalloc

import numpy as np
import pytest

import jacobians as jb
from jacobians.execution import interpret
from jacobians.ground.caches import ByteCache


def test_tables_of_indices_do_not_stay() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)

    def jacobian() -> None:
        places = rng.integers(0, 1000, size=100_000)
        J = jb.jacobian(lambda x: x[places])(x)
        np.testing.assert_array_equal(J.jvp(x), x[places])
        G = rng.normal(size=100_000)
        np.testing.assert_allclose(J.vjp(G), np.bincount(places, G, 1000), rtol=1e-10, atol=1e-9)

    jacobian()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(30):
            jacobian()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < 16 << 20  # thirty tables have 24 MB; each plan held several of them
    assert interpret._PROGRAMS.weight <= interpret._PROGRAMS.limit


def test_a_cache_forgets_the_least_recently_used() -> None:
    made = []

    def make(number: int) -> bytes:
        made.append(number)
        return bytes(1000)

    cache: ByteCache[bytes] = ByteCache(5000, lambda _, value: len(value))
    for number in (1, 2, 3, 1, 4):  # three fit
        cache.get(number, lambda number=number: make(number))
    assert made == [1, 2, 3, 4]
    assert [key for key, _ in cache.items()] == [3, 1, 4]
    assert cache.weight <= 5000
    cache.get("large", lambda: bytes(6000))
    assert len(cache) == 3
    cache.clear()
    assert (len(cache), cache.weight) == (0, 0)


def test_what_raises_is_not_kept() -> None:
    cache: ByteCache[int] = ByteCache(5000, lambda *_: 1)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)
    assert cache.get("key", lambda: 7) == 7
