"""Which steps make rows, what a row holds, and when a run counts as diverged."""

import numpy as np
import pytest

from gan_jax import timing
from gan_jax.errors import DivergedError
from gan_jax.recipe import Phase
from gan_jax.recorder import Recorder
from gan_jax.timing import Stopwatch
from tests.runs import MEASURED


class Rows(list):
    """A writer that keeps `(step, row)`."""

    def row(self, step, row):
        self.append((step, dict(row)))


class Recording:
    """A recorder with all that it tells others."""

    def __init__(self, *, log_every=10, limit=3, **every):
        self.rows, self.events, self.lines = Rows(), [], []
        self.recorder = Recorder(
            writers=[self.rows],
            phases=[
                Phase(name=name, trains=(), loss=lambda *_: None, every=count)
                for name, count in every.items()
            ],
            log_every=log_every,
            images_per_step=8,
            limit=limit,
            stopwatch=Stopwatch(),
            on_event=lambda kind, fields: self.events.append((kind, fields)),
            on_row=lambda step, line: self.lines.append((step, line)),
        )

    def feed(self, metrics, call=1):
        """The rounds of `metrics` `{name: [steps]}` in calls of `call`, the last one padded."""
        total = len(metrics["skipped_in_a_row"])
        for start in range(0, total, call):
            count = min(call, total - start)
            padded = {
                name: np.pad(values[start : start + count], (0, call - count), constant_values=7)
                for name, values in metrics.items()
            }
            self.recorder.record(start, count, padded)

    def steps(self, name):
        """Those of the rows that hold a metric."""
        return [step for step, row in self.rows if name in row]


def metrics(steps, *names):
    """Each metric's value is the round's number."""
    numbers = np.arange(steps, dtype=np.float32)
    zeros = np.zeros(steps, np.float32)
    counters = {"skipped": zeros, "skipped_in_a_row": zeros}
    return {name: numbers for name in names} | counters


def test_an_ordinary_phase_is_logged_on_ticks():
    recording = Recording(log_every=10, d=1)
    recording.feed(metrics(35, "d/loss", "value/rate"))
    for name in ("d/loss", "value/rate", "skipped"):
        assert recording.steps(name) == [10, 20, 30]
    step, row = recording.rows[0]
    assert row["d/loss"] == row["value/rate"] == 9.0  # that step's own, not a mean
    assert row["images_seen"] == 8 * step
    assert set(MEASURED) <= set(row)


@pytest.mark.parametrize(
    ("every", "log_every", "expected"),
    [
        # Due in steps 1, 5, 9, 13, …; the first after each tick.
        (4, 10, [13, 21, 33]),
        # Rarer than ticks: each of its steps but the first, before which there was no tick.
        (16, 5, [17, 33]),
        # Due in steps 1, 6, 11, 16, …
        (5, 10, [11, 21, 31]),
        # Every second step, logged at once where it is a tick.
        (2, 5, [5, 11, 15, 21, 25, 31, 35]),
        # With every step a tick: all of its own.
        (16, 1, [1, 17, 33]),
    ],
)
def test_a_lazy_phase_is_logged_when_first_due_at_or_after_a_tick(every, log_every, expected):
    recording = Recording(log_every=log_every, d=1, r1=every)
    recording.feed(metrics(38, "d/loss", "r1/loss"))
    assert recording.steps("r1/loss") == expected
    assert recording.steps("d/loss") == list(range(log_every, 39, log_every))
    for step, row in recording.rows:
        if step % log_every:  # a row of its own
            assert set(row) == {"images_seen", "seconds", "r1/loss"}
        for name in {"d/loss", "r1/loss"} & set(row):
            assert row[name] == step - 1


