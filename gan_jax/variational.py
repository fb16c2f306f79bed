"""Terms of the variational bound, per example, in nats: divergences, likelihoods, bounds.

Networks that give means, log variances and log scales are elsewhere; the caller averages. Values
are float32 even under half precision (float64 stays). Log variances within ±80 and log scales
within ±40 give finite values and gradients.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

HALF_STEP = 1.0 / 255.0
"""Of the 256 levels of [-1, 1]."""


def kl_to_standard_normal(mean: Array, log_variance: Array) -> Array:
    """KL(N(mean, variance) || N(0, 1)) per dimension (Kingma and Welling 2014, appendix B).

    Args:
        mean: `[B, Z]`.
        log_variance: `[B, Z]`.

    Returns:
        `[B, Z]`, at least 0.
    """
    mean, log_variance = _single(mean), _single(log_variance)
    # expm1 keeps what exp(v) - 1 would round away near the prior.
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def free_bits(kl: Array, least: Array | float) -> Array:
    """The sum over dimensions of max(least, the batch's mean KL): below `least` nats a dimension's
    divergence costs nothing more (Kingma et al. 2016, appendix C.8, one dimension a group).

    Args:
        kl: `[B, Z]`.
        least: lambda, in nats, at least 0; may be traced.

    Returns:
        `[]`, in the place of the batch's mean of the sums over Z, which it is at 0.
    """
    return jnp.sum(jnp.maximum(jnp.mean(kl, axis=0), least))


def reparametrised_sample(mean: Array, log_variance: Array, key: Array) -> Array:
    """mean + deviation · N(0, 1), differentiable by both, `[B, Z]` (Kingma and Welling 2014)."""
    mean, log_variance = _single(mean), _single(log_variance)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    return mean + jnp.exp(0.5 * log_variance) * noise


def gaussian_log_likelihood(x: Array, mean: Array, log_scale: Array | float) -> Array:
    """log N(x; mean, scale^2), summed over all but the first axis.

    Args:
        x: `[B, ...]`: pictures in [-1, 1], or latents and codes.
        mean: `[B, ...]`.
        log_scale: of the standard deviation; of x's shape or one that broadcasts to it.

    Returns:
        `[B]`.
    """
    difference, log_scale = _single(x) - _single(mean), _single(log_scale)
    square = jnp.square(difference * jnp.exp(-log_scale))
    return _sum(-0.5 * square - log_scale - 0.5 * np.log(2 * np.pi))


def laplace_log_likelihood(x: Array, mean: Array, log_scale: Array | float) -> Array:
    """log of exp(-|x - mean| / scale) / (2 scale), as `gaussian_log_likelihood`."""
    difference, log_scale = _single(x) - _single(mean), _single(log_scale)
    return _sum(-jnp.abs(difference) * jnp.exp(-log_scale) - log_scale - np.log(2.0))


def discretised_logistic_log_likelihood(x: Array, mean: Array, log_scale: Array | float) -> Array:
    """The log of the probability that a logistic distribution gives the bin of width 2/255 around
    x; the bins of -1 and 1 reach to infinity (Salimans et al. 2017, equation 2, one component and
    channels apart).

    Args:
        x: `[B, ...]`, on the 256 levels of [-1, 1].
        mean: `[B, ...]`.
        log_scale: of the logistic's s; of x's shape or one that broadcasts to it.

    Returns:
        `[B]`, summed over all but the first axis; at most 0 but for rounding.
    """
    x, mean, log_scale = _single(x), _single(mean), _single(log_scale)
    precision = jnp.exp(-log_scale)
    above = (x - mean + HALF_STEP) * precision
    below = (x - mean - HALF_STEP) * precision
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of near
    # equals, and each factor finite, so that the ends may leave theirs out.
    first, last = x < HALF_STEP - 1.0, x > 1.0 - HALF_STEP
    width = jnp.log(-jnp.expm1(-2 * HALF_STEP * precision))
    return _sum(
        jnp.where(last, 0.0, -jax.nn.softplus(-above))
        + jnp.where(first, 0.0, -jax.nn.softplus(below))
        + jnp.where(first | last, 0.0, width)
    )


def importance_weighted_bound(log_weights: Array) -> Array:
    """log of the mean of the weights p(x, z) / q(z|x) of K draws from q (Burda et al. 2016,
    equation 8): the variational bound at K = 1, the log likelihood as K grows.

    Args:
        log_weights: `[K, B]`.

    Returns:
        `[B]`.
    """
    log_weights = _single(log_weights)
    return jax.nn.logsumexp(log_weights, axis=0) - np.log(log_weights.shape[0])


def bits_per_dimension(log_likelihood: Array, dimensions: int) -> Array:
    """`-log_likelihood / (dimensions · log 2)`, the length of a code; that of a density is none.

    Args:
        log_likelihood: `[B]`, in nats, or a bound of it.
        dimensions: H · W · C.

    Returns:
        `[B]`.
    """
    return -_single(log_likelihood) / (dimensions * np.log(2.0))


def _single(array: Array | float) -> Array:
    """In float32 at least."""
    array = jnp.asarray(array)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _sum(values: Array) -> Array:
    return jnp.sum(values.reshape(values.shape[0], -1), axis=1)
