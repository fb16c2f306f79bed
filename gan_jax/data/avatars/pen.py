"""What every part is drawn with: the pixel's width, the colours and the style."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array

from gan_jax.data.avatars.layers import Layer, band, fill
from gan_jax.data.avatars.palette import Palette, mix
from gan_jax.data.avatars.styles import Style


class Pen(NamedTuple):
    pixel: float  # width in picture units
    colours: Palette
    style: Style

    def fill(self, distance: Array, softness: Array | float = 0.0) -> Array:
        return fill(distance, self.pixel, softness)

    def band(self, signed: Array, half_width: Array | float) -> Array:
        return band(signed, half_width, self.pixel)

    def line(self, tone: Array) -> Array:
        """The colour of an outline around a part whose dark tone is given."""
        return mix(tone * 0.62, self.colours.ink, self.style.outline_ink)

    def outline(self, part: str, distance: Array, tone: Array, share: Array | float = 1.0) -> Layer:
        """The line around a shape, to be painted before the shape itself."""
        edge = self.fill(distance - self.style.outline)
        return Layer(part, edge * share * self.style.outline_alpha, self.line(tone))
