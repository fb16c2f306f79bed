"""From a latent and a domain to a style code, and how a domain's output is picked."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.networks.starganv2.blocks import he_init


class DenseLayers(nn.Module):
    """`[B, I]` to `[B, features]`: so many hidden layers with ReLU, and one without."""

    hidden: int
    width: int
    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for _ in range(self.hidden):
            x = nn.relu(nn.Dense(self.width, kernel_init=he_init, dtype=self.dtype)(x))
        return nn.Dense(self.features, kernel_init=he_init, dtype=self.dtype)(x)


class MappingNetwork(nn.Module):
    """`(z [B, Z], label int32 [B]) -> style [B, style_features]`, float32.

    Four layers of all domains, then four of each domain's own, with ReLU between all of them. Every
    domain's are computed, as one batched product; their parameters are stacked.

    Attributes:
        num_domains: that a label chooses from.
        style_features: of the style code.
        width: of the hidden layers.
        dtype: of the computation; parameters are float32.
    """

    num_domains: int
    style_features: int = 64
    width: int = 512
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, z: Array, label: Array, *, train: bool) -> Array:
        x = nn.relu(DenseLayers(3, self.width, self.width, self.dtype, name="shared")(z))
        per_domain = nn.vmap(
            DenseLayers,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=1,
            out_axes=1,
        )
        x = jnp.repeat(x[:, None], self.num_domains, axis=1)
        styles = per_domain(3, self.width, self.style_features, self.dtype, name="domains")(x)
        return of_domain(styles.astype(jnp.promote_types(styles.dtype, jnp.float32)), label)


def of_domain(values: Array, label: Array) -> Array:
    """Of values `[B, D, F]` for each domain those `[B, F]` of the label int32 `[B]`; a domain that
    there is not is a row of NaN.

    Raises:
        UsageError: a label of another shape or kind.
    """
    label = jnp.asarray(label)
    if label.shape != values.shape[:1] or not jnp.issubdtype(label.dtype, jnp.integer):
        raise UsageError(
            f"a domain's label is int32 [{len(values)}] here, not {label.dtype} {list(label.shape)}"
        )
    return jnp.take_along_axis(values, label[:, None, None], axis=1, mode="fill")[:, 0]
