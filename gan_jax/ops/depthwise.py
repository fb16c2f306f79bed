"""A depthwise convolution's three faces by shifts: where a group has one channel, no product is a
matrix product, and multiply-adds of the shifted picture move least."""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
from jax import Array, lax

from gan_jax.ops.blocks import Geometry, Pair, pad, pair


def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, C]` of input `[B, H, W, C]` and kernel `[kh, kw, 1, C]`."""
    return _multiply_add(pad(x, geometry.padding), kernel, geometry.strides, geometry.output)


def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, C]` and the kernel to `[B, H, W, C]`."""
    spread = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *_spread(geometry), (0, 0, 0)])
    return _multiply_add(spread, kernel[::-1, ::-1], (1, 1), geometry.size)


def kernel_gradient(geometry: Geometry, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel: `[kh, kw, 1, C]`.

    A loop over the kernel's rows, since XLA:CPU would compute whatever `x` and `y` come from anew
    for every sum that it meets outside of one.
    """
    accumulator = jnp.promote_types(x.dtype, jnp.float32)
    padded, y = pad(x, geometry.padding), y.astype(accumulator)
    height = (geometry.output[0] - 1) * geometry.strides[0] + 1

    def row_of_taps(row: Array) -> Array:
        band = lax.dynamic_slice_in_dim(padded, row, height, axis=1)
        shifts = _shifts(band, (1, geometry.kernel[1]), geometry.strides, geometry.output)
        return jnp.stack([jnp.sum(part.astype(accumulator) * y, (0, 1, 2)) for part in shifts])

    return lax.map(row_of_taps, jnp.arange(geometry.kernel[0]))[:, :, None]


def _multiply_add(padded: Array, kernel: Array, strides: Pair, count: Pair) -> Array:
    """Half precision is added up in float32 and stays there."""
    accumulator = jnp.promote_types(padded.dtype, jnp.float32)
    weights = kernel.reshape(-1, kernel.shape[-1]).astype(accumulator)
    shifts = _shifts(padded, pair(kernel.shape[:2]), strides, count)
    total = jnp.zeros((), accumulator)
    for shifted, weight in zip(shifts, weights, strict=True):
        total = total + shifted.astype(accumulator) * weight
    return total


def _shifts(padded: Array, kernel: Pair, strides: Pair, count: Pair) -> Iterator[Array]:
    """For each tap the pixel that it multiplies at each output, `[B, *count, C]`."""
    batch, _, _, channels = padded.shape
    height, width = ((n - 1) * stride + 1 for n, stride in zip(count, strides, strict=True))
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            limit = (batch, row + height, column + width, channels)
            yield lax.slice(padded, (0, row, column, 0), limit, (1, *strides, 1))


def _spread(geometry: Geometry) -> list[tuple[int, int, int]]:
    """Padding of the output, spread out by the stride, whose windows the inputs are made of."""
    axes = zip(
        geometry.size,
        geometry.kernel,
        geometry.strides,
        geometry.padding,
        geometry.output,
        strict=True,
    )
    return [
        (k - 1 - low, n + low - ((count - 1) * stride + 1), stride - 1)
        for n, k, stride, (low, _), count in axes
    ]
