"""Resampling by two, as residual networks do it."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def nearest_upsampling(x: Array) -> Array:
    """`[B, H, W, C]` to `[B, 2H, 2W, C]`: every pixel four times."""
    batch, height, width, channels = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return x.reshape(batch, 2 * height, 2 * width, channels)


def average_pooling(x: Array) -> Array:
    """`[B, 2H, 2W, C]` to `[B, H, W, C]`: the mean of every 2 x 2 pixels."""
    return _squares(x).mean(axis=(2, 4))


def max_pooling(x: Array) -> Array:
    """`[B, 2H, 2W, C]` to `[B, H, W, C]`: the largest of every 2 x 2 pixels."""
    return _squares(x).max(axis=(2, 4))


def _squares(x: Array) -> Array:
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels)
