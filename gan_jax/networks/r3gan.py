"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"), its final configuration E.

Generator and discriminator mirror each other: at every resolution one transition and two inverted
bottlenecks with a grouped convolution, nothing normalised, the start kept tame by fix-up
initialisation (Zhang et al. 2019) instead. Resolutions double by bilinear resampling from a basis
of learnt 4x4 pictures, and halve to a depthwise 4x4 convolution. Widths and group sizes are those
of the paper's table 9.
"""

from __future__ import annotations

import math

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.ops.resampling import downsample, upsample

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


class GenerativeBasis(nn.Module):
    """`[B, Z]` to `[B, 4, 4, features]`: learnt pictures, each as strong as z says."""

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array) -> Array:
        shape = (BASE, BASE, self.features)
        basis = self.param("basis", nn.initializers.normal(1.0), shape, jnp.float32)
        strength = nn.Dense(
            self.features, use_bias=False, kernel_init=scaled_normal(1.0), dtype=self.dtype
        )(z)
        return strength[:, None, None, :] * basis.astype(strength.dtype)


class DiscriminativeBasis(nn.Module):
    """`[B, 4, 4, C]` to `[B, features]`: a depthwise convolution over all of it, then linear."""

    features: int
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
        return nn.Dense(
            self.features, use_bias=False, kernel_init=scaled_normal(1.0), dtype=self.dtype
        )(x.reshape(-1, channels))


def change_width(x: Array, features: int, dtype: Dtype | None) -> Array:
    """A 1x1 convolution where the widths differ. Called from a compact module."""
    if x.shape[-1] == features:
        return x
    return Convolution(
        features, (1, 1), use_bias=False, kernel_init=scaled_normal(1.0), dtype=dtype, name="width"
    )(x)


class GeneratorStage(nn.Module):
    """Twice the size, `[B, H, W, C]` to `[B, 2H, 2W, features]`, then the blocks; the first stage
    goes from z `[B, Z]` to `[B, 4, 4, features]` (`first`)."""

    features: int
    depth: int
    first: bool = False
    blocks: int = 2
    expansion: int = 2
    group_width: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.dtype is not None:
            x = x.astype(self.dtype)
        if self.first:
            x = GenerativeBasis(self.features, self.dtype, name="basis")(x)
        else:
            x = upsample(change_width(x, self.features, self.dtype))
        for _ in range(self.blocks):
            x = ResidualBlock(self.depth, self.expansion, self.group_width, self.dtype)(x)
        return x


class DiscriminatorStage(nn.Module):
    """The blocks, then half the size, `[B, H, W, C]` to `[B, H/2, W/2, features]`; the last stage
    goes from `[B, 4, 4, C]` to `[B, features]` (`last`)."""

    features: int
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
        return change_width(downsample(x), self.features, self.dtype)


class R3GANGenerator(nn.Module):
    """`(z [B, Z], label [B] or [B, A] or None) -> images [B, size, size, channels]`, float32.

    The picture is a linear map of the last features (no tanh). An embedding of the label, as wide
    as z (64 as published), is joined to z.

    Attributes:
        size: of the picture; 32, 64 or 256 without `widths`, else UsageError.
        channels: 1, 3 or 4.
        widths: features at 4x4, 8x8, ..., `size`; None for the published ones (`WIDTHS`).
        num_classes: of the label, or length of its vector; 0 for an unconditional network.
        blocks, expansion, group_width: as in `ResidualBlock`, blocks at each resolution.
        dtype: of the computation at the four highest resolutions above 4x4, as published; the rest
            and all parameters are float32.
    """

    size: int
    channels: int
    widths: tuple[int, ...] | None = None
    num_classes: int = 0
    blocks: int = 2
    expansion: int = 2
    group_width: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        widths = widths_of(self.size, self.widths)
        x = z
        if self.num_classes:
            x = jnp.concatenate([x, embed(z.shape[-1], 1.0, self.num_classes, label)], axis=-1)
        dtypes = stage_dtypes(len(widths), self.dtype)
        for index, (features, dtype) in enumerate(zip(widths, dtypes, strict=True)):
            x = GeneratorStage(
                features,
                depth=self.blocks * len(widths),
                first=index == 0,
                blocks=self.blocks,
                expansion=self.expansion,
                group_width=self.group_width,
                dtype=dtype,
                name=f"stage_{BASE << index}",
            )(x)
        picture = Convolution(
            self.channels,
            (1, 1),
            use_bias=False,
            kernel_init=scaled_normal(1.0),
            dtype=dtypes[-1],
            name="picture",
        )(x)
        return picture.astype(jnp.promote_types(picture.dtype, jnp.float32))


class R3GANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label [B] or [B, A] or None) -> logits [B]`, float32.

    With labels the logit is the product of the last features and the label's embedding (Miyato and
    Koyama 2018), both as wide as the 4x4 resolution.

    Attributes: those of the generator.
    """

    size: int
    widths: tuple[int, ...] | None = None
    num_classes: int = 0
    blocks: int = 2
    expansion: int = 2
    group_width: int = 16
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, label: Array | None = None, *, train: bool) -> Array:
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
        for index in reversed(range(len(widths))):
            features = widths[index - 1] if index else (widths[0] if self.num_classes else 1)
            x = DiscriminatorStage(
                features,
                depth=self.blocks * len(widths),
                last=index == 0,
                blocks=self.blocks,
                expansion=self.expansion,
                group_width=self.group_width,
                dtype=dtypes[index],
                name=f"stage_{BASE << index}",
            )(x)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if not self.num_classes:
            return x[:, 0]
        gain = 1 / math.sqrt(widths[0])
        return jnp.sum(x * embed(widths[0], gain, self.num_classes, label), axis=-1)