def test_rows_depend_on_the_step_alone():
    """Not on how many rounds a call has, and not on where a resumed run begins."""
    fed = metrics(38, "d/loss", "r1/loss", "value/rate")
    plain = []
    for call in (1, 4, 7, 38):
        recording = Recording(log_every=5, d=1, r1=4)
        recording.feed(fed, call)
        plain.append([
            (step, {n: v for n, v in row.items() if n not in MEASURED})
            for step, row in recording.rows
        ])  # fmt: skip
        assert [step for step, _ in recording.lines] == [5, 10, 15, 20, 25, 30, 35]
    assert plain[0] == plain[1] == plain[2] == plain[3]
    resumed = Recording(log_every=5, d=1, r1=4)
    resumed.recorder.record(13, 25, {name: values[13:] for name, values in fed.items()})
    assert [step for step, _ in resumed.rows] == [step for step, _ in plain[0] if step > 13]


@pytest.mark.parametrize("call", [1, 4, 20])
def test_rates_are_those_of_the_rounds_since_the_last(monkeypatch, call):
    """Of whole calls: a tick within one has the rate of all its rounds, and of the calls before it
    that had no tick."""
    now, lap_began, steps = 0.0, 0.0, 0
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now)
    recording = Recording(log_every=3, d=1)
    fed, expected = metrics(40, "d/loss"), []
    for start in range(0, 40, call):
        now += call * (0.25 if start % 8 else 0.5)
        steps += call
        ticks = sum(step % 3 == 0 for step in range(start + 1, start + call + 1))
        if ticks:
            expected += ticks * [8 * steps / (now - lap_began)]
            lap_began, steps = now, 0
        part = {name: values[start : start + call] for name, values in fed.items()}
        recording.recorder.record(start, call, part)
    rows = [row for _, row in recording.rows]
    rates = [row["images_per_second"] for row in rows]
    assert len(rates) == 13 and rates == pytest.approx(expected, abs=0.01)
    assert f"{expected[0]:.0f} images/s" in recording.lines[0][1]
    assert "d 2.000" in recording.lines[0][1]
    assert all(row["share_waiting_for_data"] == 0.0 for row in rows)


def skipping(*in_a_row):
    """Metrics of rounds with these counters; the loss of a skipped one is not finite."""
    counters = np.array(in_a_row, np.float32)
    loss = np.where(counters > 0, np.nan, 1.0).astype(np.float32)
    return {
        "d/loss": loss,
        "g/loss": np.ones_like(loss),
        "skipped": np.cumsum(counters > 0).astype(np.float32),
        "skipped_in_a_row": counters,
    }


@pytest.mark.parametrize("call", [1, 3])
def test_skipped_rounds_are_events(call):
    recording = Recording(log_every=2, d=1, g=1)
    recording.feed(skipping(0, 1, 0, 1, 2, 0), call)
    assert [(kind, fields["step"]) for kind, fields in recording.events] == [
        ("skipped", 2), ("skipped", 4), ("skipped", 5),
    ]  # fmt: skip
    fields = recording.events[0][1]
    assert fields["not_finite"] == ["d/loss"]
    assert fields["message"] == ("step 2 was skipped: d/loss not finite; the state stays as it was")
    assert [index for index, _ in recording.recorder.skipped] == [1, 3, 4]
    assert recording.recorder.skipped[0][1]["d/loss"] is None
    assert recording.recorder.skipped[0][1]["g/loss"] == 1.0
    assert recording.recorder.last == {
        "d/loss": 1.0,
        "g/loss": 1.0,
        "skipped": 3.0,
        "skipped_in_a_row": 0.0,
    }


def test_a_state_that_overflowed_with_finite_metrics_is_said_to_be_it():
    recording = Recording(d=1)
    fed = skipping(1)
    fed["d/loss"][0] = 3.0
    recording.feed(fed)
    assert "skipped: the new state not finite" in recording.events[0][1]["message"]


@pytest.mark.parametrize("call", [1, 4])
def test_too_many_skipped_in_a_row_end_the_run(call):
    recording = Recording(log_every=100, limit=3, d=1, g=1)
    with pytest.raises(DivergedError, match="diverged: 3 rounds in a row up to step 6 "):
        recording.feed(skipping(1, 2, 0, 1, 2, 3, 4, 5), call)
    assert [index for index, _ in recording.recorder.skipped] == [3, 4, 5]  # the last three
