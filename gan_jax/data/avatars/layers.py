"""A drawing is a list of layers, one over another; pictures and part masks both come from it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

PARTS = (
    "hair_back", "neck", "clothes", "ears", "face", "nose", "mouth",
    "eye_left", "eye_right", "brow_left", "brow_right", "hair_front", "accessories",
)  # fmt: skip


class Layer(NamedTuple):
    """`coverage` `[H, W]` in [0, 1] of one `colour` `[3]`.

    A layer with a part belongs to that part's mask and hides what lies under it; one without only
    tints what is there.
    """

    part: str | None
    coverage: Array
    colour: Array


def fill(distance: Array, pixel: float, softness: Array | float = 0.0) -> Array:
    """Share of each pixel inside a shape; `softness` widens the edge (both in picture units)."""
    return jnp.clip(0.5 - distance * (1 / jnp.maximum(pixel, softness)), 0, 1)


def band(signed: Array, half_width: Array | float, pixel: float) -> Array:
    """Share of each pixel within `half_width` of the zero line; exact for lines below a pixel."""
    return jnp.maximum(fill(signed - half_width, pixel) - fill(signed + half_width, pixel), 0)


def composite(layers: list[Layer]) -> Array:
    """Layers from back to front -> `[H, W, 4]`, straight alpha, in [0, 1].

    The scan keeps the coverages out of the blending loop: XLA would otherwise compute each of them
    again for every channel and run eight times slower.
    """
    coverage = jnp.stack([layer.coverage for layer in layers])
    colours = jnp.stack([layer.colour for layer in layers])[:, :, None, None]
    opaque = np.array([layer.part is not None for layer in layers], np.float32)
    blank = jnp.zeros((3, *coverage.shape[1:])), jnp.zeros(coverage.shape[1:])
    (colour, alpha), _ = jax.lax.scan(_blend, blank, (coverage, colours, opaque))
    colour = jnp.clip(colour / jnp.maximum(alpha, 1e-6), 0, 1)
    return jnp.moveaxis(jnp.concatenate([colour, alpha[None]]), 0, -1)


def _blend(picture, layer):
    """One layer over the picture; colours are premultiplied by alpha meanwhile."""
    (colour, alpha), (coverage, paint, opaque) = picture, layer
    colour = colour + coverage * (paint * (opaque + (1 - opaque) * alpha) - colour)
    return (colour, alpha + coverage * opaque * (1 - alpha)), None


def part_masks(layers: list[Layer], visible: bool) -> Array:
    """`[H, W, M]` in the order of `PARTS`: each part's coverage, seen (sums to alpha) or whole."""
    shape = layers[0].coverage.shape
    masks = {part: jnp.zeros(shape) for part in PARTS}
    open_view = jnp.ones(shape)
    for layer in reversed(layers):
        if layer.part is None:
            continue
        mask = masks[layer.part]
        if visible:
            masks[layer.part] = mask + layer.coverage * open_view
            open_view = open_view * (1 - layer.coverage)
        else:
            masks[layer.part] = mask + layer.coverage * (1 - mask)
    return jnp.stack([masks[part] for part in PARTS], axis=-1)
