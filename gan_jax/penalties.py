"""Gradient penalties, per example, of a plain function from a batch to logits.

The gradient is that of the *summed* logits with respect to the batch. Where the function treats
examples apart this equals the gradient of each; with batch statistics it does not, and the summed
form is the one that published implementations use.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array


def r1(discriminator: Callable[[Array], Array], real: Array) -> Array:
    """0.5 * |grad D(x)|^2 at the real examples (Mescheder et al. 2018, eq. 9, without its gamma).

    Args:
        discriminator: `[B, ...] -> [B]`, logits.
        real: the real batch, `[B, ...]`.

    Returns:
        `[B]`, float32.
    """
    gradient = jax.grad(lambda batch: jnp.sum(discriminator(batch).astype(jnp.float32)))(real)
    squares = jnp.square(gradient.astype(jnp.float32))
    return 0.5 * jnp.sum(squares, axis=tuple(range(1, squares.ndim)))
