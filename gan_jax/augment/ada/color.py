"""Colour transforms as one 4 × 4 matrix a picture (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.augment.ada import draws
from gan_jax.augment.ada.homogeneous import matrix, product
from gan_jax.augment.channels import COLORS, map_colors

# In homogeneous coordinates: onto the grey axis (1, 1, 1); the cross product with it; what a turn
# about it or a stretch away from it keeps, and what it changes.
GREY = np.pad(np.full((3, 3), 1.0 / 3.0), (0, 1))
CROSS = np.pad(
    np.asarray([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]), (0, 1)
) / np.sqrt(3.0)
AXIS = GREY + np.diag([0.0, 0.0, 0.0, 1.0])
ACROSS = np.eye(4) - AXIS


@dataclass(frozen=True)
class Color:
    """The group's settings.

    Attributes:
        brightness, contrast, luma_flip, hue, saturation: multipliers of p; 0 leaves one out.
        brightness_std: of what is added.
        contrast_std, saturation_std: of the factor's logarithm to base 2.
        hue_max: of half a turn, either way.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    luma_flip: float = 1.0
    hue: float = 1.0
    saturation: float = 1.0
    brightness_std: float = 0.2
    contrast_std: float = 0.5
    hue_max: float = 1.0
    saturation_std: float = 1.0

    @property
    def active(self) -> bool:
        multipliers = self.brightness, self.contrast, self.luma_flip, self.hue, self.saturation
        return max(multipliers) > 0


class ColorDraw(NamedTuple):
    """Of each picture, `[B]`."""

    brightness: Array
    contrast: Array  # log2
    flipped: Array  # 0 or 1
    hue: Array  # radians
    saturation: Array  # log2


def draw(settings: Color, key: Array, p: Array, batch: int, dtype: Any) -> ColorDraw:
    """The group's parameters for so many pictures."""
    keys = jax.random.split(key, 5)

    def normal(key: Array, multiplier: float, std: float) -> Array:
        return draws.normal(key, draws.chance(multiplier, p), (batch,), std, dtype)

    flipped, turned = draws.chance(settings.luma_flip, p), draws.chance(settings.hue, p)
    return ColorDraw(
        brightness=normal(keys[0], settings.brightness, settings.brightness_std),
        contrast=normal(keys[1], settings.contrast, settings.contrast_std),
        flipped=draws.integers(keys[2], flipped, batch, 2, dtype),
        hue=draws.uniform(keys[3], turned, (batch,), settings.hue_max * jnp.pi, dtype),
        saturation=normal(keys[4], settings.saturation, settings.saturation_std),
    )


def color_matrix(draw: ColorDraw) -> Array:
    """`[B, 4, 4]` from colour (R, G, B, 1) to colour."""
    return product([_saturation(draw), _hue(draw), _luma_flip(draw), _contrast(draw)])


def recolor(images: Array, matrix: Array) -> Array:
    """Applies `[B, 4, 4]` to the colours of `[B, H, W, C]`; grey ones become the mean of the three.

    Raises:
        UsageError: other than 1, 3 or 4 channels.
    """
    linear = matrix[:, None, None, :COLORS, :COLORS]
    offset = matrix[:, None, None, :COLORS, COLORS]

    def of_colors(colors: Array) -> Array:
        if colors.shape[-1] == 1:
            mean = jnp.mean(linear.sum(-1), axis=-1, keepdims=True)
            return mean * colors + jnp.mean(offset, axis=-1, keepdims=True)
        return sum((linear[..., k] * colors[..., k, None] for k in range(COLORS)), offset)

    return map_colors(of_colors, images)


def _contrast(draw: ColorDraw) -> Array:
    """Brightness, then contrast: factor · (colour + brightness)."""
    factor = jnp.exp2(draw.contrast)
    added, zero = factor * draw.brightness, jnp.zeros_like(factor)
    rows = [
        [factor if row == column else zero for column in range(COLORS)] for row in range(COLORS)
    ]
    return matrix([*([*row, added] for row in rows), [0.0, 0.0, 0.0, 1.0]])


def _luma_flip(draw: ColorDraw) -> Array:
    """Reflects in the plane across the grey axis: I - 2 v v'."""
    twice = _each(2.0 * draw.flipped)
    return jnp.eye(4, dtype=twice.dtype) - twice * GREY.astype(twice.dtype)


def _hue(draw: ColorDraw) -> Array:
    """Turns about the grey axis (Rodrigues' formula)."""
    c, s = _each(jnp.cos(draw.hue)), _each(jnp.sin(draw.hue))
    return jnp.asarray(AXIS, c.dtype) + c * ACROSS.astype(c.dtype) + s * CROSS.astype(c.dtype)


def _saturation(draw: ColorDraw) -> Array:
    """Stretches away from the grey axis."""
    factor = _each(jnp.exp2(draw.saturation))
    return jnp.asarray(AXIS, factor.dtype) + factor * ACROSS.astype(factor.dtype)


def _each(value: Array) -> Array:
    return value[:, None, None]
