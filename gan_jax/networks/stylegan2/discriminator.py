"""StyleGAN2's discriminator (Karras et al. 2020, figure 7c), and the plain one for CIFAR."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.equalised import EqualisedConvolution, EqualisedDense, scaled_leaky_relu
from gan_jax.layers.minibatch_stddev import minibatch_stddev
from gan_jax.layers.verdict import Verdict
from gan_jax.networks.stylegan2.mapping import Mapping
from gan_jax.networks.stylegan2.pyramid import resolutions, width_at
from gan_jax.ops.convolution import convolution
from gan_jax.ops.resampled_convolution import halving_convolution
from gan_jax.ops.resampling import BINOMIAL

Architecture = Literal["resnet", "orig"]


class ActivatedConvolution(nn.Module):
    """`[B, H, W, I]` to `[B, h, w, features]`: equalised convolution, bias, LeakyReLU times
    sqrt(2) · gain, which scales the clamp too."""

    features: int
    kernel_size: int
    gain: float = 1.0
    convolve: Callable[[Array, Array], Array] = convolution
    clamp: float | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = EqualisedConvolution(
            self.features,
            self.kernel_size,
            convolve=self.convolve,
            dtype=self.dtype,
            name="convolution",
        )(x)
        limit = None if self.clamp is None else self.clamp * self.gain
        return scaled_leaky_relu(x, sqrt(2) * self.gain, limit)


class Halving(nn.Module):
    """`[B, H, W, I]` to `[B, H/2, W/2, features]`: two convolutions, around them a 1x1 shortcut.

    `residual=False` leaves the shortcut out.
    """

    features: int
    residual: bool
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        half = partial(halving_convolution, taps=self.taps)
        gain = sqrt(0.5) if self.residual else 1.0
        convolution_ = partial(ActivatedConvolution, clamp=self.clamp, dtype=self.dtype)
        y = convolution_(x.shape[-1], 3, name="same")(x)
        y = convolution_(self.features, 3, gain=gain, convolve=half, name="down")(y)
        if not self.residual:
            return y
        shortcut = EqualisedConvolution(
            self.features,
            1,
            gain=gain,
            use_bias=False,
            convolve=half,
            dtype=self.dtype,
            name="shortcut",
        )
        return shortcut(x) + y


class StyleGAN2Discriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    With classes the logit is the projection of the last features onto a mapping of the label
    (Miyato and Koyama 2018), over the root of its length. Minibatch standard deviation makes a
    logit depend on its batch.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
        num_classes: classes, or attributes of a float label; 0 for an unconditional network.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        architecture: "resnet", or "orig" without shortcuts (the CIFAR configuration).
        group_size: of the minibatch standard deviation; the batch is a multiple of it, or smaller.
        mapping_layers: of the label's mapping (8 in the PyTorch release, 0 in the paper's).
        head: of layers.heads, in the place of the last layer and of what `num_classes` says; its
            weights are its own, without an equalised learning rate.
        taps: of the FIR filters.
        clamp: limit of the activations; 256 where `dtype` is half precision.
        dtype: of the highest `dtype_resolutions` resolutions; all else is float32.
        dtype_resolutions: how many.
    """

    size: int
    num_classes: int = 0
    channel_base: int = 32768
    channel_max: int = 512
    architecture: Architecture = "resnet"
    group_size: int = 4
    mapping_layers: int = 8
    head: nn.Module | None = None
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    dtype: Dtype | None = None
    dtype_resolutions: int = 4

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        x = self._features(images)
        x = minibatch_stddev(x, self.group_size)
        x = ActivatedConvolution(x.shape[-1] - 1, 3, clamp=self.clamp, name="last")(x)
        width = x.shape[-1]
        x = scaled_leaky_relu(EqualisedDense(width, name="dense")(x.reshape(x.shape[0], -1)))
        if self.head is not None:
            return self.head(x, label, train=train)
        if not self.num_classes:
            return EqualisedDense(1, name="logit")(x)[:, 0]
        mapping = Mapping(width, self.mapping_layers, self.num_classes, name="mapping")
        projected = EqualisedDense(width, name="logit")(x) * mapping(None, label)
        return jnp.sum(projected, axis=-1) / sqrt(width)

    def _features(self, images: Array) -> Array:
        """`[B, 4, 4, width]`, float32, of pictures."""
        sides = resolutions(self.size)
        if images.shape[1:3] != (self.size, self.size):
            raise UsageError(
                f"this discriminator takes {self.size}x{self.size} pixels, not {images.shape[1:3]}"
            )
        width = width_at(self.size, self.channel_base, self.channel_max)
        x = ActivatedConvolution(width, 1, clamp=self.clamp, dtype=self.dtype, name="from_picture")(
            images
        )
        for resolution in sides[:0:-1]:
            reduced = resolution * 2**self.dtype_resolutions > self.size
            x = Halving(
                width_at(resolution // 2, self.channel_base, self.channel_max),
                self.architecture == "resnet",
                self.taps,
                self.clamp,
                self.dtype if reduced else None,
                name=f"{resolution}",
            )(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
