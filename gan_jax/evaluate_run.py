"""Evaluates checkpoints of a run with its own evaluators, or with those that are asked for."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_jax import checkpoint_directory, training_data
from gan_jax.console import Console
from gan_jax.errors import UsageError
from gan_jax.evaluation import gather, save_pictures, to_row
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.compare import MEASURES
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.evaluator import Evaluator, Measure, World
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.evaluators.generated import Subject
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.latency import Latency
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.evaluators.path_length import PathLength
from gan_jax.evaluators.pixels import PixelStatistics
from gan_jax.signals import StopFlag
from gan_jax.trained import Trained, load
from gan_jax.workdir import CHECKPOINTS, EVALUATION_ROWS, require_run_directory
from gan_jax.world import world_of
from gan_jax.writer import JSONLines

EVALUATORS = {
    evaluator.name: evaluator
    for evaluator in (
        AvatarFidelity(bounds=True),
        Diversity(),
        PixelStatistics(),
        Overfitting(),
        NearestNeighbours(),
        Interpolation(),
        Latency(),
        PathLength(),
    )
}
"""By the name that `--metrics` takes, besides those of `MEASURES`, which `Fidelity` measures."""


def evaluate(arguments: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """The rows of all chosen checkpoints, each with its `step`; they are added to the run's
    evaluations.jsonl too.

    Raises:
        UsageError: no run directory, an unknown metric or checkpoint, missing weights.
        DataError: real pictures that cannot be had, or too few of either kind.
    """
    directory = require_run_directory(arguments.workdir)
    steps = steps_of(directory, arguments.step)
    trained = load(directory, step=steps[0], say=console.say, devices=0)
    world = world_of_run(trained, arguments.batch, console)
    seeds = range(arguments.seed or 0, (arguments.seed or 0) + arguments.repeats)
    opened = [(evaluator.name, evaluator.open(world)) for evaluator in chosen(trained, arguments)]
    rows: list[dict[str, Any]] = []
    with contextlib.closing(JSONLines(directory / EVALUATION_ROWS, console.say)) as file:
        for step in steps:
            trained = trained if step == steps[0] else trained.at(step, console.say)
            for name, measure in opened:
                row = _row(trained, name, measure, seeds)
                file.row(trained.step, row)
                rows.append({"step": trained.step, **row})
                for warning in row.get("warnings", ()):
                    console.say(f"warning: {warning}")
                say_own_errors(row["protocol"], console)
    return rows


def steps_of(directory: Path, text: str) -> Sequence[int | str]:
    """The checkpoints that `--step` names; raises UsageError."""
    if text in ("latest", "best"):
        return [text]
    if text == "all":
        return checkpoint_directory.steps(directory / CHECKPOINTS) or ["latest"]
    if all(part.strip().isdigit() for part in text.split(",")):
        return [int(part) for part in text.split(",")]
    raise UsageError(f"--step={text!r}: must be a number, several with commas, latest, best or all")


def world_of_run(trained: Trained, batch: int, console: Console) -> World:
    """The surroundings of a trained model; its data are opened when an evaluator asks."""
    sources: dict[str, Any] = {}
    flag = StopFlag()  # not entered: Ctrl-C ends this command at once

    def source(split: str) -> Any:
        if split not in sources:
            sources[split] = training_data.open_examples(trained.experiment, console, flag, split)
        return sources[split]

    return world_of(
        trained.experiment,
        trained.program,
        source=source,
        batch=batch,
        progress=console.progress,
    )


def chosen(trained: Trained, arguments: argparse.Namespace) -> list[Evaluator]:
    """What `--metrics` names, or the experiment's own, or what its data suggest; with the
    command's settings. Raises UsageError for an unknown name."""
    if arguments.metrics:
        found = named(arguments.metrics.split(","))
    else:
        found = list(trained.experiment.evaluators()) or [_by_data(trained)]
    settings = {
        "samples": arguments.samples,
        "real_samples": arguments.real_samples,
        "split": arguments.split,
        "truncation": arguments.truncation,
        "statistics": arguments.statistics,
        "protocol": arguments.protocol,
        "kid_subsets": arguments.kid_subsets,
        "kid_subset_size": arguments.kid_subset_size,
        "weights": None if arguments.weights is None else str(arguments.weights),
        "ema": False if arguments.raw else None,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return [_with(evaluator, given) for evaluator in found]


def named(names: Sequence[str]) -> list[Evaluator]:
    """The evaluators of `MEASURES` and `EVALUATORS`; raises UsageError for another name."""
    measures = tuple(name for name in names if name in MEASURES)
    found: list[Evaluator] = [Fidelity(measures=measures)] if measures else []
    for name in names:
        if name in EVALUATORS:
            found.append(EVALUATORS[name])
        elif name not in MEASURES:
            known = ", ".join([*MEASURES, *EVALUATORS])
            raise UsageError(f"--metrics: no metric {name!r}; there are {known}")
    return found


def _by_data(trained: Trained) -> Evaluator:
    is_avatars = trained.config.data.name.startswith("avatars/")
    return EVALUATORS["avatars"] if is_avatars else Fidelity()


def _with(evaluator: Any, settings: dict[str, Any]) -> Evaluator:
    """The evaluator with those of the settings that it has."""
    known = {field.name for field in dataclasses.fields(evaluator)}
    return dataclasses.replace(
        evaluator, **{name: value for name, value in settings.items() if name in known}
    )


def say_own_errors(protocol: Mapping[str, Any], console: Console) -> None:
    """What a judge gets wrong by itself, where it tells."""
    prefix = "judge_error_"
    errors = [
        f"{name.removeprefix(prefix)} {value:.2%}"
        for name, value in protocol.items()
        if name.startswith(prefix)
    ]
    if errors:
        console.say(f"the judge itself errs on renders: {', '.join(errors)}")


def _row(trained: Trained, name: str, measure: Measure, seeds: Sequence[int]) -> dict[str, Any]:
    """One evaluator's row at the checkpoint; of several seeds, the mean and its interval."""
    begin = time.perf_counter()
    subject = Subject(trained.step, trained.state.nets, trained.program.frozen)
    found = [measure(subject, seed) for seed in seeds]
    first = found[0]
    if len(found) > 1:
        first = dataclasses.replace(first, metrics=gather([each.metrics for each in found]))
    save_pictures(trained.directory, trained.step, first)
    config, recipe = trained.config, trained.program.recipe
    images_seen = trained.step * config.batch_size * recipe.batches_per_round
    seconds = time.perf_counter() - begin
    return to_row(name, first, images_seen=images_seen, seconds=seconds)
