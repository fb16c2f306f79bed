"""R3GAN on avatars at 32x32: relativistic pairing loss, R1 and R2, no normalisation.

    gan-jax train experiments/avatars_r3gan.py

Huang et al. 2024, narrow: one block a resolution, which does not widen, in groups of 32.

Sized for two CPU cores. Seen (three seeds, 10,000 samples): FD-avatar 67, coverage 0.62,
modes 0.62. `:smoke` takes seconds.
"""

from __future__ import annotations

import functools

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1, r2
from gan_jax.schedules import Schedule, cosine_over_images, ema_decay


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 16
    config.total = "3000 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.data.name = "avatars/32"
    config.data.size = 32
    config.data.channels = 3
    config.evaluate.every = "1000 steps"
    config.evaluate.samples = 2000
    config.latent_size = 64
    config.widths = (128, 128, 64, 32)  # of 4x4, 8x8, …
    config.stage = {"blocks": 1, "expansion": 1, "group_width": 32}  # published: 2, 2, 16
    config.burn_in = 5e4  # images in which each setting goes from its first value to its last
    config.learning_rate = {"first": 1e-3, "last": 5e-4}
    config.b2 = {"first": 0.9, "last": 0.99}
    config.gamma = {"first": 1.0, "last": 0.2}
    config.ema_half_life = {"first": 0.0, "last": 5_000.0}  # images
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.evaluate.every = "20 steps"
    config.evaluate.samples = 64
    config.data.split = "test"
    config.widths = (32, 32, 32, 32)


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)

    def over_burn_in(setting: Config) -> Schedule:
        return cosine_over_images(config.burn_in, setting.last)

    half_life = over_burn_in(config.ema_half_life)
    schedules = {
        "ema_decay": ema_decay(config.batch_size, half_life),
        "r1_weight": over_burn_in(config.gamma),
        "r2_weight": over_burn_in(config.gamma),
    }
    for player in ("generator", "discriminator"):
        schedules[f"{player}.learning_rate"] = over_burn_in(config.learning_rate)
        schedules[f"{player}.b2"] = over_burn_in(config.b2)
    return noise_recipe(
        generator=R3GANGenerator(
            size, channels, config.widths, classes, **config.stage, dtype=dtype
        ),
        discriminator=R3GANDiscriminator(size, config.widths, classes, **config.stage, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.relativistic_pairing,
        values={
            "ema_decay": config.ema_half_life.first,
            "r1_weight": config.gamma.first,
            "r2_weight": config.gamma.first,
        },
        schedules=schedules,
        regularisers=(r1(), r2()),
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    """The judge and the pixels as the run goes; pictures of what it learned at its end."""
    every, samples = config.evaluate.every, config.evaluate.samples
    held_out = "test" if config.data.split == "train" else "train"
    return (
        AvatarFidelity(every=every, samples=samples),
        Diversity(every=every, samples=min(samples, 1000)),
        Interpolation(),
        NearestNeighbours(samples=min(samples, 500), held_out=held_out),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(functools.partial(optax.adam, b1=0.0))
    return {
        name: adam(config.learning_rate.first, b2=config.b2.first)
        for name in ("generator", "discriminator")
    }
