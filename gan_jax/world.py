"""What the evaluators of an experiment may use of it: its generator, its real pictures."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import training_data
from gan_jax.data.geometry import Geometry
from gan_jax.evaluators import pictures
from gan_jax.evaluators.evaluator import Advance, World
from gan_jax.evaluators.generated import Generated
from gan_jax.experiment import Experiment
from gan_jax.program import Program


def world_of(
    experiment: Experiment,
    program: Program,
    *,
    source: Callable[[str], Any],
    batch: int,
    progress: Callable[[str], AbstractContextManager[Advance]],
) -> World:
    """The surroundings of an experiment's evaluators.

    Args:
        experiment: with its settings.
        program: of it.
        source: the data source of a split, opened when asked for.
        batch: pictures whose features are computed at once.
        progress: shows what takes long.
    """
    config, recipe = experiment.config, program.recipe
    name = training_data.data_name(experiment)
    conditions = {key: field for key, field in experiment.keys().items() if key != "image"}
    label = conditions.get("label", "label")

    def reals(split: str) -> pictures.Pictures:
        form = form_of(training_data.geometry(config))
        return pictures.of_source(f"{name} {split}", source(split), form, label)

    @functools.cache
    def example_labels(count: int) -> np.ndarray:
        return reals(config.data.split).labels_in_turn(count)

    labels = example_labels if config.data.attributes else None
    generated = None
    if recipe.generate:
        generated = Generated(recipe, program.mesh, config.num_classes, labels)
    return World(
        recipe=recipe,
        mesh=program.mesh,
        num_classes=config.num_classes,
        attributes=tuple(config.data.attributes),
        conditions=conditions,
        forms=experiment.batch_spec(),
        split=config.data.split,
        generated=generated,
        reals=reals,
        is_avatars=name.startswith("avatars/"),
        cache=cache_folder(),
        batch=batch,
        progress=progress,
    )


def form_of(geometry: Geometry) -> str:
    """The form that a source's pictures are brought to, in words: part of their fingerprint."""
    colours = {1: "grey", 3: "RGB", 4: "RGBA"}[geometry.channels]
    background = "".join(f"{level:02x}" for level in geometry.background)
    size = f"{geometry.size}x{geometry.size} {colours}"
    return f"{size}, crop {geometry.crop}, background #{background}"


def cache_folder() -> Path:
    """Where features of real pictures are kept: `gan_jax/features` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_jax" / "features"
