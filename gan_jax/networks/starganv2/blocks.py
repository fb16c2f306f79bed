"""The residual blocks that all of StarGAN v2's picture networks are made of.

Before each of a block's two 3x3 convolutions stand a normalisation and LeakyReLU(0.2); the picture
is resampled where the first convolution is, and the shortcut is 1x1 where features change.
Resampling and convolution are one: a strided kernel of 4x4 costs less than half of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers
from flax.linen.dtypes import promote_dtype
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.adain import instance_norm
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.picture_normalisation import EPSILON, PictureNormalisation
from gan_jax.layers.pooling import average_pooling, nearest_upsampling
from gan_jax.ops.convolution import convolution
from gan_jax.ops.resampled_convolution import averaging_convolution, repeating_convolution

he_init = initializers.variance_scaling(2.0, "fan_in", "normal")


class HeConvolution(nn.Module):
    """`[B, H, W, C]` to `[B, h, w, features]` by a 3x3 kernel, He's at first, and a bias;
    `convolve(x, kernel)` may resample."""

    features: int
    convolve: Callable[[Array, Array], Array] = convolution
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", he_init, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", initializers.zeros_init(), (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return self.convolve(x, kernel) + bias


def shortcut(x: Array, features: int, dtype: Dtype | None) -> Array:
    """Called within a block: x as it is, or by a 1x1 convolution where its features are others."""
    if x.shape[-1] == features:
        return x
    settings = {"use_bias": False, "kernel_init": he_init, "dtype": dtype}
    return Convolution(features, (1, 1), name="shortcut", **settings)(x)


class ResidualBlock(nn.Module):
    """`[B, H, W, C]` to `[B, H, W, features]`, with `down` of half the sides.

    Attributes:
        features: of the output.
        train: of the call.
        down: averages 2 x 2 pixels.
        normalise: instance normalisation with a scale and a bias before each activation.
        dtype: of the computation; parameters are float32.
    """

    features: int
    train: bool
    down: bool = False
    normalise: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        def activate(x: Array) -> Array:
            if self.normalise:
                x = PictureNormalisation("instance_affine", self.train, self.dtype)(x)
            return nn.leaky_relu(x, 0.2)

        first = averaging_convolution if self.down else convolution
        h = HeConvolution(x.shape[-1], first, self.dtype)(activate(x))
        h = HeConvolution(self.features, dtype=self.dtype)(activate(h))
        # Averaging and a 1x1 convolution commute; this order costs a quarter.
        x = average_pooling(x) if self.down else x
        return (shortcut(x, self.features, self.dtype) + h) / sqrt(2)


class StyleNormalisation(nn.Module):
    """`([B, H, W, C], style [B, S]) -> [B, H, W, C]`: AdaIN, whose scale and shift are a dense
    layer's of the style; the scale is 1 and what that says."""

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, style: Array) -> Array:
        dense = nn.Dense(2 * x.shape[-1], kernel_init=he_init, dtype=self.dtype, name="affine")
        scale, shift = jnp.split(dense(style)[:, None, None], 2, axis=-1)
        return instance_norm(x, EPSILON) * (1 + scale) + shift


class StyledBlock(nn.Module):
    """`([B, H, W, C], style [B, S])` to `[B, H, W, features]`, with `up` of twice the sides.

    Attributes:
        features: of the output.
        up: repeats each pixel 2 x 2 times.
        residual: adds the shortcut; without, the two convolutions are all there is.
        dtype: of the computation; parameters are float32.
    """

    features: int
    up: bool = False
    residual: bool = True
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, style: Array) -> Array:
        def activate(x: Array) -> Array:
            return nn.leaky_relu(StyleNormalisation(self.dtype)(x, style), 0.2)

        first = repeating_convolution if self.up else convolution
        h = HeConvolution(self.features, first, self.dtype)(activate(x))
        h = HeConvolution(self.features, dtype=self.dtype)(activate(h))
        if not self.residual:
            return h
        # A 1x1 convolution and upsampling commute; this order costs a quarter.
        x = shortcut(x, self.features, self.dtype)
        return ((nearest_upsampling(x) if self.up else x) + h) / sqrt(2)


def check_side(images: Array, size: int) -> None:
    """That images `[B, H, W, C]` are `size` pixels wide and high, a power of two from 32 on.

    Raises:
        UsageError: they are not.
    """
    if size < 32 or size & (size - 1):
        raise UsageError(f"StarGAN v2 takes 32, 64, 128, … pixels, not {size}: set data.size")
    if images.shape[1:3] != (size, size):
        height, width = images.shape[1:3]
        raise UsageError(
            f"StarGAN v2 of {size} x {size} pixels got {height} x {width}: give the network and "
            "the data the same size"
        )
