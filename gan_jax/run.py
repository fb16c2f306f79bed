"""One process's part of a run, from the open data to the last checkpoint."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax import processes, run_directory
from gan_jax.checkpoint import Checkpoints
from gan_jax.console import Console
from gan_jax.data.pipeline import Calls, Rounds, iterate
from gan_jax.durable import write_json
from gan_jax.errors import DivergedError, Stopped, StorageError
from gan_jax.evaluation import Collapsed, Evaluations, of_the_run
from gan_jax.evaluators.collapse import Watch, watches
from gan_jax.evaluators.evaluator import Evaluator, Measure
from gan_jax.experiment import Experiment
from gan_jax.feed import feed
from gan_jax.fine_tuning import from_another_run
from gan_jax.loop import Edge, Loop
from gan_jax.profile import Window
from gan_jax.program import Program
from gan_jax.recorder import Recorder
from gan_jax.sample_writer import SampleWriter, fixed_conditions
from gan_jax.settings import durations, evaluate_every, limits, retention
from gan_jax.signals import StopFlag
from gan_jax.state import TrainState
from gan_jax.step import all_finite
from gan_jax.timing import Stopwatch
from gan_jax.training_data import fingerprint
from gan_jax.workdir import (
    CHECKPOINTS,
    EVALUATION_ROWS,
    METRICS,
    is_run_directory,
    read_rows,
    set_aside,
)
from gan_jax.writer import JSONLines, TensorBoard, Tolerant, WeightsAndBiases, Writer

DIVERGENCE = "divergence.json"
PROFILE = "profile"


@dataclasses.dataclass(kw_only=True)
class Run:
    """A run in a directory that this process (or process 0 of several) has locked."""

    experiment: Experiment
    directory: Path
    program: Program
    rounds: Rounds
    examples: Mapping[str, Array] | None
    evaluators: Sequence[tuple[Evaluator, Measure]]
    console: Console
    flag: StopFlag
    profile: tuple[int, int] | None

    def __post_init__(self) -> None:
        self.config = self.experiment.config
        self.is_first = jax.process_index() == 0
        self.images_per_step = self.rounds.batch_size * self.rounds.batches_per_round
        self.lengths = {
            "images_per_step": self.images_per_step,
            "images_per_epoch": len(self.rounds.source),
        }
        self.durations = durations(self.config, **self.lengths)
        self._all_finite = jax.jit(all_finite)
        self.stopwatch = Stopwatch()
        self.note = ""
        self.window = None
        if self.profile is not None and self.is_first:
            self.window = Window(self.directory / PROFILE, *self.profile, self.console.say)

    def train(self, stop_at: int | None) -> None:
        """To `config.total`, or to step `stop_at`; errors as of `train.train`."""
        processes.on_process_0(self._register)
        self.checkpoints = Checkpoints(
            self.directory / CHECKPOINTS,
            retention=retention(self.config),
            asynchronous=self.config.checkpoint.asynchronous,
            on_event=self.event,
        )
        with self.checkpoints:
            state, step = self._restore_or_init()
            if step:
                message = f"continuing {self.directory} from step {step}"
                fields = {"step": step, "message": message, **run_directory.environment()}
                self.event("resumed", fields)
            end = self.durations.total if stop_at is None else min(self.durations.total, stop_at)
            self.files = [
                JSONLines(self.directory / name, self._warn_of_writer)
                for name in (METRICS, EVALUATION_ROWS)
            ]
            self.copies = list(self._writers(step)) if self.is_first else []
            try:
                step, signal_number = self._train_through_collapses(state, step, end)
            finally:
                for writer in (*self.files, *self.copies):
                    writer.close()
            self.checkpoints.finish()
            if self.checkpoints.saved_step != step:
                raise StorageError(f"checkpoint {step} is not saved: its rows cannot be written")
        self._say_how_it_ended(step, signal_number)

    def event(self, kind: str, fields: dict[str, Any]) -> None:
        """An incident: a line of events.jsonl, and its `message` for people."""
        if self.is_first:
            self.console.say(fields.get("message", kind))
            row = {"time": run_directory.now(), "kind": kind, **fields}
            try:
                with (self.directory / run_directory.EVENTS).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            except OSError as error:
                self.console.say(f"events.jsonl cannot be written: {error.strerror}")

    def _register(self) -> None:
        """Writes down what this run is, or checks that its data are still those."""
        data = fingerprint(self.rounds.source)
        if is_run_directory(self.directory):
            run_directory.check_same_data(self.directory, data)
            run_directory.check_same_weights(self.directory, self.program.weights)
            run_directory.keep_settings(self.directory, self.experiment)
        else:
            run_directory.begin(self.directory, self.experiment, data, self.program.weights)

    def _restore_or_init(self) -> tuple[TrainState, int]:
        restored = self.checkpoints.restore(self.program.abstract_state)
        if restored is None:
            processes.on_process_0(lambda: set_aside(self.directory, -1))
            return self._initial(), 0
        step = restored.manifest.step
        processes.on_process_0(lambda: set_aside(self.directory, step))
        return self.program.own(restored.state), step

    def _initial(self) -> TrainState:
        """The state at step 0, with another run's networks where the config asks for them."""
        state = self.program.initial(jax.random.key(self.config.seed))
        start = self.config.initialise
        if not start.run:
            return state

        def say(message: str) -> None:
            self.event("initialised", {"message": message})

        state = from_another_run(state, start.run, start.step, start.networks, say)
        return self.program.own(state)

    def _train_through_collapses(
        self, state: TrainState, step: int, end: int
    ) -> tuple[int, int | None]:
        """The loop; where it collapses and may roll back, again from the last good state."""
        while True:
            evaluations = self._evaluations()
            rollbacks = int(state.rollbacks)  # the loop donates the state
            self.reading = self.rounds.rolled_back(rollbacks)
            try:
                return self._loop(state, step, end, evaluations)
            except Collapsed as collapse:
                self._may_roll_back(collapse, rollbacks + 1)
                state, step = self._roll_back(collapse, evaluations.good_step, rollbacks + 1)

    def _may_roll_back(self, collapse: Collapsed, rollbacks: int) -> None:
        settings = self.config.collapse
        if settings.action == "stop":
            raise DivergedError(f"{collapse}; its earlier checkpoints stay") from collapse
        if rollbacks > settings.rollbacks:
            times = f"{settings.rollbacks} roll-backs"
            raise DivergedError(f"{collapse}, after {times} (collapse.rollbacks)") from collapse

    def _roll_back(
        self, collapse: Collapsed, good_step: int, rollbacks: int
    ) -> tuple[TrainState, int]:
        """The newest saved state that an evaluation vouches for (where retention has left none,
        the oldest one), made to go another way: `rollbacks` is folded into the key and the order
        of the data."""
        saved = self.checkpoints.steps()
        target = max((step for step in saved if step <= good_step), default=min(saved, default=0))
        self.checkpoints.discard_after(target)
        state, step = self._restore_or_init()
        message = f"{collapse}; rolled back to step {step} (roll-back {rollbacks})"
        self.event("rolled_back", {"step": step, "rollbacks": rollbacks, "message": message})
        return state.replace(rollbacks=jnp.full_like(state.rollbacks, rollbacks)), step

    def _evaluations(self) -> Evaluations:
        total, action = self.durations.total, self.config.collapse.action
        watch = Watch(limits(self.config))
        before = of_the_run(read_rows(self.files[1].path))
        for row in before:
            watch.signs(row["metrics"])
        return Evaluations(
            directory=self.directory,
            evaluators=[
                (evaluate_every(evaluator, total=total, **self.lengths), evaluator, measure)
                for evaluator, measure in self.evaluators
            ],
            frozen=self.program.frozen,
            images_per_step=self.images_per_step,
            watch=watch,
            raise_collapse=action in ("stop", "roll_back"),
            rows=self.files[1] if self.is_first else None,
            writers=self.copies,
            event=self.event,
            good_step=max((row["step"] for row in before if watches(row["metrics"])), default=0),
        )

    def _warn_of_writer(self, message: str) -> None:
        self.event("writer_failed", {"message": message})

    def _writers(self, step: int) -> Iterator[Writer]:
        directory, settings = self.directory, self.config.writers

        def tolerant(name: str, make: Callable[[], Writer]) -> Tolerant:
            return Tolerant(name, make, self._warn_of_writer)

        if settings.tensorboard:
            yield tolerant("TensorBoard", lambda: TensorBoard(directory / "tensorboard", step))
        if settings.wandb:
            project, config = settings.wandb_project, self.config.to_dict()
            yield tolerant("W&B", lambda: WeightsAndBiases(directory, project, config))

    def _loop(
        self, state: TrainState, step: int, end: int, evaluations: Evaluations
    ) -> tuple[int, int | None]:
        """Samples the start of a new run, trains, and ends with a saved state."""
        samples = SampleWriter(
            self.directory,
            self.program.recipe,
            self.program.mesh,
            self.program.frozen,
            conditions=fixed_conditions(self.config, self.program.recipe, self.rounds),
            truncation=self.config.samples.truncation,
            seed=self.config.seed,
            writers=self.copies,
            warn=lambda message: self.event("picture_failed", {"message": message}),
        )
        if step >= end:
            self.console.say(f"{self.directory} is at step {step} already: nothing to do")
            return step, None
        if step == 0:
            if self.is_first:
                samples.reals(self.rounds, self.config.samples.count)
            samples.write(0, state)
        self._say_what_it_is()
        with self.stopwatch.paused():
            compiled = self.program.compile()
        recorder = self._recorder()

        def save(at: int, reached: TrainState) -> None:
            self._save(at, reached, recorder.last | evaluations.metrics_at(at))

        edges = [
            Edge(self.durations.samples_every, samples.write),
            *evaluations.edges(),
            Edge(self.durations.checkpoint_every, save, at_end=True),
        ]
        with self.console.progress("training") as advance:
            loop = Loop(
                program=compiled,
                frozen=self.program.frozen,
                calls=self._calls(step, end, [edge.every for edge in edges]),
                recorder=recorder,
                edges=edges,
                save=save,
                total=self.durations.total,
                end=end,
                stop=self.flag.agreed,
                on_progress=lambda at: advance(at, self.durations.total, self.note),
                stopwatch=self.stopwatch,
                profile=self.window,
            )
            self.stopwatch.lap()  # the first rate counts from here
            try:
                return loop.run(state, step)
            except DivergedError as error:
                self._report_divergence(recorder, error)
                raise

    def _say_what_it_is(self) -> None:
        networks = ", ".join(
            f"{name} {sum(leaf.size for leaf in jax.tree.leaves(net.params)):,}"
            for name, net in self.program.abstract_state.nets.items()
        )
        mesh = self.program.mesh
        devices = f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
        self.console.say(f"{self.experiment.name} in {self.directory} on {devices}")
        self.console.say(f"parameters: {networks}; compiling the step")

    def _recorder(self) -> Recorder:
        def note(step: int, line: str) -> None:
            self.note = line
            self.checkpoints.poll()

        return Recorder(
            writers=[self.files[0], *self.copies] if self.is_first else [],
            phases=self.program.recipe.phases,
            log_every=self.durations.log_every,
            images_per_step=self.images_per_step,
            limit=self.config.stop_after_skipped,
            stopwatch=self.stopwatch,
            on_event=self.event,
            on_row=note,
        )

    def _calls(
        self, step: int, end: int, cadences: Sequence[int]
    ) -> Iterator[tuple[int, int, Any]]:
        calls = Calls(step, end, self.config.steps_per_call, cadences)
        data = self.config.data
        source = feed(self.reading, self.program.mesh, self.examples)
        return iterate(source, calls, source.put, threads=data.threads, prefetch=data.prefetch)

    def _save(self, step: int, state: TrainState, metrics: dict[str, float]) -> None:
        if self.checkpoints.saved_step == step:
            return
        for file in self.files:
            file.flush(quiet=True)
        if processes.largest(sum(len(file.pending) for file in self.files)):
            # A checkpoint vouches for the rows before it: nobody would ever write them again.
            message = f"checkpoint {step} is put off: its rows cannot be written"
            self.event("checkpoint_failed", {"step": step, "message": message})
            return
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self.checkpoints.save(
            step,
            state,
            finite=bool(self._all_finite(state.nets)),
            metrics=finite,
            information={"images_seen": step * self.images_per_step},
        )

    def _report_divergence(self, recorder: Recorder, error: DivergedError) -> None:
        """What a person needs to find the cause: the last rounds' metrics and their examples."""
        if self.is_first:
            rounds = [
                {
                    "step": index + 1,
                    "metrics": metrics,
                    "examples": self.reading.indices(index).tolist(),
                }
                for index, metrics in recorder.skipped
            ]
            report = {"message": str(error), "rounds": rounds, "config": self.config.to_dict()}
            try:
                write_json(self.directory / DIVERGENCE, report)
            except OSError as failure:
                self.console.say(f"{DIVERGENCE} cannot be written: {failure.strerror}")

    def _say_how_it_ended(self, step: int, signal_number: int | None) -> None:
        for remark in getattr(self.rounds.source, "remarks", list)():
            self.console.say(remark)
        if signal_number is not None:
            name = signal.Signals(signal_number).name
            self.event("stopped", {"step": step, "message": f"stopped by {name} at step {step}"})
            raise Stopped(
                f"stopped by {name} at step {step} and saved; the same command continues",
                signal_number,
            )
        total = self.durations.total
        what = "done" if step >= total else f"stopped at step {step} of {total}"
        self.console.say(f"{what}; checkpoint {step} is saved and verified in {self.directory}")
