"""Adversarial losses: per-example values of a discriminator's and a generator's objective.

A loss knows nothing of networks. It is a pair of functions of the logits of a real and of a
generated batch, each `[B]`; higher logits mean "real". The caller averages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError


class AdversarialLoss(NamedTuple):
    """What each player minimises: `(real_logits [B], fake_logits [B]) -> [B]`.

    Attributes:
        discriminator: of both halves; differentiated by the discriminator's parameters.
        generator: likewise, by the generator's.
        relativistic: whether the generator's half reads the real logits; where it does not, a
            recipe need not compute them.
        boundary: the logit of what looks as real as generated; None where only differences of
            logits mean something, so that nothing may be read from one picture's logit.
    """

    discriminator: Callable[[Array, Array], Array]
    generator: Callable[[Array, Array], Array]
    relativistic: bool = False
    boundary: float | None = 0.0


def _cross_entropy(real_logits: Array, fake_logits: Array) -> Array:
    """-log D(x) - log(1 - D(G(z))) with D = sigmoid(logits)."""
    return jax.nn.softplus(-real_logits) + jax.nn.softplus(fake_logits)


minimax = AdversarialLoss(
    discriminator=_cross_entropy,
    generator=lambda real_logits, fake_logits: -jax.nn.softplus(fake_logits),
)
"""The zero-sum game: the generator minimises log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1)."""

non_saturating = AdversarialLoss(
    discriminator=_cross_entropy,
    generator=lambda real_logits, fake_logits: jax.nn.softplus(-fake_logits),
)
"""The generator minimises -log D(G(z)) (Goodfellow et al. 2014, section 3)."""

hinge = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: (
        jax.nn.relu(1.0 - real_logits) + jax.nn.relu(1.0 + fake_logits)
    ),
    generator=lambda real_logits, fake_logits: -fake_logits,
)
"""Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17."""

least_squares = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: (
        0.5 * jnp.square(real_logits - 1.0) + 0.5 * jnp.square(fake_logits)
    ),
    generator=lambda real_logits, fake_logits: 0.5 * jnp.square(fake_logits - 1.0),
    boundary=0.5,
)
"""Mao et al. 2017, eq. 2 with the 0-1 coding of eq. 9: a = 0, b = c = 1."""

wasserstein = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: fake_logits - real_logits,
    generator=lambda real_logits, fake_logits: -fake_logits,
    boundary=None,
)
"""Arjovsky et al. 2017, eq. 2 and 3; the critic needs clipped weights or a gradient penalty."""

relativistic_pairing = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: jax.nn.softplus(fake_logits - real_logits),
    generator=lambda real_logits, fake_logits: jax.nn.softplus(real_logits - fake_logits),
    relativistic=True,
    boundary=None,
)
"""RpGAN: -log sigmoid of the difference within a pair (Jolicoeur-Martineau 2019, eq. 9 and 10;
Huang et al. 2024, eq. 2 with f(t) = -log(1 + e^-t))."""


def _against_the_mean(higher: Array, lower: Array) -> Array:
    """-log sigmoid(h - mean l) - log(1 - sigmoid(l - mean h)): each against the other's mean."""
    return jax.nn.softplus(jnp.mean(lower) - higher) + jax.nn.softplus(lower - jnp.mean(higher))


relativistic_average = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: _against_the_mean(real_logits, fake_logits),
    generator=lambda real_logits, fake_logits: _against_the_mean(fake_logits, real_logits),
    relativistic=True,
    boundary=None,
)
"""RaGAN: each picture against the mean of the other kind (Jolicoeur-Martineau 2019, eq. 15-18 with
the cross-entropy)."""


def named(name: str) -> AdversarialLoss:
    """The loss of this module that a config names.

    Raises:
        UsageError: there is none of that name.
    """
    known = {key: value for key, value in globals().items() if isinstance(value, AdversarialLoss)}
    if name not in known:
        raise UsageError(f"no loss {name!r}; there are {', '.join(known)}")
    return known[name]


def label_smoothing(real_target: float) -> AdversarialLoss:
    """`non_saturating` whose discriminator aims at `real_target` instead of 1 on real pictures:
    -t log D(x) - (1 - t) log(1 - D(x)) - log(1 - D(G(z))) (Salimans et al. 2016, section 3.4,
    one-sided; t = 0.9 there).

    Raises:
        UsageError: a target outside (0.5, 1].
    """
    if not 0.5 < real_target <= 1.0:
        raise UsageError(f"label smoothing aims at a share above 0.5, at most 1, not {real_target}")

    def discriminator(real_logits: Array, fake_logits: Array) -> Array:
        return _cross_entropy(real_logits, fake_logits) + (1.0 - real_target) * real_logits

    return AdversarialLoss(discriminator, non_saturating.generator)


def top_k(values: Array, fake_logits: Array, share: Array | float) -> Array:
    """The mean of a generator's losses `[B]` over the `share` of its pictures with the highest
    logits `[B]`, at least one of them, `[]`.

    The generated pictures that the discriminator likes best are kept (Sinha et al. 2020); `share`
    may be a traced scalar in (0, 1], such as one that a schedule lets fall.
    """
    kept = jnp.clip(jnp.round(share * values.shape[0]), 1, values.shape[0])
    # Ties by position: exactly `kept` of them count.
    rank = jnp.argsort(jnp.argsort(-jax.lax.stop_gradient(fake_logits)))
    return jnp.sum(jnp.where(rank < kept, values, 0.0)) / kept
