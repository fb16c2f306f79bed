"""Noise injection (Karras et al. 2019, section 3.2): one noisy plane, scaled by what is learned."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers
from jax import Array

NoiseMode = Literal["random", "constant", "none"]


class NoiseInjection(nn.Module):
    """Adds N(0, 1) noise `[B, H, W, 1]` times a learned strength, which starts at zero.

    "random" draws from the rng stream `noise`; "constant" takes the plane `[H, W, 1]` of the
    collection `noise`, drawn once at initialisation, the same for all samples; "none" adds nothing.

    Attributes:
        per_channel: a strength for each channel (StyleGAN) instead of one (StyleGAN2).
    """

    per_channel: bool = False

    @nn.compact
    def __call__(self, x: Array, mode: NoiseMode) -> Array:
        _, height, width, channels = x.shape
        shape = (channels,) if self.per_channel else ()
        strength = self.param("strength", initializers.zeros_init(), shape)
        noise = jnp.zeros(())
        if mode == "constant" or self.is_initializing():
            noise = self.variable("noise", "plane", self._draw, (height, width, 1)).value
        if mode == "none":
            return x
        if mode == "random":
            noise = self._draw((*x.shape[:3], 1))
        return x + (noise * strength).astype(x.dtype)

    def _draw(self, shape: tuple[int, ...]) -> Array:
        return jax.random.normal(self.make_rng("noise"), shape, jnp.float32)
