"""The residual stacks that SNGAN, SAGAN and BigGAN share, between latent and picture, and between
picture and head; the families differ in widths, layers and what conditions them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Initializer
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.residual import DiscriminatorBlock, GeneratorBlock
from gan_jax.layers.self_attention import SelfAttention


class GeneratorBackbone(nn.Module):
    """`[B, H, W, C]` and a condition for each block to images of `channels` in [-1, 1]: blocks
    that double the sides, then BatchNorm, ReLU, a 3x3 convolution and tanh.

    Attributes:
        widths: features of each block.
        channels: of the picture.
        attention: self-attention follows the block that makes this side; 0 for none.
        convolution, normalisation: make layers, as in `layers.residual`.
        kernel_init: of the blocks' 3x3 kernels.
    """

    widths: Sequence[int]
    channels: int
    attention: int
    convolution: Callable[..., nn.Module]
    normalisation: Callable[..., nn.Module]
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: Array, conditions: Sequence[Array | None]) -> Array:
        for width, condition in zip(self.widths, conditions, strict=True):
            block = GeneratorBlock(width, self.convolution, self.normalisation, self.kernel_init)
            x = block(x, condition)
            if x.shape[1] == self.attention:
                x = SelfAttention(self.convolution)(x)
        return picture_of(x, self.channels, self.convolution, self.normalisation)


class DiscriminatorBackbone(nn.Module):
    """Images to features `[B, F]`, float32: blocks, ReLU, and the sum or mean over pixels.

    Attributes:
        widths: features of each block.
        down: so many blocks halve the sides, the rest keep them.
        wide: a block's inner features are those of its output (SAGAN, BigGAN), not of its input
            (SNGAN).
        attention: self-attention follows the first block that makes this side; 0 for none.
        convolution: makes a layer, as in `layers.residual`.
        normalisation: makes the layer before each ReLU in the blocks, or None.
        kernel_init: of the blocks' 3x3 kernels.
        mean_pool: the mean over pixels (WGAN-GP), not the sum (SNGAN and after).
    """

    widths: Sequence[int]
    down: int
    wide: bool
    attention: int
    convolution: Callable[..., nn.Module]
    normalisation: Callable[..., nn.Module] | None
    kernel_init: Initializer
    mean_pool: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for index, width in enumerate(self.widths):
            x = DiscriminatorBlock(
                features=width,
                hidden=width if self.wide or index == 0 else x.shape[-1],
                down=index < self.down,
                first=index == 0,
                convolution=self.convolution,
                normalisation=self.normalisation,
                kernel_init=self.kernel_init,
            )(x)
            if index < self.down and x.shape[1] == self.attention:
                x = SelfAttention(self.convolution)(x)
        return summed(x) / (x.shape[1] * x.shape[2] if self.mean_pool else 1)


def picture_of(
    x: Array,
    channels: int,
    convolution: Callable[..., nn.Module],
    normalisation: Callable[..., nn.Module],
) -> Array:
    """A generator's end, called within a module: plain BatchNorm, ReLU, 3x3 convolution, tanh."""
    x = nn.relu(normalisation(linear=None)(x, None))
    x = convolution(channels, (3, 3))(x)
    return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


def summed(x: Array) -> Array:
    """A discriminator's features `[B, F]`: ReLU, and the sum over all pixels in float32."""
    return jnp.sum(nn.relu(x), axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))


def check_side(images: Array, size: int) -> None:
    """That images `[B, H, W, C]` are of the side that a discriminator is made for.

    Raises:
        UsageError: they are not.
    """
    if images.shape[1:3] != (size, size):
        height, width = images.shape[1:3]
        raise UsageError(
            f"the discriminator is made for {size} x {size} pixels and got {height} x {width}: "
            "give the network and the data the same size"
        )
