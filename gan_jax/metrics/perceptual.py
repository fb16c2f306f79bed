"""Perceptual distances (LPIPS v0.1, Zhang et al. 2018) and perceptual path length (Karras et al.
2019), without their networks: of feature maps, of latents, of distances.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from gan_jax.errors import DataError, UsageError

# Pictures in [-1, 1] enter the network as (picture - LPIPS_SHIFT) / LPIPS_SCALE, RGB.
LPIPS_SHIFT = (-0.030, -0.088, -0.188)
LPIPS_SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10


def lpips_distance(
    taps_a: Sequence[Array],
    taps_b: Sequence[Array],
    linear_weights: Sequence[Array],
    *,
    epsilon_inside: bool,
) -> Array:
    """`[B]`: over the taps `[B, h, w, C]`, channels made unit vectors, the mean over places of the
    squared differences weighted by `linear_weights` `[C]`, added up.

    `epsilon_inside`: False divides by sqrt(sum x^2) + 1e-10, to the digits of LPIPS v0.1; its
    gradient at a zero vector is NaN. True divides by sqrt(sum x^2 + 1e-10): for losses.
    """
    if not len(taps_a) == len(taps_b) == len(linear_weights):
        raise UsageError(
            f"{len(taps_a)} and {len(taps_b)} taps with {len(linear_weights)} linear weights; "
            "one of each per tap needed"
        )
    distances = []
    for a, b, weights in zip(taps_a, taps_b, linear_weights, strict=True):
        difference = _unit(a, epsilon_inside) - _unit(b, epsilon_inside)
        distances.append(jnp.mean(jnp.sum(weights * difference**2, axis=-1), axis=(1, 2)))
    return sum(distances, start=jnp.zeros(()))


def unlearnt_distance(taps_a: Sequence[Array], taps_b: Sequence[Array]) -> Array:
    """`[B]`: over the taps `[B, h, w, C]`, channels made unit vectors, the mean over places of the
    squared differences added up over channels, averaged over the taps; 0 to 4, of features that are
    not negative to 2. It is what Zhang et al. 2018 compare LPIPS with: a network's own features,
    whose channels nothing was learnt to weigh."""
    share = 1.0 / len(taps_a)
    equal = [jnp.full(tap.shape[-1], share) for tap in taps_a]
    return lpips_distance(taps_a, taps_b, equal, epsilon_inside=False)


def lerp(a: Array, b: Array, t: Array | float) -> Array:
    """From a `[..., D]` at t = 0 to b at t = 1 in a straight line; `t` a number or `[..., 1]`."""
    return a + (b - a) * t


def slerp(a: Array, b: Array, t: Array | float) -> Array:
    """From the direction of a `[..., D]` to that of b along the great circle, a unit vector; stays
    at a where they are parallel."""
    a, b = _direction(a), _direction(b)
    cosine = jnp.sum(a * b, axis=-1, keepdims=True)
    across = b - cosine * a
    sine = jnp.linalg.norm(across, axis=-1, keepdims=True)
    angle = t * jnp.arctan2(sine, cosine)  # exact where the arc cosine has lost its digits
    return _direction(a * jnp.cos(angle) + _direction(across) * jnp.sin(angle))


def perceptual_path_length(
    distances: ArrayLike, *, epsilon: float, lower: float = 1.0, upper: float = 99.0
) -> float:
    """Mean of LPIPS distances `[N]` over epsilon^2, those outside the percentiles left out
    (NumPy's 'lower' and 'higher', the bounds kept). Take them of float pictures: uint8 steps are
    larger than what one step of epsilon changes."""
    values = np.asarray(distances, np.float64) / epsilon**2
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DataError(f"path length of distances {values.shape}; finite [N], N >= 1, needed")
    low = np.percentile(values, lower, method="lower")
    high = np.percentile(values, upper, method="higher")
    return float(values[(low <= values) & (values <= high)].mean())


def _unit(features: Array, epsilon_inside: bool) -> Array:
    squares = jnp.sum(features**2, axis=-1, keepdims=True)
    if epsilon_inside:
        return features * jax.lax.rsqrt(squares + EPSILON)
    return features / (jnp.sqrt(squares) + EPSILON)


def _direction(vectors: Array) -> Array:
    """Unit vectors; zero stays zero."""
    squares = jnp.sum(vectors**2, axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.maximum(squares, jnp.finfo(vectors.dtype).tiny))
