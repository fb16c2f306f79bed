"""The bottleneck blocks of BigGAN-deep (Brock et al. 2019, appendix B, figure 16).

Two 3x3 convolutions at a quarter of the features, between two of 1x1. The shortcut has no
weights but where features are added: it drops channels on the way up, and on the way down joins
what a 1x1 convolution makes to what is there.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from gan_jax.layers.pooling import average_pooling, nearest_upsampling

RATIO = 4
"""Of the wider end's features to those inside."""


class BottleneckGeneratorBlock(nn.Module):
    """`[B, H, W, C]` to `[B, H, W, features]`, with `up` of twice the sides; features <= C.

    `convolution` and `normalisation` make layers, as in `layers.residual`.
    """

    features: int
    up: bool
    convolution: Callable[..., nn.Module]
    normalisation: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array, condition: Array) -> Array:
        hidden = x.shape[-1] // RATIO

        def activate(x: Array) -> Array:
            return nn.relu(self.normalisation()(x, condition))

        def resize(x: Array) -> Array:
            return nearest_upsampling(x) if self.up else x

        h = self.convolution(hidden, (1, 1))(activate(x))
        h = self.convolution(hidden, (3, 3))(resize(activate(h)))
        h = self.convolution(hidden, (3, 3))(activate(h))
        h = self.convolution(self.features, (1, 1))(activate(h))
        return h + resize(x[..., : self.features])


class BottleneckDiscriminatorBlock(nn.Module):
    """`[B, H, W, C]` to `[B, H, W, features]`, with `down` of half the sides; features >= C."""

    features: int
    down: bool
    convolution: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        hidden = self.features // RATIO

        def resize(x: Array) -> Array:
            return average_pooling(x) if self.down else x

        h = self.convolution(hidden, (1, 1))(nn.relu(x))
        h = self.convolution(hidden, (3, 3))(nn.relu(h))
        h = self.convolution(hidden, (3, 3))(nn.relu(h))
        h = self.convolution(self.features, (1, 1))(resize(nn.relu(h)))
        x = resize(x)
        added = self.features - x.shape[-1]
        if added:
            x = jnp.concatenate([x, self.convolution(added, (1, 1), name="shortcut")(x)], axis=-1)
        return h + x
