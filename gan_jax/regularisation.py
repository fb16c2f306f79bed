"""Regularisers that need no gradient of the input: LeCam, consistency, orthogonality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

PyTree = Any


class Anchors(NamedTuple):
    """Moving averages of a discriminator's mean logits, float32 `[]` each."""

    real: Array | float = 0.0
    fake: Array | float = 0.0


def le_cam(real_logits: Array, fake_logits: Array, anchors: Anchors) -> Array:
    """(D(x) - a_F)^2 + (D(G(z)) - a_R)^2, each where it is on its own side of the other's anchor
    (Tseng et al. 2021, eq. 7; the one-sided form of their code): real logits are drawn down to
    the generated ones' average, and those up to the real ones'.

    Args:
        real_logits: `[B]`.
        fake_logits: `[B]`.
        anchors: a_R and a_F.

    Returns:
        `[B]`.
    """
    above = jax.nn.relu(real_logits - anchors.fake)
    below = jax.nn.relu(anchors.real - fake_logits)
    return jnp.square(above) + jnp.square(below)


def moved(anchors: Anchors, real_logits: Array, fake_logits: Array, decay: float) -> Anchors:
    """The anchors after a batch: decay * a + (1 - decay) * mean logit (0.99 as published)."""
    real = decay * anchors.real + (1.0 - decay) * jnp.mean(real_logits)
    fake = decay * anchors.fake + (1.0 - decay) * jnp.mean(fake_logits)
    return jax.lax.stop_gradient(Anchors(real, fake))


def consistency(logits: Array, of_changed: Array) -> Array:
    """(D(x) - D(T(x)))^2, per example `[B]` (Zhang et al. 2020, eq. 5; Zhao et al. 2021)."""
    return jnp.square(logits - of_changed)


def sensitivity(images: Array, of_changed: Array) -> Array:
    """-mean (G(z) - G(z + d))^2 over a picture's values, `[B]`: the generator's half of zCR, which
    it minimises so that it does not ignore z (Zhao et al. 2021, eq. 6)."""
    return -jnp.mean(jnp.square(images - of_changed), axis=tuple(range(1, images.ndim)))


def orthogonality(params: PyTree) -> Array:
    """|W' W * (1 - I)|^2 summed over layers, W a layer's `[inputs, features]`: how far its filters
    are from orthogonal, their lengths left free (Brock et al. 2019, eq. 3, without its beta), `[]`.

    Biases, scales and other vectors are passed over, and so are kernels that lead to one output.
    """
    total = jnp.zeros((), jnp.float32)
    for kernel in _matrices(params):
        product = kernel.T @ kernel
        total += jnp.sum(jnp.square(product * (1.0 - jnp.eye(product.shape[0]))))
    return total


def _matrices(params: PyTree) -> Iterator[Array]:
    """Every kernel as `[inputs, features]`, float32."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        is_kernel = getattr(path[-1], "key", None) == "kernel"
        if is_kernel and leaf.ndim >= 2 and leaf.shape[-1] > 1:
            yield leaf.reshape(-1, leaf.shape[-1])
