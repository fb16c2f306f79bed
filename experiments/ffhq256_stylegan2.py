"""StyleGAN2 on FFHQ at 256x256: the release's `paper256` configuration.

    gan-jax train experiments/ffhq256_stylegan2.py --config.data.name=folder:PATH

PATH holds FFHQ's 70,000 pictures at 256x256. Karras et al. 2020: batch 64, gamma 1 every 16 rounds,
path lengths every 4, style mixing 0.9, 25 million pictures, mirrored, no augmentation. Expected
(published, not measured by us): FID 3.78 (Huang et al. 2024, table of FFHQ-256); with ADA the
release's networks have 3.81 mirrored and 4.30 not. 2.47 seconds a thousand pictures on eight of the
release's GPUs. `:smoke` takes a minute, on avatars.
"""

from __future__ import annotations

import functools

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.networks.stylegan2.configurations import PAPER_256
from gan_jax.optimizers import lazy_adam
from gan_jax.recipe import Recipe
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import path_length
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.schedules import ema_decay


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = PAPER_256.batch_size
    config.total = f"{PAPER_256.kimg * 1000} images"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "2_000 steps"
    config.data.name = "folder:"
    config.data.split = "all"
    config.data.size = 256
    config.data.channels = 3
    config.data.flip = True
    config.data.in_memory = False
    config.evaluate.on = False  # FID: true once Inception's weights are imported
    config.evaluate.every = "10_000 steps"
    config.evaluate.samples = 50_000
    config.latent_size = 512
    config.ema_half_life = 1000 * PAPER_256.ema_kimg  # images
    config.r1_weight = PAPER_256.r1_gamma
    config.r1_every = 16
    config.path_length_weight = PAPER_256.path_length
    config.path_length_every = 4
    config.learning_rate = PAPER_256.learning_rate
    config.width = PAPER_256.channel_base  # features are this over the resolution, at most 512
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 4
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 4
    config.data.name = "avatars/32"
    config.data.split = "test"
    config.data.size = 32
    config.data.in_memory = True
    config.latent_size = 32
    config.width = 256


def prepare_data(config: Config) -> None:
    if config.data.name == "folder:":
        raise UsageError("where is FFHQ at 256x256? Set --config.data.name=folder:PATH")


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    networks = PAPER_256._replace(channel_base=config.width)
    return noise_recipe(
        generator=networks.generator(size, channels, classes, dtype=dtype),
        discriminator=networks.discriminator(size, classes, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={
            "ema_decay": config.ema_half_life,
            "r1_weight": config.r1_weight,
            "path_length_weight": config.path_length_weight,
        },
        schedules={"ema_decay": ema_decay(config.batch_size)},
        regularisers=(r1(every=config.r1_every),),
        generator_regularisers=(path_length(every=config.path_length_every),),
        drawing=Styled(mixing=PAPER_256.style_mixing),
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (Fidelity(every=every, samples=samples, protocol="tf1"),)


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(functools.partial(optax.adam, eps=1e-8))
    lazy = functools.partial(lazy_adam, config.learning_rate, b1=0.0, b2=0.99)
    return {
        "generator": adam(**lazy(every=config.path_length_every)),
        "discriminator": adam(**lazy(every=config.r1_every)),
    }
