"""The stopwatch reads its clock, and the meter sees what a call drops again."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from jacobians.ground.stopwatch import Stopwatch, peak_bytes, repeated, seconds_per_call


class Clock:
    """A clock that calls set forward; reading it takes no time."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def passing(self, *steps: float) -> "Call":
        return Call(self, iter([*steps, *[steps[-1]] * 300]))


class Call:
    def __init__(self, clock: Clock, steps: Iterator[float]) -> None:
        self.clock, self.steps, self.count = clock, steps, 0

    def __call__(self) -> None:
        self.clock.now += next(self.steps)
        self.count += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr("jacobians.ground.stopwatch.time", fake)
    return fake


def test_a_block_is_timed(clock: Clock) -> None:
    watch = Stopwatch()
    clock.now += 2
    assert watch.seconds == 2
    with watch:
        clock.now += 3
        assert watch.seconds == 3
    clock.now += 5
    assert watch.seconds == 3


def test_seconds_per_call(clock: Clock) -> None:
    assert seconds_per_call(clock.passing(1, 2, 6), 3) == 3


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0.0625], [0.0625] * 4),  # until the time is filled
        ([0.1875], [0.1875] * 3),  # at least three
        ([2**-12], [2**-12] * 200),  # at most 200
        ([0.53125], [0.53125]),  # one that takes more than twice the time is not repeated
        ([0.5], [0.5] * 3),
        ([0.125, 8.0], [0.125, 8.0, 8.0]),
    ],
)
def test_calls_are_repeated(clock: Clock, steps: list[float], expected: list[float]) -> None:
    call = clock.passing(*steps)
    assert repeated(call, 0.25) == expected
    assert call.count == len(expected)


def test_peak_bytes_sees_what_a_call_drops_again() -> None:
    assert 800_000 < peak_bytes(lambda: np.ones(100_000).sum()) < 900_000
    assert peak_bytes(lambda: None) < 10_000


def test_the_meter_leaves_tracing_as_it_was() -> None:
    peak_bytes(lambda: None)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        held = np.ones(1_000_000)
        assert 800_000 < peak_bytes(lambda: np.ones(100_000).sum()) < 900_000
        assert tracemalloc.is_tracing()
        del held
    finally:
        tracemalloc.stop()


def test_the_meter_stops_where_the_call_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        peak_bytes(lambda: 1 / 0)
    assert not tracemalloc.is_tracing()
