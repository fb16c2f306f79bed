"""InfoGAN on avatars at 64x64: codes that come to mean something by themselves.

    gan-jax train experiments/avatars_infogan.py

A picture is drawn of noise, one code of eight choices and two continuous codes; the discriminator
has to read the codes off it. `evaluations/*_codes.png` changes one code at a time, and the metric
of each code says how much it tells of the renderer's true factors, which training never sees.

`:long` takes four times the steps, `:smoke` seconds at 32x32.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.codes import Codes
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.networks.dcgan import DCGANGenerator
from gan_jax.networks.infogan import InfoGANDiscriminator
from gan_jax.recipe import Recipe
from gan_jax.recipes.infogan import infogan_recipe


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 32
    config.total = "3000 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "1000 steps"
    config.evaluate.samples = 2000
    config.latent_size = 62
    config.codes = {"categorical": (8,), "continuous": 2}
    config.categorical_weight = 1.0
    config.continuous_weight = 1.0
    config.ema_decay = 0.99
    config.generator = {"width": 32, "learning_rate": 1e-3, "b1": 0.5}
    config.discriminator = {"width": 32, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "12_000 steps"
    config.samples_every = "2_000 steps"
    config.evaluate.every = "4_000 steps"


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.evaluate.every = "4 steps"
    config.evaluate.samples = 64
    config.data.name = "avatars/32"
    config.data.size = 32
    config.latent_size = 8
    config.codes.categorical = (3,)
    config.generator.width = 4
    config.discriminator.width = 4


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    categorical, continuous = tuple(config.codes.categorical), config.codes.continuous
    return infogan_recipe(
        generator=DCGANGenerator(
            size, config.data.channels, width=config.generator.width, dtype=dtype
        ),
        discriminator=InfoGANDiscriminator(
            size, categorical, continuous, width=config.discriminator.width, dtype=dtype
        ),
        latent_size=config.latent_size,
        categorical=categorical,
        continuous=continuous,
        loss=losses.non_saturating,
        values={
            "categorical_weight": config.categorical_weight,
            "continuous_weight": config.continuous_weight,
            "ema_decay": config.ema_decay,
        },
        schedules={},
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    categorical, continuous = tuple(config.codes.categorical), config.codes.continuous
    return (
        Codes(every=every, samples=samples, categorical=categorical, continuous=continuous),
        AvatarFidelity(every=every, samples=samples),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {
        name: adam(config[name].learning_rate, b1=config[name].b1)
        for name in ("generator", "discriminator")
    }
