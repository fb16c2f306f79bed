"""Image-space corruptions: additive noise and cutout (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.augment.ada import draws
from gan_jax.augment.channels import map_colors


@dataclass(frozen=True)
class Noise:
    """Additive noise.

    Attributes:
        multiplier: of p.
        std: of the noise's own standard deviation, which is half-normal.
    """

    multiplier: float = 1.0
    std: float = 0.1

    @property
    def active(self) -> bool:
        return self.multiplier > 0


@dataclass(frozen=True)
class Cutout:
    """A rectangle of zeros.

    Attributes:
        multiplier: of p.
        size: of height and width.
    """

    multiplier: float = 1.0
    size: float = 0.5

    @property
    def active(self) -> bool:
        return self.multiplier > 0


class CutoutDraw(NamedTuple):
    """Of each picture."""

    cut: Array  # [B], 0 or 1
    centre: Array  # [B, 2], U[0, 1) from the top and from the left, of height and width


def draw_noise(settings: Noise, key: Array, p: Array, batch: int, dtype: Any) -> Array:
    """Each picture's standard deviation `[B]`."""
    chance = draws.chance(settings.multiplier, p)
    return jnp.abs(draws.normal(key, chance, (batch,), settings.std, dtype))


def add_noise(images: Array, key: Array, std: Array) -> Array:
    """Adds N(0, std²) to all colours of `[B, H, W, C]`, with `std [B]`.

    Raises:
        UsageError: other than 1, 3 or 4 channels.
    """

    def of_colors(colors: Array) -> Array:
        noise = jax.random.normal(key, colors.shape, colors.dtype)
        return colors + std[:, None, None, None] * noise

    return map_colors(of_colors, images)


def draw_cutout(settings: Cutout, key: Array, p: Array, batch: int, dtype: Any) -> CutoutDraw:
    """The parameters for so many pictures."""
    centre_key, chance_key = jax.random.split(key)
    cut = jax.random.bernoulli(chance_key, settings.multiplier * p, (batch,)).astype(dtype)
    return CutoutDraw(cut, jax.random.uniform(centre_key, (batch, 2), dtype))


def cut_out(images: Array, draw: CutoutDraw, size: float) -> Array:
    """Zeros, in all channels of `[B, H, W, C]`, where a pixel's middle lies in the rectangle."""
    rows, columns = (_inside(draw.centre[:, axis], images.shape[1 + axis], size) for axis in (0, 1))
    hole = (draw.cut > 0)[:, None, None] & rows[:, :, None] & columns[:, None, :]
    return jnp.where(hole[..., None], 0.0, images)


def _inside(centre: Array, pixels: int, size: float) -> Array:
    """Which of an axis' pixels lie within half of `size` from the centre, bool `[B, N]`."""
    middles = (jnp.arange(pixels, dtype=centre.dtype) + 0.5) / pixels
    return jnp.abs(middles - centre[:, None]) < 0.5 * size
