"""From a picture and its domain to its style code; its trunk is the discriminator's too."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.convolution import Convolution
from gan_jax.networks.starganv2.blocks import HeConvolution, ResidualBlock, check_side, he_init
from gan_jax.networks.starganv2.mapping import of_domain
from gan_jax.networks.stylegan2.pyramid import width_at


class PictureFeatures(nn.Module):
    """`images [B, size, size, C] -> [B, F]`, float32: residual blocks to 4 x 4 pixels, nothing
    normalised, and a convolution over all of what is left. Attributes as in `StyleEncoder`."""

    size: int
    channel_base: int
    channel_max: int
    dtype: Dtype | None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Array:
        check_side(images, self.size)
        x = HeConvolution(self._width(self.size), dtype=self.dtype)(images)
        while x.shape[1] > 4:
            width = self._width(x.shape[1] // 2)
            x = ResidualBlock(width, train, down=True, dtype=self.dtype)(x)
        last = Convolution(
            x.shape[-1], (4, 4), padding="VALID", kernel_init=he_init, dtype=self.dtype, name="last"
        )
        x = nn.leaky_relu(last(nn.leaky_relu(x, 0.2)), 0.2)
        return x[:, 0, 0].astype(jnp.promote_types(x.dtype, jnp.float32))

    def _width(self, side: int) -> int:
        return width_at(side, self.channel_base, self.channel_max)


class StyleEncoder(nn.Module):
    """`(images [B, size, size, C], label int32 [B]) -> style [B, style_features]`, float32.

    Every domain's linear layer is computed, and the label picks one.

    Attributes:
        size: a power of two from 32 on; anything else raises UsageError.
        num_domains: that a label chooses from.
        style_features: of the style code.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        dtype: of the convolutions; parameters, and what follows them, are float32.
    """

    size: int
    num_domains: int
    style_features: int = 64
    channel_base: int = 16384
    channel_max: int = 512
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, label: Array, *, train: bool) -> Array:
        trunk = PictureFeatures(self.size, self.channel_base, self.channel_max, self.dtype)
        features = trunk(images, train=train)
        shape = (self.num_domains, self.style_features)
        styles = nn.DenseGeneral(shape, kernel_init=he_init, name="domains")(features)
        return of_domain(styles, label)
