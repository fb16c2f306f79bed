"""The training loop: dispatch a call, meanwhile record the one before, and at the edges of its
stretches sample and save."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from gan_jax.recipe import PyTree
from gan_jax.recorder import Recorder
from gan_jax.state import TrainState
from gan_jax.timing import Stopwatch

Program = Callable[[TrainState, Mapping[str, PyTree], Any, Any], tuple[TrainState, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """What the loop needs, and nothing else.

    Attributes:
        program: compiled `(state, frozen, batches, count) -> (state, metrics [K])`.
        frozen: variables of the frozen networks.
        calls: `(first step, rounds, batches)` in order.
        recorder: takes the metrics.
        sample: writes the pictures of a state at a step.
        save: starts a checkpoint of a state at a step.
        samples_every: steps.
        checkpoint_every: steps.
        total: the last step of the run.
        end: where this process stops; `total` or earlier.
        stop: asked before each call with its number; a signal number ends the loop.
        on_progress: hears the step after each call.
        stopwatch: pauses while sampling and saving.
    """

    program: Program
    frozen: Mapping[str, PyTree]
    calls: Iterator[tuple[int, int, Any]]
    recorder: Recorder
    sample: Callable[[int, TrainState], None]
    save: Callable[[int, TrainState], None]
    samples_every: int
    checkpoint_every: int
    total: int
    end: int
    stop: Callable[[int], int | None]
    on_progress: Callable[[int], None]
    stopwatch: Stopwatch

    def run(self, state: TrainState, step: int) -> tuple[int, int | None]:
        """Trains from `step`; the step reached, and the signal that ended the loop, if one did.

        Whatever the reason to end, the state is saved. Raises what recording and reading raise;
        before a DataError the state is saved too.
        """
        pending: tuple[int, int, Any] | None = None
        signal_number = None
        number = 0
        while step < self.end:
            signal_number = self.stop(number)
            if signal_number is not None:
                break
            start, count, batches = self._next(state, step, pending)
            state, metrics = self.program(state, self.frozen, batches, np.int32(count))
            self._record(pending)
            pending = (start, count, metrics)
            step = start + count
            number += 1
            if self._is_edge(step):
                self._record(pending)
                pending = None
                self._at_edge(step, state)
            self.on_progress(step)
        if pending is not None:
            self._record(pending)
        if signal_number is not None:
            self.save(step, state)
        return step, signal_number

    def _next(self, state: TrainState, step: int, pending: Any) -> tuple[int, int, Any]:
        with self.stopwatch.waiting():
            try:
                return next(self.calls)
            except Exception:
                # The data failed, not the run: what it reached is kept.
                self._record(pending)
                self.save(step, state)
                raise

    def _record(self, pending: tuple[int, int, Any] | None) -> None:
        """Waits for a call's metrics, by then done or nearly so."""
        if pending is not None:
            start, count, metrics = pending
            self.recorder.record(start, count, jax.device_get(metrics))

    def _is_edge(self, step: int) -> bool:
        return (
            step % self.samples_every == 0 or step % self.checkpoint_every == 0 or step == self.end
        )

    def _at_edge(self, step: int, state: TrainState) -> None:
        """Rows and pictures first: a checkpoint vouches for all that lies before it."""
        with self.stopwatch.paused():
            jax.block_until_ready(state)
            if step % self.samples_every == 0 or step == self.total:
                self.sample(step, state)
            if step % self.checkpoint_every == 0 or step == self.end:
                self.save(step, state)
