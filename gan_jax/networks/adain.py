"""The decoder of AdaIN style transfer (Huang and Belongie 2017, section 6): an encoder mirrored."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.pooling import nearest_upsampling
from gan_jax.networks.features.style_vgg import BLOCKS, MULTIPLES, reflected_convolution


class AdaINDecoder(nn.Module):
    """`features [B, h, w, F] of relu4_1 -> images [B, 8h, 8w, channels]`, float32, linear.

    The encoder's 3x3 convolutions in reverse order, each from its outputs to its inputs, with
    reflected borders and ReLUs, and nearest enlargement where that has a pool; nothing normalises,
    for the statistics are the style. A picture whose sides are no multiples of 8 comes out larger:
    crop it. As published the default reads VGG-19; with the `width`, `multiples` and `blocks` of
    `style_encoder.AvatarEncoder` it mirrors that.

    Attributes:
        width: of the encoder's first block.
        multiples: of the width, a block.
        blocks: the encoder's convolutions in each block; each pool between two is an enlargement
            by 2 (three of them for four blocks).
        channels: of the images.
        dtype: of the computation; parameters are float32.

    Raises UsageError for maps of one row or column.
    """

    width: int = 64
    multiples: tuple[int, ...] = MULTIPLES
    blocks: tuple[int, ...] = BLOCKS
    channels: int = 3
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, features: Array, *, train: bool) -> Array:
        x = features
        inputs = (self.channels, *(multiple * self.width for multiple in self.multiples))
        for block in range(len(self.blocks), 0, -1):
            for i in range(self.blocks[block - 1], 0, -1):
                width = inputs[block] if i > 1 else inputs[block - 1]
                x = reflected_convolution(x, width, f"conv{block}_{i}", self.dtype)
                if (block, i) != (1, 1):
                    x = nn.relu(x)
            if block > 1:
                x = nearest_upsampling(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
