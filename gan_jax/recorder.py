"""From a call's metrics to rows: which steps are logged, and what counts as divergence."""

from __future__ import annotations

import collections
import math
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.errors import DivergedError
from gan_jax.recipe import Phase
from gan_jax.timing import Stopwatch
from gan_jax.writer import Writer

Event = Callable[[str, dict[str, Any]], None]
Note = Callable[[int, str], None]


class Recorder:
    """Turns the metrics `[K]` of each call into rows of single steps.

    A step (1-based: the state after that many rounds) is logged when it is a multiple of
    `log_every`. A phase that is not due then is logged on its first due step after it, in a row
    with its own metrics alone. Which rows there are depends on the step alone, so a resumed run
    writes those of an uninterrupted one.

    Args:
        writers: take the rows.
        phases: of the recipe.
        log_every: steps.
        images_per_step: real images that a step draws.
        limit: skipped rounds in a row that end the run.
        stopwatch: of the run.
        on_event: hears of skipped rounds.
        on_row: hears `(step, line)` for the progress display.

    Attributes:
        last: the metrics of the last round recorded, whether it was logged or not.
        skipped: (round, metrics, null where not finite) of the last `limit` skipped rounds.
    """

    def __init__(
        self,
        *,
        writers: Sequence[Writer],
        phases: Sequence[Phase],
        log_every: int,
        images_per_step: int,
        limit: int,
        stopwatch: Stopwatch,
        on_event: Event,
        on_row: Note,
    ):
        self._writers = writers
        self._every = {phase.name: phase.every for phase in phases}
        self._log_every = log_every
        self._images_per_step = images_per_step
        self._limit = limit
        self._stopwatch = stopwatch
        self._on_event = on_event
        self._on_row = on_row
        self._steps_in_lap = 0
        self.last: dict[str, float] = {}
        self.skipped: collections.deque[tuple[int, dict[str, float | None]]] = collections.deque(
            maxlen=limit
        )

    def record(self, start: int, count: int, metrics: Mapping[str, np.ndarray]) -> None:
        """Rounds `start` to `start + count - 1`.

        Raises:
            DivergedError: too many were skipped in a row.
        """
        self._steps_in_lap += count
        a_tick_passes = (start + count) // self._log_every > start // self._log_every
        rates = self._rates() if a_tick_passes else {}
        for offset in range(count):
            index = start + offset
            skipped_in_a_row = int(metrics["skipped_in_a_row"][offset])
            if skipped_in_a_row:
                self._skipped(index, {n: float(m[offset]) for n, m in metrics.items()})
            names = self._due(index, metrics)
            if names:
                self._write(index, {name: float(metrics[name][offset]) for name in names}, rates)
            if skipped_in_a_row >= self._limit:
                raise DivergedError(
                    f"diverged: {skipped_in_a_row} rounds in a row up to step {index + 1} were not "
                    "finite and changed nothing; see divergence.json, and lower the learning rates "
                    "or the penalties"
                )
        self.last = self._of_last_round(start + count - 1, metrics, count - 1)

    def _of_last_round(
        self, index: int, metrics: Mapping[str, np.ndarray], offset: int
    ) -> dict[str, float]:
        """All that round `index` measured; a phase that was not due in it measured nothing."""
        return {
            name: float(values[offset])
            for name, values in metrics.items()
            if index % self._every.get(name.partition("/")[0], 1) == 0
        }

    def _due(self, index: int, metrics: Mapping[str, Any]) -> list[str]:
        """The metrics that round `index` logs."""
        step = index + 1
        on_tick = step % self._log_every == 0

        def is_logged(name: str) -> bool:
            every = self._every.get(name.partition("/")[0])
            if every is None:  # a counter or a value
                return on_tick
            a_tick_passed = step // self._log_every > (step - every) // self._log_every
            return index % every == 0 and (
                on_tick or (every > 1 and step > every and a_tick_passed)
            )

        return [name for name in metrics if is_logged(name)]

    def _write(self, index: int, measured: dict[str, float], rates: dict[str, float]) -> None:
        step = index + 1
        row: dict[str, Any] = {"images_seen": step * self._images_per_step, **measured}
        row["seconds"] = round(self._stopwatch.seconds, 3)
        if step % self._log_every == 0:
            row |= rates
            self._on_row(step, _summary(row))
        for writer in self._writers:
            writer.row(step, row)

    def _rates(self) -> dict[str, float]:
        """Since the last call that logged; its ticks share them, for a call is timed as a whole."""
        trained, waited = self._stopwatch.lap()
        images = self._steps_in_lap * self._images_per_step
        self._steps_in_lap = 0
        return {
            "images_per_second": round(images / max(trained, 1e-9), 2),
            "share_waiting_for_data": round(waited / max(trained, 1e-9), 4),
            "peak_memory_bytes": peak_memory_bytes(),
        }

    def _skipped(self, index: int, metrics: Mapping[str, float]) -> None:
        wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
        plain = {name: None if name in wrong else value for name, value in metrics.items()}
        self.skipped.append((index, plain))
        what = ", ".join(wrong) or "the new state"
        message = f"step {index + 1} was skipped: {what} not finite; the state stays as it was"
        self._on_event("skipped", {"step": index + 1, "not_finite": wrong, "message": message})


def peak_memory_bytes() -> int:
    """Of the first local device where it keeps count, else of this process."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024


def _summary(row: Mapping[str, Any]) -> str:
    losses = [f"{n.removesuffix('/loss')} {v:.3f}" for n, v in row.items() if n.endswith("/loss")]
    return f"{row['images_per_second']:.0f} images/s  " + "  ".join(losses)
