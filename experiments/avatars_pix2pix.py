"""pix2pix on avatars at 64x64: from an outline to the finished picture.

    gan-jax train experiments/avatars_pix2pix.py
    gan-jax translate runs/avatars_pix2pix mine.png

The condition is the outline of an avatar: where the colours of its picture change. Skin, hair and
clothes are the generator's to choose, and on held-out outlines their truth stands beside what it
chose. The judge measures whether landmarks and expression come through.

`--config.condition=landmarks` draws lines through the avatar's 34 landmarks instead, and
`--config.condition=heat_maps` a Gaussian for each: of these the generator has to invent the hair,
too; in pictures of yours the package's finder looks for them. `:long` takes four times the steps,
`:smoke` seconds at 32x32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.avatars.landmarks import LANDMARKS, LINES
from gan_jax.errors import UsageError
from gan_jax.evaluators.avatar_control import AvatarControl
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.translations import Translations
from gan_jax.heat_maps import heat_maps, outlines
from gan_jax.networks.landmark_finder import LandmarkFinder, points_of
from gan_jax.networks.patchgan import PatchGAN
from gan_jax.networks.unet import UNet
from gan_jax.ops.edges import edges
from gan_jax.recipe import Batch, Nets, Recipe
from gan_jax.recipes.paired import paired_recipe
from gan_jax.weights.store import Weights, find_weights


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 8
    config.total = "5000 steps"
    config.samples_every = "1000 steps"
    config.checkpoint_every = "1000 steps"
    config.samples.count = 32
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "2500 steps"
    config.evaluate.samples = 1000
    config.condition = "outline"  # or landmarks, heat_maps
    config.l1_weight = 100.0
    config.ema_decay = 0.99
    config.generator = {"width": 24, "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"width": 24, "layers": 2, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "20_000 steps"
    config.samples_every = "4_000 steps"
    config.evaluate.every = "10_000 steps"


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.evaluate.every = "4 steps"
    config.evaluate.samples = 64
    config.data.name = "avatars/32"
    config.data.size = 32
    config.generator.width = 8
    config.discriminator.width = 8
    config.discriminator.layers = 1


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    size, data = config.batch_size, config.data
    forms: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((data.size, data.size, data.channels), jnp.uint8),
        "landmarks": ((len(LANDMARKS), 2), jnp.float32),
    }
    return {
        name: jax.ShapeDtypeStruct((size, *shape), dtype) for name, (shape, dtype) in forms.items()
    }


class Asked(NamedTuple):
    """What the generator draws from.

    Attributes:
        given: the leaf of a batch that it is drawn of.
        drawn: `leaf [B, …] -> [B, size, size, K]`.
        found: `(nets, batch) -> leaf`, in pictures of a user's.
    """

    given: str
    drawn: Callable[[Array], Array]
    found: Callable[[Nets, Batch], Array]

    def condition(self, batch: Batch) -> Array:
        return self.drawn(batch[self.given])

    def asked(self, nets: Nets, batch: Batch) -> Array:
        return self.drawn(self.found(nets, batch))


def asked_of(config: Config) -> Asked:
    size = config.data.size
    lines = partial(outlines, lines=LINES, size=size, width=size / 48)
    maps = partial(heat_maps, size=size, sigma=size / 64)

    def points(nets: Nets, batch: Batch) -> Array:
        return points_of(nets.fixed("finder"), batch["image"])

    conditions = {
        "outline": Asked("image", edges, lambda nets, batch: batch["image"]),
        "landmarks": Asked("landmarks", lines, points),
        "heat_maps": Asked("landmarks", maps, points),
    }
    if config.condition not in conditions:
        raise UsageError(f"condition={config.condition!r}: must be {' or '.join(conditions)}")
    return conditions[config.condition]


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    asked = asked_of(config)
    finder = {"finder": LandmarkFinder(len(LANDMARKS), dtype=dtype)}
    return paired_recipe(
        generator=UNet(size, config.data.channels, config.generator.width, dtype=dtype),
        discriminator=PatchGAN(
            config.discriminator.width, config.discriminator.layers, dtype=dtype
        ),
        condition=asked.condition,
        given=(asked.given,),
        loss=losses.non_saturating,
        values={"l1_weight": config.l1_weight, "ema_decay": config.ema_decay},
        schedules={},
        frozen=finder if asked.given == "landmarks" else {},
        asked=asked.asked,
    )


def get_frozen(config: Config) -> dict[str, Weights]:
    """The finder where landmarks are drawn; an outline needs none."""
    if asked_of(config).given != "landmarks":
        return {}
    return {"finder": find_weights("avatar_landmarks", None)}


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (
        Translations(every=every, samples=samples, condition=asked_of(config).condition),
        AvatarControl(
            every=every, samples=samples, controls=("landmarks", "expression", "expression_vector")
        ),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {
        name: adam(config[name].learning_rate, b1=config[name].b1)
        for name in ("generator", "discriminator")
    }
