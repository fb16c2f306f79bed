"""BigGAN-deep (Brock et al. 2019, appendix B) for 32, 64, 128 and 256 pixels.

Two bottleneck blocks at each side. 128 and 256 pixels are the paper's tables 7 and 8; 32 and 64
are the authors' PyTorch networks, with attention as in StudioGAN. All of z, joined to the class
embedding, goes to the dense layer and to every block.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.backbone import check_side, picture_of, summed
from gan_jax.layers.bottleneck import BottleneckDiscriminatorBlock, BottleneckGeneratorBlock
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.heads import head_of
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.self_attention import SelfAttention
from gan_jax.layers.spectral_normalisation import SpectralConvolution, SpectralDense
from gan_jax.layers.verdict import Verdict

orthogonal = nn.initializers.orthogonal()
BASE = 4
"""The smallest side."""


class Shape(NamedTuple):
    """Of both networks at one picture size, in multiples of the width, from left to right.

    Each pair of blocks has a side: the generator's second doubles it, the discriminator's first
    halves it while `down` lasts. Both begin with the features before their first block, and both
    attend at `attention`.
    """

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    down: int
    attention: int


SHAPES = {
    32: Shape((4,) * 7, (4,) * 7, 2, 16),
    64: Shape((16, 16, 16, 16, 8, 8, 4, 4, 2), (1, 2, 2, 4, 4, 8, 8, 16, 16), 4, 32),
    128: Shape((16, 16, 16, 16, 8, 8, 4, 4, 2, 2, 1), (1, 2, 2, 4, 4, 8, 8, 16, 16, 16, 16), 5, 64),
    256: Shape(
        (16, 16, 16, 16, 8, 8, 8, 8, 4, 4, 2, 2, 1),
        (1, 2, 2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16),
        6,
        64,
    ),
}


def shape_of(size: int) -> Shape:
    """The shape at a picture size.

    Raises:
        UsageError: BigGAN-deep makes no pictures of that size.
    """
    if size not in SHAPES:
        sizes = ", ".join(map(str, SHAPES))
        raise UsageError(f"BigGAN-deep makes pictures of {sizes} pixels, not {size}: set data.size")
    return SHAPES[size]


class BigGANDeepGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    Attributes:
        size: 32, 64, 128 or 256; anything else raises UsageError.
        channels: of the picture.
        width: 128 in the paper.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        embedding: features of the class embedding, which is not spectrally normalised.
        attention: whether to attend.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 128
    num_classes: int = 0
    embedding: int = 128
    attention: bool = True
    iterations: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        shape = shape_of(self.size)
        first, *widths = (multiple * self.width for multiple in shape.generator)
        if self.num_classes:
            classes = LabelEmbedding(
                self.num_classes, self.embedding, embedding_init=orthogonal, name="classes"
            )(label)
            z = jnp.concatenate([z, classes], axis=-1)
        settings = {
            "train": train,
            "iterations": self.iterations,
            "kernel_init": orthogonal,
            "dtype": self.dtype,
        }
        convolution = partial(SpectralConvolution, **settings)
        normalisation = partial(
            ConditionalBatchNorm,
            train=train,
            linear=partial(SpectralDense, use_bias=False, **settings),
            dtype=self.dtype,
        )
        x = SpectralDense(BASE * BASE * first, **settings)(z).reshape(-1, BASE, BASE, first)
        for index, features in enumerate(widths):
            up = index % 2 == 1
            x = BottleneckGeneratorBlock(features, up, convolution, normalisation)(x, z)
            if self.attention and up and x.shape[1] == shape.attention:
                x = SelfAttention(convolution)(x)
        return picture_of(x, self.channels, convolution, normalisation)


class BigGANDeepDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Attributes:
        size: 32, 64, 128 or 256; anything else raises UsageError.
        width: 128 in the paper.
        num_classes: 0 for none; with classes the head is a projection.
        head: of layers.heads, in the place of the one that `num_classes` says.
        attention: whether to attend.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 128
    num_classes: int = 0
    head: nn.Module | None = None
    attention: bool = True
    iterations: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        shape = shape_of(self.size)
        check_side(images, self.size)
        first, *widths = (multiple * self.width for multiple in shape.discriminator)
        convolution = partial(
            SpectralConvolution,
            train=train,
            iterations=self.iterations,
            kernel_init=orthogonal,
            dtype=self.dtype,
        )
        x = convolution(first, (3, 3))(images)
        for index, features in enumerate(widths):
            second = index % 2 == 1
            down = not second and index < 2 * shape.down
            x = BottleneckDiscriminatorBlock(features, down, convolution)(x)
            if self.attention and index == _attends(self.size, shape):
                x = SelfAttention(convolution)(x)
        head = self.head or head_of(
            self.num_classes, spectral=self.iterations, kernel_init=orthogonal
        )
        return head(summed(x), label, train=train)


def _attends(size: int, shape: Shape) -> int:
    """The discriminator's block that attention follows: the second one of its side."""
    return 2 * (size // shape.attention).bit_length() - 3
