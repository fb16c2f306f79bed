"""The stopwatch against a clock that only moves when told to."""

import pytest

from gan_jax import timing
from gan_jax.timing import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)` lets time pass."""
    now = 100.0

    def advance(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now)
    return advance


def test_a_lap_is_what_was_neither_paused_nor_before_it(clock):
    stopwatch = Stopwatch()
    clock(2.0)
    with stopwatch.paused():
        clock(5.0)
    clock(1.0)
    with stopwatch.waiting():
        clock(0.5)
    assert stopwatch.lap() == pytest.approx((3.5, 0.5))
    clock(4.0)
    assert stopwatch.lap() == pytest.approx((4.0, 0.0))
    assert stopwatch.lap() == pytest.approx((0.0, 0.0))
    assert stopwatch.seconds == pytest.approx(12.5)


def test_time_counts_also_where_an_error_ends_it(clock):
    stopwatch = Stopwatch()
    for section in (stopwatch.paused, stopwatch.waiting):
        with pytest.raises(KeyError), section():
            clock(3.0)
            raise KeyError
    assert stopwatch.lap() == pytest.approx((3.0, 3.0))
