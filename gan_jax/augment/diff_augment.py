"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): colour, translation and cutout of all that the
discriminator sees, real and generated."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.augment.channels import map_colors
from gan_jax.augment.names import unknown

TRANSLATION_RATIO = 1 / 8  # of height and width, the farthest shift
CUTOUT_RATIO = 1 / 2  # of height and width, the square's side


class ColorDraw(NamedTuple):
    """Of each picture, `[B]`: what is added, and what its two deviations are multiplied with."""

    brightness: Array  # U[-1/2, 1/2)
    saturation: Array  # U[0, 2)
    contrast: Array  # U[1/2, 3/2)


def diff_augment(
    images: Array, key: Array, policies: Sequence[str] = ("color", "translation", "cutout")
) -> Array:
    """Applies the named policies in their order, with parameters of each picture's own.

    Args:
        images: `[B, H, W, C]` in [-1, 1]; what is moved in or cut out is 0, in alpha too. Colours
            leave an alpha channel as it is.
        key: of all parameters.
        policies: out of `color`, `translation`, `cutout`.

    Raises:
        UsageError: an unknown policy, or colours of other than 1, 3 or 4 channels.
    """
    for number, policy in enumerate(policies):
        if policy not in POLICIES:
            raise unknown("DiffAugment policy", policy, POLICIES)
        images = POLICIES[policy](images, jax.random.fold_in(key, number))
    return images


def draw_color(key: Array, batch: int, dtype: Any) -> ColorDraw:
    """The parameters of `recolor` for so many pictures."""
    brightness, saturation, contrast = jax.random.uniform(key, (3, batch), dtype)
    return ColorDraw(brightness - 0.5, 2.0 * saturation, contrast + 0.5)


def recolor(images: Array, draw: ColorDraw) -> Array:
    """Brightness, then saturation about the pixel's mean, then contrast about the picture's."""
    brightness, saturation, contrast = (value[:, None, None, None] for value in draw)

    def of_colors(colors: Array) -> Array:
        colors = colors + brightness
        grey = jnp.mean(colors, axis=-1, keepdims=True)
        colors = grey + saturation * (colors - grey)
        mean = jnp.mean(colors, axis=(1, 2, 3), keepdims=True)
        return mean + contrast * (colors - mean)

    return map_colors(of_colors, images)


def draw_shift(key: Array, batch: int, farthest: tuple[int, int]) -> Array:
    """Pixels down and right, int32 `[B, 2]`, each up to the farthest both ways."""
    bounds = jnp.asarray(farthest)
    return jax.random.randint(key, (batch, 2), -bounds, bounds + 1)


def shift(images: Array, pixels: Array, farthest: tuple[int, int]) -> Array:
    """Moves each picture by its `pixels [B, 2]` down and right, zeros after it."""
    size = images.shape[1:]
    margins = ((0, 0), *((far, far) for far in farthest), (0, 0))
    starts = jnp.asarray(farthest) - pixels

    def window(padded: Array, start: Array) -> Array:
        return jax.lax.dynamic_slice(padded, (start[0], start[1], 0), size)

    return jax.vmap(window)(jnp.pad(images, margins), starts)


def draw_centre(key: Array, batch: int, size: tuple[int, int], hole: tuple[int, int]) -> Array:
    """The hole's middle pixel, int32 `[B, 2]`, on any pixel, or next to the last where the hole is
    an even number of pixels, so that it reaches all borders alike."""
    bounds = [n + 1 - side % 2 for n, side in zip(size, hole, strict=True)]
    return jax.random.randint(key, (batch, 2), 0, jnp.asarray(bounds))


def cut_out(images: Array, centre: Array, hole: tuple[int, int]) -> Array:
    """Zeros where a hole of so many rows and columns lies about each picture's `centre [B, 2]`."""
    rows, columns = (
        _inside(centre[:, axis], hole[axis], images.shape[1 + axis]) for axis in range(2)
    )
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, images)


def _inside(centre: Array, side: int, size: int) -> Array:
    """Which of an axis' pixels lie in the hole, bool `[B, size]`."""
    first = (centre - side // 2)[:, None]
    pixels = jnp.arange(size)
    return (pixels >= first) & (pixels < first + side)


def _share(images: Array, ratio: float) -> tuple[int, int]:
    """Of height and width, in pixels; a half is rounded up."""
    height, width = (floor(n * ratio + 0.5) for n in images.shape[1:3])
    return height, width


def _color(images: Array, key: Array) -> Array:
    return recolor(images, draw_color(key, images.shape[0], images.dtype))


def _translation(images: Array, key: Array) -> Array:
    farthest = _share(images, TRANSLATION_RATIO)
    return shift(images, draw_shift(key, images.shape[0], farthest), farthest)


def _cutout(images: Array, key: Array) -> Array:
    hole = _share(images, CUTOUT_RATIO)
    size = images.shape[1], images.shape[2]
    return cut_out(images, draw_centre(key, images.shape[0], size, hole), hole)


POLICIES = {"color": _color, "translation": _translation, "cutout": _cutout}
