"""A convolution's three faces over windows: gathered before one matrix product, or added up after.

Either side may be the one that moves: windows of the input over pixels, or of the output over taps.
The static shape says which moves less.
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
    pair,
    product,
    product_over_pixels,
    to_blocks,
)

# Measured on CPU: adding up one window costs as much as gathering so many.
ADDING_COST = 3
# Measured on CPU: more needless multiplications than this cost more than windows of taps save.
MOST_NEEDLESS = 1.2


def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I, O]`."""
    inputs, features = kernel.shape[2:]
    if _fits_blocks(geometry) and ADDING_COST * _taps_width(geometry, features) < _pixels_width(
        geometry, inputs
    ):
        weights = kernel_to_blocks(geometry, kernel)
        blocks = to_blocks(x, geometry.block, geometry.edges)
        return _add_outputs(geometry, product(blocks, weights, 3, 2))
    return product(_input_windows(geometry, x), kernel.reshape(-1, features), 3, 0)


def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    inputs, features = kernel.shape[2:]
    if prod(geometry.block) > 1 and not _fits_blocks(geometry):
        return from_blocks(_by_phases(geometry, y, kernel), geometry.block, geometry.edges)
    weights = kernel_to_blocks(geometry, kernel)
    if _fits_blocks(geometry) and _taps_width(geometry, features) < ADDING_COST * _pixels_width(
        geometry, inputs
    ):
        flipped = weights[::-1, ::-1].transpose(2, 0, 1, 3).reshape(weights.shape[2], -1)
        x = product(_output_windows(geometry, y), flipped, 3, 1)
        return from_blocks(x, geometry.block, geometry.filled_edges)
    x = _add_inputs(geometry, geometry.taps, product(y, weights.reshape(-1, features), 3, 1))
    return from_blocks(x, geometry.block, geometry.edges)


def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, I, O]`."""
    inputs, features = x.shape[-1], y.shape[-1]
    if _fits_blocks(geometry) and _taps_width(geometry, features) < _pixels_width(geometry, inputs):
        blocks = to_blocks(x, geometry.block, geometry.filled_edges)
        flipped = product_over_pixels(blocks, _output_windows(geometry, y))
        flipped = flipped.reshape(-1, *geometry.taps, features).transpose(1, 2, 0, 3)
        return kernel_from_blocks(geometry, flipped[::-1, ::-1])
    kernel = product_over_pixels(_input_windows(geometry, x), y)
    return kernel.reshape(*geometry.kernel, inputs, features)


def _pixels_width(geometry: Geometry, inputs: int) -> int:
    return prod(geometry.kernel) * inputs


def _taps_width(geometry: Geometry, features: int) -> int:
    return prod(geometry.taps) * features


def _fits_blocks(geometry: Geometry) -> bool:
    """Whether taps multiply hardly more over blocks than the convolution needs."""
    over_blocks = prod(geometry.filled) * prod(geometry.taps) * prod(geometry.block)
    return over_blocks < MOST_NEEDLESS * prod(geometry.output) * prod(geometry.kernel)


def _input_windows(geometry: Geometry, x: Array) -> Array:
    """The inputs that every output is made of: `[B, h, w, kh · kw · I]`."""
    padded = pad(x, geometry.edges)
    return gather_windows(padded, geometry.kernel, geometry.strides, geometry.output)


def _output_windows(geometry: Geometry, y: Array) -> Array:
    """The outputs that every filled block reaches: `[B, *filled, taps · taps · O]`."""
    axes = zip(geometry.taps, geometry.first, geometry.filled, geometry.output, strict=True)
    edges = pair((taps - 1 - first, first + n - height) for taps, first, n, height in axes)
    return gather_windows(pad(y, edges), geometry.taps, (1, 1), geometry.filled)


def _by_phases(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """All blocks, `[B, *blocks, block · block · I]`, each pixel of one from its own taps alone."""
    phases = []
    for row in range(geometry.block[0]):
        for column in range(geometry.block[1]):
            own = kernel[row :: geometry.block[0], column :: geometry.block[1]]
            phases.append(_phase(geometry, y, own))
    return jnp.concatenate(phases, axis=3)


def _phase(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """One pixel of all blocks, `[B, *blocks, I]`, by its taps `[kh, kw, I, O]`, maybe none."""
    taps, (inputs, features) = pair(kernel.shape[:2]), kernel.shape[2:]
    if not prod(taps):
        return jnp.zeros((y.shape[0], *geometry.blocks, inputs), y.dtype)
    if features > inputs:
        return _add_inputs(geometry, taps, product(y, kernel.reshape(-1, features), 3, 1))
    count = pair(n + k - 1 for n, k in zip(geometry.output, taps, strict=True))
    windows = gather_windows(pad(y, pair((k - 1, k - 1) for k in taps)), taps, (1, 1), count)
    flipped = kernel[::-1, ::-1].transpose(2, 0, 1, 3).reshape(inputs, -1)
    missing = pair((0, n - m) for n, m in zip(geometry.blocks, count, strict=True))
    return pad(product(windows, flipped, 3, 1), missing)


def _add_inputs(geometry: Geometry, taps: Pair, windows: Array) -> Array:
    """Every output's part in the blocks, `[B, h, w, taps · taps · C]`, added up there."""
    (height, width), (rows, columns) = geometry.output, geometry.blocks
    parts = jnp.split(windows, prod(taps), axis=3)
    total = jnp.zeros((), windows.dtype)
    for part, (row, column) in zip(parts, _shifts(taps), strict=True):
        below, right = rows - height - row, columns - width - column
        total = total + pad(part, ((row, below), (column, right)))
    return total


def _add_outputs(geometry: Geometry, windows: Array) -> Array:
    """Every block's part in the outputs, `[B, *blocks, taps, taps, O]`, added up there."""
    height, width = geometry.output
    total = jnp.zeros((), windows.dtype)
    for row, column in _shifts(geometry.taps):
        total = total + windows[:, row : row + height, column : column + width, row, column]
    return total


def _shifts(taps: Pair) -> list[Pair]:
    return [(row, column) for row in range(taps[0]) for column in range(taps[1])]
