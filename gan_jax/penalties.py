"""Gradient penalties, per example, of a plain function from a batch to logits or to images.

The gradient is that of the *summed* logits with respect to the batch. Where the function treats
examples apart this equals the gradient of each; with batch statistics it does not, and the summed
form is the one that published implementations use. All values are `[B]`, in float32 even under
half precision (float64 stays), without the penalty's weight.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

Logits = Callable[[Array], Array]
"""`images [B, ...] -> logits [B]`."""


def _gradient(discriminator: Logits, batch: Array) -> Array:
    """Of the summed logits, one flat row an example: `[B, N]`."""
    gradient = jax.grad(lambda batch: jnp.sum(_single(discriminator(batch))))(batch)
    return _single(gradient).reshape(batch.shape[0], -1)


def _single(array: Array) -> Array:
    """In float32 at least."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _square(gradient: Array) -> Array:
    return jnp.sum(jnp.square(gradient), axis=1)


def _norm(gradient: Array) -> Array:
    """The length of each row; its own gradient is 0, not NaN, where the row is 0."""
    square = _square(gradient)
    safe = jnp.where(square > 0, square, 1.0)
    return jnp.where(square > 0, jnp.sqrt(safe), 0.0)


def _share_of_each(key: Array, batch: Array) -> Array:
    """A share in [0, 1) an example, `[B, 1, …]` to multiply the batch with."""
    return jax.random.uniform(key, (batch.shape[0],) + (1,) * (batch.ndim - 1), batch.dtype)


def between(real: Array, fake: Array, key: Array) -> Array:
    """u x + (1 - u) G(z) with one u ~ U[0, 1] a pair, `[B, ...]`."""
    share = _share_of_each(key, real)
    return share * real + (1.0 - share) * fake


def r1(discriminator: Logits, real: Array) -> Array:
    """0.5 |grad D(x)|^2 at real pictures (Mescheder et al. 2018, eq. 9, without its gamma)."""
    return 0.5 * _square(_gradient(discriminator, real))


def r2(discriminator: Logits, fake: Array) -> Array:
    """0.5 |grad D(G(z))|^2 at generated pictures (Mescheder et al. 2018, eq. 10)."""
    return r1(discriminator, fake)


def gradient_penalty(discriminator: Logits, real: Array, fake: Array, key: Array) -> Array:
    """(|grad D(x)| - 1)^2 between real and generated pictures (WGAN-GP: Gulrajani et al. 2017,
    eq. 3, without its lambda of 10)."""
    return jnp.square(_norm(_gradient(discriminator, between(real, fake, key))) - 1.0)


def dragan(discriminator: Logits, real: Array, key: Array) -> Array:
    """(|grad D(x + d)| - 1)^2 around real pictures (DRAGAN: Kodali et al. 2017, section 2.3).

    The perturbation is that of the authors' code: d = a u std(x) / 2 with u ~ U[0, 1] a pixel,
    a ~ U[0, 1] a picture and one standard deviation of the whole batch.
    """
    pixel_key, picture_key = jax.random.split(key)
    noise = 0.5 * jnp.std(real) * jax.random.uniform(pixel_key, real.shape, real.dtype)
    perturbed = real + _share_of_each(picture_key, real) * noise
    return jnp.square(_norm(_gradient(discriminator, perturbed)) - 1.0)


def zero_centred(discriminator: Logits, real: Array, fake: Array, key: Array) -> Array:
    """|grad D(x)|^2 between real and generated pictures (0-GP: Thanh-Tung et al. 2019, eq. 5,
    without its lambda)."""
    return _square(_gradient(discriminator, between(real, fake, key)))


def path_length(
    synthesise: Callable[[Array], Array], styles: Array, key: Array, mean: Array, decay: float
) -> tuple[Array, Array]:
    """(|J' y| - a)^2 of a synthesis network at its styles (Karras et al. 2020b, eq. 4).

    y ~ N(0, 1) / sqrt(H W) in image space; the squared length of J' y, a row of it a layer, is
    summed over the style and averaged over layers; a is the moving average of the lengths, this
    batch's included, and is differentiated like them.

    Args:
        synthesise: `styles [B, L, W] -> images [B, H, W, C]`.
        styles: w of each layer, `[B, L, W]`.
        key: of y.
        mean: a so far, float32 `[]`.
        decay: the share of this batch's mean in the new a (0.01 as published).

    Returns:
        The penalty, float32 `[B]`, and the new a, float32 `[]`, detached.
    """

    def projected(styles: Array) -> Array:
        images = _single(synthesise(styles))
        noise = jax.random.normal(key, images.shape, images.dtype)
        noise /= jnp.sqrt(images.shape[1] * images.shape[2])
        return jnp.sum(images * noise)

    gradient = _single(jax.grad(projected)(styles))
    lengths = _norm(gradient.reshape(styles.shape[0], -1)) / jnp.sqrt(styles.shape[1])
    mean = mean + decay * (jnp.mean(lengths) - mean)
    return jnp.square(lengths - mean), jax.lax.stop_gradient(mean)
