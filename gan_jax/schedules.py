"""Schedules of named values: functions `(step, images_seen, base) -> value` of traced scalars.

`base` is the value's entry in `state.hyper`, so that a population can vary it under one schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError

Schedule = Callable[[Array, Array, Array], Array]


def linear_warm_up(steps: int) -> Schedule:
    """Rises from base / steps at step 0 to base at step `steps - 1`, then stays.

    As all here: UsageError of a length that is none.
    """
    _check_length("linear_warm_up", steps)

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base * jnp.minimum(1.0, (step + 1) / steps)

    return schedule


def linear_decay(begin: int, end: int) -> Schedule:
    """base until step `begin`, then straight down to 0 at step `end` (the CycleGAN schedule)."""
    _check_length(f"linear_decay from {begin} to {end}", end - begin)

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base * jnp.clip((end - step) / (end - begin), 0.0, 1.0)

    return schedule


def piecewise_linear(points: Sequence[tuple[int, float]]) -> Schedule:
    """base times the factor at each (step, factor), straight from each to the next, and as at the
    first and the last before and after them.

    Raises:
        UsageError: no points, or steps that do not rise.
    """
    table = np.array(points, np.float32) if {len(point) for point in points} == {2} else None
    if table is None or np.any(np.diff(table[:, 0]) <= 0):
        raise UsageError(f"piecewise_linear: {points} must be (step, factor) of rising steps")

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base * jnp.interp(jnp.asarray(step, jnp.float32), table[:, 0], table[:, 1])

    return schedule


def inverse_time(rate: float) -> Schedule:
    """base / (1 + rate · step), the decay of AdaIN's decoder."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base / (1.0 + rate * step)

    return schedule


def cosine(steps: float, final: float) -> Schedule:
    """Half a cosine from base at step 0 to the value `final` at step `steps`, then stays."""
    _check_length("cosine", steps)

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        progress = jnp.clip(step / steps, 0.0, 1.0)
        return final + (base - final) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))

    return schedule


def cosine_over_images(images: float, final: float) -> Schedule:
    """Half a cosine from base to the value `final` after so many real images (R3GAN's "burn-in" of
    learning rate, gamma, Adam's beta2 and EMA: Huang et al. 2024, appendix)."""
    of_steps = cosine(images, final)

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return of_steps(images_seen, images_seen, base)

    return schedule


def constant(step: Array, images_seen: Array, base: Array) -> Array:
    """base."""
    return base


def ramp_up(ratio: float) -> Schedule:
    """base, but at most `ratio` of the images seen; 0.05 of an EMA's half-life in StyleGAN2-ADA."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return jnp.minimum(base, ratio * images_seen)

    return schedule


def ema_decay(images_per_step: int, half_life: Schedule = constant) -> Schedule:
    """The decay of an average whose half-life, in real images, is what `half_life` makes of base.

    With `ramp_up` the average forgets the untrained weights early on (Karras et al. 2020a, as
    their code has it).
    """

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        images = jnp.maximum(half_life(step, images_seen, base), 1e-8)
        return 0.5 ** (images_per_step / images)

    return schedule


def from_step(start: int) -> Schedule:
    """0 before step `start`, base from there on."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return jnp.where(step >= start, base, 0.0)

    return schedule


def geometric(factor: float, every: int, least: float) -> Schedule:
    """base times `factor` for every `every` steps done, never below `least` (top-k's share of the
    batch: Sinha et al. 2020, section 3.1)."""
    _check_length("geometric", every)

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return jnp.maximum(least, base * factor ** (step // every))

    return schedule


def _check_length(name: str, length: float) -> None:
    if length <= 0:
        raise UsageError(f"schedule {name}: its length is {length:g}, and must be above 0")
