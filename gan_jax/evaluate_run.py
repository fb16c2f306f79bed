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
from gan_jax.errors import StorageError, UsageError
from gan_jax.evaluation import gather, save_pictures, to_row
from gan_jax.evaluators.avatar_control import AvatarControl
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.compare import MEASURES, names_in
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.evaluator import Evaluation, Evaluator, Measure, World
from gan_jax.evaluators.features import BATCH
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.evaluators.generated import Subject
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.latency import Latency
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.needs import check_weights
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.evaluators.path_length import PathLength
from gan_jax.evaluators.pixels import PixelStatistics
from gan_jax.experiment import Experiment
from gan_jax.signals import StopFlag
from gan_jax.trained import Trained, open_at, recorded_experiment
from gan_jax.workdir import CHECKPOINTS, EVALUATION_ROWS, require_run_directory
from gan_jax.world import world_of
from gan_jax.writer import JSONLines

EVALUATORS = {
    evaluator.name: evaluator
    for evaluator in (
        AvatarFidelity(),
        AvatarControl(),
        Diversity(),
        Diversity(name="lpips_diversity", perceptual=True),
        PixelStatistics(),
        Overfitting(),
        NearestNeighbours(),
        Interpolation(),
        Latency(),
        PathLength(),
        PathLength(name="path_length_w", space="w"),
    )
}
"""By the name that `--metrics` takes, besides those of `MEASURES`, which `Fidelity` measures."""


FLAGS = {
    "samples": "samples",
    "real_samples": "real_samples",
    "split": "split",
    "truncation": "truncation",
    "statistics": "statistics",
    "protocol": "protocol",
    "kid_subsets": "kid_subsets",
    "kid_subset_size": "kid_subset_size",
    "kid_seed": "kid_seed",
    "weights": "weights",
    "weights_vgg16": "weights_vgg16",
    "raw": "ema",
    "batch": "batch",
}
"""The settings of evaluators that flags set."""


def evaluate(arguments: argparse.Namespace, console: Console) -> tuple[list[dict[str, Any]], str]:
    """The rows of all chosen checkpoints, each with its `step`; they are added to the run's
    evaluations.jsonl too, and what kept them or their pictures from being written is the second.

    Raises:
        UsageError: no run directory, an unknown metric or checkpoint, missing weights.
        DataError: real pictures that cannot be had, or too few of either kind.
    """
    directory = require_run_directory(arguments.workdir)
    steps = steps_of(directory, arguments.step)
    experiment = recorded_experiment(directory, console.say, devices=0)
    evaluators = chosen(experiment, arguments)
    check_weights(evaluators)
    trained = open_at(directory, experiment, steps[0], console.say)
    world = world_of_run(trained, arguments.batch or BATCH, console)
    seeds = range(arguments.seed or 0, (arguments.seed or 0) + arguments.repeats)
    opened = [(evaluator.name, evaluator.open(world)) for evaluator in evaluators]
    rows: list[dict[str, Any]] = []
    problem = ""
    with contextlib.closing(JSONLines(directory / EVALUATION_ROWS, lambda message: None)) as file:
        for step in steps:
            trained = trained if step == steps[0] else trained.at(step, console.say)
            for name, measure in opened:
                row, evaluation = _row(trained, name, measure, seeds)
                file.row(trained.step, row)
                problem = _saved(trained, evaluation) or problem
                rows.append({"step": trained.step, **row})
                for warning in row.get("warnings", ()):
                    console.say(f"warning: {warning}")
                say_own_errors(row["protocol"], console)
    if file.pending:
        problem = f"{file.path} cannot be written, so the rows are not kept: {file.reason}"
    return rows, problem


def steps_of(directory: Path, text: str) -> Sequence[int | str]:
    """The checkpoints that `--step` names; raises UsageError."""
    if text in ("latest", "best"):
        return [text]
    if text == "all":
        return checkpoint_directory.steps(directory / CHECKPOINTS) or ["latest"]
    if all(part.strip().isdecimal() for part in text.split(",")):
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


