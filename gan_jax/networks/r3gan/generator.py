"""R3GAN's generator (Huang et al. 2024)."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.convolution import Convolution
from gan_jax.networks.r3gan.blocks import (
    BASE,
    ResidualBlock,
    change_width,
    embed,
    scaled_normal,
    stage_dtypes,
    widths_of,
)
from gan_jax.ops.resampling import upsample


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
