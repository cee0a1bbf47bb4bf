"""The garbage collector's thresholds are the user's own again, whatever happened in between."""

import gc
from collections.abc import Iterator
from threading import Barrier, Thread

import numpy as np
import pytest

import jacobians as jb
from jacobians.ground.collecting import collected_seldom


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    own = gc.get_threshold()
    gc.set_threshold(701, 7, 8)
    yield
    gc.set_threshold(*own)


def test_after_each_transform_and_error() -> None:
    seen = []

    def f(x: np.ndarray) -> np.ndarray:
        seen.append(gc.get_threshold()[0])
        return np.sum(np.sin(x))

    jb.grad(f)(np.ones(3))
    jb.grad(f).compile(np.ones(3))
    assert min(seen) > 701
    assert gc.get_threshold() == (701, 7, 8)
    with pytest.raises(ZeroDivisionError):
        jb.grad(lambda x: np.sum(x) / (1 // 0))(np.ones(3))
    assert gc.get_threshold() == (701, 7, 8)


def test_who_has_none_gets_none() -> None:
    gc.set_threshold(0)
    with collected_seldom():
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold()[0] == 0


def test_threads_that_end_in_any_order() -> None:
    """Each holds until the other has begun; the first to begin ends first."""
    begun, ended = Barrier(2), Barrier(2)

    def first() -> None:
        with collected_seldom():
            begun.wait()
        ended.wait()

    def second() -> None:
        begun.wait()
        with collected_seldom():
            ended.wait()

    for _ in range(20):
        threads = [Thread(target=first), Thread(target=second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert gc.get_threshold() == (701, 7, 8)


def test_cycles_go_while_it_lasts() -> None:
    class Cycle:
        alive = 0

        def __init__(self) -> None:
            self.own = self
            Cycle.alive += 1

        def __del__(self) -> None:
            Cycle.alive -= 1

    with collected_seldom():
        for _ in range(300_000):
            Cycle()
    assert Cycle.alive < 200_000
