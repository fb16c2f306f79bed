"""Unpaired translation between two kinds of pictures, there and back (CycleGAN, Zhu et al. 2017).

No picture of one kind belongs to any of the other: each generator is told by the judge of its
target what that looks like, and by the way back that it may not lose the picture it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.losses import AdversarialLoss
from gan_jax.recipe import Aux, Batch, Nets, Phase, PyTree, Recipe
from gan_jax.recipes.image_pool import empty_pool, exchange
from gan_jax.recipes.needed_values import check_values
from gan_jax.recipes.paired import no_latents
from gan_jax.schedules import Schedule
from gan_jax.translation import Choice, Translation


class Way(NamedTuple):
    """A generator, the one that leads back, the batch leaf that it reads, the one that its pictures
    are to be like, and the discriminator that knows the latter."""

    name: str
    back: str
    source: str
    target: str
    judge: str


DIRECTIONS, JUDGES = ("a_to_b", "b_to_a"), ("judge_a", "judge_b")
WAYS = (Way("a_to_b", "b_to_a", "a", "b", "judge_b"), Way("b_to_a", "a_to_b", "b", "a", "judge_a"))

whole_squares = AdversarialLoss(
    discriminator=lambda real_logits, fake_logits: (
        jnp.square(real_logits - 1.0) + jnp.square(fake_logits)
    ),
    generator=lambda real_logits, fake_logits: jnp.square(fake_logits - 1.0),
    boundary=0.5,
)
"""Least squares as Zhu et al. have them (section 4): twice `losses.least_squares`. The weights of
the other terms are measured against these."""


def unpaired_recipe(
    *,
    generator_ab: nn.Module,
    generator_ba: nn.Module,
    discriminator_a: nn.Module,
    discriminator_b: nn.Module,
    shape: tuple[int, int, int],
    pool_size: int,
    loss: AdversarialLoss,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
) -> Recipe:
    """Networks `a_to_b`, `b_to_a`: `pictures -> pictures`, and `judge_a`, `judge_b`:
    `pictures -> logits [B, h, w]`; batch leaves `a` and `b`, pictures `[B, H, W, C]`.

    First both discriminators, each with half of its loss and generated pictures out of its pool.
    Then both generators: adversarial, `cycle_weight` times the mean absolute difference after
    there and back, and `identity_weight` times `cycle_weight` times that of a picture to what the
    generator that leads to its own kind makes of it.

    Args:
        generator_ab, …, discriminator_b: as `networks.resnet_translator`, `networks.patchgan`.
        shape: H, W, C of the pictures of both kinds.
        pool_size: earlier generated pictures kept of each kind, 50 as published; 0 for no pool.
        loss: the adversarial pair, taken place by place; `whole_squares` as published.
        values: `cycle_weight` (10 as published), `identity_weight` (0.5 where colours are to stay;
            with 0 and no schedule its passes are left out), `ema_decay` of the generators (or 0).
        schedules: of those names or of `network.hyperparameter`.

    Raises:
        UsageError: a value that is missing or negative, or a negative size of the pool.
    """
    check_values(values, ("cycle_weight", "identity_weight", "ema_decay"))
    networks = (generator_ab, generator_ba, discriminator_a, discriminator_b)
    has_identity = values["identity_weight"] > 0 or "identity_weight" in schedules

    def judges_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        total, pools, metrics = jnp.zeros(()), {}, {}
        for way, own in zip(WAYS, jax.random.split(key), strict=True):
            fake = nets.fixed(way.name)(batch[way.source])
            shown, pools[way.target] = exchange(extra[way.target], fake, own)
            real_logits, nets = nets(way.judge, batch[way.target])
            fake_logits, nets = nets(way.judge, shown)
            total += 0.5 * jnp.mean(loss.discriminator(real_logits, fake_logits))
            metrics[f"real_logits_{way.target}"] = jnp.mean(real_logits)
            metrics[f"fake_logits_{way.target}"] = jnp.mean(fake_logits)
        return total, Aux(nets, pools, metrics)

    def generators_loss(
        nets: Nets, extra: PyTree, batch: Batch, key: Array, values: Mapping[str, Array]
    ):
        total, metrics = jnp.zeros(()), {}
        for way in WAYS:
            source, target = batch[way.source], batch[way.target]
            fake, nets = nets(way.name, source)
            judge = nets.fixed(way.judge)
            fake_logits = judge(fake)
            real_logits = judge(target) if loss.relativistic else fake_logits
            adversarial = jnp.mean(loss.generator(real_logits, fake_logits))
            returned, nets = nets(way.back, fake)
            cycle = jnp.mean(jnp.abs(returned - source))
            total += adversarial + values["cycle_weight"] * cycle
            metrics |= {f"adversarial_{way.name}": adversarial, f"cycle_{way.source}": cycle}
            if has_identity:
                same, nets = nets(way.name, target)
                identity = jnp.mean(jnp.abs(same - target))
                total += values["cycle_weight"] * values["identity_weight"] * identity
                metrics[f"identity_{way.target}"] = identity
        return total, Aux(nets, extra, metrics)

    return Recipe(
        networks=dict(zip((*DIRECTIONS, *JUDGES), networks, strict=True)),
        phases=(
            Phase(name="judges", trains=JUDGES, loss=judges_loss),
            Phase(name="generators", trains=DIRECTIONS, loss=generators_loss),
        ),
        inputs=lambda batch: {
            **{way.name: (batch[way.source],) for way in WAYS},
            **{way.judge: (batch[way.target],) for way in WAYS},
        },
        values=values,
        schedules=schedules,
        ema=dict.fromkeys(DIRECTIONS, "ema_decay"),
        extra={kind: empty_pool(pool_size, shape) for kind in ("a", "b")},
        given=("a",),
        latents=no_latents,
        generate=lambda nets, latents, batch, truncation: nets("a_to_b", batch["a"])[0],
        translation=Translation(run=translate, conditions={"direction": Choice(DIRECTIONS)}),
    )


def translate(nets: Nets, batch: Batch) -> Array:
    """`image` the way that `direction` says, each picture its own."""
    is_back = batch["direction"][:, None, None, None] == 1
    there, back = (nets.fixed(way.name)(batch["image"]) for way in WAYS)
    return jnp.where(is_back, back, there)
