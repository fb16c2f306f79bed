"""Convolutions that double or halve a picture.

StyleGAN2's filter the result of a transposed convolution, or the input of a strided one, by FIR.
StyleGAN's (2019) repeat each pixel before a convolution, or average 2x2 pixels after it; either is
one strided convolution by a kernel that is one wider.

Kernels are never flipped (correlation, as everywhere in `ops`). The published code flips those of
its doubling layers: the same family of functions, but imported weights must be turned round.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from gan_jax.ops.convolution import convolution, transposed_convolution
from gan_jax.ops.resampling import (
    BINOMIAL,
    downsample,
    downsampling_padding,
    resample,
    upsample,
    upsampling_padding,
)

TWICE = (2, 2)


def doubling_convolution(x: Array, kernel: Array, taps: Sequence[float] = BINOMIAL) -> Array:
    """Convolution after FIR upsampling, in the order that costs least.

    Args:
        x: `[B, H, W, I]`.
        kernel: `[k, k, I, O]`, k odd.
        taps: of the filter, one axis.

    Returns:
        `[B, 2H, 2W, O]`.
    """
    k = kernel.shape[0]
    if k == 1:
        return upsample(convolution(x, kernel), taps)
    low, high = upsampling_padding(len(taps), 2)
    x = transposed_convolution(x, kernel, strides=TWICE, padding=((k - 1, k - 1),) * 2)
    # The transposed convolution has made (k - 1, k - 2) of the padding already.
    edges = low + k // 2 - (k - 1), high + k // 2 - (k - 2)
    return resample(x, taps, padding=edges, gain=4.0)


def halving_convolution(x: Array, kernel: Array, taps: Sequence[float] = BINOMIAL) -> Array:
    """Convolution before FIR downsampling, in the order that costs least.

    Args:
        x: `[B, H, W, I]`, H and W even.
        kernel: `[k, k, I, O]`, k odd.
        taps: of the filter, one axis.

    Returns:
        `[B, H / 2, W / 2, O]`.
    """
    k = kernel.shape[0]
    if k == 1:
        return convolution(downsample(x, taps), kernel)
    low, high = downsampling_padding(len(taps), 2)
    x = resample(x, taps, padding=(low + k // 2, high + k // 2))
    return convolution(x, kernel, strides=TWICE, padding="VALID")


def repeating_convolution(x: Array, kernel: Array) -> Array:
    """`[B, H, W, I]` by `[3, 3, I, O]` to `[B, 2H, 2W, O]`: pixels repeated 2x2, then convolved."""
    return transposed_convolution(x, _boxed(kernel), strides=TWICE, padding=((2, 2), (2, 2)))


def averaging_convolution(x: Array, kernel: Array) -> Array:
    """`[B, H, W, I]` by `[3, 3, I, O]` to `[B, H/2, W/2, O]`: convolved, 2x2 pixels averaged."""
    return convolution(x, _boxed(kernel) / 4, strides=TWICE, padding=((1, 1), (1, 1)))


def _boxed(kernel: Array) -> Array:
    """`[k, k, I, O]` convolved with 2x2 ones: `[k + 1, k + 1, I, O]`."""
    shifts = [(0, 1), (1, 0)]
    rest = ((0, 0), (0, 0))
    return sum(
        (jnp.pad(kernel, (rows, columns, *rest)) for rows in shifts for columns in shifts),
        jnp.zeros((), kernel.dtype),
    )
