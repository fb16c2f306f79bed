"""General geometric transforms (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.augment.ada import draws
from gan_jax.augment.ada.homogeneous import product, rotation, scaling, translation


@dataclass(frozen=True)
class Geometric:
    """The group's settings.

    Attributes:
        scale, rotation, anisotropy, translation: multipliers of p; 0 leaves a transform out.
        scale_std, anisotropy_std: of the factor's logarithm to base 2.
        rotation_max: of half a turn, either way.
        translation_std: of width and height.
    """

    scale: float = 1.0
    rotation: float = 1.0
    anisotropy: float = 1.0
    translation: float = 1.0
    scale_std: float = 0.2
    rotation_max: float = 1.0
    anisotropy_std: float = 0.2
    translation_std: float = 0.125

    @property
    def active(self) -> bool:
        return max(self.scale, self.rotation, self.anisotropy, self.translation) > 0


class GeometricDraw(NamedTuple):
    """Of each picture."""

    scale: Array  # [B], log2
    turn_before: Array  # [B], radians
    anisotropy: Array  # [B], log2: x grows, y shrinks
    turn_after: Array  # [B], radians
    translation: Array  # [B, 2], right and down, of width and height


def draw(settings: Geometric, key: Array, p: Array, batch: int, dtype: Any) -> GeometricDraw:
    """The group's parameters for so many pictures; either rotation happens with probability p."""
    keys = jax.random.split(key, 5)
    turned = draws.chance_of_each(settings.rotation, p)
    angle = settings.rotation_max * jnp.pi

    def normal(key: Array, multiplier: float, shape: tuple[int, ...], std: float) -> Array:
        return draws.normal(key, draws.chance(multiplier, p), shape, std, dtype)

    return GeometricDraw(
        scale=normal(keys[0], settings.scale, (batch,), settings.scale_std),
        turn_before=draws.uniform(keys[1], turned, (batch,), angle, dtype),
        anisotropy=normal(keys[2], settings.anisotropy, (batch,), settings.anisotropy_std),
        turn_after=draws.uniform(keys[3], turned, (batch,), angle, dtype),
        translation=normal(keys[4], settings.translation, (batch, 2), settings.translation_std),
    )


def inverse(draw: GeometricDraw, height: int, width: int) -> Array:
    """From output to input, `[B, 3, 3]`: pixels right of and below the picture's centre."""
    right, down = draw.translation[:, 0] * width, draw.translation[:, 1] * height
    shrink, stretch = jnp.exp2(-draw.scale), jnp.exp2(draw.anisotropy)
    return product(
        [
            scaling(shrink, shrink),
            rotation(draw.turn_before),
            scaling(1.0 / stretch, stretch),
            rotation(draw.turn_after),
            translation(-right, -down),
        ]
    )
