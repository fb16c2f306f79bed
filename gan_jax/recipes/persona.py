"""Personas: a face in the style of any of several kinds of pictures (StarGAN v2, Choi et al. 2020).

A style code is drawn (a latent through the mapping network) or read off a reference (by the style
encoder), for one persona or another. One generator puts every face into every style, and one
discriminator has a logit for each persona. Nobody is seen in two personas: that it stays the same
face is what the way back, in the style of the face's own picture, has to tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax import losses, penalties
from gan_jax.errors import UsageError
from gan_jax.recipe import Aux, Batch, Nets, Phase, PhaseLoss, PyTree, Recipe, batch_size
from gan_jax.recipes.needed_values import check_values
from gan_jax.recipes.paired import no_latents
from gan_jax.schedules import Schedule
from gan_jax.translation import Choice, Translation

Values = Mapping[str, Array]
NEEDED = ("style_weight", "diversity_weight", "cycle_weight", "r1_weight", "ema_decay")
PLAYERS = ("generator", "mapping", "style_encoder")
ALONE, JUDGE = ("generator",), ("discriminator",)
ENCODER, TARGET = "style_encoder", "reference_persona"


def persona_recipe(
    *,
    generator: nn.Module,
    mapping: nn.Module,
    style_encoder: nn.Module,
    discriminator: nn.Module,
    personas: tuple[str, ...],
    latent_size: int,
    style_size: int,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    loss: losses.AdversarialLoss = losses.non_saturating,
) -> Recipe:
    """Networks as in `networks.starganv2`: `generator(images, style)`, `mapping(z, persona)` and
    `style_encoder(images, persona)` to style codes, `discriminator(images, persona) -> logits [B]`.

    Batch leaves: `image` of `persona`, and of the target `reference_persona` two pictures, as
    `data.referenced` has them. A round is the discriminator's turn with drawn styles and its turn
    with the references', all players' with drawn styles, the generator's alone with references'.

    Args:
        personas: names, in the order of their numbers.
        latent_size, style_size: of z and of style codes.
        values: `style_weight`, `diversity_weight`, `cycle_weight`, `r1_weight` (1 each as
            published, for faces), `ema_decay` of all but the discriminator (0.999).
        schedules: of those names or of `network.hyperparameter`; diversity's is to fall to 0.
        loss: the adversarial pair.

    Raises:
        UsageError: fewer than two personas, or one twice; a value that is missing or negative.
    """
    if len(set(personas)) != max(2, len(personas)):
        raise UsageError(f"personas={personas}: must be two or more, each once")
    check_values(values, NEEDED)

    def styles(nets: Nets, batch: Batch, key: Array, by: str) -> tuple[Array, Array, Nets]:
        """Two codes `[B, S]` of the target, by the network that makes them."""
        drawn = jax.random.normal(key, (2, batch_size(batch), latent_size))
        sources = {"mapping": drawn, "style_encoder": (batch["reference"], batch["reference_2"])}
        first, nets = nets(by, sources[by][0], batch[TARGET])
        second, nets = nets(by, sources[by][1], batch[TARGET])
        return first, second, nets

    def discriminator_loss(by: str) -> PhaseLoss:
        def phase(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
            real, judge = batch["image"], nets.fixed("discriminator")
            fake = nets.fixed("generator")(real, styles(nets, batch, key, by)[0])
            real_logits, nets = nets("discriminator", real, batch["persona"])
            fake_logits, nets = nets("discriminator", fake, batch[TARGET])
            r1 = jnp.mean(penalties.r1(lambda images: judge(images, batch["persona"]), real))
            value = jnp.mean(loss.discriminator(real_logits, fake_logits))
            means = {"real_logits": jnp.mean(real_logits), "fake_logits": jnp.mean(fake_logits)}
            return value + values["r1_weight"] * r1, Aux(nets, extra, means | {"r1": r1})

        return phase

    def generator_loss(by: str, trains: tuple[str, ...]) -> PhaseLoss:
        def phase(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
            before, judge, real = nets, nets.fixed("discriminator"), batch["image"]
            style, other, nets = styles(nets, batch, key, by)
            fake, nets = nets("generator", real, style)
            read, nets = nets("style_encoder", fake, batch[TARGET])
            # Another picture is only what this one is to differ from.
            another = jax.lax.stop_gradient(nets.fixed("generator")(real, other))
            own_style, nets = nets("style_encoder", real, batch["persona"])
            back, nets = nets("generator", fake, own_style)
            fake_logits = judge(fake, batch[TARGET])
            real_logits = judge(real, batch["persona"]) if loss.relativistic else fake_logits
            adversarial = jnp.mean(loss.generator(real_logits, fake_logits))
            differences = {"style": read - style, "diversity": fake - another, "cycle": back - real}
            terms = {name: jnp.mean(jnp.abs(each)) for name, each in differences.items()}
            value = adversarial - values["diversity_weight"] * terms["diversity"]
            value += sum(values[f"{name}_weight"] * terms[name] for name in ("style", "cycle"))
            moved = {**before.variables, **{name: nets.variables[name] for name in trains}}
            kept = dataclasses.replace(nets, variables=moved)
            return value, Aux(kept, extra, {"adversarial": adversarial} | terms)

        return phase

    def translate(nets: Nets, batch: Batch) -> Array:
        """In the mean style of the references, or without any in one drawn for each picture."""
        if "reference" in batch:
            read = jax.vmap(nets.fixed("style_encoder"), in_axes=(1, None))
            style = jnp.mean(read(batch["reference"], batch["persona"]), axis=0)
        else:
            z = jax.random.normal(nets.key, (batch_size(batch), latent_size))
            style = nets.fixed("mapping")(z, batch["persona"])
        return nets("generator", batch["image"], style)[0]

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        style = nets.fixed("style_encoder")(batch["reference"], batch[TARGET])
        return nets("generator", batch["image"], style)[0]

    def inputs(batch: Batch):
        z, style = (jnp.zeros((batch_size(batch), size)) for size in (latent_size, style_size))
        seen = dict.fromkeys((ENCODER, *JUDGE), (batch["image"], batch["persona"]))
        return seen | {"generator": (batch["image"], style), "mapping": (z, batch["persona"])}

    made = (generator, mapping, style_encoder, discriminator)
    asked = {"persona": Choice(personas, None)}
    return Recipe(
        networks=dict(zip((*PLAYERS, *JUDGE), made, strict=True)),
        phases=(
            Phase(name="discriminator_drawn", trains=JUDGE, loss=discriminator_loss("mapping")),
            Phase(name="discriminator_reference", trains=JUDGE, loss=discriminator_loss(ENCODER)),
            Phase(name="drawn", trains=PLAYERS, loss=generator_loss("mapping", PLAYERS)),
            Phase(name="reference", trains=ALONE, loss=generator_loss(ENCODER, ALONE)),
        ),
        inputs=inputs,
        values=values,
        schedules=schedules,
        ema=dict.fromkeys(PLAYERS, "ema_decay"),
        given=("image", "reference", TARGET),
        latents=no_latents,
        generate=generate,
        translation=Translation(run=translate, conditions=asked, references="optional"),
    )
