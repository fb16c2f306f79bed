"""Encoder and decoder of a variational autoencoder (Kingma and Welling 2014) on DCGAN's pyramid.

4x4 convolutions of stride 2 between the picture and a map of 4x4 (7x7 for 28 pixels), as Radford
et al. 2016 have them. In the place of BatchNorm, whose batch would make one picture's posterior
depend on the others', GroupNorm (Wu and He 2018) of eight groups, with SiLU.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution, TransposedConvolution

KERNEL, STRIDE = (4, 4), (2, 2)
HALVING = ((1, 1), (1, 1))
DOUBLING = ((2, 2), (2, 2))
"""Around the spread-out input, for an output twice as large."""

MULTIPLES = {28: (1, 2), 32: (1, 2, 4), 64: (1, 2, 4, 8), 128: (1, 2, 4, 8, 16)}
"""Of the width, by picture size: one a layer, from the picture inwards."""

GROUPS = 8
LEAST_LOG_SCALE = -6.0
"""Of a pixel's own scale: about the deviation that rounding to 256 levels of [-1, 1] makes."""


class Posterior(NamedTuple):
    """q(z|x), a diagonal Gaussian.

    Attributes:
        mean: `[B, Z]` float32.
        log_variance: `[B, Z]` float32.
    """

    mean: Array
    log_variance: Array


class Decoded(NamedTuple):
    """What a likelihood of `variational` takes of p(x|z).

    Attributes:
        mean: `[B, S, S, C]` float32, the picture.
        log_scale: float32 `[]`, or `[B, S, S, C]` where every pixel has its own.
    """

    mean: Array
    log_scale: Array


def group_norm(dtype: Dtype | None) -> nn.GroupNorm:
    """Eight groups, epsilon 1e-5, the variance about the mean."""
    return nn.GroupNorm(num_groups=GROUPS, epsilon=1e-5, use_fast_variance=False, dtype=dtype)


def widths_of(size: int, width: int) -> tuple[int, ...]:
    """Features of each layer, from the picture inwards.

    Raises:
        UsageError: no network for that size, or of that width.
    """
    if size not in MULTIPLES:
        sizes = ", ".join(map(str, MULTIPLES))
        raise UsageError(f"the VAE makes pictures of {sizes} pixels, not {size}: set data.size")
    if width < 1 or width % GROUPS:
        raise UsageError(f"the VAE's width is a multiple of {GROUPS}, not {width}")
    return tuple(multiple * width for multiple in MULTIPLES[size])


class VAEEncoder(nn.Module):
    """`images [B, size, size, C] in [-1, 1] -> Posterior`.

    GroupNorm follows every convolution but the first, whose outputs still tell a picture's
    contrast. The posterior starts with variance 1; its layers are float32.

    Attributes:
        latent_size: Z.
        width: features of the layer nearest the picture, a multiple of 8.
        size: 28, 32, 64 or 128; anything else, or images of another, raises UsageError.
        dtype: of the computation; parameters are float32.
    """

    latent_size: int
    width: int
    size: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Posterior:
        widths = widths_of(self.size, self.width)
        if images.shape[1:3] != (self.size, self.size):
            raise UsageError(
                f"the VAE's encoder of {self.size} pixels was given {images.shape[1:3]}"
            )
        x = images
        for index, width in enumerate(widths):
            x = Convolution(width, KERNEL, STRIDE, HALVING, dtype=self.dtype)(x)
            x = nn.silu(group_norm(self.dtype)(x) if index else x)
        x = x.reshape(x.shape[0], -1)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        zeros = nn.initializers.zeros_init()
        return Posterior(
            mean=nn.Dense(self.latent_size, name="mean")(x),
            log_variance=nn.Dense(self.latent_size, kernel_init=zeros, name="log_variance")(x),
        )


class VAEDecoder(nn.Module):
    """`z [B, Z] -> Decoded`.

    A dense layer to the smallest map, then transposed convolutions; GroupNorm and SiLU before each.

    Attributes:
        size: 28, 32, 64 or 128; anything else raises UsageError.
        channels: C.
        width: features of the layer nearest the picture, a multiple of 8.
        outputs: 1 for the mean alone, with one log scale for all pixels; 2 for a log scale of
            every pixel besides, which is added to that one and the sum kept above -6 by a softplus
            (Rybkin et al. 2021): a constant background would else be worth any likelihood.
        tanh: the mean stays in [-1, 1]; False leaves it linear, as a Gaussian's may be.
        log_scale: of all pixels, or where it starts.
        learn_scale: it is a parameter, `log_scale`; the best one for a Gaussian is half the
            logarithm of the mean squared error. Adam moves it by a learning rate a step at most:
            start it near, at about -1.5 for an error of 0.2.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int
    outputs: int = 1
    tanh: bool = True
    log_scale: float = 0.0
    learn_scale: bool = True
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, *, train: bool) -> Decoded:
        if self.outputs not in (1, 2):
            raise UsageError(f"the VAE's decoder has 1 or 2 outputs a pixel, not {self.outputs}")
        widths = widths_of(self.size, self.width)
        base = self.size // 2 ** len(widths)
        x = nn.Dense(base * base * widths[-1], dtype=self.dtype)(z)
        x = x.reshape(-1, base, base, widths[-1])
        for width in (*widths[-2::-1], self.outputs * self.channels):
            x = nn.silu(group_norm(self.dtype)(x))
            x = TransposedConvolution(width, KERNEL, STRIDE, DOUBLING, dtype=self.dtype)(x)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        mean, own_scale = x[..., : self.channels], x[..., self.channels :]
        log_scale = self._log_scale()
        if self.outputs == 2:
            log_scale = LEAST_LOG_SCALE + nn.softplus(log_scale + own_scale - LEAST_LOG_SCALE)
        return Decoded(jnp.tanh(mean) if self.tanh else mean, log_scale)

    def _log_scale(self) -> Array:
        """`[]`."""
        if not self.learn_scale:
            return jnp.asarray(self.log_scale, jnp.float32)
        start = nn.initializers.constant(self.log_scale)
        return self.param("log_scale", start, (), jnp.float32)
