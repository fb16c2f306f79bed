"""Structural similarity (Wang et al. 2004), also on several scales (Wang et al. 2003).

The window is an 11x11 Gaussian of sigma 1.5, placed wherever it lies inside the picture. Of
pictures of one set with each other MS-SSIM measures sameness: high values mean little diversity.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import DataError, UsageError

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the paper's five scales, finest first

Pictures = Array | np.ndarray


class _Maps(NamedTuple):
    """Means over all places and channels `[B]`: of the whole index, and without luminance."""

    similarity: Array
    contrast_structure: Array


def ssim(a: Pictures, b: Pictures, *, data_range: float) -> Array:
    """Mean SSIM `[B]` of pictures `[B, H, W, C]` whose values span `data_range` (255 for uint8, 2
    for [-1, 1]). DataError under 11 px."""
    _check(a, b, scales=1)
    return _over_scales(jnp.asarray(a), jnp.asarray(b), data_range, (1.0,), clip=False)


def ms_ssim(
    a: Pictures, b: Pictures, *, data_range: float, weights: Sequence[float] = WEIGHTS
) -> Array:
    """MS-SSIM `[B]` of pictures `[B, H, W, C]`: contrast and structure at every scale, luminance at
    the last, each to its weight; 2x2 means between the scales, negative terms count as zero.

    `weights`: the paper's five need 176 px; `scale_weights(size)` gives those that fit.
    """
    _check(a, b, scales=len(weights))
    return _over_scales(jnp.asarray(a), jnp.asarray(b), data_range, tuple(weights), clip=True)


def scale_weights(size: int) -> tuple[float, ...]:
    """The first of the paper's weights whose scales fit pictures of `size` px, made to sum to 1."""
    fitting = [weight for scale, weight in enumerate(WEIGHTS) if size >> scale >= WINDOW]
    if not fitting:
        raise DataError(f"SSIM of pictures of {size} px; at least {WINDOW} px needed")
    return tuple(weight / sum(fitting) for weight in fitting)


def mean_pairwise_ms_ssim(
    images: Pictures,
    *,
    pairs: int,
    seed: int,
    data_range: float,
    weights: Sequence[float] = WEIGHTS,
    batch_size: int = 64,
) -> float:
    """Of `pairs` random pairs of different pictures of `[N, H, W, C]`: 1 where all are alike."""
    if len(images) < 2:
        raise DataError(f"pairs of {len(images)} pictures; at least 2 pictures needed")
    if pairs < 1:
        raise UsageError(f"{pairs} pairs of pictures; at least 1 is needed")
    state = np.random.RandomState(seed)
    first = state.randint(0, len(images), pairs)
    second = (first + state.randint(1, len(images), pairs)) % len(images)
    values = []
    for start in range(0, pairs, batch_size):
        # Whole batches only, the last one filled up from the start: one program is compiled.
        batch = np.arange(start, start + batch_size) % pairs
        a, b = images[first[batch]], images[second[batch]]
        values.append(np.asarray(ms_ssim(a, b, data_range=data_range, weights=weights)))
    return float(np.concatenate(values)[:pairs].mean(dtype=np.float64))


@partial(jax.jit, static_argnames=("data_range", "weights", "clip"))
def _over_scales(
    a: Array, b: Array, data_range: float, weights: tuple[float, ...], clip: bool
) -> Array:
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    product = jnp.ones(len(a))
    for weight in weights[:-1]:
        product *= jnp.maximum(_maps(a, b, data_range).contrast_structure, 0.0) ** weight
        a, b = _halved(a), _halved(b)
    similarity = _maps(a, b, data_range).similarity
    return product * jnp.maximum(similarity, 0.0) ** weights[-1] if clip else similarity


def _check(a: Pictures, b: Pictures, scales: int) -> None:
    if a.ndim != 4 or a.shape != b.shape:
        raise DataError(f"SSIM of shapes {a.shape} and {b.shape}; two [B, H, W, C] alike needed")
    if min(a.shape[1:3]) >> (scales - 1) < WINDOW:
        raise DataError(
            f"SSIM on {scales} scales of pictures of {a.shape[1]}x{a.shape[2]} px; "
            f"{WINDOW << (scales - 1)} px or fewer scales (scale_weights) needed"
        )


def _maps(a: Array, b: Array, data_range: float) -> _Maps:
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    places = (1, 2, 3)
    # Second moments of float32 keep more digits about the picture's own mean.
    level_a, level_b = (jnp.mean(x, places, keepdims=True) for x in (a, b))
    a, b = a - level_a, b - level_b
    mean_a, mean_b = _windowed(a), _windowed(b)
    variances = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    contrast_structure = (2 * covariance + c2) / (variances + c2)
    mean_a, mean_b = mean_a + level_a, mean_b + level_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return _Maps(
        jnp.mean(luminance * contrast_structure, places), jnp.mean(contrast_structure, places)
    )


def _windowed(images: Array) -> Array:
    """Gaussian means `[B, H - 10, W - 10, C]`, as two matrix products: the window is separable."""
    batch, height, width, channels = images.shape
    rows, columns = _window_matrix(height), _window_matrix(width)
    highest = jax.lax.Precision.HIGHEST
    flat = images.reshape(batch, height, width * channels)
    tall = jnp.matmul(rows, flat, precision=highest).reshape(batch, len(rows), width, channels)
    wide = jnp.matmul(tall.swapaxes(2, 3), columns.T, precision=highest)
    return wide.swapaxes(2, 3)


def _window_matrix(size: int) -> np.ndarray:
    """`[size - 10, size]`, the window at each place of one axis."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * SIGMA**2))
    matrix = np.zeros((size - WINDOW + 1, size))
    for place in range(len(matrix)):
        matrix[place, place : place + WINDOW] = window / window.sum()
    return matrix.astype(np.float32)


def _halved(images: Array) -> Array:
    """2x2 means; an odd last row or column is left out."""
    batch, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return jnp.mean(blocks, axis=(2, 4))
