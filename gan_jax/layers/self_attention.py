"""Self-attention over the pixels of a feature map (SAGAN: Zhang et al. 2019, section 3)."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.layers.pooling import max_pooling


class SelfAttention(nn.Module):
    """`[B, H, W, C]` plus gamma times what each pixel attends to; gamma starts at 0.

    Queries and keys have C/8 features, values C/2; keys and values are max-pooled by 2, as in the
    code released with SAGAN and BigGAN. Dot products are not scaled. No 1x1 convolution has a bias.

    Attributes:
        convolution: makes a layer, called as `convolution(features, (1, 1), use_bias=, name=)`.
    """

    convolution: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        def pointwise(features: int, name: str) -> nn.Module:
            return self.convolution(max(features, 1), (1, 1), use_bias=False, name=name)

        batch, height, width, channels = x.shape
        query = pointwise(channels // 8, "query")(x)
        key = max_pooling(pointwise(channels // 8, "key")(x))
        value = max_pooling(pointwise(channels // 2, "value")(x))
        products = jnp.einsum("bqc,bkc->bqk", _pixels(query), _pixels(key))
        precise = jnp.promote_types(x.dtype, jnp.float32)
        weights = jax.nn.softmax(products.astype(precise)).astype(x.dtype)
        attended = weights @ _pixels(value)
        attended = attended.reshape(batch, height, width, -1)
        gamma = self.param("gamma", nn.initializers.zeros_init(), (), jnp.float32)
        return x + gamma.astype(x.dtype) * pointwise(channels, "output")(attended)


def _pixels(x: Array) -> Array:
    """`[B, H, W, C]` as `[B, HW, C]`."""
    return x.reshape(x.shape[0], -1, x.shape[-1])
