"""Pixel-wise feature normalisation (Karras et al. 2018, section 4.2)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax


def pixel_norm(x: Array, epsilon: float = 1e-8) -> Array:
    """`[..., C]` divided by the root of its mean square over C; of latents too (StyleGAN)."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + epsilon)
