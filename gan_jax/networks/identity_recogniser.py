"""A recogniser of who an avatar is, for generators that must not change it: palettes, hair, glasses
and clothes, whatever the face does. The judge, which measures, is another network.

Plain strided convolutions, so that it costs little beside what it guards.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.convolution import Convolution
from gan_jax.networks.features.avatar_judge import FACTORS

SIZE = 64
"""Pixels a side that it sees."""
IDENTITY_FACTORS = tuple(pair for pair in FACTORS if pair[0] != "style")
"""What makes up who an avatar is, with the number of their choices."""
CHOICES = sum(count for _, count in IDENTITY_FACTORS)


class IdentityRecogniser(nn.Module):
    """`images [B, H, W, 3] in [-1, 1] -> {factor: logits [B, choices]}`, float32.

    Pictures of another size are brought to 64 x 64 with a triangle filter, widened to shrink.

    Attributes:
        widths: features of convolutions of 4x4 that halve the picture, each with a ReLU.
        factors: names and choices.
        dtype: of the computation; parameters are float32.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 256)
    factors: tuple[tuple[str, int], ...] = IDENTITY_FACTORS
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> dict[str, Array]:
        x = images
        if x.shape[1:3] != (SIZE, SIZE):
            shape = (len(x), SIZE, SIZE, x.shape[-1])
            x = jax.image.resize(x, shape, "linear", antialias=True)
        for width in self.widths:
            x = Convolution(
                width,
                (4, 4),
                strides=(2, 2),
                padding=((1, 1), (1, 1)),
                kernel_init=nn.initializers.he_normal(),
                dtype=self.dtype,
            )(x)
            x = nn.relu(x)
        x = x.reshape(len(x), -1)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return {name: nn.Dense(count, name=name)(x) for name, count in self.factors}


def probabilities_of(logits: Mapping[str, Array]) -> Array:
    """`[B, CHOICES]`, those of each factor side by side: who somebody is, for a generator."""
    return jnp.concatenate([jax.nn.softmax(each) for each in logits.values()], axis=-1)
