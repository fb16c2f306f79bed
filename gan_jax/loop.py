"""The training loop: dispatch a call, meanwhile record the one before, and at the edges of its
stretches sample, evaluate and save."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.profile import Window
from gan_jax.recipe import PyTree
from gan_jax.recorder import Recorder
from gan_jax.state import TrainState
from gan_jax.timing import Stopwatch

Program = Callable[[TrainState, Mapping[str, PyTree], Any, Any], tuple[TrainState, Any]]


@dataclasses.dataclass(frozen=True)
class Edge:
    """What happens between two calls, in steps that are multiples of `every` and in the last:
    the run's last (`total`), or with `at_end` also where this process stops.

    Attributes:
        every: steps.
        action: called with a step and its state.
        at_end: whether the action is also due where the loop ends early.
    """

    every: int
    action: Callable[[int, TrainState], None]
    at_end: bool = False

    def is_due(self, step: int, total: int, end: int) -> bool:
        return step % self.every == 0 or step == total or (self.at_end and step == end)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """What the loop needs, and nothing else.

    Attributes:
        program: compiled `(state, frozen, batches, count) -> (state, metrics [K])`.
        frozen: variables of the frozen networks.
        calls: `(first step, rounds, batches)` in order.
        recorder: takes the metrics.
        edges: in this order; a checkpoint, which vouches for all that lies before it, last.
        save: starts a checkpoint of a state at a step.
        total: the last step of the run.
        end: where this process stops; `total` or earlier.
        stop: asked before each call with its number; a signal number ends the loop.
        on_progress: hears the step after each call.
        stopwatch: pauses at the edges.
        profile: the window of steps that is traced, if one is.
    """

    program: Program
    frozen: Mapping[str, PyTree]
    calls: Iterator[tuple[int, int, Any]]
    recorder: Recorder
    edges: Sequence[Edge]
    save: Callable[[int, TrainState], None]
    total: int
    end: int
    stop: Callable[[int], int | None]
    on_progress: Callable[[int], None]
    stopwatch: Stopwatch
    profile: Window | None = None

    def run(self, state: TrainState, step: int) -> tuple[int, int | None]:
        """Trains from `step`; the step reached, and the signal that ended the loop, if one did.

        Whatever the reason to end, the state is saved. Raises what recording, reading and edges
        raise; before a DataError of reading the state is saved too.
        """
        pending: tuple[int, int, Any] | None = None
        signal_number = None
        number = 0
        while step < self.end:
            signal_number = self.stop(number)
            if signal_number is not None:
                break
            start, count, batches = self._next(state, step, pending)
            if self.profile is not None:
                with self.stopwatch.paused():
                    self.profile.before(step, state)
            state, metrics = self.program(state, self.frozen, batches, np.int32(count))
            self._record(pending)
            pending = (start, count, metrics)
            step = start + count
            number += 1
            due = [edge for edge in self.edges if edge.is_due(step, self.total, self.end)]
            if due:
                self._record(pending)
                pending = None
                self._at_edge(due, step, state)
            self.on_progress(step)
        if pending is not None:
            self._record(pending)
        if self.profile is not None:
            self.profile.close(state)
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

    def _at_edge(self, due: Sequence[Edge], step: int, state: TrainState) -> None:
        with self.stopwatch.paused():
            jax.block_until_ready(state)
            for edge in due:
                edge.action(step, state)