def chosen(experiment: Experiment, arguments: argparse.Namespace) -> list[Evaluator]:
    """What `--metrics` names, or the experiment's own, or what its data suggest; with the
    command's settings. Raises UsageError for an unknown name, and for a flag that none reads."""
    own = experiment.evaluators()
    # What the conditions control stands in the experiment alone.
    controls = {each.name: each for each in own if isinstance(each, AvatarControl)}
    known = EVALUATORS | controls
    if arguments.metrics is not None:
        found = named(names_in(arguments.metrics), known)
    else:
        found = list(own) or [_by_data(experiment)]
    values = {flag: getattr(arguments, flag) for flag in FLAGS}
    given = {flag: x for flag, x in values.items() if x is not None and x is not False}
    for flag in given.keys() - {"batch"}:  # which moves no number of the others
        if not any(FLAGS[flag] in settings_of(evaluator) for evaluator in found):
            raise UsageError(_means_nothing(flag, found, known))
    settings: dict[str, Any] = {FLAGS[flag]: value for flag, value in given.items()}
    settings |= {"ema": False} if "raw" in given else {}
    settings |= {flag: str(given[flag]) for flag in ("weights", "weights_vgg16") if flag in given}
    return [_with(evaluator, settings) for evaluator in found]


def _means_nothing(flag: str, found: Sequence[Evaluator], known: Mapping[str, Evaluator]) -> str:
    readers = [name for name, each in known.items() if FLAGS[flag] in settings_of(each)]
    of_fidelity = [x for x in MEASURES if FLAGS[flag] in settings_of(Fidelity(measures=(x,)))]
    readers = [*of_fidelity, *readers]
    what = ", ".join(
        ", ".join(each.measures) if isinstance(each, Fidelity) else each.name for each in found
    )
    return f"--{flag} means nothing to {what}: it belongs to {', '.join(readers)}"


def named(names: Sequence[str], evaluators: Mapping[str, Evaluator]) -> list[Evaluator]:
    """The evaluators of `MEASURES` and those by name; raises UsageError for another name."""
    measures = tuple(name for name in names if name in MEASURES)
    found: list[Evaluator] = [Fidelity(measures=measures)] if measures else []
    for name in names:
        if name in evaluators:
            found.append(evaluators[name])
        elif name not in MEASURES:
            known = ", ".join([*MEASURES, *evaluators])
            raise UsageError(f"--metrics: no metric {name!r}; there are {known}")
    return found


def _by_data(experiment: Experiment) -> Evaluator:
    """Raises UsageError where pictures are made of others, which these do not measure."""
    if experiment.recipe().given:
        raise UsageError(
            f"{experiment.name} has no metrics of its own: name some, as --metrics=latency"
        )
    is_avatars = experiment.config.data.name.startswith("avatars/")
    return EVALUATORS["avatars"] if is_avatars else Fidelity()


def _with(evaluator: Any, settings: dict[str, Any]) -> Evaluator:
    """The evaluator with those of the settings that it has."""
    has = settings_of(evaluator)
    own = {name: value for name, value in settings.items() if name in has}
    return dataclasses.replace(evaluator, **own) if own else evaluator


def settings_of(evaluator: Any) -> set[str]:
    """Names of those that it reads; none where it is no dataclass."""
    if not dataclasses.is_dataclass(evaluator):
        return set()
    names = {field.name for field in dataclasses.fields(evaluator)}
    return names - set(evaluator.unread) if isinstance(evaluator, Fidelity) else names


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


def _row(
    trained: Trained, name: str, measure: Measure, seeds: Sequence[int]
) -> tuple[dict[str, Any], Evaluation]:
    """One evaluator's row at the checkpoint; of several seeds, the mean and its interval."""
    begin = time.perf_counter()
    subject = Subject(trained.step, trained.state.nets, trained.program.frozen)
    found = [measure(subject, seed) for seed in seeds]
    first = found[0]
    if len(found) > 1:
        warnings = dict.fromkeys(warning for each in found for warning in each.warnings)
        first = dataclasses.replace(
            first,
            metrics=gather([each.metrics for each in found]),
            sampling={**first.sampling, "seeds": list(seeds)},
            warnings=tuple(warnings),
        )
    config, recipe = trained.config, trained.program.recipe
    images_seen = trained.step * config.batch_size * recipe.batches_per_round
    seconds = time.perf_counter() - begin
    row = to_row(name, first, by="evaluate", images_seen=images_seen, seconds=seconds)
    return row, first


def _saved(trained: Trained, evaluation: Evaluation) -> str:
    """Writes the pictures; says what kept them from being written, "" for nothing."""
    try:
        save_pictures(trained.directory, trained.step, evaluation, by="evaluate")
    except StorageError as error:
        return str(error)
    return ""
