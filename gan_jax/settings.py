"""The harness's own settings, checked and brought into the form that a run uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from gan_jax.durations import to_steps
from gan_jax.errors import UsageError
from gan_jax.mesh import VIEWS
from gan_jax.retention import Best, Retention

LEAST = {
    "seed": 0,
    "batch_size": 1,
    "accumulate": 1,
    "steps_per_call": 1,
    "num_classes": 0,
    "stop_after_skipped": 1,
    "samples.count": 1,
    "data.seed": 0,
    "data.threads": 0,
    "data.prefetch": 0,
    "checkpoint.keep_last": 1,
    "checkpoint.keep_every": 0,
}
LARGEST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Durations:
    """The durations of a config, in steps."""

    total: int
    log_every: int
    samples_every: int
    checkpoint_every: int


def check(config: Any) -> None:
    """Raises UsageError for a value that means nothing, before anything else is done."""
    for key, least in LEAST.items():
        value = config
        for part in key.split("."):
            value = value[part]
        if value < least:
            raise UsageError(f"{key}={value}: must be at least {least}")
    for key, seed in (("seed", config.seed), ("data.seed", config.data.seed)):
        check_seed(key, seed)
    if config.mesh.view not in VIEWS:
        raise UsageError(f"mesh.view={config.mesh.view!r}: must be {' or '.join(VIEWS)}")
    durations(config, images_per_step=1, images_per_epoch=1)
    retention(config)


def check_seed(key: str, seed: int) -> None:
    """Raises UsageError for a seed that JAX has no key for."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"{key}={seed}: must be from 0 to {LARGEST_SEED}")


def durations(config: Any, *, images_per_step: int, images_per_epoch: int) -> Durations:
    """Raises UsageError for one that is none, or less than a step."""
    steps = {}
    for field in dataclasses.fields(Durations):
        text = config[field.name]
        steps[field.name] = to_steps(
            field.name, text, images_per_step=images_per_step, images_per_epoch=images_per_epoch
        )
        if steps[field.name] < 1:
            raise UsageError(f"{field.name}={text!r}: must be at least one step")
    return Durations(**steps)


def retention(config: Any) -> Retention:
    """Which checkpoints stay; raises UsageError."""
    settings = config.checkpoint
    return Retention(
        keep_last=settings.keep_last,
        keep_every=settings.keep_every or None,
        best=best_of(settings.best),
    )


def best_of(text: str) -> Best | None:
    """`METRIC:min` or `METRIC:max`, or "" for none; raises UsageError."""
    if not text:
        return None
    metric, _, mode = text.rpartition(":")
    if not metric:
        raise UsageError(f"checkpoint.best={text!r}: must be METRIC:min or METRIC:max")
    return Best(metric, mode)


def check_best(best: Best | None, metrics: Iterable[str]) -> None:
    """Raises UsageError where the run has no such metric."""
    if best is not None and best.metric not in (names := sorted(metrics)):
        raise UsageError(
            f"checkpoint.best: no metric {best.metric!r}; there are {', '.join(names)}"
        )
