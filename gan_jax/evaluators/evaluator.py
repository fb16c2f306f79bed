"""What an evaluator is: a value that names its metrics, finds what it needs, measures states."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from gan_jax.errors import UsageError
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.evaluators.pictures import Pictures
from gan_jax.recipe import Recipe

Metric = Mapping[str, float]
"""`value`, and where there are `std`, `low` and `high`, or settings of the estimator."""

Advance = Callable[..., None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """All that an evaluator may use of the run around it.

    Attributes:
        recipe, mesh, num_classes: of the run.
        attributes: names of those that its labels are vectors of; () for classes.
        conditions: what a batch holds besides real pictures: its names, each with the field of an
            example that it is taken from.
        forms: shapes and dtypes of all that a real batch holds, pictures uint8.
        generated: of the recipe; None where it generates nothing.
        reals: the pictures of a split (`train`, `test`, `all`), opened when asked for.
        split: that the run trains on.
        is_avatars: whether those are the project's own avatars.
        cache: folder for features of real pictures; None for no cache.
        batch: pictures whose features are computed at once.
        progress: shows what takes long, as `console.Console.progress`.
    """

    recipe: Recipe
    mesh: Mesh
    num_classes: int
    attributes: tuple[str, ...]
    conditions: Mapping[str, str]
    forms: Mapping[str, jax.ShapeDtypeStruct]
    generated: Generated | None
    reals: Callable[[str], Pictures]
    split: str
    is_avatars: bool
    cache: Path | None
    batch: int
    progress: Callable[[str], AbstractContextManager[Advance]]

    def generator(self) -> Generated:
        """Raises UsageError where the recipe generates nothing."""
        if self.generated is None:
            raise UsageError("the recipe generates no pictures from noise: nothing to evaluate")
        return self.generated


def about(pictures: Pictures) -> dict[str, Any]:
    """Which pictures, for rows."""
    return {
        "name": pictures.name,
        "samples": pictures.count,
        "fingerprint": pictures.fingerprint,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluator found of one state.

    Attributes:
        metrics: by name.
        protocol: all that the numbers depend on besides the state.
        sampling: what was drawn of the model (`Sampling.describe`).
        real: which real pictures; None where none took part.
        pictures: by name, uint8 `[H, W, C]`.
        warnings: what a reader of the numbers must know, a line each.
    """

    metrics: Mapping[str, Metric]
    protocol: Mapping[str, Any]
    sampling: Mapping[str, Any]
    real: Mapping[str, Any] | None = None
    pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


Measure = Callable[[Subject, int], Evaluation]
"""Of a state, with the seed of what is drawn."""


class Evaluator(Protocol):
    """A frozen dataclass of plain settings, as an experiment's `get_evaluators(config)` lists them.

    name: prefix of its metrics where they stand beside others (`checkpoint.best`, TensorBoard).
    every: the duration between its turns in a run, as "1000 steps"; "" for the last step alone.
    seed: of what it draws in a run.
    metrics: the names that it measures.
    """

    @property
    def name(self) -> str: ...
    @property
    def every(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def metrics(self) -> tuple[str, ...]: ...

    def open(self, world: World) -> Measure:
        """Looks for its weights and checks its settings, at once; what takes long (the features of
        the real pictures) is left to the first call of what it returns.

        Raises:
            UsageError: missing weights, or settings that do not go with the run.
        """
        ...
