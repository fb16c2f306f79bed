"""StyleGAN2 on avatars at 32x32: modulated convolutions, style mixing, lazy R1.

    gan-jax train experiments/avatars_stylegan2.py

Karras et al. 2020, narrow.

Sized for two CPU cores. Seen (three seeds, 10,000 samples): FD-avatar 67, coverage 0.64,
modes 0.66. `:smoke` takes seconds.
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
from gan_jax.networks.stylegan2.discriminator import StyleGAN2Discriminator
from gan_jax.networks.stylegan2.generator import StyleGAN2Generator
from gan_jax.optimizers import lazy_adam
from gan_jax.recipe import Recipe
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.schedules import ema_decay, ramp_up


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
    config.latent_size = 128
    config.mixing = 0.5
    config.width = 1024  # features are this over the resolution, at most `most`
    config.most = 64
    config.mapping_layers = 2
    config.learning_rate = 0.005
    config.ema_half_life = 10_000.0  # images; at most 5 % of those seen
    config.r1_weight = 2.0
    config.r1_every = 8
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
    config.width = 256
    config.latent_size = 32


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    widths = {"channel_base": config.width, "channel_max": config.most}
    return noise_recipe(
        generator=StyleGAN2Generator(
            size,
            channels,
            classes,
            w_features=config.latent_size,
            mapping_layers=config.mapping_layers,
            **widths,
            dtype=dtype,
        ),
        discriminator=StyleGAN2Discriminator(size, classes, **widths, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={"ema_decay": config.ema_half_life, "r1_weight": config.r1_weight},
        schedules={"ema_decay": ema_decay(config.batch_size, ramp_up(0.05))},
        regularisers=(r1(every=config.r1_every),),
        drawing=Styled(mixing=config.mixing),
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
    adam = optax.inject_hyperparams(functools.partial(optax.adam, eps=1e-8))
    rate = config.learning_rate
    return {
        "generator": adam(rate, b1=0.0, b2=0.99),
        "discriminator": adam(**lazy_adam(rate, b1=0.0, b2=0.99, every=config.r1_every)),
    }
