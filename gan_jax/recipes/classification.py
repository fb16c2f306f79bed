"""What a discriminator learns of labels beside real and generated, and teaches the generator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from gan_jax import class_losses
from gan_jax.errors import UsageError
from gan_jax.layers.verdict import Verdict


@dataclasses.dataclass(frozen=True)
class Classification:
    """A loss of what the discriminator says of a batch and its labels.

    Its weight is the recipe's value `classification_weight`, in both players' losses.

    Attributes:
        loss: `(verdict, label) -> [B]`.
        of_fakes: whether the discriminator learns it on generated pictures too.
    """

    loss: Callable[[Verdict, Array], Array]
    of_fakes: bool = False


def auxiliary_classifier(of_fakes: bool) -> Classification:
    """AC-GAN's; on generated pictures too in the paper (Odena et al. 2017), on real ones alone in
    what later work calls ACGAN-Mod. Needs `AuxiliaryClassifierHead`."""

    def loss(verdict: Verdict, label: Array) -> Array:
        logits = _needed(verdict.class_logits, "AuxiliaryClassifierHead")
        return class_losses.auxiliary_classifier(logits, label)

    return Classification(loss, of_fakes)


def contrastive(temperature: float) -> Classification:
    """ContraGAN's 2C loss; published temperature 1 on CIFAR-10. Needs `ContrastiveHead`."""
    _check_temperature(temperature)

    def loss(verdict: Verdict, label: Array) -> Array:
        embedding = _needed(verdict.embedding, "ContrastiveHead")
        proxies = _needed(verdict.proxies, "ContrastiveHead")
        return class_losses.conditional_contrastive(
            embedding, proxies, _class(label), temperature=temperature
        )

    return Classification(loss)


def data_to_data(temperature: float, margin: float) -> Classification:
    """ReACGAN's D2D-CE loss with m_p = margin and m_n = 1 - margin, as its authors' code has it;
    published temperature 0.5 and margin 0.98 on CIFAR-10. Needs `ContrastiveHead`."""
    _check_temperature(temperature)
    if not -1.0 <= margin <= 1.0:
        raise UsageError(f"margin={margin:g} is a cosine, between -1 and 1")

    def loss(verdict: Verdict, label: Array) -> Array:
        return class_losses.data_to_data_cross_entropy(
            _needed(verdict.embedding, "ContrastiveHead"),
            _needed(verdict.proxies, "ContrastiveHead"),
            _class(label),
            temperature=temperature,
            positive_margin=margin,
            negative_margin=1.0 - margin,
        )

    return Classification(loss)


def _check_temperature(temperature: float) -> None:
    if temperature <= 0:
        raise UsageError(f"temperature={temperature:g} must be above 0")


def _class(label: Array) -> Array:
    if not jnp.issubdtype(label.dtype, jnp.integer):
        raise UsageError(
            "this classification tells pictures of one class from those of others, and attributes "
            "are no classes: take auxiliary_classifier, or leave it out"
        )
    return label


def _needed(output: Array | None, head: str) -> Array:
    if output is None:
        raise UsageError(
            f"this classification needs head={head}(…) of the discriminator, as every one in "
            "gan_jax.networks takes it"
        )
    return output
