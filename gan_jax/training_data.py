"""From an experiment's `data` settings to the rounds that its run reads."""

from __future__ import annotations

import os
from typing import Any

from jax.sharding import Mesh

from gan_jax.console import Console
from gan_jax.data.collection import Labels
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.pipeline import Rounds
from gan_jax.data.source import Progress, bytes_in_memory, in_memory
from gan_jax.errors import DataError, Stopped, UsageError
from gan_jax.experiment import Experiment, guarded
from gan_jax.mesh import rows_of_process
from gan_jax.signals import StopFlag


def open_rounds(
    experiment: Experiment, batches_per_round: int, mesh: Mesh, console: Console, flag: StopFlag
) -> Rounds:
    """Opens (and first makes, if it is to be made) the data of an experiment.

    Raises:
        UsageError: a wrong setting, or data that do not fit into memory.
        DataError: data that are missing, unusable, or fewer than a batch.
        Stopped: a signal came meanwhile.
    """
    config = experiment.config
    source = open_examples(experiment, console, flag, config.data.split)
    if len(source) < config.batch_size:
        raise DataError(
            f"{data_name(experiment)} has {len(source)} pictures, fewer than batch_size="
            f"{config.batch_size}: lower it, or add pictures"
        )
    rounds = Rounds(
        source=source,
        keys=experiment.keys(),
        batch_size=config.batch_size,
        batches_per_round=batches_per_round,
        rows=rows_of_process(config.batch_size, mesh),
        seed=config.data.seed,
        flip=config.data.flip,
        num_classes=config.num_classes,
    )
    check_form(rounds, experiment)
    return rounds


def check_form(rounds: Rounds, experiment: Experiment) -> None:
    """Raises DataError unless the first round has the shapes and dtypes that are compiled for."""
    first = rounds.read(0)
    for name, spec in experiment.batch_spec().items():
        found = first[name].dtype, first[name].shape[3:]
        if found != (spec.dtype, spec.shape[1:]):
            raise DataError(
                f"{data_name(experiment)}: {name!r} is {found[0]} {list(found[1])}, but "
                f"the experiment expects {spec.dtype} {list(spec.shape[1:])}"
            )


def open_examples(experiment: Experiment, console: Console, flag: StopFlag, split: str) -> Any:
    """The experiment's own `get_dataset(config)`, or else a split of what `config.data` names.

    Raises:
        DataError: of its own data set there is only the split that it trains on.
    """
    config = experiment.config
    if hasattr(experiment.module, "get_dataset"):
        if split != config.data.split:
            raise DataError(f"{data_name(experiment)} has no split {split!r}")
        return own_examples(experiment)
    if hasattr(experiment.module, "prepare_data"):
        guarded(experiment.path, lambda: experiment.module.prepare_data(config))
    data = config.data
    with console.progress(f"preparing {data.name}") as advance:
        source = open_source(
            data.name,
            split=split,
            geometry=geometry(config),
            on_bad_image=data.on_bad_image,
            data_dir=data.directory or None,
            labels=_wanted_labels(config),
            attributes=data.attributes,
            progress=_stoppable(advance, flag),
        )
    if not data.in_memory:
        return source
    needed = bytes_in_memory(source)
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > physical / 2:
        raise UsageError(
            f"{data.name} would take {needed / 1e9:.0f} GB of {physical / 1e9:.0f} GB memory: "
            "set data.in_memory=False"
        )
    with console.progress(f"reading {data.name}") as advance:
        held = in_memory(source, _stoppable(advance, flag))
    for remark in source.remarks():
        console.say(f"{data.name}: {remark}")
    return held


def _wanted_labels(config: Any) -> Labels:
    if config.data.attributes:
        return "none"
    return "required" if config.num_classes and config.data.label == "label" else "auto"


def own_examples(experiment: Experiment) -> Any:
    """What the file's `get_dataset(config)` returns; raises DataError if it is no data set."""
    source = guarded(experiment.path, lambda: experiment.module.get_dataset(experiment.config))
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise DataError(
            f"{experiment.path}: get_dataset gives no examples by index, but {source!r}"
        )
    return source


def data_name(experiment: Experiment) -> str:
    """For messages: the source, or the file whose own data set it is."""
    own = hasattr(experiment.module, "get_dataset")
    return f"get_dataset of {experiment.path}" if own else experiment.config.data.name


def geometry(config: Any) -> Geometry:
    """The shape that `config.data` asks for."""
    data = config.data
    return Geometry(
        size=data.size,
        channels=data.channels,
        crop=data.crop,
        background=tuple(data.background),
    )


def fingerprint(source: Any) -> str:
    """Of the data; an experiment's own data set without one is known by its length."""
    return getattr(source, "fingerprint", f"length-{len(source)}")


def _stoppable(advance: Any, flag: StopFlag) -> Progress:
    def progress(done: int, total: int) -> None:
        if flag.requested is not None:
            raise Stopped("stopped while the data were prepared; nothing to save", flag.requested)
        advance(done, total)

    return progress
