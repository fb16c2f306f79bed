"""Schedules of named values: functions `(step, images_seen, base) -> value` of traced scalars.

`base` is the value's entry in `state.hyper`, so that a population can vary it under one schedule.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

Schedule = Callable[[Array, Array, Array], Array]


def linear_warm_up(steps: int) -> Schedule:
    """Rises from base / steps at step 0 to base at step `steps - 1`, then stays."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base * jnp.minimum(1.0, (step + 1) / steps)

    return schedule


def linear_decay(begin: int, end: int) -> Schedule:
    """base until step `begin`, then straight down to 0 at step `end` (the CycleGAN schedule)."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        return base * jnp.clip((end - step) / (end - begin), 0.0, 1.0)

    return schedule


def cosine(steps: int, final: float) -> Schedule:
    """Half a cosine from base at step 0 to the value `final` at step `steps`, then stays."""

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        progress = jnp.clip(step / steps, 0.0, 1.0)
        return final + (base - final) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))

    return schedule


def ema_ramp_up(images_per_step: int, ratio: float) -> Schedule:
    """An EMA decay whose half-life is at most `ratio` of the images seen so far.

    The ramp-up of StyleGAN2-ADA's EMA (Karras et al. 2020, appendix; ratio 0.05): the average
    forgets the untrained weights early on and reaches `base` later.
    """

    def schedule(step: Array, images_seen: Array, base: Array) -> Array:
        half_life = jnp.maximum(images_seen * ratio, 1e-8)
        return jnp.minimum(base, 0.5 ** (images_per_step / half_life))

    return schedule
