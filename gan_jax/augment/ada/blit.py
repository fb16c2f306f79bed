"""Pixel blitting: transforms that copy pixels as they are (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.augment.ada import draws
from gan_jax.augment.ada.homogeneous import product, rotation, scaling, translation


@dataclass(frozen=True)
class Blit:
    """The group's settings.

    Attributes:
        x_flip, rotation_90, translation: multipliers of p; 0 leaves a transform out.
        translation_max: of width and height.
    """

    x_flip: float = 1.0
    rotation_90: float = 1.0
    translation: float = 1.0
    translation_max: float = 0.125

    @property
    def active(self) -> bool:
        return max(self.x_flip, self.rotation_90, self.translation) > 0


class BlitDraw(NamedTuple):
    """Of each picture."""

    mirrored: Array  # [B], 0 or 1
    quarter_turns: Array  # [B], 0 … 3, anticlockwise
    translation: Array  # [B, 2], right and down, of width and height


def draw(settings: Blit, key: Array, p: Array, batch: int, dtype: Any) -> BlitDraw:
    """The group's parameters for so many pictures."""
    flip_key, turn_key, translation_key = jax.random.split(key, 3)
    return BlitDraw(
        mirrored=draws.integers(flip_key, draws.chance(settings.x_flip, p), batch, 2, dtype),
        quarter_turns=draws.integers(
            turn_key, draws.chance(settings.rotation_90, p), batch, 4, dtype
        ),
        translation=draws.uniform(
            translation_key,
            draws.chance(settings.translation, p),
            (batch, 2),
            settings.translation_max,
            dtype,
        ),
    )


def inverse(draw: BlitDraw, height: int, width: int) -> Array:
    """From output to input, `[B, 3, 3]`: pixels right of and below the picture's centre."""
    right, down = (
        jnp.round(draw.translation[:, 0] * width),
        jnp.round(draw.translation[:, 1] * height),
    )
    return product(
        [
            scaling(1.0 - 2.0 * draw.mirrored, jnp.ones_like(draw.mirrored)),
            jnp.round(rotation(0.5 * jnp.pi * draw.quarter_turns)),  # exactly 0, 1 and -1
            translation(-right, -down),
        ]
    )
