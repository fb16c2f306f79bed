"""Which channels of a picture are colours."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError

COLORS = 3


def map_colors(function: Callable[[Array], Array], images: Array) -> Array:
    """`function` of the colour channels of `[B, H, W, C]`; a fourth channel, alpha, stays.

    Raises:
        UsageError: other than 1 (grey), 3 (RGB) or 4 (RGB and alpha) channels.
    """
    channels = images.shape[-1]
    if channels not in (1, COLORS, COLORS + 1):
        raise UsageError(
            f"colour augmentation takes pictures of 1, 3 or 4 channels, not {channels}; leave out "
            "its colour transforms and noise"
        )
    if channels <= COLORS:
        return function(images)
    return jnp.concatenate([function(images[..., :COLORS]), images[..., COLORS:]], axis=-1)
