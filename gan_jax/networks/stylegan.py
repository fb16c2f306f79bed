"""StyleGAN (Karras et al. 2019) at a fixed size, without progressive growing.

The synthesis styles a learned constant by AdaIN; the discriminator is that of progressive GANs
(Karras et al. 2018). Learning rates are equalised, and He's sqrt(2) is in the kernels, not after
the activations.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.adain import AdaIN
from gan_jax.layers.equalised import EqualisedConvolution, EqualisedDense
from gan_jax.layers.minibatch_stddev import minibatch_stddev
from gan_jax.layers.noise import NoiseInjection, NoiseMode
from gan_jax.layers.verdict import Verdict
from gan_jax.networks.stylegan2.mapping import AveragedMapping, Mapping, label_vector
from gan_jax.networks.stylegan2.pyramid import resolutions, width_at
from gan_jax.networks.stylegan2.style_generator import StyleGenerator
from gan_jax.ops.convolution import convolution
from gan_jax.ops.resampled_convolution import averaging_convolution, repeating_convolution
from gan_jax.ops.resampling import blur

TAPS = (1.0, 2.0, 1.0)


def repeat_convolve_blur(x: Array, kernel: Array) -> Array:
    """`[B, H, W, I]` to `[B, 2H, 2W, O]`: pixels repeated, convolved, blurred."""
    return blur(repeating_convolution(x, kernel), TAPS)


def blur_convolve_average(x: Array, kernel: Array) -> Array:
    """`[B, H, W, I]` to `[B, H/2, W/2, O]`: blurred, convolved, pixels averaged."""
    return averaging_convolution(blur(x, TAPS), kernel)


class StyleGANSynthesis(nn.Module):
    """`ws [B, num_ws, W] -> images [B, size, size, channels]`, float32.

    Each layer is convolution, noise, bias, LeakyReLU(0.2), AdaIN; the first has the constant in
    the convolution's place.
    """

    size: int
    channels: int
    channel_base: int
    channel_max: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, ws: Array, noise: NoiseMode) -> Array:
        width = width_at(4, self.channel_base, self.channel_max)
        constant = self.param("constant", initializers.ones_init(), (4, 4, width))
        x = jnp.broadcast_to(constant, (ws.shape[0], *constant.shape))
        x = x if self.dtype is None else x.astype(self.dtype)
        x = self._epilogue(x, ws[:, 0], noise, "4_constant")
        x = self._layer(x, ws[:, 1], noise, width, convolution, "4_same")
        for index, resolution in enumerate(resolutions(self.size)[1:], start=1):
            width = width_at(resolution, self.channel_base, self.channel_max)
            first, second = ws[:, 2 * index], ws[:, 2 * index + 1]
            x = self._layer(x, first, noise, width, repeat_convolve_blur, f"{resolution}_up")
            x = self._layer(x, second, noise, width, convolution, f"{resolution}_same")
        x = EqualisedConvolution(self.channels, 1, dtype=self.dtype, name="picture")(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _layer(
        self,
        x: Array,
        w: Array,
        noise: NoiseMode,
        features: int,
        convolve: Callable[[Array, Array], Array],
        name: str,
    ) -> Array:
        x = EqualisedConvolution(
            features,
            3,
            gain=sqrt(2),
            use_bias=False,
            convolve=convolve,
            dtype=self.dtype,
            name=f"{name}_convolution",
        )(x)
        return self._epilogue(x, w, noise, name)

    def _epilogue(self, x: Array, w: Array, noise: NoiseMode, name: str) -> Array:
        x = NoiseInjection(per_channel=True, name=f"{name}_noise")(x, noise)
        bias = self.param(f"{name}_bias", initializers.zeros_init(), x.shape[-1:])
        x = nn.leaky_relu(x + bias.astype(x.dtype), 0.2)
        return AdaIN(dtype=self.dtype, name=f"{name}_adain")(x, w)


class StyleGANGenerator(StyleGenerator):
    """See `StyleGenerator` for its call and its methods; labels enter as in StyleGAN2.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
        channels: 1, 3 or 4.
        num_classes: classes, or attributes of a float label; 0 for an unconditional network.
        w_features: of w (512 as published, as are all defaults here).
        mapping_layers: dense layers from z to w.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        w_avg_decay: of the average w, a train-mode call.
        dtype: of the synthesis; parameters are float32.
    """

    channels: int = 3
    num_classes: int = 0
    w_features: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    w_avg_decay: float = 0.995
    dtype: Dtype | None = None

    def setup(self) -> None:
        mapping = Mapping(
            self.w_features,
            self.mapping_layers,
            self.num_classes,
            weight_gain=sqrt(2),
            activation_gain=1.0,
        )
        self.mapping = AveragedMapping(mapping, self.num_ws, self.w_avg_decay)
        self.synthesis = StyleGANSynthesis(
            self.size, self.channels, self.channel_base, self.channel_max, self.dtype
        )


class StyleGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    With classes there is a logit for each, and the label picks (or, of attributes, weighs) it.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
        num_classes: classes, or attributes of a float label; 0 for an unconditional network.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        group_size: of the minibatch standard deviation; the batch is a multiple of it, or smaller.
        head: of layers.heads, in the place of the last layer and of what `num_classes` says; its
            weights are its own, without an equalised learning rate.
        dtype: of the convolutions above 4x4; parameters are float32.
    """

    size: int
    num_classes: int = 0
    channel_base: int = 16384
    channel_max: int = 512
    group_size: int = 4
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        if images.shape[1:3] != (self.size, self.size):
            raise UsageError(
                f"this discriminator takes {self.size}x{self.size} pixels, not {images.shape[1:3]}"
            )
        x = images
        for resolution in resolutions(self.size)[:0:-1]:
            width, half = (
                width_at(side, self.channel_base, self.channel_max)
                for side in (resolution, resolution // 2)
            )
            if resolution == self.size:
                x = self._layer(x, width, 1, "from_picture")
            x = self._layer(x, width, 3, f"{resolution}_same")
            x = self._layer(x, half, 3, f"{resolution}_down", blur_convolve_average)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        width = x.shape[-1]
        x = self._layer(minibatch_stddev(x, self.group_size), width, 3, "last")
        x = x.reshape(x.shape[0], -1)
        x = nn.leaky_relu(EqualisedDense(width, gain=sqrt(2), name="dense")(x), 0.2)
        if self.head is not None:
            return self.head(x, label, train=train)
        logits = EqualisedDense(max(self.num_classes, 1), name="logit")(x)
        if not self.num_classes:
            return logits[:, 0]
        return jnp.sum(logits * label_vector(label, self.num_classes), axis=-1)

    def _layer(
        self,
        x: Array,
        features: int,
        kernel_size: int,
        name: str,
        convolve: Callable[[Array, Array], Array] = convolution,
    ) -> Array:
        x = EqualisedConvolution(
            features,
            kernel_size,
            gain=sqrt(2),
            convolve=convolve,
            dtype=None if name == "last" else self.dtype,
            name=name,
        )(x)
        return nn.leaky_relu(x, 0.2)
