"""What R3GAN's generator and discriminator share: widths, initialisation, residual blocks."""

from __future__ import annotations

import math

import flax.linen as nn
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.label_embedding import LabelEmbedding

# Features at 4x4, 8x8, ... and at the picture's size: CIFAR-10, FFHQ-64 and FFHQ-256. The ImageNet
# networks of 32 and 64 pixels have 1536 everywhere, in groups of 32.
WIDTHS = {
    32: (768, 768, 768, 768),
    64: (768, 768, 768, 768, 384),
    256: (768, 768, 768, 768, 384, 192, 96),
}
SLOPE = 0.2
BASE = 4
# Under mixed precision the published networks keep 4x4, and all below the four highest
# resolutions, in float32.
LOW_PRECISION_STAGES = 4


def widths_of(size: int, widths: tuple[int, ...] | None) -> tuple[int, ...]:
    """The features of each resolution from 4x4 to `size`: the given ones, or those published.

    Raises:
        UsageError: there are none published for that size, or the given ones lead to another.
    """
    if widths is None:
        if size not in WIDTHS:
            sizes = ", ".join(map(str, WIDTHS))
            raise UsageError(f"R3GAN is published for {sizes} pixels, not {size}: give its widths")
        return WIDTHS[size]
    if not widths or BASE << (len(widths) - 1) != size:
        made = BASE << (len(widths) - 1) if widths else 0
        raise UsageError(
            f"R3GAN makes {made} pixels of {len(widths)} widths, not {size}: "
            f"give one for each of 4, 8, ... {size}"
        )
    return tuple(widths)


def scaled_normal(gain: float) -> nn.initializers.Initializer:
    """N(0, gain² / fan in) (He et al. 2015); zeros for a gain of 0."""
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


def stage_dtypes(stages: int, dtype: Dtype | None) -> list[Dtype | None]:
    """The dtype of each resolution's computation from 4x4 up; None is that of the parameters."""
    low = min(LOW_PRECISION_STAGES, stages - 1)
    return [None] * (stages - low) + [dtype] * low


def embed(features: int, gain: float, num_classes: int, label: Array | None) -> Array:
    """A class `[B]` or an attribute vector `[B, A]` as `[B, features]`, linearly."""
    table = LabelEmbedding(num_classes, features, embedding_init=scaled_normal(gain), name="label")
    return table(label)


class ResidualBlock(nn.Module):
    """`x + branch(x)`, `[B, H, W, C]`: 1x1 to the wide middle, 3x3 in groups, 1x1 back.

    The first two convolutions have a bias and a leaky ReLU and start at `depth^(-1/4)` of what
    keeps the variance, the last starts at zero, so the block starts as the identity (fix-up: the
    exponent is -1 / (2m - 2) for m = 3 convolutions).

    Attributes:
        depth: number of residual blocks of the network.
        expansion: of the middle over `C`.
        group_width: channels of a group; raises UsageError where they do not divide the middle.
    """

    depth: int
    expansion: int = 2
    group_width: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width = x.shape[-1]
        middle = width * self.expansion
        if middle % self.group_width:
            raise UsageError(f"R3GAN: groups of {self.group_width} do not divide {middle} channels")
        start = scaled_normal(math.sqrt(2 / (1 + SLOPE**2)) * self.depth**-0.25)
        y = Convolution(middle, (1, 1), kernel_init=start, dtype=self.dtype, name="widen")(x)
        y = nn.leaky_relu(y, SLOPE)
        y = Convolution(
            middle,
            (3, 3),
            groups=middle // self.group_width,
            kernel_init=start,
            dtype=self.dtype,
            name="grouped",
        )(y)
        y = nn.leaky_relu(y, SLOPE)
        zeros = nn.initializers.zeros_init()
        return x + Convolution(
            width, (1, 1), use_bias=False, kernel_init=zeros, dtype=self.dtype, name="narrow"
        )(y)


def change_width(x: Array, features: int, dtype: Dtype | None) -> Array:
    """A 1x1 convolution where the widths differ. Called from a compact module."""
    if x.shape[-1] == features:
        return x
    return Convolution(
        features, (1, 1), use_bias=False, kernel_init=scaled_normal(1.0), dtype=dtype, name="width"
    )(x)
