"""The mapping from z and label to w, its running average, and truncation towards that.

Karras et al. 2019, sections 2 and 3.2; labels as in Karras et al. 2020b.
"""

from __future__ import annotations

from math import sqrt

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.layers.equalised import EqualisedDense, scaled_leaky_relu
from gan_jax.layers.label_embedding import checked_label
from gan_jax.layers.pixel_norm import pixel_norm


def label_vector(label: Array | None, size: int) -> Array:
    """Classes int32 `[B]` as one-hot `[B, size]`, attributes float `[B, size]` as they are.

    A class outside of them is a row of NaN.

    Raises:
        UsageError: no label, or one of another shape.
    """
    label = checked_label(label, size)
    if jnp.issubdtype(label.dtype, jnp.integer):
        return jnp.take(jnp.eye(size), label, axis=0, mode="fill")
    return label


class Mapping(nn.Module):
    """`(z [B, Z] or None, label [B], [B, A] or None) -> w [B, features]`, in float32.

    z is normalised; a label is embedded, normalised too and joined to it.

    Attributes:
        features: of w and of the hidden layers.
        layers: dense layers with LeakyReLU(0.2).
        num_classes: classes or attributes of a label; 0 for an unconditional network.
        lr_multiplier: of the dense layers, not of the embedding.
        weight_gain: of the dense layers' kernels.
        activation_gain: after each LeakyReLU.
    """

    features: int
    layers: int
    num_classes: int = 0
    lr_multiplier: float = 0.01
    weight_gain: float = 1.0
    activation_gain: float = sqrt(2)

    @nn.compact
    def __call__(self, z: Array | None, label: Array | None = None) -> Array:
        parts = [] if z is None else [pixel_norm(z)]
        if self.num_classes:
            vector = label_vector(label, self.num_classes)
            parts.append(pixel_norm(EqualisedDense(self.features, name="embedding")(vector)))
        w = jnp.concatenate(parts, axis=-1)
        for index in range(self.layers):
            w = EqualisedDense(
                self.features,
                gain=self.weight_gain,
                lr_multiplier=self.lr_multiplier,
                name=f"dense{index}",
            )(w)
            w = scaled_leaky_relu(w, self.activation_gain)
        return w


class AveragedMapping(nn.Module):
    """`(z, label) -> ws [B, num_ws, W]`: one w for all layers, truncated towards the average w.

    Train-mode calls move the average, the only variable of the collection `w_avg`, towards the
    batch's mean w; no gradient goes through it.

    Attributes:
        mapping: makes the w.
        num_ws: how often w is repeated.
        decay: of the average, a call.
    """

    mapping: Mapping
    num_ws: int
    decay: float

    @nn.compact
    def __call__(
        self,
        z: Array,
        label: Array | None,
        *,
        train: bool,
        truncation: float | Array,
        cutoff: int | None,
    ) -> Array:
        w = self.mapping(z, label)
        average = self.variable("w_avg", "w_avg", jnp.zeros, w.shape[-1:])
        if train and not self.is_initializing():
            mean = jax.lax.stop_gradient(jnp.mean(w, axis=0))
            average.value = mean + self.decay * (average.value - mean)
        ws = jnp.repeat(w[:, None], self.num_ws, axis=1)
        if isinstance(truncation, float | int) and truncation == 1:
            return ws
        truncated = average.value + truncation * (ws - average.value)
        if cutoff is None:
            return truncated
        return jnp.where(jnp.arange(self.num_ws)[:, None] < cutoff, truncated, ws)
