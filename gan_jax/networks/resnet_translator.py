"""CycleGAN's generator (Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016).

Two halvings, residual blocks at a quarter of the size, two doublings; pictures of any size that
four divides. Weights start at N(0, 0.02), biases at 0.
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


def reflect(x: Array, edge: int) -> Array:
    """`[B, H, W, C]` with `edge` pixels mirrored outwards on all four sides."""
    return jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")


class ResNetTranslator(nn.Module):
    """`images [B, H, W, C] -> images [B, H, W, channels]` in [-1, 1], C of any number.

    In the paper's notation c7s1-64, d128, d256, R256 (`blocks` times), u128, u64, c7s1-3, with
    normalisation and ReLU after all convolutions but the last and the second of a block, which has
    no ReLU; tanh at the end. Edges are reflected but where the stride is 2. No convolution but the
    last has a bias where there is BatchNorm.

    Attributes:
        channels: of the pictures it makes.
        width: features at the picture, 64 in the paper.
        blocks: 6 in the paper for 128 pixels, 9 from 256 on.
        normalisation: of layers.picture_normalisation.
        upsample: "transposed", 3x3 of stride 2 as published; or "resize", each pixel four times,
            then 3x3, against checkerboards.
        dtype: of the computation; parameters are float32.

    Raises:
        UsageError: H or W is not divided by 4, or below 8.
    """

    channels: int
    width: int = 64
    blocks: int = 9
    normalisation: Normalisation = "instance"
    upsample: Literal["transposed", "resize"] = "transposed"
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Array:
        self._check(images)
        normalise = partial(PictureNormalisation, self.normalisation, train=train, dtype=self.dtype)
        biased = self.normalisation != "batch"
        settings = {"use_bias": biased, "kernel_init": weight_init, "dtype": self.dtype}

        def convolve(x: Array, features: int, kernel: int) -> Array:
            layer = Convolution(features, (kernel, kernel), padding="VALID", **settings)
            return normalise()(layer(reflect(x, kernel // 2)))

        def halve(x: Array, features: int) -> Array:
            layer = Convolution(features, (3, 3), (2, 2), padding=((1, 1), (1, 1)), **settings)
            return normalise()(layer(x))

        def double(x: Array, features: int) -> Array:
            if self.upsample == "resize":
                return convolve(nearest_upsampling(x), features, 3)
            edges = ((1, 2), (1, 2))
            layer = TransposedConvolution(features, (3, 3), (2, 2), padding=edges, **settings)
            return normalise()(layer(x))

        x = nn.relu(convolve(images, self.width, 7))
        for multiple in (2, 4):
            x = nn.relu(halve(x, multiple * self.width))
        for _ in range(self.blocks):
            h = nn.relu(convolve(x, 4 * self.width, 3))
            x = x + convolve(h, 4 * self.width, 3)
        for multiple in (2, 1):
            x = nn.relu(double(x, multiple * self.width))
        x = Convolution(
            self.channels, (7, 7), padding="VALID", kernel_init=weight_init, dtype=self.dtype
        )(reflect(x, 3))
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))

    def _check(self, images: Array) -> None:
        height, width = images.shape[1:3]
        if height % 4 or width % 4 or min(height, width) < 8:
            raise UsageError(
                "ResNetTranslator halves twice: it needs sides from 8 pixels on that 4 divides, "
                f"not {height} x {width}: set data.size"
            )
        if self.upsample not in ("transposed", "resize"):
            raise UsageError(f"upsample is one of transposed, resize, not {self.upsample!r}")
