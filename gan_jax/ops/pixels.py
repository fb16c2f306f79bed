"""Between uint8 pictures at the edges and float pictures in [-1, 1] inside."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

FLIP = "flip"


def to_float(pixels: Array) -> Array:
    """uint8 `[...]` in 0..255 -> float32 in [-1, 1]."""
    return pixels.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(images: Array) -> Array:
    """Float `[...]` -> uint8: [-1, 1] becomes 0..255, rounded to the nearest, clipped outside."""
    scaled = (images.astype(jnp.float32) + 1.0) * 127.5
    return jnp.clip(jnp.round(scaled), 0.0, 255.0).astype(jnp.uint8)


def prepare(batch: Mapping[str, Array]) -> dict[str, Array]:
    """What a loss sees of a batch off the pipeline: every uint8 leaf is a picture and becomes
    float32 in [-1, 1]; where the bool leaf `flip` `[…]` is there, it mirrors `image`
    `[…, H, W, C]` where true and is taken out.
    """
    prepared = {
        name: to_float(leaf) if leaf.dtype == jnp.uint8 else leaf
        for name, leaf in batch.items()
        if name != FLIP
    }
    if FLIP in batch:
        image = prepared["image"]
        mirrored = batch[FLIP][..., None, None, None]
        prepared["image"] = jnp.where(mirrored, image[..., ::-1, :], image)
    return prepared
