"""Adversarial losses: per-example values of a discriminator's and a generator's objective.

A loss knows nothing of networks. It is a pair of functions of the logits of a real and of a
generated batch, each `[B]`; positive logits mean "real". The caller averages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import Array


class AdversarialLoss(NamedTuple):
    """What each player minimises: `(real_logits [B], fake_logits [B]) -> [B]`.

    `relativistic` says whether the generator's half reads the real logits; where it does not, a
    recipe need not compute them.
    """

    discriminator: Callable[[Array, Array], Array]
    generator: Callable[[Array, Array], Array]
    relativistic: bool = False


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
