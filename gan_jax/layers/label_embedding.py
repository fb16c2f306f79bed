"""The embedding of a label: a class, or a vector of attributes."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jax import Array

from gan_jax.errors import UsageError

embed_init = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
"""As `nn.Embed` starts its table."""


class LabelEmbedding(nn.Module):
    """`label` to `[B, features]`: the row of a class, or attributes times the same table.

    A class is thus the attribute vector that is 1 there and 0 elsewhere, and a mixture of classes
    is a vector between. The row of a class outside of the table is NaN.

    Attributes:
        num_classes: K, rows of the table `embedding [K, features]`.
        features: its columns.
        embedding_init: of the table.
        dtype: of the result; None for the table's own, float32.
    """

    num_classes: int
    features: int
    embedding_init: Initializer = nn.initializers.normal(1.0)
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, label: Array | None) -> Array:
        """`label` is int32 `[B]` or float `[B, K]`.

        Raises:
            UsageError: no label, or one of another shape.
        """
        label = checked_label(label, self.num_classes)
        shape = (self.num_classes, self.features)
        table = self.param("embedding", self.embedding_init, shape, jnp.float32)
        if jnp.issubdtype(label.dtype, jnp.integer):
            embedding = jnp.take(table, label, axis=0, mode="fill")
        else:
            # Rounded products would tell a class from the vector that is 1 there.
            embedding = jnp.matmul(label.astype(table.dtype), table, precision="highest")
        return embedding if self.dtype is None else embedding.astype(self.dtype)


def checked_label(label: Array | None, num_classes: int) -> Array:
    """The label, int32 `[B]` or float `[B, num_classes]`.

    Raises:
        UsageError: there is none, or one of another shape.
    """
    if label is None:
        raise UsageError(
            f"this network is made for {num_classes} classes and got no label: give the data "
            "labels, or set num_classes to 0"
        )
    label = jnp.asarray(label)
    whole = jnp.issubdtype(label.dtype, jnp.integer)
    if (whole and label.ndim == 1) or (not whole and label.shape[1:] == (num_classes,)):
        return label
    raise UsageError(
        f"a label is int32 [B] or float [B, {num_classes}] (attributes) for this network, "
        f"not {label.dtype} {list(label.shape)}"
    )
