"""Adaptive instance normalisation (Huang and Belongie 2017; Karras et al. 2019, equation 1)."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array, lax

from gan_jax.layers.equalised import EqualisedDense


def instance_norm(x: Array, epsilon: float = 1e-8) -> Array:
    """`[B, H, W, C]` to mean 0 and variance 1 over each sample's pixels, in float32 at least."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = wide - jnp.mean(wide, axis=(1, 2), keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=(1, 2), keepdims=True)
    return (centred * lax.rsqrt(variance + epsilon)).astype(x.dtype)


class AdaIN(nn.Module):
    """`([B, H, W, C], w [B, W]) -> [B, H, W, C]`: normalised, times 1 + scale, plus shift.

    An equalised dense layer makes scale and shift of w.
    """

    epsilon: float = 1e-8
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        style = EqualisedDense(2 * x.shape[-1], dtype=self.dtype, name="affine")(w)
        scale, shift = jnp.split(style[:, None, None], 2, axis=-1)
        return instance_norm(x, self.epsilon) * (1 + scale) + shift
