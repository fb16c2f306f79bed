"""Statistics of feature maps and what style transfer makes of them, per example.

Gram matrices after Gatys et al. 2016, means and deviations after Huang and Belongie 2017. The maps
are a CNN's, `[B, H, W, C]`; two that are compared may differ in H and W where only their
statistics are read. Values are float32 even under half precision (float64 stays), without weights.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from gan_jax.errors import UsageError

EPSILON = 1e-5


class Statistics(NamedTuple):
    """Of each channel over the pixels.

    Attributes:
        mean: `[B, C]`.
        std: `[B, C]`, the root of the unbiased variance plus 1e-5.
    """

    mean: Array
    std: Array


def statistics(features: Array) -> Statistics:
    """Of `[B, H, W, C]`.

    Raises:
        UsageError: maps of one pixel, which have no deviation.
    """
    pixels = features.shape[1] * features.shape[2]
    if pixels < 2:
        raise UsageError(
            f"feature maps of {features.shape[1]} x {features.shape[2]} have no deviation: "
            "take larger pictures or an earlier layer"
        )
    wide = _single(features)
    mean = jnp.mean(wide, axis=(1, 2))
    # About the mean: the mean of squares less the squared mean has no digits left on large means.
    square = jnp.sum(jnp.square(wide - mean[:, None, None]), axis=(1, 2))
    return Statistics(mean, jnp.sqrt(square / (pixels - 1) + EPSILON))


def with_statistics(features: Array, wanted: Statistics) -> Array:
    """`[B, H, W, C]` shifted and scaled a channel so that its mean and deviation become `wanted`,
    in the dtype of `features`."""
    own = statistics(features)
    normalised = (_single(features) - own.mean[:, None, None]) / own.std[:, None, None]
    moved = normalised * wanted.std[:, None, None] + wanted.mean[:, None, None]
    return moved.astype(features.dtype)


def adain(content: Array, style: Array) -> Array:
    """AdaIN (Huang and Belongie 2017, equation 8): `content` `[B, H, W, C]` with the statistics of
    `style` `[B, h, w, C]`. Stylise by part with alpha · adain(c, s) + (1 - alpha) · c."""
    return with_statistics(content, statistics(style))


def gram_matrix(features: Array) -> Array:
    """`[B, H, W, C]` to `[B, C, C]`: the mean over pixels of the products of channels.

    Gatys et al. 2016, equation 3, have the sum, which is H · W times this.
    """
    wide = _single(features)
    products = jnp.einsum("bhwi,bhwj->bij", wide, wide, precision=lax.Precision.HIGHEST)
    return products / (features.shape[1] * features.shape[2])


def gram_loss(gram: Array, wanted: Array) -> Array:
    """A layer's style loss E_l of Gatys et al. 2016, equation 4, `[B]`: a quarter of the mean
    squared difference of `gram_matrix` `[B, C, C]`.

    With sums for Gram matrices and M = H · W this is their sum of squares over 4 C^2 M^2. The
    layers' losses are added with weights, 1/5 for each of five there.
    """
    return 0.25 * jnp.mean(jnp.square(gram - wanted), axis=(1, 2))


def statistics_loss(found: Statistics, wanted: Statistics) -> Array:
    """A layer's style loss of Huang and Belongie 2017, `[B]`: the mean squared difference of the
    means plus that of the deviations.

    Their equation 13 writes norms; this is what implementations train with and the weight of 10 is
    for.
    """
    return jnp.mean(jnp.square(found.mean - wanted.mean), axis=1) + jnp.mean(
        jnp.square(found.std - wanted.std), axis=1
    )


def content_loss(features: Array, wanted: Array) -> Array:
    """The mean squared difference of maps `[B, H, W, C]` of one shape, `[B]` (Huang and Belongie
    2017). Gatys et al. 2016, equation 1, take half the sum, which is H · W · C / 2 times this."""
    return jnp.mean(jnp.square(_single(features) - _single(wanted)), axis=(1, 2, 3))


def total_variation(images: Array) -> Array:
    """Squared and anisotropic, `[B]`: the mean squared difference of neighbours down the columns
    plus that along the rows, of `[B, H, W, C]` (Mahendran and Vedaldi 2015 with beta = 2, as means
    in the place of sums)."""
    down, along = _differences(images)
    return jnp.mean(jnp.square(down), axis=(1, 2, 3)) + jnp.mean(jnp.square(along), axis=(1, 2, 3))


def absolute_variation(images: Array) -> Array:
    """`total_variation` of absolute in the place of squared differences: L1, anisotropic; it lets
    edges stand."""
    down, along = _differences(images)
    return jnp.mean(jnp.abs(down), axis=(1, 2, 3)) + jnp.mean(jnp.abs(along), axis=(1, 2, 3))


def _differences(images: Array) -> tuple[Array, Array]:
    wide = _single(images)
    return wide[:, 1:] - wide[:, :-1], wide[:, :, 1:] - wide[:, :, :-1]


def _single(array: Array) -> Array:
    """In float32 at least."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))
