"""A small encoder for style transfer that is trained on avatars, where no VGG's weights are needed.

VGG's shape (Simonyan and Zisserman 2015) at a fraction of its size. It learns by naming what an
avatar is drawn with from the very statistics that style transfer moves, and what it does from the
map that style transfer keeps.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.networks.features.avatar_judge import FACTORS
from gan_jax.networks.features.style_vgg import TAPS, tapped, vgg_blocks
from gan_jax.style_losses import statistics

STYLE_FACTORS = tuple(pair for pair in FACTORS if pair[0] == "style" or "Palette" in pair[0])
"""The renderer's drawing style and palettes, with the number of their choices."""


class AvatarEncoder(nn.Module):
    """`images [B, H, W, C] in [-1, 1] -> {tap: [B, h, w, F]}`, as `StyleVGG` without its first
    1x1 convolution: 434,592 parameters.

    Without a norm, which would take away the statistics that are the style.

    Attributes:
        width: features of the first block.
        multiples: of the width, a block.
        blocks: the number of convolutions in each.
        dtype: of the computation; parameters are float32.
    """

    width: int = 32
    multiples: tuple[int, ...] = (1, 2, 4, 4)
    blocks: tuple[int, ...] = (2, 2, 2, 1)
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, *, taps: tuple[str, ...] = TAPS, train: bool
    ) -> dict[str, Array]:
        """The features of the taps, `relu1_1` to `relu4_1` by default; no layer beyond the last.

        Raises:
            ValueError: no such tap.
            UsageError: pictures so small that a map before a tap has one row or column.
        """
        widths = tuple(multiple * self.width for multiple in self.multiples)
        return tapped(vgg_blocks(images, widths, self.blocks, self.dtype), self.blocks, taps)


class AvatarLabels(NamedTuple):
    """What is read off `[B]` avatars, as logits, float32.

    Attributes:
        expression: `[B, E]` of the named expressions.
        factors: `[B, choices]` of each factor, by its name.
    """

    expression: Array
    factors: dict[str, Array]


class AvatarEncoderClassifier(nn.Module):
    """`images [B, H, W, C] in [-1, 1] -> AvatarLabels`, to train the encoder by.

    Each head is one dense layer: the factors' on the means and deviations of every channel of the
    four taps, the expression's on the last tap at 4x4 cells, whatever the picture's size. The
    trained encoder's parameters are those of `encoder`.

    Attributes:
        width, multiples, blocks: the encoder's.
        expressions: E.
        factors: names and choices.
        dtype: of the encoder's computation; the heads are float32.
    """

    width: int = 32
    multiples: tuple[int, ...] = (1, 2, 4, 4)
    blocks: tuple[int, ...] = (2, 2, 2, 1)
    expressions: int = 8
    factors: tuple[tuple[str, int], ...] = STYLE_FACTORS
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> AvatarLabels:
        encoder = AvatarEncoder(
            self.width, self.multiples, self.blocks, dtype=self.dtype, name="encoder"
        )
        maps = list(encoder(images, train=train).values())
        style = jnp.concatenate([x for tap in maps for x in statistics(tap)], axis=-1)
        content = cells(maps[-1]).reshape(len(images), -1)
        return AvatarLabels(
            expression=nn.Dense(self.expressions, name="expression")(content),
            factors={name: nn.Dense(count, name=name)(style) for name, count in self.factors},
        )


def cells(features: Array) -> Array:
    """`[B, H, W, C]` to `[B, 4, 4, C]`, float32, with a triangle filter as wide as two cells."""
    shape = (len(features), 4, 4, features.shape[-1])
    wide = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    return jax.image.resize(wide, shape, "linear", antialias=True)
