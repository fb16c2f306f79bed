"""The noise recipe: noise, or noise and a label, to an image, against one discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.losses import AdversarialLoss
from gan_jax.penalties import r1
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe, batch_size
from gan_jax.schedules import Schedule


def noise_recipe(
    *,
    generator: nn.Module,
    discriminator: nn.Module,
    latent_size: int,
    num_classes: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    discriminator_turns: int = 1,
    r1_every: int | None = None,
) -> Recipe:
    """One generator `(z, label, train=) -> images` against one `(images, label, train=) -> logits`.

    The discriminator takes `discriminator_turns` turns a round, each on its own real batch, then
    the generator one. `values` must hold `ema_decay`, and with `r1_every` also `r1_weight`, the
    gamma of the R1 penalty: with `r1_every=1` the penalty joins the discriminator's loss, with
    k > 1 it is a lazy phase of its own, k times as heavy every k rounds (Karras et al. 2020,
    appendix B).

    Args:
        generator: network; `label` is None where `num_classes` is 0.
        discriminator: network; logits `[B]`.
        latent_size: length of z ~ N(0, 1).
        num_classes: of the labels in `batch["label"]`; 0 for an unconditional model.
        loss: the adversarial pair.
        values: the recipe's named scalars.
        schedules: of those names or of `network.hyperparameter`.
        discriminator_turns: n of "n-critic".
        r1_every: None for no R1.
    """

    def label_of(batch: Batch) -> Array | None:
        return batch["label"] if num_classes else None

    def latents(key: Array, batch: Batch) -> Array:
        return jax.random.normal(key, (batch_size(batch), latent_size))

    def penalty(nets: Nets, batch: Batch) -> Array:
        judge = nets.fixed("discriminator")
        return jnp.mean(r1(lambda images: judge(images, label_of(batch)), batch["image"]))

    def train_discriminator(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ) -> tuple[Array, Aux]:
        label = label_of(batch)
        fake, nets = nets("generator", latents(key, batch), label)
        real_logits, nets = nets("discriminator", batch["image"], label)
        fake_logits, nets = nets("discriminator", fake, label)
        scalar = jnp.mean(loss.discriminator(real_logits, fake_logits))
        metrics = {
            "adversarial": scalar,
            "real_logits": jnp.mean(real_logits),
            "fake_logits": jnp.mean(fake_logits),
        }
        if r1_every == 1:
            metrics["r1"] = penalty(nets, batch)
            scalar += values["r1_weight"] * metrics["r1"]
        return scalar, Aux(nets, extra, metrics)

    def lazy_r1(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ) -> tuple[Array, Aux]:
        assert r1_every is not None
        measured = penalty(nets, batch)
        return r1_every * values["r1_weight"] * measured, Aux(nets, extra, {"r1": measured})

    def train_generator(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ) -> tuple[Array, Aux]:
        label = label_of(batch)
        fake, nets = nets("generator", latents(key, batch), label)
        fake_logits, nets = nets("discriminator", fake, label)
        real_logits = fake_logits
        if loss.relativistic:
            real_logits, nets = nets("discriminator", batch["image"], label)
        scalar = jnp.mean(loss.generator(real_logits, fake_logits))
        return scalar, Aux(nets, extra, {})

    def inputs(batch: Batch) -> dict[str, tuple[Any, ...]]:
        label = label_of(batch)
        z = jnp.zeros((batch_size(batch), latent_size))
        return {"generator": (z, label), "discriminator": (batch["image"], label)}

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        images, _ = nets("generator", latents * truncation, label_of(batch))
        return images

    def discriminate(nets: Nets, batch: Batch) -> Array:
        logits, _ = nets("discriminator", batch["image"], label_of(batch))
        return logits

    phases = [
        Phase(
            name="discriminator",
            trains=("discriminator",),
            loss=train_discriminator,
            repeat=discriminator_turns,
        )
    ]
    if r1_every is not None and r1_every > 1:
        phases.append(Phase(name="r1", trains=("discriminator",), loss=lazy_r1, every=r1_every))
    phases.append(Phase(name="generator", trains=("generator",), loss=train_generator))
    return Recipe(
        networks={"generator": generator, "discriminator": discriminator},
        phases=tuple(phases),
        inputs=inputs,
        values=values,
        schedules=schedules,
        ema={"generator": "ema_decay"},
        latents=latents,
        generate=generate,
        discriminate=discriminate,
    )
