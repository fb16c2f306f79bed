"""Minibatch standard deviation (Karras et al. 2018, section 3): how much a batch varies."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError


def minibatch_stddev(x: Array, group_size: int, channels: int = 1, epsilon: float = 1e-8) -> Array:
    """Appends the standard deviation over each group of samples, averaged over pixels and features.

    A group is the samples i, i + n, i + 2n, … of n groups. It makes a sample's logit depend on
    its batch.

    Args:
        x: `[B, H, W, C]`.
        group_size: samples a group; a smaller batch is one group.
        channels: features are split into so many parts, each of which gives a channel.
        epsilon: under the root.

    Returns:
        `[B, H, W, C + channels]`.

    Raises:
        UsageError: the batch is no multiple of the group, or C none of the channels.
    """
    batch, height, width, features = x.shape
    group = min(group_size, batch)
    if batch % group:
        raise UsageError(
            f"minibatch standard deviation takes groups of {group} samples, and a batch of {batch} "
            "is no multiple of it: choose another batch size, or the discriminator's group_size"
        )
    if features % channels:
        raise UsageError(f"{features} features do not split into {channels} channels")
    y = x.reshape(group, -1, height, width, channels, features // channels)
    deviation = jnp.sqrt(jnp.var(y, axis=0) + epsilon)
    deviation = jnp.mean(deviation, axis=(1, 2, 4))
    planes = jnp.tile(deviation[:, None, None, :], (group, height, width, 1))
    return jnp.concatenate([x, planes], axis=-1)
