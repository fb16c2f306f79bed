"""BigGAN (Brock et al. 2019) for 32, 64, 128 and 256 pixels.

128 and 256 pixels are the paper's tables 4 and 5; 32 and 64 are the authors' PyTorch networks,
with attention and at 32 the discriminator's widths as in StudioGAN. Both networks have spectral
normalisation and start orthogonal; latents are split over the blocks, classes share an embedding.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.backbone import DiscriminatorBackbone, GeneratorBackbone, check_side
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.heads import head_of
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import SpectralConvolution, SpectralDense
from gan_jax.layers.verdict import Verdict

orthogonal = nn.initializers.orthogonal()
BASE = 4
"""The smallest side."""


class Shape(NamedTuple):
    """Of both networks at one picture size, in multiples of the width.

    `generator` begins with the features of the smallest side; `down` counts the discriminator's
    blocks that halve the sides; `attention` is the side where each attends.
    """

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    down: int
    attention: tuple[int, int]


SHAPES = {
    32: Shape((4, 4, 4, 4), (2, 2, 2, 2), 2, (16, 16)),
    64: Shape((16, 16, 8, 4, 2), (1, 2, 4, 8, 16), 4, (32, 32)),
    128: Shape((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5, (64, 64)),
    256: Shape((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16), 6, (128, 64)),
}


def shape_of(size: int) -> Shape:
    """The shape at a picture size.

    Raises:
        UsageError: BigGAN makes no pictures of that size.
    """
    if size not in SHAPES:
        sizes = ", ".join(map(str, SHAPES))
        raise UsageError(f"BigGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return SHAPES[size]


class BigGANGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    z is split into one part for the dense layer and one for each block; a part joined to the
    class embedding gives the gains and biases of the block's BatchNorm (momentum 0.9, epsilon
    1e-5, as in the authors' PyTorch code). Without classes it is the part alone.

    Attributes:
        size: 32, 64, 128 or 256; anything else raises UsageError.
        channels: of the picture.
        width: 96 in the paper; also StudioGAN's for CIFAR-10.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        embedding: features of the shared class embedding, which is not spectrally normalised.
        attention: whether to attend.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 96
    num_classes: int = 0
    embedding: int = 128
    attention: bool = True
    iterations: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        shape = shape_of(self.size)
        first, *widths = (multiple * self.width for multiple in shape.generator)
        part, *conditions = split(z, len(shape.generator), self.size)
        if self.num_classes:
            classes = LabelEmbedding(
                self.num_classes, self.embedding, embedding_init=orthogonal, name="classes"
            )(label)
            conditions = [jnp.concatenate([classes, part], axis=-1) for part in conditions]
        dense = partial(
            SpectralDense,
            train=train,
            iterations=self.iterations,
            kernel_init=orthogonal,
            dtype=self.dtype,
        )
        backbone = GeneratorBackbone(
            widths=widths,
            channels=self.channels,
            attention=shape.attention[0] if self.attention else 0,
            convolution=partial(
                SpectralConvolution,
                train=train,
                iterations=self.iterations,
                kernel_init=orthogonal,
                dtype=self.dtype,
            ),
            normalisation=partial(
                ConditionalBatchNorm,
                train=train,
                linear=partial(dense, use_bias=False),
                dtype=self.dtype,
            ),
            kernel_init=orthogonal,
        )
        x = dense(BASE * BASE * first)(part)
        return backbone(x.reshape(-1, BASE, BASE, first), conditions)


def split(z: Array, parts: int, size: int) -> list[Array]:
    """z `[B, Z]` in so many parts `[B, Z / parts]`.

    Raises:
        UsageError: Z is not a multiple.
    """
    if z.shape[-1] % parts:
        raise UsageError(
            f"BigGAN of {size} pixels splits z into {parts}: its length must be a multiple of "
            f"{parts} (the paper's is {20 * parts}), not {z.shape[-1]}"
        )
    return jnp.split(z, parts, axis=-1)


class BigGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Attributes:
        size: 32, 64, 128 or 256; anything else raises UsageError.
        width: 96 in the paper; also StudioGAN's for CIFAR-10.
        num_classes: 0 for none; with classes the head is a projection.
        head: of layers.heads, in the place of the one that `num_classes` says.
        attention: whether to attend.
        iterations: of the power method of spectral normalisation in an update.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 96
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
        features = DiscriminatorBackbone(
            widths=[multiple * self.width for multiple in shape.discriminator],
            down=shape.down,
            wide=True,
            attention=shape.attention[1] if self.attention else 0,
            convolution=partial(
                SpectralConvolution,
                train=train,
                iterations=self.iterations,
                kernel_init=orthogonal,
                dtype=self.dtype,
            ),
            normalisation=None,
            kernel_init=orthogonal,
        )(images)
        head = self.head or head_of(
            self.num_classes, spectral=self.iterations, kernel_init=orthogonal
        )
        return head(features, label, train=train)
