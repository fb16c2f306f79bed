"""Affine warps of pictures that go on beyond their borders by reflection, without end.

A picture that is mirrored about its border pixels' middles repeats after 2 (N - 1) pixels. So one
period of it holds all that any warp can reach, and indices are taken modulo that period: no margin
depends on the data. Karras et al. pad by as much as the batch's warps need, at most N - 1 pixels,
with zeros beyond; up to there both are equal.

Pictures must be at least 2 pixels high and wide.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gan_jax.augment.ada.axis_filter import filter_matrix, filtered, reflect
from gan_jax.augment.ada.wavelets import SYM6

LOW_PASS = SYM6 / np.sum(SYM6)
BEFORE = len(LOW_PASS) // 2 - 1  # supersampled pixels that an output depends on, before its own


def warp(images: Array, inverse: Array) -> Array:
    """Supersamples by 2, samples bilinearly, and goes back (Karras et al. 2020, appendix B).

    The low-pass filter sym6 is orthonormal, so the identity and whole shifts give pixels back.

    Args:
        images: `[B, H, W, C]`.
        inverse: `[B, 3, 3]` from output to input, pixels right of and below the picture's centre.
    """
    height, width = images.shape[1:3]
    x, y = (_supersampled_axis(size, images.dtype) for size in (width, height))
    columns, rows = _transform(inverse, x, y, unit=0.5)
    fine = filtered(images, supersampling(height), supersampling(width))
    warped = sample(fine, rows + (height - 1), columns + (width - 1))
    return filtered(warped, subsampling(height), subsampling(width))


def move_pixels(images: Array, inverse: Array) -> Array:
    """Copies each output's nearest pixel: for warps that take pixels to pixels.

    Arguments as in `warp`.
    """
    height, width = images.shape[1:3]
    x, y = (jnp.arange(size, dtype=images.dtype) - (size - 1) / 2 for size in (width, height))
    columns, rows = _transform(inverse, x, y, unit=1.0)
    row = reflect(jnp.round(rows + (height - 1) / 2).astype(jnp.int32), height)
    column = reflect(jnp.round(columns + (width - 1) / 2).astype(jnp.int32), width)
    return _take(images, row * width + column)


def supersampling(size: int) -> np.ndarray:
    """One period of the reflected axis, twice as fine, `[4 (size - 1), size]`.

    Pixel k is at 2 k, where sym6, which is not symmetric, has its largest tap.
    """
    taps, outputs = 2.0 * LOW_PASS[::-1], 2 * (size - 1)
    reach = len(LOW_PASS) // 4
    at_pixels = filter_matrix(taps[0::2], outputs, size, start=-reach)
    between = filter_matrix(taps[1::2], outputs, size, start=1 - reach)
    return np.stack([at_pixels, between], axis=1).reshape(-1, size)


def subsampling(size: int) -> np.ndarray:
    """The adjoint filter, from as many supersampled pixels as `_supersampled_axis` has."""
    return filter_matrix(LOW_PASS, size, 2 * size + len(LOW_PASS) - 2, start=0, stride=2)


def sample(pictures: Array, rows: Array, columns: Array) -> Array:
    """Bilinear samples of `[B, H, W, C]`, which repeat in both directions, at `[B, h, w]`."""
    height, width, channels = pictures.shape[1:]
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = (rows - top)[..., None, None], (columns - left)[..., None]
    corners = jnp.stack([top.astype(jnp.int32) % height, left.astype(jnp.int32) % width], axis=-1)
    # All four taps in one window: the adjoint, a scatter, costs by the window on CPU.
    windows = lax.gather(
        jnp.pad(pictures, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="wrap"),
        corners,
        lax.GatherDimensionNumbers(
            offset_dims=(3, 4, 5),
            collapsed_slice_dims=(),
            start_index_map=(1, 2),
            operand_batching_dims=(0,),
            start_indices_batching_dims=(0,),
        ),
        (1, 2, 2, channels),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    along = windows[..., 0, :, :] + down * (windows[..., 1, :, :] - windows[..., 0, :, :])
    return along[..., 0, :] + right * (along[..., 1, :] - along[..., 0, :])


def _supersampled_axis(size: int, dtype: Any) -> Array:
    """Where the supersampled outputs lie that `size` pixels are made of, from the centre, in halves
    of a pixel: `[2 size + taps - 2]`."""
    return jnp.arange(2 * size + len(LOW_PASS) - 2, dtype=dtype) - (BEFORE + size - 1)


def _transform(inverse: Array, x: Array, y: Array, unit: float) -> tuple[Array, Array]:
    """Input x and y, `[B, h, w]` each, of the output's, both in units of so many pixels."""
    x, y = x[None, None, :], y[None, :, None]

    def row(index: int) -> Array:
        across, down, shift = (inverse[:, index, k, None, None] for k in range(3))
        return across * x + down * y + shift / unit

    return row(0), row(1)


def _take(pictures: Array, index: Array) -> Array:
    """Pixels `[B, …, C]` of pictures `[B, H, W, C]` by their places `[B, …]` in reading order."""
    flat = pictures.reshape(pictures.shape[0], -1, pictures.shape[-1])
    return jax.vmap(lambda picture, index: picture.at[index].get(mode="promise_in_bounds"))(
        flat, index
    )
