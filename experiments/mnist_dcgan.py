"""DCGAN on MNIST at 28x28: 7x7x256 to the picture by 5x5 transposed convolutions.

    pip install 'gan-jax[prepare]' && gan-jax data prepare tfds:mnist
    gan-jax train experiments/mnist_dcgan.py

Conditional: `gan-jax sample` takes `--label`. 20 epochs are 18,750 steps. Expected: digits that
look written by hand, of the class that was asked for. `:smoke` takes seconds, on the digits of
scikit-learn.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 64
    config.total = "20 epochs"
    config.samples_every = "1 epoch"
    config.checkpoint_every = "1 epoch"
    config.num_classes = 10
    config.data.name = "tfds:mnist"
    config.data.size = 28
    config.data.channels = 1
    config.latent_size = 100
    config.ema_decay = 0.999
    config.generator = {"width": 64, "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"width": 64, "dropout": 0.3, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 16
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 20
    config.data.name = "digits"
    config.generator.width = 8
    config.discriminator.width = 8


def get_recipe(config: Config) -> Recipe:
    size, classes = config.data.size, config.num_classes
    dtype = compute_dtype(config)
    return noise_recipe(
        generator=DCGANGenerator(
            size,
            config.data.channels,
            width=config.generator.width,
            num_classes=classes,
            dtype=dtype,
        ),
        discriminator=DCGANDiscriminator(
            size,
            width=config.discriminator.width,
            num_classes=classes,
            normalise=False,
            dropout=config.discriminator.dropout,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={"ema_decay": config.ema_decay},
        schedules={},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
