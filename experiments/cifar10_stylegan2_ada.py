"""StyleGAN2-ADA on CIFAR-10 at 32x32, conditional: the release's `cifar` configuration.

    pip install 'gan-jax[prepare]' && gan-jax data prepare tfds:cifar10
    gan-jax train experiments/cifar10_stylegan2_ada.py

Karras et al. 2020: gamma 0.01 every 16 rounds, no style mixing, no path lengths, augmentations
"bgc" with target 0.6 over 500 thousand pictures, an average of half-life 500 thousand. 100 million
pictures. The release corrects the generator's Adam for path lengths every 4 rounds, though it gives
them no weight here; so do we. Expected (published, not measured by us): FID 2.42 conditional, 2.92
unconditional (`--config.num_classes=0`).

FID in the loop: `--config.evaluate.on=true`, once `gan-jax weights import inception` was run.
`:smoke` takes seconds, on handwritten digits.
"""

from __future__ import annotations

import functools

import optax

from gan_jax import losses
from gan_jax.augment.ada.pipeline import ada_pipeline
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.networks.stylegan2.configurations import CIFAR
from gan_jax.optimizers import lazy_adam
from gan_jax.recipe import Recipe
from gan_jax.recipes.augmentation import adaptive
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.schedules import ema_decay, ramp_up


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = CIFAR.batch_size
    config.total = f"{CIFAR.kimg * 1000} images"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "5_000 steps"
    config.num_classes = 10
    config.data.name = "tfds:cifar10"
    config.data.size = 32
    config.data.channels = 3
    config.evaluate.on = False  # FID: true once Inception's weights are imported
    config.evaluate.every = "10_000 steps"
    config.evaluate.samples = 50_000
    config.latent_size = 512
    config.ema_half_life = 1000 * CIFAR.ema_kimg  # images; at most 5 % of those seen
    config.r1_weight = CIFAR.r1_gamma
    config.r1_every = 16
    config.path_length_every = 4  # in the correction of the generator's Adam only
    config.learning_rate = CIFAR.learning_rate
    config.ada = {"groups": "bgc", "target": 0.6, "ramp_kimg": 500.0}
    config.width = 32768  # features are this over the resolution, at most 512
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 20
    config.data.name = "digits"
    config.width = 256
    config.latent_size = 32


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    networks = CIFAR._replace(channel_base=config.width)
    return noise_recipe(
        generator=networks.generator(size, channels, classes, dtype=dtype),
        discriminator=networks.discriminator(size, classes, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={
            "ema_decay": config.ema_half_life,
            "r1_weight": config.r1_weight,
            "augment_target": config.ada.target,
        },
        schedules={"ema_decay": ema_decay(config.batch_size, ramp_up(0.05))},
        regularisers=(r1(every=config.r1_every),),
        augmentation=adaptive(ada_pipeline(config.ada.groups), ramp_kimg=config.ada.ramp_kimg),
        drawing=Styled(mixing=CIFAR.style_mixing),
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
