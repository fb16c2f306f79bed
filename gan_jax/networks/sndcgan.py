"""SNDCGAN (Miyato et al. 2018, table 3), plain convolutional networks for 32, 48 and 64 pixels.

Four blocks of the smallest side times 2, 4 and 8; that side is 4, 6 or 8. Weights start at
N(0, 0.02), as the DCGAN's.
"""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.backbone import check_side
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.heads import head_of
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import SpectralConvolution
from gan_jax.layers.verdict import Verdict

weight_init = nn.initializers.normal(0.02)
SIZES = (32, 48, 64)


def base_of(size: int) -> int:
    """The smallest side at a picture size, an eighth.

    Raises:
        UsageError: SNDCGAN makes no pictures of that size.
    """
    if size not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise UsageError(f"SNDCGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return size // 8


class SNDCGANGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    A dense layer, three transposed 4x4 convolutions of stride 2, each with BatchNorm and ReLU, a
    3x3 convolution, tanh. With classes each BatchNorm has a gain and a bias per class.

    Attributes:
        size: 32, 48 or 64; anything else raises UsageError.
        channels: of the picture.
        width: 64 in the paper.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 64
    num_classes: int = 0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        base = base_of(self.size)
        settings = {"kernel_init": weight_init, "dtype": self.dtype}
        per_class = partial(
            LabelEmbedding, self.num_classes, embedding_init=nn.initializers.zeros_init()
        )
        x = nn.Dense(base * base * 8 * self.width, **settings)(z)
        x = x.reshape(-1, base, base, 8 * self.width)
        for multiple in (4, 2, 1):
            x = TransposedConvolution(multiple * self.width, (4, 4), (2, 2), **settings)(x)
            x = ConditionalBatchNorm(
                train=train,
                linear=per_class if self.num_classes else None,
                epsilon=2e-5,
                dtype=self.dtype,
            )(x, label)
            x = nn.relu(x)
        x = Convolution(self.channels, (3, 3), **settings)(x)
        return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


class SNDCGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    3x3 convolutions of stride 1 and 4x4 ones of stride 2 in turn, LeakyReLU(0.1) after each; the
    head sees all pixels of all features.

    Attributes:
        size: 32, 48 or 64; anything else raises UsageError.
        width: 64 in the paper.
        num_classes: 0 for none; with classes the head is a projection.
        spectral: power iterations of the spectral normalisation of every weight, 1 in the paper;
            0 (or False) for plain weights, as a gradient penalty needs them.
        head: of layers.heads, in the place of the one that `num_classes` says.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 64
    num_classes: int = 0
    spectral: int = 1
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        base_of(self.size)
        check_side(images, self.size)
        layer = Convolution
        if self.spectral:
            layer = partial(SpectralConvolution, train=train, iterations=int(self.spectral))
        convolution = partial(layer, kernel_init=weight_init, dtype=self.dtype)
        x = images
        for multiple in (1, 2, 4):
            x = nn.leaky_relu(convolution(multiple * self.width, (3, 3))(x), 0.1)
            x = nn.leaky_relu(convolution(multiple * self.width, (4, 4), (2, 2))(x), 0.1)
        x = nn.leaky_relu(convolution(8 * self.width, (3, 3))(x), 0.1)
        head = self.head or head_of(
            self.num_classes, spectral=self.spectral, kernel_init=weight_init
        )
        return head(x.reshape(x.shape[0], -1), label, train=train)
