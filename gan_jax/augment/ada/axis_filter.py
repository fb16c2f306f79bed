"""Filters along the axes of a picture as small matrices, reflection at the borders included.

Dense, they do more arithmetic than their few taps need; as matrix products they are still much
faster than sums of shifted slices, gradients above all, and cost inside `scan` and `cond` what they
cost bare.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def reflect(index: Any, size: int) -> Any:
    """The pixel that a place beyond 0 … size - 1 shows: mirrored about the border pixels' middles,
    without end, so that all repeats after 2 (size - 1). `index` is an array of NumPy or JAX."""
    return abs((index + size - 1) % (2 * (size - 1)) - (size - 1))


def filter_matrix(
    taps: np.ndarray, outputs: int, inputs: int, start: int, stride: int = 1
) -> np.ndarray:
    """Output n is the sum of taps[t] · reflected input[start + stride n + t].

    Returns:
        `[outputs, inputs]`, to multiply from the left.
    """
    output, tap = np.meshgrid(np.arange(outputs), np.arange(len(taps)), indexing="ij")
    matrix = np.zeros((outputs, inputs))
    np.add.at(matrix, (output, reflect(start + stride * output + tap, inputs)), taps[tap])
    return matrix


def filtered(images: Array, rows: Array | np.ndarray, columns: Array | np.ndarray) -> Array:
    """Multiplies the axes of `[B, H, W, C]` with matrices `[h, H]` and `[w, W]`, or with those of
    each picture, `[B, h, H]` and `[B, w, W]`: `[B, h, w, C]`."""
    each = "b" * (rows.ndim - 2)
    for subscripts, matrix in ((f"{each}hH,bHwc->bhwc", rows), (f"{each}wW,bhWc->bhwc", columns)):
        matrix = jnp.asarray(matrix, images.dtype)
        images = jnp.einsum(subscripts, matrix, images, precision=lax.Precision.HIGHEST)
    return images
