"""SNGAN's residual networks (Miyato et al. 2018; Miyato and Koyama 2018) for 32, 48, 64 and 128
pixels; with plain weights and the mean over pixels also those of WGAN-GP (Gulrajani et al. 2017).

32, 48 and 128 pixels are the papers' tables 4, 5 and 6; 64 pixels is the network released with
them. 3x3 kernels in the blocks start as Glorot uniform times sqrt(2), all others as Glorot.
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
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.heads import head_of
from gan_jax.layers.label_embedding import LabelEmbedding
from gan_jax.layers.spectral_normalisation import SpectralConvolution
from gan_jax.layers.verdict import Verdict

glorot = nn.initializers.glorot_uniform()
glorot_times_sqrt_2 = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")


class Shape(NamedTuple):
    """Of both networks at one picture size, in multiples of the width.

    `base` is the smallest side; `generator` begins with the features there; `down` counts the
    discriminator's blocks that halve the sides.
    """

    base: int
    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    down: int


SHAPES = {
    32: Shape(4, (4, 4, 4, 4), (2, 2, 2, 2), 2),
    48: Shape(6, (8, 4, 2, 1), (1, 2, 4, 8, 16), 4),
    64: Shape(4, (16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 5),
    128: Shape(4, (16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
}


def shape_of(size: int) -> Shape:
    """The shape at a picture size.

    Raises:
        UsageError: SNGAN makes no pictures of that size.
    """
    if size not in SHAPES:
        sizes = ", ".join(map(str, SHAPES))
        raise UsageError(f"SNGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return SHAPES[size]


class SNGANGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    A dense layer, residual blocks with BatchNorm (momentum 0.9, epsilon 2e-5), tanh. With classes
    each BatchNorm but the last has a gain and a bias per class.

    Attributes:
        size: 32, 48, 64 or 128; anything else raises UsageError.
        channels: of the picture.
        width: 64 in the papers (256 features in each block at 32 pixels).
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
        base, multiples, *_ = shape_of(self.size)
        first, *widths = (multiple * self.width for multiple in multiples)
        per_class = partial(
            LabelEmbedding, self.num_classes, embedding_init=nn.initializers.zeros_init()
        )
        backbone = GeneratorBackbone(
            widths=widths,
            channels=self.channels,
            attention=0,
            convolution=partial(Convolution, kernel_init=glorot, dtype=self.dtype),
            normalisation=partial(
                ConditionalBatchNorm,
                train=train,
                linear=per_class if self.num_classes else None,
                epsilon=2e-5,
                dtype=self.dtype,
            ),
            kernel_init=glorot_times_sqrt_2,
        )
        x = nn.Dense(base * base * first, kernel_init=glorot, dtype=self.dtype)(z)
        return backbone(x.reshape(-1, base, base, first), [label] * len(widths))


class SNGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Attributes:
        size: 32, 48, 64 or 128; anything else raises UsageError.
        width: 64 in the papers (128 features in each block at 32 pixels).
        num_classes: 0 for none; with classes the head is a projection (Miyato and Koyama 2018).
        spectral: power iterations of the spectral normalisation of every weight, 1 in the paper;
            0 (or False) for plain weights, as a gradient penalty needs them.
        layer_norm: over height, width and features, before each ReLU of the blocks, as WGAN-GP
            has it above 32 pixels.
        mean_pool: the last features are averaged over pixels, as in WGAN-GP, not summed.
        head: of layers.heads, in the place of the one that `num_classes` says.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 64
    num_classes: int = 0
    spectral: int = 1
    layer_norm: bool = False
    mean_pool: bool = False
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        shape = shape_of(self.size)
        check_side(images, self.size)
        convolution = Convolution
        if self.spectral:
            convolution = partial(SpectralConvolution, train=train, iterations=int(self.spectral))
        layer_norm = partial(
            nn.LayerNorm, reduction_axes=(1, 2, 3), feature_axes=-1, dtype=self.dtype
        )
        features = DiscriminatorBackbone(
            widths=[multiple * self.width for multiple in shape.discriminator],
            down=shape.down,
            wide=False,
            attention=0,
            convolution=partial(convolution, kernel_init=glorot, dtype=self.dtype),
            normalisation=layer_norm if self.layer_norm else None,
            kernel_init=glorot_times_sqrt_2,
            mean_pool=self.mean_pool,
        )(images)
        head = self.head or head_of(self.num_classes, spectral=self.spectral)
        return head(features, label, train=train)
