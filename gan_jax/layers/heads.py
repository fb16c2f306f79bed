"""What a discriminator makes of its features `[B, F]` and a label: logits, or a `Verdict`.

Every discriminator of `networks` takes one as `head=`; it ends the network in the place of what
that ends with by itself. Each is called as `head(features, label, train=train)`. `spectral` is the
power iterations of its weights' spectral normalisation, 0 (or False) for none: as many as the
network has that it ends. All of it is float32. Heads with a number of classes raise UsageError for
a label of another shape.
"""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Initializer
from jax import Array

from gan_jax.layers.label_embedding import LabelEmbedding, checked_label
from gan_jax.layers.spectral_normalisation import SpectralDense, SpectralLabelEmbedding
from gan_jax.layers.verdict import Featured, Verdict

glorot = nn.initializers.glorot_uniform()


class LinearHead(nn.Module):
    """Logits `[B]` of one dense layer; the label is not read."""

    spectral: int
    kernel_init: Initializer = glorot

    @nn.compact
    def __call__(self, features: Array, label: Array | None, *, train: bool) -> Array:
        return _dense(self, 1, train, "logits")(_float32(features))[:, 0]


class ProjectionHead(nn.Module):
    """Logits `[B]`: embedding(label) . features + a dense layer (Miyato and Koyama 2018, eq. 3).

    `num_classes` is the number of classes, or of attributes.
    """

    num_classes: int
    spectral: int
    kernel_init: Initializer = glorot

    @nn.compact
    def __call__(self, features: Array, label: Array | None, *, train: bool) -> Array:
        features = _float32(features)
        embedding = _embedding(self, features.shape[-1], train)(label)
        return _dense(self, 1, train, "logits")(features)[:, 0] + jnp.sum(
            embedding * features, axis=-1
        )


class AuxiliaryClassifierHead(nn.Module):
    """A Verdict of logits and `class_logits [B, num_classes]` (Odena et al. 2017).

    The label is what the class logits are trained on; nothing here depends on it.
    """

    num_classes: int
    spectral: int
    kernel_init: Initializer = glorot

    @nn.compact
    def __call__(self, features: Array, label: Array | None, *, train: bool) -> Verdict:
        _check_if_given(label, self.num_classes)
        features = _float32(features)
        return Verdict(
            logits=_dense(self, 1, train, "logits")(features)[:, 0],
            class_logits=_dense(self, self.num_classes, train, "class_logits")(features),
        )


class ContrastiveHead(nn.Module):
    """A Verdict of logits, `embedding [B, E]` and `proxies [num_classes, E]`, these of length 1
    (2C: ContraGAN, Kang and Park 2020; D2D-CE: ReACGAN, Kang et al. 2021).

    The label says which embeddings are to meet; nothing here depends on it. `embedding` is E;
    both papers' is 512 for CIFAR-10.
    """

    num_classes: int
    spectral: int
    embedding: int = 512
    kernel_init: Initializer = glorot

    @nn.compact
    def __call__(self, features: Array, label: Array | None, *, train: bool) -> Verdict:
        _check_if_given(label, self.num_classes)
        features = _float32(features)
        proxies = _embedding(self, self.embedding, train)(jnp.arange(self.num_classes))
        return Verdict(
            logits=_dense(self, 1, train, "logits")(features)[:, 0],
            embedding=_unit_rows(_dense(self, self.embedding, train, "embedding")(features)),
            proxies=_unit_rows(proxies),
        )


class FeatureHead(nn.Module):
    """Logits of one dense layer, and the features it read (Larsen et al. 2016); the label is not
    read."""

    spectral: int
    kernel_init: Initializer = glorot

    @nn.compact
    def __call__(self, features: Array, label: Array | None, *, train: bool) -> Featured:
        features = _float32(features)
        return Featured(_dense(self, 1, train, "logits")(features)[:, 0], features)


def head_of(num_classes: int, *, spectral: int, kernel_init: Initializer = glorot) -> nn.Module:
    """The head that SNGAN, SAGAN and BigGAN have: projection where there are classes."""
    if num_classes:
        return ProjectionHead(num_classes, spectral, kernel_init)
    return LinearHead(spectral, kernel_init)


Head = LinearHead | ProjectionHead | AuxiliaryClassifierHead | ContrastiveHead | FeatureHead


def _dense(head: Head, features: int, train: bool, name: str) -> nn.Module:
    layer = nn.Dense
    if head.spectral:
        layer = partial(SpectralDense, train=train, iterations=int(head.spectral))
    return layer(features, kernel_init=head.kernel_init, name=name)


def _embedding(
    head: ProjectionHead | ContrastiveHead, features: int, train: bool
) -> LabelEmbedding:
    layer = LabelEmbedding
    if head.spectral:
        layer = partial(SpectralLabelEmbedding, train=train, iterations=int(head.spectral))
    return layer(head.num_classes, features, embedding_init=head.kernel_init, name="label")


def _check_if_given(label: Array | None, num_classes: int) -> None:
    if label is not None:
        checked_label(label, num_classes)


def _float32(features: Array) -> Array:
    """At least float32: half precision is for the layers below."""
    return features.astype(jnp.promote_types(features.dtype, jnp.float32))


def _unit_rows(vectors: Array) -> Array:
    # The square root of what is never 0: a row of zeros stays one, with a finite gradient.
    squares = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors / jnp.sqrt(jnp.maximum(squares, 1e-24))
