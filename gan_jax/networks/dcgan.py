"""DCGAN (Radford et al. 2016) for 28, 32, 64 and 128 pixels, in its two published shapes.

Powers of two use the paper's: 4x4 to the picture by 4x4 kernels of stride 2. 28 pixels use the
one that MNIST is usually trained with: 7x7 to 28x28 by 5x5 kernels, of which the first has
stride 1. Weights start at N(0, 0.02), BatchNorm scales at N(1, 0.02).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.conditional_batch_norm import ConditionalBatchNorm
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.label_embedding import LabelEmbedding, embed_init
from gan_jax.layers.spectral_normalisation import SpectralConvolution, SpectralDense
from gan_jax.layers.verdict import Verdict

weight_init = nn.initializers.normal(0.02)


def scale_init(key: Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> Array:
    """N(1, 0.02), the start of BatchNorm's scale."""
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


def batch_norm(train: bool, dtype: Dtype | None) -> nn.BatchNorm:
    """BatchNorm as published: running averages keep 0.9, epsilon 1e-5."""
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        scale_init=scale_init,
        dtype=dtype,
    )


def per_class_batch_norm(
    train: bool, num_classes: int, dtype: Dtype | None
) -> ConditionalBatchNorm:
    """The same with a gain and a bias per class."""
    zeros = nn.initializers.zeros_init()
    per_class = partial(LabelEmbedding, num_classes, embedding_init=zeros)
    return ConditionalBatchNorm(train=train, linear=per_class, dtype=dtype)


class Shape(NamedTuple):
    """Of both networks at one picture size: kernel, and per hidden layer from the picture inwards
    (multiple of the width, stride); `base` is the smallest side."""

    kernel: int
    base: int
    layers: tuple[tuple[int, int], ...]


SHAPES = {
    28: Shape(5, 7, ((1, 2), (2, 2), (4, 1))),
    32: Shape(4, 4, ((1, 2), (2, 2), (4, 2))),
    64: Shape(4, 4, ((1, 2), (2, 2), (4, 2), (8, 2))),
    128: Shape(4, 4, ((1, 2), (2, 2), (4, 2), (8, 2), (16, 2))),
}


def shape_of(size: int) -> Shape:
    """The shape at a picture size.

    Raises:
        UsageError: DCGAN makes no pictures of that size.
    """
    if size not in SHAPES:
        sizes = ", ".join(map(str, SHAPES))
        raise UsageError(f"DCGAN makes pictures of {sizes} pixels, not {size}: set data.size")
    return SHAPES[size]


class DCGANGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, size, size, channels]` in [-1, 1].

    A dense layer to base x base, then transposed convolutions; BatchNorm (momentum 0.9) and ReLU
    (LeakyReLU 0.2 at 28 pixels) after each, tanh after the last. A label is embedded and joined
    to z (Mirza and Osindero 2014), or conditions BatchNorm.

    Attributes:
        size: 28, 32, 64 or 128; anything else raises UsageError.
        channels: 1, 3 or 4.
        width: features of the layer nearest the picture (128 in the paper's figure 1, 64 in the
            code released with it).
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        conditional_norm: a label is not joined to z: each BatchNorm has a gain and a bias per
            class, which start at 1 and 0 (Miyato and Koyama 2018).
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int
    width: int = 64
    num_classes: int = 0
    conditional_norm: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        kernel, base, layers = shape_of(self.size)
        conditional_norm = self.conditional_norm and self.num_classes > 0
        if self.num_classes and not conditional_norm:
            embedding = LabelEmbedding(self.num_classes, 50, embed_init, name="label")(label)
            z = jnp.concatenate([z, embedding], axis=-1)

        def activate(x: Array) -> Array:
            if conditional_norm:
                x = per_class_batch_norm(train, self.num_classes, self.dtype)(x, label)
            else:
                x = batch_norm(train, self.dtype)(x)
            return nn.leaky_relu(x, 0.2) if self.size == 28 else nn.relu(x)

        widths = [multiple * self.width for multiple, _ in layers]
        x = nn.Dense(
            base * base * widths[-1], use_bias=False, kernel_init=weight_init, dtype=self.dtype
        )(z)
        x = x.reshape(-1, base, base, widths[-1])
        for index in reversed(range(len(layers))):
            stride = layers[index][1]
            x = TransposedConvolution(
                widths[index - 1] if index else self.channels,
                (kernel, kernel),
                strides=(stride, stride),
                use_bias=index == 0,
                kernel_init=weight_init,
                dtype=self.dtype,
            )(activate(x))
        return jnp.tanh(x.astype(jnp.float32))


class DCGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Strided convolutions with LeakyReLU(0.2), then one dense layer. `normalise` puts BatchNorm
    after all but the first, as in the paper; with a gradient penalty leave it out (Gulrajani et
    al. 2017, section 4). A label is embedded as one more input channel, unless there is a head.

    Attributes:
        size: 28, 32, 64 or 128; anything else raises UsageError.
        width: features of the layer nearest the picture (128 in the paper's figure 1, 64 in the
            code released with it).
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        normalise: BatchNorm after all but the first convolution.
        spectral: power iterations of the spectral normalisation of every weight but a label's, 0
            (or False) for none; usually in the place of BatchNorm (Miyato et al. 2018), and not
            with a gradient penalty.
        dropout: rate after each activation; 0.3 is usual at 28 pixels, the paper has none.
        head: of layers.heads, in the place of the dense layer, on all pixels of all features; the
            label is then the head's alone.
        dtype: of the computation; parameters are float32.
    """

    size: int
    width: int = 64
    num_classes: int = 0
    normalise: bool = True
    spectral: int = 0
    dropout: float = 0.0
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        kernel, _, layers = shape_of(self.size)
        x = images
        if self.num_classes and self.head is None:
            plane = LabelEmbedding(self.num_classes, self.size**2, embed_init, name="label")(label)
            x = jnp.concatenate([x, plane.reshape(-1, self.size, self.size, 1)], axis=-1)
        convolution, dense = Convolution, nn.Dense
        if self.spectral:
            settings = {"train": train, "iterations": int(self.spectral)}
            convolution = partial(SpectralConvolution, **settings)
            dense = partial(SpectralDense, **settings)
        for index, (multiple, stride) in enumerate(layers):
            if stride == 1:  # the generator's extra layer has no counterpart
                continue
            normalised = self.normalise and index > 0
            x = convolution(
                multiple * self.width,
                (kernel, kernel),
                strides=(stride, stride),
                use_bias=not normalised,
                kernel_init=weight_init,
                dtype=self.dtype,
            )(x)
            if normalised:
                x = batch_norm(train, self.dtype)(x)
            x = nn.Dropout(self.dropout, deterministic=not train)(nn.leaky_relu(x, 0.2))
        x = x.reshape(x.shape[0], -1)
        if self.head is not None:
            return self.head(x, label, train=train)
        return dense(1, kernel_init=weight_init, dtype=self.dtype)(x)[:, 0].astype(jnp.float32)
