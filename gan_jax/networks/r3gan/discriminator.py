"""R3GAN's discriminator (Huang et al. 2024)."""

from __future__ import annotations

import math

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.verdict import Verdict
from gan_jax.networks.r3gan.blocks import (
    BASE,
    ResidualBlock,
    change_width,
    embed,
    scaled_normal,
    stage_dtypes,
    widths_of,
)
from gan_jax.ops.resampling import downsample


class DiscriminativeBasis(nn.Module):
    """`[B, 4, 4, C]` to `[B, features]`: a depthwise convolution over all of it, then linear; to
    `[B, C]` without the linear map where `features` is None."""

    features: int | None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        x = Convolution(
            channels,
            (BASE, BASE),
            padding="VALID",
            groups=channels,
            use_bias=False,
            kernel_init=scaled_normal(1.0),
            dtype=self.dtype,
        )(x)
        x = x.reshape(-1, channels)
        if self.features is None:
            return x
        return nn.Dense(
            self.features, use_bias=False, kernel_init=scaled_normal(1.0), dtype=self.dtype
        )(x)


class DiscriminatorStage(nn.Module):
    """The blocks, then half the size, `[B, H, W, C]` to `[B, H/2, W/2, features]`; the last stage
    goes from `[B, 4, 4, C]` to `[B, features]` (`last`), or to `[B, C]` where that is None."""

    features: int | None
    depth: int
    last: bool = False
    blocks: int = 2
    expansion: int = 2
    group_width: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.dtype is not None:
            x = x.astype(self.dtype)
        for _ in range(self.blocks):
            x = ResidualBlock(self.depth, self.expansion, self.group_width, self.dtype)(x)
        if self.last:
            return DiscriminativeBasis(self.features, self.dtype, name="basis")(x)
        assert self.features is not None
        return change_width(downsample(x), self.features, self.dtype)


class R3GANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label [B] or [B, A] or None) -> logits [B]`, float32, or the
    head's Verdict.

    With labels the logit is the product of the last features and the label's embedding (Miyato and
    Koyama 2018), both as wide as the 4x4 resolution.

    Attributes: those of the generator, and

        head: of layers.heads, in the place of the last linear map and of what `num_classes` says,
            on features as wide as the 4x4 resolution.
    """

    size: int
    widths: tuple[int, ...] | None = None
    num_classes: int = 0
    blocks: int = 2
    expansion: int = 2
    group_width: int = 16
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        widths = widths_of(self.size, self.widths)
        if images.shape[1:3] != (self.size, self.size):
            raise UsageError(f"R3GAN of {self.size} pixels got pictures of {images.shape[1:3]}")
        dtypes = stage_dtypes(len(widths), self.dtype)
        x = Convolution(
            widths[-1],
            (1, 1),
            use_bias=False,
            kernel_init=scaled_normal(1.0),
            dtype=dtypes[-1],
            name="picture",
        )(images)
        logits = widths[0] if self.num_classes else 1
        features = (logits if self.head is None else None, *widths)
        for index in reversed(range(len(widths))):
            x = DiscriminatorStage(
                features[index],
                depth=self.blocks * len(widths),
                last=index == 0,
                blocks=self.blocks,
                expansion=self.expansion,
                group_width=self.group_width,
                dtype=dtypes[index],
                name=f"stage_{BASE << index}",
            )(x)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.head is not None:
            return self.head(x, label, train=train)
        if not self.num_classes:
            return x[:, 0]
        gain = 1 / math.sqrt(widths[0])
        return jnp.sum(x * embed(widths[0], gain, self.num_classes, label), axis=-1)
