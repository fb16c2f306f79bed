"""InfoGAN: codes that a picture must give back (Chen et al. 2016).

The generator draws of noise and codes; the discriminator also recognises the codes, and both
minimise -log Q(codes | picture), a bound of the mutual information. One network is discriminator
and Q, so what the paper's Q minimises belongs to the discriminator's phase here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.information import categorical_loss, continuous_loss
from gan_jax.losses import AdversarialLoss
from gan_jax.networks.infogan import Recognised
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe, batch_size
from gan_jax.recipes.needed_values import check_values
from gan_jax.schedules import Schedule

Latents = Mapping[str, Array]
"""`z` `[B, Z]` and `continuous` `[B, C]`, both N(0, 1), and `categorical` int32 `[B, N]`."""


def infogan_recipe(
    *,
    generator: nn.Module,
    discriminator: nn.Module,
    latent_size: int,
    categorical: Sequence[int],
    continuous: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """`generator(z and codes [B, Z + K_1 + … + C]) -> images`, `discriminator(images) ->
    Recognised`; the discriminator's phase, then the generator's.

    Args:
        generator, discriminator: networks, the latter of `networks.infogan`.
        latent_size: Z of the noise.
        categorical: choices K_i of each categorical code; uniform.
        continuous: C codes, uniform in [-1, 1].
        loss: the adversarial pair; a relativistic one is refused.
        values: `categorical_weight`, `continuous_weight` (1 and 0.1 for MNIST), `ema_decay`.
        schedules: of those names or of `network.hyperparameter`.

    Raises:
        UsageError: a value that is missing or negative, or a relativistic loss.
    """
    if loss.relativistic:
        raise UsageError("InfoGAN's generator is judged by single logits: no relativistic loss")
    check_values(values, ("categorical_weight", "continuous_weight", "ema_decay"))

    def latents(key: Array, batch: Batch) -> Latents:
        count = batch_size(batch)
        z_key, continuous_key, *keys = jax.random.split(key, 2 + len(categorical))
        drawn = [
            jax.random.randint(key, (count,), 0, choices)
            for key, choices in zip(keys, categorical, strict=True)
        ]
        return {
            "z": jax.random.normal(z_key, (count, latent_size)),
            "categorical": jnp.stack(drawn, axis=-1) if drawn else jnp.zeros((count, 0), jnp.int32),
            "continuous": jax.random.normal(continuous_key, (count, continuous)),
        }

    def of_codes(recognised: Recognised, drawn: Latents, values: Mapping[str, Array]):
        """The weighted bound `[B]` and its parts."""
        parts = {
            "categorical": categorical_loss(recognised.categorical, drawn["categorical"]),
            "continuous": continuous_loss(
                recognised.mean, recognised.log_variance, uniform(drawn["continuous"])
            ),
        }
        total = sum(values[f"{name}_weight"] * part for name, part in parts.items())
        return total, {name: jnp.mean(part) for name, part in parts.items()}

    def discriminator_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        drawn = latents(key, batch)
        fake = nets.fixed("generator")(laid_out(drawn, categorical))
        of_real, nets = nets("discriminator", batch["image"])
        of_fake, nets = nets("discriminator", fake)
        adversarial = loss.discriminator(of_real.logits, of_fake.logits)
        information, metrics = of_codes(of_fake, drawn, values)
        metrics |= {
            "adversarial": jnp.mean(adversarial),
            "real_logits": jnp.mean(of_real.logits),
            "fake_logits": jnp.mean(of_fake.logits),
        }
        return jnp.mean(adversarial + information), Aux(nets, extra, metrics)

    def generator_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        drawn = latents(key, batch)
        fake, nets = nets("generator", laid_out(drawn, categorical))
        of_fake = nets.fixed("discriminator")(fake)
        adversarial = loss.generator(of_fake.logits, of_fake.logits)
        information, metrics = of_codes(of_fake, drawn, values)
        metrics |= {"adversarial": jnp.mean(adversarial)}
        return jnp.mean(adversarial + information), Aux(nets, extra, metrics)

    def generate(nets: Nets, drawn: Latents, batch: Batch, truncation: Array) -> Array:
        scaled = {**drawn, "z": truncation * drawn["z"]}
        return nets("generator", laid_out(scaled, categorical))[0]

    def discriminate(nets: Nets, batch: Batch) -> Array:
        return nets("discriminator", batch["image"])[0].logits - (loss.boundary or 0.0)

    def inputs(batch: Batch):
        drawn = latents(jax.random.key(0), batch)
        return {"generator": (laid_out(drawn, categorical),), "discriminator": (batch["image"],)}

    return Recipe(
        networks={"generator": generator, "discriminator": discriminator},
        phases=(
            Phase(name="discriminator", trains=("discriminator",), loss=discriminator_loss),
            Phase(name="generator", trains=("generator",), loss=generator_loss),
        ),
        inputs=inputs,
        values=values,
        schedules=schedules,
        ema={"generator": "ema_decay"},
        latents=latents,
        generate=generate,
        discriminate=None if loss.boundary is None else discriminate,
    )


def uniform(normal: Array) -> Array:
    """N(0, 1) to its quantile, uniform in [-1, 1]: latents stay normal, so that a walk between two
    is one of normal latents, whose codes are uniform all the way."""
    return jax.scipy.special.erf(normal / jnp.sqrt(2.0))


def laid_out(drawn: Latents, categorical: Sequence[int]) -> Array:
    """What the generator takes `[B, Z + K_1 + … + C]`: noise, one-hot choices, continuous codes."""
    columns = zip(drawn["categorical"].T, categorical, strict=True)
    chosen = [jax.nn.one_hot(column, choices) for column, choices in columns]
    return jnp.concatenate([drawn["z"], *chosen, uniform(drawn["continuous"])], axis=-1)
