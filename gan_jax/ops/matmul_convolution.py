"""Convolution as one matrix product, for backends whose own convolution is slow.

A convolution is linear in the input and in the kernel, so it has three faces (output, input
gradient, kernel gradient), each linear in its two arguments, and the gradients of each are the
other two. They refer to one another here, which makes every order of derivative a matrix product.

Each face either gathers windows before the product or adds up overlapping windows after it, over
pixels of the input or over taps of the output: whichever the static shape says moves less memory.
Only the two arguments are kept for the backward pass, never their windows.
"""

from __future__ import annotations

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.ops.windows import (
    Geometry,
    add_taps,
    from_blocks,
    gather_taps,
    kernel_from_blocks,
    kernel_to_blocks,
    pad,
    to_blocks,
    windows,
)

# Measured on CPU: adding up a window costs about as much as gathering this many.
ADDING_COST = 3
# Measured on CPU: more wasted multiplications than this cost more than block windows save.
MOST_WASTE = 1.2


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolve(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output `[B, h, w, O]` of input `[B, H, W, I]` and kernel `[kh, kw, I, O]`."""
    inputs, features = kernel.shape[2:]
    if _adds_taps(geometry, inputs, features):
        weights = kernel_to_blocks(geometry, kernel)
        y = _add_output_taps(geometry, _product(to_blocks(geometry, x), weights, (3,), (2,)))
    else:
        y = _band_products(_input_windows(geometry, x), kernel.reshape(-1, features), 0)
    return y.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def input_gradient(geometry: Geometry, y: Array, kernel: Array) -> Array:
    """The adjoint of `convolve` in its input: `[B, h, w, O]` and the kernel to `[B, H, W, I]`."""
    weights = kernel_to_blocks(geometry, kernel)
    if _gathers_taps(geometry, *kernel.shape[2:]):
        flipped = weights[::-1, ::-1].transpose(2, 0, 1, 3)
        flipped = flipped.reshape(flipped.shape[0], -1)
        x = _band_products(gather_taps(geometry, y), flipped, 1)
    else:
        weights = weights.reshape(-1, weights.shape[-1])
        x = add_taps(geometry, _product(y, weights, (3,), (1,)))
    return from_blocks(geometry, x).astype(y.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def kernel_gradient(geometry: Geometry, by_taps: bool, x: Array, y: Array) -> Array:
    """The adjoint of `convolve` in its kernel, `[kh, kw, I, O]`; `by_taps` gathers outputs."""
    inputs, features = x.shape[-1], y.shape[-1]
    if by_taps:
        flipped = _kernel_product(gather_taps(geometry, y), to_blocks(geometry, x)).T
        flipped = flipped.reshape(-1, *geometry.taps, features).transpose(1, 2, 0, 3)
        kernel = kernel_from_blocks(geometry, flipped[::-1, ::-1])
    else:
        kernel = _kernel_product(_input_windows(geometry, x), y)
        kernel = kernel.reshape(*geometry.kernel, inputs, features)
    return kernel.astype(x.dtype)


def _input_windows(geometry: Geometry, x: Array) -> list[Array]:
    padded = pad(x, geometry.edges)
    return windows(padded, geometry.kernel, geometry.strides, geometry.output)


def _adds_taps(geometry: Geometry, inputs: int, features: int) -> bool:
    """Whether `convolve` adds up the taps of few features rather than gather many inputs."""
    few = ADDING_COST * prod(geometry.taps) * features < prod(geometry.kernel) * inputs
    return few and geometry.waste < MOST_WASTE


def _gathers_taps(geometry: Geometry, inputs: int, features: int) -> bool:
    """Whether `input_gradient` gathers the taps of outputs rather than add up inputs."""
    few = prod(geometry.taps) * features < ADDING_COST * prod(geometry.kernel) * inputs
    return few and geometry.waste < MOST_WASTE


def _band_products(bands: list[Array], weights: Array, axis: int) -> Array:
    """Contracts the last axis of every band with `axis` of the weights, and joins the rows."""
    return jnp.concatenate([_product(band, weights, (3,), (axis,)) for band in bands], axis=1)


def _kernel_product(bands: list[Array], y: Array) -> Array:
    """Contracts all but the channels, bands of `[B, h, w, C]` and `[B, h, w, D]` to `[C, D]`."""
    start, total = 0, jnp.zeros(())
    for band in bands:
        rows = y[:, start : start + band.shape[1]]
        total = total + _transposed_product(
            band.reshape(-1, band.shape[-1]), rows.reshape(-1, y.shape[-1])
        )
        start += band.shape[1]
    return total


def _transposed_product(left: Array, right: Array) -> Array:
    """`leftᵀ right`; XLA:CPU is up to twice as fast with the narrower operand on the left."""
    if left.shape[1] <= right.shape[1] or left.shape[0] <= left.shape[1]:
        return _product(left, right, (0,), (0,))
    return lax.optimization_barrier(_product(right, left, (0,), (0,))).T


def _add_output_taps(geometry: Geometry, patches: Array) -> Array:
    """Every block's part in the outputs, `[B, *blocks, taps, taps, O]`, added up there."""
    height, width = geometry.output
    parts = (
        patches[:, row : row + height, column : column + width, row, column]
        for row in range(geometry.taps[0])
        for column in range(geometry.taps[1])
    )
    return sum(parts, start=jnp.zeros((), patches.dtype))


def _product(left: Array, right: Array, left_axes, right_axes) -> Array:
    """Contracts the given axes; half precision accumulates in float32 and stays there."""
    accumulator = jnp.promote_types(left.dtype, jnp.float32)
    axes = ((left_axes, right_axes), ((), ()))
    return lax.dot_general(left, right, axes, preferred_element_type=accumulator)


def _convolve_forward(geometry, x, kernel):
    return convolve(geometry, x, kernel), (x, kernel)


def _convolve_backward(geometry, saved, y):
    x, kernel = saved
    by_taps = _gathers_taps(geometry, *kernel.shape[2:])  # then both gradients share the windows
    return input_gradient(geometry, y, kernel), kernel_gradient(geometry, by_taps, x, y)


def _input_gradient_forward(geometry, y, kernel):
    return input_gradient(geometry, y, kernel), (y, kernel)


def _input_gradient_backward(geometry, saved, x):
    y, kernel = saved
    by_taps = _adds_taps(geometry, *kernel.shape[2:])  # else both gradients share the windows
    return convolve(geometry, x, kernel), kernel_gradient(geometry, by_taps, x, y)


def _kernel_gradient_forward(geometry, by_taps, x, y):
    return kernel_gradient(geometry, by_taps, x, y), (x, y)


def _kernel_gradient_backward(geometry, by_taps, saved, kernel):
    x, y = saved
    return input_gradient(geometry, y, kernel), convolve(geometry, x, kernel)


convolve.defvjp(_convolve_forward, _convolve_backward)
input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)
