"""DCGAN on avatars at 64x64: the main job.

    gan-jax train experiments/avatars_dcgan.py

Expected on two CPU cores: about 5 minutes of training, besides about a minute once for drawing the
avatars and compiling, and what its evaluators take at steps 1000, 2000 and 3000; faces with eyes,
mouth and hair in many colours, rough at the edges. R1 keeps the discriminator in check without
BatchNorm; the average of the weights follows the last 100 steps.

Longer (`:long`, about 20 minutes by the rate of the short one; over three seeds FD-avatar 42 and
85 % of the modes instead of 89 and 52 %):

    gan-jax train experiments/avatars_dcgan.py:long

`:smoke` takes seconds, at 32x32.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.diversity import Diversity
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.nearest import NearestNeighbours
from gan_jax.evaluators.overfitting import Overfitting
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 16
    config.total = "3000 steps"
    config.samples_every = "300 steps"
    config.checkpoint_every = "300 steps"
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "1000 steps"
    config.evaluate.samples = 2000
    config.latent_size = 128
    config.ema_decay = 0.99
    config.r1_weight = 0.3
    config.r1_every = 8
    config.generator = {"width": 32, "learning_rate": 4e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "normalise": False, "learning_rate": 3e-4, "b1": 0.5}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "12_000 steps"
    config.samples_every = "1_000 steps"
    config.checkpoint_every = "1_000 steps"
    config.evaluate.every = "3_000 steps"
    config.ema_decay = 0.999


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "40 steps"
    config.log_every = "5 steps"
    config.samples_every = "20 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.evaluate.every = "20 steps"
    config.evaluate.samples = 64
    config.data.name = "avatars/32"
    config.data.split = "test"
    config.data.size = 32
    config.generator.width = 8
    config.discriminator.width = 8


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    return noise_recipe(
        generator=DCGANGenerator(
            size, channels, width=config.generator.width, num_classes=classes, dtype=dtype
        ),
        discriminator=DCGANDiscriminator(
            size,
            width=config.discriminator.width,
            num_classes=classes,
            normalise=config.discriminator.normalise,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={"ema_decay": config.ema_decay, "r1_weight": config.r1_weight},
        schedules={},
        regularisers=(r1(every=config.r1_every),),
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    """The judge and the pixels as the run goes; pictures of what it learned at its end."""
    every, samples = config.evaluate.every, config.evaluate.samples
    held_out = "test" if config.data.split == "train" else "train"
    return (
        AvatarFidelity(every=every, samples=samples),
        Diversity(every=every, samples=min(samples, 1000)),
        Overfitting(every=every, samples=min(samples, 1000), held_out=held_out),
        Interpolation(),
        NearestNeighbours(samples=min(samples, 500), held_out=held_out),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
