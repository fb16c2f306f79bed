"""StyleGAN2's synthesis from w to pictures (Karras et al. 2020, figures 2c and 7b)."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.equalised import clamped, scaled_leaky_relu
from gan_jax.layers.modulation import ModulatedConvolution
from gan_jax.layers.noise import NoiseInjection, NoiseMode
from gan_jax.networks.stylegan2.pyramid import number_of_ws, resolutions, width_at
from gan_jax.ops.convolution import convolution
from gan_jax.ops.resampled_convolution import doubling_convolution
from gan_jax.ops.resampling import BINOMIAL, upsample


class StyledConvolution(nn.Module):
    """`([B, H, W, I], w [B, W]) -> [B, h, w, features]`: modulated 3x3 convolution, noise, bias,
    LeakyReLU.

    Attributes:
        features: output features.
        up: whether the picture is doubled.
        taps: of the FIR filter.
        clamp: limit of the output.
        dtype: of the convolution.
    """

    features: int
    up: bool
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array, noise: NoiseMode) -> Array:
        convolve = partial(doubling_convolution, taps=self.taps) if self.up else convolution
        x = ModulatedConvolution(
            self.features, 3, convolve=convolve, dtype=self.dtype, name="convolution"
        )(x, w)
        x = NoiseInjection(name="noise")(x, noise)
        bias = self.param("bias", initializers.zeros_init(), (self.features,))
        return scaled_leaky_relu(x + bias.astype(x.dtype), clamp=self.clamp)


class ToPicture(nn.Module):
    """`([B, H, W, I], w [B, W]) -> [B, H, W, channels]`: 1x1, modulated but not demodulated."""

    channels: int
    clamp: float | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        x = ModulatedConvolution(
            self.channels, 1, demodulate=False, dtype=self.dtype, name="convolution"
        )(x, w)
        bias = self.param("bias", initializers.zeros_init(), (self.channels,))
        return clamped(x + bias.astype(x.dtype), self.clamp)


class Synthesis(nn.Module):
    """`ws [B, num_ws, W] -> images [B, size, size, channels]`, the skip generator.

    A learned constant, at each resolution two convolutions (one at 4x4) and a picture that is added
    to the upsampled one before. A resolution's picture and the next one's first convolution take
    the same w. Pictures are summed in float32.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
        channels: of the pictures.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        taps: of the FIR filters.
        clamp: limit of the activations, None for none.
        dtype: of the highest `dtype_resolutions` resolutions above 4x4; the others compute in
            float32.
        dtype_resolutions: how many, four in Karras et al. 2020b.
    """

    size: int
    channels: int
    channel_base: int
    channel_max: int
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    dtype: Dtype | None = None
    dtype_resolutions: int = 4

    @property
    def num_ws(self) -> int:
        return number_of_ws(self.size)

    @nn.compact
    def __call__(self, ws: Array, noise: NoiseMode) -> Array:
        width = width_at(4, self.channel_base, self.channel_max)
        constant = self.param("constant", initializers.normal(1.0), (4, 4, width))
        x = jnp.broadcast_to(constant, (ws.shape[0], *constant.shape))
        image, used = jnp.zeros(()), 0
        for resolution in resolutions(self.size):
            reduced = resolution > 4 and resolution * 2**self.dtype_resolutions > self.size
            dtype = self.dtype if reduced else None
            features = width_at(resolution, self.channel_base, self.channel_max)
            for up in (False,) if resolution == 4 else (True, False):
                name = f"{resolution}_{'up' if up else 'same'}"
                layer = StyledConvolution(features, up, self.taps, self.clamp, dtype, name=name)
                x = layer(x, ws[:, used], noise)
                used += 1
            name = f"{resolution}_picture"
            rgb = ToPicture(self.channels, self.clamp, dtype, name=name)(x, ws[:, used])
            rgb = rgb.astype(jnp.promote_types(rgb.dtype, jnp.float32))
            image = rgb if resolution == 4 else upsample(image, self.taps) + rgb
        return image
