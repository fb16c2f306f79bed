"""The U-Net of pix2pix (Isola et al. 2017, appendix 6.1.1) for pictures of 2^n pixels from 16 on.

The paper's is the one for 256 pixels: eight halvings to 1x1, eight doublings back, each of which
also sees what the halving at its size made. Weights start at N(0, 0.02), biases at 0.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.picture_normalisation import Normalisation, PictureNormalisation
from gan_jax.layers.pooling import nearest_upsampling

weight_init = nn.initializers.normal(0.02)


def widths_of(size: int, width: int) -> list[int]:
    """Features after each halving, down to 1x1: `width` times 1, 2, 4, 8, 8, ...

    Raises:
        UsageError: halvings of that size do not end at 1x1, or it is below 16.
    """
    downs = size.bit_length() - 1
    if size < 16 or size != 2**downs:
        raise UsageError(
            f"U-Net makes pictures of 2^n pixels from 16 on, not {size}: set data.size"
        )
    return [width * min(2**level, 8) for level in range(downs)]


class UNet(nn.Module):
    """`images [B, size, size, C] -> images [B, size, size, channels]` in [-1, 1], C of any number.

    Down by 4x4 convolutions of stride 2, LeakyReLU(0.2) before all but the first, normalised but
    for the first and the last, whose 1x1 output a normalisation over pixels would make 0. Up by
    ReLU and doubling, all but the last normalised and joined behind what came down at that size;
    tanh after the last. No convolution but the last has a bias where there is BatchNorm.

    The paper drops out in the first three ups, which are of 8 x width. Below 256 pixels these are
    those of the first three that still have this width: three at 128 pixels, two at 64, one at
    32, none at 16.

    Attributes:
        size: a power of two from 16 on; anything else, in the images too, raises UsageError.
        channels: of the pictures it makes.
        width: features after the first halving, 64 in the paper; eight times that at most.
        normalisation: of layers.picture_normalisation; "instance" for batches of one, where
            the statistics of training and evaluation would differ.
        dropout: rate, 0.5 in the paper.
        upsample: "transposed", 4x4 of stride 2 as published; or "resize", each pixel four times,
            then 3x3, against checkerboards.
        noise: dropout stays on outside of training, the only noise of the paper's generator; needs
            a key then.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 64
    normalisation: Normalisation = "batch"
    dropout: float = 0.5
    upsample: Literal["transposed", "resize"] = "transposed"
    noise: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Array:
        widths = widths_of(self.size, self.width)
        self._check(images)
        normalise = partial(PictureNormalisation, self.normalisation, train=train, dtype=self.dtype)
        drop = nn.Dropout(self.dropout, deterministic=not (train or self.noise))
        biased = self.normalisation != "batch"
        innermost = len(widths) - 1

        x, skips = images, []
        for level, features in enumerate(widths):
            if level > 0:
                x = nn.leaky_relu(x, 0.2)
            x = self._halve(x, features, biased)
            if 0 < level < innermost:
                x = normalise()(x)
            skips.append(x)
        for level in range(innermost, 0, -1):
            features = widths[level - 1]
            x = normalise()(self._double(nn.relu(x), features, biased))
            if level > innermost - 3 and features == 8 * self.width:
                x = drop(x)
            x = jnp.concatenate([skips[level - 1], x], axis=-1)
        x = self._double(nn.relu(x), self.channels, use_bias=True)
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))

    def _check(self, images: Array) -> None:
        height, width = images.shape[1:3]
        if (height, width) != (self.size, self.size):
            raise UsageError(
                f"this U-Net is for {self.size} x {self.size} pixels and got {height} x {width}: "
                "give the network and the data the same size"
            )
        if self.upsample not in ("transposed", "resize"):
            raise UsageError(f"upsample is one of transposed, resize, not {self.upsample!r}")

    def _halve(self, x: Array, features: int, use_bias: bool) -> Array:
        return Convolution(
            features,
            (4, 4),
            (2, 2),
            padding=((1, 1), (1, 1)),
            use_bias=use_bias,
            kernel_init=weight_init,
            dtype=self.dtype,
        )(x)

    def _double(self, x: Array, features: int, use_bias: bool) -> Array:
        settings = {"use_bias": use_bias, "kernel_init": weight_init, "dtype": self.dtype}
        if self.upsample == "resize":
            return Convolution(features, (3, 3), **settings)(nearest_upsampling(x))
        padding = ((2, 2), (2, 2))
        return TransposedConvolution(features, (4, 4), (2, 2), padding=padding, **settings)(x)
