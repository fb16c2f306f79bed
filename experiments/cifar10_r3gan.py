"""R3GAN on CIFAR-10 at 32x32, conditional.

    pip install 'gan-jax[prepare]' && gan-jax data prepare tfds:cifar10
    gan-jax train experiments/cifar10_r3gan.py

Huang et al. 2024: the relativistic pairing loss with R1 and R2 every round; learning rate, gamma,
Adam's beta2, the average and the augmentation follow half a cosine over the first 20 million
pictures. Batch 512, 200 million pictures. Expected (published, not measured by us): FID 1.96.

FID in the loop: `--config.evaluate.on=true`, once `gan-jax weights import inception` was run.
`:smoke` takes seconds, on handwritten digits.
"""

from __future__ import annotations

import functools

import optax

from gan_jax import losses
from gan_jax.augment.ada.blit import Blit
from gan_jax.augment.ada.color import Color
from gan_jax.augment.ada.corruption import Cutout
from gan_jax.augment.ada.geometric import Geometric
from gan_jax.augment.ada.pipeline import AdaPipeline
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.augmentation import scheduled
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1, r2
from gan_jax.schedules import Schedule, cosine_over_images, ema_decay

AUGMENTATION = AdaPipeline(
    blit=Blit(),
    geometric=Geometric(),
    color=Color(brightness=0.5, contrast=0.5, luma_flip=0.5, hue=0.5, saturation=0.5),
    cutout=Cutout(),
)


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 512
    config.total = "200_000_000 images"
    config.samples_every = "1_000 steps"
    config.checkpoint_every = "2_000 steps"
    config.num_classes = 10
    config.data.name = "tfds:cifar10"
    config.data.size = 32
    config.data.channels = 3
    config.evaluate.on = False  # FID: true once Inception's weights are imported
    config.evaluate.every = "10_000 steps"
    config.evaluate.samples = 50_000
    config.data.flip = True
    config.latent_size = 64
    config.widths = ()  # of 4x4, 8x8, …; () for the published ones
    config.burn_in = 2e7  # images in which each setting goes from its first value to its last
    config.learning_rate = {"first": 2e-4, "last": 5e-5}
    config.b2 = {"first": 0.9, "last": 0.99}
    config.gamma = {"first": 0.05, "last": 0.005}
    config.ema_half_life = {"first": 0.0, "last": 5e6}  # images
    config.augment_p = {"first": 0.0, "last": 0.55}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 20
    config.data.name = "digits"
    config.widths = (16, 16, 16, 16)


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)

    def over_burn_in(setting: Config) -> Schedule:
        return cosine_over_images(config.burn_in, setting.last)

    half_life = over_burn_in(config.ema_half_life)
    schedules = {
        "ema_decay": ema_decay(config.batch_size, half_life),
        "augment_p": over_burn_in(config.augment_p),
        "r1_weight": over_burn_in(config.gamma),
        "r2_weight": over_burn_in(config.gamma),
    }
    for player in ("generator", "discriminator"):
        schedules[f"{player}.learning_rate"] = over_burn_in(config.learning_rate)
        schedules[f"{player}.b2"] = over_burn_in(config.b2)
    return noise_recipe(
        generator=R3GANGenerator(size, channels, config.widths or None, classes, dtype=dtype),
        discriminator=R3GANDiscriminator(size, config.widths or None, classes, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.relativistic_pairing,
        values={
            "ema_decay": config.ema_half_life.first,
            "augment_p": config.augment_p.first,
            "r1_weight": config.gamma.first,
            "r2_weight": config.gamma.first,
        },
        schedules=schedules,
        regularisers=(r1(), r2()),
        augmentation=scheduled(AUGMENTATION),
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (Fidelity(every=every, samples=samples, protocol="tf1"),)


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(functools.partial(optax.adam, b1=0.0))
    return {
        name: adam(config.learning_rate.first, b2=config.b2.first)
        for name in ("generator", "discriminator")
    }
