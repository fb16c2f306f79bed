"""The drawing in a picture: where its colours change."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

CONTRAST = 0.5
"""Of two pixels side by side, in [-1, 1], that makes a line as good as white."""


def edges(images: Array) -> Array:
    """Lines, white on black, `[B, H, W, 1]` float32 in [-1, 1].

    The length g of the gradient over all channels, by central differences (one-sided at the
    border), as 1 - exp(-(g / (CONTRAST / 2))^2): how strong a line is says little of how strong
    the contrast was.

    Args:
        images: `[B, H, W, C]` in [-1, 1].
    """
    down = jnp.pad(images, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge")
    across = jnp.pad(images, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    vertical = 0.5 * (down[:, 2:] - down[:, :-2])
    horizontal = 0.5 * (across[:, :, 2:] - across[:, :, :-2])
    squares = jnp.sum(vertical**2 + horizontal**2, axis=-1, keepdims=True)
    return 1.0 - 2.0 * jnp.exp(-squares / (CONTRAST / 2) ** 2)
