"""SAGAN (Zhang et al. 2019): SNGAN's blocks with self-attention, and spectral normalisation in both
networks, for 32, 64 and 128 pixels.

128 pixels is the paper's network with attention at 32 x 32, its best; 32 and 64 pixels are those
of StudioGAN. All kernels start as Glorot uniform.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import flax.linen as nn
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.backbone import DiscriminatorBackbone, GeneratorBackbone, check_side
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.heads import head_of
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import SpectralConvolution, SpectralDense
from gan_jax.layers.verdict import Verdict

glorot = nn.initializers.glorot_uniform()
BASE = 4
"""The smallest side."""


class Shape(NamedTuple):
    """Of both networks at one picture size, in multiples of the width.

    `generator` begins with the features of the smallest side; `down` counts the discriminator's
    blocks that halve the sides; `attention` is the side where both attend.
    """

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    down: int
    attention: int


SHAPES = {
    32: Shape((4, 4, 4, 4), (2, 2, 2, 2), 2, 16),
    64: Shape((16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 4, 32),
    128: Shape((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5, 32),
}


def shape_of(size: int) -> Shape:
    """The shape at a picture size.

    Raises:
        UsageError: SAGAN makes no pictures of that size.
    """
    if size not in SHAPES:
        sizes = ", ".join(map(str, SHAPES))
        raise UsageError(f"SAGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return SHAPES[size]


class SAGANGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    With classes each BatchNorm (momentum 0.9, epsilon 1e-5) but the last has a gain and a bias per
    class.

    Attributes:
        size: 32, 64 or 128; anything else raises UsageError.
        channels: of the picture.
        width: 64 in the paper.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 64
    num_classes: int = 0
    iterations: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        shape = shape_of(self.size)
        first, *widths = (multiple * self.width for multiple in shape.generator)
        per_class = partial(
            LabelEmbedding, self.num_classes, embedding_init=nn.initializers.zeros_init()
        )
        settings = {
            "train": train,
            "iterations": self.iterations,
            "kernel_init": glorot,
            "dtype": self.dtype,
        }
        backbone = GeneratorBackbone(
            widths=widths,
            channels=self.channels,
            attention=shape.attention,
            convolution=partial(SpectralConvolution, **settings),
            normalisation=partial(
                ConditionalBatchNorm,
                train=train,
                linear=per_class if self.num_classes else None,
                dtype=self.dtype,
            ),
            kernel_init=glorot,
        )
        x = SpectralDense(BASE * BASE * first, **settings)(z)
        return backbone(x.reshape(-1, BASE, BASE, first), [label] * len(widths))


class SAGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Attributes:
        size: 32, 64 or 128; anything else raises UsageError.
        width: 64 in the paper.
        num_classes: 0 for none; with classes the head is a projection.
        head: of layers.heads, in the place of the one that `num_classes` says.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 64
    num_classes: int = 0
    head: nn.Module | None = None
    iterations: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        shape = shape_of(self.size)
        check_side(images, self.size)
        features = DiscriminatorBackbone(
            widths=[multiple * self.width for multiple in shape.discriminator],
            down=shape.down,
            wide=True,
            attention=shape.attention,
            convolution=partial(
                SpectralConvolution,
                train=train,
                iterations=self.iterations,
                kernel_init=glorot,
                dtype=self.dtype,
            ),
            normalisation=None,
            kernel_init=glorot,
        )(images)
        head = self.head or head_of(self.num_classes, spectral=self.iterations)
        return head(features, label, train=train)
