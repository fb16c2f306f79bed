"""Dense generator and discriminator (Goodfellow et al. 2014; the first GAN of every course)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.label_embedding import LabelEmbedding, embed_init
from gan_jax.layers.verdict import Verdict


class MLPGenerator(nn.Module):
    """`(z [B, Z], label or None) -> images [B, H, W, C]` in [-1, 1].

    Dense layers, each followed by LeakyReLU(0.2) and, with `normalise`, BatchNorm; tanh at the
    end. A label is embedded and joined to z (Mirza and Osindero 2014).

    Attributes:
        image_shape: (H, W, C).
        hidden: widths of the hidden layers.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none.
        normalise: BatchNorm (momentum 0.8, as in the common dense GAN) after each hidden layer.
        dtype: of the computation; parameters are float32.
    """

    image_shape: tuple[int, int, int]
    hidden: Sequence[int] = (256, 512, 1024)
    num_classes: int = 0
    normalise: bool = True
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array | None = None, *, train: bool) -> Array:
        x = z
        if self.num_classes:
            embedding = LabelEmbedding(self.num_classes, 50, embed_init, name="label")(label)
            x = jnp.concatenate([x, embedding], axis=-1)
        for width in self.hidden:
            x = nn.leaky_relu(nn.Dense(width, dtype=self.dtype)(x), 0.2)
            if self.normalise:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.8, dtype=self.dtype)(x)
        x = nn.Dense(math.prod(self.image_shape), dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32)).reshape(-1, *self.image_shape)


class MLPDiscriminator(nn.Module):
    """`(images [B, H, W, C], label or None) -> logits [B]`, float32, or the head's Verdict.

    Attributes:
        hidden: widths of the hidden layers, each with LeakyReLU(0.2) and dropout.
        num_classes: of labels int32 `[B]` or float `[B, num_classes]`; 0 for none. A label is
            embedded and joined to the pixels, unless there is a head.
        dropout: rate.
        head: of layers.heads, in the place of the last layer; the label is then the head's alone.
        dtype: of the computation; parameters are float32.
    """

    hidden: Sequence[int] = (512, 256)
    num_classes: int = 0
    dropout: float = 0.3
    head: nn.Module | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, label: Array | None = None, *, train: bool
    ) -> Array | Verdict:
        x = images.reshape(images.shape[0], -1)
        if self.num_classes and self.head is None:
            embedding = LabelEmbedding(self.num_classes, 50, embed_init, name="label")(label)
            x = jnp.concatenate([x, embedding], axis=-1)
        for width in self.hidden:
            x = nn.leaky_relu(nn.Dense(width, dtype=self.dtype)(x), 0.2)
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        if self.head is not None:
            return self.head(x, label, train=train)
        return nn.Dense(1, dtype=self.dtype)(x)[:, 0].astype(jnp.float32)
