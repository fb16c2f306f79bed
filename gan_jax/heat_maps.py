"""Points as pictures: what a translator sees of landmarks. Differentiable in the points."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array


def heat_maps(points: Array, size: int, sigma: float) -> Array:
    """One Gaussian a point, 1 at its centre, brought to [-1, 1] (Sanchez and Valstar 2020 take a
    sigma of 1 at 128 pixels).

    Args:
        points: `[B, L, 2]`, (x, y) in [0, 1] from the top left.
        size: pixels a side.
        sigma: in pixels.

    Returns:
        `[B, size, size, L]` float32.
    """
    x, y = _offsets(points, size)
    squares = jnp.square(x)[:, None] + jnp.square(y)[:, :, None]
    return 2 * jnp.exp(-squares / (2 * sigma**2)) - 1


def outlines(points: Array, lines: Sequence[Sequence[int]], size: int, width: float) -> Array:
    """Lines through points, drawn white on black and smoothed over a pixel.

    Args:
        points: `[B, L, 2]`, (x, y) in [0, 1] from the top left.
        lines: each the numbers of the points that it passes through; a single one makes a dot.
        size: pixels a side.
        width: of a line, in pixels.

    Returns:
        `[B, size, size, 1]` float32 in [-1, 1].
    """
    pairs = [pair for line in lines for pair in zip(line, line[1:] or line, strict=False)]
    first, second = (points[:, jnp.array([pair[end] for pair in pairs])] for end in (0, 1))
    x, y = _offsets(first, size)
    along = (second - first)[:, None, None] * size
    offset = jnp.stack(jnp.broadcast_arrays(x[:, None], y[:, :, None]), axis=-1)
    length = jnp.maximum(jnp.sum(along**2, axis=-1), 1e-6)
    share = jnp.clip(jnp.sum(offset * along, axis=-1) / length, 0.0, 1.0)
    distance = jnp.sqrt(jnp.sum((offset - share[..., None] * along) ** 2, axis=-1) + 1e-12)
    nearest = jnp.min(distance, axis=-1, keepdims=True)
    return 2 * jnp.clip(width / 2 + 0.5 - nearest, 0.0, 1.0) - 1


def _offsets(points: Array, size: int) -> tuple[Array, Array]:
    """`[B, size, L]` each: from a point to a column's and to a row's centre, in pixels."""
    centres = jnp.arange(size) + 0.5
    x, y = (centres[None, :, None] - size * points[:, None, :, axis] for axis in (0, 1))
    return x, y
