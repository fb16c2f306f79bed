"""A convolution's three faces over windows of rows: gathered along columns, added up over rows.

Between gathering all of a window's pixels and adding up all of a pixel's windows, this moves the
least where kernels are large: `taps · (I + O)` numbers a pixel in place of `taps · taps · I`.
"""

from __future__ import annotations

from math import prod

import jax.numpy as jnp
from jax import Array

from gan_jax.ops.blocks import (
    Geometry,
    Pair,
    from_blocks,
    gather_windows,
    kernel_from_blocks,
    kernel_to_blocks,
    pad,
    product,
    product_over_pixels,
    to_blocks,
)

# Measured on CPU: with less to gather by whole windows, that is no slower.
LEAST_GATHERED = 2 * 2**20
# Measured on CPU: less saved than this is lost again to turning the kernel.
MOST_MOVED = 0.8


def pays(geometry: Geometry, inputs: int, features: int, batch: int) -> bool:
    """Whether this is faster than gathering whole windows, for so many pictures."""
    pixels, kernel = batch * prod(geometry.output), prod(geometry.kernel) * inputs
    rows, columns = geometry.taps
    moved = columns * prod(geometry.block) * inputs + rows * features
    saved = kernel - moved
    return (
        pixels * kernel >= LEAST_GATHERED
        and moved <= MOST_MOVED * kernel
        and pixels * saved > kernel * features
    )


def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I, O]`."""
    blocks = to_blocks(x, geometry.block, geometry.edges)
    return _convolve(blocks, kernel_to_blocks(geometry, kernel), geometry.output)


def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    rows, columns = geometry.taps
    flipped = kernel_to_blocks(geometry, kernel)[::-1, ::-1].swapaxes(2, 3)
    around = pad(y, ((rows - 1, rows - 1), (columns - 1, columns - 1)))
    blocks = _convolve(around, flipped, geometry.blocks)
    return from_blocks(blocks, geometry.block, geometry.edges)


def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, I, O]`."""
    (rows, columns), (height, width) = geometry.taps, geometry.output
    blocks = to_blocks(x, geometry.block, geometry.edges)
    windows = gather_windows(blocks, (1, columns), (1, 1), (blocks.shape[1], width))
    below = blocks.shape[1] - height
    outputs = [pad(y, ((row, below - row), (0, 0))) for row in range(rows)]
    weights = product_over_pixels(windows, jnp.concatenate(outputs, axis=3))
    weights = weights.reshape(columns, -1, rows, y.shape[3]).transpose(2, 0, 1, 3)
    return kernel_from_blocks(geometry, weights)


def _convolve(x: Array, weights: Array, output: Pair) -> Array:
    """`[B, H, W, I]` by weights `[taps, taps, I, O]`, of stride 1 and without padding."""
    rows, columns, inputs, features = weights.shape
    height, width = output
    windows = gather_windows(x, (1, columns), (1, 1), (x.shape[1], width))
    in_a_row = weights.transpose(1, 2, 0, 3).reshape(columns * inputs, rows * features)
    parts = jnp.split(product(windows, in_a_row, 3, 0), rows, axis=3)
    total = jnp.zeros((), parts[0].dtype)
    for row, part in enumerate(parts):
        total = total + part[:, row : row + height]
    return total
