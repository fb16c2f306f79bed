"""Adaptive pseudo augmentation (APA: Jiang et al. 2021, arXiv:2111.06849): generated pictures are
passed off as real ones. Its probability is moved by `gan_jax.augment.adaptive`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def pseudo_augment(real: Array, fake: Array, key: Array, p: Array | float) -> Array:
    """Replaces each real picture by the generated one beside it with probability p.

    In the discriminator's turn only; with labels, `fake` is generated for those of `real`.

    Args:
        real: `[B, H, W, C]` in [-1, 1].
        fake: the same shape; nothing needs its gradient.
        key: of the choice.
        p: scalar in [0, 1].
    """
    replaced = jax.random.bernoulli(key, p, real.shape[:1])
    return jnp.where(replaced[:, None, None, None], fake, real)
