"""A dense GAN on real handwritten digits: the smallest real run.

    gan-jax train experiments/digits_mlp.py

Expected (not measured yet): grey digits that can be read, of most of the ten classes. `:smoke`
takes seconds.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 64
    config.total = "400 epochs"
    config.samples_every = "40 epochs"
    config.checkpoint_every = "40 epochs"
    config.data.name = "digits"
    config.data.size = 28
    config.data.channels = 1
    config.latent_size = 100
    config.ema_decay = 0.999
    config.generator = {"hidden": (256, 512, 1024), "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"hidden": (512, 256), "dropout": 0.3, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 16
    config.total = "40 steps"
    config.log_every = "5 steps"
    config.samples_every = "20 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.data.size = 8
    config.generator.hidden = (32, 64)
    config.discriminator.hidden = (64, 32)


def get_recipe(config: Config) -> Recipe:
    shape = (config.data.size, config.data.size, config.data.channels)
    dtype = compute_dtype(config)
    return noise_recipe(
        generator=MLPGenerator(
            shape, hidden=config.generator.hidden, num_classes=config.num_classes, dtype=dtype
        ),
        discriminator=MLPDiscriminator(
            hidden=config.discriminator.hidden,
            num_classes=config.num_classes,
            dropout=config.discriminator.dropout,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=config.num_classes,
        loss=losses.non_saturating,
        values={"ema_decay": config.ema_decay},
        schedules={},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
