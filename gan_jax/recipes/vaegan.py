"""VAE-GAN: an autoencoder that is judged by what a discriminator sees (Larsen et al. 2016).

The likelihood of pixels gives way to one of the discriminator's features: a Gaussian of variance 1
around those of the reconstruction. The discriminator tells real pictures from reconstructions and
from samples of the prior.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.losses import AdversarialLoss
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe, batch_size
from gan_jax.recipes import vae
from gan_jax.recipes.needed_values import check_values
from gan_jax.schedules import Schedule
from gan_jax.translation import Translation
from gan_jax.variational import kl_to_standard_normal, reparametrised_sample

Values = Mapping[str, Array]


def vaegan_recipe(
    *,
    encoder: nn.Module,
    decoder: nn.Module,
    discriminator: nn.Module,
    latent_size: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """`encoder(images) -> Posterior`, `decoder(z [B, Z]) -> Decoded`, `discriminator(images) ->
    Featured`; the discriminator's phase, the encoder's, the decoder's.

    The encoder minimises `beta * KL + difference`, where the difference is half of the squared
    distance of the features of picture and reconstruction; the decoder `similarity_weight *
    difference +` the adversarial loss on reconstructions and samples, the mean of both.

    Args:
        encoder, decoder: of `networks.vae`, or alike.
        discriminator: with a `FeatureHead`, or alike.
        latent_size: Z.
        loss: the adversarial pair.
        values: `beta`, `similarity_weight` (the paper's gamma), `ema_decay`.
        schedules: of those names, or of `network.hyperparameter`.

    Raises:
        UsageError: a value that is missing or negative.
    """
    check_values(values, ("beta", "similarity_weight", "ema_decay"))

    def discriminator_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        encode, decode = nets.fixed("encoder"), nets.fixed("decoder")
        posterior, (z_key, prior_key) = encode(batch["image"]), jax.random.split(key)
        z = reparametrised_sample(posterior.mean, posterior.log_variance, z_key)
        real, nets = nets("discriminator", batch["image"])
        again, nets = nets("discriminator", decode(z).mean)
        made, nets = nets("discriminator", decode(jax.random.normal(prior_key, z.shape)).mean)
        value = jnp.mean(
            loss.discriminator(real.logits, again.logits)
            + loss.discriminator(real.logits, made.logits)
        )
        metrics = {
            "real_logits": jnp.mean(real.logits),
            "reconstruction_logits": jnp.mean(again.logits),
            "sample_logits": jnp.mean(made.logits),
        }
        return 0.5 * value, Aux(nets, extra, metrics)

    def encoder_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        decode, judge = nets.fixed("decoder"), nets.fixed("discriminator")
        posterior, nets = nets("encoder", batch["image"])
        z = reparametrised_sample(posterior.mean, posterior.log_variance, key)
        kl = jnp.sum(kl_to_standard_normal(posterior.mean, posterior.log_variance), axis=-1)
        again = decode(z).mean
        difference = _difference(judge(batch["image"]).features, judge(again).features)
        metrics = {
            "kl": jnp.mean(kl),
            "difference": jnp.mean(difference),
            "l1": jnp.mean(jnp.abs(again - batch["image"])),
        }
        return jnp.mean(values["beta"] * kl + difference), Aux(nets, extra, metrics)

    def decoder_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        encode, judge = nets.fixed("encoder"), nets.fixed("discriminator")
        posterior, (z_key, prior_key) = encode(batch["image"]), jax.random.split(key)
        z = reparametrised_sample(posterior.mean, posterior.log_variance, z_key)
        again, nets = nets("decoder", z)
        made, nets = nets("decoder", jax.random.normal(prior_key, z.shape))
        real, of_again, of_made = judge(batch["image"]), judge(again.mean), judge(made.mean)
        difference = _difference(real.features, of_again.features)
        adversarial = 0.5 * (
            loss.generator(real.logits, of_again.logits)
            + loss.generator(real.logits, of_made.logits)
        )
        metrics = {"difference": jnp.mean(difference), "adversarial": jnp.mean(adversarial)}
        value = values["similarity_weight"] * difference + adversarial
        return jnp.mean(value), Aux(nets, extra, metrics)

    return Recipe(
        networks={"encoder": encoder, "decoder": decoder, "discriminator": discriminator},
        phases=(
            Phase(name="discriminator", trains=("discriminator",), loss=discriminator_loss),
            Phase(name="encoder", trains=("encoder",), loss=encoder_loss),
            Phase(name="decoder", trains=("decoder",), loss=decoder_loss),
        ),
        inputs=lambda batch: vae.inputs(batch, latent_size) | {"discriminator": (batch["image"],)},
        values=values,
        schedules=schedules,
        ema={"encoder": "ema_decay", "decoder": "ema_decay"},
        latents=lambda key, batch: jax.random.normal(key, (batch_size(batch), latent_size)),
        generate=vae.generate,
        encode=vae.encode,
        translation=Translation(run=vae.reconstruct),
        discriminate=None
        if loss.boundary is None
        else lambda nets, batch: nets("discriminator", batch["image"])[0].logits - loss.boundary,
    )


def _difference(a: Array, b: Array) -> Array:
    """-log N(a; b, 1) but for its constant, `[B]` of `[B, F]`."""
    return 0.5 * jnp.sum(jnp.square(a - b), axis=-1)
