"""The variational autoencoder: an encoder and a decoder under one bound (Kingma and Welling 2014).

Both minimise `-log p(x|z) + beta * KL(q(z|x) || N(0, 1))` with one draw z of q, summed over pixels
and latents, averaged over the batch; beta above 1 is the beta-VAE (Higgins et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe, batch_size
from gan_jax.recipes.needed_values import check_values
from gan_jax.schedules import Schedule
from gan_jax.translation import Translation
from gan_jax.variational import (
    bits_per_dimension,
    discretised_logistic_log_likelihood,
    free_bits,
    gaussian_log_likelihood,
    kl_to_standard_normal,
    laplace_log_likelihood,
    reparametrised_sample,
)


class Likelihood(NamedTuple):
    """p(x|z).

    Attributes:
        log: `(x [B, H, W, C], mean, log_scale) -> [B]`, nats.
        is_density: over [-1, 1]; False for probabilities of the 256 levels.
    """

    log: Callable[[Array, Array, Array], Array]
    is_density: bool


LIKELIHOODS = {
    "gaussian": Likelihood(gaussian_log_likelihood, True),
    "laplace": Likelihood(laplace_log_likelihood, True),
    "logistic": Likelihood(discretised_logistic_log_likelihood, False),
}


def likelihood_named(name: str) -> Likelihood:
    """Raises UsageError where there is none of that name."""
    if name not in LIKELIHOODS:
        raise UsageError(f"no likelihood {name!r}; there are {', '.join(LIKELIHOODS)}")
    return LIKELIHOODS[name]


def vae_recipe(
    *,
    encoder: nn.Module,
    decoder: nn.Module,
    latent_size: int,
    likelihood: Likelihood,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """`encoder(images) -> Posterior`, `decoder(z [B, Z]) -> Decoded`, one phase that trains both.

    Args:
        encoder, decoder: of `networks.vae`, or alike.
        latent_size: Z.
        likelihood: of `LIKELIHOODS`.
        values: `beta`, `free_bits` (nats a latent that cost nothing; 0 for the bound itself),
            `ema_decay`.
        schedules: of those names, or of `network.hyperparameter`.

    Raises:
        UsageError: a value that is missing or negative.
    """
    check_values(values, ("beta", "free_bits", "ema_decay"))

    def loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]):
        image = batch["image"]
        posterior, nets = nets("encoder", image)
        kl = kl_to_standard_normal(posterior.mean, posterior.log_variance)
        decoded, nets = nets(
            "decoder", reparametrised_sample(posterior.mean, posterior.log_variance, key)
        )
        fit = likelihood.log(image, decoded.mean, decoded.log_scale)
        fit_mean, divergence = jnp.mean(fit), jnp.mean(jnp.sum(kl, axis=-1))
        metrics = {
            "elbo": fit_mean - divergence,
            "log_likelihood": fit_mean,
            "kl": divergence,
            "l1": jnp.mean(jnp.abs(image - decoded.mean)),
            "active_latents": jnp.sum(jnp.mean(kl, axis=0) > 0.01).astype(jnp.float32),
        }
        if not likelihood.is_density:  # whose bound is the length of no code
            metrics["bits_per_dimension"] = bits_per_dimension(metrics["elbo"], image[0].size)
        cost = values["beta"] * free_bits(kl, values["free_bits"])
        return cost - fit_mean, Aux(nets, extra, metrics)

    return Recipe(
        networks={"encoder": encoder, "decoder": decoder},
        phases=(Phase(name="bound", trains=("encoder", "decoder"), loss=loss),),
        inputs=lambda batch: inputs(batch, latent_size),
        values=values,
        schedules=schedules,
        ema={"encoder": "ema_decay", "decoder": "ema_decay"},
        latents=lambda key, batch: jax.random.normal(key, (batch_size(batch), latent_size)),
        generate=generate,
        encode=encode,
        translation=Translation(run=reconstruct),
    )


def inputs(batch: Batch, latent_size: int) -> dict[str, tuple[Any, ...]]:
    """Example arguments of both networks."""
    z = jnp.zeros((batch_size(batch), latent_size))
    return {"encoder": (batch["image"],), "decoder": (z,)}


def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
    """The decoder's means, clipped to what a picture is."""
    return jnp.clip(nets("decoder", truncation * latents)[0].mean, -1.0, 1.0)


def encode(nets: Nets, batch: Batch) -> Array:
    """The posterior's means `[B, Z]`."""
    return nets("encoder", batch["image"])[0].mean


def reconstruct(nets: Nets, batch: Batch) -> Array:
    """What is drawn of the posterior's means."""
    return generate(nets, encode(nets, batch), batch, jnp.ones(()))


def log_weight(likelihood: Likelihood) -> Callable[[Nets, Batch, Array], Array]:
    """`(nets, batch, key) -> log p(x, z) - log q(z|x)`, `[B]`, of one draw z of q: what the
    importance-weighted bound averages (Burda et al. 2016)."""

    def weigh(nets: Nets, batch: Batch, key: Array) -> Array:
        image = batch["image"]
        posterior, nets = nets("encoder", image)
        z = reparametrised_sample(posterior.mean, posterior.log_variance, key)
        decoded, nets = nets("decoder", z)
        prior = gaussian_log_likelihood(z, jnp.zeros_like(z), 0.0)
        of_z = gaussian_log_likelihood(z, posterior.mean, 0.5 * posterior.log_variance)
        return likelihood.log(image, decoded.mean, decoded.log_scale) + prior - of_z

    return weigh
