"""The harness's own settings, checked and brought into the form that a run uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.durations import to_steps
from gan_jax.errors import UsageError
from gan_jax.evaluators.collapse import Limits
from gan_jax.evaluators.evaluator import Evaluator
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
    "evaluate.samples": 2,
    "evaluate.batch": 1,
    "collapse.rollbacks": 0,
    "data.seed": 0,
    "data.threads": 0,
    "data.prefetch": 0,
    "checkpoint.keep_last": 1,
    "checkpoint.keep_every": 0,
}
LARGEST_SEED = 2**32 - 1
SIZES = (
    *("size", "channels", "width", "widths", "hidden", "channel_base", "channel_max"),
    *("blocks", "group_width", "group_size", "w_features", "mapping_layers"),
)
"""What networks may call the numbers that they are made by."""
PRECISIONS = ("float32", "bfloat16")
COLLAPSE_ACTIONS = ("warn", "stop", "roll_back", "off")


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
    if config.precision not in PRECISIONS:
        raise UsageError(f"precision={config.precision!r}: must be {' or '.join(PRECISIONS)}")
    if config.data.on_device and not config.data.in_memory:
        raise UsageError("data.on_device=True: needs data.in_memory=True")
    if config.collapse.action not in COLLAPSE_ACTIONS:
        raise UsageError(
            f"collapse.action={config.collapse.action!r}: must be one of "
            + ", ".join(COLLAPSE_ACTIONS)
        )
    check_attributes(config)
    durations(config, images_per_step=1, images_per_epoch=1)
    retention(config)


def check_attributes(config: Any) -> None:
    """Raises UsageError where `data.attributes` are no names, or the label is another one too."""
    names, label = config.data.attributes, config.data.label
    for name in names:
        if not isinstance(name, str) or not name or names.count(name) > 1:
            raise UsageError(f"data.attributes: {name!r} must be a name, and there once")
    if names and config.num_classes != len(names):
        raise UsageError(
            f"num_classes={config.num_classes}: must be the number of data.attributes, {len(names)}"
        )
    if names and label != "label":
        raise UsageError(
            f"data.label={label!r} is a class and data.attributes are no class: set one of them"
        )


def check_precision(precision: str, networks: Mapping[str, nn.Module]) -> None:
    """Raises UsageError for a network that does not compute in what the config asks for: one that
    the experiment file did not hand its `dtype`, or that has none."""
    for name, network in networks.items():
        dtype = getattr(network, "dtype", None)
        found = jnp.dtype(jnp.float32 if dtype is None else dtype).name
        if found != precision:
            raise UsageError(
                f"precision={precision!r}: the network {name!r} computes in {found}; give it "
                "dtype=compute_dtype(config)"
            )


def check_sizes(networks: Mapping[str, nn.Module]) -> None:
    """Raises UsageError for a network's size of less than 1, under any of the names `SIZES`."""
    for network, module in networks.items():
        for name in SIZES:
            size = getattr(module, name, None)
            for number in size if isinstance(size, (tuple, list)) else (size,):
                if isinstance(number, int) and number < 1:
                    raise UsageError(f"the {network} has {name}={size}: must be at least 1")


def check_seed(key: str, seed: int) -> None:
    """Raises UsageError for a seed that JAX has no key for."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"{key}={seed}: must be from 0 to {LARGEST_SEED}")


def durations(config: Any, *, images_per_step: int, images_per_epoch: int) -> Durations:
    """Raises UsageError for one that is none, or less than a step."""
    steps = {
        field.name: _steps(field.name, config[field.name], images_per_step, images_per_epoch)
        for field in dataclasses.fields(Durations)
    }
    return Durations(**steps)


def evaluate_every(
    evaluator: Evaluator, *, total: int, images_per_step: int, images_per_epoch: int
) -> int:
    """Steps between an evaluator's turns, `total` where it has none but the last; raises
    UsageError."""
    if not evaluator.every:
        return total
    return _steps(f"{evaluator.name}.every", evaluator.every, images_per_step, images_per_epoch)


def _steps(key: str, text: str, images_per_step: int, images_per_epoch: int) -> int:
    steps = to_steps(key, text, images_per_step=images_per_step, images_per_epoch=images_per_epoch)
    if steps < 1:
        raise UsageError(f"{key}={text!r}: must be at least one step")
    return steps


def limits(config: Any) -> Limits | None:
    """Of collapse; None where it is not looked for."""
    if config.collapse.action == "off":
        return None
    settings = config.collapse
    return Limits(
        least_variance=settings.least_variance,
        least_coverage=settings.least_coverage,
        saturation=settings.saturation,
        kept=settings.kept,
    )


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
