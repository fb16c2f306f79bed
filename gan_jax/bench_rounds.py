"""What a benchmark times: calls of the whole step, phases alone, a matrix product; in turns, so
that what else the machine does falls on all of them alike."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.console import Advance
from gan_jax.experiment import Experiment
from gan_jax.mesh import replicated
from gan_jax.program import Program
from gan_jax.recipe import Phase
from gan_jax.state import TrainState
from gan_jax.step import make_phase

LEAST_SECONDS = 0.1  # of one sample: short calls are dispatched one after another
MOST_CALLS = 64

Call = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Kind:
    """Calls of the step in which each phase is due equally often.

    Attributes:
        start: a step at which such a call begins.
        share: of all calls.
        due: in how many of the call's rounds each phase is due.
    """

    start: int
    share: float
    due: tuple[int, ...]


def kinds(phases: Sequence[Phase], rounds_per_call: int) -> list[Kind]:
    """All that a long run is made of."""
    period = math.lcm(*(phase.every for phase in phases))
    starts = range(0, math.lcm(period, rounds_per_call), rounds_per_call)
    due_from = {
        start: tuple(
            sum(step % phase.every == 0 for step in range(start, start + rounds_per_call))
            for phase in phases
        )
        for start in starts
    }
    shares = Counter(due_from.values())
    first = {due: start for start, due in reversed(due_from.items())}
    return [Kind(first[due], count / len(starts), due) for due, count in shares.items()]


class Trainer:
    """A compiled step, or that of a population, and a state that goes on with each call.

    Args:
        program: of the experiment.
        compiled: `(state, frozen, batches, count) -> (state, metrics)`; the state is donated.
        state: where it starts.
        batches: of one call, on the devices.
        count: rounds of a call.
    """

    def __init__(
        self, program: Program, compiled: Any, state: TrainState, batches: Any, count: int
    ):
        self._program, self._compiled, self._state = program, compiled, state
        self._batches, self._count = batches, np.int32(count)
        self._whole = replicated(program.mesh)

    def call(self, start: int) -> Call:
        """Calls that begin at this step."""

        def go_on() -> object:
            step = jax.device_put(jnp.int32(start), self._whole)
            self._state, metrics = self._compiled(
                self._state.replace(step=step), self._program.frozen, self._batches, self._count
            )
            return metrics

        return go_on

    def calls(self, name: str, sorts: Sequence[Kind]) -> dict[str, Call]:
        """Those of each kind, under names that `mean_of` finds."""
        return {f"{name} {index}": self.call(kind.start) for index, kind in enumerate(sorts)}


def mean_of(
    name: str, sorts: Sequence[Kind], seconds: Mapping[str, list[float]], rounds_per_call: int
) -> list[float]:
    """Seconds of a round over a long run, a sample for each repeat."""
    shares = np.array([kind.share for kind in sorts]) / rounds_per_call
    return (shares @ np.array([seconds[f"{name} {i}"] for i in range(len(sorts))])).tolist()


def phase_call(experiment: Experiment, program: Program, index: int, batches: Any) -> Call:
    """Calls of one phase alone, all its turns, at the state of step 0."""
    accumulate = experiment.config.accumulate
    step = make_phase(program.recipe, program.optimizers, index, accumulate=accumulate)
    state = program.initial(jax.random.key(0))
    batches = jax.tree.map(lambda leaf: leaf[0], batches)
    compiled = jax.jit(step).lower(state, program.frozen, batches).compile()
    return lambda: compiled(state, program.frozen, batches)[1]


def pictures(program: Program) -> Any:
    """Noise in the shapes of a call's batches, labels in range: the time does not depend on it."""
    random = np.random.default_rng(0)

    def made(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if leaf.dtype == jnp.uint8:
            values = random.integers(0, 256, leaf.shape, np.uint8)
        elif jnp.issubdtype(leaf.dtype, jnp.floating):
            values = random.uniform(size=leaf.shape).astype(leaf.dtype)
        else:
            values = np.zeros(leaf.shape, leaf.dtype)
        return jax.device_put(values, leaf.sharding)

    return jax.tree.map(made, dict(program.abstract_batches))


def interleaved(
    calls: Mapping[str, Call], warm_up: int, repeats: int, advance: Advance
) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` times, all of them in turn; `warm_up` calls of each first."""
    samples, total = 0, len(calls) * (1 + repeats)

    def counted(value: Any) -> Any:
        nonlocal samples
        samples += 1
        advance(samples, total)
        return value

    chains = {name: counted(_chain(call, warm_up)) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(counted(_seconds(call, chains[name])))
    return seconds


def _chain(call: Call, warm_up: int) -> int:
    """How many calls make a sample that a clock can tell."""
    for _ in range(warm_up):
        jax.block_until_ready(call())
    return max(1, min(MOST_CALLS, math.ceil(LEAST_SECONDS / _seconds(call, 1))))


def _seconds(call: Call, count: int) -> float:
    begin = time.perf_counter()
    results = [call() for _ in range(count)]
    jax.block_until_ready(results)
    return (time.perf_counter() - begin) / count


def spread(samples: Sequence[float]) -> dict[str, float | int]:
    """Of seconds: median, extremes and how many they are."""
    return {
        "median": statistics.median(samples),
        "least": min(samples),
        "greatest": max(samples),
        "samples": len(samples),
    }
