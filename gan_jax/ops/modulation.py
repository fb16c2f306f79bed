"""Modulated convolution (Karras et al. 2020, section 2.2): a style scales the kernel's inputs.

Scaling a kernel's inputs is scaling the convolution's input, and normalising its outputs is scaling
the output, so one kernel serves all samples and no convolution is grouped.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from gan_jax.ops.convolution import convolution

EPSILON = 1e-8


def modulated_convolution(
    x: Array,
    kernel: Array,
    styles: Array,
    convolve: Callable[[Array, Array], Array] = convolution,
    *,
    demodulate: bool = True,
) -> Array:
    """Convolves each sample with `kernel · style`, of unit norm an output where demodulated.

    bfloat16 has the range of float32, so nothing is normalised beforehand as float16 would need.

    Args:
        x: `[B, H, W, I]`.
        kernel: `[k, k, I, O]`; cast to the input's dtype.
        styles: `[B, I]`.
        convolve: `(x, kernel) -> y`, linear in both; it may resample.
        demodulate: whether outputs are scaled by `demodulation`.

    Returns:
        `[B, h, w, O]` in the input's dtype.
    """
    y = convolve(x * styles[:, None, None].astype(x.dtype), kernel.astype(x.dtype))
    if not demodulate:
        return y
    return y * demodulation(kernel, styles)[:, None, None].astype(x.dtype)


def demodulation(kernel: Array, styles: Array) -> Array:
    """1 / the norm of each sample's modulated kernel (equation 3), `[B, O]`, from full precision.

    Args:
        kernel: `[k, k, I, O]`.
        styles: `[B, I]`.
    """
    squares = jnp.sum(jnp.square(kernel), axis=(0, 1))
    norms = jnp.matmul(jnp.square(styles), squares, precision=lax.Precision.HIGHEST)
    return lax.rsqrt(norms + EPSILON)
