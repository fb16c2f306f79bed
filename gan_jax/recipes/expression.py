"""Expressions: a face keeps what it is and takes the expression of another (after Choi et al. 2018,
StarGAN, and Pumarola et al. 2018, GANimation).

The generator keeps what its mask covers and paints the rest, as a condition asks; the discriminator
judges pictures and reads expressions off them, which it learns of real pictures alone. Examples
get the expressions of others, and their own back: what they truly look like so is never seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax import penalties
from gan_jax.augment.diff_augment import diff_augment
from gan_jax.errors import UsageError
from gan_jax.losses import AdversarialLoss
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe
from gan_jax.recipes.expression_drives import Drive, blank_of, others, rolled
from gan_jax.recipes.likeness import Likeness, frozen_of
from gan_jax.recipes.needed_values import check_values
from gan_jax.recipes.paired import no_latents
from gan_jax.schedules import Schedule
from gan_jax.style_losses import total_variation
from gan_jax.translation import Translation

Values = Mapping[str, Array]
WEIGHED = ("expression", "cycle", "change", "variation", "reading", "r1")
NEEDED = (*(f"{name}_weight" for name in WEIGHED), "ema_decay")


def expression_recipe(
    *,
    generator: nn.Module,
    discriminator: nn.Module,
    drive: Drive,
    likeness: Mapping[str, Likeness],
    reading_turns: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    policies: tuple[str, ...] = (),
) -> Recipe:
    """`generator(images, condition, *shown) -> Translation` with a mask, `discriminator(images,
    condition or None) -> Judgement`, as in `networks.stargan`. First the discriminator learns to
    read of `reading_turns` real batches: until it can the generator keeps all; then both follow.

    Args:
        loss: the adversarial pair, taken place by place.
        values: `ema_decay`, R1's `r1_weight`, and weights of what is read, of the mean absolute
            difference of what came back (`cycle`) and of what was made (`change`) from what was
            given (GANimation's is of the masks), and of the masks' total variation.
        likeness: who a translation is to stay, each by the weight of its name.
        policies: of DiffAugment, on all that the discriminator sees; none where places matter.

    Raises:
        UsageError: a value that is missing or negative; when traced, a batch of 1.
    """
    check_values(values, (*NEEDED, *(f"{name}_weight" for name in likeness)))
    if reading_turns < 1:
        raise UsageError(f"reading_turns={reading_turns} must be at least 1")
    condition, reading, recognised = drive.condition, drive.reading, drive.recognised
    judged, shown = drive.judged or condition, drive.shown

    def seen(images: Array, key: Array, number: int) -> Array:
        return diff_augment(images, jax.random.fold_in(key, number), policies)

    def reading_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        of_real, nets = nets("discriminator", seen(batch["image"], key, 0), judged(batch))
        read = jnp.mean(reading(of_real.condition, batch))
        return values["reading_weight"] * read, Aux(nets, extra, {"expression": read})

    def discriminator_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        real, target = batch["image"], drive.retarget(batch, others(batch, key))
        fake = nets.fixed("generator")(real, condition(target), *shown(nets, real)).images
        judge = nets.fixed("discriminator")
        real, own, asked = seen(real, key, 0), judged(batch), judged(target)
        of_real, nets = nets("discriminator", real, own)
        of_fake, nets = nets("discriminator", seen(fake, key, 1), asked)
        adversarial = jnp.mean(loss.discriminator(of_real.logits, of_fake.logits))
        read = jnp.mean(reading(of_real.condition, batch))
        r1 = jnp.mean(penalties.r1(lambda x: jnp.mean(judge(x, own).logits, (1, 2)), real))
        value = adversarial + values["reading_weight"] * read + values["r1_weight"] * r1
        means = {"real_logits": jnp.mean(of_real.logits), "fake_logits": jnp.mean(of_fake.logits)}
        return value, Aux(nets, extra, means | {"expression": read, "r1": r1})

    def generator_loss(nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Values):
        real, target = batch["image"], drive.retarget(batch, others(batch, key))
        there, nets = nets("generator", real, condition(target), *shown(nets, real))
        back, nets = nets("generator", there.images, condition(batch), *shown(nets, there.images))
        judge = nets.fixed("discriminator")
        of_fake = judge(seen(there.images, key, 1), judged(target))
        # Relativistic losses alone look at these; of other programs XLA takes them out.
        real_logits = judge(seen(real, key, 0), judged(batch)).logits
        adversarial = jnp.mean(loss.generator(real_logits, of_fake.logits))
        masks = jnp.concatenate([there.mask, back.mask])
        terms = {
            "expression": jnp.mean(reading(of_fake.condition, target)),
            "cycle": jnp.mean(jnp.abs(back.images - real)),
            "change": jnp.mean(jnp.abs(there.images - real)),
            "variation": jnp.mean(total_variation(masks)),
        }
        for name, kind in likeness.items():
            terms[name] = jnp.mean(kind.apart(nets, there.images, real))
        value = adversarial + sum(values[f"{name}_weight"] * terms[name] for name in terms)
        watched = {"mask_full": jnp.mean(masks > 0.95), "mask_empty": jnp.mean(masks < 0.05)}
        watched |= {"adversarial": adversarial, "mask": jnp.mean(masks)}
        return value, Aux(nets, extra, terms | watched)

    def paint(nets: Nets, images: Array, told: Array) -> Array:
        return nets("generator", images, told, *shown(nets, images))[0].images

    def generate(nets: Nets, latents: Array, batch: Batch, truncation: Array) -> Array:
        return paint(nets, batch["image"], condition(drive.retarget(batch, rolled(batch, 1))))

    def translate(nets: Nets, batch: Batch) -> Array:
        told = drive.like(nets, batch) if drive.like else (drive.asked or condition)(batch)
        return paint(nets, batch["image"], told)

    def inputs(batch: Batch):
        images, told = batch["image"], condition(batch)
        blank = blank_of(drive, images)
        return {"generator": (images, told, *blank), "discriminator": (images, judged(batch))}

    references = "required" if drive.like else "none"
    asks = Translation(run=translate, conditions=drive.conditions, references=references)
    judge = ("discriminator",)
    return Recipe(
        networks={"generator": generator, "discriminator": discriminator},
        frozen={**drive.frozen, **frozen_of(likeness.values())},
        phases=(
            Phase(name="reading", trains=judge, loss=reading_loss, batch=1, repeat=reading_turns),
            Phase(name="discriminator", trains=judge, loss=discriminator_loss),
            Phase(name="generator", trains=("generator",), loss=generator_loss),
        ),
        inputs=inputs,
        values=values,
        schedules=schedules,
        ema={"generator": "ema_decay"},
        given=("image", *drive.given),
        latents=no_latents,
        generate=generate,
        translation=asks if drive.conditions or drive.like else None,
        recognise=recognised
        and (lambda nets, batch: recognised(nets("discriminator", batch["image"])[0].condition)),
    )
