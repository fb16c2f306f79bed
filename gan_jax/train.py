"""`gan-jax train`: starts a run, or continues what is in the run directory."""

from __future__ import annotations

import argparse
import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from gan_jax import processes, program, run_directory, workdir
from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.needs import check_weights
from gan_jax.experiment import Experiment, guarded, load_experiment
from gan_jax.feed import on_devices
from gan_jax.flat_state import size_in_bytes
from gan_jax.profile import window_of
from gan_jax.run import Run
from gan_jax.settings import check_best, retention
from gan_jax.signals import StopFlag
from gan_jax.training_data import open_examples, open_rounds
from gan_jax.world import world_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="EXPERIMENT.py or EXPERIMENT.py:argument")
    parser.add_argument("--workdir", type=Path, help="run directory (default runs/<experiment>)")
    parser.add_argument("--stop_at", type=int, metavar="STEP", help="save and stop at this step")
    parser.add_argument(
        "--profile", metavar="FIRST:COUNT", help="trace so many steps into WORKDIR/profile"
    )
    parser.add_argument(
        "--distributed",
        metavar="auto|HOST:PORT,COUNT,INDEX",
        help="one of several processes: from the cluster, or by hand",
    )
    parser.epilog = "--config.KEY=VALUE sets a key of the experiment's config"


def main(arguments: argparse.Namespace, overrides: list[tuple[str, str]]) -> int:
    if arguments.distributed:
        join(arguments.distributed)
    profile = None if arguments.profile is None else window_of(arguments.profile)
    program.use_compilation_cache()
    experiment = load_experiment(arguments.experiment, overrides)
    directory = arguments.workdir or Path("runs") / experiment.name
    train(experiment, directory, stop_at=arguments.stop_at, profile=profile)
    return 0


def join(text: str) -> None:
    """Makes this process one of several (`jax.distributed`); raises UsageError."""
    if text == "auto":
        try:
            jax.distributed.initialize()
        except ValueError as error:
            raise UsageError(
                "--distributed=auto: JAX knows no cluster here; give HOST:PORT,COUNT,INDEX"
            ) from error
        return
    try:
        address, count, index = text.split(",")
        jax.distributed.initialize(address, int(count), int(index))
    except ValueError as error:
        raise UsageError(
            f"--distributed={text!r}: must be auto or HOST:PORT,COUNT,INDEX"
        ) from error


def train(
    experiment: Experiment,
    directory: Path,
    *,
    stop_at: int | None = None,
    profile: tuple[int, int] | None = None,
) -> None:
    """Trains to `config.total`, or to step `stop_at`, from the newest good checkpoint in the run
    directory if there is one. Returns when the final checkpoint is on the disk and verified.

    Args:
        experiment: with its settings.
        directory: of the run.
        stop_at: the last step of this process.
        profile: the first step to trace, and how many.

    Raises:
        UserError: of the exit codes 2 to 5; Stopped when a signal ended it and all is saved.
    """
    console = Console(quiet=jax.process_index() != 0)
    if stop_at is not None and stop_at < 1:
        raise UsageError(f"--stop_at={stop_at}: must be at least 1")
    evaluators = experiment.evaluators()
    check_weights(evaluators)
    built = program.build(experiment)
    measured = [*guarded(experiment.path, built.metrics), *metrics_of(evaluators)]
    check_best(retention(experiment.config).best, measured)
    with contextlib.ExitStack() as stack:
        flag = stack.enter_context(StopFlag())

        @functools.cache
        def source(split: str) -> Any:
            if split == experiment.config.data.split:
                return rounds.source
            return open_examples(experiment, console, flag, split)

        world = world_of(
            experiment,
            built,
            source=source,
            batch=experiment.config.evaluate.batch,
            progress=console.lines,
        )
        opened = [(evaluator, evaluator.open(world)) for evaluator in evaluators]
        needed = 2 * size_in_bytes(built.abstract_state)
        processes.on_process_0(lambda: _take(directory, experiment, stack, console, needed))
        rounds = open_rounds(experiment, built.recipe.batches_per_round, built.mesh, console, flag)
        examples = on_devices(rounds, built.mesh) if experiment.config.data.on_device else None
        run = Run(
            experiment=experiment,
            directory=directory,
            program=built,
            rounds=rounds,
            evaluators=opened,
            examples=examples,
            console=console,
            flag=flag,
            profile=profile,
        )
        run.train(stop_at)


def metrics_of(evaluators: Sequence[Evaluator]) -> list[str]:
    """`evaluator/metric` of all; raises UsageError where two have one name."""
    names = [evaluator.name for evaluator in evaluators]
    if len(set(names)) < len(names):
        raise UsageError(f"get_evaluators: two have the same name among {', '.join(names)}")
    return [
        f"{evaluator.name}/{metric}" for evaluator in evaluators for metric in evaluator.metrics
    ]


def _take(
    directory: Path,
    experiment: Experiment,
    stack: contextlib.ExitStack,
    console: Console,
    bytes_needed: int,
) -> None:
    """Makes the run directory this process's own, if it is free and holds this run or none."""
    workdir.prepare_workdir(directory)
    lock = stack.enter_context(workdir.RunLock(directory))
    if lock.taken_over_from:
        console.say(f"{directory} was left behind by {lock.taken_over_from}; it is taken over")
    for note in run_directory.check_same_run(directory, experiment):
        console.say(f"note: {note}")
    workdir.check_space(directory, bytes_needed)
