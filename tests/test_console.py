"""Plain lines of progress."""

from gan_jax import console
from gan_jax.console import Console, duration


def test_the_time_left_reckons_from_the_first_report(monkeypatch):
    clock, said = iter([0.0, 100.0, 110.0, 130.0]), []
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    plain = Console(quiet=True)
    monkeypatch.setattr(plain, "say", said.append)
    with plain.lines("timing") as advance:
        for done in (1, 2, 4):  # a hundred seconds of preparation, then ten each
            advance(done, 10)
    assert said == ["timing 1/10", "timing 2/10  80 s left", "timing 4/10  60 s left"]


def test_durations():
    assert [duration(seconds) for seconds in (0.13, 40, 700, 11_100)] == [
        "0 s", "40 s", "12 min", "3 h 05 min",
    ]  # fmt: skip
