"""Points brought onto others by turning, scaling and shifting them."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array


def aligned(points: Array, onto: Array, anchors: Sequence[int]) -> Array:
    """`points` `[B, L, 2]` under the similarity that brings their `anchors` nearest, in least
    squares, to those of `onto` `[B, L, 2]` (Umeyama 1991, without reflections).

    In the complex plane it is a product and a sum: of anchors z less their mean, and w less theirs,
    the factor is sum(conj(z) w) / sum(|z|^2).
    """
    z, w = (each[..., 0] + 1j * each[..., 1] for each in (points, onto))
    chosen = jnp.asarray(anchors)
    z_mean, w_mean = (jnp.mean(each[:, chosen], axis=1, keepdims=True) for each in (z, w))
    z_rest, w_rest = z[:, chosen] - z_mean, w[:, chosen] - w_mean
    spread = jnp.sum(jnp.abs(z_rest) ** 2, axis=1, keepdims=True)
    factor = jnp.sum(jnp.conj(z_rest) * w_rest, axis=1, keepdims=True) / jnp.maximum(spread, 1e-12)
    moved = factor * (z - z_mean) + w_mean
    return jnp.stack([moved.real, moved.imag], axis=-1)
