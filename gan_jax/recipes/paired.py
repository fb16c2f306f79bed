"""Paired translation: from a condition to the picture that belongs to it (Isola et al. 2017).

The discriminator sees picture and condition side by side and minimises half of the adversarial
loss over its map of logits, as published; the generator minimises the adversarial loss and
`l1_weight` times the mean absolute difference to the true picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from gan_jax.losses import AdversarialLoss
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe, batch_size
from gan_jax.recipes.needed_values import check_values
from gan_jax.schedules import Schedule
from gan_jax.translation import Translation

Condition = Callable[[Batch], Array]
"""`batch -> [B, H, W, K]`, in [-1, 1]: a picture of the batch, or one drawn of its numbers."""


def paired_recipe(
    *,
    generator: nn.Module,
    discriminator: nn.Module,
    condition: Condition,
    given: tuple[str, ...],
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    frozen: Mapping[str, nn.Module],
    asked: Callable[[Nets, Batch], Array] | None,
) -> Recipe:
    """`generator(condition) -> images`, `discriminator(images, condition) -> logits [B, h, w]`;
    the discriminator's phase, then the generator's. A batch's `image` is the truth.

    Args:
        generator, discriminator: as `networks.unet` and `networks.patchgan`.
        condition: of a batch.
        given: the names that it reads.
        loss: the adversarial pair, taken place by place.
        values: `l1_weight` (100 as published), `ema_decay` (0 for none).
        schedules: of those names or of `network.hyperparameter`.
        frozen: networks that `asked` calls.
        asked: `(nets, batch) -> condition` of a user's pictures `image`; None where nothing finds
            it in them.

    Raises:
        UsageError: a value that is missing or negative.
    """
    check_values(values, ("l1_weight", "ema_decay"))

    def discriminator_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        real, seen = batch["image"], condition(batch)
        fake = nets.fixed("generator")(seen)
        real_logits, nets = nets("discriminator", real, seen)
        fake_logits, nets = nets("discriminator", fake, seen)
        value = 0.5 * jnp.mean(loss.discriminator(real_logits, fake_logits))
        metrics = {"real_logits": jnp.mean(real_logits), "fake_logits": jnp.mean(fake_logits)}
        return value, Aux(nets, extra, metrics)

    def generator_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        real, seen = batch["image"], condition(batch)
        fake, nets = nets("generator", seen)
        judge = nets.fixed("discriminator")
        fake_logits = judge(fake, seen)
        real_logits = judge(real, seen) if loss.relativistic else fake_logits
        adversarial = jnp.mean(loss.generator(real_logits, fake_logits))
        difference = jnp.mean(jnp.abs(fake - real))
        metrics = {"adversarial": adversarial, "l1": difference}
        return adversarial + values["l1_weight"] * difference, Aux(nets, extra, metrics)

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        return nets("generator", condition(batch))[0]

    def inputs(batch: Batch):
        seen = condition(batch)
        return {"generator": (seen,), "discriminator": (batch["image"], seen)}

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
        given=given,
        latents=no_latents,
        generate=generate,
        frozen=frozen,
        translation=asked
        and Translation(run=lambda nets, batch: nets("generator", asked(nets, batch))[0]),
    )


def no_latents(key: Array, batch: Batch) -> Array:
    """`[B, 0]`: what is drawn follows from the condition alone."""
    return jnp.zeros((batch_size(batch), 0))
