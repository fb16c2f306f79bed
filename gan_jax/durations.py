"""Durations in an experiment file: "2100 steps", "20 epochs" or "5_000_000 images"."""

from __future__ import annotations

import math
import re

from gan_jax.errors import UsageError

FORM = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*(steps?|epochs?|images?)\s*")


def to_steps(key: str, duration: str, *, images_per_step: int, images_per_epoch: int) -> int:
    """Steps of a duration, rounded up.

    Args:
        key: the config key, for the message.
        duration: a number and `steps`, `epochs` (of the data) or `images` (real ones seen).
        images_per_step: real images that one step draws.
        images_per_epoch: examples of the data.

    Raises:
        UsageError: it has another form.
    """
    match = FORM.fullmatch(duration)
    if not match:
        raise UsageError(
            f"{key}={duration!r} is no duration: write such as 2100 steps, 20 epochs or "
            "100_000 images"
        )
    number, unit = float(match[1].replace("_", "")), match[2].rstrip("s")
    images_per_unit = {"step": images_per_step, "epoch": images_per_epoch, "image": 1}[unit]
    return math.ceil(number * images_per_unit / images_per_step)


def is_in_epochs(duration: str) -> bool:
    """Whether its length depends on the data."""
    match = FORM.fullmatch(duration)
    return match is not None and match[2].startswith("epoch")
