"""Mirrors pictures at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def flip(images: Array, key: Array, probability: Array | float = 0.5) -> Array:
    """Mirrors each picture of `[B, H, W, C]` left to right with this probability."""
    mirrored = jax.random.bernoulli(key, probability, images.shape[:1])
    return jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
